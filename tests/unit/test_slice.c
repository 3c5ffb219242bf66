#include "unit.h"

static void
test_equal(void **state)
{
	(void)state;
	assert_true(smx_slice_equal(SMX_SLICE("ab"), smx_slice_text("ab")));
	assert_false(smx_slice_equal(SMX_SLICE("ab"), SMX_SLICE("aB")));
	assert_false(smx_slice_equal(SMX_SLICE("ab"), SMX_SLICE("abc")));
	assert_false(smx_slice_equal(SMX_SLICE("a\0b"), SMX_SLICE("a\0c")));
	assert_true(smx_slice_equal(smx_slice(NULL, 0), SMX_SLICE("")));
}

static void
test_starts(void **state)
{
	(void)state;
	assert_true(smx_slice_starts(SMX_SLICE("abc"), SMX_SLICE("ab")));
	assert_true(smx_slice_starts(SMX_SLICE("abc"), SMX_SLICE("abc")));
	assert_true(smx_slice_starts(SMX_SLICE("abc"), SMX_SLICE("")));
	assert_false(smx_slice_starts(SMX_SLICE("ab"), SMX_SLICE("abc")));
	assert_false(smx_slice_starts(smx_slice(NULL, 0), SMX_SLICE("a")));
}

static void
test_from(void **state)
{
	(void)state;
	assert_slice(smx_slice_from(SMX_SLICE("abc"), 0), "abc");
	assert_slice(smx_slice_from(SMX_SLICE("abc"), 2), "c");
	assert_slice(smx_slice_from(SMX_SLICE("abc"), 3), "");
	assert_slice(smx_slice_from(SMX_SLICE("abc"), 4), "");
	assert_slice(smx_slice_from(SMX_SLICE("abc"), SIZE_MAX), "");
}

static void
test_find(void **state)
{
	(void)state;
	assert_int_equal(smx_slice_find(SMX_SLICE("a=b=c"), '='), 1);
	assert_int_equal(smx_slice_find(SMX_SLICE("a=b"), ';'), 3);
	assert_int_equal(smx_slice_find(SMX_SLICE("a\0b"), '\0'), 1);
	assert_int_equal(smx_slice_find(SMX_SLICE("a\xff"), '\xff'), 1);
	/* What lies behind the end is not looked at. */
	assert_int_equal(smx_slice_find(smx_slice("a=b", 1), '='), 1);
	assert_int_equal(smx_slice_find(smx_slice(NULL, 0), '='), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_starts),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
