/*
 * MX hosts against patterns: lines of patterns, then one of the host. Compared
 * with RFC 8461, 4.1 read label by label.
 */
#include "fuzz.h"
#include "core/domain.h"
#include "core/sts_match.h"

static bool
matches_by_labels(struct smx_slice pattern, struct smx_slice host)
{
	for (bool first = true;; first = false) {
		size_t a = smx_slice_find(pattern, '.');
		size_t b = smx_slice_find(host, '.');

		if (first && a == 1 && a < pattern.n && pattern.p[0] == '*') {
			if (b == 0 || b == host.n)
				return false;
		} else if (!smx_domain_equal(smx_slice(pattern.p, a),
			       smx_slice(host.p, b))) {
			return false;
		}
		if (a == pattern.n || b == host.n)
			return a == pattern.n && b == host.n;
		pattern = smx_slice_from(pattern, a + 1);
		host = smx_slice_from(host, b + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), patterns[8], host;
	struct smx_sts_policy policy = { .mode = SMX_STS_ENFORCE,
		.mx = patterns };
	bool want = false;
	size_t end;

	while ((end = smx_slice_find(in, '\n')) < in.n && policy.mx_count < 8) {
		patterns[policy.mx_count++] = smx_slice(in.p, end);
		in = smx_slice_from(in, end + 1);
	}
	host = in;
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	for (size_t i = 0; i < policy.mx_count; i++) {
		bool one = host.n > 0 && matches_by_labels(patterns[i], host);

		SMX_REQUIRE(smx_sts_match_pattern(patterns[i], in) == one);
		want = want || one;
	}
	SMX_REQUIRE(smx_sts_match_policy(&policy, in) == want);
	return 0;
}
