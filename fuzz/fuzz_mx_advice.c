/*
 * Why MX hosts are not allowed: lines of patterns, an empty line, lines of
 * hosts. Each code has to be as its definition says, and the policy that is
 * advised has to allow every host that can stand in one.
 */
#include "fuzz.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/mx_advice.h"
#include "core/sts_match.h"

#define MAX 16

static size_t
read_lines(struct smx_slice *in, struct smx_slice to[MAX])
{
	size_t n = 0, end;

	while (in->n > 0 && n < MAX) {
		end = smx_slice_find(*in, '\n');
		to[n] = smx_slice(in->p, end);
		*in = smx_slice_from(*in, end + 1);
		if (to[n].n == 0)
			break;
		n++;
	}
	return n;
}

static void
require_right(const struct smx_mx_advice *advice,
    const struct smx_sts_policy *policy, const struct smx_slice *hosts,
    size_t count)
{
	switch (advice->code) {
	case SMX_DIAG_MX_EXTRA_LABEL:
	case SMX_DIAG_MX_TYPO:
		SMX_REQUIRE(!smx_mx_advice_pattern_is_used(advice->pattern,
		    hosts, count));
		break;
	case SMX_DIAG_MX_WILDCARD:
		SMX_REQUIRE(smx_slice_starts(advice->pattern, SMX_SLICE("*.")));
		break;
	case SMX_DIAG_MX_MOVED:
		for (size_t i = 0; i < count; i++)
			SMX_REQUIRE(!smx_sts_match_policy(policy, hosts[i]));
		break;
	default:
		SMX_REQUIRE(advice->code == SMX_DIAG_OK ||
		    advice->code == SMX_DIAG_MX_OTHER_DOMAIN ||
		    advice->code == SMX_DIAG_MX_NOT_ALLOWED);
	}
}

static void
require_good_policy(const struct smx_slice *hosts, size_t count)
{
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_sts_policy policy;
	struct smx_arena arena;
	struct smx_domain d;
	struct smx_buf out;
	size_t names = 0;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_STS_ARENA_MAX);
	smx_buf_init(&out, SMX_STS_BODY_MAX);
	smx_mx_advice_print_policy(hosts, count, SMX_STS_ENFORCE, 604800, &out);
	for (size_t i = 0; i < count; i++)
		names += smx_domain_parse(hosts[i], &d) == 0;
	rc = smx_sts_policy_parse(&arena, smx_buf_slice(&out), &diags, &policy);
	SMX_REQUIRE(rc == (names > 0 ? 0 : -SMX_EPARSE));
	SMX_REQUIRE(rc < 0 || diags.count == 0);
	for (size_t i = 0; rc == 0 && i < count; i++)
		SMX_REQUIRE(smx_domain_parse(hosts[i], &d) < 0 ||
		    smx_sts_match_policy(&policy, hosts[i]));
	smx_buf_done(&out);
	smx_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size);
	struct smx_slice patterns[MAX], hosts[MAX];
	struct smx_sts_policy policy = { .mode = SMX_STS_ENFORCE,
		.mx = patterns };
	size_t count;

	policy.mx_count = read_lines(&in, patterns);
	count = read_lines(&in, hosts);
	for (size_t i = 0; i < count; i++) {
		struct smx_mx_advice advice;

		smx_mx_advice_classify(&policy, hosts, count, i, &advice);
		SMX_REQUIRE((advice.code == SMX_DIAG_OK) ==
		    smx_sts_match_policy(&policy, hosts[i]));
		require_right(&advice, &policy, hosts, count);
	}
	require_good_policy(hosts, count);
	return 0;
}
