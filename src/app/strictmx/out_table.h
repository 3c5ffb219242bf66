/**
 * Tables.
 *
 * Layer:   app (libsmartcols).
 */
#ifndef SMX_APP_OUT_TABLE_H
#define SMX_APP_OUT_TABLE_H

#include <libsmartcols.h>
#include <stdbool.h>

#include "base/buf.h"

/** Append a table, its lines without the blanks at their ends. @return false
 * without memory. */
bool smx_out_table_print(struct libscols_table *t, struct smx_buf *out);

#endif
