/**
 * What will become of a day that is not closed: where its report will go, and
 * when.
 *
 * Layer:   app. Asks engine/dispatch, with a store that only listens: nobody
 *          else knows which domains are left out, and which copies are made.
 */
#ifndef SMX_APP_REPORT_PLAN_H
#define SMX_APP_REPORT_PLAN_H

#include "engine/dispatch.h"
#include "io/report_list_sqlite.h"

/**
 * Give the row of a day that is not closed once for each place, with a delivery
 * that waits; or once without, its detail telling why there is none.
 *
 * @param settings  as role report has them.
 * @param wall      now.
 * @param each      the row is borrowed during the call.
 */
void smx_report_plan(const struct smx_dispatch_settings *settings,
    const struct smx_report_list_row *row, smx_time wall,
    void (*each)(void *arg, const struct smx_report_list_row *row), void *arg);

/**
 * Why a day that is closed has no delivery. The store doesn't know, so it is
 * what would come of it with the settings of today.
 */
const char *smx_report_plan_reason(const struct smx_dispatch_settings *settings,
    const struct smx_report_list_row *row);

#endif
