#include "unit.h"
#include "base/buf.h"
#include "failing_alloc.h"

#include <jansson.h>

#include "core/json_scan.h"

#define PLENTY ((size_t)1 << 20)
/* Returned when a document was read to its end. */
#define WHOLE 1

static const char good[] =
    " {\"a\":[1,-2.5e+3,\"\\u00fc\\n\\ud83d\\udc22\",true,false,null,{},[]],"
    "\"\\u0062\":{\"c\":\"d\\\"\"} , \"e\" :\t0 }\r\n";

static struct smx_arena arena;

static int
start(void **state)
{
	(void)state;
	smx_arena_init(&arena, NULL, 0, PLENTY);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_arena_done(&arena);
	return 0;
}

/* Every byte of a token can be looked at. */
static void
touch(struct smx_slice s)
{
	volatile char sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum = (char)(sum ^ s.p[i]);
}

/* @return WHOLE, or the status of the token at which it ended. */
static int
scan_all(struct smx_arena *a, struct smx_slice in)
{
	struct smx_json_scan s;
	struct smx_json_token token;
	size_t count = 0;

	smx_json_scan_init(&s, a, in);
	for (;;) {
		int rc = smx_json_scan_next(&s, &token);

		assert_true(s.at <= in.n);
		assert_true(s.depth <= SMX_JSON_DEPTH_MAX);
		if (rc < 0)
			return rc;
		if (token.kind == SMX_JSON_END)
			return WHOLE;
		touch(token.text);
		/* A token takes a byte at the least. */
		assert_true(++count <= in.n);
	}
}

/* The same in memory of exactly that size. */
static int
scan_exact(struct smx_slice in)
{
	char *copy = malloc(in.n + 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, in.p, in.n);
	/* From its end backwards: what lies behind is not ours. */
	memmove(copy + 1, copy, in.n);
	smx_arena_reset(&arena);
	rc = scan_all(&arena, smx_slice(copy + 1, in.n));
	free(copy);
	return rc;
}

/* The first token of a document, when that is all. */
static int
scan_one(struct smx_slice in, struct smx_json_token *ret)
{
	struct smx_json_token end;
	struct smx_json_scan s;
	int rc;

	smx_json_scan_init(&s, &arena, in);
	rc = smx_json_scan_next(&s, ret);
	if (rc == 0)
		rc = smx_json_scan_next(&s, &end);
	if (rc == 0)
		assert_int_equal(end.kind, SMX_JSON_END);
	return rc;
}

static void
test_tokens(void **state)
{
	static const struct {
		enum smx_json_kind kind;
		const char *text;
	} rows[] = {
		{ SMX_JSON_OBJECT, "" },
		{ SMX_JSON_NAME, "a" },
		{ SMX_JSON_ARRAY, "" },
		{ SMX_JSON_NUMBER, "1" },
		{ SMX_JSON_NUMBER, "-2.5e+3" },
		{ SMX_JSON_TEXT, "\xc3\xbc\n\xf0\x9f\x90\xa2" },
		{ SMX_JSON_WORD, "true" },
		{ SMX_JSON_WORD, "false" },
		{ SMX_JSON_WORD, "null" },
		{ SMX_JSON_OBJECT, "" },
		{ SMX_JSON_OBJECT_END, "" },
		{ SMX_JSON_ARRAY, "" },
		{ SMX_JSON_ARRAY_END, "" },
		{ SMX_JSON_ARRAY_END, "" },
		{ SMX_JSON_NAME, "b" },
		{ SMX_JSON_OBJECT, "" },
		{ SMX_JSON_NAME, "c" },
		{ SMX_JSON_TEXT, "d\"" },
		{ SMX_JSON_OBJECT_END, "" },
		{ SMX_JSON_NAME, "e" },
		{ SMX_JSON_NUMBER, "0" },
		{ SMX_JSON_OBJECT_END, "" },
		{ SMX_JSON_END, "" },
		/* And it stays there. */
		{ SMX_JSON_END, "" },
	};
	struct smx_json_scan s;

	(void)state;
	smx_json_scan_init(&s, &arena, SMX_SLICE(good));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_json_token token;

		assert_int_equal(smx_json_scan_next(&s, &token), 0);
		assert_int_equal(token.kind, rows[i].kind);
		assert_true(smx_slice_equal(token.text,
		    smx_slice_text(rows[i].text)));
	}
	assert_int_equal(s.at, sizeof(good) - 1);
	assert_int_equal(s.depth, 0);
}

static void
test_plain_text_borrows(void **state)
{
	const struct smx_slice in = SMX_SLICE("\"plain/\xff\x7f\"");
	struct smx_json_token token;
	struct smx_arena none;
	struct smx_json_scan s;

	(void)state;
	smx_arena_init(&none, NULL, 0, 0);
	smx_json_scan_init(&s, &none, in);
	assert_int_equal(smx_json_scan_next(&s, &token), 0);
	assert_slice(token.text, "plain/\xff\x7f");
	assert_ptr_equal(token.text.p, in.p + 1);
	smx_arena_done(&none);
}

static void
test_escapes(void **state)
{
	static const struct {
		struct smx_slice json, text;
	} rows[] = {
		{ SMX_SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
		    SMX_SLICE("\"\\/\b\f\n\r\t") },
		{ SMX_SLICE("\"a\\nb\""), SMX_SLICE("a\nb") },
		{ SMX_SLICE("\"\\\\\""), SMX_SLICE("\\") },
		{ SMX_SLICE("\"\\u0000\""), SMX_SLICE("\0") },
		{ SMX_SLICE("\"\\u007f\\u0080\""), SMX_SLICE("\x7f\xc2\x80") },
		{ SMX_SLICE("\"\\u07ff\\u0800\""),
		    SMX_SLICE("\xdf\xbf\xe0\xa0\x80") },
		{ SMX_SLICE("\"\\uFfFf\""), SMX_SLICE("\xef\xbf\xbf") },
		{ SMX_SLICE("\"\\ud7ff\\ue000\""),
		    SMX_SLICE("\xed\x9f\xbf\xee\x80\x80") },
		/* Pairs: the first, the last. */
		{ SMX_SLICE("\"\\ud800\\udc00\""),
		    SMX_SLICE("\xf0\x90\x80\x80") },
		{ SMX_SLICE("\"\\uDBFF\\uDFFF\""),
		    SMX_SLICE("\xf4\x8f\xbf\xbf") },
		/* Half a pair: alone, before anything, in the wrong order. */
		{ SMX_SLICE("\"\\ud800\""), SMX_SLICE("\xef\xbf\xbd") },
		{ SMX_SLICE("\"\\udc00\""), SMX_SLICE("\xef\xbf\xbd") },
		{ SMX_SLICE("\"\\ud800x\""), SMX_SLICE("\xef\xbf\xbdx") },
		{ SMX_SLICE("\"\\ud800\\n\""), SMX_SLICE("\xef\xbf\xbd\n") },
		{ SMX_SLICE("\"\\ud800\\u0041\""),
		    SMX_SLICE("\xef\xbf\xbd\x41") },
		{ SMX_SLICE("\"\\udc00\\ud800\""),
		    SMX_SLICE("\xef\xbf\xbd\xef\xbf\xbd") },
		{ SMX_SLICE("\"\\ud800\\ud800\\udc00\""),
		    SMX_SLICE("\xef\xbf\xbd\xf0\x90\x80\x80") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_json_token token;

		smx_arena_reset(&arena);
		assert_int_equal(scan_one(rows[i].json, &token), 0);
		assert_int_equal(token.kind, SMX_JSON_TEXT);
		if (!smx_slice_equal(token.text, rows[i].text))
			fail_msg("%s", rows[i].json.p);
	}
}

static void
test_control_characters(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		const char text[] = { '"', 'a', (char)c, 'b', '"' };
		const char escaped[] = { '"', '\\', 'n', (char)c, 'b', '"' };
		const char name[] = { '{', '"', (char)c, '"', ':', '1', '}' };
		/* RFC 8259, 7: these have to be escaped. */
		int want = c < ' ' || c == '"' ? -SMX_EPARSE : WHOLE;

		/* A backslash makes an escape of what is behind it. */
		if (c == '\\')
			continue;
		assert_int_equal(scan_exact(smx_slice(text, sizeof(text))),
		    want);
		assert_int_equal(
		    scan_exact(smx_slice(escaped, sizeof(escaped))), want);
		assert_int_equal(scan_exact(smx_slice(name, sizeof(name))),
		    want);
	}
}

static int
verdict_of_jansson(struct smx_slice json)
{
	json_error_t error;
	json_t *root = json_loadb(json.p, json.n,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	if (root == NULL) {
		/* Limits of jansson's, not of JSON's. */
		switch (json_error_code(&error)) {
		case json_error_numeric_overflow:
		case json_error_null_byte_in_key:
			return 0;
		default:
			return -SMX_EPARSE;
		}
	}
	json_decref(root);
	return WHOLE;
}

/* Documents, without the first character: that is the verdict, + or -. */
static const char *const documents[] = { "+null", "+ true ", "+false\n",
	"+\"\"", "+0", "+-0", "+0.0", "+1e5", "+1E+05", "+1.25e-7", "+10",
	"+-12.0E5", "+[]", "+[ ]", "+{}", "+{ }", "+[1]", "+[1,2]",
	"+[[],[[]]]", "+{\"a\":1}", "+{\"a\":1,\"a\":2}", "+{\"\":{}}",
	"+\t[\n1\r,\t2 ]\n", "+[1e1,\"\\u0020\"]", "+\"\\u12aF\"",
	"+[true,false,null]", "-", "- ", "-\t", "-nul", "-nulll", "-True",
	"-NULL", "-tru", "-truefalse", "-undefined", "-NaN", "-Infinity",
	"--Infinity", "-'a'", "-\"", "-\"a", "-\"\\\"", "-\"\\", "-\"\\u",
	"-\"\\u1", "-\"\\u123\"", "-\"\\u123g\"", "-\"\\x41\"", "-\"\\'\"",
	"-\"\\a\"", "-\"\\0\"", "-\"\\U0041\"", "-\"\\u 041\"", "-\"\\u+041\"",
	"-\"\\u00\"00\"", "-00", "-01", "--01", "--", "-+1", "-.5", "-1.",
	"--.5", "-1.e1", "-1e", "-1e+", "-1e1.5", "-0x10", "-1_000", "-1,",
	"-,1", "-1 2", "-1a", "-[", "-]", "-[1", "-[1,", "-[1,]", "-[,1]",
	"-[,]", "-[1,,2]", "-[1 2]", "-[1}", "-[1:2]", "-{", "-}", "-{\"a\"",
	"-{\"a\":", "-{\"a\":1", "-{\"a\":1,", "-{\"a\":1,}", "-{,}", "-{:1}",
	"-{\"a\"}", "-{\"a\" 1}", "-{\"a\",1}", "-{\"a\"::1}", "-{a:1}",
	"-{1:1}", "-{null:1}", "-{[]:1}", "-{\"a\":}", "-{\"a\":1 \"b\":2}",
	"-{\"a\":1:\"b\"}", "-{\"a\":1]", "-{}{}", "-{},", "-[]]", "-{}}",
	"-[] x", "-[]null", "-\"a\"\"b\"", "-\"a\"1", "-// c\n1", "-/**/1",
	"-1 // c", "-#\n1", "-\xef\xbb\xbf{}", "-\f1", "-\v1",
	("-\xc2\xa0"
	 "1"),
	"-[\"a\nb\"]", "-\"\t\"" };

static void
test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(documents); i++) {
		struct smx_slice json = smx_slice_text(documents[i] + 1);
		int want = documents[i][0] == '+' ? WHOLE : -SMX_EPARSE;

		if (scan_exact(json) != want)
			fail_msg("%s", documents[i]);
		if (verdict_of_jansson(json) != want)
			fail_msg("jansson: %s", documents[i]);
	}
}

/* There are few documents among them, and many that nearly are. */
static void
test_random_documents(void **state)
{
	static const char *const parts[] = { "{", "}", "[", "]", ",", ":", "\"",
		"\\", "\\u00", "\\n", "0", "1", "e", "E", "+", "-", ".", " ",
		"true", "null", "\"a\"", "\"a\":", "[1,", "],", "}," };
	uint64_t seed = 4;
	size_t whole = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t count = 1 + unit_random(&seed) % 9;
		char storage[64];
		struct smx_buf json;
		int want;

		smx_buf_init_fixed(&json, storage, sizeof(storage));
		while (count-- > 0)
			smx_buf_add_text(&json,
			    parts[unit_random(&seed) % COUNT_OF(parts)]);
		want = verdict_of_jansson(smx_buf_slice(&json));
		smx_arena_reset(&arena);
		if (want != 0 && scan_all(&arena, smx_buf_slice(&json)) != want)
			fail_msg("%s", smx_buf_text(&json));
		whole += want == WHOLE;
	}
	assert_true(whole > 1000);
}

/* Where it is wrong is told. */
static void
test_place_of_the_error(void **state)
{
	static const struct {
		const char *json;
		size_t at;
	} rows[] = { { "[1,x]", 3 }, { "{\"a\"x", 4 }, { "[1x", 2 },
		{ "[] x", 3 }, { "\"ab", 3 }, { "{x", 1 }, { "", 0 },
		{ "\"a\nb\"", 2 }, { "\"a\\xb\"", 2 } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_json_token token = { .kind = SMX_JSON_WORD };
		struct smx_json_scan s;
		int rc = 0;

		smx_json_scan_init(&s, &arena, smx_slice_text(rows[i].json));
		while (rc == 0 && token.kind != SMX_JSON_END)
			rc = smx_json_scan_next(&s, &token);
		assert_int_equal(rc, -SMX_EPARSE);
		if (s.at != rows[i].at)
			fail_msg("%s: %zu", rows[i].json, s.at);
	}
}

static void
test_depth(void **state)
{
	char json[4 * SMX_JSON_DEPTH_MAX + 8];
	struct smx_buf b;

	(void)state;
	for (int deep = SMX_JSON_DEPTH_MAX; deep <= SMX_JSON_DEPTH_MAX + 1;
	     deep++) {
		int want = deep == SMX_JSON_DEPTH_MAX ? WHOLE : -SMX_ELIMIT;

		memset(json, '[', (size_t)deep);
		memset(json + deep, ']', (size_t)deep);
		assert_int_equal(scan_exact(smx_slice(json, 2 * (size_t)deep)),
		    want);
		/* Objects and arrays in turn, each ended as it was begun. */
		smx_buf_init_fixed(&b, json, sizeof(json));
		for (int i = 0; i < deep; i++)
			smx_buf_add_text(&b, i % 2 == 0 ? "[" : "{\"\":");
		if (deep % 2 == 0)
			smx_buf_add_text(&b, "1");
		for (int i = deep - 1; i >= 0; i--)
			smx_buf_add_text(&b, i % 2 == 0 ? "]" : "}");
		assert_int_equal(scan_exact(smx_buf_slice(&b)), want);
	}
	/* Many beside each other are not deep. */
	smx_buf_init(&b, PLENTY);
	for (int i = 0; i < 10000; i++)
		smx_buf_add_text(&b, i == 0 ? "[[[]]" : ",[{}]");
	smx_buf_add_char(&b, ']');
	assert_int_equal(scan_exact(smx_buf_slice(&b)), WHOLE);
	smx_buf_done(&b);
}

static void
test_every_cut(void **state)
{
	const struct smx_slice whole = SMX_SLICE(good);
	/* A blank behind its end may be missing. */
	const size_t end = sizeof(good) - 1 - 2;

	(void)state;
	for (size_t n = 0; n <= whole.n; n++)
		assert_int_equal(scan_exact(smx_slice(good, n)),
		    n < end ? -SMX_EPARSE : WHOLE);
}

static void
test_flipped_bytes(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		char copy[sizeof(good)];
		int rc;

		memcpy(copy, good, sizeof(good));
		for (unsigned i = 0; i <= unit_random(&seed) % 3; i++)
			copy[unit_random(&seed) % (sizeof(good) - 1)] =
			    (char)unit_random(&seed);
		rc = scan_exact(smx_slice(copy, sizeof(good) - 1));
		assert_true(rc == WHOLE || rc == -SMX_EPARSE);
	}
}

static void
test_skip(void **state)
{
	static const char *const values[] = { "1", "\"a\"", "null", "[]", "{}",
		"[1,[2,{\"a\":[]}],\"]\"]", "{\"a\":{\"}\":[{}]},\"b\":1}" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		struct smx_json_token token;
		struct smx_json_scan s;
		struct smx_buf json;

		smx_buf_init(&json, 1000);
		smx_buf_printf(&json, "{\"x\":%s,\"y\":2}", values[i]);
		smx_json_scan_init(&s, &arena, smx_buf_slice(&json));
		for (int k = 0; k < 3; k++)
			assert_int_equal(smx_json_scan_next(&s, &token), 0);
		assert_int_equal(smx_json_scan_skip(&s, &token), 0);
		assert_int_equal(s.depth, 1);
		assert_int_equal(smx_json_scan_next(&s, &token), 0);
		assert_int_equal(token.kind, SMX_JSON_NAME);
		assert_slice(token.text, "y");
		smx_buf_done(&json);
	}
}

static void
test_skip_tells_what_is_wrong(void **state)
{
	static const struct {
		const char *json;
		int rc;
	} rows[] = { { "[1,x]", -SMX_EPARSE }, { "[1", -SMX_EPARSE },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1", -SMX_ELIMIT } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_json_token token;
		struct smx_json_scan s;

		smx_json_scan_init(&s, &arena, smx_slice_text(rows[i].json));
		assert_int_equal(smx_json_scan_next(&s, &token), 0);
		assert_int_equal(smx_json_scan_skip(&s, &token), rows[i].rc);
	}
}

static void
test_integers(void **state)
{
	static const struct {
		const char *json;
		bool is_one;
		int64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "7", true, 7 },
		{ "-301", true, -301 },
		{ "9007199254740992", true, INT64_C(9007199254740992) },
		{ "-9007199254740992", true, -INT64_C(9007199254740992) },
		{ "9007199254740993", false, 0 },
		{ "-9007199254740993", false, 0 },
		{ "18446744073709551617", false, 0 },
		{ "9223372036854775808", false, 0 },
		{ "99999999999999999999999999999999999999", false, 0 },
		{ "1.0", false, 0 },
		{ "1e2", false, 0 },
		{ "\"1\"", false, 0 },
		{ "null", false, 0 },
		{ "true", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_json_token token;
		int64_t value = 4711;

		assert_int_equal(scan_one(smx_slice_text(rows[i].json), &token),
		    0);
		assert_int_equal(smx_json_scan_integer(&token, &value),
		    rows[i].is_one);
		/* It is written on success only. */
		assert_true(value == (rows[i].is_one ? rows[i].value : 4711));
	}
}

/* The arena's cap at every size up to what is needed. */
static void
test_arena_runs_out(void **state)
{
	size_t cap = 0;
	int rc;

	(void)state;
	do {
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, cap++);
		rc = scan_all(&a, SMX_SLICE(good));
		assert_true(rc == WHOLE || rc == -SMX_ENOMEM);
		smx_arena_done(&a);
	} while (rc != WHOLE && cap < 100000);
	assert_int_equal(rc, WHOLE);
	assert_true(cap > 1);
}

static void
test_out_of_memory(void **state)
{
	(void)state;
	failing_alloc_after(0);
	assert_int_equal(scan_all(&arena, SMX_SLICE("[\"\\n\"]")), -SMX_ENOMEM);
	assert_int_equal(scan_all(&arena, SMX_SLICE("{\"\\n\":1}")),
	    -SMX_ENOMEM);
	/* What has no escape needs none. */
	assert_int_equal(scan_all(&arena, SMX_SLICE("{\"a\":[\"b\",1]}")),
	    WHOLE);
	failing_alloc_off();
	assert_int_equal(scan_all(&arena, SMX_SLICE("[\"\\n\"]")), WHOLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tokens),
		TEST(test_plain_text_borrows),
		TEST(test_escapes),
		TEST(test_control_characters),
		TEST(test_verdicts),
		TEST(test_random_documents),
		TEST(test_place_of_the_error),
		TEST(test_depth),
		TEST(test_every_cut),
		TEST(test_flipped_bytes),
		TEST(test_skip),
		TEST(test_skip_tells_what_is_wrong),
		TEST(test_integers),
		TEST(test_arena_runs_out),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
