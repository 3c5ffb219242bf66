/**
 * What a TLS handshake shows of a server: its certificate, all that is wrong
 * with it, and why no handshake came about (RFC 8461, sections 3.3 and 4.2).
 *
 * Layer:   io (OpenSSL). One handshake is one thread's.
 * Memory:  a collector owns its texts and a reference to each certificate that
 *          the server sent, until it is freed or the next handshake begins.
 * Limits:  a name has 253 octets, CN and issuer 128, the rest is cut off. The
 *          length of the chain is OpenSSL's to limit (SSL_CTX_get_max_cert_list).
 *
 * Nothing is escaped: names may hold any octet, also NUL.
 */
#ifndef SMX_IO_TLS_CERTIFICATE_H
#define SMX_IO_TLS_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "core/certificate.h"
#include "engine/port_dns.h"

struct smx_tls_certificate;

/** Why a handshake failed, as far as alerts tell. */
enum smx_tls_failure {
	SMX_TLS_FAILURE_OTHER,
	/* The server has no TLS version above 1.1. */
	SMX_TLS_FAILURE_VERSION,
	/* The server refused: it typically has no certificate for the name. */
	SMX_TLS_FAILURE_ALERT,
};

/**
 * Start collecting for one handshake.
 *
 * @param name  the host that must be a DNS-ID; copied.
 *
 * @return NULL when out of memory, or when @p name can't be a host's: it is
 *         empty, has more than 253 octets, a NUL, or begins with a dot.
 */
struct smx_tls_certificate *smx_tls_certificate_new(struct smx_slice name);

void smx_tls_certificate_free(struct smx_tls_certificate **c);

/**
 * Go on in spite of faults: smx_tls_certificate_verify() then returns 1
 * always. For those who want to look, not to trust.
 */
void smx_tls_certificate_set_lenient(struct smx_tls_certificate *c);

/**
 * Verify with the context's trust store and collect all faults and the
 * evidence. For SSL_CTX_set_cert_verify_callback(); verification must be on
 * (SSL_VERIFY_PEER).
 *
 * The name is looked for in DNS-IDs only; a wildcard is a whole first label
 * (RFC 8461, 4.1; RFC 6125, 6.4.3). The context's error becomes the fault that
 * was met first.
 *
 * @param collector  the struct smx_tls_certificate; NULL: it is the app data
 *                   of the SSL (SSL_set_app_data), for a context with many.
 *
 * @retval 1  there is no fault, or it is lenient.
 * @retval 0  there is a fault, or no memory.
 */
int smx_tls_certificate_verify(X509_STORE_CTX *ctx, void *collector);

/**
 * Let DANE-TA(2) accept a second name: that of the next hop (RFC 7672, 3.2.2).
 *
 * @param domain  copied; what can't be a host's name is ignored.
 */
void smx_tls_certificate_set_domain(struct smx_tls_certificate *c,
    struct smx_slice domain);

/** @return what was seen; NULL: no certificate yet. Valid until the next
 * handshake or the collector's end. */
const struct smx_certificate *smx_tls_certificate_get(
    const struct smx_tls_certificate *c);

/** Remember alerts: to be called by the info callback of the SSL. */
void smx_tls_certificate_note_info(struct smx_tls_certificate *c,
    const SSL *ssl, int where, int value);

/**
 * Why the handshake failed.
 *
 * @param detail  the alert for people is added; nothing when there was none.
 */
enum smx_tls_failure smx_tls_certificate_failure(
    const struct smx_tls_certificate *c, struct smx_buf *detail);

/**
 * Which TLSA records are usable for SMTP (RFC 7672, 3.1), and which of those
 * match what the server sent (RFC 7671, 5.1 and 5.2). Each is judged alone.
 * DANE-TA(2) is compared with the name (RFC 7672, 3.2.3) and the dates,
 * DANE-EE(3) is not.
 *
 * Without a certificate or memory nothing matches.
 *
 * @param tlsa  at most SMX_DNS_TLSA_MAX; more are left out.
 */
void smx_tls_certificate_match_tlsa(const struct smx_tls_certificate *c,
    const struct smx_dns_tlsa *tlsa, size_t count, uint32_t *ret_usable,
    uint32_t *ret_matched);

#endif
