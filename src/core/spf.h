/**
 * SPF records, as far as they can be read without DNS (RFC 7208).
 *
 * Layer:   core. No memory is taken; findings borrow from the record.
 *
 * It is there for an overview of what MTA-STS does not cover. What a record
 * includes or points to is not looked at, nor how many look-ups that takes.
 */
#ifndef SMX_CORE_SPF_H
#define SMX_CORE_SPF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "core/diag.h"

enum smx_spf_found {
	SMX_SPF_NONE,
	SMX_SPF_ONE,
	SMX_SPF_SEVERAL, /* an error to receivers (RFC 7208, 4.5) */
};

struct smx_spf {
	enum smx_spf_found found;
	/* All else is set when there is one. */
	size_t index;      /* of the record */
	bool is_valid;     /* no term is faulty */
	char all;          /* qualifier of "all": "+-?~"; '\0': there is none */
	bool has_redirect; /* another record goes on from here */
};

/**
 * Is this TXT record one of SPF: "v=spf1", and then a blank or the end (RFC
 * 7208, section 4.5)? Case does not count.
 */
bool smx_spf_is_candidate(struct smx_slice record);

/**
 * Find and check the SPF record among the TXT records of a domain.
 *
 * @param records  each with its character-strings joined.
 * @param diags    takes SPF_NONE, SPF_SEVERAL or an SPF_SYNTAX for each faulty
 *                 term of the record.
 */
void smx_spf_check(const struct smx_slice *records, size_t count,
    struct smx_diag_list *diags, struct smx_spf *ret);

#endif
