#include <stdbool.h>
#include <stddef.h>

#include "failing_alloc.h"

/* The names are the linker's (ld --wrap). */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_reallocarray(void *p, size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_reallocarray(void *p, size_t count, size_t bytes);

static bool on;
static unsigned left;

void
failing_alloc_after(unsigned count)
{
	on = true;
	left = count;
}

void
failing_alloc_off(void)
{
	on = false;
}

static bool
fails(void)
{
	if (!on)
		return false;
	if (left == 0)
		return true;
	left--;
	return false;
}

void *
__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *
__wrap_calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __real_calloc(count, bytes);
}

void *
__wrap_realloc(void *p, size_t bytes)
{
	return fails() ? NULL : __real_realloc(p, bytes);
}

void *
__wrap_reallocarray(void *p, size_t count, size_t bytes)
{
	return fails() ? NULL : __real_reallocarray(p, count, bytes);
}
