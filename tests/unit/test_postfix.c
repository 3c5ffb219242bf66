#include "unit.h"
#include "failing_alloc.h"
#include "core/limits.h"
#include "core/postfix.h"

#define HEAD "version: STSv1\nmode: enforce\nmax_age: 86400\n"

/* "OK " stands before the text in a reply. */
#define TEXT_MAX (SMX_SOCKETMAP_REPLY_MAX - 3)

static struct smx_arena arena;
static struct smx_sts_policy policy;
static struct smx_buf out;

static int
start(void **state)
{
	(void)state;
	smx_arena_init(&arena, NULL, 0, SMX_STS_ARENA_MAX);
	smx_buf_init(&out, (size_t)1 << 20);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_arena_done(&arena);
	smx_buf_done(&out);
	return 0;
}

static void
parse(struct smx_slice body)
{
	struct smx_diag_list diags;

	smx_diag_list_init(&diags, NULL, 0);
	assert_int_equal(smx_sts_policy_parse(&arena, body, &diags, &policy),
	    0);
}

/* Both forms; the plain one has to be how the long one begins. */
static int
print_forms(const struct smx_sts_policy *p, struct smx_slice domain,
    struct smx_buf *to, size_t *ret_plain_bytes)
{
	struct smx_buf compact, plain;
	struct smx_postfix postfix;
	size_t start = to->n;
	int rc;

	smx_buf_init(&compact, (size_t)1 << 20);
	smx_buf_init(&plain, (size_t)1 << 20);
	rc = smx_postfix_compile(&arena, p, &compact, &postfix);
	if (rc == 0)
		rc = smx_postfix_print(&postfix, domain, true, to);
	if (rc == 0)
		rc = smx_postfix_print(&postfix, domain, false, &plain);
	if (rc == 0) {
		*ret_plain_bytes = plain.n;
		assert_true(smx_slice_starts(smx_slice(to->p + start,
						 to->n - start),
		    smx_buf_slice(&plain)));
	}
	smx_buf_done(&plain);
	smx_buf_done(&compact);
	return rc;
}

/* Print the policy; cut to the plain form when @p plain. */
static const char *
print(const char *body, bool plain)
{
	size_t plain_bytes;

	parse(smx_slice_text(body));
	smx_buf_reset(&out);
	assert_int_equal(print_forms(&policy, SMX_SLICE("example.com"), &out,
			     &plain_bytes),
	    0);
	assert_true(plain_bytes <= out.n);
	if (plain)
		out.n = plain_bytes;
	return smx_buf_text(&out);
}

static void
test_plain_form(void **state)
{
	(void)state;
	assert_string_equal(print(HEAD "mx: mail.example.com\n", true),
	    "secure match=mail.example.com servername=hostname");
	assert_string_equal(print(HEAD "mx: mail.example.com\n"
				       "mx: *.backup.example.com\n",
				true),
	    "secure match=mail.example.com:.backup.example.com"
	    " servername=hostname");
}

static void
test_tlsrpt_form(void **state)
{
	(void)state;
	assert_string_equal(print("version: STSv1\r\nmode: enforce\r\n"
				  "mx: mail.example.com\r\n"
				  "mx: *.backup.example.com\r\n"
				  "max_age: 86400\r\n",
				false),
	    "secure match=mail.example.com:.backup.example.com"
	    " servername=hostname"
	    " policy_type=sts policy_domain=example.com"
	    " mx_host_pattern=mail.example.com"
	    " mx_host_pattern=*.backup.example.com"
	    " { policy_string = version: STSv1 }"
	    " { policy_string = mode: enforce }"
	    " { policy_string = mx: mail.example.com }"
	    " { policy_string = mx: *.backup.example.com }"
	    " { policy_string = max_age: 86400 }");
}

static void
test_names_in_lower_case_and_in_order(void **state)
{
	(void)state;
	assert_string_equal(print(HEAD "mx: Z.Example\nmx: *.A.Example\n"
				       "mx: m.EXAMPLE\n",
				true),
	    "secure match=z.example:.a.example:m.example servername=hostname");
	/* The policy's own lines go out as they are. */
	assert_non_null(strstr(print(HEAD "mx: Z.Example\n", false),
	    " mx_host_pattern=z.example { policy_string = version: STSv1 }"));
	assert_non_null(strstr(print(HEAD "mx: Z.Example\n", false),
	    "{ policy_string = mx: Z.Example }"));
}

static void
test_repeated_names_go_out_once(void **state)
{
	(void)state;
	assert_string_equal(print(HEAD "mx: b.example\nmx: a.example\n"
				       "mx: B.EXAMPLE\nmx: a.example\n"
				       "mx: *.b.example\nmx: *.B.example\n",
				true),
	    "secure match=b.example:a.example:.b.example servername=hostname");
}

/* Names by the dozen, about half of them repeated with other capitals, on
 * both sides of the count where the search changes. */
static void
test_many_names(void **state)
{
	uint64_t seed = 9;

	(void)state;
	for (size_t count = 1; count <= 120; count++) {
		struct smx_buf body, want;
		bool seen[120] = { false };

		smx_buf_init(&body, SMX_STS_BODY_MAX);
		smx_buf_init(&want, SMX_STS_BODY_MAX);
		smx_buf_add_text(&body, HEAD);
		smx_buf_add_text(&want, "secure match=");
		for (size_t i = 0; i < count; i++) {
			unsigned k = (unsigned)(unit_random(&seed) % count);
			bool star = k % 3 == 0;
			bool upper = unit_random(&seed) % 2 == 0;

			smx_buf_printf(&body, "mx: %s%c%u.%s\n",
			    star ? "*." : "", (upper ? 'A' : 'a') + k % 26, k,
			    upper ? "eXample" : "example");
			if (seen[k])
				continue;
			seen[k] = true;
			smx_buf_printf(&want, "%s%s%c%u.example",
			    i > 0 ? ":" : "", star ? "." : "", 'a' + k % 26, k);
		}
		smx_buf_add_text(&want, " servername=hostname");
		assert_string_equal(print(smx_buf_text(&body), true),
		    smx_buf_text(&want));
		smx_buf_done(&body);
		smx_buf_done(&want);
		smx_arena_reset(&arena);
	}
}

/* Postfix rejects a policy with one attribute that it can't read, and defers
 * the mail: such a line is left out, the others stay. */
static void
test_lines_that_could_break_the_policy_text(void **state)
{
	static const char *const rows[] = {
		"a: { b",
		"a: b }",
		"a: } { policy_type = none",
		"a: }} secure match=evil.example {{",
		"a: caf\xc3\xa9",
		"a: \xf0\x9f\x90\xa2",
		"a: \xc2\x85",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char body[512];

		snprintf(body, sizeof(body), HEAD "%s\nmx: a.example\n",
		    rows[i]);
		assert_string_equal(print(body, false),
		    "secure match=a.example servername=hostname"
		    " policy_type=sts policy_domain=example.com"
		    " mx_host_pattern=a.example"
		    " { policy_string = version: STSv1 }"
		    " { policy_string = mode: enforce }"
		    " { policy_string = max_age: 86400 }"
		    " { policy_string = mx: a.example }");
	}
}

static void
test_harmless_lines_stay(void **state)
{
	(void)state;
	/* Blanks, commas and "=" are plain text within braces. */
	assert_non_null(strstr(print(HEAD "mx: a.example\nx: a, b=c  d; e\n",
				   false),
	    " { policy_string = x: a, b=c  d; e }"));
	/* Blanks at the end of a line and empty lines don't get through. */
	assert_non_null(strstr(print("version: STSv1 \t\r\n\nmode: enforce\n"
				     " \nmax_age: 1\nmx: a.example",
				   false),
	    " { policy_string = version: STSv1 }"
	    " { policy_string = mode: enforce }"
	    " { policy_string = max_age: 1 }"
	    " { policy_string = mx: a.example }"));
}

/* A body of extension lines whose TLSRPT text has exactly @p bytes. */
static void
print_of_length(size_t bytes, size_t *ret_plain)
{
	static char body[SMX_STS_BODY_MAX + 1];
	static const char line[] = "a: b\n";
	size_t n = sizeof(HEAD "mx: a.example\n") - 1, each, lines = 0, base;

	memcpy(body, HEAD "mx: a.example\n", n);
	each = sizeof(" { policy_string = a: b }") - 1;
	base = strlen(print(HEAD "mx: a.example\n", false));
	for (; base + (lines + 2) * each < bytes;
	     lines++, n += sizeof(line) - 1)
		memcpy(body + n, line, sizeof(line) - 1);
	/* The last line takes what is left. */
	memcpy(body + n, "a: ", 3);
	memset(body + n + 3, 'b', bytes - base - lines * each - each + 1);
	n += 3 + bytes - base - lines * each - each + 1;
	smx_arena_reset(&arena);
	parse(smx_slice(body, n));
	smx_buf_reset(&out);
	assert_int_equal(
	    print_forms(&policy, SMX_SLICE("example.com"), &out, ret_plain), 0);
}

static void
test_reply_of_the_limit_and_one_more(void **state)
{
	static const char plain[] =
	    "secure match=a.example servername=hostname";
	size_t plain_bytes;

	(void)state;
	print_of_length(TEXT_MAX - 1, &plain_bytes);
	assert_int_equal(out.n, TEXT_MAX - 1);
	print_of_length(TEXT_MAX, &plain_bytes);
	assert_int_equal(out.n, TEXT_MAX);
	assert_int_equal(plain_bytes, sizeof(plain) - 1);
	print_of_length(TEXT_MAX + 1, &plain_bytes);
	assert_int_equal(smx_buf_status(&out), 0);
	assert_int_equal(plain_bytes, sizeof(plain) - 1);
	assert_slice(smx_buf_slice(&out),
	    "secure match=a.example servername=hostname");
}

static void
test_what_is_in_the_buffer_stays(void **state)
{
	size_t plain_bytes;
	char storage[100];
	struct smx_buf small;

	(void)state;
	parse(SMX_SLICE(HEAD "mx: a.example\n"));
	/* No room for the long form: the plain one behind what was there. */
	smx_buf_init_fixed(&small, storage, sizeof(storage));
	smx_buf_add_text(&small, "OK ");
	assert_int_equal(print_forms(&policy, SMX_SLICE("example.com"), &small,
			     &plain_bytes),
	    0);
	assert_slice(smx_buf_slice(&small),
	    "OK secure match=a.example servername=hostname");
	assert_int_equal(plain_bytes, small.n - 3);
	/* Nor for that. */
	smx_buf_init_fixed(&small, storage, 20);
	assert_int_equal(print_forms(&policy, SMX_SLICE("example.com"), &small,
			     &plain_bytes),
	    -SMX_ELIMIT);
}

/* A reply behind a gap would be read as part of another one. */
static void
test_buffer_that_has_failed_before(void **state)
{
	char storage[100], bytes[200];
	struct smx_postfix postfix;
	struct smx_buf small;

	(void)state;
	parse(SMX_SLICE(HEAD "mx: a.example\n"));
	smx_buf_reset(&out);
	assert_int_equal(smx_postfix_compile(&arena, &policy, &out, &postfix),
	    0);
	for (int tlsrpt = 0; tlsrpt < 2; tlsrpt++) {
		smx_buf_init_fixed(&small, storage, sizeof(storage));
		memset(bytes, 'x', sizeof(bytes));
		smx_buf_add(&small, smx_slice(bytes, sizeof(bytes)));
		assert_int_equal(smx_postfix_print(&postfix,
				     SMX_SLICE("example.com"), tlsrpt != 0,
				     &small),
		    -SMX_ELIMIT);
		assert_int_equal(smx_buf_status(&small), -SMX_ELIMIT);
		assert_int_equal(small.n, 0);
	}
}

/* The largest bodies that a policy host can send fit into the memory that is
 * meant for them. */
static void
test_largest_policy(void **state)
{
	static char body[SMX_STS_BODY_MAX + 1];
	size_t n = sizeof(HEAD) - 1, plain_bytes, count = 0;

	(void)state;
	memcpy(body, HEAD, n);
	for (; n + 7 <= SMX_STS_BODY_MAX; n += 7, count++)
		snprintf(body + n, 8, "mx:%c%c%c\n", (char)('a' + count % 26),
		    (char)('a' + count / 26 % 26),
		    (char)('a' + count / 676 % 26));
	parse(smx_slice(body, n));
	assert_int_equal(policy.mx_count, count);
	smx_buf_reset(&out);
	assert_int_equal(print_forms(&policy, SMX_SLICE("example.com"), &out,
			     &plain_bytes),
	    0);
	assert_int_equal(plain_bytes, out.n);
	assert_int_equal(plain_bytes,
	    strlen("secure match= servername=hostname") + count * 4 - 1);
}

/* Every allocation in turn. */
static void
test_scratch_runs_out(void **state)
{
	char body[1024] = HEAD;
	struct smx_postfix postfix;
	size_t cap = 0;
	int rc;

	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(body + strlen(body), sizeof(body) - strlen(body),
		    "mx: m%d.example\n", i);
	parse(smx_slice_text(body));
	do {
		struct smx_arena scratch;

		smx_arena_init(&scratch, NULL, 0, cap++);
		smx_buf_reset(&out);
		rc = smx_postfix_compile(&scratch, &policy, &out, &postfix);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_arena_done(&scratch);
	} while (rc < 0 && cap < 10000);
	assert_int_equal(rc, 0);
	assert_true(cap > 100);
}

static void
test_out_of_memory(void **state)
{
	struct smx_postfix postfix;
	unsigned count = 0;
	int rc;

	(void)state;
	parse(SMX_SLICE(HEAD "mx: a.example\nmx: b.example\n"));
	do {
		struct smx_arena scratch;
		struct smx_buf fresh;

		smx_arena_init(&scratch, NULL, 0, 10000);
		smx_buf_init(&fresh, 10000);
		failing_alloc_after(count++);
		rc = smx_postfix_compile(&scratch, &policy, &fresh, &postfix);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_buf_done(&fresh);
		smx_arena_done(&scratch);
	} while (rc < 0);
	assert_int_equal(count, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_form),
		TEST(test_tlsrpt_form),
		TEST(test_names_in_lower_case_and_in_order),
		TEST(test_repeated_names_go_out_once),
		TEST(test_many_names),
		TEST(test_lines_that_could_break_the_policy_text),
		TEST(test_harmless_lines_stay),
		TEST(test_reply_of_the_limit_and_one_more),
		TEST(test_what_is_in_the_buffer_stays),
		TEST(test_buffer_that_has_failed_before),
		TEST(test_largest_policy),
		TEST(test_scratch_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("postfix", tests, NULL, NULL);
}
