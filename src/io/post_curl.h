/**
 * Reports over HTTPS by libcurl: POST (RFC 8460, sections 3 and 5.4).
 *
 * Layer:   io (libcurl, OpenSSL). One thread, that of the event base.
 * Memory:  1 KiB for a report that waits; the report itself is the caller's.
 * Limits:  of an answer 32 KiB of headers (SMX_HTTP_HEADERS_MAX) are read, and
 *          64 KiB of a body, which nobody looks at.
 *
 * A status of 2xx is success, and nothing else. No redirect is followed. TLS
 * >= 1.2, the name in a DNS-ID of a certificate that chains to a trusted
 * authority; RFC 8460, 3 lets senders forgive that, and a setting does.
 * Addresses are looked up here when a report's turn has come, judged, and
 * pinned. Hosts take turns, so that a slow one delays its own reports only.
 */
#ifndef SMX_IO_POST_CURL_H
#define SMX_IO_POST_CURL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/when.h"
#include "engine/port_post.h"
#include "io/dns_unbound.h"

struct event_base;
struct smx_post_client;

/** Reports under way at the most, in all and to one host. */
#define SMX_POST_TRANSFER_MAX 64
#define SMX_POST_HOST_MAX     4

struct smx_post_settings {
	const char *ca_file;
	bool allow_private_addresses;
	bool allow_bad_certificate;
	smx_time timeout; /* of one report, addresses included not; 0: 60 s */
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
int smx_post_new(struct event_base *base, struct smx_dns *dns,
    const struct smx_post_settings *settings, struct smx_post_client **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * End it: reports under way are dropped without a call back. @p dns must be
 * freed before. Not from a callback.
 */
void smx_post_free(struct smx_post_client **c);

/** Can these settings be used? @retval 0 or -SMX_EINVAL, with the reason. */
int smx_post_check(const struct smx_post_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/** Use other settings from now on. As smx_post_new(); on failure no change. */
int smx_post_set(struct smx_post_client *c,
    const struct smx_post_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/** The engine's port, answered on this thread. */
struct smx_post_port smx_post_as_port(struct smx_post_client *c);

#endif
