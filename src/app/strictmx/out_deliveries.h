/**
 * Outgoing reports in a table, or as JSON.
 *
 * Layer:   app (libsmartcols). What came from the store is escaped.
 */
#ifndef SMX_APP_OUT_DELIVERIES_H
#define SMX_APP_OUT_DELIVERIES_H

#include <stdbool.h>

#include "base/buf.h"
#include "io/report_list_sqlite.h"

struct smx_out_deliveries;

/** @param out  gets it all at the end. @return NULL without memory. */
struct smx_out_deliveries *smx_out_deliveries_new(bool json,
    struct smx_buf *out);

void smx_out_deliveries_add(struct smx_out_deliveries *d,
    const struct smx_report_list_row *row);

/** Print, and free. @retval 0 or -SMX_ENOMEM */
int smx_out_deliveries_end(struct smx_out_deliveries **d) SMX_CHECKED;

#endif
