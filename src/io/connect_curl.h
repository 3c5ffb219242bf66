/**
 * How every transfer of libcurl connects: to addresses that were looked up and
 * judged before and are pinned, without a proxy, over TLS >= 1.2 with our own
 * verification (RFC 8461, 3.3; RFC 7525, 3.1.1).
 *
 * Layer:   io (libcurl, OpenSSL). One transfer is one thread's.
 * Memory:  smx_connect_done() frees what the transfer has brought.
 */
#ifndef SMX_IO_CONNECT_CURL_H
#define SMX_IO_CONNECT_CURL_H

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "io/dns_unbound.h"
#include "io/tls_certificate.h"

/** Which addresses may be connected to. */
enum smx_connect_reach {
	SMX_CONNECT_PUBLIC,
	SMX_CONNECT_ANYWHERE,
	SMX_CONNECT_LOOPBACK,
};

struct smx_connect {
	/* What is wanted. The host has a NUL behind it; it and the file's
	 * name stay where they are until the end. */
	struct smx_slice host;
	uint16_t port;
	const char *ca_file;
	enum smx_connect_reach reach;
	bool any_certificate; /* faults are noted, and forgiven */
	bool is_address;      /* the host is an address: nothing is pinned */
	struct smx_ip addresses[2 * SMX_DNS_ADDRESS_MAX];
	size_t address_count;

	/* What was seen. */
	bool was_refused; /* an address out of reach */
	bool is_closed;   /* the host has closed TLS: nothing was cut off */
	const char *tls_version; /* static text; NULL: no TLS came about */
	struct smx_tls_certificate *seen; /* NULL: no TLS was begun */

	/* Its own. */
	struct curl_slist *pinned;
	SSL_CTX *ssl_ctx; /* a reference: it outlives the transfer in curl */
};

/** Take over what a look-up has found. */
void smx_connect_set_addresses(struct smx_connect *c,
    const struct smx_dns_addresses *answer);

/**
 * Set all options of a transfer that have to do with connecting.
 *
 * @retval 0
 * @retval -SMX_ENOENT  none of the addresses is within reach.
 * @retval -SMX_ENOMEM
 */
int smx_connect_set(struct smx_connect *c, CURL *easy) SMX_CHECKED;

/** The end, before or after the handle's. */
void smx_connect_done(struct smx_connect *c);

/** Why a look-up of addresses gave none, for people. */
struct smx_slice smx_connect_dns_text(enum smx_dns_status status);

/**
 * Why a transfer failed, for people; of a time-out it knows nothing.
 *
 * @param error  what curl wrote into CURLOPT_ERRORBUFFER.
 * @param out    takes printable text; what is too long is left out.
 */
void smx_connect_explain(const struct smx_connect *c, CURL *easy, CURLcode rc,
    const char *error, struct smx_buf *out);

#endif
