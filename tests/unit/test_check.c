#include "check_scene.h"
#include "failing_alloc.h"

/* Scenes in which everything is met: good, bad, and with second sessions. */
static const struct scene scenes[] = {
	{ 0 },
	{ .record_2 = "v=spf1 -all",
	    .at_domain = "google=1",
	    .body_2 = SCENE_MODE("testing"),
	    .host_alias = "web.example",
	    .tlsrpt = "v=TLSRPTv1; rua=mailto:a@b.example,https://c.example/",
	    .rua_https = SMX_DIAG_HOST_REFUSED,
	    .mx = { { .host = "mx1.example.com", .tlsa = SCENE_TLSA_PAIR },
		{ .host = "mx2.example.com",
		    .faults = SMX_CERTIFICATE_NAME,
		    .is_right_without_sni = true },
		{ .host = "mx3.example.com", .status = SMX_DNS_NODATA },
		{ .host = "mx4.example.com",
		    .code = SMX_DIAG_SMTP_TLS_ALERT,
		    .is_connected = true } } },
	/* No strict sender gets through. */
	{ .mx = { { .host = "mx1.example.com",
		      .faults = SMX_CERTIFICATE_EXPIRED },
	      { .host = "mx2.example.com",
		  .code = SMX_DIAG_SMTP_NO_STARTTLS,
		  .is_connected = true } } },
	{ .record = "",
	    .host_status = SMX_DNS_NXDOMAIN,
	    .tlsrpt = "",
	    .mx = { { .host = "mx1.example.com" } } },
	/* Only one family has records: without the other it has no address. */
	{ .mx_status = SMX_DNS_NODATA,
	    .domain_has_address = true,
	    .settings = { .skip_smtp = true } },
};

static void
assert_same(const struct smx_check *a, const struct smx_check *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_true(smx_slice_equal(a->headline, b->headline));
	assert_true(smx_slice_equal(a->reason, b->reason));
	assert_int_equal(a->finding_count, b->finding_count);
	for (size_t i = 0; i < smx_check_findings_kept(a); i++) {
		const struct smx_check_finding *x = &a->findings[i],
					       *y = &b->findings[i];

		assert_int_equal(x->diag.code, y->diag.code);
		assert_int_equal(x->section, y->section);
		assert_int_equal(x->where_count, y->where_count);
		assert_true(smx_slice_equal(x->host, y->host));
		if (!smx_slice_equal(x->evidence, y->evidence))
			fail_msg("%.*s: %.*s", (int)x->evidence.n,
			    x->evidence.p, (int)y->evidence.n, y->evidence.p);
		for (size_t j = 0; j < x->where_count; j++)
			assert_true(smx_ip_equal(&x->where[j], &y->where[j]));
	}
}

/* When answers come, and from where, changes nothing in the result. */
static void
test_order_of_answers_does_not_count(void **state)
{
	const struct scene_play inside = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenes); i++) {
		struct scene_result want;

		scene_play(&scenes[i], &inside, &want);
		for (uint64_t n = 0; n < 40; n++) {
			const struct scene_play play = {
				.order = SCENE_LATER + n % 4,
				.seed = n + 1,
			};
			struct scene_result r;

			scene_play(&scenes[i], &play, &r);
			assert_int_equal(r.asks, want.asks);
			assert_same(r.check, want.check);
			scene_end(&r);
		}
		scene_end(&want);
	}
}

/* Nor does the order of the records in an answer: resolvers shuffle. */
static void
test_order_of_records_does_not_count(void **state)
{
	const struct scene_play plain = { 0 }, rotated = { .rotate = true };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenes); i++) {
		struct scene_result a, b;

		scene_play(&scenes[i], &plain, &a);
		scene_play(&scenes[i], &rotated, &b);
		assert_same(a.check, b.check);
		scene_end(&a);
		scene_end(&b);
	}
}

static void
test_order_of_tlsa_records_does_not_count(void **state)
{
	const struct scene s = { .mx = { { .host = "mx1.example.com",
				     .tlsa = SCENE_TLSA_PAIR,
				     .insecure = true } } };
	const struct scene_play plain = { 0 }, rotated = { .rotate = true };
	struct scene_result a, b;

	(void)state;
	scene_play(&s, &plain, &a);
	scene_play(&s, &rotated, &b);
	scene_find(a.check, SMX_DIAG_DANE_INSECURE);
	assert_same(a.check, b.check);
	scene_end(&a);
	scene_end(&b);
}

static void
test_second_sessions(void **state)
{
	const struct scene_play play = { .order = SCENE_SHUFFLED, .seed = 7 };
	struct scene_result r;

	(void)state;
	scene_play(&scenes[0], &play, &r);
	assert_int_equal(r.sessions, 2);
	scene_end(&r);
	/* Three have an address; two of them are asked again without a name. */
	scene_play(&scenes[1], &play, &r);
	assert_int_equal(r.sessions, 5);
	scene_find(r.check, SMX_DIAG_SMTP_SNI);
	scene_end(&r);
}

static void
test_nobody_is_connected_to_when_smtp_is_skipped(void **state)
{
	const struct scene s = { .settings = { .skip_smtp = true } };
	const struct scene_play play = { 0 };
	struct scene_result r;

	(void)state;
	scene_play(&s, &play, &r);
	assert_int_equal(r.sessions, 0);
	assert_true(r.check->facts.smtp_is_skipped);
	assert_false(scene_found(r.check, SMX_DIAG_SMTP_NOT_CHECKED));
	scene_end(&r);
}

/*
 * What went wrong with us is no fact about the domain: the check may not know,
 * but it must not say something else than with all of its memory.
 */
static size_t
count_wrong(const struct smx_check *c, const struct smx_check *want,
    const char *how, size_t scene, unsigned at)
{
	if (c->verdict == SMX_CHECK_UNDETERMINED ||
	    c->verdict == want->verdict ||
	    /* Protected, though one thing to mend was not seen, is as good. */
	    (c->verdict == SMX_CHECK_WARNINGS &&
		want->verdict == SMX_CHECK_PROTECTED))
		return 0;
	print_error("scene %zu, %s %u: %s, not %s (%.*s)\n", scene, how, at,
	    smx_check_verdict_name(c->verdict),
	    smx_check_verdict_name(want->verdict), (int)c->headline.n,
	    c->headline.p);
	return 1;
}

static size_t
fail_asks(size_t i, bool for_ever, enum scene_order order, const char *how)
{
	const struct scene_play inside = { 0 };
	struct scene_result want;
	size_t wrong = 0;

	scene_play(&scenes[i], &inside, &want);
	for (unsigned at = 1; at <= want.asks; at++) {
		const struct scene_play play = { .order = order,
			.seed = at,
			.fail_at = at,
			.fail_for_ever = for_ever };
		struct scene_result r;

		scene_play(&scenes[i], &play, &r);
		assert_int_equal(r.rc, 0);
		wrong += count_wrong(r.check, want.check, how, i, at);
		scene_end(&r);
	}
	scene_end(&want);
	return wrong;
}

static void
test_ports_without_memory(void **state)
{
	(void)state;
	/* Each check ends, and once; see scene_play(). */
	for (size_t i = 0; i < COUNT_OF(scenes); i++)
		for (unsigned order = SCENE_INSIDE; order <= SCENE_MIXED;
		     order++) {
			const struct scene_play play = { .order = order,
				.seed = 3,
				.fail_at = 1,
				.fail_for_ever = true };
			struct scene_result r;

			scene_play(&scenes[i], &play, &r);
			assert_int_equal(r.check->verdict,
			    SMX_CHECK_UNDETERMINED);
			assert_int_equal(smx_check_verdict_status(r.check), 4);
			scene_end(&r);
		}
}

static void
test_ask_that_fails_is_no_fact(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenes); i++) {
		wrong += fail_asks(i, false, SCENE_INSIDE, "ask");
		wrong += fail_asks(i, false, SCENE_SHUFFLED, "shuffled ask");
	}
	assert_int_equal(wrong, 0);
}

static void
test_asks_that_fail_are_no_facts(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenes); i++)
		wrong += fail_asks(i, true, SCENE_LATER, "asks from");
	assert_int_equal(wrong, 0);
}

static size_t
fail_allocations(size_t i, bool recover, const char *how)
{
	const struct scene_play inside = { 0 };
	const struct scene_play play = { .recover = recover };
	struct scene_result want, r;
	size_t wrong = 0;
	unsigned after = 0;
	bool failed;

	scene_play(&scenes[i], &inside, &want);
	do {
		failing_alloc_after(after);
		scene_play(&scenes[i], &play, &r);
		failing_alloc_off();
		failed = r.rc < 0 || r.check->no_memory ||
		    r.check->finding_count != want.check->finding_count ||
		    r.check->verdict != want.check->verdict;
		if (r.rc == 0)
			wrong += count_wrong(r.check, want.check, how, i,
			    after);
		scene_end(&r);
	} while (++after < 100 && (failed || after < 20));
	assert_true(after < 100);
	scene_end(&want);
	return wrong;
}

static void
test_allocations_fail(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenes); i++) {
		wrong += fail_allocations(i, false, "allocations from");
		wrong += fail_allocations(i, true, "for a moment from");
	}
	assert_int_equal(wrong, 0);
}

static void
assert_limits(const struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;

	assert_int_equal(f->mx_count, SMX_CHECK_MX_MAX);
	assert_int_equal(f->mx_answer.count, SMX_DNS_MX_MAX);
	assert_int_equal(f->host_addresses.count, SMX_CHECK_ADDRESS_MAX);
	assert_int_equal(f->host_addresses.total, 2 * SMX_DNS_ADDRESS_MAX);
	for (size_t i = 0; i < f->mx_count; i++) {
		const struct smx_check_mx *mx = &f->mx[i];

		assert_int_equal(mx->addresses.count, SMX_CHECK_ADDRESS_MAX);
		assert_int_equal(mx->addresses.total, 2 * SMX_DNS_ADDRESS_MAX);
		assert_true(i == 0 || mx[-1].preference <= mx->preference);
		/* The first address of each host, before the second of one. */
		assert_true(mx->sessions[0].done);
		assert_int_equal(mx->sessions[1].done,
		    SMX_CHECK_SESSION_MAX > SMX_CHECK_MX_MAX);
	}
	assert_true(c->finding_count > SMX_CHECK_FINDING_MAX);
	assert_int_equal(smx_check_findings_kept(c), SMX_CHECK_FINDING_MAX);
	assert_true(c->arena.used_bytes <= SMX_CHECK_ARENA_MAX);
	assert_true(c->headline.n > 0 && c->headline.n < 1024);
}

static void
test_as_many_as_can_be(void **state)
{
	const struct scene s = { .is_big = true };
	const struct smx_check_finding *fixes[SMX_CHECK_FINDING_MAX];

	(void)state;
	for (unsigned order = SCENE_INSIDE; order <= SCENE_MIXED; order++) {
		const struct scene_play play = { .order = order, .seed = 5 };
		struct scene_result r;

		scene_play(&s, &play, &r);
		assert_limits(r.check);
		assert_int_equal(r.sessions, SMX_CHECK_SESSION_MAX);
		assert_false(r.check->no_memory);
		assert_true(smx_check_verdict_order(r.check, fixes) <=
		    SMX_CHECK_FINDING_MAX);
		scene_end(&r);
	}
}

/* What is wrong with the MX hosts is told, however much there is to say about
 * the policy. */
static void
test_many_findings_do_not_hide_the_verdict(void **state)
{
	static char body[SMX_STS_BODY_MAX];
	const struct scene s = { .body = body,
		.mx = { { .host = "mx1.example.com",
			    .code = SMX_DIAG_SMTP_REFUSED },
		    { .host = "mx2.example.com",
			.code = SMX_DIAG_SMTP_REFUSED } } };
	const struct scene_play play = { 0 };
	struct scene_result r;
	size_t n;

	(void)state;
	n = (size_t)sprintf(body, "%s", SCENE_BODY);
	/* 64 KiB minus one line: an extension for each, all repeated. */
	while (n + 10 < sizeof(body))
		n += (size_t)sprintf(body + n, "mode: x%zu\n", n % 10);
	scene_play(&s, &play, &r);
	assert_int_equal(r.check->verdict, SMX_CHECK_DEFERRED);
	assert_true(r.check->facts.has_policy);
	scene_find(r.check, SMX_DIAG_POLICY_DUPLICATE);
	scene_find(r.check, SMX_DIAG_SMTP_REFUSED);
	scene_end(&r);
}

static void
test_free_of_nothing(void **state)
{
	struct smx_check *c = NULL;

	(void)state;
	smx_check_free(&c);
	assert_null(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_answers_does_not_count),
		cmocka_unit_test(test_order_of_records_does_not_count),
		cmocka_unit_test(test_order_of_tlsa_records_does_not_count),
		cmocka_unit_test(test_second_sessions),
		cmocka_unit_test(
		    test_nobody_is_connected_to_when_smtp_is_skipped),
		cmocka_unit_test(test_ports_without_memory),
		cmocka_unit_test(test_ask_that_fails_is_no_fact),
		cmocka_unit_test(test_asks_that_fail_are_no_facts),
		cmocka_unit_test(test_allocations_fail),
		cmocka_unit_test(test_as_many_as_can_be),
		cmocka_unit_test(test_many_findings_do_not_hide_the_verdict),
		cmocka_unit_test(test_free_of_nothing),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
