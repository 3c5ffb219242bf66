#include "unit.h"

#include "app/strictmxd/resolve_events.h"

/* What the witness was told last; it is not there itself. */
static struct {
	char kind; /* f, m, p; 0: nothing */
	bool has_policy;
	smx_time until;
	enum smx_sts_mode mode;
	enum smx_tlsrpt_result result;
	char reason[200];
} told;

static struct smx_metrics metrics;

static void
note(char kind, const struct smx_witness_policy *policy)
{
	told.kind = kind;
	told.has_policy = policy != NULL;
	if (policy == NULL)
		return;
	told.until = policy->until;
	told.mode = policy->mode;
}

void
smx_witness_run_failure(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy, enum smx_tlsrpt_result result,
    struct smx_slice reason)
{
	(void)r;
	assert_slice(domain, "example.com");
	note('f', policy);
	told.result = result;
	snprintf(told.reason, sizeof(told.reason), "%.*s", (int)reason.n,
	    reason.p);
}

void
smx_witness_run_mail(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy)
{
	(void)r;
	assert_slice(domain, "example.com");
	note('m', policy);
}

void
smx_witness_run_policy(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy)
{
	(void)r;
	assert_slice(domain, "example.com");
	note('p', policy);
}

static void
take(struct smx_lookup_event event)
{
	event.domain = SMX_SLICE("example.com");
	memset(&told, 0, sizeof(told));
	memset(&metrics, 0, sizeof(metrics));
	smx_resolve_events_take(&event, &metrics,
	    (struct smx_witness_run *)&told, SMX_SECOND);
}

static struct smx_cache_policy testing = { .mode = SMX_STS_TESTING,
	.expires = 1234 };
static struct smx_cache_policy none = { .mode = SMX_STS_NONE };

static void
finding(enum smx_diag_code code, const struct smx_cache_policy *policy)
{
	take((struct smx_lookup_event){ .kind = SMX_LOOKUP_FINDING,
	    .diag = { .code = code },
	    .detail = SMX_SLICE("so it is"),
	    .policy = policy });
}

static void
test_mail(void **state)
{
	(void)state;
	take((struct smx_lookup_event){
	    .kind = SMX_LOOKUP_MAIL, .policy = &testing, .is_mail = true });
	assert_int_equal(told.kind, 'm');
	assert_int_equal(told.mode, SMX_STS_TESTING);
	assert_int_equal(told.until, 1234);
	take((struct smx_lookup_event){ .kind = SMX_LOOKUP_POLICY_NEW,
	    .policy = &testing,
	    .is_mail = true });
	assert_int_equal(told.kind, 'm');
}

/* A refresh, a smart host. */
static void
test_what_is_no_mail(void **state)
{
	static const enum smx_lookup_event_kind kinds[] = { SMX_LOOKUP_MAIL,
		SMX_LOOKUP_POLICY_NEW, SMX_LOOKUP_POLICY_CHANGED,
		SMX_LOOKUP_POLICY_REFRESHED };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		take((struct smx_lookup_event){
		    .kind = kinds[i], .policy = &testing });
		assert_int_equal(told.kind, 'p');
		assert_true(told.has_policy);
	}
	take((struct smx_lookup_event){
	    .kind = SMX_LOOKUP_POLICY_EXPIRED, .policy = &testing });
	assert_int_equal(told.kind, 'p');
	assert_false(told.has_policy);
	take((struct smx_lookup_event){ .kind = SMX_LOOKUP_TIMED_OUT });
	assert_int_equal(told.kind, 0);
}

static void
test_failures(void **state)
{
	(void)state;
	finding(SMX_DIAG_HOST_TIMEOUT, &testing);
	assert_int_equal(told.kind, 'f');
	assert_int_equal(told.result, SMX_TLSRPT_STS_POLICY_FETCH_ERROR);
	assert_string_equal(told.reason, "host-timeout: so it is");
	assert_true(told.has_policy);
	assert_int_equal(metrics.failures_fetch, 1);
	assert_int_equal(metrics.failures_protected, 1);
	finding(SMX_DIAG_CERT_EXPIRED, NULL);
	assert_int_equal(told.result, SMX_TLSRPT_STS_WEBPKI_INVALID);
	assert_false(told.has_policy);
	assert_int_equal(metrics.failures_protected, 0);
	finding(SMX_DIAG_TXT_NONE, NULL);
	assert_int_equal(told.kind, 0);
}

/* RFC 8461, 6 and 8.3: who takes MTA-STS down breaks nothing. */
static void
test_mode_none_is_not_missed(void **state)
{
	(void)state;
	finding(SMX_DIAG_HOST_TIMEOUT, &none);
	assert_int_equal(told.kind, 0);
	assert_int_equal(metrics.failures_fetch, 1);
	assert_int_equal(metrics.failures_protected, 0);
}

static void
test_our_own_trouble_is_not_told(void **state)
{
	(void)state;
	finding(SMX_DIAG_HOST_NOT_ASKED, &testing);
	assert_int_equal(told.kind, 0);
	assert_int_equal(metrics.failures_fetch, 1);
	assert_int_equal(metrics.failures_record, 0);
	assert_int_equal(metrics.failures_protected, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_what_is_no_mail),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_mode_none_is_not_missed),
		cmocka_unit_test(test_our_own_trouble_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
