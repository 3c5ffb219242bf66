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

/** Compresses what comes in pieces. */
struct smx_gz_writer {
	struct z_stream_s *z; /* NULL: it could not be begun */
	struct smx_buf *out;
	int status;
};

/** Begin; smx_gz_end() has to follow. The result is appended to @p out. */
void smx_gz_begin(struct smx_gz_writer *w, struct smx_buf *out);

/** Add a piece. What goes wrong is told at the end. */
void smx_gz_add(struct smx_gz_writer *w, struct smx_slice bytes);

/**
 * End, and free what is the writer's.
 *
 * @retval 0
 * @retval -SMX_ELIMIT  the buffer is full.
 * @retval -SMX_ENOMEM
 */
int smx_gz_end(struct smx_gz_writer *w) SMX_CHECKED;

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
