#include "unit.h"
#include "failing_alloc.h"
#include "core/limits.h"
#include "core/tlsrpt_txt.h"

/* The grammar is rows of tests/vectors/tlsrpt-record.jsonl and
 * tlsrpt-rrset.jsonl. */

static const char good[] =
    "v=TLSRPTv1; rua=mailto:a@example.com , https://r.example/v1; x=y;";

static struct smx_diag items[16];
static struct smx_diag_list diags;
static struct smx_arena arena;

static int
start(void **state)
{
	(void)state;
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_ARENA_MAX);
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
	struct smx_tlsrpt_txt t;

	(void)state;
	assert_int_equal(smx_tlsrpt_txt_parse(&arena, record, &diags, &t), 0);
	assert_int_equal(diags.count, 0);
	assert_int_equal(t.rua_count, 2);
	assert_slice(t.rua[0].uri, "mailto:a@example.com");
	assert_ptr_equal(t.rua[0].uri.p, record.p + 16);
	assert_slice(t.rua[0].address, "a@example.com");
	assert_slice(t.rua[1].uri, "https://r.example/v1");
	assert_ptr_equal(t.rua[1].host.p, record.p + 47);
}

static void
test_nothing_is_written_when_it_fails(void **state)
{
	struct smx_tlsrpt_txt t = { .rua_count = 4711 };

	(void)state;
	assert_int_equal(smx_tlsrpt_txt_parse(&arena,
			     SMX_SLICE("v=TLSRPTv1; rua=mailto:a@b.c;;"),
			     &diags, &t),
	    -SMX_EPARSE);
	assert_int_equal(t.rua_count, 4711);
}

static void
test_record_without_bytes(void **state)
{
	struct smx_tlsrpt_txt t;

	(void)state;
	assert_false(smx_tlsrpt_txt_is_candidate(smx_slice(NULL, 0)));
	assert_int_equal(smx_tlsrpt_txt_parse(&arena, smx_slice(NULL, 0),
			     &diags, &t),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_TLSRPT_VERSION);
}

static void
test_candidates(void **state)
{
	(void)state;
	assert_true(smx_tlsrpt_txt_is_candidate(SMX_SLICE("v=TLSRPTv1;")));
	assert_true(smx_tlsrpt_txt_is_candidate(SMX_SLICE("v=TLSRPTv1 \t;x")));
	assert_false(smx_tlsrpt_txt_is_candidate(SMX_SLICE("v=TLSRPTv1")));
	assert_false(smx_tlsrpt_txt_is_candidate(SMX_SLICE("v=TLSRPTv1 ")));
	assert_false(smx_tlsrpt_txt_is_candidate(SMX_SLICE("v=TLSRPTv10;")));
	assert_false(smx_tlsrpt_txt_is_candidate(SMX_SLICE("v=tlsrptv1;")));
	assert_false(smx_tlsrpt_txt_is_candidate(SMX_SLICE(" v=TLSRPTv1;")));
	assert_false(smx_tlsrpt_txt_is_candidate(smx_slice("v=TLSRPTv1;", 10)));
}

static void
test_selection(void **state)
{
	const struct smx_slice none[] = { SMX_SLICE("v=spf1 -all"),
		SMX_SLICE("v=STSv1; id=1") };
	const struct smx_slice one[] = { SMX_SLICE("x"),
		SMX_SLICE("v=TLSRPTv1; rua=mailto:a@b.c"), SMX_SLICE("") };
	const struct smx_slice two[] = { one[1], one[1] };
	const struct smx_slice domain = SMX_SLICE("example.com");
	size_t index = 4711;

	(void)state;
	assert_int_equal(smx_tlsrpt_txt_select(NULL, 0, domain, &diags, &index),
	    -SMX_ENOENT);
	assert_int_equal(smx_tlsrpt_txt_select(none, 2, domain, &diags, &index),
	    -SMX_ENOENT);
	assert_int_equal(items[1].code, SMX_DIAG_TLSRPT_NONE);
	assert_slice(items[1].arg, "example.com");
	assert_int_equal(smx_tlsrpt_txt_select(two, 2, domain, &diags, &index),
	    -SMX_EPARSE);
	assert_int_equal(items[2].code, SMX_DIAG_TLSRPT_SEVERAL);
	assert_int_equal(index, 4711);
	assert_int_equal(smx_tlsrpt_txt_select(one, 3, domain, &diags, &index),
	    0);
	assert_int_equal(index, 1);
	assert_int_equal(diags.count, 3);
}

static void
test_record_of_the_limit_and_one_more(void **state)
{
	static const char begin[] = "v=TLSRPTv1;rua=mailto:a@b.c;x=";
	static char record[SMX_TXT_MAX + 1];
	struct smx_tlsrpt_txt t;

	(void)state;
	memset(record, 'y', sizeof(record));
	memcpy(record, begin, sizeof(begin) - 1);
	assert_int_equal(smx_tlsrpt_txt_parse(&arena,
			     smx_slice(record, SMX_TXT_MAX), &diags, &t),
	    0);
	assert_int_equal(smx_tlsrpt_txt_parse(&arena,
			     smx_slice(record, SMX_TXT_MAX + 1), &diags, &t),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_TLSRPT_TOO_LONG);
}

/* Sixteen are used, also when a seventeenth is the same as one of them. */
static void
test_most_uris(void **state)
{
	struct smx_tlsrpt_txt t;
	char record[600] = "v=TLSRPTv1;rua=mailto:x0@b.c";

	(void)state;
	for (int i = 1; i < SMX_TLSRPT_RUA_MAX; i++)
		sprintf(record + strlen(record), ",mailto:x%d@b.c", i);
	strcat(record, ",mailto:x3@b.c");
	assert_int_equal(smx_tlsrpt_txt_parse(&arena, smx_slice_text(record),
			     &diags, &t),
	    0);
	assert_int_equal(t.rua_count, SMX_TLSRPT_RUA_MAX);
	assert_int_equal(diags.count, 1);
	assert_int_equal(items[0].code, SMX_DIAG_TLSRPT_RUA_REPEATED);

	strcat(record, ",mailto:y@b.c,mailto:z@b.c;rua=ftp:");
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	assert_int_equal(smx_tlsrpt_txt_parse(&arena, smx_slice_text(record),
			     &diags, &t),
	    0);
	assert_int_equal(t.rua_count, SMX_TLSRPT_RUA_MAX);
	assert_int_equal(diags.count, 3);
	assert_int_equal(items[1].code, SMX_DIAG_TLSRPT_RUA_MANY);
	assert_slice(items[1].arg, "mailto:y@b.c");
	assert_int_equal(items[2].code, SMX_DIAG_TLSRPT_RUA_SEVERAL);
}

/* The longest record with as many addresses as fit stays below the cap that
 * callers are told to use. */
static void
test_arena_is_large_enough(void **state)
{
	static char record[SMX_TXT_MAX];
	size_t n = (size_t)sprintf(record, "v=TLSRPTv1;rua=");
	struct smx_tlsrpt_txt t;

	(void)state;
	while (n + 260 < sizeof(record)) {
		n += (size_t)sprintf(record + n, "mailto:%04zu@", n);
		memset(record + n, 'a', 235);
		for (size_t i = 50; i < 235; i += 50)
			record[n + i] = '.';
		n += 235;
		record[n++] = ',';
	}
	assert_int_equal(smx_tlsrpt_txt_parse(&arena, smx_slice(record, n - 1),
			     &diags, &t),
	    0);
	assert_int_equal(diags.count, 0);
	assert_int_equal(t.rua_count, 16);
}

static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		char *copy = malloc(n + 1);
		struct smx_tlsrpt_txt t;
		int rc;

		assert_non_null(copy);
		memcpy(copy, good, n);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		rc = smx_tlsrpt_txt_parse(&arena, smx_slice(copy, n), &diags,
		    &t);
		assert_int_equal(rc,
		    diags.fatal.code == SMX_DIAG_OK ? 0 : -SMX_EPARSE);
		/* What parses would also have been found in the answer. */
		if (rc == 0) {
			assert_true(smx_tlsrpt_txt_is_candidate(smx_slice(copy,
			    n)));
			assert_true(t.rua_count > 0);
		}
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
		struct smx_tlsrpt_txt t;
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap++);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		rc = smx_tlsrpt_txt_parse(&a, SMX_SLICE(good), &diags, &t);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_arena_done(&a);
	} while (rc < 0 && cap < 100000);
	assert_int_equal(rc, 0);
	assert_true(cap > sizeof(struct smx_tlsrpt_rua));
}

static void
test_out_of_memory(void **state)
{
	struct smx_tlsrpt_txt t;

	(void)state;
	failing_alloc_after(0);
	assert_int_equal(smx_tlsrpt_txt_parse(&arena, SMX_SLICE(good), &diags,
			     &t),
	    -SMX_ENOMEM);
	failing_alloc_off();
	assert_int_equal(
	    smx_tlsrpt_txt_parse(&arena, SMX_SLICE(good), &diags, &t), 0);
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
		TEST(test_most_uris),
		TEST(test_arena_is_large_enough),
		TEST(test_every_cut),
		TEST(test_arena_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("tlsrpt_txt", tests, NULL, NULL);
}
