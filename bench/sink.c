/*
 * The floor of reading datagrams on this machine: each is read into the same
 * buffer, and that is all. What a collector needs beyond this is what it pays
 * for knowing what they say.
 *
 *   sink PATH
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char buffer[65536];
static volatile sig_atomic_t is_over;

static void
on_signal(int number)
{
	(void)number;
	is_over = 1;
}

int
main(int argc, char **argv)
{
	struct sigaction end = { .sa_handler = on_signal };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	unsigned long long received = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fputs("usage: sink PATH\n", stderr);
		return 2;
	}
	memcpy(address.sun_path, argv[1], strlen(argv[1]));
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		fprintf(stderr, "sink: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	sigaction(SIGTERM, &end, NULL);
	while (!is_over && recv(fd, buffer, sizeof(buffer), 0) >= 0)
		received++;
	printf("received=%llu\n", received);
	return 0;
}
