/**
 * DMARC records, as far as their plain syntax goes (RFC 7489).
 *
 * Layer:   core. No memory is taken; findings borrow from the record.
 *
 * It is there for an overview of what MTA-STS does not cover.
 */
#ifndef SMX_CORE_DMARC_H
#define SMX_CORE_DMARC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "core/diag.h"

enum smx_dmarc_found {
	SMX_DMARC_NONE,
	SMX_DMARC_ONE,
	SMX_DMARC_SEVERAL, /* none counts (RFC 7489, 6.6.3) */
};

/** What receivers are to do with mail that fails (RFC 7489, 6.3: p). */
enum smx_dmarc_policy {
	SMX_DMARC_P_MISSING, /* or none of those below */
	SMX_DMARC_P_NONE,
	SMX_DMARC_P_QUARANTINE,
	SMX_DMARC_P_REJECT,
};

struct smx_dmarc {
	enum smx_dmarc_found found;
	/* All else is set when there is one. */
	size_t index;  /* of the record */
	bool is_valid; /* no tag is faulty, and p is there */
	enum smx_dmarc_policy p;
};

/**
 * Is this TXT record one of DMARC: is its first tag v, with the value DMARC1
 * in this spelling (RFC 7489, section 6.3)?
 */
bool smx_dmarc_is_candidate(struct smx_slice record);

/**
 * Find and check the DMARC record among the TXT records at _dmarc.
 *
 * @param records  each with its character-strings joined.
 * @param diags    takes DMARC_NONE, DMARC_SEVERAL or what is wrong with the
 *                 record: DMARC_SYNTAX for each faulty tag, DMARC_POLICY when
 *                 there is no p.
 */
void smx_dmarc_check(const struct smx_slice *records, size_t count,
    struct smx_diag_list *diags, struct smx_dmarc *ret);

/** @return "none", "quarantine" or "reject"; "" when p is missing. */
const char *smx_dmarc_policy_text(enum smx_dmarc_policy p);

#endif
