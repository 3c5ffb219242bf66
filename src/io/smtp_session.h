/**
 * One session with one address of an SMTP server: greeting, EHLO, STARTTLS,
 * the TLS handshake, QUIT (RFC 5321; RFC 3207, section 4). io/probe_smtp.c
 * says when.
 *
 * Layer:   io (libevent, OpenSSL). One thread, that of the event base. The
 *          process has to ignore SIGPIPE.
 * Memory:  5 KiB for a session that waits; then what OpenSSL takes.
 * Limits:  replies are those of core/smtp_reply.h. Of the greeting and of a
 *          refusal 200 octets are told, of the server's name 253.
 */
#ifndef SMX_IO_SMTP_SESSION_H
#define SMX_IO_SMTP_SESSION_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/when.h"
#include "engine/port_probe.h"

struct event_base;
struct smx_smtp_session;

/** What sessions have in common. It outlives them. */
struct smx_smtp_session_terms {
	struct event_base *base;
	/* Verifies by smx_tls_certificate_verify() with NULL, and has
	 * smx_smtp_session_note_info() as info callback. */
	SSL_CTX *tls;
	struct smx_slice ehlo; /* the command, with CRLF */
	uint16_t port;
	bool allow_private_addresses;
	smx_time connect_timeout;
	smx_time reply_timeout; /* of each reply, and of the handshake */
	smx_time session_timeout;
	/* Sessions that only wait for the reply to QUIT: above the maximum
	 * they are closed at once. */
	size_t closing, closing_max;
	/* The answer, once. It is the session's, and dies when this returns.
	 * What comes after it is only polite. */
	void (*answered)(void *arg, const struct smx_probe_answer *answer);
	/* After the answer: the session has freed itself. */
	void (*gone)(void *arg);
};

/**
 * Prepare a session.
 *
 * @param arg  of the callbacks.
 *
 * @return NULL when out of memory.
 */
struct smx_smtp_session *smx_smtp_session_new(
    struct smx_smtp_session_terms *terms,
    const struct smx_probe_request *request, void *arg);

/** Begin. Both callbacks may run before this returns. */
void smx_smtp_session_start(struct smx_smtp_session *s);

/** Drop it, whatever it is at, without a callback. Not from a callback. */
void smx_smtp_session_free(struct smx_smtp_session **s);

/** The info callback of the SSL context. */
void smx_smtp_session_note_info(const SSL *ssl, int where, int value);

#endif
