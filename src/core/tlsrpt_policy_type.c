#include <stddef.h>

#include "core/tlsrpt_policy_type.h"
#include "core/domain.h"

static const struct {
	const char *text;
	unsigned number;
} types[] = {
	[SMX_TLSRPT_NO_POLICY_FOUND] = { "no-policy-found", 9 },
	[SMX_TLSRPT_STS] = { "sts", 2 },
	[SMX_TLSRPT_TLSA] = { "tlsa", 1 },
};

#define COUNT (sizeof(types) / sizeof(types[0]))

const char *
smx_tlsrpt_policy_type_text(enum smx_tlsrpt_policy_type type)
{
	return types[type].text;
}

bool
smx_tlsrpt_policy_type_parse(struct smx_slice text,
    enum smx_tlsrpt_policy_type *ret)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (smx_domain_equal(text, smx_slice_text(types[i].text))) {
			*ret = (enum smx_tlsrpt_policy_type)i;
			return true;
		}
	}
	return false;
}

bool
smx_tlsrpt_policy_type_from_number(int64_t number,
    enum smx_tlsrpt_policy_type *ret)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (types[i].number == number) {
			*ret = (enum smx_tlsrpt_policy_type)i;
			return true;
		}
	}
	return false;
}

unsigned
smx_tlsrpt_policy_type_number(enum smx_tlsrpt_policy_type type)
{
	return types[type].number;
}
