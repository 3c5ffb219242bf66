/**
 * A database file that is strictmx's own, and this process's alone.
 *
 * Layer:   io (SQLite).
 */
#ifndef SMX_IO_STORE_SQLITE_FILE_H
#define SMX_IO_STORE_SQLITE_FILE_H

#include <sqlite3.h>

#include "base/status.h"

/** Our status for a result code of SQLite's; rows and the end are success. */
int smx_store_sqlite_file_status(int rc);

/** Run statements that give no rows. @return 0 or a negative status. */
int smx_store_sqlite_file_run(sqlite3 *db, const char *sql) SMX_CHECKED;

/**
 * Take an open file over: lock it until it is closed, write ahead, and give it
 * the schema when it is new. A file of another program is left as it is.
 *
 * @retval 0
 * @retval -SMX_EBUSY     another process has it.
 * @retval -SMX_EVERSION  of a newer version, or of another program.
 * @retval -SMX_ECORRUPT, -SMX_EFULL, -SMX_EIO, -SMX_ENOMEM
 */
int smx_store_sqlite_file_own(sqlite3 *db) SMX_CHECKED;

#endif
