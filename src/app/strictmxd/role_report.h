/**
 * Role report: sends TLS reports.
 *
 * Layer:   app. Puts together dispatch, the store of reports, HTTPS and mail,
 *          on a thread and a loop of its own: it may wait for the disk.
 */
#ifndef SMX_APP_ROLE_REPORT_H
#define SMX_APP_ROLE_REPORT_H

#include "app/config.h"

struct smx_role_report;

/**
 * Start the role.
 *
 * @param config  borrowed until the next reload or the end.
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @return 0 or a negative status.
 */
int smx_role_report_start(const struct smx_config *config,
    struct smx_role_report **ret, struct smx_buf *reason) SMX_CHECKED;

/**
 * Go on with another configuration; on failure with the old one. Deliveries
 * under way are begun again, with the same report-id.
 */
int smx_role_report_reload(struct smx_role_report **r,
    const struct smx_config *config, struct smx_buf *reason) SMX_CHECKED;

/** Log counters. */
void smx_role_report_log(struct smx_role_report *r);

void smx_role_report_stop(struct smx_role_report **r);

#endif
