/**
 * The server side of socketmap: many connections of MTAs on one loop.
 *
 * Layer:   io (libevent's raw events).
 *
 * Requests of one connection are answered in order, pipelined ones too. A
 * client's close is normal. What a client can take of memory is bounded: it is
 * not read from while it does not read. The process has to ignore SIGPIPE.
 */
#ifndef SMX_IO_SOCKETMAP_SERVER_H
#define SMX_IO_SOCKETMAP_SERVER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/when.h"
#include "core/socketmap.h"

struct event_base;
struct smx_socketmap_server;
struct smx_socketmap_client;

/** Connections at the most; more wait in the kernel's queue. */
#define SMX_SOCKETMAP_CLIENT_MAX 30000

struct smx_socketmap_handler {
	/**
	 * Answer a request.
	 *
	 * @param request  borrowed during the call.
	 * @param out      where the reply's netstring goes.
	 *
	 * @return true   the reply is in @p out.
	 * @return false  smx_socketmap_server_reply() will be called later,
	 *                unless gone() is called before.
	 */
	bool (*request)(void *self, const struct smx_socketmap_request *request,
	    struct smx_socketmap_client *client, struct smx_buf *out);
	/** A client whose reply is owed is gone. @p pending is what was set. */
	void (*gone)(void *self, void *pending);
};

struct smx_socketmap_counts {
	uint64_t accepted;
	uint64_t requests;
	uint64_t malformed; /* connections closed for it */
	uint64_t timed_out; /* connections closed for it */
	size_t clients;
};

/** @retval 0 or -SMX_ENOMEM. @p self goes to the handler. */
int smx_socketmap_server_new(struct event_base *base,
    const struct smx_socketmap_handler *handler, void *self,
    struct smx_socketmap_server **ret) SMX_CHECKED;

/** Close all. gone() is called for the clients that wait. */
void smx_socketmap_server_free(struct smx_socketmap_server **s);

/**
 * Accept on @p fd, which becomes the server's.
 *
 * @retval 0 or -SMX_ENOMEM (@p fd stays the caller's).
 */
int smx_socketmap_server_listen(struct smx_socketmap_server *s,
    int fd) SMX_CHECKED;

/** Stop accepting on @p fd and close it. */
void smx_socketmap_server_unlisten(struct smx_socketmap_server *s, int fd);

/** Keep @p pending with a client whose reply is owed, for gone(). */
void smx_socketmap_server_keep(struct smx_socketmap_client *c, void *pending);

/** Send the reply that is owed. */
void smx_socketmap_server_reply(struct smx_socketmap_client *c,
    enum smx_socketmap_status status, struct smx_slice data);

struct smx_socketmap_counts smx_socketmap_server_counts(
    const struct smx_socketmap_server *s);

#endif
