#include <event2/event.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/strictmxd/witness_run.h"
#include "app/strictmxd/dns_settings.h"
#include "base/log.h"
#include "engine/log_sessions.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/log_file.h"
#include "io/log_journal.h"
#include "io/loop_thread.h"
#include "io/own_name.h"
#include "io/probe_smtp.h"
#include "io/tlsrpt_sender.h"

/* News on their way to the thread, and their octets; more are dropped. Mail
 * comes again, failures don't: the last quarter is for them. */
#define NEWS_MAX       4000
#define NEWS_BYTES_MAX ((size_t)16 << 20)
/* Polite: few sessions at once, one with an address. */
#define SESSION_MAX 20
/* The mail log is looked at so often; while there is more of it, sooner, but
 * role collect has to keep up. */
static const struct timeval log_every = { .tv_sec = 1 };
static const struct timeval log_soon = { .tv_usec = 10000 };

/* Octets on their way to role collect, from which on no more is read. */
#define BACKLOG_MAX ((size_t)1 << 20)

/* Where the mail log is read; all NULL: nowhere. */
struct mail_log {
	struct smx_log_file *file;
	struct smx_log_journal *journal;
	struct smx_log_sessions *sessions;
	char *path; /* as configured */
};

struct smx_witness_run {
	struct smx_loop_thread *loop;
	struct smx_dns *dns;
	struct smx_probe_smtp *probe;
	struct smx_witness witness;
	struct mail_log log;
	struct event *log_timer;
	int log_told; /* the status that was logged last */
	uint64_t log_lines, log_counted;
	struct smx_tlsrpt_sender *sender;
	uint64_t unprinted;             /* events that make no datagram */
	atomic_size_t news, news_bytes; /* under way */
	atomic_uint_fast64_t news_dropped;
};

enum news_kind { NEWS_FAILURE, NEWS_MAIL, NEWS_POLICY };

/* What loop A has to say; its texts are behind it. */
struct news {
	struct smx_message message;
	struct smx_witness_run *run;
	enum news_kind kind;
	bool has_policy;
	enum smx_tlsrpt_result result;
	struct smx_slice domain, reason;
	struct smx_witness_policy policy;
};

static size_t
bytes_of(const struct news *n)
{
	return n->domain.n + n->reason.n + n->policy.mx.n + n->policy.lines.n;
}

static void
run_news(struct smx_message *m)
{
	struct news *n = SMX_ELEMENT(m, struct news, message);
	struct smx_witness_run *r = n->run;
	const struct smx_witness_policy *policy = n->has_policy ? &n->policy
								: NULL;
	struct smx_tlsrpt_failure failure = { .result = n->result,
		.failure_reason_code = n->reason };
	struct smx_now now = smx_clock_now();

	atomic_fetch_sub(&r->news, 1);
	atomic_fetch_sub(&r->news_bytes, bytes_of(n));
	switch (n->kind) {
	case NEWS_FAILURE:
		smx_witness_failure(&r->witness, n->domain, policy, &failure,
		    now);
		break;
	case NEWS_MAIL:
		smx_witness_mail(&r->witness, n->domain, policy, now);
		break;
	case NEWS_POLICY:
		smx_witness_policy(&r->witness, n->domain, policy, now);
		break;
	}
	free(n);
}

static bool
has_room(struct smx_witness_run *r, const struct news *news)
{
	size_t share = news->kind == NEWS_FAILURE ? 4 : 3;

	return atomic_load(&r->news) < NEWS_MAX / 4 * share &&
	    atomic_load(&r->news_bytes) + bytes_of(news) <=
	    NEWS_BYTES_MAX / 4 * share;
}

/* @p policy may be NULL. */
static void
post(struct smx_witness_run *r, struct news news,
    const struct smx_witness_policy *policy)
{
	struct news *n = NULL;
	char *at;

	news.has_policy = policy != NULL;
	if (policy != NULL)
		news.policy = *policy;
	if (has_room(r, &news))
		n = malloc(sizeof(*n) + bytes_of(&news));
	if (n == NULL) {
		atomic_fetch_add(&r->news_dropped, 1);
		return;
	}
	*n = news;
	at = (char *)(n + 1);
	n->domain = smx_slice_put(&at, news.domain);
	n->reason = smx_slice_put(&at, news.reason);
	n->policy.mx = smx_slice_put(&at, news.policy.mx);
	n->policy.lines = smx_slice_put(&at, news.policy.lines);
	n->run = r;
	n->message.run = run_news;
	atomic_fetch_add(&r->news, 1);
	atomic_fetch_add(&r->news_bytes, bytes_of(n));
	smx_loop_thread_post(r->loop, &n->message);
}

void
smx_witness_run_failure(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy, enum smx_tlsrpt_result result,
    struct smx_slice reason)
{
	post(r,
	    (struct news){ .kind = NEWS_FAILURE,
		.result = result,
		.domain = domain,
		.reason = reason },
	    policy);
}

void
smx_witness_run_mail(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy)
{
	post(r, (struct news){ .kind = NEWS_MAIL, .domain = domain }, policy);
}

void
smx_witness_run_policy(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy)
{
	post(r, (struct news){ .kind = NEWS_POLICY, .domain = domain }, policy);
}

/* To role collect, as an MTA does it. */
static void
emit(void *self, const struct smx_tlsrpt_event *event)
{
	struct smx_witness_run *r = self;
	struct smx_buf datagram;

	smx_buf_init(&datagram, SMX_TLSRPT_DATAGRAM_MAX);
	smx_tlsrpt_event_print(event, &datagram);
	if (smx_buf_status(&datagram) == 0)
		smx_tlsrpt_sender_send(r->sender, smx_buf_slice(&datagram));
	else
		r->unprinted++;
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
	if (!smx_log_sessions_add(r->log.sessions, &line, &end))
		return;
	r->log_counted++;
	smx_witness_session(&r->witness, smx_domain_slice(&end.domain),
	    end.is_failure ? &end.failure : NULL, smx_clock_now());
}

static void
on_log_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smx_witness_run *r = arg;
	int rc;

	(void)fd;
	(void)what;
	/* What is in the log can wait there. */
	if (smx_tlsrpt_sender_counts(r->sender).waiting_bytes > BACKLOG_MAX) {
		event_add(r->log_timer, &log_soon);
		return;
	}
	rc = r->log.file != NULL ? smx_log_file_read(r->log.file)
				 : smx_log_journal_read(r->log.journal);
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

static void
close_log(struct mail_log *log)
{
	smx_log_file_free(&log->file);
	smx_log_journal_free(&log->journal);
	free(log->sessions);
	free(log->path);
	*log = (struct mail_log){ .path = NULL };
}

static int
open_log(struct smx_witness_run *r, const char *path, struct mail_log *log,
    struct smx_buf *reason)
{
	int rc;

	if (path[0] == '\0')
		return 0;
	log->path = strdup(path);
	log->sessions = calloc(1, sizeof(*log->sessions));
	if (log->path == NULL || log->sessions == NULL)
		return -SMX_ENOMEM;
	if (strcmp(path, "journal") != 0) {
		rc = smx_log_file_new(path, SMX_POSTFIX_LOG_LINE_MAX, on_line,
		    r, &log->file);
	} else {
		rc = smx_log_journal_new(on_line, r, &log->journal);
		if (rc < 0)
			smx_buf_add_text(reason,
			    rc == -SMX_ENOENT
				? "mail_log = \"journal\": there is no user "
				  "postfix, whose entries would count"
				: "mail_log = \"journal\": the journal can't be "
				  "read; is this user in group systemd-journal?");
	}
	return rc;
}

/* Read this one from now on. */
static void
use_log(struct smx_witness_run *r, struct mail_log *log)
{
	close_log(&r->log);
	r->log = *log;
	*log = (struct mail_log){ .path = NULL };
	r->log_told = 0;
	event_del(r->log_timer);
	/* From its present end on. */
	if (r->log.path != NULL)
		on_log_timer(-1, 0, r);
}

/* The sender of our own reports, whose sessions don't count. */
static void
set_contact(struct mail_log *log, struct smx_slice contact)
{
	struct smx_log_sessions *s = log->sessions;

	if (s != NULL &&
	    !smx_slice_equal(smx_slice(s->contact, s->contact_bytes), contact))
		smx_log_sessions_init(s, contact);
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
new_probe(struct smx_witness_run *r, const struct smx_config *c,
    struct smx_probe_smtp **ret, struct smx_buf *reason)
{
	char host[SMX_DOMAIN_MAX + 1];
	struct smx_probe_smtp_settings settings = {
		.ca_file = c->resolve_ca_file,
		.ehlo_name = host,
		.port = (uint16_t)c->resolve_smtp_port,
		.allow_private_addresses = c->resolve_allow_private_addresses,
		.session_max = SESSION_MAX,
		.address_max = 1,
	};

	smx_own_name(host);
	return smx_probe_smtp_new(smx_loop_thread_base(r->loop), &settings, ret,
	    reason);
}

/* Take the configuration, all of it or nothing. The thread doesn't run. */
static int
set_all(struct smx_witness_run *r, const struct smx_config *c,
    struct smx_buf *reason)
{
	struct smx_dns_settings dns = smx_dns_settings(c);
	const char *old_log = r->log.path != NULL ? r->log.path : "";
	bool is_new_log = strcmp(c->resolve_mail_log, old_log) != 0;
	struct mail_log log = { .path = NULL };
	struct smx_probe_smtp *probe = NULL;
	struct smx_address collect;
	int rc = smx_address_parse(socket_of(c), &collect, reason);

	if (rc == 0)
		rc = new_probe(r, c, &probe, reason);
	if (rc == 0 && is_new_log)
		rc = open_log(r, c->resolve_mail_log, &log, reason);
	if (rc == 0)
		rc = r->dns != NULL ? smx_dns_set(r->dns, &dns, reason)
				    : smx_dns_new(smx_loop_thread_base(r->loop),
					  &dns, &r->dns, reason);
	if (rc < 0) {
		smx_probe_smtp_free(&probe);
		close_log(&log);
		return rc;
	}
	smx_tlsrpt_sender_set(r->sender, &collect);
	r->witness.dns = smx_dns_as_port(r->dns);
	smx_probe_smtp_free(&r->probe);
	r->probe = probe;
	smx_witness_sessions_set_probe(&r->witness.sessions,
	    c->resolve_testing_probe ? smx_probe_smtp_port(probe)
				     : (struct smx_probe_port){ NULL, NULL });
	set_contact(is_new_log ? &log : &r->log,
	    smx_slice_text(c->report_contact));
	if (is_new_log)
		use_log(r, &log);
	return 0;
}

static int
start_all(struct smx_witness_run *r, const struct smx_config *config,
    struct smx_buf *reason)
{
	uint64_t seed[2];
	int rc;

	if (getrandom(seed, sizeof(seed), 0) < 0)
		return -SMX_EIO;
	rc = smx_witness_init(&r->witness, seed);
	if (rc < 0)
		return rc;
	r->witness.emit = emit;
	r->witness.emit_self = r;
	rc = smx_loop_thread_new(&r->loop);
	if (rc == 0)
		rc = smx_tlsrpt_sender_new(smx_loop_thread_base(r->loop),
		    &r->sender);
	if (rc < 0)
		return rc;
	r->log_timer = event_new(smx_loop_thread_base(r->loop), -1, EV_PERSIST,
	    on_log_timer, r);
	if (r->log_timer == NULL)
		return -SMX_ENOMEM;
	rc = set_all(r, config, reason);
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
	rc = start_all(r, config, reason);
	if (rc < 0)
		smx_witness_run_stop(&r);
	else
		*ret = r;
	return rc;
}

int
smx_witness_run_set(struct smx_witness_run *r, const struct smx_config *config,
    struct smx_buf *reason)
{
	int rc, started;

	smx_loop_thread_pause(r->loop);
	rc = set_all(r, config, reason);
	started = smx_loop_thread_start(r->loop);
	return rc < 0 ? rc : started;
}

static void
log_counts(void *arg)
{
	struct smx_witness_run *r = arg;
	const struct smx_witness *w = &r->witness;
	struct smx_tlsrpt_sender_counts out =
	    smx_tlsrpt_sender_counts(r->sender);

	smx_log(SMX_LOG_INFO,
	    "witness: %zu domains, %" PRIu64 " looks at MX hosts, %" PRIu64
	    " put off, %" PRIu64 " sessions; %" PRIu64
	    " events handed to role collect, %" PRIu64 " lost; %" PRIu64
	    " dropped for want of room; %" PRIu64
	    " lines of the mail log, %" PRIu64 " sessions in it",
	    w->domains.map.count, w->visits, w->put_off, w->sessions.made,
	    out.sent, out.lost + r->unprinted,
	    w->dropped + (uint64_t)atomic_load(&r->news_dropped), r->log_lines,
	    r->log_counted);
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
	close_log(&r->log);
	smx_dns_free(&r->dns);
	smx_probe_smtp_free(&r->probe);
	smx_witness_done(&r->witness);
	smx_tlsrpt_sender_free(&r->sender);
	smx_loop_thread_free(&r->loop);
	free(r);
	*rp = NULL;
}
