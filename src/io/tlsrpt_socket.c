#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/tlsrpt_socket.h"
#include "core/limits.h"

/* Read at once. The space for them is only touched as far as they reach. */
#define COUNT 32
/* Read before the loop goes on with others. */
#define TURN_MAX SMX_TLSRPT_SOCKET_QUEUE_MAX

struct smx_tlsrpt_socket {
	int fd;
	unsigned queue; /* what it holds; 0: unknown */
	unsigned marks; /* of measure_queue(), that are in it */
	struct event *event;
	smx_tlsrpt_socket_datagram *receive;
	void *arg;
	struct smx_tlsrpt_socket_counts counts;
	char *space;
	struct iovec pieces[COUNT];
	struct mmsghdr messages[COUNT];
};

#define SPACE_BYTES ((size_t)COUNT * SMX_TLSRPT_DATAGRAM_MAX)

/* @return how many there were. */
static unsigned
receive_some(struct smx_tlsrpt_socket *s)
{
	int count = recvmmsg(s->fd, s->messages, COUNT, MSG_DONTWAIT, NULL);

	for (int i = 0; i < count; i++) {
		const struct mmsghdr *m = &s->messages[i];

		if (s->marks > 0) {
			s->queue++;
			if (m->msg_len == 0) {
				s->marks--;
				continue;
			}
		}
		s->counts.datagrams++;
		s->counts.bytes += m->msg_len;
		if ((m->msg_hdr.msg_flags & MSG_TRUNC) != 0)
			s->counts.too_long++;
		else
			s->receive(s->arg,
			    smx_slice(s->pieces[i].iov_base, m->msg_len));
	}
	return count > 0 ? (unsigned)count : 0;
}

void
smx_tlsrpt_socket_drain(struct smx_tlsrpt_socket *s)
{
	unsigned total = 0, count;

	do {
		count = receive_some(s);
		total += count;
	} while (count == COUNT && total < TURN_MAX);
	if (s->queue > 0 && s->queue < SMX_TLSRPT_SOCKET_QUEUE_MAX &&
	    total >= s->queue)
		s->counts.full++;
}

static int
dial(const struct sockaddr_un *address, socklen_t bytes)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)address, bytes) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The kernel tells nobody how long the queue of a socket is: the sysctl is of
 * the network namespace that it was made in, which may be another one, and of
 * that time. So it is filled once with empty datagrams, and emptied again; what
 * others wrote in between is handed over. */
static void
measure_queue(struct smx_tlsrpt_socket *s)
{
	struct sockaddr_un address;
	socklen_t bytes = sizeof(address);
	unsigned sent = 0;
	bool is_full = false;

	smx_tlsrpt_socket_drain(s);
	if (getsockname(s->fd, (struct sockaddr *)&address, &bytes) < 0)
		return;
	while (!is_full && sent < SMX_TLSRPT_SOCKET_QUEUE_MAX) {
		/* One sender alone may run out of its own space before. */
		int fd = dial(&address, bytes);
		unsigned before = sent;

		if (fd < 0)
			break;
		while (sent < SMX_TLSRPT_SOCKET_QUEUE_MAX &&
		    send(fd, "", 0, 0) == 0)
			sent++;
		is_full = sent == before;
		close(fd);
	}
	s->marks = sent;
	while (s->marks > 0 && receive_some(s) > 0)
		continue;
	if (!is_full)
		s->queue = sent < SMX_TLSRPT_SOCKET_QUEUE_MAX
		    ? 0
		    : SMX_TLSRPT_SOCKET_QUEUE_MAX;
	s->marks = 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	smx_tlsrpt_socket_drain(arg);
}

int
smx_tlsrpt_socket_new(struct event_base *base, int fd,
    smx_tlsrpt_socket_datagram *receive, void *arg,
    struct smx_tlsrpt_socket **ret)
{
	struct smx_tlsrpt_socket *s = calloc(1, sizeof(*s));
	char *space = malloc(SPACE_BYTES);

	if (s == NULL || space == NULL) {
		free(space);
		free(s);
		close(fd);
		return -SMX_ENOMEM;
	}
	s->fd = fd;
	s->space = space;
	s->receive = receive;
	s->arg = arg;
	for (size_t i = 0; i < COUNT; i++) {
		s->pieces[i] =
		    (struct iovec){ s->space + i * SMX_TLSRPT_DATAGRAM_MAX,
			    SMX_TLSRPT_DATAGRAM_MAX };
		s->messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &s->pieces[i],
			.msg_iovlen = 1,
		};
	}
	measure_queue(s);
	s->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
	if (s->event == NULL || event_add(s->event, NULL) < 0) {
		smx_tlsrpt_socket_free(&s);
		return -SMX_ENOMEM;
	}
	*ret = s;
	return 0;
}

void
smx_tlsrpt_socket_free(struct smx_tlsrpt_socket **sp)
{
	struct smx_tlsrpt_socket *s = *sp;

	if (s == NULL)
		return;
	if (s->event != NULL)
		event_free(s->event);
	close(s->fd);
	free(s->space);
	free(s);
	*sp = NULL;
}

unsigned
smx_tlsrpt_socket_queue(const struct smx_tlsrpt_socket *s)
{
	return s->queue;
}

struct smx_tlsrpt_socket_counts
smx_tlsrpt_socket_counts(const struct smx_tlsrpt_socket *s)
{
	return s->counts;
}
