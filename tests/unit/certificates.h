/**
 * Certificates made by code, each with what a test wants to be wrong.
 */
#ifndef SMX_TESTS_CERTIFICATES_H
#define SMX_TESTS_CERTIFICATES_H

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "engine/port_dns.h"

struct certificate {
	X509 *x;
	EVP_PKEY *key;
};

#define CERTIFICATE_DAY 86400L

struct certificate_want {
	const char *common_name;  /* NULL: none */
	const char *organization; /* NULL: none */
	/* DNS-IDs, octet by octet. */
	const struct smx_slice *names;
	size_t name_count;
	bool is_authority;
	bool is_client_only;   /* extended key usage */
	bool is_weak;          /* RSA with 1024 bits */
	const char *issuer_at; /* URL in the AIA; NULL: none */
	/* Validity from now in seconds; both 0: from yesterday for 90 days. */
	long from, to;
	const struct certificate *issuer; /* NULL: self-signed */
	bool is_forged;                   /* not signed by the issuer's key */
};

/** Make one; the process ends when it can't be done. */
void certificate_make(const struct certificate_want *want,
    struct certificate *ret);
void certificate_free(struct certificate *c);

/** A server's context with this certificate; @p next, if any, is sent too. */
SSL_CTX *certificate_server(const struct certificate *leaf,
    const struct certificate *next);

/** A TLSA record of it in @p storage, which takes up to 2,048 octets. */
struct smx_dns_tlsa certificate_tlsa(const struct certificate *c, uint8_t usage,
    uint8_t selector, uint8_t matching, unsigned char *storage);

/** Write it to a new file in /tmp, whose name comes into @p path. */
void certificate_write(const struct certificate *c, char path[32]);

#endif
