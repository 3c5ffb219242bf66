#include <inttypes.h>
#include <stdlib.h>

#include "engine/dispatch.h"
#include "core/date.h"
#include "core/domain.h"
#include "core/gz.h"
#include "core/limits.h"
#include "core/tlsrpt_mail.h"
#include "core/tlsrpt_report.h"
#include "core/tlsrpt_txt.h"

/* Done in one turn, and in one transaction. */
#define CLOSE_BATCH  500
#define LAUNCH_BATCH 256
#define FORGET_BATCH 100
/* Somebody else may have put a delivery into the store. */
#define LOOK_EVERY (5 * SMX_SECOND)
/* Longer than any attempt takes: then it counts as cut off by a kill. */
#define LEASE (30 * SMX_MINUTE)
/* Until there may be room for another to the same host. */
#define CROWD_WAIT (10 * SMX_SECOND)
/* From one attempt to the next: doubled each time. */
#define BACKOFF_FIRST (5 * SMX_MINUTE)
#define BACKOFF_MAX   (4 * SMX_HOUR)

#define COPY_SCHEME "file:"

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

static void
tell(const struct smx_dispatch *d, const struct smx_dispatch_event *event)
{
	if (d->observer.event != NULL)
		d->observer.event(d->observer.self, event);
}

static int
tell_failed(const struct smx_dispatch *d, int rc)
{
	if (rc < 0 && rc != -SMX_ENOENT)
		tell(d,
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

/* The same domain has the same place in the spread every day, another for each
 * sender (FNV-1a). */
static smx_time
spread_of(const struct smx_dispatch *d, struct smx_slice domain)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (const char *p = d->settings.token; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
	for (size_t i = 0; i < domain.n; i++)
		hash = (hash ^ (unsigned char)domain.p[i]) *
		    UINT64_C(1099511628211);
	return d->settings.spread > 0
	    ? (smx_time)(hash % (uint64_t)d->settings.spread)
	    : 0;
}

static bool
is_excluded(const struct smx_dispatch *d, struct smx_slice domain)
{
	for (char *const *p = d->settings.exclude; *p != NULL; p++) {
		struct smx_slice e = smx_slice_text(*p);

		if (smx_domain_equal(e, domain))
			return true;
		if (e.n > 0 && e.p[0] == '.' && domain.n > e.n &&
		    smx_domain_equal(e, smx_slice_from(domain, domain.n - e.n)))
			return true;
	}
	return false;
}

/* A copy of each report, beside what the record asks for. */
static int
put_copies(struct smx_dispatch *d, int64_t id, smx_time due)
{
	char storage[SMX_TLSRPT_URI_MAX];
	struct smx_buf uri;
	int rc = 0;

	if (d->settings.copy_to != NULL) {
		smx_buf_init_fixed(&uri, storage, sizeof(storage));
		smx_buf_printf(&uri, COPY_SCHEME "%s", d->settings.copy_to);
		rc = d->reports.ops->put(d->reports.self, id,
		    smx_buf_slice(&uri), due);
	}
	if (rc == 0 && d->settings.copy_mail != NULL) {
		smx_buf_init_fixed(&uri, storage, sizeof(storage));
		smx_buf_printf(&uri, "mailto:%s", d->settings.copy_mail);
		rc = d->reports.ops->put(d->reports.self, id,
		    smx_buf_slice(&uri), due);
	}
	return rc;
}

/* A delivery for each place that the record names. */
static int
put_places(struct smx_dispatch *d, const struct smx_report_day *day,
    smx_time due)
{
	char first[4096];
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;
	struct smx_arena arena;
	int rc;

	smx_diag_list_init(&diags, items, 1);
	smx_arena_init(&arena, first, sizeof(first), SMX_TLSRPT_ARENA_MAX);
	rc = smx_tlsrpt_txt_parse(&arena, day->record, &diags, &txt);
	if (rc == -SMX_EPARSE) {
		tell(d,
		    &(struct smx_dispatch_event){ .kind = SMX_DISPATCH_NO_PLACE,
			.domain = day->domain,
			.day = day->day });
		rc = 0;
		txt.rua_count = 0;
	}
	for (size_t i = 0; rc == 0 && i < txt.rua_count; i++)
		rc = d->reports.ops->put(d->reports.self, day->id,
		    txt.rua[i].uri, due);
	smx_arena_done(&arena);
	return rc == 0 ? put_copies(d, day->id, due) : rc;
}

/* One per installation, Policy Domain and day; an id-left and an id-right
 * (RFC 5322, 3.6.4). */
static void
print_id(const struct smx_dispatch *d, const struct smx_report_day *day,
    struct smx_buf *out)
{
	smx_buf_printf(out, "%" PRId64 ".", day->day);
	smx_buf_add(out, day->domain);
	smx_buf_printf(out, ".%s@%s", d->settings.token, d->settings.submitter);
}

static int
close_day(struct smx_dispatch *d, const struct smx_report_day *day,
    int64_t today)
{
	smx_time due = (day->day + 1) * SMX_DAY + SMX_DISPATCH_GRACE +
	    spread_of(d, day->domain);
	char storage[2 * SMX_DOMAIN_MAX + 128];
	struct smx_buf id;
	int rc = 0;

	if (day->day < today - SMX_DISPATCH_DAYS_MAX)
		tell(d,
		    &(struct smx_dispatch_event){ .kind = SMX_DISPATCH_TOO_OLD,
			.domain = day->domain,
			.day = day->day });
	else if (!is_excluded(d, day->domain) &&
	    (day->has_failure || !d->settings.only_failures))
		rc = put_places(d, day, due);
	if (rc < 0)
		return rc;
	smx_buf_init_fixed(&id, storage, sizeof(storage));
	print_id(d, day, &id);
	return d->reports.ops->close(d->reports.self, day->id,
	    smx_buf_slice(&id));
}

/* Close some of the days that are over. @return 1: there may be more. */
static int
close_days(struct smx_dispatch *d, smx_time wall)
{
	int64_t today = (wall - SMX_DISPATCH_GRACE) / SMX_DAY;
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->begin(d->reports.self);
	size_t count = 0;

	if (rc < 0)
		return rc;
	for (; rc == 0 && count < CLOSE_BATCH; count++) {
		struct smx_report_day day;

		rc = ops->next_open(d->reports.self, today, &day);
		if (rc == 0)
			rc = close_day(d, &day, today);
	}
	if (rc == 0 || rc == -SMX_ENOENT) {
		int committed = ops->commit(d->reports.self);

		rc = committed < 0 ? committed : rc == 0;
	}
	if (rc < 0)
		ops->back(d->reports.self);
	return rc;
}

struct printing {
	struct smx_tlsrpt_report_writer writer;
	bool has_testing;
	bool is_left_out; /* the policy at hand */
};

static bool
contains(struct smx_slice text, struct smx_slice part)
{
	return memmem(text.p, text.n, part.p, part.n) != NULL;
}

static void
find_testing(void *arg, enum smx_tlsrpt_policy_type type,
    struct smx_slice members, uint64_t success, uint64_t failure)
{
	struct printing *p = arg;

	(void)success;
	(void)failure;
	p->has_testing |= type == SMX_TLSRPT_STS &&
	    contains(members, SMX_SLICE("\"mode: testing\""));
}

static void
ignore_failure(void *arg, struct smx_slice members, uint64_t count)
{
	(void)arg;
	(void)members;
	(void)count;
}

/* While a policy is in testing an MTA like Postfix delivers without a policy,
 * and its sessions were not verified: the probes' were. */
static void
print_policy(void *arg, enum smx_tlsrpt_policy_type type,
    struct smx_slice members, uint64_t success, uint64_t failure)
{
	struct printing *p = arg;

	p->is_left_out = p->has_testing && type == SMX_TLSRPT_NO_POLICY_FOUND;
	if (!p->is_left_out)
		smx_tlsrpt_report_policy(&p->writer, members, success, failure);
}

static void
print_failure(void *arg, struct smx_slice members, uint64_t count)
{
	struct printing *p = arg;

	if (!p->is_left_out)
		smx_tlsrpt_report_failure(&p->writer, members, count);
}

int
smx_dispatch_print(const struct smx_dispatch *d,
    const struct smx_report_day *day, struct smx_buf *out)
{
	struct smx_tlsrpt_report_head head = {
		.organization_name = smx_slice_text(d->settings.organization),
		.contact_info = smx_slice_text(d->settings.contact),
		.report_id = day->report_id,
		.day = day->day,
	};
	struct printing p = { .has_testing = false };
	struct smx_report_visitor finder = { find_testing, ignore_failure, &p };
	struct smx_report_visitor printer = { print_policy, print_failure, &p };
	int rc;

	smx_tlsrpt_report_begin(&p.writer, out, &head);
	rc = d->reports.ops->walk(d->reports.self, day->id, &finder);
	if (rc == 0)
		rc = d->reports.ops->walk(d->reports.self, day->id, &printer);
	return rc == 0 ? smx_tlsrpt_report_end(&p.writer) : rc;
}

static smx_time
backoff(const struct smx_dispatch *d, const struct flight *f,
    unsigned retry_after_s)
{
	smx_time wait = BACKOFF_FIRST, asked = retry_after_s * SMX_SECOND;
	smx_time last = f->delivery.first + d->settings.retry_for;

	for (unsigned i = 0; i < f->delivery.attempts && wait < BACKOFF_MAX;
	     i++)
		wait *= 2;
	wait = smx_time_min(smx_time_max(wait, asked), BACKOFF_MAX);
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
	tell(d, &event);
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
	char storage[1024];
	struct smx_buf name;
	int rc;

	smx_buf_init_fixed(&name, storage, sizeof(storage));
	smx_tlsrpt_report_print_name(smx_slice_text(d->settings.submitter),
	    day->domain, day->day, &name);
	smx_buf_add_text(&name, ".json.gz");
	rc = d->copy.write(d->copy.self,
	    f->delivery.uri.p + strlen(COPY_SCHEME), smx_buf_slice(&name),
	    smx_buf_slice(&f->report));
	if (rc < 0)
		finish(f, SMX_DELIVERY_WAITING,
		    smx_slice_text(smx_status_text(rc)), 0);
	else
		finish(f, SMX_DELIVERY_DONE, SMX_SLICE("written"), 0);
}

/* Build the report. */
static int
build(struct flight *f)
{
	struct smx_buf json;
	int rc;

	smx_buf_init(&json, SMX_DISPATCH_REPORT_MAX);
	rc = smx_dispatch_print(f->dispatch, &f->delivery.day, &json);
	if (rc == 0)
		rc = smx_gz_write(smx_buf_slice(&json), &f->report);
	smx_buf_done(&json);
	return rc;
}

/* Where does it go? @return 0, -SMX_EPARSE or -SMX_ENOMEM. */
static int
parse_uri(struct flight *f)
{
	struct smx_diag items[1];
	struct smx_diag_list diags;

	f->is_copy = smx_slice_starts(f->delivery.uri, SMX_SLICE(COPY_SCHEME));
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

/* Are there so many on the same way already that it would not begin soon? */
static bool
is_crowded(const struct flight *f)
{
	const struct smx_dispatch *d = f->dispatch;
	size_t max = is_mail(f) ? d->settings.flight_mail_max
				: d->settings.flight_host_max;
	size_t count = 0;

	for (const struct smx_list *node = d->flights.next; node != &d->flights;
	     node = node->next) {
		const struct flight *o = SMX_ELEMENT(node, const struct flight,
		    link);

		if (o->is_launched && !o->is_copy && is_mail(o) == is_mail(f) &&
		    (is_mail(f) || smx_domain_equal(o->rua.host, f->rua.host)))
			count++;
	}
	return count >= max;
}

static void
postpone(struct flight *f)
{
	struct smx_dispatch *d = f->dispatch;

	tell_failed(d,
	    d->reports.ops->postpone(d->reports.self, f->delivery.day.id,
		f->delivery.uri, d->now + CROWD_WAIT));
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
	rc = ops->begin(d->reports.self);
	for (size_t i = 0; i < count; i++)
		launch(flights[i]);
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
	int64_t before = (d->now - d->settings.keep) / SMX_DAY;
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->begin(d->reports.self);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < FORGET_BATCH; i++)
		rc = ops->forget(d->reports.self, before);
	if (rc == 0 || rc == -SMX_ENOENT) {
		int committed = ops->commit(d->reports.self);

		rc = committed < 0 ? committed : rc == 0;
	}
	if (rc < 0)
		ops->back(d->reports.self);
	return rc;
}

smx_time
smx_dispatch_tick(struct smx_dispatch *d, smx_time wall)
{
	smx_time due = SMX_NEVER;
	bool is_full;
	int closed, launched, forgot;

	d->now = wall;
	closed = tell_failed(d, close_days(d, wall));
	launched = closed >= 0 ? tell_failed(d, launch_due(d)) : 0;
	forgot = closed >= 0 && launched >= 0 ? tell_failed(d, forget_some(d))
					      : 0;
	if (closed < 0 || launched < 0 || forgot < 0)
		return wall + LOOK_EVERY;
	is_full = d->flight_count >= d->settings.flight_max;
	if (closed > 0 || forgot > 0 || (launched > 0 && !is_full))
		return wall;
	if (tell_failed(d, d->reports.ops->next_due(d->reports.self, &due)) < 0)
		due = SMX_NEVER;
	return is_full
	    ? wall + LOOK_EVERY
	    : smx_time_max(smx_time_min(due, wall + LOOK_EVERY), wall);
}
