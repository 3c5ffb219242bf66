#include "engine/port_tally.h"

void
smx_port_tally_init(struct smx_tally_batch *b, size_t bytes)
{
	*b = (struct smx_tally_batch){ .row_count = 0 };
	smx_arena_init(&b->arena, NULL, 0, bytes);
	smx_list_init(&b->rows);
}

void
smx_port_tally_free(struct smx_tally_batch *b)
{
	size_t bytes = b->arena.max_bytes;

	smx_arena_done(&b->arena);
	smx_port_tally_init(b, bytes);
}

/* Move a list; both ends of it point to its head. */
static void
move_rows(struct smx_list *to, struct smx_list *from)
{
	smx_list_init(to);
	if (smx_list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	smx_list_init(from);
}

void
smx_port_tally_move(struct smx_tally_batch *to, struct smx_tally_batch *from)
{
	*to = *from;
	move_rows(&to->rows, &from->rows);
	smx_port_tally_init(from, to->arena.max_bytes);
}
