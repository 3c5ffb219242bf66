#include <stdint.h>

#include "base/scan.h"

static bool
is_tail(unsigned char c)
{
	return c >= 0x80 && c <= 0xbf;
}

size_t
smx_scan_utf8(struct smx_slice s)
{
	const unsigned char *u = (const unsigned char *)s.p;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s.n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf) {
		n = 2;
	} else if (u[0] >= 0xe0 && u[0] <= 0xef) {
		n = 3;
		if (u[0] == 0xe0)
			low = 0xa0;
		if (u[0] == 0xed)
			high = 0x9f;
	} else if (u[0] >= 0xf0 && u[0] <= 0xf4) {
		n = 4;
		if (u[0] == 0xf0)
			low = 0x90;
		if (u[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (s.n < n || u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (!is_tail(u[i]))
			return 0;
	return n;
}
