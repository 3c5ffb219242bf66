#include "core/smtp_reply.h"
#include "base/scan.h"
#include "core/limits.h"

/* Reply-code = %x32-35 %x30-35 %x30-39. Other second digits are in use. */
static bool
read_code(struct smx_slice line, unsigned *ret)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' ||
	    !smx_scan_is_digit(line.p[1]) || !smx_scan_is_digit(line.p[2]))
		return false;
	*ret = (unsigned)(line.p[0] - '0') * 100 +
	    (unsigned)(line.p[1] - '0') * 10 + (unsigned)(line.p[2] - '0');
	return true;
}

int
smx_smtp_reply_take(struct smx_smtp_reply *r, struct smx_slice in,
    struct smx_slice *ret_text, size_t *ret_bytes)
{
	size_t n = smx_slice_find(in, '\n');
	struct smx_slice line = { in.p, n };
	unsigned code;

	if (n >= SMX_SMTP_LINE_MAX)
		return -SMX_ELIMIT;
	if (n == in.n)
		return -SMX_EAGAIN;
	if (r->line_count >= SMX_SMTP_REPLY_LINES_MAX ||
	    r->byte_count + n + 1 > SMX_SMTP_REPLY_MAX)
		return -SMX_ELIMIT;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!read_code(line, &code) ||
	    (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return -SMX_EPARSE;
	r->code = code;
	r->is_over = line.n == 3 || line.p[3] == ' ';
	r->line_count++;
	r->byte_count += n + 1;
	*ret_text = smx_slice_from(line, 4);
	*ret_bytes = n + 1;
	return 0;
}
