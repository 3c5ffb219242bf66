/* A log file that grows, is rotated, is cut, comes and goes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"
#include "io/log_file.h"

static char folder[64], path[96], other[96];
static char seen[1024];

static void
on_line(void *arg, struct smx_slice line)
{
	(void)arg;
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
		cmocka_unit_test_setup_teardown(test_rotated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line_is_left_out,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
