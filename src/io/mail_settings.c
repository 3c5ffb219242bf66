#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/mail_settings.h"
#include "core/domain.h"
#include "core/ip.h"
#include "core/limits.h"

#define DEFAULT_HOST        "127.0.0.1"
#define DEFAULT_SESSION_MAX 8
/* RFC 5321, 4.5.3.2.6: so long may a server think about a message. */
#define DEFAULT_TIMEOUT (10 * SMX_MINUTE)
#define PASSWORD_MAX    1024

static bool
is_visible(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool
is_verified(const struct smx_mail_settings *s)
{
	return s->tls == SMX_MAIL_TLS_STARTTLS ||
	    s->tls == SMX_MAIL_TLS_IMPLICIT;
}

static int
check_host(const struct smx_mail_settings *s, const char *host,
    struct smx_buf *reason)
{
	struct smx_slice name = smx_slice_text(host);
	struct smx_ip ip;

	if (smx_ip_parse(name, &ip) < 0) {
		if (smx_domain_is_host(name))
			return 0;
		smx_buf_add_escaped(reason, name);
		smx_buf_add_text(reason,
		    name.n > 0 ? ": not a host name or address"
			       : "no host name or address");
		return -SMX_EINVAL;
	}
	if (is_verified(s)) {
		smx_buf_printf(reason,
		    "%s: a certificate is verified for a name: write that "
		    "in place of the address",
		    host);
		return -SMX_EINVAL;
	}
	if (s->tls == SMX_MAIL_TLS_NONE &&
	    !(ip.is_v6 ? strcmp(host, "::1") == 0 : ip.bytes[0] == 127)) {
		smx_buf_printf(reason,
		    "%s: without TLS only to this machine: ask for TLS, or "
		    "write an address such as 127.0.0.1",
		    host);
		return -SMX_EINVAL;
	}
	return 0;
}

static int
check_others(const struct smx_mail_settings *s, enum smx_mail_member *member,
    struct smx_buf *reason)
{
	*member = SMX_MAIL_EHLO_NAME;
	if (s->ehlo_name == NULL || s->ehlo_name[0] == '\0' ||
	    strlen(s->ehlo_name) > SMX_DOMAIN_MAX ||
	    !is_visible(s->ehlo_name)) {
		smx_buf_add_text(reason, "no host name for EHLO");
		return -SMX_EINVAL;
	}
	*member = SMX_MAIL_USER;
	if ((s->user == NULL) != (s->password_file == NULL)) {
		smx_buf_add_text(reason,
		    "a user needs a password file, and "
		    "a password file a user");
		return -SMX_EINVAL;
	}
	if (s->user != NULL && s->tls == SMX_MAIL_TLS_OPPORTUNISTIC) {
		smx_buf_add_text(reason,
		    "a password is not sent without verified TLS");
		return -SMX_EINVAL;
	}
	*member = SMX_MAIL_CA_FILE;
	if (is_verified(s) &&
	    (s->ca_file == NULL || access(s->ca_file, R_OK) != 0)) {
		smx_buf_printf(reason, "ca_file %s: %m",
		    s->ca_file != NULL ? s->ca_file : "\"\"");
		return -SMX_EINVAL;
	}
	return 0;
}

/* The first line of the file. */
static int
read_password(const char *path, char **ret, struct smx_buf *reason)
{
	char line[PASSWORD_MAX];
	FILE *file = fopen(path, "re");
	size_t n;
	int rc = 0;

	if (file == NULL) {
		smx_buf_printf(reason, "password_file %s: %m", path);
		return -SMX_EINVAL;
	}
	/* No second copy in stdio's buffer. */
	setvbuf(file, NULL, _IONBF, 0);
	n = fgets(line, sizeof(line), file) != NULL ? strcspn(line, "\r\n") : 0;
	fclose(file);
	if (n == 0 || n == sizeof(line) - 1) {
		smx_buf_printf(reason, "password_file %s: no password", path);
		rc = -SMX_EINVAL;
	} else {
		*ret = strndup(line, n);
		rc = *ret != NULL ? 0 : -SMX_ENOMEM;
	}
	explicit_bzero(line, sizeof(line));
	return rc;
}

/* @param member  written when there is a reason. */
static int
judge(const struct smx_mail_settings *s, char **ret_password,
    enum smx_mail_member *member, struct smx_buf *reason)
{
	const char *host = s->host != NULL ? s->host : DEFAULT_HOST;
	int rc;

	*member = SMX_MAIL_HOST;
	rc = check_host(s, host, reason);
	if (rc == 0)
		rc = check_others(s, member, reason);
	if (rc == 0 && s->password_file != NULL) {
		*member = SMX_MAIL_PASSWORD_FILE;
		rc = read_password(s->password_file, ret_password, reason);
	}
	return rc;
}

static void
wipe(char *password)
{
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
}

int
smx_mail_settings_check(const struct smx_mail_settings *s,
    enum smx_mail_member *ret_member, struct smx_buf *reason)
{
	char *password = NULL;
	int rc = judge(s, &password, ret_member, reason);

	wipe(password);
	return rc;
}

/* NULL stays NULL. @return false without memory. */
static bool
copy(const char *from, char **ret)
{
	if (from != NULL)
		*ret = strdup(from);
	return from == NULL || *ret != NULL;
}

int
smx_mail_settings_own(const struct smx_mail_settings *s,
    struct smx_mail_own *ret, struct smx_buf *reason)
{
	static const uint16_t ports[] = {
		[SMX_MAIL_TLS_NONE] = 25,
		[SMX_MAIL_TLS_OPPORTUNISTIC] = 25,
		[SMX_MAIL_TLS_STARTTLS] = 587, /* RFC 6409 */
		[SMX_MAIL_TLS_IMPLICIT] = 465, /* RFC 8314, 7.3 */
	};
	const char *host = s->host != NULL ? s->host : DEFAULT_HOST;
	enum smx_mail_member member;
	struct smx_mail_own own = {
		.port = s->port != 0 ? s->port : ports[s->tls],
		.tls = s->tls,
		.timeout = s->timeout != 0 ? s->timeout : DEFAULT_TIMEOUT,
		.session_max = s->session_max != 0 ? s->session_max
						   : DEFAULT_SESSION_MAX,
	};
	int rc = judge(s, &own.password, &member, reason);

	if (rc == 0 &&
	    (!copy(host, &own.host) || !copy(s->user, &own.user) ||
		!copy(s->ehlo_name, &own.ehlo_name) ||
		!copy(s->ca_file, &own.ca_file)))
		rc = -SMX_ENOMEM;
	if (rc < 0) {
		smx_mail_settings_done(&own);
		return rc;
	}
	*ret = own;
	return 0;
}

void
smx_mail_settings_done(struct smx_mail_own *own)
{
	wipe(own->password);
	free(own->host);
	free(own->user);
	free(own->ehlo_name);
	free(own->ca_file);
	*own = (struct smx_mail_own){ 0 };
}
