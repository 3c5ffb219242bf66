#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/strictmx/check_run.h"
#include "app/strictmx/check_fetches.h"
#include "app/strictmx/check_sessions.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/dns_reach.h"
#include "io/dns_unbound.h"
#include "io/https_curl.h"
#include "io/probe_smtp.h"

/* In a bulk run: after so many addresses that can't be reached, and none that
 * can, port 25 is closed here. */
#define UNREACHED_MAX 12
/* How long the first answer of DNS is waited for. */
#define REACH_TIMEOUT (3 * SMX_SECOND)
/* Sessions with one address of an MX host at the same time. */
#define SESSIONS_PER_ADDRESS 2
#define SESSIONS_MAX         200
#define DESCRIPTORS          4096

struct smx_check_run {
	struct smx_check_run_settings settings;
	struct event_base *base;
	struct event *alarm; /* ends a wait */
	struct event *interrupt[2];
	bool is_interrupted;
	struct smx_dns *dns;
	struct smx_https *https;
	struct smx_probe_smtp *probe;
	struct smx_check_fetches *fetches;
	struct smx_check_sessions *sessions;
	struct smx_check_world world;
	size_t unreached;
	bool is_port_closed;
};

/* The ports, with what --connect says in between. */

static const struct smx_check_connect *
find_connect(const struct smx_check_run *r, struct smx_slice host,
    uint16_t port)
{
	for (size_t i = 0; i < r->settings.connect_count; i++) {
		const struct smx_check_connect *to = &r->settings.connect[i];

		if (smx_domain_equal(smx_domain_slice(&to->host), host) &&
		    (port == 0 || to->port == port))
			return to;
	}
	return NULL;
}

static int
ask_dns(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	struct smx_check_run *r = self;
	const struct smx_check_connect *to = NULL;
	struct smx_dns_answer answer = { .status = SMX_DNS_NODATA };

	r->world.settings.no_dnssec = !smx_dns_is_validating(r->dns);
	if (type == SMX_DNS_A || type == SMX_DNS_AAAA)
		to = find_connect(r, name, 0);
	if (to == NULL)
		return smx_dns_ask(r->dns, type, name, done, arg);
	if (to->ip.is_v6 == (type == SMX_DNS_AAAA)) {
		answer.status = SMX_DNS_OK;
		answer.addresses = &to->ip;
		answer.count = 1;
	}
	done(arg, smx_clock_now(), &answer);
	return 0;
}

static int
ask_policy(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	struct smx_check_run *r = self;
	struct smx_https_port https = smx_check_fetches_port(r->fetches);
	struct smx_https_request changed = *request;
	const struct smx_check_connect *to = find_connect(r, request->host,
	    request->port != 0 ? request->port : 443);

	if (to != NULL) {
		changed.address = &to->ip;
		changed.port = to->to_port;
	}
	return https.ops->policy(https.self, &changed, done, arg);
}

/* A session under way: what it tells about port 25 is noted here. */
struct session {
	struct smx_check_run *run;
	bool is_v6; /* may be missing here altogether */
	smx_probe_done *done;
	void *arg;
};

static void
on_session(void *arg, const struct smx_probe_answer *answer)
{
	struct session *s = arg;
	struct smx_check_run *r = s->run;

	if (answer->is_connected)
		r->world.settings.smtp_works = true;
	else if (!s->is_v6 &&
	    (answer->code == SMX_DIAG_SMTP_TIMEOUT ||
		answer->code == SMX_DIAG_SMTP_UNREACHABLE))
		r->unreached++;
	if (r->settings.bulk && !r->world.settings.smtp_works &&
	    r->unreached >= UNREACHED_MAX)
		r->is_port_closed = r->world.settings.skip_smtp = true;
	s->done(s->arg, answer);
	free(s);
}

/* By the time of the first session it is known. */
static int
ask_session(void *self, const struct smx_probe_request *request,
    smx_probe_done *done, void *arg)
{
	struct smx_check_run *r = self;
	struct smx_probe_port port = smx_check_sessions_port(r->sessions);
	struct smx_probe_request changed = *request;
	const struct smx_check_connect *to = find_connect(r, request->host,
	    r->settings.smtp_port);
	struct session *s = malloc(sizeof(*s));
	int rc;

	if (s == NULL)
		return -SMX_ENOMEM;
	*s = (struct session){ r, request->address.is_v6, done, arg };
	if (to != NULL) {
		changed.address = to->ip;
		changed.port = to->to_port;
	}
	rc = port.ops->probe(port.self, &changed, on_session, s);
	if (rc < 0)
		free(s);
	return rc;
}

/* Is there a route to IPv6 addresses at large? Nothing is sent. */
static bool
has_v6(void)
{
	/* 2000::1, of the part that addresses are given out from. */
	const struct smx_ip ip = { true, { 0x20, [15] = 1 } };
	struct smx_address a;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return false;
	smx_address_from_ip(&ip, 53, &a);
	has = connect(fd, &a.u.any, a.bytes) == 0;
	close(fd);
	return has;
}

/* Sessions, fetches and questions each take a descriptor. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max
						      : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
set_ports(struct smx_check_run *r)
{
	static const struct smx_dns_ops dns = { .ask = ask_dns };
	static const struct smx_https_ops https = { .policy = ask_policy };
	static const struct smx_probe_ops probe = { .probe = ask_session };

	r->world.dns = (struct smx_dns_port){ &dns, r };
	r->world.https = (struct smx_https_port){ &https, r };
	r->world.probe = (struct smx_probe_port){ &probe, r };
	r->world.settings = (struct smx_check_settings){
		.skip_smtp = r->settings.skip_smtp,
		.no_v6 = !has_v6(),
		.soon = r->settings.soon,
	};
}

static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* The first is noted; the next one ends the process as ever. */
static void
on_interrupt(evutil_socket_t fd, short what, void *arg)
{
	struct smx_check_run *r = arg;

	(void)fd;
	(void)what;
	r->is_interrupted = true;
}

static bool
make_events(struct smx_check_run *r)
{
	static const int signals[] = { SIGINT, SIGTERM };

	r->alarm = event_new(r->base, -1, 0, on_alarm, r);
	for (size_t i = 0; i < 2; i++) {
		r->interrupt[i] = event_new(r->base, signals[i], EV_SIGNAL,
		    on_interrupt, r);
		if (r->interrupt[i] == NULL ||
		    event_add(r->interrupt[i], NULL) < 0)
			return false;
	}
	return r->alarm != NULL;
}

int
smx_check_run_new(const struct smx_check_run_settings *settings,
    struct smx_check_run **ret, struct smx_buf *reason)
{
	struct smx_dns_settings dns = {
		.forwarders = settings->resolvers,
		.trust_anchor_file = settings->trust_anchor_file,
		.is_bulk = true,
	};
	struct smx_https_settings https = {
		.ca_file = settings->ca_file,
		.allow_private_addresses = settings->allow_private_addresses,
		.port = 443,
		.timeout = settings->timeout,
	};
	struct smx_probe_smtp_settings probe = {
		.ca_file = settings->ca_file,
		.port = settings->smtp_port,
		.ehlo_name = settings->ehlo,
		.allow_private_addresses = settings->allow_private_addresses,
		.connect_timeout = settings->timeout,
		/* Some greet late, to see who speaks first. */
		.reply_timeout = 3 * settings->timeout,
		.session_timeout = 6 * settings->timeout,
		.session_max = SESSIONS_MAX,
		.address_max = SESSIONS_PER_ADDRESS,
	};
	struct smx_check_run *r = calloc(1, sizeof(*r));
	int rc = -SMX_ENOMEM;

	if (r == NULL)
		return rc;
	r->settings = *settings;
	raise_limit();
	/* A host that hangs up must not end the run. */
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	r->base = event_base_new();
	if (r->base != NULL && make_events(r))
		rc = smx_dns_reach(settings->resolvers, REACH_TIMEOUT, reason);
	if (rc == 0)
		rc = smx_dns_new(r->base, &dns, &r->dns, reason);
	if (rc == 0)
		rc = smx_https_new(r->base, r->dns, &https, &r->https, reason);
	if (rc == 0)
		rc = smx_probe_smtp_new(r->base, &probe, &r->probe, reason);
	if (rc == 0)
		rc = smx_check_fetches_new(smx_https_as_port(r->https),
		    &r->fetches);
	if (rc == 0)
		rc = smx_check_sessions_new(smx_probe_smtp_port(r->probe),
		    &r->sessions);
	if (rc < 0) {
		smx_check_run_free(&r);
		return rc;
	}
	set_ports(r);
	*ret = r;
	return 0;
}

void
smx_check_run_free(struct smx_check_run **rp)
{
	struct smx_check_run *r = *rp;

	if (r == NULL)
		return;
	smx_probe_smtp_free(&r->probe);
	smx_dns_free(&r->dns);
	smx_https_free(&r->https);
	smx_check_sessions_free(&r->sessions);
	smx_check_fetches_free(&r->fetches);
	for (size_t i = 0; i < 2; i++)
		if (r->interrupt[i] != NULL)
			event_free(r->interrupt[i]);
	if (r->alarm != NULL)
		event_free(r->alarm);
	if (r->base != NULL)
		event_base_free(r->base);
	free(r);
	*rp = NULL;
}

int
smx_check_run_start(struct smx_check_run *r,
    const struct smx_check_request *request,
    void (*done)(void *arg, struct smx_check *c), void *arg)
{
	return smx_check_start(request, &r->world, smx_clock_now(), done, arg);
}

void
smx_check_run_wait(struct smx_check_run *r, smx_time timeout)
{
	struct timeval limit = { timeout / 1000, timeout % 1000 * 1000 };

	event_add(r->alarm, &limit);
	event_base_loop(r->base, EVLOOP_ONCE);
}

bool
smx_check_run_is_port_closed(const struct smx_check_run *r)
{
	return r->is_port_closed;
}

bool
smx_check_run_is_interrupted(const struct smx_check_run *r)
{
	return r->is_interrupted;
}
