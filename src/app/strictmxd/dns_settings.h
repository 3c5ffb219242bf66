/**
 * How the roles look names up: the settings of section resolve.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_DNS_SETTINGS_H
#define SMX_APP_DNS_SETTINGS_H

#include "app/config.h"
#include "io/dns_unbound.h"

/** Borrows from @p c. That a trust anchor is missing is logged. */
struct smx_dns_settings smx_dns_settings(const struct smx_config *c);

#endif
