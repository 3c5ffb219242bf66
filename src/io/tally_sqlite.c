#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "io/tally_sqlite.h"
#include "base/log.h"
#include "base/require.h"
#include "core/tlsrpt_report.h"
#include "io/reports_sqlite.h"
#include "io/sqlite_file.h"

#define RETRY_S 1
/* Attempts to write between those to put a damaged file aside. */
#define ASIDE_EVERY 60

struct smx_tally_store {
	char *path;
	sqlite3 *db;
	sqlite3_stmt *put_domain, *count_policy, *put_policy, *count_failure,
	    *put_failure, *place_policy, *place_failure;
	pthread_t thread;
	bool is_started;
	int told; /* the status that was logged last */
	uint64_t merged;
	uint64_t damaged; /* attempts to write that met damage */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under lock: */
	struct smx_tally_batch batch;
	bool is_busy;
	bool is_stopping;
	struct smx_tally_store_counts counts;
};

static const char put_domain_sql[] =
    "INSERT INTO domain_day (day, domain, record) VALUES (?1, ?2, ?3)"
    " ON CONFLICT (day, domain) DO UPDATE SET record ="
    " CASE WHEN report_id IS NULL THEN excluded.record ELSE record END"
    " RETURNING id, report_id IS NOT NULL";
static const char count_policy_sql[] =
    "UPDATE policy SET success = success + ?3, failure = failure + ?4"
    " WHERE domain_day = ?1 AND members = ?2 RETURNING id";
static const char put_policy_sql[] =
    "INSERT INTO policy (domain_day, members, success, failure, type)"
    " VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";
static const char count_failure_sql[] = "UPDATE failure SET count = count + ?3"
					" WHERE policy = ?1 AND members = ?2";
static const char put_failure_sql[] =
    "INSERT INTO failure (policy, members, count) VALUES (?1, ?2, ?3)";
/* A place for one more, if there is one. The count is the store's alone: two
 * rows of a batch may have become one there. */
static const char place_policy_sql[] =
    "UPDATE domain_day SET policies = policies + 1"
    " WHERE id = ?1 AND policies < ?2 RETURNING policies";
static const char place_failure_sql[] =
    "UPDATE policy SET failures = failures + 1"
    " WHERE id = ?1 AND failures < ?2 RETURNING failures";

static void
close_db(struct smx_tally_store *s)
{
	sqlite3_stmt **const statements[] = { &s->put_domain, &s->count_policy,
		&s->put_policy, &s->count_failure, &s->put_failure,
		&s->place_policy, &s->place_failure };

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]);
	     i++) {
		sqlite3_finalize(*statements[i]);
		*statements[i] = NULL;
	}
	smx_reports_close(s->db, s->path);
	s->db = NULL;
}

static int
open_db(struct smx_tally_store *s, struct smx_buf *reason)
{
	const struct smx_reports_statement statements[] = {
		{ put_domain_sql, &s->put_domain },
		{ count_policy_sql, &s->count_policy },
		{ put_policy_sql, &s->put_policy },
		{ count_failure_sql, &s->count_failure },
		{ put_failure_sql, &s->put_failure },
		{ place_policy_sql, &s->place_policy },
		{ place_failure_sql, &s->place_failure },
	};
	int rc = smx_reports_open(s->path, &s->db, reason);

	if (rc == 0)
		rc = smx_reports_prepare(s->db, statements,
		    sizeof(statements) / sizeof(statements[0]));
	if (rc < 0)
		close_db(s);
	return rc;
}

/* Run a statement that gives one row or none. */
static int
step(sqlite3_stmt *st, int64_t *ret, bool *ret_found)
{
	int rc = sqlite3_step(st);

	*ret_found = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW) {
		*ret = sqlite3_column_int64(st, 0);
		/* To its end, or nothing is changed. */
		rc = sqlite3_step(st);
	}
	sqlite3_reset(st);
	return smx_sqlite_file_status(rc);
}

static int
take_place(sqlite3_stmt *st, int64_t id, int64_t max, bool *ret_found)
{
	int64_t ignored;

	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, max);
	return step(st, &ignored, ret_found);
}

/* A day that was closed takes nothing any more: what comes late (the disk was
 * full, the clock was set back) is of the next one that is open. */
static int
write_domain(struct smx_tally_store *s, struct smx_tally_row *row)
{
	/* There was no memory for it, and so for nothing behind it. */
	if (row->record.n == 0)
		return 0;
	for (int64_t day = row->day;; day++) {
		sqlite3_stmt *st = s->put_domain;
		bool is_closed = false;
		int rc;

		sqlite3_bind_int64(st, 1, day);
		smx_reports_bind(st, 2, row->text);
		smx_reports_bind(st, 3, row->record);
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW) {
			row->stored = sqlite3_column_int64(st, 0);
			is_closed = sqlite3_column_int(st, 1) != 0;
			rc = sqlite3_step(st);
		}
		sqlite3_reset(st);
		if (rc != SQLITE_DONE || !is_closed)
			return smx_sqlite_file_status(rc);
	}
}

static void
bind_policy(sqlite3_stmt *st, const struct smx_tally_row *row,
    struct smx_slice members)
{
	sqlite3_bind_int64(st, 1, row->parent->stored);
	smx_reports_bind(st, 2, members);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)row->success);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)row->failure);
}

/* Add to a row that is there. */
static int
count_policy(struct smx_tally_store *s, struct smx_tally_row *row,
    struct smx_slice members, bool *ret_found)
{
	bind_policy(s->count_policy, row, members);
	return step(s->count_policy, &row->stored, ret_found);
}

static int
write_policy(struct smx_tally_store *s, struct smx_tally_row *row)
{
	struct smx_tally_row *domain = row->parent;
	struct smx_slice members = row->text;
	char storage[SMX_DOMAIN_MAX + 128];
	bool is_there, has_place = false;
	struct smx_buf other;
	int rc = count_policy(s, row, members, &is_there);

	if (rc == 0 && !is_there && !row->is_other)
		rc = take_place(s->place_policy, domain->stored,
		    SMX_TALLY_POLICIES_MAX, &has_place);
	if (rc == 0 && !is_there && !row->is_other && !has_place) {
		smx_buf_init_fixed(&other, storage, sizeof(storage));
		smx_tlsrpt_report_print_other_policy(row->type, domain->text,
		    &other);
		members = smx_buf_slice(&other);
		s->merged++;
		rc = count_policy(s, row, members, &is_there);
	}
	if (rc < 0 || is_there)
		return rc;
	if (!has_place)
		rc = take_place(s->place_policy, domain->stored, INT64_MAX,
		    &has_place);
	if (rc < 0)
		return rc;
	bind_policy(s->put_policy, row, members);
	sqlite3_bind_int(s->put_policy, 5, (int)row->type);
	return step(s->put_policy, &row->stored, &is_there);
}

/* Add to a row, or make it. */
static int
add_failure(sqlite3_stmt *st, const struct smx_tally_row *row,
    struct smx_slice members)
{
	int64_t ignored;
	bool found;

	sqlite3_bind_int64(st, 1, row->parent->stored);
	smx_reports_bind(st, 2, members);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)row->failure);
	return step(st, &ignored, &found);
}

static int
write_failure(struct smx_tally_store *s, struct smx_tally_row *row)
{
	int64_t policy = row->parent->stored;
	struct smx_slice members = row->text;
	bool has_place = false;
	int rc = add_failure(s->count_failure, row, members);

	if (rc < 0 || sqlite3_changes(s->db) > 0)
		return rc;
	if (!row->is_other)
		rc = take_place(s->place_failure, policy,
		    SMX_TALLY_FAILURES_MAX, &has_place);
	if (rc == 0 && !row->is_other && !has_place) {
		members = smx_tlsrpt_report_other_failure;
		s->merged++;
		rc = add_failure(s->count_failure, row, members);
		if (rc < 0 || sqlite3_changes(s->db) > 0)
			return rc;
	}
	if (rc == 0 && !has_place)
		rc = take_place(s->place_failure, policy, INT64_MAX,
		    &has_place);
	return rc == 0 ? add_failure(s->put_failure, row, members) : rc;
}

static int
write_rows(struct smx_tally_store *s, const struct smx_tally_batch *b)
{
	int rc = 0;

	for (struct smx_list *node = b->rows.next; rc == 0 && node != &b->rows;
	     node = node->next) {
		struct smx_tally_row *row = SMX_ELEMENT(node,
		    struct smx_tally_row, link);

		switch (row->kind) {
		case SMX_TALLY_DOMAIN:
			rc = write_domain(s, row);
			break;
		case SMX_TALLY_POLICY:
			rc = write_policy(s, row);
			break;
		case SMX_TALLY_FAILURE:
			rc = write_failure(s, row);
			break;
		}
	}
	return rc;
}

static int
try_batch(struct smx_tally_store *s, const struct smx_tally_batch *b)
{
	char storage[1024];
	struct smx_buf reason;
	int rc = 0;

	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	if (s->db != NULL && smx_reports_has_moved(s->db))
		close_db(s);
	if (s->db == NULL)
		rc = open_db(s, &reason);
	if (rc < 0)
		return rc;
	rc = smx_sqlite_file_run(s->db, "BEGIN IMMEDIATE;");
	if (rc == 0)
		rc = write_rows(s, b);
	if (rc == 0)
		rc = smx_sqlite_file_run(s->db, "COMMIT;");
	if (rc < 0 && !sqlite3_get_autocommit(s->db) &&
	    smx_sqlite_file_run(s->db, "ROLLBACK;") < 0)
		close_db(s);
	return rc;
}

static int
write_batch(struct smx_tally_store *s, const struct smx_tally_batch *b)
{
	int rc = try_batch(s, b);

	if (rc != -SMX_ECORRUPT)
		return rc;
	/* A page within, which nobody has seen until now. */
	if (s->db != NULL && s->damaged++ % ASIDE_EVERY == 0 &&
	    smx_reports_put_aside(s->db, s->path) == 0)
		rc = try_batch(s, b);
	else
		close_db(s);
	return rc;
}

/* Say it once for each kind of failure, and when it is over. */
static void
tell(struct smx_tally_store *s, int rc, const struct smx_tally_batch *b)
{
	if (rc == s->told)
		return;
	s->told = rc;
	if (rc < 0)
		smx_log(SMX_LOG_ERROR,
		    "reports: %s can't be written (%s): %llu events, and what "
		    "comes now, wait in memory",
		    s->path, smx_status_text(rc),
		    (unsigned long long)b->events);
	else
		smx_log(SMX_LOG_INFO, "reports: %s can be written again",
		    s->path);
}

static void *
run(void *arg)
{
	struct smx_tally_store *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct timespec until;
		int rc;

		while (!s->is_busy && !s->is_stopping)
			pthread_cond_wait(&s->wake, &s->lock);
		if (!s->is_busy)
			break;
		pthread_mutex_unlock(&s->lock);
		/* Nobody else touches a batch while it is busy. */
		rc = write_batch(s, &s->batch);
		tell(s, rc, &s->batch);
		pthread_mutex_lock(&s->lock);
		s->counts.merged = s->merged;
		if (rc == 0) {
			s->counts.batches++;
			s->counts.events += s->batch.events - s->batch.dropped;
			smx_port_tally_free(&s->batch);
			s->is_busy = false;
			continue;
		}
		s->counts.failed++;
		if (s->is_stopping)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += RETRY_S;
		while (!s->is_stopping &&
		    pthread_cond_timedwait(&s->wake, &s->lock, &until) !=
			ETIMEDOUT)
			continue;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int
start(struct smx_tally_store *s)
{
	sigset_t all, old;
	int rc;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&s->thread, NULL, run, s) != 0 ? -SMX_ENOMEM : 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->is_started = rc == 0;
	return rc;
}

static void
store_free(struct smx_tally_store *s)
{
	close_db(s);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	smx_port_tally_free(&s->batch);
	free(s->path);
	free(s);
}

int
smx_tally_store_open(const char *path, struct smx_tally_store **ret,
    struct smx_buf *reason)
{
	struct smx_tally_store *s = calloc(1, sizeof(*s));
	pthread_condattr_t attributes;
	int rc = -SMX_ENOMEM;

	if (s == NULL)
		return rc;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	smx_port_tally_init(&s->batch, 0);
	s->path = strdup(path);
	if (s->path != NULL)
		rc = open_db(s, reason);
	if (rc == -SMX_EFULL) {
		/* What comes fits in memory, and may be written later. */
		smx_log(SMX_LOG_ERROR, "reports: %s", smx_buf_text(reason));
		smx_buf_reset(reason);
		s->told = rc;
		rc = 0;
	}
	if (rc == 0)
		rc = start(s);
	if (rc < 0)
		store_free(s);
	else
		*ret = s;
	return rc;
}

bool
smx_tally_store_is_idle(struct smx_tally_store *s)
{
	bool is_idle;

	pthread_mutex_lock(&s->lock);
	is_idle = !s->is_busy;
	pthread_mutex_unlock(&s->lock);
	return is_idle;
}

void
smx_tally_store_give(struct smx_tally_store *s, struct smx_tally_batch *b)
{
	pthread_mutex_lock(&s->lock);
	SMX_REQUIRE(!s->is_busy);
	smx_port_tally_move(&s->batch, b);
	s->is_busy = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

struct smx_tally_store_counts
smx_tally_store_counts(struct smx_tally_store *s)
{
	struct smx_tally_store_counts counts;

	pthread_mutex_lock(&s->lock);
	counts = s->counts;
	pthread_mutex_unlock(&s->lock);
	return counts;
}

uint64_t
smx_tally_store_close(struct smx_tally_store **sp, struct smx_tally_batch *last)
{
	struct smx_tally_store *s = *sp;
	uint64_t lost = 0;

	if (s == NULL)
		return last->events;
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->is_started)
		pthread_join(s->thread, NULL);
	if (s->is_busy)
		lost += s->batch.events;
	if (last->row_count > 0 && write_batch(s, last) < 0)
		lost += last->events;
	smx_port_tally_free(last);
	store_free(s);
	*sp = NULL;
	return lost;
}
