/**
 * How this machine calls itself to SMTP servers.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_OWN_NAME_H
#define SMX_IO_OWN_NAME_H

#include "core/limits.h"

/** The host's full name; strictmx.invalid when it has none, since servers
 * refuse what is no full name. NUL-terminated. */
void smx_own_name(char ret[SMX_DOMAIN_MAX + 1]);

#endif
