#include <stdlib.h>

#include "base/heap.h"

#define FIRST_SIZE ((size_t)64)

void
smx_heap_init(struct smx_heap *h)
{
	*h = (struct smx_heap){ 0 };
}

void
smx_heap_done(struct smx_heap *h)
{
	free(h->nodes);
	*h = (struct smx_heap){ 0 };
}

static void
place(struct smx_heap *h, size_t i, struct smx_heap_node *node)
{
	h->nodes[i] = node;
	node->place = i + 1;
}

static void
settle(struct smx_heap *h, size_t i, struct smx_heap_node *node)
{
	while (i > 0 && h->nodes[(i - 1) / 2]->due > node->due) {
		place(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < h->count &&
		    h->nodes[child + 1]->due < h->nodes[child]->due)
			child++;
		if (child >= h->count || h->nodes[child]->due >= node->due)
			break;
		place(h, i, h->nodes[child]);
		i = child;
	}
	place(h, i, node);
}

int
smx_heap_set(struct smx_heap *h, struct smx_heap_node *node, smx_time due)
{
	if (node->place == 0) {
		if (h->count == h->size) {
			size_t size = h->size != 0 ? h->size * 2 : FIRST_SIZE;
			struct smx_heap_node **nodes = reallocarray(h->nodes,
			    size, sizeof(struct smx_heap_node *));

			if (nodes == NULL)
				return -SMX_ENOMEM;
			h->nodes = nodes;
			h->size = size;
		}
		place(h, h->count++, node);
	}
	node->due = due;
	settle(h, node->place - 1, node);
	return 0;
}

void
smx_heap_remove(struct smx_heap *h, struct smx_heap_node *node)
{
	struct smx_heap_node *last;
	size_t i;

	if (node->place == 0)
		return;
	i = node->place - 1;
	node->place = 0;
	last = h->nodes[--h->count];
	if (last != node)
		settle(h, i, last);
}
