/*
 * The _smtp._tls record: the parser against the ABNF of RFC 8460, 3 and RFC
 * 3986, written down a second time without any thought of good findings.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_txt.h"

static bool
has(const char *set, char c)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool
is_hex(char c)
{
	return smx_scan_is_digit(c) || has("abcdefABCDEF", c);
}

static bool
is_uri(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%') {
			if (s.n - i < 3 || !is_hex(s.p[i + 1]) ||
			    !is_hex(s.p[i + 2]))
				return false;
		} else if (!smx_scan_is_alnum(s.p[i]) &&
		    !has("-._~:/?@$&'()*+=", s.p[i])) {
			return false;
		}
	}
	return s.n <= 2048;
}

static bool
is_host(struct smx_slice s)
{
	return smx_domain_is_host(s) && smx_slice_find(s, '.') < s.n;
}

/* @return false when the scheme is another one. */
static bool
skip_scheme(struct smx_slice uri, struct smx_slice scheme,
    struct smx_slice *ret_rest)
{
	if (uri.n < scheme.n ||
	    !smx_domain_equal(smx_slice(uri.p, scheme.n), scheme))
		return false;
	*ret_rest = smx_slice_from(uri, scheme.n);
	return true;
}

static bool
is_mailto(struct smx_slice rest)
{
	char address[SMX_TXT_MAX];
	struct smx_slice to = smx_slice(address, 0), local;
	bool after_dot = true;

	rest.n = smx_slice_find(rest, '?');
	for (size_t i = 0; i < rest.n; i++) {
		char hex[3] = "";

		if (rest.p[i] == '%') {
			memcpy(hex, rest.p + i + 1, 2);
			i += 2;
		}
		address[to.n++] = hex[0] != '\0' ? (char)strtoul(hex, NULL, 16)
						 : rest.p[i];
	}
	local = smx_slice(address, smx_slice_find(to, '@'));
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '.' ? after_dot
				      : !smx_scan_is_alnum(local.p[i]) &&
			    !has("_+-=", local.p[i]))
			return false;
		after_dot = local.p[i] == '.';
	}
	return !after_dot && local.n <= 64 && local.p[0] != '-' &&
	    is_host(smx_slice_from(to, local.n + 1));
}

static bool
is_https(struct smx_slice rest)
{
	size_t end = 0, colon;
	unsigned long port = 443;

	while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
		end++;
	rest.n = end;
	colon = smx_slice_find(rest, ':');
	for (size_t i = colon + 1; i < end; i++) {
		port = (i == colon + 1 ? 0 : port) * 10 +
		    (unsigned long)(rest.p[i] - '0');
		if (!smx_scan_is_digit(rest.p[i]) || port > 65535)
			return false;
	}
	return port > 0 && is_host(smx_slice(rest.p, colon));
}

static bool
is_usable(struct smx_slice uri)
{
	struct smx_slice rest;

	if (!is_uri(uri))
		return false;
	if (skip_scheme(uri, SMX_SLICE("mailto:"), &rest))
		return is_mailto(rest);
	return skip_scheme(uri, SMX_SLICE("https://"), &rest) && is_https(rest);
}

static bool
has_usable(struct smx_slice list)
{
	for (;;) {
		struct smx_slice one = list;

		one.n = smx_slice_find(list, ',');
		list = smx_slice_from(list, one.n);
		one = smx_slice_from(one, smx_scan_skip_wsp(one, 0));
		if (is_usable(smx_scan_trim_end(one)))
			return true;
		if (list.n == 0)
			return false;
		list = smx_slice_from(list, 1);
	}
}

static bool
is_extension(struct smx_slice name, struct smx_slice value)
{
	for (size_t i = 0; i < name.n; i++)
		if (!smx_scan_is_alnum(name.p[i]) &&
		    (i == 0 || !has("_-.", name.p[i])))
			return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < '!' || value.p[i] > '~' || value.p[i] == '=')
			return false;
	return name.n >= 1 && name.n <= 32 && value.n >= 1;
}

/* One field between semicolons. @return false: no field. */
static bool
is_field(struct smx_slice field, bool *ret_usable)
{
	size_t equals = smx_slice_find(field, '=');
	struct smx_slice name = smx_slice(field.p, equals);
	struct smx_slice value = smx_slice_from(field, equals + 1);

	if (equals == field.n)
		return false;
	if (!smx_slice_equal(name, SMX_SLICE("rua")))
		return is_extension(name, value);
	if (value.n > 0 && smx_scan_is_wsp(value.p[0]))
		return false;
	*ret_usable = *ret_usable || has_usable(value);
	return true;
}

static bool
is_record(struct smx_slice s)
{
	bool usable = false;
	size_t at = 10;

	if (s.n > SMX_TXT_MAX || !smx_slice_starts(s, SMX_SLICE("v=TLSRPTv1")))
		return false;
	while (at < s.n) {
		struct smx_slice field;
		size_t end;

		at = smx_scan_skip_wsp(s, at);
		if (at == s.n || s.p[at] != ';')
			return false;
		at = smx_scan_skip_wsp(s, at + 1);
		if (at == s.n)
			break;
		field = smx_slice_from(s, at);
		end = field.n = smx_slice_find(field, ';');
		/* Blanks belong to the delimiter, if there is one. */
		if (at + end < s.n)
			field = smx_scan_trim_end(field);
		if (smx_scan_trim_end(field).n != field.n ||
		    !is_field(field, &usable))
			return false;
		at += end;
	}
	return usable;
}

/* Nothing of it can break out of a header, a command line or a request. */
static void
require_harmless(const struct smx_tlsrpt_rua *rua)
{
	SMX_REQUIRE(is_usable(rua->uri));
	fuzz_require_printable(rua->uri);
	SMX_REQUIRE(is_host(rua->host));
	if (rua->scheme == SMX_TLSRPT_RUA_HTTPS) {
		SMX_REQUIRE(rua->port != 0 && rua->address.n == 0);
		SMX_REQUIRE(is_uri(rua->path));
		SMX_REQUIRE(rua->path.n == 0 || has("/?", rua->path.p[0]));
		return;
	}
	SMX_REQUIRE(rua->address.p[rua->address.n] == '\0');
	SMX_REQUIRE(rua->address.p[0] != '-');
	for (size_t i = 0; i < rua->address.n; i++)
		SMX_REQUIRE(smx_scan_is_alnum(rua->address.p[i]) ||
		    has("._+-=@", rua->address.p[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size);
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;
	struct smx_arena arena;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_ARENA_MAX);
	rc = smx_tlsrpt_txt_parse(&arena, in, &diags, &txt);
	SMX_REQUIRE(rc == (is_record(in) ? 0 : -SMX_EPARSE));
	SMX_REQUIRE((rc == 0) == (diags.fatal.code == SMX_DIAG_OK));
	fuzz_require_findings(&diags, in);
	if (rc == 0) {
		SMX_REQUIRE(smx_tlsrpt_txt_is_candidate(in));
		SMX_REQUIRE(txt.rua_count >= 1 &&
		    txt.rua_count <= SMX_TLSRPT_RUA_MAX);
		for (size_t i = 0; i < txt.rua_count; i++)
			require_harmless(&txt.rua[i]);
	}
	smx_arena_done(&arena);
	return 0;
}
