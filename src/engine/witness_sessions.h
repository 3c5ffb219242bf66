/**
 * SMTP sessions of the witness, each made once an hour: thousands of domains
 * can share an MX host, and one look at it is enough for all. Thousands of hosts
 * can share an address: while it answers nobody, no more sessions wait for it.
 *
 * Layer:   engine.
 * Memory:  SMX_WITNESS_SESSIONS_MAX answers of less than 1 KiB; the oldest are
 *          forgotten first. SMX_WITNESS_PENDING_MAX without one.
 */
#ifndef SMX_ENGINE_WITNESS_SESSIONS_H
#define SMX_ENGINE_WITNESS_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "core/tlsrpt_result.h"
#include "engine/port_probe.h"

#define SMX_WITNESS_SESSIONS_MAX 10000
/** More than there are visits: those given up leave theirs behind. */
#define SMX_WITNESS_PENDING_MAX 1000
#define SMX_WITNESS_SESSION_FOR SMX_HOUR

struct smx_witness_sessions {
	struct smx_probe_port probe; /* all zero: no session may be made */
	struct smx_map map;
	struct smx_list answered; /* the oldest first */
	size_t answered_count;
	smx_time heard; /* mono, when it was asked last: probes tell no time */
	uint64_t made;
};

/** What a session came to. */
struct smx_witness_answer {
	bool is_connected;
	bool is_told; /* it says something about TLS (RFC 8460, 4.3) */
	bool is_failure;
	enum smx_tlsrpt_result result;
	struct smx_slice reason;
	struct smx_slice helo; /* what the host calls itself */
};

/** Who wants to know; storage and life are the caller's. */
struct smx_witness_waiter {
	struct smx_list link;
	/** @p answer is borrowed during the call. */
	void (*done)(struct smx_witness_waiter *w,
	    const struct smx_witness_answer *answer);
};

/** May sessions be made? */
static inline bool
smx_witness_sessions_are_made(const struct smx_witness_sessions *s)
{
	return s->probe.ops != NULL;
}

/** @retval 0 or -SMX_ENOMEM */
int smx_witness_sessions_init(struct smx_witness_sessions *s,
    const uint64_t seed[2]) SMX_CHECKED;

/** The probe may not answer any more, waiters are not called. */
void smx_witness_sessions_done(struct smx_witness_sessions *s);

/**
 * Ask for what a session with an address of a host comes to.
 *
 * @param waiter  is called once, from inside this call when it is known.
 *
 * @retval 0
 * @retval -SMX_ENOMEM  it is not called; also when too many wait for their
 *                      answer, or none may be made.
 */
int smx_witness_sessions_ask(struct smx_witness_sessions *s,
    struct smx_slice host, const struct smx_ip *ip, struct smx_now now,
    struct smx_witness_waiter *waiter);

/** From now on another probe makes the sessions, also those that were under
 * way: the one before may not answer any more. Without one, all zero, they come
 * to nothing. */
void smx_witness_sessions_set_probe(struct smx_witness_sessions *s,
    struct smx_probe_port probe);

#endif
