#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/address.h"

static int
parse_port(const char *text, in_port_t *ret)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return -SMX_EPARSE;
	port = strtoul(text, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535)
		return -SMX_EPARSE;
	*ret = htons((in_port_t)port);
	return 0;
}

static int
parse_local(const char *path, struct smx_address *ret, struct smx_buf *reason)
{
	size_t n = strlen(path);

	if (path[0] != '/') {
		smx_buf_add_text(reason,
		    "the path of a unix socket must begin "
		    "with \"/\"");
		return -SMX_EPARSE;
	}
	if (n >= sizeof(ret->u.local.sun_path)) {
		smx_buf_add_text(reason,
		    "the path of a unix socket has at most 107 bytes");
		return -SMX_EPARSE;
	}
	*ret = (struct smx_address){ .bytes = sizeof(ret->u.local) };
	ret->u.local.sun_family = AF_UNIX;
	memcpy(ret->u.local.sun_path, path, n + 1);
	return 0;
}

int
smx_address_parse(const char *text, struct smx_address *ret,
    struct smx_buf *reason)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 1];
	struct smx_address a = { 0 };
	in_port_t port;
	size_t n;

	if (strncmp(text, "unix:", 5) == 0)
		return parse_local(text + 5, ret, reason);
	if (colon == NULL || parse_port(colon + 1, &port) < 0)
		goto bad;
	n = (size_t)(colon - text);
	if (n > 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= sizeof(host))
		goto bad;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &a.u.v4.sin_addr) == 1) {
		a.u.v4.sin_family = AF_INET;
		a.u.v4.sin_port = port;
		a.bytes = sizeof(a.u.v4);
	} else if (inet_pton(AF_INET6, host, &a.u.v6.sin6_addr) == 1) {
		a.u.v6.sin6_family = AF_INET6;
		a.u.v6.sin6_port = port;
		a.bytes = sizeof(a.u.v6);
	} else {
		goto bad;
	}
	*ret = a;
	return 0;
bad:
	smx_buf_add_text(reason,
	    "write ADDRESS:PORT, [IPV6-ADDRESS]:PORT or "
	    "unix:/PATH, such as 127.0.0.1:8461");
	return -SMX_EPARSE;
}

int
smx_address_parse_server(const char *text, struct smx_buf *reason)
{
	char host[INET6_ADDRSTRLEN];
	const char *at = strchrnul(text, '@');
	size_t n = (size_t)(at - text);
	struct in6_addr any;
	in_port_t port;

	if (strcmp(text, "resolv.conf") == 0)
		return 0;
	if (n < sizeof(host) &&
	    (*at == '\0' || parse_port(at + 1, &port) == 0)) {
		memcpy(host, text, n);
		host[n] = '\0';
		if (inet_pton(AF_INET, host, &any) == 1 ||
		    inet_pton(AF_INET6, host, &any) == 1)
			return 0;
	}
	smx_buf_add_text(reason,
	    "write ADDRESS or ADDRESS@PORT, such as "
	    "127.0.0.1@5353, or \"resolv.conf\"");
	return -SMX_EPARSE;
}

void
smx_address_print(const struct smx_address *a, struct smx_buf *out)
{
	char host[INET6_ADDRSTRLEN] = "";

	switch (a->u.any.sa_family) {
	case AF_UNIX:
		smx_buf_printf(out, "unix:%s", a->u.local.sun_path);
		break;
	case AF_INET:
		inet_ntop(AF_INET, &a->u.v4.sin_addr, host, sizeof(host));
		smx_buf_printf(out, "%s:%u", host, ntohs(a->u.v4.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &a->u.v6.sin6_addr, host, sizeof(host));
		smx_buf_printf(out, "[%s]:%u", host, ntohs(a->u.v6.sin6_port));
		break;
	default:
		smx_buf_add_text(out, "unknown address");
	}
}

struct range {
	uint8_t prefix[16];
	unsigned bits;
};

/* IANA's special-purpose registry: what is not globally reachable, and
 * multicast. */
static const struct range special_v4[] = {
	{ { 0 }, 8 },
	{ { 10 }, 8 },
	{ { 100, 64 }, 10 },
	{ { 127 }, 8 },
	{ { 169, 254 }, 16 },
	{ { 172, 16 }, 12 },
	{ { 192, 0, 0 }, 24 },
	{ { 192, 0, 2 }, 24 },
	{ { 192, 88, 99 }, 24 },
	{ { 192, 168 }, 16 },
	{ { 198, 18 }, 15 },
	{ { 198, 51, 100 }, 24 },
	{ { 203, 0, 113 }, 24 },
	{ { 224 }, 4 },
	{ { 240 }, 4 },
};

/* Within 2000::/3, the global unicast space. */
static const struct range special_v6[] = {
	{ { 0x20, 0x01, 0x00, 0x00 }, 23 },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },
	{ { 0x3f, 0xff }, 20 },
};

static const struct range global_v6 = { { 0x20 }, 3 };
static const struct range mapped_v6 = {
	{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96
};
static const struct range nat64_v6 = { { 0x00, 0x64, 0xff, 0x9b }, 96 };
static const struct range sixtofour_v6 = { { 0x20, 0x02 }, 16 };

static bool
is_in(const uint8_t *address, const struct range *r)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	return memcmp(address, r->prefix, whole) == 0 &&
	    (rest == 0 || (address[whole] & mask) == (r->prefix[whole] & mask));
}

static bool
is_public_v4(const uint8_t *address)
{
	for (size_t i = 0; i < sizeof(special_v4) / sizeof(*special_v4); i++)
		if (is_in(address, &special_v4[i]))
			return false;
	return true;
}

static bool
is_public_v6(const uint8_t *address)
{
	if (is_in(address, &mapped_v6) || is_in(address, &nat64_v6))
		return is_public_v4(address + 12);
	if (is_in(address, &sixtofour_v6))
		return is_public_v4(address + 2);
	if (!is_in(address, &global_v6))
		return false;
	for (size_t i = 0; i < sizeof(special_v6) / sizeof(*special_v6); i++)
		if (is_in(address, &special_v6[i]))
			return false;
	return true;
}

bool
smx_address_is_public(const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return is_public_v4((const uint8_t *)&v4->sin_addr);
	if (sa->sa_family == AF_INET6)
		return is_public_v6(v6->sin6_addr.s6_addr);
	return false;
}

bool
smx_address_ip_is_public(const struct smx_ip *ip)
{
	return ip->is_v6 ? is_public_v6(ip->bytes) : is_public_v4(ip->bytes);
}

void
smx_address_from_ip(const struct smx_ip *ip, uint16_t port,
    struct smx_address *ret)
{
	*ret = (struct smx_address){ 0 };
	if (ip->is_v6) {
		ret->u.v6.sin6_family = AF_INET6;
		ret->u.v6.sin6_port = htons(port);
		memcpy(&ret->u.v6.sin6_addr, ip->bytes, 16);
		ret->bytes = sizeof(ret->u.v6);
	} else {
		ret->u.v4.sin_family = AF_INET;
		ret->u.v4.sin_port = htons(port);
		memcpy(&ret->u.v4.sin_addr, ip->bytes, 4);
		ret->bytes = sizeof(ret->u.v4);
	}
}

int
smx_address_to_ip(const struct smx_address *a, struct smx_ip *ret_ip,
    uint16_t *ret_port)
{
	*ret_ip = (struct smx_ip){ .is_v6 = a->u.any.sa_family == AF_INET6 };
	if (ret_ip->is_v6) {
		memcpy(ret_ip->bytes, &a->u.v6.sin6_addr, 16);
		*ret_port = ntohs(a->u.v6.sin6_port);
		return 0;
	}
	if (a->u.any.sa_family != AF_INET)
		return -SMX_EINVAL;
	memcpy(ret_ip->bytes, &a->u.v4.sin_addr, 4);
	*ret_port = ntohs(a->u.v4.sin_port);
	return 0;
}
