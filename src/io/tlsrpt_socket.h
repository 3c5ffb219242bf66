/**
 * The socket that MTAs write their TLS sessions to: datagrams of libtlsrpt.
 *
 * Layer:   io (libevent).
 *
 * Who sends does not wait: a datagram that finds the kernel's queue full is
 * lost, and the kernel counts it nowhere. So here nothing is done but to empty
 * the queue and hand over what was in it.
 */
#ifndef SMX_IO_TLSRPT_SOCKET_H
#define SMX_IO_TLSRPT_SOCKET_H

#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

/** Longer queues are not measured. */
#define SMX_TLSRPT_SOCKET_QUEUE_MAX 1024

struct event_base;
struct smx_tlsrpt_socket;

struct smx_tlsrpt_socket_counts {
	uint64_t datagrams, bytes;
	uint64_t too_long; /* cut off by us, and left out */
	uint64_t full;     /* times that the queue was found full: others may
	                    * have been lost */
};

/** A datagram; borrowed during the call. */
typedef void smx_tlsrpt_socket_datagram(void *arg, struct smx_slice datagram);

/**
 * Read a socket from now on. How long its queue is gets measured first, which
 * fills it for a moment; what is in it already is handed over from within.
 *
 * @param fd  a bound datagram socket; owned by the result, on failure closed.
 *
 * @retval 0 or -SMX_ENOMEM
 */
int smx_tlsrpt_socket_new(struct event_base *base, int fd,
    smx_tlsrpt_socket_datagram *receive, void *arg,
    struct smx_tlsrpt_socket **ret) SMX_CHECKED;

void smx_tlsrpt_socket_free(struct smx_tlsrpt_socket **s);

/** Hand over what is in the queue now. */
void smx_tlsrpt_socket_drain(struct smx_tlsrpt_socket *s);

struct smx_tlsrpt_socket_counts smx_tlsrpt_socket_counts(
    const struct smx_tlsrpt_socket *s);

/**
 * How many datagrams the kernel keeps for this socket: one more than
 * net.unix.max_dgram_qlen was where and when it was made.
 *
 * @return at most SMX_TLSRPT_SOCKET_QUEUE_MAX, which stands for all that is
 *         longer and never counted as full; 0: it can't be found out, since
 *         we may not write to our own socket.
 */
unsigned smx_tlsrpt_socket_queue(const struct smx_tlsrpt_socket *s);

#endif
