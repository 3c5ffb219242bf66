/**
 * A run of `strictmx check`: one loop with DNS, HTTPS and SMTP for as many
 * domains as there are.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_CHECK_RUN_H
#define SMX_APP_CHECK_RUN_H

#include "core/domain.h"
#include "engine/check.h"

struct event_base;
struct smx_check_run;

/** Where a host's connections go instead of where DNS says. */
struct smx_check_connect {
	struct smx_domain host;
	uint16_t port;
	struct smx_ip ip;
	uint16_t to_port;
};

struct smx_check_run_settings {
	char **resolvers; /* as smx_dns_settings.forwarders */
	const char *trust_anchor_file;
	const char *ca_file;
	const char *ehlo;
	bool allow_private_addresses;
	bool skip_smtp;
	bool bulk; /* whether port 25 is open here may be concluded */
	uint16_t smtp_port;
	smx_time timeout; /* of one HTTPS fetch or SMTP session */
	smx_time soon;    /* certificates that expire within are warned of */
	const struct smx_check_connect *connect;
	size_t connect_count;
};

/**
 * Get ready. Whether there is DNS is tried at once.
 *
 * @param settings  what it points to must outlive the run.
 * @param reason    on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL                    a setting can't be used.
 * @retval -SMX_ENOENT, -SMX_ETIMEDOUT    there is no DNS.
 * @retval -SMX_ENOMEM
 */
int smx_check_run_new(const struct smx_check_run_settings *settings,
    struct smx_check_run **ret, struct smx_buf *reason) SMX_CHECKED;
void smx_check_run_free(struct smx_check_run **r);

/** Check a domain. As smx_check_start(). */
int smx_check_run_start(struct smx_check_run *r,
    const struct smx_check_request *request,
    void (*done)(void *arg, struct smx_check *c), void *arg) SMX_CHECKED;

/** Wait for what happens next, but at most so long. */
void smx_check_run_wait(struct smx_check_run *r, smx_time timeout);

/** Has it turned out that port 25 can't be reached from here? */
bool smx_check_run_is_port_closed(const struct smx_check_run *r);

/** Was the process asked to stop (SIGINT, SIGTERM)? Asked once more it dies. */
bool smx_check_run_is_interrupted(const struct smx_check_run *r);

#endif
