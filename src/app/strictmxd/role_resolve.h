/**
 * Role resolve: answers MTAs which policy holds for a next hop.
 *
 * Layer:   app. Puts together engine, worker, store and socketmap server.
 */
#ifndef SMX_APP_ROLE_RESOLVE_H
#define SMX_APP_ROLE_RESOLVE_H

#include "app/config.h"

struct event_base;
struct smx_role_resolve;

/**
 * Start the role: from then on it answers while the loop runs.
 *
 * @param config  borrowed until the next reload or the end.
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @return 0 or a negative status.
 */
int smx_role_resolve_start(struct event_base *base,
    const struct smx_config *config, struct smx_role_resolve **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Go on with another configuration; on failure with the old one, all of it.
 */
int smx_role_resolve_reload(struct smx_role_resolve *r,
    const struct smx_config *config, struct smx_buf *reason) SMX_CHECKED;

/** Log counters and sizes. */
void smx_role_resolve_log(const struct smx_role_resolve *r);

/** Stop: answers nobody any more, writes what is pending. */
void smx_role_resolve_stop(struct smx_role_resolve **r);

#endif
