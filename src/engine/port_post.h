/**
 * What the engine asks of HTTPS for reports: POST some bytes to a URI
 * (RFC 8460, 3 and 5.4).
 *
 * Layer:   engine (port).
 * Contract: done is called exactly once, never from inside post(). What the
 *          request borrows has to stay until then. What an answer borrows
 *          dies when done returns.
 */
#ifndef SMX_ENGINE_PORT_POST_H
#define SMX_ENGINE_PORT_POST_H

#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

struct smx_post {
	struct smx_slice host; /* canonical host name */
	uint16_t port;
	struct smx_slice path; /* and query; begins with "/" */
	struct smx_slice media_type;
	struct smx_slice body;
};

enum smx_post_status {
	SMX_POST_ACCEPTED, /* 2xx, and nothing else */
	SMX_POST_LATER,    /* all else: worth another try */
};

struct smx_post_answer {
	enum smx_post_status status;
	unsigned http_status;   /* 0: there was none */
	unsigned retry_after_s; /* as asked for; 0: not asked for */
	/* What happened, with words of the server as they came: escaped where
	 * it is shown. May be empty. */
	struct smx_slice detail;
};

typedef void smx_post_done(void *arg, const struct smx_post_answer *answer);

struct smx_post_ops {
	/** @retval 0 or -SMX_ENOMEM: then done is not called. */
	int (*post)(void *self, const struct smx_post *request,
	    smx_post_done *done, void *arg);
};

struct smx_post_port {
	const struct smx_post_ops *ops;
	void *self;
};

#endif
