/**
 * What the engine asks of HTTPS: one policy (RFC 8461, section 3.3).
 *
 * Layer:   engine (port).
 * Contract: as in port_dns.h.
 */
#ifndef SMX_ENGINE_PORT_HTTPS_H
#define SMX_ENGINE_PORT_HTTPS_H

#include "base/slice.h"
#include "base/status.h"
#include "base/when.h"
#include "core/certificate.h"
#include "core/diag.h"
#include "core/ip.h"

struct smx_https_request {
	struct smx_slice host;
	/* The one address to connect to; NULL: they are looked up. */
	const struct smx_ip *address;
	uint16_t port; /* 0: the one that is configured, else 443 */
	/* Not the policy: only whether the host speaks HTTPS with a valid
	 * certificate, whatever it then answers. */
	bool any_answer;
};

struct smx_https_policy {
	/* SMX_DIAG_OK: status 200, text/plain, within the limits, from the
	 * host that the certificate names. Else what was wrong. */
	enum smx_diag_code code;
	struct smx_slice body;   /* when OK */
	struct smx_slice detail; /* for people: "HTTP 404", a TLS reason */
	const struct smx_certificate *certificate; /* NULL: none was seen */
	struct smx_slice tls_version;              /* "TLSv1.3"; may be empty */
};

typedef void smx_https_policy_done(void *arg, struct smx_now now,
    const struct smx_https_policy *answer);

struct smx_https_ops {
	/**
	 * Get https://HOST/.well-known/mta-sts.txt.
	 *
	 * @param request  borrowed during the call.
	 *
	 * @retval 0            @p done will be called.
	 * @retval -SMX_ENOMEM  it will not.
	 */
	int (*policy)(void *self, const struct smx_https_request *request,
	    smx_https_policy_done *done, void *arg);
};

struct smx_https_port {
	const struct smx_https_ops *ops;
	void *self;
};

#endif
