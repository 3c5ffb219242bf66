#include <stddef.h>

#include "core/tlsrpt_result.h"
#include "core/domain.h"

static const struct {
	const char *text;
	unsigned number;
} results[] = {
	[SMX_TLSRPT_STARTTLS_NOT_SUPPORTED] = { "starttls-not-supported", 201 },
	[SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH] = { "certificate-host-mismatch",
	    202 },
	[SMX_TLSRPT_CERTIFICATE_EXPIRED] = { "certificate-expired", 204 },
	[SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED] = { "certificate-not-trusted",
	    203 },
	[SMX_TLSRPT_VALIDATION_FAILURE] = { "validation-failure", 205 },
	[SMX_TLSRPT_TLSA_INVALID] = { "tlsa-invalid", 304 },
	[SMX_TLSRPT_DNSSEC_INVALID] = { "dnssec-invalid", 305 },
	[SMX_TLSRPT_DANE_REQUIRED] = { "dane-required", 306 },
	[SMX_TLSRPT_STS_POLICY_FETCH_ERROR] = { "sts-policy-fetch-error", 301 },
	[SMX_TLSRPT_STS_POLICY_INVALID] = { "sts-policy-invalid", 302 },
	[SMX_TLSRPT_STS_WEBPKI_INVALID] = { "sts-webpki-invalid", 303 },
};

#define COUNT (sizeof(results) / sizeof(results[0]))

const char *
smx_tlsrpt_result_text(enum smx_tlsrpt_result result)
{
	return results[result].text;
}

bool
smx_tlsrpt_result_parse(struct smx_slice text, enum smx_tlsrpt_result *ret)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (smx_domain_equal(text, smx_slice_text(results[i].text))) {
			*ret = (enum smx_tlsrpt_result)i;
			return true;
		}
	}
	return false;
}

bool
smx_tlsrpt_result_from_number(int64_t number, enum smx_tlsrpt_result *ret)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (results[i].number == number) {
			*ret = (enum smx_tlsrpt_result)i;
			return true;
		}
	}
	return false;
}

unsigned
smx_tlsrpt_result_number(enum smx_tlsrpt_result result)
{
	return results[result].number;
}
