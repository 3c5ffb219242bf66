#include "unit.h"
#include "failing_alloc.h"

#include "core/tlsrpt_event.h"

#define PLENTY ((size_t)4 << 20)

#define RECORD "v=TLSRPTv1;rua=mailto:tls@a.example"
/* A datagram of one policy, as libtlsrpt 0.6 writes it. */
#define EVENT(domain, policy)                                          \
	"{\"dpv\": \"1\",\"d\": \"" domain "\",\"pr\": \"" RECORD "\"" \
	",\"policies\":[" policy "]}"
#define FAILED(members)                                                       \
	EVENT("a.example",                                                    \
	    "{\"policy-type\":9,\"failure-details\":[{" members "}],\"t\":1," \
	    "\"f\":1}")
#define CODE(type, code)                                               \
	EVENT("codes.example",                                         \
	    "{\"policy-type\":" type ",\"policy-domain\": "            \
	    "\"codes.example\",\"failure-details\":[{\"c\":" code "}]" \
	    ",\"t\":1,\"f\":1}")

static struct smx_arena arena;
static struct smx_buf text, more;

static int
start(void **state)
{
	(void)state;
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_EVENT_ARENA_MAX);
	smx_buf_init(&text, PLENTY);
	smx_buf_init(&more, PLENTY);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_arena_done(&arena);
	smx_buf_done(&text);
	smx_buf_done(&more);
	return 0;
}

static void
describe_lines(const struct smx_tlsrpt_line *line, struct smx_buf *out)
{
	smx_buf_add_text(out, " (");
	for (; line != NULL; line = line->next) {
		smx_buf_add(out, line->text);
		smx_buf_add_text(out, line->next != NULL ? "," : "");
	}
	smx_buf_add_text(out, ")");
}

static void
describe_failure(const struct smx_tlsrpt_failure *f, struct smx_buf *out)
{
	const struct {
		const char *name;
		struct smx_slice text;
	} members[] = { { "s", f->sending_mta_ip },
		{ "n", f->receiving_mx_hostname },
		{ "h", f->receiving_mx_helo }, { "r", f->receiving_ip },
		{ "a", f->additional_information },
		{ "f", f->failure_reason_code } };

	smx_buf_printf(out, "; %s", smx_tlsrpt_result_text(f->result));
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (members[i].text.n == 0)
			continue;
		smx_buf_printf(out, " %s=", members[i].name);
		smx_buf_add(out, members[i].text);
	}
}

/* An event in words of this test: all that is in it. */
static void
describe(const struct smx_tlsrpt_event *e, struct smx_buf *out)
{
	smx_buf_add(out, smx_domain_slice(&e->domain));
	for (const struct smx_tlsrpt_event_policy *p = e->policies; p != NULL;
	     p = p->next) {
		smx_buf_printf(out, " [%s %s %s",
		    smx_tlsrpt_policy_type_text(p->type), p->domain.text,
		    !p->is_session      ? "none"
			: p->is_failure ? "failed"
					: "passed");
		if (p->policy_string != NULL || p->mx_host != NULL) {
			describe_lines(p->policy_string, out);
			describe_lines(p->mx_host, out);
		}
		for (const struct smx_tlsrpt_event_failure *f = p->failures;
		     f != NULL; f = f->next)
			describe_failure(&f->row, out);
		smx_buf_add_char(out, ']');
	}
}

static int
parse(struct smx_slice in, struct smx_tlsrpt_event *ret)
{
	const char *what = NULL;
	int rc;

	smx_arena_reset(&arena);
	rc = smx_tlsrpt_event_parse(&arena, in, ret, &what);
	/* It says why, or nothing. */
	assert_true((rc < 0) == (what != NULL));
	return rc;
}

static void
assert_event(const char *datagram, const char *want)
{
	struct smx_tlsrpt_event e;

	if (parse(smx_slice_text(datagram), &e) < 0)
		fail_msg("%s", datagram);
	smx_buf_reset(&text);
	describe(&e, &text);
	assert_string_equal(smx_buf_text(&text), want);
	/* Printed and read again it is the same event. */
	smx_buf_reset(&more);
	smx_tlsrpt_event_print(&e, &more);
	assert_int_equal(smx_buf_status(&more), 0);
	if (parse(smx_buf_slice(&more), &e) < 0)
		fail_msg("%s", smx_buf_text(&more));
	smx_buf_reset(&text);
	describe(&e, &text);
	assert_string_equal(smx_buf_text(&text), want);
}

struct row {
	const char *datagram, *event;
};

/* What libtlsrpt is known to send. */
static const struct row usual[] = {
	{ EVENT("a.example", "{\"policy-type\":9,\"t\":0,\"f\":0}"),
	    "a.example [no-policy-found a.example passed]" },
	{ EVENT("a.example",
	      "{\"policy-type\":9,\"policy-domain\": \"a.example\",\"t\":0,"
	      "\"f\":0}"),
	    "a.example [no-policy-found a.example passed]" },
	{ EVENT("b.example",
	      "{\"policy-type\":2,\"policy-domain\": \"b.example\","
	      "\"policy-string\":[\"version: STSv1\",\"mode: enforce\","
	      "\"mx: *.mx.b.example\",\"max_age: 86400\"],"
	      "\"mx-host\":[\"*.mx.b.example\"],\"t\":0,\"f\":0}"),
	    "b.example [sts b.example passed (version: STSv1,mode: enforce,"
	    "mx: *.mx.b.example,max_age: 86400) (*.mx.b.example)]" },
	{ EVENT("a.example",
	      "{\"policy-type\":2,\"policy-domain\": \"b.example\","
	      "\"policy-string\":[\"version: STSv1\",\"mode: testing\"],"
	      "\"mx-host\":[\"*.mx.b.example\"],\"failure-details\":["
	      "{\"c\":302,\"s\": \"192.0.2.1\",\"n\": \"mx.a.example\","
	      "\"h\": \"ehlo.a.example\",\"r\": \"198.51.100.1\","
	      "\"a\": \"more of it\",\"f\": \"999 WHY\"},"
	      "{\"c\":303,\"s\": \"192.0.2.2\",\"n\": \"mx.a.example\","
	      "\"h\": \"ehlo.a.example\",\"r\": \"198.51.100.2\","
	      "\"a\": \"more of it\",\"f\": \"123 ANOTHER\"}],"
	      "\"t\":2,\"f\":1}"),
	    "a.example [sts b.example failed (version: STSv1,mode: testing) "
	    "(*.mx.b.example); sts-policy-invalid s=192.0.2.1 n=mx.a.example "
	    "h=ehlo.a.example r=198.51.100.1 a=more of it f=999 WHY; "
	    "sts-webpki-invalid s=192.0.2.2 n=mx.a.example h=ehlo.a.example "
	    "r=198.51.100.2 a=more of it f=123 ANOTHER]" },
	/* The whole reply to EHLO, and a certificate that signed itself. */
	{ EVENT("c.example",
	      "{\"policy-type\":1,\"policy-domain\": \"mx.c.example\","
	      "\"policy-string\":[\"3 1 1 1F850A33\"],\"failure-details\":["
	      "{\"c\":205,\"s\": \"192.0.2.25\",\"n\": \"mx.c.example\","
	      "\"h\": \"250-mx.c.example at your service, [192.0.2.25]\\r\\n"
	      "250-SIZE 1000\\r\\n250-STARTTLS\\r\\n250 SMTPUTF8\","
	      "\"r\": \"198.51.100.7\",\"f\": \"self-signed_certificate\"}],"
	      "\"t\":1,\"f\":1}"),
	    "c.example [tlsa mx.c.example failed (3 1 1 1F850A33) (); "
	    "certificate-not-trusted s=192.0.2.25 n=mx.c.example "
	    "h=mx.c.example r=198.51.100.7 f=self-signed_certificate]" },
#define CODED(type, word, code, result)                      \
	{                                                    \
		CODE(type, code),                            \
		    "codes.example [" word " codes.example " \
		    "failed; " result "]"                    \
	}
	CODED("2", "sts", "201", "starttls-not-supported"),
	CODED("2", "sts", "202", "certificate-host-mismatch"),
	CODED("2", "sts", "203", "certificate-not-trusted"),
	CODED("2", "sts", "204", "certificate-expired"),
	CODED("2", "sts", "205", "validation-failure"),
	CODED("2", "sts", "301", "sts-policy-fetch-error"),
	CODED("2", "sts", "302", "sts-policy-invalid"),
	CODED("2", "sts", "303", "sts-webpki-invalid"),
	CODED("1", "tlsa", "304", "tlsa-invalid"),
	CODED("1", "tlsa", "305", "dnssec-invalid"),
	CODED("1", "tlsa", "306", "dane-required"),
	{ EVENT("a.example",
	      "{\"policy-type\":2,\"policy-domain\": \"b.example\","
	      "\"policy-string\":[\"version: STSv1\"],"
	      "\"mx-host\":[\"*.x.b.example\",\"*.y.b.example\"],"
	      "\"failure-details\":[{\"c\":204,\"s\": \"2001:db8::25\","
	      "\"n\": \"mx1\",\"h\": \"mx1.ehlo\",\"r\": \"2001:db8::26\"}],"
	      "\"t\":1,\"f\":1},"
	      "{\"policy-type\":1,\"policy-domain\": \"b.example\","
	      "\"policy-string\":[\"3 0 1 1F85\"],\"t\":0,\"f\":0}"),
	    "a.example [sts b.example failed (version: STSv1) "
	    "(*.x.b.example,*.y.b.example); certificate-expired "
	    "s=2001:db8::25 n=mx1 h=mx1.ehlo r=2001:db8::26] "
	    "[tlsa b.example passed (3 0 1 1F85) ()]" },
	/* A failure, and yet the session succeeded in the end. */
	{ EVENT("odd.example",
	      "{\"policy-type\":2,\"policy-domain\": \"odd.example\","
	      "\"failure-details\":[{\"c\":202,\"n\": \"mx.odd.example\"}],"
	      "\"t\":1,\"f\":0}"),
	    "odd.example [sts odd.example passed; certificate-host-mismatch "
	    "n=mx.odd.example]" },
	/* And the other way round. */
	{ EVENT("odd.example",
	      "{\"policy-type\":2,\"policy-domain\": \"odd.example\",\"t\":0,"
	      "\"f\":1}"),
	    "odd.example [sts odd.example failed]" },
	/* Nothing of it is in order. */
	{ EVENT("A.Example.",
	      "{\"policy-type\":9,\"policy-domain\": \"\\u0001\\u001f\\\"\\\\"
	      "\\/\\u007f\\b\\f\\n\\r\\t\",\"failure-details\":[{\"c\":205,"
	      "\"h\": \"caf\xc3\xa9\",\"f\": \"utf8 ok\"}],\"t\":1,\"f\":1}"),
	    "a.example [no-policy-found a.example failed; validation-failure "
	    "h=caf\xc3\xa9 f=utf8 ok]" },
	{ EVENT("unk.example",
	      "{\"policy-type\":7,\"policy-domain\": \"unk.example\","
	      "\"failure-details\":[{\"c\":999}],\"t\":1,\"f\":5}"),
	    "unk.example [no-policy-found unk.example failed; "
	    "validation-failure f=libtlsrpt code 999]" },
};

static void
test_usual_datagrams(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(usual); i++)
		assert_event(usual[i].datagram, usual[i].event);
}

#define NORMAL(members, want)                                                \
	{                                                                    \
		FAILED(members),                                             \
		    "a.example [no-policy-found a.example failed; " want "]" \
	}

static const struct row normalised[] = {
	/* What is about trust is called so, and keeps its text. */
	NORMAL("\"c\":205,\"f\":\"Self Signed certificate\"",
	    "certificate-not-trusted f=Self Signed certificate"),
	NORMAL(
	    "\"c\":205,\"f\":\"self-signed certificate in certificate chain\"",
	    "certificate-not-trusted "
	    "f=self-signed certificate in certificate chain"),
	NORMAL("\"c\":205,\"f\":\"unable_to_get_local_issuer_certificate\"",
	    "certificate-not-trusted f=unable_to_get_local_issuer_certificate"),
	NORMAL("\"c\":205,\"f\":\"x unable to get issuer certificate x\"",
	    "certificate-not-trusted f=x unable to get issuer certificate x"),
	NORMAL("\"c\":205,\"f\":\"unable to verify the first certificate\"",
	    "certificate-not-trusted f=unable to verify the first certificate"),
	NORMAL("\"c\":205,\"f\":\"certificate not trusted\"",
	    "certificate-not-trusted f=certificate not trusted"),
	NORMAL("\"f\":\"self signed certificate\",\"c\":205",
	    "certificate-not-trusted f=self signed certificate"),
	NORMAL("\"c\":205,\"f\":\"self signed certificat\"",
	    "validation-failure f=self signed certificat"),
	NORMAL("\"c\":204,\"f\":\"self signed certificate\"",
	    "certificate-expired f=self signed certificate"),
	/* Codes nobody has heard of. */
	NORMAL("\"c\":200", "validation-failure f=libtlsrpt code 200"),
	NORMAL("\"c\":-1", "validation-failure f=libtlsrpt code -1"),
	NORMAL("\"c\":999,\"f\":\"said\"", "validation-failure f=said"),
	NORMAL("\"c\":9007199254740992",
	    "validation-failure f=libtlsrpt code 9007199254740992"),
	NORMAL("\"s\":\"192.0.2.1\"",
	    "validation-failure s=192.0.2.1 f=libtlsrpt code 0"),
	NORMAL("\"c\":7,\"f\":\"self-signed certificate\"",
	    "certificate-not-trusted f=self-signed certificate"),
	/* Addresses only. */
	NORMAL("\"c\":201,\"s\":\"x\",\"r\":\"192.0.2.256\"",
	    "starttls-not-supported"),
	NORMAL("\"c\":201,\"s\":\"[192.0.2.1]\",\"r\":\"fe80::1%eth0\"",
	    "starttls-not-supported"),
	NORMAL("\"c\":201,\"s\":\"\",\"r\":\"::1\"",
	    "starttls-not-supported r=::1"),
	/* Names of hosts. */
	NORMAL("\"c\":201,\"n\":\"MX.A.Example.\"",
	    "starttls-not-supported n=mx.a.example"),
	NORMAL("\"c\":201,\"n\":\"no host\"",
	    "starttls-not-supported n=no host"),
	/* Of the reply to EHLO the first word. */
	NORMAL("\"c\":201,\"h\":\"mx.a.example\"",
	    "starttls-not-supported h=mx.a.example"),
	NORMAL("\"c\":201,\"h\":\"mx.a.example Hello\\n250 DSN\"",
	    "starttls-not-supported h=mx.a.example"),
	NORMAL("\"c\":201,\"h\":\"250 mx.a.example\\ttab\"",
	    "starttls-not-supported h=mx.a.example"),
	NORMAL("\"c\":201,\"h\":\"250-250-mx.a.example\"",
	    "starttls-not-supported h=mx.a.example"),
	NORMAL("\"c\":201,\"h\":\"250-\\r\\n250 x\"", "starttls-not-supported"),
	NORMAL("\"c\":201,\"h\":\"250mx\"", "starttls-not-supported h=250mx"),
	/* What is no text is left out. */
	NORMAL("\"c\":201,\"s\":1,\"n\":null,\"h\":[\"a\"],\"r\":{\"a\":[]},"
	       "\"a\":true,\"f\":-1.5",
	    "starttls-not-supported"),
	NORMAL("\"x\":[{\"c\":1}],\"c\":201,\"y\":{}",
	    "starttls-not-supported"),
	/* The version may be missing; so may what is not needed. */
	{ "{\"d\":\"a.example\",\"pr\":\"" RECORD "\",\"policies\":[{}]}",
	    "a.example [no-policy-found a.example none]" },
	{ "{\"policies\":[{\"failure-details\":[]}],\"pr\":\"" RECORD
	  "\",\"x\":{\"d\":\"b.example\"},\"d\":\"a.example\",\"dpv\":\"1\"}",
	    "a.example [no-policy-found a.example none]" },
	{ EVENT("a.example",
	      "{\"policy-type\":2,\"policy-domain\":null,\"policy-string\":"
	      "\"alone\",\"mx-host\":\"mx.a.example\",\"f\":0}"),
	    "a.example [sts a.example passed (alone) (mx.a.example)]" },
	{ EVENT("a.example",
	      "{\"policy-type\":2,\"policy-domain\":\"B.Example.\","
	      "\"policy-string\":null,\"mx-host\":{\"x\":1},\"f\":-1}"),
	    "a.example [sts b.example failed]" },
	{ EVENT("a.example",
	      "{\"policy-type\":2,\"policy-string\":[],\"mx-host\":[\"\"],"
	      "\"f\":0}"),
	    "a.example [sts a.example passed () ()]" },
	/* An escape in a name of a member. */
	{ "{\"\\u0064\":\"a.example\",\"pr\":\"x\",\"policies\":[{\"f\":0}]}",
	    "a.example [no-policy-found a.example passed]" },
};

static void
test_normalised(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(normalised); i++)
		assert_event(normalised[i].datagram, normalised[i].event);
}

#define PARSE(datagram, what)               \
	{                                   \
		datagram, what, -SMX_EPARSE \
	}
#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["

static const struct {
	const char *datagram, *what;
	int rc;
} wrong[] = {
	PARSE("", "not JSON"),
	PARSE("x", "not JSON"),
	PARSE("{", "not JSON"),
	PARSE("{} x", "something stands behind it: one object is one datagram"),
	PARSE(EVENT("a.example", "{}") "\n" EVENT("a.example", "{}"),
	    "something stands behind it: one object is one datagram"),
	PARSE(EVENT("a.example", "{}") "}",
	    "something stands behind it: one object is one datagram"),
	PARSE("{\"x\":[}}", "not JSON"),
	PARSE("{\"d\":[}}", "not JSON"),
	PARSE("[]", "no JSON object"),
	PARSE("null", "no JSON object"),
	PARSE("\"d\"", "no JSON object"),
	PARSE("{\"dpv\":\"2\"}", "a version (dpv) other than 1"),
	PARSE("{\"dpv\":\"\"}", "a version (dpv) other than 1"),
	PARSE("{\"dpv\":1}", "a version (dpv) other than 1"),
	PARSE("{\"dpv\":null}", "a version (dpv) other than 1"),
	PARSE("{}", "no domain (d)"),
	PARSE(EVENT("", "{}"), "the domain (d) is no host name"),
	PARSE(EVENT("a b", "{}"), "the domain (d) is no host name"),
	PARSE(EVENT("192.0.2.1", "{}"), "the domain (d) is no host name"),
	PARSE(EVENT("a.example\\u0000", "{}"),
	    "the domain (d) is no host name"),
	PARSE(EVENT("../a", "{}"), "the domain (d) is no host name"),
	PARSE("{\"d\":1,\"pr\":\"x\",\"policies\":[{}]}",
	    "the domain (d) is no host name"),
	PARSE("{\"d\":\"a.example\",\"policies\":[{}]}",
	    "no TLS reporting record (pr)"),
	PARSE("{\"d\":\"a.example\",\"pr\":\"\",\"policies\":[{}]}",
	    "no TLS reporting record (pr)"),
	PARSE("{\"d\":\"a.example\",\"pr\":[\"x\"],\"policies\":[{}]}",
	    "no TLS reporting record (pr)"),
	PARSE("{\"d\":\"a.example\",\"pr\":\"x\"}", "no policies"),
	PARSE(EVENT("a.example", ""), "no policies"),
	PARSE("{\"policies\":{}}", "policies is no list"),
	PARSE("{\"policies\":null}", "policies is no list"),
	PARSE(EVENT("a.example", "1"), "a policy is no object"),
	PARSE(EVENT("a.example", "{},[]"), "a policy is no object"),
	PARSE(EVENT("a.example", "{\"policy-type\":\"2\"}"),
	    "policy-type or f is no number"),
	PARSE(EVENT("a.example", "{\"policy-type\":2.5}"),
	    "policy-type or f is no number"),
	PARSE(EVENT("a.example", "{\"f\":true}"),
	    "policy-type or f is no number"),
	PARSE(EVENT("a.example", "{\"f\":9007199254740993}"),
	    "policy-type or f is no number"),
	PARSE(EVENT("a.example", "{\"failure-details\":{}}"),
	    "failure-details is no list"),
	PARSE(EVENT("a.example", "{\"failure-details\":null}"),
	    "failure-details is no list"),
	PARSE(EVENT("a.example", "{\"failure-details\":[1]}"),
	    "a failure is no object"),
	PARSE(FAILED("\"c\":\"201\""), "the code of a failure is no number"),
	PARSE(FAILED("\"c\":[]"), "the code of a failure is no number"),
	PARSE(EVENT("a.example", "{\"policy-string\":[\"a\",1]}"),
	    "policy-string or mx-host has what is no text"),
	PARSE(EVENT("a.example", "{\"mx-host\":[[]]}"),
	    "policy-string or mx-host has what is no text"),
	PARSE("{\"d\":\"a.example\",\"d\":\"b.example\"}",
	    "a member stands twice"),
	PARSE(EVENT("a.example", "{\"f\":0,\"f\":1}"), "a member stands twice"),
	PARSE(FAILED("\"f\":\"a\",\"f\":\"a\""), "a member stands twice"),
	{ "{\"x\":" DEEP "1", "nested too deep", -SMX_ELIMIT },
	{ "{\"d\":" DEEP "1", "nested too deep", -SMX_ELIMIT },
	{ "{\"policies\":[{\"failure-details\":[{\"a\":" DEEP "1",
	    "nested too deep", -SMX_ELIMIT },
};

static void
test_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct smx_tlsrpt_event e = { .record = SMX_SLICE("kept") };
		const char *what = "";
		int rc;

		smx_arena_reset(&arena);
		rc = smx_tlsrpt_event_parse(&arena,
		    smx_slice_text(wrong[i].datagram), &e, &what);
		if (rc != wrong[i].rc || strcmp(what, wrong[i].what) != 0)
			fail_msg("%s: %d %s", wrong[i].datagram, rc, what);
		assert_slice(e.record, "kept");
	}
}

/* An event with @p count of something within a policy. */
static void
repeat(const char *before, const char *each, size_t count, const char *after)
{
	smx_buf_reset(&more);
	smx_buf_add_text(&more,
	    "{\"d\":\"a.example\",\"pr\":\"x\",\"policies\":[");
	smx_buf_add_text(&more, before);
	for (size_t i = 0; i < count; i++) {
		smx_buf_add_text(&more, i > 0 ? "," : "");
		smx_buf_add_text(&more, each);
	}
	smx_buf_add_text(&more, after);
	smx_buf_add_text(&more, "]}");
	assert_int_equal(smx_buf_status(&more), 0);
}

static void
test_counts(void **state)
{
	static const struct {
		const char *before, *each, *after, *what;
		size_t max;
	} rows[] = {
		{ "", "{\"f\":0}", "", "too many policies",
		    SMX_TLSRPT_EVENT_POLICIES_MAX },
		{ "{\"failure-details\":[", "{\"c\":201}", "]}",
		    "too many failures", SMX_TLSRPT_EVENT_FAILURES_MAX },
		{ "{\"policy-string\":[", "\"a\"", "]}",
		    "policy-string or mx-host is too long",
		    SMX_TLSRPT_EVENT_LINES_MAX },
		{ "{\"mx-host\":[", "\"a\"", "]}",
		    "policy-string or mx-host is too long",
		    SMX_TLSRPT_EVENT_LINES_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_tlsrpt_event e;
		const char *what = "";

		repeat(rows[i].before, rows[i].each, rows[i].max,
		    rows[i].after);
		assert_int_equal(parse(smx_buf_slice(&more), &e), 0);
		repeat(rows[i].before, rows[i].each, rows[i].max + 1,
		    rows[i].after);
		smx_arena_reset(&arena);
		assert_int_equal(smx_tlsrpt_event_parse(&arena,
				     smx_buf_slice(&more), &e, &what),
		    -SMX_ELIMIT);
		assert_string_equal(what, rows[i].what);
	}
}

static void
test_longest_datagram(void **state)
{
	const struct smx_slice event = SMX_SLICE(EVENT("a.example", "{}"));
	char *datagram = malloc(SMX_TLSRPT_DATAGRAM_MAX + 1);
	struct smx_tlsrpt_event e;
	const char *what = "";

	(void)state;
	assert_non_null(datagram);
	memset(datagram, ' ', SMX_TLSRPT_DATAGRAM_MAX + 1);
	memcpy(datagram, event.p, event.n);
	assert_int_equal(
	    parse(smx_slice(datagram, SMX_TLSRPT_DATAGRAM_MAX), &e), 0);
	assert_int_equal(smx_tlsrpt_event_parse(&arena,
			     smx_slice(datagram, SMX_TLSRPT_DATAGRAM_MAX + 1),
			     &e, &what),
	    -SMX_ELIMIT);
	assert_string_equal(what, "longer than a datagram can be");
	free(datagram);
}

/* An event in which @p member of a failure is @p count times @p c and @p end.
 */
static struct smx_tlsrpt_failure
long_text(const char *member, char c, size_t count, const char *end)
{
	struct smx_tlsrpt_event e;

	smx_buf_reset(&more);
	smx_buf_printf(&more,
	    "{\"d\":\"a.example\",\"pr\":\"x\",\"policies\":["
	    "{\"failure-details\":[{\"%s\":\"",
	    member);
	for (size_t i = 0; i < count; i++)
		smx_buf_add_char(&more, c);
	smx_buf_printf(&more, "%s\"}]}]}", end);
	assert_int_equal(parse(smx_buf_slice(&more), &e), 0);
	return e.policies->failures->row;
}

static void
test_long_texts_are_cut(void **state)
{
	struct smx_tlsrpt_failure f;

	(void)state;
	f = long_text("a", 'x', SMX_TLSRPT_EVENT_TEXT_MAX, "");
	assert_int_equal(f.additional_information.n, SMX_TLSRPT_EVENT_TEXT_MAX);
	f = long_text("a", 'x', SMX_TLSRPT_EVENT_TEXT_MAX + 1, "");
	assert_int_equal(f.additional_information.n, SMX_TLSRPT_EVENT_TEXT_MAX);
	/* Not within a character. */
	f = long_text("f", 'x', SMX_TLSRPT_EVENT_TEXT_MAX - 1, "\xc3\xbc");
	assert_int_equal(f.failure_reason_code.n,
	    SMX_TLSRPT_EVENT_TEXT_MAX - 1);
	f = long_text("f", 'x', SMX_TLSRPT_EVENT_TEXT_MAX - 2, "\xc3\xbcx");
	assert_int_equal(f.failure_reason_code.n, SMX_TLSRPT_EVENT_TEXT_MAX);
	f = long_text("f", 'x', SMX_TLSRPT_EVENT_TEXT_MAX - 3,
	    "\\ud83d\\udc22");
	assert_int_equal(f.failure_reason_code.n,
	    SMX_TLSRPT_EVENT_TEXT_MAX - 3);
	/* Names of hosts are shorter. */
	f = long_text("h", 'x', SMX_DOMAIN_MAX + 1, "");
	assert_int_equal(f.receiving_mx_helo.n, SMX_DOMAIN_MAX);
	f = long_text("n", 'x', SMX_TLSRPT_EVENT_TEXT_MAX + 1, "");
	assert_int_equal(f.receiving_mx_hostname.n, SMX_TLSRPT_EVENT_TEXT_MAX);
}

static struct smx_slice
with_lengths(size_t record, size_t line)
{
	smx_buf_reset(&more);
	smx_buf_add_text(&more, "{\"d\":\"a.example\",\"pr\":\"");
	for (size_t i = 0; i < record; i++)
		smx_buf_add_char(&more, 'r');
	smx_buf_add_text(&more, "\",\"policies\":[{\"policy-string\":[\"");
	for (size_t i = 0; i < line; i++)
		smx_buf_add_char(&more, 's');
	smx_buf_add_text(&more, "\"]}]}");
	return smx_buf_slice(&more);
}

static void
test_long_lines_are_cut(void **state)
{
	struct smx_tlsrpt_event e;

	(void)state;
	assert_int_equal(
	    parse(with_lengths(SMX_TXT_MAX, SMX_TLSRPT_EVENT_TEXT_MAX + 1), &e),
	    0);
	assert_int_equal(e.record.n, SMX_TXT_MAX);
	assert_int_equal(e.policies->policy_string->text.n,
	    SMX_TLSRPT_EVENT_TEXT_MAX);
}

/* What is left of one could name another address. */
static void
test_long_record_is_refused(void **state)
{
	struct smx_tlsrpt_event e;

	(void)state;
	assert_int_equal(parse(with_lengths(SMX_TXT_MAX + 1, 1), &e),
	    -SMX_ELIMIT);
}

/* What is left of a name that is cut could be the name of another. */
static void
test_long_names_are_no_other_names(void **state)
{
	static const char *const ends[] = { "", ".", ".b", ".b.example",
		".\xc3\xbc", "\x80" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct smx_tlsrpt_event e;
		struct smx_buf name;
		bool is_name = i < 2;

		smx_buf_init(&name, PLENTY);
		while (name.n < SMX_DOMAIN_MAX)
			smx_buf_add_char(&name, name.n % 50 == 49 ? '.' : 'a');
		smx_buf_add_text(&name, ends[i]);
		for (int k = 0; i == 5 && k < 100; k++)
			smx_buf_add_text(&name, ends[i]);
		smx_buf_reset(&more);
		smx_buf_printf(&more,
		    "{\"d\":\"%s\",\"pr\":\"x\",\"policies\":[{}]}",
		    smx_buf_text(&name));
		assert_int_equal(parse(smx_buf_slice(&more), &e),
		    is_name ? 0 : -SMX_EPARSE);
		smx_buf_reset(&more);
		smx_buf_printf(&more,
		    "{\"d\":\"d.example\",\"pr\":\"x\",\"policies\":["
		    "{\"policy-domain\":\"%s\"}]}",
		    smx_buf_text(&name));
		assert_int_equal(parse(smx_buf_slice(&more), &e), 0);
		assert_int_equal(e.policies->domain.n,
		    is_name ? SMX_DOMAIN_MAX : sizeof("d.example") - 1);
		smx_buf_done(&name);
	}
}

/* Whatever is in a datagram, its parser finds room for it. */
static void
test_arena_is_large_enough(void **state)
{
	static const char *const shapes[] = { "\"\\n\",", "[\"\\n\"],",
		"{\"\\n\":\"\\n\"},", "[],", "1," };
	struct smx_tlsrpt_event e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		size_t n = strlen(shapes[i]);

		smx_buf_reset(&more);
		smx_buf_add_text(&more,
		    "{\"d\":\"a.example\",\"pr\":\"x\","
		    "\"policies\":[{}],\"x\":[");
		while (more.n + n + 3 <= SMX_TLSRPT_DATAGRAM_MAX)
			smx_buf_add_text(&more, shapes[i]);
		smx_buf_add_text(&more, "0]}");
		assert_int_equal(parse(smx_buf_slice(&more), &e), 0);
	}
	smx_buf_reset(&more);
	smx_buf_add_text(&more,
	    "{\"d\":\"a.example\",\"pr\":\"x\",\"policies\":[");
	for (int i = 0; i < SMX_TLSRPT_EVENT_POLICIES_MAX; i++) {
		smx_buf_add_text(&more, i > 0 ? ",{\"" : "{\"");
		smx_buf_add_text(&more, "policy-string\":[\"\\n\"");
		for (int k = 1; k < SMX_TLSRPT_EVENT_LINES_MAX; k++)
			smx_buf_add_text(&more, ",\"\\n\"");
		smx_buf_add_text(&more, "],\"failure-details\":[{}");
		for (int k = 1; k < SMX_TLSRPT_EVENT_FAILURES_MAX; k++)
			smx_buf_add_text(&more, ",{\"a\":\"\\n\",\"n\":\"m\"}");
		smx_buf_add_text(&more, "]}");
	}
	smx_buf_add_text(&more, "]}");
	assert_true(more.n <= SMX_TLSRPT_DATAGRAM_MAX);
	assert_int_equal(parse(smx_buf_slice(&more), &e), 0);
	assert_true(arena.used_bytes <= SMX_TLSRPT_EVENT_ARENA_MAX / 2);
}

/* Has all there is in it. */
static const char whole[] = EVENT("a.\\u0065xample",
    "{\"policy-type\":2,\"policy-domain\":\"b.example\",\"policy-string\":"
    "[\"version: STSv1\",\"m\\u006fde: enforce\"],\"mx-host\":[\"*.b.example\"]"
    ",\"failure-details\":[{\"c\":205,\"s\":\"192.0.2.1\",\"n\":\"MX.b.example\""
    ",\"h\":\"250-mx.b.example hi\\r\\n250 X\",\"r\":\"2001:db8::1\",\"a\":"
    "\"\\u0001\\ud83d\\udc22\",\"f\":\"self-signed certificate\"},{\"c\":7}],"
    "\"t\":2,\"f\":1},{\"policy-type\":9,\"x\":{\"y\":[1,null]},\"f\":0}");

static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		struct smx_tlsrpt_event e;
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy + 1, whole, n);
		assert_int_equal(parse(smx_slice(copy + 1, n), &e),
		    n == sizeof(whole) - 1 ? 0 : -SMX_EPARSE);
		free(copy);
	}
}

static void
test_flipped_bytes(void **state)
{
	uint64_t seed = 6;
	size_t read = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		struct smx_tlsrpt_event e;
		char *copy = malloc(sizeof(whole) - 1);

		assert_non_null(copy);
		memcpy(copy, whole, sizeof(whole) - 1);
		for (unsigned i = 0; i <= unit_random(&seed) % 4; i++)
			copy[unit_random(&seed) % (sizeof(whole) - 1)] =
			    (char)unit_random(&seed);
		if (parse(smx_slice(copy, sizeof(whole) - 1), &e) == 0) {
			read++;
			smx_buf_reset(&text);
			smx_tlsrpt_event_print(&e, &text);
			assert_int_equal(parse(smx_buf_slice(&text), &e), 0);
			smx_buf_reset(&more);
			smx_tlsrpt_event_print(&e, &more);
			assert_string_equal(smx_buf_text(&more),
			    smx_buf_text(&text));
		}
		free(copy);
	}
	assert_true(read > 1000);
}

/* Each allocation fails in turn. */
static void
test_out_of_memory(void **state)
{
	unsigned passed = 0;
	int rc;

	(void)state;
	/* More than fits into one block of the arena. */
	repeat("{\"f\":0},{\"failure-details\":[",
	    "{\"c\":1,\"a\":\"\\n\",\"n\":\"mx\"}", 100, "]}");
	do {
		struct smx_tlsrpt_event e;
		const char *what = "";
		struct smx_arena a;

		smx_arena_init(&a, NULL, 0, SMX_TLSRPT_EVENT_ARENA_MAX);
		failing_alloc_after(passed++);
		rc = smx_tlsrpt_event_parse(&a, smx_buf_slice(&more), &e,
		    &what);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		assert_string_equal(what,
		    rc == 0 ? "" : "too large to be read");
		smx_arena_done(&a);
	} while (rc < 0 && passed < 1000);
	assert_int_equal(rc, 0);
	assert_true(passed > 2);
}

/* The arena's cap at every size up to what is needed: each that takes from it
 * says so. */
static void
test_arena_runs_out(void **state)
{
	size_t cap = 0;
	int rc;

	(void)state;
	do {
		struct smx_tlsrpt_event e;
		const char *what = "";
		struct smx_arena a;

		smx_arena_init(&a, smx_arena_take(&arena, 1, cap + 1), cap, 0);
		rc = smx_tlsrpt_event_parse(&a, SMX_SLICE(whole), &e, &what);
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		assert_string_equal(what,
		    rc == 0 ? "" : "too large to be read");
		smx_arena_done(&a);
		smx_arena_reset(&arena);
		cap += 8;
	} while (rc < 0 && cap < 100000);
	assert_int_equal(rc, 0);
	assert_true(cap > 2 * sizeof(struct smx_tlsrpt_event_policy));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_usual_datagrams),
		TEST(test_normalised),
		TEST(test_what_is_wrong),
		TEST(test_counts),
		TEST(test_longest_datagram),
		TEST(test_long_texts_are_cut),
		TEST(test_long_lines_are_cut),
		TEST(test_long_record_is_refused),
		TEST(test_long_names_are_no_other_names),
		TEST(test_arena_is_large_enough),
		TEST(test_every_cut),
		TEST(test_flipped_bytes),
		TEST(test_out_of_memory),
		TEST(test_arena_runs_out),
	};

	return cmocka_run_group_tests_name("tlsrpt_event", tests, NULL, NULL);
}
