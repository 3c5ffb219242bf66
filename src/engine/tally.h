/**
 * Counting sessions for TLS reports, by day, Policy Domain, policy and failure
 * (RFC 8460, 4).
 *
 * Layer:   engine. No clock: the day is an argument.
 * Memory:  a batch holds what was counted since the one before it, SMX_TALLY_
 *          BYTES_MAX at the most. What was counted earlier is in the store,
 *          which adds up.
 *
 * What others can make up (host names, texts of failures) is bounded: beyond
 * SMX_TALLY_POLICIES_MAX policies of a domain and SMX_TALLY_FAILURES_MAX
 * failures of a policy all else is counted in one row, which says so.
 */
#ifndef SMX_ENGINE_TALLY_H
#define SMX_ENGINE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/tlsrpt_event.h"

#define SMX_TALLY_BYTES_MAX    ((size_t)24 << 20)
#define SMX_TALLY_POLICIES_MAX 64
#define SMX_TALLY_FAILURES_MAX 500
/** Octets of a "policy" object: longer ones are counted as other. */
#define SMX_TALLY_POLICY_MAX 8192

enum smx_tally_kind {
	SMX_TALLY_DOMAIN,  /* of one day */
	SMX_TALLY_POLICY,  /* of a domain */
	SMX_TALLY_FAILURE, /* of a policy */
};

/** One row. A row stands behind its parent in the batch. */
struct smx_tally_row {
	struct smx_map_node by_key;
	struct smx_list link; /* in the batch */
	enum smx_tally_kind kind;
	struct smx_tally_row *parent;
	uint64_t number;           /* of the row in its batch, from 1 on */
	int64_t day;               /* DOMAIN: since the epoch, UTC */
	uint64_t success, failure; /* POLICY: sessions; FAILURE: failure */
	enum smx_tlsrpt_policy_type type; /* POLICY */
	bool is_other;
	size_t children;
	struct smx_tally_row *other[3]; /* POLICY of a DOMAIN, by type;
					 * FAILURE of a POLICY: the first */
	struct smx_slice record;        /* DOMAIN: heap, the last one seen */
	/* DOMAIN: its name; else the members of the JSON object. */
	struct smx_slice text;
	int64_t stored;         /* the store's own */
	size_t children_stored; /* the store's own */
	char key[];
};

struct smx_tally_batch {
	struct smx_list rows;
	size_t row_count;
	uint64_t events;
	uint64_t dropped; /* events of which nothing could be counted */
};

struct smx_tally {
	struct smx_map map;
	struct smx_tally_batch batch;
	size_t bytes;
	char *scratch; /* for a key */
};

/**
 * @param seed  of the hash table.
 *
 * @retval 0 or -SMX_ENOMEM
 */
int smx_tally_init(struct smx_tally *t, const uint64_t seed[2]) SMX_CHECKED;
void smx_tally_done(struct smx_tally *t);

/**
 * Count an event.
 *
 * @param day  since the epoch, UTC.
 *
 * @retval 0
 * @retval -SMX_ELIMIT, -SMX_ENOMEM  there is no room for it: it is counted as
 *                                   dropped, at least in part.
 */
int smx_tally_add(struct smx_tally *t, const struct smx_tlsrpt_event *event,
    int64_t day) SMX_CHECKED;

/**
 * Take all rows out.
 *
 * @param ret  to be freed by the caller.
 *
 * @retval 0 or -SMX_ENOMEM: nothing was taken.
 */
int smx_tally_take(struct smx_tally *t,
    struct smx_tally_batch *ret) SMX_CHECKED;

/** Move a batch; @p from is empty then. */
void smx_tally_batch_move(struct smx_tally_batch *to,
    struct smx_tally_batch *from);

void smx_tally_batch_free(struct smx_tally_batch *b);

#endif
