/**
 * Netstrings: "LENGTH:BYTES,".
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_NETSTRING_H
#define SMX_CORE_NETSTRING_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/**
 * Take the netstring at the start of @p in.
 *
 * A length has no leading zeros (other than "0" itself).
 *
 * @param max           longest payload accepted.
 * @param ret_payload   borrows from @p in.
 * @param ret_consumed  how many bytes of @p in the netstring takes.
 *
 * @retval 0
 * @retval -SMX_EAGAIN  the bytes are the beginning of one: more are needed.
 * @retval -SMX_ELIMIT  the payload is longer than @p max.
 * @retval -SMX_EPARSE  no netstring.
 */
int smx_netstring_parse(struct smx_slice in, size_t max,
    struct smx_slice *ret_payload, size_t *ret_consumed) SMX_CHECKED;

/** Append a netstring with the two parts, one behind the other. */
void smx_netstring_print(struct smx_buf *out, struct smx_slice head,
    struct smx_slice tail);

#endif
