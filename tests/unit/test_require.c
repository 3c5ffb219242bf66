#include "unit.h"
#include "base/require.h"

static int evaluated;

static void
hold(void)
{
	SMX_REQUIRE(++evaluated == 1);
}

static void
break_it(void)
{
	SMX_REQUIRE(evaluated == 12345);
}

static void
test_true_goes_on_and_is_evaluated_once(void **state)
{
	(void)state;
	evaluated = 0;
	hold();
	assert_int_equal(evaluated, 1);
}

static void
test_false_aborts(void **state)
{
	(void)state;
	assert_true(unit_aborts(break_it));
}

static void
test_message_names_the_place(void **state)
{
	char text[512] = "";
	int ends[2], how;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		dup2(ends[1], STDERR_FILENO);
		break_it();
		_exit(0);
	}
	close(ends[1]);
	while (n < sizeof(text) - 1 &&
	    (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_non_null(strstr(text, "evaluated == 12345"));
	assert_non_null(strstr(text, "test_require.c:"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_true_goes_on_and_is_evaluated_once),
		cmocka_unit_test(test_false_aborts),
		cmocka_unit_test(test_message_names_the_place),
	};

	return cmocka_run_group_tests_name("require", tests, NULL, NULL);
}
