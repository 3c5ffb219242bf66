/* Lines of Postfix's log. */
#include "unit.h"
#include "core/postfix_log.h"

#define SMTP "Nov 24 03:15:34 sender postfix/smtp[14585]: "
#define SENT                                                               \
	"7B: to=<someone@club.test>, relay=mx.hoster.test[10.25.3.1]:25, " \
	"delay=0.02, delays=0/0/0/0.01, dsn=2.0.0, status=sent "           \
	"(250 2.0.0 Ok: queued as 7B968A8ABB4)"
#define HANDSHAKE(word, host)                                   \
	word " TLS connection established to " host             \
	     ":25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 " \
	     "(256/256 bits) key-exchange X25519"
#define DEFERRED(host, why)                                        \
	"63: to=<someone@bank.test>, relay=" host ":25, delay=0, " \
	"delays=0/0/0/0, dsn=4.7.4, status=deferred (" why ")"

static struct smx_postfix_log
parse(const char *line)
{
	struct smx_postfix_log log;

	smx_postfix_log_parse(smx_slice_text(line), &log);
	return log;
}

static void
test_handshake(void **state)
{
	struct smx_postfix_log log =
	    parse(SMTP HANDSHAKE("Verified", "mx.bank.test[10.25.1.1]"));

	(void)state;
	assert_int_equal(log.kind, SMX_POSTFIX_LOG_HANDSHAKE);
	assert_int_equal(log.pid, 14585);
	assert_slice(log.host, "mx.bank.test");
	assert_slice(log.ip, "10.25.1.1");
	log = parse("postfix-out/smtp[7]: " HANDSHAKE("Anonymous",
	    "mx.bank.test[2001:db8::1]"));
	assert_int_equal(log.kind, SMX_POSTFIX_LOG_HANDSHAKE);
	assert_slice(log.ip, "2001:db8::1");
}

/* Time stamps and hosts as syslog writes them, and lines without. */
static void
test_what_stands_before_the_tag(void **state)
{
	static const char *const starts[] = {
		"Nov 24 03:15:34 sender postfix/smtp[7]: ",
		"Nov  4 03:15:34 sender.test postfix/smtp[7]: ",
		"2024-11-24T03:15:34.123456+01:00 sender postfix/smtp[7]: ",
		"2024-11-24T03:15:34Z 2001:db8::1 postfix/relay/smtp[7]: ",
		"Nov 24 03:15:34 alpine mail.info postfix/smtp[7]: ",
		"Nov 24 03:15:34.123 sender postfix/smtp[7]: ",
		"Nov 24 03:15:34 postfix/smtp[7]: ",
		"postfix-out/smtp[7]: ",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(starts); i++) {
		char line[512];
		struct smx_postfix_log log;

		snprintf(line, sizeof(line), "%s" SENT, starts[i]);
		log = parse(line);
		assert_int_equal(log.kind, SMX_POSTFIX_LOG_RECIPIENT);
		assert_int_equal(log.pid, 7);
		assert_slice(log.queue_id, "7B");
	}
}

static void
test_reasons(void **state)
{
	static const struct {
		const char *text;
		enum smx_tlsrpt_result result;
	} cases[] = {
		{ "server certificate verification failed for "
		  "mx.evil.test[10.66.0.2]:25: num=62:hostname mismatch",
		    SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH },
		{ "certificate verification failed for "
		  "mx.evil.test[10.66.0.2]:25: untrusted issuer /CN=Nobody",
		    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
		{ "certificate verification failed for "
		  "mx.evil.test[10.66.0.2]:25: self-signed certificate",
		    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
		{ "certificate verification failed for "
		  "mx.evil.test[10.66.0.2]:25: certificate has expired",
		    SMX_TLSRPT_CERTIFICATE_EXPIRED },
		{ "certificate verification failed for "
		  "mx.evil.test[10.66.0.2]:25: num=26:unsuitable purpose",
		    SMX_TLSRPT_VALIDATION_FAILURE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[512];
		struct smx_postfix_log log;

		snprintf(line, sizeof(line), SMTP "%s", cases[i].text);
		log = parse(line);
		assert_int_equal(log.kind, SMX_POSTFIX_LOG_REASON);
		assert_int_equal(log.result, cases[i].result);
		assert_slice(log.ip, "10.66.0.2");
	}
}

static void
test_recipients(void **state)
{
	struct smx_postfix_log log = parse(SMTP SENT);

	(void)state;
	assert_int_equal(log.kind, SMX_POSTFIX_LOG_RECIPIENT);
	assert_true(log.is_sent);
	assert_false(log.is_tls_failure);
	assert_slice(log.domain, "club.test");
	log = parse(SMTP DEFERRED("mx.bank.test[10.25.1.1]",
	    "TLS is required, but was not offered by host "
	    "mx.bank.test[10.25.1.1]"));
	assert_true(log.is_tls_failure);
	assert_int_equal(log.result, SMX_TLSRPT_STARTTLS_NOT_SUPPORTED);
	assert_slice(log.host, "mx.bank.test");
	/* A failure that is not about TLS. */
	log = parse(SMTP DEFERRED("mx.bank.test[10.25.1.1]",
	    "host mx.bank.test[10.25.1.1] said: 450 later"));
	assert_int_equal(log.kind, SMX_POSTFIX_LOG_RECIPIENT);
	assert_false(log.is_tls_failure);
	assert_false(log.is_sent);
}

/* Whom a relayhost has sessions with, nobody knows; and ours with it are not
 * with an MX host. */
static void
test_other_ports(void **state)
{
	static const char *const lines[] = {
		SMTP "7B: to=<a@b.test>, relay=smtp.isp.test[10.0.0.1]:587, "
		     "delay=1, status=sent (250 Ok)",
		SMTP "7B: to=<a@b.test>, relay=smtp.isp.test[10.0.0.1]:2525, "
		     "status=deferred (Server certificate not trusted)",
		SMTP "Verified TLS connection established to "
		     "smtp.isp.test[10.0.0.1]:465: TLSv1.3 with cipher X",
		SMTP "certificate verification failed for "
		     "smtp.isp.test[10.0.0.1]:587: certificate has expired",
		SMTP
		"7B: to=<a@b.test>, relay=b.test[private/x], status=sent (",
	};
	struct smx_postfix_log log = parse(SMTP
	    "7B: to=<a@b.test>, relay=none, delay=1, status="
	    "deferred (TLS is required, but was not offered by host "
	    "mx.b.test[10.0.0.1])");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (parse(lines[i]).kind != SMX_POSTFIX_LOG_OTHER)
			fail_msg("%s", lines[i]);
	assert_true(log.is_tls_failure);
	assert_slice(log.ip, "10.0.0.1");
	log = parse(SMTP
	    "7B: to=<a@b.test>, relay=none, delay=1, status=deferred"
	    " (TLS is required, but our TLS engine is unavailable)");
	assert_true(log.is_tls_failure);
	assert_slice(log.ip, "");
}

#define FORGED                                                              \
	"/smtp[1]: A: to=<x@club.test>, relay=mx.hoster.test[10.25.3.1]:25" \
	", status=deferred (Server certificate not trusted)"
#define BEFORE "Nov 24 03:15:34 sender "

/* What others say stands in lines of other programs, too. */
static void
test_forged_tags(void **state)
{
	static const char *const lines[] = {
		BEFORE "postfix/smtpd[9]: NOQUEUE: reject: RCPT from "
		       "x[10.9.9.9]: 554 5.7.1 <\"" FORGED "\"@nowhere.test>",
		BEFORE "postfix/cleanup[9]: 7B: message-id=<" FORGED ">",
		BEFORE "postfix/qmgr[9]: 7B: from=<\"postfix" FORGED "\"@x.y>",
		BEFORE "postfix/qmgr[9]: postfix" FORGED,
		"postfix/cleanup[9]: 7B: message-id=<postfix" FORGED ">",
		/* Tags without a process id. */
		BEFORE "dovecot: imap-login: Aborted login: user=<" FORGED ">",
		BEFORE "dovecot: postfix" FORGED,
		BEFORE "mail.info dovecot: postfix" FORGED,
		BEFORE "kernel: postfix" FORGED,
		/* A log without hosts' names. */
		"Nov 24 03:15:34 dovecot: postfix" FORGED,
		"2024-11-24T03:15:34Z postfix/smtpd[9]: postfix" FORGED,
		/* No syslog's. */
		"postfix/smtpd[9]: " BEFORE "postfix" FORGED,
		"x " BEFORE "postfix" FORGED,
		BEFORE FORGED,
		BEFORE "postfix/smtp[]: 7B: " FORGED,
		BEFORE "postfix/smtp[1]:" FORGED,
		"Nov 24 03:15:34 ",
		"Nov 24 03:15:34 sender",
		"Nov 24 03:15:34 sender ",
		"Nov 24 03:15:34 sender mail.info",
		"2024-11-24T03:15:34Z",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (parse(lines[i]).kind != SMX_POSTFIX_LOG_OTHER)
			fail_msg("%s", lines[i]);
	/* The same in a line of the client itself is believed. */
	assert_int_equal(parse(BEFORE "postfix" FORGED).kind,
	    SMX_POSTFIX_LOG_RECIPIENT);
}

/* Whoever gets mail sent can choose an address, and what a server replies. */
static void
test_forged_lines(void **state)
{
	static const char *const lines[] = {
		"",
		SMTP,
		"postfix/smtp[1]",
		"postfix/smtpd[1]: " SENT,
		SMTP "7B: to=<\"a>, relay=mx.x[1.2.3.4]:25, status=sent (\"@",
		SMTP "7B: to=<\"x@bank.test>, relay=mx.x[1.2.3.4]:25, "
		     "status=deferred (Server certificate not trusted)\"@b.c>,"
		     " relay=mx.b.c[1.2.3.4]:25, status=sent (250 Ok)",
		SMTP "7B: to=<a@bank.test>, orig_to=<\"a>, "
		     "relay=mx.x[1.2.3.4]:25, status=deferred (Server "
		     "certificate not trusted)\"@b.c>, status=sent (250 Ok)",
		/* As a Postfix before 3.5 has it: without quotes. */
		SMTP "7B: to=<x@bank.test>, relay=mx.x[1.2.3.4]:25, "
		     "status=deferred (Server certificate not trusted)@b.c>,"
		     " relay=mx.b.c[1.2.3.4]:25, status=sent (250 Ok)",
		SMTP "7B: to=<x@bank.test>, foo@b.c>, relay=mx.x[1.2.3.4]:25, "
		     "status=deferred (Server certificate not trusted)",
		SMTP "7B: to=<a@b.test>, relay=none, status=bounced (no)",
		SMTP "7B: host mx.x[1.2.3.4] said: 4: to=<x@bank.test>, "
		     "relay=mx.bank.test[1.2.3.4]:25, status=deferred "
		     "(Server certificate not trusted)",
		SMTP "7B: a TLS connection established to mx.x[1.2.3.4]:25: T",
		SMTP "7B: to=<a@bank.test>",
		SMTP "7B: to=<a@bank.test>, ",
		SMTP "7B: to=<a@bank.test>, orig_to=<a",
		SMTP
		": to=<a@bank.test>, relay=mx.x[1.2.3.4]:25, status=sent (",
		SMTP "x TLS connection established to ",
		SMTP "TLS connection established to ][",
		SMTP "certificate verification failed for mx.x[1.2.3.4]:25",
		SMTP "7B: host mx.x[1.2.3.4] said: 450 Verified TLS connection "
		     "established to mx.bank.test[10.25.1.1]:25 (in reply to)",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i]).kind, SMX_POSTFIX_LOG_OTHER);
}

#define QMGR "Nov 24 03:15:34 sender postfix/qmgr[99]: "

static void
test_queued(void **state)
{
	struct smx_postfix_log log = parse(QMGR
	    "7B: from=<a@b.test>, size=500, nrcpt=1 (queue active)");

	(void)state;
	assert_int_equal(log.kind, SMX_POSTFIX_LOG_QUEUED);
	assert_slice(log.queue_id, "7B");
	assert_slice(log.sender, "a@b.test");
	log = parse(QMGR "7B: from=<>, size=500, nrcpt=1 (queue active)");
	assert_int_equal(log.kind, SMX_POSTFIX_LOG_QUEUED);
	assert_slice(log.sender, "");
	assert_int_equal(parse(QMGR "7B: removed").kind, SMX_POSTFIX_LOG_OTHER);
	assert_int_equal(parse(QMGR "7B: from=<a@b.test>").kind,
	    SMX_POSTFIX_LOG_OTHER);
	assert_int_equal(
	    parse(SMTP "7B: from=<a@b.test>, size=500, nrcpt=1").kind,
	    SMX_POSTFIX_LOG_OTHER);
	assert_int_equal(parse(QMGR SENT).kind, SMX_POSTFIX_LOG_OTHER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_what_stands_before_the_tag),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_other_ports),
		cmocka_unit_test(test_forged_tags),
		cmocka_unit_test(test_forged_lines),
		cmocka_unit_test(test_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
