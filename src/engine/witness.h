/**
 * What the daemon itself tells domains by TLS reports, because no MTA can
 * (RFC 8461, 6; RFC 8460, 4.3.2.2).
 *
 * Layer:   engine. No clock: now is an argument.
 * Memory:  SMX_WITNESS_DOMAINS_MAX domains, those not heard of for longest are
 *          forgotten first.
 *
 * Of a domain with a TLS reporting record:
 *  - a policy that could not be fetched, or was not valid;
 *  - an MX host that its policy does not allow. An MTA skips that host, and has
 *    nothing to tell;
 *  - while its policy is in testing: one SMTP session with each MX host each
 *    hour. An MTA does not verify certificates then.
 * Each is one session in the counts. MX hosts are only looked at while mail
 * flows to the domain.
 */
#ifndef SMX_ENGINE_WITNESS_H
#define SMX_ENGINE_WITNESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/map.h"
#include "core/sts_policy.h"
#include "core/tlsrpt_event.h"
#include "engine/port_dns.h"
#include "engine/port_probe.h"

#define SMX_WITNESS_DOMAINS_MAX 10000
/** MX hosts that are looked at. */
#define SMX_WITNESS_MX_MAX 16
/** MX hosts are looked at so often at the most. */
#define SMX_WITNESS_VISIT_EVERY SMX_HOUR
/** How long a TLS reporting record, or that there is none, is known. */
#define SMX_WITNESS_RECORD_FOR SMX_HOUR

/** A policy in force; as in struct smx_postfix. */
struct smx_witness_policy {
	enum smx_sts_mode mode;
	struct smx_slice mx;    /* patterns, each with ":" behind it */
	struct smx_slice lines; /* each with a line feed behind it */
};

struct smx_witness {
	struct smx_dns_port dns;
	struct smx_probe_port probe;
	/** Takes an event; borrowed during the call. */
	void (*emit)(void *self, const struct smx_tlsrpt_event *event);
	void *emit_self;
	bool probes; /* may sessions be made? */
	struct smx_map domains;
	struct smx_list recent; /* the one heard of last at the end */
	uint64_t events, visits, sessions;
};

/** @retval 0 or -SMX_ENOMEM */
int smx_witness_init(struct smx_witness *w, const uint64_t seed[2]) SMX_CHECKED;

/** The ports may not answer any more. */
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

/** Mail flows to a domain with a policy in force. */
void smx_witness_mail(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy, struct smx_now now);

#endif
