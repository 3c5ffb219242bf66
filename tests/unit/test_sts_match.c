#include "unit.h"
#include "core/domain.h"
#include "core/sts_match.h"

/* What matches and what does not are rows of tests/vectors/match.jsonl. */

static void
test_any_pattern_of_a_policy_will_do(void **state)
{
	const struct smx_slice mx[] = { SMX_SLICE("mx1.example.com"),
		SMX_SLICE("*.example.net"), SMX_SLICE("mx2.example.com") };
	struct smx_sts_policy p = {
		.mode = SMX_STS_ENFORCE, .mx = mx, .mx_count = 3
	};

	(void)state;
	assert_true(smx_sts_match_policy(&p, SMX_SLICE("mx1.example.com")));
	assert_true(smx_sts_match_policy(&p, SMX_SLICE("MX2.example.com.")));
	assert_true(smx_sts_match_policy(&p, SMX_SLICE("any.example.net")));
	assert_false(smx_sts_match_policy(&p, SMX_SLICE("mx3.example.com")));
	assert_false(smx_sts_match_policy(&p, SMX_SLICE("example.net")));
	assert_false(smx_sts_match_policy(&p, smx_slice(NULL, 0)));
}

static void
test_policy_without_mx_allows_nothing(void **state)
{
	struct smx_sts_policy p = { .mode = SMX_STS_NONE };

	(void)state;
	assert_false(smx_sts_match_policy(&p, SMX_SLICE("mx.example.com")));
	assert_false(smx_sts_match_policy(&p, SMX_SLICE("")));
}

/* RFC 8461, 4.1 read again with whole labels, to compare with. */
static bool
match_by_labels(struct smx_slice pattern, struct smx_slice host)
{
	bool first = true;

	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n == 0)
		return false;
	for (;;) {
		size_t a = smx_slice_find(pattern, '.');
		size_t b = smx_slice_find(host, '.');
		bool is_star = first && a == 1 && pattern.p[0] == '*';

		if (is_star ? b == 0
			    : !smx_domain_equal(smx_slice(pattern.p, a),
				  smx_slice(host.p, b)))
			return false;
		first = false;
		if (a == pattern.n || b == host.n)
			return a == pattern.n && b == host.n;
		pattern = smx_slice_from(pattern, a + 1);
		host = smx_slice_from(host, b + 1);
	}
}

static void
test_random_pairs_against_a_second_reading(void **state)
{
	static const char *const labels[] = { "a", "A", "b", "mail", "mai" };
	uint64_t seed = 8;
	int matches = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		char text[2][64];
		struct smx_slice s[2];
		bool got;

		for (int k = 0; k < 2; k++) {
			size_t n = 1 + unit_random(&seed) % 3;

			text[k][0] = '\0';
			if (k == 0 && unit_random(&seed) % 2 == 0)
				strcat(text[k], "*.");
			for (size_t i = 0; i < n; i++) {
				strcat(text[k],
				    labels[unit_random(&seed) %
					COUNT_OF(labels)]);
				if (i + 1 < n)
					strcat(text[k], ".");
			}
			if (k == 1 && unit_random(&seed) % 4 == 0)
				strcat(text[k], ".");
			s[k] = smx_slice_text(text[k]);
		}
		got = smx_sts_match_pattern(s[0], s[1]);
		if (got != match_by_labels(s[0], s[1]))
			fail_msg("%s %s: %d", text[0], text[1], got);
		matches += got;
	}
	assert_in_range(matches, 1000, 99000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_pattern_of_a_policy_will_do),
		cmocka_unit_test(test_policy_without_mx_allows_nothing),
		cmocka_unit_test(test_random_pairs_against_a_second_reading),
	};

	return cmocka_run_group_tests_name("sts_match", tests, NULL, NULL);
}
