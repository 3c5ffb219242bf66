/**
 * One discovery of one domain's policy: the record, then the body
 * (RFC 8461, sections 3.1 to 3.3 and 5.1).
 *
 * Layer:   engine. A step machine: an answer and the time in, the next wish
 *          out. It asks nobody itself.
 */
#ifndef SMX_ENGINE_FETCH_H
#define SMX_ENGINE_FETCH_H

#include "base/arena.h"
#include "core/limits.h"
#include "core/sts_policy.h"
#include "engine/port_dns.h"
#include "engine/port_https.h"

enum smx_fetch_kind {
	SMX_FETCH_FIRST,   /* nothing is known: record, then body */
	SMX_FETCH_RECHECK, /* a policy is live: the body only for a new id */
	SMX_FETCH_REFRESH, /* daily: the body whatever the record says (10.2) */
};

enum smx_fetch_want {
	SMX_FETCH_WANT_TXT,  /* next: smx_fetch_txt() with the answer */
	SMX_FETCH_WANT_BODY, /* next: smx_fetch_body() with the answer */
	SMX_FETCH_DONE,      /* smx_fetch.outcome tells */
};

enum smx_fetch_outcome {
	SMX_FETCH_POLICY,    /* a valid policy: smx_fetch.policy */
	SMX_FETCH_UNCHANGED, /* recheck: the id is the known one */
	SMX_FETCH_NO_RECORD, /* no usable record: diag.code says why */
	SMX_FETCH_NO_DNS,    /* the record's presence is not known */
	SMX_FETCH_FAILED,    /* a record, but no policy: diag.code */
	SMX_FETCH_WITHHELD,  /* this id failed less than 5 minutes ago */
};

struct smx_fetch_id {
	char text[SMX_STS_ID_MAX];
	size_t n;
};

struct smx_fetch {
	enum smx_fetch_kind kind;
	enum smx_fetch_outcome outcome;
	struct smx_fetch_id known;  /* of the live policy */
	struct smx_fetch_id failed; /* of the last failed fetch */
	smx_time failed_until;      /* mono */
	struct smx_fetch_id id;     /* of the record seen */
	uint32_t ttl_s;             /* of the record, or of its absence */
	bool secure;                /* the record was validated by DNSSEC */
	struct smx_diag diag;       /* borrows from the last answer */
	struct smx_slice detail;    /* borrows from the last answer */
	struct smx_sts_policy policy;
};

static inline struct smx_slice
smx_fetch_id_slice(const struct smx_fetch_id *id)
{
	return (struct smx_slice){ id->text, id->n };
}

void smx_fetch_id_set(struct smx_fetch_id *id, struct smx_slice text);

/** Start with @p f zeroed, and kind, known, failed, failed_until set. */
enum smx_fetch_want smx_fetch_start(struct smx_fetch *f);

/** The record was looked for. */
enum smx_fetch_want smx_fetch_txt(struct smx_fetch *f,
    const struct smx_dns_answer *answer, smx_time now);

/**
 * The policy host was asked.
 *
 * @param a  owns the lists of f->policy, which borrows from the answer too.
 */
enum smx_fetch_want smx_fetch_body(struct smx_fetch *f, struct smx_arena *a,
    const struct smx_https_policy *answer);

#endif
