/**
 * What the engine asks of mail: hand one message to a server.
 *
 * Layer:   engine (port).
 * Contract: done is called exactly once, never from inside send(). The message
 *          is borrowed until then. What an answer borrows dies when done
 *          returns.
 */
#ifndef SMX_ENGINE_PORT_MAIL_H
#define SMX_ENGINE_PORT_MAIL_H

#include "base/slice.h"
#include "base/status.h"

struct smx_mail {
	struct smx_slice from;  /* envelope; an address, or empty for <> */
	struct smx_slice to;    /* envelope; one address */
	struct smx_slice bytes; /* the message, lines end with CRLF */
};

enum smx_mail_status {
	SMX_MAIL_ACCEPTED, /* 250 after the final dot: it is theirs now */
	SMX_MAIL_LATER,   /* 4xx, no connection, no answer: worth another try */
	SMX_MAIL_REFUSED, /* 5xx */
};

struct smx_mail_answer {
	enum smx_mail_status status;
	/* What happened, with words of the server as they came: escaped where
	 * it is shown. May be empty. */
	struct smx_slice detail;
};

typedef void smx_mail_done(void *arg, const struct smx_mail_answer *answer);

struct smx_mail_ops {
	/** @retval 0 or -SMX_ENOMEM: then done is not called. */
	int (*send)(void *self, const struct smx_mail *mail,
	    smx_mail_done *done, void *arg);
};

struct smx_mail_port {
	const struct smx_mail_ops *ops;
	void *self;
};

#endif
