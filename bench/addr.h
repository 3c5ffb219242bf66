/**
 * Addresses as in strictmx's configuration: "127.0.0.1:8461", "[::1]:8461",
 * "unix:/path". Host names are not resolved: a measurement asks no DNS.
 */
#ifndef BENCH_ADDR_H
#define BENCH_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} u;
	socklen_t len;
	const char *text;
};

/** @return false when @p text is no address. */
bool addr_parse(const char *text, struct addr *ret);

/** @return a connected, non-blocking socket, or -1 with errno set. */
int addr_connect(const struct addr *a);

/** @return a listening, non-blocking socket, or -1 with errno set. */
int addr_listen(const struct addr *a);

#endif
