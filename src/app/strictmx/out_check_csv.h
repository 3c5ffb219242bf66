/**
 * A check as a line of CSV (RFC 4180), for many domains.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_OUT_CHECK_CSV_H
#define SMX_APP_OUT_CHECK_CSV_H

#include "engine/check.h"

/** Append the line with the names of the columns. */
void smx_out_check_csv_head(struct smx_buf *out);

/** Append a check's line. */
void smx_out_check_csv(const struct smx_check *c, struct smx_buf *out);

#endif
