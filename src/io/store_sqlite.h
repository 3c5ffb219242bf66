/**
 * Policies on disk, by SQLite.
 *
 * Layer:   io (SQLite). Opening and loading are done by the caller's thread;
 *          then a thread of the store's own writes, and nobody waits for it.
 *
 * What can't be written (disk full) stays in memory, the latest state of each
 * domain, and is tried again. A damaged file is put aside, what is readable in
 * it is taken over, and the work goes on.
 */
#ifndef SMX_IO_STORE_SQLITE_H
#define SMX_IO_STORE_SQLITE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/status.h"
#include "engine/port_store.h"

struct smx_store;

/**
 * Open the store, and make it when there is none.
 *
 * @param path    of the database file; its directory is made when only the
 *                last part of it is missing.
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @retval 0
 * @retval -SMX_EBUSY     another process has it open.
 * @retval -SMX_EVERSION  written by a newer version, or by another program.
 * @retval -SMX_EIO       it can't be opened or written.
 * @retval -SMX_ENOMEM
 */
int smx_store_open(const char *path, struct smx_store **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Walk through all policies. Damaged rows are left out and counted in the log.
 *
 * @param row  is given each; what it gets dies when it returns. When the file
 *             is found to be damaged on the way, the walk begins again in what
 *             was saved, and a policy can come twice.
 *
 * @retval 0
 * @retval -SMX_EIO  reading failed.
 */
int smx_store_load(struct smx_store *s,
    void (*row)(void *arg, const struct smx_store_policy *policy),
    void *arg) SMX_CHECKED;

/**
 * Start the writing thread.
 *
 * @retval 0 or -SMX_ENOMEM.
 */
int smx_store_start(struct smx_store *s) SMX_CHECKED;

/**
 * Without that thread: write what is pending now.
 *
 * @retval 0
 * @retval -SMX_EFULL, -SMX_EIO, ...  not all is written; it stays pending.
 */
int smx_store_write(struct smx_store *s) SMX_CHECKED;

/** The engine's port; any thread may use it after smx_store_start(). */
struct smx_store_port smx_store_port(struct smx_store *s);

/**
 * Write what is pending and close.
 *
 * @return how many changes could not be written.
 */
size_t smx_store_close(struct smx_store **s);

#endif
