#include "unit.h"
#include "base/buf.h"
#include "core/diag.h"

static struct smx_diag
finding(enum smx_diag_code code)
{
	return (struct smx_diag){ .code = code };
}

/* Scripts rely on the names, people on the rest. */
static void
test_rows_are_complete(void **state)
{
	(void)state;
	for (int i = SMX_DIAG_OK + 1; i < SMX_DIAG_CODE_COUNT; i++) {
		const struct smx_diag_row *row =
		    smx_diag_row((enum smx_diag_code)i);
		size_t n = strlen(row->name);

		assert_true(n > 0);
		assert_int_equal(strspn(row->name,
				     "abcdefghijklmnopqrstuvwxyz0123456789-"),
		    n);
		assert_true(row->name[0] != '-' && row->name[n - 1] != '-');
		for (int k = 0; k < i; k++)
			assert_string_not_equal(row->name,
			    smx_diag_row((enum smx_diag_code)k)->name);
		/* A change is no matter of an RFC. */
		if (i != SMX_DIAG_CHANGE_VERDICT)
			assert_int_equal(strncmp(row->rfc, "RFC ", 4), 0);
		assert_true(strlen(row->text) > 0 && strlen(row->fix) > 0);
		/* One place for the offending bytes. */
		assert_ptr_equal(strchr(row->text, '%'),
		    strrchr(row->text, '%'));
		assert_ptr_equal(strchr(row->fix, '%'), strrchr(row->fix, '%'));
		/* Only an error can be forgiven, and then it isn't reported. */
		if (row->forgiven) {
			assert_int_equal(row->severity, SMX_DIAG_ERROR);
			assert_null(row->tlsrpt);
		}
	}
}

/* A report may carry only what RFC 8460, 4.3 knows. */
static void
test_result_types_exist(void **state)
{
	static const char *const types[] = { "sts-policy-fetch-error",
		"sts-policy-invalid", "sts-webpki-invalid",
		"starttls-not-supported", "certificate-host-mismatch",
		"certificate-expired", "certificate-not-trusted",
		"validation-failure", "tlsa-invalid", "dnssec-invalid",
		"dane-required" };

	(void)state;
	for (int i = 0; i < SMX_DIAG_CODE_COUNT; i++) {
		const char *type = smx_diag_row((enum smx_diag_code)i)->tlsrpt;
		bool known = type == NULL;

		for (size_t k = 0; k < COUNT_OF(types) && !known; k++)
			known = strcmp(type, types[k]) == 0;
		assert_true(known);
	}
}

static void
ask_for_a_row_beyond(void)
{
	smx_diag_row(SMX_DIAG_CODE_COUNT);
}

static void
test_code_beyond_the_table(void **state)
{
	(void)state;
	assert_true(unit_aborts(ask_for_a_row_beyond));
}

static void
test_severities(void **state)
{
	(void)state;
	assert_string_equal(smx_diag_severity_text(SMX_DIAG_INFO), "info");
	assert_string_equal(smx_diag_severity_text(SMX_DIAG_WARNING),
	    "warning");
	assert_string_equal(smx_diag_severity_text(SMX_DIAG_ERROR), "error");
}

static void
test_list_keeps_the_first_and_counts_all(void **state)
{
	struct smx_diag items[2];
	struct smx_diag_list l;

	(void)state;
	smx_diag_list_init(&l, items, 2);
	assert_int_equal(smx_diag_list_kept(&l), 0);
	assert_false(smx_diag_list_has_error(&l));
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_EXTENSION));
	assert_int_equal(smx_diag_list_kept(&l), 1);
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_DUPLICATE));
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_MODE));
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_MX_NAME));
	assert_int_equal(l.count, 4);
	assert_int_equal(smx_diag_list_kept(&l), 2);
	assert_int_equal(items[0].code, SMX_DIAG_POLICY_EXTENSION);
	assert_int_equal(items[1].code, SMX_DIAG_POLICY_DUPLICATE);
	/* Why it failed is known even when the finding was not kept. */
	assert_int_equal(l.fatal.code, SMX_DIAG_POLICY_MODE);
	assert_true(smx_diag_list_has_error(&l));
}

static void
test_forgiven_error_is_an_error_but_not_fatal(void **state)
{
	struct smx_diag items[4];
	struct smx_diag_list l;

	(void)state;
	smx_diag_list_init(&l, items, 4);
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_MAX_AGE_ZERO));
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_EXTENSION));
	assert_false(smx_diag_list_has_error(&l));
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_BLANK_LINE));
	assert_true(smx_diag_list_has_error(&l));
	assert_int_equal(l.fatal.code, SMX_DIAG_OK);
}

/* Else a hundred extension lines would hide that a policy is invalid. */
static void
test_forgiven_error_counts_when_the_list_is_full(void **state)
{
	struct smx_diag items[1];
	struct smx_diag_list l;

	(void)state;
	smx_diag_list_init(&l, items, 1);
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_EXTENSION));
	smx_diag_push(&l, finding(SMX_DIAG_POLICY_BLANK_LINE));
	assert_true(smx_diag_list_has_error(&l));
}

static void
test_list_without_room(void **state)
{
	struct smx_diag_list l;

	(void)state;
	smx_diag_list_init(&l, NULL, 0);
	smx_diag_push(&l, finding(SMX_DIAG_TXT_VERSION));
	assert_int_equal(l.count, 1);
	assert_int_equal(smx_diag_list_kept(&l), 0);
	assert_int_equal(l.fatal.code, SMX_DIAG_TXT_VERSION);
}

static void
assert_sentence(enum smx_diag_code code, struct smx_slice arg, const char *want)
{
	struct smx_diag d = { .code = code, .arg = arg };
	char storage[1024];
	struct smx_buf out;

	smx_buf_init_fixed(&out, storage, sizeof(storage));
	smx_diag_print(&d, &out);
	assert_int_equal(smx_buf_status(&out), 0);
	assert_string_equal(smx_buf_text(&out), want);
}

static void
test_sentence(void **state)
{
	(void)state;
	assert_sentence(SMX_DIAG_POLICY_MODE, SMX_SLICE("Enforce"),
	    "\"Enforce\" is no mode");
	assert_sentence(SMX_DIAG_POLICY_MODE_MISSING, SMX_SLICE(""),
	    "there is no mode line");
	/* A sentence with no place for them leaves the bytes out. */
	assert_sentence(SMX_DIAG_POLICY_MODE_MISSING, SMX_SLICE("x"),
	    "there is no mode line");
	assert_sentence(SMX_DIAG_POLICY_MODE, smx_slice(NULL, 0),
	    "\"\" is no mode");
}

static void
test_sentence_escapes_hostile_bytes(void **state)
{
	(void)state;
	assert_sentence(SMX_DIAG_POLICY_MODE,
	    SMX_SLICE("a\x1b[31m\r\nb\\\xc3\xa9\0%s"),
	    "\"a\\x1b[31m\\x0d\\x0ab\\x5c\\xc3\\xa9\\x00%s\" is no mode");
}

static void
test_sentence_cuts_long_bytes(void **state)
{
	char arg[200], want[200];

	(void)state;
	memset(arg, 'x', sizeof(arg));
	snprintf(want, sizeof(want), "\"%.80s\" is no mode", arg);
	assert_sentence(SMX_DIAG_POLICY_MODE, smx_slice(arg, 80), want);
	snprintf(want, sizeof(want), "\"%.80s...\" is no mode", arg);
	assert_sentence(SMX_DIAG_POLICY_MODE, smx_slice(arg, 81), want);
	assert_sentence(SMX_DIAG_POLICY_MODE, smx_slice(arg, 200), want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_complete),
		cmocka_unit_test(test_result_types_exist),
		cmocka_unit_test(test_code_beyond_the_table),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_list_keeps_the_first_and_counts_all),
		cmocka_unit_test(test_forgiven_error_is_an_error_but_not_fatal),
		cmocka_unit_test(
		    test_forgiven_error_counts_when_the_list_is_full),
		cmocka_unit_test(test_list_without_room),
		cmocka_unit_test(test_sentence),
		cmocka_unit_test(test_sentence_escapes_hostile_bytes),
		cmocka_unit_test(test_sentence_cuts_long_bytes),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
