#include "engine/port_dns.h"

/* Copy a list of @p count objects, not what they borrow. @return false: the
 * arena's cap is reached. */
static bool
copy_list(struct smx_arena *a, const void *list, size_t count, size_t bytes,
    void **ret)
{
	*ret = NULL;
	if (list == NULL || count == 0)
		return true;
	*ret = smx_arena_take(a, count, bytes);
	if (*ret != NULL)
		memcpy(*ret, list, count * bytes);
	return *ret != NULL;
}

static bool
copy_bytes(struct smx_arena *a, struct smx_slice *s)
{
	s->p = smx_arena_copy(a, *s);
	return s->p != NULL;
}

int
smx_port_dns_copy(struct smx_arena *a, const struct smx_dns_answer *from,
    struct smx_dns_answer *ret)
{
	void *texts, *mx, *tlsa, *addresses;
	struct smx_slice *text;
	bool ok;

	*ret = *from;
	ok = copy_bytes(a, &ret->alias) &&
	    copy_list(a, from->texts, from->count, sizeof(*from->texts),
		&texts) &&
	    copy_list(a, from->mx, from->count, sizeof(*from->mx), &mx) &&
	    copy_list(a, from->tlsa, from->count, sizeof(*from->tlsa), &tlsa) &&
	    copy_list(a, from->addresses, from->count, sizeof(*from->addresses),
		&addresses);
	if (!ok)
		return -SMX_ENOMEM;
	ret->texts = text = texts;
	ret->mx = mx;
	ret->tlsa = tlsa;
	ret->addresses = addresses;
	for (size_t i = 0; ok && i < from->count; i++) {
		if (text != NULL)
			ok = copy_bytes(a, &text[i]);
		else if (mx != NULL)
			ok = copy_bytes(a, &((struct smx_dns_mx *)mx)[i].host);
		else if (tlsa != NULL)
			ok = copy_bytes(a,
			    &((struct smx_dns_tlsa *)tlsa)[i].data);
	}
	return ok ? 0 : -SMX_ENOMEM;
}
