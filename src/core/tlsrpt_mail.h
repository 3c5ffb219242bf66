/**
 * A TLS report as a mail (RFC 8460, 5.3).
 *
 * Layer:   core.
 *
 * All names that come in are canonical host names, and addresses have no
 * characters that mean something in a header: see core/tlsrpt_rua.h.
 */
#ifndef SMX_CORE_TLSRPT_MAIL_H
#define SMX_CORE_TLSRPT_MAIL_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/when.h"

struct smx_tlsrpt_mail {
	struct smx_slice organization; /* any text; for people */
	struct smx_slice from;         /* an address */
	struct smx_slice to;           /* an address */
	struct smx_slice submitter;    /* domain of contact-info */
	struct smx_slice domain;       /* Policy Domain */
	struct smx_slice report_id;    /* without angle brackets */
	int64_t day;                   /* that it is about */
	smx_time date;                 /* wall clock */
	struct smx_slice report;       /* gzip */
};

/**
 * Append the message; lines end with CRLF.
 *
 * The same arguments give the same bytes, and Message-ID is the report's id: a
 * repeat can be told.
 */
void smx_tlsrpt_mail_print(const struct smx_tlsrpt_mail *m,
    struct smx_buf *out);

#endif
