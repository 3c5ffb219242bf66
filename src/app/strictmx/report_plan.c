#include "app/strictmx/report_plan.h"

struct listener {
	struct smx_report_list_row row;
	void (*each)(void *arg, const struct smx_report_list_row *row);
	void *arg;
	bool is_dry_run;
	bool is_given; /* the day */
	size_t count;  /* places */
	const char *why;
};

static int
begin(void *self)
{
	(void)self;
	return 0;
}

static void
back(void *self)
{
	(void)self;
}

static int
next_open(void *self, int64_t before, struct smx_report_day *ret)
{
	struct listener *l = self;

	if (l->is_given || l->row.day.day >= before)
		return -SMX_ENOENT;
	l->is_given = true;
	*ret = l->row.day;
	return 0;
}

static int
close_day(void *self, int64_t id, struct smx_slice report_id)
{
	(void)self;
	(void)id;
	(void)report_id;
	return 0;
}

static int
put(void *self, int64_t id, struct smx_slice uri, smx_time due)
{
	struct listener *l = self;
	bool is_copy = smx_slice_starts(uri, SMX_SLICE("file:"));

	(void)id;
	l->count++;
	l->row.has_delivery = true;
	l->row.state = SMX_DELIVERY_WAITING;
	l->row.next = due;
	l->row.delivery = (struct smx_report_delivery){
		.day = l->row.day,
		.uri = uri,
	};
	l->row.detail = l->is_dry_run && !is_copy
	    ? SMX_SLICE("dry run: it will not be sent")
	    : SMX_SLICE("");
	l->each(l->arg, &l->row);
	return 0;
}

static int
take(void *self, smx_time now, smx_time until, struct smx_report_delivery *ret)
{
	(void)self;
	(void)now;
	(void)until;
	(void)ret;
	return -SMX_ENOENT;
}

static int
pull(void *self, smx_time after, smx_time due)
{
	(void)self;
	(void)after;
	(void)due;
	return 0;
}

static int
next_due(void *self, smx_time *ret_wall)
{
	(void)self;
	*ret_wall = SMX_NEVER;
	return 0;
}

static int
forget(void *self, int64_t before)
{
	(void)self;
	(void)before;
	return -SMX_ENOENT;
}

/* Nothing is taken, so the others are not called. */
static const struct smx_reports_ops ops = {
	.begin = begin,
	.commit = begin,
	.back = back,
	.next_open = next_open,
	.close = close_day,
	.put = put,
	.take = take,
	.pull = pull,
	.next_due = next_due,
	.forget = forget,
};

static void
on_event(void *self, const struct smx_dispatch_event *e)
{
	struct listener *l = self;

	if (e->kind == SMX_DISPATCH_TOO_OLD)
		l->why = "too old to be sent";
	else if (e->kind == SMX_DISPATCH_NO_PLACE)
		l->why = "its record names no usable place";
}

/* Close the day, as if at that time. */
static void
close_one(const struct smx_dispatch_settings *settings, struct listener *l,
    smx_time wall)
{
	smx_time over = (l->row.day.day + 1) * SMX_DAY + SMX_DISPATCH_GRACE;
	struct smx_dispatch d;

	smx_dispatch_init(&d, settings);
	d.reports = (struct smx_reports_port){ &ops, l };
	d.observer = (struct smx_dispatch_observer){ on_event, l };
	smx_dispatch_tick(&d,
	    (struct smx_now){ .wall = smx_time_max(wall, over) });
	smx_dispatch_done(&d);
}

static void
ignore_row(void *arg, const struct smx_report_list_row *row)
{
	(void)arg;
	(void)row;
}

/* Which setting leaves it out, when one does. */
static const char *
which_setting(const struct smx_dispatch_settings *settings,
    const struct smx_report_list_row *row)
{
	char *nobody[] = { NULL };
	struct smx_dispatch_settings without = *settings;
	struct listener l = { .row = *row, .each = ignore_row };

	without.exclude = nobody;
	close_one(&without, &l, 0);
	return l.count > 0 || l.why != NULL
	    ? "left out by the setting exclude"
	    : "no failure, and the setting only_failures";
}

void
smx_report_plan(const struct smx_dispatch_settings *settings,
    const struct smx_report_list_row *row, smx_time wall,
    void (*each)(void *arg, const struct smx_report_list_row *row), void *arg)
{
	struct listener l = { .row = *row,
		.each = each,
		.arg = arg,
		.is_dry_run = settings->dry_run };

	close_one(settings, &l, wall);
	if (l.count > 0)
		return;
	if (l.why == NULL)
		l.why = which_setting(settings, row);
	l.row.detail = smx_slice_text(l.why);
	each(arg, &l.row);
}

const char *
smx_report_plan_reason(const struct smx_dispatch_settings *settings,
    const struct smx_report_list_row *row)
{
	struct listener l = { .row = *row, .each = ignore_row };

	/* As it was before. */
	l.row.day.report_id = SMX_SLICE("");
	close_one(settings, &l, 0);
	if (l.count > 0)
		return "too old when the day was closed, or left out by "
		       "settings that have changed since";
	return l.why != NULL ? l.why : which_setting(settings, &l.row);
}
