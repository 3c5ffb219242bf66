#include <inttypes.h>

#include "app/metrics.h"
#include "base/log.h"

void
smx_metrics_log(const struct smx_metrics *m)
{
#define SMX_METRIC(name, text)                                             \
	if (m->name != 0)                                                  \
		smx_log(SMX_LOG_INFO, "count: %s %" PRIu64 " (%s)", #name, \
		    m->name, text);
#include "app/metrics.def"
#undef SMX_METRIC
}
