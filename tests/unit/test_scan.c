#include "unit.h"
#include "base/scan.h"

/* Each class against its definition in RFC 5234, appendix B.1. */
static void
test_classes_of_every_byte(void **state)
{
	static const char alpha[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool is_alpha = i != 0 && strchr(alpha, i) != NULL;
		bool is_digit = i != 0 && strchr("0123456789", i) != NULL;
		const char *at = i != 0 ? strchr(alpha, i) : NULL;

		assert_int_equal(smx_scan_is_alpha(c), is_alpha);
		assert_int_equal(smx_scan_is_digit(c), is_digit);
		assert_int_equal(smx_scan_is_alnum(c), is_alpha || is_digit);
		assert_int_equal(smx_scan_is_wsp(c), i == ' ' || i == '\t');
		if (at != NULL && at - alpha < 26)
			assert_int_equal(smx_scan_lower(c), at[26]);
		else
			assert_int_equal(smx_scan_lower(c), c);
	}
}

static void
test_blanks(void **state)
{
	(void)state;
	assert_int_equal(smx_scan_skip_wsp(SMX_SLICE(" \t x"), 0), 3);
	assert_int_equal(smx_scan_skip_wsp(SMX_SLICE("x "), 0), 0);
	assert_int_equal(smx_scan_skip_wsp(SMX_SLICE("x "), 1), 2);
	assert_int_equal(smx_scan_skip_wsp(SMX_SLICE("x"), 5), 5);
	assert_int_equal(smx_scan_skip_wsp(smx_slice(NULL, 0), 0), 0);
	assert_slice(smx_scan_trim_end(SMX_SLICE(" a b\t ")), " a b");
	assert_slice(smx_scan_trim_end(SMX_SLICE(" \t ")), "");
	assert_slice(smx_scan_trim_end(SMX_SLICE("a\r\n")), "a\r\n");
	assert_int_equal(smx_scan_trim_end(smx_slice(NULL, 0)).n, 0);
}

static size_t
encode(uint32_t point, char to[4])
{
	if (point < 0x80) {
		to[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		to[0] = (char)(0xc0 | point >> 6);
		to[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		to[0] = (char)(0xe0 | point >> 12);
		to[1] = (char)(0x80 | (point >> 6 & 0x3f));
		to[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | point >> 18);
	to[1] = (char)(0x80 | (point >> 12 & 0x3f));
	to[2] = (char)(0x80 | (point >> 6 & 0x3f));
	to[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

static void
test_utf8_of_every_code_point(void **state)
{
	(void)state;
	for (uint32_t point = 0; point < 0x140000; point++) {
		bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
		char bytes[4];
		size_t n = encode(point, bytes), want = n;

		if (is_surrogate || point > 0x10ffff)
			want = 0;
		if (smx_scan_utf8(smx_slice(bytes, n)) != want)
			fail_msg("U+%04X", point);
		/* Cut short, it is no character. */
		for (size_t cut = n; --cut > 0;)
			if (smx_scan_utf8(smx_slice(bytes, cut)) != 0)
				fail_msg("U+%04X cut to %zu", point, cut);
	}
}

static void
test_utf8_takes_one_character_only(void **state)
{
	(void)state;
	assert_int_equal(smx_scan_utf8(SMX_SLICE("ab")), 1);
	assert_int_equal(smx_scan_utf8(SMX_SLICE("\xc3\xa9\xff")), 2);
	assert_int_equal(smx_scan_utf8(SMX_SLICE("\xe2\x82\xac\x80")), 3);
	assert_int_equal(smx_scan_utf8(SMX_SLICE("\xf0\x9f\x90\xa2z")), 4);
	assert_int_equal(smx_scan_utf8(SMX_SLICE("\0")), 1);
	assert_int_equal(smx_scan_utf8(smx_slice(NULL, 0)), 0);
}

static void
test_utf8_that_is_none(void **state)
{
	static const struct {
		const char *bytes;
		const char *what;
	} rows[] = {
		{ "\x80", "a tail without a head" },
		{ "\xbf\x80", "two tails" },
		{ "\xc0\x80", "NUL, overlong" },
		{ "\xc1\xbf", "DEL, overlong" },
		{ "\xe0\x80\xaf", "slash, overlong in three" },
		{ "\xe0\x9f\xbf", "U+07FF, overlong in three" },
		{ "\xf0\x80\x80\xaf", "slash, overlong in four" },
		{ "\xf0\x8f\xbf\xbf", "U+FFFF, overlong in four" },
		{ "\xed\xa0\x80", "first surrogate" },
		{ "\xed\xbf\xbf", "last surrogate" },
		{ "\xf4\x90\x80\x80", "U+110000" },
		{ "\xf5\x80\x80\x80", "head beyond Unicode" },
		{ "\xf8\x88\x80\x80\x80", "five bytes" },
		{ "\xfe", "never in UTF-8" },
		{ "\xff", "never in UTF-8" },
		{ "\xc3x", "ASCII where a tail belongs" },
		{ "\xe2\x82x", "ASCII where the second tail belongs" },
		{ "\xf0\x9f\x90\xc3", "a head where the last tail belongs" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (smx_scan_utf8(smx_slice_text(rows[i].bytes)) != 0)
			fail_msg("%s", rows[i].what);
}

static void
test_controls(void **state)
{
	static const struct smx_slice steering[] = { SMX_SLICE("\x1b"),
		SMX_SLICE("\x7f"), SMX_SLICE("\xc2\x9b"),
		SMX_SLICE("\xe2\x80\xae"), SMX_SLICE("\xe2\x81\xa9"),
		SMX_SLICE("\xe2\x80\x8b"), SMX_SLICE("\xe2\x80\xa8"),
		SMX_SLICE("\xe2\x80\xa9"), SMX_SLICE("\xef\xbb\xbf"),
		SMX_SLICE("\xf3\xa0\x81\x81") };
	static const struct smx_slice plain[] = { SMX_SLICE(" "),
		SMX_SLICE("~"), SMX_SLICE("\xc2\xa0"), SMX_SLICE("\xc3\xbc"),
		SMX_SLICE("\xe2\x82\xac"), SMX_SLICE("\xf0\x9f\x90\xa2") };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(steering); i++)
		if (!smx_scan_is_control(smx_scan_code_point(steering[i])))
			fail_msg("%zu is let through", i);
	for (size_t i = 0; i < COUNT_OF(plain); i++)
		if (smx_scan_is_control(smx_scan_code_point(plain[i])))
			fail_msg("%zu is held back", i);
	assert_int_equal(smx_scan_code_point(SMX_SLICE("\xe2\x82\xac")),
	    0x20ac);
	assert_int_equal(smx_scan_code_point(SMX_SLICE("\xf0\x9f\x90\xa2")),
	    0x1f422);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes_of_every_byte),
		cmocka_unit_test(test_blanks),
		cmocka_unit_test(test_utf8_of_every_code_point),
		cmocka_unit_test(test_utf8_takes_one_character_only),
		cmocka_unit_test(test_utf8_that_is_none),
		cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
