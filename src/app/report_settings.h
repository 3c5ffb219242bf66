/**
 * What role report makes of its settings: addresses, and the smarthost.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_REPORT_SETTINGS_H
#define SMX_APP_REPORT_SETTINGS_H

#include "app/config_fault.h"
#include "io/mail_settings.h"

struct smx_report_settings {
	char *submitter;         /* the domain of contact */
	const char *dkim_domain; /* borrows */
	/* Borrows from the configuration, and from what is below it here. */
	struct smx_mail_settings mail;
	char *smarthost;
	char host[256]; /* this machine's name */
};

/**
 * Read them. What is wrong is told, all of it; no file is looked at.
 *
 * @param s  its mail.host is NULL when there is none that could be used. To be
 *           freed with smx_report_settings_done(), also on failure.
 *
 * @retval 0
 * @retval -SMX_EINVAL  an error was told.
 * @retval -SMX_ENOMEM
 */
int smx_report_settings_init(struct smx_report_settings *s,
    const struct smx_config *config,
    struct smx_config_faults *faults) SMX_CHECKED;

void smx_report_settings_done(struct smx_report_settings *s);

#endif
