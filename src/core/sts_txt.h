/**
 * The _mta-sts TXT record (RFC 8461, section 3.1).
 *
 * Layer:   core.
 * Memory:  results borrow from the record's text; the list of extensions
 *          lives in the caller's arena.
 * Limits:  SMX_TXT_MAX, SMX_STS_ID_MAX, SMX_STS_EXT_NAME_MAX.
 */
#ifndef SMX_CORE_STS_TXT_H
#define SMX_CORE_STS_TXT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/diag.h"

/** A field that RFC 8461 doesn't define, of a record or of a policy. */
struct smx_sts_extension {
	struct smx_slice name;
	struct smx_slice value;
};

struct smx_sts_txt {
	struct smx_slice id;
	const struct smx_sts_extension *extensions;
	size_t extension_count;
};

/**
 * Is this TXT record meant as an MTA-STS record, that is, does it begin with
 * "v=STSv1", optional blanks and ";"? Others at the name never count.
 */
bool smx_sts_txt_is_candidate(struct smx_slice record);

/**
 * Find the one candidate among the TXT records at _mta-sts.
 *
 * @retval 0            *ret_index is its place.
 * @retval -SMX_ENOENT  there is none (finding TXT_NONE).
 * @retval -SMX_EPARSE  there are several (finding TXT_SEVERAL).
 */
int smx_sts_txt_select(const struct smx_slice *records, size_t count,
    struct smx_diag_list *diags, size_t *ret_index) SMX_CHECKED;

/**
 * Parse one record, its character-strings joined without blanks.
 *
 * @param a      owns the list of extensions.
 * @param diags  takes all findings.
 *
 * @retval 0            *ret borrows from @p record and @p a.
 * @retval -SMX_EPARSE  not a valid record, see diags->fatal.
 * @retval -SMX_ENOMEM  the arena's cap is reached.
 */
int smx_sts_txt_parse(struct smx_arena *a, struct smx_slice record,
    struct smx_diag_list *diags, struct smx_sts_txt *ret) SMX_CHECKED;

#endif
