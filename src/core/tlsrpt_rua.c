#include "core/tlsrpt_rua.h"
#include "base/scan.h"
#include "core/domain.h"

#define PORT_HTTPS 443

/* One pass over a URI. */
struct parse {
	struct smx_arena *arena;
	struct smx_slice record;
	struct smx_diag_list *diags;
	struct smx_tlsrpt_rua rua;
};

static void
find(struct parse *p, enum smx_diag_code code, struct smx_slice at)
{
	smx_diag_push(p->diags,
	    (struct smx_diag){
		.code = code,
		.line = 1,
		.offset = (size_t)(at.p - p->record.p),
		.arg = at,
	    });
}

static int
refuse(struct parse *p, enum smx_diag_code code, struct smx_slice at)
{
	find(p, code, at);
	return -SMX_EPARSE;
}

static bool
is_among(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* @return the value of a hexadecimal digit, or -1. */
static int
hex_value(char c)
{
	if (smx_scan_is_digit(c))
		return c - '0';
	c = smx_scan_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" at @p at stands for, or -1. */
static int
decode(struct smx_slice s, size_t at)
{
	int high, low;

	if (s.n - at < 3)
		return -1;
	high = hex_value(s.p[at + 1]);
	low = hex_value(s.p[at + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Unreserved and reserved characters (RFC 3986, 2.2, 2.3) without those that
 * RFC 8460, 3 wants to be encoded: comma, exclamation point, semicolon. */
static bool
is_uri_char(char c)
{
	return smx_scan_is_alnum(c) || is_among(c, "-._~:/?#[]@$&'()*+=");
}

static int
check_chars(struct parse *p, struct smx_slice uri)
{
	for (size_t i = 0; i < uri.n; i++) {
		struct smx_slice rest = smx_slice_from(uri, i);
		size_t n;

		if (uri.p[i] == '%') {
			n = rest.n < 3 ? rest.n : 3;
			if (decode(uri, i) < 0)
				return refuse(p, SMX_DIAG_TLSRPT_RUA_PERCENT,
				    smx_slice(rest.p, n));
		} else if (!is_uri_char(uri.p[i])) {
			n = smx_scan_utf8(rest);
			return refuse(p, SMX_DIAG_TLSRPT_RUA_CHAR,
			    smx_slice(rest.p, n != 0 ? n : 1));
		}
	}
	return 0;
}

/* Brackets stand only around an address as host (RFC 3986, 3.2.2), and no
 * such host is taken; "#" stands once. */
static int
check_part(struct parse *p, struct smx_slice part)
{
	for (size_t i = 0; i < part.n; i++)
		if (is_among(part.p[i], "[]#"))
			return refuse(p, SMX_DIAG_TLSRPT_RUA_CHAR,
			    smx_slice(part.p + i, 1));
	return 0;
}

/* A host that means the same everywhere: one label alone is a name of the
 * sender's own network. */
static bool
is_full_host(struct smx_slice host)
{
	return smx_domain_is_host(host) && smx_slice_find(host, '.') < host.n;
}

static int
decode_address(struct parse *p, struct smx_slice from)
{
	char *to = smx_arena_take(p->arena, from.n + 1, 1);
	size_t n = 0;

	if (to == NULL)
		return -SMX_ENOMEM;
	for (size_t i = 0; i < from.n; i++) {
		if (from.p[i] == '%') {
			to[n++] = (char)decode(from, i);
			i += 2;
		} else {
			to[n++] = from.p[i];
		}
	}
	to[n] = '\0';
	p->rua.address = smx_slice(to, n);
	return 0;
}

/* dot-atom-text (RFC 5322, 3.2.3). Quoted strings are not taken. */
static bool
is_dot_atom(struct smx_slice s)
{
	bool after_dot = true;

	for (size_t i = 0; i < s.n; i++) {
		bool is_dot = s.p[i] == '.';

		if (is_dot ? after_dot
			   : !smx_scan_is_alnum(s.p[i]) &&
			    !is_among(s.p[i], "!#$%&'*+-/=?^_`{|}~"))
			return false;
		after_dot = is_dot;
	}
	return !after_dot;
}

/*
 * Addresses are handed to other programs: a hyphen in front could be taken
 * for an option, "!" and "%" for a route, and others have a meaning to shells.
 */
static bool
is_safe(struct smx_slice local)
{
	for (size_t i = 0; i < local.n; i++)
		if (!smx_scan_is_alnum(local.p[i]) &&
		    !is_among(local.p[i], "._+-="))
			return false;
	return local.p[0] != '-';
}

static int
parse_mailto(struct parse *p, struct smx_slice rest)
{
	size_t end = smx_slice_find(rest, '?'), at;
	struct smx_slice to = smx_slice(rest.p, end), local;
	int rc = check_part(p, rest);

	if (rc == 0)
		rc = decode_address(p, to);
	if (rc < 0)
		return rc;
	at = smx_slice_find(p->rua.address, '@');
	local = smx_slice(p->rua.address.p, at);
	p->rua.host = smx_slice_from(p->rua.address, at + 1);
	/* SMTP takes 64 octets (RFC 5321, 4.5.3.1.1). */
	if (local.n > 64 || !is_dot_atom(local) || !is_full_host(p->rua.host))
		return refuse(p, SMX_DIAG_TLSRPT_RUA_MAILTO, to);
	if (!is_safe(local))
		return refuse(p, SMX_DIAG_TLSRPT_RUA_LOCAL, to);
	if (end < rest.n)
		find(p, SMX_DIAG_TLSRPT_RUA_HEADERS, smx_slice_from(rest, end));
	p->rua.scheme = SMX_TLSRPT_RUA_MAILTO;
	return 0;
}

/* Digits, or nothing, which is the scheme's port (RFC 3986, 3.2.3). */
static int
parse_port(struct parse *p, struct smx_slice digits)
{
	uint32_t port = 0;

	p->rua.port = PORT_HTTPS;
	if (digits.n == 0)
		return 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (!smx_scan_is_digit(digits.p[i]))
			return refuse(p, SMX_DIAG_TLSRPT_RUA_PORT, digits);
		port = port * 10 + (uint32_t)(digits.p[i] - '0');
		if (port > UINT16_MAX)
			return refuse(p, SMX_DIAG_TLSRPT_RUA_PORT, digits);
	}
	if (port == 0)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_PORT, digits);
	p->rua.port = (uint16_t)port;
	return 0;
}

/* [ userinfo "@" ] host [ ":" port ] (RFC 3986, 3.2) */
static int
parse_authority(struct parse *p, struct smx_slice authority)
{
	size_t at = smx_slice_find(authority, '@'), colon;
	struct smx_slice host;

	if (at < authority.n)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_USER,
		    smx_slice(authority.p, at + 1));
	/* The colons of an address in brackets part nothing. */
	if (smx_slice_starts(authority, SMX_SLICE("[")))
		return refuse(p, SMX_DIAG_TLSRPT_RUA_HOST, authority);
	colon = smx_slice_find(authority, ':');
	host = smx_slice(authority.p, colon);
	if (host.n == 0)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_HTTPS, p->rua.uri);
	if (!is_full_host(host))
		return refuse(p, SMX_DIAG_TLSRPT_RUA_HOST, host);
	p->rua.host = host;
	return parse_port(p, smx_slice_from(authority, colon + 1));
}

static int
parse_https(struct parse *p, struct smx_slice rest)
{
	size_t hash = smx_slice_find(rest, '#'), end = 2;
	int rc;

	if (!smx_slice_starts(rest, SMX_SLICE("//")))
		return refuse(p, SMX_DIAG_TLSRPT_RUA_HTTPS, p->rua.uri);
	if (hash < rest.n)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_FRAGMENT,
		    smx_slice_from(rest, hash));
	while (end < rest.n && !is_among(rest.p[end], "/?"))
		end++;
	p->rua.path = smx_slice_from(rest, end);
	p->rua.scheme = SMX_TLSRPT_RUA_HTTPS;
	rc = parse_authority(p, smx_slice(rest.p + 2, end - 2));
	return rc == 0 ? check_part(p, p->rua.path) : rc;
}

/* scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) (RFC 3986, 3.1)
 * @return where its colon is, or 0. */
static size_t
find_scheme(struct smx_slice uri)
{
	size_t n = 0;

	if (uri.n == 0 || !smx_scan_is_alpha(uri.p[0]))
		return 0;
	while (n < uri.n &&
	    (smx_scan_is_alnum(uri.p[n]) || is_among(uri.p[n], "+-.")))
		n++;
	return n < uri.n && uri.p[n] == ':' ? n : 0;
}

static int
parse(struct parse *p)
{
	struct smx_slice uri = p->rua.uri, scheme, rest;
	size_t colon = find_scheme(uri);
	int rc = 0;

	if (uri.n == 0)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_EMPTY, uri);
	if (uri.n > SMX_TLSRPT_URI_MAX)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_LONG, uri);
	if (colon == 0)
		return refuse(p, SMX_DIAG_TLSRPT_RUA_NO_SCHEME, uri);
	rc = check_chars(p, uri);
	if (rc < 0)
		return rc;
	scheme = smx_slice(uri.p, colon);
	rest = smx_slice_from(uri, colon + 1);
	/* Schemes have no case; smx_domain_equal() compares such texts. */
	if (smx_domain_equal(scheme, SMX_SLICE("mailto")))
		return parse_mailto(p, rest);
	if (smx_domain_equal(scheme, SMX_SLICE("https")))
		return parse_https(p, rest);
	return refuse(p, SMX_DIAG_TLSRPT_RUA_SCHEME,
	    smx_slice(uri.p, colon + 1));
}

int
smx_tlsrpt_rua_parse(struct smx_arena *a, struct smx_slice record,
    struct smx_slice uri, struct smx_diag_list *diags,
    struct smx_tlsrpt_rua *ret)
{
	struct parse p = {
		.arena = a, .record = record, .diags = diags, .rua.uri = uri
	};
	int rc = parse(&p);

	if (rc == 0)
		*ret = p.rua;
	return rc;
}
