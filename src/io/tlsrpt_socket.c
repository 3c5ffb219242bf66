#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tlsrpt_socket.h"
#include "core/limits.h"

/* Read at once. The space for them is only touched as far as they reach. */
#define COUNT 32
/* Read before the loop goes on with others. */
#define TURN_MAX 1024

struct smx_tlsrpt_socket {
	int fd;
	unsigned queue;
	struct event *event;
	smx_tlsrpt_socket_datagram *receive;
	void *arg;
	struct smx_tlsrpt_socket_counts counts;
	char *space;
	struct iovec pieces[COUNT];
	struct mmsghdr messages[COUNT];
};

#define SPACE_BYTES ((size_t)COUNT * SMX_TLSRPT_DATAGRAM_MAX)

unsigned
smx_tlsrpt_socket_queue(void)
{
	FILE *f = fopen("/proc/sys/net/unix/max_dgram_qlen", "re");
	char line[32] = "";
	unsigned long value = 0;

	if (f == NULL)
		return 0;
	/* The kernel lets one more in than the number says. */
	if (fgets(line, sizeof(line), f) != NULL)
		value = strtoul(line, NULL, 10);
	fclose(f);
	return value < 1000000 ? (unsigned)value : 1000000;
}

/* @return how many there were. */
static unsigned
receive_some(struct smx_tlsrpt_socket *s)
{
	int count = recvmmsg(s->fd, s->messages, COUNT, MSG_DONTWAIT, NULL);

	for (int i = 0; i < count; i++) {
		const struct mmsghdr *m = &s->messages[i];

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
	if (s->queue > 0 && total >= s->queue)
		s->counts.full++;
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
	s->queue = smx_tlsrpt_socket_queue();
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

struct smx_tlsrpt_socket_counts
smx_tlsrpt_socket_counts(const struct smx_tlsrpt_socket *s)
{
	return s->counts;
}
