#include <stdlib.h>
#include <string.h>

#include "io/dispatch_sqlite.h"
#include "base/log.h"
#include "io/report_left_out_sqlite.h"
#include "io/reports_sqlite.h"
#include "io/sqlite_file.h"

enum statement {
	BEGIN,
	COMMIT,
	BACK,
	NEXT_OPEN,
	CLOSE,
	PUT,
	DUE,
	LEASE,
	PULL,
	POSTPONE,
	POLICIES,
	FAILURES,
	END,
	NEXT_DUE,
	OLD,
	FORGET_FAILURES,
	FORGET_POLICIES,
	FORGET_DELIVERIES,
	FORGET_DAY,
	STATEMENT_COUNT,
};

static const char *const sql[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[BACK] = "ROLLBACK",
	[NEXT_OPEN] =
	    "SELECT id, day, domain, record, '', " SMX_REPORT_HAS_FAILURE
	    " FROM domain_day AS d WHERE report_id IS NULL AND day < ?1"
	    " ORDER BY day LIMIT 1",
	[CLOSE] = "UPDATE domain_day SET report_id = ?2 WHERE id = ?1",
	[PUT] = "INSERT INTO delivery (domain_day, uri, state, attempts, first,"
		" next, detail) VALUES (?1, ?2, 0, 0, 0, ?3, '')"
		" ON CONFLICT DO NOTHING",
	[DUE] = "SELECT d.id, d.day, d.domain, '', d.report_id, 0, v.uri,"
		" v.attempts, v.first FROM delivery AS v"
		" JOIN domain_day AS d ON d.id = v.domain_day"
		" WHERE v.state = 0 AND v.next <= ?1 AND d.day < ?2"
		" ORDER BY v.next LIMIT 1",
	[LEASE] = "UPDATE delivery SET next = ?3, first = ?4"
		  " WHERE domain_day = ?1 AND uri = ?2",
	[PULL] = "UPDATE delivery SET next = ?2 WHERE state = 0 AND next > ?1",
	[POSTPONE] = "UPDATE delivery SET next = ?3"
		     " WHERE domain_day = ?1 AND uri = ?2",
	[POLICIES] = "SELECT id, type, members, success, failure FROM policy"
		     " WHERE domain_day = ?1 ORDER BY id",
	[FAILURES] = "SELECT members, count FROM failure WHERE policy = ?1",
	[END] =
	    "UPDATE delivery SET state = ?3, next = ?4, ended = ?5,"
	    " detail = ?6, attempts = attempts + 1 WHERE domain_day = ?1 AND uri = ?2",
	[NEXT_DUE] = "SELECT min(next) FROM delivery WHERE state = 0",
	[OLD] = "SELECT id FROM domain_day AS d WHERE day < ?1"
		" AND report_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM"
		" delivery WHERE domain_day = d.id AND state = 0) LIMIT 1",
	[FORGET_FAILURES] = "DELETE FROM failure WHERE policy IN"
			    " (SELECT id FROM policy WHERE domain_day = ?1)",
	[FORGET_POLICIES] = "DELETE FROM policy WHERE domain_day = ?1",
	[FORGET_DELIVERIES] = "DELETE FROM delivery WHERE domain_day = ?1",
	[FORGET_DAY] = "DELETE FROM domain_day WHERE id = ?1",
};

struct smx_dispatch_store {
	char *path;
	sqlite3 *db; /* NULL: it could not be opened again */
	sqlite3_stmt *statements[STATEMENT_COUNT];
	int last; /* whose row is borrowed; reset with the next call */
};

/* Start a statement. What was borrowed before dies. */
static sqlite3_stmt *
start(struct smx_dispatch_store *s, enum statement i)
{
	sqlite3_reset(s->statements[s->last]);
	sqlite3_reset(s->statements[i]);
	s->last = (int)i;
	return s->statements[i];
}

/* Run one that gives no rows. */
static int
run(struct smx_dispatch_store *s, enum statement i)
{
	int rc = smx_sqlite_file_status(sqlite3_step(s->statements[i]));

	sqlite3_reset(s->statements[i]);
	return rc;
}

/* Get the row of one that gives a row or none. */
static int
get(struct smx_dispatch_store *s, enum statement i)
{
	int rc = sqlite3_step(s->statements[i]);

	if (rc == SQLITE_ROW)
		return 0;
	sqlite3_reset(s->statements[i]);
	return rc == SQLITE_DONE ? -SMX_ENOENT : smx_sqlite_file_status(rc);
}

static int
begin(void *self)
{
	start(self, BEGIN);
	return run(self, BEGIN);
}

static int
commit(void *self)
{
	start(self, COMMIT);
	return run(self, COMMIT);
}

static void
back(void *self)
{
	struct smx_dispatch_store *s = self;

	start(s, BACK);
	/* There may be no transaction: then there is nothing to give up. */
	if (s->db != NULL && !sqlite3_get_autocommit(s->db) && run(s, BACK) < 0)
		return;
}

static void
read_day(sqlite3_stmt *st, struct smx_report_day *ret)
{
	*ret = (struct smx_report_day){
		.id = sqlite3_column_int64(st, 0),
		.day = sqlite3_column_int64(st, 1),
		.domain = smx_reports_column(st, 2),
		.record = smx_reports_column(st, 3),
		.report_id = smx_reports_column(st, 4),
		.has_failure = sqlite3_column_int(st, 5) != 0,
	};
}

static int
next_open(void *self, int64_t before, struct smx_report_day *ret)
{
	sqlite3_stmt *st = start(self, NEXT_OPEN);
	int rc;

	sqlite3_bind_int64(st, 1, before);
	rc = get(self, NEXT_OPEN);
	if (rc == 0)
		read_day(st, ret);
	return rc;
}

/* These two are called while a row of next_open() is borrowed: no start(). */
static int
close_day(void *self, int64_t id, struct smx_slice report_id)
{
	struct smx_dispatch_store *s = self;

	sqlite3_bind_int64(s->statements[CLOSE], 1, id);
	smx_reports_bind(s->statements[CLOSE], 2, report_id);
	return run(s, CLOSE);
}

static int
put(void *self, int64_t id, struct smx_slice uri, smx_time due)
{
	struct smx_dispatch_store *s = self;

	sqlite3_bind_int64(s->statements[PUT], 1, id);
	smx_reports_bind(s->statements[PUT], 2, uri);
	sqlite3_bind_int64(s->statements[PUT], 3, due);
	return run(s, PUT);
}

static int
postpone(void *self, int64_t id, struct smx_slice uri, smx_time next)
{
	sqlite3_stmt *st = start(self, POSTPONE);

	sqlite3_bind_int64(st, 1, id);
	smx_reports_bind(st, 2, uri);
	sqlite3_bind_int64(st, 3, next);
	return run(self, POSTPONE);
}

static int
pull(void *self, smx_time after, smx_time due)
{
	sqlite3_stmt *st = start(self, PULL);

	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int64(st, 2, due);
	return run(self, PULL);
}

/* While the row is borrowed: no start(). */
static int
lease(struct smx_dispatch_store *s, const struct smx_report_delivery *d,
    smx_time until)
{
	sqlite3_stmt *st = s->statements[LEASE];

	sqlite3_bind_int64(st, 1, d->day.id);
	smx_reports_bind(st, 2, d->uri);
	sqlite3_bind_int64(st, 3, until);
	sqlite3_bind_int64(st, 4, d->first);
	return run(s, LEASE);
}

static int
take(void *self, smx_time now, smx_time until, struct smx_report_delivery *ret)
{
	struct smx_dispatch_store *s = self;
	sqlite3_stmt *st = start(s, DUE);
	int rc;

	sqlite3_bind_int64(st, 1, now);
	/* A clock that is behind: that day isn't over. */
	sqlite3_bind_int64(st, 2, now / SMX_DAY);
	rc = get(s, DUE);
	if (rc < 0)
		return rc;
	read_day(st, &ret->day);
	ret->uri = smx_reports_column(st, 6);
	ret->attempts = (unsigned)sqlite3_column_int(st, 7);
	ret->first = sqlite3_column_int64(st, 8);
	/* Never taken before, or when the clock was wrong. */
	if (ret->first < (ret->day.day + 1) * SMX_DAY || ret->first > now)
		ret->first = now;
	return lease(s, ret, until);
}

static int
walk_failures(struct smx_dispatch_store *s, int64_t policy,
    const struct smx_report_visitor *v)
{
	sqlite3_stmt *st = s->statements[FAILURES];
	int rc;

	sqlite3_bind_int64(st, 1, policy);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		v->failure(v->arg, smx_reports_column(st, 0),
		    (uint64_t)sqlite3_column_int64(st, 1));
	sqlite3_reset(st);
	return smx_sqlite_file_status(rc);
}

static int
walk(void *self, int64_t id, const struct smx_report_visitor *v)
{
	struct smx_dispatch_store *s = self;
	sqlite3_stmt *st = s->statements[POLICIES];
	int rc, failed = 0;

	sqlite3_bind_int64(st, 1, id);
	while (failed == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		v->policy(v->arg,
		    (enum smx_tlsrpt_policy_type)sqlite3_column_int(st, 1),
		    smx_reports_column(st, 2),
		    (uint64_t)sqlite3_column_int64(st, 3),
		    (uint64_t)sqlite3_column_int64(st, 4));
		failed = walk_failures(s, sqlite3_column_int64(st, 0), v);
	}
	sqlite3_reset(st);
	return failed < 0 ? failed : smx_sqlite_file_status(rc);
}

static int
end(void *self, int64_t id, struct smx_slice uri,
    const struct smx_report_outcome *outcome)
{
	sqlite3_stmt *st = start(self, END);

	sqlite3_bind_int64(st, 1, id);
	smx_reports_bind(st, 2, uri);
	sqlite3_bind_int(st, 3, (int)outcome->state);
	sqlite3_bind_int64(st, 4, outcome->next);
	if (outcome->state == SMX_DELIVERY_WAITING)
		sqlite3_bind_null(st, 5);
	else
		sqlite3_bind_int64(st, 5, outcome->now);
	smx_reports_bind(st, 6, outcome->detail);
	return run(self, END);
}

static int
next_due(void *self, smx_time *ret_wall)
{
	sqlite3_stmt *st = start(self, NEXT_DUE);
	int rc = get(self, NEXT_DUE);

	if (rc == 0)
		*ret_wall = sqlite3_column_type(st, 0) == SQLITE_NULL
		    ? SMX_NEVER
		    : sqlite3_column_int64(st, 0);
	/* It is some time until the next call: whoever reads keeps the log from
	 * being written back. */
	sqlite3_reset(st);
	return rc;
}

static int
forget(void *self, int64_t before)
{
	static const enum statement steps[] = { FORGET_FAILURES,
		FORGET_POLICIES, FORGET_DELIVERIES, FORGET_DAY };
	struct smx_dispatch_store *s = self;
	sqlite3_stmt *st = start(s, OLD);
	int64_t id;
	int rc;

	sqlite3_bind_int64(st, 1, before);
	rc = get(s, OLD);
	if (rc < 0)
		return rc;
	id = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]);
	     i++) {
		sqlite3_bind_int64(s->statements[steps[i]], 1, id);
		rc = run(s, steps[i]);
	}
	return rc;
}

static const struct smx_reports_ops ops = {
	.begin = begin,
	.commit = commit,
	.back = back,
	.next_open = next_open,
	.close = close_day,
	.put = put,
	.take = take,
	.pull = pull,
	.postpone = postpone,
	.walk = walk,
	.end = end,
	.next_due = next_due,
	.forget = forget,
};

struct smx_reports_port
smx_dispatch_store_port(struct smx_dispatch_store *s)
{
	return (struct smx_reports_port){ &ops, s };
}

static int
prepare(struct smx_dispatch_store *s)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < STATEMENT_COUNT; i++) {
		const struct smx_reports_statement statement = { sql[i],
			&s->statements[i] };

		rc = smx_reports_prepare(s->db, &statement, 1);
	}
	return rc;
}

static void
close_db(struct smx_dispatch_store *s)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(s->statements[i]);
		s->statements[i] = NULL;
	}
	smx_reports_close(s->db, s->path);
	s->db = NULL;
}

static int
open_db(struct smx_dispatch_store *s, bool is_reader, struct smx_buf *reason)
{
	int rc = is_reader ? smx_reports_open_read(s->path, &s->db, reason)
			   : smx_reports_open(s->path, &s->db, reason);

	if (rc < 0)
		return rc;
	rc = prepare(s);
	if (rc < 0) {
		smx_buf_printf(reason, "the store of reports %s: %s", s->path,
		    sqlite3_errmsg(s->db));
		close_db(s);
	}
	return rc;
}

int
smx_dispatch_store_open(const char *path, bool is_reader,
    struct smx_dispatch_store **ret, struct smx_buf *reason)
{
	struct smx_dispatch_store *s = calloc(1, sizeof(*s));
	int rc = -SMX_ENOMEM;

	if (s == NULL)
		return rc;
	s->path = strdup(path);
	if (s->path != NULL)
		rc = open_db(s, is_reader, reason);
	if (rc == -SMX_EFULL && !is_reader) {
		/* It may be over soon: smx_dispatch_store_follow() sees. */
		smx_log(SMX_LOG_ERROR, "reports: %s", smx_buf_text(reason));
		smx_buf_reset(reason);
		rc = 0;
	}
	if (rc < 0)
		smx_dispatch_store_close(&s);
	else
		*ret = s;
	return rc;
}

int
smx_dispatch_store_follow(struct smx_dispatch_store *s, struct smx_buf *reason)
{
	int rc;

	if (s->db != NULL && !smx_reports_has_moved(s->db))
		return 0;
	close_db(s);
	rc = open_db(s, false, reason);
	return rc < 0 ? rc : 1;
}

int
smx_dispatch_store_put_aside(struct smx_dispatch_store *s)
{
	return s->db != NULL ? smx_reports_put_aside(s->db, s->path) : 0;
}

void
smx_dispatch_store_close(struct smx_dispatch_store **sp)
{
	struct smx_dispatch_store *s = *sp;

	if (s == NULL)
		return;
	close_db(s);
	free(s->path);
	free(s);
	*sp = NULL;
}

int
smx_dispatch_store_token(struct smx_dispatch_store *s,
    char ret_token[SMX_DISPATCH_TOKEN_BYTES])
{
	sqlite3_stmt *st = NULL;
	struct smx_slice token;
	int rc = sqlite3_prepare_v2(s->db, "SELECT token FROM installation", -1,
	    &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		token = smx_reports_column(st, 0);
		if (token.n >= SMX_DISPATCH_TOKEN_BYTES)
			token.n = SMX_DISPATCH_TOKEN_BYTES - 1;
		memcpy(ret_token, token.p, token.n);
		ret_token[token.n] = '\0';
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0
	    : rc == SQLITE_DONE ? -SMX_ECORRUPT
				: smx_sqlite_file_status(rc);
}
