/**
 * Hash tables from short byte strings to the caller's nodes.
 *
 * Layer:   base.
 * Memory:  the table owns only its slots. A node embeds struct smx_map_node,
 *          and its key must stay where it is while the node is in the table.
 *
 * The hash is keyed (SipHash-1-3) with a seed that the caller takes from the
 * system's random source, so that names chosen by an attacker don't collide.
 */
#ifndef SMX_BASE_MAP_H
#define SMX_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

struct smx_map_node {
	struct smx_map_node *next;
	const char *key;
	uint32_t key_bytes;
	uint32_t hash;
};

struct smx_map {
	struct smx_map_node **slots;
	size_t slot_count; /* a power of two */
	size_t count;
	uint64_t seed[2];
};

/**
 * Start an empty table.
 *
 * @retval 0
 * @retval -SMX_ENOMEM
 */
int smx_map_init(struct smx_map *m, const uint64_t seed[2]) SMX_CHECKED;

/** Free the slots. Nodes are the caller's: free them before. */
void smx_map_done(struct smx_map *m);

/** @return the node with that key, or NULL. No allocation, no lock. */
struct smx_map_node *smx_map_find(const struct smx_map *m,
    struct smx_slice key);

/**
 * Put a node in. Its key must not be in the table.
 *
 * When there is no memory for more slots, the table goes on with longer
 * chains: putting never fails.
 */
void smx_map_put(struct smx_map *m, struct smx_map_node *node,
    struct smx_slice key);

/** Take a node out that is in the table. */
void smx_map_remove(struct smx_map *m, struct smx_map_node *node);

/**
 * Walk through all nodes in no order.
 *
 * @param iter  0 at first. The table may not change during the walk. A node
 *              may be freed once the one behind it has been asked for.
 * @return      the next node, NULL at the end.
 */
struct smx_map_node *smx_map_next(const struct smx_map *m, size_t *iter,
    struct smx_map_node *last);

#endif
