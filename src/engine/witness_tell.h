/**
 * Sessions that the witness tells of, as soon as it is known whether the domain
 * wants to hear of them.
 *
 * Layer:   engine.
 * Memory:  SMX_WITNESS_WAITING_MAX different sessions of a domain wait for its
 *          record, equal ones as a count; they count as the domain's.
 */
#ifndef SMX_ENGINE_WITNESS_TELL_H
#define SMX_ENGINE_WITNESS_TELL_H

#include "core/tlsrpt_event.h"
#include "engine/witness_domain.h"

#define SMX_WITNESS_WAITING_MAX 100
/** Of equal ones, within an hour: they are all told in one go. */
#define SMX_WITNESS_WAITING_SAME_MAX 10000
/** What waits for longer comes too late for the report of its day. */
#define SMX_WITNESS_WAITING_FOR (6 * SMX_HOUR)

/** Tell of one session. @p failure may be NULL. */
void smx_witness_tell_session(struct smx_witness_domain *d,
    enum smx_tlsrpt_policy_type type, const struct smx_tlsrpt_failure *failure);

/** Keep one, to be told by smx_witness_tell_waiting(). */
void smx_witness_tell_later(struct smx_witness_domain *d,
    enum smx_tlsrpt_policy_type type, const struct smx_tlsrpt_failure *failure,
    struct smx_now now);

/** The record is known: tell of what was kept, or forget it. */
void smx_witness_tell_waiting(struct smx_witness_domain *d);

/** Forget what was kept until then, and count it as dropped. */
void smx_witness_tell_drop(struct smx_witness_domain *d, smx_time until);

#endif
