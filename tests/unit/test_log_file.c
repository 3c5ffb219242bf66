/* A log file that grows, is rotated, is cut, comes and goes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"
#include "io/log_file.h"

static char folder[64], path[96], other[96];
static char seen[1024];
static size_t count;

static void
on_line(void *arg, struct smx_slice line)
{
	(void)arg;
	count++;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s|",
	    (int)line.n, line.p);
}

static void
append(const char *text)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
assert_seen(struct smx_log_file *f, int rc, const char *lines)
{
	seen[0] = '\0';
	count = 0;
	assert_int_equal(smx_log_file_read(f), rc);
	assert_string_equal(seen, lines);
}

static int
setup(void **state)
{
	struct smx_log_file *f;

	snprintf(folder, sizeof(folder), "/tmp/smx_log_XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/mail.log", folder);
	snprintf(other, sizeof(other), "%s/mail.log.1", folder);
	assert_int_equal(smx_log_file_new(path, 10, on_line, NULL, &f), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct smx_log_file *f = *state;

	smx_log_file_free(&f);
	unlink(path);
	unlink(other);
	return rmdir(folder);
}

static void
test_from_its_end_on(void **state)
{
	append("old\n");
	assert_seen(*state, 0, "");
	append("new\nha");
	assert_seen(*state, 0, "new|");
	append("lf\n");
	assert_seen(*state, 0, "half|");
}

/* Whose end we see only: what is in it may look like a line. */
static void
test_half_a_line_at_the_start(void **state)
{
	append("old\nhal");
	assert_seen(*state, 0, "");
	append("f\nnew\n");
	assert_seen(*state, 0, "new|");
}

static void
test_made_later_is_read_from_its_start(void **state)
{
	assert_seen(*state, -SMX_ENOENT, "");
	append("first\n");
	assert_seen(*state, 0, "first|");
}

static void
test_rotated(void **state)
{
	append("old\n");
	assert_seen(*state, 0, "");
	append("last\n");
	assert_int_equal(rename(path, other), 0);
	/* The writer has not opened the new one yet. */
	assert_seen(*state, -SMX_ENOENT, "last|");
	append("first\n");
	assert_seen(*state, 0, "first|");
}

/* The writer goes on with the old one until it is told that there is another. */
static void
test_rotated_while_written(void **state)
{
	FILE *writer;

	append("old\n");
	assert_seen(*state, 0, "");
	writer = fopen(path, "a");
	assert_non_null(writer);
	assert_int_equal(rename(path, other), 0);
	assert_seen(*state, -SMX_ENOENT, "");
	fputs("a\n", writer);
	fflush(writer);
	assert_seen(*state, -SMX_ENOENT, "a|");
	append("");
	assert_seen(*state, 0, "");
	fputs("b\n", writer);
	fclose(writer);
	append("first\n");
	assert_seen(*state, 0, "b|first|");
	append("next\n");
	assert_seen(*state, 0, "next|");
}

/* Some lines a turn, the rest in the next ones. */
static void
test_turns(void **state)
{
	assert_seen(*state, -SMX_ENOENT, "");
	for (int i = 0; i < 2 * SMX_LOG_FILE_LINES_MAX; i++)
		append("x\n");
	append("last\n");
	for (int i = 0; i < 2; i++) {
		count = 0;
		assert_int_equal(smx_log_file_read(*state), 1);
		assert_int_equal(count, SMX_LOG_FILE_LINES_MAX);
	}
	assert_seen(*state, 0, "last|");
}

/* One that was rotated is read to its end, however much that is. */
static void
test_much_in_a_rotated_one(void **state)
{
	const size_t lines = 500000;
	FILE *writer;
	int rc;

	append("old\n");
	assert_seen(*state, 0, "");
	writer = fopen(path, "a");
	assert_non_null(writer);
	for (size_t i = 0; i < lines; i++)
		fputs("012345678\n", writer);
	/* Whatever it is that has no end. */
	for (size_t i = 0; i < lines; i++)
		fputs("0123456789", writer);
	fputs("\nlast\n", writer);
	fclose(writer);
	assert_int_equal(rename(path, other), 0);
	append("first\n");
	count = 0;
	do {
		seen[0] = '\0';
		rc = smx_log_file_read(*state);
	} while (rc == 1);
	assert_int_equal(rc, 0);
	assert_string_equal(seen, "last|first|");
	assert_int_equal(count, lines + 2);
}

static void
test_cut(void **state)
{
	append("old line\n");
	assert_seen(*state, 0, "");
	assert_int_equal(truncate(path, 0), 0);
	append("a\n");
	assert_seen(*state, 0, "a|");
}

static void
test_long_line_is_left_out(void **state)
{
	append("old\n");
	assert_seen(*state, 0, "");
	append("0123456789\n01234567890123456789012345678901\nnext\n");
	assert_seen(*state, 0, "0123456789|next|");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_from_its_end_on, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_made_later_is_read_from_its_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_a_line_at_the_start,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotated_while_written,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much_in_a_rotated_one,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line_is_left_out,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
