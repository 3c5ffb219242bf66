/**
 * The settings of io/mail_curl.h: judged, with defaults, and owned.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_MAIL_SETTINGS_H
#define SMX_IO_MAIL_SETTINGS_H

#include "io/mail_curl.h"

/** All texts are its own; user, password and CA file may be NULL. */
struct smx_mail_own {
	char *host, *user, *password, *ehlo_name, *ca_file;
	uint16_t port;
	enum smx_mail_tls tls;
	smx_time timeout;
	size_t session_max;
};

/**
 * Copy them, and read the password.
 *
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  a setting can't be used.
 * @retval -SMX_ENOMEM
 */
int smx_mail_settings_own(const struct smx_mail_settings *settings,
    struct smx_mail_own *ret, struct smx_buf *reason) SMX_CHECKED;

/** Free them; the password leaves no trace. */
void smx_mail_settings_done(struct smx_mail_own *own);

#endif
