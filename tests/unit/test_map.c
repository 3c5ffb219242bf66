#include "unit.h"
#include "failing_alloc.h"
#include "base/map.h"

static const uint64_t no_seed[2] = { 0, 0 };
static const uint64_t a_seed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };

struct item {
	struct smx_map_node node;
	char key[24];
	bool in, seen;
};

enum { ITEMS = 5000 };

static struct item items[ITEMS];

static struct smx_slice
key_of(size_t i)
{
	return smx_slice_text(items[i].key);
}

static void
name_items(void)
{
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < ITEMS; i++)
		snprintf(items[i].key, sizeof(items[i].key), "%zu.example", i);
}

static void
test_find_after_growth(void **state)
{
	struct smx_map m;

	(void)state;
	name_items();
	assert_int_equal(smx_map_init(&m, a_seed), 0);
	assert_null(smx_map_find(&m, SMX_SLICE("0.example")));
	for (size_t i = 0; i < ITEMS; i++)
		smx_map_put(&m, &items[i].node, key_of(i));
	assert_int_equal(m.count, ITEMS);
	assert_true(m.slot_count >= ITEMS / 2);
	for (size_t i = 0; i < ITEMS; i++)
		assert_ptr_equal(smx_map_find(&m, key_of(i)), &items[i].node);
	assert_null(smx_map_find(&m, SMX_SLICE("5000.example")));
	assert_null(smx_map_find(&m, SMX_SLICE("0.exampl")));
	assert_null(smx_map_find(&m, SMX_SLICE("0.example\0")));
	assert_null(smx_map_find(&m, SMX_SLICE("0.Example")));
	smx_map_done(&m);
}

static void
test_keys_of_every_length_and_byte(void **state)
{
	enum { LENGTHS = 40 };
	static const char bytes[LENGTHS] = "\0\xff";
	struct smx_map_node nodes[LENGTHS];
	struct smx_map m;

	(void)state;
	assert_int_equal(smx_map_init(&m, a_seed), 0);
	/* Each key is the beginning of the next, most of it zeros. */
	for (size_t n = 0; n < LENGTHS; n++)
		smx_map_put(&m, &nodes[n], smx_slice(bytes, n));
	for (size_t n = 0; n < LENGTHS; n++) {
		char other[LENGTHS];

		/* What lies behind a key does not count. */
		memset(other, 0xee, sizeof(other));
		memcpy(other, bytes, n);
		assert_ptr_equal(smx_map_find(&m, smx_slice(other, n)),
		    &nodes[n]);
	}
	smx_map_done(&m);
}

static void
test_random_steps_against_flags(void **state)
{
	uint64_t seed = 6;
	size_t count = 0;
	struct smx_map m;

	(void)state;
	name_items();
	assert_int_equal(smx_map_init(&m, a_seed), 0);
	for (int step = 0; step < 50000; step++) {
		size_t i = unit_random(&seed) % ITEMS;
		struct smx_map_node *n = smx_map_find(&m, key_of(i));

		if (items[i].in) {
			assert_ptr_equal(n, &items[i].node);
			smx_map_remove(&m, n);
			count--;
		} else {
			assert_null(n);
			smx_map_put(&m, &items[i].node, key_of(i));
			count++;
		}
		items[i].in = !items[i].in;
		assert_int_equal(m.count, count);
	}
	smx_map_done(&m);
}

static void
test_walk_meets_each_node_once(void **state)
{
	struct smx_map_node *n = NULL;
	size_t iter = 0, met = 0;
	struct smx_map m;

	(void)state;
	name_items();
	assert_int_equal(smx_map_init(&m, a_seed), 0);
	assert_null(smx_map_next(&m, &iter, NULL));
	for (size_t i = 0; i < 1000; i++)
		smx_map_put(&m, &items[i].node, key_of(i));
	iter = 0;
	while ((n = smx_map_next(&m, &iter, n)) != NULL) {
		struct item *item = (struct item *)n;

		assert_false(item->seen);
		item->seen = true;
		met++;
	}
	assert_int_equal(met, 1000);
	smx_map_done(&m);
}

/* The next node is asked for before the last one goes. */
static void
test_walk_that_ends_the_table(void **state)
{
	struct smx_map_node *n, *next;
	size_t iter = 0, freed = 0;
	struct smx_map m;

	(void)state;
	assert_int_equal(smx_map_init(&m, a_seed), 0);
	for (size_t i = 0; i < 500; i++) {
		struct item *item = calloc(1, sizeof(*item));

		assert_non_null(item);
		snprintf(item->key, sizeof(item->key), "%zu", i);
		smx_map_put(&m, &item->node, smx_slice_text(item->key));
	}
	for (n = smx_map_next(&m, &iter, NULL); n != NULL; n = next) {
		next = smx_map_next(&m, &iter, n);
		free(n);
		freed++;
	}
	assert_int_equal(freed, 500);
	smx_map_done(&m);
}

/* The hashes are those that CPython 3.11 gives for bytes objects with
 * PYTHONHASHSEED=0, its two halves folded. */
static void
test_hash_is_siphash_1_3(void **state)
{
	static const struct {
		const char *key;
		uint32_t hash;
	} rows[] = {
		{ "a", 0xf8ef50c1 },
		{ "1234567", 0x37c0cb94 },
		{ "12345678", 0x04df92a3 },
		{ "123456789", 0x082a50cf },
		{ "example.com", 0x93b54726 },
		{ "mta-sts.example.com", 0x971e34f5 },
	};
	struct smx_map_node nodes[COUNT_OF(rows)];
	struct smx_map m;

	(void)state;
	assert_int_equal(smx_map_init(&m, no_seed), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		smx_map_put(&m, &nodes[i], smx_slice_text(rows[i].key));
		assert_int_equal(nodes[i].hash, rows[i].hash);
	}
	smx_map_done(&m);
}

static void
test_seed_changes_the_hash(void **state)
{
	static const uint64_t seeds[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 } };
	struct smx_map_node nodes[COUNT_OF(seeds)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(seeds); i++) {
		struct smx_map m;

		assert_int_equal(smx_map_init(&m, seeds[i]), 0);
		smx_map_put(&m, &nodes[i], SMX_SLICE("example.com"));
		smx_map_done(&m);
	}
	assert_int_not_equal(nodes[0].hash, nodes[1].hash);
	assert_int_not_equal(nodes[0].hash, nodes[2].hash);
	assert_int_not_equal(nodes[1].hash, nodes[2].hash);
}

static void
test_out_of_memory(void **state)
{
	size_t slots;
	struct smx_map m;

	(void)state;
	name_items();
	failing_alloc_after(0);
	assert_int_equal(smx_map_init(&m, a_seed), -SMX_ENOMEM);
	failing_alloc_off();
	assert_int_equal(smx_map_init(&m, a_seed), 0);
	slots = m.slot_count;
	/* Without memory for more slots the chains become longer. */
	failing_alloc_after(0);
	for (size_t i = 0; i < 1000; i++)
		smx_map_put(&m, &items[i].node, key_of(i));
	failing_alloc_off();
	assert_int_equal(m.slot_count, slots);
	for (size_t i = 0; i < 1000; i++)
		assert_ptr_equal(smx_map_find(&m, key_of(i)), &items[i].node);
	for (size_t i = 1000; i < 1100; i++)
		smx_map_put(&m, &items[i].node, key_of(i));
	assert_true(m.slot_count > slots);
	for (size_t i = 0; i < 1100; i++)
		assert_ptr_equal(smx_map_find(&m, key_of(i)), &items[i].node);
	smx_map_done(&m);
}

static void
remove_a_stranger(void)
{
	struct smx_map_node stranger = { 0 };
	struct smx_map m;

	if (smx_map_init(&m, a_seed) == 0)
		smx_map_remove(&m, &stranger);
}

static void
test_removal_of_a_node_that_is_not_in(void **state)
{
	(void)state;
	assert_true(unit_aborts(remove_a_stranger));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_after_growth),
		cmocka_unit_test(test_keys_of_every_length_and_byte),
		cmocka_unit_test(test_random_steps_against_flags),
		cmocka_unit_test(test_walk_meets_each_node_once),
		cmocka_unit_test(test_walk_that_ends_the_table),
		cmocka_unit_test(test_hash_is_siphash_1_3),
		cmocka_unit_test(test_seed_changes_the_hash),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_removal_of_a_node_that_is_not_in),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
