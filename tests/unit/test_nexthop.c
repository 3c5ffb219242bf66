#include "unit.h"
#include "core/nexthop.h"

/* The forms themselves are rows of tests/vectors/nexthop.jsonl. */

static void
test_name_borrows_from_the_key(void **state)
{
	static const char key[] = "[mail.example.com]:587";
	struct smx_slice name;

	(void)state;
	assert_int_equal(smx_nexthop_parse(smx_slice_text(key), &name),
	    SMX_NEXTHOP_NAME);
	assert_ptr_equal(name.p, key + 1);
	assert_slice(name, "mail.example.com");
}

static void
test_smart_hosts_have_no_mx(void **state)
{
	static const char *const with[] = { "example.com", "example.com.",
		"b\xc3\xbc.example" };
	static const char *const without[] = { "[mail.example.com]",
		"[mail.example.com]:587", "example.com:587", "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(with); i++)
		assert_true(smx_nexthop_has_mx(smx_slice_text(with[i])));
	for (size_t i = 0; i < COUNT_OF(without); i++)
		assert_false(smx_nexthop_has_mx(smx_slice_text(without[i])));
}

static void
test_nothing_is_written_for_none(void **state)
{
	static const char *const rows[] = { "", ".", ".example", "[", "[]",
		"[]:25", "[a", "[a]x", "[a]25", ":25", "::", "::1", "a:b:c",
		"192.0.2.1", "192.0.2.1:25", "[192.0.2.1]", "[192.0.2.1]:25",
		"[2001:db8::1]", "[2001:db8::1]:25", "[IPv6:2001:db8::1]" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_slice name = { "untouched", 9 };

		if (smx_nexthop_parse(smx_slice_text(rows[i]), &name) !=
		    SMX_NEXTHOP_NONE)
			fail_msg("%s", rows[i]);
		assert_slice(name, "untouched");
	}
	assert_int_equal(smx_nexthop_parse(smx_slice(NULL, 0),
			     &(struct smx_slice){ 0 }),
	    SMX_NEXTHOP_NONE);
}

static void
test_every_cut_of_a_key(void **state)
{
	static const struct smx_slice key = { "[b\xc3\xbc"
					      "cher.example]:587",
		21 };

	(void)state;
	for (size_t n = 0; n <= key.n; n++) {
		char *copy = malloc(n + 1);
		struct smx_slice name = { NULL, 0 };
		enum smx_nexthop_kind kind;

		assert_non_null(copy);
		memcpy(copy, key.p, n);
		kind = smx_nexthop_parse(smx_slice(copy, n), &name);
		assert_int_equal(kind,
		    n < 17 ? SMX_NEXTHOP_NONE : SMX_NEXTHOP_ULABEL);
		if (kind != SMX_NEXTHOP_NONE) {
			assert_ptr_equal(name.p, copy + 1);
			assert_int_equal(name.n, 15);
		}
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_borrows_from_the_key),
		cmocka_unit_test(test_nothing_is_written_for_none),
		cmocka_unit_test(test_smart_hosts_have_no_mx),
		cmocka_unit_test(test_every_cut_of_a_key),
	};

	return cmocka_run_group_tests_name("nexthop", tests, NULL, NULL);
}
