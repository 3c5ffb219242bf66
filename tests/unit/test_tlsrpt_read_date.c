#include "unit.h"
#include "base/buf.h"
#include "core/date.h"
#include "core/tlsrpt_read_date.h"

static const struct {
	const char *text;
	smx_time wall;
	bool has_zone, is_exact;
} rows[] = {
	{ "1970-01-01T00:00:00Z", 0, true, true },
	{ "2016-07-18T00:00:00Z", 1468800000000, true, true },
	{ "2016-07-18t00:00:00z", 1468800000000, true, true },
	{ "2016-07-18T23:59:59.999Z", 1468886399999, true, true },
	{ "2016-07-18T23:59:59.9999999Z", 1468886399999, true, true },
	{ "2016-07-18T00:00:00.5Z", 1468800000500, true, true },
	{ "2016-07-18T02:30:00+02:30", 1468800000000, true, true },
	{ "2016-07-17T17:00:00-07:00", 1468800000000, true, true },
	{ "2016-07-18T00:00:00-00:00", 1468800000000, true, true },
	{ "2016-12-31T23:59:60Z", 1483228799000, true, true },
	{ "9999-12-31T23:59:59Z", 253402300799000, true, true },
	/* What is understood too. */
	{ "2016-07-18T00:00:00", 1468800000000, false, true },
	{ "2016-07-18 00:00:00", 1468800000000, false, false },
	{ "2016-07-18 00:00:00Z", 1468800000000, true, false },
	{ "2016-07-18", 1468800000000, false, false },
	{ "2016-07-18T00:00Z", 1468800000000, true, false },
	{ "2016-07-18T00:00", 1468800000000, false, false },
	{ "2016-07-17T24:00:00Z", 1468800000000, true, false },
	{ "2016-07-18T02:00:00+0200", 1468800000000, true, false },
	{ "2016-07-18T02:00:00+02", 1468800000000, true, false },
	{ "2016-07-18 00:00:00 UTC", 1468800000000, true, false },
	{ "2016-07-18T00:00:00GMT", 1468800000000, true, false },
	{ " 2016-07-18T00:00:00Z\t", 1468800000000, true, false },
	{ "1468800000", 1468800000000, true, false },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_tlsrpt_read_date d = { .wall = -1 };

		if (!smx_tlsrpt_read_date(smx_slice_text(rows[i].text), &d) ||
		    d.wall != rows[i].wall || d.has_zone != rows[i].has_zone ||
		    d.is_exact != rows[i].is_exact)
			fail_msg("%s: %lld %d %d", rows[i].text,
			    (long long)d.wall, d.has_zone, d.is_exact);
	}
}

static void
test_what_is_none(void **state)
{
	static const char *const texts[] = { "", " ", "x", "0", "20160718",
		"146880000012", "14688000001234", "1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00+00:01", "2016-00-18T00:00:00Z",
		"2016-13-18T00:00:00Z", "2016-07-00T00:00:00Z",
		"2016-07-32T00:00:00Z", "2016-02-30T00:00:00Z",
		"2015-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2016-7-18T00:00:00Z", "16-07-18T00:00:00Z",
		"2016-07-18T24:00:01Z", "2016-07-18T25:00:00Z",
		"2016-07-18T00:60:00Z", "2016-07-18T00:00:61Z",
		"2016-07-18T00:00:00.Z", "2016-07-18T0:00:00Z",
		"2016-07-18T00:00:Z", "2016-07-18T", "2016-07-18x00:00:00Z",
		"2016-07-18T00:00:00+", "2016-07-18T00:00:00+24:00",
		"2016-07-18T00:00:00+02:60",
		"2016-07-18T00:00:00+02:", "2016-07-18T00:00:00+020",
		"2016-07-18T00:00:00CET", "2016-07-18T00:00:00ZZ",
		"2016-07-18T00:00:00Z x", "-2016-07-18T00:00:00Z" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct smx_tlsrpt_read_date d = { .wall = 4711 };

		if (smx_tlsrpt_read_date(smx_slice_text(texts[i]), &d))
			fail_msg("%s", texts[i]);
		assert_int_equal(d.wall, 4711);
	}
}

/* Each day up to the year 2400, as core/date.c prints it. */
static void
test_every_day(void **state)
{
	(void)state;
	for (smx_time day = 0; day < INT64_C(157000); day++) {
		struct smx_tlsrpt_read_date d;
		char storage[32];
		struct smx_buf text;

		smx_buf_init_fixed(&text, storage, sizeof(storage));
		smx_date_print(day * SMX_DAY, &text);
		smx_buf_add_text(&text, "T00:00:00Z");
		assert_true(smx_tlsrpt_read_date(smx_buf_slice(&text), &d));
		assert_int_equal(d.wall, day * SMX_DAY);
	}
}

static void
test_every_cut(void **state)
{
	static const char text[] = "2016-07-18T02:30:00.5+02:30";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + 1);
		struct smx_tlsrpt_read_date d;

		assert_non_null(copy);
		memcpy(copy, text, n);
		if (smx_tlsrpt_read_date(smx_slice(copy, n), &d))
			assert_true(n >= 10);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_every_day),
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests_name("tlsrpt_read_date", tests, NULL,
	    NULL);
}
