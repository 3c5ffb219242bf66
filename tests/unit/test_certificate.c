#include "unit.h"
#include "failing_alloc.h"
#include "core/certificate.h"

static struct smx_arena arena;

static int
start(void **state)
{
	(void)state;
	smx_arena_init(&arena, NULL, 0, 1 << 20);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_arena_done(&arena);
	return 0;
}

static void
fill(struct smx_certificate *c, char *text)
{
	*c = (struct smx_certificate){
		.faults = SMX_CERTIFICATE_EXPIRED | SMX_CERTIFICATE_NAME,
		.reason = smx_slice(text, 3),
		.names = { smx_slice(text + 3, 2), smx_slice(text + 5, 4) },
		.name_count = 2,
		.common_name = smx_slice(text + 9, 1),
		.not_before = 1,
		.not_after = 2,
		.sha256 = { 1, 2, 3 },
		.key_sha256 = { [31] = 9 },
		.sent_count = 3,
	};
}

static void
test_a_copy_outlives_its_texts(void **state)
{
	char text[] = "abcdefghij";
	struct smx_certificate from, *c;

	(void)state;
	fill(&from, text);
	c = smx_certificate_copy(&arena, &from);
	assert_non_null(c);
	memset(text, 'x', sizeof(text));
	memset(&from, 'x', sizeof(from));
	assert_slice(c->reason, "abc");
	assert_slice(c->names[0], "de");
	assert_slice(c->names[1], "fghi");
	assert_slice(c->common_name, "j");
	assert_slice(c->issuer, "");
	assert_int_equal(c->name_count, 2);
	assert_int_equal(c->faults,
	    SMX_CERTIFICATE_EXPIRED | SMX_CERTIFICATE_NAME);
	assert_int_equal(c->not_before, 1);
	assert_int_equal(c->not_after, 2);
	assert_int_equal(c->sha256[2], 3);
	assert_int_equal(c->key_sha256[31], 9);
	assert_int_equal(c->sent_count, 3);
}

static void
test_names_beyond_the_array_are_counted(void **state)
{
	struct smx_certificate from = { .name_count = 1000 }, *c;

	(void)state;
	for (size_t i = 0; i < SMX_CERTIFICATE_NAMES_MAX; i++)
		from.names[i] = SMX_SLICE("a.example");
	assert_int_equal(smx_certificate_names_kept(&from),
	    SMX_CERTIFICATE_NAMES_MAX);
	c = smx_certificate_copy(&arena, &from);
	assert_non_null(c);
	assert_int_equal(c->name_count, 1000);
	assert_slice(c->names[SMX_CERTIFICATE_NAMES_MAX - 1], "a.example");
	from.name_count = 3;
	assert_int_equal(smx_certificate_names_kept(&from), 3);
}

/* The arena's cap at every size up to what is needed. */
static void
test_arena_runs_out(void **state)
{
	char text[] = "abcdefghij";
	struct smx_certificate from, *c = NULL;
	size_t cap = 0;

	(void)state;
	fill(&from, text);
	for (; c == NULL && cap < 10000; cap++) {
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap);
		c = smx_certificate_copy(&a, &from);
		smx_arena_done(&a);
	}
	assert_non_null(c);
	assert_true(cap > sizeof(from) + 10);
}

static void
test_out_of_memory(void **state)
{
	struct smx_certificate from = { 0 };

	(void)state;
	failing_alloc_after(0);
	assert_null(smx_certificate_copy(&arena, &from));
	failing_alloc_off();
	assert_non_null(smx_certificate_copy(&arena, &from));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_copy_outlives_its_texts),
		TEST(test_names_beyond_the_array_are_counted),
		TEST(test_arena_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
}
