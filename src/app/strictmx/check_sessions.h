/**
 * SMTP sessions of a run, each made once: thousands of domains can share an MX
 * host, and one look at it is enough for all.
 *
 * Layer:   app. It is a port in front of a port.
 * Memory:  the answers of SMX_CHECK_SESSIONS_MAX sessions are kept.
 */
#ifndef SMX_APP_CHECK_SESSIONS_H
#define SMX_APP_CHECK_SESSIONS_H

#include "engine/port_probe.h"

#define SMX_CHECK_SESSIONS_MAX 2000

struct smx_check_sessions;

/**
 * @param probe  makes the sessions.
 *
 * @retval 0 or -SMX_ENOMEM
 */
int smx_check_sessions_new(struct smx_probe_port probe,
    struct smx_check_sessions **ret) SMX_CHECKED;

/** After the end of @p probe, which calls back no more. */
void smx_check_sessions_free(struct smx_check_sessions **s);

/** Ask here. What is known is answered from inside the starting call. */
struct smx_probe_port smx_check_sessions_port(struct smx_check_sessions *s);

#endif
