#include "io/https_fault.h"

enum smx_diag_code
smx_https_fault_certificate(const struct smx_tls_certificate *seen)
{
	static const struct {
		unsigned fault;
		enum smx_diag_code code;
	} codes[] = {
		{ SMX_CERTIFICATE_EXPIRED, SMX_DIAG_CERT_EXPIRED },
		{ SMX_CERTIFICATE_NOT_YET, SMX_DIAG_CERT_NOT_YET },
		{ SMX_CERTIFICATE_SELF_SIGNED, SMX_DIAG_CERT_SELF_SIGNED },
		{ SMX_CERTIFICATE_CHAIN, SMX_DIAG_CERT_CHAIN },
		{ SMX_CERTIFICATE_ISSUER, SMX_DIAG_CERT_ISSUER },
		{ SMX_CERTIFICATE_NAME, SMX_DIAG_CERT_NAME },
	};
	const struct smx_certificate *c = seen != NULL
	    ? smx_tls_certificate_get(seen)
	    : NULL;

	for (size_t i = 0; c != NULL && i < sizeof(codes) / sizeof(codes[0]);
	     i++)
		if (c->faults & codes[i].fault)
			return codes[i].code;
	return SMX_DIAG_CERT_UNTRUSTED;
}

enum smx_diag_code
smx_https_fault_tls(const struct smx_tls_certificate *seen,
    struct smx_buf *detail)
{
	static const enum smx_diag_code codes[] = {
		[SMX_TLS_FAILURE_OTHER] = SMX_DIAG_TLS_FAILURE,
		[SMX_TLS_FAILURE_VERSION] = SMX_DIAG_TLS_VERSION,
		[SMX_TLS_FAILURE_ALERT] = SMX_DIAG_TLS_ALERT,
	};

	if (seen == NULL)
		return SMX_DIAG_TLS_FAILURE;
	return codes[smx_tls_certificate_failure(seen, detail)];
}
