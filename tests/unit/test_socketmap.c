#include "unit.h"
#include "core/limits.h"
#include "core/netstring.h"
#include "core/socketmap.h"

static void
test_requests(void **state)
{
	static const struct {
		const char *payload;
		enum smx_socketmap_form form;
		const char *map;
		const char *key;
	} rows[] = {
		{ "strictmx example.com", SMX_SOCKETMAP_TLSRPT, "strictmx",
		    "example.com" },
		{ "strictmx-plain example.com", SMX_SOCKETMAP_PLAIN,
		    "strictmx-plain", "example.com" },
		{ "QUERY example.com", SMX_SOCKETMAP_PLAIN, "QUERY",
		    "example.com" },
		{ "QUERYwithTLSRPT example.com", SMX_SOCKETMAP_TLSRPT,
		    "QUERYwithTLSRPT", "example.com" },
		{ "postfix [mx.example]:587", SMX_SOCKETMAP_PLAIN, "postfix",
		    "[mx.example]:587" },
		/* A form that a Postfix doesn't know stops its mail: only the
		 * two exact names ask for it. */
		{ "STRICTMX a", SMX_SOCKETMAP_PLAIN, "STRICTMX", "a" },
		{ "strictmx2 a", SMX_SOCKETMAP_PLAIN, "strictmx2", "a" },
		{ "strict a", SMX_SOCKETMAP_PLAIN, "strict", "a" },
		{ "QUERYWITHTLSRPT a", SMX_SOCKETMAP_PLAIN, "QUERYWITHTLSRPT",
		    "a" },
		{ "x y", SMX_SOCKETMAP_PLAIN, "x", "y" },
		{ "strictmx a b", SMX_SOCKETMAP_TLSRPT, "strictmx", "a b" },
		{ "strictmx  a", SMX_SOCKETMAP_TLSRPT, "strictmx", " a" },
		{ "strictmx ", SMX_SOCKETMAP_TLSRPT, "strictmx", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_socketmap_request r;

		assert_int_equal(smx_socketmap_parse_request(
				     smx_slice_text(rows[i].payload), &r),
		    0);
		assert_int_equal(r.form, rows[i].form);
		assert_true(smx_slice_equal(r.map,
		    smx_slice_text(rows[i].map)));
		assert_true(smx_slice_equal(r.key,
		    smx_slice_text(rows[i].key)));
	}
}

static void
test_what_is_no_request(void **state)
{
	static const char *const rows[] = { "", " ", " example.com", "strictmx",
		"strictmx\texample.com" };
	struct smx_socketmap_request r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(
		    smx_socketmap_parse_request(smx_slice_text(rows[i]), &r),
		    -SMX_EPARSE);
	assert_int_equal(smx_socketmap_parse_request(smx_slice(NULL, 0), &r),
	    -SMX_EPARSE);
}

static void
test_replies_as_they_go_out(void **state)
{
	static const struct {
		enum smx_socketmap_status status;
		const char *data;
		const char *want;
	} rows[] = {
		{ SMX_SOCKETMAP_OK, "secure match=a", "17:OK secure match=a," },
		{ SMX_SOCKETMAP_NOTFOUND, "", "9:NOTFOUND ," },
		{ SMX_SOCKETMAP_TEMP, "dns", "8:TEMP dns," },
		{ SMX_SOCKETMAP_TIMEOUT, "slow", "12:TIMEOUT slow," },
		{ SMX_SOCKETMAP_PERM, "no", "7:PERM no," },
		{ SMX_SOCKETMAP_PERM, "", "5:PERM ," },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char storage[100];
		struct smx_buf out;

		smx_buf_init_fixed(&out, storage, sizeof(storage));
		smx_socketmap_print_reply(&out, rows[i].status,
		    smx_slice_text(rows[i].data));
		assert_string_equal(smx_buf_text(&out), rows[i].want);
	}
}

static void
test_replies_come_back(void **state)
{
	(void)state;
	for (int i = SMX_SOCKETMAP_OK; i <= SMX_SOCKETMAP_PERM; i++) {
		enum smx_socketmap_status status;
		struct smx_slice payload, data;
		char storage[100];
		size_t consumed;
		struct smx_buf out;

		smx_buf_init_fixed(&out, storage, sizeof(storage));
		smx_socketmap_print_reply(&out, (enum smx_socketmap_status)i,
		    SMX_SLICE("a b, c"));
		assert_int_equal(smx_netstring_parse(smx_buf_slice(&out),
				     SMX_SOCKETMAP_REPLY_MAX, &payload,
				     &consumed),
		    0);
		assert_int_equal(
		    smx_socketmap_parse_reply(payload, &status, &data), 0);
		assert_int_equal(status, i);
		assert_slice(data, "a b, c");
	}
}

static void
test_what_is_no_reply(void **state)
{
	static const char *const rows[] = { "", "OK", "ok x", "NOTFOUND",
		"OKAY x", " OK x", "TEMPORARY x", "PERM", "TIMEOUT\tx" };
	enum smx_socketmap_status status;
	struct smx_slice data;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(smx_socketmap_parse_reply(
				     smx_slice_text(rows[i]), &status, &data),
		    -SMX_EPARSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_what_is_no_request),
		cmocka_unit_test(test_replies_as_they_go_out),
		cmocka_unit_test(test_replies_come_back),
		cmocka_unit_test(test_what_is_no_reply),
	};

	return cmocka_run_group_tests_name("socketmap", tests, NULL, NULL);
}
