/**
 * MX hosts that a policy does not allow: why, as it looks, and the policy that
 * would be right (RFC 8461, section 4.1).
 *
 * Layer:   core. No memory is taken; slices borrow from policy and hosts.
 *
 * A host is written as in an MX record; case and one final dot don't count.
 * The time taken grows with hosts times patterns, and with the bytes of the
 * patterns: a policy of SMX_STS_BODY_MAX and 64 hosts are a matter of
 * milliseconds.
 */
#ifndef SMX_CORE_MX_ADVICE_H
#define SMX_CORE_MX_ADVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "core/diag.h"
#include "core/sts_policy.h"

struct smx_mx_advice {
	enum smx_diag_code code;
	struct smx_slice pattern; /* the one concerned; may be empty */
};

/**
 * Say why hosts[which] is not allowed. The first of these that fits:
 *
 *   MX_EXTRA_LABEL   a pattern that matches no host is this host with labels
 *                    in front, such as "mta-sts."
 *   MX_TYPO          a pattern that matches no host is spelled almost like it
 *   MX_WILDCARD      a wildcard would have to stand for no label, or several
 *   MX_MOVED         the policy allows none of the hosts, and names none of
 *                    their domains
 *   MX_OTHER_DOMAIN  the policy doesn't name this host's domain
 *   MX_NOT_ALLOWED   it does, but not this host
 *
 * Domain means the last two labels, or three below such as "co.uk".
 *
 * @param ret  the first three codes come with the pattern. The code is
 *             SMX_DIAG_OK for a host that is allowed.
 */
void smx_mx_advice_classify(const struct smx_sts_policy *policy,
    const struct smx_slice *hosts, size_t host_count, size_t which,
    struct smx_mx_advice *ret);

/** Does a pattern match any of the hosts? */
bool smx_mx_advice_pattern_is_used(struct smx_slice pattern,
    const struct smx_slice *hosts, size_t host_count);

/**
 * Append the policy that allows exactly these hosts, ready to be served (RFC
 * 8461, section 3.2; lines end with LF).
 *
 * Each host has one line, in lower case, in the order given. What is no host
 * name can't stand in a policy and is left out.
 *
 * @param max_age_s  the RFC's maximum at the most, else that is written.
 */
void smx_mx_advice_print_policy(const struct smx_slice *hosts,
    size_t host_count, enum smx_sts_mode mode, uint32_t max_age_s,
    struct smx_buf *out);

#endif
