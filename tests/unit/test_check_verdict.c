#include "check_scene.h"

/* Facts, and what they come to. */
struct row {
	const char *what;
	struct scene scene;
	enum smx_check_verdict verdict;
	int status;
	const char *headline;    /* it has this in it */
	enum smx_diag_code code; /* found; SMX_DIAG_OK: any */
};

static const struct smx_check_settings works = { .smtp_works = true };

#define MX(...)                                             \
	.mx = { { .host = "mx1.example.com", __VA_ARGS__ }, \
		{ .host = "mx2.example.com", __VA_ARGS__ } }
#define MX_1(...)                                           \
	.mx = { { .host = "mx1.example.com", __VA_ARGS__ }, \
		{ .host = "mx2.example.com" } }
#define TESTING .body = SCENE_MODE("testing")
#define NOTHING .record = "", .host_status = SMX_DNS_NXDOMAIN
#define WORKS   .settings = { .smtp_works = true }

static const struct row rows[] = {
	{ "all is right", { 0 }, SMX_CHECK_PROTECTED, 0, "protected" },
	{ "no TLS reports", { .tlsrpt = "" }, SMX_CHECK_WARNINGS, 1,
	    "1 thing to mend", SMX_DIAG_TLSRPT_NONE },
	{ "two things", { .tlsrpt = "", .dmarc = "v=DMARC1; x=y" },
	    SMX_CHECK_WARNINGS, 1, "2 things to mend", SMX_DIAG_DMARC_POLICY },
	{ "certificate of an MX host ends soon",
	    { MX(.not_after = SCENE_NOW + SMX_DAY) }, SMX_CHECK_WARNINGS, 1,
	    "to mend", SMX_DIAG_SMTP_CERT_SOON },
	{ "certificate of the policy host ends soon",
	    { .host_not_after = SCENE_NOW + SMX_DAY }, SMX_CHECK_WARNINGS, 1,
	    "to mend", SMX_DIAG_CERT_SOON },
	{ "max_age of an hour",
	    { .body = "version: STSv1\nmode: enforce\nmx: *.example.com\n"
		      "max_age: 3600\n" },
	    SMX_CHECK_WARNINGS, 1, "to mend", SMX_DIAG_POLICY_MAX_AGE_SHORT },
	{ "not asked over SMTP", { .settings = { .skip_smtp = true } },
	    SMX_CHECK_PROTECTED, 0, "as far as DNS and HTTPS show" },
	{ "port 25 is closed here", { MX(.code = SMX_DIAG_SMTP_TIMEOUT) },
	    SMX_CHECK_PROTECTED, 0, "as far as", SMX_DIAG_SMTP_NOT_CHECKED },
	{ "one refuses: port 25 is open here",
	    { .mx = { { .host = "mx1.example.com",
			  .code = SMX_DIAG_SMTP_REFUSED },
		  { .host = "mx2.example.com",
		      .code = SMX_DIAG_SMTP_TIMEOUT } } },
	    SMX_CHECK_DEFERRED, 3, "by everybody" },

	{ "testing", { TESTING }, SMX_CHECK_TESTING, 0, "testing",
	    SMX_DIAG_POLICY_TESTING },
	{ "withdrawn", { .body = SCENE_MODE("none") }, SMX_CHECK_WITHDRAWN, 0,
	    "withdrawn", SMX_DIAG_POLICY_MODE_NONE },
	{ "withdrawn, max_age 0",
	    { .body = "version: STSv1\nmode: none\nmax_age: 0\n" },
	    SMX_CHECK_WITHDRAWN, -1, "withdrawn" },

	{ "null MX", { .is_null_mx = true }, SMX_CHECK_NO_MAIL, 0,
	    "takes no mail", SMX_DIAG_MX_NULL },
	{ "null MX without anything", { .is_null_mx = true, NOTHING },
	    SMX_CHECK_NO_MAIL, 0, "takes no mail" },
	{ "no MX, no address", { .mx_status = SMX_DNS_NODATA, NOTHING },
	    SMX_CHECK_NO_MAIL, 2, "no MX host", SMX_DIAG_MX_NONE },
	{ "no such domain", { .is_absent = true }, SMX_CHECK_NO_MAIL, 2,
	    "does not exist", SMX_DIAG_DOMAIN_NONE },
	{ "implicit MX",
	    { .mx_status = SMX_DNS_NODATA,
		.domain_has_address = true,
		NOTHING,
		.settings = { .skip_smtp = true } },
	    SMX_CHECK_NOT_DEPLOYED, 1, "not deployed", SMX_DIAG_MX_IMPLICIT },

	{ "nothing", { NOTHING }, SMX_CHECK_NOT_DEPLOYED, 1, "not deployed",
	    SMX_DIAG_STS_NONE },
	{ "DANE instead", { NOTHING, MX(.tlsa = SCENE_TLSA_PAIR) },
	    SMX_CHECK_NOT_DEPLOYED, 1, "DANE protects" },
	{ "DANE at one of two", { NOTHING, MX_1(.tlsa = SCENE_TLSA_PAIR) },
	    SMX_CHECK_NOT_DEPLOYED, 1, "not protected", SMX_DIAG_DANE_PARTIAL },

	{ "character in id", { .record = "v=STSv1; id=2026-01-01;" },
	    SMX_CHECK_BROKEN, 2, "does not work", SMX_DIAG_TXT_ID_CHAR },
	{ "two records", { .record_2 = "v=STSv1; id=2;" }, SMX_CHECK_BROKEN, 2,
	    "several", SMX_DIAG_TXT_SEVERAL },
	{ "record at the domain", { NOTHING, .at_domain = SCENE_RECORD },
	    SMX_CHECK_BROKEN, 2, "where no sender looks",
	    SMX_DIAG_TXT_WRONG_PLACE },
	{ "record at the policy host",
	    { .record = "", .at_host = SCENE_RECORD }, SMX_CHECK_BROKEN, 2,
	    "where no sender looks", SMX_DIAG_TXT_WRONG_PLACE },
	{ "dangling CNAME of the record",
	    { .record = "", .record_alias = "gone.example" }, SMX_CHECK_BROKEN,
	    2, "gone.example", SMX_DIAG_TXT_CNAME_DANGLING },
	{ "policy without record", { .record = "" }, SMX_CHECK_BROKEN, 2,
	    "no MTA-STS record", SMX_DIAG_TXT_NONE },
	{ "no policy host", { .host_status = SMX_DNS_NXDOMAIN },
	    SMX_CHECK_BROKEN, 2, "has no address", SMX_DIAG_HOST_NO_ADDRESS },
	{ "dangling CNAME of the policy host",
	    { .host_status = SMX_DNS_NXDOMAIN, .host_alias = "gone.example" },
	    SMX_CHECK_BROKEN, 2, "gone.example", SMX_DIAG_HOST_CNAME_DANGLING },
	{ "404", { .https = SMX_DIAG_HTTP_NOT_FOUND }, SMX_CHECK_BROKEN, 2,
	    "404", SMX_DIAG_HTTP_NOT_FOUND },
	{ "certificate of other names",
	    { .https = SMX_DIAG_CERT_NAME,
		.host_faults = SMX_CERTIFICATE_NAME },
	    SMX_CHECK_BROKEN, 2, "other names", SMX_DIAG_CERT_NAME },
	{ "no policy", { .body = "<html>\n" }, SMX_CHECK_BROKEN, 2,
	    "does not work", SMX_DIAG_POLICY_NO_COLON },
	{ "max_age 0",
	    { .body = "version: STSv1\nmode: enforce\nmx: *.example.com\n"
		      "max_age: 0\n" },
	    SMX_CHECK_BROKEN, -1, "max_age 0", SMX_DIAG_POLICY_MAX_AGE_ZERO },

	{ "one host is not in the policy",
	    { .body = "version: STSv1\nmode: enforce\nmx: mx1.example.com\n"
		      "max_age: 1209600\n" },
	    SMX_CHECK_PARTLY, 2, "can't use mx2.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED },
	{ "one host without STARTTLS",
	    { MX_1(.code = SMX_DIAG_SMTP_NO_STARTTLS, .is_connected = true) },
	    SMX_CHECK_PARTLY, 2, "can't use mx1.example.com",
	    SMX_DIAG_SMTP_NO_STARTTLS },
	{ "one host with an expired certificate",
	    { MX_1(.faults = SMX_CERTIFICATE_EXPIRED) }, SMX_CHECK_PARTLY, 2,
	    "can't use mx1.example.com", SMX_DIAG_SMTP_CERT_EXPIRED },
	{ "one host without address", { MX_1(.status = SMX_DNS_NXDOMAIN) },
	    SMX_CHECK_PARTLY, 2, "can't use mx1.example.com",
	    SMX_DIAG_MX_NO_ADDRESS },
	{ "one host is shut", { MX_1(.code = SMX_DIAG_SMTP_TIMEOUT), WORKS },
	    SMX_CHECK_PARTLY, 2, "can't use mx1.example.com" },
	{ "one host and DANE disagree", { MX_1(.tlsa = SCENE_TLSA_OTHER) },
	    SMX_CHECK_PARTLY, 2, "can't use mx1.example.com",
	    SMX_DIAG_DANE_CONFLICT },
	{ "right only without SNI",
	    { MX_1(.faults = SMX_CERTIFICATE_NAME,
		.is_right_without_sni = true) },
	    SMX_CHECK_PARTLY, 2, "mx1", SMX_DIAG_SMTP_SNI },

	{ "the policy names no host",
	    { .body = "version: STSv1\nmode: enforce\nmx: *.example.net\n"
		      "max_age: 1209600\n" },
	    SMX_CHECK_DEFERRED, 3, "by strict senders", SMX_DIAG_MX_MOVED },
	{ "no host with a valid certificate",
	    { MX(.faults = SMX_CERTIFICATE_NAME) }, SMX_CHECK_DEFERRED, 3,
	    "by strict senders", SMX_DIAG_SMTP_CERT_NAME },
	{ "one not in the policy, one without STARTTLS",
	    { .body = "version: STSv1\nmode: enforce\nmx: mx1.example.com\n"
		      "max_age: 1209600\n",
		MX_1(.code = SMX_DIAG_SMTP_NO_STARTTLS, .is_connected = true) },
	    SMX_CHECK_DEFERRED, 3, "by strict senders" },
	{ "DANE matches nowhere", { MX(.tlsa = SCENE_TLSA_OTHER) },
	    SMX_CHECK_DEFERRED, 3, "by senders that check DANE",
	    SMX_DIAG_DANE_MISMATCH },
	{ "DANE matches nowhere, no MTA-STS",
	    { NOTHING, MX(.tlsa = SCENE_TLSA_OTHER) }, SMX_CHECK_DEFERRED, 3,
	    "by senders that check DANE", SMX_DIAG_DANE_MISMATCH },
	{ "TLSA fails in a signed zone", { MX(.tlsa = SCENE_TLSA_FAILURE) },
	    SMX_CHECK_DEFERRED, 3, "DANE", SMX_DIAG_DANE_FAILURE },
	{ "TLSA fails in an unsigned zone",
	    { MX(.tlsa = SCENE_TLSA_FAILURE, .insecure = true) },
	    SMX_CHECK_PROTECTED, 0, "protected" },
	{ "TLSA without DNSSEC",
	    { MX(.tlsa = SCENE_TLSA_OTHER, .insecure = true) },
	    SMX_CHECK_WARNINGS, 1, "to mend", SMX_DIAG_DANE_INSECURE },
	{ "TLSA for others than SMTP", { MX(.tlsa = SCENE_TLSA_UNUSABLE) },
	    SMX_CHECK_WARNINGS, 1, "to mend", SMX_DIAG_DANE_UNUSABLE },
	{ "no host takes mail", { MX(.code = SMX_DIAG_SMTP_REFUSED) },
	    SMX_CHECK_DEFERRED, 3, "by everybody", SMX_DIAG_SMTP_REFUSED },
	{ "no host takes mail, testing",
	    { TESTING, MX(.code = SMX_DIAG_SMTP_REFUSED) }, SMX_CHECK_DEFERRED,
	    3, "by everybody" },
	{ "no host takes mail, no MTA-STS",
	    { NOTHING, MX(.status = SMX_DNS_NXDOMAIN) }, SMX_CHECK_DEFERRED, 3,
	    "by everybody", SMX_DIAG_MX_NO_ADDRESS },
	{ "addresses in the MX records",
	    { NOTHING, .mx = { { .host = "192.0.2.1" } } }, SMX_CHECK_DEFERRED,
	    3, "by everybody", SMX_DIAG_MX_NAME },
	{ "one is shut, DANE refuses the other",
	    { NOTHING, WORKS,
		.mx = { { .host = "mx1.example.com", .tlsa = SCENE_TLSA_OTHER },
		    { .host = "mx2.example.com",
			.code = SMX_DIAG_SMTP_TIMEOUT } } },
	    SMX_CHECK_DEFERRED, 3, "by senders that check DANE" },

	{ "no answer for the record", { .record_status = SMX_DNS_FAILURE },
	    SMX_CHECK_UNDETERMINED, 4, "no answer", SMX_DIAG_DNS_FAILURE },
	{ "no answer in time", { .record_status = SMX_DNS_TIMEOUT },
	    SMX_CHECK_UNDETERMINED, 4, "no answer", SMX_DIAG_DNS_TIMEOUT },
	{ "the record is bogus", { .record_status = SMX_DNS_BOGUS },
	    SMX_CHECK_UNDETERMINED, 4, "signatures", SMX_DIAG_DNS_BOGUS },
	{ "no answer for the MX records", { .mx_status = SMX_DNS_FAILURE },
	    SMX_CHECK_UNDETERMINED, 4, "no answer", SMX_DIAG_MX_FAILURE },
	{ "the MX records are bogus", { .mx_status = SMX_DNS_BOGUS },
	    SMX_CHECK_UNDETERMINED, 4, "signatures", SMX_DIAG_MX_BOGUS },
	{ "no answer for the record, but no mail anyway",
	    { .record_status = SMX_DNS_FAILURE,
		MX(.code = SMX_DIAG_SMTP_REFUSED) },
	    SMX_CHECK_DEFERRED, 3, "by everybody" },
	{ "the hosts' addresses can't be looked up",
	    { MX(.status = SMX_DNS_FAILURE) }, SMX_CHECK_UNDETERMINED, 4,
	    "could not be found out", SMX_DIAG_MX_ADDRESS_FAILURE },
};

static void
test_facts_to_verdict(void **state)
{
	const struct scene_play play = { 0 };
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct scene_result r;
		char head[1024];
		int status;

		scene_play(&row->scene, &play, &r);
		assert_non_null(r.check);
		status = smx_check_verdict_status(r.check);
		snprintf(head, sizeof(head), "%.*s", (int)r.check->headline.n,
		    r.check->headline.p);
		if (r.check->verdict != row->verdict ||
		    (status != row->status && row->status >= 0) ||
		    strstr(head, row->headline) == NULL ||
		    (row->code != SMX_DIAG_OK &&
			!scene_found(r.check, row->code))) {
			print_error("%s: %s, %d: %s\n", row->what,
			    smx_check_verdict_name(r.check->verdict), status,
			    head);
			for (size_t j = 0; j < smx_check_findings_kept(r.check);
			     j++)
				print_error("    %s\n",
				    smx_diag_row(r.check->findings[j].diag.code)
					->name);
			wrong++;
		}
		scene_end(&r);
	}
	assert_int_equal(wrong, 0);
}

/* How two facts about one domain come together is the same in either order of
 * its MX hosts. */
static void
test_place_of_a_host_does_not_count(void **state)
{
	static const struct scene_mx hosts[] = {
		{ .host = "mx1.example.com" },
		{ .host = "mx1.example.com",
		    .code = SMX_DIAG_SMTP_NO_STARTTLS,
		    .is_connected = true },
		{ .host = "mx1.example.com", .tlsa = SCENE_TLSA_OTHER },
		{ .host = "mx1.example.com", .code = SMX_DIAG_SMTP_REFUSED },
		{ .host = "mx1.example.com", .status = SMX_DNS_NXDOMAIN },
		{ .host = "mx1.example.com", .status = SMX_DNS_FAILURE },
	};
	const struct scene_play play = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		for (size_t j = 0; j < COUNT_OF(hosts); j++) {
			struct scene s = { .settings = works,
				.mx = { hosts[i], hosts[j] } };
			struct scene_result a, b;

			s.mx[1].host = "mx2.example.com";
			scene_play(&s, &play, &a);
			s.mx[0] = hosts[j];
			s.mx[1] = hosts[i];
			s.mx[1].host = "mx2.example.com";
			scene_play(&s, &play, &b);
			if (a.check->verdict != b.check->verdict)
				fail_msg("%zu and %zu: %s and %s", i, j,
				    smx_check_verdict_name(a.check->verdict),
				    smx_check_verdict_name(b.check->verdict));
			scene_end(&a);
			scene_end(&b);
		}
}

static void
test_what_defers_mail_is_mended_first(void **state)
{
	const struct scene s = { .tlsrpt = "",
		.record = "v=STSv1; id=a-b;",
		.host_not_after = SCENE_NOW + SMX_DAY,
		MX_1(.code = SMX_DIAG_SMTP_NO_STARTTLS, .is_connected = true) };
	const struct smx_check_finding *order[SMX_CHECK_FINDING_MAX];
	enum smx_diag_severity last = SMX_DIAG_ERROR;
	const struct scene_play play = { 0 };
	struct scene_result r;
	size_t n;

	(void)state;
	scene_play(&s, &play, &r);
	n = smx_check_verdict_order(r.check, order);
	assert_true(n >= 4 && n <= r.check->finding_count);
	for (size_t i = 0; i < n; i++) {
		enum smx_diag_severity severity =
		    smx_diag_row(order[i]->diag.code)->severity;

		assert_true(severity <= last);
		assert_int_not_equal(severity, SMX_DIAG_INFO);
		last = severity;
	}
	assert_int_equal(order[0]->section, SMX_CHECK_SMTP);
	assert_int_equal(order[1]->diag.code, SMX_DIAG_TXT_ID_CHAR);
	scene_end(&r);
}

static void
test_names_are_for_scripts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SMX_CHECK_VERDICT_COUNT; i++) {
		const char *name = smx_check_verdict_name(i);

		assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz-") ==
		    strlen(name));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(name,
			    smx_check_verdict_name(j));
	}
}

#define SHA_NOW \
	"abcd000000000000000000000000000000000000000000000000000000000000"
#define SHA_OLD \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define TWO_HOSTS .mx = two_hosts, .mx_count = 2

static const struct smx_slice two_hosts[] = { { "mx1.example.com", 15 },
	{ "mx2.example.com", 15 } };
static const struct smx_slice other_hosts[] = { { "mx1.example.com", 15 },
	{ "old.example.com", 15 } };

static const struct smx_check_earlier_certificate
    same_certificate[] = { { { "mx1.example.com", 15 }, { SHA_NOW, 64 },
	SCENE_NOW + 80 * SMX_DAY } },
    replaced[] = { { { "mx1.example.com", 15 }, { SHA_OLD, 64 },
	SCENE_NOW + 10 * SMX_DAY } },
    nearer[] = { { { "mta-sts.example.com", 19 }, { SHA_OLD, 64 },
	SCENE_NOW + 90 * SMX_DAY } },
    /* One of two addresses showed the certificate before. */
    one_of_two[] = { { { "mx1.example.com", 15 }, { SHA_OLD, 64 }, SCENE_NOW },
	    { { "mx1.example.com", 15 }, { SHA_NOW, 64 },
		SCENE_NOW + 80 * SMX_DAY } },
    of_another_host[] = { { { "mx9.example.com", 15 }, { SHA_OLD, 64 },
	SCENE_NOW } };

#define THE_ID      .id = { "20260101T000000", 15 }
#define ANOTHER_ID  .id = { "20250101", 8 }
#define THE_BODY    .body = { SCENE_BODY, sizeof(SCENE_BODY) - 1 }
#define OTHER_BODY  .body = { "version: STSv1\n", 15 }
#define PROTECTED   .verdict = { "protected", 9 }
#define CERTS(list) .certificates = (list), .certificate_count = COUNT_OF(list)

static const struct {
	const char *what;
	struct smx_check_earlier earlier;
	enum smx_diag_code code; /* the only change; SMX_DIAG_OK: none */
	const char *arg;
	struct scene scene;
} changes[] = {
	{ "nothing",
	    { PROTECTED, THE_ID, THE_BODY, TWO_HOSTS, CERTS(same_certificate) },
	    SMX_DIAG_OK, NULL, { 0 } },
	{ "verdict",
	    { .verdict = { "broken", 6 }, THE_ID, THE_BODY, TWO_HOSTS },
	    SMX_DIAG_CHANGE_VERDICT, "broken", { 0 } },
	{ "id", { PROTECTED, ANOTHER_ID, THE_BODY, TWO_HOSTS },
	    SMX_DIAG_CHANGE_ID, "20250101", { 0 } },
	{ "policy under one id", { PROTECTED, THE_ID, OTHER_BODY, TWO_HOSTS },
	    SMX_DIAG_CHANGE_POLICY_ONLY, "20260101T000000", { 0 } },
	{ "id and policy",
	    { PROTECTED, ANOTHER_ID, OTHER_BODY, TWO_HOSTS,
		.mode = { "testing", 7 } },
	    SMX_DIAG_CHANGE_POLICY, "testing", { 0 } },
	{ "there was no policy before", { PROTECTED, TWO_HOSTS }, SMX_DIAG_OK,
	    NULL, { 0 } },
	{ "certificate",
	    { PROTECTED, THE_ID, THE_BODY, TWO_HOSTS, CERTS(replaced) },
	    SMX_DIAG_CHANGE_CERT, "mx1.example.com", { 0 } },
	{ "expiry", { PROTECTED, THE_ID, THE_BODY, TWO_HOSTS, CERTS(nearer) },
	    SMX_DIAG_CHANGE_EXPIRY, "mta-sts.example.com", { 0 } },
	{ "one of two certificates",
	    { PROTECTED, THE_ID, THE_BODY, TWO_HOSTS, CERTS(one_of_two) },
	    SMX_DIAG_OK, NULL, { 0 } },
	{ "certificate of a host that is gone",
	    { PROTECTED, THE_ID, THE_BODY, TWO_HOSTS, CERTS(of_another_host) },
	    SMX_DIAG_OK, NULL, { 0 } },
	{ "no MX records seen: none is gone",
	    { .verdict = { "undetermined", 12 },
		THE_ID,
		THE_BODY,
		.mx = other_hosts,
		.mx_count = 2 },
	    SMX_DIAG_OK, NULL, { .mx_status = SMX_DNS_FAILURE } },
	{ "no policy seen: it has not changed",
	    { .verdict = { "broken", 6 }, THE_ID, OTHER_BODY, TWO_HOSTS },
	    SMX_DIAG_OK, NULL, { .https = SMX_DIAG_HTTP_NOT_FOUND } },
	{ "testing for 59 days",
	    { .verdict = { "testing", 7 },
		TWO_HOSTS,
		.testing_since = SCENE_NOW - 59 * SMX_DAY },
	    SMX_DIAG_OK, NULL, { TESTING } },
	{ "testing for 60 days",
	    { .verdict = { "testing", 7 },
		TWO_HOSTS,
		.testing_since = SCENE_NOW - 60 * SMX_DAY },
	    SMX_DIAG_POLICY_TESTING_LONG, "2026-11-16", { TESTING } },
	{ "testing before, enforce now",
	    { PROTECTED, TWO_HOSTS,
		.testing_since = SCENE_NOW - 600 * SMX_DAY },
	    SMX_DIAG_OK, NULL, { 0 } },
};

static bool
is_change(enum smx_diag_code code)
{
	return code >= SMX_DIAG_CHANGE_VERDICT ||
	    code == SMX_DIAG_POLICY_TESTING_LONG;
}

static void
test_changes(void **state)
{
	const struct scene_play play = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct scene s = changes[i].scene;
		size_t others = 0;
		struct scene_result r;

		s.earlier = &changes[i].earlier;
		scene_play(&s, &play, &r);
		for (size_t j = 0; j < smx_check_findings_kept(r.check); j++) {
			const struct smx_check_finding *f =
			    &r.check->findings[j];

			if (!is_change(f->diag.code))
				continue;
			if (f->diag.code == changes[i].code &&
			    smx_slice_equal(f->host,
				smx_slice_text(changes[i].arg)))
				continue;
			print_error("%s: %s (%.*s)\n", changes[i].what,
			    smx_diag_row(f->diag.code)->name, (int)f->host.n,
			    f->host.p);
			others++;
		}
		assert_int_equal(others, 0);
		if (changes[i].code != SMX_DIAG_OK)
			scene_find(r.check, changes[i].code);
		scene_end(&r);
	}
}

static void
test_hosts_come_and_go(void **state)
{
	const struct smx_check_earlier earlier = { PROTECTED, THE_ID, THE_BODY,
		.mx = other_hosts, .mx_count = 2 };
	const struct scene s = { .earlier = &earlier };
	const struct scene_play play = { 0 };
	struct scene_result r;

	(void)state;
	scene_play(&s, &play, &r);
	assert_slice(scene_find(r.check, SMX_DIAG_CHANGE_MX_NEW)->host,
	    "mx2.example.com");
	assert_slice(scene_find(r.check, SMX_DIAG_CHANGE_MX_GONE)->host,
	    "old.example.com");
	assert_int_equal(smx_check_verdict_status(r.check), 0);
	scene_end(&r);
}

/* When testing began is handed on from check to check. */
static void
test_begin_of_testing(void **state)
{
	struct smx_check_earlier earlier = { .verdict = { "testing", 7 } };
	struct scene s = { TESTING };
	const struct scene_play play = { 0 };
	struct scene_result r;

	(void)state;
	scene_play(&s, &play, &r);
	assert_true(r.check->testing_since == SCENE_NOW);
	scene_end(&r);
	earlier.testing_since = SCENE_NOW - SMX_DAY;
	s.earlier = &earlier;
	scene_play(&s, &play, &r);
	assert_true(r.check->testing_since == SCENE_NOW - SMX_DAY);
	scene_end(&r);
	s.body = NULL;
	scene_play(&s, &play, &r);
	assert_true(r.check->testing_since == 0);
	scene_end(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts_to_verdict),
		cmocka_unit_test(test_place_of_a_host_does_not_count),
		cmocka_unit_test(test_what_defers_mail_is_mended_first),
		cmocka_unit_test(test_names_are_for_scripts),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_hosts_come_and_go),
		cmocka_unit_test(test_begin_of_testing),
	};

	return cmocka_run_group_tests_name("check_verdict", tests, NULL, NULL);
}
