/**
 * Next-hop destinations as Postfix writes them in a policy look-up
 * (postconf(5), smtp_tls_policy_maps), and the Policy Domain they mean
 * (RFC 8461, section 3.4: for a smart host, its host name).
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_NEXTHOP_H
#define SMX_CORE_NEXTHOP_H

#include <stdbool.h>

#include "base/slice.h"

enum smx_nexthop_kind {
	SMX_NEXTHOP_NONE,   /* parent look-up, address literal, no name */
	SMX_NEXTHOP_NAME,   /* ASCII: for smx_domain_parse() */
	SMX_NEXTHOP_ULABEL, /* has non-ASCII bytes: convert it first */
};

/**
 * Find the host name in "name", "name.", "[name]", "[name]:port",
 * "name:port".
 *
 * @param ret_name  borrows from @p key; written unless NONE is returned.
 */
enum smx_nexthop_kind smx_nexthop_parse(struct smx_slice key,
    struct smx_slice *ret_name);

/** Does mail go to the MX hosts of the name, at SMTP's own port? To "[name]" it
 * goes without a look at MX records. */
bool smx_nexthop_has_mx(struct smx_slice key);

#endif
