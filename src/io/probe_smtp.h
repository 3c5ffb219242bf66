/**
 * Looks at MX hosts over SMTP: greeting, EHLO, STARTTLS, the TLS handshake and
 * the certificate, then QUIT. No mail is ever offered (RFC 3207, section 4;
 * RFC 8461, section 4.2).
 *
 * Layer:   io (libevent, OpenSSL). One thread, that of the event base. The
 *          process has to ignore SIGPIPE.
 * Memory:  see io/smtp_session.h, which also has the limits of replies.
 *
 * A session is over when its answer is known: then QUIT is sent, without
 * holding the caller or a place up, and the connection is closed after two
 * seconds at the most. Sessions beyond the limits wait in a queue, by
 * addresses in turn.
 */
#ifndef SMX_IO_PROBE_SMTP_H
#define SMX_IO_PROBE_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/when.h"
#include "engine/port_probe.h"

struct event_base;
struct smx_probe_smtp;

/** 0 stands for the default. */
struct smx_probe_smtp_settings {
	const char *ca_file;
	const char *ehlo_name; /* our own: visible characters, 253 at most */
	uint16_t port;         /* 25 */
	bool allow_private_addresses;
	smx_time connect_timeout; /* 10 s */
	smx_time reply_timeout;   /* 30 s for each; also for the handshake */
	smx_time session_timeout; /* 60 s, the wait in the queue excluded */
	size_t session_max;       /* 100 sessions under way */
	size_t address_max;       /* 4 of them with one address */
};

/**
 * Make a probe. @p settings is copied; the CA file is read now.
 *
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  the CA file or the name can't be used.
 * @retval -SMX_ENOMEM
 */
int smx_probe_smtp_new(struct event_base *base,
    const struct smx_probe_smtp_settings *settings, struct smx_probe_smtp **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** End it: sessions are dropped, without a call back. Not from a callback. */
void smx_probe_smtp_free(struct smx_probe_smtp **p);

/**
 * The port to it. Callbacks come from the event loop only, never from inside
 * the starting call, and may start further sessions.
 */
struct smx_probe_port smx_probe_smtp_port(struct smx_probe_smtp *p);

#endif
