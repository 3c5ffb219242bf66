#include "io/report_list_sqlite.h"
#include "io/reports_sqlite.h"
#include "io/sqlite_file.h"

static const char list_sql[] =
    "SELECT d.id, d.day, d.domain, d.record, coalesce(d.report_id, ''),"
    " (SELECT coalesce(sum(success), 0) FROM policy WHERE domain_day = d.id),"
    " (SELECT coalesce(sum(failure), 0) FROM policy WHERE domain_day = d.id),"
    " v.uri, v.state, v.attempts, v.first, v.next, v.ended, v.detail"
    " FROM domain_day AS d LEFT JOIN delivery AS v ON v.domain_day = d.id"
    " WHERE (?1 = '' OR d.domain = ?1) AND (?2 < 0 OR d.day = ?2)"
    " ORDER BY d.day, d.domain, v.uri";

/* What was given up begins anew, with all the time there is. */
static const char hurry_sql[] =
    "UPDATE delivery SET next = ?3,"
    " first = CASE state WHEN 0 THEN first ELSE ?3 END,"
    " state = 0, ended = NULL WHERE state IN (0, 2) AND domain_day IN"
    " (SELECT id FROM domain_day WHERE (?1 = '' OR domain = ?1)"
    " AND (?2 < 0 OR day = ?2))";

static int
prepare(sqlite3 *db, const char *sql,
    const struct smx_report_list_filter *filter, sqlite3_stmt **ret)
{
	int rc =
	    smx_sqlite_file_status(sqlite3_prepare_v2(db, sql, -1, ret, NULL));

	if (rc < 0)
		return rc;
	smx_reports_bind(*ret, 1, filter->domain);
	sqlite3_bind_int64(*ret, 2, filter->day);
	return 0;
}

static void
read_row(sqlite3_stmt *st, struct smx_report_list_row *r)
{
	*r = (struct smx_report_list_row){
		.day = { .id = sqlite3_column_int64(st, 0),
		    .day = sqlite3_column_int64(st, 1),
		    .domain = smx_reports_column(st, 2),
		    .record = smx_reports_column(st, 3),
		    .report_id = smx_reports_column(st, 4) },
		.success = (uint64_t)sqlite3_column_int64(st, 5),
		.failure = (uint64_t)sqlite3_column_int64(st, 6),
		.has_delivery = sqlite3_column_type(st, 7) != SQLITE_NULL,
		.state = (enum smx_delivery_state)sqlite3_column_int(st, 8),
		.next = sqlite3_column_int64(st, 11),
		.ended = sqlite3_column_int64(st, 12),
		.detail = smx_reports_column(st, 13),
	};
	r->delivery = (struct smx_report_delivery){
		.day = r->day,
		.uri = smx_reports_column(st, 7),
		.attempts = (unsigned)sqlite3_column_int(st, 9),
		.first = sqlite3_column_int64(st, 10),
	};
}

int
smx_report_list(const char *path, const struct smx_report_list_filter *filter,
    void (*row)(void *arg, const struct smx_report_list_row *row), void *arg,
    struct smx_buf *reason)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int rc = smx_reports_open_read(path, &db, reason), step;

	if (rc < 0)
		return rc;
	rc = prepare(db, list_sql, filter, &st);
	if (rc == 0) {
		struct smx_report_list_row r;

		while ((step = sqlite3_step(st)) == SQLITE_ROW) {
			read_row(st, &r);
			row(arg, &r);
		}
		rc = smx_sqlite_file_status(step);
	}
	if (rc < 0)
		smx_buf_printf(reason, "the store of reports %s: %s", path,
		    sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return rc;
}

int
smx_report_list_hurry(const char *path,
    const struct smx_report_list_filter *filter, smx_time wall,
    size_t *ret_count, struct smx_buf *reason)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	/* Not to make one where there is none. */
	int rc = smx_reports_open_read(path, &db, reason);

	if (rc < 0)
		return rc;
	sqlite3_close(db);
	rc = smx_reports_open(path, &db, reason);
	if (rc < 0)
		return rc;
	rc = prepare(db, hurry_sql, filter, &st);
	if (rc == 0) {
		sqlite3_bind_int64(st, 3, wall);
		rc = smx_sqlite_file_status(sqlite3_step(st));
	}
	if (rc == 0)
		*ret_count = (size_t)sqlite3_changes(db);
	else
		smx_buf_printf(reason, "the store of reports %s: %s", path,
		    sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return rc;
}
