/**
 * Listening sockets: TCP and unix, or handed over by systemd.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_LISTEN_H
#define SMX_IO_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "io/address.h"

/** Of unix sockets; the first three say who may connect, or send. */
struct smx_listen_access {
	mode_t mode;
	uid_t owner; /* (uid_t)-1: leave it */
	gid_t group; /* (gid_t)-1: leave it */
	bool is_datagram;
};

/**
 * @param mode   octal.
 * @param owner  name of a user; empty, or not to be found: leave it.
 * @param group  the same of a group. Only root can set either.
 */
struct smx_listen_access smx_listen_access(const char *mode, const char *owner,
    const char *group);

/** Make the directory of a unix socket, when only the last part of it is
 * missing. */
void smx_listen_make_directory(const struct smx_address *a, gid_t group);

/**
 * Bind and, unless it is for datagrams, listen; without blocking.
 *
 * A unix socket that nobody listens on is removed first; one that is in use
 * is not.
 *
 * @param ret_fd  the caller's to close.
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @retval 0
 * @retval -SMX_EBUSY  the address is taken.
 * @retval -SMX_EIO
 */
int smx_listen_open(const struct smx_address *a,
    const struct smx_listen_access *access, int *ret_fd,
    struct smx_buf *reason) SMX_CHECKED;

/** Remove the file of a unix socket; for TCP nothing. */
void smx_listen_remove(const struct smx_address *a);

/** The file of a unix socket, to be told from one that takes its place. */
struct smx_listen_file {
	dev_t device;
	ino_t inode;
};

/** @return that of a socket that was just opened; of none: zeroes. */
struct smx_listen_file smx_listen_file(const struct smx_address *a);

/** Is it still there, and the same? */
bool smx_listen_is_there(const struct smx_address *a,
    struct smx_listen_file file);

#endif
