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

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_busy_look_ups_leave_nothing_behind),
		TEST(test_what_is_stored_is_not_trusted),
		TEST(test_policies_have_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
