/**
 * HTTPS fetches of a run, few at a time from each address: one web server can
 * have the policies of thousands of domains.
 *
 * Layer:   app. It is a port in front of a port.
 */
#ifndef SMX_APP_CHECK_FETCHES_H
#define SMX_APP_CHECK_FETCHES_H

#include "engine/port_https.h"

/** Fetches from one address at the same time. */
#define SMX_CHECK_FETCHES_PER_ADDRESS 8

struct smx_check_fetches;

/** @retval 0 or -SMX_ENOMEM */
int smx_check_fetches_new(struct smx_https_port https,
    struct smx_check_fetches **ret) SMX_CHECKED;

/** After the end of @p https, which calls back no more. */
void smx_check_fetches_free(struct smx_check_fetches **cp);

/** Ask here. */
struct smx_https_port smx_check_fetches_port(struct smx_check_fetches *c);

#endif
