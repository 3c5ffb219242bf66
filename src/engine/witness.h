/**
 * What the daemon itself tells domains by TLS reports, because no MTA can
 * (RFC 8461, 6; RFC 8460, 4.3.2.2).
 *
 * Layer:   engine. No clock: now is an argument.
 * Memory:  see engine/witness_domain.h and engine/witness_sessions.h; what
 *          finds no room is counted.
 *
 * Of a domain with a TLS reporting record:
 *  - a policy that could not be fetched, or was not valid;
 *  - an MX host that its policy does not allow. An MTA skips that host, and has
 *    nothing to tell;
 *  - while its policy is in testing: one SMTP session with each MX host each
 *    hour. An MTA does not verify certificates then.
 * Each is one session in the counts. MX hosts are only looked at while mail
 * flows to the domain.
 *
 * Nothing here runs by itself: after DNS failed, a record is asked for again
 * when the domain is next heard of, and what has waited for it for more than
 * SMX_WITNESS_WAITING_FOR is dropped then.
 */
#ifndef SMX_ENGINE_WITNESS_H
#define SMX_ENGINE_WITNESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/tlsrpt_event.h"
#include "engine/port_dns.h"
#include "engine/port_probe.h"
#include "engine/witness_domain.h"
#include "engine/witness_sessions.h"

/** How long a TLS reporting record, or that there is none, is known. */
#define SMX_WITNESS_RECORD_FOR SMX_HOUR
/** For so long after that it is still good for what is told meanwhile. */
#define SMX_WITNESS_RECORD_OLD SMX_DAY
/** After DNS failed, it is asked again so soon. */
#define SMX_WITNESS_DNS_AGAIN SMX_MINUTE
/** Records asked for at once; who comes beyond waits. */
#define SMX_WITNESS_ASKS_MAX 1000

struct smx_witness {
	struct smx_dns_port dns;
	/** Takes an event; borrowed during the call. */
	void (*emit)(void *self, const struct smx_tlsrpt_event *event);
	void *emit_self;
	struct smx_witness_domains domains;
	struct smx_witness_sessions sessions;
	/* Under way. Visits that only look make no sessions. */
	size_t visit_count, look_count, ask_count;
	struct smx_list visiting; /* those with sessions, the oldest first */
	uint64_t events, visits;
	/* For want of room: mail and sessions not told of, also those that
	 * waited for a record in vain; visits not made, or not ended, when
	 * they were due. */
	uint64_t dropped, put_off;
};

/** @retval 0 or -SMX_ENOMEM */
int smx_witness_init(struct smx_witness *w, const uint64_t seed[2]) SMX_CHECKED;

/** The ports may not answer any more. No harm when it is all zero. */
void smx_witness_done(struct smx_witness *w);

/**
 * Fetching a policy failed.
 *
 * @param domain  canonical.
 * @param policy   in force all the same; NULL: none.
 * @param failure  its result, and in words its failure_reason_code.
 */
void smx_witness_failure(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy,
    const struct smx_tlsrpt_failure *failure, struct smx_now now);

/**
 * An MTA had a session with an MX host of a domain, says its log.
 *
 * @param domain   canonical.
 * @param failure  NULL: TLS came about, as far as it was wanted.
 */
void smx_witness_session(struct smx_witness *w, struct smx_slice domain,
    const struct smx_tlsrpt_failure *failure, struct smx_now now);

/** Mail flows to the MX hosts of a domain with a policy in force. */
void smx_witness_mail(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy, struct smx_now now);

/** The policy of a domain is another one, or holds for longer; no mail need
 * flow. Of a domain that nobody has mailed nothing is kept. */
void smx_witness_policy(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy, struct smx_now now);

#endif
