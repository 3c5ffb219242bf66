#include "unit.h"

#include "core/tlsrpt_policy_type.h"
#include "core/tlsrpt_result.h"

/* RFC 8460, 4.3, and the numbers of libtlsrpt's tlsrpt_failure_t. */
static const struct {
	const char *text;
	enum smx_tlsrpt_result result;
	unsigned number;
} results[] = {
	{ "starttls-not-supported", SMX_TLSRPT_STARTTLS_NOT_SUPPORTED, 201 },
	{ "certificate-host-mismatch", SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH,
	    202 },
	{ "certificate-not-trusted", SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED, 203 },
	{ "certificate-expired", SMX_TLSRPT_CERTIFICATE_EXPIRED, 204 },
	{ "validation-failure", SMX_TLSRPT_VALIDATION_FAILURE, 205 },
	{ "sts-policy-fetch-error", SMX_TLSRPT_STS_POLICY_FETCH_ERROR, 301 },
	{ "sts-policy-invalid", SMX_TLSRPT_STS_POLICY_INVALID, 302 },
	{ "sts-webpki-invalid", SMX_TLSRPT_STS_WEBPKI_INVALID, 303 },
	{ "tlsa-invalid", SMX_TLSRPT_TLSA_INVALID, 304 },
	{ "dnssec-invalid", SMX_TLSRPT_DNSSEC_INVALID, 305 },
	{ "dane-required", SMX_TLSRPT_DANE_REQUIRED, 306 },
};

static void
test_results(void **state)
{
	(void)state;
	assert_int_equal(COUNT_OF(results), SMX_TLSRPT_RESULT_COUNT);
	for (size_t i = 0; i < COUNT_OF(results); i++) {
		enum smx_tlsrpt_result r = (enum smx_tlsrpt_result)99;

		assert_string_equal(smx_tlsrpt_result_text(results[i].result),
		    results[i].text);
		assert_int_equal(smx_tlsrpt_result_number(results[i].result),
		    results[i].number);
		assert_true(smx_tlsrpt_result_parse(
		    smx_slice_text(results[i].text), &r));
		assert_int_equal(r, results[i].result);
		r = (enum smx_tlsrpt_result)99;
		assert_true(smx_tlsrpt_result_from_number(results[i].number,
		    &r));
		assert_int_equal(r, results[i].result);
	}
}

static void
test_no_results(void **state)
{
	static const char *const texts[] = { "", "certificate-expire",
		"certificate-expired ", "certificate_expired", "204" };
	static const int64_t numbers[] = { 0, -1, 200, 206, 300, 307, -205,
		INT64_C(205) + (INT64_C(1) << 32), INT64_MAX, INT64_MIN };
	enum smx_tlsrpt_result r = SMX_TLSRPT_DANE_REQUIRED;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_false(smx_tlsrpt_result_parse(smx_slice_text(texts[i]),
		    &r));
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		assert_false(smx_tlsrpt_result_from_number(numbers[i], &r));
	assert_int_equal(r, SMX_TLSRPT_DANE_REQUIRED);
	/* The case of letters makes no difference. */
	assert_true(smx_tlsrpt_result_parse(SMX_SLICE("Certificate-EXPIRED"),
	    &r));
	assert_int_equal(r, SMX_TLSRPT_CERTIFICATE_EXPIRED);
}

/* RFC 8460, 4.4, and the numbers of libtlsrpt's tlsrpt_policy_type_t. */
static void
test_policy_types(void **state)
{
	static const struct {
		const char *text;
		enum smx_tlsrpt_policy_type type;
		unsigned number;
	} types[] = {
		{ "tlsa", SMX_TLSRPT_TLSA, 1 },
		{ "sts", SMX_TLSRPT_STS, 2 },
		{ "no-policy-found", SMX_TLSRPT_NO_POLICY_FOUND, 9 },
	};
	static const int64_t numbers[] = { 0, 3, 8, 10, -1, INT64_MIN,
		INT64_C(2) + (INT64_C(1) << 32) };
	enum smx_tlsrpt_policy_type t;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		assert_string_equal(smx_tlsrpt_policy_type_text(types[i].type),
		    types[i].text);
		assert_int_equal(smx_tlsrpt_policy_type_number(types[i].type),
		    types[i].number);
		assert_true(smx_tlsrpt_policy_type_parse(
		    smx_slice_text(types[i].text), &t));
		assert_int_equal(t, types[i].type);
		assert_true(smx_tlsrpt_policy_type_from_number(types[i].number,
		    &t));
		assert_int_equal(t, types[i].type);
	}
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		assert_false(smx_tlsrpt_policy_type_from_number(numbers[i],
		    &t));
	assert_false(smx_tlsrpt_policy_type_parse(SMX_SLICE("dane"), &t));
	assert_true(smx_tlsrpt_policy_type_parse(SMX_SLICE("TLSA"), &t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_no_results),
		cmocka_unit_test(test_policy_types),
	};

	return cmocka_run_group_tests_name("tlsrpt_result", tests, NULL, NULL);
}
