#include "unit.h"

#include "core/date.h"

static void
assert_day(smx_time wall, const char *want)
{
	char storage[32];
	struct smx_buf b;

	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_date_print(wall, &b);
	assert_string_equal(smx_buf_text(&b), want);
}

/* Seconds as `date -u -d DAY +%s` prints them. */
static void
test_days_of_the_calendar(void **state)
{
	(void)state;
	assert_day(0, "1970-01-01");
	assert_day(-1, "1969-12-31");
	assert_day(SMX_DAY - 1, "1970-01-01");
	assert_day(951782400 * SMX_SECOND, "2000-02-29");
	assert_day(951868800 * SMX_SECOND, "2000-03-01");
	assert_day(1709164800 * SMX_SECOND, "2024-02-29");
	assert_day(1798675199 * SMX_SECOND, "2026-12-30");
	assert_day(2147483648 * SMX_SECOND, "2038-01-19");
	assert_day(4107542400 * SMX_SECOND, "2100-03-01");
	assert_day(253402300799 * SMX_SECOND, "9999-12-31");
}

static void
test_id(void **state)
{
	char storage[32];
	struct smx_buf b;

	(void)state;
	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_date_print_id(1767225599 * SMX_SECOND, &b);
	assert_string_equal(smx_buf_text(&b), "20251231T235959");
}

static void
test_days_between(void **state)
{
	(void)state;
	assert_int_equal(smx_date_days(0, SMX_DAY), 1);
	assert_int_equal(smx_date_days(0, SMX_DAY - 1), 0);
	assert_int_equal(smx_date_days(1, 0), -1);
	assert_int_equal(smx_date_days(0, -SMX_DAY), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days_of_the_calendar),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_days_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
