#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/require.h"

#define FIRST_BYTES ((size_t)256)

void
smx_buf_init(struct smx_buf *b, size_t max)
{
	*b = (struct smx_buf){ .max = max };
}

void
smx_buf_init_fixed(struct smx_buf *b, char *storage, size_t bytes)
{
	*b = (struct smx_buf){
		.p = storage, .size = bytes, .max = bytes, .fixed = true
	};
}

void
smx_buf_done(struct smx_buf *b)
{
	if (!b->fixed)
		free(b->p);
	*b = (struct smx_buf){ 0 };
}

void
smx_buf_reset(struct smx_buf *b)
{
	b->n = 0;
	b->status = 0;
}

static int
grow(struct smx_buf *b, size_t more)
{
	size_t want, size = b->size != 0 ? b->size : FIRST_BYTES;
	char *p;

	if (__builtin_add_overflow(b->n, more, &want) || want > b->max)
		return -SMX_ELIMIT;
	while (size < want)
		size = size > b->max / 2 ? b->max : size * 2;
	if (size > b->max)
		size = b->max;
	p = realloc(b->p, size);
	if (p == NULL)
		return -SMX_ENOMEM;
	b->p = p;
	b->size = size;
	return 0;
}

char *
smx_buf_reserve(struct smx_buf *b, size_t more)
{
	if (b->status != 0)
		return NULL;
	if (b->size - b->n < more) {
		b->status = b->fixed ? -SMX_ELIMIT : grow(b, more);
		if (b->status != 0)
			return NULL;
	}
	return b->p + b->n;
}

void
smx_buf_add(struct smx_buf *b, struct smx_slice s)
{
	char *to;

	if (s.n == 0)
		return;
	to = smx_buf_reserve(b, s.n);
	if (to != NULL) {
		memcpy(to, s.p, s.n);
		b->n += s.n;
	}
}

void
smx_buf_add_text(struct smx_buf *b, const char *s)
{
	smx_buf_add(b, smx_slice_text(s));
}

void
smx_buf_add_char(struct smx_buf *b, char c)
{
	smx_buf_add(b, smx_slice(&c, 1));
}

void
smx_buf_add_u64(struct smx_buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	smx_buf_add(b, smx_slice(digits + at, sizeof(digits) - at));
}

void
smx_buf_add_escaped(struct smx_buf *b, struct smx_slice s)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f && c != '\\') {
			smx_buf_add_char(b, (char)c);
		} else {
			char x[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

			smx_buf_add(b, smx_slice(x, 4));
		}
	}
}

void
smx_buf_printf(struct smx_buf *b, const char *format, ...)
{
	va_list args;
	char *to;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return;
	/* vsnprintf writes a NUL that does not stay in the contents. */
	to = smx_buf_reserve(b, (size_t)n + 1);
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)n + 1, format, args);
	va_end(args);
	b->n += (size_t)n;
}

void
smx_buf_drop(struct smx_buf *b, size_t n)
{
	SMX_REQUIRE(n <= b->n);
	if (n != 0 && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

const char *
smx_buf_text(struct smx_buf *b)
{
	int status = b->status;
	char *end;

	b->status = 0;
	end = smx_buf_reserve(b, 1);
	b->status = status;
	if (end == NULL)
		return "";
	*end = '\0';
	return b->p;
}
