#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/report_settings.h"
#include "core/tlsrpt_rua.h"

/* An address as it may stand in a header, and what is behind the "@". */
static int
check_address(enum smx_setting i, const char *address, char **ret_domain,
    struct smx_config_faults *faults)
{
	char first[1024], uri[512];
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_rua rua;
	struct smx_arena arena;
	int rc, n = snprintf(uri, sizeof(uri), "mailto:%s", address);

	smx_arena_init(&arena, first, sizeof(first), 0);
	smx_diag_list_init(&diags, items, 1);
	rc = n >= (int)sizeof(uri)
	    ? -SMX_EPARSE
	    : smx_tlsrpt_rua_parse(&arena, smx_slice_text(uri),
		  smx_slice_text(uri), &diags, &rua);
	if (rc == 0 && strcmp(rua.address.p, address) != 0)
		rc = -SMX_EPARSE;
	if (rc < 0)
		smx_config_fault(faults, SMX_CONFIG_FAULT_ERROR, i,
		    "write a mail address such as "
		    "\"tls-reports@example.com\"");
	else if (ret_domain != NULL)
		*ret_domain = strndup(rua.host.p, rua.host.n);
	smx_arena_done(&arena);
	if (rc == 0 && ret_domain != NULL && *ret_domain == NULL)
		return -SMX_ENOMEM;
	return rc < 0 ? -SMX_EINVAL : 0;
}

static int
check_addresses(struct smx_report_settings *s, const struct smx_config *c,
    struct smx_config_faults *faults)
{
	int rc = -SMX_EINVAL, copy = 0;

	if (c->report_contact[0] == '\0')
		smx_config_fault_missing(faults, SMX_SETTING_report_contact,
		    "write contact = and the mail address that TLS reports "
		    "are sent from");
	else
		rc = check_address(SMX_SETTING_report_contact,
		    c->report_contact, &s->submitter, faults);
	if (c->report_copy_mail[0] != '\0')
		copy = check_address(SMX_SETTING_report_copy_mail,
		    c->report_copy_mail, NULL, faults);
	return rc < 0 ? rc : copy;
}

/* @return 0 when there is none. */
static uint16_t
parse_port(const char *text)
{
	unsigned long port = 0;

	for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
		port = port * 10 + (unsigned long)(*text - '0');
	return *text == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* HOST:PORT; an IPv6 address stands in brackets. */
static int
split_smarthost(struct smx_report_settings *s, const char *text,
    struct smx_config_faults *faults)
{
	char *colon;
	bool is_bracketed;

	s->smarthost = strdup(text);
	if (s->smarthost == NULL)
		return -SMX_ENOMEM;
	colon = strrchr(s->smarthost, ':');
	if (colon == NULL || colon == s->smarthost ||
	    parse_port(colon + 1) == 0) {
		smx_config_fault(faults, SMX_CONFIG_FAULT_ERROR,
		    SMX_SETTING_report_smarthost,
		    "write HOST:PORT, such as \"127.0.0.1:25\"");
		return -SMX_EINVAL;
	}
	*colon = '\0';
	s->mail.host = s->smarthost;
	s->mail.port = parse_port(colon + 1);
	is_bracketed = s->smarthost[0] == '[' && colon[-1] == ']';
	if (is_bracketed) {
		colon[-1] = '\0';
		s->mail.host = s->smarthost + 1;
	}
	if (is_bracketed == (strchr(s->mail.host, ':') != NULL))
		return 0;
	smx_config_fault(faults, SMX_CONFIG_FAULT_ERROR,
	    SMX_SETTING_report_smarthost,
	    "an IPv6 address, and nothing else, stands in brackets: write "
	    "\"[%s]:%u\"",
	    is_bracketed ? "::1" : s->mail.host, s->mail.port);
	s->mail.host = NULL;
	return -SMX_EINVAL;
}

static enum smx_mail_tls
tls_of(const char *word)
{
	static const char *const words[] = {
		[SMX_MAIL_TLS_NONE] = "none",
		[SMX_MAIL_TLS_OPPORTUNISTIC] = "opportunistic",
		[SMX_MAIL_TLS_STARTTLS] = "starttls",
		[SMX_MAIL_TLS_IMPLICIT] = "implicit",
	};
	size_t i = sizeof(words) / sizeof(words[0]);

	/* It has been checked as the file was read. */
	while (--i > 0 && strcmp(word, words[i]) != 0)
		;
	return (enum smx_mail_tls)i;
}

static const char *
unless_empty(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

int
smx_report_settings_init(struct smx_report_settings *s,
    const struct smx_config *c, struct smx_config_faults *faults)
{
	int rc, split;

	*s = (struct smx_report_settings){
		.mail = {
			.tls = tls_of(c->report_smarthost_tls),
			.user = unless_empty(c->report_smarthost_user),
			.password_file =
			    unless_empty(c->report_smarthost_password_file),
			.ehlo_name = c->report_ehlo,
			.ca_file = c->resolve_ca_file,
		},
	};
	if (c->report_ehlo[0] == '\0') {
		/* Cut off it would have no end. */
		if (gethostname(s->host, sizeof(s->host) - 1) < 0)
			s->host[0] = '\0';
		s->mail.ehlo_name = s->host;
	}
	rc = check_addresses(s, c, faults);
	split = split_smarthost(s, c->report_smarthost, faults);
	s->dkim_domain = c->report_dkim_domain[0] != '\0'
	    ? c->report_dkim_domain
	    : s->submitter;
	return rc < 0 ? rc : split;
}

void
smx_report_settings_done(struct smx_report_settings *s)
{
	free(s->submitter);
	free(s->smarthost);
	*s = (struct smx_report_settings){ 0 };
}
