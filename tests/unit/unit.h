/**
 * What every unit test needs: cmocka behind the headers that it wants, slices
 * compared with literals, a repeatable source of numbers, and a way to see a
 * program abort.
 */
#ifndef SMX_TESTS_UNIT_H
#define SMX_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define assert_slice(slice, literal)                                         \
	unit_assert_slice((slice), (literal), sizeof(literal) - 1, __FILE__, \
	    __LINE__)

static inline void
unit_assert_slice(struct smx_slice s, const char *text, size_t bytes,
    const char *file, int line)
{
	if (s.n == bytes && (bytes == 0 || memcmp(s.p, text, bytes) == 0))
		return;
	print_error("\"%.*s\" (%zu) != \"%s\" (%zu)\n", (int)s.n, s.p, s.n,
	    text, bytes);
	_fail(file, line);
}

/** Numbers that look random and are the same in every run (xorshift64). */
static inline uint64_t
unit_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/** @return true when @p run ends its process with SIGABRT. */
static inline bool
unit_aborts(void (*run)(void))
{
	const struct rlimit no_core = { 0, 0 };
	int how;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		close(STDERR_FILENO);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	return WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT;
}

#endif
