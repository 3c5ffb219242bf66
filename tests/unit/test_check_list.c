#include "unit.h"

#include <unistd.h>

#include "app/strictmx/check_list.h"

static struct smx_check_list list;
static struct smx_buf reason;

static void
open_text(const char *text)
{
	/* The list borrows it. */
	static char path[32];
	int fd;

	strncpy(path, "/tmp/strictmx-list-XXXXXX", sizeof(path) - 1);
	fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_true(smx_check_list_open_file(&list, path));
	unlink(path);
	smx_buf_init(&reason, 1000);
}

static void
done(void)
{
	smx_check_list_close(&list);
	smx_buf_done(&reason);
}

static void
assert_next(const char *want)
{
	struct smx_domain d;

	assert_int_equal(smx_check_list_next(&list, &d, &reason), 0);
	assert_string_equal(d.text, want);
}

static void
assert_bad(const char *where)
{
	struct smx_domain d;

	smx_buf_reset(&reason);
	assert_int_equal(smx_check_list_next(&list, &d, &reason), -SMX_EPARSE);
	assert_non_null(strstr(smx_buf_text(&reason), where));
}

static void
assert_end(void)
{
	struct smx_domain d;

	assert_int_equal(smx_check_list_next(&list, &d, &reason), -SMX_ENOENT);
}

static void
test_lines(void **state)
{
	(void)state;
	open_text("# of ours\n\n  Example.COM. \r\nb\xc3\xbc"
		  "cher.example\nlast.example");
	assert_next("example.com");
	assert_next("xn--bcher-kva.example");
	assert_next("last.example");
	assert_end();
	done();
}

/* A faulty line is told with its number, and the others follow. */
static void
test_faulty_lines(void **state)
{
	(void)state;
	open_text("a.example\nno domain\n192.0.2.1\nb.example\n");
	assert_next("a.example");
	assert_bad(":2: \"no domain\"");
	assert_bad(":3: \"192.0.2.1\"");
	assert_next("b.example");
	assert_end();
	done();
}

static void
test_endless_line(void **state)
{
	static char text[3 * SMX_CHECK_LIST_LINE_MAX];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text + sizeof(text) - 12, "\nb.example\n", 12);
	open_text(text);
	for (size_t i = 0; i < 3; i++)
		assert_bad("is no domain name");
	assert_next("b.example");
	assert_end();
	done();
}

/* A pipe without a whole line keeps nobody waiting. */
static void
test_pipe_without_a_line(void **state)
{
	struct smx_domain d;
	int fds[2], old = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[0], STDIN_FILENO);
	assert_true(smx_check_list_open_file(&list, "-"));
	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_check_list_next(&list, &d, &reason), -SMX_EAGAIN);
	assert_int_equal(write(fds[1], "a.exa", 5), 5);
	assert_int_equal(smx_check_list_next(&list, &d, &reason), -SMX_EAGAIN);
	assert_int_equal(write(fds[1], "mple\n", 5), 5);
	assert_next("a.example");
	close(fds[1]);
	assert_end();
	dup2(old, STDIN_FILENO);
	close(old);
	close(fds[0]);
	done();
}

/* What is there is left out, and a line that was cut off is written again. */
static void
resume(const char *results, struct smx_slice head, long whole)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs(results, f);
	rewind(f);
	open_text("a.example\nb.example\nc.example\n");
	assert_int_equal(smx_check_list_resume(&list, f, head), 0);
	assert_int_equal(ftell(f), whole);
	fseek(f, 0, SEEK_END);
	assert_int_equal(ftell(f), whole);
	assert_next("b.example");
	assert_next("c.example");
	assert_end();
	done();
	fclose(f);
}

static void
resume_nothing(const char *results, struct smx_slice head)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs(results, f);
	rewind(f);
	open_text("a.example\n");
	assert_int_equal(smx_check_list_resume(&list, f, head), 0);
	fseek(f, 0, SEEK_END);
	assert_int_equal(ftell(f), 0);
	assert_next("a.example");
	done();
	fclose(f);
}

static void
test_resume(void **state)
{
	(void)state;
	resume("{\"format\":\"strictmx-check\",\"version\":1,"
	       "\"domain\":\"a.example\"}\n"
	       "{\"format\":\"strictmx-check\",\"version\":1,\"domain\":\"b.ex",
	    SMX_SLICE("{\"format\""), 61);
	resume("domain,verdict\r\na.example,protected\r\nb.example,prot",
	    SMX_SLICE("domain,"), 37);
	/* Cut off at once. */
	resume_nothing("{\"for", SMX_SLICE("{\"format\""));
}

static void
test_resume_of_something_else(void **state)
{
	static const char *const texts[] = { "domain,verdict\r\n", "{}\n",
		"my diary", "\n" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		FILE *f = tmpfile();

		assert_non_null(f);
		fputs(texts[i], f);
		rewind(f);
		open_text("a.example\n");
		assert_int_equal(smx_check_list_resume(&list, f,
				     SMX_SLICE("{\"format\"")),
		    -SMX_EPARSE);
		/* Not a byte of it is lost. */
		fseek(f, 0, SEEK_END);
		assert_int_equal(ftell(f), strlen(texts[i]));
		done();
		fclose(f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_faulty_lines),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_pipe_without_a_line),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_resume_of_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
