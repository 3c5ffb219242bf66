/*
 * An MX host that is never the bottleneck: one thread, epoll, OpenSSL. It says
 * what it must up to and through STARTTLS, and takes no mail.
 *
 *   smtpd CERT KEY ADDR...
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"

/* Of a command (RFC 5321, 4.5.3.1.4). */
#define LINE_MAX_BYTES 512
#define EVENTS_MAX     256
#define NAME           "mx.hoster.example"

struct peer {
	int fd;
	bool listens;
	bool shakes_hands;
	SSL *ssl; /* NULL: plain */
	size_t in_len;
	char in[LINE_MAX_BYTES];
};

static int epfd;
static SSL_CTX *tls;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "smtpd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct peer *
add(int fd, bool listens)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	if (p == NULL || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
		die("a connection");
	p->fd = fd;
	p->listens = listens;
	return p;
}

static void
drop(struct peer *p)
{
	SSL_free(p->ssl);
	close(p->fd);
	free(p);
}

/* Replies are short and one at a time: what the kernel doesn't take at once
 * is for a peer that doesn't read. */
static bool
say(struct peer *p, const char *text)
{
	int n = (int)strlen(text);

	if (p->ssl != NULL)
		return SSL_write(p->ssl, text, n) == n;
	return send(p->fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static void
accept_all(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *p;

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		p = add(fd, false);
		if (!say(p, "220 " NAME " ESMTP\r\n"))
			drop(p);
	}
}

static bool
shake_hands(struct peer *p)
{
	int rc = SSL_accept(p->ssl);

	if (rc == 1)
		p->shakes_hands = false;
	/* Its flights fit into the kernel's buffer: it waits to read only. */
	return rc == 1 || SSL_get_error(p->ssl, rc) == SSL_ERROR_WANT_READ;
}

static bool
start_tls(struct peer *p)
{
	if (!say(p, "220 go ahead\r\n"))
		return false;
	p->ssl = SSL_new(tls);
	if (p->ssl == NULL || SSL_set_fd(p->ssl, p->fd) != 1)
		return false;
	p->shakes_hands = true;
	p->in_len = 0;
	return true;
}

static bool
obey(struct peer *p, const char *command)
{
	if (strncasecmp(command, "EHLO ", 5) == 0)
		return say(p,
		    p->ssl != NULL ? "250-" NAME "\r\n250-PIPELINING\r\n"
				     "250-SIZE 52428800\r\n250 8BITMIME\r\n"
				   : "250-" NAME "\r\n250-PIPELINING\r\n"
				     "250-SIZE 52428800\r\n250-STARTTLS\r\n"
				     "250 8BITMIME\r\n");
	if (strcasecmp(command, "STARTTLS") == 0 && p->ssl == NULL)
		return start_tls(p);
	if (strcasecmp(command, "QUIT") == 0) {
		say(p, "221 bye\r\n");
		if (p->ssl != NULL)
			SSL_shutdown(p->ssl);
		return false;
	}
	return say(p, "502 not here\r\n");
}

/* @return false at the end. */
static bool
receive(struct peer *p)
{
	size_t room = sizeof(p->in) - p->in_len;
	ssize_t n;
	int got;

	if (p->ssl == NULL) {
		n = read(p->fd, p->in + p->in_len, room);
		if (n > 0)
			p->in_len += (size_t)n;
		return n > 0 || (n < 0 && errno == EAGAIN);
	}
	got = SSL_read(p->ssl, p->in + p->in_len, (int)room);
	if (got > 0)
		p->in_len += (size_t)got;
	return got > 0 || SSL_get_error(p->ssl, got) == SSL_ERROR_WANT_READ;
}

static bool
serve(struct peer *p)
{
	char *end;
	size_t n;

	if (p->shakes_hands && (!shake_hands(p) || p->shakes_hands))
		return p->shakes_hands;
	if (!receive(p))
		return false;
	while ((end = memchr(p->in, '\n', p->in_len)) != NULL) {
		bool was_plain = p->ssl == NULL;

		n = (size_t)(end - p->in) + 1;
		*end = '\0';
		if (end > p->in && end[-1] == '\r')
			end[-1] = '\0';
		if (!obey(p, p->in))
			return false;
		if (was_plain && p->ssl != NULL)
			return true;
		p->in_len -= n;
		memmove(p->in, p->in + n, p->in_len);
	}
	return p->in_len < sizeof(p->in);
}

static void
set_tls(const char *cert, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		die(cert);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	/* As Postfix does. */
	SSL_CTX_set_num_tickets(tls, 1);
}

static void
handle(struct peer *p)
{
	/* What is left of another's failure would be taken for this one's. */
	ERR_clear_error();
	if (p->listens)
		accept_all(p->fd);
	else if (!serve(p))
		drop(p);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct addr a;
	int i, n, fd;

	if (argc < 4) {
		fprintf(stderr, "usage: smtpd CERT KEY ADDR...\n");
		return 2;
	}
	sigaction(SIGPIPE, &ignore, NULL);
	set_tls(argv[1], argv[2]);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (i = 3; i < argc; i++) {
		fd = addr_parse(argv[i], &a) ? addr_listen(&a) : -1;
		if (fd < 0)
			die(argv[i]);
		add(fd, true);
	}
	for (;;) {
		n = epoll_wait(epfd, events, EVENTS_MAX, -1);
		for (i = 0; i < n; i++)
			handle(events[i].data.ptr);
	}
}
