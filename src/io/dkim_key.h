/**
 * A private key for DKIM: RSA (RFC 6376, 3.3) or Ed25519 (RFC 8463).
 *
 * Layer:   io (OpenSSL). Once loaded it is only read: several threads may use
 *          it.
 * Memory:  a key is the heap's until smx_dkim_key_free().
 * Limits:  its file has less than 16 KiB; RSA has 2048 to 4096 bits (RFC 8301,
 *          3.2: what signers should have, and what verifiers must know).
 */
#ifndef SMX_IO_DKIM_KEY_H
#define SMX_IO_DKIM_KEY_H

#include "base/buf.h"

/** What is signed is a hash, SHA-256. */
#define SMX_DKIM_KEY_HASH_BYTES 32
/** The signature of the longest RSA key; of Ed25519 it has 64 octets. */
#define SMX_DKIM_KEY_SIGNATURE_MAX 512

struct smx_dkim_key;

/**
 * The first private key of a PEM file. Nobody is asked for a password.
 *
 * @param reason  on failure, what is wrong, with the path.
 *
 * @retval 0
 * @retval -SMX_EIO     the file can't be read.
 * @retval -SMX_ELIMIT  it is too long for a key file.
 * @retval -SMX_EINVAL  it has no private key, or one that is encrypted, neither
 *                      RSA nor Ed25519, of a length outside of the limits, or
 *                      damaged.
 * @retval -SMX_ENOMEM
 */
int smx_dkim_key_load(const char *path, struct smx_dkim_key **ret_key,
    struct smx_buf *reason) SMX_CHECKED;

void smx_dkim_key_free(struct smx_dkim_key **key);

/**
 * Could everybody on this machine read or change the file when it was loaded?
 * That is no failure, but worth a warning.
 */
bool smx_dkim_key_is_exposed(const struct smx_dkim_key *key);

/** @return rsa-sha256 or ed25519-sha256, for a= (RFC 6376, 3.5). */
const char *smx_dkim_key_algorithm(const struct smx_dkim_key *key);

/**
 * Sign a hash: RSASSA-PKCS1-v1_5 (RFC 6376, 3.3.2), or PureEdDSA of the hash
 * (RFC 8463, 3).
 *
 * @retval 0
 * @retval -SMX_ENOMEM  or OpenSSL can't sign for any other reason.
 */
int smx_dkim_key_sign(const struct smx_dkim_key *key,
    const unsigned char hash[SMX_DKIM_KEY_HASH_BYTES],
    unsigned char signature[SMX_DKIM_KEY_SIGNATURE_MAX],
    size_t *ret_n) SMX_CHECKED;

/**
 * The text of the TXT record to be published (RFC 6376, 3.6.1; RFC 8463, 4.2),
 * in one piece: a server's zone file wants strings of 255 octets at the most.
 *
 * It has no s=, which means all services. RFC 8460, 3 would rather have
 * s=tlsrpt, but verifiers that don't know of TLS reporting refuse such a key.
 *
 * @retval 0
 * @retval -SMX_ELIMIT  @p out is full.
 * @retval -SMX_ENOMEM
 */
int smx_dkim_key_print_record(const struct smx_dkim_key *key,
    struct smx_buf *out) SMX_CHECKED;

#endif
