#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socketmap_server.h"
#include "base/list.h"
#include "base/log.h"
#include "base/require.h"
#include "core/limits.h"
#include "core/netstring.h"
#include "io/clock.h"

/* What is read at once. Larger than any request. */
#define READ_BYTES ((size_t)65536)
/* Replies are sent when they reach this; one more fits behind it. */
#define SEND_BYTES ((size_t)131072)
#define OUT_MAX    (SEND_BYTES + SMX_SOCKETMAP_REPLY_MAX + 64)
/* Of all clients together: what is kept of them until it can be handled. */
#define KEPT_BYTES_MAX ((size_t)24 << 20)
/* Connections accepted at once, so that others get their turn. */
#define ACCEPT_BATCH 64
/* A client in the middle of a request, or of reading its reply. */
#define STALLED (30 * SMX_SECOND)
/* One that only sits there. Postfix closes after 100 s itself. */
#define IDLE    SMX_HOUR
#define SWEEP_S 5
/* Without a free descriptor, accept again after this. */
#define ACCEPT_PAUSE_MS 100
/* What libunbound (two contexts), curl and the store can need. */
#define DESCRIPTORS_KEPT ((size_t)1500)

#define CLIENT_MAGIC 0x51a9c11e

enum client_state {
	CLIENT_READING,
	CLIENT_WAITING, /* for the handler's reply */
	CLIENT_SENDING, /* for room in the socket */
};

struct smx_socketmap_client {
	unsigned magic;
	int fd;
	struct smx_socketmap_server *server;
	struct smx_list link;
	enum client_state state;
	smx_time active;
	struct event readable;
	struct event writable;
	void *pending;
	/* Bytes that a whole request lacks, or that came behind one that is
	 * being answered; and what could not be sent yet. Empty most of the
	 * time, and then without memory. */
	char *in;
	size_t in_bytes;
	char *out;
	size_t out_bytes, out_sent;
};

struct listener {
	struct smx_list link;
	int fd;
	struct event *readable;
};

struct smx_socketmap_server {
	struct event_base *base;
	const struct smx_socketmap_handler *handler;
	void *self;
	struct smx_list clients;
	struct smx_list listeners;
	struct event *sweep;
	struct event *resume;
	bool paused;
	bool full_told;
	size_t kept_bytes; /* of all clients */
	size_t client_max;
	smx_time now;
	struct smx_socketmap_counts counts;
	struct smx_buf out; /* replies of the client at hand */
	char out_bytes[OUT_MAX];
	/* Read: what a client left over, and what comes now. */
	char in[2 * READ_BYTES];
};

static void set_paused(struct smx_socketmap_server *s, bool paused);

static void
close_client(struct smx_socketmap_client *c)
{
	struct smx_socketmap_server *s = c->server;
	void *pending = c->state == CLIENT_WAITING ? c->pending : NULL;

	event_del(&c->readable);
	event_del(&c->writable);
	close(c->fd);
	smx_list_remove(&c->link);
	s->counts.clients--;
	s->kept_bytes -= c->in_bytes + c->out_bytes;
	free(c->in);
	free(c->out);
	c->magic = 0;
	free(c);
	if (pending != NULL)
		s->handler->gone(s->self, pending);
	if (s->paused)
		set_paused(s, false);
}

/* Replace the bytes that are kept of a client: c->in or c->out. */
static int
keep(struct smx_socketmap_server *s, char **to, size_t *to_bytes,
    struct smx_slice from)
{
	size_t bytes = from.n;
	char *p = NULL;

	if (s->kept_bytes - *to_bytes + bytes > KEPT_BYTES_MAX)
		return -SMX_ELIMIT;

	if (bytes > 0) {
		p = malloc(bytes);
		if (p == NULL)
			return -SMX_ENOMEM;
		memcpy(p, from.p, bytes);
	}
	s->kept_bytes += bytes - *to_bytes;
	free(*to);
	*to = p;
	*to_bytes = bytes;
	return 0;
}

/* Send what is in s->out. @return false when the client is closed. */
static bool
send_out(struct smx_socketmap_client *c)
{
	struct smx_socketmap_server *s = c->server;
	ssize_t n;

	if (s->out.n == 0)
		return true;
	/* Quicker than send() by a few per cent; SIGPIPE is ignored. */
	n = write(c->fd, s->out.p, s->out.n);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		goto gone;
	if (n < 0)
		n = 0;
	if ((size_t)n < s->out.n) {
		c->out_sent = 0;
		if (keep(s, &c->out, &c->out_bytes,
			smx_slice_from(smx_buf_slice(&s->out), (size_t)n)) <
			0 ||
		    event_add(&c->writable, NULL) < 0)
			goto gone;
		event_del(&c->readable);
		c->state = CLIENT_SENDING;
	}
	smx_buf_reset(&s->out);
	return true;
gone:
	smx_buf_reset(&s->out);
	close_client(c);
	return false;
}

/* Answer one request. @return false when its reply is owed. */
static bool
handle(struct smx_socketmap_client *c, struct smx_slice payload)
{
	struct smx_socketmap_server *s = c->server;
	struct smx_socketmap_request request;

	s->counts.requests++;
	if (smx_socketmap_parse_request(payload, &request) < 0) {
		smx_socketmap_print_reply(&s->out, SMX_SOCKETMAP_PERM,
		    SMX_SLICE("a request is a map name, a blank and a key"));
		return true;
	}
	c->state = CLIENT_WAITING;
	c->pending = NULL;
	if (!s->handler->request(s->self, &request, c, &s->out)) {
		event_del(&c->readable);
		return false;
	}
	c->state = CLIENT_READING;
	return true;
}

/* The bytes are no netstring: say so in the log, seldom, and close. */
static void
refuse(struct smx_socketmap_client *c)
{
	c->server->counts.malformed++;
	smx_log(SMX_LOG_DEBUG,
	    "socketmap: a client sent no netstring or too "
	    "long a request; its connection is closed");
	/* Replies to what it asked before are still its due. */
	if (send_out(c))
		close_client(c);
}

/*
 * Answer the requests at the start of @p in, as long as replies can be sent.
 * What is left is kept. The client may be closed when it returns.
 */
static void
answer(struct smx_socketmap_client *c, struct smx_slice in)
{
	struct smx_socketmap_server *s = c->server;
	int rc = 0;

	while (in.n > 0 && c->state == CLIENT_READING) {
		struct smx_slice payload;
		size_t consumed;

		rc = smx_netstring_parse(in, SMX_SOCKETMAP_REQUEST_MAX,
		    &payload, &consumed);
		if (rc == -SMX_EAGAIN)
			break;
		if (rc < 0) {
			refuse(c);
			return;
		}
		handle(c, payload);
		in = smx_slice_from(in, consumed);
		if (s->out.n >= SEND_BYTES && !send_out(c))
			return;
	}
	if (c->state != CLIENT_SENDING && s->out.n > 0) {
		bool waiting = c->state == CLIENT_WAITING;

		if (!send_out(c))
			return;
		/* A reply is owed, and there is no room for those before it:
		 * the waiting goes on; sending resumes with the reply. */
		if (waiting)
			c->state = CLIENT_WAITING;
	}
	if ((in.n > 0 || c->in_bytes > 0) &&
	    keep(s, &c->in, &c->in_bytes, in) < 0)
		close_client(c);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct smx_socketmap_client *c = arg;
	struct smx_socketmap_server *s = c->server;
	size_t kept = c->in_bytes;
	ssize_t n;

	(void)what;
	SMX_REQUIRE(c->magic == CLIENT_MAGIC && kept <= READ_BYTES);
	if (kept > 0)
		memcpy(s->in, c->in, kept);
	n = read(fd, s->in + kept, READ_BYTES);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		close_client(c);
		return;
	}
	c->active = s->now;
	if (n == 0) {
		/* Nothing more will come, and a part of a request has no
		 * answer. */
		close_client(c);
		return;
	}
	answer(c, smx_slice(s->in, kept + (size_t)n));
}

/* Go on with what a client sent before, after its reply was sent. */
static void
go_on(struct smx_socketmap_client *c)
{
	struct smx_socketmap_server *s = c->server;
	size_t kept = c->in_bytes;

	c->state = CLIENT_READING;
	if (event_add(&c->readable, NULL) < 0) {
		close_client(c);
		return;
	}
	if (kept > 0) {
		memcpy(s->in, c->in, kept);
		answer(c, smx_slice(s->in, kept));
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct smx_socketmap_client *c = arg;
	ssize_t n = send(fd, c->out + c->out_sent, c->out_bytes - c->out_sent,
	    MSG_NOSIGNAL);

	(void)what;
	SMX_REQUIRE(c->magic == CLIENT_MAGIC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		close_client(c);
		return;
	}
	c->active = c->server->now;
	c->out_sent += (size_t)n;
	if (c->out_sent < c->out_bytes)
		return;
	event_del(&c->writable);
	c->server->kept_bytes -= c->out_bytes;
	free(c->out);
	c->out = NULL;
	c->out_bytes = c->out_sent = 0;
	if (c->state == CLIENT_SENDING)
		go_on(c);
}

void
smx_socketmap_server_keep(struct smx_socketmap_client *c, void *pending)
{
	c->pending = pending;
}

/* Put s->out behind what is still being sent. */
static void
send_later(struct smx_socketmap_client *c)
{
	struct smx_socketmap_server *s = c->server;
	struct smx_buf all;
	int rc;

	smx_buf_init(&all, 2 * OUT_MAX);
	smx_buf_add(&all,
	    smx_slice(c->out + c->out_sent, c->out_bytes - c->out_sent));
	smx_buf_add(&all, smx_buf_slice(&s->out));
	smx_buf_reset(&s->out);
	rc = smx_buf_status(&all);
	if (rc == 0)
		rc = keep(s, &c->out, &c->out_bytes, smx_buf_slice(&all));
	smx_buf_done(&all);
	c->out_sent = 0;
	c->state = CLIENT_SENDING;
	if (rc < 0)
		close_client(c);
}

void
smx_socketmap_server_reply(struct smx_socketmap_client *c,
    enum smx_socketmap_status status, struct smx_slice data)
{
	struct smx_socketmap_server *s = c->server;

	SMX_REQUIRE(c->magic == CLIENT_MAGIC && c->state == CLIENT_WAITING);
	SMX_REQUIRE(s->out.n == 0);
	c->pending = NULL;
	c->active = s->now;
	smx_socketmap_print_reply(&s->out, status, data);
	SMX_REQUIRE(smx_buf_status(&s->out) == 0);
	if (c->out != NULL) {
		send_later(c);
		return;
	}
	c->state = CLIENT_READING;
	if (send_out(c) && c->state == CLIENT_READING)
		go_on(c);
}

static void
add_client(struct smx_socketmap_server *s, int fd)
{
	static const int on = 1;
	struct smx_socketmap_client *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return;
	}
	/* On a unix socket this fails, and is not needed. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->magic = CLIENT_MAGIC;
	c->fd = fd;
	c->server = s;
	c->active = s->now;
	event_assign(&c->readable, s->base, fd, EV_READ | EV_PERSIST,
	    on_readable, c);
	event_assign(&c->writable, s->base, fd, EV_WRITE | EV_PERSIST,
	    on_writable, c);
	smx_list_push(&s->clients, &c->link);
	s->counts.clients++;
	s->counts.accepted++;
	if (event_add(&c->readable, NULL) < 0)
		close_client(c);
	if (s->counts.clients >= s->client_max)
		set_paused(s, true);
}

static void
set_paused(struct smx_socketmap_server *s, bool paused)
{
	struct smx_list *node;

	s->paused = paused;
	for (node = s->listeners.next; node != &s->listeners;
	     node = node->next) {
		struct listener *l = SMX_ELEMENT(node, struct listener, link);

		if (paused)
			event_del(l->readable);
		else
			event_add(l->readable, NULL);
	}
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct smx_socketmap_server *s = arg;

	(void)fd;
	(void)what;
	if (s->counts.clients < s->client_max)
		set_paused(s, false);
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
	struct smx_socketmap_server *s = arg;

	(void)what;
	for (size_t i = 0; i < ACCEPT_BATCH && !s->paused; i++) {
		int client = accept4(fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			add_client(s, client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			if (!s->full_told)
				smx_log(SMX_LOG_ERROR,
				    "socketmap: can't accept: %m; %zu "
				    "connections are open, raise the limit of "
				    "open files (LimitNOFILE)",
				    s->counts.clients);
			s->full_told = true;
			set_paused(s, true);
			event_add(s->resume, &pause);
		}
		return;
	}
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct smx_socketmap_server *s = arg;
	struct smx_list *node = s->clients.next, *next;

	(void)fd;
	(void)what;
	s->now = smx_clock_now().mono;
	s->full_told = false;
	for (; node != &s->clients; node = next) {
		struct smx_socketmap_client *c = SMX_ELEMENT(node,
		    struct smx_socketmap_client, link);
		bool stalled = c->state == CLIENT_SENDING ||
		    (c->state == CLIENT_READING && c->in_bytes > 0);

		next = node->next;
		if (c->state == CLIENT_WAITING ||
		    s->now - c->active < (stalled ? STALLED : IDLE))
			continue;
		s->counts.timed_out++;
		close_client(c);
	}
}

int
smx_socketmap_server_listen(struct smx_socketmap_server *s, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -SMX_ENOMEM;
	l->fd = fd;
	l->readable = event_new(s->base, fd, EV_READ | EV_PERSIST,
	    on_acceptable, s);
	if (l->readable == NULL ||
	    (!s->paused && event_add(l->readable, NULL) < 0)) {
		if (l->readable != NULL)
			event_free(l->readable);
		free(l);
		return -SMX_ENOMEM;
	}
	smx_list_push(&s->listeners, &l->link);
	return 0;
}

static void
free_listener(struct listener *l)
{
	smx_list_remove(&l->link);
	event_free(l->readable);
	close(l->fd);
	free(l);
}

void
smx_socketmap_server_unlisten(struct smx_socketmap_server *s, int fd)
{
	struct smx_list *node = s->listeners.next;

	for (; node != &s->listeners; node = node->next) {
		struct listener *l = SMX_ELEMENT(node, struct listener, link);

		if (l->fd == fd) {
			free_listener(l);
			return;
		}
	}
}

/* DNS, HTTPS and the store need descriptors too. */
static size_t
client_max(void)
{
	struct rlimit limit;
	size_t max = SMX_SOCKETMAP_CLIENT_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return max;
	if (limit.rlim_cur < 2 * DESCRIPTORS_KEPT)
		return limit.rlim_cur / 2;
	return limit.rlim_cur - DESCRIPTORS_KEPT < max
	    ? limit.rlim_cur - DESCRIPTORS_KEPT
	    : max;
}

int
smx_socketmap_server_new(struct event_base *base,
    const struct smx_socketmap_handler *handler, void *self,
    struct smx_socketmap_server **ret)
{
	static const struct timeval every = { SWEEP_S, 0 };
	struct smx_socketmap_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -SMX_ENOMEM;
	s->base = base;
	s->handler = handler;
	s->self = self;
	s->now = smx_clock_now().mono;
	s->client_max = client_max();
	smx_list_init(&s->clients);
	smx_list_init(&s->listeners);
	smx_buf_init_fixed(&s->out, s->out_bytes, sizeof(s->out_bytes));
	s->sweep = event_new(base, -1, EV_PERSIST, on_sweep, s);
	s->resume = event_new(base, -1, 0, on_resume, s);
	if (s->sweep == NULL || s->resume == NULL ||
	    event_add(s->sweep, &every) < 0) {
		smx_socketmap_server_free(&s);
		return -SMX_ENOMEM;
	}
	*ret = s;
	return 0;
}

void
smx_socketmap_server_free(struct smx_socketmap_server **sp)
{
	struct smx_socketmap_server *s = *sp;

	if (s == NULL)
		return;
	while (!smx_list_is_empty(&s->listeners))
		free_listener(SMX_ELEMENT(s->listeners.next, struct listener,
		    link));
	s->paused = false;
	while (!smx_list_is_empty(&s->clients))
		close_client(SMX_ELEMENT(s->clients.next,
		    struct smx_socketmap_client, link));
	if (s->sweep != NULL)
		event_free(s->sweep);
	if (s->resume != NULL)
		event_free(s->resume);
	free(s);
	*sp = NULL;
}

struct smx_socketmap_counts
smx_socketmap_server_counts(const struct smx_socketmap_server *s)
{
	return s->counts;
}
