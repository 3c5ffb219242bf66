/**
 * Character classes of the RFCs' grammars (RFC 5234, appendix B.1).
 *
 * Layer:   base. ASCII only, whatever the locale.
 */
#ifndef SMX_BASE_SCAN_H
#define SMX_BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

static inline bool
smx_scan_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
smx_scan_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
smx_scan_is_alnum(char c)
{
	return smx_scan_is_alpha(c) || smx_scan_is_digit(c);
}

/** WSP: blank or tabulator. */
static inline bool
smx_scan_is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static inline char
smx_scan_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/** @return the position of the first byte at or after @p at that is no WSP. */
static inline size_t
smx_scan_skip_wsp(struct smx_slice s, size_t at)
{
	while (at < s.n && smx_scan_is_wsp(s.p[at]))
		at++;
	return at;
}

/** @return @p s without WSP at its end. */
static inline struct smx_slice
smx_scan_trim_end(struct smx_slice s)
{
	while (s.n > 0 && smx_scan_is_wsp(s.p[s.n - 1]))
		s.n--;
	return s;
}

/**
 * The length of the UTF-8 character at the start of @p s (RFC 3629, 4).
 *
 * @return 1 to 4, or 0 when the bytes are not well-formed UTF-8.
 */
size_t smx_scan_utf8(struct smx_slice s);

/** @return the number of the character, which smx_scan_utf8() has measured. */
uint32_t smx_scan_code_point(struct smx_slice character);

/**
 * Would it do something to a terminal, or to the order or the look of what
 * stands beside it? Control characters, line and paragraph separators, and
 * Unicode's format characters, which have no look of their own.
 */
bool smx_scan_is_control(uint32_t code_point);

#endif
