#include "unit.h"
#include "base/list.h"

struct item {
	int before;
	struct smx_list node;
	int number;
};

static struct item *
pop(struct smx_list *l)
{
	struct smx_list *node = smx_list_pop(l);

	return node != NULL ? SMX_ELEMENT(node, struct item, node) : NULL;
}

static void
test_first_in_first_out(void **state)
{
	struct item items[3] = { { .number = 0 }, { .number = 1 },
		{ .number = 2 } };
	struct smx_list l;

	(void)state;
	smx_list_init(&l);
	assert_true(smx_list_is_empty(&l));
	assert_null(pop(&l));
	for (int i = 0; i < 3; i++)
		smx_list_push(&l, &items[i].node);
	assert_false(smx_list_is_empty(&l));
	for (int i = 0; i < 3; i++) {
		struct item *item = pop(&l);

		assert_ptr_equal(item, &items[i]);
		assert_int_equal(item->number, i);
	}
	assert_true(smx_list_is_empty(&l));
	assert_null(pop(&l));
}

static void
test_remove_anywhere(void **state)
{
	(void)state;
	for (int gone = 0; gone < 3; gone++) {
		struct item items[3];
		struct smx_list l;

		smx_list_init(&l);
		for (int i = 0; i < 3; i++)
			smx_list_push(&l, &items[i].node);
		smx_list_remove(&items[gone].node);
		/* Once more does no harm: a removed node is self-linked. */
		smx_list_remove(&items[gone].node);
		for (int i = 0; i < 3; i++)
			if (i != gone)
				assert_ptr_equal(pop(&l), &items[i]);
		assert_null(pop(&l));
	}
}

static void
test_popped_node_can_be_pushed_again(void **state)
{
	struct item items[2];
	struct smx_list l;

	(void)state;
	smx_list_init(&l);
	smx_list_push(&l, &items[0].node);
	smx_list_push(&l, &items[1].node);
	smx_list_push(&l, &pop(&l)->node);
	assert_ptr_equal(pop(&l), &items[1]);
	assert_ptr_equal(pop(&l), &items[0]);
	assert_true(smx_list_is_empty(&l));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_in_first_out),
		cmocka_unit_test(test_remove_anywhere),
		cmocka_unit_test(test_popped_node_can_be_pushed_again),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
