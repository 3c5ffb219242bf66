/**
 * Mail submitted by libcurl: one message to the local MTA or to a smarthost
 * (RFC 5321; RFC 3207; RFC 4954; RFC 8314, 3.3).
 *
 * Layer:   io (libcurl, OpenSSL). All calls and callbacks on the thread of the
 *          event base. The process has to ignore SIGPIPE.
 * Memory:  1 KiB for a message that waits; a thread and what libcurl takes
 *          for one under way. The message itself is the caller's.
 * Limits:  of a reply 300 octets are told; one above SMX_SMTP_REPLY_MAX ends
 *          the session.
 *
 * libcurl blocks its thread while a server thinks about a message that has
 * ended (and after QUIT), on the multi interface too. So each session has a
 * thread for as long as it lasts; it shares nothing with others.
 *
 * What a server says about itself or about us (the greeting, EHLO, STARTTLS,
 * AUTH) is never a word about the message: with a 5xx there, it is LATER, and
 * not REFUSED. Who runs the machine can mend it, and nothing is lost.
 */
#ifndef SMX_IO_MAIL_CURL_H
#define SMX_IO_MAIL_CURL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/when.h"
#include "engine/port_mail.h"
#include "io/dns_unbound.h"

struct event_base;
struct smx_mail_client;

enum smx_mail_tls {
	SMX_MAIL_TLS_NONE, /* only to an address of this machine */
	/* When the server offers it, whatever its certificate is. */
	SMX_MAIL_TLS_OPPORTUNISTIC,
	SMX_MAIL_TLS_STARTTLS, /* or no mail at all; verified */
	SMX_MAIL_TLS_IMPLICIT, /* the same without STARTTLS (RFC 8314) */
};

/** 0 and NULL stand for the default. */
struct smx_mail_settings {
	/* A host name, an address, or "localhost"; 127.0.0.1. For verified TLS
	 * it has to be a name. */
	const char *host;
	uint16_t port; /* 25; with STARTTLS required 587, implicit TLS 465 */
	enum smx_mail_tls tls;
	const char *user; /* NULL: no AUTH */
	/* Its first line is the password; read now. */
	const char *password_file;
	const char *ehlo_name; /* our own: visible characters, 253 at most */
	const char *ca_file;   /* for verified TLS */
	smx_time timeout;      /* 10 min for a session (RFC 5321, 4.5.3.2.6) */
	size_t session_max;    /* 8 sessions under way; more wait */
};

/**
 * Make a client. @p settings is copied; @p dns must outlive it.
 *
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  a setting can't be used.
 * @retval -SMX_ENOMEM
 * @retval -SMX_EIO     no descriptor is left.
 */
int smx_mail_new(struct event_base *base, struct smx_dns *dns,
    const struct smx_mail_settings *settings, struct smx_mail_client **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * End it: sessions are broken off, which may take two seconds. Only of mails
 * that were accepted is there a call back, so that they are not sent again.
 * @p dns must be freed before. Not from a callback.
 */
void smx_mail_free(struct smx_mail_client **c);

/** Use other settings from now on. As smx_mail_new(); on failure no change. */
int smx_mail_set(struct smx_mail_client *c,
    const struct smx_mail_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/** The engine's port, answered on the loop's thread. */
struct smx_mail_port smx_mail_as_port(struct smx_mail_client *c);

#endif
