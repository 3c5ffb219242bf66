/**
 * What was counted for TLS reports, on its way into the store.
 *
 * Layer:   engine (port).
 * Memory:  a batch owns its rows, which are in its arena: so counting and
 *          forgetting take few allocations.
 */
#ifndef SMX_ENGINE_PORT_TALLY_H
#define SMX_ENGINE_PORT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/slice.h"
#include "core/tlsrpt_policy_type.h"
#include "core/tlsrpt_result.h"

/** Rows of a day and domain, and of a policy of it; all that is beyond is
 * counted in one row. */
#define SMX_TALLY_POLICIES_MAX 64
#define SMX_TALLY_FAILURES_MAX 500

enum smx_tally_kind {
	SMX_TALLY_DOMAIN,  /* of one day */
	SMX_TALLY_POLICY,  /* of a domain */
	SMX_TALLY_FAILURE, /* of a policy */
};

/** One row. A row stands behind its parent in the batch. */
struct smx_tally_row {
	struct smx_map_node by_key;
	struct smx_list link; /* in the batch */
	enum smx_tally_kind kind;
	struct smx_tally_row *parent;
	uint64_t number;           /* of the row in its batch, from 1 on */
	int64_t day;               /* DOMAIN: since the epoch, UTC */
	uint64_t success, failure; /* POLICY: sessions; FAILURE: failure */
	enum smx_tlsrpt_policy_type type; /* POLICY */
	bool is_other;
	size_t children;
	struct smx_tally_row *other[3]; /* POLICY of a DOMAIN, by type;
					 * FAILURE of a POLICY: the first */
	struct smx_slice record;        /* DOMAIN: the last one seen */
	size_t record_room;             /* octets that there are for it */
	/* DOMAIN: its name; else the members of the JSON object. */
	struct smx_slice text;
	int64_t stored; /* the store's own */
	char key[];
};

struct smx_tally_batch {
	struct smx_arena arena; /* of the rows */
	struct smx_list rows;
	size_t row_count;
	uint64_t events;
	uint64_t dropped; /* events of which nothing could be counted */
};

/** An empty batch. @param bytes  what it may take at the most. */
void smx_port_tally_init(struct smx_tally_batch *b, size_t bytes);

/** Forget a batch; it can be filled again. */
void smx_port_tally_free(struct smx_tally_batch *b);

/** Move a batch; @p from is empty then. */
void smx_port_tally_move(struct smx_tally_batch *to,
    struct smx_tally_batch *from);

#endif
