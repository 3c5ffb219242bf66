#include <stdlib.h>

#include "engine/port_tally.h"

static void
row_free(struct smx_tally_row *row)
{
	free((char *)(uintptr_t)row->record.p);
	free(row);
}

void
smx_port_tally_free(struct smx_tally_batch *b)
{
	struct smx_list *node = b->rows.next;

	while (node != &b->rows) {
		struct smx_tally_row *row = SMX_ELEMENT(node,
		    struct smx_tally_row, link);

		node = node->next;
		row_free(row);
	}
	smx_list_init(&b->rows);
	b->row_count = 0;
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
	*from = (struct smx_tally_batch){ .row_count = 0 };
	smx_list_init(&from->rows);
}
