/**
 * When a cached policy is fetched again, unasked (RFC 8461, section 10.2:
 * daily is suggested).
 *
 * Layer:   engine. Pure functions of their arguments.
 */
#ifndef SMX_ENGINE_REFRESH_H
#define SMX_ENGINE_REFRESH_H

#include <stdint.h>

#include "base/when.h"

/**
 * How long after a successful fetch the next is due.
 *
 * 20 to 24 hours, spread so that a thousand policies fetched together don't
 * stay together; for a max_age under a day, before it runs out. SMX_NEVER for
 * a max_age under ten minutes: such a policy is found again when it is needed.
 *
 * @param random  any number.
 */
smx_time smx_refresh_after(uint32_t max_age_s, uint64_t random);

/**
 * How long after a failed refresh the next is tried: 45 to 75 minutes, which
 * is more than the five minutes that RFC 8461, section 3.3 asks for.
 */
smx_time smx_refresh_retry(uint64_t random);

#endif
