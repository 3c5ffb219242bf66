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
#include <stdlib.h>
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

static int
listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(path) < sizeof(address.sun_path))
		memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || address.sun_path[0] == '\0' ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		fprintf(stderr, "sink: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	struct sigaction end = { .sa_handler = on_signal };
	unsigned long long received = 0;
	int fd;

	if (argc != 2) {
		fputs("usage: sink PATH\n", stderr);
		return 2;
	}
	fd = listen_at(argv[1]);
	sigaction(SIGTERM, &end, NULL);
	while (!is_over && recv(fd, buffer, sizeof(buffer), 0) >= 0)
		received++;
	close(fd);
	printf("received=%llu\n", received);
	return 0;
}
