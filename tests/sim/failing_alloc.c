#include <stddef.h>

#include "failing_alloc.h"
#include "sim.h"

static struct {
	bool on, for_ever, failed;
	unsigned pass;
} plan;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t count, size_t n);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t count, size_t n);

void
failing_alloc_start(unsigned pass, bool for_ever)
{
	plan.on = true;
	plan.for_ever = for_ever;
	plan.failed = false;
	plan.pass = pass;
}

bool
failing_alloc_stop(void)
{
	plan.on = false;
	return plan.failed;
}

static bool
fails(void)
{
	if (!plan.on || sim_in_engine == 0 || (plan.failed && !plan.for_ever))
		return false;
	if (plan.pass > 0) {
		plan.pass--;
		return false;
	}
	plan.failed = true;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
	return fails() ? NULL : __real_calloc(count, n);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *
__wrap_reallocarray(void *p, size_t count, size_t n)
{
	return fails() ? NULL : __real_reallocarray(p, count, n);
}
