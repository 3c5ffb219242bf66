/**
 * Days of the calendar, in UTC (RFC 3339, full-date).
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_DATE_H
#define SMX_CORE_DATE_H

#include "base/buf.h"
#include "base/when.h"

/** The day of a point in time as year, month (1 to 12), day (1 to 31). */
void smx_date_from(smx_time wall, int64_t *ret_year, unsigned *ret_month,
    unsigned *ret_day);

/** Append "2026-11-23". */
void smx_date_print(smx_time wall, struct smx_buf *out);

/** Append "20261123T120000": a new id for a record (RFC 8461, 3.1). */
void smx_date_print_id(smx_time wall, struct smx_buf *out);

/** Append "Mon, 23 Nov 2026 12:00:00 +0000" (RFC 5322, 3.3). */
void smx_date_print_mail(smx_time wall, struct smx_buf *out);

/** @return whole days from @p from to @p to, negative when it is before. */
int64_t smx_date_days(smx_time from, smx_time to);

#endif
