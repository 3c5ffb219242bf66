#include "unit.h"

#include "core/tlsrpt_mail.h"

static struct smx_buf out;

/* A mail of that organization. @return its text part, from its header on. */
static const char *
text_part(struct smx_slice organization)
{
	const struct smx_tlsrpt_mail mail = {
		.organization = organization,
		.from = SMX_SLICE("tls@sender.example"),
		.to = SMX_SLICE("reports@example.com"),
		.submitter = SMX_SLICE("sender.example"),
		.domain = SMX_SLICE("example.com"),
		.report_id = SMX_SLICE("1.example.com@sender.example"),
		.day = 20000,
		.report = SMX_SLICE("\x1f\x8b"),
	};
	const char *at;

	smx_buf_reset(&out);
	smx_tlsrpt_mail_print(&mail, &out);
	assert_int_equal(smx_buf_status(&out), 0);
	at = strstr(smx_buf_text(&out), "Content-Type: text/plain");
	assert_non_null(at);
	return at;
}

static int
start(void **state)
{
	(void)state;
	smx_buf_init(&out, 65536);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	smx_buf_done(&out);
	return 0;
}

static void
assert_begins(const char *text, const char *want)
{
	if (strncmp(text, want, strlen(want)) != 0)
		fail_msg("this is no\n%s\n%s", want, text);
}

#define HEAD \
	"This is a TLS report (RFC 8460): how sessions with the mail servers "

static void
test_ascii(void **state)
{
	(void)state;
	assert_begins(text_part(SMX_SLICE("Sender = Inc \x1b[31m")),
	    "Content-Type: text/plain; charset=\"us-ascii\"\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\n" HEAD
	    "of\r\nexample.com\r\nwent on 2024-10-04 (UTC), seen from\r\n"
	    "Sender = Inc ?[31m\r\n"
	    "The attachment has the report, to be read by a program.\r\n\r\n"
	    "--=_strictmx_tlsrpt\r\n");
}

static void
test_utf8(void **state)
{
	(void)state;
	assert_begins(text_part(SMX_SLICE("B\xc3\xbc"
					  "cher = \xe2\x80\xae\xff ")),
	    "Content-Type: text/plain; charset=\"utf-8\"\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n" HEAD
	    "of\r\nexample.com\r\nwent on 2024-10-04 (UTC), seen from\r\n"
	    "B=C3=BCcher =3D ?\?=20\r\n"
	    "The attachment has the report, to be read by a program.\r\n\r\n"
	    "--=_strictmx_tlsrpt\r\n");
}

/* Lines are broken, and no character is cut in two. */
static void
test_long_utf8(void **state)
{
	char organization[399];
	const char *at, *end;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(organization); i += 3)
		memcpy(organization + i, "\xe2\x82\xac", 3);
	at = strstr(text_part(smx_slice(organization, sizeof(organization))),
	    "seen from");
	assert_non_null(at);
	at = strchr(at, '\n') + 1;
	end = strstr(at, "The attachment");
	assert_non_null(end);
	for (const char *line = at; line < end;) {
		const char *next = strstr(line, "\r\n");

		assert_true(next - line <= 76);
		if (next + 2 < end)
			assert_int_equal(next[-1], '=');
		line = next + 2;
	}
	for (; at < end; at++)
		count += *at == 'C';
	/* Of =E2=82=AC the one letter that stands nowhere else. */
	assert_int_equal(count, 67);
}

/* 7-bit text goes through every relay. */
static void
test_all_is_ascii(void **state)
{
	(void)state;
	(void)text_part(SMX_SLICE("\xc3\xbc\xff\x80"));
	for (size_t i = 0; i < out.n; i++)
		assert_true((unsigned char)out.p[i] < 0x7f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_long_utf8),
		cmocka_unit_test(test_all_is_ascii),
	};

	return cmocka_run_group_tests_name("tlsrpt_mail", tests, start, stop);
}
