/**
 * Outgoing reports in a table, or as JSON.
 *
 * Layer:   app (libsmartcols). What came from the store is escaped.
 */
#ifndef SMX_APP_OUT_DELIVERIES_H
#define SMX_APP_OUT_DELIVERIES_H

#include <stdbool.h>

#include "app/strictmx/report_source.h"
#include "base/buf.h"

struct smx_out_deliveries;

/** @param out  may be emptied after each page. @return NULL without memory. */
struct smx_out_deliveries *smx_out_deliveries_new(bool json,
    struct smx_buf *out);

void smx_out_deliveries_add(struct smx_out_deliveries *d,
    const struct smx_report_list_row *row,
    const struct smx_report_left_out_counts *left_out);

/** Print what there is so far: memory for some rows is enough for all. */
void smx_out_deliveries_page(struct smx_out_deliveries *d);

/** Print, and free. @retval 0 or -SMX_ENOMEM */
int smx_out_deliveries_end(struct smx_out_deliveries **d) SMX_CHECKED;

/** Append a delivery alone, as a line for people. */
void smx_out_deliveries_line(const struct smx_report_list_row *row,
    struct smx_buf *out);

/** Append a delivery alone, as a JSON object. */
void smx_out_deliveries_object(const struct smx_report_list_row *row,
    struct smx_buf *out);

#endif
