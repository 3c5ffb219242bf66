#include "unit.h"
#include "core/media_type.h"

static void
test_text_plain(void **state)
{
	static const char *const rows[] = { "text/plain", "TEXT/Plain",
		"text/plain;charset=utf-8", "text/plain; charset=us-ascii",
		"text/plain ; charset=utf-16; format=flowed", " text/plain\t",
		"text/plain;", "text/plain;;", "text/plain; \"" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!smx_media_type_is_text_plain(smx_slice_text(rows[i])))
			fail_msg("%s", rows[i]);
}

static void
test_other_types(void **state)
{
	static const char *const rows[] = { "", ";", ";text/plain", "text",
		"text/", "text/plainx", "xtext/plain", "text/html",
		"text /plain", "text/ plain", "text/*", "*/*",
		"text/plain, text/html", "text/html, text/plain",
		"text/plain charset=utf-8", "application/octet-stream",
		"\"text/plain\"" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (smx_media_type_is_text_plain(smx_slice_text(rows[i])))
			fail_msg("%s", rows[i]);
	assert_false(smx_media_type_is_text_plain(SMX_SLICE("text/plain\0")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_plain),
		cmocka_unit_test(test_other_types),
	};

	return cmocka_run_group_tests_name("media_type", tests, NULL, NULL);
}
