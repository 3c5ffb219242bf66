#include "unit.h"

#include "core/json.h"
#include "core/tlsrpt_report.h"

#define PLENTY ((size_t)1 << 20)

static struct smx_buf out, part;

static int
start(void **state)
{
	(void)state;
	smx_buf_init(&out, PLENTY);
	smx_buf_init(&part, PLENTY);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	smx_buf_done(&out);
	smx_buf_done(&part);
	return 0;
}

static const struct smx_tlsrpt_report_head head = {
	.organization_name = SMX_SLICE("Sender \"Inc\""),
	.contact_info = SMX_SLICE("tls@sender.example"),
	.report_id = SMX_SLICE("17000.b1@sender.example"),
	.day = 17000,
};

static struct smx_tlsrpt_line lines[] = {
	{ SMX_SLICE("version: STSv1"), &lines[1] },
	{ SMX_SLICE("mode: enforce"), &lines[2] },
	{ SMX_SLICE("mx: *.b.example"), &lines[3] },
	{ SMX_SLICE("max_age: 86400"), NULL },
};
static struct smx_tlsrpt_line mx_host = { SMX_SLICE("*.b.example"), NULL };
static struct smx_tlsrpt_line tlsa = { SMX_SLICE("3 1 1 1F85"), NULL };

static struct smx_tlsrpt_event_policy
policy(enum smx_tlsrpt_policy_type type, const char *domain)
{
	struct smx_tlsrpt_event_policy p = { .type = type };

	assert_int_equal(smx_domain_parse(smx_slice_text(domain), &p.domain),
	    0);
	if (type == SMX_TLSRPT_STS) {
		p.policy_string = lines;
		p.mx_host = &mx_host;
	} else if (type == SMX_TLSRPT_TLSA) {
		p.policy_string = &tlsa;
	}
	return p;
}

static void
add_policy(struct smx_tlsrpt_report_writer *w,
    const struct smx_tlsrpt_event_policy *p, uint64_t success, uint64_t failure)
{
	smx_buf_reset(&part);
	smx_tlsrpt_report_print_policy(p, &part);
	smx_tlsrpt_report_policy(w, smx_buf_slice(&part), success, failure);
}

static void
add_failure(struct smx_tlsrpt_report_writer *w,
    const struct smx_tlsrpt_failure *f, uint64_t count)
{
	smx_buf_reset(&part);
	smx_tlsrpt_report_print_failure(f, &part);
	smx_tlsrpt_report_failure(w, smx_buf_slice(&part), count);
}

/* RFC 8460, 4.4: every member there is. */
static const char expected[] =
    "{\"organization-name\":\"Sender \\\"Inc\\\"\","
    "\"date-range\":{\"start-datetime\":\"2016-07-18T00:00:00Z\","
    "\"end-datetime\":\"2016-07-18T23:59:59Z\"},"
    "\"contact-info\":\"tls@sender.example\","
    "\"report-id\":\"17000.b1@sender.example\","
    "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":["
    "\"version: STSv1\",\"mode: enforce\",\"mx: *.b.example\","
    "\"max_age: 86400\"],\"policy-domain\":\"b.example\","
    "\"mx-host\":[\"*.b.example\"]},"
    "\"summary\":{\"total-successful-session-count\":5326,"
    "\"total-failure-session-count\":303},"
    "\"failure-details\":[{\"result-type\":\"certificate-expired\","
    "\"sending-mta-ip\":\"2001:db8:abcd::1\","
    "\"receiving-mx-hostname\":\"mx1.b.example\",\"receiving-mx-helo\":"
    "\"helo.b.example\",\"receiving-ip\":\"203.0.113.56\","
    "\"additional-information\":\"more\",\"failure-reason-code\":\"X\\n\","
    "\"failed-session-count\":100},"
    "{\"result-type\":\"starttls-not-supported\","
    "\"failed-session-count\":203}]},"
    "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 1F85\"],"
    "\"policy-domain\":\"mx.b.example\"},"
    "\"summary\":{\"total-successful-session-count\":0,"
    "\"total-failure-session-count\":9007199254740992}},"
    "{\"policy\":{\"policy-type\":\"no-policy-found\","
    "\"policy-domain\":\"b.example\"},"
    "\"summary\":{\"total-successful-session-count\":1,"
    "\"total-failure-session-count\":0},"
    "\"failure-details\":[{\"result-type\":\"validation-failure\","
    "\"failed-session-count\":1}]}]}";

static void
write_whole(void)
{
	const struct smx_tlsrpt_failure expired = {
		.result = SMX_TLSRPT_CERTIFICATE_EXPIRED,
		.sending_mta_ip = SMX_SLICE("2001:db8:abcd::1"),
		.receiving_mx_hostname = SMX_SLICE("mx1.b.example"),
		.receiving_mx_helo = SMX_SLICE("helo.b.example"),
		.receiving_ip = SMX_SLICE("203.0.113.56"),
		.additional_information = SMX_SLICE("more"),
		.failure_reason_code = SMX_SLICE("X\n"),
	}, starttls = { .result = SMX_TLSRPT_STARTTLS_NOT_SUPPORTED },
	   other = { .result = SMX_TLSRPT_VALIDATION_FAILURE };
	struct smx_tlsrpt_event_policy p;
	struct smx_tlsrpt_report_writer w;

	smx_tlsrpt_report_begin(&w, &out, &head);
	p = policy(SMX_TLSRPT_STS, "b.example");
	add_policy(&w, &p, 5326, 303);
	add_failure(&w, &expired, 100);
	add_failure(&w, &starttls, 203);
	p = policy(SMX_TLSRPT_TLSA, "mx.b.example");
	add_policy(&w, &p, 0, UINT64_C(1) << 53);
	p = policy(SMX_TLSRPT_NO_POLICY_FOUND, "b.example");
	/* Not of this type, and left out. */
	p.policy_string = lines;
	p.mx_host = &mx_host;
	add_policy(&w, &p, 1, 0);
	add_failure(&w, &other, 1);
	assert_int_equal(smx_tlsrpt_report_end(&w), 0);
}

static void
test_whole_report(void **state)
{
	(void)state;
	write_whole();
	assert_string_equal(smx_buf_text(&out), expected);
}

static const struct smx_json *
element_member(const struct smx_json *list, size_t i, const char *name)
{
	return smx_json_member(smx_json_element(list, i), name);
}

static void
assert_text(const struct smx_json *j, const char *name, const char *want)
{
	assert_true(smx_slice_equal(smx_json_bytes(smx_json_member(j, name)),
	    smx_slice_text(want)));
}

static void
test_read_back(void **state)
{
	const struct smx_json *policies, *failures, *p;
	struct smx_json *j = NULL;

	(void)state;
	write_whole();
	assert_int_equal(smx_json_read(smx_buf_slice(&out), &j, &part), 0);
	assert_text(j, "organization-name", "Sender \"Inc\"");
	assert_text(j, "contact-info", "tls@sender.example");
	assert_text(smx_json_member(j, "date-range"), "start-datetime",
	    "2016-07-18T00:00:00Z");
	policies = smx_json_member(j, "policies");
	assert_int_equal(smx_json_count(policies), 3);
	p = element_member(policies, 0, "policy");
	assert_text(p, "policy-type", "sts");
	assert_int_equal(smx_json_count(smx_json_member(p, "policy-string")),
	    4);
	assert_int_equal(smx_json_count(smx_json_member(p, "mx-host")), 1);
	failures = element_member(policies, 0, "failure-details");
	assert_int_equal(smx_json_count(failures), 2);
	assert_text(smx_json_element(failures, 0), "failure-reason-code",
	    "X\n");
	assert_null(element_member(policies, 1, "failure-details"));
	assert_null(smx_json_member(element_member(policies, 1, "policy"),
	    "mx-host"));
	assert_null(smx_json_member(element_member(policies, 2, "policy"),
	    "policy-string"));
	smx_json_free(&j);
}

static void
test_report_without_policies(void **state)
{
	struct smx_tlsrpt_report_writer w;
	struct smx_json *j = NULL;

	(void)state;
	smx_tlsrpt_report_begin(&w, &out, &head);
	assert_int_equal(smx_tlsrpt_report_end(&w), 0);
	assert_int_equal(smx_json_read(smx_buf_slice(&out), &j, &part), 0);
	assert_int_equal(smx_json_count(smx_json_member(j, "policies")), 0);
	smx_json_free(&j);
}

/* Whatever the texts are made of, the report is JSON. */
static void
test_hostile_texts(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct smx_tlsrpt_event_policy p = policy(SMX_TLSRPT_STS,
		    "b.example");
		struct smx_tlsrpt_report_head hostile = head;
		struct smx_tlsrpt_line line = { .next = NULL };
		struct smx_tlsrpt_report_writer w;
		struct smx_tlsrpt_failure f;
		struct smx_json *j = NULL;
		struct smx_slice s;
		char bytes[30];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)unit_random(&seed);
		s = smx_slice(bytes, unit_random(&seed) % sizeof(bytes));
		f = (struct smx_tlsrpt_failure){ SMX_TLSRPT_TLSA_INVALID, s, s,
			s, s, s, s };
		line.text = hostile.organization_name = hostile.report_id = s;
		hostile.contact_info = s;
		p.policy_string = p.mx_host = &line;
		smx_buf_reset(&out);
		smx_tlsrpt_report_begin(&w, &out, &hostile);
		add_policy(&w, &p, 1, 2);
		add_failure(&w, &f, 2);
		assert_int_equal(smx_tlsrpt_report_end(&w), 0);
		assert_int_equal(smx_json_read(smx_buf_slice(&out), &j, &part),
		    0);
		smx_json_free(&j);
	}
}

/* Those that stand for others are rows like all others. */
static void
test_other_rows(void **state)
{
	static const char *const words[] = { "no-policy-found", "sts", "tlsa" };

	(void)state;
	for (int type = 0; type < 3; type++) {
		struct smx_tlsrpt_report_writer w;
		const struct smx_json *policies;
		struct smx_json *j = NULL;

		smx_buf_reset(&out);
		smx_buf_reset(&part);
		smx_tlsrpt_report_begin(&w, &out, &head);
		smx_tlsrpt_report_print_other_policy(
		    (enum smx_tlsrpt_policy_type)type, SMX_SLICE("b.example"),
		    &part);
		smx_tlsrpt_report_policy(&w, smx_buf_slice(&part), 1, 1);
		smx_tlsrpt_report_failure(&w, smx_tlsrpt_report_other_failure,
		    1);
		assert_int_equal(smx_tlsrpt_report_end(&w), 0);
		assert_int_equal(smx_json_read(smx_buf_slice(&out), &j, &part),
		    0);
		policies = smx_json_member(j, "policies");
		assert_text(element_member(policies, 0, "policy"),
		    "policy-type", words[type]);
		assert_text(element_member(policies, 0, "policy"),
		    "policy-domain", "b.example");
		assert_text(smx_json_element(element_member(policies, 0,
						 "failure-details"),
				0),
		    "result-type", "validation-failure");
		smx_json_free(&j);
	}
}

static void
test_buffer_is_full(void **state)
{
	char storage[sizeof(expected) - 2];
	struct smx_tlsrpt_report_writer w;
	struct smx_buf small;

	(void)state;
	for (size_t n = 0; n < sizeof(storage); n += 7) {
		smx_buf_init_fixed(&small, storage, n);
		smx_tlsrpt_report_begin(&w, &small, &head);
		smx_tlsrpt_report_policy(&w,
		    smx_slice(expected, sizeof(storage)), 1, 1);
		assert_int_equal(smx_tlsrpt_report_end(&w), -SMX_ELIMIT);
	}
}

/* RFC 8460, 5.1. */
static void
test_file_name(void **state)
{
	static const struct {
		int64_t day;
		const char *name;
	} rows[] = {
		{ 17000, "mail.a.example!b.example!1468800000!1468886399" },
		{ 0, "mail.a.example!b.example!0!86399" },
		/* Beyond 2038, beyond 32 bits. */
		{ 60000, "mail.a.example!b.example!5184000000!5184086399" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		smx_buf_reset(&out);
		smx_tlsrpt_report_print_name(SMX_SLICE("mail.a.example"),
		    SMX_SLICE("b.example"), rows[i].day, &out);
		assert_string_equal(smx_buf_text(&out), rows[i].name);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_report),
		TEST(test_read_back),
		TEST(test_report_without_policies),
		TEST(test_hostile_texts),
		TEST(test_other_rows),
		TEST(test_buffer_is_full),
		TEST(test_file_name),
	};

	return cmocka_run_group_tests_name("tlsrpt_report", tests, NULL, NULL);
}
