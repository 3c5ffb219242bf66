#include "core/socketmap.h"
#include "core/netstring.h"

/* The blank is part of every reply, behind NOTFOUND too. */
static const struct smx_slice heads[] = {
	[SMX_SOCKETMAP_OK] = { "OK ", 3 },
	[SMX_SOCKETMAP_NOTFOUND] = { "NOTFOUND ", 9 },
	[SMX_SOCKETMAP_TEMP] = { "TEMP ", 5 },
	[SMX_SOCKETMAP_TIMEOUT] = { "TIMEOUT ", 8 },
	[SMX_SOCKETMAP_PERM] = { "PERM ", 5 },
};

int
smx_socketmap_parse_request(struct smx_slice payload,
    struct smx_socketmap_request *ret)
{
	size_t blank = smx_slice_find(payload, ' ');

	if (blank == 0 || blank == payload.n)
		return -SMX_EPARSE;
	ret->map = smx_slice(payload.p, blank);
	ret->key = smx_slice_from(payload, blank + 1);
	ret->form = SMX_SOCKETMAP_PLAIN;
	if (smx_slice_equal(ret->map, SMX_SLICE("strictmx")) ||
	    smx_slice_equal(ret->map, SMX_SLICE("QUERYwithTLSRPT")))
		ret->form = SMX_SOCKETMAP_TLSRPT;
	return 0;
}

void
smx_socketmap_print_reply(struct smx_buf *out, enum smx_socketmap_status status,
    struct smx_slice data)
{
	smx_netstring_print(out, heads[status], data);
}

int
smx_socketmap_parse_reply(struct smx_slice payload,
    enum smx_socketmap_status *ret_status, struct smx_slice *ret_data)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		if (smx_slice_starts(payload, heads[i])) {
			*ret_status = (enum smx_socketmap_status)i;
			*ret_data = smx_slice_from(payload, heads[i].n);
			return 0;
		}
	}
	return -SMX_EPARSE;
}
