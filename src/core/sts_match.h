/**
 * MX hosts against the mx patterns of a policy (RFC 8461, section 4.1).
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_STS_MATCH_H
#define SMX_CORE_STS_MATCH_H

#include <stdbool.h>

#include "base/slice.h"
#include "core/sts_policy.h"

/**
 * Does one pattern allow this host?
 *
 * ASCII case does not count; one final dot of @p host is ignored; "*." stands
 * for exactly one left-most label.
 */
bool smx_sts_match_pattern(struct smx_slice pattern, struct smx_slice host);

/** Does any mx pattern of the policy allow this host? */
bool smx_sts_match_policy(const struct smx_sts_policy *policy,
    struct smx_slice host);

#endif
