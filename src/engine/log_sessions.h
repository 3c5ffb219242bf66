/**
 * Sessions put together from the lines of a mail log.
 *
 * Layer:   engine. No clock.
 * Memory:  fixed: about a thousand processes of Postfix.
 *
 * A line about a recipient says the domain, the lines before it, from the same
 * process, say what TLS was like. A session is counted with the first recipient
 * that is named behind its handshake; a connection that is used again makes no
 * new handshake, and so no new session.
 *
 * A session that failed may have no line but those about recipients: where
 * there is no STARTTLS. Then those of one mail, one domain and one address are
 * of one session.
 *
 * Sessions of our own reports are left out: they should not be in the next
 * report (RFC 8460, 3), or two installations would go on telling each other
 * about their last one. An MTA that tells of TLS itself doesn't count a mail
 * with TLS-Required: No; in a log such a mail is known by its sender, which is
 * named before each attempt to deliver it.
 */
#ifndef SMX_ENGINE_LOG_SESSIONS_H
#define SMX_ENGINE_LOG_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/postfix_log.h"
#include "core/tlsrpt_event.h"

#define SMX_LOG_SESSION_SETS 256
#define SMX_LOG_SESSION_WAYS 4
/** Our own reports under way that are known: places, and mails at a place. */
#define SMX_LOG_SESSIONS_PLACES    512
#define SMX_LOG_SESSIONS_PLACE_MAX 8
/** Longest address of a sender (RFC 5321, 4.5.3.1.3). */
#define SMX_LOG_SESSIONS_CONTACT_MAX 254

/** What a process has said of the session that it has, or had last. */
struct smx_log_session {
	uint64_t used; /* when, by the clock of the list */
	uint32_t pid;
	/* Before its recipient is known. */
	bool has_handshake;
	bool has_reason;
	enum smx_tlsrpt_result result;
	uint8_t reason_bytes;
	uint8_t ip_bytes;
	char reason[128];
	char ip[46];
	/* Once it is counted: with which mail and domain, and whether a line at
	 * its begin would have said that there is a new one. */
	bool is_counted;
	bool has_begin;
	uint8_t queue_id_bytes;
	char queue_id[SMX_POSTFIX_LOG_QUEUE_ID_MAX];
	struct smx_domain domain;
};

struct smx_log_queue_id {
	uint8_t bytes; /* 0: there is none */
	char text[SMX_POSTFIX_LOG_QUEUE_ID_MAX];
};

struct smx_log_sessions {
	struct smx_log_session list[SMX_LOG_SESSION_SETS][SMX_LOG_SESSION_WAYS];
	uint64_t clock; /* goes on with each use */
	/* Queue ids of our own reports, by their hash, and which one of a place
	 * is the next to be forgotten. */
	struct smx_log_queue_id own[SMX_LOG_SESSIONS_PLACES]
				   [SMX_LOG_SESSIONS_PLACE_MAX];
	uint8_t next[SMX_LOG_SESSIONS_PLACES];
	uint16_t contact_bytes;
	char contact[SMX_LOG_SESSIONS_CONTACT_MAX];
};

/** A session that has come to its end. */
struct smx_log_session_end {
	struct smx_domain domain;
	bool is_failure;
	struct smx_tlsrpt_failure failure; /* borrows from line and sessions */
};

/**
 * Start with nothing known.
 *
 * @param contact  the sender of our own reports; empty: there are none.
 */
void smx_log_sessions_init(struct smx_log_sessions *s,
    struct smx_slice contact);

/**
 * Take a line.
 *
 * @return true: @p ret is a session to be counted.
 */
bool smx_log_sessions_add(struct smx_log_sessions *s,
    const struct smx_postfix_log *line, struct smx_log_session_end *ret);

#endif
