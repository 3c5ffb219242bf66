#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "io/reports_sqlite.h"
#include "base/log.h"
#include "io/sqlite_file.h"

/*
 * Members are those of JSON objects in the report, as text: what a row tells
 * is what it is found by.
 */
static const struct smx_sqlite_schema schema = {
	.application_id = 0x534d5832, /* "SMX2" */
	.version = 1,
	.is_shared = true,
	.sql = "CREATE TABLE IF NOT EXISTS domain_day ("
	       " id INTEGER PRIMARY KEY,"
	       " day INTEGER NOT NULL," /* since the epoch, UTC */
	       " domain TEXT NOT NULL,"
	       " record TEXT NOT NULL," /* of _smtp._tls, the last one seen */
	       " policies INTEGER NOT NULL DEFAULT 0," /* how many there are */
	       /* Since the day was closed; nothing is added any more. */
	       " report_id TEXT,"
	       " UNIQUE (day, domain));"

	       "CREATE TABLE IF NOT EXISTS policy ("
	       " id INTEGER PRIMARY KEY,"
	       " domain_day INTEGER NOT NULL,"
	       " type INTEGER NOT NULL," /* enum smx_tlsrpt_policy_type */
	       " members TEXT NOT NULL,"
	       " success INTEGER NOT NULL,"
	       " failure INTEGER NOT NULL,"
	       " failures INTEGER NOT NULL DEFAULT 0," /* rows of them */
	       " UNIQUE (domain_day, members));"

	       "CREATE TABLE IF NOT EXISTS failure ("
	       " policy INTEGER NOT NULL,"
	       " members TEXT NOT NULL,"
	       " count INTEGER NOT NULL,"
	       " PRIMARY KEY (policy, members)) WITHOUT ROWID;"

	       "CREATE TABLE IF NOT EXISTS delivery ("
	       " domain_day INTEGER NOT NULL,"
	       " uri TEXT NOT NULL,"
	       " state INTEGER NOT NULL," /* enum smx_delivery_state */
	       " attempts INTEGER NOT NULL,"
	       /* Taken for the first time: milliseconds, 0 not yet. */
	       " first INTEGER NOT NULL,"
	       " next INTEGER NOT NULL," /* of the next attempt */
	       " ended INTEGER,"         /* when it was done or given up */
	       " detail TEXT NOT NULL,"  /* of the last attempt */
	       " PRIMARY KEY (domain_day, uri)) WITHOUT ROWID;"
	       "CREATE INDEX IF NOT EXISTS delivery_next ON delivery (next)"
	       " WHERE state = 0;"
	       "CREATE INDEX IF NOT EXISTS day_open ON domain_day (day)"
	       " WHERE report_id IS NULL;"

	       /* One row: what tells this installation from others. */
	       "CREATE TABLE IF NOT EXISTS installation (token TEXT NOT NULL);"
	       "INSERT INTO installation SELECT lower(hex(randomblob(8)))"
	       " WHERE NOT EXISTS (SELECT 1 FROM installation);",
};

static int
open_file(const char *path, sqlite3 **ret)
{
	sqlite3 *db = NULL;
	int rc = smx_sqlite_file_status(sqlite3_open_v2(path, &db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	    NULL));

	if (rc == 0)
		rc = smx_sqlite_file_own(db, &schema);
	/* The index of its log has no code for this. */
	if (rc == -SMX_EIO && sqlite3_system_errno(db) == ENOSPC)
		rc = -SMX_EFULL;
	if (rc < 0)
		sqlite3_close(db);
	else
		*ret = db;
	return rc;
}

/* While files are made and put aside: the directory is locked, so that no file
 * is left behind. @return -1: it can't be; then all goes on as it is. */
static int
lock_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = -1;

	if (copy != NULL)
		fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd >= 0 && flock(fd, LOCK_EX) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void
unlock_directory(int fd)
{
	if (fd >= 0)
		close(fd);
}

bool
smx_reports_has_moved(sqlite3 *db)
{
	int has_moved = 0;

	return sqlite3_file_control(db, NULL, SQLITE_FCNTL_HAS_MOVED,
		   &has_moved) == SQLITE_OK &&
	    has_moved != 0;
}

void
smx_reports_close(sqlite3 *db, const char *path)
{
	int lock;

	if (db == NULL)
		return;
	lock = lock_directory(path);
	/* The last one to close would remove the log by its name, which may be
	 * that of another file's log now. */
	if (smx_reports_has_moved(db) &&
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) !=
		SQLITE_OK)
		smx_log(SMX_LOG_ERROR, "reports: %s can't be closed", path);
	else
		sqlite3_close(db);
	unlock_directory(lock);
}

static int
put_aside(const char *path)
{
	char *aside = NULL;
	int rc = smx_sqlite_file_aside(path, &aside);

	if (rc == 0)
		smx_log(SMX_LOG_ERROR,
		    "reports: %s was damaged and has been put aside as %s; "
		    "what was counted in it will not be reported",
		    path, aside);
	free(aside);
	return rc;
}

int
smx_reports_put_aside(sqlite3 *db, const char *path)
{
	int lock = lock_directory(path);
	int rc = smx_reports_has_moved(db) ? 0 : put_aside(path);

	unlock_directory(lock);
	return rc;
}

/* @return a status; with -SMX_EIO, an errno is written, or 0. */
static int
make_and_open(const char *path, sqlite3 **ret, int *ret_error)
{
	*ret_error = smx_sqlite_file_make(path);
	if (*ret_error != 0)
		return *ret_error == ENOSPC ? -SMX_EFULL : -SMX_EIO;
	return open_file(path, ret);
}

int
smx_reports_open(const char *path, sqlite3 **ret, struct smx_buf *reason)
{
	int error = smx_sqlite_file_directory(path);
	int rc = -SMX_EIO, lock;

	if (error == 0) {
		lock = lock_directory(path);
		rc = make_and_open(path, ret, &error);
		if (rc == -SMX_ECORRUPT) {
			rc = put_aside(path);
			if (rc == 0)
				rc = make_and_open(path, ret, &error);
		}
		unlock_directory(lock);
	}
	if (rc < 0)
		smx_sqlite_file_explain(path, rc, error, reason);
	return rc;
}

int
smx_reports_open_read(const char *path, sqlite3 **ret, struct smx_buf *reason)
{
	sqlite3 *db = NULL;
	int rc;

	if (access(path, R_OK) < 0) {
		int error = errno;

		if (error == ENOENT)
			smx_buf_printf(reason,
			    "there is no store of reports at %s", path);
		else
			smx_buf_printf(reason,
			    "the store of reports %s can't be read: %s", path,
			    strerror(error));
		return error == ENOENT ? -SMX_ENOENT : -SMX_EIO;
	}
	rc = smx_sqlite_file_status(sqlite3_open_v2(path, &db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL));
	if (rc == 0) {
		sqlite3_busy_timeout(db, 5000);
		rc = smx_sqlite_file_run(db,
		    "SELECT id FROM domain_day "
		    "LIMIT 1;");
	}
	if (rc < 0) {
		if (db != NULL && sqlite3_errcode(db) == SQLITE_ERROR)
			smx_buf_printf(reason,
			    "%s is empty, or another program's: role collect "
			    "makes the store of reports when it starts",
			    path);
		else
			smx_buf_printf(reason,
			    "the store of reports %s can't be read: %s", path,
			    db != NULL ? sqlite3_errmsg(db)
				       : smx_status_text(rc));
		/* SQLite needs files beside it, which the daemon has while it
		 * runs. */
		if (db != NULL && sqlite3_errcode(db) == SQLITE_READONLY)
			smx_buf_add_text(reason,
			    "; while strictmxd is stopped, look as root or as "
			    "its user");
		sqlite3_close(db);
		return rc;
	}
	*ret = db;
	return 0;
}

int
smx_reports_prepare(sqlite3 *db, const struct smx_reports_statement *statements,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int rc = smx_sqlite_file_status(sqlite3_prepare_v3(db,
		    statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
		    statements[i].to, NULL));

		if (rc < 0)
			return rc;
	}
	return 0;
}

void
smx_reports_bind(sqlite3_stmt *s, int i, struct smx_slice text)
{
	sqlite3_bind_text(s, i, text.n != 0 ? text.p : "", (int)text.n,
	    SQLITE_STATIC);
}

struct smx_slice
smx_reports_column(sqlite3_stmt *s, int i)
{
	const unsigned char *p = sqlite3_column_text(s, i);

	return smx_slice(p != NULL ? (const char *)p : "",
	    (size_t)sqlite3_column_bytes(s, i));
}
