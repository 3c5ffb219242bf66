/**
 * TLS reports as people and scripts read them.
 *
 * Layer:   app. Everything that stood in the report is escaped.
 */
#ifndef SMX_APP_OUT_REPORT_H
#define SMX_APP_OUT_REPORT_H

#include "base/buf.h"
#include "core/tlsrpt_read.h"

/** One object, without a line end. */
void smx_out_report_json(const struct smx_tlsrpt_read_report *r,
    struct smx_buf *out);

/** Who sent it, the day, and the totals; no line end. */
void smx_out_report_line(const struct smx_tlsrpt_read_report *r,
    struct smx_buf *out);

/** What is in it, in lines. */
void smx_out_report_text(const struct smx_tlsrpt_read_report *r,
    struct smx_buf *out);

/** How often findings were met that were met more than once, in lines. */
void smx_out_report_repeats(const struct smx_tlsrpt_read_report *r,
    const char *name, struct smx_buf *out);

#endif
