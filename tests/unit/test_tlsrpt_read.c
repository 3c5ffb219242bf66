#include "unit.h"
#include "failing_alloc.h"
#include "core/gz.h"
#include "core/limits.h"
#include "core/tlsrpt_read.h"

/* What is understood, and each finding, is rows of tests/vectors/report.jsonl.
 */

static const char good[] =
    "{\"organization-name\":\"Ex\\u0061mple\",\"date-range\":{"
    "\"start-datetime\":\"2016-07-18T00:00:00Z\","
    "\"end-datetime\":\"2016-07-18T23:59:59Z\"},"
    "\"contact-info\":\"tls@sender.example\",\"report-id\":\"1\","
    "\"policies\":[{\"policy\":{\"policy-type\":\"sts\","
    "\"policy-string\":[\"version: STSv1\",\"m\\u006fde: enforce\"],"
    "\"policy-domain\":\"Example.com\",\"mx-host\":[\"*.example.com\"]},"
    "\"summary\":{\"total-successful-session-count\":5,"
    "\"total-failure-session-count\":2},\"failure-details\":[{"
    "\"result-type\":\"certificate-expired\",\"failed-session-count\":2,"
    "\"failure-reason-code\":\"\\u0001\"}]}]}";

static struct smx_diag items[SMX_DIAG_COUNT_MAX];
static struct smx_diag_list diags;
static struct smx_arena arena;

static int
start(void **state)
{
	(void)state;
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_READ_ARENA_MAX);
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

static bool
is_within(struct smx_slice part, struct smx_slice whole)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void
test_what_needs_no_copy_borrows(void **state)
{
	struct smx_slice json = SMX_SLICE(good);
	struct smx_tlsrpt_read_report r;
	const struct smx_tlsrpt_read_policy *p;

	(void)state;
	assert_int_equal(smx_tlsrpt_read_parse(&arena, json, &diags, &r), 0);
	assert_int_equal(diags.count, 0);
	assert_slice(r.organization_name, "Example");
	assert_false(is_within(r.organization_name, json));
	assert_slice(r.contact_info, "tls@sender.example");
	assert_true(is_within(r.contact_info, json));
	assert_int_equal(r.day, 17000);
	p = r.policies;
	assert_non_null(p);
	assert_null(p->next);
	assert_int_equal(p->type, SMX_TLSRPT_STS);
	assert_slice(p->domain, "example.com");
	assert_true(is_within(p->policy_string->text, json));
	assert_slice(p->policy_string->next->text, "mode: enforce");
	assert_int_equal(p->failure_sum, 2);
	assert_int_equal(p->failures->row.result,
	    SMX_TLSRPT_CERTIFICATE_EXPIRED);
	assert_slice(p->failures->row.failure_reason_code, "\1");
}

static void
test_nothing_is_written_when_it_fails(void **state)
{
	struct smx_tlsrpt_read_report r = { .day = 4711 };

	(void)state;
	assert_int_equal(smx_tlsrpt_read_parse(&arena,
			     smx_slice(good, sizeof(good) - 2), &diags, &r),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_REPORT_CUT);
	assert_int_equal(r.day, 4711);
}

static void
test_no_bytes(void **state)
{
	struct smx_slice json;
	struct smx_tlsrpt_read_report r;
	struct smx_buf inflated;

	(void)state;
	smx_buf_init(&inflated, SMX_TLSRPT_READ_BYTES_MAX);
	assert_int_equal(smx_tlsrpt_read_inflate(smx_slice(NULL, 0), &inflated,
			     &diags, &json),
	    0);
	assert_int_equal(smx_tlsrpt_read_parse(&arena, json, &diags, &r),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_REPORT_EMPTY);
	smx_buf_done(&inflated);
}

/* How often a finding was met, of which the list has the first. */
static void
test_findings_are_counted(void **state)
{
	static const char *const rows = "{\"policies\":[{\"a\":1,\"b\":2},"
					"{\"c\":{\"d\":1}}],\"e\":0}";
	struct smx_tlsrpt_read_report r;

	(void)state;
	assert_int_equal(
	    smx_tlsrpt_read_parse(&arena, smx_slice_text(rows), &diags, &r), 0);
	assert_int_equal(r.met[SMX_DIAG_REPORT_MEMBER], 4);
	assert_int_equal(r.met[SMX_DIAG_REPORT_POLICY_MISSING], 2);
	assert_int_equal(items[0].code, SMX_DIAG_REPORT_MEMBER);
	assert_slice(items[0].arg, "a");
	assert_int_equal(items[1].code, SMX_DIAG_REPORT_POLICY_MISSING);
	assert_int_equal(items[1].offset, 13);
	for (size_t i = 3; i < diags.count; i++)
		assert_true(items[i].code != SMX_DIAG_REPORT_MEMBER);
}

/* All codes together fit into a list: none is ever left out. */
static void
test_list_is_long_enough(void **state)
{
	size_t codes = 0;

	(void)state;
	for (int i = SMX_DIAG_REPORT_EMPTY; i <= SMX_DIAG_REPORT_URI; i++)
		codes++;
	assert_true(codes <= SMX_DIAG_COUNT_MAX);
}

static void
test_totals_do_not_wrap(void **state)
{
	struct smx_tlsrpt_read_report r;
	struct smx_buf json;

	(void)state;
	smx_buf_init(&json, SMX_TLSRPT_READ_BYTES_MAX);
	smx_buf_add_text(&json, "{\"policies\":[");
	for (int i = 0; i < 3000; i++)
		smx_buf_printf(&json,
		    "%s{\"summary\":{\"total-successful-session-count\":"
		    "9007199254740992}}",
		    i > 0 ? "," : "");
	smx_buf_add_text(&json, "]}");
	assert_int_equal(
	    smx_tlsrpt_read_parse(&arena, smx_buf_slice(&json), &diags, &r), 0);
	assert_int_equal(r.policies->success, INT64_C(9007199254740992));
	assert_true(r.success == UINT64_MAX);
	smx_buf_done(&json);
}

static void
test_longest(void **state)
{
	struct smx_tlsrpt_read_report r;
	char *json = malloc(SMX_TLSRPT_READ_BYTES_MAX + 1);

	(void)state;
	assert_non_null(json);
	memset(json, ' ', SMX_TLSRPT_READ_BYTES_MAX + 1);
	memcpy(json, good, sizeof(good) - 1);
	assert_int_equal(smx_tlsrpt_read_parse(&arena,
			     smx_slice(json, SMX_TLSRPT_READ_BYTES_MAX), &diags,
			     &r),
	    0);
	assert_int_equal(smx_tlsrpt_read_parse(&arena,
			     smx_slice(json, SMX_TLSRPT_READ_BYTES_MAX + 1),
			     &diags, &r),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_REPORT_TOO_LARGE);
	free(json);
}

/* What a report may make us keep stays below the cap that callers are told to
 * use, however it is written: here the shortest texts that need a copy. */
static void
test_arena_is_large_enough(void **state)
{
	struct smx_tlsrpt_read_report r;
	struct smx_buf json;

	(void)state;
	smx_buf_init(&json, SMX_TLSRPT_READ_BYTES_MAX);
	smx_buf_add_text(&json, "{\"policies\":[");
	for (int i = 0; i < SMX_TLSRPT_READ_POLICIES_MAX; i++)
		smx_buf_add_text(&json,
		    "{\"policy\":{\"policy-type\":\"\\n\","
		    "\"policy-domain\":\"\\n\"}},");
	smx_buf_add_text(&json, "{\"x\":[");
	while (json.n < (size_t)30 << 20)
		smx_buf_add_text(&json, "\"\\n\",{},[],");
	smx_buf_add_text(&json, "0]}]}");
	assert_int_equal(smx_buf_status(&json), 0);
	assert_int_equal(
	    smx_tlsrpt_read_parse(&arena, smx_buf_slice(&json), &diags, &r), 0);
	assert_int_equal(r.policy_count, SMX_TLSRPT_READ_POLICIES_MAX + 1);
	assert_true(arena.used_bytes < (size_t)8 << 20);

	smx_buf_reset(&json);
	smx_arena_reset(&arena);
	smx_buf_add_text(&json, "{\"policies\":[{\"failure-details\":[");
	for (int i = 0; i < SMX_TLSRPT_READ_FAILURES_MAX + 1000; i++)
		smx_buf_add_text(&json,
		    "{\"result-type\":\"\\n\",\"sending-mta-ip\":\"\\n\","
		    "\"receiving-mx-hostname\":\"\\n\","
		    "\"receiving-mx-helo\":\"\\n\",\"receiving-ip\":\"\\n\","
		    "\"additional-information\":\"\\n\","
		    "\"failure-reason-code\":\"\\n\"},");
	smx_buf_add_text(&json, "0]}]}");
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	assert_int_equal(
	    smx_tlsrpt_read_parse(&arena, smx_buf_slice(&json), &diags, &r), 0);
	assert_int_equal(r.failure_count, SMX_TLSRPT_READ_FAILURES_MAX + 1000);
	assert_true(arena.used_bytes < (size_t)64 << 20);
	smx_buf_done(&json);
}

static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		char *copy = malloc(n + 1);
		struct smx_tlsrpt_read_report r;
		int rc;

		assert_non_null(copy);
		memcpy(copy, good, n);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		rc = smx_tlsrpt_read_parse(&arena, smx_slice(copy, n), &diags,
		    &r);
		assert_int_equal(rc, n == sizeof(good) - 1 ? 0 : -SMX_EPARSE);
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
		struct smx_tlsrpt_read_report r;
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap++);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		rc = smx_tlsrpt_read_parse(&a, SMX_SLICE(good), &diags, &r);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_arena_done(&a);
	} while (rc < 0 && cap < 100000);
	assert_int_equal(rc, 0);
	assert_true(cap > sizeof(struct smx_tlsrpt_read_failure));
}

/* Each allocation fails in turn: of the arena, and of a long text's pass. */
static void
test_out_of_memory(void **state)
{
	struct smx_buf json, packed;
	unsigned passed = 0;
	int rc;

	(void)state;
	smx_buf_init(&json, SMX_TLSRPT_READ_BYTES_MAX);
	smx_buf_init(&packed, SMX_TLSRPT_READ_BYTES_MAX);
	smx_buf_add_text(&json, "{\"x\":\"\\n");
	for (int i = 0; i < 10000; i++)
		smx_buf_add_char(&json, 'a');
	smx_buf_add_text(&json, "\",\"report-id\":\"\\n");
	for (int i = 0; i < 10000; i++)
		smx_buf_add_char(&json, 'b');
	smx_buf_add_text(&json, "\",");
	smx_buf_add(&json, smx_slice(good + 1, sizeof(good) - 2));
	assert_int_equal(smx_gz_write(smx_buf_slice(&json), &packed), 0);
	do {
		struct smx_tlsrpt_read_report r;
		struct smx_slice bytes;
		struct smx_buf inflated;

		smx_buf_init(&inflated, SMX_TLSRPT_READ_BYTES_MAX);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		failing_alloc_after(passed++);
		rc = smx_tlsrpt_read_inflate(smx_buf_slice(&packed), &inflated,
		    &diags, &bytes);
		if (rc == 0)
			rc = smx_tlsrpt_read_parse(&arena, bytes, &diags, &r);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		assert_int_equal(diags.fatal.code, SMX_DIAG_OK);
		smx_buf_done(&inflated);
	} while (rc < 0 && passed < 100);
	assert_int_equal(rc, 0);
	assert_true(passed > 4);
	smx_buf_done(&json);
	smx_buf_done(&packed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_needs_no_copy_borrows),
		TEST(test_nothing_is_written_when_it_fails),
		TEST(test_no_bytes),
		TEST(test_findings_are_counted),
		TEST(test_list_is_long_enough),
		TEST(test_totals_do_not_wrap),
		TEST(test_longest),
		TEST(test_arena_is_large_enough),
		TEST(test_every_cut),
		TEST(test_arena_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("tlsrpt_read", tests, NULL, NULL);
}
