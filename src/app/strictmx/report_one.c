#include <inttypes.h>

#include "app/strictmx/report_one.h"
#include "app/strictmx/out_deliveries.h"
#include "app/strictmx/out_report.h"
#include "app/strictmx/report_plan.h"
#include "core/date.h"
#include "core/json.h"
#include "engine/dispatch_report.h"

/* Of what is kept of a day: some deliveries. */
#define TEXT_MAX ((size_t)4 << 20)

void
smx_report_one_init(struct smx_report_one *one,
    struct smx_report_source *source)
{
	*one = (struct smx_report_one){ .source = source };
	smx_buf_init(&one->record, TEXT_MAX);
	smx_buf_init(&one->report_id, TEXT_MAX);
	smx_buf_init(&one->lines, TEXT_MAX);
	smx_buf_init(&one->objects, TEXT_MAX);
}

void
smx_report_one_done(struct smx_report_one *one)
{
	smx_buf_done(&one->record);
	smx_buf_done(&one->report_id);
	smx_buf_done(&one->lines);
	smx_buf_done(&one->objects);
}

/* A later day takes the place of the one before. */
static void
begin_day(struct smx_report_one *one, const struct smx_report_day *day)
{
	one->is_found = true;
	one->why = NULL;
	smx_buf_reset(&one->record);
	smx_buf_reset(&one->report_id);
	smx_buf_reset(&one->lines);
	smx_buf_reset(&one->objects);
	smx_buf_add(&one->record, day->record);
	smx_buf_add(&one->report_id, day->report_id);
	one->day = (struct smx_report_day){
		.id = day->id,
		.day = day->day,
		.domain = one->filter.domain,
		.record = smx_buf_slice(&one->record),
		.report_id = smx_buf_slice(&one->report_id),
	};
}

static void
add_delivery(void *arg, const struct smx_report_list_row *row)
{
	struct smx_report_one *one = arg;

	smx_out_deliveries_line(row, &one->lines);
	if (!row->has_delivery)
		return;
	if (one->objects.n > 0)
		smx_buf_add_char(&one->objects, ',');
	smx_out_deliveries_object(row, &one->objects);
}

static void
on_row(void *arg, const struct smx_report_list_row *row)
{
	struct smx_report_one *one = arg;
	struct smx_report_list_row mine = *row;
	bool is_open = row->day.report_id.n == 0;

	if (one->only_open && !is_open)
		return;
	if (!one->is_found || row->day.id != one->day.id)
		begin_day(one, &row->day);
	smx_report_source_settle(one->source, &mine, &one->left_out);
	if (is_open) {
		smx_report_plan(&one->source->settings, row, one->source->wall,
		    add_delivery, one);
		return;
	}
	if (!row->has_delivery) {
		one->why = smx_report_plan_reason(&one->source->settings, row);
		mine.detail = smx_slice_text(one->why);
	}
	add_delivery(one, &mine);
}

int
smx_report_one_find(struct smx_report_one *one, struct smx_buf *reason)
{
	struct smx_report_list_visitor visitor = { .row = on_row, .arg = one };
	int rc = smx_report_list(one->source->path, &one->filter, &visitor,
	    reason);

	if (rc < 0)
		return rc;
	if (smx_buf_status(&one->record) < 0 ||
	    smx_buf_status(&one->report_id) < 0 ||
	    smx_buf_status(&one->lines) < 0 ||
	    smx_buf_status(&one->objects) < 0) {
		smx_buf_add_text(reason, "out of memory");
		return -SMX_ENOMEM;
	}
	return one->is_found ? 0 : -SMX_ENOENT;
}

int
smx_report_one_print(const struct smx_report_one *one, const char *no_id,
    struct smx_buf *out, struct smx_buf *reason)
{
	struct smx_report_day day = one->day;

	if (day.report_id.n == 0)
		day.report_id = smx_slice_text(no_id);
	return smx_report_source_print(one->source, &day, out, reason);
}

static uint64_t
count_left_out(const struct smx_report_one *one)
{
	return one->left_out.success + one->left_out.failure;
}

/* The sum is not what an MTA has told: why. */
static void
show_left_out(const struct smx_report_one *one, struct smx_buf *out)
{
	uint64_t n = count_left_out(one);

	if (n > 0)
		smx_buf_printf(out,
		    "  %" PRIu64 " session%s without a policy left out: while "
		    "a policy is in testing, an MTA delivers without it, and "
		    "the probes count\n",
		    n, n > 1 ? "s" : "");
}

static void
show_text(const struct smx_report_one *one,
    const struct smx_tlsrpt_read_report *read, struct smx_buf *out)
{
	smx_buf_add_escaped(out, one->day.domain);
	smx_buf_add_text(out, ", ");
	smx_date_print(one->day.day * SMX_DAY, out);
	smx_buf_printf(out,
	    ": %" PRIu64 " session%s succeeded, %" PRIu64 " failed\n",
	    read->success, read->success != 1 ? "s" : "", read->failure);
	smx_buf_add_text(out, "  record ");
	smx_buf_add_escaped(out, one->day.record);
	smx_buf_add_char(out, '\n');
	smx_buf_add(out, smx_buf_slice(&one->lines));
	show_left_out(one, out);
	smx_out_report_text(read, out);
}

static void
show_json(const struct smx_report_one *one,
    const struct smx_tlsrpt_read_report *read, struct smx_buf *out)
{
	smx_buf_add_text(out, "{\"format\":1,\"day\":\"");
	smx_date_print(one->day.day * SMX_DAY, out);
	smx_buf_add_char(out, '"');
	smx_json_print_member(out, "domain", one->day.domain);
	smx_json_print_member(out, "record", one->day.record);
	smx_json_print_member(out, "report_id", one->day.report_id);
	smx_buf_printf(out, ",\"left_out\":%" PRIu64, count_left_out(one));
	if (one->why != NULL)
		smx_json_print_member(out, "detail", smx_slice_text(one->why));
	smx_buf_add_text(out, ",\"deliveries\":[");
	smx_buf_add(out, smx_buf_slice(&one->objects));
	smx_buf_add_text(out, "],\"report\":");
	smx_out_report_json(read, out);
	smx_buf_add_text(out, "}\n");
}

int
smx_report_one_show(const struct smx_report_one *one, bool as_json,
    struct smx_buf *out, struct smx_buf *reason)
{
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_tlsrpt_read_report read;
	struct smx_diag_list diags;
	struct smx_arena arena;
	struct smx_buf json;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_READ_ARENA_MAX);
	smx_buf_init(&json, SMX_DISPATCH_REPORT_MAX);
	rc = smx_report_one_print(one, as_json ? "" : SMX_REPORT_ONE_NO_ID,
	    &json, reason);
	/* As it would look to who gets it. */
	if (rc == 0) {
		rc = smx_tlsrpt_read_parse(&arena, smx_buf_slice(&json), &diags,
		    &read);
		if (rc < 0)
			smx_buf_printf(reason, "the report can't be read: %s",
			    smx_status_text(rc));
	}
	if (rc == 0 && as_json)
		show_json(one, &read, out);
	else if (rc == 0)
		show_text(one, &read, out);
	smx_buf_done(&json);
	smx_arena_done(&arena);
	return rc;
}
