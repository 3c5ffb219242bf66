#include <stdbool.h>
#include <stdio.h>

#include "io/store_sqlite_file.h"
#include "base/status.h"

/* "SMX1": the file is ours. */
#define APPLICATION_ID 0x534d5831
#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS policy ("
    " domain TEXT PRIMARY KEY NOT NULL,"
    " id TEXT NOT NULL,"
    " body BLOB NOT NULL,"
    " fetched INTEGER NOT NULL," /* milliseconds since the epoch */
    " used INTEGER NOT NULL,"
    " crc INTEGER NOT NULL" /* of domain, id, body, fetched */
    ") WITHOUT ROWID;";

int
smx_store_sqlite_file_status(int rc)
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
smx_store_sqlite_file_run(sqlite3 *db, const char *sql)
{
	return smx_store_sqlite_file_status(sqlite3_exec(db, sql, NULL, NULL,
	    NULL));
}

static int
read_number(sqlite3 *db, const char *sql, sqlite3_int64 *ret)
{
	sqlite3_stmt *statement = NULL;
	int rc = smx_store_sqlite_file_status(sqlite3_prepare_v2(db, sql, -1,
	    &statement, NULL));

	if (rc == 0)
		rc = smx_store_sqlite_file_status(sqlite3_step(statement));
	if (rc == 0)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc;
}

/*
 * Is it ours, and of a version that we know? Nothing is written yet: a file of
 * somebody else stays as it is. From the first read on, the file is locked
 * until it is closed.
 */
static int
check_owner(sqlite3 *db, bool *ret_is_new)
{
	sqlite3_int64 application = 0, version = 0, tables = 0;
	int rc = smx_store_sqlite_file_run(db,
	    "PRAGMA locking_mode = EXCLUSIVE;");

	if (rc == 0)
		rc = read_number(db, "PRAGMA application_id;", &application);
	if (rc == 0)
		rc = read_number(db, "PRAGMA user_version;", &version);
	if (rc == 0)
		rc = read_number(db, "SELECT count(*) FROM sqlite_schema;",
		    &tables);
	if (rc < 0)
		return rc;
	*ret_is_new = application != APPLICATION_ID && tables == 0;
	if (!*ret_is_new &&
	    (application != APPLICATION_ID || version > SCHEMA_VERSION))
		return -SMX_EVERSION;
	return 0;
}

static int
make_schema(sqlite3 *db)
{
	char sql[128];
	int rc = smx_store_sqlite_file_run(db, "BEGIN;");

	snprintf(sql, sizeof(sql),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
	    APPLICATION_ID, SCHEMA_VERSION);
	if (rc == 0)
		rc = smx_store_sqlite_file_run(db, schema);
	return rc == 0 ? smx_store_sqlite_file_run(db, sql) : rc;
}

int
smx_store_sqlite_file_own(sqlite3 *db)
{
	bool is_new = false;
	int rc = check_owner(db, &is_new);

	if (rc == 0)
		rc = smx_store_sqlite_file_run(db,
		    "PRAGMA journal_mode = WAL;");
	if (rc == 0)
		rc = smx_store_sqlite_file_run(db,
		    "PRAGMA synchronous = NORMAL;"
		    " PRAGMA cache_size = -512;");
	if (rc == 0)
		rc = smx_store_sqlite_file_run(db, "BEGIN EXCLUSIVE; COMMIT;");
	return rc == 0 && is_new ? make_schema(db) : rc;
}
