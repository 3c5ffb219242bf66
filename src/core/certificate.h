/**
 * What a server's certificate says, and what is wrong with it.
 *
 * Layer:   core. Data only; io/tls_certificate.c fills it in.
 * Memory:  slices borrow; smx_certificate_copy() makes them an arena's.
 */
#ifndef SMX_CORE_CERTIFICATE_H
#define SMX_CORE_CERTIFICATE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/when.h"

/** Names of a certificate that are kept; more are only counted. */
#define SMX_CERTIFICATE_NAMES_MAX 32

/** What is wrong; several can be at once. */
enum smx_certificate_fault {
	SMX_CERTIFICATE_EXPIRED = 1 << 0,
	SMX_CERTIFICATE_NOT_YET = 1 << 1,
	/* No DNS-ID is the host's name (RFC 6125, 6.4.1). */
	SMX_CERTIFICATE_NAME = 1 << 2,
	SMX_CERTIFICATE_SELF_SIGNED = 1 << 3,
	SMX_CERTIFICATE_ISSUER = 1 << 4, /* its authority is not known */
	/* Sent without the intermediate certificates, though its authority
	 * says where they are (RFC 5280, 4.2.2.1). */
	SMX_CERTIFICATE_CHAIN = 1 << 5,
	SMX_CERTIFICATE_OTHER = 1 << 6, /* see reason */
};

struct smx_certificate {
	unsigned faults;         /* SMX_CERTIFICATE_..., 0: a sender accepts */
	unsigned first_fault;    /* of them; 0: none */
	struct smx_slice reason; /* OpenSSL's words for the first fault */
	/* DNS-IDs; without any, nothing (a CN does not count). */
	struct smx_slice names[SMX_CERTIFICATE_NAMES_MAX];
	size_t name_count; /* also those beyond the maximum */
	struct smx_slice common_name;
	struct smx_slice issuer; /* organization or common name */
	smx_time not_before;     /* wall clock */
	smx_time not_after;
	uint8_t sha256[32];     /* of the certificate */
	uint8_t key_sha256[32]; /* of its SubjectPublicKeyInfo */
	size_t sent_count;      /* certificates that the server sent */
};

/** How many of the names are in the array. */
static inline size_t
smx_certificate_names_kept(const struct smx_certificate *c)
{
	return c->name_count < SMX_CERTIFICATE_NAMES_MAX
	    ? c->name_count
	    : SMX_CERTIFICATE_NAMES_MAX;
}

/** A copy whose texts are the arena's. @return NULL: the cap is reached. */
struct smx_certificate *smx_certificate_copy(struct smx_arena *a,
    const struct smx_certificate *from);

#endif
