/**
 * The audit of one domain: what a strict sender would do with mail for it
 * today, and what has to be mended (RFC 8461, RFC 8460, RFC 7672).
 *
 * Layer:   engine. It asks through its ports, in stages: DNS of the domain;
 *          DNS of its hosts and the policy; SMTP. Then it judges.
 * Memory:  everything lives until smx_check_free().
 * Limits:  SMX_CHECK_ARENA_MAX for one domain.
 */
#ifndef SMX_ENGINE_CHECK_H
#define SMX_ENGINE_CHECK_H

#include "engine/check_earlier.h"
#include "engine/check_facts.h"
#include "engine/check_finding.h"
#include "engine/port_https.h"
#include "engine/port_probe.h"

#define SMX_CHECK_ARENA_MAX ((size_t)16 << 20)

enum smx_check_verdict {
	SMX_CHECK_PROTECTED,
	SMX_CHECK_WARNINGS,     /* protected, with warnings */
	SMX_CHECK_TESTING,      /* policy in testing */
	SMX_CHECK_WITHDRAWN,    /* mode none */
	SMX_CHECK_NO_MAIL,      /* null MX: nothing to protect */
	SMX_CHECK_NOT_DEPLOYED, /* no sign of MTA-STS */
	SMX_CHECK_BROKEN,       /* deployed, but senders find no policy */
	SMX_CHECK_PARTLY,       /* strict senders can't use some MX hosts */
	SMX_CHECK_DEFERRED,     /* strict senders can't use any */
	SMX_CHECK_UNDETERMINED,
	SMX_CHECK_VERDICT_COUNT
};

struct smx_check_settings {
	bool skip_smtp;
	bool no_v6;     /* there is no IPv6 from here */
	bool no_dnssec; /* DNS answers are not validated: none is secure */
	/* Port 25 of some host was reached from here before. */
	bool smtp_works;
	smx_time soon; /* certificates that expire within are warned of */
};

struct smx_check_request {
	struct smx_slice domain; /* canonical, SMX_STS_DOMAIN_MAX at most */
	const struct smx_check_earlier *earlier; /* NULL: not known */
};

/** What all checks of a run share; it must outlive them. */
struct smx_check_world {
	struct smx_dns_port dns;
	struct smx_https_port https;
	struct smx_probe_port probe;
	/* Read when it is needed: it may change during the run. */
	struct smx_check_settings settings;
};

struct smx_check {
	struct smx_arena arena;
	const struct smx_check_world *world;
	const struct smx_check_earlier *earlier;
	void (*done)(void *arg, struct smx_check *c);
	void *arg;
	size_t pending;
	unsigned stage;
	struct smx_check_facts facts;
	struct smx_check_finding *findings;
	size_t finding_count; /* also those beyond the maximum */
	size_t severities[3]; /* of all findings, but what has changed */
	size_t changes;       /* warnings of what has changed */
	enum smx_check_verdict verdict;
	struct smx_slice headline; /* one sentence */
	struct smx_slice reason;   /* more of it; may be empty */
	smx_time testing_since;    /* 0: the policy is not in testing */
	bool no_memory; /* the arena's cap was reached: things are missing */
};

/**
 * Begin the check of a domain.
 *
 * @param request  copied, but what is known from earlier: that must outlive
 *                 the check.
 * @param done     is called once, perhaps before this returns. It has to free
 *                 the check.
 *
 * @retval 0
 * @retval -SMX_ENOMEM
 */
int smx_check_start(const struct smx_check_request *request,
    const struct smx_check_world *world, struct smx_now now,
    void (*done)(void *arg, struct smx_check *c), void *arg) SMX_CHECKED;

/** Give back a check that is done. */
void smx_check_free(struct smx_check **c);

static inline size_t
smx_check_findings_kept(const struct smx_check *c)
{
	return c->finding_count < SMX_CHECK_FINDING_MAX ? c->finding_count
							: SMX_CHECK_FINDING_MAX;
}

#endif
