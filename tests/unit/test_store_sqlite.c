#include "unit.h"

#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "io/store_sqlite.h"

static char folder[64], path[96];

static int
make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/smx_store_XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s.db", folder);
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

static struct smx_store *
open_store(int expected)
{
	struct smx_store *s = NULL;
	struct smx_buf reason;

	smx_buf_init(&reason, 4096);
	assert_int_equal(smx_store_open(path, &s, &reason), expected);
	/* A failure is explained, and names the file. */
	if (expected < 0)
		assert_non_null(strstr(smx_buf_text(&reason), path));
	smx_buf_done(&reason);
	return s;
}

static void
put(struct smx_store *s, const char *domain, const char *id)
{
	struct smx_store_port port = smx_store_port(s);

	port.ops->put(port.self,
	    &(struct smx_store_policy){
		.domain = smx_slice_text(domain),
		.id = smx_slice_text(id),
		.body = smx_slice_text("version: STSv1\nmode: none\n"
				       "max_age: 86400\n"),
		.fetched = 1000,
		.used = 2000,
	    });
}

struct found {
	size_t count;
	char last_id[64];
	smx_time used;
};

static void
on_row(void *arg, const struct smx_store_policy *p)
{
	struct found *f = arg;

	f->count++;
	snprintf(f->last_id, sizeof(f->last_id), "%.*s", (int)p->id.n, p->id.p);
	f->used = p->used;
	assert_int_equal(p->fetched, 1000);
}

static struct found
load(struct smx_store *s)
{
	struct found f = { 0 };

	assert_int_equal(smx_store_load(s, on_row, &f), 0);
	return f;
}

static void
fill(size_t count)
{
	struct smx_store *s = open_store(0);
	char domain[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(domain, sizeof(domain), "d%zu.example", i);
		put(s, domain, "1");
	}
	assert_int_equal(smx_store_close(&s), 0);
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
test_latest_change_of_a_domain_counts(void **state)
{
	struct smx_store *s = open_store(0);
	struct smx_store_port port = smx_store_port(s);
	struct found f;

	(void)state;
	put(s, "a.example", "1");
	put(s, "a.example", "2");
	put(s, "b.example", "1");
	port.ops->touch(port.self, smx_slice_text("a.example"), 5000);
	port.ops->remove(port.self, smx_slice_text("b.example"));
	assert_int_equal(smx_store_start(s), 0);
	assert_int_equal(smx_store_close(&s), 0);
	s = open_store(0);
	f = load(s);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.last_id, "2");
	assert_int_equal(f.used, 5000);
	/* And on what is written already. */
	port = smx_store_port(s);
	port.ops->touch(port.self, smx_slice_text("a.example"), 6000);
	assert_int_equal(smx_store_close(&s), 0);
	s = open_store(0);
	assert_int_equal(load(s).used, 6000);
	smx_store_close(&s);
}

static void
test_second_instance_is_refused(void **state)
{
	struct smx_store *s = open_store(0);
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (child == 0) {
		open_store(-SMX_EBUSY);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	smx_store_close(&s);
}

static void
test_file_of_somebody_else_is_left_alone(void **state)
{
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a);", NULL, NULL,
			     NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	open_store(-SMX_EVERSION);
	assert_int_equal(damaged_files(), 0);
}

static void
test_newer_schema_is_refused(void **state)
{
	sqlite3 *db;

	(void)state;
	fill(1);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99;", NULL,
			     NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	open_store(-SMX_EVERSION);
	assert_int_equal(damaged_files(), 0);
}

static void
test_flipped_byte_in_a_row_leaves_only_it_out(void **state)
{
	struct smx_store *s;
	sqlite3 *db;

	(void)state;
	fill(10);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "UPDATE policy SET body = replace(body, 'none', "
			     "'nine') WHERE domain = 'd3.example';",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	s = open_store(0);
	assert_int_equal(load(s).count, 9);
	smx_store_close(&s);
}

/* Overwrite @p bytes bytes at @p at. */
static void
damage(off_t at, size_t bytes)
{
	char noise[4096];
	int fd = open(path, O_WRONLY);

	memset(noise, 0x5a, sizeof(noise));
	assert_true(fd >= 0 && bytes <= sizeof(noise));
	assert_int_equal(pwrite(fd, noise, bytes, at), (ssize_t)bytes);
	close(fd);
}

static void
test_damaged_file_is_put_aside_and_saved_from(void **state)
{
	struct smx_store *s;
	size_t count;

	(void)state;
	fill(2000);
	/* A page in the middle of the table. */
	damage(4096 * 20, 4096);
	s = open_store(0);
	load(s);
	assert_int_equal(damaged_files(), 1);
	count = load(s).count;
	assert_true(count > 0 && count < 2000);
	put(s, "new.example", "1");
	assert_int_equal(smx_store_close(&s), 0);
	s = open_store(0);
	assert_int_equal(load(s).count, count + 1);
	smx_store_close(&s);
}

static void
test_file_without_header_is_put_aside(void **state)
{
	struct smx_store *s;

	(void)state;
	fill(10);
	damage(0, 100);
	s = open_store(0);
	assert_int_equal(damaged_files(), 1);
	assert_int_equal(load(s).count, 0);
	smx_store_close(&s);
}

static void
test_truncated_file_is_put_aside(void **state)
{
	struct smx_store *s;

	(void)state;
	fill(2000);
	assert_int_equal(truncate(path, 4096 * 10 + 17), 0);
	s = open_store(0);
	load(s);
	assert_int_equal(damaged_files(), 1);
	put(s, "new.example", "1");
	assert_int_equal(smx_store_close(&s), 0);
}

static void
test_full_disk_keeps_changes(void **state)
{
	struct rlimit old, small = { 0 };
	struct smx_store *s;

	(void)state;
	fill(1);
	s = open_store(0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	put(s, "a.example", "1");
	put(s, "b.example", "1");
	/* Nothing can be written: they are counted as lost at the end only. */
	assert_int_equal(smx_store_close(&s), 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	s = open_store(0);
	assert_int_equal(load(s).count, 1);
	put(s, "a.example", "1");
	assert_int_equal(smx_store_close(&s), 0);
}

static void
test_kill_at_any_moment(void **state)
{
	size_t before = 0;

	(void)state;
	/* On a slow machine nothing may have been written in 60 rounds: then
	 * more follow, and longer ones. */
	for (int round = 0; round < 60 || (before == 0 && round < 600);
	     round++) {
		struct smx_store *s;
		pid_t child = fork();
		size_t count;

		if (child == 0) {
			char domain[64];

			s = open_store(0);
			if (smx_store_start(s) < 0)
				_exit(1);
			for (size_t i = 0;; i++) {
				snprintf(domain, sizeof(domain),
				    "r%d-%zu.example", round, i);
				put(s, domain, "1");
				if (i % 50 == 0)
					usleep(100);
			}
		}
		usleep((useconds_t)(500 + round * 331));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		s = open_store(0);
		count = load(s).count;
		/* What was there before the kill still is. */
		assert_true(count >= before);
		before = count;
		smx_store_close(&s);
	}
	assert_true(before > 0);
	assert_int_equal(damaged_files(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_latest_change_of_a_domain_counts),
		TEST(test_second_instance_is_refused),
		TEST(test_file_of_somebody_else_is_left_alone),
		TEST(test_newer_schema_is_refused),
		TEST(test_flipped_byte_in_a_row_leaves_only_it_out),
		TEST(test_damaged_file_is_put_aside_and_saved_from),
		TEST(test_file_without_header_is_put_aside),
		TEST(test_truncated_file_is_put_aside),
		TEST(test_full_disk_keeps_changes),
		TEST(test_kill_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
