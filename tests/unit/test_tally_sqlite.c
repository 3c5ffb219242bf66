#include "unit.h"
#include "failing_alloc.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>

#include "core/tlsrpt_report.h"
#include "engine/tally.h"
#include "io/clock.h"
#include "io/tally_sqlite.h"

/* A day that is long over, and not closed. */
#define DAY 17000

static char folder[64], path[96];
static struct smx_tally tally;

static int
make_folder(void **state)
{
	static const uint64_t seed[2] = { 3, 4 };

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/smx_tally_XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/r.db", folder);
	return smx_tally_init(&tally, seed);
}

static int
remove_folder(void **state)
{
	char pattern[96];
	glob_t g;

	(void)state;
	smx_tally_done(&tally);
	snprintf(pattern, sizeof(pattern), "%s/*", folder);
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	return rmdir(folder);
}

static struct smx_tally_store *
open_store(int expected)
{
	struct smx_tally_store *s = NULL;
	struct smx_buf reason;

	smx_buf_init(&reason, 4096);
	assert_int_equal(smx_tally_store_open(path, &s, &reason), expected);
	/* A failure is explained, and names the file. */
	if (expected < 0)
		assert_non_null(strstr(smx_buf_text(&reason), path));
	smx_buf_done(&reason);
	return s;
}

/* Count an event with one policy, and a failure unless @p reason is 0. */
static void
add(const char *domain, int64_t day, size_t policy, size_t reason)
{
	struct smx_tlsrpt_event_failure failure = {
		.row.result = SMX_TLSRPT_CERTIFICATE_EXPIRED,
	};
	struct smx_tlsrpt_event_policy p = {
		.type = SMX_TLSRPT_STS,
		.is_session = true,
		.is_failure = reason > 0,
		.failures = reason > 0 ? &failure : NULL,
	};
	struct smx_tlsrpt_event e = { .policies = &p,
		.record = SMX_SLICE("v=TLSRPTv1;rua=mailto:tls@a.example") };
	struct smx_tlsrpt_line line = { .next = NULL };
	char texts[2][32];

	assert_int_equal(smx_domain_parse(smx_slice_text(domain), &e.domain),
	    0);
	p.domain = e.domain;
	snprintf(texts[0], sizeof(texts[0]), "policy %zu", policy);
	snprintf(texts[1], sizeof(texts[1]), "reason %zu", reason);
	line.text = smx_slice_text(texts[0]);
	p.policy_string = &line;
	failure.row.failure_reason_code = smx_slice_text(texts[1]);
	assert_int_equal(smx_tally_add(&tally, &e, day), 0);
}

static void
give(struct smx_tally_store *s)
{
	struct smx_tally_batch batch;

	assert_int_equal(smx_tally_take(&tally, &batch), 0);
	smx_tally_store_give(s, &batch);
	assert_int_equal(batch.row_count, 0);
}

static void
wait_until_idle(struct smx_tally_store *s)
{
	/* A minute is for machines that are busy; it is never waited for. */
	for (int i = 0; i < 60000 && !smx_tally_store_is_idle(s); i++)
		usleep(1000);
	assert_true(smx_tally_store_is_idle(s));
}

static void
write_out(struct smx_tally_store *s)
{
	give(s);
	wait_until_idle(s);
}

/* Close, with what was counted since the last batch. */
static uint64_t
close_store(struct smx_tally_store *s)
{
	struct smx_tally_batch last;
	uint64_t lost;

	assert_int_equal(smx_tally_take(&tally, &last), 0);
	lost = smx_tally_store_close(&s, &last);
	assert_null(s);
	assert_int_equal(last.row_count, 0);
	return lost;
}

/* The number that a query gives. */
static int64_t
ask(const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t value;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

static void
run_sql(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

#define SESSIONS "SELECT ifnull(sum(success + failure), 0) FROM policy"
#define FAILED   "SELECT ifnull(sum(count), 0) FROM failure"

/* The rows that a row says it has are there. */
static void
assert_consistent(void)
{
	assert_int_equal(ask("SELECT count(*) FROM domain_day AS d WHERE "
			     "policies != (SELECT count(*) FROM policy WHERE "
			     "domain_day = d.id)"),
	    0);
	assert_int_equal(ask("SELECT count(*) FROM policy AS p WHERE "
			     "failures != (SELECT count(*) FROM failure WHERE "
			     "policy = p.id)"),
	    0);
}

static void
test_counts_add_up(void **state)
{
	(void)state;
	for (int restart = 0; restart < 3; restart++) {
		struct smx_tally_store *s = open_store(0);
		struct smx_tally_store_counts counts;

		for (int i = 0; i < 5; i++) {
			add("a.example", DAY, 1, 0);
			add("a.example", DAY, 1, 1);
			add("a.example", DAY, 1, 2);
			add("b.example", DAY, 2, 0);
			add("a.example", DAY + 1, 1, 0);
			write_out(s);
		}
		counts = smx_tally_store_counts(s);
		assert_int_equal(counts.batches, 5);
		assert_int_equal(counts.events, 25);
		assert_int_equal(counts.failed, 0);
		assert_int_equal(counts.merged, 0);
		/* What comes last is written too. */
		add("a.example", DAY, 1, 1);
		assert_int_equal(close_store(s), 0);
	}
	assert_int_equal(ask("SELECT count(*) FROM domain_day"), 3);
	assert_int_equal(ask("SELECT count(*) FROM policy"), 3);
	assert_int_equal(ask("SELECT count(*) FROM failure"), 2);
	assert_int_equal(ask(SESSIONS), 3 * 26);
	assert_int_equal(ask(FAILED), 3 * 11);
	assert_int_equal(ask("SELECT success FROM policy JOIN domain_day AS d "
			     "ON domain_day = d.id WHERE day = 17000 AND "
			     "domain = 'a.example'"),
	    15);
	assert_int_equal(ask("SELECT count FROM failure WHERE members LIKE "
			     "'%reason 1%'"),
	    18);
	assert_int_equal(ask("SELECT type FROM policy LIMIT 1"),
	    SMX_TLSRPT_STS);
	assert_consistent();
}

static void
test_cap_of_policies_over_batches(void **state)
{
	struct smx_tally_store *s = open_store(0);

	(void)state;
	for (size_t i = 0; i < SMX_TALLY_POLICIES_MAX + 30; i++) {
		add("a.example", DAY, i, 1);
		add("b.example", DAY, 1, 0);
		if (i % 7 == 0)
			write_out(s);
	}
	assert_int_equal(close_store(s), 0);
	s = open_store(0);
	add("a.example", DAY, 1000, 0);
	add("a.example", DAY, 0, 0);
	write_out(s);
	assert_int_equal(smx_tally_store_counts(s).merged, 1);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask("SELECT policies FROM domain_day WHERE domain = "
			     "'a.example'"),
	    SMX_TALLY_POLICIES_MAX + 1);
	assert_int_equal(ask(SESSIONS), 2 * (SMX_TALLY_POLICIES_MAX + 30) + 2);
	assert_int_equal(ask("SELECT success + failure FROM policy WHERE "
			     "members = '\"policy-type\":\"sts\","
			     "\"policy-domain\":\"a.example\"'"),
	    31);
	assert_consistent();
}

static void
test_cap_of_failures_over_batches(void **state)
{
	struct smx_tally_store *s = open_store(0);
	size_t n = SMX_TALLY_FAILURES_MAX;

	(void)state;
	for (size_t i = 1; i <= n + 300; i++) {
		add("a.example", DAY, 1, i);
		if (i % 131 == 0)
			write_out(s);
	}
	write_out(s);
	/* The row for the rest comes from a batch too. */
	for (size_t i = 1; i <= n + 10; i++)
		add("a.example", DAY, 1, i);
	write_out(s);
	assert_true(smx_tally_store_counts(s).merged > 0);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask("SELECT count(*) FROM failure"), (int64_t)n + 1);
	assert_int_equal(ask(FAILED), 2 * (int64_t)n + 310);
	assert_int_equal(ask("SELECT count FROM failure WHERE members LIKE "
			     "'%too many to be told apart%'"),
	    310);
	assert_consistent();
}

/* Several policies of a batch may become one in the store: its failures are
 * below the cap all the same. */
static void
test_cap_of_failures_of_merged_policies(void **state)
{
	struct smx_tally_store *s = open_store(0);
	size_t n = SMX_TALLY_POLICIES_MAX, reason = 0;

	(void)state;
	for (size_t i = 0; i < n; i++)
		add("a.example", DAY, i, 0);
	write_out(s);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 600; i++)
			add("a.example", DAY, n + i % 2, ++reason);
		add("a.example", DAY, n + 3, ++reason);
		write_out(s);
		assert_consistent();
		assert_true(ask("SELECT count(*) FROM failure") <=
		    SMX_TALLY_FAILURES_MAX + 1);
	}
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask(FAILED), (int64_t)reason);
	assert_int_equal(ask(SESSIONS), (int64_t)(n + reason));
}

static void
test_closed_day_takes_nothing(void **state)
{
	struct smx_tally_store *s = open_store(0);

	(void)state;
	add("a.example", DAY, 1, 1);
	add("b.example", DAY, 1, 1);
	write_out(s);
	run_sql("UPDATE domain_day SET report_id = 'x', record = 'kept' WHERE "
		"domain = 'a.example'");
	for (int i = 0; i < 4; i++)
		add("a.example", DAY, 1, 1);
	add("b.example", DAY, 1, 1);
	write_out(s);
	assert_int_equal(ask("SELECT failure FROM policy JOIN domain_day AS d "
			     "ON domain_day = d.id WHERE report_id = 'x'"),
	    1);
	assert_int_equal(ask("SELECT count(*) FROM domain_day WHERE record = "
			     "'kept'"),
	    1);
	assert_int_equal(ask("SELECT failure FROM policy JOIN domain_day AS d "
			     "ON domain_day = d.id WHERE day = 17001"),
	    4);
	assert_int_equal(ask("SELECT failure FROM policy JOIN domain_day AS d "
			     "ON domain_day = d.id WHERE domain = 'b.example'"),
	    2);
	/* That closed as well, and both in one batch. */
	run_sql("UPDATE domain_day SET report_id = 'y' WHERE day = 17001");
	add("a.example", DAY, 1, 1);
	add("a.example", DAY + 1, 2, 1);
	add("a.example", DAY + 2, 3, 1);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask("SELECT sum(failure) FROM policy JOIN domain_day "
			     "AS d ON domain_day = d.id WHERE day = 17002"),
	    3);
	assert_int_equal(ask(FAILED), 1 + 4 + 2 + 3);
	assert_consistent();
}

/* The clock was set back: today is closed already. */
static void
test_today_is_closed(void **state)
{
	struct smx_tally_store *s = open_store(0);
	int64_t today = smx_clock_now().wall / SMX_DAY;

	(void)state;
	add("a.example", today, 1, 1);
	write_out(s);
	run_sql("UPDATE domain_day SET report_id = 'x'");
	add("a.example", today, 1, 1);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask("SELECT failure FROM policy JOIN domain_day AS d "
			     "ON domain_day = d.id WHERE report_id = 'x'"),
	    1);
	assert_int_equal(ask("SELECT failure FROM policy JOIN domain_day AS d "
			     "ON domain_day = d.id WHERE report_id IS NULL"),
	    1);
}

/* For want of memory a row may have no record: that of the day stays. */
static void
test_row_without_record(void **state)
{
	struct smx_tally_store *s = open_store(0);
	struct smx_tally_batch batch;
	struct smx_tally_row *row, *policy;

	(void)state;
	add("a.example", DAY, 1, 0);
	write_out(s);
	for (int i = 0; i < 2; i++) {
		add(i == 0 ? "a.example" : "b.example", DAY, 1, 0);
		assert_int_equal(smx_tally_take(&tally, &batch), 0);
		row = SMX_ELEMENT(batch.rows.next, struct smx_tally_row, link);
		row->record = smx_slice(NULL, 0);
		/* Then it has no policies. */
		policy = SMX_ELEMENT(batch.rows.prev, struct smx_tally_row,
		    link);
		smx_list_remove(&policy->link);
		batch.row_count--;
		smx_tally_store_give(s, &batch);
		wait_until_idle(s);
	}
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask("SELECT count(*) FROM domain_day WHERE record "
			     "LIKE 'v=TLSRPTv1%'"),
	    1);
	assert_int_equal(ask("SELECT count(*) FROM domain_day"), 1);
}

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
test_full_disk(void **state)
{
	struct smx_tally_store *s = open_store(0);
	struct smx_tally_store_counts counts;

	(void)state;
	add("a.example", DAY, 1, 1);
	write_out(s);
	limit_files(0);
	add("a.example", DAY, 1, 1);
	add("a.example", DAY, 1, 2);
	give(s);
	for (int i = 0; i < 60000 && smx_tally_store_counts(s).failed == 0; i++)
		usleep(1000);
	assert_true(smx_tally_store_counts(s).failed > 0);
	assert_false(smx_tally_store_is_idle(s));
	/* Counting goes on meanwhile. */
	add("a.example", DAY, 1, 1);
	limit_files(RLIM_INFINITY);
	wait_until_idle(s);
	counts = smx_tally_store_counts(s);
	assert_int_equal(counts.batches, 2);
	assert_int_equal(counts.events, 3);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask(SESSIONS), 4);
	assert_int_equal(ask(FAILED), 4);
	assert_consistent();
}

static void
test_full_disk_until_the_end(void **state)
{
	struct smx_tally_store *s = open_store(0);

	(void)state;
	add("a.example", DAY, 1, 1);
	write_out(s);
	limit_files(0);
	add("a.example", DAY, 1, 1);
	add("a.example", DAY, 1, 2);
	give(s);
	add("a.example", DAY, 1, 3);
	/* What is lost is told. */
	assert_int_equal(close_store(s), 3);
	limit_files(RLIM_INFINITY);
	assert_int_equal(ask(SESSIONS), 1);
	s = open_store(0);
	add("a.example", DAY, 1, 1);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask(SESSIONS), 2);
}

/* Another process is within a transaction: it is waited for. */
static void
test_store_is_shared(void **state)
{
	struct smx_tally_store *s = open_store(0);
	sqlite3 *db = NULL;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	add("a.example", DAY, 1, 1);
	give(s);
	assert_false(smx_tally_store_is_idle(s));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	wait_until_idle(s);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask(SESSIONS), 1);
}

static size_t
damaged_files(void)
{
	char pattern[160];
	size_t count = 0;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s.damaged-*[0-9]", path);
	if (glob(pattern, 0, NULL, &g) == 0) {
		count = g.gl_pathc;
		globfree(&g);
	}
	return count;
}

static void
test_damaged_file_is_put_aside(void **state)
{
	struct smx_tally_store *s = open_store(0);
	char noise[100];
	int fd;

	(void)state;
	add("a.example", DAY, 1, 1);
	assert_int_equal(close_store(s), 0);
	memset(noise, 0x5a, sizeof(noise));
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 0),
	    (ssize_t)sizeof(noise));
	close(fd);
	s = open_store(0);
	assert_int_equal(damaged_files(), 1);
	add("b.example", DAY, 1, 0);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask(SESSIONS), 1);
}

/* Damage that is seen only when it is written to. */
static void
test_damage_within(void **state)
{
	struct smx_tally_store *s = open_store(0);
	char noise[4096], name[32];
	int fd;

	(void)state;
	for (size_t i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "d%zu.example", i);
		add(name, DAY, 1, 1);
	}
	assert_int_equal(close_store(s), 0);
	memset(noise, 0x5a, sizeof(noise));
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	for (int page = 12; page < 200; page++)
		assert_int_equal(pwrite(fd, noise, sizeof(noise),
				     (off_t)sizeof(noise) * page),
		    sizeof(noise));
	close(fd);
	s = open_store(0);
	for (size_t i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "d%zu.example", i);
		add(name, DAY, 1, 1);
	}
	write_out(s);
	assert_int_equal(damaged_files(), 1);
	assert_int_equal(close_store(s), 0);
	assert_int_equal(ask(SESSIONS), 3000);
	assert_consistent();
}

static void
test_other_schemas_are_refused(void **state)
{
	static const char *const changes[] = { "PRAGMA user_version = 99",
		"PRAGMA application_id = 7" };

	(void)state;
	run_sql("CREATE TABLE t (a)");
	open_store(-SMX_EVERSION);
	run_sql("DROP TABLE t");
	/* What is empty is nobody's. */
	add("a.example", DAY, 1, 1);
	assert_int_equal(close_store(open_store(0)), 0);
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		run_sql(changes[i]);
		open_store(-SMX_EVERSION);
		assert_int_equal(ask(SESSIONS), 1);
	}
	assert_int_equal(damaged_files(), 0);
}

static void
test_folder_that_is_not_there(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/r.db", folder);
	open_store(-SMX_EIO);
	snprintf(path, sizeof(path), "%s/r.db", folder);
}

/* A batch is there wholly, or not at all. */
static void
test_kill_at_any_moment(void **state)
{
	int64_t before = 0;

	(void)state;
	/* On a slow machine nothing may have been written in 40 rounds. */
	for (int round = 0; round < 40 || (before == 0 && round < 600);
	     round++) {
		pid_t child = fork();
		int64_t sessions;

		assert_true(child >= 0);
		if (child == 0) {
			struct smx_tally_store *s = open_store(0);

			for (size_t i = 0;; i++) {
				add("a.example", DAY, 1, i % 600 + 1);
				add("b.example", DAY, i, 1);
				write_out(s);
			}
		}
		usleep((useconds_t)(2000 + round * 531));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		assert_int_equal(close_store(open_store(0)), 0);
		sessions = ask(SESSIONS);
		assert_true(sessions >= before && sessions % 2 == 0);
		assert_int_equal(ask(FAILED), sessions);
		assert_int_equal(ask(SESSIONS " JOIN domain_day AS d ON "
					      "domain_day = d.id "
					      "WHERE domain = 'a.example'"),
		    sessions / 2);
		assert_consistent();
		before = sessions;
	}
	assert_true(before > 0);
	assert_int_equal(damaged_files(), 0);
}

static void
test_open_out_of_memory(void **state)
{
	unsigned passed = 0;
	int rc;

	(void)state;
	do {
		struct smx_tally_store *s = NULL;
		struct smx_tally_batch none;
		char storage[512];
		struct smx_buf reason;

		smx_port_tally_init(&none, 0);
		smx_buf_init_fixed(&reason, storage, sizeof(storage));
		failing_alloc_after(passed++);
		rc = smx_tally_store_open(path, &s, &reason);
		failing_alloc_off();
		assert_int_equal(smx_tally_store_close(&s, &none), 0);
		assert_true(rc == 0 || rc == -SMX_ENOMEM || rc == -SMX_EIO);
	} while (rc < 0 && passed < 50);
	assert_int_equal(rc, 0);
	assert_true(passed > 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts_add_up),
		TEST(test_cap_of_policies_over_batches),
		TEST(test_cap_of_failures_over_batches),
		TEST(test_cap_of_failures_of_merged_policies),
		TEST(test_closed_day_takes_nothing),
		TEST(test_today_is_closed),
		TEST(test_row_without_record),
		TEST(test_full_disk),
		TEST(test_full_disk_until_the_end),
		TEST(test_store_is_shared),
		TEST(test_damaged_file_is_put_aside),
		TEST(test_damage_within),
		TEST(test_open_out_of_memory),
		TEST(test_other_schemas_are_refused),
		TEST(test_folder_that_is_not_there),
		TEST(test_kill_at_any_moment),
	};

	return cmocka_run_group_tests_name("tally_sqlite", tests, NULL, NULL);
}
