/**
 * What becomes of the events of look-ups: lines of the log, counters, and news
 * for the witness.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_RESOLVE_EVENTS_H
#define SMX_APP_RESOLVE_EVENTS_H

#include "app/metrics.h"
#include "app/strictmxd/witness_run.h"
#include "engine/lookup.h"

/**
 * Take an event.
 *
 * @param witness       NULL: nothing is told in TLS reports.
 * @param answer_bound  how long a first contact waits.
 */
void smx_resolve_events_take(const struct smx_lookup_event *e,
    struct smx_metrics *metrics, struct smx_witness_run *witness,
    smx_time answer_bound);

#endif
