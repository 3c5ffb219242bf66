/**
 * Days that are over: each gets its report-id, and a delivery for each place
 * that its record names (RFC 8460, 3, 4.1).
 *
 * Layer:   engine.
 */
#ifndef SMX_ENGINE_DISPATCH_DAYS_H
#define SMX_ENGINE_DISPATCH_DAYS_H

#include "base/status.h"
#include "engine/dispatch.h"

/** A delivery to a directory has this before its path. */
#define SMX_DISPATCH_COPY_SCHEME "file:"

/**
 * Close some of the days that are over at @p d->now.
 *
 * @retval 0  there are no more.
 * @retval 1  there may be more.
 * @return a negative status: nothing has changed.
 */
int smx_dispatch_days_close(struct smx_dispatch *d) SMX_CHECKED;

/**
 * End the transaction of a turn over days.
 *
 * @param rc  of its last step: -SMX_ENOENT where there was no more, 0 where
 *            there may be; with any other nothing is changed.
 *
 * @return as smx_dispatch_days_close().
 */
int smx_dispatch_days_end(struct smx_dispatch *d, int rc) SMX_CHECKED;

#endif
