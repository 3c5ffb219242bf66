#include "unit.h"
#include "base/status.h"

static void
test_every_status_has_its_own_words(void **state)
{
	(void)state;
	for (int i = 0; i < SMX_STATUS_MAX; i++) {
		const char *text = smx_status_text(-i);

		assert_non_null(text);
		assert_true(text[0] != '\0');
		assert_string_not_equal(text, "unknown status");
		for (int k = 0; k < i; k++)
			assert_string_not_equal(text, smx_status_text(-k));
	}
}

static void
test_what_is_no_status(void **state)
{
	(void)state;
	assert_string_equal(smx_status_text(1), "unknown status");
	assert_string_equal(smx_status_text(-SMX_STATUS_MAX), "unknown status");
	assert_string_equal(smx_status_text(INT32_MAX), "unknown status");
	assert_string_equal(smx_status_text(INT32_MIN), "unknown status");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status_has_its_own_words),
		cmocka_unit_test(test_what_is_no_status),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
