/**
 * The store of outgoing reports, by SQLite: what role collect counts, and role
 * report sends.
 *
 * Layer:   io (SQLite).
 *
 * Several processes share the file, each through a connection of its own.
 * A transaction of one waits for that of another for five seconds. When one
 * finds it damaged, it puts the file aside and begins a new one; the others
 * notice before their next transaction.
 */
#ifndef SMX_IO_REPORTS_SQLITE_H
#define SMX_IO_REPORTS_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/**
 * Open it, and make it when there is none. A damaged file is put aside.
 *
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @retval 0
 * @retval -SMX_EVERSION  written by a newer version, or by another program.
 * @retval -SMX_EBUSY, -SMX_EFULL, -SMX_EIO, -SMX_ENOMEM
 */
int smx_reports_open(const char *path, sqlite3 **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** Close it. NULL is none. */
void smx_reports_close(sqlite3 *db, const char *path);

/** Was another file put in its place? Then it is to be opened again. */
bool smx_reports_has_moved(sqlite3 *db);

/**
 * Put the file aside, since it is found to be damaged while it is used; unless
 * another has done so already. It is to be opened again in either case.
 *
 * @retval 0, -SMX_EIO, -SMX_ENOMEM
 */
int smx_reports_put_aside(sqlite3 *db, const char *path) SMX_CHECKED;

/**
 * Open it to be read only.
 *
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_ENOENT  there is none.
 * @retval -SMX_EIO     it may not be read, or is damaged beyond that.
 * @retval -SMX_EBUSY, -SMX_ECORRUPT, -SMX_ENOMEM
 */
int smx_reports_open_read(const char *path, sqlite3 **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** A statement and where it is to be kept. */
struct smx_reports_statement {
	const char *sql;
	sqlite3_stmt **to;
};

/** Prepare statements. @return 0 or a negative status. */
int smx_reports_prepare(sqlite3 *db,
    const struct smx_reports_statement *statements, size_t count) SMX_CHECKED;

void smx_reports_bind(sqlite3_stmt *s, int i, struct smx_slice text);
/** @return a column's text; it dies with the next step. */
struct smx_slice smx_reports_column(sqlite3_stmt *s, int i);

#endif
