#include "unit.h"
#include "failing_alloc.h"
#include "base/buf.h"

static void
test_grows_to_its_maximum_and_not_beyond(void **state)
{
	struct smx_buf b;
	char chunk[100];

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	smx_buf_init(&b, 1050);
	for (int i = 0; i < 10; i++)
		smx_buf_add(&b, smx_slice(chunk, sizeof(chunk)));
	smx_buf_add(&b, smx_slice(chunk, 50));
	assert_int_equal(smx_buf_status(&b), 0);
	assert_int_equal(b.n, 1050);
	assert_true(b.size <= 1050);
	smx_buf_add_char(&b, 'y');
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	assert_int_equal(b.n, 1050);
	smx_buf_done(&b);
}

static void
test_error_is_sticky(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, 10);
	smx_buf_add_text(&b, "12345");
	smx_buf_add_text(&b, "too long");
	/* It would fit, but a gap in the output would be worse than its end. */
	smx_buf_add_char(&b, '6');
	smx_buf_add_u64(&b, 7);
	smx_buf_printf(&b, "%d", 8);
	smx_buf_add_escaped(&b, SMX_SLICE("9"));
	assert_null(smx_buf_reserve(&b, 1));
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	assert_slice(smx_buf_slice(&b), "12345");
	assert_string_equal(smx_buf_text(&b), "12345");
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	smx_buf_reset(&b);
	assert_int_equal(smx_buf_status(&b), 0);
	smx_buf_add_text(&b, "1234567890");
	assert_slice(smx_buf_slice(&b), "1234567890");
	smx_buf_done(&b);
}

static void
test_fixed_storage_never_grows(void **state)
{
	char storage[8];
	struct smx_buf b;

	(void)state;
	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_buf_add_text(&b, "1234567");
	assert_string_equal(smx_buf_text(&b), "1234567");
	smx_buf_add_char(&b, '8');
	assert_int_equal(smx_buf_status(&b), 0);
	assert_slice(smx_buf_slice(&b), "12345678");
	/* Full: there is no room for the NUL of a C string. */
	assert_string_equal(smx_buf_text(&b), "");
	assert_int_equal(smx_buf_status(&b), 0);
	smx_buf_add_char(&b, '9');
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	assert_ptr_equal(b.p, storage);
	smx_buf_done(&b);
}

static void
test_text_leaves_the_contents_alone(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, 100);
	assert_string_equal(smx_buf_text(&b), "");
	smx_buf_add_text(&b, "ab");
	assert_string_equal(smx_buf_text(&b), "ab");
	smx_buf_add_text(&b, "cd");
	assert_int_equal(b.n, 4);
	assert_string_equal(smx_buf_text(&b), "abcd");
	smx_buf_done(&b);
}

static void
test_adding_nothing_is_no_change(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, 0);
	smx_buf_add(&b, smx_slice(NULL, 0));
	smx_buf_add_text(&b, "");
	assert_int_equal(smx_buf_status(&b), 0);
	assert_int_equal(b.n, 0);
	smx_buf_add_char(&b, 'x');
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	smx_buf_done(&b);
	smx_buf_done(&b);
}

static void
test_size_that_overflows_is_refused(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, SIZE_MAX);
	smx_buf_add_char(&b, 'x');
	assert_null(smx_buf_reserve(&b, SIZE_MAX));
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	smx_buf_done(&b);
}

static void
test_numbers(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, 100);
	smx_buf_add_u64(&b, 0);
	smx_buf_add_char(&b, ' ');
	smx_buf_add_u64(&b, 9);
	smx_buf_add_char(&b, ' ');
	smx_buf_add_u64(&b, 10);
	smx_buf_add_char(&b, ' ');
	smx_buf_add_u64(&b, UINT64_MAX);
	assert_slice(smx_buf_slice(&b), "0 9 10 18446744073709551615");
	smx_buf_done(&b);
}

/* Whatever byte is added, only printable ASCII comes out, and it can be read
 * back without doubt. */
static void
test_escaping_of_every_byte(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char in = (char)c, want[8], storage[8];
		struct smx_buf b;

		smx_buf_init_fixed(&b, storage, sizeof(storage));
		smx_buf_add_escaped(&b, smx_slice(&in, 1));
		if (c >= ' ' && c <= '~' && c != '\\')
			snprintf(want, sizeof(want), "%c", c);
		else
			snprintf(want, sizeof(want), "\\x%02x", (unsigned)c);
		assert_string_equal(smx_buf_text(&b), want);
	}
}

static void
test_escape_is_never_cut(void **state)
{
	char storage[6];
	struct smx_buf b;

	(void)state;
	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_buf_add_escaped(&b, SMX_SLICE("\n\r"));
	assert_slice(smx_buf_slice(&b), "\\x0a");
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
}

static void
test_printf(void **state)
{
	char storage[8];
	struct smx_buf b;

	(void)state;
	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_buf_printf(&b, "%s-%d", "ab", 42);
	assert_slice(smx_buf_slice(&b), "ab-42");
	/* All or nothing. */
	smx_buf_printf(&b, "%s", "xyzxyz");
	assert_slice(smx_buf_slice(&b), "ab-42");
	assert_int_equal(smx_buf_status(&b), -SMX_ELIMIT);
	smx_buf_init(&b, 5000);
	smx_buf_printf(&b, "%04000d", 1);
	assert_int_equal(b.n, 4000);
	assert_int_equal(smx_buf_status(&b), 0);
	smx_buf_done(&b);
}

static void
test_drop_from_the_front(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, 100);
	smx_buf_drop(&b, 0);
	smx_buf_add_text(&b, "abcdef");
	smx_buf_drop(&b, 0);
	assert_slice(smx_buf_slice(&b), "abcdef");
	smx_buf_drop(&b, 2);
	assert_slice(smx_buf_slice(&b), "cdef");
	smx_buf_add_text(&b, "g");
	smx_buf_drop(&b, 5);
	assert_int_equal(b.n, 0);
	smx_buf_done(&b);
}

static void
drop_too_much(void)
{
	char storage[4];
	struct smx_buf b;

	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_buf_add_char(&b, 'x');
	smx_buf_drop(&b, 2);
}

static void
test_drop_of_more_than_there_is(void **state)
{
	(void)state;
	assert_true(unit_aborts(drop_too_much));
}

static void
test_same_as_a_plain_array(void **state)
{
	static char model[20000];
	size_t n = 0;
	uint64_t seed = 3;
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, sizeof(model));
	while (n < sizeof(model) - 600) {
		char chunk[600];
		size_t bytes = unit_random(&seed) % sizeof(chunk);
		size_t gone = unit_random(&seed) % 100;

		memset(chunk, (int)('a' + n % 26), sizeof(chunk));
		smx_buf_add(&b, smx_slice(chunk, bytes));
		memcpy(model + n, chunk, bytes);
		n += bytes;
		if (gone > n)
			gone = n;
		smx_buf_drop(&b, gone);
		memmove(model, model + gone, n - gone);
		n -= gone;
		assert_int_equal(b.n, n);
		assert_true(n == 0 || memcmp(b.p, model, n) == 0);
	}
	assert_int_equal(smx_buf_status(&b), 0);
	smx_buf_done(&b);
}

static void
test_out_of_memory(void **state)
{
	struct smx_buf b;

	(void)state;
	smx_buf_init(&b, 10000);
	smx_buf_add_text(&b, "kept");
	failing_alloc_after(0);
	smx_buf_printf(&b, "%0999d", 1);
	failing_alloc_off();
	assert_int_equal(smx_buf_status(&b), -SMX_ENOMEM);
	assert_slice(smx_buf_slice(&b), "kept");
	smx_buf_add_char(&b, '!');
	assert_slice(smx_buf_slice(&b), "kept");
	smx_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_to_its_maximum_and_not_beyond),
		cmocka_unit_test(test_error_is_sticky),
		cmocka_unit_test(test_fixed_storage_never_grows),
		cmocka_unit_test(test_text_leaves_the_contents_alone),
		cmocka_unit_test(test_adding_nothing_is_no_change),
		cmocka_unit_test(test_size_that_overflows_is_refused),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_escaping_of_every_byte),
		cmocka_unit_test(test_escape_is_never_cut),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_drop_from_the_front),
		cmocka_unit_test(test_drop_of_more_than_there_is),
		cmocka_unit_test(test_same_as_a_plain_array),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
