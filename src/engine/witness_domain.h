/**
 * What the witness knows of domains.
 *
 * Layer:   engine. Data only: who asks when is in witness.c.
 * Memory:  SMX_WITNESS_BYTES_MAX for all of them together. Whose
 *          visit is due again is forgotten first, then who is idle for longest.
 *          Who has been visited is not before that: it would be visited again. For mail no domain is
 *          added in the last eighth, so that there is room for failures.
 */
#ifndef SMX_ENGINE_WITNESS_DOMAIN_H
#define SMX_ENGINE_WITNESS_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/map.h"
#include "base/when.h"
#include "core/sts_policy.h"

#define SMX_WITNESS_BYTES_MAX      ((size_t)32 << 20)
#define SMX_WITNESS_MAIL_BYTES_MAX (SMX_WITNESS_BYTES_MAX / 8 * 7)

/** No visit is due so far ahead. */
#define SMX_WITNESS_DUE_MINUTES 64

struct smx_witness;
struct smx_witness_visit;

/** A policy in force; as in struct smx_postfix. */
struct smx_witness_policy {
	enum smx_sts_mode mode;
	smx_time until;         /* mono: its max_age is over */
	struct smx_slice mx;    /* patterns, each with ":" behind it */
	struct smx_slice lines; /* each with a line feed behind it */
};

struct smx_witness_domain {
	struct smx_map_node by_name;
	struct smx_list in_list; /* one of struct smx_witness_domains */
	struct smx_witness *witness;
	bool is_known;           /* whether there is a record */
	bool is_asking;          /* for the record */
	bool is_queued;          /* it has to wait for that */
	bool wants_visit;        /* once the record is known */
	struct smx_slice record; /* heap; empty: none */
	smx_time ask_due;        /* mono: the record is asked for again */
	smx_time visit_due;      /* mono; 0: now */
	struct smx_witness_visit *visit; /* under way */
	struct smx_list waiting;         /* see engine/witness_tell.h */
	size_t waiting_count;
	struct smx_witness_policy policy; /* its texts are heap */
	size_t name_bytes;
	char name[];
};

struct smx_witness_domains {
	struct smx_map map;
	struct smx_list busy;   /* somebody works on them */
	struct smx_list queued; /* their record is to be asked for */
	struct smx_list idle;   /* those not heard of for longest first */
	/* Those of which visits were made, by the minute in which the next is
	 * due; of those in one list the earlier minute is first. */
	struct smx_list visited[SMX_WITNESS_DUE_MINUTES];
	size_t bytes;
};

static inline struct smx_slice
smx_witness_domain_name(const struct smx_witness_domain *d)
{
	return smx_slice(d->name, d->name_bytes);
}

/** @retval 0 or -SMX_ENOMEM */
int smx_witness_domain_init(struct smx_witness_domains *all,
    const uint64_t seed[2]) SMX_CHECKED;

/** Free all. */
void smx_witness_domain_done(struct smx_witness_domains *all);

/** @return NULL: nothing is known of it. */
struct smx_witness_domain *smx_witness_domain_find(struct smx_witness *w,
    struct smx_slice name);

/** Begin to work on one: it is not forgotten until it is settled. */
void smx_witness_domain_take(struct smx_witness_domain *d);

/** Find or make one, and begin to work on it.
 *
 * @param bytes_max  of all domains.
 * @return NULL: there is no room.
 */
struct smx_witness_domain *smx_witness_domain_make(struct smx_witness *w,
    struct smx_slice name, size_t bytes_max, struct smx_now now);

/** Let one on which work has begun wait to ask for its record. */
void smx_witness_domain_queue(struct smx_witness_domain *d);

/** For now nothing more is done with it. */
void smx_witness_domain_settle(struct smx_witness_domain *d);

/** Take room for something of a domain that is busy, by forgetting others. It
 * is given back by taking it off the bytes.
 * @return false: there is none. */
bool smx_witness_domain_room(struct smx_witness *w, size_t bytes,
    struct smx_now now);

/** Whether there is a TLS reporting record is known now; empty: there is none.
 * Of a domain without one no text of a policy is kept. */
void smx_witness_domain_set_record(struct smx_witness_domain *d,
    struct smx_slice record, struct smx_now now);

/** @param policy  NULL: it has none. */
void smx_witness_domain_set_policy(struct smx_witness_domain *d,
    const struct smx_witness_policy *policy, struct smx_now now);

#endif
