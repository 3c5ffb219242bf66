#include "unit.h"
#include "core/spf.h"

static struct smx_diag items[16];
static struct smx_diag_list diags;

static struct smx_spf
check(const char *text)
{
	struct smx_slice record = smx_slice_text(text);
	struct smx_spf spf;

	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_spf_check(&record, 1, &diags, &spf);
	return spf;
}

static void
test_candidates(void **state)
{
	(void)state;
	assert_true(smx_spf_is_candidate(SMX_SLICE("v=spf1")));
	assert_true(smx_spf_is_candidate(SMX_SLICE("v=spf1 ")));
	assert_true(smx_spf_is_candidate(SMX_SLICE("V=SPF1 -all")));
	assert_false(smx_spf_is_candidate(SMX_SLICE("v=spf10 -all")));
	assert_false(smx_spf_is_candidate(SMX_SLICE("v=spf1-all")));
	assert_false(smx_spf_is_candidate(SMX_SLICE("v=spf1\t-all")));
	assert_false(smx_spf_is_candidate(SMX_SLICE("v=spf1;")));
	assert_false(smx_spf_is_candidate(SMX_SLICE(" v=spf1")));
	assert_false(smx_spf_is_candidate(SMX_SLICE("v=spf")));
	assert_false(smx_spf_is_candidate(SMX_SLICE("spf2.0/pra")));
	assert_false(smx_spf_is_candidate(smx_slice(NULL, 0)));
}

static void
test_none_one_and_several(void **state)
{
	const struct smx_slice records[] = { SMX_SLICE("x"),
		SMX_SLICE("v=spf1 -all"), SMX_SLICE(""),
		SMX_SLICE("v=spf1 ~all"), SMX_SLICE("v=spf1") };
	struct smx_spf spf;

	(void)state;
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_spf_check(NULL, 0, &diags, &spf);
	assert_int_equal(spf.found, SMX_SPF_NONE);
	smx_spf_check(records, 1, &diags, &spf);
	assert_int_equal(spf.found, SMX_SPF_NONE);
	assert_int_equal(diags.count, 2);
	assert_int_equal(items[1].code, SMX_DIAG_SPF_NONE);
	smx_spf_check(records, 3, &diags, &spf);
	assert_int_equal(diags.count, 2);
	assert_int_equal(spf.found, SMX_SPF_ONE);
	assert_int_equal(spf.index, 1);
	assert_int_equal(spf.all, '-');
	assert_true(spf.is_valid);
	for (size_t n = 4; n <= 5; n++) {
		smx_spf_check(records, n, &diags, &spf);
		assert_int_equal(spf.found, SMX_SPF_SEVERAL);
		assert_int_equal(items[n - 2].code, SMX_DIAG_SPF_SEVERAL);
	}
}

static void
test_qualifier_of_all(void **state)
{
	(void)state;
	assert_int_equal(check("v=spf1 -all").all, '-');
	assert_int_equal(check("v=spf1 ~ALL ").all, '~');
	assert_int_equal(check("v=spf1 ?all").all, '?');
	assert_int_equal(check("v=spf1 +all").all, '+');
	assert_int_equal(check("v=spf1 all").all, '+');
	assert_int_equal(check("v=spf1 mx ~all -all").all, '~');
	assert_int_equal(check("v=spf1 mx").all, '\0');
	assert_int_equal(check("v=spf1").all, '\0');
	assert_int_equal(check("v=spf1 -all:x").all, '\0');
	assert_false(check("v=spf1 mx -all").has_redirect);
	assert_true(check("v=spf1 Redirect=_spf.example.com").has_redirect);
}

static void
test_terms_that_are_valid(void **state)
{
	static const char *const rows[] = { "a", "mx", "-MX", "ptr",
		"a:example.com", "a:example.com.", "a/24", "a//64", "a/24//64",
		"mx:example.com/0", "a:example.com/32//128", "a:%{d}/24",
		"a:%{d1r/}.example/24", "ptr:example.com", "ip4:192.0.2.1",
		"ip4:192.0.2.0/24", "ip4:0.0.0.0/0", "ip6:2001:db8::/32",
		"ip6:::1", "ip6:::ffff:192.0.2.1/128",
		"include:_spf.example.com", "?include:a_b.example",
		"exists:%{ir}.%{v}._spf.%{d2}", "exists:%{l1r+-}.%{o}",
		"exists:%{S}%%.example", "exists:a/b.example.com",
		"redirect=_spf.example.com", "exp=explain._spf.%{d}",
		"moo=", "x-y_z.1=%{d}a/b:c", "EXP=a.example",
		"include:1.2.3.c0m" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char record[100];

		sprintf(record, "v=spf1  %s -all  ", rows[i]);
		if (!check(record).is_valid)
			fail_msg("%s", rows[i]);
		assert_int_equal(diags.count, 0);
	}
}

static void
test_terms_that_are_not(void **state)
{
	static const char *const rows[] = { "-", "+", "~", "b", "mx1", "--all",
		"all:example.com", "all/24", "include",
		"include:", "redirect:x.example", "+redirect=x.example",
		"exists", "exists:", "a:", "a:/24", "a/", "a/33", "a/024",
		"a/24/64", "a//129", "a/24//", "a///64", "a/24x", "a24",
		"mx:example.com/x", "a:example", "a:example..", "a:example.123",
		"a:example.-x", "a:exa\tmple.com", "a:ex\xc3\xa4mple.com",
		"a:%", "a:%x.example", "a:%{", "a:%{d", "a:%{z}", "a:%{dr1}",
		"a:%{d}x", "ptr/24", "ip4", "ip4:", "ip4:192.0.2",
		"ip4:192.0.2.256", "ip4:192.0.2.0/33", "ip4:192.0.2.0/",
		"ip4:192.0.2.0//24", "ip4:2001:db8::", "ip4/24",
		"ip4:mail.example.com", "ip6", "ip6:192.0.2.1",
		"ip6:2001:db8::/129",
		"ip6:2001:db8:::", "redirect=", "redirect=example",
		"exp=", "=x", "1x=y", "_x=y", "x+y=z", "x=%", "ipv4:192.0.2.1",
		"a,mx", "include:a.example,mx", "/24", ":x" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_slice record;
		char text[100];
		struct smx_spf spf;

		sprintf(text, "v=spf1 mx %s ~all", rows[i]);
		spf = check(text);
		if (spf.is_valid || diags.count == 0)
			fail_msg("%s", rows[i]);
		assert_int_equal(spf.all, '~');
		assert_int_equal(items[0].code, SMX_DIAG_SPF_SYNTAX);
		record = smx_slice_text(text);
		assert_int_equal(items[0].line, 1);
		assert_ptr_equal(items[0].arg.p, record.p + items[0].offset);
		assert_int_equal(items[0].offset, 10);
	}
}

static void
test_modifiers_stand_once(void **state)
{
	(void)state;
	assert_false(check("v=spf1 redirect=a.b redirect=a.b").is_valid);
	assert_slice(items[0].arg, "redirect=a.b");
	assert_int_equal(items[0].offset, 20);
	assert_false(check("v=spf1 exp=a.b EXP=a.b").is_valid);
	assert_true(check("v=spf1 exp=a.b redirect=a.b x=1 x=1").is_valid);
}

static void
test_every_faulty_term_is_named(void **state)
{
	(void)state;
	assert_false(check("v=spf1 foo mx bar -all").is_valid);
	assert_int_equal(diags.count, 2);
	assert_slice(items[0].arg, "foo");
	assert_slice(items[1].arg, "bar");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_none_one_and_several),
		cmocka_unit_test(test_qualifier_of_all),
		cmocka_unit_test(test_terms_that_are_valid),
		cmocka_unit_test(test_terms_that_are_not),
		cmocka_unit_test(test_modifiers_stand_once),
		cmocka_unit_test(test_every_faulty_term_is_named),
	};

	return cmocka_run_group_tests_name("spf", tests, NULL, NULL);
}
