#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

#include "io/address.h"

static bool
is_public(const char *text)
{
	struct smx_address a = { 0 };

	if (inet_pton(AF_INET, text, &a.u.v4.sin_addr) == 1)
		a.u.v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a.u.v6.sin6_addr) == 1)
		a.u.v6.sin6_family = AF_INET6;
	else
		fail_msg("%s is no address", text);
	return smx_address_is_public(&a.u.any);
}

static void
test_special_ranges_are_not_public(void **state)
{
	/* The first and the last address of each, where that is easy to say. */
	static const char *const special[] = { "0.0.0.0", "0.255.255.255",
		"10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
		"127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.0",
		"172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.0.1",
		"192.168.255.255", "198.18.0.0", "198.19.255.255",
		"198.51.100.7", "203.0.113.255", "224.0.0.1", "239.255.255.255",
		"240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
		"::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::7f00:1",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::", "2002:a00:1::1", "fc00::1", "fd12::1",
		"fe80::1", "fec0::1", "ff02::1", "3fff::1" };

	(void)state;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (is_public(special[i]))
			fail_msg("%s passes as public", special[i]);
}

static void
test_neighbours_of_special_ranges_are_public(void **state)
{
	static const char *const public[] = { "1.0.0.0", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
		"172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255",
		"192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
		"198.51.101.0", "203.0.112.255", "203.0.114.0",
		"223.255.255.255", "2001:200::1", "2001:db7:ffff::1",
		"2001:db9::1", "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8",
		"64:ff9b::808:808" };

	(void)state;
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		if (!is_public(public[i]))
			fail_msg("%s does not pass as public", public[i]);
}

static void
test_written_as_read(void **state)
{
	static const char *const texts[] = { "127.0.0.1:8461",
		"[2001:db8::1]:1", "unix:/run/x", "0.0.0.0:65535" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct smx_address a;
		struct smx_buf out, reason;

		smx_buf_init(&out, 1000);
		smx_buf_init(&reason, 1000);
		assert_int_equal(smx_address_parse(texts[i], &a, &reason), 0);
		smx_address_print(&a, &out);
		assert_string_equal(smx_buf_text(&out), texts[i]);
		smx_buf_done(&out);
		smx_buf_done(&reason);
	}
}

static void
test_faulty_ones_are_explained(void **state)
{
	char longest[200];
	const char *const texts[] = { "", "x", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
		"127.0.0.1:1x", "localhost:25", "[::1:25", "[]:1", "1.2.3:4",
		"unix:", "unix:relative", longest };

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "unix:/", 6);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct smx_address a;
		struct smx_buf reason;

		smx_buf_init(&reason, 1000);
		if (smx_address_parse(texts[i], &a, &reason) != -SMX_EPARSE ||
		    reason.n == 0)
			fail_msg("\"%s\" is accepted or not explained",
			    texts[i]);
		smx_buf_done(&reason);
	}
}

static void
test_servers(void **state)
{
	static const char *const good[] = { "127.0.0.1", "127.0.0.1@5353",
		"::1", "::1@53", "resolv.conf" };
	static const char *const bad[] = { "", "@53", "127.0.0.1@", "x",
		"127.0.0.1@0", "127.0.0.1:53", "resolv.conf@53" };
	struct smx_buf reason;

	(void)state;
	smx_buf_init(&reason, 1000);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(smx_address_parse_server(good[i], &reason), 0);
	assert_int_equal(reason.n, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(smx_address_parse_server(bad[i], &reason),
		    -SMX_EPARSE);
	smx_buf_done(&reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_special_ranges_are_not_public),
		cmocka_unit_test(test_neighbours_of_special_ranges_are_public),
		cmocka_unit_test(test_written_as_read),
		cmocka_unit_test(test_faulty_ones_are_explained),
		cmocka_unit_test(test_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
