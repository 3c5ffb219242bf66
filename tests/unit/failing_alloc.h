/**
 * Allocations that fail when a test says so.
 *
 * Only calls from the code under test and from the test itself come here:
 * libraries keep the allocator they have.
 */
#ifndef SMX_TESTS_FAILING_ALLOC_H
#define SMX_TESTS_FAILING_ALLOC_H

/** Let @p count more allocations pass and fail all that follow. */
void failing_alloc_after(unsigned count);

/** Let all allocations pass again. */
void failing_alloc_off(void);

#endif
