/**
 * IP addresses as data.
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_IP_H
#define SMX_CORE_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/** An IPv4 or IPv6 address in network order. */
struct smx_ip {
	bool is_v6;
	uint8_t bytes[16]; /* IPv4: the first four, the rest 0 */
};

/** Longest text of an address. */
#define SMX_IP_TEXT_MAX 39

/**
 * Read an address: four decimal numbers without leading zeros, or a form of
 * RFC 4291, 2.2. No zone, port or brackets.
 *
 * @retval 0
 * @retval -SMX_EPARSE  *ret is as it was.
 */
int smx_ip_parse(struct smx_slice text, struct smx_ip *ret) SMX_CHECKED;

/** Append the address; IPv6 as RFC 5952 recommends. */
void smx_ip_print(const struct smx_ip *ip, struct smx_buf *out);

bool smx_ip_equal(const struct smx_ip *a, const struct smx_ip *b);

#endif
