#include "unit.h"
#include "core/dmarc.h"

static struct smx_diag items[16];
static struct smx_diag_list diags;

static struct smx_dmarc
check(const char *text)
{
	struct smx_slice record = smx_slice_text(text);
	struct smx_dmarc d;

	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_dmarc_check(&record, 1, &diags, &d);
	return d;
}

static void
test_candidates(void **state)
{
	(void)state;
	assert_true(smx_dmarc_is_candidate(SMX_SLICE("v=DMARC1")));
	assert_true(smx_dmarc_is_candidate(SMX_SLICE("v=DMARC1;")));
	assert_true(smx_dmarc_is_candidate(SMX_SLICE("V \t= DMARC1 ;p=none")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("v=DMARC10;")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("v=DMARC1 p=none")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("v=dmarc1; p=none")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE(" v=DMARC1;")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("p=none; v=DMARC1")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("v")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("v=")));
	assert_false(smx_dmarc_is_candidate(SMX_SLICE("vDMARC1;")));
	assert_false(smx_dmarc_is_candidate(smx_slice(NULL, 0)));
}

static void
test_none_one_and_several(void **state)
{
	const struct smx_slice records[] = { SMX_SLICE("v=spf1 -all"),
		SMX_SLICE("v=DMARC1; p=reject"), SMX_SLICE(""),
		SMX_SLICE("v=DMARC1; p=none"), SMX_SLICE("v=DMARC1;") };
	struct smx_dmarc d;

	(void)state;
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_dmarc_check(NULL, 0, &diags, &d);
	assert_int_equal(d.found, SMX_DMARC_NONE);
	smx_dmarc_check(records, 1, &diags, &d);
	assert_int_equal(d.found, SMX_DMARC_NONE);
	assert_int_equal(items[1].code, SMX_DIAG_DMARC_NONE);
	smx_dmarc_check(records, 3, &diags, &d);
	assert_int_equal(diags.count, 2);
	assert_int_equal(d.found, SMX_DMARC_ONE);
	assert_int_equal(d.index, 1);
	assert_int_equal(d.p, SMX_DMARC_P_REJECT);
	assert_true(d.is_valid);
	for (size_t n = 4; n <= 5; n++) {
		smx_dmarc_check(records, n, &diags, &d);
		assert_int_equal(d.found, SMX_DMARC_SEVERAL);
		assert_int_equal(d.p, SMX_DMARC_P_MISSING);
		assert_int_equal(items[n - 2].code, SMX_DIAG_DMARC_SEVERAL);
	}
}

static void
test_records_that_are_valid(void **state)
{
	static const struct {
		const char *record;
		enum smx_dmarc_policy p;
	} rows[] = {
		{ "v=DMARC1; p=none", SMX_DMARC_P_NONE },
		{ "v=DMARC1;p=quarantine;", SMX_DMARC_P_QUARANTINE },
		{ "v = DMARC1 ; P = Reject ; ", SMX_DMARC_P_REJECT },
		{ "v=DMARC1; p=reject; sp=none; adkim=s; aspf=R; pct=100; "
		  "fo=0:1:d:s; rf=afrf; ri=86400; "
		  "rua=mailto:a@example.com!10m,mailto:b@example.com;",
		    SMX_DMARC_P_REJECT },
		{ "v=DMARC1; rua=mailto:a@example.com; p=none",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; x_1=y=z; pct=0", SMX_DMARC_P_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_dmarc d = check(rows[i].record);

		if (!d.is_valid || diags.count != 0)
			fail_msg("%s", rows[i].record);
		assert_int_equal(d.p, rows[i].p);
	}
}

static void
test_records_that_are_not(void **state)
{
	static const struct {
		const char *record;
		enum smx_diag_code code;
		const char *arg;
		enum smx_dmarc_policy p;
	} rows[] = {
		{ "v=DMARC1", SMX_DIAG_DMARC_POLICY, "", SMX_DMARC_P_MISSING },
		{ "v=DMARC1; ", SMX_DIAG_DMARC_POLICY, "",
		    SMX_DMARC_P_MISSING },
		{ "v=DMARC1; sp=none", SMX_DIAG_DMARC_POLICY, "",
		    SMX_DMARC_P_MISSING },
		{ "v=DMARC1; p=", SMX_DIAG_DMARC_SYNTAX,
		    "p=", SMX_DMARC_P_MISSING },
		{ "v=DMARC1; p=monitor", SMX_DIAG_DMARC_SYNTAX, "p=monitor",
		    SMX_DMARC_P_MISSING },
		{ "v=DMARC1; p=none; p=reject", SMX_DIAG_DMARC_SYNTAX,
		    "p=reject", SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none rua=mailto:a@b.c", SMX_DIAG_DMARC_SYNTAX,
		    "p=none rua=mailto:a@b.c", SMX_DMARC_P_MISSING },
		{ "v=DMARC1;; p=none", SMX_DIAG_DMARC_SYNTAX, ";",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; sp=all", SMX_DIAG_DMARC_SYNTAX, "sp=all",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; pct=101", SMX_DIAG_DMARC_SYNTAX, "pct=101",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; pct=", SMX_DIAG_DMARC_SYNTAX,
		    "pct=", SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; pct=5x", SMX_DIAG_DMARC_SYNTAX, "pct=5x",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; aspf=x", SMX_DIAG_DMARC_SYNTAX, "aspf=x",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; rua=", SMX_DIAG_DMARC_SYNTAX,
		    "rua=", SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; word ;", SMX_DIAG_DMARC_SYNTAX, "word",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; =x", SMX_DIAG_DMARC_SYNTAX, "=x",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; 1=x", SMX_DIAG_DMARC_SYNTAX, "1=x",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; _=x", SMX_DIAG_DMARC_SYNTAX, "_=x",
		    SMX_DMARC_P_NONE },
		{ "v=DMARC1; p=none; x=\xc3\xa4", SMX_DIAG_DMARC_SYNTAX,
		    "x=\xc3\xa4", SMX_DMARC_P_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_dmarc d = check(rows[i].record);

		if (d.is_valid || diags.count != 1 ||
		    items[0].code != rows[i].code)
			fail_msg("%s", rows[i].record);
		assert_true(smx_slice_equal(items[0].arg,
		    smx_slice_text(rows[i].arg)));
		if (items[0].arg.n != 0)
			assert_memory_equal(rows[i].record + items[0].offset,
			    rows[i].arg, items[0].arg.n);
		assert_int_equal(d.p, rows[i].p);
	}
}

static void
test_policy_texts(void **state)
{
	(void)state;
	assert_string_equal(smx_dmarc_policy_text(SMX_DMARC_P_MISSING), "");
	assert_string_equal(smx_dmarc_policy_text(SMX_DMARC_P_NONE), "none");
	assert_string_equal(smx_dmarc_policy_text(SMX_DMARC_P_QUARANTINE),
	    "quarantine");
	assert_string_equal(smx_dmarc_policy_text(SMX_DMARC_P_REJECT),
	    "reject");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_none_one_and_several),
		cmocka_unit_test(test_records_that_are_valid),
		cmocka_unit_test(test_records_that_are_not),
		cmocka_unit_test(test_policy_texts),
	};

	return cmocka_run_group_tests_name("dmarc", tests, NULL, NULL);
}
