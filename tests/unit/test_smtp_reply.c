#include "unit.h"

#include "core/limits.h"
#include "core/smtp_reply.h"

#define take(r, literal) smx_smtp_reply_take(r, SMX_SLICE(literal), &text, &n)

static struct smx_slice text;
static size_t n;

static void
test_lines(void **state)
{
	struct smx_smtp_reply r;

	(void)state;
	smx_smtp_reply_init(&r);
	assert_int_equal(take(&r, "250-mail.example.com\r\n250 "), 0);
	assert_int_equal(r.code, 250);
	assert_false(r.is_over);
	assert_int_equal(n, 22);
	assert_slice(text, "mail.example.com");
	assert_int_equal(take(&r, "250 STARTTLS\r\n"), 0);
	assert_true(r.is_over);
	assert_int_equal(r.line_count, 2);
	assert_slice(text, "STARTTLS");
	/* Texts may be missing, and hold nearly anything. */
	assert_int_equal(take(&r, "421\r\n"), 0);
	assert_true(r.is_over);
	assert_int_equal(r.code, 421);
	assert_int_equal(text.n, 0);
	assert_int_equal(take(&r, "250-\n"), 0);
	assert_false(r.is_over);
	assert_int_equal(n, 5);
	assert_int_equal(text.n, 0);
	assert_int_equal(take(&r, "599  a\r\0b\xff\r\n"), 0);
	assert_int_equal(r.code, 599);
	assert_slice(text, " a\r\0b\xff");
}

static void
test_incomplete(void **state)
{
	struct smx_smtp_reply r;

	(void)state;
	smx_smtp_reply_init(&r);
	assert_int_equal(take(&r, ""), -SMX_EAGAIN);
	assert_int_equal(take(&r, "2"), -SMX_EAGAIN);
	assert_int_equal(take(&r, "220 mail.example.com"), -SMX_EAGAIN);
	assert_int_equal(take(&r, "220 mail.example.com\r"), -SMX_EAGAIN);
	assert_int_equal(r.line_count, 0);
}

static void
test_no_reply(void **state)
{
	struct smx_smtp_reply r;

	(void)state;
	smx_smtp_reply_init(&r);
	assert_int_equal(take(&r, "\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "SSH-2.0-OpenSSH\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "22\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "2200 a\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "220\ta\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "120 a\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "620 a\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, "2a0 a\r\n"), -SMX_EPARSE);
	assert_int_equal(take(&r, " 220 a\r\n"), -SMX_EPARSE);
	assert_int_equal(r.line_count, 0);
}

static void
test_limits(void **state)
{
	char line[SMX_SMTP_LINE_MAX + 1];
	struct smx_smtp_reply r;
	size_t count;
	int rc;

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line, "220-", 4);
	smx_smtp_reply_init(&r);
	/* Nobody has to wait for the end of a line that is too long. */
	assert_int_equal(smx_smtp_reply_take(&r,
			     smx_slice(line, SMX_SMTP_LINE_MAX), &text, &n),
	    -SMX_ELIMIT);
	line[SMX_SMTP_LINE_MAX] = '\n';
	assert_int_equal(smx_smtp_reply_take(&r,
			     smx_slice(line, SMX_SMTP_LINE_MAX + 1), &text, &n),
	    -SMX_ELIMIT);
	line[SMX_SMTP_LINE_MAX - 1] = '\n';
	count = 0;
	while ((rc = smx_smtp_reply_take(&r, smx_slice(line, SMX_SMTP_LINE_MAX),
		    &text, &n)) == 0)
		count++;
	assert_int_equal(rc, -SMX_ELIMIT);
	assert_int_equal(count, SMX_SMTP_REPLY_MAX / SMX_SMTP_LINE_MAX);

	smx_smtp_reply_init(&r);
	for (count = 0; (rc = take(&r, "220-\n")) == 0; count++)
		assert_false(r.is_over);
	assert_int_equal(rc, -SMX_ELIMIT);
	assert_int_equal(count, SMX_SMTP_REPLY_LINES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_no_reply),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
