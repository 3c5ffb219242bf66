/**
 * The second thread: DNS and HTTPS on a loop of its own.
 *
 * Layer:   io.
 *
 * It implements the engine's ports: an ask travels there as a message, and its
 * answer comes back as one.
 */
#ifndef SMX_IO_WORKER_H
#define SMX_IO_WORKER_H

#include "base/buf.h"
#include "engine/port_dns.h"
#include "engine/port_https.h"
#include "io/dns_unbound.h"
#include "io/https_curl.h"
#include "io/mailbox.h"

struct smx_worker;

struct smx_worker_settings {
	struct smx_dns_settings dns;
	struct smx_https_settings https;
};

/**
 * Start the thread.
 *
 * @param home    where answers are delivered.
 * @param reason  on failure, what is wrong.
 *
 * @retval 0, -SMX_EINVAL (a setting can't be used), -SMX_ENOMEM
 */
int smx_worker_start(struct smx_mailbox *home,
    const struct smx_worker_settings *settings, struct smx_worker **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Use other settings; waits until it is done. On failure the old ones stay.
 *
 * @retval as smx_worker_start().
 */
int smx_worker_set(struct smx_worker *w,
    const struct smx_worker_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Stop the thread and wait for its end. Asks under way are dropped; answers in
 * the home mailbox can still be delivered, until smx_worker_free().
 */
void smx_worker_stop(struct smx_worker *w);
void smx_worker_free(struct smx_worker **w);

struct smx_dns_port smx_worker_dns_port(struct smx_worker *w);
struct smx_https_port smx_worker_https_port(struct smx_worker *w);

#endif
