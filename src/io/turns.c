#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "io/turns.h"
#include "base/require.h"

struct smx_turns_queue {
	struct smx_map_node node;
	struct smx_list in_ready;
	struct smx_list waiting;
	size_t running;
	char key[];
};

static struct smx_turns_queue *
find(struct smx_turns *t, struct smx_slice key)
{
	struct smx_map_node *node = smx_map_find(&t->queues, key);
	struct smx_turns_queue *q;

	if (node != NULL)
		return SMX_ELEMENT(node, struct smx_turns_queue, node);
	q = calloc(1, sizeof(*q) + key.n);
	if (q == NULL)
		return NULL;
	smx_list_init(&q->in_ready);
	smx_list_init(&q->waiting);
	if (key.n > 0)
		memcpy(q->key, key.p, key.n);
	smx_map_put(&t->queues, &q->node, smx_slice(q->key, key.n));
	return q;
}

/* Somebody came or went: may the queue's first begin, is there any? */
static void
settle(struct smx_turns *t, struct smx_turns_queue *q)
{
	bool is_waiting = !smx_list_is_empty(&q->waiting);

	if (!is_waiting || q->running >= t->key_max)
		smx_list_remove(&q->in_ready);
	else if (smx_list_is_empty(&q->in_ready))
		smx_list_push(&t->ready, &q->in_ready);
	if (!is_waiting && q->running == 0) {
		smx_map_remove(&t->queues, &q->node);
		free(q);
	}
}

int
smx_turns_init(struct smx_turns *t, size_t max, size_t key_max)
{
	uint64_t seed[2];

	*t = (struct smx_turns){ .max = max, .key_max = key_max };
	smx_list_init(&t->ready);
	if (getrandom(seed, sizeof(seed), 0) < 0)
		return -SMX_ENOMEM;
	return smx_map_init(&t->queues, seed);
}

void
smx_turns_done(struct smx_turns *t)
{
	smx_map_done(&t->queues);
}

int
smx_turns_wait(struct smx_turns *t, struct smx_turn *turn, struct smx_slice key)
{
	struct smx_turns_queue *q = find(t, key);

	if (q == NULL)
		return -SMX_ENOMEM;
	turn->queue = q;
	turn->is_running = false;
	smx_list_push(&q->waiting, &turn->link);
	settle(t, q);
	return 0;
}

struct smx_turn *
smx_turns_next(struct smx_turns *t)
{
	struct smx_turns_queue *q;
	struct smx_turn *turn;
	struct smx_list *node;

	if (t->running >= t->max)
		return NULL;
	node = smx_list_pop(&t->ready);
	if (node == NULL)
		return NULL;
	q = SMX_ELEMENT(node, struct smx_turns_queue, in_ready);
	/* Somebody waits in a queue that is ready. */
	node = smx_list_pop(&q->waiting);
	SMX_REQUIRE(node != NULL);
	turn = SMX_ELEMENT(node, struct smx_turn, link);
	turn->is_running = true;
	q->running++;
	t->running++;
	settle(t, q);
	return turn;
}

void
smx_turns_leave(struct smx_turns *t, struct smx_turn *turn)
{
	struct smx_turns_queue *q = turn->queue;

	if (q == NULL)
		return;
	if (turn->is_running) {
		q->running--;
		t->running--;
	} else {
		smx_list_remove(&turn->link);
	}
	turn->queue = NULL;
	settle(t, q);
}
