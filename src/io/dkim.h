/**
 * Signing mail: DKIM (RFC 6376).
 *
 * Layer:   io (OpenSSL). Signing only reads the key: several threads may.
 * Memory:  a message is only borrowed and never copied.
 * Limits:  a header of 64 fields.
 */
#ifndef SMX_IO_DKIM_H
#define SMX_IO_DKIM_H

#include "base/buf.h"
#include "base/when.h"
#include "io/dkim_key.h"

/** Whose signature it is: the key is at <selector>._domainkey.<domain>. */
struct smx_dkim_identity {
	struct smx_slice domain;   /* d=, A-labels, no final dot */
	struct smx_slice selector; /* s= */
};

/**
 * Can the key's name be asked for (RFC 6376, 3.1 and 3.6.2.1)? Selectors are
 * LDH labels, as domains are, but may be all digits.
 */
bool smx_dkim_identity_is_valid(const struct smx_dkim_identity *id);

/**
 * Sign a message: relaxed/relaxed (RFC 6376, 3.4), all of its body, never with
 * l= (8.2; RFC 8460, 3). From is signed, and once more, so that no second one
 * can be added (8.15); and as many as there are of To, Subject, Date,
 * Message-ID, MIME-Version, Content-Type, TLS-Report-Domain and
 * TLS-Report-Submitter (RFC 8460, 5.3), TLS-Required (RFC 8689, 3),
 * Auto-Submitted.
 *
 * @param message  as it will be sent, before dots are doubled: fields, an empty
 *                 line, the body; lines end with CRLF. Only 7-bit text goes
 *                 through every relay unchanged (RFC 6376, 5.3).
 * @param now      the wall clock, for t=.
 * @param ret_header  the field is added, with its CRLF: it belongs in front of
 *                    the message. Lines have 78 octets at the most, except for
 *                    a domain or selector that is longer. Nothing is added on
 *                    failure.
 *
 * @retval 0
 * @retval -SMX_EPARSE  the message has no From, a line of the header that is
 *                      no field, or a CR or LF that stands alone.
 * @retval -SMX_ELIMIT  too many fields, or @p ret_header is full.
 * @retval -SMX_EINVAL  the identity is not valid, or @p now is before 1970.
 * @retval -SMX_ENOMEM  or OpenSSL can't sign for any other reason.
 */
int smx_dkim_sign(const struct smx_dkim_key *key,
    const struct smx_dkim_identity *id, struct smx_slice message, smx_time now,
    struct smx_buf *ret_header) SMX_CHECKED;

#endif
