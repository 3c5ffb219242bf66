#include <stdalign.h>

#include "unit.h"
#include "failing_alloc.h"
#include "base/arena.h"

#define PLENTY ((size_t)1 << 20)

static bool
is_aligned(const void *p)
{
	return (uintptr_t)p % alignof(max_align_t) == 0;
}

static void
test_every_object_is_aligned(void **state)
{
	alignas(max_align_t) char storage[256];
	struct smx_arena a;

	(void)state;
	/* The caller's storage may begin anywhere. */
	for (size_t shift = 0; shift < alignof(max_align_t); shift++) {
		smx_arena_init(&a, storage + shift, sizeof(storage) - shift,
		    PLENTY);
		for (size_t bytes = 1; bytes <= 100; bytes++) {
			char *p = smx_arena_take(&a, 1, bytes);

			assert_non_null(p);
			assert_true(is_aligned(p));
			memset(p, 0xa5, bytes);
		}
		smx_arena_done(&a);
	}
}

static void
test_objects_do_not_overlap(void **state)
{
	enum { OBJECTS = 500 };
	unsigned char *objects[OBJECTS];
	size_t bytes[OBJECTS];
	uint64_t seed = 1;
	struct smx_arena a;

	(void)state;
	smx_arena_init(&a, NULL, 0, PLENTY);
	for (size_t i = 0; i < OBJECTS; i++) {
		bytes[i] = 1 + unit_random(&seed) % 300;
		objects[i] = smx_arena_take(&a, bytes[i], 1);
		assert_non_null(objects[i]);
		memset(objects[i], (int)(i & 0xff), bytes[i]);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		for (size_t k = 0; k < bytes[i]; k++)
			assert_int_equal(objects[i][k], i & 0xff);
	smx_arena_done(&a);
}

static void
test_storage_is_used_before_the_heap(void **state)
{
	alignas(max_align_t) char storage[64];
	struct smx_arena a;
	char *p, *q;

	(void)state;
	smx_arena_init(&a, storage, sizeof(storage), PLENTY);
	p = smx_arena_take(&a, 4, 16);
	assert_ptr_equal(p, storage);
	assert_int_equal(a.used_bytes, 0);
	q = smx_arena_take(&a, 1, 1);
	assert_non_null(q);
	assert_true(q < storage || q >= storage + sizeof(storage));
	assert_true(a.used_bytes > 0);
	/* After a reset it is the storage again, and the heap is given back. */
	smx_arena_reset(&a);
	assert_int_equal(a.used_bytes, 0);
	assert_ptr_equal(smx_arena_take(&a, 1, 1), storage);
	smx_arena_done(&a);
}

static void
test_storage_alone_when_the_cap_is_zero(void **state)
{
	alignas(max_align_t) char storage[32];
	struct smx_arena a;

	(void)state;
	smx_arena_init(&a, storage, sizeof(storage), 0);
	assert_non_null(smx_arena_take(&a, 1, 32));
	assert_null(smx_arena_take(&a, 1, 1));
	smx_arena_done(&a);
}

/* The least cap that lets an object pass is a little more than its size. */
static void
test_cap_is_exact(void **state)
{
	size_t cap = 0;

	(void)state;
	for (;; cap++) {
		struct smx_arena a;
		void *p;

		smx_arena_init(&a, NULL, 0, cap);
		p = smx_arena_take(&a, 100, 1);
		assert_true(a.used_bytes <= cap);
		if (p == NULL)
			assert_int_equal(a.used_bytes, 0);
		else
			/* The block was cut to the cap: nothing is left. */
			assert_null(smx_arena_take(&a, 100, 1));
		smx_arena_done(&a);
		if (p != NULL)
			break;
		assert_true(cap < 1000);
	}
	assert_in_range(cap, 100, 100 + 2 * alignof(max_align_t));
}

static void
test_cap_holds_whatever_is_taken(void **state)
{
	uint64_t seed = 2;
	struct smx_arena a;

	(void)state;
	for (int round = 0; round < 100; round++) {
		size_t cap = unit_random(&seed) % 50000, taken = 0;

		smx_arena_init(&a, NULL, 0, cap);
		for (int i = 0; i < 100; i++) {
			size_t bytes = unit_random(&seed) % 3000;

			if (smx_arena_take(&a, 1, bytes) != NULL)
				taken += bytes;
			assert_true(a.used_bytes <= cap);
			assert_true(taken <= a.used_bytes);
		}
		smx_arena_done(&a);
	}
}

static void
test_small_objects_fit_after_a_large_one_failed(void **state)
{
	struct smx_arena a;

	(void)state;
	smx_arena_init(&a, NULL, 0, 8000);
	assert_non_null(smx_arena_take(&a, 1, 10));
	assert_null(smx_arena_take(&a, 1, 8000));
	assert_non_null(smx_arena_take(&a, 1, 10));
	smx_arena_done(&a);
}

static void
test_sizes_that_overflow_are_refused(void **state)
{
	struct smx_arena a;

	(void)state;
	smx_arena_init(&a, NULL, 0, SIZE_MAX);
	assert_null(smx_arena_take(&a, SIZE_MAX / 2, 3));
	assert_null(smx_arena_take(&a, SIZE_MAX, SIZE_MAX));
	assert_null(smx_arena_take(&a, 1, SIZE_MAX));
	assert_null(smx_arena_take(&a, SIZE_MAX, 1));
	assert_null(smx_arena_take(&a, 1, SIZE_MAX - 20));
	assert_int_equal(a.used_bytes, 0);
	smx_arena_done(&a);
}

static void
test_copy_is_terminated(void **state)
{
	struct smx_arena a;
	char *p;

	(void)state;
	smx_arena_init(&a, NULL, 0, PLENTY);
	p = smx_arena_copy(&a, SMX_SLICE("mx.example"));
	assert_string_equal(p, "mx.example");
	p = smx_arena_copy(&a, smx_slice(NULL, 0));
	assert_string_equal(p, "");
	p = smx_arena_copy(&a, SMX_SLICE("a\0b"));
	assert_memory_equal(p, "a\0b\0", 4);
	smx_arena_done(&a);
	smx_arena_init(&a, NULL, 0, 0);
	assert_null(smx_arena_copy(&a, SMX_SLICE("x")));
	smx_arena_done(&a);
}

static void
test_out_of_memory(void **state)
{
	struct smx_arena a;

	(void)state;
	smx_arena_init(&a, NULL, 0, PLENTY);
	failing_alloc_after(0);
	assert_null(smx_arena_take(&a, 1, 10));
	failing_alloc_off();
	assert_int_equal(a.used_bytes, 0);
	assert_non_null(smx_arena_take(&a, 1, 10));
	smx_arena_done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_object_is_aligned),
		cmocka_unit_test(test_objects_do_not_overlap),
		cmocka_unit_test(test_storage_is_used_before_the_heap),
		cmocka_unit_test(test_storage_alone_when_the_cap_is_zero),
		cmocka_unit_test(test_cap_is_exact),
		cmocka_unit_test(test_cap_holds_whatever_is_taken),
		cmocka_unit_test(
		    test_small_objects_fit_after_a_large_one_failed),
		cmocka_unit_test(test_sizes_that_overflow_are_refused),
		cmocka_unit_test(test_copy_is_terminated),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
