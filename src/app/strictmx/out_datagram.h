/**
 * A datagram of libtlsrpt as people and scripts read it.
 *
 * Layer:   app. Everything that stood in the datagram is escaped.
 */
#ifndef SMX_APP_OUT_DATAGRAM_H
#define SMX_APP_OUT_DATAGRAM_H

#include "base/buf.h"
#include "core/tlsrpt_event.h"

/** One object, in the words of RFC 8460, 4.4. */
void smx_out_datagram_json(const struct smx_tlsrpt_event *e,
    struct smx_buf *out);

/** What is in it, in lines. */
void smx_out_datagram_text(const struct smx_tlsrpt_event *e,
    struct smx_buf *out);

#endif
