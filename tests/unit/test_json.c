#include "unit.h"
#include "core/json.h"

#define PLENTY ((size_t)1 << 20)

static struct smx_json_text texts[] = { { .name = "domain" },
	{ .name = "policy" } };
static struct smx_arena arena;
static struct smx_buf what;

static int
start(void **state)
{
	(void)state;
	smx_arena_init(&arena, NULL, 0, PLENTY);
	smx_buf_init(&what, 1000);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	smx_arena_done(&arena);
	smx_buf_done(&what);
	return 0;
}

static int
read_texts(struct smx_slice json)
{
	smx_buf_reset(&what);
	return smx_json_read_texts(&arena, json, texts, COUNT_OF(texts), &what);
}

static void
assert_printed(struct smx_slice text, const char *want)
{
	char storage[256];
	struct smx_buf out;

	smx_buf_init_fixed(&out, storage, sizeof(storage));
	smx_json_print_text(&out, text);
	assert_int_equal(smx_buf_status(&out), 0);
	assert_string_equal(smx_buf_text(&out), want);
}

static void
test_print(void **state)
{
	(void)state;
	assert_printed(SMX_SLICE("example.com"), "\"example.com\"");
	assert_printed(SMX_SLICE(""), "\"\"");
	assert_printed(SMX_SLICE("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	assert_printed(SMX_SLICE("\r\n\t\x1b\0\x7f"),
	    "\"\\r\\n\\t\\u001b\\u0000\\u007f\"");
	assert_printed(SMX_SLICE("\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\xa2"),
	    "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\xa2\"");
	/* What has no look of its own, or turns the order around. */
	assert_printed(SMX_SLICE("a\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b"),
	    "\"a\\u202e\\u2066\\u200b\"");
	assert_printed(SMX_SLICE("\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf"),
	    "\"\\u2028\\u2029\\ufeff\"");
	assert_printed(SMX_SLICE("\xf3\xa0\x81\x81"), "\"\\udb40\\udc41\"");
	/* What is no UTF-8 would make the whole output no JSON. */
	assert_printed(SMX_SLICE("a\xff\xc3z\xed\xa0\x80"),
	    "\"a\xef\xbf\xbd\xef\xbf\xbdz"
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void
test_what_is_printed_is_read(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char text[40];
		size_t n = unit_random(&seed) % sizeof(text);
		struct smx_buf out;

		/* ASCII, controls included: it must come back as it was. */
		for (size_t i = 0; i < n; i++)
			text[i] = (char)(unit_random(&seed) % 128);
		smx_buf_init(&out, 1000);
		smx_buf_add_text(&out, "{\"policy\":");
		smx_json_print_text(&out, smx_slice(text, n));
		smx_buf_add_text(&out, ",\"domain\":\"a\"}");
		assert_int_equal(read_texts(smx_buf_slice(&out)), 0);
		assert_slice(texts[0].value, "a");
		assert_int_equal(texts[1].value.n, n);
		assert_memory_equal(texts[1].value.p, text, n);
		smx_buf_done(&out);
		smx_arena_reset(&arena);
	}
}

static void
test_random_bytes_print_as_json(void **state)
{
	uint64_t seed = 12;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char text[40];
		size_t n = unit_random(&seed) % sizeof(text);
		struct smx_buf out;

		for (size_t i = 0; i < n; i++)
			text[i] = (char)unit_random(&seed);
		smx_buf_init(&out, 1000);
		smx_buf_add_text(&out, "{\"domain\":\"a\",\"policy\":");
		smx_json_print_text(&out, smx_slice(text, n));
		smx_buf_add_text(&out, "}");
		assert_int_equal(read_texts(smx_buf_slice(&out)), 0);
		smx_buf_done(&out);
		smx_arena_reset(&arena);
	}
}

static void
test_read(void **state)
{
	(void)state;
	assert_int_equal(
	    read_texts(SMX_SLICE(" {\"x\":[1,{}],\"policy\":\"a\\u0000b\\n\","
				 "\"domain\":\"b\\u00fccher.example\"}\n")),
	    0);
	assert_slice(texts[0].value,
	    "b\xc3\xbc"
	    "cher.example");
	assert_slice(texts[1].value, "a\0b\n");
	assert_int_equal(what.n, 0);
}

static void
test_what_can_not_be_read(void **state)
{
	static const char *const rows[] = { "", " ", "x", "null", "\"a\"", "[]",
		"{}", "{\"domain\":\"a\"}", "{\"domain\":\"a\",\"policy\":1}",
		"{\"domain\":null,\"policy\":\"b\"}",
		"{\"domain\":\"a\",\"policy\":\"b\"",
		"{\"domain\":\"a\",\"policy\":\"b\"} x",
		"{\"domain\":\"a\",\"policy\":\"b\",\"policy\":\"c\"}",
		"{\"Domain\":\"a\",\"policy\":\"b\"}",
		"{'domain':'a','policy':'b'}",
		"{\"domain\":\"\xff\",\"policy\":\"b\"}",
		"{\"domain\":\"\\ud800\",\"policy\":\"b\"}",
		"{\"domain\":\"a\nb\",\"policy\":\"b\"}" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (read_texts(smx_slice_text(rows[i])) != -SMX_EPARSE)
			fail_msg("%s", rows[i]);
		/* It says why. */
		assert_true(what.n > 0);
	}
}

static void
test_deep_nesting_does_not_use_up_the_stack(void **state)
{
	static char json[100000];

	(void)state;
	memset(json, '[', sizeof(json));
	assert_int_equal(read_texts(smx_slice(json, sizeof(json))),
	    -SMX_EPARSE);
}

static void
test_text_beyond_the_limit(void **state)
{
	char *json = malloc(SMX_JSON_BYTES_MAX + 1);

	(void)state;
	assert_non_null(json);
	memset(json, ' ', SMX_JSON_BYTES_MAX + 1);
	assert_int_equal(read_texts(smx_slice(json, SMX_JSON_BYTES_MAX + 1)),
	    -SMX_ELIMIT);
	memcpy(json, "{\"domain\":\"a\",\"policy\":\"b\"}", 27);
	assert_int_equal(read_texts(smx_slice(json, SMX_JSON_BYTES_MAX)), 0);
	free(json);
}

static void
test_arena_runs_out(void **state)
{
	const struct smx_slice json = SMX_SLICE(
	    "{\"domain\":\"example.com\",\"policy\":\"version: STSv1\"}");
	size_t cap = 0;
	int rc;

	(void)state;
	do {
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap++);
		smx_buf_reset(&what);
		rc = smx_json_read_texts(&a, json, texts, COUNT_OF(texts),
		    &what);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		smx_arena_done(&a);
	} while (rc < 0 && cap < 1000);
	assert_int_equal(rc, 0);
	assert_true(cap > 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_print),
		TEST(test_what_is_printed_is_read),
		TEST(test_random_bytes_print_as_json),
		TEST(test_read),
		TEST(test_what_can_not_be_read),
		TEST(test_deep_nesting_does_not_use_up_the_stack),
		TEST(test_text_beyond_the_limit),
		TEST(test_arena_runs_out),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
