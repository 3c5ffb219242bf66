#include "io/report_list_sqlite.h"
#include "core/limits.h"
#include "io/report_left_out_sqlite.h"
#include "io/reports_sqlite.h"
#include "io/sqlite_file.h"

/* Days of domains that are read in one transaction. A longer one would keep the
 * log of the daemon's changes from being taken back. */
#define PAGE 1000
/* As long as role collect and report wait for each other. */
#define WAIT_MS 5000

/* A page begins behind the last day and domain of the one before. */
static const char list_sql[] =
    "SELECT d.id, d.day, d.domain, d.record, coalesce(d.report_id, ''),"
    " (SELECT coalesce(sum(success), 0) FROM policy WHERE domain_day = d.id),"
    " (SELECT coalesce(sum(failure), 0) FROM policy WHERE domain_day = d.id),"
    " v.uri, v.state, v.attempts, v.first, v.next, v.ended, v.detail,"
    " " SMX_REPORT_HAS_FAILURE
    " FROM (SELECT * FROM domain_day WHERE (?1 = '' OR domain = ?1)"
    " AND day <= ?2 AND (day, domain) > (?3, ?4)"
    " ORDER BY day, domain LIMIT ?5) AS d"
    " LEFT JOIN delivery AS v ON v.domain_day = d.id"
    " ORDER BY d.day, d.domain, v.uri";

/* What was given up begins anew, with all the time there is. */
static const char hurry_sql[] =
    "UPDATE delivery SET next = ?3, first = 0,"
    " state = 0, ended = NULL WHERE state IN (0, 2)"
    " AND (?1 <> '' OR state = 2 OR attempts > 0) AND domain_day IN"
    " (SELECT id FROM domain_day WHERE (?1 = '' OR domain = ?1)"
    " AND (?2 < 0 OR day = ?2))";

struct walk {
	const struct smx_report_list_visitor *visitor;
	sqlite3_stmt *st;
	/* Where the next page begins. */
	int64_t day;
	struct smx_buf domain;
	size_t count; /* days of domains in this page */
};

static void
read_row(sqlite3_stmt *st, struct smx_report_list_row *r)
{
	*r = (struct smx_report_list_row){
		.day = { .id = sqlite3_column_int64(st, 0),
		    .day = sqlite3_column_int64(st, 1),
		    .domain = smx_reports_column(st, 2),
		    .record = smx_reports_column(st, 3),
		    .report_id = smx_reports_column(st, 4),
		    .has_failure = sqlite3_column_int(st, 14) != 0 },
		.success = (uint64_t)sqlite3_column_int64(st, 5),
		.failure = (uint64_t)sqlite3_column_int64(st, 6),
		.has_delivery = sqlite3_column_type(st, 7) != SQLITE_NULL,
		.next = sqlite3_column_int64(st, 11),
		.ended = sqlite3_column_int64(st, 12),
		.detail = smx_reports_column(st, 13),
	};
	switch (sqlite3_column_int(st, 8)) {
	case SMX_DELIVERY_DONE:
		r->state = SMX_DELIVERY_DONE;
		break;
	case SMX_DELIVERY_GIVEN_UP:
		r->state = SMX_DELIVERY_GIVEN_UP;
		break;
	default:
		r->state = SMX_DELIVERY_WAITING;
	}
	r->delivery = (struct smx_report_delivery){
		.day = r->day,
		.uri = smx_reports_column(st, 7),
		.attempts = (unsigned)sqlite3_column_int(st, 9),
		.first = sqlite3_column_int64(st, 10),
	};
}

static int
read_page(struct walk *w)
{
	int64_t last = -1;
	int step;

	sqlite3_bind_int64(w->st, 3, w->day);
	/* A copy: the buffer changes while the statement runs. */
	sqlite3_bind_text(w->st, 4, smx_buf_text(&w->domain), -1,
	    SQLITE_TRANSIENT);
	w->count = 0;
	while ((step = sqlite3_step(w->st)) == SQLITE_ROW) {
		struct smx_report_list_row row;

		read_row(w->st, &row);
		w->count += w->count == 0 || row.day.id != last;
		last = row.day.id;
		w->day = row.day.day;
		smx_buf_reset(&w->domain);
		smx_buf_add(&w->domain, row.day.domain);
		w->visitor->row(w->visitor->arg, &row);
	}
	sqlite3_reset(w->st);
	return step == SQLITE_DONE ? smx_buf_status(&w->domain)
				   : smx_sqlite_file_status(step);
}

static int
walk(sqlite3 *db, const struct smx_report_list_filter *filter,
    const struct smx_report_list_visitor *visitor)
{
	struct walk w = { .visitor = visitor, .day = filter->day };
	bool goes_on = true;
	int rc = smx_sqlite_file_status(sqlite3_prepare_v2(db, list_sql, -1,
	    &w.st, NULL));

	if (rc < 0)
		return rc;
	smx_buf_init(&w.domain, SMX_DOMAIN_MAX + 1);
	smx_reports_bind(w.st, 1, filter->domain);
	sqlite3_bind_int64(w.st, 2, filter->day < 0 ? INT64_MAX : filter->day);
	sqlite3_bind_int64(w.st, 5, PAGE);
	while (rc == 0 && goes_on) {
		rc = read_page(&w);
		goes_on = w.count == PAGE;
		if (rc == 0 && visitor->page != NULL)
			goes_on = visitor->page(visitor->arg) && goes_on;
	}
	sqlite3_finalize(w.st);
	smx_buf_done(&w.domain);
	return rc;
}

static void
explain(const char *path, sqlite3 *db, struct smx_buf *reason)
{
	smx_buf_printf(reason, "the store of reports %s: %s", path,
	    sqlite3_errmsg(db));
}

int
smx_report_list(const char *path, const struct smx_report_list_filter *filter,
    const struct smx_report_list_visitor *visitor, struct smx_buf *reason)
{
	sqlite3 *db = NULL;
	int rc = smx_reports_open_read(path, &db, reason);

	if (rc < 0)
		return rc;
	rc = walk(db, filter, visitor);
	if (rc < 0)
		explain(path, db, reason);
	sqlite3_close(db);
	return rc;
}

/* A store that is there and can be read; neither made nor put aside when it is
 * damaged, since that is the daemon's to do, as its user. */
static int
open_write(const char *path, sqlite3 **ret, struct smx_buf *reason)
{
	sqlite3 *db = NULL;
	int rc = smx_reports_open_read(path, &db, reason);

	if (rc < 0)
		return rc;
	sqlite3_close(db);
	db = NULL;
	rc = smx_sqlite_file_status(sqlite3_open_v2(path, &db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (rc < 0) {
		explain(path, db, reason);
		sqlite3_close(db);
		return rc;
	}
	sqlite3_busy_timeout(db, WAIT_MS);
	*ret = db;
	return 0;
}

static int
hurry(sqlite3 *db, const struct smx_report_list_filter *filter, smx_time wall,
    size_t *ret_count)
{
	sqlite3_stmt *st = NULL;
	int rc = smx_sqlite_file_status(sqlite3_prepare_v2(db, hurry_sql, -1,
	    &st, NULL));

	if (rc == 0) {
		smx_reports_bind(st, 1, filter->domain);
		sqlite3_bind_int64(st, 2, filter->day);
		sqlite3_bind_int64(st, 3, wall);
		rc = smx_sqlite_file_status(sqlite3_step(st));
	}
	sqlite3_finalize(st);
	if (rc == 0)
		*ret_count = (size_t)sqlite3_changes(db);
	return rc;
}

int
smx_report_list_hurry(const char *path,
    const struct smx_report_list_filter *filter, smx_time wall,
    size_t *ret_count, struct smx_buf *reason)
{
	sqlite3 *db = NULL;
	int rc = open_write(path, &db, reason);

	if (rc < 0)
		return rc;
	rc = hurry(db, filter, wall, ret_count);
	if (rc < 0)
		explain(path, db, reason);
	sqlite3_close(db);
	return rc;
}
