/**
 * Arenas: many small allocations that die together, with a cap.
 *
 * Layer:   base.
 * Memory:  everything from an arena lives until its reset or done.
 */
#ifndef SMX_BASE_ARENA_H
#define SMX_BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"
#include "base/status.h"

struct smx_arena_block;

struct smx_arena {
	struct smx_arena_block *blocks; /* heap blocks, newest first */
	char *at;                       /* next free byte */
	char *end;
	char *first; /* caller's storage, may be NULL */
	size_t first_bytes;
	size_t used_bytes; /* of heap blocks */
	size_t max_bytes;
};

/**
 * Start an arena.
 *
 * @param storage    used first, before the heap; may be NULL. It must outlive
 *                   the arena.
 * @param max_bytes  what the arena takes from the heap at the most.
 */
void smx_arena_init(struct smx_arena *a, void *storage, size_t storage_bytes,
    size_t max_bytes);

/** Give everything back. The arena must be initialised again to be used. */
void smx_arena_done(struct smx_arena *a);

/** Forget all allocations; the first storage is used again. */
void smx_arena_reset(struct smx_arena *a);

/**
 * Take @p count objects of @p bytes each, not initialised, aligned for any
 * type.
 *
 * @return NULL when the cap is reached, the product overflows or memory is out.
 */
void *smx_arena_take(struct smx_arena *a, size_t count, size_t bytes);

/** Copy @p s, with a terminating NUL that does not count. NULL: see take. */
char *smx_arena_copy(struct smx_arena *a, struct smx_slice s);

#endif
