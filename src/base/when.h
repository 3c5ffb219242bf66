/**
 * Points in time and lengths of time.
 *
 * Layer:   base. Nothing here reads a clock: time is an argument.
 *
 * Two clocks, because they answer different questions. Deadlines and ages are
 * measured with @c mono, which never jumps and goes on during suspend; only
 * what outlives the process or is shown to a person uses @c wall.
 */
#ifndef SMX_BASE_WHEN_H
#define SMX_BASE_WHEN_H

#include <stdint.h>

/** Milliseconds; since an arbitrary start (mono) or the epoch (wall). */
typedef int64_t smx_time;

#define SMX_SECOND ((smx_time)1000)
#define SMX_MINUTE (60 * SMX_SECOND)
#define SMX_HOUR   (60 * SMX_MINUTE)
#define SMX_DAY    (24 * SMX_HOUR)
#define SMX_NEVER  INT64_MAX

struct smx_now {
	smx_time mono; /* for deadlines and ages */
	smx_time wall; /* for storage and people */
};

static inline smx_time
smx_time_min(smx_time a, smx_time b)
{
	return a < b ? a : b;
}

static inline smx_time
smx_time_max(smx_time a, smx_time b)
{
	return a > b ? a : b;
}

#endif
