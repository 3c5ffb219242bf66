#include "core/spf.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/ip.h"

static const struct smx_slice version = { "v=spf1", 6 };

bool
smx_spf_is_candidate(struct smx_slice record)
{
	return record.n >= version.n &&
	    smx_domain_equal(smx_slice(record.p, version.n), version) &&
	    (record.n == version.n || record.p[version.n] == ' ');
}

static bool
is_among(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/*
 * macro-expand at @p at, which is "%" (RFC 7208, 7.1).
 *
 * @return its length, or 0 when it is faulty.
 */
static size_t
macro_length(struct smx_slice s, size_t at)
{
	size_t i = at + 1;

	if (i < s.n && is_among(s.p[i], "%_-"))
		return 2;
	if (i + 1 >= s.n || s.p[i] != '{' ||
	    !is_among(smx_scan_lower(s.p[i + 1]), "slodiphcrtv"))
		return 0;
	i += 2;
	while (i < s.n && smx_scan_is_digit(s.p[i]))
		i++;
	if (i < s.n && smx_scan_lower(s.p[i]) == 'r')
		i++;
	while (i < s.n && is_among(s.p[i], ".-+,/_="))
		i++;
	return i < s.n && s.p[i] == '}' ? i + 1 - at : 0;
}

/* macro-string; @p ret_open: it ends with something that is to be expanded. */
static bool
is_macro_string(struct smx_slice s, bool *ret_open)
{
	*ret_open = false;
	for (size_t i = 0; i < s.n;) {
		size_t n = 1;

		if (s.p[i] == '%') {
			n = macro_length(s, i);
			if (n == 0)
				return false;
		} else if (s.p[i] <= ' ' || s.p[i] >= 0x7f) {
			return false;
		}
		*ret_open = n > 1;
		i += n;
	}
	return true;
}

/* "." toplabel [ "." ] at the end: letters, digits and inner hyphens, and not
 * all digits. */
static bool
has_top_label(struct smx_slice s)
{
	size_t start;

	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	for (start = s.n; start > 0 && s.p[start - 1] != '.';)
		start--;
	return start > 0 && smx_domain_is_host(smx_slice_from(s, start));
}

/* domain-spec = macro-string domain-end */
static bool
is_domain(struct smx_slice s)
{
	bool is_open;

	return s.n > 0 && is_macro_string(s, &is_open) &&
	    (is_open || has_top_label(s));
}

/* "/" and a number of at most @p max, without leading zeros, at the start of
 * @p s. @return its length, or 0. */
static size_t
cidr_length(struct smx_slice s, unsigned max)
{
	unsigned value = 0;
	size_t i = 1;

	if (s.n < 2 || s.p[0] != '/')
		return 0;
	while (i < s.n && i <= 3 && smx_scan_is_digit(s.p[i]))
		value = value * 10 + (unsigned)(s.p[i++] - '0');
	if (i == 1 || value > max || (i > 2 && s.p[1] == '0'))
		return 0;
	return i;
}

/* [ "/" number ] [ "//" number ], all of @p s */
static bool
is_dual_cidr(struct smx_slice s)
{
	s = smx_slice_from(s, cidr_length(s, 32));
	if (s.n == 0)
		return true;
	return s.n > 1 && s.p[0] == '/' &&
	    cidr_length(smx_slice_from(s, 1), 128) == s.n - 1;
}

/* Where the CIDR lengths behind a domain begin: macros can have a slash. */
static size_t
find_cidr(struct smx_slice s)
{
	bool inside = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '{')
			inside = true;
		else if (s.p[i] == '}')
			inside = false;
		else if (s.p[i] == '/' && !inside)
			return i;
	}
	return s.n;
}

/* What stands behind a mechanism's name. */
static bool
is_nothing(struct smx_slice s)
{
	return s.n == 0;
}

static bool
is_colon_domain(struct smx_slice s)
{
	return s.n > 0 && s.p[0] == ':' && is_domain(smx_slice_from(s, 1));
}

static bool
is_optional_domain(struct smx_slice s)
{
	return s.n == 0 || is_colon_domain(s);
}

static bool
is_hosts(struct smx_slice s)
{
	size_t at = find_cidr(s);

	return is_optional_domain(smx_slice(s.p, at)) &&
	    is_dual_cidr(smx_slice_from(s, at));
}

static bool
is_network(struct smx_slice s, bool is_v6)
{
	size_t at = smx_slice_find(s, '/');
	struct smx_slice cidr = smx_slice_from(s, at);
	struct smx_ip ip;

	if (s.n == 0 || s.p[0] != ':' ||
	    smx_ip_parse(smx_slice(s.p + 1, at - 1), &ip) < 0)
		return false;
	return ip.is_v6 == is_v6 &&
	    (cidr.n == 0 || cidr_length(cidr, is_v6 ? 128 : 32) == cidr.n);
}

static bool
is_network_v4(struct smx_slice s)
{
	return is_network(s, false);
}

static bool
is_network_v6(struct smx_slice s)
{
	return is_network(s, true);
}

static const struct mechanism {
	const char *name;
	bool (*is_argument)(struct smx_slice s);
} mechanisms[] = {
	{ "all", is_nothing },
	{ "include", is_colon_domain },
	{ "a", is_hosts },
	{ "mx", is_hosts },
	{ "ptr", is_optional_domain },
	{ "ip4", is_network_v4 },
	{ "ip6", is_network_v6 },
	{ "exists", is_colon_domain },
};

/* modifier = redirect / explanation / unknown-modifier. The first two may
 * stand once each (RFC 7208, section 6). */
static bool
check_modifier(struct smx_slice name, struct smx_slice value,
    struct smx_spf *spf, bool *has_exp)
{
	bool is_open, is_first = true;

	if (name.n == 0 || !smx_scan_is_alpha(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!smx_scan_is_alnum(name.p[i]) &&
		    !is_among(name.p[i], "-_."))
			return false;
	if (smx_domain_equal(name, SMX_SLICE("redirect"))) {
		is_first = !spf->has_redirect;
		spf->has_redirect = true;
	} else if (smx_domain_equal(name, SMX_SLICE("exp"))) {
		is_first = !*has_exp;
		*has_exp = true;
	} else {
		return is_macro_string(value, &is_open);
	}
	return is_first && is_domain(value);
}

/* directive = [ qualifier ] mechanism */
static bool
check_directive(struct smx_slice term, size_t name_end, struct smx_spf *spf)
{
	char qualifier = is_among(term.p[0], "+-?~") ? term.p[0] : '\0';
	size_t start = qualifier != '\0' ? 1 : 0;
	struct smx_slice name, argument = smx_slice_from(term, name_end);

	name = smx_slice(term.p + start, name_end - start);
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]);
	     i++) {
		const struct mechanism *m = &mechanisms[i];

		if (!smx_domain_equal(name, smx_slice_text(m->name)))
			continue;
		/* What stands behind the first "all" has no effect. */
		if (i == 0 && argument.n == 0 && spf->all == '\0')
			spf->all = qualifier != '\0' ? qualifier : '+';
		return m->is_argument(argument);
	}
	return false;
}

static bool
check_term(struct smx_slice term, struct smx_spf *spf, bool *has_exp)
{
	size_t end = 0;

	while (end < term.n && !is_among(term.p[end], ":/="))
		end++;
	if (end < term.n && term.p[end] == '=')
		return check_modifier(smx_slice(term.p, end),
		    smx_slice_from(term, end + 1), spf, has_exp);
	return end > 0 && check_directive(term, end, spf);
}

/* record = version *( 1*SP term ) *SP, where a tabulator is no SP. */
static void
check_record(struct smx_slice record, struct smx_diag_list *diags,
    struct smx_spf *spf)
{
	bool has_exp = false;
	size_t at = version.n;

	spf->is_valid = true;
	while (at < record.n) {
		struct smx_slice term = smx_slice_from(record, at);

		term.n = smx_slice_find(term, ' ');
		if (term.n > 0 && !check_term(term, spf, &has_exp)) {
			spf->is_valid = false;
			smx_diag_push(diags,
			    (struct smx_diag){
				.code = SMX_DIAG_SPF_SYNTAX,
				.line = 1,
				.offset = at,
				.arg = term,
			    });
		}
		at += term.n + 1;
	}
}

void
smx_spf_check(const struct smx_slice *records, size_t count,
    struct smx_diag_list *diags, struct smx_spf *ret)
{
	struct smx_spf spf = { .found = SMX_SPF_NONE };

	for (size_t i = 0; i < count; i++) {
		if (!smx_spf_is_candidate(records[i]))
			continue;
		if (spf.found == SMX_SPF_NONE)
			spf.index = i;
		spf.found = spf.found == SMX_SPF_NONE ? SMX_SPF_ONE
						      : SMX_SPF_SEVERAL;
	}
	if (spf.found == SMX_SPF_ONE)
		check_record(records[spf.index], diags, &spf);
	else
		smx_diag_push(diags,
		    (struct smx_diag){
			.code = spf.found == SMX_SPF_NONE
			    ? SMX_DIAG_SPF_NONE
			    : SMX_DIAG_SPF_SEVERAL,
		    });
	*ret = spf;
}
