/*
 * The floor of the protocol on this machine: one thread, epoll, each request
 * netstring answered with the same 73 octets, whatever it asks. What a real
 * server needs beyond this is what it pays for its answer.
 *
 *   echo ADDR...
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "addr.h"

#define REPLY_LEN 73
#define REPLY                                                   \
	"69:OK secure match=mx1.bench.example:.bench1.example " \
	"servername=hostname,"

#define IN_MAX 4096
/* The shortest request is "0:,", and nothing is read while output waits. */
#define OUT_MAX    ((IN_MAX / 3 + 1) * REPLY_LEN)
#define EVENTS_MAX 256
#define LENGTH_MAX 10000

_Static_assert(sizeof(REPLY) - 1 == REPLY_LEN, "the reply has 73 octets");

struct peer {
	int fd;
	bool listens;
	bool waits_for_room;
	size_t in_len; /* octets of a request that is not complete yet */
	size_t out_len, out_off;
	char in[IN_MAX];
	char out[OUT_MAX];
};

#define PEERS_MAX 65536

static int epfd;
static struct peer *peers[PEERS_MAX]; /* by descriptor */

static void
watch(struct peer *p, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	if (epoll_ctl(epfd, op, p->fd, &ev) != 0) {
		perror("epoll_ctl");
		exit(1);
	}
}

static void
add(int fd, bool listens)
{
	/* Not calloc: ten thousand idle peers need not touch their buffers. */
	struct peer *p = malloc(sizeof(*p));

	if (p == NULL || fd >= PEERS_MAX) {
		fprintf(stderr, "echo: too many connections\n");
		exit(1);
	}
	peers[fd] = p;
	p->fd = fd;
	p->listens = listens;
	p->waits_for_room = false;
	p->in_len = p->out_len = p->out_off = 0;
	watch(p, EPOLL_CTL_ADD, EPOLLIN);
}

static void
drop(struct peer *p)
{
	peers[p->fd] = NULL;
	close(p->fd);
	free(p);
}

static void
accept_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		add(fd, false);
}

/* Length of the first netstring; 0: not complete; -1: none. */
static long
netstring(const char *p, size_t n)
{
	size_t i, len = 0;

	for (i = 0; i < n && p[i] >= '0' && p[i] <= '9'; i++) {
		len = len * 10 + (size_t)(p[i] - '0');
		if (len > LENGTH_MAX)
			return -1;
	}
	if (i == n)
		return 0;
	if (i == 0 || p[i] != ':')
		return -1;
	if (n - i - 1 <= len)
		return 0;
	return p[i + 1 + len] == ',' ? (long)(i + len + 2) : -1;
}

static bool
flush(struct peer *p)
{
	ssize_t n;

	while (p->out_off < p->out_len) {
		n = write(p->fd, p->out + p->out_off, p->out_len - p->out_off);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		p->out_off += (size_t)n;
	}
	if (p->out_off == p->out_len)
		p->out_off = p->out_len = 0;
	if ((p->out_len != 0) != p->waits_for_room) {
		p->waits_for_room = p->out_len != 0;
		watch(p, EPOLL_CTL_MOD, p->waits_for_room ? EPOLLOUT : EPOLLIN);
	}
	return true;
}

static bool
serve(struct peer *p)
{
	size_t at = 0;
	long len = 0;
	ssize_t n;

	n = read(p->fd, p->in + p->in_len, IN_MAX - p->in_len);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	p->in_len += (size_t)n;
	while (at < p->in_len) {
		len = netstring(p->in + at, p->in_len - at);
		if (len <= 0)
			break;
		memcpy(p->out + p->out_len, REPLY, REPLY_LEN);
		p->out_len += REPLY_LEN;
		at += (size_t)len;
	}
	if (len < 0)
		return false;
	p->in_len -= at;
	if (p->in_len == IN_MAX)
		return false;
	if (p->in_len > 0)
		memmove(p->in, p->in + at, p->in_len);
	return flush(p);
}

static void
handle(struct peer *p, uint32_t events)
{
	bool keep = true;

	if (p->listens) {
		accept_all(p->fd);
		return;
	}
	if (events & EPOLLOUT)
		keep = flush(p);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		keep = serve(p);
	if (!keep)
		drop(p);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit files;
	struct addr a;
	int i, n, fd;

	if (argc < 2) {
		fprintf(stderr, "usage: echo ADDR...\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigaction(SIGPIPE, &ignore, NULL);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (i = 1; i < argc; i++) {
		fd = addr_parse(argv[i], &a) ? addr_listen(&a) : -1;
		if (fd < 0) {
			perror(argv[i]);
			return 1;
		}
		add(fd, true);
	}
	for (;;) {
		n = epoll_wait(epfd, events, EVENTS_MAX, -1);
		for (i = 0; i < n; i++)
			handle(events[i].data.ptr, events[i].events);
	}
}
