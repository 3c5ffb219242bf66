/**
 * Host names as RFC 8461 compares them: LDH labels, A-labels included.
 *
 * Layer:   core.
 * Limits:  SMX_DOMAIN_MAX, SMX_LABEL_MAX.
 */
#ifndef SMX_CORE_DOMAIN_H
#define SMX_CORE_DOMAIN_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"
#include "core/limits.h"

/** A name in lower case without the final dot, NUL-terminated. */
struct smx_domain {
	char text[SMX_DOMAIN_MAX + 1];
	size_t n;
};

/**
 * Is this a host name (RFC 5321, 4.1.2: Domain)?
 *
 * LDH labels of 1 to 63 octets, at most 253 octets in all, no final dot, and
 * the last label not all digits: that would be an address.
 */
bool smx_domain_is_host(struct smx_slice name);

/** Is this an IPv4 address in dotted form, or could only be meant as one? */
bool smx_domain_is_ipv4(struct smx_slice name);

/**
 * Bring a host name into the form in which names are compared and stored:
 * lower case, one final dot removed.
 *
 * @retval 0
 * @retval -SMX_EPARSE  not a host name; non-ASCII names are converted before,
 *                      see io/idn.h.
 */
int smx_domain_parse(struct smx_slice name, struct smx_domain *ret) SMX_CHECKED;

/** Equal without regard to ASCII case (RFC 4343). */
bool smx_domain_equal(struct smx_slice a, struct smx_slice b);

static inline struct smx_slice
smx_domain_slice(const struct smx_domain *d)
{
	return (struct smx_slice){ d->text, d->n };
}

#endif
