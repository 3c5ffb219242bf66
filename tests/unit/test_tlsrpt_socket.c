#include "unit.h"
#include "failing_alloc.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/limits.h"
#include "io/address.h"
#include "io/listen.h"
#include "io/tlsrpt_socket.h"

/* About what the kernel lets through by default. */
#define LARGE   212000
#define SENDERS 4096
#define TURN    SMX_TLSRPT_SOCKET_QUEUE_MAX

static char folder[64];
static struct smx_address address;
static struct event_base *base;
static struct smx_tlsrpt_socket *receiver;

/* What has arrived. */
static size_t count, empty, last_bytes;
static char last[SMX_TLSRPT_DATAGRAM_MAX];

static void
on_datagram(void *arg, struct smx_slice datagram)
{
	assert_ptr_equal(arg, &count);
	count++;
	empty += datagram.n == 0;
	assert_true(datagram.n <= sizeof(last));
	if (datagram.n > 0)
		memcpy(last, datagram.p, datagram.n);
	last_bytes = datagram.n;
}

static int
bind_socket(void)
{
	const struct smx_listen_access access = { .mode = 0620,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.is_datagram = true };
	struct smx_buf reason;
	int fd = -1;

	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_listen_open(&address, &access, &fd, &reason), 0);
	smx_buf_done(&reason);
	return fd;
}

/* The socket anew, as systemd would pass it. */
static int
bind_again(void)
{
	smx_tlsrpt_socket_free(&receiver);
	return bind_socket();
}

static int
start(void **state)
{
	char text[96];
	struct smx_buf reason;

	(void)state;
	count = empty = last_bytes = 0;
	snprintf(folder, sizeof(folder), "/tmp/smx_datagrams_XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(text, sizeof(text), "unix:%s/s", folder);
	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_address_parse(text, &address, &reason), 0);
	smx_buf_done(&reason);
	base = event_base_new();
	assert_non_null(base);
	return smx_tlsrpt_socket_new(base, bind_socket(), on_datagram, &count,
	    &receiver);
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_tlsrpt_socket_free(&receiver);
	assert_null(receiver);
	event_base_free(base);
	smx_listen_remove(&address);
	return rmdir(folder);
}

static int
sender(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &address.u.any, address.bytes), 0);
	return fd;
}

static void
send_one(int fd, const char *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, 0), (ssize_t)n);
}

static void
turn(void)
{
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

static void
test_datagrams_arrive(void **state)
{
	struct smx_tlsrpt_socket_counts counts;
	int fds[2] = { sender(), sender() };

	(void)state;
	turn();
	assert_int_equal(count, 0);
	send_one(fds[0], "first", 5);
	turn();
	assert_int_equal(count, 1);
	assert_slice(smx_slice(last, last_bytes), "first");
	/* Two at once, and a shorter one behind a longer one. */
	send_one(fds[0], "longer", 6);
	send_one(fds[1], "2nd", 3);
	turn();
	assert_int_equal(count, 3);
	assert_slice(smx_slice(last, last_bytes), "2nd");
	close(fds[0]);
	send_one(fds[1], "3", 1);
	close(fds[1]);
	/* Who has sent it is gone. */
	turn();
	assert_int_equal(count, 4);
	counts = smx_tlsrpt_socket_counts(receiver);
	assert_int_equal(counts.datagrams, 4);
	assert_int_equal(counts.bytes, 15);
	assert_int_equal(counts.too_long, 0);
}

static void
test_empty_datagram(void **state)
{
	int fd = sender();

	(void)state;
	send_one(fd, "", 0);
	send_one(fd, "a", 1);
	send_one(fd, "", 0);
	turn();
	assert_int_equal(count, 3);
	assert_int_equal(empty, 2);
	/* The socket is still read. */
	send_one(fd, "b", 1);
	turn();
	assert_int_equal(count, 4);
	assert_slice(smx_slice(last, last_bytes), "b");
	close(fd);
}

static void
test_large_datagram(void **state)
{
	char *bytes = malloc(LARGE);
	int fd = sender();

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	send_one(fd, bytes, LARGE);
	turn();
	assert_int_equal(count, 1);
	assert_int_equal(last_bytes, LARGE);
	assert_memory_equal(last, bytes, LARGE);
	assert_int_equal(smx_tlsrpt_socket_counts(receiver).bytes, LARGE);
	close(fd);
	free(bytes);
}

/* It was cut off, and is of no use. */
static void
test_too_long_datagram(void **state)
{
	static const size_t sizes[] = { SMX_TLSRPT_DATAGRAM_MAX,
		SMX_TLSRPT_DATAGRAM_MAX + 1, SMX_TLSRPT_DATAGRAM_MAX + 5000 };
	static const int space = 400000;
	char *bytes = calloc(1, SMX_TLSRPT_DATAGRAM_MAX + 5000);
	int fd = sender();

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &space, sizeof(space)), 0);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		send_one(fd, bytes, sizes[i]);
		turn();
		assert_int_equal(count, 1);
		assert_int_equal(smx_tlsrpt_socket_counts(receiver).too_long,
		    i);
	}
	assert_int_equal(last_bytes, SMX_TLSRPT_DATAGRAM_MAX);
	/* What is behind it arrives. */
	send_one(fd, "next", 4);
	turn();
	assert_slice(smx_slice(last, last_bytes), "next");
	assert_int_equal(smx_tlsrpt_socket_counts(receiver).datagrams, 4);
	close(fd);
	free(bytes);
}

/* Send until the kernel takes no more from anybody. @return how many. */
static size_t
fill_queue(void)
{
	static int fds[SENDERS];
	size_t used = 0, sent = 0, before;

	/* One sender alone may run out of its own space before. */
	do {
		before = sent;
		assert_true(used < SENDERS);
		fds[used] = sender();
		while (send(fds[used], "x", 1, 0) == 1)
			sent++;
		assert_int_equal(errno, EAGAIN);
		used++;
	} while (sent > before);
	while (used > 0)
		close(fds[--used]);
	return sent;
}

static void
test_full_queue_is_counted(void **state)
{
	unsigned queue = smx_tlsrpt_socket_queue(receiver);
	size_t sent = fill_queue();
	uint64_t full = queue < SMX_TLSRPT_SOCKET_QUEUE_MAX;
	int fd = sender();

	(void)state;
	assert_int_equal(queue, full ? sent : SMX_TLSRPT_SOCKET_QUEUE_MAX);
	for (size_t i = 0; i <= sent / TURN; i++)
		smx_tlsrpt_socket_drain(receiver);
	assert_int_equal(count, sent);
	assert_int_equal(smx_tlsrpt_socket_counts(receiver).full, full);
	/* One that is not full is not counted, nor one that is empty. */
	send_one(fd, "x", 1);
	smx_tlsrpt_socket_drain(receiver);
	smx_tlsrpt_socket_drain(receiver);
	assert_int_equal(count, sent + 1);
	assert_int_equal(smx_tlsrpt_socket_counts(receiver).full, full);
	assert_int_equal(fill_queue(), sent);
	for (size_t i = 0; i <= sent / TURN; i++)
		turn();
	assert_int_equal(count, 2 * sent + 1);
	assert_int_equal(smx_tlsrpt_socket_counts(receiver).full, 2 * full);
	close(fd);
}

/* The queue is measured with datagrams of our own, which nobody gets to see;
 * those of others that are in it already get through, and its length is the
 * same. */
static void
test_queue_in_use_is_measured(void **state)
{
	unsigned queue = smx_tlsrpt_socket_queue(receiver);
	struct smx_tlsrpt_socket *again = NULL;
	int fd = bind_again(), from = sender();

	(void)state;
	assert_int_equal(count, 0);
	send_one(from, "a", 1);
	send_one(from, "b", 1);
	assert_int_equal(
	    smx_tlsrpt_socket_new(base, fd, on_datagram, &count, &again), 0);
	assert_int_equal(count, 2);
	assert_slice(smx_slice(last, last_bytes), "b");
	assert_int_equal(smx_tlsrpt_socket_queue(again), queue);
	assert_int_equal(smx_tlsrpt_socket_counts(again).datagrams, 2);
	assert_int_equal(smx_tlsrpt_socket_counts(again).full, 0);
	smx_tlsrpt_socket_free(&again);
	close(from);
}

/* One that we can't write to ourselves is read all the same. */
static void
test_queue_that_is_not_ours(void **state)
{
	struct smx_tlsrpt_socket *other = NULL;
	int pair[2];

	(void)state;
	/* It has no name to write to. */
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(smx_tlsrpt_socket_new(base, pair[0], on_datagram,
			     &count, &other),
	    0);
	assert_int_equal(smx_tlsrpt_socket_queue(other), 0);
	send_one(pair[1], "a", 1);
	smx_tlsrpt_socket_drain(other);
	assert_int_equal(count, 1);
	assert_int_equal(smx_tlsrpt_socket_counts(other).full, 0);
	smx_tlsrpt_socket_free(&other);
	close(pair[1]);
}

static void
test_out_of_memory(void **state)
{
	struct smx_tlsrpt_socket *other = NULL;

	(void)state;
	smx_tlsrpt_socket_free(&receiver);
	for (unsigned passed = 0; passed < 2; passed++) {
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		failing_alloc_after(passed);
		assert_int_equal(smx_tlsrpt_socket_new(base, fd, on_datagram,
				     &count, &other),
		    -SMX_ENOMEM);
		failing_alloc_off();
		assert_null(other);
		/* It was closed. */
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

/* Who may send is said by its mode; a stale one is replaced, one that is in
 * use is not. */
static void
test_socket_in_the_file_system(void **state)
{
	const struct smx_listen_access access = { .mode = 0600,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.is_datagram = true };
	struct smx_buf reason;
	struct stat st;
	int fd = -1;

	(void)state;
	assert_int_equal(lstat(address.u.local.sun_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0620);
	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_listen_open(&address, &access, &fd, &reason),
	    -SMX_EBUSY);
	assert_non_null(strstr(smx_buf_text(&reason), folder));
	fd = sender();
	send_one(fd, "a", 1);
	turn();
	assert_int_equal(count, 1);
	close(fd);
	smx_tlsrpt_socket_free(&receiver);
	smx_buf_reset(&reason);
	assert_int_equal(smx_listen_open(&address, &access, &fd, &reason), 0);
	assert_int_equal(lstat(address.u.local.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(fd);
	smx_buf_done(&reason);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_datagrams_arrive),
		TEST(test_empty_datagram),
		TEST(test_large_datagram),
		TEST(test_too_long_datagram),
		TEST(test_full_queue_is_counted),
		TEST(test_queue_in_use_is_measured),
		TEST(test_queue_that_is_not_ours),
		TEST(test_out_of_memory),
		TEST(test_socket_in_the_file_system),
	};

	return cmocka_run_group_tests_name("tlsrpt_socket", tests, NULL, NULL);
}
