#include "unit.h"
#include "failing_alloc.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tlsrpt_sender.h"

static char folder[64];
static struct smx_address address;
static struct event_base *base;
static struct smx_tlsrpt_sender *s;
static int receiver = -1;

static int
bind_receiver(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &address.u.any, address.bytes), 0);
	return fd;
}

static int
start(void **state)
{
	char text[96];
	struct smx_buf reason;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/smx_sender_XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(text, sizeof(text), "unix:%s/s", folder);
	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_address_parse(text, &address, &reason), 0);
	smx_buf_done(&reason);
	base = event_base_new();
	assert_non_null(base);
	return smx_tlsrpt_sender_new(base, &s);
}

static int
stop(void **state)
{
	(void)state;
	smx_tlsrpt_sender_free(&s);
	event_base_free(base);
	if (receiver >= 0)
		close(receiver);
	receiver = -1;
	unlink(address.u.local.sun_path);
	return rmdir(folder);
}

static void
send_number(int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	smx_tlsrpt_sender_send(s, smx_slice_text(text));
}

/* Read all that is there: numbers from *next on. */
static void
read_numbers(int *next)
{
	char text[32];
	ssize_t n;

	while ((n = recv(receiver, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		assert_int_equal(atoi(text), *next);
		(*next)++;
	}
}

/* A queue that is shorter than what comes at once: nothing is lost, and all of
 * it comes in its order. */
static void
test_full_queue(void **state)
{
	int next = 0;

	(void)state;
	receiver = bind_receiver();
	smx_tlsrpt_sender_set(s, &address);
	for (int i = 0; i < 3000; i++)
		send_number(i);
	assert_true(smx_tlsrpt_sender_counts(s).waiting_bytes > 0);
	while (next < 3000) {
		read_numbers(&next);
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
		/* New ones are behind those that wait. */
	}
	send_number(next);
	read_numbers(&next);
	assert_int_equal(next, 3001);
	assert_int_equal(smx_tlsrpt_sender_counts(s).sent, 3001);
	assert_int_equal(smx_tlsrpt_sender_counts(s).lost, 0);
	assert_int_equal(smx_tlsrpt_sender_counts(s).waiting_bytes, 0);
}

/* Nobody is there for a while. */
static void
test_nobody_is_there(void **state)
{
	int next = 0;

	(void)state;
	smx_tlsrpt_sender_set(s, &address);
	for (int i = 0; i < 5; i++)
		send_number(i);
	receiver = bind_receiver();
	/* Also when it is said where it is. */
	smx_tlsrpt_sender_set(s, &address);
	read_numbers(&next);
	assert_int_equal(next, 5);
	assert_int_equal(smx_tlsrpt_sender_counts(s).lost, 0);
}

static void
test_bound(void **state)
{
	static char large[65536];
	size_t count = 2 * SMX_TLSRPT_SENDER_BYTES_MAX / sizeof(large);
	struct smx_tlsrpt_sender_counts counts;

	(void)state;
	smx_tlsrpt_sender_set(s, &address);
	for (size_t i = 0; i < count; i++)
		smx_tlsrpt_sender_send(s, smx_slice(large, sizeof(large)));
	counts = smx_tlsrpt_sender_counts(s);
	assert_int_equal(counts.waiting_bytes, SMX_TLSRPT_SENDER_BYTES_MAX);
	assert_int_equal(counts.lost, count / 2);
}

/* One that the kernel takes from nobody does not hold up the others. */
static void
test_too_long(void **state)
{
	static char large[1 << 20];
	int next = 0;

	(void)state;
	receiver = bind_receiver();
	smx_tlsrpt_sender_set(s, &address);
	smx_tlsrpt_sender_send(s, smx_slice(large, sizeof(large)));
	send_number(0);
	while (next < 1) {
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
		read_numbers(&next);
	}
	assert_int_equal(smx_tlsrpt_sender_counts(s).lost, 1);
}

static void
test_out_of_memory(void **state)
{
	struct smx_tlsrpt_sender *other = NULL;

	(void)state;
	failing_alloc_after(0);
	assert_int_equal(smx_tlsrpt_sender_new(base, &other), -SMX_ENOMEM);
	/* What would wait is lost, and counted. */
	smx_tlsrpt_sender_send(s, SMX_SLICE("a"));
	failing_alloc_off();
	assert_null(other);
	assert_int_equal(smx_tlsrpt_sender_counts(s).lost, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full_queue),
		TEST(test_nobody_is_there),
		TEST(test_bound),
		TEST(test_too_long),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("tlsrpt_sender", tests, NULL, NULL);
}
