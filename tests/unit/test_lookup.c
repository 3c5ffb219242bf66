#include "unit.h"

#include "engine/lookup.h"

/* A world in which nothing is ever answered. */
static int
ask(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	(void)type;
	(void)self;
	(void)name;
	(void)done;
	(void)arg;
	return 0;
}

static void
forget(void *self, struct smx_slice domain)
{
	(void)domain;
	++*(size_t *)self;
}

static const struct smx_dns_ops dns = { .ask = ask };
static const struct smx_store_ops store = { .remove = forget };
static struct smx_lookup lookup;
static size_t forgotten;

static int
start(void **state)
{
	static const uint64_t seed[2] = { 1, 2 };

	(void)state;
	forgotten = 0;
	if (smx_lookup_init(&lookup, seed, &smx_lookup_defaults) < 0)
		return -1;
	lookup.dns.ops = &dns;
	lookup.store = (struct smx_store_port){ &store, &forgotten };
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	smx_lookup_done(&lookup);
	return 0;
}

static void
on_answer(struct smx_lookup_waiter *w, const struct smx_lookup_answer *answer)
{
	(void)w;
	(void)answer;
}

/* Beyond the fetches that are possible at once nothing is remembered: a
 * client that asks for ever new names costs no memory. */
static void
test_busy_look_ups_leave_nothing_behind(void **state)
{
	static struct smx_lookup_waiter waiters[SMX_LOOKUP_FLIGHT_MAX + 1];
	const struct smx_now now = { 1000, 1000 };
	struct smx_lookup_answer answer;
	size_t waiting = 0;
	char name[32];

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		struct smx_lookup_waiter *w = &waiters[waiting];

		w->done = on_answer;
		snprintf(name, sizeof(name), "d%zu.example", i);
		if (smx_lookup_ask(&lookup, smx_slice_text(name), now, w,
			&answer) == SMX_LOOKUP_WAIT)
			waiting++;
		else
			assert_int_equal(answer.status, SMX_LOOKUP_NONE);
	}
	assert_int_equal(waiting, SMX_LOOKUP_FLIGHT_MAX);
	assert_int_equal(lookup.cache.domains.count, SMX_LOOKUP_FLIGHT_MAX);
	/* Who defers defers then too. */
	lookup.settings.defer_on_dns_failure = true;
	assert_int_equal(smx_lookup_ask(&lookup, SMX_SLICE("new.example"), now,
			     &waiters[waiting], &answer),
	    SMX_LOOKUP_TEMP);
}

static int
restore(size_t domain_bytes, size_t id_bytes)
{
	char domain[SMX_DOMAIN_MAX + 1], id[64];
	const struct smx_store_policy stored = {
		.domain = { domain, domain_bytes },
		.id = { id, id_bytes },
		.body = SMX_SLICE("version: STSv1\nmode: enforce\n"
				  "mx: a.example\nmax_age: 86400\n"),
		.fetched = 1000,
	};

	memset(domain, 'a', sizeof(domain));
	for (size_t i = 50; i < domain_bytes; i += 50)
		domain[i] = '.';
	memset(id, '1', sizeof(id));
	return smx_lookup_restore(&lookup, &stored,
	    (struct smx_now){ 1000, 1000 });
}

static void
test_what_is_stored_is_not_trusted(void **state)
{
	(void)state;
	assert_int_equal(restore(SMX_STS_DOMAIN_MAX, SMX_STS_ID_MAX), 0);
	assert_int_equal(forgotten, 0);
	assert_int_equal(restore(SMX_STS_DOMAIN_MAX + 1, 1), -SMX_EPARSE);
	assert_int_equal(restore(20, SMX_STS_ID_MAX + 1), -SMX_EPARSE);
	assert_int_equal(forgotten, 2);
	assert_int_equal(lookup.cache.domains.count, 1);
}

/* Policies have a ceiling in bytes; those that are there stay. */
static void
test_policies_have_a_ceiling(void **state)
{
	(void)state;
	assert_int_equal(restore(20, 1), 0);
	lookup.cache.policy_bytes = SMX_CACHE_POLICY_BYTES_MAX;
	assert_int_equal(restore(30, 1), -SMX_ELIMIT);
	assert_int_equal(lookup.cache.policy_count, 1);
	assert_int_equal(lookup.cache.domains.count, 1);
	assert_int_equal(forgotten, 0);
}

/* A world whose records are there, and whose policy hosts do as told. */
static struct {
	smx_dns_done *txt;
	smx_https_policy_done *policy;
	void *arg;
	bool is_full;
	struct smx_lookup_event last;
	struct smx_cache_policy seen; /* its policy */
} fetching;

static int
ask_later(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	(void)self;
	(void)type;
	(void)name;
	fetching.txt = done;
	fetching.arg = arg;
	return 0;
}

static int
fetch_later(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	(void)self;
	(void)request;
	fetching.policy = done;
	fetching.arg = arg;
	return fetching.is_full ? -SMX_ENOMEM : 0;
}

static void
note_event(void *self, const struct smx_lookup_event *event)
{
	(void)self;
	fetching.last = *event;
	if (event->policy != NULL)
		memcpy(&fetching.seen, event->policy, sizeof(fetching.seen));
}

static void
note_put(void *self, const struct smx_store_policy *policy)
{
	(void)self;
	(void)policy;
}

static void
fetch(bool is_smart_host, struct smx_now now)
{
	static const struct smx_dns_ops later = { .ask = ask_later };
	static const struct smx_https_ops https = { .policy = fetch_later };
	static const struct smx_store_ops puts = { .remove = forget,
		.put = note_put };
	static struct smx_lookup_waiter w;
	const struct smx_slice record = SMX_SLICE("v=STSv1; id=1;");
	struct smx_lookup_answer answer;

	lookup.dns.ops = &later;
	lookup.https.ops = &https;
	lookup.store.ops = &puts;
	lookup.observer.event = note_event;
	w = (struct smx_lookup_waiter){ .done = on_answer,
		.is_smart_host = is_smart_host };
	if (smx_lookup_ask(&lookup, SMX_SLICE("a.example"), now, &w, &answer) !=
	    SMX_LOOKUP_WAIT)
		return;
	fetching.txt(fetching.arg, now,
	    &(struct smx_dns_answer){ .status = SMX_DNS_OK,
		.ttl_s = 1,
		.texts = &record,
		.count = 1 });
	if (!fetching.is_full)
		fetching.policy(fetching.arg, now,
		    &(struct smx_https_policy){
			.body = SMX_SLICE("version: STSv1\nmode: enforce\n"
					  "mx: a.example\nmax_age: 86400\n") });
}

/* Who watches learns whether the domain's MX hosts get mail, and how long the
 * policy holds. */
static void
test_events_say_what_for(void **state)
{
	struct smx_now now = { 1000, 1000 };

	(void)state;
	memset(&fetching, 0, sizeof(fetching));
	fetch(true, now);
	assert_int_equal(fetching.last.kind, SMX_LOOKUP_POLICY_NEW);
	assert_false(fetching.last.is_mail);
	assert_int_equal(fetching.seen.expires, 1000 + SMX_DAY);
	now.mono += SMX_HOUR;
	fetch(true, now);
	assert_int_equal(fetching.last.kind, SMX_LOOKUP_MAIL);
	assert_false(fetching.last.is_mail);
	now.mono += 2 * SMX_DAY;
	fetch(false, now);
	assert_int_equal(fetching.last.kind, SMX_LOOKUP_POLICY_NEW);
	assert_true(fetching.last.is_mail);
	now.mono += SMX_HOUR;
	fetch(false, now);
	assert_int_equal(fetching.last.kind, SMX_LOOKUP_MAIL);
	assert_true(fetching.last.is_mail);
}

/* When we can't ask the host, the host is not to blame. */
static void
test_want_of_memory_has_its_own_finding(void **state)
{
	(void)state;
	memset(&fetching, 0, sizeof(fetching));
	fetching.is_full = true;
	fetch(false, (struct smx_now){ 1000, 1000 });
	assert_int_equal(fetching.last.kind, SMX_LOOKUP_FINDING);
	assert_int_equal(fetching.last.diag.code, SMX_DIAG_HOST_NOT_ASKED);
	assert_null(smx_diag_row(SMX_DIAG_HOST_NOT_ASKED)->tlsrpt);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_busy_look_ups_leave_nothing_behind),
		TEST(test_what_is_stored_is_not_trusted),
		TEST(test_policies_have_a_ceiling),
		TEST(test_events_say_what_for),
		TEST(test_want_of_memory_has_its_own_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
