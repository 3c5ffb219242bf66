/**
 * Borrowed bytes: a pointer and a length, not terminated.
 *
 * Layer:   base.
 * Memory:  a slice owns nothing; it is valid as long as what it points into.
 */
#ifndef SMX_BASE_SLICE_H
#define SMX_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct smx_slice {
	const char *p;
	size_t n;
};

#define SMX_SLICE(literal) \
	((struct smx_slice){ (literal), sizeof(literal) - 1 })

static inline struct smx_slice
smx_slice(const char *p, size_t n)
{
	return (struct smx_slice){ p, n };
}

static inline struct smx_slice
smx_slice_text(const char *s)
{
	return (struct smx_slice){ s, strlen(s) };
}

static inline bool
smx_slice_equal(struct smx_slice a, struct smx_slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
smx_slice_starts(struct smx_slice s, struct smx_slice prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

/** @return the bytes from @p at on; empty when @p at is past the end. */
static inline struct smx_slice
smx_slice_from(struct smx_slice s, size_t at)
{
	if (at > s.n)
		at = s.n;
	return (struct smx_slice){ at != 0 ? s.p + at : s.p, s.n - at };
}

/** @return the position of the first @p c, or s.n when there is none. */
static inline size_t
smx_slice_find(struct smx_slice s, char c)
{
	const char *at = s.n != 0 ? memchr(s.p, c, s.n) : NULL;

	return at != NULL ? (size_t)(at - s.p) : s.n;
}

/** Copy bytes to @p at, which moves behind them. @return the copy. */
static inline struct smx_slice
smx_slice_put(char **at, struct smx_slice s)
{
	struct smx_slice copy = { *at, s.n };

	if (s.n != 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

#endif
