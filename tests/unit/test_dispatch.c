/* Reports on a virtual clock, with a real store and scripted deliveries. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"
#include "failing_alloc.h"
#include "core/gz.h"
#include "core/tlsrpt_event.h"
#include "engine/dispatch.h"
#include "engine/dispatch_report.h"
#include "engine/tally.h"
#include "io/dispatch_sqlite.h"
#include "io/tally_sqlite.h"

#define DAY0     INT64_C(20000)
#define MIDNIGHT ((DAY0 + 1) * SMX_DAY)
#define HTTPS    "v=TLSRPTv1; rua=https://reports.example/in"
#define MAIL     "v=TLSRPTv1; rua=mailto:tls@reports.example"
#define SENT_MAX 2000

static char folder[64], path[96];
static const char *const suffixes[] = { "", "-wal", "-shm" };

/* What was handed to a port, and what it says to it. */
static struct {
	char to[256];
	char report[4096]; /* JSON */
	size_t bytes;
	smx_time at;
} sent[SENT_MAX];
static size_t sent_count;
static bool is_mute;
static bool is_blind; /* the reports are not read: there is no memory */
static struct smx_post_answer post_answer;
static struct smx_mail_answer mail_answer;

/* Those that wait for their answer. */
static struct {
	void *arg;
	smx_post_done *posted;
	smx_mail_done *mailed;
} waiting[SENT_MAX];
static size_t waiting_count;

static struct smx_dispatch dispatch;
static struct smx_dispatch_store *store;
static smx_time now;
static smx_time leap; /* of the wall clock */

static void
note(struct smx_slice to, struct smx_slice gz)
{
	struct smx_buf json;

	assert_true(sent_count < SENT_MAX);
	smx_buf_init(&json, sizeof(sent[0].report) - 1);
	if (gz.n > 0 && !is_blind)
		assert_int_equal(smx_gz_read(gz, &json), 0);
	snprintf(sent[sent_count].to, sizeof(sent[0].to), "%.*s", (int)to.n,
	    to.p);
	snprintf(sent[sent_count].report, sizeof(sent[0].report), "%s",
	    smx_buf_text(&json));
	sent[sent_count++].at = now;
	smx_buf_done(&json);
}

static int
post(void *self, const struct smx_post *request, smx_post_done *done, void *arg)
{
	(void)self;
	note(request->host, request->body);
	assert_true(smx_slice_equal(request->media_type,
	    SMX_SLICE("application/tlsrpt+gzip")));
	waiting[waiting_count].arg = arg;
	waiting[waiting_count].mailed = NULL;
	waiting[waiting_count++].posted = done;
	return 0;
}

static int
send_mail(void *self, const struct smx_mail *mail, smx_mail_done *done,
    void *arg)
{
	(void)self;
	note(mail->to, smx_slice(NULL, 0));
	sent[sent_count - 1].bytes = mail->bytes.n;
	waiting[waiting_count].arg = arg;
	waiting[waiting_count].posted = NULL;
	waiting[waiting_count++].mailed = done;
	return 0;
}

static int
write_copy(void *self, const char *directory, struct smx_slice name,
    struct smx_slice bytes, struct smx_buf *reason)
{
	(void)self;
	(void)name;
	(void)reason;
	note(smx_slice_text(directory), bytes);
	return 0;
}

static void
answer_all(void)
{
	size_t count = is_mute ? 0 : waiting_count;

	for (size_t i = 0; i < count; i++) {
		if (waiting[i].posted != NULL)
			waiting[i].posted(waiting[i].arg, &post_answer);
		else
			waiting[i].mailed(waiting[i].arg, &mail_answer);
	}
	if (count > 0)
		waiting_count = 0;
}

static char *no_domains[] = { NULL };
static struct smx_dispatch_settings settings;

static void
open_all(void)
{
	static const struct smx_post_ops post_ops = { .post = post };
	static const struct smx_mail_ops mail_ops = { .send = send_mail };
	struct smx_buf reason;

	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_dispatch_store_open(path, false, &store, &reason),
	    0);
	smx_buf_done(&reason);
	smx_dispatch_init(&dispatch, &settings);
	dispatch.reports = smx_dispatch_store_port(store);
	dispatch.post = (struct smx_post_port){ &post_ops, NULL };
	dispatch.mail = (struct smx_mail_port){ &mail_ops, NULL };
	dispatch.copy = (struct smx_copy_port){ write_copy, NULL };
}

/* As a kill would: nothing under way is answered any more. */
static void
kill_all(void)
{
	waiting_count = 0;
	smx_dispatch_done(&dispatch);
	smx_dispatch_store_close(&store);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/smx_dispatch_XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/reports.db", folder);
	settings = (struct smx_dispatch_settings){
		.organization = "Sender",
		.contact = "tls@sender.example",
		.submitter = "sender.example",
		.token = "0123456789abcdef",
		.exclude = no_domains,
		.spread = 4 * SMX_HOUR,
		.retry_for = SMX_DAY,
		.keep = 14 * SMX_DAY,
		.flight_max = 1000,
		.flight_host_max = 64,
		.flight_mail_max = 64,
		.flight_way_bytes = 1 << 20,
		.flight_bytes = 4 << 20,
	};
	post_answer = (struct smx_post_answer){ .status = SMX_POST_ACCEPTED };
	mail_answer = (struct smx_mail_answer){ .status = SMX_MAIL_ACCEPTED };
	sent_count = waiting_count = 0;
	is_mute = false;
	leap = 0;
	now = MIDNIGHT - SMX_HOUR;
	open_all();
	return 0;
}

static int
teardown(void **state)
{
	char file[128];

	(void)state;
	kill_all();
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		unlink(file);
	}
	return rmdir(folder);
}

/* Count sessions, as role collect does. */
static void
count(const char *datagram, int64_t day)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct smx_tally_store *to = NULL;
	struct smx_tlsrpt_event event;
	struct smx_tally tally;
	struct smx_arena arena;
	struct smx_buf reason;
	const char *what = "";

	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_EVENT_ARENA_MAX);
	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_tally_init(&tally, seed), 0);
	assert_int_equal(smx_tlsrpt_event_parse(&arena,
			     smx_slice_text(datagram), &event, &what),
	    0);
	assert_int_equal(smx_tally_add(&tally, &event, day), 0);
	assert_int_equal(smx_tally_store_open(path, &to, &reason), 0);
	assert_int_equal(smx_tally_store_close(&to, &tally.batch), 0);
	smx_tally_done(&tally);
	smx_buf_done(&reason);
	smx_arena_done(&arena);
}

static void
count_domain(const char *domain, const char *record, bool failed, int64_t day)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "{\"d\":\"%s\",\"pr\":\"%s\",\"policies\":[{\"policy-type\":2,"
	    "\"policy-string\":[\"mode: enforce\"],\"f\":%d}]}",
	    domain, record, failed);
	count(text, day);
}

/* The other clock begins somewhere else, and never leaps. */
static struct smx_now
clocks(void)
{
	return (struct smx_now){ .mono = now - MIDNIGHT / 2,
		.wall = now + leap };
}

/* Let time pass, with a tick and the answers at each step. */
static void
pass_by(smx_time step, smx_time span)
{
	smx_time end = now + span;

	for (; now < end; now += step) {
		while (smx_dispatch_tick(&dispatch, clocks()) == 0)
			answer_all();
		answer_all();
	}
}

static void
pass(smx_time span)
{
	pass_by(SMX_MINUTE, span);
}

/* The value of "report-id". */
static const char *
id_of(size_t i)
{
	static char ids[4][256];
	static size_t next;
	const char *at = strstr(sent[i].report, "\"report-id\":\"");
	char *id = ids[next++ % 4];

	assert_non_null(at);
	snprintf(id, sizeof(ids[0]), "%.*s", (int)strcspn(at + 13, "\""),
	    at + 13);
	return id;
}

static void
test_after_midnight_within_the_spread(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%d.example", i);
		count_domain(name, HTTPS, false, DAY0);
	}
	pass(SMX_HOUR + SMX_DISPATCH_GRACE);
	assert_int_equal(sent_count, 0);
	pass(4 * SMX_HOUR + SMX_MINUTE);
	assert_int_equal(sent_count, 50);
	/* Spread, not all at once. */
	assert_true(sent[49].at - sent[0].at > SMX_HOUR);
	pass(2 * SMX_DAY);
	assert_int_equal(sent_count, 50);
	assert_int_equal(dispatch.delivered, 50);
}

static void
test_repeats_have_the_same_id(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	post_answer.status = SMX_POST_LATER;
	pass(2 * SMX_HOUR);
	assert_true(sent_count >= 2);
	/* Killed while one was under way: it comes again, some time. */
	is_mute = true;
	pass(3 * SMX_HOUR);
	kill_all();
	open_all();
	is_mute = false;
	post_answer.status = SMX_POST_ACCEPTED;
	pass(6 * SMX_HOUR);
	for (size_t i = 1; i < sent_count; i++)
		assert_string_equal(sent[0].report, sent[i].report);
	assert_int_equal(dispatch.delivered, 1);
	assert_string_equal(id_of(0),
	    "20000.a.example.0123456789abcdef@sender.example");
}

static void
test_retries_back_off_and_end(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	post_answer.status = SMX_POST_LATER;
	pass(3 * SMX_DAY);
	/* 5, 10, 20 ... minutes, 4 hours at the most, for a day. */
	assert_int_equal(sent[1].at - sent[0].at, 5 * SMX_MINUTE);
	assert_int_equal(sent[2].at - sent[1].at, 10 * SMX_MINUTE);
	for (size_t i = 1; i < sent_count; i++)
		assert_true(sent[i].at - sent[i - 1].at <= 4 * SMX_HOUR);
	assert_true(sent[sent_count - 1].at - sent[0].at <=
	    SMX_DAY + SMX_MINUTE);
	assert_true(sent[sent_count - 1].at - sent[0].at >= SMX_DAY);
	assert_int_equal(dispatch.given_up, 1);
}

static void
test_retry_after(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	post_answer = (struct smx_post_answer){ .status = SMX_POST_LATER,
		.retry_after_s = 3600 };
	pass(4 * SMX_HOUR);
	assert_int_equal(sent[1].at - sent[0].at, SMX_HOUR);
	/* Nobody can ask for more than the bound. */
	post_answer.retry_after_s = UINT32_MAX;
	pass(SMX_DAY);
	assert_true(sent[sent_count - 1].at - sent[sent_count - 2].at <=
	    4 * SMX_HOUR);
}

static void
test_mail_refused_for_good(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", MAIL, false, DAY0);
	mail_answer.status = SMX_MAIL_REFUSED;
	pass(SMX_DAY);
	assert_int_equal(sent_count, 1);
	assert_int_equal(dispatch.given_up, 1);
}

/* One place that is no good spoils neither the other nor another domain. */
static void
test_mute_host_delays_nobody(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m%d.example", i);
		count_domain(name, "v=TLSRPTv1; rua=https://mute.example/",
		    false, DAY0);
	}
	count_domain("z.example", HTTPS ",mailto:a@b.example", false, DAY0);
	is_mute = true;
	pass(SMX_HOUR + 10 * SMX_MINUTE);
	for (size_t i = 0, mute = 0, others = 0; i <= sent_count; i++) {
		if (i == sent_count) {
			assert_int_equal(mute, 64);
			assert_int_equal(others, 2);
			break;
		}
		if (strcmp(sent[i].to, "mute.example") == 0)
			mute++;
		else
			others++;
	}
}

static void
test_missed_days(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("old.example", HTTPS, false, DAY0 - 3);
	count_domain("a.example", HTTPS, false, DAY0 - 1);
	count_domain("a.example", HTTPS, false, DAY0);
	now = MIDNIGHT + SMX_HOUR;
	pass(SMX_HOUR);
	assert_int_equal(sent_count, 2);
	assert_string_not_equal(id_of(0), id_of(1));
}

static void
test_closed_day_takes_nothing_more(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, 1);
	/* It counts for the next day that is open. */
	count_domain("a.example", HTTPS, true, DAY0);
	pass(SMX_DAY);
	assert_int_equal(sent_count, 2);
	assert_non_null(strstr(sent[0].report, "-failure-session-count\":0"));
	assert_non_null(strstr(sent[1].report, "-failure-session-count\":1"));
}

static void
test_what_is_left_out(void **state)
{
	static char *exclude[] = { (char *)"no.example",
		(char *)".below.example", NULL };

	(void)state;
	settings.spread = 0;
	settings.exclude = exclude;
	settings.only_failures = true;
	kill_all();
	open_all();
	count_domain("no.example", HTTPS, true, DAY0);
	count_domain("x.below.example", HTTPS, true, DAY0);
	count_domain("below.example", HTTPS, true, DAY0);
	count_domain("good.example", HTTPS, false, DAY0);
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, 1);
	assert_non_null(strstr(sent[0].report, "\"below.example\""));
}

static void
test_copies_and_dry_run(void **state)
{
	(void)state;
	settings.spread = 0;
	settings.copy_to = "/copies";
	settings.dry_run = true;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, 1);
	assert_string_equal(sent[0].to, "/copies");
	/* Once it is no dry run any more, that day stays as it was. */
	settings.dry_run = false;
	kill_all();
	open_all();
	pass(SMX_DAY);
	assert_int_equal(sent_count, 1);
}

/* In testing an MTA verifies nothing: only the probes' sessions count. */
static void
test_unverified_sessions_in_testing(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count(
	    "{\"d\":\"a.example\",\"pr\":\"" HTTPS "\",\"policies\":["
	    "{\"policy-type\":9,\"f\":0},{\"policy-type\":2,\"policy-string\":"
	    "[\"mode: testing\"],\"failure-details\":[{\"c\":204}],\"f\":1}]}",
	    DAY0);
	count("{\"d\":\"b.example\",\"pr\":\"" HTTPS "\",\"policies\":["
	      "{\"policy-type\":9,\"f\":0}]}",
	    DAY0);
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, 2);
	for (size_t i = 0; i < 2; i++) {
		bool is_b = strstr(sent[i].report, "\"b.example\"") != NULL;

		assert_int_equal(
		    strstr(sent[i].report, "no-policy-found") != NULL, is_b);
		assert_int_equal(strstr(sent[i].report,
				     "certificate-expired") != NULL,
		    !is_b);
	}
}

/* A failure that the report leaves out is none to report. */
static void
test_only_failures_in_testing(void **state)
{
	(void)state;
	settings.spread = 0;
	settings.only_failures = true;
	kill_all();
	open_all();
	count("{\"d\":\"a.example\",\"pr\":\"" HTTPS "\",\"policies\":["
	      "{\"policy-type\":9,\"failure-details\":[{\"c\":201}],\"f\":1},"
	      "{\"policy-type\":2,\"policy-string\":[\"mode: testing\"],"
	      "\"f\":0}]}",
	    DAY0);
	count("{\"d\":\"b.example\",\"pr\":\"" HTTPS "\",\"policies\":["
	      "{\"policy-type\":9,\"failure-details\":[{\"c\":201}],\"f\":1}]}",
	    DAY0);
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, 1);
	assert_non_null(strstr(sent[0].report, "\"b.example\""));
}

static void
test_clock_that_goes_back(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, 1);
	leap = -SMX_DAY;
	pass(SMX_DAY);
	assert_int_equal(sent_count, 1);
	count_domain("a.example", HTTPS, false, DAY0 + 1);
	pass(2 * SMX_DAY);
	assert_int_equal(sent_count, 2);
}

static int open_count;

static void
count_open(void *arg, enum smx_tlsrpt_policy_type type,
    struct smx_slice members, uint64_t success, uint64_t failure)
{
	(void)arg;
	(void)type;
	(void)members;
	open_count += (int)(success + failure);
}

static void
ignore_failure(void *arg, struct smx_slice members, uint64_t n)
{
	(void)arg;
	(void)members;
	(void)n;
}

static void
test_forgotten_after_a_while(void **state)
{
	struct smx_report_visitor visitor = { count_open, ignore_failure,
		NULL };

	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	pass_by(SMX_HOUR, 13 * SMX_DAY);
	open_count = 0;
	assert_int_equal(dispatch.reports.ops->walk(store, 1, &visitor), 0);
	assert_int_equal(open_count, 1);
	pass_by(SMX_HOUR, 3 * SMX_DAY);
	open_count = 0;
	assert_int_equal(dispatch.reports.ops->walk(store, 1, &visitor), 0);
	assert_int_equal(open_count, 0);
}

/* The time to try begins with the first attempt, however late it was (RFC 8460,
 * 5.5): a machine that was down for a day is not the other's fault. */
static void
test_first_attempt_is_late(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0 - 1);
	post_answer.status = SMX_POST_LATER;
	now = MIDNIGHT + 7 * SMX_HOUR;
	pass(SMX_HOUR);
	assert_true(sent_count > 2);
	assert_int_equal(dispatch.given_up, 0);
	post_answer.status = SMX_POST_ACCEPTED;
	pass(2 * SMX_HOUR);
	assert_int_equal(dispatch.delivered, 1);
}

static void
test_missed_days_are_spread(void **state)
{
	smx_time begin;

	(void)state;
	for (int i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%d.example", i);
		count_domain(name, HTTPS, false, DAY0 - 1);
	}
	begin = now = MIDNIGHT + 12 * SMX_HOUR;
	pass(5 * SMX_HOUR);
	assert_int_equal(sent_count, 50);
	assert_true(sent[49].at - begin > SMX_HOUR);
}

/* More than can be begun, on a way that is mute: what never had its turn ends
 * as well, and is forgotten one day. */
static void
test_crowd_ends(void **state)
{
	(void)state;
	settings.spread = 0;
	settings.flight_host_max = 2;
	kill_all();
	open_all();
	for (int i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m%d.example", i);
		count_domain(name, HTTPS, false, DAY0);
	}
	is_mute = true;
	pass(27 * SMX_HOUR);
	assert_int_equal(sent_count, 2);
	assert_int_equal(dispatch.given_up, 28);
}

/* Long reports wait for each other, and not for memory. */
static void
test_bytes_under_way_are_bounded(void **state)
{
	(void)state;
	settings.spread = 0;
	settings.flight_way_bytes = 3000;
	kill_all();
	open_all();
	for (int i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m%d.example", i);
		count_domain(name, MAIL, false, DAY0);
	}
	count_domain("z.example", HTTPS, false, DAY0);
	is_mute = true;
	pass(2 * SMX_HOUR);
	for (size_t i = 0, bytes = 0, mails = 0; i <= sent_count; i++) {
		if (i == sent_count) {
			/* Reached by the last one, and by no other. */
			assert_true(mails >= 1 && mails < 10);
			assert_true(2 * bytes >= 3000);
			assert_int_equal(sent_count, mails + 1);
			break;
		}
		bytes += sent[i].bytes;
		mails += sent[i].bytes > 0;
	}
	is_mute = false;
	pass(2 * SMX_HOUR);
	assert_int_equal(dispatch.delivered, 41);
}

/* A year ahead and back: nothing was too old, and nothing waits for a year. */
static void
test_clock_that_leaps_ahead(void **state)
{
	(void)state;
	settings.spread = 0;
	settings.flight_host_max = 1;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	count_domain("b.example", HTTPS, false, DAY0 - 1);
	count_domain("c.example", HTTPS, false, DAY0 - 1);
	/* One is under way, one waits for its turn. */
	is_mute = true;
	pass(2 * SMX_MINUTE);
	assert_int_equal(sent_count, 1);
	leap = 365 * SMX_DAY;
	pass(30 * SMX_MINUTE);
	leap = 0;
	pass(SMX_MINUTE);
	is_mute = false;
	pass(2 * SMX_HOUR);
	assert_int_equal(dispatch.delivered, 3);
	/* Taken by a process whose clock was wrong from the start. */
	settings.flight_max = 0;
	kill_all();
	open_all();
	count_domain("d.example", HTTPS, false, DAY0 + 1);
	pass(SMX_DAY);
	settings.flight_max = 1000;
	kill_all();
	leap = 365 * SMX_DAY;
	is_mute = true;
	open_all();
	pass(10 * SMX_MINUTE);
	kill_all();
	leap = 0;
	is_mute = false;
	open_all();
	pass(SMX_HOUR);
	assert_int_equal(dispatch.delivered, 1);
}

/* Nothing is sent of a day that is not over, whatever was the time before. */
static void
test_clock_that_was_ahead(void **state)
{
	(void)state;
	settings.spread = 0;
	leap = 30 * SMX_DAY;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0 + 30);
	post_answer.status = SMX_POST_LATER;
	pass(2 * SMX_HOUR);
	assert_int_equal(sent_count, dispatch.failed);
	leap = 0;
	pass(SMX_DAY);
	sent_count = 0;
	post_answer.status = SMX_POST_ACCEPTED;
	pass(SMX_DAY);
	assert_int_equal(sent_count, 0);
	pass_by(SMX_HOUR, 31 * SMX_DAY);
	assert_int_equal(sent_count, 1);
}

/* Many that are due at once go out as fast as the other takes them. */
static void
test_herd(void **state)
{
	(void)state;
	settings.spread = 0;
	settings.flight_host_max = 4;
	kill_all();
	open_all();
	for (int i = 0; i < 1500; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m%d.example", i);
		count_domain(name, HTTPS, false, DAY0);
	}
	now = MIDNIGHT + SMX_DISPATCH_GRACE;
	/* It takes four a second. */
	for (int i = 0; i < 1200; i++, now += SMX_SECOND) {
		while (smx_dispatch_tick(&dispatch, clocks()) == 0)
			continue;
		answer_all();
	}
	assert_int_equal(dispatch.delivered, 1500);
}

/* The clock was wrong, and is right now: what it says is believed in the
 * end. */
static void
test_clock_that_was_behind(void **state)
{
	(void)state;
	settings.spread = 0;
	leap = -365 * SMX_DAY;
	kill_all();
	open_all();
	pass(SMX_HOUR);
	leap = 0;
	count_domain("a.example", HTTPS, false, DAY0);
	pass(30 * SMX_MINUTE);
	assert_int_equal(sent_count, 0);
	pass(SMX_HOUR);
	assert_int_equal(sent_count, 1);
}

/* After an orderly end what was under way comes again at once, not when its
 * lease has run out. */
static void
test_released_at_the_end(void **state)
{
	(void)state;
	settings.spread = 0;
	kill_all();
	open_all();
	count_domain("a.example", HTTPS, false, DAY0);
	is_mute = true;
	pass(SMX_HOUR + 10 * SMX_MINUTE);
	assert_int_equal(sent_count, 1);
	smx_dispatch_release(&dispatch);
	kill_all();
	open_all();
	is_mute = false;
	pass(SMX_MINUTE);
	assert_int_equal(sent_count, 2);
	assert_string_equal(sent[0].report, sent[1].report);
	assert_int_equal(dispatch.delivered, 1);
}

/* Far longer than a piece that is compressed at once; what arrives is whole. */
static void
test_long_report(void **state)
{
	struct smx_report_day day = {
		.id = 1, .day = DAY0, .domain = SMX_SLICE("a.example")
	};
	struct smx_buf whole, gz, again;
	size_t bytes = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		char text[4096], line[500];

		memset(line, 'a' + i % 26, sizeof(line) - 1);
		line[sizeof(line) - 1] = '\0';
		snprintf(text, sizeof(text),
		    "{\"d\":\"a.example\",\"pr\":\"" HTTPS
		    "\",\"policies\":[{\"policy-type\":2,\"policy-string\":"
		    "[\"%s\",\"%s\",\"%s\",\"%d\"],\"f\":0}]}",
		    line, line, line, i);
		count(text, DAY0);
	}
	smx_buf_init(&whole, 1 << 20);
	smx_buf_init(&gz, 1 << 20);
	smx_buf_init(&again, 1 << 20);
	assert_int_equal(smx_dispatch_report_print(&dispatch, &day, &whole), 0);
	assert_true(whole.n > 65536);
	assert_int_equal(
	    smx_dispatch_report_compress(&dispatch, &day, &gz, &bytes), 0);
	assert_int_equal(bytes, whole.n);
	assert_int_equal(smx_gz_read(smx_buf_slice(&gz), &again), 0);
	assert_true(smx_slice_equal(smx_buf_slice(&whole),
	    smx_buf_slice(&again)));
	smx_buf_done(&whole);
	smx_buf_done(&gz);
	smx_buf_done(&again);
}

/* Each allocation of a night fails in turn, and all behind it until the night
 * is over; what could not be done is done when there is memory again. Of ours
 * alone: SQLite's, zlib's and libc's are their own. */
static void
test_out_of_memory(void **state)
{
	unsigned passed = 0;
	uint64_t failed;

	(void)state;
	settings.spread = 0;
	settings.copy_to = "/copies";
	do {
		teardown(NULL);
		setup(NULL);
		settings.spread = 0;
		settings.copy_to = "/copies";
		kill_all();
		open_all();
		count_domain("a.example", HTTPS, false, DAY0);
		count_domain("b.example", MAIL, true, DAY0);
		now = MIDNIGHT + SMX_DISPATCH_GRACE;
		is_blind = true;
		failing_alloc_after(passed++);
		for (int i = 0; i < 5; i++) {
			if (smx_dispatch_tick(&dispatch, clocks()) > 0)
				break;
		}
		failing_alloc_off();
		is_blind = false;
		failed = dispatch.failed;
		answer_all();
		/* What was taken and could not be begun has its lease. */
		pass(SMX_HOUR);
		assert_int_equal(dispatch.delivered, 4);
		assert_int_equal(dispatch.given_up, 0);
	} while ((failed > 0 || passed < 5) && passed < 200);
	assert_int_equal(failed, 0);
	/* It ended since nothing fails any more, not at once. */
	assert_true(passed > 8);
}

static void
test_store_out_of_memory(void **state)
{
	unsigned passed = 0;
	int rc;

	(void)state;
	do {
		struct smx_dispatch_store *other = NULL;
		char storage[512];
		struct smx_buf reason;

		smx_buf_init_fixed(&reason, storage, sizeof(storage));
		failing_alloc_after(passed++);
		rc = smx_dispatch_store_open(path, false, &other, &reason);
		failing_alloc_off();
		smx_dispatch_store_close(&other);
		assert_true(rc == 0 || rc == -SMX_ENOMEM || rc == -SMX_EIO);
	} while (rc < 0 && passed < 50);
	assert_int_equal(rc, 0);
	assert_true(passed > 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_after_midnight_within_the_spread),
		TEST(test_repeats_have_the_same_id),
		TEST(test_retries_back_off_and_end),
		TEST(test_retry_after),
		TEST(test_mail_refused_for_good),
		TEST(test_mute_host_delays_nobody),
		TEST(test_missed_days),
		TEST(test_closed_day_takes_nothing_more),
		TEST(test_what_is_left_out),
		TEST(test_copies_and_dry_run),
		TEST(test_unverified_sessions_in_testing),
		TEST(test_only_failures_in_testing),
		TEST(test_clock_that_goes_back),
		TEST(test_forgotten_after_a_while),
		TEST(test_first_attempt_is_late),
		TEST(test_missed_days_are_spread),
		TEST(test_crowd_ends),
		TEST(test_bytes_under_way_are_bounded),
		TEST(test_clock_that_leaps_ahead),
		TEST(test_clock_that_was_ahead),
		TEST(test_clock_that_was_behind),
		TEST(test_herd),
		TEST(test_released_at_the_end),
		TEST(test_long_report),
		TEST(test_out_of_memory),
		TEST(test_store_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
