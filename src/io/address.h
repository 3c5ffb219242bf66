/**
 * Addresses: as people write them, and which of them are public.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_ADDRESS_H
#define SMX_IO_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/status.h"
#include "core/ip.h"

struct smx_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} u;
	socklen_t bytes;
};

/**
 * Read "127.0.0.1:8461", "[::1]:8461" or "unix:/path".
 *
 * @param text    NUL-terminated.
 * @param reason  on failure, what is wrong and how to write it.
 *
 * @retval 0
 * @retval -SMX_EPARSE
 */
int smx_address_parse(const char *text, struct smx_address *ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Is this a name server as libunbound takes it, "ADDRESS" or "ADDRESS@PORT",
 * or the word "resolv.conf"?
 *
 * @param reason  on failure, how to write it.
 *
 * @retval 0
 * @retval -SMX_EPARSE
 */
int smx_address_parse_server(const char *text,
    struct smx_buf *reason) SMX_CHECKED;

/** Write it as smx_address_parse() reads it. */
void smx_address_print(const struct smx_address *a, struct smx_buf *out);

/**
 * May a policy host have this address: global unicast, and no special purpose
 * (RFC 6890)?
 *
 * An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is judged itself.
 */
bool smx_address_is_public(const struct sockaddr *sa);

/** The same of an address as data. */
bool smx_address_ip_is_public(const struct smx_ip *ip);

/** An address and a port, for connect(). */
void smx_address_from_ip(const struct smx_ip *ip, uint16_t port,
    struct smx_address *ret);

/** The reverse. @return 0, or -SMX_EINVAL for a unix socket. */
int smx_address_to_ip(const struct smx_address *a, struct smx_ip *ret_ip,
    uint16_t *ret_port) SMX_CHECKED;

#endif
