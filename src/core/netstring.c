#include "core/netstring.h"
#include "base/scan.h"

int
smx_netstring_parse(struct smx_slice in, size_t max,
    struct smx_slice *ret_payload, size_t *ret_consumed)
{
	size_t length = 0, at = 0;

	for (; at < in.n && smx_scan_is_digit(in.p[at]); at++) {
		if (at > 0 && length == 0)
			return -SMX_EPARSE;
		length = length * 10 + (size_t)(in.p[at] - '0');
		if (length > max)
			return -SMX_ELIMIT;
	}
	if (at == in.n)
		return -SMX_EAGAIN;
	if (at == 0 || in.p[at] != ':')
		return -SMX_EPARSE;
	at++;
	if (in.n - at <= length)
		return -SMX_EAGAIN;
	if (in.p[at + length] != ',')
		return -SMX_EPARSE;
	*ret_payload = smx_slice(in.p + at, length);
	*ret_consumed = at + length + 1;
	return 0;
}

void
smx_netstring_print(struct smx_buf *out, struct smx_slice head,
    struct smx_slice tail)
{
	smx_buf_add_u64(out, head.n + tail.n);
	smx_buf_add_char(out, ':');
	smx_buf_add(out, head);
	smx_buf_add(out, tail);
	smx_buf_add_char(out, ',');
}
