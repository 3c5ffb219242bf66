/**
 * Mail, signed before it is handed on.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_MAIL_SIGNER_H
#define SMX_APP_MAIL_SIGNER_H

#include "base/buf.h"
#include "engine/port_mail.h"

struct smx_mail_signer;

/**
 * @param domain  of the signatures.
 * @param keys    "SELECTOR:FILE", ends with NULL; none: mail is handed on as
 *                it is.
 * @param next    where it goes.
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  a key can't be used.
 * @retval -SMX_ENOMEM
 */
int smx_mail_signer_new(const char *domain, char *const *keys,
    struct smx_mail_port next, struct smx_mail_signer **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** Nothing may be under way. */
void smx_mail_signer_free(struct smx_mail_signer **s);

struct smx_mail_port smx_mail_signer_port(struct smx_mail_signer *s);

#endif
