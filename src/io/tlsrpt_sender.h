/**
 * Datagrams to role collect, as libtlsrpt writes them; without waiting, and
 * without losing what the other can't take yet.
 *
 * Layer:   io (libevent).
 * Memory:  what waits, SMX_TLSRPT_SENDER_BYTES_MAX at the most.
 */
#ifndef SMX_IO_TLSRPT_SENDER_H
#define SMX_IO_TLSRPT_SENDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"
#include "io/address.h"

/** Beyond it what comes is lost, and counted. */
#define SMX_TLSRPT_SENDER_BYTES_MAX ((size_t)4 << 20)

struct event_base;
struct smx_tlsrpt_sender;

struct smx_tlsrpt_sender_counts {
	uint64_t sent, lost;
	size_t waiting_bytes;
};

/** @retval 0, -SMX_EIO, -SMX_ENOMEM */
int smx_tlsrpt_sender_new(struct event_base *base,
    struct smx_tlsrpt_sender **ret) SMX_CHECKED;

/** What waits is tried once more, and then lost. */
void smx_tlsrpt_sender_free(struct smx_tlsrpt_sender **s);

/** Where they go from now on, also those that wait: a unix socket. */
void smx_tlsrpt_sender_set(struct smx_tlsrpt_sender *s,
    const struct smx_address *to);

/**
 * Send one behind those that wait. When it can't be sent now (the kernel's
 * queue is full, nobody is there), it waits; the latter is logged once.
 */
void smx_tlsrpt_sender_send(struct smx_tlsrpt_sender *s,
    struct smx_slice datagram);

struct smx_tlsrpt_sender_counts smx_tlsrpt_sender_counts(
    const struct smx_tlsrpt_sender *s);

#endif
