/**
 * Bugs: conditions that can only be false when the program is wrong.
 *
 * Layer:   base. Always compiled in: going on would be worse.
 */
#ifndef SMX_BASE_REQUIRE_H
#define SMX_BASE_REQUIRE_H

#define SMX_REQUIRE(expr)              \
	(__builtin_expect(!!(expr), 1) \
		? (void)0              \
		: smx_require_failed(#expr, __FILE__, __LINE__))

/** Say which requirement failed and abort. */
_Noreturn void smx_require_failed(const char *expr, const char *file, int line);

#endif
