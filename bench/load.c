/*
 * A load client for socketmap servers: one thread, epoll, every reply
 * checked, no allocation while it measures.
 *
 * Prints one line of name=value. Exit status 0 also when the server erred
 * ("errors=" says so); 1 when nothing could be measured, 2 for wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "hist.h"

#define DEPTH_MAX   64
#define CONN_MAX    1024
#define IDLE_MAX    20000
#define NAMES_MAX   200000
#define TEXTS_MAX   (64 * NAMES_MAX)
#define EXPECT_MAX  4
#define EVENTS_MAX  256
#define REQUEST_MAX 512
/* Postfix takes replies of up to 100,000 octets. */
#define REPLY_MAX 100000
#define IN_MAX    (REPLY_MAX + 16)
#define OUT_MAX   (DEPTH_MAX * REQUEST_MAX)

#define SECOND_NS 1000000000LL

struct request {
	const char *text;
	size_t len;
};

struct conn {
	int fd;
	bool waits_for_room;
	unsigned outstanding, head;
	int64_t sent_ns[DEPTH_MAX]; /* a ring that begins at head */
	size_t in_len;
	size_t out_len, out_off;
	char in[IN_MAX], out[OUT_MAX];
};

/* An idle connection is known to epoll by its address in the array. */
struct idle {
	int fd;
};

/* All memory there is; what isn't used is never touched. */
static char texts[TEXTS_MAX];
static struct request requests[NAMES_MAX];
static struct conn conns[CONN_MAX];
static struct idle idles[IDLE_MAX];

enum kind { K_OK, K_NOTFOUND, K_TEMP, K_PERM, K_TIMEOUT, K_OTHER, K_COUNT };

static const struct {
	const char *name, *prefix;
} kinds[K_COUNT] = {
	{ "ok", "OK " },
	{ "notfound", "NOTFOUND " },
	{ "temp", "TEMP " },
	{ "perm", "PERM " },
	{ "timeout", "TIMEOUT " },
	{ "other", "" },
};

static struct {
	struct addr addr;
	const char *map, *names;
	const char *expect[EXPECT_MAX];
	unsigned expect_count, connections, depth, idle;
	uint64_t count; /* requests in all; 0: until the time is over */
	double seconds, warmup, patience, wait;
	bool print;
} opt = {
	.map = "strictmx-plain", .connections = 1, .depth = 1, .patience = 15
};

static struct {
	size_t request_count, next;
	uint64_t sent, replies, lost; /* sent = replies + lost + in flight */
	uint64_t errors, idle_closed;
	uint64_t counted;
	uint64_t kinds[K_COUNT];
	unsigned alive;
	bool sends;
	int64_t start_ns, end_ns, last_ns, first_ns;
	int epfd;
	struct hist latency;
} run;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static _Noreturn void
die(const char *format, ...)
{
	va_list args;

	fputs("load: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* The first few errors are told, all are counted. */
static void
complain(const char *what, const char *bytes, size_t n)
{
	if (run.errors++ < 3)
		fprintf(stderr, "load: %s: %s%.*s\n", opt.addr.text, what,
		    (int)(n > 120 ? 120 : n), bytes);
}

/* ---- requests ---------------------------------------------------------- */

static void
read_names(void)
{
	FILE *f = fopen(opt.names, "r");
	size_t map_len = strlen(opt.map), used = 0;
	struct request *r = requests;
	char line[REQUEST_MAX];
	int n;

	if (f == NULL)
		die("%s: %s", opt.names, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0')
			continue;
		n = snprintf(texts + used, sizeof(texts) - used, "%zu:%s %s,",
		    map_len + 1 + strlen(line), opt.map, line);
		if (n < 0 || n >= REQUEST_MAX)
			die("%s: a name is too long", opt.names);
		if ((size_t)n >= sizeof(texts) - used ||
		    r == requests + NAMES_MAX)
			die("%s: too many names", opt.names);
		*r++ = (struct request){ texts + used, (size_t)n };
		used += (size_t)n;
	}
	fclose(f);
	run.request_count = (size_t)(r - requests);
	if (run.request_count == 0)
		die("%s: no names", opt.names);
}

/* ---- connections ------------------------------------------------------- */

static void
watch(int fd, int op, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	if (epoll_ctl(run.epfd, op, fd, &ev) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

static int
dial(void)
{
	int64_t give_up = now_ns() + (int64_t)(opt.wait * 1e9);
	struct timespec nap = { .tv_nsec = 200000 };
	int fd;

	while ((fd = addr_connect(&opt.addr)) < 0 && now_ns() < give_up)
		nanosleep(&nap, NULL);
	return fd;
}

static void
open_idle(void)
{
	unsigned i;

	for (i = 0; i < opt.idle; i++) {
		idles[i].fd = dial();
		if (idles[i].fd < 0)
			die("%s: idle connection %u: %s", opt.addr.text, i,
			    strerror(errno));
		watch(idles[i].fd, EPOLL_CTL_ADD, EPOLLIN, &idles[i]);
	}
}

static void
close_idle(struct idle *idle)
{
	run.idle_closed++;
	close(idle->fd);
	idle->fd = -1;
}

static void
open_conns(void)
{
	unsigned i;

	for (i = 0; i < opt.connections; i++) {
		conns[i].fd = dial();
		if (conns[i].fd < 0)
			die("%s: %s", opt.addr.text, strerror(errno));
		watch(conns[i].fd, EPOLL_CTL_ADD, EPOLLIN, &conns[i]);
		run.alive++;
	}
}

static void
close_conn(struct conn *c, const char *why)
{
	complain(why, "", 0);
	run.lost += c->outstanding;
	c->outstanding = 0;
	close(c->fd);
	c->fd = -1;
	run.alive--;
}

/* ---- sending ----------------------------------------------------------- */

static void
flush(struct conn *c)
{
	ssize_t n;

	while (c->out_off < c->out_len) {
		n = write(c->fd, c->out + c->out_off, c->out_len - c->out_off);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			close_conn(c, "write: connection lost");
			return;
		}
		c->out_off += (size_t)n;
	}
	if (c->out_off == c->out_len)
		c->out_off = c->out_len = 0;
	if ((c->out_len != 0) != c->waits_for_room) {
		c->waits_for_room = c->out_len != 0;
		watch(c->fd, EPOLL_CTL_MOD,
		    EPOLLIN | (c->waits_for_room ? EPOLLOUT : 0), c);
	}
}

static void
fill(struct conn *c, int64_t now)
{
	const struct request *r;

	if (c->out_len != 0)
		return;
	while (run.sends && c->outstanding < opt.depth) {
		r = &requests[run.next];
		if (++run.next == run.request_count)
			run.next = 0;
		memcpy(c->out + c->out_len, r->text, r->len);
		c->out_len += r->len;
		c->sent_ns[(c->head + c->outstanding++) % DEPTH_MAX] = now;
		if (++run.sent == opt.count)
			run.sends = false;
	}
	flush(c);
}

/* ---- replies ----------------------------------------------------------- */

static bool
begins(const char *p, size_t n, const char *prefix)
{
	size_t k = strlen(prefix);

	return n >= k && memcmp(p, prefix, k) == 0;
}

static void
judge(const char *reply, size_t n)
{
	unsigned i;

	for (i = 0; i < K_OTHER; i++)
		if (begins(reply, n, kinds[i].prefix))
			break;
	run.kinds[i]++;
	if (opt.expect_count == 0 && i == K_OTHER)
		complain("no socketmap reply: ", reply, n);
	if (opt.expect_count == 0)
		return;
	for (i = 0; i < opt.expect_count; i++)
		if (begins(reply, n, opt.expect[i]))
			return;
	complain("unexpected reply: ", reply, n);
}

static void
take_reply(struct conn *c, const char *reply, size_t n, int64_t now)
{
	int64_t sent = c->sent_ns[c->head % DEPTH_MAX];

	if (run.replies++ == 0) {
		run.first_ns = now;
		if (opt.print)
			fprintf(stderr, "%.*s\n", (int)n, reply);
	}
	judge(reply, n);
	c->head++;
	c->outstanding--;
	run.last_ns = now;
	if (now < run.start_ns || (run.end_ns != 0 && now > run.end_ns))
		return;
	run.counted++;
	hist_add(&run.latency, (uint64_t)(now - sent));
}

/* Octets of the first netstring; 0: not complete; -1: none. */
static long
netstring(const char *p, size_t n, const char **ret_text, size_t *ret_len)
{
	size_t i, len = 0;

	for (i = 0; i < n && p[i] >= '0' && p[i] <= '9'; i++) {
		len = len * 10 + (size_t)(p[i] - '0');
		if (len > REPLY_MAX || (i > 0 && p[0] == '0'))
			return -1;
	}
	if (i == n)
		return 0;
	if (i == 0 || p[i] != ':')
		return -1;
	if (n - i - 1 <= len)
		return 0;
	*ret_text = p + i + 1;
	*ret_len = len;
	return p[i + 1 + len] == ',' ? (long)(i + len + 2) : -1;
}

static void
take_all(struct conn *c, int64_t now)
{
	const char *text;
	size_t at = 0, n;
	long len = 0;

	while (at < c->in_len) {
		len = netstring(c->in + at, c->in_len - at, &text, &n);
		if (len <= 0)
			break;
		if (c->outstanding == 0) {
			close_conn(c, "a reply nobody asked for");
			return;
		}
		take_reply(c, text, n, now);
		at += (size_t)len;
	}
	if (len < 0) {
		close_conn(c, "the reply is no netstring");
		return;
	}
	c->in_len -= at;
	if (c->in_len > 0 && at > 0)
		memmove(c->in, c->in + at, c->in_len);
	fill(c, now);
}

static void
handle_conn(struct conn *c, uint32_t events, int64_t now)
{
	ssize_t n;

	if (c->fd < 0)
		return;
	if (events & EPOLLOUT) {
		flush(c);
		if (c->fd >= 0)
			fill(c, now);
	}
	if (c->fd < 0 || !(events & ~(uint32_t)EPOLLOUT))
		return;
	n = read(c->fd, c->in + c->in_len, IN_MAX - c->in_len);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_conn(c,
		    n == 0 ? "the server closed a connection"
			   : "read: connection lost");
		return;
	}
	c->in_len += (size_t)n;
	take_all(c, now);
}

/* ---- the run ----------------------------------------------------------- */

static void
spin(void)
{
	int64_t begin = now_ns(), now = begin, heard = begin;
	struct epoll_event events[EVENTS_MAX];
	uint64_t replies = 0;
	unsigned i;
	void *p;
	int n, k;

	run.sends = true;
	run.start_ns = begin + (int64_t)(opt.warmup * 1e9);
	if (opt.seconds > 0)
		run.end_ns = run.start_ns + (int64_t)(opt.seconds * 1e9);
	for (i = 0; i < opt.connections; i++)
		fill(&conns[i], now);
	while (run.alive > 0) {
		n = epoll_wait(run.epfd, events, EVENTS_MAX, 100);
		now = now_ns();
		if (run.end_ns != 0 && now >= run.end_ns)
			run.sends = false;
		for (k = 0; k < n; k++) {
			p = events[k].data.ptr;
			if ((struct idle *)p >= idles &&
			    (struct idle *)p < idles + opt.idle)
				close_idle(p);
			else
				handle_conn(p, events[k].events, now);
		}
		if (run.replies != replies) {
			replies = run.replies;
			heard = now;
		}
		if (!run.sends && run.replies + run.lost == run.sent)
			break;
		if (now - heard > (int64_t)(opt.patience * 1e9)) {
			complain("no reply for a long time", "", 0);
			break;
		}
	}
}

static double
quantile_us(double share)
{
	uint64_t ns = hist_quantile(&run.latency, share);

	return (double)(ns < run.latency.max ? ns : run.latency.max) / 1e3;
}

static void
report(void)
{
	int64_t end = opt.seconds > 0 && run.last_ns >= run.end_ns
	    ? run.end_ns
	    : run.last_ns;
	double s = run.counted > 0 ? (double)(end - run.start_ns) / 1e9 : 0;
	struct rusage used;
	unsigned i;

	getrusage(RUSAGE_SELF, &used);
	printf("rate=%.1f p50_us=%.1f p99_us=%.1f max_us=%.1f errors=%llu",
	    s > 0 ? (double)run.counted / s : 0.0, quantile_us(0.50),
	    quantile_us(0.99), (double)run.latency.max / 1e3,
	    (unsigned long long)run.errors);
	printf(" counted=%llu replies=%llu lost=%llu seconds=%.4f",
	    (unsigned long long)run.counted, (unsigned long long)run.replies,
	    (unsigned long long)(run.sent - run.replies), s);
	for (i = 0; i < K_COUNT; i++)
		printf(" %s=%llu", kinds[i].name,
		    (unsigned long long)run.kinds[i]);
	printf(" idle=%u idle_closed=%llu first_ns=%lld client_cpu_us=%.0f\n",
	    opt.idle, (unsigned long long)run.idle_closed,
	    (long long)run.first_ns,
	    (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
}

/* ---- the command line -------------------------------------------------- */

static const char usage[] =
    "usage: load --addr=ADDR --names=FILE [OPTION]...\n"
    "\n"
    "  --addr=ADDR        127.0.0.1:8461, [::1]:8461 or unix:/path\n"
    "  --names=FILE       one name per line, asked in turn, round and round\n"
    "  --map=NAME         socketmap name (strictmx-plain)\n"
    "  --connections=N    busy connections (1)\n"
    "  --depth=N          requests in flight on each, up to 64 (1)\n"
    "  --idle=N           connections that are only open (0)\n"
    "  --seconds=S        measure for so long ...\n"
    "  --count=N          ... or so many requests; 0: each name once\n"
    "  --warmup=S         before it counts (0)\n"
    "  --expect=PREFIX    what a reply must begin with; may be repeated\n"
    "  --patience=S       end after so long without any reply (15)\n"
    "  --wait=S           try so long to connect (0)\n"
    "  --print            the first reply to stderr\n";

static _Noreturn void
misused(void)
{
	fputs(usage, stderr);
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
set(int key, const char *arg)
{
	switch (key) {
	case 'a':
		if (!addr_parse(arg, &opt.addr))
			misused();
		break;
	case 'n':
		opt.names = arg;
		break;
	case 'm':
		opt.map = arg;
		break;
	case 'c':
		opt.connections = (unsigned)number(arg, CONN_MAX);
		break;
	case 'd':
		opt.depth = (unsigned)number(arg, DEPTH_MAX);
		break;
	case 'i':
		opt.idle = (unsigned)number(arg, IDLE_MAX);
		break;
	case 's':
		opt.seconds = number(arg, 86400);
		break;
	case 'k':
		/* 0 is replaced once the names are read. */
		opt.count = (uint64_t)number(arg, 1e15);
		if (opt.count == 0)
			opt.count = UINT64_MAX;
		break;
	case 'w':
		opt.warmup = number(arg, 86400);
		break;
	case 'e':
		if (opt.expect_count == EXPECT_MAX)
			misused();
		opt.expect[opt.expect_count++] = arg;
		break;
	case 'p':
		opt.patience = number(arg, 86400);
		break;
	case 'W':
		opt.wait = number(arg, 86400);
		break;
	case 'P':
		opt.print = true;
		break;
	default:
		misused();
	}
}

static void
parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "addr", required_argument, NULL, 'a' },
		{ "names", required_argument, NULL, 'n' },
		{ "map", required_argument, NULL, 'm' },
		{ "connections", required_argument, NULL, 'c' },
		{ "depth", required_argument, NULL, 'd' },
		{ "idle", required_argument, NULL, 'i' },
		{ "seconds", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'k' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "expect", required_argument, NULL, 'e' },
		{ "patience", required_argument, NULL, 'p' },
		{ "wait", required_argument, NULL, 'W' },
		{ "print", no_argument, NULL, 'P' },
		{ NULL, 0, NULL, 0 },
	};
	int key;

	while ((key = getopt_long(argc, argv, "", longs, NULL)) != -1)
		set(key, optarg);
	if (optind != argc || opt.addr.text == NULL || opt.names == NULL ||
	    opt.connections == 0 || opt.depth == 0 ||
	    (opt.seconds > 0) == (opt.count > 0))
		misused();
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit files;

	parse_options(argc, argv);
	sigaction(SIGPIPE, &ignore, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	read_names();
	if (opt.count == UINT64_MAX)
		opt.count = run.request_count;
	run.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (run.epfd < 0)
		die("epoll_create1: %s", strerror(errno));
	open_idle();
	open_conns();
	spin();
	report();
	return run.replies > 0 ? 0 : 1;
}
