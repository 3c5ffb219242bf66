#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config_check.h"
#include "app/report_settings.h"
#include "base/log.h"
#include "core/ip.h"
#include "io/dkim.h"
#include "io/dns_files.h"
#include "io/idn.h"

#define DKIM_KEYS_MAX 4

/* @return can it be read here? Else that has been told. */
static bool
check_file(struct smx_config_faults *f, enum smx_setting i, const char *path)
{
	/* Elsewhere it is the whole value, which is told anyway. */
	bool is_part = i == SMX_SETTING_report_dkim_keys;
	int error;

	if (access(path, R_OK) == 0)
		return true;
	error = errno;
	if (error == EACCES)
		smx_config_fault(f, SMX_CONFIG_FAULT_UNKNOWN, i,
		    "%s%s%s: whether strictmxd may read it, only its own user "
		    "can tell",
		    is_part ? path : "", is_part ? ": " : "", strerror(error));
	else
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, i,
		    "%s%s%s: write the path of a file that is there",
		    is_part ? path : "", is_part ? ": " : "", strerror(error));
	return false;
}

static bool
check_ca_file(struct smx_config_faults *f)
{
	return check_file(f, SMX_SETTING_resolve_ca_file,
	    f->config->resolve_ca_file);
}

static void
check_resolve(struct smx_config_faults *f)
{
	const struct smx_config *c = f->config;
	enum smx_setting anchor = SMX_SETTING_resolve_trust_anchor_file;
	char name[SMX_DOMAIN_MAX + 2], storage[512];
	struct smx_buf reason;

	/* The default need not exist. */
	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	if (c->origin[anchor].file != NULL &&
	    c->resolve_trust_anchor_file[0] != '\0' &&
	    check_file(f, anchor, c->resolve_trust_anchor_file) &&
	    smx_dns_files_anchor_name(c->resolve_trust_anchor_file, name,
		&reason) < 0)
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, anchor, "%s",
		    smx_buf_text(&reason));
	if (c->resolve_mail_log[0] != '\0' && c->resolve_events_to[0] == '\0' &&
	    !c->has_section[SMX_CONFIG_SECTION_COLLECT])
		smx_config_fault(f, SMX_CONFIG_FAULT_WARNING,
		    SMX_SETTING_resolve_mail_log,
		    "nobody is told what is in it, so it is not read: add "
		    "\"collect { }\", or set events_to");
}

static void
check_collect(struct smx_config_faults *f)
{
	const char *owner = f->config->collect_socket_owner;
	struct passwd user, *found = NULL;
	char bytes[16384];

	if (owner[0] != '\0' &&
	    (getpwnam_r(owner, &user, bytes, sizeof(bytes), &found) != 0 ||
		found == NULL))
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
		    SMX_SETTING_collect_socket_owner,
		    "this machine has no such user: write the name of one, or "
		    "leave it out");
}

/* A name, or with a dot in front all below it; as they are compared. */
static void
check_excluded(struct smx_config_faults *f, const char *text)
{
	struct smx_slice name = smx_slice_text(text);
	struct smx_domain domain;
	const char *dot = "";

	if (name.n > 0 && name.p[0] == '.') {
		name = smx_slice_from(name, 1);
		dot = ".";
	}
	if (smx_domain_is_host(name))
		return;
	if (smx_slice_starts(name, SMX_SLICE("*."))) {
		name = smx_slice_from(name, 2);
		dot = ".";
	}
	if (smx_idn_parse(name, &domain) == 0)
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
		    SMX_SETTING_report_exclude,
		    "\"%s\" fits no domain: write \"%s%s\"", text, dot,
		    domain.text);
	else
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
		    SMX_SETTING_report_exclude,
		    "\"%s\" is no domain: write \"example.com\", or "
		    "\".example.com\" for all below it",
		    text);
}

/* @param n  of the selector. */
static void
check_key(struct smx_config_faults *f, const char *text, size_t n,
    const char *domain)
{
	enum smx_setting i = SMX_SETTING_report_dkim_keys;
	struct smx_dkim_identity identity = { smx_slice_text(domain),
		smx_slice(text, n) };
	const char *path = text + n + 1;
	struct smx_dkim_key *key = NULL;
	char storage[512];
	struct smx_buf reason;

	if (!smx_dkim_identity_is_valid(&identity)) {
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, i,
		    "\"%.*s\" is no selector: letters, digits and \"-\" make "
		    "one",
		    (int)n, text);
		return;
	}
	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	if (check_file(f, i, path) &&
	    smx_dkim_key_load(path, &key, &reason) < 0)
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, i, "%s",
		    smx_buf_text(&reason));
	smx_dkim_key_free(&key);
}

/* Does one of those before it have the same selector? */
static bool
is_repeated(char **keys, char **at, size_t n)
{
	for (; keys < at; keys++)
		if (strncasecmp(*keys, *at, n) == 0 && (*keys)[n] == ':')
			return true;
	return false;
}

static void
check_dkim(struct smx_config_faults *f)
{
	const struct smx_config *c = f->config;
	char **keys = c->report_dkim_keys, **at = keys;
	const char *domain = c->report_dkim_domain;

	if (domain[0] != '\0' && !smx_domain_is_host(smx_slice_text(domain))) {
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
		    SMX_SETTING_report_dkim_domain,
		    "write a domain such as \"example.com\"");
		domain = "";
	}
	for (; *at != NULL; at++) {
		size_t n = strcspn(*at, ":");

		if (n == 0 || strlen(*at) < n + 2)
			smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
			    SMX_SETTING_report_dkim_keys,
			    "\"%s\": write \"SELECTOR:FILE\"", *at);
		else if (is_repeated(keys, at, n))
			smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
			    SMX_SETTING_report_dkim_keys,
			    "selector %.*s stands there twice: a key needs a "
			    "selector of its own",
			    (int)n, *at);
		else
			check_key(f, *at, n,
			    domain[0] != '\0' ? domain : "example.com");
	}
	if (at - keys > DKIM_KEYS_MAX)
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR,
		    SMX_SETTING_report_dkim_keys, "at most %d keys",
		    DKIM_KEYS_MAX);
}

static void
tell_mail(struct smx_config_faults *f, enum smx_mail_member member,
    const char *reason)
{
	static const enum smx_setting settings[] = {
		[SMX_MAIL_HOST] = SMX_SETTING_report_smarthost,
		[SMX_MAIL_USER] = SMX_SETTING_report_smarthost_user,
		[SMX_MAIL_PASSWORD_FILE] =
		    SMX_SETTING_report_smarthost_password_file,
		[SMX_MAIL_EHLO_NAME] = SMX_SETTING_report_ehlo,
		[SMX_MAIL_CA_FILE] = SMX_SETTING_resolve_ca_file,
	};
	const struct smx_config *c = f->config;
	enum smx_setting i = settings[member];

	/* The half that is there. */
	if (member == SMX_MAIL_USER && c->report_smarthost_user[0] == '\0')
		i = SMX_SETTING_report_smarthost_password_file;
	if (member == SMX_MAIL_HOST)
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, i,
		    "smarthost_tls is \"%s\": %s", c->report_smarthost_tls,
		    reason);
	else if (member == SMX_MAIL_EHLO_NAME)
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, i,
		    "%s: write this host's full name, such as "
		    "\"mail.example.com\"",
		    reason);
	else
		smx_config_fault(f, SMX_CONFIG_FAULT_ERROR, i, "%s", reason);
}

/* What was told already is left out: files, and a smarthost that is none. */
static int
check_mail(struct smx_config_faults *f, struct smx_mail_settings mail,
    bool has_ca_file)
{
	enum smx_mail_member member;
	struct smx_ip ip;
	char storage[512];
	struct smx_buf reason;
	int rc;

	if (mail.password_file != NULL &&
	    !check_file(f, SMX_SETTING_report_smarthost_password_file,
		mail.password_file))
		mail.user = mail.password_file = NULL;
	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	rc = smx_mail_settings_check(&mail, &member, &reason);
	if (rc == -SMX_ENOMEM)
		return rc;
	if (rc < 0 && (has_ca_file || member != SMX_MAIL_CA_FILE) &&
	    (mail.host != NULL || member != SMX_MAIL_HOST))
		tell_mail(f, member, smx_buf_text(&reason));
	else if (rc == 0 && mail.host != NULL &&
	    mail.tls == SMX_MAIL_TLS_NONE &&
	    strcmp(mail.host, "localhost") != 0 &&
	    smx_ip_parse(smx_slice_text(mail.host), &ip) < 0)
		smx_config_fault(f, SMX_CONFIG_FAULT_WARNING,
		    SMX_SETTING_report_smarthost,
		    "without TLS mail goes to this machine only: when the name "
		    "has another's address, set smarthost_tls");
	return 0;
}

static int
check_report(struct smx_config_faults *f, bool has_ca_file)
{
	struct smx_report_settings s;
	int rc = smx_report_settings_init(&s, f->config, f);

	if (rc != -SMX_ENOMEM)
		rc = check_mail(f, s.mail, has_ca_file);
	smx_report_settings_done(&s);
	if (rc == -SMX_ENOMEM)
		return rc;
	check_dkim(f);
	for (char **p = f->config->report_exclude; *p != NULL; p++)
		check_excluded(f, *p);
	return 0;
}

int
smx_config_check(const bool roles[SMX_CONFIG_SECTION_COUNT],
    struct smx_config_faults *f)
{
	bool has_ca_file = true;
	int rc = 0;

	if (roles[SMX_CONFIG_SECTION_RESOLVE] ||
	    roles[SMX_CONFIG_SECTION_REPORT])
		has_ca_file = check_ca_file(f);
	if (roles[SMX_CONFIG_SECTION_RESOLVE])
		check_resolve(f);
	if (roles[SMX_CONFIG_SECTION_COLLECT])
		check_collect(f);
	if (roles[SMX_CONFIG_SECTION_REPORT])
		rc = check_report(f, has_ca_file);
	if (rc == 0 && f->counts[SMX_CONFIG_FAULT_ERROR] > 0)
		rc = -SMX_EINVAL;
	return rc;
}

static void
tell_daemon(void *arg, enum smx_config_fault_kind kind, const char *text)
{
	struct smx_buf *reason = arg;

	if (kind == SMX_CONFIG_FAULT_WARNING)
		smx_log(SMX_LOG_WARNING, "%s", text);
	else if (reason->n == 0)
		smx_buf_add_text(reason, text);
}

int
smx_config_check_start(const struct smx_config *config,
    const bool roles[SMX_CONFIG_SECTION_COUNT], struct smx_buf *reason)
{
	struct smx_config_faults f = {
		.config = config, .tell = tell_daemon, .arg = reason
	};
	int rc = smx_config_check(roles, &f);

	return rc == 0 && f.counts[SMX_CONFIG_FAULT_UNKNOWN] > 0 ? -SMX_EINVAL
								 : rc;
}
