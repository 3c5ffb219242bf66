/**
 * gzip (RFC 1952), as reports are compressed (RFC 8460, 5.2).
 *
 * Layer:   core (zlib).
 * Limits:  SMX_GZ_*.
 */
#ifndef SMX_CORE_GZ_H
#define SMX_CORE_GZ_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/** Does it begin as gzip does? */
bool smx_gz_is(struct smx_slice bytes);

/**
 * Append @p bytes compressed. The same input gives the same output: there is
 * no time and no name in it.
 *
 * @retval 0
 * @retval -SMX_ELIMIT  @p out is full.
 * @retval -SMX_ENOMEM
 */
int smx_gz_write(struct smx_slice bytes, struct smx_buf *out) SMX_CHECKED;

/**
 * Append what was compressed, all members of it. On failure nothing is appended.
 *
 * @retval 0
 * @retval -SMX_EPARSE  damaged, cut off, or something else behind it.
 * @retval -SMX_ELIMIT  longer than SMX_GZ_BYTES_MAX, or it becomes longer than
 *                      SMX_GZ_INFLATED_MAX, SMX_GZ_RATIO_MAX times its length,
 *                      or the maximum of @p out.
 * @retval -SMX_ENOMEM
 */
int smx_gz_read(struct smx_slice bytes, struct smx_buf *out) SMX_CHECKED;

#endif
