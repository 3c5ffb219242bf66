#include "unit.h"
#include "core/limits.h"
#include "core/netstring.h"

static int
parse(struct smx_slice in, size_t max, struct smx_slice *ret_payload,
    size_t *ret_consumed)
{
	/* Exactly as long as the input: a sanitizer sees a read beyond it. */
	char *copy = malloc(in.n != 0 ? in.n : 1);
	int rc;

	assert_non_null(copy);
	if (in.n != 0)
		memcpy(copy, in.p, in.n);
	rc = smx_netstring_parse(smx_slice(copy, in.n), max, ret_payload,
	    ret_consumed);
	if (rc == 0)
		*ret_payload = smx_slice(in.p + (ret_payload->p - copy),
		    ret_payload->n);
	free(copy);
	return rc;
}

static void
test_rows(void **state)
{
	static const struct {
		struct smx_slice in;
		int rc;
		const char *payload;
		size_t consumed;
	} rows[] = {
		{ { "0:,", 3 }, 0, "", 3 },
		{ { "1:a,", 4 }, 0, "a", 4 },
		{ { "5:ab,c:,", 8 }, 0, "ab,c:", 8 },
		{ { "10:0123456789,x", 15 }, 0, "0123456789", 14 },
		{ { "2:ab,2:cd,", 10 }, 0, "ab", 5 },
		{ { "", 0 }, -SMX_EAGAIN, "", 0 },
		{ { "1", 1 }, -SMX_EAGAIN, "", 0 },
		{ { "0", 1 }, -SMX_EAGAIN, "", 0 },
		{ { "12", 2 }, -SMX_EAGAIN, "", 0 },
		{ { "1:", 2 }, -SMX_EAGAIN, "", 0 },
		{ { "0:", 2 }, -SMX_EAGAIN, "", 0 },
		{ { "1:a", 3 }, -SMX_EAGAIN, "", 0 },
		{ { ":", 1 }, -SMX_EPARSE, "", 0 },
		{ { "a", 1 }, -SMX_EPARSE, "", 0 },
		{ { "-1:a,", 5 }, -SMX_EPARSE, "", 0 },
		{ { "+1:a,", 5 }, -SMX_EPARSE, "", 0 },
		{ { " 1:a,", 5 }, -SMX_EPARSE, "", 0 },
		{ { "1 :a,", 5 }, -SMX_EPARSE, "", 0 },
		{ { "0x1:a,", 6 }, -SMX_EPARSE, "", 0 },
		{ { "01:a,", 5 }, -SMX_EPARSE, "", 0 },
		{ { "00:,", 4 }, -SMX_EPARSE, "", 0 },
		{ { "1:ab", 4 }, -SMX_EPARSE, "", 0 },
		{ { "1:a\n", 4 }, -SMX_EPARSE, "", 0 },
		{ { "2:a,,", 5 }, 0, "a,", 5 },
		{ { "0:x", 3 }, -SMX_EPARSE, "", 0 },
		{ { "1a", 2 }, -SMX_EPARSE, "", 0 },
		{ { "GET / HTTP/1.1\r\n", 16 }, -SMX_EPARSE, "", 0 },
		{ { "101", 3 }, -SMX_ELIMIT, "", 0 },
		{ { "99999999999999999999999999:", 27 }, -SMX_ELIMIT, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_slice payload = { "untouched", 9 };
		size_t consumed = 77;
		int rc = parse(rows[i].in, 100, &payload, &consumed);

		if (rc != rows[i].rc)
			fail_msg("\"%s\": %d", rows[i].in.p, rc);
		if (rc == 0) {
			assert_int_equal(payload.n, strlen(rows[i].payload));
			assert_memory_equal(payload.p, rows[i].payload,
			    payload.n);
			assert_int_equal(consumed, rows[i].consumed);
		} else {
			assert_slice(payload, "untouched");
			assert_int_equal(consumed, 77);
		}
	}
}

static void
test_payload_of_the_limit_and_one_more(void **state)
{
	static char in[SMX_SOCKETMAP_REQUEST_MAX + 10];
	struct smx_slice payload;
	size_t consumed, n;

	(void)state;
	memset(in, 'x', sizeof(in));
	memcpy(in, "10000:", 6);
	in[6 + 10000] = ',';
	n = 6 + 10000 + 1;
	assert_int_equal(parse(smx_slice(in, n), SMX_SOCKETMAP_REQUEST_MAX,
			     &payload, &consumed),
	    0);
	assert_int_equal(payload.n, 10000);
	assert_int_equal(consumed, n);
	/* One more is refused as soon as its length is there. */
	assert_int_equal(parse(SMX_SLICE("10001"), SMX_SOCKETMAP_REQUEST_MAX,
			     &payload, &consumed),
	    -SMX_ELIMIT);
}

/* However the bytes arrive, the same netstrings come out. */
static void
test_chunk_boundaries(void **state)
{
	static const struct smx_slice stream = {
		"0:,3:abc,12:a,b:c,d:e,fg,1:,,", 29
	};
	static const char *const want[] = { "", "abc", "a,b:c,d:e,fg", "," };

	(void)state;
	for (size_t cut = 0; cut <= stream.n; cut++) {
		size_t have = cut, at = 0, met = 0;

		while (at < stream.n) {
			struct smx_slice payload;
			size_t consumed = 0;
			int rc = parse(smx_slice(stream.p + at, have - at), 100,
			    &payload, &consumed);

			if (rc == -SMX_EAGAIN) {
				/* Only when something is really missing. */
				assert_true(have < stream.n);
				have = stream.n;
				continue;
			}
			assert_int_equal(rc, 0);
			assert_true(met < COUNT_OF(want));
			assert_int_equal(payload.n, strlen(want[met]));
			assert_memory_equal(payload.p, want[met], payload.n);
			at += consumed;
			met++;
		}
		assert_int_equal(met, COUNT_OF(want));
	}
}

static void
test_byte_by_byte_only_the_last_completes(void **state)
{
	static const struct smx_slice one = { "12:hello, world,", 16 };
	struct smx_slice payload;
	size_t consumed;

	(void)state;
	for (size_t n = 0; n < one.n; n++)
		assert_int_equal(parse(smx_slice(one.p, n), 100, &payload,
				     &consumed),
		    -SMX_EAGAIN);
	assert_int_equal(parse(one, 100, &payload, &consumed), 0);
	assert_slice(payload, "hello, world");
}

static void
test_print_and_parse_again(void **state)
{
	static char bytes[300];
	struct smx_buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		size_t head = n / 3, consumed;
		struct smx_slice payload;

		smx_buf_init(&out, 1000);
		smx_netstring_print(&out, smx_slice(bytes, head),
		    smx_slice(bytes + head, n - head));
		assert_int_equal(smx_buf_status(&out), 0);
		assert_int_equal(smx_netstring_parse(smx_buf_slice(&out), 1000,
				     &payload, &consumed),
		    0);
		assert_int_equal(consumed, out.n);
		assert_int_equal(payload.n, n);
		assert_memory_equal(payload.p, bytes, n);
		smx_buf_done(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_payload_of_the_limit_and_one_more),
		cmocka_unit_test(test_chunk_boundaries),
		cmocka_unit_test(test_byte_by_byte_only_the_last_completes),
		cmocka_unit_test(test_print_and_parse_again),
	};

	return cmocka_run_group_tests_name("netstring", tests, NULL, NULL);
}
