#include "unit.h"
#include <arpa/inet.h>
#include "core/ip.h"

static void
print(const struct smx_ip *ip, char text[SMX_IP_TEXT_MAX + 1])
{
	struct smx_buf out;

	smx_buf_init_fixed(&out, text, SMX_IP_TEXT_MAX + 1);
	smx_ip_print(ip, &out);
	assert_int_equal(smx_buf_status(&out), 0);
	assert_string_equal(smx_buf_text(&out), text);
}

static void
test_addresses_and_their_form(void **state)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "2001:0DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "0:0:0:0:0:0:0:0", "::" },
		/* One group alone is not left out (RFC 5952, 4.2.2), */
		{ "1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7" },
		{ "1::2:3:4:5:6:7", "1:0:2:3:4:5:6:7" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		/* the longest run is (4.2.3), the first of several. */
		{ "1:0:0:2:0:0:0:3", "1:0:0:2::3" },
		{ "1:0:0:2:3:0:0:4", "1::2:3:0:0:4" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::ffff:192.0.2.1", "::ffff:c000:201" },
		{ "1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201" },
		{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[SMX_IP_TEXT_MAX + 1];
		struct smx_ip ip, again;

		assert_int_equal(
		    smx_ip_parse(smx_slice_text(rows[i].text), &ip), 0);
		print(&ip, text);
		assert_string_equal(text, rows[i].printed);
		assert_int_equal(smx_ip_parse(smx_slice_text(text), &again), 0);
		assert_true(smx_ip_equal(&ip, &again));
	}
}

static void
test_what_is_no_address(void **state)
{
	static const char *const rows[] = { "", ".", "1", "1.2.3", "1.2.3.",
		"1.2.3.4.", "1.2.3.4.5", ".1.2.3.4", "1..2.3", "256.1.1.1",
		"01.2.3.4", "1.2.3.04", "1.2.3.1000", "1.2.3.-4", "1.2.3.4 ",
		"0x1.2.3.4", "1.2.3.a", ":", ":::", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7",
		"1::2::3", "1:2:3:4:5:6:7::8", "::1:2:3:4:5:6:7:8",
		"12345::", "g::", "::g", "1::2:", "1:2:3:4:5:6:7:1.2.3.4",
		"1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:1.2.3.4", "::1.2.3",
		"::1.2.3.256", "fe80::1%1", "[::1]", "::1/128", "1.2.3.4/8" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_ip ip = { .bytes = { 7 } };

		if (smx_ip_parse(smx_slice_text(rows[i]), &ip) != -SMX_EPARSE)
			fail_msg("%s", rows[i]);
		assert_int_equal(ip.bytes[0], 7);
	}
	assert_int_equal(smx_ip_parse(smx_slice(NULL, 0),
			     &(struct smx_ip){ 0 }),
	    -SMX_EPARSE);
}

/* libc reads the same, and the same of what is printed. */
static void
test_random_texts_against_libc(void **state)
{
	static const char *const parts[] = { ":", ":", "::", "0", "1", "ab",
		"ffff", "12345", ".", "1.2.3.4", "255", "g" };
	uint64_t seed = 4;
	int good = 0;

	(void)state;
	for (int round = 0; round < 500000; round++) {
		size_t n = unit_random(&seed) % 16;
		char text[128] = "", printed[SMX_IP_TEXT_MAX + 1];
		uint8_t bytes[16] = { 0 };
		struct smx_ip ip;
		int family, want, got;

		while (n-- > 0)
			strcat(text,
			    parts[unit_random(&seed) % COUNT_OF(parts)]);
		family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
		want = inet_pton(family, text, bytes);
		got = smx_ip_parse(smx_slice_text(text), &ip);
		if ((got == 0) != (want == 1))
			fail_msg("%s: %d, libc %d", text, got, want);
		if (got < 0)
			continue;
		good++;
		assert_int_equal(ip.is_v6, family == AF_INET6);
		assert_memory_equal(ip.bytes, bytes, sizeof(bytes));
		print(&ip, printed);
		assert_int_equal(inet_pton(family, printed, bytes), 1);
		assert_memory_equal(ip.bytes, bytes, sizeof(bytes));
	}
	assert_true(good > 1000);
}

static void
test_equal(void **state)
{
	struct smx_ip a = { .bytes = { 1, 2, 3, 4 } }, b = a;

	(void)state;
	assert_true(smx_ip_equal(&a, &b));
	b.is_v6 = true;
	assert_false(smx_ip_equal(&a, &b));
	b = a;
	b.bytes[3] = 5;
	assert_false(smx_ip_equal(&a, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_and_their_form),
		cmocka_unit_test(test_what_is_no_address),
		cmocka_unit_test(test_random_texts_against_libc),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests_name("ip", tests, NULL, NULL);
}
