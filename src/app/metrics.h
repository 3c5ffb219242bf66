/**
 * Counters of the daemon: the rows of app/metrics.def.
 *
 * Layer:   app. Of one thread.
 */
#ifndef SMX_APP_METRICS_H
#define SMX_APP_METRICS_H

#include <stdint.h>

struct smx_metrics {
#define SMX_METRIC(name, text) uint64_t name;
#include "app/metrics.def"
#undef SMX_METRIC
};

/** Log all counters that are not zero. */
void smx_metrics_log(const struct smx_metrics *m);

#endif
