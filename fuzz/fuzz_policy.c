/*
 * Policy bodies: the parser against a plain second reading of the ABNF of RFC
 * 8461, 3.2, and what Postfix would read in the reply that is made of them.
 */
#include "fuzz.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/postfix.h"
#include "core/sts_match.h"

#define TEXT_MAX (SMX_SOCKETMAP_REPLY_MAX - 3)

struct reading {
	bool has_version, has_mode, has_max_age, has_mx, is_none;
};

static bool
is_key(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!smx_scan_is_alnum(s.p[i]) &&
		    (i == 0 || s.p[i] == '\0' || strchr("_-.", s.p[i]) == NULL))
			return false;
	return s.n >= 1 && s.n <= 32;
}

static bool
is_value(struct smx_slice s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = smx_scan_utf8(smx_slice_from(s, i));

		if (n == 0 || (n == 1 && (s.p[i] < ' ' || s.p[i] > '~')))
			return false;
		i += n;
	}
	return s.n > 0;
}

static bool
read_known(struct reading *r, struct smx_slice key, struct smx_slice value)
{
	bool first;

	if (smx_slice_equal(key, SMX_SLICE("mx"))) {
		r->has_mx = true;
		return smx_domain_is_host(smx_slice_from(value,
		    smx_slice_starts(value, SMX_SLICE("*.")) ? 2 : 0));
	}
	if (smx_slice_equal(key, SMX_SLICE("version"))) {
		first = !r->has_version;
		r->has_version = true;
		return !first || smx_slice_equal(value, SMX_SLICE("STSv1"));
	}
	if (smx_slice_equal(key, SMX_SLICE("mode"))) {
		first = !r->has_mode;
		r->has_mode = true;
		if (first)
			r->is_none = smx_slice_equal(value, SMX_SLICE("none"));
		return !first || r->is_none ||
		    smx_slice_equal(value, SMX_SLICE("testing")) ||
		    smx_slice_equal(value, SMX_SLICE("enforce"));
	}
	if (smx_slice_equal(key, SMX_SLICE("max_age"))) {
		first = !r->has_max_age;
		r->has_max_age = true;
		for (size_t i = 0; first && i < value.n; i++)
			if (!smx_scan_is_digit(value.p[i]) || i == 10)
				return false;
	}
	return true;
}

static bool
read_line(struct reading *r, struct smx_slice line)
{
	struct smx_slice text = smx_scan_trim_end(line);
	size_t colon = smx_slice_find(text, ':'), at;
	struct smx_slice key = smx_slice(text.p, colon);

	/* Forgiven, as one exception. */
	if (text.n == 0)
		return true;
	if (colon == text.n || !is_key(key))
		return false;
	at = smx_scan_skip_wsp(text, colon + 1);
	return is_value(smx_slice_from(text, at)) &&
	    read_known(r, key, smx_slice_from(text, at));
}

static bool
follows_abnf(struct smx_slice body)
{
	struct reading r = { false };
	bool ok = body.n > 0 && body.n <= SMX_STS_BODY_MAX;

	while (ok && body.n > 0) {
		size_t end = smx_slice_find(body, '\n');
		struct smx_slice line = smx_slice(body.p, end);

		if (end < body.n && end > 0 && line.p[end - 1] == '\r')
			line.n--;
		ok = read_line(&r, line);
		body = smx_slice_from(body, end + 1);
	}
	return ok && r.has_version && r.has_mode && r.has_max_age &&
	    (r.has_mx || r.is_none);
}

static bool
is_known_attribute(struct smx_slice s)
{
	static const char *const names[] = { "match=", "servername=",
		"policy_type=", "policy_domain=", "mx_host_pattern=",
		"policy_string = " };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (smx_slice_starts(s, smx_slice_text(names[i])))
			return s.n > strlen(names[i]);
	return false;
}

/* Split at blanks as Postfix does; what stands in braces is one word. */
static void
require_attributes(struct smx_slice text)
{
	fuzz_require_printable(text);
	SMX_REQUIRE(smx_slice_starts(text, SMX_SLICE("secure ")));
	text = smx_slice_from(text, 7);
	while (text.n > 0) {
		bool braces = text.p[0] == '{';
		size_t n = smx_slice_find(text, braces ? '}' : ' ');
		struct smx_slice word = smx_slice(text.p, n);

		if (braces) {
			SMX_REQUIRE(n < text.n && n > 4);
			SMX_REQUIRE(text.p[1] == ' ' && text.p[n - 1] == ' ');
			SMX_REQUIRE(n + 1 == text.n || text.p[n + 1] == ' ');
			word = smx_slice(text.p + 2, n - 3);
			n++;
		}
		SMX_REQUIRE(smx_slice_find(word, '{') == word.n);
		SMX_REQUIRE(smx_slice_find(word, '}') == word.n);
		SMX_REQUIRE(braces || smx_slice_find(word, ',') == word.n);
		SMX_REQUIRE(is_known_attribute(word));
		text = smx_slice_from(text, n + 1);
	}
}

/* Both forms; the plain one has to be how the long one begins. */
static int
print_forms(struct smx_arena *arena, const struct smx_sts_policy *p,
    struct smx_slice domain, struct smx_buf *to, size_t *ret_plain_bytes)
{
	struct smx_buf compact, plain;
	struct smx_postfix postfix;
	size_t start = to->n;
	int rc;

	smx_buf_init(&compact, (size_t)1 << 20);
	smx_buf_init(&plain, (size_t)1 << 20);
	rc = smx_postfix_compile(arena, p, &compact, &postfix);
	if (rc == 0)
		rc = smx_postfix_print(&postfix, domain, true, to);
	if (rc == 0)
		rc = smx_postfix_print(&postfix, domain, false, &plain);
	if (rc == 0) {
		*ret_plain_bytes = plain.n;
		SMX_REQUIRE(smx_slice_starts(smx_slice(to->p + start,
						 to->n - start),
		    smx_buf_slice(&plain)));
	}
	smx_buf_done(&plain);
	smx_buf_done(&compact);
	return rc;
}

static void
require_reply(struct smx_arena *arena, const struct smx_sts_policy *policy)
{
	static const struct smx_slice end = { " servername=hostname", 20 };
	size_t plain_bytes;
	struct smx_slice plain;
	struct smx_buf out;

	smx_buf_init(&out, (size_t)1 << 20);
	SMX_REQUIRE(print_forms(arena, policy, SMX_SLICE("example.com"), &out,
			&plain_bytes) == 0);
	SMX_REQUIRE(out.n <= TEXT_MAX && plain_bytes <= out.n);
	plain = smx_slice(out.p, plain_bytes);
	SMX_REQUIRE(smx_slice_starts(plain, SMX_SLICE("secure match=")));
	SMX_REQUIRE(smx_slice_equal(smx_slice_from(plain, plain.n - end.n),
	    end));
	SMX_REQUIRE(smx_slice_find(plain, '{') == plain.n);
	for (size_t i = 0; i < plain.n; i++)
		SMX_REQUIRE(plain.p[i] == smx_scan_lower(plain.p[i]));
	require_attributes(plain);
	require_attributes(smx_buf_slice(&out));
	smx_buf_done(&out);
}

/* Each pattern allows the host that it names. */
static void
require_matches(const struct smx_sts_policy *policy)
{
	for (size_t i = 0; i < policy->mx_count && i < 100; i++) {
		char host[SMX_DOMAIN_MAX + 3];
		struct smx_slice mx = policy->mx[i];

		SMX_REQUIRE(mx.n < sizeof(host));
		memcpy(host, mx.p, mx.n);
		if (host[0] == '*')
			host[0] = 'x';
		SMX_REQUIRE(smx_sts_match_policy(policy,
		    smx_slice(host, mx.n)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size);
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_sts_policy policy;
	struct smx_arena arena;
	bool valid = follows_abnf(in);
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_STS_ARENA_MAX);
	rc = smx_sts_policy_parse(&arena, in, &diags, &policy);
	SMX_REQUIRE(rc == (valid ? 0 : -SMX_EPARSE));
	SMX_REQUIRE(valid == (diags.fatal.code == SMX_DIAG_OK));
	fuzz_require_findings(&diags, in);
	if (rc == 0) {
		SMX_REQUIRE(policy.max_age_s <= SMX_STS_MAX_AGE_MAX_S);
		SMX_REQUIRE(policy.mode == SMX_STS_NONE || policy.mx_count > 0);
		require_matches(&policy);
		if (policy.mx_count > 0)
			require_reply(&arena, &policy);
	}
	smx_arena_done(&arena);
	return 0;
}
