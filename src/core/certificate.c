#include "core/certificate.h"

/* @return false when the arena's cap is reached. */
static bool
keep(struct smx_arena *a, struct smx_slice *s)
{
	s->p = smx_arena_copy(a, *s);
	return s->p != NULL;
}

struct smx_certificate *
smx_certificate_copy(struct smx_arena *a, const struct smx_certificate *from)
{
	struct smx_certificate *c = smx_arena_take(a, 1, sizeof(*c));

	if (c == NULL)
		return NULL;
	*c = *from;
	for (size_t i = 0; i < smx_certificate_names_kept(c); i++)
		if (!keep(a, &c->names[i]))
			return NULL;
	if (!keep(a, &c->reason) || !keep(a, &c->common_name) ||
	    !keep(a, &c->issuer))
		return NULL;
	return c;
}
