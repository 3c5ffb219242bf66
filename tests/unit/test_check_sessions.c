#include "unit.h"

#include "app/strictmx/check_sessions.h"

/* A probe that is answered by hand. */
static smx_probe_done *asked_done;
static void *asked_arg;
static size_t asked, answered;

static int
probe(void *self, const struct smx_probe_request *request, smx_probe_done *done,
    void *arg)
{
	(void)self;
	(void)request;
	asked++;
	asked_done = done;
	asked_arg = arg;
	return 0;
}

static void
on_answer(void *arg, const struct smx_probe_answer *answer)
{
	(void)arg;
	assert_string_equal(answer->greeting.p, "hello");
	answered++;
}

static void
answer(enum smx_diag_code code)
{
	const struct smx_probe_answer a = { .code = code,
		.greeting = SMX_SLICE("hello") };

	asked_done(asked_arg, &a);
}

static const struct smx_probe_ops ops = { .probe = probe };
static struct smx_check_sessions *sessions;

static int
start(void **state)
{
	(void)state;
	asked = answered = 0;
	return smx_check_sessions_new((struct smx_probe_port){ &ops, NULL },
	    &sessions);
}

static int
stop(void **state)
{
	(void)state;
	smx_check_sessions_free(&sessions);
	return 0;
}

static void
ask(const char *host, uint8_t address, bool without_sni)
{
	struct smx_probe_port port = smx_check_sessions_port(sessions);
	const struct smx_probe_request r = {
		.host = smx_slice_text(host),
		.address = { false, { 10, 0, 0, address } },
		.without_sni = without_sni,
	};

	assert_int_equal(port.ops->probe(port.self, &r, on_answer, NULL), 0);
}

/* Who asks for the same waits for the same, and later gets it at once. */
static void
test_each_session_is_made_once(void **state)
{
	(void)state;
	ask("mx.example", 1, false);
	ask("mx.example", 1, false);
	assert_int_equal(asked, 1);
	answer(SMX_DIAG_OK);
	assert_int_equal(answered, 2);
	ask("mx.example", 1, false);
	assert_int_equal(asked, 1);
	assert_int_equal(answered, 3);
}

static void
test_what_differs_is_another_session(void **state)
{
	(void)state;
	ask("mx.example", 1, false);
	answer(SMX_DIAG_OK);
	ask("mx.example", 2, false);
	answer(SMX_DIAG_OK);
	ask("mx.example", 1, true);
	answer(SMX_DIAG_OK);
	ask("mx2.example", 1, false);
	answer(SMX_DIAG_OK);
	assert_int_equal(asked, 4);
}

static void
test_the_oldest_is_forgotten(void **state)
{
	char host[32];

	(void)state;
	for (size_t i = 0; i <= SMX_CHECK_SESSIONS_MAX; i++) {
		snprintf(host, sizeof(host), "mx%zu.example", i);
		ask(host, 1, false);
		answer(SMX_DIAG_OK);
	}
	asked = 0;
	ask("mx1.example", 1, false);
	assert_int_equal(asked, 0);
	ask("mx0.example", 1, false);
	assert_int_equal(asked, 1);
	answer(SMX_DIAG_OK);
}

/* An end with somebody waiting gives all back (the sanitizer looks). */
static void
test_end_while_somebody_waits(void **state)
{
	(void)state;
	ask("mx.example", 1, false);
	ask("mx.example", 1, false);
	assert_int_equal(answered, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_session_is_made_once,
		    start, stop),
		cmocka_unit_test_setup_teardown(
		    test_what_differs_is_another_session, start, stop),
		cmocka_unit_test_setup_teardown(test_the_oldest_is_forgotten,
		    start, stop),
		cmocka_unit_test_setup_teardown(test_end_while_somebody_waits,
		    start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
