#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>

#include "app/strictmxd/role_collect.h"
#include "base/log.h"
#include "core/limits.h"
#include "core/tlsrpt_txt.h"
#include "engine/tally.h"
#include "io/clock.h"
#include "io/listen.h"
#include "io/tally_sqlite.h"
#include "io/tlsrpt_socket.h"

/* Below this the kernel loses datagrams of a busy MTA. */
#define QUEUE_MIN 512
#define LENGTHEN                                                         \
	"set net.unix.max_dgram_qlen = %d or more (sysctl) and restart " \
	"strictmxd, or strictmxd-collect.socket where systemd opened it"
/* Bad datagrams are logged so often at the most. */
#define BAD_EVERY (10 * SMX_SECOND)
/* So much of one is told. */
#define BEGIN_BYTES 200
#define ARENA_FIRST 16384
/* Turns in which a socket is emptied before it is closed. */
#define DRAIN_MAX 1024
/* Written before the time for it has come, so that a burst of domains finds
 * room in memory. */
#define FLUSH_BYTES (SMX_TALLY_BYTES_MAX / 4)

struct socket {
	struct smx_list link;
	struct smx_address address;
	struct smx_listen_file file;
	bool is_passed; /* by systemd: not ours to open or remove */
	bool is_wanted; /* by the configuration at hand */
	struct smx_tlsrpt_socket *socket;
};

struct smx_role_collect {
	const struct smx_config *config;
	struct event_base *base;
	struct smx_list sockets;
	struct smx_tally tally;
	struct smx_tally_store *store;
	struct event *timer;
	struct smx_arena arena; /* of the datagram at hand */
	char arena_first[ARENA_FIRST];
	struct smx_tlsrpt_socket_counts gone; /* of sockets that are closed */
	uint64_t events, malformed, without_record, dropped;
	uint64_t full_told, dropped_told;
	smx_time bad_told; /* mono */
	uint64_t bad_untold;
};

/* A datagram that can't be used: said now and then, counted always. */
static void
tell_bad(struct smx_role_collect *r, struct smx_slice datagram,
    const char *what, smx_time now)
{
	char begin[BEGIN_BYTES];
	size_t n = datagram.n < sizeof(begin) ? datagram.n : sizeof(begin);

	if (r->bad_told != 0 && now - r->bad_told < BAD_EVERY) {
		r->bad_untold++;
		return;
	}
	/* The log escapes it, but for NUL, at which it would end. */
	for (size_t i = 0; i < n; i++)
		begin[i] = datagram.p[i] != '\0' ? datagram.p[i] : '?';
	smx_log(SMX_LOG_WARNING,
	    "collect: a datagram can't be used: %s; %" PRIu64
	    " more since the last of these lines; it begins: %.*s",
	    what, r->bad_untold, (int)n, begin);
	r->bad_told = now;
	r->bad_untold = 0;
}

/* Is there a record, and in it a place that reports can go to? */
static bool
has_place(struct smx_role_collect *r, struct smx_slice record)
{
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;

	smx_diag_list_init(&diags, items, 1);
	return smx_tlsrpt_txt_parse(&r->arena, record, &diags, &txt) == 0;
}

static void
flush(struct smx_role_collect *r)
{
	struct smx_tally_batch batch;

	if (r->tally.batch.row_count > 0 && smx_tally_store_is_idle(r->store) &&
	    smx_tally_take(&r->tally, &batch) == 0)
		smx_tally_store_give(r->store, &batch);
}

static void
on_datagram(void *arg, struct smx_slice datagram)
{
	struct smx_role_collect *r = arg;
	struct smx_now now = smx_clock_now();
	struct smx_tlsrpt_event event;
	const char *what = "";

	smx_arena_reset(&r->arena);
	if (smx_tlsrpt_event_parse(&r->arena, datagram, &event, &what) < 0) {
		r->malformed++;
		tell_bad(r, datagram, what, now.mono);
		return;
	}
	r->events++;
	if (!has_place(r, event.record)) {
		r->without_record++;
		tell_bad(r, datagram, "its record has no usable rua", now.mono);
		return;
	}
	if (smx_tally_add(&r->tally, &event, now.wall / SMX_DAY) < 0)
		r->dropped++;
	if (smx_tally_bytes(&r->tally) > FLUSH_BYTES)
		flush(r);
}

static struct smx_tlsrpt_socket_counts
sum_counts(const struct smx_role_collect *r)
{
	struct smx_tlsrpt_socket_counts sum = r->gone;

	for (const struct smx_list *node = r->sockets.next; node != &r->sockets;
	     node = node->next) {
		const struct socket *s = SMX_ELEMENT(node, struct socket, link);
		struct smx_tlsrpt_socket_counts c =
		    smx_tlsrpt_socket_counts(s->socket);

		sum.datagrams += c.datagrams;
		sum.bytes += c.bytes;
		sum.too_long += c.too_long;
		sum.full += c.full;
	}
	return sum;
}

/* Losses are said when they happen, once a flush. */
static void
tell_losses(struct smx_role_collect *r)
{
	uint64_t full = sum_counts(r).full;

	if (full > r->full_told)
		smx_log(SMX_LOG_WARNING,
		    "collect: the kernel's queue was full %" PRIu64
		    " times: datagrams may be lost; " LENGTHEN,
		    full - r->full_told, QUEUE_MIN);
	if (r->dropped > r->dropped_told)
		smx_log(SMX_LOG_WARNING,
		    "collect: %" PRIu64 " events were not counted, or not "
		    "wholly: no more room in memory",
		    r->dropped - r->dropped_told);
	r->full_told = full;
	r->dropped_told = r->dropped;
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct smx_role_collect *r = arg;

	(void)fd;
	(void)what;
	tell_losses(r);
	flush(r);
}

static int
set_timer(struct smx_role_collect *r, smx_time every)
{
	struct timeval after = { every / SMX_SECOND,
		every % SMX_SECOND * 1000 };

	return event_add(r->timer, &after) < 0 ? -SMX_ENOMEM : 0;
}

static void
close_socket(struct smx_role_collect *r, struct socket *s)
{
	struct smx_tlsrpt_socket_counts c;

	/* Nobody new can write to it any more; what was written counts. In one
	 * that is not ours it waits for the next of us. */
	if (!s->is_passed && smx_listen_is_there(&s->address, s->file))
		smx_listen_remove(&s->address);
	for (int i = 0; i < DRAIN_MAX && !s->is_passed; i++) {
		uint64_t before = smx_tlsrpt_socket_counts(s->socket).datagrams;

		smx_tlsrpt_socket_drain(s->socket);
		if (smx_tlsrpt_socket_counts(s->socket).datagrams == before)
			break;
	}
	c = smx_tlsrpt_socket_counts(s->socket);
	r->gone.datagrams += c.datagrams;
	r->gone.bytes += c.bytes;
	r->gone.too_long += c.too_long;
	r->gone.full += c.full;
	smx_tlsrpt_socket_free(&s->socket);
	smx_list_remove(&s->link);
	free(s);
}

static void
warn_of_short_queue(const struct smx_tlsrpt_socket *s)
{
	unsigned queue = smx_tlsrpt_socket_queue(s);

	if (queue == 0)
		smx_log(SMX_LOG_WARNING,
		    "collect: the length of the kernel's queue can't be found "
		    "out, so that losses go unnoticed: let strictmxd be in the "
		    "group that may write to its socket");
	else if (queue < QUEUE_MIN)
		smx_log(SMX_LOG_WARNING,
		    "collect: the kernel keeps only %u datagrams for the "
		    "socket: in a burst some are lost; " LENGTHEN,
		    queue, QUEUE_MIN);
}

static int
add_socket(struct smx_role_collect *r, int fd,
    const struct smx_address *address)
{
	struct socket *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		evutil_closesocket(fd);
		return -SMX_ENOMEM;
	}
	if (smx_tlsrpt_socket_new(r->base, fd, on_datagram, r, &s->socket) <
	    0) {
		free(s);
		return -SMX_ENOMEM;
	}
	s->is_wanted = true;
	s->is_passed = address == NULL;
	if (address != NULL) {
		s->address = *address;
		s->file = smx_listen_file(address);
	}
	smx_list_push(&r->sockets, &s->link);
	warn_of_short_queue(s->socket);
	return 0;
}

static struct socket *
find_socket(const struct smx_role_collect *r, const struct smx_address *address)
{
	for (struct smx_list *node = r->sockets.next; node != &r->sockets;
	     node = node->next) {
		struct socket *s = SMX_ELEMENT(node, struct socket, link);

		if (!s->is_passed && s->address.bytes == address->bytes &&
		    memcmp(&s->address.u, &address->u, address->bytes) == 0)
			return s;
	}
	return NULL;
}

static int
listen_on(struct smx_role_collect *r, const struct smx_config *config,
    const char *text, struct smx_buf *reason)
{
	struct smx_listen_access access =
	    smx_listen_access(config->collect_socket_mode,
		config->collect_socket_owner, config->collect_socket_group);
	struct smx_address address;
	struct socket *s;
	int fd, rc = smx_address_parse(text, &address, reason);

	if (rc < 0)
		return rc;
	s = find_socket(r, &address);
	if (s != NULL && smx_listen_is_there(&address, s->file)) {
		s->is_wanted = true;
		return 0;
	}
	if (s != NULL) {
		smx_log(SMX_LOG_WARNING,
		    "collect: the socket %s was removed or replaced by "
		    "somebody; it is made again",
		    text);
		close_socket(r, s);
	}
	access.is_datagram = true;
	smx_listen_make_directory(&address, access.group);
	rc = smx_listen_open(&address, &access, &fd, reason);
	return rc == 0 ? add_socket(r, fd, &address) : rc;
}

static void
want_none(struct smx_role_collect *r)
{
	for (struct smx_list *node = r->sockets.next; node != &r->sockets;
	     node = node->next)
		SMX_ELEMENT(node, struct socket, link)->is_wanted = false;
}

static void
sweep_sockets(struct smx_role_collect *r)
{
	struct smx_list *node = r->sockets.next, *next;

	for (; node != &r->sockets; node = next) {
		struct socket *s = SMX_ELEMENT(node, struct socket, link);

		next = node->next;
		if (!s->is_passed && !s->is_wanted)
			close_socket(r, s);
	}
}

/* Open what the configuration wants beyond what is open; sockets that were
 * passed are all that is wanted. */
static int
listen_all(struct smx_role_collect *r, const struct smx_config *config,
    struct smx_buf *reason)
{
	int rc = 0;

	for (struct smx_list *node = r->sockets.next; node != &r->sockets;
	     node = node->next)
		if (SMX_ELEMENT(node, struct socket, link)->is_passed)
			return 0;
	want_none(r);
	for (char **text = config->collect_listen; *text != NULL && rc == 0;
	     text++)
		rc = listen_on(r, config, *text, reason);
	return rc;
}

/* Sockets that systemd opened for us: those for datagrams. */
static int
take_passed(struct smx_role_collect *r)
{
	int count = sd_listen_fds(0), rc = 0;

	for (int i = 0; i < count && rc == 0; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (sd_is_socket(fd, AF_UNIX, SOCK_DGRAM, -1) <= 0)
			continue;
		evutil_make_socket_nonblocking(fd);
		evutil_make_socket_closeonexec(fd);
		rc = add_socket(r, fd, NULL);
	}
	return rc;
}

static int
start_all(struct smx_role_collect *r, struct smx_buf *reason)
{
	uint64_t seed[2];
	int rc;

	if (getrandom(seed, sizeof(seed), 0) < 0)
		return -SMX_EIO;
	/* What a batch leaves behind is the room of the next one. To give it
	 * back to the system would take the CPU from the thread that reads,
	 * for longer than a short queue lasts. */
	mallopt(M_TRIM_THRESHOLD, FLUSH_BYTES);
	rc = smx_tally_init(&r->tally, seed);
	if (rc < 0)
		return rc;
	rc = smx_tally_store_open(smx_config_reports_path(r->config), &r->store,
	    reason);
	if (rc == 0)
		rc = take_passed(r);
	if (rc == 0)
		rc = listen_all(r, r->config, reason);
	if (rc < 0)
		return rc;
	r->timer = event_new(r->base, -1, EV_PERSIST, on_flush, r);
	return r->timer != NULL ? set_timer(r, r->config->collect_flush)
				: -SMX_ENOMEM;
}

int
smx_role_collect_start(struct event_base *base, const struct smx_config *config,
    struct smx_role_collect **ret, struct smx_buf *reason)
{
	struct smx_role_collect *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -SMX_ENOMEM;
	r->base = base;
	r->config = config;
	smx_list_init(&r->sockets);
	smx_port_tally_init(&r->tally.batch, 0);
	smx_arena_init(&r->arena, r->arena_first, sizeof(r->arena_first),
	    SMX_TLSRPT_EVENT_ARENA_MAX);
	rc = start_all(r, reason);
	if (rc < 0) {
		if (reason->n == 0)
			smx_buf_add_text(reason, smx_status_text(rc));
		smx_role_collect_stop(&r);
		return rc;
	}
	if (!config->has_section[SMX_CONFIG_SECTION_REPORT])
		smx_log(SMX_LOG_WARNING,
		    "collect: there is no section report: what is counted is "
		    "never sent, and stays in %s for ever",
		    smx_config_reports_path(config));
	*ret = r;
	return 0;
}

int
smx_role_collect_reload(struct smx_role_collect *r,
    const struct smx_config *config, struct smx_buf *reason)
{
	int rc = listen_all(r, config, reason);

	if (rc == 0)
		rc = set_timer(r, config->collect_flush);
	if (rc < 0) {
		char storage[256];
		struct smx_buf ignored;

		/* Back to the sockets of the configuration in use, all of
		 * which are open. */
		smx_buf_init_fixed(&ignored, storage, sizeof(storage));
		if (listen_all(r, r->config, &ignored) == 0)
			sweep_sockets(r);
		return rc;
	}
	sweep_sockets(r);
	if (strcmp(config->top_reports, r->config->top_reports) != 0)
		smx_log(SMX_LOG_WARNING,
		    "the new store of reports is used after the next restart");
	r->config = config;
	return 0;
}

void
smx_role_collect_log(struct smx_role_collect *r)
{
	struct smx_tlsrpt_socket_counts in = sum_counts(r);
	struct smx_tally_store_counts out = smx_tally_store_counts(r->store);

	smx_log(SMX_LOG_INFO,
	    "collect: %" PRIu64 " datagrams, %" PRIu64 " bytes; %" PRIu64
	    " events, %" PRIu64 " malformed, %" PRIu64 " too long, %" PRIu64
	    " without a usable record, %" PRIu64 " not wholly counted; the "
	    "queue was full %" PRIu64 " times; %" PRIu64
	    " events written in %" PRIu64 " batches, %" PRIu64
	    " attempts to write failed, %" PRIu64 " rows merged",
	    in.datagrams, in.bytes, r->events, r->malformed, in.too_long,
	    r->without_record, r->dropped, in.full, out.events, out.batches,
	    out.failed, out.merged);
}

void
smx_role_collect_stop(struct smx_role_collect **rp)
{
	struct smx_role_collect *r = *rp;
	struct smx_tally_batch *last;
	uint64_t lost;

	if (r == NULL)
		return;
	while (!smx_list_is_empty(&r->sockets))
		close_socket(r,
		    SMX_ELEMENT(r->sockets.next, struct socket, link));
	last = &r->tally.batch;
	lost = smx_tally_store_close(&r->store, last);
	if (lost > 0)
		smx_log(SMX_LOG_ERROR,
		    "reports: %" PRIu64 " events could not be written", lost);
	smx_tally_done(&r->tally);
	smx_arena_done(&r->arena);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r);
	*rp = NULL;
}
