/* Sessions put together from the lines of Postfix's log. */
#include "unit.h"
#include "engine/log_sessions.h"

#define SMTP "Nov 24 03:15:34 sender postfix/smtp[14585]: "
#define QMGR "Nov 24 03:15:34 sender postfix/qmgr[99]: "
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

static bool
add(struct smx_log_sessions *s, const char *line,
    struct smx_log_session_end *ret)
{
	struct smx_postfix_log log;

	smx_postfix_log_parse(smx_slice_text(line), &log);
	return smx_log_sessions_add(s, &log, ret);
}

static void
test_sessions(void **state)
{
	static struct smx_log_sessions s;
	struct smx_log_session_end end;

	(void)state;
	assert_false(add(&s,
	    SMTP HANDSHAKE("Trusted", "mx.hoster.test[10.25.3.1]"), &end));
	assert_true(add(&s, SMTP SENT, &end));
	assert_string_equal(end.domain.text, "club.test");
	assert_false(end.is_failure);
	/* The next recipient, and a connection that is used again. */
	assert_false(add(&s, SMTP SENT, &end));
	/* Another process is another session. */
	assert_false(add(&s,
	    "postfix/smtp[9]: " HANDSHAKE("Trusted", "a.test[10.0.0.1]"),
	    &end));
	assert_false(add(&s, SMTP SENT, &end));
}

/* Lines of others don't take the place of a process, whatever its number. */
static void
test_lines_of_others_in_between(void **state)
{
	static const char *const others[] = { "", "no line of Postfix",
		"postfix/qmgr[0]: 7B: from=<x@y.test>, size=1, nrcpt=1 (queue "
		"active)",
		"postfix/qmgr[2048]: 7B: from=<x@y.test>, size=1, nrcpt=1 "
		"(queue active)" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		static struct smx_log_sessions s;
		struct smx_log_session_end end;

		assert_false(add(&s,
		    "postfix/smtp[1024]: " HANDSHAKE("Trusted",
			"mx.hoster.test[10.25.3.1]"),
		    &end));
		assert_false(add(&s, others[i], &end));
		assert_true(add(&s, "postfix/smtp[1024]: " SENT, &end));
	}
}

/* Nor do other processes of smtp, as long as they are few of a kind. */
static void
test_processes_in_between(void **state)
{
	static struct smx_log_sessions s;
	struct smx_log_session_end end;

	(void)state;
	assert_false(add(&s,
	    "postfix/smtp[7]: " HANDSHAKE("Trusted",
		"mx.hoster.test[10.25.3.1]"),
	    &end));
	for (int i = 1; i < 4; i++) {
		char line[300];

		snprintf(line, sizeof(line),
		    "postfix/smtp[%d]: " HANDSHAKE("Trusted",
			"mx.hoster.test[10.25.3.1]"),
		    7 + 1024 * i);
		assert_false(add(&s, line, &end));
	}
	assert_true(add(&s, "postfix/smtp[7]: " SENT, &end));
	assert_true(add(&s, "postfix/smtp[1031]: " SENT, &end));
}

static void
test_failed_session_has_its_reason(void **state)
{
	static struct smx_log_sessions s;
	struct smx_log_session_end end;

	(void)state;
	assert_false(add(&s,
	    SMTP "certificate verification failed for "
		 "mx.bank.test[10.25.1.1]:25: untrusted issuer /CN=Nobody",
	    &end));
	assert_false(add(&s,
	    SMTP HANDSHAKE("Untrusted", "mx.bank.test[10.25.1.1]"), &end));
	assert_true(add(&s,
	    SMTP DEFERRED("mx.bank.test[10.25.1.1]",
		"Server certificate not verified"),
	    &end));
	assert_true(end.is_failure);
	assert_int_equal(end.failure.result,
	    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED);
	assert_slice(end.failure.failure_reason_code,
	    "untrusted issuer /CN=Nobody");
	assert_slice(end.failure.receiving_mx_hostname, "mx.bank.test");
	/* The next recipients were in the same session. */
	for (int i = 0; i < 4; i++)
		assert_false(add(&s,
		    SMTP DEFERRED("mx.bank.test[10.25.1.1]",
			"Server certificate not verified"),
		    &end));
}

#define NOT_OFFERED(id, address, ip)                                         \
	SMTP id ": to=<" address ">, relay=mx.hoster.test[" ip "]:25, "      \
		"delay=1, dsn=4.7.4, status=deferred (TLS is required, but " \
		"was not offered by host mx.hoster.test[" ip "])"

/* Where nothing is said at the begin of a session, of STARTTLS for instance,
 * its recipients tell it from others. */
static void
test_failed_sessions_without_a_begin(void **state)
{
	static const struct {
		const char *line;
		bool is_new;
	} lines[] = {
		{ NOT_OFFERED("7A", "a@bank.test", "10.25.3.1"), true },
		{ NOT_OFFERED("7A", "b@bank.test", "10.25.3.1"), false },
		{ NOT_OFFERED("7A", "c@BANK.test", "10.25.3.1"), false },
		/* Another domain, mail, and host. */
		{ NOT_OFFERED("7A", "a@club.test", "10.25.3.1"), true },
		{ NOT_OFFERED("7A", "b@club.test", "10.25.3.1"), false },
		{ NOT_OFFERED("7C", "a@club.test", "10.25.3.1"), true },
		{ NOT_OFFERED("7C", "a@club.test", "10.25.3.2"), true },
		{ NOT_OFFERED("7C", "b@club.test", "10.25.3.2"), false },
	};
	static struct smx_log_sessions s;
	struct smx_log_session_end end;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_int_equal(add(&s, lines[i].line, &end), lines[i].is_new);
	/* A begin is one, whatever was counted. */
	assert_false(add(&s,
	    SMTP "certificate verification failed for "
		 "mx.hoster.test[10.25.3.2]:25: certificate has expired",
	    &end));
	assert_true(add(&s,
	    SMTP "7C: to=<a@club.test>, relay=mx.hoster.test[10.25.3.2]:25, "
		 "status=deferred (Server certificate not trusted)",
	    &end));
	assert_int_equal(end.failure.result, SMX_TLSRPT_CERTIFICATE_EXPIRED);
	/* That had one: a second domain in it is no second session. */
	assert_false(add(&s, NOT_OFFERED("7C", "a@bank.test", "10.25.3.2"),
	    &end));
}

/* An attempt that comes soon, within the same process, is another session. */
static void
test_next_attempt(void **state)
{
	static struct smx_log_sessions s;
	struct smx_log_session_end end;

	(void)state;
	assert_true(add(&s, NOT_OFFERED("7A", "a@b.test", "10.0.0.1"), &end));
	assert_false(add(&s, NOT_OFFERED("7A", "a@b.test", "10.0.0.1"), &end));
	assert_false(add(&s,
	    QMGR "7A: from=<x@y.test>, size=500, nrcpt=1 (queue active)",
	    &end));
	assert_true(add(&s, NOT_OFFERED("7A", "a@b.test", "10.0.0.1"), &end));
}

/* Somebody who sends mail, and reports about it. */
struct sender {
	struct smx_log_sessions sessions;
	const char *domain, *other;
	int mails;     /* sent so far, which makes queue ids */
	int counted;   /* of today */
	int yesterday; /* counted then */
};

static void
log_line(struct sender *a, const char *tag, const char *text)
{
	struct smx_log_session_end end;
	char line[1024];

	snprintf(line, sizeof(line), "Nov 24 03:15:34 mx.%s postfix/%s[%d]: %s",
	    a->domain, tag, 100 + a->mails % 3, text);
	a->counted += add(&a->sessions, line, &end);
}

/* What Postfix 3.7 says of a mail, some lines shortened. */
static void
deliver(struct sender *a, const char *from, const char *message_id)
{
	char text[512];
	int id = 0x4B2A80 + a->mails++;

	snprintf(text, sizeof(text), "%X: message-id=<%s>", id, message_id);
	log_line(a, "cleanup", text);
	snprintf(text, sizeof(text),
	    "%X: from=<%s>, size=1822, nrcpt=1 (queue active)", id, from);
	log_line(a, "qmgr", text);
	snprintf(text, sizeof(text),
	    "Trusted TLS connection established to mx.%s[10.25.1.1]:25: "
	    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
	    a->other);
	log_line(a, "smtp", text);
	snprintf(text, sizeof(text),
	    "%X: to=<tlsrpt@%s>, relay=mx.%s[10.25.1.1]:25, delay=0.11, "
	    "delays=0.01/0.01/0.06/0.03, dsn=2.0.0, status=sent (250 2.0.0 Ok:"
	    " queued as 6C4F1)",
	    id, a->other, a->other);
	log_line(a, "smtp", text);
	snprintf(text, sizeof(text), "%X: removed", id);
	log_line(a, "qmgr", text);
}

/* @return how many reports two send to each other in 30 days, after a mail of
 * each to the other. */
static int
count_reports(bool knows_contact)
{
	static struct sender two[2];
	char contact[64];
	int reports = 0;

	for (size_t i = 0; i < 2; i++) {
		two[i].domain = i == 0 ? "a.test" : "b.test";
		two[i].other = i == 0 ? "b.test" : "a.test";
		two[i].mails = two[i].yesterday = two[i].counted = 0;
		snprintf(contact, sizeof(contact), "TLS-reports@%s",
		    two[i].domain);
		smx_log_sessions_init(&two[i].sessions,
		    smx_slice_text(knows_contact ? contact : ""));
		deliver(&two[i], "me@x.test", "1@x.test");
	}
	for (int day = 1; day <= 30; day++) {
		for (size_t i = 0; i < 2; i++) {
			two[i].yesterday = two[i].counted;
			two[i].counted = 0;
		}
		for (size_t i = 0; i < 2; i++) {
			char from[64], id[128];

			if (two[i].yesterday == 0)
				continue;
			snprintf(from, sizeof(from), "tls-reports@%s",
			    two[i].domain);
			snprintf(id, sizeof(id), "%d.%s.token@%s", 20000 + day,
			    two[i].other, two[i].domain);
			deliver(&two[i], from, id);
			reports++;
		}
	}
	return reports;
}

static void
test_no_reports_about_reports(void **state)
{
	(void)state;
	assert_int_equal(count_reports(true), 2);
	/* That is what it would be. */
	assert_int_equal(count_reports(false), 60);
}

static bool
deliver_one(struct smx_log_sessions *s, int id, const char *from)
{
	struct smx_log_session_end end;
	char line[512];

	snprintf(line, sizeof(line),
	    QMGR "%X: from=<%s>, size=1822, nrcpt=1 (queue active)", id, from);
	assert_false(add(s, line, &end));
	snprintf(line, sizeof(line),
	    SMTP "%X: to=<a@b.test>, relay=mx.b.test[10.0.0.1]:25, delay=1, "
		 "status=deferred (Server certificate not trusted)",
	    id);
	return add(s, line, &end);
}

/* A queue id is used again, by somebody else's mail. */
static void
test_own_mail_is_forgotten(void **state)
{
	static struct smx_log_sessions s;

	(void)state;
	smx_log_sessions_init(&s, SMX_SLICE("tls@a.test"));
	assert_false(deliver_one(&s, 0x7A, "tls@a.test"));
	assert_true(deliver_one(&s, 0x7A, "me@a.test"));
	assert_false(deliver_one(&s, 0x7A, "tls@a.test"));
	/* More than there is room for: the last is known. */
	for (int i = 0; i < 10000; i++)
		assert_false(deliver_one(&s, 0x10000 + i, "tls@a.test"));
}

/* Some thousand under way at the same time. */
static void
test_many_own_mails(void **state)
{
	static struct smx_log_sessions s;
	struct smx_log_session_end end;
	char line[512];
	int counted = 0;

	(void)state;
	smx_log_sessions_init(&s, SMX_SLICE("tls@a.test"));
	for (int i = 0; i < 2000; i++) {
		snprintf(line, sizeof(line),
		    QMGR "%X: from=<tls@a.test>, size=1 (queue active)",
		    0x4B2A80 + i * 77);
		assert_false(add(&s, line, &end));
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(line, sizeof(line),
		    SMTP "%X: to=<a@b.test>, relay=mx.b.test[10.0.0.1]:25, "
			 "status=deferred (Server certificate not trusted)",
		    0x4B2A80 + i * 77);
		counted += add(&s, line, &end);
	}
	assert_in_range(counted, 0, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_lines_of_others_in_between),
		cmocka_unit_test(test_processes_in_between),
		cmocka_unit_test(test_failed_session_has_its_reason),
		cmocka_unit_test(test_failed_sessions_without_a_begin),
		cmocka_unit_test(test_next_attempt),
		cmocka_unit_test(test_no_reports_about_reports),
		cmocka_unit_test(test_own_mail_is_forgotten),
		cmocka_unit_test(test_many_own_mails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
