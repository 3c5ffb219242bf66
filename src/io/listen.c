#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/listen.h"

#define BACKLOG 4096

/* Does somebody listen on this unix socket? */
static bool
is_in_use(const struct smx_address *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool in_use;

	if (fd < 0)
		return true;
	/* A full backlog (EAGAIN) is in use too. */
	in_use = connect(fd, &a->u.any, a->bytes) == 0 ||
	    (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return in_use;
}

static int
fail(const struct smx_address *a, const char *what, struct smx_buf *reason)
{
	int error = errno;

	smx_buf_add_text(reason, "can't listen on ");
	smx_address_print(a, reason);
	if (error == EADDRINUSE)
		smx_buf_add_text(reason,
		    ": the address is in use: stop the "
		    "other program, or set another "
		    "address in \"listen\"");
	else
		smx_buf_printf(reason, ": %s: %s", what, strerror(error));
	return error == EADDRINUSE ? -SMX_EBUSY : -SMX_EIO;
}

static int
prepare_local(const struct smx_address *a, struct smx_buf *reason)
{
	const char *path = a->u.local.sun_path;
	struct stat s;

	if (lstat(path, &s) < 0)
		return 0;
	if (!S_ISSOCK(s.st_mode)) {
		errno = EEXIST;
		return fail(a, "a file that is no socket is in the way",
		    reason);
	}
	if (is_in_use(a)) {
		errno = EADDRINUSE;
		return fail(a, "bind", reason);
	}
	if (unlink(path) < 0)
		return fail(a, "remove the stale socket", reason);
	return 0;
}

int
smx_listen_open(const struct smx_address *a,
    const struct smx_listen_access *access, int *ret_fd, struct smx_buf *reason)
{
	static const int on = 1;
	bool is_local = a->u.any.sa_family == AF_UNIX;
	bool is_bound = false;
	int fd, rc = 0;

	if (is_local)
		rc = prepare_local(a, reason);
	if (rc < 0)
		return rc;
	fd = socket(a->u.any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(a, "socket", reason);
	if (!is_local)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->u.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Nobody gets in before owner and mode are set: on Linux the file gets
	 * the mode that the socket has. */
	if (is_local)
		fchmod(fd, 0);
	rc = bind(fd, &a->u.any, a->bytes) < 0 ? fail(a, "bind", reason) : 0;
	is_bound = rc == 0;
	if (rc == 0 && is_local && access->group != (gid_t)-1 &&
	    chown(a->u.local.sun_path, (uid_t)-1, access->group) < 0)
		rc = fail(a, "set its group", reason);
	if (rc == 0 && is_local && chmod(a->u.local.sun_path, access->mode) < 0)
		rc = fail(a, "set its mode", reason);
	if (rc == 0 && listen(fd, BACKLOG) < 0)
		rc = fail(a, "listen", reason);
	if (rc < 0 && is_bound)
		smx_listen_remove(a);
	if (rc < 0)
		close(fd);
	else
		*ret_fd = fd;
	return rc;
}

void
smx_listen_remove(const struct smx_address *a)
{
	if (a->u.any.sa_family == AF_UNIX)
		unlink(a->u.local.sun_path);
}
