/**
 * The policy types of TLS reports (RFC 8460, 4.4), and the numbers that
 * libtlsrpt's datagrams have for them.
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_TLSRPT_POLICY_TYPE_H
#define SMX_CORE_TLSRPT_POLICY_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum smx_tlsrpt_policy_type {
	SMX_TLSRPT_NO_POLICY_FOUND,
	SMX_TLSRPT_STS,
	SMX_TLSRPT_TLSA,
};

/** @return "sts", "tlsa" or "no-policy-found". */
const char *smx_tlsrpt_policy_type_text(enum smx_tlsrpt_policy_type type);

/** @return false when it is none of these words, in any case of letters. */
bool smx_tlsrpt_policy_type_parse(struct smx_slice text,
    enum smx_tlsrpt_policy_type *ret);

/** Of libtlsrpt's number: 1 tlsa, 2 sts, 9 no-policy-found. */
bool smx_tlsrpt_policy_type_from_number(int64_t number,
    enum smx_tlsrpt_policy_type *ret);
unsigned smx_tlsrpt_policy_type_number(enum smx_tlsrpt_policy_type type);

#endif
