#include "addr.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
parse_unix(const char *path, struct addr *ret)
{
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(ret->u.un.sun_path))
		return false;
	ret->u.un.sun_family = AF_UNIX;
	memcpy(ret->u.un.sun_path, path, n + 1);
	ret->len = sizeof(ret->u.un);
	return true;
}

bool
addr_parse(const char *text, struct addr *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;
	char host[64];
	const char *colon = strrchr(text, ':'), *from = text;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	ret->text = text;
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, ret);
	if (colon == NULL || colon == text)
		return false;
	n = (size_t)(colon - text);
	if (text[0] == '[' && colon[-1] == ']') {
		from++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return false;
	memcpy(host, from, n);
	host[n] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return false;
	memcpy(&ret->u.storage, found->ai_addr, found->ai_addrlen);
	ret->len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static int
nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int
fail(int fd)
{
	int e = errno;

	close(fd);
	errno = e;
	return -1;
}

int
addr_connect(const struct addr *a)
{
	/* A listener whose queue is full must not hold us for ever. */
	struct timeval patience = { .tv_sec = 5 };
	int one = 1, fd;

	fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, &a->u.sa, a->len) != 0 || nonblock(fd) != 0)
		return fail(fd);
	if (a->u.sa.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

int
addr_listen(const struct addr *a)
{
	int one = 1, fd;

	fd = socket(a->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (a->u.sa.sa_family == AF_UNIX)
		unlink(a->u.un.sun_path);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a->u.sa, a->len) != 0 || listen(fd, 4096) != 0)
		return fail(fd);
	return fd;
}
