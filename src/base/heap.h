/**
 * Timers in a binary heap: which of many nodes is due first.
 *
 * Layer:   base.
 * Memory:  the heap owns only its array; a node embeds struct smx_heap_node.
 */
#ifndef SMX_BASE_HEAP_H
#define SMX_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/when.h"

struct smx_heap_node {
	smx_time due;
	size_t place; /* 1-based position; 0: not in the heap */
};

struct smx_heap {
	struct smx_heap_node **nodes;
	size_t count;
	size_t size;
};

void smx_heap_init(struct smx_heap *h);
void smx_heap_done(struct smx_heap *h);

/**
 * Put a node in, or move it when it is in already.
 *
 * @retval 0
 * @retval -SMX_ENOMEM  a node that was not in the heap still is not.
 */
int smx_heap_set(struct smx_heap *h, struct smx_heap_node *node,
    smx_time due) SMX_CHECKED;

/** Take a node out; nothing happens when it is not in. */
void smx_heap_remove(struct smx_heap *h, struct smx_heap_node *node);

/** @return the node that is due first, NULL when the heap is empty. */
static inline struct smx_heap_node *
smx_heap_first(const struct smx_heap *h)
{
	return h->count != 0 ? h->nodes[0] : NULL;
}

#endif
