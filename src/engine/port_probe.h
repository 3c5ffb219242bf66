/**
 * What the engine asks of SMTP: one session with one address of an MX host,
 * up to and through STARTTLS, without mail (RFC 8461, section 4.2).
 *
 * Layer:   engine (port).
 * Contract: the callback is called exactly once, on the caller's thread,
 * perhaps before the starting call returns. What it is given dies when it
 * returns.
 */
#ifndef SMX_ENGINE_PORT_PROBE_H
#define SMX_ENGINE_PORT_PROBE_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"
#include "core/certificate.h"
#include "core/diag.h"
#include "core/ip.h"
#include "engine/port_dns.h"

struct smx_probe_request {
	struct smx_slice host; /* SNI, and the name that is verified */
	struct smx_ip address;
	uint16_t port; /* 0: the one that is configured */
	bool without_sni;
	/* The next hop, when its MX records are secure: DANE-TA(2) accepts it
	 * as a name too (RFC 7672, 3.2.2). May be empty. */
	struct smx_slice domain;
	/* Compared with the certificate (RFC 7672), besides the verification
	 * with the trusted authorities. At most SMX_DNS_TLSA_MAX. */
	const struct smx_dns_tlsa *tlsa;
	size_t tlsa_count;
};

struct smx_probe_answer {
	/* SMX_DIAG_OK: TLS 1.2 or better came about; what is wrong with the
	 * certificate is in there. Else a SMTP_ code, what was met first. */
	enum smx_diag_code code;
	bool is_connected;         /* TCP at least came about */
	bool is_tls_begun;         /* STARTTLS at least was offered and sent */
	unsigned reply_code;       /* of the last whole reply; 0: none */
	struct smx_slice detail;   /* for people: the reply, the TLS reason */
	struct smx_slice greeting; /* first line, without "220 " */
	struct smx_slice name;     /* what it calls itself in reply to EHLO */
	struct smx_slice tls_version; /* "TLSv1.3" */
	struct smx_slice cipher;
	const struct smx_certificate *certificate; /* NULL: none was seen */
	/* Bit i: tlsa[i] is usable for SMTP; matches the certificate. */
	uint32_t tlsa_usable;
	uint32_t tlsa_matched;
};

typedef void smx_probe_done(void *arg, const struct smx_probe_answer *answer);

struct smx_probe_ops {
	/**
	 * Begin a session.
	 *
	 * @param request  borrowed during the call.
	 *
	 * @retval 0            @p done is called.
	 * @retval -SMX_ENOMEM  it is not.
	 */
	int (*probe)(void *self, const struct smx_probe_request *request,
	    smx_probe_done *done, void *arg);
};

struct smx_probe_port {
	const struct smx_probe_ops *ops;
	void *self;
};

#endif
