#include "unit.h"
#include "failing_alloc.h"
#include "core/limits.h"
#include "core/sts_txt.h"

/* The grammar is rows of tests/vectors/record.jsonl and rrset.jsonl. */

static const char good[] = "v=STSv1; id=20260131T120000; a.b-c_d=e:f;";

static struct smx_diag items[16];
static struct smx_diag_list diags;
static struct smx_arena arena;

static int
start(void **state)
{
	(void)state;
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_arena_init(&arena, NULL, 0, SMX_STS_ARENA_MAX);
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
test_results_borrow_from_the_record(void **state)
{
	struct smx_slice record = SMX_SLICE(good);
	struct smx_sts_txt t;

	(void)state;
	assert_int_equal(smx_sts_txt_parse(&arena, record, &diags, &t), 0);
	assert_slice(t.id, "20260131T120000");
	assert_ptr_equal(t.id.p, record.p + 12);
	assert_int_equal(t.extension_count, 1);
	assert_slice(t.extensions[0].name, "a.b-c_d");
	assert_slice(t.extensions[0].value, "e:f");
	assert_ptr_equal(t.extensions[0].name.p, record.p + 29);
	assert_int_equal(diags.count, 0);
}

static void
test_nothing_is_written_when_it_fails(void **state)
{
	struct smx_sts_txt t = { .extension_count = 4711 };

	(void)state;
	assert_int_equal(smx_sts_txt_parse(&arena, SMX_SLICE("v=STSv1; id="),
			     &diags, &t),
	    -SMX_EPARSE);
	assert_int_equal(t.extension_count, 4711);
}

static void
test_record_without_bytes(void **state)
{
	struct smx_sts_txt t;

	(void)state;
	assert_false(smx_sts_txt_is_candidate(smx_slice(NULL, 0)));
	assert_int_equal(smx_sts_txt_parse(&arena, smx_slice(NULL, 0), &diags,
			     &t),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_TXT_VERSION);
}

static void
test_candidates(void **state)
{
	(void)state;
	assert_true(smx_sts_txt_is_candidate(SMX_SLICE("v=STSv1;")));
	assert_true(smx_sts_txt_is_candidate(SMX_SLICE("v=STSv1; junk")));
	assert_true(smx_sts_txt_is_candidate(SMX_SLICE("v=STSv1 \t;")));
	assert_false(smx_sts_txt_is_candidate(SMX_SLICE("v=STSv1")));
	assert_false(smx_sts_txt_is_candidate(SMX_SLICE("v=STSv1 ")));
	assert_false(smx_sts_txt_is_candidate(SMX_SLICE("v=STSv10;")));
	assert_false(smx_sts_txt_is_candidate(SMX_SLICE("v=stsv1;")));
	assert_false(smx_sts_txt_is_candidate(SMX_SLICE(" v=STSv1;")));
	assert_false(smx_sts_txt_is_candidate(smx_slice("v=STSv1;", 7)));
}

static void
test_selection(void **state)
{
	const struct smx_slice none[] = { SMX_SLICE("v=spf1 -all"),
		SMX_SLICE("v=TLSRPTv1; rua=mailto:a@example.com") };
	const struct smx_slice one[] = { SMX_SLICE("x"), SMX_SLICE("y"),
		SMX_SLICE("v=STSv1; id=1") };
	const struct smx_slice two[] = { SMX_SLICE("v=STSv1; id=1"),
		SMX_SLICE("v=STSv1; id=1") };
	size_t index = 4711;

	(void)state;
	assert_int_equal(smx_sts_txt_select(NULL, 0, &diags, &index),
	    -SMX_ENOENT);
	assert_int_equal(smx_sts_txt_select(none, 2, &diags, &index),
	    -SMX_ENOENT);
	assert_int_equal(items[1].code, SMX_DIAG_TXT_NONE);
	assert_int_equal(smx_sts_txt_select(two, 2, &diags, &index),
	    -SMX_EPARSE);
	assert_int_equal(items[2].code, SMX_DIAG_TXT_SEVERAL);
	assert_int_equal(index, 4711);
	assert_int_equal(smx_sts_txt_select(one, 3, &diags, &index), 0);
	assert_int_equal(index, 2);
	assert_int_equal(diags.count, 3);
}

static void
test_record_of_the_limit_and_one_more(void **state)
{
	static char record[SMX_TXT_MAX + 1];
	struct smx_sts_txt t;

	(void)state;
	memset(record, 'y', sizeof(record));
	memcpy(record, "v=STSv1;id=a;x=", 15);
	assert_int_equal(smx_sts_txt_parse(&arena,
			     smx_slice(record, SMX_TXT_MAX), &diags, &t),
	    0);
	assert_int_equal(smx_sts_txt_parse(&arena,
			     smx_slice(record, SMX_TXT_MAX + 1), &diags, &t),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_TXT_TOO_LONG);
}

static void
test_most_extensions(void **state)
{
	static char record[SMX_TXT_MAX] = "v=STSv1;id=a";
	size_t n = strlen(record), count = 0;
	struct smx_sts_txt t;

	(void)state;
	for (; n + 4 <= sizeof(record); n += 4, count++)
		memcpy(record + n, ";x=y", 4);
	assert_int_equal(
	    smx_sts_txt_parse(&arena, smx_slice(record, n), &diags, &t), 0);
	assert_int_equal(t.extension_count, count);
}

static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		char *copy = malloc(n + 1);
		struct smx_sts_txt t;
		int rc;

		assert_non_null(copy);
		memcpy(copy, good, n);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		rc = smx_sts_txt_parse(&arena, smx_slice(copy, n), &diags, &t);
		assert_int_equal(rc,
		    diags.fatal.code == SMX_DIAG_OK ? 0 : -SMX_EPARSE);
		/* What parses would also have been found in the answer. */
		if (rc == 0)
			assert_true(smx_sts_txt_is_candidate(smx_slice(copy,
			    n)));
		for (size_t i = 0; i < smx_diag_list_kept(&diags); i++)
			if (items[i].arg.n != 0)
				assert_ptr_equal(items[i].arg.p,
				    copy + items[i].offset);
		free(copy);
	}
}

/* The arena's cap at every size up to what is needed. */
static void
test_arena_runs_out(void **state)
{
	size_t cap = 0;
	int rc;

	(void)state;
	do {
		struct smx_sts_txt t;
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap++);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		rc = smx_sts_txt_parse(&a, SMX_SLICE(good), &diags, &t);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_arena_done(&a);
	} while (rc < 0 && cap < 100000);
	assert_int_equal(rc, 0);
	assert_true(cap > sizeof(struct smx_sts_extension));
}

static void
test_out_of_memory(void **state)
{
	struct smx_sts_txt t;

	(void)state;
	failing_alloc_after(0);
	assert_int_equal(smx_sts_txt_parse(&arena, SMX_SLICE(good), &diags, &t),
	    -SMX_ENOMEM);
	failing_alloc_off();
	assert_int_equal(smx_sts_txt_parse(&arena, SMX_SLICE(good), &diags, &t),
	    0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_results_borrow_from_the_record),
		TEST(test_nothing_is_written_when_it_fails),
		TEST(test_record_without_bytes),
		TEST(test_candidates),
		TEST(test_selection),
		TEST(test_record_of_the_limit_and_one_more),
		TEST(test_most_extensions),
		TEST(test_every_cut),
		TEST(test_arena_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("sts_txt", tests, NULL, NULL);
}
