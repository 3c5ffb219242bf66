#include "unit.h"
#include "failing_alloc.h"
#include "base/heap.h"

/* What the heap promises to itself: places are right, no child is due before
 * its parent. */
static void
assert_heap(const struct smx_heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		assert_int_equal(h->nodes[i]->place, i + 1);
		if (i > 0)
			assert_true(h->nodes[(i - 1) / 2]->due <=
			    h->nodes[i]->due);
	}
}

static void
test_first_is_due_first(void **state)
{
	struct smx_heap h;
	struct smx_heap_node a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	smx_heap_init(&h);
	assert_null(smx_heap_first(&h));
	assert_int_equal(smx_heap_set(&h, &a, 20), 0);
	assert_int_equal(smx_heap_set(&h, &b, 10), 0);
	assert_int_equal(smx_heap_set(&h, &c, 30), 0);
	assert_ptr_equal(smx_heap_first(&h), &b);
	/* Moved later, and moved earlier. */
	assert_int_equal(smx_heap_set(&h, &b, 40), 0);
	assert_ptr_equal(smx_heap_first(&h), &a);
	assert_int_equal(smx_heap_set(&h, &c, -1), 0);
	assert_ptr_equal(smx_heap_first(&h), &c);
	assert_int_equal(h.count, 3);
	smx_heap_remove(&h, &c);
	assert_ptr_equal(smx_heap_first(&h), &a);
	smx_heap_remove(&h, &c);
	assert_int_equal(h.count, 2);
	smx_heap_remove(&h, &a);
	smx_heap_remove(&h, &b);
	assert_null(smx_heap_first(&h));
	smx_heap_done(&h);
}

static void
test_times_at_the_ends_of_the_range(void **state)
{
	struct smx_heap h;
	struct smx_heap_node never = { 0 }, always = { 0 }, zero = { 0 };

	(void)state;
	smx_heap_init(&h);
	assert_int_equal(smx_heap_set(&h, &never, SMX_NEVER), 0);
	assert_int_equal(smx_heap_set(&h, &zero, 0), 0);
	assert_int_equal(smx_heap_set(&h, &always, INT64_MIN), 0);
	assert_ptr_equal(smx_heap_first(&h), &always);
	smx_heap_remove(&h, &always);
	assert_ptr_equal(smx_heap_first(&h), &zero);
	smx_heap_done(&h);
}

enum { NODES = 300 };

static smx_time
least(const struct smx_heap_node *nodes, size_t *ret_count)
{
	smx_time due = SMX_NEVER;

	*ret_count = 0;
	for (size_t i = 0; i < NODES; i++) {
		if (nodes[i].place == 0)
			continue;
		++*ret_count;
		if (nodes[i].due < due)
			due = nodes[i].due;
	}
	return due;
}

static void
test_random_steps_against_a_search(void **state)
{
	static struct smx_heap_node nodes[NODES];
	uint64_t seed = 4;
	struct smx_heap h;

	(void)state;
	smx_heap_init(&h);
	for (int step = 0; step < 20000; step++) {
		struct smx_heap_node *n = &nodes[unit_random(&seed) % NODES];
		/* Few values, so that many nodes are due at the same time. */
		smx_time due = (smx_time)(unit_random(&seed) % 500);
		size_t count;

		if (unit_random(&seed) % 3 == 0) {
			smx_heap_remove(&h, n);
			assert_int_equal(n->place, 0);
		} else {
			assert_int_equal(smx_heap_set(&h, n, due), 0);
			assert_int_equal(n->due, due);
		}
		due = least(nodes, &count);
		assert_int_equal(h.count, count);
		if (count != 0)
			assert_int_equal(smx_heap_first(&h)->due, due);
		if (step % 100 == 0)
			assert_heap(&h);
	}
	smx_heap_done(&h);
}

static void
test_emptied_in_order(void **state)
{
	static struct smx_heap_node nodes[5000];
	uint64_t seed = 5;
	smx_time before = INT64_MIN;
	struct smx_heap h;

	(void)state;
	smx_heap_init(&h);
	for (size_t i = 0; i < COUNT_OF(nodes); i++)
		assert_int_equal(smx_heap_set(&h, &nodes[i],
				     (smx_time)(unit_random(&seed) % 4000)),
		    0);
	assert_heap(&h);
	for (size_t i = 0; i < COUNT_OF(nodes); i++) {
		struct smx_heap_node *n = smx_heap_first(&h);

		assert_true(n->due >= before);
		before = n->due;
		smx_heap_remove(&h, n);
	}
	assert_int_equal(h.count, 0);
	smx_heap_done(&h);
}

static void
test_out_of_memory(void **state)
{
	static struct smx_heap_node nodes[10000];
	struct smx_heap h;
	size_t count = 0;

	(void)state;
	smx_heap_init(&h);
	failing_alloc_after(0);
	assert_int_equal(smx_heap_set(&h, &nodes[0], 1), -SMX_ENOMEM);
	assert_int_equal(nodes[0].place, 0);
	assert_null(smx_heap_first(&h));
	failing_alloc_after(1);
	while (smx_heap_set(&h, &nodes[count], 100 - (smx_time)count) == 0)
		count++;
	assert_true(count > 0);
	assert_int_equal(h.count, count);
	assert_int_equal(nodes[count].place, 0);
	/* A node that is in can still be moved. */
	assert_int_equal(smx_heap_set(&h, &nodes[0], -1000), 0);
	assert_ptr_equal(smx_heap_first(&h), &nodes[0]);
	assert_heap(&h);
	failing_alloc_off();
	assert_int_equal(smx_heap_set(&h, &nodes[count], -2000), 0);
	assert_ptr_equal(smx_heap_first(&h), &nodes[count]);
	smx_heap_done(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_is_due_first),
		cmocka_unit_test(test_times_at_the_ends_of_the_range),
		cmocka_unit_test(test_random_steps_against_a_search),
		cmocka_unit_test(test_emptied_in_order),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
