#include "unit.h"
#include "failing_alloc.h"
#include "core/limits.h"
#include "core/sts_policy.h"

/* The grammar is rows of tests/vectors/policy.jsonl. */

#define HEAD "version: STSv1\nmode: enforce\nmax_age: 86400\n"

static const char good[] = "version: STSv1\r\nmode: enforce\r\n"
			   "mx: mx1.example.com\r\nmx: *.example.net\r\n"
			   "max_age: 604800\r\ncontact: postmaster\r\n";

static struct smx_diag items[SMX_DIAG_COUNT_MAX];
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

static bool
is_within(struct smx_slice inner, struct smx_slice outer)
{
	return inner.p >= outer.p && inner.n <= outer.n &&
	    inner.p + inner.n <= outer.p + outer.n;
}

static void
test_results_borrow_from_the_body(void **state)
{
	struct smx_slice body = SMX_SLICE(good);
	struct smx_sts_policy p;

	(void)state;
	assert_int_equal(smx_sts_policy_parse(&arena, body, &diags, &p), 0);
	assert_int_equal(p.mode, SMX_STS_ENFORCE);
	assert_int_equal(p.max_age_s, 604800);
	assert_int_equal(p.mx_count, 2);
	assert_slice(p.mx[0], "mx1.example.com");
	assert_slice(p.mx[1], "*.example.net");
	assert_true(is_within(p.mx[0], body) && is_within(p.mx[1], body));
	assert_int_equal(p.extension_count, 1);
	assert_slice(p.extensions[0].name, "contact");
	assert_slice(p.extensions[0].value, "postmaster");
	assert_true(is_within(p.extensions[0].value, body));
	assert_ptr_equal(p.body.p, body.p);
	assert_int_equal(p.body.n, body.n);
}

static void
test_nothing_is_written_when_it_fails(void **state)
{
	struct smx_sts_policy p = { .max_age_s = 4711 };

	(void)state;
	assert_int_equal(smx_sts_policy_parse(&arena,
			     SMX_SLICE("version: STSv1\nmode: enforce\n"),
			     &diags, &p),
	    -SMX_EPARSE);
	assert_int_equal(p.max_age_s, 4711);
	assert_int_equal(diags.fatal.code, SMX_DIAG_POLICY_MAX_AGE_MISSING);
}

static void
test_modes_by_name(void **state)
{
	(void)state;
	assert_string_equal(smx_sts_policy_mode_text(SMX_STS_NONE), "none");
	assert_string_equal(smx_sts_policy_mode_text(SMX_STS_TESTING),
	    "testing");
	assert_string_equal(smx_sts_policy_mode_text(SMX_STS_ENFORCE),
	    "enforce");
}

static void
test_empty_body(void **state)
{
	struct smx_sts_policy p;

	(void)state;
	assert_int_equal(smx_sts_policy_parse(&arena, smx_slice(NULL, 0),
			     &diags, &p),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_POLICY_EMPTY);
}

static void
test_body_of_the_limit_and_one_more(void **state)
{
	static char body[SMX_STS_BODY_MAX + 1];
	size_t n = sizeof(HEAD "mx: a.example\nx: ") - 1;
	struct smx_sts_policy p;

	(void)state;
	memset(body, 'y', sizeof(body));
	memcpy(body, HEAD "mx: a.example\nx: ", n);
	assert_int_equal(smx_sts_policy_parse(&arena,
			     smx_slice(body, SMX_STS_BODY_MAX), &diags, &p),
	    0);
	assert_int_equal(p.extensions[0].value.n, SMX_STS_BODY_MAX - n);
	assert_int_equal(smx_sts_policy_parse(&arena,
			     smx_slice(body, SMX_STS_BODY_MAX + 1), &diags, &p),
	    -SMX_EPARSE);
	assert_int_equal(diags.fatal.code, SMX_DIAG_POLICY_TOO_LARGE);
}

/* The most entries that 64 kB can hold, of each list, fit into the arena. */
static void
test_most_entries(void **state)
{
	static const char *const lines[] = { "mx:a\n", "a:b\n" };
	static char body[SMX_STS_BODY_MAX];

	(void)state;
	for (size_t k = 0; k < COUNT_OF(lines); k++) {
		size_t n = sizeof(HEAD "mx:a\n") - 1, count = 0;
		struct smx_sts_policy p;

		memcpy(body, HEAD "mx:a\n", n);
		for (; n + strlen(lines[k]) <= sizeof(body); count++) {
			memcpy(body + n, lines[k], strlen(lines[k]));
			n += strlen(lines[k]);
		}
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		assert_int_equal(smx_sts_policy_parse(&arena,
				     smx_slice(body, n), &diags, &p),
		    0);
		assert_int_equal(p.mx_count + p.extension_count, count + 1);
		assert_true(smx_diag_list_kept(&diags) <= COUNT_OF(items));
	}
}

/* A hundred harmless findings first don't make it valid. */
static void
test_empty_line_behind_a_hundred_findings(void **state)
{
	static char body[SMX_STS_BODY_MAX];
	size_t n = sizeof(HEAD "mx: a.example\n") - 1;
	struct smx_sts_policy p;

	(void)state;
	memcpy(body, HEAD "mx: a.example\n", n);
	for (int i = 0; i < SMX_DIAG_COUNT_MAX; i++, n += 5)
		memcpy(body + n, "a: b\n", 5);
	body[n++] = '\n';
	assert_int_equal(
	    smx_sts_policy_parse(&arena, smx_slice(body, n), &diags, &p), 0);
	assert_true(smx_diag_list_has_error(&diags));
}

static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		char *copy = malloc(n + 1);
		struct smx_sts_policy p;
		int rc;

		assert_non_null(copy);
		memcpy(copy, good, n);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		rc = smx_sts_policy_parse(&arena, smx_slice(copy, n), &diags,
		    &p);
		assert_int_equal(rc,
		    diags.fatal.code == SMX_DIAG_OK ? 0 : -SMX_EPARSE);
		for (size_t i = 0; i < smx_diag_list_kept(&diags); i++)
			if (items[i].arg.n != 0)
				assert_ptr_equal(items[i].arg.p,
				    copy + items[i].offset);
		free(copy);
	}
}

/* Random bytes in random places: no crash, and the findings stay inside. */
static void
test_damaged_bodies(void **state)
{
	static const char bytes[] = "\r\n\t :.*-\0\x7f\xc3\xa9\xff{}mx";
	uint64_t seed = 10;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char body[sizeof(good) - 1];
		struct smx_slice s = { body, sizeof(body) };
		struct smx_sts_policy p;
		int rc;

		memcpy(body, good, sizeof(body));
		for (uint64_t k = 1 + unit_random(&seed) % 3; k > 0; k--)
			body[unit_random(&seed) % sizeof(body)] =
			    bytes[unit_random(&seed) % (sizeof(bytes) - 1)];
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		smx_arena_reset(&arena);
		rc = smx_sts_policy_parse(&arena, s, &diags, &p);
		assert_int_equal(rc,
		    diags.fatal.code == SMX_DIAG_OK ? 0 : -SMX_EPARSE);
		for (size_t i = 0; i < smx_diag_list_kept(&diags); i++)
			assert_true(items[i].arg.n == 0 ||
			    is_within(items[i].arg, s));
	}
}

/* The arena's cap at every size up to what is needed. */
static void
test_arena_runs_out(void **state)
{
	static char body[4096] = HEAD;
	size_t cap = 0;
	int rc;

	(void)state;
	for (int i = 0; i < 50; i++)
		snprintf(body + strlen(body), sizeof(body) - strlen(body),
		    "mx: m%d.example\nx%d: y\n", i, i);
	do {
		struct smx_sts_policy p = { .max_age_s = 4711 };
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap++);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		rc = smx_sts_policy_parse(&a, smx_slice_text(body), &diags, &p);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		assert_int_equal(p.max_age_s, rc == 0 ? 86400 : 4711);
		smx_arena_done(&a);
	} while (rc < 0 && cap < 100000);
	assert_int_equal(rc, 0);
	assert_true(cap > 50 * sizeof(struct smx_slice));
}

static void
test_out_of_memory(void **state)
{
	unsigned count = 0;
	int rc;

	(void)state;
	do {
		struct smx_sts_policy p;
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, SMX_STS_ARENA_MAX);
		smx_diag_list_init(&diags, items, COUNT_OF(items));
		failing_alloc_after(count++);
		rc = smx_sts_policy_parse(&a, SMX_SLICE(good), &diags, &p);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_arena_done(&a);
	} while (rc < 0);
	assert_true(count > 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_results_borrow_from_the_body),
		TEST(test_nothing_is_written_when_it_fails),
		TEST(test_modes_by_name),
		TEST(test_empty_body),
		TEST(test_body_of_the_limit_and_one_more),
		TEST(test_most_entries),
		TEST(test_empty_line_behind_a_hundred_findings),
		TEST(test_every_cut),
		TEST(test_damaged_bodies),
		TEST(test_arena_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("sts_policy", tests, NULL, NULL);
}
