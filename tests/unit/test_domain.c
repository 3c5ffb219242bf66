#include "unit.h"
#include "base/scan.h"
#include "core/domain.h"

/* Labels of @p label x's, joined with dots, until the name has @p bytes. */
static struct smx_slice
long_name(char *to, size_t bytes, size_t label)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (i + 1) % (label + 1) == 0 ? '.' : 'x';
	return smx_slice(to, bytes);
}

static void
test_host_names(void **state)
{
	static const char *const rows[] = { "a", "localhost", "example.com",
		"MX.Example.COM", "a-b.example", "a--b.example", "1.example",
		"0a.1b.2c", "xn--bcher-kva.example", "123.456.789a",
		"example.xn--p1ai", "a.b.c.d.e.f" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!smx_domain_is_host(smx_slice_text(rows[i])))
			fail_msg("%s", rows[i]);
}

static void
test_what_is_no_host_name(void **state)
{
	static const char *const rows[] = { "", ".", "..", "a.", ".a", "a..b",
		"-a.example", "a-.example", "a.-example", "a.example-", "-",
		"a_b.example", "_mta-sts.example", "a b", "a,b", " a", "a ",
		"*.example", "*", "a*b", "[192.0.2.1]", "192.0.2.1", "1",
		"example.1", "example.com:25", "\xc3\xbc.example", "a\x7f",
		"a/b", "a@b", "a\\b" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (smx_domain_is_host(smx_slice_text(rows[i])))
			fail_msg("%s", rows[i]);
	assert_false(smx_domain_is_host(smx_slice(NULL, 0)));
	assert_false(smx_domain_is_host(SMX_SLICE("a\0.example")));
	assert_false(smx_domain_is_host(SMX_SLICE("example\0")));
}

static void
test_label_of_63_and_64(void **state)
{
	char name[128];

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_true(smx_domain_is_host(smx_slice(name, 63)));
	assert_false(smx_domain_is_host(smx_slice(name, 64)));
	/* The same in the first, a middle and the last of several labels. */
	name[63] = '.';
	assert_true(smx_domain_is_host(smx_slice(name, 64 + 63)));
	assert_false(smx_domain_is_host(smx_slice(name, 64 + 64)));
	memset(name, 'x', sizeof(name));
	name[64] = '.';
	assert_false(smx_domain_is_host(smx_slice(name, 66)));
	memset(name, 'x', sizeof(name));
	name[1] = name[66] = '.';
	assert_false(smx_domain_is_host(smx_slice(name, 68)));
}

static void
test_name_of_253_and_254(void **state)
{
	char name[300];
	struct smx_domain d;

	(void)state;
	assert_true(smx_domain_is_host(long_name(name, 253, 61)));
	assert_false(smx_domain_is_host(long_name(name, 254, 61)));
	assert_false(smx_domain_is_host(long_name(name, 300, 61)));
	/* The final dot is not counted. */
	long_name(name, 253, 61);
	name[253] = '.';
	assert_int_equal(smx_domain_parse(smx_slice(name, 254), &d), 0);
	assert_int_equal(d.n, 253);
	assert_int_equal(d.text[253], '\0');
	long_name(name, 254, 61);
	name[254] = '.';
	assert_int_equal(smx_domain_parse(smx_slice(name, 254), &d),
	    -SMX_EPARSE);
	assert_int_equal(smx_domain_parse(smx_slice(name, 255), &d),
	    -SMX_EPARSE);
}

static void
test_addresses(void **state)
{
	static const char *const yes[] = { "192.0.2.1", "0.0.0.0", "1", "1.2",
		"999.999.999.999", "1.2.3.4.5", "2130706433", "..1" };
	static const char *const no[] = { "", "a", "a.1.example", "1.2.3.4a",
		"a1", "1a.2", "x.192.0.2.1", "1.2.3.4.", "1-2.3", "[1.2.3.4]" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(yes); i++)
		if (!smx_domain_is_ipv4(smx_slice_text(yes[i])))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < COUNT_OF(no); i++)
		if (smx_domain_is_ipv4(smx_slice_text(no[i])))
			fail_msg("%s", no[i]);
	assert_false(smx_domain_is_ipv4(smx_slice(NULL, 0)));
}

static void
test_canonical_form(void **state)
{
	static const struct {
		const char *name;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "example.com", "example.com" },
		{ "EXAMPLE.Com", "example.com" },
		{ "example.com.", "example.com" },
		{ "A", "a" },
		{ "a.", "a" },
		{ "XN--BCHER-KVA.Example", "xn--bcher-kva.example" },
		{ "example.com..", NULL },
		{ ".", NULL },
		{ "..", NULL },
		{ "", NULL },
		{ ".example.com", NULL },
		{ "192.0.2.1", NULL },
		{ "192.0.2.1.", NULL },
		{ "*.example.com", NULL },
		{ "\xc3\xbc.example", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_domain d = { "untouched", 9 };
		int rc = smx_domain_parse(smx_slice_text(rows[i].name), &d);

		if (rows[i].want == NULL) {
			assert_int_equal(rc, -SMX_EPARSE);
			assert_string_equal(d.text, "untouched");
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(d.text, rows[i].want);
		assert_int_equal(d.n, strlen(rows[i].want));
		assert_ptr_equal(smx_domain_slice(&d).p, d.text);
		assert_int_equal(smx_domain_slice(&d).n, d.n);
	}
}

static void
test_equal_without_regard_to_case(void **state)
{
	(void)state;
	assert_true(smx_domain_equal(SMX_SLICE("mx.EXAMPLE"),
	    SMX_SLICE("MX.example")));
	assert_false(smx_domain_equal(SMX_SLICE("mx.example"),
	    SMX_SLICE("mx.exampl")));
	assert_false(smx_domain_equal(SMX_SLICE("mx.example"),
	    SMX_SLICE("my.example")));
	/* '@' and '`', '[' and '{' differ in the same bit as letters do. */
	assert_false(smx_domain_equal(SMX_SLICE("@"), SMX_SLICE("`")));
	assert_false(smx_domain_equal(SMX_SLICE("["), SMX_SLICE("{")));
	/* Only ASCII has a case here, whatever the locale says. */
	assert_false(smx_domain_equal(SMX_SLICE("\xc9"), SMX_SLICE("\xe9")));
	assert_true(smx_domain_equal(smx_slice(NULL, 0), SMX_SLICE("")));
}

/* Written a second time, label by label, to compare with. */
static bool
is_host_by_labels(struct smx_slice name)
{
	bool numeric = false;

	if (name.n > SMX_DOMAIN_MAX)
		return false;
	for (;;) {
		size_t n = smx_slice_find(name, '.');

		if (n == 0 || n > SMX_LABEL_MAX || name.p[0] == '-' ||
		    name.p[n - 1] == '-')
			return false;
		numeric = true;
		for (size_t i = 0; i < n; i++) {
			if (!smx_scan_is_alnum(name.p[i]) && name.p[i] != '-')
				return false;
			if (!smx_scan_is_digit(name.p[i]))
				numeric = false;
		}
		if (n == name.n)
			return !numeric;
		name = smx_slice_from(name, n + 1);
	}
}

static void
test_random_names_against_a_second_reading(void **state)
{
	static const char bytes[] = "aZ09-..x_";
	uint64_t seed = 7;
	int hosts = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char name[300];
		size_t n = unit_random(&seed) % 12;
		struct smx_slice s;

		if (round % 100 == 0)
			n = unit_random(&seed) % sizeof(name);
		for (size_t i = 0; i < n; i++)
			name[i] =
			    bytes[unit_random(&seed) % (sizeof(bytes) - 1)];
		s = smx_slice(name, n);
		assert_int_equal(smx_domain_is_host(s), is_host_by_labels(s));
		hosts += smx_domain_is_host(s);
	}
	/* Both answers are met often enough to mean something. */
	assert_in_range(hosts, 10000, 190000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_names),
		cmocka_unit_test(test_what_is_no_host_name),
		cmocka_unit_test(test_label_of_63_and_64),
		cmocka_unit_test(test_name_of_253_and_254),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_canonical_form),
		cmocka_unit_test(test_equal_without_regard_to_case),
		cmocka_unit_test(test_random_names_against_a_second_reading),
	};

	return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
