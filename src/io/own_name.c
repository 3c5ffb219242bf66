#include <string.h>
#include <unistd.h>

#include "io/own_name.h"
#include "core/domain.h"

void
smx_own_name(char ret[SMX_DOMAIN_MAX + 1])
{
	memset(ret, 0, SMX_DOMAIN_MAX + 1);
	if (gethostname(ret, SMX_DOMAIN_MAX) < 0 || strchr(ret, '.') == NULL ||
	    !smx_domain_is_host(smx_slice_text(ret)))
		memcpy(ret, "strictmx.invalid", sizeof("strictmx.invalid"));
}
