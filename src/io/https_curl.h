/**
 * Policies over HTTPS by libcurl (RFC 8461, section 3.3).
 *
 * Layer:   io (libcurl, OpenSSL). One thread, that of the event base.
 *
 * GET, status 200, no redirect, no cache, TLS >= 1.2, the name in a DNS-ID of
 * a certificate that chains to a trusted authority. Addresses are looked up
 * here, judged, and pinned, so that what was judged is what is connected to.
 */
#ifndef SMX_IO_HTTPS_CURL_H
#define SMX_IO_HTTPS_CURL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/port_https.h"
#include "io/dns_unbound.h"

struct smx_https;

/** Transfers under way at the most; more wait in a queue. */
#define SMX_HTTPS_TRANSFER_MAX 100

struct smx_https_settings {
	const char *ca_file;
	bool allow_private_addresses;
	uint16_t port;
	smx_time timeout; /* of one fetch, addresses included not */
};

/**
 * Start a client. @p dns must outlive it; @p settings is copied.
 *
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  the CA file can't be used.
 * @retval -SMX_ENOMEM
 */
int smx_https_new(struct event_base *base, struct smx_dns *dns,
    const struct smx_https_settings *settings, struct smx_https **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * End it: transfers under way are dropped without a call back. @p dns must be
 * freed before.
 */
void smx_https_free(struct smx_https **h);

/** Can these settings be used? @retval 0 or -SMX_EINVAL, with the reason. */
int smx_https_check(const struct smx_https_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/** Use other settings from now on. As smx_https_new(); on failure no change. */
int smx_https_set(struct smx_https *h,
    const struct smx_https_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Get a policy, or only see whether a host speaks HTTPS.
 *
 * @param request  borrowed during the call.
 *
 * @retval 0            @p done is called, perhaps before this returns.
 * @retval -SMX_EINVAL  the host's name is too long; it is not.
 * @retval -SMX_ENOMEM  it is not.
 */
int smx_https_get(struct smx_https *h, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg) SMX_CHECKED;

/** The engine's port, answered on this thread, perhaps at once. */
struct smx_https_port smx_https_as_port(struct smx_https *h);

#endif
