#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unbound.h>
#include <unbound-event.h>

#include "io/dns_unbound.h"
#include "base/list.h"
#include "base/log.h"
#include "base/require.h"
#include "io/clock.h"
#include "io/dns_files.h"
#include "io/dns_packet.h"

#define RESOLV_CONF          "/etc/resolv.conf"
#define RESOLV_CONF_SENTINEL "resolv.conf"
#define FORWARDERS_MAX       8

/* Of the probe; and the class. */
#define TYPE_DNSKEY 48
#define CLASS_IN    1

/* Whether signatures pass is asked again after so long. */
#define PROBE_AGAIN_PASSING_S 3600
#define PROBE_AGAIN_FAILING_S 60
/* At start, queries wait for the first probe, but not longer. */
#define PROBE_HOLD_MS      1500
#define RESOLV_CONF_LOOK_S 5

/* libunbound's word on security. */
enum { INSECURE, BOGUS, SECURE };

enum passing {
	PASSING_UNKNOWN, /* the first probe is under way */
	PASSING_YES,
	PASSING_NO,
};

/* One libunbound context; an old one stays until its queries have ended. */
struct context {
	struct ub_ctx *ub;
	size_t active;
	bool retired;
	struct smx_list link; /* in smx_dns.retired */
};

struct smx_dns {
	struct event_base *base;
	char *forwarders[FORWARDERS_MAX + 1]; /* as configured */
	char *trust_anchor_file;
	bool is_bulk;
	char anchor_name[SMX_DOMAIN_MAX + 2];
	struct context *validating; /* NULL without a trust anchor */
	struct context *plain;
	enum passing passing;
	bool failing_told;
	struct smx_list queries; /* all, held or under way */
	struct smx_list retired;
	struct event *probe_timer;
	struct event *hold_timer;
	struct event *look_timer;
	struct event *sweep; /* frees retired contexts outside callbacks */
	struct timespec resolv_conf_time;
	ino_t resolv_conf_inode;
};

enum query_kind { QUERY_RECORDS, QUERY_ADDRESS, QUERY_PROBE };

struct smx_dns_query {
	struct smx_dns *dns;
	struct smx_list link;
	struct context *context; /* NULL while held */
	int async_id;
	enum query_kind kind;
	int type;
	struct event *deadline;
	void (*answered)(struct smx_dns_query *q, enum smx_dns_status status,
	    bool secure, const void *packet, size_t bytes);
	smx_dns_done *done; /* of QUERY_RECORDS */
	void *arg;
	char name[SMX_DOMAIN_MAX + 2];
};

/* Two queries, A and AAAA, and what they gave. */
struct address_pair {
	struct smx_dns_addresses answer;
	struct smx_arena arena;
	enum smx_dns_status status[2]; /* A, AAAA */
	unsigned missing;
	smx_dns_addresses_done *done;
	void *arg;
};

static void probe(struct smx_dns *d);

static void
free_context(struct context *c)
{
	if (c == NULL)
		return;
	if (c->ub != NULL)
		ub_ctx_delete(c->ub);
	free(c);
}

/* Take a context out of use; it is freed when its last query has ended. */
static void
retire(struct smx_dns *d, struct context **cp)
{
	struct context *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	c->retired = true;
	smx_list_push(&d->retired, &c->link);
	event_active(d->sweep, EV_TIMEOUT, 0);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct smx_dns *d = arg;
	struct smx_list *node = d->retired.next, *next;

	(void)fd;
	(void)what;
	for (; node != &d->retired; node = next) {
		struct context *c = SMX_ELEMENT(node, struct context, link);

		next = node->next;
		if (c->active == 0) {
			smx_list_remove(&c->link);
			free_context(c);
		}
	}
}

/*
 * libunbound's defaults are for one look-up now and then. Its caches stay
 * small: what an answer says of a policy is remembered by the engine, and only
 * delegations and keys are asked for again and again.
 */
static int
set_options(struct ub_ctx *ub, bool is_bulk)
{
	const char *const options[][2] = {
		{ "do-not-query-localhost:", "no" },
		/* A second, doubled each time: all of our deadline. */
		{ "outbound-msg-retry:", "4" },
		{ "infra-keep-probing:", "yes" },
		/* Behind a quick forwarder it would shrink to 50 ms, and a slow
		 * name would be given up after a second and a half. */
		{ "infra-cache-min-rtt:", "1000" },
		{ "unknown-server-time-limit:", "1000" },
		{ "msg-cache-size:", is_bulk ? "2m" : "1m" },
		{ "rrset-cache-size:", is_bulk ? "4m" : "2m" },
		{ "neg-cache-size:", "1m" },
		{ "key-cache-size:", "1m" },
		{ "num-queries-per-thread:", "4096" },
		{ "outgoing-range:", "512" },
		{ "jostle-timeout:", "1000" },
		{ "unblock-lan-zones:", "yes" },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int rc = ub_ctx_set_option(ub, options[i][0], options[i][1]);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* The order matters: some calls end the time in which others are allowed. */
static int
new_context(struct smx_dns *d, char *const *forwarders, const char *anchor,
    struct context **ret, struct smx_buf *reason)
{
	struct context *c = calloc(1, sizeof(*c));
	const char *at = "context";
	int rc = UB_NOMEM;

	if (c == NULL)
		return -SMX_ENOMEM;
	smx_list_init(&c->link);
	c->ub = ub_ctx_create_event(d->base);
	if (c->ub == NULL)
		goto out;
	for (size_t i = 0; forwarders[i] != NULL; i++) {
		at = forwarders[i];
		rc = ub_ctx_set_fwd(c->ub, forwarders[i]);
		if (rc != 0)
			goto out;
	}
	at = "options";
	rc = set_options(c->ub, d->is_bulk);
	if (rc == 0 && anchor != NULL) {
		at = anchor;
		rc = ub_ctx_add_ta_file(c->ub, anchor);
	}
	if (rc != 0)
		goto out;
	at = "local zones";
	rc = ub_ctx_async(c->ub, 1);
	/* Built in as non-existent, but in use in private networks. */
	if (rc == 0)
		rc = ub_ctx_zone_remove(c->ub, "test.");
out:
	if (rc != 0) {
		smx_buf_printf(reason, "resolver: %s: %s", at, ub_strerror(rc));
		free_context(c);
		return rc == UB_NOMEM ? -SMX_ENOMEM : -SMX_EINVAL;
	}
	*ret = c;
	return 0;
}

static void
free_strings(char **list)
{
	for (size_t i = 0; list[i] != NULL; i++)
		free(list[i]);
	list[0] = NULL;
}

static bool
follows_resolv_conf(char *const *forwarders)
{
	return forwarders[0] != NULL && forwarders[1] == NULL &&
	    strcmp(forwarders[0], RESOLV_CONF_SENTINEL) == 0;
}

static void
note_resolv_conf(struct smx_dns *d)
{
	struct stat s;

	if (stat(RESOLV_CONF, &s) == 0) {
		d->resolv_conf_time = s.st_mtim;
		d->resolv_conf_inode = s.st_ino;
	}
}

/* Build the contexts for the settings in @p d; on failure the old stay. */
static int
rebuild(struct smx_dns *d, struct smx_buf *reason)
{
	char *from_file[FORWARDERS_MAX + 1] = { NULL };
	char *const *forwarders = d->forwarders;
	struct context *validating = NULL, *plain = NULL;
	int rc = 0;

	if (follows_resolv_conf(d->forwarders)) {
		note_resolv_conf(d);
		rc = smx_dns_files_servers(RESOLV_CONF, from_file,
		    FORWARDERS_MAX);
		forwarders = from_file;
	}
	if (rc == 0)
		rc = new_context(d, forwarders, NULL, &plain, reason);
	if (rc == 0 && d->trust_anchor_file != NULL)
		rc = new_context(d, forwarders, d->trust_anchor_file,
		    &validating, reason);
	free_strings(from_file);
	if (rc < 0) {
		free_context(plain);
		return rc;
	}
	retire(d, &d->plain);
	retire(d, &d->validating);
	d->plain = plain;
	d->validating = validating;
	d->passing = validating != NULL ? PASSING_UNKNOWN : PASSING_NO;
	return 0;
}

static void
free_query(struct smx_dns_query *q)
{
	smx_list_remove(&q->link);
	if (q->context != NULL) {
		q->context->active--;
		if (q->context->retired && q->context->active == 0)
			event_active(q->dns->sweep, EV_TIMEOUT, 0);
	}
	if (q->deadline != NULL)
		event_free(q->deadline);
	free(q);
}

static void
finish(struct smx_dns_query *q, enum smx_dns_status status, bool secure,
    const void *packet, size_t bytes)
{
	q->answered(q, status, secure, packet, bytes);
	free_query(q);
}

static void
on_answer(void *arg, int rcode, void *packet, int bytes, int sec,
    char *why_bogus, int was_ratelimited)
{
	struct smx_dns_query *q = arg;

	(void)why_bogus;
	(void)was_ratelimited;
	/* A bogus answer comes with the forged data and no error code: the
	 * security has to be looked at first. */
	if (sec == BOGUS)
		finish(q, SMX_DNS_BOGUS, false, NULL, 0);
	else if ((rcode != 0 && rcode != 3) || packet == NULL || bytes <= 0)
		finish(q, SMX_DNS_FAILURE, false, NULL, 0);
	else
		finish(q, SMX_DNS_OK, sec == SECURE, packet, (size_t)bytes);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct smx_dns_query *q = arg;

	(void)fd;
	(void)what;
	/* After this libunbound does not call back for it. */
	if (q->context != NULL)
		ub_cancel(q->context->ub, q->async_id);
	finish(q, SMX_DNS_TIMEOUT, false, NULL, 0);
}

/* Hand a query to the context that is in use. */
static void
start(struct smx_dns_query *q)
{
	struct smx_dns *d = q->dns;
	struct smx_dns_query *const query = q;
	int rc;

	q->context = q->kind == QUERY_PROBE || d->passing == PASSING_YES
	    ? d->validating
	    : d->plain;
	q->context->active++;
	/* The answer can come from within this call: q may be gone then. */
	rc = ub_resolve_event(q->context->ub, q->name, q->type, CLASS_IN, query,
	    on_answer, &q->async_id);
	if (rc != 0)
		finish(query, SMX_DNS_FAILURE, false, NULL, 0);
}

static struct smx_dns_query *
new_query(struct smx_dns *d, enum query_kind kind, int type,
    struct smx_slice name)
{
	static const struct timeval limit = { SMX_DNS_DEADLINE / SMX_SECOND,
		0 };
	struct smx_dns_query *q;

	if (name.n + 2 > sizeof(q->name))
		return NULL;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->dns = d;
	q->kind = kind;
	q->type = type;
	memcpy(q->name, name.p, name.n);
	/* With a final dot: never completed by a search list. */
	if (name.n > 0 && name.p[name.n - 1] != '.')
		q->name[name.n] = '.';
	smx_list_init(&q->link);
	q->deadline = event_new(d->base, -1, 0, on_deadline, q);
	if (q->deadline == NULL || event_add(q->deadline, &limit) < 0) {
		free_query(q);
		return NULL;
	}
	smx_list_push(&d->queries, &q->link);
	return q;
}

/* Start it, or hold it until it is known whether signatures pass. */
static void
submit(struct smx_dns_query *q)
{
	if (q->dns->passing != PASSING_UNKNOWN)
		start(q);
}

static void
release_held(struct smx_dns *d)
{
	struct smx_list held, *node = d->queries.next, *next;

	smx_list_init(&held);
	for (; node != &d->queries; node = next) {
		struct smx_dns_query *q = SMX_ELEMENT(node,
		    struct smx_dns_query, link);

		next = node->next;
		if (q->context == NULL) {
			smx_list_remove(node);
			smx_list_push(&held, node);
		}
	}
	while ((node = smx_list_pop(&held)) != NULL) {
		smx_list_push(&d->queries, node);
		start(SMX_ELEMENT(node, struct smx_dns_query, link));
	}
}

static void
on_hold_over(evutil_socket_t fd, short what, void *arg)
{
	struct smx_dns *d = arg;

	(void)fd;
	(void)what;
	if (d->passing == PASSING_UNKNOWN) {
		d->passing = PASSING_NO;
		release_held(d);
	}
}

static void
conclude_probe(struct smx_dns_query *q, enum smx_dns_status status, bool secure,
    const void *packet, size_t bytes)
{
	struct smx_dns *d = q->dns;
	bool passes = status == SMX_DNS_OK && secure;
	struct timeval again = {
		passes ? PROBE_AGAIN_PASSING_S : PROBE_AGAIN_FAILING_S, 0
	};

	(void)packet;
	(void)bytes;
	if (q->context != NULL && q->context->retired)
		return; /* about settings that are no longer used */
	/* No answer at all says nothing about signatures: what passed before
	 * is still validated. */
	if (d->passing == PASSING_YES &&
	    (status == SMX_DNS_FAILURE || status == SMX_DNS_TIMEOUT))
		passes = true;
	if (passes && d->passing != PASSING_YES)
		smx_log(SMX_LOG_INFO, "DNSSEC: answers are validated");
	if (!passes && !d->failing_told)
		smx_log(SMX_LOG_WARNING,
		    "DNSSEC: signatures do not pass the resolver in use (%s); "
		    "answers are taken unvalidated until they do",
		    status == SMX_DNS_TIMEOUT       ? "no answer"
			: status == SMX_DNS_FAILURE ? "look-up failed"
						    : "removed or forged");
	d->failing_told = !passes;
	d->passing = passes ? PASSING_YES : PASSING_NO;
	event_add(d->probe_timer, &again);
	release_held(d);
}

static void
probe(struct smx_dns *d)
{
	static const struct timeval again = { PROBE_AGAIN_FAILING_S, 0 };
	struct smx_dns_query *q;

	if (d->validating == NULL)
		return;
	q = new_query(d, QUERY_PROBE, TYPE_DNSKEY,
	    smx_slice_text(d->anchor_name));
	if (q == NULL) {
		event_add(d->probe_timer, &again);
		return;
	}
	q->answered = conclude_probe;
	start(q);
}

static void
on_probe(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	probe(arg);
}

/* Begin with new contexts: probe, and hold queries for a moment. */
static void
begin(struct smx_dns *d)
{
	static const struct timeval hold = { PROBE_HOLD_MS / 1000,
		PROBE_HOLD_MS % 1000 * 1000 };
	static const struct timeval all = { SMX_DNS_DEADLINE / SMX_SECOND, 0 };

	d->failing_told = false;
	event_add(d->hold_timer, d->is_bulk ? &all : &hold);
	probe(d);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct smx_dns *d = arg;
	struct smx_buf reason;
	struct stat s;

	(void)fd;
	(void)what;
	if (!follows_resolv_conf(d->forwarders) || stat(RESOLV_CONF, &s) < 0 ||
	    (s.st_ino == d->resolv_conf_inode &&
		s.st_mtim.tv_sec == d->resolv_conf_time.tv_sec &&
		s.st_mtim.tv_nsec == d->resolv_conf_time.tv_nsec))
		return;
	smx_buf_init(&reason, 1024);
	if (rebuild(d, &reason) == 0) {
		smx_log(SMX_LOG_INFO, RESOLV_CONF " has changed and is used");
		begin(d);
	} else {
		smx_log(SMX_LOG_WARNING, RESOLV_CONF " has changed: %s",
		    smx_buf_text(&reason));
	}
	smx_buf_done(&reason);
}

/* Copy settings into @p d, which has none. */
static int
take_settings(struct smx_dns *d, const struct smx_dns_settings *settings,
    struct smx_buf *reason)
{
	size_t count = 0;

	for (; settings->forwarders[count] != NULL; count++) {
		if (count == FORWARDERS_MAX) {
			smx_buf_printf(reason, "at most %d forwarders",
			    FORWARDERS_MAX);
			return -SMX_EINVAL;
		}
		d->forwarders[count] = strdup(settings->forwarders[count]);
		if (d->forwarders[count] == NULL)
			return -SMX_ENOMEM;
	}
	if (settings->trust_anchor_file == NULL)
		return 0;
	d->trust_anchor_file = strdup(settings->trust_anchor_file);
	if (d->trust_anchor_file == NULL)
		return -SMX_ENOMEM;
	return smx_dns_files_anchor_name(d->trust_anchor_file, d->anchor_name,
	    reason);
}

static void
drop_settings(struct smx_dns *d)
{
	free_strings(d->forwarders);
	free(d->trust_anchor_file);
	d->trust_anchor_file = NULL;
}

int
smx_dns_set(struct smx_dns *d, const struct smx_dns_settings *settings,
    struct smx_buf *reason)
{
	struct smx_dns old = *d;
	int rc;

	memset(d->forwarders, 0, sizeof(d->forwarders));
	d->trust_anchor_file = NULL;
	rc = take_settings(d, settings, reason);
	if (rc == 0)
		rc = rebuild(d, reason);
	if (rc < 0) {
		drop_settings(d);
		memcpy(d->forwarders, old.forwarders, sizeof(d->forwarders));
		d->trust_anchor_file = old.trust_anchor_file;
		memcpy(d->anchor_name, old.anchor_name, sizeof(d->anchor_name));
		return rc;
	}
	drop_settings(&old);
	begin(d);
	return 0;
}

int
smx_dns_new(struct event_base *base, const struct smx_dns_settings *settings,
    struct smx_dns **ret, struct smx_buf *reason)
{
	static const struct timeval look = { RESOLV_CONF_LOOK_S, 0 };
	struct smx_dns *d = calloc(1, sizeof(*d));
	int rc = -SMX_ENOMEM;

	if (d == NULL)
		return rc;
	d->base = base;
	d->is_bulk = settings->is_bulk;
	smx_list_init(&d->queries);
	smx_list_init(&d->retired);
	d->probe_timer = event_new(base, -1, 0, on_probe, d);
	d->hold_timer = event_new(base, -1, 0, on_hold_over, d);
	d->look_timer = event_new(base, -1, EV_PERSIST, on_look, d);
	d->sweep = event_new(base, -1, 0, on_sweep, d);
	if (d->probe_timer != NULL && d->hold_timer != NULL &&
	    d->look_timer != NULL && d->sweep != NULL &&
	    event_add(d->look_timer, &look) == 0)
		rc = take_settings(d, settings, reason);
	if (rc == 0)
		rc = rebuild(d, reason);
	if (rc < 0) {
		smx_dns_free(&d);
		return rc;
	}
	begin(d);
	*ret = d;
	return 0;
}

static void
free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

static void
free_pair(struct address_pair *pair)
{
	smx_arena_done(&pair->arena);
	free(pair);
}

/* One of a pair's queries is dropped. */
static void
drop_half(struct address_pair *pair)
{
	if (--pair->missing == 0)
		free_pair(pair);
}

void
smx_dns_free(struct smx_dns **dp)
{
	struct smx_dns *d = *dp;
	struct smx_list *node;

	if (d == NULL)
		return;
	while ((node = d->queries.next) != &d->queries) {
		struct smx_dns_query *q = SMX_ELEMENT(node,
		    struct smx_dns_query, link);

		if (q->context != NULL)
			ub_cancel(q->context->ub, q->async_id);
		if (q->kind == QUERY_ADDRESS)
			drop_half(q->arg);
		free_query(q);
	}
	free_context(d->validating);
	free_context(d->plain);
	while ((node = smx_list_pop(&d->retired)) != NULL)
		free_context(SMX_ELEMENT(node, struct context, link));
	free_event(d->probe_timer);
	free_event(d->hold_timer);
	free_event(d->look_timer);
	free_event(d->sweep);
	drop_settings(d);
	free(d);
	*dp = NULL;
}

static void
answer_records(struct smx_dns_query *q, enum smx_dns_status status, bool secure,
    const void *packet, size_t bytes)
{
	struct smx_dns_answer answer = { .status = status };
	struct smx_arena a;

	smx_arena_init(&a, NULL, 0, SMX_DNS_PACKET_ARENA_MAX);
	if (status == SMX_DNS_OK)
		smx_dns_packet_read(smx_slice(packet, bytes),
		    (enum smx_dns_type)q->type, &a, &answer);
	answer.secure = secure;
	q->done(q->arg, smx_clock_now(), &answer);
	smx_arena_done(&a);
}

int
smx_dns_ask(struct smx_dns *d, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	struct smx_dns_query *q = new_query(d, QUERY_RECORDS, type, name);

	if (q == NULL)
		return -SMX_ENOMEM;
	q->answered = answer_records;
	q->done = done;
	q->arg = arg;
	submit(q);
	return 0;
}

static void
settle_pair(struct address_pair *pair)
{
	struct smx_dns_addresses *a = &pair->answer;

	if (--pair->missing > 0)
		return;
	/* Addresses of one family are enough; without any, a failure of
	 * either look-up is a failure. */
	a->status = SMX_DNS_OK;
	if (a->count == 0) {
		a->status = pair->status[0];
		if (a->status == SMX_DNS_NODATA || a->status == SMX_DNS_OK ||
		    a->status == SMX_DNS_NXDOMAIN)
			a->status = pair->status[1];
	}
	pair->done(pair->arg, a);
	free_pair(pair);
}

static void
answer_address(struct smx_dns_query *q, enum smx_dns_status status, bool secure,
    const void *packet, size_t bytes)
{
	struct address_pair *pair = q->arg;
	struct smx_dns_addresses *to = &pair->answer;
	struct smx_dns_answer answer = { .status = status };

	if (status == SMX_DNS_OK)
		smx_dns_packet_read(smx_slice(packet, bytes),
		    (enum smx_dns_type)q->type, &pair->arena, &answer);
	if (answer.alias.n > 0)
		to->alias = answer.alias;
	for (size_t i = 0; i < answer.count; i++)
		to->list[to->count++] = answer.addresses[i];
	to->secure = to->secure && secure;
	pair->status[q->type == SMX_DNS_AAAA] = answer.status;
	settle_pair(pair);
}

int
smx_dns_ask_addresses(struct smx_dns *d, struct smx_slice name,
    smx_dns_addresses_done *done, void *arg)
{
	static const enum smx_dns_type types[] = { SMX_DNS_A, SMX_DNS_AAAA };
	struct address_pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL)
		return -SMX_ENOMEM;
	smx_arena_init(&pair->arena, NULL, 0, SMX_DNS_PACKET_ARENA_MAX);
	pair->answer.secure = true;
	pair->done = done;
	pair->arg = arg;
	pair->missing = 2;
	for (size_t i = 0; i < 2; i++) {
		struct smx_dns_query *q = new_query(d, QUERY_ADDRESS, types[i],
		    name);

		if (q == NULL) {
			pair->status[i] = SMX_DNS_FAILURE;
			settle_pair(pair);
			continue;
		}
		q->answered = answer_address;
		q->arg = pair;
		submit(q);
	}
	return 0;
}

bool
smx_dns_is_validating(const struct smx_dns *d)
{
	return d->passing == PASSING_YES;
}

static int
port_ask(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	return smx_dns_ask(self, type, name, done, arg);
}

struct smx_dns_port
smx_dns_as_port(struct smx_dns *d)
{
	static const struct smx_dns_ops ops = { .ask = port_ask };

	return (struct smx_dns_port){ &ops, d };
}
