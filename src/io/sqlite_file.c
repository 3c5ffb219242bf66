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
smx_sqlite_file_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST || access(path, R_OK | W_OK) < 0)
		return errno;
	return 0;
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

static int
rename_beside(const char *path, const char *aside, const char *suffix)
{
	char *from = NULL, *to = NULL;
	int rc = -SMX_ENOMEM;

	if (asprintf(&from, "%s%s", path, suffix) < 0)
		from = NULL;
	if (asprintf(&to, "%s%s", aside, suffix) < 0)
		to = NULL;
	if (from != NULL && to != NULL)
		rc = rename(from, to) < 0 && errno != ENOENT ? -SMX_EIO : 0;
	free(from);
	free(to);
	return rc;
}

int
smx_sqlite_file_aside(const char *path, char **ret_aside)
{
	char *aside = NULL;
	int rc = 0;

	if (asprintf(&aside, "%s.damaged-%lld", path, (long long)time(NULL)) <
	    0)
		return -SMX_ENOMEM;
	if (rename(path, aside) < 0)
		rc = -SMX_EIO;
	/* The log belongs to the file, and so does the index of the log: the
	 * next file may not begin with them. */
	if (rc == 0)
		rc = rename_beside(path, aside, "-wal");
	if (rc == 0)
		rc = rename_beside(path, aside, "-shm");
	if (rc < 0)
		free(aside);
	else
		*ret_aside = aside;
	return rc;
}
