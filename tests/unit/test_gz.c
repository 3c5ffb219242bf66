#include "unit.h"
#include "failing_alloc.h"
#include "core/gz.h"
#include "core/limits.h"

#define PLENTY ((size_t)1 << 30)

static struct smx_buf packed, plain;

static int
start(void **state)
{
	(void)state;
	smx_buf_init(&packed, PLENTY);
	smx_buf_init(&plain, PLENTY);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_buf_done(&packed);
	smx_buf_done(&plain);
	return 0;
}

static void
pack(struct smx_slice bytes)
{
	smx_buf_reset(&packed);
	assert_int_equal(smx_gz_write(bytes, &packed), 0);
}

static int
unpack(void)
{
	smx_buf_reset(&plain);
	return smx_gz_read(smx_buf_slice(&packed), &plain);
}

static void
test_known_by_its_first_bytes(void **state)
{
	(void)state;
	assert_true(smx_gz_is(SMX_SLICE("\x1f\x8b")));
	assert_true(smx_gz_is(SMX_SLICE("\x1f\x8b\x08")));
	assert_false(smx_gz_is(SMX_SLICE("")));
	assert_false(smx_gz_is(SMX_SLICE("\x1f")));
	assert_false(smx_gz_is(SMX_SLICE("{\x1f\x8b")));
	pack(SMX_SLICE(""));
	assert_true(smx_gz_is(smx_buf_slice(&packed)));
}

static void
test_what_is_written_is_read(void **state)
{
	static char text[300000];
	uint64_t seed = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(unit_random(&seed) % 50);
	for (size_t n = 0; n <= sizeof(text); n = n * 3 + 1) {
		pack(smx_slice(text, n));
		assert_int_equal(unpack(), 0);
		assert_int_equal(plain.n, n);
		if (n > 0)
			assert_memory_equal(plain.p, text, n);
	}
}

/* A repeat of a report is the same to the octet. */
static void
test_no_time_and_no_name(void **state)
{
	(void)state;
	pack(SMX_SLICE("a"));
	/* RFC 1952, 2.3: no flags, no MTIME. */
	assert_memory_equal(packed.p, "\x1f\x8b\x08\0\0\0\0\0", 8);
}

static void
test_both_append(void **state)
{
	size_t n;

	(void)state;
	smx_buf_add_text(&packed, "x");
	assert_int_equal(smx_gz_write(SMX_SLICE("abc"), &packed), 0);
	n = packed.n;
	assert_int_equal(smx_gz_write(SMX_SLICE("def"), &packed), 0);
	assert_true(packed.n > n);
	smx_buf_drop(&packed, 1);
	smx_buf_add_text(&plain, "-");
	/* Two members are one text. */
	assert_int_equal(smx_gz_read(smx_buf_slice(&packed), &plain), 0);
	assert_slice(smx_buf_slice(&plain), "-abcdef");
}

static void
test_every_cut_and_every_change(void **state)
{
	struct smx_slice all;

	(void)state;
	pack(SMX_SLICE("{\"organization-name\":\"Example\"}"));
	all = smx_buf_slice(&packed);
	smx_buf_add_text(&plain, "before");
	for (size_t n = 0; n < all.n; n++) {
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, all.p, n);
		assert_int_equal(smx_gz_read(smx_slice(copy, n), &plain),
		    -SMX_EPARSE);
		assert_slice(smx_buf_slice(&plain), "before");
		free(copy);
	}
	for (size_t n = 10; n < all.n; n++) {
		packed.p[n] ^= 1;
		assert_int_equal(smx_gz_read(all, &plain), -SMX_EPARSE);
		assert_slice(smx_buf_slice(&plain), "before");
		packed.p[n] ^= 1;
	}
	smx_buf_add_char(&packed, '\n');
	assert_int_equal(smx_gz_read(smx_buf_slice(&packed), &plain),
	    -SMX_EPARSE);
}

/* Blanks that become @p n bytes, with their length as multiple of 200 where
 * that is wanted. */
static void
test_ratio(void **state)
{
	static char blanks[SMX_GZ_RATIO_MAX * 2000];

	(void)state;
	memset(blanks, ' ', sizeof(blanks));
	/* The largest that is allowed, and one more, at each size of blocks. */
	for (size_t n = 1; n < sizeof(blanks); n += n / 7 + 1) {
		pack(smx_slice(blanks, n));
		assert_int_equal(unpack(),
		    n <= packed.n * SMX_GZ_RATIO_MAX ? 0 : -SMX_ELIMIT);
		assert_int_equal(plain.n,
		    n <= packed.n * SMX_GZ_RATIO_MAX ? n : 0);
	}
}

/* The limit is met exactly where a piece of output ends. */
static void
test_limit_of_the_buffer(void **state)
{
	static char text[65536 * 2 + 1];
	uint64_t seed = 6;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)unit_random(&seed);
	pack(smx_slice(text, sizeof(text)));
	for (size_t max = sizeof(text) - 2; max <= sizeof(text) + 1; max++) {
		struct smx_buf out;
		int rc;

		smx_buf_init(&out, max);
		rc = smx_gz_read(smx_buf_slice(&packed), &out);
		assert_int_equal(rc, max < sizeof(text) ? -SMX_ELIMIT : 0);
		assert_int_equal(out.n, rc == 0 ? sizeof(text) : 0);
		smx_buf_done(&out);
	}
	pack(smx_slice(text, 65536));
	for (size_t max = 65535; max <= 65537; max++) {
		struct smx_buf out;

		smx_buf_init(&out, max);
		assert_int_equal(smx_gz_read(smx_buf_slice(&packed), &out),
		    max < 65536 ? -SMX_ELIMIT : 0);
		smx_buf_done(&out);
	}
}

static void
test_largest(void **state)
{
	char *bytes = calloc(1, SMX_GZ_INFLATED_MAX + 1);
	uint64_t seed = 7;

	(void)state;
	assert_non_null(bytes);
	/* Some noise, so that it isn't the ratio that is exceeded. */
	for (size_t i = 0; i < SMX_GZ_INFLATED_MAX; i += 64)
		bytes[i] = (char)unit_random(&seed);
	pack(smx_slice(bytes, SMX_GZ_INFLATED_MAX));
	assert_true(packed.n < SMX_GZ_BYTES_MAX);
	assert_int_equal(unpack(), 0);
	assert_int_equal(plain.n, SMX_GZ_INFLATED_MAX);
	pack(smx_slice(bytes, SMX_GZ_INFLATED_MAX + 1));
	assert_int_equal(unpack(), -SMX_ELIMIT);
	free(bytes);
}

static void
test_longest_input(void **state)
{
	(void)state;
	smx_buf_add_text(&packed, "x");
	assert_non_null(smx_buf_reserve(&packed, SMX_GZ_BYTES_MAX));
	memset(packed.p + 1, 'x', SMX_GZ_BYTES_MAX);
	/* One is too long, the other no gzip. */
	assert_int_equal(smx_gz_read(smx_slice(packed.p, SMX_GZ_BYTES_MAX + 1),
			     &plain),
	    -SMX_ELIMIT);
	assert_int_equal(smx_gz_read(smx_slice(packed.p, SMX_GZ_BYTES_MAX),
			     &plain),
	    -SMX_EPARSE);
}

static void
test_full_output(void **state)
{
	char storage[10];
	struct smx_buf out;

	(void)state;
	smx_buf_init_fixed(&out, storage, sizeof(storage));
	assert_int_equal(smx_gz_write(SMX_SLICE("abc"), &out), -SMX_ELIMIT);
	/* A buffer that has failed before stays as it is. */
	pack(SMX_SLICE("abc"));
	assert_int_equal(smx_gz_read(smx_buf_slice(&packed), &out),
	    -SMX_ELIMIT);
	assert_int_equal(out.n, 0);
}

static void
test_out_of_memory(void **state)
{
	(void)state;
	pack(SMX_SLICE("abc"));
	failing_alloc_after(0);
	assert_int_equal(unpack(), -SMX_ENOMEM);
	smx_buf_done(&packed);
	smx_buf_init(&packed, PLENTY);
	assert_int_equal(smx_gz_write(SMX_SLICE("abc"), &packed), -SMX_ENOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_known_by_its_first_bytes),
		TEST(test_what_is_written_is_read),
		TEST(test_no_time_and_no_name),
		TEST(test_both_append),
		TEST(test_every_cut_and_every_change),
		TEST(test_ratio),
		TEST(test_limit_of_the_buffer),
		TEST(test_largest),
		TEST(test_longest_input),
		TEST(test_full_output),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("gz", tests, NULL, NULL);
}
