/**
 * Who may begin next: many wait for few places, of which nobody's crowd may
 * have more than some. Those who want the same (a host, say) stand in one
 * queue, and the queues take turns: a crowd delays itself, not others.
 *
 * Layer:   io.
 * Memory:  a node is its owner's; one small allocation for each key in use.
 */
#ifndef SMX_IO_TURNS_H
#define SMX_IO_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/map.h"

struct smx_turns_queue;

struct smx_turns {
	struct smx_map queues;
	struct smx_list ready; /* queues whose first may begin */
	size_t running, max, key_max;
};

/** Embedded in what waits; all zero at first. */
struct smx_turn {
	struct smx_list link;
	struct smx_turns_queue *queue; /* NULL: it is in none */
	bool is_running;
};

/**
 * @param max      places in all.
 * @param key_max  places for one key.
 *
 * @retval 0
 * @retval -SMX_ENOMEM  also without randomness.
 */
int smx_turns_init(struct smx_turns *t, size_t max, size_t key_max) SMX_CHECKED;

/** All have left. */
void smx_turns_done(struct smx_turns *t);

/** Queue up. @retval 0 or -SMX_ENOMEM: then it is in no queue. */
int smx_turns_wait(struct smx_turns *t, struct smx_turn *turn,
    struct smx_slice key) SMX_CHECKED;

/** @return who begins now, and has a place from now on; NULL: nobody. */
struct smx_turn *smx_turns_next(struct smx_turns *t);

/** Leave, out of a place or out of the queue. No harm when it is in none. */
void smx_turns_leave(struct smx_turns *t, struct smx_turn *turn);

#endif
