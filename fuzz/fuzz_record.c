/*
 * The _mta-sts record: the parser against the ABNF of RFC 8461, 3.1, written
 * down a second time without any thought of good findings.
 */
#include "fuzz.h"
#include "base/scan.h"
#include "core/limits.h"
#include "core/sts_txt.h"

static size_t
skip_name(struct smx_slice s, size_t at)
{
	size_t start = at;

	while (at < s.n &&
	    (smx_scan_is_alnum(s.p[at]) ||
		(at > start && s.p[at] != '\0' &&
		    strchr("_-.", s.p[at]) != NULL)))
		at++;
	return at;
}

static size_t
skip_value(struct smx_slice s, size_t at)
{
	while (at < s.n && s.p[at] >= '!' && s.p[at] <= '~' && s.p[at] != ';' &&
	    s.p[at] != '=')
		at++;
	return at;
}

static bool
is_id(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!smx_scan_is_alnum(s.p[i]))
			return false;
	return s.n >= 1 && s.n <= 32;
}

/* @return true when it is valid; of several ids the first is in @p ret_id. */
static bool
follows_abnf(struct smx_slice s, struct smx_slice *ret_id)
{
	bool has_id = false;
	size_t at = 7;

	if (s.n > SMX_TXT_MAX || !smx_slice_starts(s, SMX_SLICE("v=STSv1")))
		return false;
	while (at < s.n) {
		size_t name, equals, end;

		at = smx_scan_skip_wsp(s, at);
		if (at == s.n || s.p[at] != ';')
			return false;
		name = at = smx_scan_skip_wsp(s, at + 1);
		if (at == s.n)
			break;
		equals = skip_name(s, name);
		if (equals == name || equals - name > 32 || equals == s.n ||
		    s.p[equals] != '=')
			return false;
		end = skip_value(s, equals + 1);
		if (end == equals + 1)
			return false;
		if (!has_id && equals - name == 2 &&
		    memcmp(s.p + name, "id", 2) == 0) {
			*ret_id = smx_slice(s.p + equals + 1, end - equals - 1);
			has_id = true;
			if (!is_id(*ret_id))
				return false;
		}
		at = end;
	}
	return has_id;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), id = { NULL, 0 };
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_sts_txt txt;
	struct smx_arena arena;
	bool valid = follows_abnf(in, &id);
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_STS_ARENA_MAX);
	rc = smx_sts_txt_parse(&arena, in, &diags, &txt);
	SMX_REQUIRE(rc == (valid ? 0 : -SMX_EPARSE));
	SMX_REQUIRE(valid == (diags.fatal.code == SMX_DIAG_OK));
	fuzz_require_findings(&diags, in);
	if (rc == 0) {
		SMX_REQUIRE(smx_slice_equal(txt.id, id));
		SMX_REQUIRE(smx_sts_txt_is_candidate(in));
		SMX_REQUIRE(!smx_diag_list_has_error(&diags));
	}
	smx_arena_done(&arena);
	return 0;
}
