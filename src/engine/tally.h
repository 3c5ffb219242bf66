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
#include "engine/port_tally.h"

#define SMX_TALLY_BYTES_MAX ((size_t)24 << 20)
/** Octets of a "policy" object: longer ones are counted as other. */
#define SMX_TALLY_POLICY_MAX 8192

struct smx_tally {
	struct smx_map map;
	struct smx_tally_batch batch;
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

/** What the rows take, in octets. */
static inline size_t
smx_tally_bytes(const struct smx_tally *t)
{
	return t->batch.arena.used_bytes;
}

/**
 * Take all rows out.
 *
 * @param ret  to be freed by the caller.
 *
 * @retval 0 or -SMX_ENOMEM: nothing was taken.
 */
int smx_tally_take(struct smx_tally *t,
    struct smx_tally_batch *ret) SMX_CHECKED;

#endif
