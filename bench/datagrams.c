/*
 * Writes what libtlsrpt writes for an MTA: a datagram for each session, to
 * domains in turn. Of ten for a domain eight tell that all was well with a
 * policy of some 500 octets, one or two of a failure, every other one of these
 * with all that the server said to EHLO, and the rest that there is no policy.
 *
 * As fast as the socket takes them, or, with --rate, at moments as random as
 * those of real mail (a Poisson process). With --lossy there is no waiting for
 * room: what does not fit is lost, as it is with libtlsrpt.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define DATAGRAM_MAX 2048
#define KINDS        10
/* The order is mixed by steps of this. */
#define STEP UINT64_C(7919)

struct datagram {
	char *bytes;
	size_t n;
};

static struct {
	const char *path;
	unsigned domains; /* how many */
	unsigned each;    /* datagrams for each */
	double seconds;   /* so long ... */
	uint64_t count;   /* ... or so many; 0: each one once */
	double rate;      /* per second; 0: as fast as can be */
	int flags;        /* of send() */
} opt = { .domains = 1000, .each = KINDS, .path = "" };

static struct datagram *datagrams;
static size_t datagram_count;

static struct {
	uint64_t sent, bytes;
	uint64_t full;   /* refused: no room */
	uint64_t stalls; /* we did not get the CPU when we should */
	double seconds;
} run;

__attribute__((format(printf, 1, 2))) static _Noreturn void
die(const char *format, ...)
{
	va_list args;

	fputs("datagrams: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* From 0 to 1, the same each time (xorshift). */
static double
fraction(void)
{
	static uint64_t x = 8460;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (double)(x >> 11) / (double)(UINT64_C(1) << 53);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- what is sent ------------------------------------------------------ */

#define MX_COUNT 5

static void
print_lines(FILE *f, const char *domain, const char *prefix)
{
	for (int i = 1; i <= MX_COUNT; i++)
		fprintf(f, "%s\"%smx%d.%s\"", i > 1 ? "," : "", prefix, i,
		    domain);
}

static void
print_sts(FILE *f, const char *domain)
{
	fprintf(f,
	    "\"policy-type\":2,\"policy-domain\": \"%s\",\"policy-string\":["
	    "\"version: STSv1\",\"mode: enforce\",",
	    domain);
	print_lines(f, domain, "mx: ");
	fputs(",\"max_age: 604800\"],\"mx-host\":[", f);
	print_lines(f, domain, "");
	fputc(']', f);
}

static void
print_failure(FILE *f, const char *domain, unsigned kind)
{
	static const struct {
		int code;
		const char *reason;
	} failures[] = { { 201, NULL }, { 203, "certificate_has_expired" },
		{ 202, "hostname_mismatch" },
		{ 205, "self-signed_certificate" } };
	size_t i = kind % (sizeof(failures) / sizeof(failures[0]));

	fprintf(f,
	    ",\"failure-details\":[{\"c\":%d,\"s\": \"192.0.2.25\","
	    "\"n\": \"mx1.%s\",\"h\": \"250-mx1.%s",
	    failures[i].code, domain, domain);
	if (kind % 2 == 0)
		fputs(" at your service, [192.0.2.25]\\r\\n250-SIZE 157286400"
		      "\\r\\n250-8BITMIME\\r\\n250-ENHANCEDSTATUSCODES"
		      "\\r\\n250-PIPELINING\\r\\n250-CHUNKING\\r\\n250 "
		      "SMTPUTF8",
		    f);
	fputs("\",\"r\": \"198.51.100.7\"", f);
	if (failures[i].reason != NULL)
		fprintf(f, ",\"f\": \"%s\"", failures[i].reason);
	fputs("}]", f);
}

/* @param kind  of KINDS; the last two are the uncommon ones. */
static void
print_datagram(FILE *f, unsigned number, unsigned kind)
{
	char domain[64];
	bool is_failure = kind == KINDS - 2 ||
	    (kind == KINDS - 1 && number % 2 != 0);

	snprintf(domain, sizeof(domain), "t%06u.bench.example", number);
	fprintf(f,
	    "{\"dpv\": \"1\",\"d\": \"%s\",\"pr\": "
	    "\"v=TLSRPTv1;rua=mailto:tls-reports@%s\",\"policies\":[{",
	    domain, domain);
	if (kind == KINDS - 1 && !is_failure)
		fprintf(f, "\"policy-type\":9,\"policy-domain\": \"%s\"",
		    domain);
	else
		print_sts(f, domain);
	if (is_failure)
		print_failure(f, domain, number / 2 + kind);
	fprintf(f, ",\"t\":%d,\"f\":%d}]}", is_failure, is_failure);
}

static void
make(void)
{
	size_t used = 0, room;
	char *space;

	datagram_count = (size_t)opt.domains * opt.each;
	room = (datagram_count + 1) * DATAGRAM_MAX;
	/* What is not written to takes no memory. */
	space = malloc(room);
	datagrams = calloc(datagram_count, sizeof(*datagrams));
	if (space == NULL || datagrams == NULL)
		die("no memory");
	for (size_t i = 0; i < datagram_count; i++) {
		unsigned nth = (unsigned)(i / opt.domains);
		FILE *f = fmemopen(space + used, DATAGRAM_MAX, "w");
		long n;

		if (f == NULL)
			die("no memory");
		/* A few for each have uncommon ones among them, too. */
		print_datagram(f, (unsigned)(i % opt.domains),
		    KINDS - 1 - nth * KINDS / opt.each);
		n = ftell(f);
		if (fclose(f) != 0 || n <= 0 || n >= DATAGRAM_MAX)
			die("a datagram is too long");
		datagrams[i] = (struct datagram){ space + used, (size_t)n };
		used += (size_t)n;
	}
}

/* ---- sending ----------------------------------------------------------- */

static int
dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		die("%s: too long", path);
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void
send_one(int fd, int flags)
{
	const struct datagram *d =
	    &datagrams[(run.sent + run.full) * STEP % datagram_count];

	if (send(fd, d->bytes, d->n, flags | MSG_NOSIGNAL) == (ssize_t)d->n) {
		run.sent++;
		run.bytes += d->n;
	} else if (errno == EAGAIN) {
		run.full++;
	} else {
		die("%s: %s", opt.path, strerror(errno));
	}
}

static bool
is_over(double now)
{
	return opt.count > 0 ? run.sent + run.full >= opt.count
			     : now >= opt.seconds;
}

static void
send_fast(int fd)
{
	double begin = now_s();

	/* The clock is asked for each sixteenth. */
	while (!is_over(run.sent % 16 == 0 ? now_s() - begin : 0))
		send_one(fd, opt.flags);
	run.seconds = now_s() - begin;
}

/* Waits by asking the clock: a sleep is not exact enough. Who was kept from the
 * CPU goes on from there, and does not make up for it with a burst. */
static void
send_at_random(int fd)
{
	double begin = now_s(), now = begin, next = begin;

	while (!is_over(now - begin)) {
		while (now < next)
			now = now_s();
		if (now - next > 1e-3) {
			run.stalls++;
			next = now;
		}
		send_one(fd, opt.flags);
		next -= log(1 - fraction()) / opt.rate;
		now = now_s();
	}
	run.seconds = now - begin;
}

/* ---- the command line -------------------------------------------------- */

static _Noreturn void
misused(void)
{
	fputs("usage: datagrams --socket=PATH [OPTION]...\n"
	      "\n"
	      "  --domains=N   how many domains (1000)\n"
	      "  --each=N      different datagrams for each (10)\n"
	      "  --seconds=S   send for so long ...\n"
	      "  --count=N     ... or so many; 0: each one once\n"
	      "  --rate=R      per second\n"
	      "  --lossy       without waiting for room\n",
	    stderr);
	exit(2);
}

static double
number(const char *text, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0) || v > max)
		misused();
	return v;
}

static void
parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 'a' },
		{ "domains", required_argument, NULL, 'd' },
		{ "each", required_argument, NULL, 'e' },
		{ "seconds", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'k' },
		{ "rate", required_argument, NULL, 'r' },
		{ "lossy", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int key;

	while ((key = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (key == 'a')
			opt.path = optarg;
		else if (key == 'd')
			opt.domains = (unsigned)number(optarg, 1e6);
		else if (key == 'e')
			opt.each = (unsigned)number(optarg, KINDS);
		else if (key == 's')
			opt.seconds = number(optarg, 86400);
		else if (key == 'k')
			opt.count = (uint64_t)number(optarg, 1e12);
		else if (key == 'r')
			opt.rate = number(optarg, 1e7);
		else if (key == 'l')
			opt.flags = MSG_DONTWAIT;
		else
			misused();
	}
	if (optind != argc || opt.path[0] == '\0' || opt.domains == 0 ||
	    opt.each == 0)
		misused();
}

int
main(int argc, char **argv)
{
	int fd;

	parse_options(argc, argv);
	make();
	if (!(opt.seconds > 0) && opt.count == 0)
		opt.count = datagram_count;
	fd = dial(opt.path);
	if (opt.rate > 0)
		send_at_random(fd);
	else
		send_fast(fd);
	printf("sent=%llu full=%llu seconds=%.4f rate=%.1f bytes=%.1f "
	       "stalls=%llu\n",
	    (unsigned long long)run.sent, (unsigned long long)run.full,
	    run.seconds, (double)run.sent / run.seconds,
	    (double)run.bytes / (double)(run.sent > 0 ? run.sent : 1),
	    (unsigned long long)run.stalls);
	return 0;
}
