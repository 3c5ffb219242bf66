#include "core/nexthop.h"
#include "base/scan.h"
#include "core/domain.h"

enum smx_nexthop_kind
smx_nexthop_parse(struct smx_slice key, struct smx_slice *ret_name)
{
	struct smx_slice name, behind;
	enum smx_nexthop_kind kind = SMX_NEXTHOP_NAME;
	size_t colon;

	if (key.n == 0 || key.p[0] == '.')
		return SMX_NEXTHOP_NONE;
	if (key.p[0] == '[') {
		size_t end = smx_slice_find(key, ']');

		if (end == key.n || (end + 1 < key.n && key.p[end + 1] != ':'))
			return SMX_NEXTHOP_NONE;
		name = smx_slice(key.p + 1, end - 1);
		/* [2001:db8::1] and [IPv6:2001:db8::1] are addresses. */
		if (smx_slice_find(name, ':') < name.n)
			return SMX_NEXTHOP_NONE;
	} else {
		colon = smx_slice_find(key, ':');
		/* A second colon: an IPv6 address. */
		behind = smx_slice_from(key, colon + 1);
		if (smx_slice_find(behind, ':') < behind.n)
			return SMX_NEXTHOP_NONE;
		name = smx_slice(key.p, colon);
	}
	if (name.n == 0 || smx_domain_is_ipv4(name))
		return SMX_NEXTHOP_NONE;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] >= 0x80)
			kind = SMX_NEXTHOP_ULABEL;
	*ret_name = name;
	return kind;
}

bool
smx_nexthop_has_mx(struct smx_slice key)
{
	return key.n > 0 && key.p[0] != '[' &&
	    smx_slice_find(key, ':') == key.n;
}
