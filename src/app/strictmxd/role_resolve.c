#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "app/strictmxd/role_resolve.h"
#include "app/metrics.h"
#include "app/strictmxd/dns_settings.h"
#include "app/strictmxd/resolve_events.h"
#include "app/strictmxd/witness_run.h"
#include "base/log.h"
#include "base/require.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/nexthop.h"
#include "engine/lookup.h"
#include "io/clock.h"
#include "io/idn.h"
#include "io/listen.h"
#include "io/mailbox.h"
#include "io/socketmap_server.h"
#include "io/store_sqlite.h"
#include "io/worker.h"

/* The engine is asked what is due at least so often. */
#define TICK_MAX SMX_MINUTE

struct listener {
	struct smx_list link;
	struct smx_address address;
	bool is_passed; /* by systemd: not ours to open or remove */
	bool is_wanted; /* by the configuration at hand */
	int fd;
};

struct smx_role_resolve {
	const struct smx_config *config;
	struct event_base *base;
	struct smx_mailbox *mailbox;
	struct smx_worker *worker;
	struct smx_store *store;
	struct smx_socketmap_server *server;
	struct smx_witness_run *witness; /* NULL: nothing is told */
	struct smx_list listeners;
	struct smx_lookup lookup;
	struct event *timer;
	smx_time armed; /* when the timer fires */
	struct pending *spare;
	struct smx_metrics metrics;
	struct smx_buf text; /* of the reply at hand */
	char text_bytes[SMX_SOCKETMAP_REPLY_MAX];
	size_t restored, expired, refused; /* at start */
};

/* A client whose reply waits for a fetch. */
struct pending {
	struct smx_lookup_waiter waiter;
	struct smx_role_resolve *role;
	struct smx_socketmap_client *client;
	enum smx_socketmap_form form;
	struct smx_domain domain;
};

static const struct smx_slice temp_reason = {
	"the MTA-STS record can't be looked up now: DNS failure", 54
};

/* Let the timer fire when the engine has something to do. */
static void
arm(struct smx_role_resolve *r, struct smx_now now)
{
	smx_time due = smx_time_min(smx_lookup_next(&r->lookup),
	    now.mono + TICK_MAX);
	smx_time wait = smx_time_max(due - now.mono, 0);
	struct timeval after = { wait / SMX_SECOND, wait % SMX_SECOND * 1000 };

	if (r->armed > now.mono && r->armed <= due)
		return;
	r->armed = due;
	event_add(r->timer, &after);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smx_role_resolve *r = arg;
	struct smx_now now = smx_clock_now();

	(void)fd;
	(void)what;
	r->armed = 0;
	smx_lookup_tick(&r->lookup, now);
	arm(r, now);
}

/* What to reply. @return the data behind the status; borrows from r->text. */
static struct smx_slice
reply_of(struct smx_role_resolve *r, const struct smx_lookup_answer *answer,
    struct smx_slice domain, enum smx_socketmap_form form,
    enum smx_socketmap_status *ret_status)
{
	struct smx_postfix postfix;
	int rc;

	switch (answer->status) {
	case SMX_LOOKUP_ENFORCE:
		r->metrics.answered_enforce++;
		*ret_status = SMX_SOCKETMAP_OK;
		postfix = smx_cache_policy_postfix(answer->policy);
		smx_buf_reset(&r->text);
		rc = smx_postfix_print(&postfix, domain,
		    form == SMX_SOCKETMAP_TLSRPT, &r->text);
		/* The plain form is shorter than a body can be. */
		SMX_REQUIRE(rc == 0);
		return smx_buf_slice(&r->text);
	case SMX_LOOKUP_TEMP:
		r->metrics.answered_temp++;
		*ret_status = SMX_SOCKETMAP_TEMP;
		return temp_reason;
	case SMX_LOOKUP_NONE:
	case SMX_LOOKUP_WAIT:
	default:
		r->metrics.answered_none++;
		*ret_status = SMX_SOCKETMAP_NOTFOUND;
		return smx_slice(NULL, 0);
	}
}

static void
on_answer(struct smx_lookup_waiter *w, const struct smx_lookup_answer *answer)
{
	struct pending *p = SMX_ELEMENT(w, struct pending, waiter);
	struct smx_socketmap_client *client = p->client;
	enum smx_socketmap_status status;
	struct smx_slice data = reply_of(p->role, answer,
	    smx_domain_slice(&p->domain), p->form, &status);

	free(p);
	smx_socketmap_server_reply(client, status, data);
}

static void
on_gone(void *self, void *pending)
{
	struct pending *p = pending;

	(void)self;
	smx_lookup_forget(&p->waiter);
	free(p);
}

/* The Policy Domain of a key. @return false: there is none. */
static bool
find_domain(struct smx_slice key, struct smx_domain *ret)
{
	struct smx_slice name;

	switch (smx_nexthop_parse(key, &name)) {
	case SMX_NEXTHOP_NAME:
		return smx_domain_parse(name, ret) == 0;
	case SMX_NEXTHOP_ULABEL:
		return smx_idn_parse(name, ret) == 0;
	case SMX_NEXTHOP_NONE:
	default:
		return false;
	}
}

static bool
on_request(void *self, const struct smx_socketmap_request *request,
    struct smx_socketmap_client *client, struct smx_buf *out)
{
	struct smx_role_resolve *r = self;
	struct smx_lookup_answer answer = { .status = SMX_LOOKUP_NONE };
	enum smx_socketmap_status status;
	struct smx_domain domain = { .n = 0 };
	struct smx_slice data;
	struct smx_now now;

	/* The next who has to wait needs it; most need not wait. */
	if (r->spare == NULL)
		r->spare = calloc(1, sizeof(*r->spare));
	if (r->spare != NULL && find_domain(request->key, &domain)) {
		now = smx_clock_now();
		r->spare->waiter.done = on_answer;
		r->spare->waiter.is_smart_host =
		    !smx_nexthop_has_mx(request->key);
		if (smx_lookup_ask(&r->lookup, smx_domain_slice(&domain), now,
			&r->spare->waiter, &answer) == SMX_LOOKUP_WAIT) {
			struct pending *p = r->spare;

			r->spare = NULL;
			r->metrics.waited++;
			p->role = r;
			p->client = client;
			p->form = request->form;
			p->domain = domain;
			smx_socketmap_server_keep(client, p);
			arm(r, now);
			return false;
		}
	}
	data = reply_of(r, &answer, smx_domain_slice(&domain), request->form,
	    &status);
	smx_socketmap_print_reply(out, status, data);
	return true;
}

static const struct smx_socketmap_handler handler = {
	.request = on_request,
	.gone = on_gone,
};

static void
on_event(void *self, const struct smx_lookup_event *e)
{
	struct smx_role_resolve *r = self;

	smx_resolve_events_take(e, &r->metrics, r->witness,
	    r->config->resolve_answer_bound);
}

static void
close_listener(struct smx_role_resolve *r, struct listener *l)
{
	smx_socketmap_server_unlisten(r->server, l->fd);
	if (!l->is_passed)
		smx_listen_remove(&l->address);
	smx_list_remove(&l->link);
	free(l);
}

static int
add_listener(struct smx_role_resolve *r, int fd,
    const struct smx_address *address)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL || smx_socketmap_server_listen(r->server, fd) < 0) {
		free(l);
		close(fd);
		return -SMX_ENOMEM;
	}
	l->fd = fd;
	l->is_wanted = true;
	l->is_passed = address == NULL;
	if (address != NULL)
		l->address = *address;
	smx_list_push(&r->listeners, &l->link);
	return 0;
}

static struct listener *
find_listener(const struct smx_role_resolve *r,
    const struct smx_address *address)
{
	struct smx_list *node = r->listeners.next;

	for (; node != &r->listeners; node = node->next) {
		struct listener *l = SMX_ELEMENT(node, struct listener, link);

		if (!l->is_passed && l->address.bytes == address->bytes &&
		    memcmp(&l->address.u, &address->u, address->bytes) == 0)
			return l;
	}
	return NULL;
}

static int
listen_on(struct smx_role_resolve *r, const struct smx_config *config,
    const char *text, struct smx_buf *reason)
{
	struct smx_listen_access access = smx_listen_access(
	    config->resolve_socket_mode, "", config->resolve_socket_group);
	struct smx_address address;
	struct listener *l;
	int fd, rc = smx_address_parse(text, &address, reason);

	if (rc < 0)
		return rc;
	l = find_listener(r, &address);
	if (l != NULL) {
		l->is_wanted = true;
		return 0;
	}
	smx_listen_make_directory(&address, access.group);
	rc = smx_listen_open(&address, &access, &fd, reason);
	if (rc == 0)
		rc = add_listener(r, fd, &address);
	/* Without Postfix's queue directory the default is TCP alone. */
	if (rc < 0 && address.u.any.sa_family == AF_UNIX &&
	    config->origin[SMX_SETTING_resolve_listen].file == NULL) {
		smx_log(SMX_LOG_INFO, "%s", smx_buf_text(reason));
		smx_buf_reset(reason);
		rc = 0;
	}
	return rc;
}

/* Close the listeners that are no longer wanted. */
static void
sweep_listeners(struct smx_role_resolve *r)
{
	struct smx_list *node = r->listeners.next, *next;

	for (; node != &r->listeners; node = next) {
		struct listener *l = SMX_ELEMENT(node, struct listener, link);

		next = node->next;
		if (!l->is_passed && !l->is_wanted)
			close_listener(r, l);
	}
}

static void
want_none(struct smx_role_resolve *r)
{
	struct smx_list *node = r->listeners.next;

	for (; node != &r->listeners; node = node->next)
		SMX_ELEMENT(node, struct listener, link)->is_wanted = false;
}

/* Back to the listeners of the configuration in use, all of which are open. */
static void
keep_listeners(struct smx_role_resolve *r)
{
	char storage[256];
	struct smx_buf ignored;

	want_none(r);
	for (char **text = r->config->resolve_listen; *text != NULL; text++) {
		struct smx_address address;
		struct listener *l = NULL;

		smx_buf_init_fixed(&ignored, storage, sizeof(storage));
		if (smx_address_parse(*text, &address, &ignored) == 0)
			l = find_listener(r, &address);
		if (l != NULL)
			l->is_wanted = true;
	}
	sweep_listeners(r);
}

/* Open what the configuration wants beyond what is open. */
static int
listen_all(struct smx_role_resolve *r, const struct smx_config *config,
    struct smx_buf *reason)
{
	struct smx_list *node = r->listeners.next;
	int rc = 0;

	for (; node != &r->listeners; node = node->next) {
		struct listener *l = SMX_ELEMENT(node, struct listener, link);

		if (l->is_passed)
			return 0;
	}
	want_none(r);
	for (char **text = config->resolve_listen; *text != NULL && rc == 0;
	     text++)
		rc = listen_on(r, config, *text, reason);
	return rc;
}

/* Sockets that systemd opened for us. */
static int
take_passed(struct smx_role_resolve *r)
{
	int count = sd_listen_fds(0), rc = 0;

	for (int i = 0; i < count && rc == 0; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		/* Those for datagrams are role collect's. */
		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, -1) <= 0)
			continue;
		evutil_make_socket_nonblocking(fd);
		evutil_make_socket_closeonexec(fd);
		rc = add_listener(r, fd, NULL);
	}
	return rc;
}

static struct smx_worker_settings
worker_settings(const struct smx_config *c)
{
	return (struct smx_worker_settings){
		.dns = smx_dns_settings(c),
		.https = { .ca_file = c->resolve_ca_file,
		    .allow_private_addresses =
			c->resolve_allow_private_addresses,
		    .port = (uint16_t)c->resolve_https_port,
		    .timeout = c->resolve_https_timeout },
	};
}

static struct smx_lookup_settings
lookup_settings(const struct smx_config *c)
{
	struct smx_lookup_settings s = smx_lookup_defaults;

	s.answer_bound = c->resolve_answer_bound;
	s.recheck = c->resolve_recheck;
	s.refresh_unused = c->resolve_refresh_unused;
	s.defer_on_dns_failure = strcmp(c->resolve_on_dns_failure, "defer") ==
	    0;
	return s;
}

struct restore {
	struct smx_role_resolve *role;
	struct smx_now now;
};

static void
on_row(void *arg, const struct smx_store_policy *policy)
{
	struct restore *restore = arg;
	struct smx_role_resolve *r = restore->role;

	switch (smx_lookup_restore(&r->lookup, policy, restore->now)) {
	case 0:
		r->restored++;
		break;
	case -SMX_ENOENT:
		r->expired++;
		break;
	default:
		r->refused++;
		break;
	}
}

static int
start_lookup(struct smx_role_resolve *r, struct smx_buf *reason)
{
	struct smx_lookup_settings settings = lookup_settings(r->config);
	struct restore restore = { r, smx_clock_now() };
	uint64_t seed[2];
	int rc;

	if (getrandom(seed, sizeof(seed), 0) < 0)
		return -SMX_EIO;
	rc = smx_lookup_init(&r->lookup, seed, &settings);
	if (rc < 0)
		return rc;
	r->lookup.store = smx_store_port(r->store);
	r->lookup.observer = (struct smx_lookup_observer){ on_event, r };
	rc = smx_store_load(r->store, on_row, &restore);
	if (rc < 0)
		smx_buf_printf(reason, "store %s can't be read: %s",
		    smx_config_store_path(r->config), smx_status_text(rc));
	else
		smx_log(SMX_LOG_INFO,
		    "%zu policies in the cache, %zu expired, %zu refused",
		    r->restored, r->expired, r->refused);
	return rc;
}

/* Start, change or end it; what fails leaves it as it is. */
static int
set_witness(struct smx_role_resolve *r, const struct smx_config *config,
    struct smx_buf *reason)
{
	if (!smx_witness_run_is_wanted(config)) {
		smx_witness_run_stop(&r->witness);
		return 0;
	}
	return r->witness != NULL
	    ? smx_witness_run_set(r->witness, config, reason)
	    : smx_witness_run_start(config, &r->witness, reason);
}

static int
start_all(struct smx_role_resolve *r, struct smx_buf *reason)
{
	struct smx_worker_settings settings;
	int rc = smx_mailbox_new(r->base, &r->mailbox);

	if (rc == 0)
		rc = smx_socketmap_server_new(r->base, &handler, r, &r->server);
	if (rc == 0)
		rc = take_passed(r);
	/* Early, so that MTAs can connect while the cache is read. */
	if (rc == 0)
		rc = listen_all(r, r->config, reason);
	if (rc == 0)
		rc = smx_store_open(smx_config_store_path(r->config), &r->store,
		    reason);
	if (rc == 0)
		rc = start_lookup(r, reason);
	if (rc == 0)
		rc = smx_store_start(r->store);
	if (rc < 0)
		return rc;
	settings = worker_settings(r->config);
	rc = smx_worker_start(r->mailbox, &settings, &r->worker, reason);
	if (rc < 0)
		return rc;
	r->lookup.dns = smx_worker_dns_port(r->worker);
	r->lookup.https = smx_worker_https_port(r->worker);
	rc = set_witness(r, r->config, reason);
	if (rc < 0)
		return rc;
	r->timer = event_new(r->base, -1, 0, on_timer, r);
	if (r->timer == NULL)
		return -SMX_ENOMEM;
	arm(r, smx_clock_now());
	return 0;
}

int
smx_role_resolve_start(struct event_base *base, const struct smx_config *config,
    struct smx_role_resolve **ret, struct smx_buf *reason)
{
	struct smx_role_resolve *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -SMX_ENOMEM;
	r->base = base;
	r->config = config;
	smx_buf_init_fixed(&r->text, r->text_bytes, sizeof(r->text_bytes));
	smx_list_init(&r->listeners);
	smx_list_init(&r->lookup.waiters);
	rc = start_all(r, reason);
	if (rc < 0) {
		if (reason->n == 0)
			smx_buf_add_text(reason, smx_status_text(rc));
		smx_role_resolve_stop(&r);
		return rc;
	}
	*ret = r;
	return 0;
}

int
smx_role_resolve_reload(struct smx_role_resolve *r,
    const struct smx_config *config, struct smx_buf *reason)
{
	struct smx_worker_settings settings = worker_settings(config);
	int rc = listen_all(r, config, reason);

	if (rc == 0)
		rc = smx_worker_set(r->worker, &settings, reason);
	if (rc == 0)
		rc = set_witness(r, config, reason);
	if (rc < 0) {
		/* Close what was opened for it, and keep all that was. The
		 * worker goes back when the old one is reloaded. */
		keep_listeners(r);
		return rc;
	}
	sweep_listeners(r);
	r->lookup.settings = lookup_settings(config);
	if (strcmp(config->top_store, r->config->top_store) != 0)
		smx_log(SMX_LOG_WARNING,
		    "the new store is used after the next restart");
	r->config = config;
	return 0;
}

void
smx_role_resolve_log(const struct smx_role_resolve *r)
{
	struct smx_socketmap_counts counts =
	    smx_socketmap_server_counts(r->server);

	smx_log(SMX_LOG_INFO,
	    "state: %zu policies, %zu domains without, %zu fetches under way, "
	    "%zu connections; %llu requests on %llu connections, %llu "
	    "malformed, %llu timed out",
	    r->lookup.cache.policy_count, r->lookup.cache.absent_count,
	    r->lookup.flight_count, counts.clients,
	    (unsigned long long)counts.requests,
	    (unsigned long long)counts.accepted,
	    (unsigned long long)counts.malformed,
	    (unsigned long long)counts.timed_out);
	smx_metrics_log(&r->metrics);
	if (r->witness != NULL)
		smx_witness_run_log(r->witness);
}

void
smx_role_resolve_stop(struct smx_role_resolve **rp)
{
	struct smx_role_resolve *r = *rp;
	size_t lost;

	if (r == NULL)
		return;
	if (r->worker != NULL)
		smx_worker_stop(r->worker);
	/* Answers that are on their way still reach who waits; that they lead
	 * to no further fetch is no news. */
	r->lookup.observer.event = NULL;
	smx_mailbox_free(&r->mailbox);
	while (!smx_list_is_empty(&r->listeners))
		close_listener(r,
		    SMX_ELEMENT(r->listeners.next, struct listener, link));
	smx_socketmap_server_free(&r->server);
	smx_lookup_done(&r->lookup);
	smx_worker_free(&r->worker);
	smx_witness_run_stop(&r->witness);
	lost = smx_store_close(&r->store);
	if (lost > 0)
		smx_log(SMX_LOG_ERROR,
		    "store: %zu changes could not be written", lost);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r->spare);
	free(r);
	*rp = NULL;
}
