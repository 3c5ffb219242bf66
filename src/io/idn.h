/**
 * Internationalised names: U-labels to A-labels (RFC 5891), where they enter.
 *
 * Layer:   io (libidn2).
 */
#ifndef SMX_IO_IDN_H
#define SMX_IO_IDN_H

#include "core/domain.h"

/**
 * Convert a UTF-8 name, IDNA2008 non-transitional, and bring it into canonical
 * form.
 *
 * @retval 0
 * @retval -SMX_EPARSE  no name.
 */
int smx_idn_parse(struct smx_slice name, struct smx_domain *ret) SMX_CHECKED;

#endif
