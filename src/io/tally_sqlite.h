/**
 * Adds batches of counts to the store of reports.
 *
 * Layer:   io (SQLite). A thread of its own writes, so that the sockets are
 *          drained however slow the disk is.
 *
 * A batch is one transaction: after a kill all of it is there or nothing. What
 * can't be written (disk full) stays in memory and is tried again every
 * second.
 */
#ifndef SMX_IO_TALLY_SQLITE_H
#define SMX_IO_TALLY_SQLITE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/status.h"
#include "engine/port_tally.h"

struct smx_tally_store;

struct smx_tally_store_counts {
	uint64_t batches, events; /* written */
	uint64_t failed;          /* attempts to write */
	uint64_t merged; /* rows that were counted as "other" for the day */
};

/**
 * Open the store and start the thread. When the disk is full, that is logged,
 * and the store is opened later.
 *
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @return as smx_reports_open().
 */
int smx_tally_store_open(const char *path, struct smx_tally_store **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** Would smx_tally_store_give() take a batch now? */
bool smx_tally_store_is_idle(struct smx_tally_store *s);

/** Write a batch, in the background. It must be idle. @p b is emptied. */
void smx_tally_store_give(struct smx_tally_store *s, struct smx_tally_batch *b);

struct smx_tally_store_counts smx_tally_store_counts(struct smx_tally_store *s);

/**
 * Write the batch that is waiting, and @p last, and close.
 *
 * @return how many events could not be written.
 */
uint64_t smx_tally_store_close(struct smx_tally_store **s,
    struct smx_tally_batch *last);

#endif
