#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/strictmxd/role_report.h"
#include "app/strictmxd/dns_settings.h"
#include "app/strictmxd/mail_signer.h"
#include "app/report_settings.h"
#include "base/log.h"
#include "engine/dispatch.h"
#include "io/clock.h"
#include "io/dispatch_sqlite.h"
#include "io/loop_thread.h"
#include "io/mail_curl.h"
#include "io/post_curl.h"

/* Deliveries under way: in all, to one host, by mail. The last two leave room
 * for others while a host is mute. */
#define FLIGHT_MAX      1024
#define FLIGHT_HOST_MAX 64
#define FLIGHT_MAIL_MAX 512
/* Reports can be long: octets to one host or by mail, and in all. */
#define FLIGHT_WAY_BYTES ((size_t)8 << 20)
#define FLIGHT_BYTES     ((size_t)24 << 20)

/* A damaged store is put aside so often at the most. */
#define ASIDE_EVERY SMX_MINUTE
/* Until a store that can't be opened is tried again. */
#define STORE_WAIT (5 * SMX_SECOND)

struct smx_role_report {
	const struct smx_config *config;
	struct smx_loop_thread *loop;
	struct smx_dns *dns;
	struct smx_post_client *post;
	struct smx_mail_client *mail;
	struct smx_mail_signer *signer;
	struct smx_dispatch_store *store;
	struct smx_dispatch dispatch;
	struct event *timer;
	int told;          /* the failure of the store that was logged last */
	bool has_failed;   /* in this tick */
	smx_time aside_at; /* mono: not put aside before */
	char token[SMX_DISPATCH_TOKEN_BYTES];
	bool has_token;
	struct smx_report_settings settings;
};

static void
arm(struct smx_role_report *r, smx_time wait)
{
	struct timeval after = { wait / SMX_SECOND, wait % SMX_SECOND * 1000 };

	event_add(r->timer, &after);
}

static void
tell_failure(struct smx_role_report *r, int status)
{
	r->has_failed |= status < 0;
	if (status == r->told)
		return;
	r->told = status;
	if (status < 0)
		smx_log(SMX_LOG_ERROR, "reports: %s: %s",
		    smx_config_reports_path(r->config),
		    smx_status_text(status));
	else
		smx_log(SMX_LOG_INFO, "reports: %s can be used again",
		    smx_config_reports_path(r->config));
}

/* The file that is there now. */
static int
follow_store(struct smx_role_report *r)
{
	char storage[1024];
	struct smx_buf reason;
	int rc;

	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	rc = smx_dispatch_store_follow(r->store, &reason);
	if (rc > 0 || (rc == 0 && !r->has_token)) {
		rc = smx_dispatch_store_token(r->store, r->token);
		r->has_token = rc == 0;
	}
	return rc;
}

/* What was in it is lost, but for the copy that is kept: better than to stand
 * still for ever. */
static void
put_store_aside(struct smx_role_report *r, smx_time now)
{
	int rc;

	if (now < r->aside_at)
		return;
	r->aside_at = now + ASIDE_EVERY;
	rc = smx_dispatch_store_put_aside(r->store);
	if (rc < 0)
		smx_log(SMX_LOG_ERROR,
		    "reports: %s is damaged and can't be put aside: %s",
		    smx_config_reports_path(r->config), smx_status_text(rc));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smx_role_report *r = arg;
	struct smx_now now = smx_clock_now();
	int rc = follow_store(r);
	smx_time wait = STORE_WAIT;

	(void)fd;
	(void)what;
	r->has_failed = false;
	if (rc < 0)
		tell_failure(r, rc);
	else
		wait = smx_dispatch_tick(&r->dispatch, now);
	if (!r->has_failed)
		tell_failure(r, 0);
	else if (r->told == -SMX_ECORRUPT)
		put_store_aside(r, now.mono);
	arm(r, wait);
}

static void
on_event(void *self, const struct smx_dispatch_event *e)
{
	static const struct {
		enum smx_log_level level;
		const char *text;
	} lines[] = {
		[SMX_DISPATCH_DELIVERED] = { SMX_LOG_INFO,
		    "report delivered to" },
		[SMX_DISPATCH_RETRY] = { SMX_LOG_INFO,
		    "report not delivered yet, to" },
		[SMX_DISPATCH_GIVEN_UP] = { SMX_LOG_WARNING,
		    "report given up, to" },
		[SMX_DISPATCH_TOO_OLD] = { SMX_LOG_WARNING,
		    "a day is too old to be reported" },
		[SMX_DISPATCH_NO_PLACE] = { SMX_LOG_INFO,
		    "its record names no place that a report could go to" },
	};
	struct smx_role_report *r = self;

	if (e->kind == SMX_DISPATCH_LEAP) {
		smx_log(SMX_LOG_WARNING,
		    "report: the clock has leapt ahead by more than a day; in "
		    "case it is wrong, reports wait for an hour");
		return;
	}
	if (e->kind == SMX_DISPATCH_FAILED) {
		tell_failure(r, e->status);
		return;
	}
	smx_log(lines[e->kind].level, "%.*s: %s %.*s%s%.*s%s", (int)e->domain.n,
	    e->domain.p, lines[e->kind].text, (int)e->uri.n, e->uri.p,
	    e->detail.n > 0 ? " (" : "", (int)e->detail.n, e->detail.p,
	    e->detail.n > 0 ? ")" : "");
	/* There is room for another. */
	if (e->uri.n > 0)
		arm(r, 0);
}

static int
write_all(int fd, struct smx_slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0)
			return -1;
		bytes = smx_slice_from(bytes, (size_t)n);
	}
	return 0;
}

/* A whole file, or none: it gets its name when it is complete. */
static int
write_copy(void *self, const char *directory, struct smx_slice name,
    struct smx_slice bytes, struct smx_buf *reason)
{
	char path[4096], part[4096];
	int fd, rc;

	(void)self;
	if (snprintf(path, sizeof(path), "%s/%.*s", directory, (int)name.n,
		name.p) >= (int)sizeof(path) - 8) {
		smx_buf_add_text(reason, "the path is too long");
		return -SMX_ELIMIT;
	}
	snprintf(part, sizeof(part), "%s/.%.*s", directory, (int)name.n,
	    name.p);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0640);
	rc = fd >= 0 ? write_all(fd, bytes) : -1;
	if (fd >= 0 && close(fd) < 0)
		rc = -1;
	if (rc == 0)
		rc = rename(part, path);
	if (rc < 0)
		smx_buf_printf(reason, "%s: %s", fd >= 0 ? path : part,
		    strerror(errno));
	return rc < 0 ? -SMX_EIO : 0;
}

/* Is there a directory for copies, and may we write there? It is made when only
 * the last part of its path is missing. */
static void
prepare_copies(const char *directory)
{
	if ((mkdir(directory, 0750) < 0 && errno != EEXIST) ||
	    access(directory, W_OK | X_OK) < 0)
		smx_log(SMX_LOG_WARNING,
		    "report { copy_to = \"%s\" }: %s: copies can't be written "
		    "until that is mended",
		    directory, strerror(errno));
}

static void
tell_fault(void *arg, enum smx_config_fault_kind kind, const char *text)
{
	struct smx_buf *reason = arg;

	if (kind == SMX_CONFIG_FAULT_ERROR && reason->n == 0)
		smx_buf_add_text(reason, text);
}

static int
read_settings(struct smx_role_report *r, struct smx_buf *reason)
{
	struct smx_config_faults faults = {
		.config = r->config, .tell = tell_fault, .arg = reason
	};

	return smx_report_settings_init(&r->settings, r->config, &faults);
}

static int
start_mail(struct smx_role_report *r, struct smx_buf *reason)
{
	int rc = smx_mail_new(smx_loop_thread_base(r->loop), r->dns,
	    &r->settings.mail, &r->mail, reason);

	if (rc < 0)
		return rc;
	return smx_mail_signer_new(r->settings.dkim_domain,
	    r->config->report_dkim_keys, smx_mail_as_port(r->mail), &r->signer,
	    reason);
}

static int
start_clients(struct smx_role_report *r, struct smx_buf *reason)
{
	const struct smx_config *c = r->config;
	struct smx_dns_settings dns = smx_dns_settings(c);
	struct smx_post_settings post = {
		.ca_file = c->resolve_ca_file,
		.allow_private_addresses = c->report_allow_private_addresses,
		.allow_bad_certificate = c->report_allow_bad_certificates,
		.timeout = c->report_https_timeout,
	};
	int rc = smx_dns_new(smx_loop_thread_base(r->loop), &dns, &r->dns,
	    reason);

	if (rc == 0)
		rc = smx_post_new(smx_loop_thread_base(r->loop), r->dns, &post,
		    &r->post, reason);
	if (rc == 0)
		rc = start_mail(r, reason);
	return rc;
}

static void
start_dispatch(struct smx_role_report *r)
{
	const struct smx_config *c = r->config;
	struct smx_dispatch_settings settings = {
		.organization = c->report_organization[0] != '\0'
		    ? c->report_organization
		    : r->settings.submitter,
		.contact = c->report_contact,
		.submitter = r->settings.submitter,
		.token = r->token,
		.exclude = c->report_exclude,
		.copy_to = c->report_copy_to[0] != '\0' ? c->report_copy_to
							: NULL,
		.copy_mail =
		    c->report_copy_mail[0] != '\0' ? c->report_copy_mail : NULL,
		.spread = c->report_spread,
		.retry_for = c->report_retry_for,
		.keep = c->report_keep,
		.flight_max = FLIGHT_MAX,
		.flight_host_max = FLIGHT_HOST_MAX,
		.flight_mail_max = FLIGHT_MAIL_MAX,
		.flight_way_bytes = FLIGHT_WAY_BYTES,
		.flight_bytes = FLIGHT_BYTES,
		.only_failures = c->report_only_failures,
		.dry_run = c->report_dry_run,
	};

	smx_dispatch_init(&r->dispatch, &settings);
	r->dispatch.reports = smx_dispatch_store_port(r->store);
	r->dispatch.post = smx_post_as_port(r->post);
	r->dispatch.mail = smx_mail_signer_port(r->signer);
	r->dispatch.copy = (struct smx_copy_port){ write_copy, r };
	r->dispatch.observer = (struct smx_dispatch_observer){ on_event, r };
}

static int
prepare_all(struct smx_role_report *r, struct smx_buf *reason)
{
	int rc = read_settings(r, reason);

	if (rc < 0)
		return rc;
	rc = smx_loop_thread_new(&r->loop);
	if (rc == 0)
		rc = smx_dispatch_store_open(smx_config_reports_path(r->config),
		    false, &r->store, reason);
	if (rc == 0)
		rc = start_clients(r, reason);
	if (rc < 0)
		return rc;
	start_dispatch(r);
	if (r->config->report_dry_run)
		smx_log(SMX_LOG_WARNING,
		    "report: dry_run is set: reports are built, and none is "
		    "sent");
	if (r->dispatch.settings.copy_to != NULL)
		prepare_copies(r->dispatch.settings.copy_to);
	r->timer = event_new(smx_loop_thread_base(r->loop), -1, 0, on_timer, r);
	if (r->timer == NULL)
		return -SMX_ENOMEM;
	arm(r, 0);
	return 0;
}

/* All but the thread. */
static int
prepare(const struct smx_config *config, struct smx_role_report **ret,
    struct smx_buf *reason)
{
	struct smx_role_report *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -SMX_ENOMEM;
	r->config = config;
	smx_list_init(&r->dispatch.flights);
	rc = prepare_all(r, reason);
	if (rc < 0) {
		if (reason->n == 0)
			smx_buf_add_text(reason, smx_status_text(rc));
		smx_role_report_stop(&r);
		return rc;
	}
	*ret = r;
	return 0;
}

int
smx_role_report_start(const struct smx_config *config,
    struct smx_role_report **ret, struct smx_buf *reason)
{
	struct smx_role_report *r = NULL;
	int rc = prepare(config, &r, reason);

	if (rc == 0)
		rc = smx_loop_thread_start(r->loop);
	if (rc < 0)
		smx_role_report_stop(&r);
	else
		*ret = r;
	return rc;
}

int
smx_role_report_reload(struct smx_role_report **rp,
    const struct smx_config *config, struct smx_buf *reason)
{
	struct smx_role_report *fresh = NULL, *old = *rp;
	int rc = prepare(config, &fresh, reason);

	if (rc < 0)
		return rc;
	/* The old one lets go of what it has before the fresh one begins, which
	 * believes the clock no more than it did. */
	smx_loop_thread_stop(old->loop);
	fresh->dispatch.offset = old->dispatch.offset;
	fresh->dispatch.settled_at = old->dispatch.settled_at;
	smx_role_report_stop(rp);
	*rp = fresh;
	return smx_loop_thread_start(fresh->loop);
}

static void
log_counts(void *arg)
{
	const struct smx_dispatch *d =
	    &((struct smx_role_report *)arg)->dispatch;

	smx_log(SMX_LOG_INFO,
	    "report: %zu deliveries under way, %" PRIu64 " delivered, %" PRIu64
	    " attempts failed, %" PRIu64 " given up",
	    d->flight_count, d->delivered, d->failed, d->given_up);
}

void
smx_role_report_log(struct smx_role_report *r)
{
	smx_loop_thread_call(r->loop, log_counts, r);
}

void
smx_role_report_stop(struct smx_role_report **rp)
{
	struct smx_role_report *r = *rp;

	if (r == NULL)
		return;
	if (r->loop != NULL)
		smx_loop_thread_stop(r->loop);
	smx_dns_free(&r->dns);
	smx_post_free(&r->post);
	smx_mail_free(&r->mail);
	if (r->dispatch.reports.ops != NULL)
		smx_dispatch_release(&r->dispatch);
	smx_mail_signer_free(&r->signer);
	smx_dispatch_done(&r->dispatch);
	smx_dispatch_store_close(&r->store);
	if (r->timer != NULL)
		event_free(r->timer);
	smx_loop_thread_free(&r->loop);
	smx_report_settings_done(&r->settings);
	free(r);
	*rp = NULL;
}
