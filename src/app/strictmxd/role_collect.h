/**
 * Role collect: counts what MTAs tell of their TLS sessions.
 *
 * Layer:   app. Puts together sockets, tally and the store of reports.
 */
#ifndef SMX_APP_ROLE_COLLECT_H
#define SMX_APP_ROLE_COLLECT_H

#include "app/config.h"

struct event_base;
struct smx_role_collect;

/**
 * Start the role: from then on it counts while the loop runs.
 *
 * @param config  borrowed until the next reload or the end.
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @return 0 or a negative status.
 */
int smx_role_collect_start(struct event_base *base,
    const struct smx_config *config, struct smx_role_collect **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** Go on with another configuration; on failure with the old one. */
int smx_role_collect_reload(struct smx_role_collect *r,
    const struct smx_config *config, struct smx_buf *reason) SMX_CHECKED;

/** Log counters. */
void smx_role_collect_log(struct smx_role_collect *r);

/** Stop: what the sockets still have is counted, and all is written. */
void smx_role_collect_stop(struct smx_role_collect **r);

#endif
