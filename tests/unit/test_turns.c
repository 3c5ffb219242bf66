#include "unit.h"

#include "io/turns.h"

#define A SMX_SLICE("a")
#define B SMX_SLICE("b")

static void
test_order(void **state)
{
	struct smx_turn a[4] = { 0 }, b[2] = { 0 };
	struct smx_turns t;

	(void)state;
	assert_int_equal(smx_turns_init(&t, 3, 2), 0);
	assert_null(smx_turns_next(&t));
	for (size_t i = 0; i < COUNT_OF(a); i++)
		assert_int_equal(smx_turns_wait(&t, &a[i], A), 0);
	for (size_t i = 0; i < COUNT_OF(b); i++)
		assert_int_equal(smx_turns_wait(&t, &b[i], B), 0);
	/* In turn, and within one key in order. */
	assert_ptr_equal(smx_turns_next(&t), &a[0]);
	assert_ptr_equal(smx_turns_next(&t), &b[0]);
	assert_ptr_equal(smx_turns_next(&t), &a[1]);
	/* All places are taken. */
	assert_null(smx_turns_next(&t));
	smx_turns_leave(&t, &b[0]);
	/* a has two places. */
	assert_ptr_equal(smx_turns_next(&t), &b[1]);
	smx_turns_leave(&t, &b[1]);
	assert_null(smx_turns_next(&t));
	/* Out of the queue, and once more without harm. */
	smx_turns_leave(&t, &a[2]);
	smx_turns_leave(&t, &a[2]);
	smx_turns_leave(&t, &a[0]);
	assert_ptr_equal(smx_turns_next(&t), &a[3]);
	smx_turns_leave(&t, &a[1]);
	smx_turns_leave(&t, &a[3]);
	assert_null(smx_turns_next(&t));
	assert_int_equal(t.queues.count, 0);
	assert_int_equal(t.running, 0);
	smx_turns_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
