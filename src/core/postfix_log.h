/**
 * Lines of Postfix's smtp client in the mail log, as far as they tell of TLS;
 * and those of its queue manager, which say whose mail it is.
 *
 * Layer:   core.
 * Memory:  results borrow from the line.
 *
 * With smtp_tls_loglevel = 1 Postfix logs a line for each handshake, perhaps
 * one before it with the reason why the certificate was not accepted, and one
 * for each recipient. Those of one session have the same process id, and come
 * in this order.
 */
#ifndef SMX_CORE_POSTFIX_LOG_H
#define SMX_CORE_POSTFIX_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "core/tlsrpt_result.h"

/** Longest line that is looked at. */
#define SMX_POSTFIX_LOG_LINE_MAX 8192
/** Longest queue id: that of Postfix has about 20 characters. */
#define SMX_POSTFIX_LOG_QUEUE_ID_MAX 31

enum smx_postfix_log_kind {
	SMX_POSTFIX_LOG_OTHER,     /* nothing about TLS */
	SMX_POSTFIX_LOG_REASON,    /* why a certificate was not accepted */
	SMX_POSTFIX_LOG_HANDSHAKE, /* TLS came about */
	SMX_POSTFIX_LOG_RECIPIENT, /* what became of one */
	SMX_POSTFIX_LOG_QUEUED,    /* a mail is about to be delivered */
};

struct smx_postfix_log {
	enum smx_postfix_log_kind kind;
	uint32_t pid;
	struct smx_slice host; /* of the MX */
	struct smx_slice ip;
	struct smx_slice queue_id; /* RECIPIENT, QUEUED: of the mail */
	struct smx_slice sender;   /* QUEUED: of its envelope */
	struct smx_slice domain;   /* RECIPIENT: what is behind the "@" */
	/* REASON: in words. RECIPIENT: what the server or Postfix said. */
	struct smx_slice text;
	bool is_sent;                  /* RECIPIENT */
	bool is_tls_failure;           /* RECIPIENT: not sent, because of TLS */
	enum smx_tlsrpt_result result; /* of REASON, and of a TLS failure */
};

/**
 * Read a line.
 *
 * Its tag ("postfix/smtp[123]: ") has to stand where nobody but syslog can have
 * put it: behind a time, as of old or of RFC 3339, and the host's name; or at
 * the start, as io/log_journal.h has it.
 */
void smx_postfix_log_parse(struct smx_slice line, struct smx_postfix_log *ret);

#endif
