#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/require.h"

/* As large as all blocks before it together, within these. */
#define BLOCK_BYTES     ((size_t)4096)
#define BLOCK_BYTES_MAX ((size_t)65536)
#define ALIGN           alignof(max_align_t)

struct smx_arena_block {
	alignas(max_align_t) struct smx_arena_block *next;
};

void
smx_arena_init(struct smx_arena *a, void *storage, size_t storage_bytes,
    size_t max_bytes)
{
	*a = (struct smx_arena){
		.first = storage,
		.first_bytes = storage != NULL ? storage_bytes : 0,
		.max_bytes = max_bytes,
	};
	smx_arena_reset(a);
}

void
smx_arena_reset(struct smx_arena *a)
{
	while (a->blocks != NULL) {
		struct smx_arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->used_bytes = 0;
	a->at = a->first;
	a->end = a->first != NULL ? a->first + a->first_bytes : NULL;
}

void
smx_arena_done(struct smx_arena *a)
{
	smx_arena_reset(a);
	*a = (struct smx_arena){ 0 };
}

/* How many bytes @p at lacks to be aligned. */
static size_t
padding(const char *at)
{
	return (size_t)(-(uintptr_t)at & (ALIGN - 1));
}

static int
add_block(struct smx_arena *a, size_t bytes)
{
	size_t block = a->used_bytes < BLOCK_BYTES_MAX ? a->used_bytes
						       : BLOCK_BYTES_MAX;
	struct smx_arena_block *b;
	size_t want;

	if (block < BLOCK_BYTES)
		block = BLOCK_BYTES;
	want = sizeof(*b) + (bytes > block ? bytes : block);

	if (want > a->max_bytes - a->used_bytes) {
		want = sizeof(*b) + bytes;
		if (want > a->max_bytes - a->used_bytes)
			return -SMX_ENOMEM;
	}
	b = malloc(want);
	if (b == NULL)
		return -SMX_ENOMEM;
	b->next = a->blocks;
	a->blocks = b;
	a->used_bytes += want;
	a->at = (char *)(b + 1);
	a->end = (char *)b + want;
	return 0;
}

void *
smx_arena_take(struct smx_arena *a, size_t count, size_t bytes)
{
	size_t pad, want;
	void *p;

	if (__builtin_mul_overflow(count, bytes, &want) || want > SIZE_MAX / 2)
		return NULL;
	pad = padding(a->at);
	if (a->at == NULL || (size_t)(a->end - a->at) < pad ||
	    (size_t)(a->end - a->at) - pad < want) {
		if (add_block(a, want) < 0)
			return NULL;
		pad = 0;
	}
	p = a->at + pad;
	a->at += pad + want;
	return p;
}

char *
smx_arena_copy(struct smx_arena *a, struct smx_slice s)
{
	char *p = smx_arena_take(a, s.n + 1, 1);

	if (p != NULL) {
		if (s.n != 0)
			memcpy(p, s.p, s.n);
		p[s.n] = '\0';
	}
	return p;
}
