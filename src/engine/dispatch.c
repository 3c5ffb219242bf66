#include <stdlib.h>

#include "engine/dispatch.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_mail.h"
#include "core/tlsrpt_report.h"
#include "core/tlsrpt_rua.h"
#include "engine/dispatch_days.h"
#include "engine/dispatch_report.h"

/* Done in one turn, and in one transaction. */
#define LAUNCH_BATCH 256
#define FORGET_BATCH 100
/* Somebody else may have put a delivery into the store. */
#define LOOK_EVERY (5 * SMX_SECOND)
/* Longer than any attempt takes: then it counts as cut off by a kill. */
#define LEASE (30 * SMX_MINUTE)
/* Until there may be room for another on the same way: a quarter of the time
 * that it has waited, within these. */
#define CROWD_WAIT_MIN (10 * SMX_SECOND)
#define CROWD_WAIT_MAX (5 * SMX_MINUTE)
/* Octets of JSON built in one transaction: others write to the store, too. */
#define TURN_BYTES ((size_t)4 << 20)
/* A leap of the clock, and how long it is not believed. */
#define LEAP   SMX_DAY
#define SETTLE SMX_HOUR
/* Nothing waits for longer: spread, backoff and lease are all shorter. */
#define WAIT_MAX SMX_DAY
/* From one attempt to the next: doubled each time. */
#define BACKOFF_FIRST (5 * SMX_MINUTE)
#define BACKOFF_MAX   (4 * SMX_HOUR)

struct flight {
	struct smx_list link;
	struct smx_dispatch *dispatch;
	struct smx_report_delivery delivery; /* its slices into bytes */
	struct smx_buf report;               /* gzip */
	struct smx_buf message;
	struct smx_post post;
	struct smx_mail mail;
	struct smx_tlsrpt_rua rua;
	bool is_copy;
	bool is_launched;
	struct smx_arena arena; /* of the parsed URI */
	char arena_first[1024];
	char bytes[];
};

void
smx_dispatch_tell(const struct smx_dispatch *d,
    const struct smx_dispatch_event *event)
{
	if (d->observer.event != NULL)
		d->observer.event(d->observer.self, event);
}

static int
tell_failed(const struct smx_dispatch *d, int rc)
{
	if (rc < 0 && rc != -SMX_ENOENT)
		smx_dispatch_tell(d,
		    &(struct smx_dispatch_event){
			.kind = SMX_DISPATCH_FAILED, .status = rc });
	return rc;
}

void
smx_dispatch_init(struct smx_dispatch *d,
    const struct smx_dispatch_settings *settings)
{
	*d = (struct smx_dispatch){ .settings = *settings };
	smx_list_init(&d->flights);
}

static void
flight_free(struct flight *f)
{
	smx_list_remove(&f->link);
	smx_buf_done(&f->report);
	smx_buf_done(&f->message);
	smx_arena_done(&f->arena);
	free(f);
}

void
smx_dispatch_done(struct smx_dispatch *d)
{
	while (!smx_list_is_empty(&d->flights))
		flight_free(SMX_ELEMENT(d->flights.next, struct flight, link));
	d->flight_count = 0;
}

/* Each wait is as long as all before it together. */
static smx_time
backoff(const struct smx_dispatch *d, const struct flight *f,
    unsigned retry_after_s)
{
	smx_time wait = d->now - f->delivery.first + BACKOFF_FIRST;
	smx_time asked = retry_after_s * SMX_SECOND;
	smx_time last = f->delivery.first + d->settings.retry_for;

	wait = smx_time_max(smx_time_max(wait, asked), BACKOFF_FIRST);
	wait = smx_time_min(wait, BACKOFF_MAX);
	/* The last attempt is made at the end of the time there is. */
	return smx_time_min(d->now + wait, smx_time_max(last, d->now + 1));
}

/* An attempt is over. */
static void
finish(struct flight *f, enum smx_delivery_state state, struct smx_slice detail,
    unsigned retry_after_s)
{
	struct smx_dispatch *d = f->dispatch;
	struct smx_report_outcome outcome = {
		.state = state, .now = d->now, .detail = detail
	};
	struct smx_dispatch_event event = {
		.kind = SMX_DISPATCH_DELIVERED,
		.domain = f->delivery.day.domain,
		.uri = f->delivery.uri,
		.detail = detail,
		.day = f->delivery.day.day,
	};

	if (state == SMX_DELIVERY_WAITING) {
		if (d->now - f->delivery.first >= d->settings.retry_for)
			outcome.state = SMX_DELIVERY_GIVEN_UP;
		else
			outcome.next = backoff(d, f, retry_after_s);
		event.kind = SMX_DISPATCH_RETRY;
		d->failed++;
	}
	if (outcome.state == SMX_DELIVERY_GIVEN_UP) {
		event.kind = SMX_DISPATCH_GIVEN_UP;
		d->given_up++;
	}
	d->delivered += outcome.state == SMX_DELIVERY_DONE;
	smx_dispatch_tell(d, &event);
	tell_failed(d,
	    d->reports.ops->end(d->reports.self, f->delivery.day.id,
		f->delivery.uri, &outcome));
	d->flight_count--;
	flight_free(f);
}

static void
on_posted(void *arg, const struct smx_post_answer *answer)
{
	finish(arg,
	    answer->status == SMX_POST_ACCEPTED ? SMX_DELIVERY_DONE
						: SMX_DELIVERY_WAITING,
	    answer->detail, answer->retry_after_s);
}

static void
on_mailed(void *arg, const struct smx_mail_answer *answer)
{
	static const enum smx_delivery_state states[] = {
		[SMX_MAIL_ACCEPTED] = SMX_DELIVERY_DONE,
		[SMX_MAIL_LATER] = SMX_DELIVERY_WAITING,
		[SMX_MAIL_REFUSED] = SMX_DELIVERY_GIVEN_UP,
	};

	finish(arg, states[answer->status], answer->detail, 0);
}

static int
launch_post(struct flight *f)
{
	const struct smx_tlsrpt_rua *rua = &f->rua;
	struct smx_dispatch *d = f->dispatch;

	/* The path of a URI without one, or with a query only, is "/". */
	smx_buf_init(&f->message, SMX_TLSRPT_URI_MAX + 1);
	if (rua->path.n == 0 || rua->path.p[0] != '/')
		smx_buf_add_char(&f->message, '/');
	smx_buf_add(&f->message, rua->path);
	f->post = (struct smx_post){
		.host = rua->host,
		.port = rua->port,
		.path = smx_buf_slice(&f->message),
		.media_type = SMX_SLICE("application/tlsrpt+gzip"),
		.body = smx_buf_slice(&f->report),
	};
	if (smx_buf_status(&f->message) < 0)
		return -SMX_ENOMEM;
	return d->post.ops->post(d->post.self, &f->post, on_posted, f);
}

static int
launch_mail(struct flight *f)
{
	const struct smx_dispatch_settings *s = &f->dispatch->settings;
	const struct smx_report_day *day = &f->delivery.day;
	struct smx_tlsrpt_mail mail = {
		.organization = smx_slice_text(s->organization),
		.from = smx_slice_text(s->contact),
		.to = f->rua.address,
		.submitter = smx_slice_text(s->submitter),
		.domain = day->domain,
		.report_id = day->report_id,
		.day = day->day,
		.date = f->dispatch->now,
		.report = smx_buf_slice(&f->report),
	};

	/* Base64 makes four octets of three, and lines of them. */
	smx_buf_init(&f->message, f->report.n / 2 * 3 + 8192);
	smx_tlsrpt_mail_print(&mail, &f->message);
	smx_buf_done(&f->report);
	if (smx_buf_status(&f->message) < 0)
		return -SMX_ENOMEM;
	f->mail = (struct smx_mail){
		.from = mail.from,
		.to = mail.to,
		.bytes = smx_buf_slice(&f->message),
	};
	return f->dispatch->mail.ops->send(f->dispatch->mail.self, &f->mail,
	    on_mailed, f);
}

static void
write_copy(struct flight *f)
{
	struct smx_dispatch *d = f->dispatch;
	const struct smx_report_day *day = &f->delivery.day;
	char storage[1024], reason_storage[256];
	struct smx_buf name, reason;
	int rc;

	smx_buf_init_fixed(&name, storage, sizeof(storage));
	smx_buf_init_fixed(&reason, reason_storage, sizeof(reason_storage));
	smx_tlsrpt_report_print_name(smx_slice_text(d->settings.submitter),
	    day->domain, day->day, &name);
	smx_buf_add_text(&name, ".json.gz");
	rc = d->copy.write(d->copy.self,
	    f->delivery.uri.p + strlen(SMX_DISPATCH_COPY_SCHEME),
	    smx_buf_slice(&name), smx_buf_slice(&f->report), &reason);
	if (rc < 0)
		finish(f, SMX_DELIVERY_WAITING, smx_buf_slice(&reason), 0);
	else
		finish(f, SMX_DELIVERY_DONE, SMX_SLICE("written"), 0);
}

static int
build(struct flight *f)
{
	struct smx_dispatch *d = f->dispatch;
	size_t bytes = 0;
	int rc = smx_dispatch_report_compress(d, &f->delivery.day, &f->report,
	    &bytes);

	d->built += bytes;
	return rc;
}

/* Where does it go? @return 0, -SMX_EPARSE or -SMX_ENOMEM. */
static int
parse_uri(struct flight *f)
{
	struct smx_diag items[1];
	struct smx_diag_list diags;

	f->is_copy = smx_slice_starts(f->delivery.uri,
	    SMX_SLICE(SMX_DISPATCH_COPY_SCHEME));
	if (f->is_copy)
		return 0;
	smx_diag_list_init(&diags, items, 1);
	return smx_tlsrpt_rua_parse(&f->arena, f->delivery.uri, f->delivery.uri,
	    &diags, &f->rua);
}

static bool
is_mail(const struct flight *f)
{
	return f->rua.scheme == SMX_TLSRPT_RUA_MAILTO;
}

/* A mail is there twice when it is signed. */
static size_t
bytes_of(const struct flight *f)
{
	return f->report.n + f->message.n * (is_mail(f) ? 2 : 1);
}

static bool
is_same_way(const struct flight *f, const struct flight *o)
{
	return is_mail(f)
	    ? is_mail(o)
	    : !is_mail(o) && smx_domain_equal(f->rua.host, o->rua.host);
}

/* Are there so many on the same way already that it would not begin soon, or
 * is there so much under way that memory would be short? */
static bool
is_crowded(const struct flight *f)
{
	const struct smx_dispatch *d = f->dispatch;
	size_t max = is_mail(f) ? d->settings.flight_mail_max
				: d->settings.flight_host_max;
	size_t count = 0, bytes = 0, all_bytes = 0;

	for (const struct smx_list *node = d->flights.next; node != &d->flights;
	     node = node->next) {
		const struct flight *o = SMX_ELEMENT(node, const struct flight,
		    link);

		if (!o->is_launched || o->is_copy)
			continue;
		all_bytes += bytes_of(o);
		if (is_same_way(f, o)) {
			bytes += bytes_of(o);
			count++;
		}
	}
	return count >= max || bytes >= d->settings.flight_way_bytes ||
	    all_bytes >= d->settings.flight_bytes;
}

/* Not all at the same moment again: that would be the same crowd. */
static smx_time
scatter(const struct flight *f, smx_time wait)
{
	uint64_t mixed = (uint64_t)f->delivery.day.id *
	    UINT64_C(0x9e3779b97f4a7c15);

	return wait / 2 + (smx_time)(mixed >> 32) % (wait / 2 + 1);
}

/* It can't begin now, and does not count as an attempt; but what is crowded
 * for ever ends as well. */
static void
postpone(struct flight *f)
{
	struct smx_dispatch *d = f->dispatch;
	smx_time waited = d->now - f->delivery.first;
	smx_time wait = smx_time_max(smx_time_min(waited / 4, CROWD_WAIT_MAX),
	    CROWD_WAIT_MIN);

	if (waited >= d->settings.retry_for) {
		finish(f, SMX_DELIVERY_WAITING,
		    SMX_SLICE("too many others were on the same way"), 0);
		return;
	}
	tell_failed(d,
	    d->reports.ops->postpone(d->reports.self, f->delivery.day.id,
		f->delivery.uri, d->now + scatter(f, wait)));
	d->flight_count--;
	flight_free(f);
}

/* Build it, and hand it on. @return a status when nothing is under way. */
static int
send_off(struct flight *f)
{
	int rc = build(f);

	if (rc < 0)
		return rc;
	f->is_launched = true;
	return is_mail(f) ? launch_mail(f) : launch_post(f);
}

/* Send one on its way. It is over in one call only when nothing is sent. */
static void
launch(struct flight *f)
{
	struct smx_dispatch *d = f->dispatch;
	int rc = parse_uri(f);

	if (rc == -SMX_EPARSE) {
		finish(f, SMX_DELIVERY_GIVEN_UP,
		    SMX_SLICE("the URI can't be used"), 0);
		return;
	}
	if (rc == 0 && f->is_copy) {
		rc = build(f);
		if (rc == 0) {
			write_copy(f);
			return;
		}
	} else if (rc == 0 && d->settings.dry_run) {
		finish(f, SMX_DELIVERY_DONE, SMX_SLICE("dry run: not sent"), 0);
		return;
	} else if (rc == 0 && is_crowded(f)) {
		postpone(f);
		return;
	} else if (rc == 0) {
		rc = send_off(f);
	}
	if (rc < 0)
		finish(f,
		    rc == -SMX_ELIMIT ? SMX_DELIVERY_GIVEN_UP
				      : SMX_DELIVERY_WAITING,
		    smx_slice_text(smx_status_text(rc)), 0);
}

/* A NUL goes behind, for the directory of a copy. */
static struct smx_slice
keep(char **at, struct smx_slice text)
{
	struct smx_slice kept = { *at, text.n };

	memcpy(*at, text.p, text.n);
	(*at)[text.n] = '\0';
	*at += text.n + 1;
	return kept;
}

static struct flight *
flight_new(struct smx_dispatch *d, const struct smx_report_delivery *delivery)
{
	size_t bytes = delivery->uri.n + delivery->day.domain.n +
	    delivery->day.report_id.n + 3;
	struct flight *f = malloc(sizeof(*f) + bytes);
	char *at;

	if (f == NULL)
		return NULL;
	at = f->bytes;
	f->is_launched = false;
	f->dispatch = d;
	f->delivery = *delivery;
	f->delivery.uri = keep(&at, delivery->uri);
	f->delivery.day.domain = keep(&at, delivery->day.domain);
	f->delivery.day.report_id = keep(&at, delivery->day.report_id);
	f->delivery.day.record = smx_slice(NULL, 0);
	smx_buf_init(&f->report, SMX_DISPATCH_REPORT_MAX);
	smx_buf_init(&f->message, 0);
	smx_arena_init(&f->arena, f->arena_first, sizeof(f->arena_first),
	    SMX_TLSRPT_ARENA_MAX);
	smx_list_push(&d->flights, &f->link);
	d->flight_count++;
	return f;
}

/* One that waits for its turn for longer than the lease is not begun twice. */
static bool
is_under_way(const struct smx_dispatch *d,
    const struct smx_report_delivery *delivery)
{
	for (const struct smx_list *node = d->flights.next; node != &d->flights;
	     node = node->next) {
		const struct flight *f = SMX_ELEMENT(node, const struct flight,
		    link);

		if (f->delivery.day.id == delivery->day.id &&
		    smx_slice_equal(f->delivery.uri, delivery->uri))
			return true;
	}
	return false;
}

/* Take what is due, as far as there is room. */
static int
take_due(struct smx_dispatch *d, struct flight **ret_flights, size_t *ret_count)
{
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->begin(d->reports.self);
	size_t count = 0;

	if (rc < 0)
		return rc;
	/* What was put off while the clock was wrong. */
	rc = ops->pull(d->reports.self, d->now + WAIT_MAX, d->now);
	while (rc == 0 && count < LAUNCH_BATCH &&
	    d->flight_count < d->settings.flight_max) {
		struct smx_report_delivery delivery;

		rc = ops->take(d->reports.self, d->now, d->now + LEASE,
		    &delivery);
		if (rc == 0 && !is_under_way(d, &delivery)) {
			ret_flights[count] = flight_new(d, &delivery);
			if (ret_flights[count] == NULL)
				rc = -SMX_ENOMEM;
			else
				count++;
		}
	}
	if (rc == 0 || rc == -SMX_ENOENT)
		rc = ops->commit(d->reports.self);
	if (rc < 0) {
		ops->back(d->reports.self);
		for (size_t i = 0; i < count; i++)
			flight_free(ret_flights[i]);
		d->flight_count -= count;
		return rc;
	}
	*ret_count = count;
	return 0;
}

/* End a transaction, and begin another. */
static int
next_turn(struct smx_dispatch *d)
{
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->commit(d->reports.self);

	d->built = 0;
	if (rc == 0)
		rc = ops->begin(d->reports.self);
	else
		ops->back(d->reports.self);
	return rc;
}

/* Send what is due. @return 1: there may be more. */
static int
launch_due(struct smx_dispatch *d)
{
	const struct smx_reports_ops *ops = d->reports.ops;
	struct flight *flights[LAUNCH_BATCH];
	size_t count = 0;
	int rc = take_due(d, flights, &count);

	if (rc < 0 || count == 0)
		return rc;
	d->built = 0;
	rc = ops->begin(d->reports.self);
	for (size_t i = 0; i < count; i++) {
		launch(flights[i]);
		if (rc == 0 && d->built > TURN_BYTES)
			rc = next_turn(d);
	}
	if (rc == 0)
		rc = ops->commit(d->reports.self);
	/* What is known of those that are over is lost: they come again. */
	if (rc < 0)
		ops->back(d->reports.self);
	return rc < 0 ? rc : 1;
}

static int
forget_some(struct smx_dispatch *d)
{
	/* Not while one of its deliveries can still wait. */
	smx_time keep = smx_time_max(d->settings.keep,
	    d->settings.retry_for + 3 * SMX_DAY);
	int64_t before = (d->now - keep) / SMX_DAY;
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->begin(d->reports.self);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < FORGET_BATCH; i++)
		rc = ops->forget(d->reports.self, before);
	return smx_dispatch_days_end(d, rc);
}

void
smx_dispatch_release(struct smx_dispatch *d)
{
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->begin(d->reports.self);

	for (const struct smx_list *node = d->flights.next;
	     rc == 0 && node != &d->flights; node = node->next) {
		const struct flight *f = SMX_ELEMENT(node, const struct flight,
		    link);

		rc = ops->postpone(d->reports.self, f->delivery.day.id,
		    f->delivery.uri, d->now);
	}
	if (rc == 0)
		rc = ops->commit(d->reports.self);
	/* Then their leases have to run out. */
	if (rc < 0)
		ops->back(d->reports.self);
}

static bool
is_clock_believed(struct smx_dispatch *d, struct smx_now now)
{
	smx_time offset = now.wall - now.mono;
	smx_time leap = d->offset != 0 ? offset - d->offset : 0;

	d->offset = offset;
	if (leap > LEAP) {
		d->settled_at = now.mono + SETTLE;
		smx_dispatch_tell(d,
		    &(struct smx_dispatch_event){ .kind = SMX_DISPATCH_LEAP });
	} else if (leap < -LEAP) {
		d->settled_at = now.mono;
	}
	return now.mono >= d->settled_at;
}

smx_time
smx_dispatch_tick(struct smx_dispatch *d, struct smx_now now)
{
	smx_time due = SMX_NEVER;
	bool is_full;
	int closed, launched, forgot;

	if (!is_clock_believed(d, now))
		return LOOK_EVERY;
	d->now = now.wall;
	closed = tell_failed(d, smx_dispatch_days_close(d));
	launched = closed >= 0 ? tell_failed(d, launch_due(d)) : 0;
	forgot = closed >= 0 && launched >= 0 ? tell_failed(d, forget_some(d))
					      : 0;
	if (closed < 0 || launched < 0 || forgot < 0)
		return LOOK_EVERY;
	is_full = d->flight_count >= d->settings.flight_max;
	if (closed > 0 || forgot > 0 || (launched > 0 && !is_full))
		return 0;
	if (is_full ||
	    tell_failed(d, d->reports.ops->next_due(d->reports.self, &due)) < 0)
		return LOOK_EVERY;
	/* What is due and could not be taken is not tried without a pause. */
	return due <= d->now ? SMX_SECOND
			     : smx_time_min(due - d->now, LOOK_EVERY);
}
