/**
 * The report of a day, from what was counted (RFC 8460, 4.4).
 *
 * Layer:   engine.
 * Limits:  SMX_DISPATCH_REPORT_MAX.
 */
#ifndef SMX_ENGINE_DISPATCH_REPORT_H
#define SMX_ENGINE_DISPATCH_REPORT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "engine/dispatch.h"

/** A report's JSON; longer ones are given up. */
#define SMX_DISPATCH_REPORT_MAX ((size_t)64 << 20)

/**
 * Append it as it would be sent, JSON.
 *
 * @return 0 or a negative status.
 */
int smx_dispatch_report_print(const struct smx_dispatch *d,
    const struct smx_report_day *day, struct smx_buf *out) SMX_CHECKED;

/**
 * Append it compressed. All of the JSON is never in memory.
 *
 * @param ret_bytes  always written: how long the JSON was, as far as it went.
 *
 * @retval 0
 * @retval -SMX_ELIMIT  it is longer than SMX_DISPATCH_REPORT_MAX, or @p out is
 *                      full.
 * @return another negative status: that of the store.
 */
int smx_dispatch_report_compress(const struct smx_dispatch *d,
    const struct smx_report_day *day, struct smx_buf *out,
    size_t *ret_bytes) SMX_CHECKED;

#endif
