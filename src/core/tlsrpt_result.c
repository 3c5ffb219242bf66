#include <stddef.h>

#include "core/tlsrpt_result.h"
#include "base/scan.h"

struct word {
	const char *text;
	unsigned number;
};

static const struct word policy_types[] = {
	[SMX_TLSRPT_NO_POLICY_FOUND] = { "no-policy-found", 9 },
	[SMX_TLSRPT_STS] = { "sts", 2 },
	[SMX_TLSRPT_TLSA] = { "tlsa", 1 },
};

static const struct word results[] = {
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

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool
is_word(struct smx_slice text, const char *word)
{
	for (size_t i = 0; i < text.n; i++)
		if (smx_scan_lower(text.p[i]) != word[i])
			return false;
	return word[text.n] == '\0';
}

/* @return the place in the table, or the count. */
static size_t
find_text(const struct word *table, size_t count, struct smx_slice text)
{
	size_t i = 0;

	while (i < count && !is_word(text, table[i].text))
		i++;
	return i;
}

static size_t
find_number(const struct word *table, size_t count, int64_t number)
{
	size_t i = 0;

	while (i < count && table[i].number != number)
		i++;
	return i;
}

const char *
smx_tlsrpt_policy_type_text(enum smx_tlsrpt_policy_type type)
{
	return policy_types[type].text;
}

bool
smx_tlsrpt_policy_type_parse(struct smx_slice text,
    enum smx_tlsrpt_policy_type *ret)
{
	size_t i = find_text(policy_types, COUNT(policy_types), text);

	if (i < COUNT(policy_types))
		*ret = (enum smx_tlsrpt_policy_type)i;
	return i < COUNT(policy_types);
}

bool
smx_tlsrpt_policy_type_from_number(int64_t number,
    enum smx_tlsrpt_policy_type *ret)
{
	size_t i = find_number(policy_types, COUNT(policy_types), number);

	if (i < COUNT(policy_types))
		*ret = (enum smx_tlsrpt_policy_type)i;
	return i < COUNT(policy_types);
}

unsigned
smx_tlsrpt_policy_type_number(enum smx_tlsrpt_policy_type type)
{
	return policy_types[type].number;
}

const char *
smx_tlsrpt_result_text(enum smx_tlsrpt_result result)
{
	return results[result].text;
}

bool
smx_tlsrpt_result_parse(struct smx_slice text, enum smx_tlsrpt_result *ret)
{
	size_t i = find_text(results, COUNT(results), text);

	if (i < COUNT(results))
		*ret = (enum smx_tlsrpt_result)i;
	return i < COUNT(results);
}

bool
smx_tlsrpt_result_from_number(int64_t number, enum smx_tlsrpt_result *ret)
{
	size_t i = find_number(results, COUNT(results), number);

	if (i < COUNT(results))
		*ret = (enum smx_tlsrpt_result)i;
	return i < COUNT(results);
}

unsigned
smx_tlsrpt_result_number(enum smx_tlsrpt_result result)
{
	return results[result].number;
}
