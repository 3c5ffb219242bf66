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

/** Which setting can't be used. */
enum smx_mail_member {
	SMX_MAIL_HOST,
	SMX_MAIL_USER,
	SMX_MAIL_PASSWORD_FILE,
	SMX_MAIL_EHLO_NAME,
	SMX_MAIL_CA_FILE,
};

/**
 * Can they be used? The password is read and forgotten.
 *
 * @param ret_member  written when there is a reason: what it is about.
 *
 * @return as smx_mail_settings_own().
 */
int smx_mail_settings_check(const struct smx_mail_settings *settings,
    enum smx_mail_member *ret_member, struct smx_buf *reason) SMX_CHECKED;

/**
 * Copy them, and read the password.
 *
 * @param reason  on failure, what is wrong and how to mend it.
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
