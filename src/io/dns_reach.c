#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/dns_reach.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/dns_files.h"

#define SERVERS_MAX 8
#define AGAIN       (SMX_SECOND / 2)
#define RESOLV_CONF "/etc/resolv.conf"

/* A query for the name servers of the root (RFC 1035, 4.1). */
static const unsigned char query[] = { 0x73, 0x6d, 0x01, 0x00, 0, 1, 0, 0, 0, 0,
	0, 0, 0, 0, 2, 0, 1 };

/* "ADDRESS" or "ADDRESS@PORT" as smx_address_parse() takes it. */
static int
parse_server(const char *text, struct smx_address *ret)
{
	const char *at = strchr(text, '@');
	char storage[128], none[64];
	struct smx_buf full, reason;

	smx_buf_init_fixed(&full, storage, sizeof(storage));
	smx_buf_init_fixed(&reason, none, sizeof(none));
	smx_buf_add_char(&full, '[');
	smx_buf_add(&full,
	    at != NULL ? smx_slice(text, (size_t)(at - text))
		       : smx_slice_text(text));
	smx_buf_add_text(&full, "]:");
	smx_buf_add_text(&full, at != NULL ? at + 1 : "53");
	return smx_address_parse(smx_buf_text(&full), ret, &reason);
}

/* @return a socket that a query was sent through, or -1 with errno. */
static int
send_query(const char *server)
{
	struct smx_address a;
	int fd;

	errno = EINVAL;
	if (parse_server(server, &a) < 0)
		return -1;
	fd = socket(a.u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, &a.u.any, a.bytes) < 0 ||
	    send(fd, query, sizeof(query), MSG_NOSIGNAL) !=
		(ssize_t)sizeof(query)) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Wait for an answer. @return 0, or an errno: ETIMEDOUT, ECONNREFUSED. */
static int
await(struct pollfd *fds, size_t count, smx_time timeout)
{
	smx_time end = smx_clock_now().mono + timeout;
	int error = ETIMEDOUT;
	size_t open = count;

	while (open > 0) {
		smx_time left = end - smx_clock_now().mono;

		if (left <= 0)
			return error;
		/* A packet can get lost: all are asked again. */
		if (poll(fds, count, (int)smx_time_min(left, AGAIN)) == 0)
			for (size_t i = 0; i < count; i++)
				if (fds[i].fd >= 0)
					(void)!send(fds[i].fd, query,
					    sizeof(query), MSG_NOSIGNAL);
		for (size_t i = 0; i < count; i++) {
			char answer[512];

			if (fds[i].fd < 0 || fds[i].revents == 0)
				continue;
			if (recv(fds[i].fd, answer, sizeof(answer),
				MSG_DONTWAIT) >= 0)
				return 0;
			if (errno == EINTR || errno == EAGAIN)
				continue;
			error = errno;
			close(fds[i].fd);
			fds[i].fd = -1;
			open--;
		}
	}
	return error;
}

static int
ask_all(char *const *servers, smx_time timeout, struct smx_buf *reason)
{
	struct pollfd fds[SERVERS_MAX];
	size_t count = 0;
	int error = 0;

	for (size_t i = 0; i < SERVERS_MAX && servers[i] != NULL; i++) {
		fds[count] = (struct pollfd){ send_query(servers[i]), POLLIN,
			0 };
		if (fds[count].fd >= 0)
			count++;
		else
			error = errno;
	}
	if (count > 0)
		error = await(fds, count, timeout);
	for (size_t i = 0; i < count; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	if (error == 0)
		return 0;
	smx_buf_printf(reason, "no DNS from here: %s%s %s (%s)",
	    servers[1] == NULL ? "" : "none of ", servers[0],
	    servers[1] == NULL ? "does not answer" : "and others answers",
	    strerror(error));
	return -SMX_ETIMEDOUT;
}

int
smx_dns_reach(char *const *forwarders, smx_time timeout, struct smx_buf *reason)
{
	char *from_file[SERVERS_MAX + 1] = { NULL };
	char *const *servers = forwarders;
	int rc = 0;

	if (forwarders[0] == NULL)
		return 0;
	if (strcmp(forwarders[0], "resolv.conf") == 0) {
		if (smx_dns_files_servers(RESOLV_CONF, from_file, SERVERS_MAX) <
			0 ||
		    from_file[0] == NULL) {
			smx_buf_add_text(reason,
			    "no DNS from here: " RESOLV_CONF
			    " names no name server");
			rc = -SMX_ENOENT;
		}
		servers = from_file;
	}
	if (rc == 0)
		rc = ask_all(servers, timeout, reason);
	for (size_t i = 0; i < SERVERS_MAX; i++)
		free(from_file[i]);
	return rc;
}
