#include "unit.h"
#include "base/log.h"

static char last[16384];
static enum smx_log_level last_level;
static int lines;

static void
keep(enum smx_log_level level, const char *line)
{
	lines++;
	last_level = level;
	snprintf(last, sizeof(last), "%s", line);
}

static int
start(void **state)
{
	(void)state;
	lines = 0;
	last[0] = '\0';
	smx_log_set(keep, SMX_LOG_DEBUG);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	smx_log_set(NULL, SMX_LOG_ERROR);
	return 0;
}

static void
test_line_reaches_the_sink(void **state)
{
	(void)state;
	smx_log(SMX_LOG_WARNING, "%s: %d policies", "example.com", 3);
	assert_int_equal(lines, 1);
	assert_int_equal(last_level, SMX_LOG_WARNING);
	assert_string_equal(last, "example.com: 3 policies");
}

static void
test_levels_above_the_maximum_are_dropped(void **state)
{
	(void)state;
	smx_log_set(keep, SMX_LOG_WARNING);
	smx_log(SMX_LOG_INFO, "no");
	smx_log(SMX_LOG_DEBUG, "no");
	assert_int_equal(lines, 0);
	smx_log(SMX_LOG_WARNING, "yes");
	smx_log(SMX_LOG_ERROR, "yes");
	assert_int_equal(lines, 2);
}

static void
test_no_sink(void **state)
{
	(void)state;
	smx_log_set(NULL, SMX_LOG_DEBUG);
	smx_log(SMX_LOG_ERROR, "nowhere");
	assert_int_equal(lines, 0);
}

/* A name from outside must not begin a second line or drive a terminal. */
static void
test_what_a_remote_side_sent_can_not_forge_a_line(void **state)
{
	(void)state;
	smx_log(SMX_LOG_INFO, "mx %s",
	    "a\r\nstrictmxd: all is well\x1b[2J\\ \xc3\xa9\x7f");
	assert_int_equal(lines, 1);
	assert_string_equal(last,
	    "mx a\\x0d\\x0astrictmxd: all is well\\x1b[2J\\x5c "
	    "\\xc3\\xa9\\x7f");
}

static void
test_long_line_is_cut(void **state)
{
	static char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	smx_log(SMX_LOG_INFO, "%s", text);
	assert_int_equal(lines, 1);
	assert_in_range(strlen(last), 1000, 4000);
	assert_int_equal(strspn(last, "x"), strlen(last));
	/* Each byte escaped to four: still a line, still complete escapes. */
	memset(text, '\n', sizeof(text) - 1);
	smx_log(SMX_LOG_INFO, "%s", text);
	assert_int_equal(lines, 2);
	assert_in_range(strlen(last), 4000, 10000);
	assert_int_equal(strlen(last) % 4, 0);
	assert_string_equal(last + strlen(last) - 4, "\\x0a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line_reaches_the_sink,
		    start, stop),
		cmocka_unit_test_setup_teardown(
		    test_levels_above_the_maximum_are_dropped, start, stop),
		cmocka_unit_test_setup_teardown(test_no_sink, start, stop),
		cmocka_unit_test_setup_teardown(
		    test_what_a_remote_side_sent_can_not_forge_a_line, start,
		    stop),
		cmocka_unit_test_setup_teardown(test_long_line_is_cut, start,
		    stop),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
