#include "core/domain.h"
#include "base/scan.h"

/* The lower case form of a byte in a name; 0: it can't stand there. */
static inline char
fold(char c)
{
	/* The usual first: this is in the path of every look-up. */
	if (c >= 'a' && c <= 'z')
		return c;
	if (smx_scan_is_digit(c) || c == '-' || c == '.')
		return c;
	return smx_scan_is_alpha(c) ? smx_scan_lower(c) : '\0';
}

static bool
is_label(struct smx_slice name, size_t start, size_t end)
{
	return end > start && end - start <= SMX_LABEL_MAX &&
	    name.p[start] != '-' && name.p[end - 1] != '-';
}

/* A name whose last label has only digits is meant as an address. */
static bool
is_numeric(struct smx_slice label)
{
	for (size_t i = 0; i < label.n; i++)
		if (!smx_scan_is_digit(label.p[i]))
			return false;
	return true;
}

/* Check a name; write its lower case form to @p to unless that is NULL. */
static bool
walk(struct smx_slice name, char *to)
{
	size_t label = 0; /* where the current label begins */

	if (name.n == 0 || name.n > SMX_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = fold(name.p[i]);

		if (c == '\0')
			return false;
		if (to != NULL)
			to[i] = c;
		if (c == '.') {
			if (!is_label(name, label, i))
				return false;
			label = i + 1;
		}
	}
	return is_label(name, label, name.n) &&
	    !is_numeric(smx_slice_from(name, label));
}

bool
smx_domain_is_host(struct smx_slice name)
{
	return walk(name, NULL);
}

bool
smx_domain_is_ipv4(struct smx_slice name)
{
	size_t i = name.n;

	/* A name whose last label has only digits is meant as an address. */
	while (i > 0 && smx_scan_is_digit(name.p[i - 1]))
		i--;
	if (i == name.n || (i > 0 && name.p[i - 1] != '.'))
		return false;
	for (size_t k = 0; k < i; k++)
		if (!smx_scan_is_digit(name.p[k]) && name.p[k] != '.')
			return false;
	return true;
}

int
smx_domain_parse(struct smx_slice name, struct smx_domain *ret)
{
	struct smx_domain d;

	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (!walk(name, d.text))
		return -SMX_EPARSE;
	d.text[name.n] = '\0';
	d.n = name.n;
	memcpy(ret->text, d.text, d.n + 1);
	ret->n = d.n;
	return 0;
}

bool
smx_domain_equal(struct smx_slice a, struct smx_slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (smx_scan_lower(a.p[i]) != smx_scan_lower(b.p[i]))
			return false;
	return true;
}
