/**
 * The result types of TLS reports (RFC 8460, 4.3), and the numbers that
 * libtlsrpt's datagrams have for them.
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_TLSRPT_RESULT_H
#define SMX_CORE_TLSRPT_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/** Result types, in the order of RFC 8460, 4.3. */
enum smx_tlsrpt_result {
	SMX_TLSRPT_STARTTLS_NOT_SUPPORTED,
	SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH,
	SMX_TLSRPT_CERTIFICATE_EXPIRED,
	SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED,
	SMX_TLSRPT_VALIDATION_FAILURE,
	SMX_TLSRPT_TLSA_INVALID,
	SMX_TLSRPT_DNSSEC_INVALID,
	SMX_TLSRPT_DANE_REQUIRED,
	SMX_TLSRPT_STS_POLICY_FETCH_ERROR,
	SMX_TLSRPT_STS_POLICY_INVALID,
	SMX_TLSRPT_STS_WEBPKI_INVALID,
};

#define SMX_TLSRPT_RESULT_COUNT (SMX_TLSRPT_STS_WEBPKI_INVALID + 1)

/** @return the word, as "certificate-expired". */
const char *smx_tlsrpt_result_text(enum smx_tlsrpt_result result);

/** @return false when it is none of these words, in any case of letters. */
bool smx_tlsrpt_result_parse(struct smx_slice text,
    enum smx_tlsrpt_result *ret);

/** Of libtlsrpt's number, 201 to 205 and 301 to 306. */
bool smx_tlsrpt_result_from_number(int64_t number, enum smx_tlsrpt_result *ret);
unsigned smx_tlsrpt_result_number(enum smx_tlsrpt_result result);

#endif
