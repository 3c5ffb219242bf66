#include "unit.h"
#include "failing_alloc.h"

#include "core/tlsrpt_report.h"
#include "engine/tally.h"

#define RECORD SMX_SLICE("v=TLSRPTv1;rua=mailto:tls@a.example")

static const uint64_t seed[2] = { 1, 2 };

static struct smx_tally tally;
static struct smx_tally_batch batch;

static int
start(void **state)
{
	(void)state;
	smx_list_init(&batch.rows);
	return smx_tally_init(&tally, seed);
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_port_tally_free(&batch);
	smx_tally_done(&tally);
	return 0;
}

/* An event of one policy and, with @p reason, one failure. */
struct scene {
	struct smx_tlsrpt_event event;
	struct smx_tlsrpt_event_policy policy;
	struct smx_tlsrpt_event_failure failure;
	struct smx_tlsrpt_line line;
	char texts[2][32];
};

static void
set_scene(struct scene *s, const char *domain, size_t policy, size_t reason)
{
	*s = (struct scene){ .event = { .record = RECORD } };
	assert_int_equal(
	    smx_domain_parse(smx_slice_text(domain), &s->event.domain), 0);
	s->policy.type = SMX_TLSRPT_STS;
	s->policy.domain = s->event.domain;
	s->policy.is_session = true;
	snprintf(s->texts[0], sizeof(s->texts[0]), "policy %zu", policy);
	snprintf(s->texts[1], sizeof(s->texts[1]), "reason %zu", reason);
	s->line.text = smx_slice_text(s->texts[0]);
	s->policy.policy_string = &s->line;
	s->event.policies = &s->policy;
	s->failure.row.result = SMX_TLSRPT_CERTIFICATE_EXPIRED;
	s->failure.row.failure_reason_code = smx_slice_text(s->texts[1]);
	if (reason > 0) {
		s->policy.failures = &s->failure;
		s->policy.is_failure = true;
	}
}

static int
add(const char *domain, int64_t day, size_t policy, size_t reason)
{
	struct scene s;

	set_scene(&s, domain, policy, reason);
	return smx_tally_add(&tally, &s.event, day);
}

static void
take(void)
{
	smx_port_tally_free(&batch);
	assert_int_equal(smx_tally_take(&tally, &batch), 0);
}

/* The row at @p i of the batch. */
static struct smx_tally_row *
row_at(size_t i)
{
	struct smx_list *node = batch.rows.next;

	while (i-- > 0 && node != &batch.rows)
		node = node->next;
	assert_true(node != &batch.rows);
	return SMX_ELEMENT(node, struct smx_tally_row, link);
}

/* What a batch comes to. */
struct sums {
	size_t domains, policies, failures, others;
	uint64_t success, failure, failed; /* sessions; rows of failures */
	uint64_t other_success, other_failed;
};

static struct sums
sums(void)
{
	struct sums s = { 0 };
	size_t count = 0;

	for (struct smx_list *node = batch.rows.next; node != &batch.rows;
	     node = node->next) {
		struct smx_tally_row *row = SMX_ELEMENT(node,
		    struct smx_tally_row, link);

		/* Numbers count on, and a parent stands before its row. */
		assert_int_equal(row->number, ++count);
		assert_true((row->kind == SMX_TALLY_DOMAIN) ==
		    (row->parent == NULL));
		assert_true(row->parent == NULL ||
		    row->parent->number < row->number);
		s.others += row->is_other;
		if (row->kind == SMX_TALLY_DOMAIN) {
			s.domains++;
		} else if (row->kind == SMX_TALLY_POLICY) {
			s.policies++;
			s.success += row->success;
			s.failure += row->failure;
			s.other_success += row->is_other ? row->success : 0;
		} else {
			s.failures++;
			s.failed += row->failure;
			s.other_failed += row->is_other ? row->failure : 0;
		}
	}
	assert_int_equal(count, batch.row_count);
	return s;
}

static void
test_rows(void **state)
{
	struct smx_tally_row *row;

	(void)state;
	assert_int_equal(add("a.example", 10, 1, 0), 0);
	assert_int_equal(add("a.example", 10, 1, 1), 0);
	assert_int_equal(add("a.example", 10, 1, 1), 0);
	assert_int_equal(add("a.example", 11, 1, 0), 0);
	assert_int_equal(add("b.example", 10, 1, 0), 0);
	take();
	assert_int_equal(batch.events, 5);
	assert_int_equal(batch.dropped, 0);
	assert_int_equal(batch.row_count, 7);
	row = row_at(0);
	assert_int_equal(row->kind, SMX_TALLY_DOMAIN);
	assert_int_equal(row->day, 10);
	assert_slice(row->text, "a.example");
	assert_true(smx_slice_equal(row->record, RECORD));
	row = row_at(1);
	assert_int_equal(row->kind, SMX_TALLY_POLICY);
	assert_ptr_equal(row->parent, row_at(0));
	assert_int_equal(row->type, SMX_TLSRPT_STS);
	assert_slice(row->text,
	    "\"policy-type\":\"sts\",\"policy-string\":[\"policy 1\"],"
	    "\"policy-domain\":\"a.example\"");
	assert_int_equal(row->success, 1);
	assert_int_equal(row->failure, 2);
	assert_false(row->is_other);
	row = row_at(2);
	assert_int_equal(row->kind, SMX_TALLY_FAILURE);
	assert_ptr_equal(row->parent, row_at(1));
	assert_slice(row->text,
	    "\"result-type\":\"certificate-expired\","
	    "\"failure-reason-code\":\"reason 1\"");
	assert_int_equal(row->failure, 2);
	assert_int_equal(row_at(3)->day, 11);
	assert_slice(row_at(5)->text, "b.example");
	sums();
}

/* Failures count also when the session succeeded in the end, and when there
 * was none. */
static void
test_what_is_counted(void **state)
{
	struct scene s;
	struct sums sum;

	(void)state;
	set_scene(&s, "a.example", 1, 1);
	s.policy.is_failure = false;
	assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	s.policy.is_session = false;
	assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	s.policy.is_failure = true;
	assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	take();
	sum = sums();
	assert_int_equal(sum.success, 1);
	assert_int_equal(sum.failure, 0);
	assert_int_equal(sum.failed, 3);
	assert_int_equal(batch.row_count, 3);
}

static void
test_the_last_record_counts(void **state)
{
	struct scene s;

	(void)state;
	set_scene(&s, "a.example", 1, 0);
	for (int i = 0; i < 1000; i++) {
		s.event.record = i % 2 == 0 ? SMX_SLICE("first")
					    : SMX_SLICE("the second");
		assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	}
	/* What was replaced does not add up. */
	assert_true(smx_tally_bytes(&tally) < 8192);
	take();
	assert_slice(row_at(0)->record, "the second");
	assert_int_equal(batch.row_count, 2);
}

static void
test_take_empties(void **state)
{
	(void)state;
	take();
	assert_int_equal(batch.row_count, 0);
	assert_true(smx_list_is_empty(&batch.rows));
	assert_int_equal(add("a.example", 1, 1, 1), 0);
	take();
	assert_int_equal(batch.row_count, 3);
	assert_int_equal(smx_tally_bytes(&tally), 0);
	assert_int_equal(tally.batch.events, 0);
	/* The same again: new rows, numbered from 1 on. */
	assert_int_equal(add("a.example", 1, 1, 1), 0);
	take();
	assert_int_equal(batch.row_count, 3);
	assert_int_equal(batch.events, 1);
	sums();
}

static void
test_many_policies(void **state)
{
	struct sums sum;
	size_t n = SMX_TALLY_POLICIES_MAX;

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(add("a.example", 1, i, 0), 0);
	take();
	sum = sums();
	assert_int_equal(sum.policies, n);
	assert_int_equal(sum.others, 0);
	for (size_t i = 0; i < n + 10; i++)
		assert_int_equal(add("a.example", 1, i, 1), 0);
	/* One that is there is still found, and other domains have room. */
	assert_int_equal(add("a.example", 1, 0, 1), 0);
	assert_int_equal(add("b.example", 1, n, 1), 0);
	take();
	sum = sums();
	assert_int_equal(sum.policies, n + 1 + 1);
	assert_int_equal(sum.others, 1);
	assert_int_equal(sum.failure, n + 12);
	assert_int_equal(sum.failed, n + 12);
	assert_int_equal(row_at(1)->failure, 2);
	assert_int_equal(batch.dropped, 0);
}

/* Each type has a row of its own for the rest. */
static void
test_other_rows_by_type(void **state)
{
	struct sums sum;
	struct scene s;

	(void)state;
	for (size_t i = 0; i < 2 * SMX_TALLY_POLICIES_MAX; i++) {
		set_scene(&s, "a.example", i, 0);
		s.policy.type = i % 2 == 0 ? SMX_TLSRPT_STS : SMX_TLSRPT_TLSA;
		assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	}
	take();
	sum = sums();
	assert_int_equal(sum.policies, SMX_TALLY_POLICIES_MAX + 2);
	assert_int_equal(sum.others, 2);
	assert_int_equal(sum.other_success, SMX_TALLY_POLICIES_MAX);
	assert_int_equal(row_at(SMX_TALLY_POLICIES_MAX + 1)->type,
	    SMX_TLSRPT_STS);
	assert_int_equal(row_at(SMX_TALLY_POLICIES_MAX + 2)->type,
	    SMX_TLSRPT_TLSA);
	assert_slice(row_at(SMX_TALLY_POLICIES_MAX + 2)->text,
	    "\"policy-type\":\"tlsa\",\"policy-domain\":\"a.example\"");
}

/* The row for the rest may be there as a row of its own already: a policy of
 * which only the name was told. */
static void
test_other_row_under_its_own_name(void **state)
{
	struct sums sum;
	struct scene s;

	(void)state;
	set_scene(&s, "a.example", 0, 0);
	s.policy.policy_string = NULL;
	assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	for (size_t i = 0; i < SMX_TALLY_POLICIES_MAX + 4; i++)
		assert_int_equal(add("a.example", 1, i, 0), 0);
	take();
	sum = sums();
	assert_int_equal(sum.policies, SMX_TALLY_POLICIES_MAX);
	assert_int_equal(sum.others, 1);
	assert_int_equal(sum.other_success, 1 + 5);
	assert_true(row_at(1)->is_other);
}

static void
test_many_failures(void **state)
{
	struct sums sum;
	size_t n = SMX_TALLY_FAILURES_MAX;

	(void)state;
	for (size_t i = 1; i <= n; i++)
		assert_int_equal(add("a.example", 1, 1, i), 0);
	for (size_t i = n + 1; i <= n + 20; i++)
		assert_int_equal(add("a.example", 1, 1, i), 0);
	assert_int_equal(add("a.example", 1, 1, 1), 0);
	/* Another policy has room. */
	assert_int_equal(add("a.example", 1, 2, n + 1), 0);
	take();
	sum = sums();
	assert_int_equal(sum.failures, n + 1 + 1);
	assert_int_equal(sum.others, 1);
	assert_int_equal(sum.other_failed, 20);
	assert_int_equal(sum.failed, n + 22);
	assert_int_equal(sum.failure, n + 22);
	assert_true(smx_slice_equal(row_at(n + 2)->text,
	    smx_tlsrpt_report_other_failure));
}

/* A policy that is longer than a row may be is told apart no more. */
static void
test_long_policy(void **state)
{
	static char text[SMX_TLSRPT_EVENT_TEXT_MAX];
	struct smx_tlsrpt_line lines[20];
	struct sums sum;
	struct scene s;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		lines[i] = (struct smx_tlsrpt_line){
			.text = smx_slice(text, sizeof(text)),
			.next = i + 1 < COUNT_OF(lines) ? &lines[i + 1] : NULL,
		};
	set_scene(&s, "a.example", 1, 1);
	s.policy.policy_string = lines;
	assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	lines[0].next = NULL;
	assert_int_equal(smx_tally_add(&tally, &s.event, 1), 0);
	take();
	sum = sums();
	assert_int_equal(sum.policies, 2);
	assert_int_equal(sum.others, 1);
	assert_true(row_at(1)->is_other);
	assert_int_equal(row_at(1)->failure, 1);
	assert_int_equal(sum.failed, 2);
}

/* A million rows, all different: whatever they differ in, what is held stays
 * below the limit, and each event is counted or counted as dropped. */
static void
test_million_rows(void **state)
{
	uint64_t counted = 0, dropped = 0;
	struct sums sum;

	(void)state;
	for (size_t i = 0; i < 1000000; i++) {
		char domain[32];
		int rc;

		snprintf(domain, sizeof(domain), "d%zu.example", i / 4);
		rc = add(domain, 1, i, i % 2);
		assert_true(rc == 0 || rc == -SMX_ELIMIT);
		counted += rc == 0;
		dropped += rc != 0;
		assert_true(smx_tally_bytes(&tally) <= SMX_TALLY_BYTES_MAX);
	}
	assert_true(dropped > 0 && counted > 10000);
	take();
	assert_int_equal(batch.events, 1000000);
	assert_int_equal(batch.dropped, dropped);
	sum = sums();
	/* A policy may have found room, and its failure none. */
	assert_true(sum.success + sum.failure >= counted);
	assert_true(sum.success + sum.failure <= counted + dropped);
	/* Afterwards there is room again. */
	assert_int_equal(add("a.example", 1, 1, 1), 0);
}

/* Of one domain they cost next to nothing, and none is lost. */
static void
test_million_rows_of_a_domain(void **state)
{
	struct sums sum;

	(void)state;
	for (size_t i = 0; i < 1000000; i++)
		assert_int_equal(add("a.example", 1, i % 1000, 1 + i / 10), 0);
	assert_true(smx_tally_bytes(&tally) <= SMX_TALLY_BYTES_MAX);
	take();
	sum = sums();
	assert_int_equal(batch.dropped, 0);
	assert_int_equal(sum.policies, SMX_TALLY_POLICIES_MAX + 1);
	assert_true(sum.failures <=
	    (SMX_TALLY_POLICIES_MAX + 1) * (SMX_TALLY_FAILURES_MAX + 1));
	assert_int_equal(sum.failure, 1000000);
	assert_int_equal(sum.failed, 1000000);
}

/* A row that has no room for its record holds nothing, and gets one later. */
static void
test_long_records(void **state)
{
	static char record[SMX_TXT_MAX];
	uint64_t dropped = 0;
	struct scene s;

	(void)state;
	memset(record, 'r', sizeof(record));
	for (size_t i = 0; i < 20000; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "d%zu.example", i);
		set_scene(&s, domain, 1, 0);
		s.event.record = smx_slice(record, sizeof(record));
		dropped += smx_tally_add(&tally, &s.event, 1) != 0;
		assert_true(smx_tally_bytes(&tally) <= SMX_TALLY_BYTES_MAX);
	}
	assert_true(dropped > 0);
	take();
	assert_int_equal(batch.dropped, dropped);
	for (struct smx_list *node = batch.rows.next; node != &batch.rows;
	     node = node->next) {
		struct smx_tally_row *row = SMX_ELEMENT(node,
		    struct smx_tally_row, link);

		assert_true(row->kind != SMX_TALLY_DOMAIN ||
		    row->record.n > 0 || row->children == 0);
	}
}

/* Memory ends at each place, of an event that makes all kinds of rows. */
static void
test_out_of_memory(void **state)
{
	size_t room = 0, failed = 0;
	int rc;

	(void)state;
	do {
		uint64_t dropped;

		tally.batch.arena.max_bytes = room;
		room += 16;
		rc = add("a.example", 1, 1, 1);
		tally.batch.arena.max_bytes = SMX_TALLY_BYTES_MAX;
		assert_true(rc == 0 || rc == -SMX_ELIMIT);
		dropped = tally.batch.dropped;
		assert_int_equal(dropped, rc < 0);
		failed += rc < 0;
		/* Once more, with memory: what was missing is made up for. */
		assert_int_equal(add("a.example", 1, 1, 1), 0);
		take();
		/* Where a row had no room, the shorter one of all others may
		 * have had it. */
		assert_true(batch.row_count == 3 || batch.row_count == 4);
		assert_int_equal(sums().failed, rc < 0 ? 1 : 2);
	} while ((rc < 0 || batch.row_count != 3) && room < 65536);
	assert_int_equal(rc, 0);
	assert_true(failed > 3);
}

static void
test_init_and_take_out_of_memory(void **state)
{
	struct smx_tally other;
	unsigned passed = 0;
	int rc;

	(void)state;
	do {
		failing_alloc_after(passed++);
		rc = smx_tally_init(&other, seed);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
	} while (rc < 0 && passed < 10);
	assert_int_equal(rc, 0);
	assert_true(passed > 2);
	smx_tally_done(&other);
	/* What can't be taken stays, and counting goes on. */
	assert_int_equal(add("a.example", 1, 1, 1), 0);
	failing_alloc_after(0);
	assert_int_equal(smx_tally_take(&tally, &batch), -SMX_ENOMEM);
	failing_alloc_off();
	assert_int_equal(add("a.example", 1, 1, 1), 0);
	take();
	assert_int_equal(batch.row_count, 3);
	assert_int_equal(batch.events, 2);
	assert_int_equal(sums().failed, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_what_is_counted),
		TEST(test_the_last_record_counts),
		TEST(test_take_empties),
		TEST(test_many_policies),
		TEST(test_other_rows_by_type),
		TEST(test_other_row_under_its_own_name),
		TEST(test_many_failures),
		TEST(test_long_policy),
		TEST(test_million_rows),
		TEST(test_million_rows_of_a_domain),
		TEST(test_long_records),
		TEST(test_out_of_memory),
		TEST(test_init_and_take_out_of_memory),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
