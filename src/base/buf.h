/**
 * Growing output with a mandatory maximum and a sticky error.
 *
 * Layer:   base.
 * Memory:  owns its bytes unless it was given storage with
 *          smx_buf_init_fixed(); smx_buf_done() is right in both cases.
 *
 * Appending never has to be checked one by one: after the first failure the
 * buffer stays as it was and smx_buf_status() tells.
 */
#ifndef SMX_BASE_BUF_H
#define SMX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

struct smx_buf {
	char *p;
	size_t n;
	size_t size;
	size_t max;
	int status;
	bool fixed;
};

/** An empty buffer that grows on the heap up to @p max bytes. */
void smx_buf_init(struct smx_buf *b, size_t max);

/** An empty buffer in the caller's storage; it never grows. */
void smx_buf_init_fixed(struct smx_buf *b, char *storage, size_t bytes);

void smx_buf_done(struct smx_buf *b);

/** Forget contents and error, keep the memory. */
void smx_buf_reset(struct smx_buf *b);

/** Make room for @p more bytes. @return where they go, or NULL. */
char *smx_buf_reserve(struct smx_buf *b, size_t more);

void smx_buf_add(struct smx_buf *b, struct smx_slice s);
void smx_buf_add_text(struct smx_buf *b, const char *s);
void smx_buf_add_char(struct smx_buf *b, char c);
void smx_buf_add_u64(struct smx_buf *b, uint64_t v);

/**
 * Add untrusted bytes so that they are safe in a log line or on a terminal:
 * printable ASCII stays, all else (and the backslash) becomes \xNN.
 */
void smx_buf_add_escaped(struct smx_buf *b, struct smx_slice s);

void smx_buf_printf(struct smx_buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Drop @p n bytes from the front. @p n is at most what there is. */
void smx_buf_drop(struct smx_buf *b, size_t n);

static inline struct smx_slice
smx_buf_slice(const struct smx_buf *b)
{
	return (struct smx_slice){ b->p, b->n };
}

/** @retval 0, -SMX_ELIMIT (maximum reached) or -SMX_ENOMEM. */
static inline int
smx_buf_status(const struct smx_buf *b)
{
	return b->status;
}

/**
 * The contents as a C string.
 *
 * @return "" when nothing was added or no room was left for the NUL.
 */
const char *smx_buf_text(struct smx_buf *b);

#endif
