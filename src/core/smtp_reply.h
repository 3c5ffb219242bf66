/**
 * Replies of an SMTP server, line by line as they come (RFC 5321, section 4.2).
 *
 * Layer:   core.
 * Memory:  none; texts borrow from the input.
 * Limits:  SMX_SMTP_LINE_MAX, SMX_SMTP_REPLY_LINES_MAX, SMX_SMTP_REPLY_MAX.
 *
 * Forgiven, as senders do: a line that ends with LF alone, and lines of one
 * reply with different codes (the last one's counts).
 */
#ifndef SMX_CORE_SMTP_REPLY_H
#define SMX_CORE_SMTP_REPLY_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"

struct smx_smtp_reply {
	unsigned code;     /* of the line that was taken last */
	bool is_over;      /* that line was the reply's last */
	size_t line_count; /* of the reply so far */
	size_t byte_count;
};

static inline void
smx_smtp_reply_init(struct smx_smtp_reply *r)
{
	*r = (struct smx_smtp_reply){ 0 };
}

/**
 * Take the line at the start of @p in.
 *
 * @param ret_text   what stands behind the code; may be empty, may hold any
 *                   octet but LF.
 * @param ret_bytes  how many octets of @p in the line has.
 *
 * @retval 0
 * @retval -SMX_EAGAIN  the line is not complete: more octets are needed.
 * @retval -SMX_EPARSE  this is no line of a reply.
 * @retval -SMX_ELIMIT  the line or the reply is too long.
 */
int smx_smtp_reply_take(struct smx_smtp_reply *r, struct smx_slice in,
    struct smx_slice *ret_text, size_t *ret_bytes) SMX_CHECKED;

#endif
