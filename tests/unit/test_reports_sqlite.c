#include "unit.h"
#include "failing_alloc.h"

#include <glob.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "io/reports_sqlite.h"

static char folder[64], path[96];
static const char *const suffixes[] = { "", "-wal", "-shm" };

static int
make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/smx_reports_XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/r.db", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	char pattern[96];
	glob_t g;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*", folder);
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	return rmdir(folder);
}

static sqlite3 *
open_by(int (*open)(const char *, sqlite3 **, struct smx_buf *), int expected)
{
	struct smx_buf reason;
	sqlite3 *db = NULL;

	smx_buf_init(&reason, 4096);
	assert_int_equal(open(path, &db, &reason), expected);
	/* A failure is explained, and names the file. */
	if (expected < 0) {
		assert_null(db);
		assert_non_null(strstr(smx_buf_text(&reason), path));
	}
	smx_buf_done(&reason);
	return db;
}

static int
run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* The text that a query gives, in static storage. */
static const char *
ask(sqlite3 *db, const char *sql)
{
	static char text[128];
	sqlite3_stmt *st = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	snprintf(text, sizeof(text), "%s",
	    (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return text;
}

static void
test_token_of_the_installation_stays(void **state)
{
	sqlite3 *db = open_by(smx_reports_open, 0), *other;
	char token[128];

	(void)state;
	snprintf(token, sizeof(token), "%s",
	    ask(db, "SELECT token FROM installation"));
	assert_int_equal(strlen(token), 16);
	/* A second one has the same file at the same time. */
	other = open_by(smx_reports_open, 0);
	assert_string_equal(ask(other, "SELECT token FROM installation"),
	    token);
	sqlite3_close(db);
	sqlite3_close(other);
	db = open_by(smx_reports_open, 0);
	assert_string_equal(ask(db, "SELECT token FROM installation"), token);
	assert_string_equal(ask(db, "SELECT count(*) FROM installation"), "1");
	assert_string_equal(ask(db, "PRAGMA journal_mode"), "wal");
	sqlite3_close(db);
}

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
test_read_only(void **state)
{
	sqlite3 *db, *reader;

	(void)state;
	open_by(smx_reports_open_read, -SMX_ENOENT);
	/* Reading makes no file. */
	assert_int_equal(access(path, F_OK), -1);
	/* An empty one is none, and that is said in words. */
	write_file("");
	open_by(smx_reports_open_read, -SMX_EIO);
	db = open_by(smx_reports_open, 0);
	reader = open_by(smx_reports_open_read, 0);
	assert_int_equal(run(reader,
			     "INSERT INTO domain_day (day, domain, record) "
			     "VALUES (1, 'a', 'r')"),
	    SQLITE_READONLY);
	/* It sees what the other writes. */
	assert_int_equal(run(db,
			     "INSERT INTO domain_day (day, domain, record) "
			     "VALUES (1, 'a', 'r')"),
	    SQLITE_OK);
	assert_string_equal(ask(reader, "SELECT count(*) FROM domain_day"),
	    "1");
	sqlite3_close(reader);
	sqlite3_close(db);
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
test_what_is_no_database(void **state)
{
	sqlite3 *db;

	(void)state;
	write_file("This is no database, and is longer than its header: the "
		   "first hundred octets of it would tell what it is.");
	open_by(smx_reports_open_read, -SMX_ECORRUPT);
	assert_int_equal(damaged_files(), 0);
	db = open_by(smx_reports_open, 0);
	assert_int_equal(damaged_files(), 1);
	assert_string_equal(ask(db, "SELECT count(*) FROM domain_day"), "0");
	sqlite3_close(db);
}

static void
test_file_of_somebody_else_is_left_alone(void **state)
{
	sqlite3 *db = NULL;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(run(db, "CREATE TABLE t (a)"), SQLITE_OK);
	sqlite3_close(db);
	open_by(smx_reports_open, -SMX_EVERSION);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_string_equal(ask(db, "SELECT count(*) FROM sqlite_schema"), "1");
	assert_string_equal(ask(db, "PRAGMA journal_mode"), "delete");
	sqlite3_close(db);
	assert_int_equal(damaged_files(), 0);
}

static void
test_newer_version_is_refused(void **state)
{
	sqlite3 *db = open_by(smx_reports_open, 0);

	(void)state;
	assert_int_equal(run(db, "PRAGMA user_version = 2"), SQLITE_OK);
	sqlite3_close(db);
	open_by(smx_reports_open, -SMX_EVERSION);
	assert_int_equal(damaged_files(), 0);
}

/* Statements, with texts that hold anything. */
static void
test_bind_and_column(void **state)
{
	sqlite3_stmt *put = NULL, *get = NULL;
	const struct smx_reports_statement statements[] = {
		{ "INSERT INTO domain_day (day, domain, record) "
		  "VALUES (1, ?1, ?2)",
		    &put },
		{ "SELECT domain, record, report_id FROM domain_day", &get },
	}, wrong[] = { { "SELECT nothing FROM nowhere", &put } };
	sqlite3 *db = open_by(smx_reports_open, 0);

	(void)state;
	assert_int_equal(smx_reports_prepare(db, statements, 2), 0);
	smx_reports_bind(put, 1, smx_slice(NULL, 0));
	smx_reports_bind(put, 2, SMX_SLICE("a\0b'\xff"));
	assert_int_equal(sqlite3_step(put), SQLITE_DONE);
	assert_int_equal(sqlite3_step(get), SQLITE_ROW);
	assert_slice(smx_reports_column(get, 0), "");
	assert_slice(smx_reports_column(get, 1), "a\0b'\xff");
	/* NULL is nothing. */
	assert_slice(smx_reports_column(get, 2), "");
	sqlite3_finalize(put);
	sqlite3_finalize(get);
	assert_int_equal(smx_reports_prepare(db, wrong, 1), -SMX_EIO);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
put(sqlite3 *db, const char *domain)
{
	char *sql = sqlite3_mprintf(
	    "INSERT INTO domain_day (day, domain, record) VALUES (1, %Q, 'r')",
	    domain);

	assert_int_equal(run(db, sql), SQLITE_OK);
	sqlite3_free(sql);
}

/* Two have it open. One puts it aside; the other notices, and neither of them
 * touches what comes in its place, nor the log of that. */
static void
test_put_aside_while_another_has_it(void **state)
{
	sqlite3 *first = open_by(smx_reports_open, 0);
	sqlite3 *second = open_by(smx_reports_open, 0), *fresh;

	(void)state;
	put(first, "a");
	put(second, "b");
	assert_false(smx_reports_has_moved(first));
	assert_int_equal(smx_reports_put_aside(first, path), 0);
	assert_true(smx_reports_has_moved(first));
	assert_true(smx_reports_has_moved(second));
	assert_int_equal(damaged_files(), 1);
	fresh = open_by(smx_reports_open, 0);
	put(fresh, "c");
	/* The second one had seen the damage, too. */
	assert_int_equal(smx_reports_put_aside(second, path), 0);
	assert_int_equal(damaged_files(), 1);
	put(second, "d");
	smx_reports_close(second, path);
	smx_reports_close(first, path);
	put(fresh, "e");
	/* As after a kill: nothing of it is in memory. */
	second = open_by(smx_reports_open, 0);
	assert_string_equal(ask(second,
				"SELECT group_concat(domain, ' ') FROM "
				"domain_day"),
	    "c e");
	assert_string_equal(ask(second, "PRAGMA integrity_check"), "ok");
	smx_reports_close(second, path);
	smx_reports_close(fresh, path);
}

/* Roles that start at the same time make one store. */
static void
test_first_start_of_many(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pid_t children[6];

		for (size_t i = 0; i < COUNT_OF(children); i++) {
			children[i] = fork();
			assert_true(children[i] >= 0);
			if (children[i] == 0) {
				struct smx_buf reason;
				sqlite3 *db = NULL;

				smx_buf_init(&reason, 4096);
				_exit(smx_reports_open(path, &db, &reason) == 0
					? 0
					: 1);
			}
		}
		for (size_t i = 0; i < COUNT_OF(children); i++) {
			int status = -1;

			assert_int_equal(waitpid(children[i], &status, 0),
			    children[i]);
			assert_int_equal(status, 0);
		}
		for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
			char file[128];

			snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
			unlink(file);
		}
	}
}

/* It names everybody that mail was sent to. */
static void
test_others_may_not_read_it(void **state)
{
	mode_t before = umask(0);
	sqlite3 *db = open_by(smx_reports_open, 0);
	struct stat st;

	(void)state;
	umask(before);
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		char file[128];

		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_mode & 07, 0);
	}
	smx_reports_close(db, path);
}

static void
test_out_of_memory(void **state)
{
	unsigned passed = 0;
	int rc;

	(void)state;
	do {
		char storage[512];
		struct smx_buf reason;
		sqlite3 *db = NULL;

		smx_buf_init_fixed(&reason, storage, sizeof(storage));
		failing_alloc_after(passed++);
		rc = smx_reports_open(path, &db, &reason);
		failing_alloc_off();
		smx_reports_close(db, path);
		assert_true(rc == 0 || rc == -SMX_ENOMEM || rc == -SMX_EIO);
	} while (rc < 0 && passed < 50);
	assert_int_equal(rc, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_token_of_the_installation_stays),
		TEST(test_read_only),
		TEST(test_what_is_no_database),
		TEST(test_file_of_somebody_else_is_left_alone),
		TEST(test_newer_version_is_refused),
		TEST(test_bind_and_column),
		TEST(test_put_aside_while_another_has_it),
		TEST(test_first_start_of_many),
		TEST(test_others_may_not_read_it),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("reports_sqlite", tests, NULL, NULL);
}
