/**
 * What the engine asks of DNS.
 *
 * Layer:   engine (port).
 * Contract: the callback is called exactly once, on the engine's thread. What
 * it is given dies when it returns. strictmxd's port never calls back from
 * inside the starting call; that of `strictmx check` may.
 */
#ifndef SMX_ENGINE_PORT_DNS_H
#define SMX_ENGINE_PORT_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/when.h"
#include "core/ip.h"

enum smx_dns_status {
	SMX_DNS_OK,       /* records, perhaps none that is of use */
	SMX_DNS_NODATA,   /* the name exists without this type */
	SMX_DNS_NXDOMAIN, /* the name does not exist */
	SMX_DNS_FAILURE,  /* SERVFAIL, refused, lame, no memory */
	SMX_DNS_TIMEOUT,
	SMX_DNS_BOGUS, /* the signature is wrong or missing */
};

/** Types, with their numbers (RFC 1035, 3596, 6698). */
enum smx_dns_type {
	SMX_DNS_A = 1,
	SMX_DNS_MX = 15,
	SMX_DNS_TXT = 16,
	SMX_DNS_AAAA = 28,
	SMX_DNS_TLSA = 52,
};

/** Records of one answer that are looked at, by type. */
#define SMX_DNS_MX_MAX      64
#define SMX_DNS_TLSA_MAX    32
#define SMX_DNS_ADDRESS_MAX 16

struct smx_dns_mx {
	uint16_t preference;
	struct smx_slice host; /* without the final dot; empty: the root */
};

struct smx_dns_tlsa {
	uint8_t usage, selector, matching;
	struct smx_slice data;
};

/** Of the lists only the one of the type asked for is filled. */
struct smx_dns_answer {
	enum smx_dns_status status;
	bool secure;    /* validated by DNSSEC */
	uint32_t ttl_s; /* of the records, or of their absence */
	/* Where CNAMEs led; empty: there was none. Also without records. */
	struct smx_slice alias;
	size_t count; /* of the list */
	/* Each with its character-strings joined, as long as SMX_TXT_MAX. */
	const struct smx_slice *texts;
	const struct smx_dns_mx *mx;
	const struct smx_dns_tlsa *tlsa;
	const struct smx_ip *addresses;
};

typedef void smx_dns_done(void *arg, struct smx_now now,
    const struct smx_dns_answer *answer);

struct smx_dns_ops {
	/**
	 * Look for records, CNAMEs followed.
	 *
	 * @param name  borrowed during the call.
	 *
	 * @retval 0            @p done will be called.
	 * @retval -SMX_ENOMEM  it will not.
	 */
	int (*ask)(void *self, enum smx_dns_type type, struct smx_slice name,
	    smx_dns_done *done, void *arg);
};

struct smx_dns_port {
	const struct smx_dns_ops *ops;
	void *self;
};

/**
 * Copy an answer and all it borrows into an arena.
 *
 * @retval 0
 * @retval -SMX_ENOMEM  the arena's cap is reached; @p ret is of no use.
 */
int smx_port_dns_copy(struct smx_arena *a, const struct smx_dns_answer *from,
    struct smx_dns_answer *ret) SMX_CHECKED;

#endif
