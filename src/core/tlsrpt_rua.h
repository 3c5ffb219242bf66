/**
 * One place that TLS reports go to: a URI of rua (RFC 8460, section 3).
 *
 * Layer:   core.
 * Memory:  a mail address lives in the caller's arena, all else borrows from
 *          the record's text.
 * Limits:  SMX_TLSRPT_URI_MAX.
 *
 * Who publishes a record chooses these bytes. What comes out can stand in a
 * mail header or on a command line without doing harm: an address has a local
 * part of letters, digits and "._+-=" only, and a host in both schemes is a
 * full host name. A path has the characters of RFC 3986, percent-encoding
 * kept, without fragment.
 */
#ifndef SMX_CORE_TLSRPT_RUA_H
#define SMX_CORE_TLSRPT_RUA_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/diag.h"

enum smx_tlsrpt_rua_scheme {
	SMX_TLSRPT_RUA_MAILTO, /* RFC 6068 */
	SMX_TLSRPT_RUA_HTTPS,
};

struct smx_tlsrpt_rua {
	enum smx_tlsrpt_rua_scheme scheme;
	struct smx_slice uri; /* as it stands in the record */
	/* mailto: the address, percent-decoded, with a NUL behind it. */
	struct smx_slice address;
	/* https: the host. mailto: what stands behind "@". */
	struct smx_slice host;
	uint16_t port; /* https: 443 when none is named; mailto: 0 */
	/* https: path and query; "/" in front unless it is empty or begins
	 * with "?", and then "/" belongs before it. */
	struct smx_slice path;
};

/**
 * Parse one URI.
 *
 * @param a       owns a mail address.
 * @param record  what findings count their places from; has @p uri in it.
 * @param uri     without the blanks around it.
 * @param diags   takes all findings. None of them is fatal to the record.
 *
 * @retval 0            *ret borrows from @p uri and @p a. There may be a
 *                      finding all the same: headers of a mail are ignored.
 * @retval -SMX_EPARSE  no report can be sent there; a finding says why.
 * @retval -SMX_ENOMEM  the arena's cap is reached.
 */
int smx_tlsrpt_rua_parse(struct smx_arena *a, struct smx_slice record,
    struct smx_slice uri, struct smx_diag_list *diags,
    struct smx_tlsrpt_rua *ret) SMX_CHECKED;

#endif
