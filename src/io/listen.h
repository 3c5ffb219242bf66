/**
 * Listening sockets: TCP and unix, or handed over by systemd.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_LISTEN_H
#define SMX_IO_LISTEN_H

#include <sys/types.h>

#include "base/buf.h"
#include "io/address.h"

struct smx_listen_access {
	mode_t mode; /* of a unix socket */
	gid_t group; /* of a unix socket; (gid_t)-1: leave it */
};

/**
 * Bind and listen, without blocking.
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

#endif
