/**
 * A look at the MX hosts of a domain: are they in its policy, and, while that
 * is in testing, is TLS with them as it wants it?
 *
 * Layer:   engine.
 * Memory:  5 KiB each, SMX_WITNESS_VISITS_MAX at once that make sessions, and
 *          as many that make none: hosts that hold up sessions don't hold up
 *          these.
 *
 * One host after the other, the preferred first. The first address that can be
 * connected to tells for the host.
 */
#ifndef SMX_ENGINE_WITNESS_VISIT_H
#define SMX_ENGINE_WITNESS_VISIT_H

#include "engine/witness_domain.h"

#define SMX_WITNESS_VISITS_MAX 500
/** One that waits for sessions for longer makes way for another. */
#define SMX_WITNESS_VISIT_FOR (10 * SMX_MINUTE)
/** A domain is visited so often at the most. */
#define SMX_WITNESS_VISIT_EVERY SMX_HOUR
/** MX hosts that are looked at; addresses of one, of each family; addresses
 * that are tried in all: some answer nobody. */
#define SMX_WITNESS_HOSTS_MAX     16
#define SMX_WITNESS_ADDRESSES_MAX 2
#define SMX_WITNESS_ATTEMPTS_MAX  20

/** Begin one, if the domain wants to hear of it and there is room: else it is
 * tried with later mail. */
void smx_witness_visit_start(struct smx_witness_domain *d, struct smx_now now);

#endif
