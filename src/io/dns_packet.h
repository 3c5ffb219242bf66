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
 * Read the TXT records of a message, CNAMEs passed over.
 *
 * Records longer than SMX_TXT_MAX are cut one octet behind it, which no
 * grammar accepts; of more than SMX_TXT_COUNT_MAX records the rest is dropped.
 *
 * @param ret  status is OK, NODATA, NXDOMAIN or FAILURE; the records live in
 *             @p a. @c secure is not touched.
 */
void smx_dns_packet_txt(const void *packet, size_t bytes, struct smx_arena *a,
    struct smx_dns_txt *ret);

/**
 * Add the addresses of a message to @p ret, up to SMX_DNS_ADDRESS_MAX.
 *
 * @return OK, NODATA, NXDOMAIN or FAILURE.
 */
enum smx_dns_status smx_dns_packet_addresses(const void *packet, size_t bytes,
    struct smx_dns_addresses *ret);

#endif
