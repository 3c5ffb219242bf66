/**
 * Database files that are strictmx's own.
 *
 * Layer:   io (SQLite).
 */
#ifndef SMX_IO_SQLITE_FILE_H
#define SMX_IO_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/status.h"

/** Our status for a result code of SQLite's; rows and the end are success. */
int smx_sqlite_file_status(int rc);

/** Run statements that give no rows. @return 0 or a negative status. */
int smx_sqlite_file_run(sqlite3 *db, const char *sql) SMX_CHECKED;

/** What is in a file. */
struct smx_sqlite_schema {
	int application_id; /* tells that the file is ours */
	int version;
	const char *sql;
	bool is_shared; /* between processes; otherwise it is locked */
};

/**
 * Take an open file over: lock it until it is closed unless it is shared, write
 * ahead, and give it the schema when it is new. A file of another program is
 * left as it is.
 *
 * @retval 0
 * @retval -SMX_EBUSY     another process has it.
 * @retval -SMX_EVERSION  of a newer version, or of another program.
 * @retval -SMX_ECORRUPT, -SMX_EFULL, -SMX_EIO, -SMX_ENOMEM
 */
int smx_sqlite_file_own(sqlite3 *db,
    const struct smx_sqlite_schema *schema) SMX_CHECKED;

/**
 * Make the directory of a file when it is missing, and see whether it can be
 * written.
 *
 * @return 0 or an errno.
 */
int smx_sqlite_file_directory(const char *path) SMX_CHECKED;

/**
 * Make the file when it is missing, so that others may not read it, which
 * SQLite would let them; and see whether it can be written.
 *
 * @return 0 or an errno.
 */
int smx_sqlite_file_make(const char *path) SMX_CHECKED;

/** Say why a file can't be used: a status, and an errno or 0. */
void smx_sqlite_file_explain(const char *path, int rc, int error,
    struct smx_buf *reason);

/**
 * Put a damaged file aside, with its log. Whoever has it open goes on with it
 * under its new name.
 *
 * @param ret_aside  its new name, to be freed.
 *
 * @retval 0, -SMX_EIO, -SMX_ENOMEM
 */
int smx_sqlite_file_aside(const char *path, char **ret_aside) SMX_CHECKED;

#endif
