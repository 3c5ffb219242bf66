/**
 * What a DNS answer says, out of its wire form.
 *
 * Layer:   io (libldns).
 */
#ifndef SMX_IO_DNS_PACKET_H
#define SMX_IO_DNS_PACKET_H

#include "base/arena.h"
#include "io/dns_unbound.h"

/** What one answer can take of memory: a message has at most 64 KiB. */
#define SMX_DNS_PACKET_ARENA_MAX ((size_t)1 << 20)

/**
 * Read the records of one type in a message, CNAMEs passed over.
 *
 * TXT records longer than SMX_TXT_MAX are cut one octet behind it, which no
 * grammar accepts; of too many records the rest is dropped, and records that
 * can't be read are left out.
 *
 * @param ret  status is OK, NODATA, NXDOMAIN or FAILURE; everything lives in
 *             @p a. @c secure is false.
 */
void smx_dns_packet_read(struct smx_slice packet, enum smx_dns_type type,
    struct smx_arena *a, struct smx_dns_answer *ret);

#endif
