#include "core/sts_match.h"
#include "core/domain.h"

bool
smx_sts_match_pattern(struct smx_slice pattern, struct smx_slice host)
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n == 0)
		return false;
	if (smx_slice_starts(pattern, SMX_SLICE("*."))) {
		size_t dot = smx_slice_find(host, '.');

		if (dot == 0 || dot == host.n)
			return false;
		host = smx_slice_from(host, dot);
		pattern = smx_slice_from(pattern, 1);
	}
	return smx_domain_equal(pattern, host);
}

bool
smx_sts_match_policy(const struct smx_sts_policy *policy, struct smx_slice host)
{
	for (size_t i = 0; i < policy->mx_count; i++)
		if (smx_sts_match_pattern(policy->mx[i], host))
			return true;
	return false;
}
