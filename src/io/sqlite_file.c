#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/sqlite_file.h"
#include "base/status.h"

/* How long one process waits for the other's transaction. */
#define SHARED_WAIT_MS 5000

int
smx_sqlite_file_status(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -SMX_EBUSY;
	case SQLITE_NOMEM:
		return -SMX_ENOMEM;
	case SQLITE_FULL:
		return -SMX_EFULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -SMX_ECORRUPT;
	default:
		return -SMX_EIO;
	}
}

int
smx_sqlite_file_run(sqlite3 *db, const char *sql)
{
	return smx_sqlite_file_status(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static int
read_number(sqlite3 *db, const char *sql, sqlite3_int64 *ret)
{
	sqlite3_stmt *statement = NULL;
	int rc = smx_sqlite_file_status(sqlite3_prepare_v2(db, sql, -1,
	    &statement, NULL));

	if (rc == 0)
		rc = smx_sqlite_file_status(sqlite3_step(statement));
	if (rc == 0)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc;
}

/*
 * Is it ours, and of a version that we know? Nothing is written yet: a file of
 * somebody else stays as it is. From the first read on, a file that is not shared
 * is locked until it is closed.
 */
static int
check_owner(sqlite3 *db, const struct smx_sqlite_schema *schema,
    bool *ret_is_new)
{
	sqlite3_int64 application = 0, version = 0, tables = 0;
	int rc = schema->is_shared
	    ? 0
	    : smx_sqlite_file_run(db, "PRAGMA locking_mode = EXCLUSIVE;");

	if (rc == 0)
		rc = read_number(db, "PRAGMA application_id;", &application);
	if (rc == 0)
		rc = read_number(db, "PRAGMA user_version;", &version);
	if (rc == 0)
		rc = read_number(db, "SELECT count(*) FROM sqlite_schema;",
		    &tables);
	if (rc < 0)
		return rc;
	*ret_is_new = application != schema->application_id && tables == 0;
	if (!*ret_is_new &&
	    (application != schema->application_id ||
		version > schema->version))
		return -SMX_EVERSION;
	return 0;
}

static int
make_schema(sqlite3 *db, const struct smx_sqlite_schema *schema)
{
	char sql[128];
	int rc = smx_sqlite_file_run(db, "BEGIN IMMEDIATE;");

	snprintf(sql, sizeof(sql),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
	    schema->application_id, schema->version);
	if (rc == 0)
		rc = smx_sqlite_file_run(db, schema->sql);
	return rc == 0 ? smx_sqlite_file_run(db, sql) : rc;
}

int
smx_sqlite_file_own(sqlite3 *db, const struct smx_sqlite_schema *schema)
{
	bool is_new = false;
	int rc;

	if (schema->is_shared)
		sqlite3_busy_timeout(db, SHARED_WAIT_MS);
	rc = check_owner(db, schema, &is_new);
	if (rc == 0)
		rc = smx_sqlite_file_run(db, "PRAGMA journal_mode = WAL;");
	if (rc == 0)
		rc = smx_sqlite_file_run(db,
		    "PRAGMA synchronous = NORMAL;"
		    " PRAGMA cache_size = -512;");
	if (rc == 0 && !schema->is_shared)
		rc = smx_sqlite_file_run(db, "BEGIN EXCLUSIVE; COMMIT;");
	return rc == 0 && is_new ? make_schema(db, schema) : rc;
}

int
smx_sqlite_file_directory(const char *path)
{
	char *copy = strdup(path);
	int error = 0;

	if (copy == NULL)
		return ENOMEM;
	if (mkdir(dirname(copy), 0750) < 0 && errno != EEXIST)
		error = errno;
	free(copy);
	if (error == 0) {
		copy = strdup(path);
		if (copy == NULL)
			return ENOMEM;
		if (access(dirname(copy), W_OK | X_OK) < 0)
			error = errno;
		free(copy);
	}
	if (error == 0 && access(path, F_OK) == 0 &&
	    access(path, R_OK | W_OK) < 0)
		error = errno;
	return error;
}

void
smx_sqlite_file_explain(const char *path, int rc, int error,
    struct smx_buf *reason)
{
	switch (rc) {
	case -SMX_EBUSY:
		smx_buf_printf(reason,
		    "store %s is in use by another process: stop the other "
		    "strictmxd, or give each its own store",
		    path);
		break;
	case -SMX_EVERSION:
		smx_buf_printf(reason,
		    "store %s was written by a newer strictmx or by another "
		    "program: use another file",
		    path);
		break;
	case -SMX_EFULL:
		smx_buf_printf(reason, "store %s: the disk is full", path);
		break;
	default:
		smx_buf_printf(reason,
		    "store %s can't be opened for writing: %s", path,
		    error != 0 ? strerror(error) : smx_status_text(rc));
	}
}

int
smx_sqlite_file_aside(const char *path, char **ret_aside)
{
	char *aside = NULL, *wal = NULL, *aside_wal = NULL;
	int rc = 0;

	if (asprintf(&aside, "%s.damaged-%lld", path, (long long)time(NULL)) <
	    0)
		return -SMX_ENOMEM;
	if (rename(path, aside) < 0)
		rc = -SMX_EIO;
	/* The log belongs to the file; without one there is none. */
	if (rc == 0 && asprintf(&wal, "%s-wal", path) >= 0 &&
	    asprintf(&aside_wal, "%s-wal", aside) >= 0 &&
	    rename(wal, aside_wal) < 0 && errno != ENOENT)
		rc = -SMX_EIO;
	free(wal);
	free(aside_wal);
	if (rc < 0)
		free(aside);
	else
		*ret_aside = aside;
	return rc;
}

static int
copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char chunk[65536];
	ssize_t n = -1;

	while (in >= 0 && out >= 0 && (n = read(in, chunk, sizeof(chunk))) > 0)
		if (write(out, chunk, (size_t)n) != n)
			break;
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) < 0)
		n = -1;
	return n == 0 ? 0 : -SMX_EIO;
}

/* SQLite's own way to empty a database however damaged it is, with the locks
 * that other connections respect. */
static int
empty(sqlite3 *db)
{
	int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_RESET_DATABASE, 1, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "VACUUM", NULL, NULL, NULL);
	if (sqlite3_db_config(db, SQLITE_DBCONFIG_RESET_DATABASE, 0, NULL) !=
	    SQLITE_OK)
		rc = SQLITE_ERROR;
	return smx_sqlite_file_status(rc);
}

int
smx_sqlite_file_reset(const char *path, const struct smx_sqlite_schema *schema,
    char **ret_aside)
{
	char *aside = NULL;
	sqlite3 *db = NULL;
	int rc;

	if (asprintf(&aside, "%s.damaged-%lld", path, (long long)time(NULL)) <
	    0)
		return -SMX_ENOMEM;
	/* Without a copy (no room) the new beginning is worth more. */
	if (copy_file(path, aside) < 0)
		unlink(aside);
	rc = smx_sqlite_file_status(sqlite3_open_v2(path, &db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (rc == 0) {
		sqlite3_busy_timeout(db, SHARED_WAIT_MS);
		rc = empty(db);
	}
	if (rc == 0)
		rc = smx_sqlite_file_own(db, schema);
	sqlite3_close(db);
	if (rc < 0) {
		unlink(aside);
		free(aside);
	} else {
		*ret_aside = aside;
	}
	return rc;
}
