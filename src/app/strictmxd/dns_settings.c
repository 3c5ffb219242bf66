#include <unistd.h>

#include "app/strictmxd/dns_settings.h"
#include "base/log.h"

struct smx_dns_settings
smx_dns_settings(const struct smx_config *c)
{
	const char *anchor = c->resolve_trust_anchor_file;

	if (anchor[0] == '\0')
		anchor = NULL;
	/* The default need not exist; what was set has to. */
	if (anchor != NULL && access(anchor, R_OK) < 0 &&
	    c->origin[SMX_SETTING_resolve_trust_anchor_file].file == NULL) {
		smx_log(SMX_LOG_WARNING,
		    "DNSSEC: there is no trust anchor at %s (package "
		    "dns-root-data): answers are taken unvalidated",
		    anchor);
		anchor = NULL;
	}
	return (struct smx_dns_settings){ .forwarders = c->resolve_forwarders,
		.trust_anchor_file = anchor };
}
