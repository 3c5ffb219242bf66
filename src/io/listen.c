#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/listen.h"

#define BACKLOG 4096

struct smx_listen_access
smx_listen_access(const char *mode, const char *owner, const char *group)
{
	struct smx_listen_access access = {
		.mode = (mode_t)strtol(mode, NULL, 8),
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
	};
	struct passwd user, *found_user = NULL;
	struct group storage, *found = NULL;
	char bytes[16384];

	/* Only root can give a socket to somebody, or a group it is not in. */
	if (geteuid() != 0)
		return access;
	if (owner[0] != '\0' &&
	    getpwnam_r(owner, &user, bytes, sizeof(bytes), &found_user) == 0 &&
	    found_user != NULL)
		access.owner = user.pw_uid;
	if (group[0] != '\0' &&
	    getgrnam_r(group, &storage, bytes, sizeof(bytes), &found) == 0 &&
	    found != NULL)
		access.group = storage.gr_gid;
	return access;
}

void
smx_listen_make_directory(const struct smx_address *a, gid_t group)
{
	char path[sizeof(a->u.local.sun_path)];
	char *slash;

	if (a->u.any.sa_family != AF_UNIX)
		return;
	memcpy(path, a->u.local.sun_path, sizeof(path));
	slash = strrchr(path, '/');
	if (slash == NULL || slash == path)
		return;
	*slash = '\0';
	if (mkdir(path, 0750) < 0)
		return;
	if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0)
		return;
	/* Whatever the umask: the group has to get at the socket. */
	chmod(path, 0750);
}

/* Does somebody listen on this unix socket? One for datagrams refuses a stream
 * with EPROTOTYPE when it is in use, and ECONNREFUSED when it is stale. */
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
	int type = access->is_datagram ? SOCK_DGRAM : SOCK_STREAM;
	int fd, rc = 0;

	if (is_local)
		rc = prepare_local(a, reason);
	if (rc < 0)
		return rc;
	fd = socket(a->u.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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
	if (rc == 0 && is_local &&
	    (access->owner != (uid_t)-1 || access->group != (gid_t)-1) &&
	    chown(a->u.local.sun_path, access->owner, access->group) < 0)
		rc = fail(a, "set its owner and group", reason);
	if (rc == 0 && is_local && chmod(a->u.local.sun_path, access->mode) < 0)
		rc = fail(a, "set its mode", reason);
	if (rc == 0 && type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		rc = fail(a, "listen", reason);
	if (rc < 0 && is_bound)
		smx_listen_remove(a);
	if (rc < 0)
		close(fd);
	else
		*ret_fd = fd;
	return rc;
}

struct smx_listen_file
smx_listen_file(const struct smx_address *a)
{
	struct stat s;

	if (a->u.any.sa_family != AF_UNIX || lstat(a->u.local.sun_path, &s) < 0)
		return (struct smx_listen_file){ .inode = 0 };
	return (struct smx_listen_file){ s.st_dev, s.st_ino };
}

bool
smx_listen_is_there(const struct smx_address *a, struct smx_listen_file file)
{
	struct smx_listen_file now = smx_listen_file(a);

	return now.device == file.device && now.inode == file.inode;
}

void
smx_listen_remove(const struct smx_address *a)
{
	if (a->u.any.sa_family == AF_UNIX)
		unlink(a->u.local.sun_path);
}
