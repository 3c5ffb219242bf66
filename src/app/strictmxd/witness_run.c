#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/strictmxd/witness_run.h"
#include "app/strictmxd/dns_settings.h"
#include "base/log.h"
#include "engine/log_sessions.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/log_file.h"
#include "io/log_journal.h"
#include "io/loop_thread.h"
#include "io/probe_smtp.h"

/* News on their way to the thread; more are dropped. */
#define NEWS_MAX 1000
/* Polite: few sessions at once, one with an address. */
#define SESSION_MAX 20
/* The mail log is looked at so often; while there is more of it, sooner, but
 * role collect has to keep up. */
static const struct timeval log_every = { .tv_sec = 1 };
static const struct timeval log_soon = { .tv_usec = 10000 };

struct smx_witness_run {
	struct smx_loop_thread *loop;
	struct smx_dns *dns;
	struct smx_probe_smtp *probe;
	struct smx_witness witness;
	/* The mail log, where one is configured. */
	struct smx_log_file *log_file;
	struct smx_log_journal *log_journal;
	struct smx_log_sessions *log_sessions;
	struct event *log_timer;
	int log_told; /* the status that was logged last */
	uint64_t log_lines, log_counted;
	int fd;
	struct smx_address collect;
	atomic_uint news;
	uint64_t sent, lost;
	bool lost_told;
	char host[256];
};

/* What loop A has to say; its texts are behind it. */
struct news {
	struct smx_message message;
	struct smx_witness_run *run;
	bool is_failure;
	bool has_policy;
	enum smx_tlsrpt_result result;
	struct smx_slice domain, reason;
	struct smx_witness_policy policy;
};

static void
run_news(struct smx_message *m)
{
	struct news *n = SMX_ELEMENT(m, struct news, message);
	struct smx_witness_run *r = n->run;
	struct smx_now now = smx_clock_now();

	atomic_fetch_sub(&r->news, 1);
	if (n->is_failure)
		smx_witness_failure(&r->witness, n->domain,
		    n->has_policy ? &n->policy : NULL,
		    &(struct smx_tlsrpt_failure){
			.result = n->result, .failure_reason_code = n->reason },
		    now);
	else
		smx_witness_mail(&r->witness, n->domain, &n->policy, now);
	free(n);
}

static struct smx_slice
keep(char **at, struct smx_slice text)
{
	struct smx_slice kept = { *at, text.n };

	if (text.n > 0)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return kept;
}

static void
post(struct smx_witness_run *r, const struct news *news)
{
	size_t bytes = news->domain.n + news->reason.n + news->policy.mx.n +
	    news->policy.lines.n;
	struct news *n;
	char *at;

	if (atomic_load(&r->news) >= NEWS_MAX)
		return;
	n = malloc(sizeof(*n) + bytes);
	if (n == NULL)
		return;
	*n = *news;
	at = (char *)(n + 1);
	n->domain = keep(&at, news->domain);
	n->reason = keep(&at, news->reason);
	n->policy.mx = keep(&at, news->policy.mx);
	n->policy.lines = keep(&at, news->policy.lines);
	n->run = r;
	n->message.run = run_news;
	atomic_fetch_add(&r->news, 1);
	smx_loop_thread_post(r->loop, &n->message);
}

void
smx_witness_run_failure(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy, enum smx_tlsrpt_result result,
    struct smx_slice reason)
{
	struct news news = { .is_failure = true,
		.has_policy = policy != NULL,
		.result = result,
		.domain = domain,
		.reason = reason };

	if (policy != NULL)
		news.policy = *policy;
	post(r, &news);
}

void
smx_witness_run_mail(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy)
{
	post(r, &(struct news){ .domain = domain, .policy = *policy });
}

/* To role collect, as an MTA does it: without waiting. */
static void
emit(void *self, const struct smx_tlsrpt_event *event)
{
	struct smx_witness_run *r = self;
	struct smx_buf datagram;
	ssize_t n = -1;

	smx_buf_init(&datagram, SMX_TLSRPT_DATAGRAM_MAX);
	smx_tlsrpt_event_print(event, &datagram);
	if (smx_buf_status(&datagram) == 0)
		n = sendto(r->fd, datagram.p, datagram.n,
		    MSG_DONTWAIT | MSG_NOSIGNAL, &r->collect.u.any,
		    r->collect.bytes);
	if (n < 0) {
		r->lost++;
		if (!r->lost_told)
			smx_log(SMX_LOG_WARNING,
			    "events for TLS reports can't be handed to role "
			    "collect at %s: %s",
			    r->collect.u.local.sun_path, strerror(errno));
	} else {
		r->sent++;
	}
	/* Said again only after one went through. */
	r->lost_told = n < 0;
	smx_buf_done(&datagram);
}

static void
on_line(void *arg, struct smx_slice text)
{
	struct smx_witness_run *r = arg;
	struct smx_log_session_end end;
	struct smx_postfix_log line;

	r->log_lines++;
	smx_postfix_log_parse(text, &line);
	if (!smx_log_sessions_add(r->log_sessions, &line, &end))
		return;
	r->log_counted++;
	smx_witness_session(&r->witness, smx_domain_slice(&end.domain),
	    end.is_failure ? &end.failure : NULL, smx_clock_now());
}

static void
on_log_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smx_witness_run *r = arg;
	int rc = r->log_file != NULL ? smx_log_file_read(r->log_file)
				     : smx_log_journal_read(r->log_journal);

	(void)fd;
	(void)what;
	event_add(r->log_timer, rc > 0 ? &log_soon : &log_every);
	if (rc > 0)
		rc = 0;
	/* Said once, and when it is over. */
	if (rc != r->log_told)
		smx_log(rc < 0 ? SMX_LOG_WARNING : SMX_LOG_INFO,
		    "the mail log for TLS reports: %s",
		    rc < 0 ? smx_status_text(rc) : "can be read again");
	r->log_told = rc;
}

static int
start_log(struct smx_witness_run *r, const struct smx_config *c,
    struct smx_buf *reason)
{
	const char *path = c->resolve_mail_log;
	int rc;

	if (path[0] == '\0')
		return 0;
	r->log_sessions = calloc(1, sizeof(*r->log_sessions));
	if (r->log_sessions == NULL)
		return -SMX_ENOMEM;
	smx_log_sessions_init(r->log_sessions,
	    smx_slice_text(c->report_contact));
	if (strcmp(path, "journal") != 0) {
		rc = smx_log_file_new(path, SMX_POSTFIX_LOG_LINE_MAX, on_line,
		    r, &r->log_file);
	} else {
		rc = smx_log_journal_new(on_line, r, &r->log_journal);
		if (rc < 0)
			smx_buf_add_text(reason,
			    rc == -SMX_ENOENT
				? "mail_log = \"journal\": there is no user "
				  "postfix, whose entries would count"
				: "mail_log = \"journal\": the journal can't be "
				  "read; is this user in group systemd-journal?");
	}
	if (rc < 0)
		return rc;
	r->log_timer = event_new(smx_loop_thread_base(r->loop), -1, EV_PERSIST,
	    on_log_timer, r);
	if (r->log_timer == NULL || event_add(r->log_timer, &log_every) < 0)
		return -SMX_ENOMEM;
	/* From its present end on. */
	on_log_timer(-1, 0, r);
	return 0;
}

/* That of the setting, or else of role collect in the same configuration. */
static const char *
socket_of(const struct smx_config *c)
{
	if (c->resolve_events_to[0] != '\0')
		return c->resolve_events_to;
	return c->has_section[SMX_CONFIG_SECTION_COLLECT] ? c->collect_listen[0]
							  : NULL;
}

bool
smx_witness_run_is_wanted(const struct smx_config *c)
{
	return socket_of(c) != NULL;
}

static int
start_clients(struct smx_witness_run *r, const struct smx_config *c,
    struct smx_buf *reason)
{
	struct smx_dns_settings dns = smx_dns_settings(c);
	struct smx_probe_smtp_settings probe = {
		.ca_file = c->resolve_ca_file,
		.ehlo_name = r->host,
		.port = (uint16_t)c->resolve_smtp_port,
		.allow_private_addresses = c->resolve_allow_private_addresses,
		.session_max = SESSION_MAX,
		.address_max = 1,
	};
	int rc;

	if (gethostname(r->host, sizeof(r->host) - 1) < 0)
		return -SMX_EIO;
	rc = smx_dns_new(smx_loop_thread_base(r->loop), &dns, &r->dns, reason);
	if (rc == 0)
		rc = smx_probe_smtp_new(smx_loop_thread_base(r->loop), &probe,
		    &r->probe, reason);
	if (rc < 0)
		return rc;
	r->witness.dns = smx_dns_as_port(r->dns);
	r->witness.probe = smx_probe_smtp_port(r->probe);
	r->witness.emit = emit;
	r->witness.emit_self = r;
	r->witness.probes = c->resolve_testing_probe;
	return 0;
}

static int
start_all(struct smx_witness_run *r, const struct smx_config *config,
    struct smx_buf *reason)
{
	uint64_t seed[2];
	int rc = smx_address_parse(socket_of(config), &r->collect, reason);

	if (rc < 0)
		return rc;
	if (getrandom(seed, sizeof(seed), 0) < 0)
		return -SMX_EIO;
	rc = smx_witness_init(&r->witness, seed);
	if (rc < 0)
		return rc;
	r->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		return -SMX_EIO;
	rc = smx_loop_thread_new(&r->loop);
	if (rc == 0)
		rc = start_clients(r, config, reason);
	if (rc == 0)
		rc = start_log(r, config, reason);
	return rc == 0 ? smx_loop_thread_start(r->loop) : rc;
}

int
smx_witness_run_start(const struct smx_config *config,
    struct smx_witness_run **ret, struct smx_buf *reason)
{
	struct smx_witness_run *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -SMX_ENOMEM;
	r->fd = -1;
	smx_list_init(&r->witness.recent);
	rc = start_all(r, config, reason);
	if (rc < 0)
		smx_witness_run_stop(&r);
	else
		*ret = r;
	return rc;
}

static void
log_counts(void *arg)
{
	const struct smx_witness_run *r = arg;

	smx_log(SMX_LOG_INFO,
	    "witness: %zu domains, %" PRIu64 " looks at MX hosts, %" PRIu64
	    " sessions, %" PRIu64 " events handed to role collect, %" PRIu64
	    " lost; %" PRIu64 " lines of the mail log, %" PRIu64
	    " sessions in it",
	    r->witness.domains.count, r->witness.visits, r->witness.sessions,
	    r->sent, r->lost, r->log_lines, r->log_counted);
}

void
smx_witness_run_log(struct smx_witness_run *r)
{
	smx_loop_thread_call(r->loop, log_counts, r);
}

void
smx_witness_run_stop(struct smx_witness_run **rp)
{
	struct smx_witness_run *r = *rp;

	if (r == NULL)
		return;
	/* It runs what is left in it, and that asks the two others. */
	if (r->loop != NULL)
		smx_loop_thread_stop(r->loop);
	if (r->log_timer != NULL)
		event_free(r->log_timer);
	smx_log_file_free(&r->log_file);
	smx_log_journal_free(&r->log_journal);
	free(r->log_sessions);
	smx_dns_free(&r->dns);
	smx_probe_smtp_free(&r->probe);
	if (r->witness.domains.slots != NULL)
		smx_witness_done(&r->witness);
	smx_loop_thread_free(&r->loop);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	*rp = NULL;
}
