#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tlsrpt_sender.h"
#include "base/list.h"
#include "base/log.h"

/* Until a full queue is tried again, and until somebody may be there. */
static const struct timeval soon = { .tv_usec = 2000 };
static const struct timeval later = { .tv_sec = 1 };

struct datagram {
	struct smx_list link;
	size_t n;
	char bytes[];
};

struct smx_tlsrpt_sender {
	int fd;
	struct event *timer;
	struct smx_address to;
	struct smx_list waiting;
	struct smx_tlsrpt_sender_counts counts;
	int told; /* the errno that was logged last */
};

/* @return 0 or an errno. */
static int
send_now(struct smx_tlsrpt_sender *s, struct smx_slice datagram)
{
	int error = sendto(s->fd, datagram.p, datagram.n,
			MSG_DONTWAIT | MSG_NOSIGNAL, &s->to.u.any,
			s->to.bytes) < 0
	    ? errno
	    : 0;

	s->counts.sent += error == 0;
	if (error != 0 && error != EAGAIN && error != s->told)
		smx_log(SMX_LOG_WARNING,
		    "events for TLS reports can't be handed to role collect at "
		    "%s: %s; they wait",
		    s->to.u.local.sun_path, strerror(error));
	if (error != EAGAIN)
		s->told = error;
	return error;
}

static void
drop(struct smx_tlsrpt_sender *s, struct datagram *d)
{
	s->counts.waiting_bytes -= d->n;
	smx_list_remove(&d->link);
	free(d);
}

/* @return 0 or the errno of the one that can't be sent yet. */
static int
send_waiting(struct smx_tlsrpt_sender *s)
{
	int error = 0;

	while (error == 0 && !smx_list_is_empty(&s->waiting)) {
		struct datagram *d = SMX_ELEMENT(s->waiting.next,
		    struct datagram, link);

		error = send_now(s, smx_slice(d->bytes, d->n));
		/* The kernel will never take one that is too long. */
		if (error == EMSGSIZE) {
			s->counts.lost++;
			error = 0;
			drop(s, d);
		} else if (error == 0) {
			drop(s, d);
		}
	}
	return error;
}

static void
work(struct smx_tlsrpt_sender *s)
{
	int error = send_waiting(s);

	if (error != 0)
		event_add(s->timer, error == EAGAIN ? &soon : &later);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	work(arg);
}

int
smx_tlsrpt_sender_new(struct event_base *base, struct smx_tlsrpt_sender **ret)
{
	struct smx_tlsrpt_sender *s = calloc(1, sizeof(*s));
	int rc = -SMX_ENOMEM;

	if (s == NULL)
		return rc;
	smx_list_init(&s->waiting);
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	s->timer = event_new(base, -1, 0, on_timer, s);
	if (s->fd < 0)
		rc = -SMX_EIO;
	else if (s->timer != NULL)
		rc = 0;
	if (rc < 0)
		smx_tlsrpt_sender_free(&s);
	else
		*ret = s;
	return rc;
}

void
smx_tlsrpt_sender_free(struct smx_tlsrpt_sender **sp)
{
	struct smx_tlsrpt_sender *s = *sp;

	if (s == NULL)
		return;
	if (s->to.bytes > 0 && send_waiting(s) != 0)
		smx_log(SMX_LOG_WARNING,
		    "events for TLS reports are lost: role collect took them "
		    "not in time");
	while (!smx_list_is_empty(&s->waiting))
		drop(s, SMX_ELEMENT(s->waiting.next, struct datagram, link));
	if (s->timer != NULL)
		event_free(s->timer);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	*sp = NULL;
}

void
smx_tlsrpt_sender_set(struct smx_tlsrpt_sender *s, const struct smx_address *to)
{
	s->to = *to;
	s->told = 0;
	work(s);
}

void
smx_tlsrpt_sender_send(struct smx_tlsrpt_sender *s, struct smx_slice datagram)
{
	struct datagram *d = NULL;

	if (smx_list_is_empty(&s->waiting) && send_now(s, datagram) == 0)
		return;
	if (datagram.n <= SMX_TLSRPT_SENDER_BYTES_MAX - s->counts.waiting_bytes)
		d = malloc(sizeof(*d) + datagram.n);
	if (d == NULL) {
		s->counts.lost++;
		return;
	}
	d->n = datagram.n;
	memcpy(d->bytes, datagram.p, datagram.n);
	smx_list_push(&s->waiting, &d->link);
	s->counts.waiting_bytes += d->n;
	if (!event_pending(s->timer, EV_TIMEOUT, NULL))
		event_add(s->timer, &soon);
}

struct smx_tlsrpt_sender_counts
smx_tlsrpt_sender_counts(const struct smx_tlsrpt_sender *s)
{
	return s->counts;
}
