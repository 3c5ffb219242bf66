/**
 * What the engine asks of DNS.
 *
 * Layer:   engine (port).
 * Contract: the callback is called exactly once, on the engine's thread, and
 * never from inside the starting call. What it is given dies when it returns.
 */
#ifndef SMX_ENGINE_PORT_DNS_H
#define SMX_ENGINE_PORT_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/when.h"

enum smx_dns_status {
	SMX_DNS_OK,       /* records, perhaps none that is of use */
	SMX_DNS_NODATA,   /* the name exists without this type */
	SMX_DNS_NXDOMAIN, /* the name does not exist */
	SMX_DNS_FAILURE,  /* SERVFAIL, refused, lame, no memory */
	SMX_DNS_TIMEOUT,
	SMX_DNS_BOGUS, /* the signature is wrong or missing */
};

struct smx_dns_txt {
	enum smx_dns_status status;
	bool secure;    /* validated by DNSSEC */
	uint32_t ttl_s; /* of the records, or of their absence */
	/* Each with its character-strings joined, as long as SMX_TXT_MAX. */
	const struct smx_slice *records;
	size_t count;
};

typedef void smx_dns_txt_done(void *arg, struct smx_now now,
    const struct smx_dns_txt *answer);

struct smx_dns_ops {
	/**
	 * Look for TXT records, CNAMEs followed.
	 *
	 * @param name  borrowed during the call.
	 *
	 * @retval 0            @p done will be called.
	 * @retval -SMX_ENOMEM  it will not.
	 */
	int (*txt)(void *self, struct smx_slice name, smx_dns_txt_done *done,
	    void *arg);
};

struct smx_dns_port {
	const struct smx_dns_ops *ops;
	void *self;
};

#endif
