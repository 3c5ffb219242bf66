#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "io/store_sqlite.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/require.h"
#include "io/sqlite_file.h"

#define RETRY_S 5
/* Changes written in one transaction. */
#define BATCH 1000
/* What may wait to be written; more is not stored until it is fetched again. */
#define PENDING_BYTES_MAX ((size_t)32 << 20)

enum change_kind { CHANGE_PUT, CHANGE_TOUCH, CHANGE_REMOVE };

/* The latest pending change of one domain. */
struct change {
	struct smx_map_node by_domain;
	struct smx_list link;
	enum change_kind kind;
	struct smx_store_policy policy; /* slices into bytes */
	char bytes[];
};

struct smx_store {
	char *path;
	sqlite3 *db;
	sqlite3_stmt *put, *touch, *remove;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under lock: */
	struct smx_map pending;
	struct smx_list queue;
	size_t pending_bytes;
	bool overflow_told;
	bool stopping;
};

static const struct smx_sqlite_schema schema = {
	.application_id = 0x534d5831, /* "SMX1" */
	.version = 1,
	.sql = "CREATE TABLE IF NOT EXISTS policy ("
	       " domain TEXT PRIMARY KEY NOT NULL,"
	       " id TEXT NOT NULL,"
	       " body BLOB NOT NULL,"
	       " fetched INTEGER NOT NULL," /* milliseconds since the epoch */
	       " used INTEGER NOT NULL,"
	       " crc INTEGER NOT NULL" /* of domain, id, body, fetched */
	       ") WITHOUT ROWID;",
};

static const char put_sql[] =
    "INSERT INTO policy (domain, id, body, fetched, used, crc)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT (domain) DO UPDATE SET id = ?2, body = ?3, fetched = ?4,"
    " used = ?5, crc = ?6";
static const char touch_sql[] = "UPDATE policy SET used = ?2 WHERE domain = ?1";
static const char remove_sql[] = "DELETE FROM policy WHERE domain = ?1";
static const char load_sql[] =
    "SELECT domain, id, body, fetched, used, crc FROM policy";

/* A checksum that tells flipped bytes; SQLite itself does not look. */
static sqlite3_int64
checksum(const struct smx_store_policy *p)
{
	uLong crc = crc32(0, NULL, 0);

	crc = crc32(crc, (const Bytef *)p->domain.p, (uInt)p->domain.n);
	crc = crc32(crc, (const Bytef *)"\n", 1);
	crc = crc32(crc, (const Bytef *)p->id.p, (uInt)p->id.n);
	crc = crc32(crc, (const Bytef *)"\n", 1);
	crc = crc32(crc, (const Bytef *)p->body.p, (uInt)p->body.n);
	crc = crc32(crc, (const Bytef *)&p->fetched, sizeof(p->fetched));
	return (sqlite3_int64)crc;
}

static struct smx_slice
column(sqlite3_stmt *s, int i)
{
	const void *p = sqlite3_column_blob(s, i);

	return smx_slice(p != NULL ? p : "",
	    (size_t)sqlite3_column_bytes(s, i));
}

/* Read one row. @return false when it is damaged. */
static bool
read_row(sqlite3_stmt *s, struct smx_store_policy *p)
{
	*p = (struct smx_store_policy){
		.domain = column(s, 0),
		.id = column(s, 1),
		.body = column(s, 2),
		.fetched = sqlite3_column_int64(s, 3),
		.used = sqlite3_column_int64(s, 4),
	};
	return checksum(p) == sqlite3_column_int64(s, 5);
}

/* Walk over the rows of a database. */
static int
walk(sqlite3 *db, void (*row)(void *arg, const struct smx_store_policy *),
    void *arg, size_t *ret_damaged)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db, load_sql, -1, &s, NULL);

	if (rc == SQLITE_OK) {
		while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
			struct smx_store_policy p;

			if (read_row(s, &p))
				row(arg, &p);
			else
				++*ret_damaged;
		}
	}
	sqlite3_finalize(s);
	return smx_sqlite_file_status(rc);
}

static int
bind_and_step(sqlite3_stmt *s, const struct smx_store_policy *p,
    enum change_kind kind)
{
	int rc;

	sqlite3_bind_text(s, 1, p->domain.p, (int)p->domain.n, SQLITE_STATIC);
	if (kind == CHANGE_TOUCH)
		sqlite3_bind_int64(s, 2, p->used);
	if (kind == CHANGE_PUT) {
		sqlite3_bind_text(s, 2, p->id.n != 0 ? p->id.p : "",
		    (int)p->id.n, SQLITE_STATIC);
		sqlite3_bind_blob(s, 3, p->body.p, (int)p->body.n,
		    SQLITE_STATIC);
		sqlite3_bind_int64(s, 4, p->fetched);
		sqlite3_bind_int64(s, 5, p->used);
		sqlite3_bind_int64(s, 6, checksum(p));
	}
	rc = smx_sqlite_file_status(sqlite3_step(s));
	sqlite3_reset(s);
	return rc;
}

static void
close_db(struct smx_store *s)
{
	sqlite3_finalize(s->put);
	sqlite3_finalize(s->touch);
	sqlite3_finalize(s->remove);
	s->put = s->touch = s->remove = NULL;
	sqlite3_close(s->db);
	s->db = NULL;
}

static int
prepare(struct smx_store *s)
{
	const struct {
		const char *sql;
		sqlite3_stmt **to;
	} statements[] = {
		{ put_sql, &s->put },
		{ touch_sql, &s->touch },
		{ remove_sql, &s->remove },
	};

	for (size_t i = 0; i < 3; i++) {
		int rc = sqlite3_prepare_v2(s->db, statements[i].sql, -1,
		    statements[i].to, NULL);

		if (rc != SQLITE_OK)
			return smx_sqlite_file_status(rc);
	}
	return 0;
}

static int
open_db(struct smx_store *s)
{
	int rc = smx_sqlite_file_status(sqlite3_open_v2(s->path, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	    NULL));

	if (rc == 0)
		rc = smx_sqlite_file_own(s->db, &schema);
	if (rc == 0)
		rc = prepare(s);
	if (rc < 0)
		close_db(s);
	return rc;
}

struct salvage {
	struct smx_store *store;
	size_t saved;
};

static void
salvage_row(void *arg, const struct smx_store_policy *p)
{
	struct salvage *salvage = arg;

	if (bind_and_step(salvage->store->put, p, CHANGE_PUT) == 0)
		salvage->saved++;
}

/* Put the damaged file aside, start a new one, and take over what is
 * readable. */
static int
quarantine(struct smx_store *s)
{
	struct salvage salvage = { s, 0 };
	size_t damaged = 0;
	sqlite3 *old = NULL;
	char *aside = NULL;
	int rc;

	close_db(s);
	rc = smx_sqlite_file_aside(s->path, &aside);
	if (rc == 0)
		rc = open_db(s);
	if (rc == 0) {
		if (sqlite3_open_v2(aside, &old, SQLITE_OPEN_READWRITE, NULL) ==
			SQLITE_OK &&
		    smx_sqlite_file_run(s->db, "BEGIN;") == 0) {
			/* It ends with an error where the damage is. */
			if (walk(old, salvage_row, &salvage, &damaged) < 0)
				damaged++;
			rc = smx_sqlite_file_run(s->db, "COMMIT;");
		}
		sqlite3_close(old);
		smx_log(SMX_LOG_ERROR,
		    "store: %s was damaged and has been put aside as %s; "
		    "%zu policies were saved from it",
		    s->path, aside, salvage.saved);
	}
	free(aside);
	return rc;
}

int
smx_store_open(const char *path, struct smx_store **ret, struct smx_buf *reason)
{
	struct smx_store *s = calloc(1, sizeof(*s));
	uint64_t seed[2] = { 0 };
	pthread_condattr_t attributes;
	int rc = -SMX_ENOMEM, error;

	if (s == NULL)
		return rc;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	smx_list_init(&s->queue);
	s->path = strdup(path);
	if (s->path == NULL || getrandom(seed, sizeof(seed), 0) < 0 ||
	    smx_map_init(&s->pending, seed) < 0) {
		smx_buf_add_text(reason, "store: out of memory");
		goto out;
	}
	error = smx_sqlite_file_directory(path);
	if (error == 0)
		error = smx_sqlite_file_make(path);
	rc = error != 0 ? -SMX_EIO : open_db(s);
	if (rc == -SMX_ECORRUPT)
		rc = quarantine(s);
	if (rc < 0)
		smx_sqlite_file_explain(path, rc, error, reason);
out:
	if (rc < 0)
		smx_store_close(&s);
	else
		*ret = s;
	return rc;
}

int
smx_store_load(struct smx_store *s,
    void (*row)(void *arg, const struct smx_store_policy *policy), void *arg)
{
	size_t damaged = 0;
	int rc = walk(s->db, row, arg, &damaged);

	if (rc == -SMX_ECORRUPT) {
		rc = quarantine(s);
		if (rc == 0)
			rc = walk(s->db, row, arg, &damaged);
	}
	/* The pages that were read are not read again. */
	sqlite3_db_release_memory(s->db);
	if (damaged > 0)
		smx_log(SMX_LOG_ERROR,
		    "store: %zu damaged policies in %s are left out", damaged,
		    s->path);
	return rc;
}

static size_t
bytes_of(const struct change *c)
{
	return sizeof(*c) + c->policy.domain.n + c->policy.id.n +
	    c->policy.body.n;
}

static int
write_change(struct smx_store *s, const struct change *c)
{
	sqlite3_stmt *const statements[] = {
		[CHANGE_PUT] = s->put,
		[CHANGE_TOUCH] = s->touch,
		[CHANGE_REMOVE] = s->remove,
	};

	return bind_and_step(statements[c->kind], &c->policy, c->kind);
}

/* Write a batch as one transaction. */
static int
write_batch(struct smx_store *s, struct smx_list *batch)
{
	struct smx_list *node;
	int rc = s->db != NULL ? smx_sqlite_file_run(s->db, "BEGIN IMMEDIATE;")
			       : open_db(s);

	if (rc == 0 && sqlite3_get_autocommit(s->db))
		rc = smx_sqlite_file_run(s->db, "BEGIN IMMEDIATE;");
	for (node = batch->next; rc == 0 && node != batch; node = node->next)
		rc = write_change(s, SMX_ELEMENT(node, struct change, link));
	if (rc == 0)
		rc = smx_sqlite_file_run(s->db, "COMMIT;");
	if (rc < 0 && s->db != NULL && !sqlite3_get_autocommit(s->db) &&
	    smx_sqlite_file_run(s->db, "ROLLBACK;") < 0)
		close_db(s);
	return rc;
}

/* Put a batch back in front of the queue; newer changes of a domain win. */
static void
give_back(struct smx_store *s, struct smx_list *batch)
{
	struct smx_list older;
	struct smx_list *node;

	smx_list_init(&older);
	while ((node = smx_list_pop(batch)) != NULL) {
		struct change *c = SMX_ELEMENT(node, struct change, link);
		struct smx_map_node *newer = smx_map_find(&s->pending,
		    c->policy.domain);

		/* A touch only adds to what it touches. */
		if (newer != NULL &&
		    SMX_ELEMENT(newer, struct change, by_domain)->kind ==
			CHANGE_TOUCH) {
			struct change *touch = SMX_ELEMENT(newer, struct change,
			    by_domain);

			c->policy.used = touch->policy.used;
			smx_map_remove(&s->pending, newer);
			smx_list_remove(&touch->link);
			s->pending_bytes -= bytes_of(touch);
			free(touch);
			newer = NULL;
		}
		if (newer != NULL) {
			free(c);
			continue;
		}
		smx_map_put(&s->pending, &c->by_domain, c->policy.domain);
		s->pending_bytes += bytes_of(c);
		smx_list_push(&older, node);
	}
	while ((node = smx_list_pop(&s->queue)) != NULL)
		smx_list_push(&older, node);
	while ((node = smx_list_pop(&older)) != NULL)
		smx_list_push(&s->queue, node);
}

static void
free_batch(struct smx_list *batch)
{
	struct smx_list *node;

	while ((node = smx_list_pop(batch)) != NULL)
		free(SMX_ELEMENT(node, struct change, link));
}

/* Take up to BATCH changes off the queue; the lock is held. */
static void
take_batch(struct smx_store *s, struct smx_list *batch)
{
	for (size_t i = 0; i < BATCH; i++) {
		struct smx_list *node = smx_list_pop(&s->queue);

		if (node == NULL)
			break;
		smx_map_remove(&s->pending,
		    &SMX_ELEMENT(node, struct change, link)->by_domain);
		s->pending_bytes -=
		    bytes_of(SMX_ELEMENT(node, struct change, link));
		smx_list_push(batch, node);
	}
}

/* Write one batch; on failure it is pending again. Called with the lock
 * held, which is released meanwhile. */
static int
write_some(struct smx_store *s)
{
	struct smx_list batch;
	int rc;

	smx_list_init(&batch);
	take_batch(s, &batch);
	pthread_mutex_unlock(&s->lock);
	rc = write_batch(s, &batch);
	if (rc == -SMX_ECORRUPT) {
		rc = quarantine(s);
		if (rc == 0)
			rc = write_batch(s, &batch);
	}
	if (rc == 0)
		free_batch(&batch);
	pthread_mutex_lock(&s->lock);
	if (rc < 0)
		give_back(s, &batch);
	return rc;
}

static void *
write_loop(void *arg)
{
	struct smx_store *s = arg;
	bool failing = false;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		int rc;

		while (smx_list_is_empty(&s->queue) && !s->stopping)
			pthread_cond_wait(&s->wake, &s->lock);
		if (smx_list_is_empty(&s->queue))
			break;
		rc = write_some(s);
		if (rc < 0 && !failing)
			smx_log(SMX_LOG_ERROR,
			    "store: %s can't be written (%s): changes are kept "
			    "in memory and tried again every %d s",
			    s->path, smx_status_text(rc), RETRY_S);
		if (rc == 0)
			s->overflow_told = false;
		if (rc == 0 && failing)
			smx_log(SMX_LOG_INFO, "store: %s is written again",
			    s->path);
		failing = rc < 0;
		if (failing && s->stopping)
			break;
		if (failing) {
			struct timespec until;

			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_sec += RETRY_S;
			while (!s->stopping &&
			    pthread_cond_timedwait(&s->wake, &s->lock,
				&until) != ETIMEDOUT)
				continue;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int
smx_store_start(struct smx_store *s)
{
	sigset_t all, old;

	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	s->started = pthread_create(&s->thread, NULL, write_loop, s) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return s->started ? 0 : -SMX_ENOMEM;
}

static struct smx_slice
append(struct change *c, size_t *at, struct smx_slice s)
{
	struct smx_slice copy = smx_slice(c->bytes + *at, s.n);

	if (s.n != 0)
		memcpy(c->bytes + *at, s.p, s.n);
	*at += s.n;
	return copy;
}

/* Queue a change; it takes the place of an older one of its domain. */
static void
push(struct smx_store *s, enum change_kind kind,
    const struct smx_store_policy *p)
{
	struct change *c =
	    malloc(sizeof(*c) + p->domain.n + p->id.n + p->body.n);
	struct smx_map_node *node;
	struct change *old = NULL;
	bool overflow = false;
	size_t at = 0;

	if (c == NULL) {
		smx_log(SMX_LOG_ERROR,
		    "store: out of memory: a change of %.*s "
		    "is not stored",
		    (int)p->domain.n, p->domain.p);
		return;
	}
	*c = (struct change){ .kind = kind, .policy = *p };
	c->policy.domain = append(c, &at, p->domain);
	c->policy.id = append(c, &at, p->id);
	c->policy.body = append(c, &at, p->body);
	smx_list_init(&c->link);
	pthread_mutex_lock(&s->lock);
	node = smx_map_find(&s->pending, p->domain);
	if (node != NULL)
		old = SMX_ELEMENT(node, struct change, by_domain);
	if (old != NULL && kind == CHANGE_TOUCH) {
		old->policy.used = p->used;
		free(c);
	} else if (s->pending_bytes + bytes_of(c) > PENDING_BYTES_MAX) {
		overflow = !s->overflow_told;
		s->overflow_told = true;
		free(c);
	} else {
		if (old != NULL) {
			smx_map_remove(&s->pending, node);
			smx_list_remove(&old->link);
			s->pending_bytes -= bytes_of(old);
			free(old);
		}
		s->pending_bytes += bytes_of(c);
		smx_map_put(&s->pending, &c->by_domain, c->policy.domain);
		smx_list_push(&s->queue, &c->link);
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	if (overflow)
		smx_log(SMX_LOG_ERROR,
		    "store: %zu MB wait to be written to %s: more changes are "
		    "not stored until there is room",
		    PENDING_BYTES_MAX >> 20, s->path);
}

static void
port_put(void *self, const struct smx_store_policy *policy)
{
	push(self, CHANGE_PUT, policy);
}

static void
port_touch(void *self, struct smx_slice domain, smx_time used)
{
	push(self, CHANGE_TOUCH,
	    &(struct smx_store_policy){ .domain = domain, .used = used });
}

static void
port_remove(void *self, struct smx_slice domain)
{
	push(self, CHANGE_REMOVE,
	    &(struct smx_store_policy){ .domain = domain });
}

struct smx_store_port
smx_store_port(struct smx_store *s)
{
	static const struct smx_store_ops ops = {
		.put = port_put,
		.touch = port_touch,
		.remove = port_remove,
	};

	return (struct smx_store_port){ &ops, s };
}

int
smx_store_write(struct smx_store *s)
{
	int rc = 0;

	SMX_REQUIRE(!s->started);
	pthread_mutex_lock(&s->lock);
	while (rc == 0 && !smx_list_is_empty(&s->queue))
		rc = write_some(s);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

size_t
smx_store_close(struct smx_store **sp)
{
	struct smx_store *s = *sp;
	struct smx_list *node;
	size_t lost = 0;

	if (s == NULL)
		return 0;
	if (s->started) {
		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		pthread_cond_signal(&s->wake);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	} else if (s->db != NULL && smx_store_write(s) < 0) {
		smx_log(SMX_LOG_ERROR, "store: %s can't be written", s->path);
	}
	while ((node = smx_list_pop(&s->queue)) != NULL) {
		free(SMX_ELEMENT(node, struct change, link));
		lost++;
	}
	close_db(s);
	smx_map_done(&s->pending);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
	*sp = NULL;
	return lost;
}
