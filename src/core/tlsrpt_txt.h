/**
 * The _smtp._tls TXT record (RFC 8460, section 3).
 *
 * Layer:   core.
 * Memory:  results borrow from the record's text; the list of URIs and their
 *          mail addresses live in the caller's arena.
 * Limits:  SMX_TXT_MAX, SMX_STS_EXT_NAME_MAX (the same in RFC 8460),
 *          SMX_TLSRPT_RUA_MAX, SMX_TLSRPT_ARENA_MAX.
 */
#ifndef SMX_CORE_TLSRPT_TXT_H
#define SMX_CORE_TLSRPT_TXT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/diag.h"
#include "core/tlsrpt_rua.h"

/** Where reports go: every URI that is usable, in the order of the record,
 * each once. There is at least one. */
struct smx_tlsrpt_txt {
	const struct smx_tlsrpt_rua *rua;
	size_t rua_count; /* 1 to SMX_TLSRPT_RUA_MAX */
};

/**
 * Is this TXT record meant as a TLS reporting record, that is, does it begin
 * with "v=TLSRPTv1", optional blanks and ";"? Others at the name never count.
 */
bool smx_tlsrpt_txt_is_candidate(struct smx_slice record);

/**
 * Find the one candidate among the TXT records at _smtp._tls.
 *
 * @param domain  what the finding is about; borrowed by it.
 *
 * @retval 0            *ret_index is its place.
 * @retval -SMX_ENOENT  there is none (finding TLSRPT_NONE).
 * @retval -SMX_EPARSE  there are several (finding TLSRPT_SEVERAL).
 */
int smx_tlsrpt_txt_select(const struct smx_slice *records, size_t count,
    struct smx_slice domain, struct smx_diag_list *diags,
    size_t *ret_index) SMX_CHECKED;

/**
 * Parse one record, its character-strings joined without blanks.
 *
 * Several rua fields are read as one. A URI that can't be used is a finding
 * and is left out; the record fails with it only when no other is left.
 * Extension fields are checked and otherwise ignored.
 *
 * @param a      owns the list and the mail addresses.
 * @param diags  takes all findings. Those about a URI are forgiven errors or
 *               warnings.
 *
 * @retval 0            *ret borrows from @p record and @p a.
 * @retval -SMX_EPARSE  not a valid record, see diags->fatal.
 * @retval -SMX_ENOMEM  the arena's cap is reached.
 */
int smx_tlsrpt_txt_parse(struct smx_arena *a, struct smx_slice record,
    struct smx_diag_list *diags, struct smx_tlsrpt_txt *ret) SMX_CHECKED;

#endif
