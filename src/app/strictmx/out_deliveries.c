#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>

#include "app/strictmx/out_deliveries.h"
#include "app/strictmx/out_table.h"
#include "core/date.h"
#include "core/json.h"
#include "io/clock.h"

/* As it stands in text, and in JSON. */
struct state {
	const char *text, *word;
};

static const struct state counting = { "counting", "counting" };
/* Excluded, nothing to tell, or no place that it could go to. */
static const struct state not_sent = { "not sent", "not-sent" };
static const struct state states[] = {
	[SMX_DELIVERY_WAITING] = { "waiting", "waiting" },
	[SMX_DELIVERY_DONE] = { "delivered", "delivered" },
	[SMX_DELIVERY_GIVEN_UP] = { "given up", "given-up" },
};

enum {
	COL_DAY,
	COL_DOMAIN,
	COL_GOOD,
	COL_BAD,
	COL_STATE,
	COL_WHEN,
	COL_TRIES,
	COL_TO,
	COL_DETAIL,
	COL_COUNT
};

struct smx_out_deliveries {
	bool json;
	struct smx_buf *out;
	struct libscols_table *table;
	size_t count;
	bool failed;
};

struct smx_out_deliveries *
smx_out_deliveries_new(bool json, struct smx_buf *out)
{
	static const char *const names[COL_COUNT] = { "DAY", "DOMAIN", "OK",
		"FAILED", "STATE", "WHEN", "TRIES", "TO", "DETAIL" };
	struct smx_out_deliveries *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->json = json;
	d->out = out;
	if (json) {
		smx_buf_add_text(out, "{\"format\":1,\"reports\":[");
		return d;
	}
	d->table = scols_new_table();
	d->failed = d->table == NULL;
	/* The cells are escaped already. */
	if (!d->failed)
		scols_table_enable_noencoding(d->table, 1);
	for (size_t i = 0; i < COL_COUNT && !d->failed; i++)
		d->failed = scols_table_new_column(d->table, names[i], 0,
				i == COL_GOOD || i == COL_BAD || i == COL_TRIES
				    ? SCOLS_FL_RIGHT
				    : 0) == NULL;
	return d;
}

static const struct state *
state_of(const struct smx_report_list_row *row)
{
	/* What it has then is only planned. */
	if (row->day.report_id.n == 0)
		return &counting;
	return row->has_delivery ? &states[row->state] : &not_sent;
}

/* The next attempt, or the end of the last. */
static smx_time
when_of(const struct smx_report_list_row *row)
{
	return row->state == SMX_DELIVERY_WAITING ? row->next : row->ended;
}

static void
set_cell(struct smx_out_deliveries *d, struct libscols_line *line, size_t i,
    struct smx_buf *cell)
{
	if (scols_line_set_data(line, i, smx_buf_text(cell)) != 0)
		d->failed = true;
	smx_buf_reset(cell);
}

static void
add_line(struct smx_out_deliveries *d, const struct smx_report_list_row *row)
{
	struct libscols_line *line = d->failed
	    ? NULL
	    : scols_table_new_line(d->table, NULL);
	char when[SMX_CLOCK_TEXT_BYTES] = "";
	struct smx_buf cell;

	if (line == NULL) {
		d->failed = true;
		return;
	}
	smx_buf_init(&cell, 8192);
	smx_date_print(row->day.day * SMX_DAY, &cell);
	set_cell(d, line, COL_DAY, &cell);
	smx_buf_add_escaped(&cell, row->day.domain);
	set_cell(d, line, COL_DOMAIN, &cell);
	smx_buf_add_u64(&cell, row->success);
	set_cell(d, line, COL_GOOD, &cell);
	smx_buf_add_u64(&cell, row->failure);
	set_cell(d, line, COL_BAD, &cell);
	smx_buf_add_text(&cell, state_of(row)->text);
	set_cell(d, line, COL_STATE, &cell);
	if (row->has_delivery) {
		smx_clock_print(when_of(row), when);
		smx_buf_add_text(&cell, when);
		set_cell(d, line, COL_WHEN, &cell);
		smx_buf_add_u64(&cell, row->delivery.attempts);
		set_cell(d, line, COL_TRIES, &cell);
	}
	smx_buf_add_escaped(&cell, row->delivery.uri);
	set_cell(d, line, COL_TO, &cell);
	smx_buf_add_escaped(&cell, row->detail);
	set_cell(d, line, COL_DETAIL, &cell);
	smx_buf_done(&cell);
}

/* What is known of the delivery, behind other members. */
static void
add_delivery(const struct smx_report_list_row *row, struct smx_buf *out)
{
	char when[SMX_CLOCK_TEXT_BYTES];

	if (row->has_delivery) {
		smx_clock_print(when_of(row), when);
		smx_json_print_member(out, "to", row->delivery.uri);
		smx_buf_printf(out, ",\"attempts\":%u,\"%s\":\"%s\"",
		    row->delivery.attempts,
		    row->state == SMX_DELIVERY_WAITING ? "next" : "ended",
		    when);
	}
	smx_json_print_member(out, "detail", row->detail);
}

static void
add_object(struct smx_out_deliveries *d, const struct smx_report_list_row *row,
    uint64_t left_out)
{
	struct smx_buf *out = d->out;

	smx_buf_add_text(out,
	    d->count > 0 ? ",\n{\"day\":\"" : "\n{\"day\":\"");
	smx_date_print(row->day.day * SMX_DAY, out);
	smx_buf_add_char(out, '"');
	smx_json_print_member(out, "domain", row->day.domain);
	smx_json_print_member(out, "record", row->day.record);
	smx_buf_printf(out,
	    ",\"successful\":%" PRIu64 ",\"failed\":%" PRIu64
	    ",\"left_out\":%" PRIu64 ",\"state\":\"%s\"",
	    row->success, row->failure, left_out, state_of(row)->word);
	if (row->day.report_id.n > 0)
		smx_json_print_member(out, "report_id", row->day.report_id);
	add_delivery(row, out);
	smx_buf_add_char(out, '}');
}

void
smx_out_deliveries_add(struct smx_out_deliveries *d,
    const struct smx_report_list_row *row,
    const struct smx_report_left_out_counts *left_out)
{
	if (d->json)
		add_object(d, row, left_out->success + left_out->failure);
	else
		add_line(d, row);
	d->count++;
}

void
smx_out_deliveries_page(struct smx_out_deliveries *d)
{
	struct libscols_column *column;

	if (d->json || d->failed || scols_table_get_nlines(d->table) == 0)
		return;
	d->failed = !smx_out_table_print(d->table, d->out);
	/* The next page has no heads, and no column is narrower. */
	for (size_t i = 0; i < COL_COUNT; i++) {
		column = scols_table_get_column(d->table, i);
		scols_column_set_whint(column,
		    (double)scols_column_get_width(column));
	}
	scols_table_enable_noheadings(d->table, 1);
	scols_table_remove_lines(d->table);
}

int
smx_out_deliveries_end(struct smx_out_deliveries **dp)
{
	struct smx_out_deliveries *d = *dp;
	int rc;

	if (d->json)
		smx_buf_add_text(d->out, "\n]}\n");
	else
		smx_out_deliveries_page(d);
	rc = d->failed || smx_buf_status(d->out) < 0 ? -SMX_ENOMEM : 0;
	scols_unref_table(d->table);
	free(d);
	*dp = NULL;
	return rc;
}

void
smx_out_deliveries_line(const struct smx_report_list_row *row,
    struct smx_buf *out)
{
	bool is_planned = row->day.report_id.n == 0;
	unsigned attempts = row->delivery.attempts;
	char when[SMX_CLOCK_TEXT_BYTES];

	smx_buf_add_text(out, "  -> ");
	if (row->has_delivery) {
		smx_clock_print(when_of(row), when);
		smx_buf_add_escaped(out, row->delivery.uri);
		smx_buf_printf(out, ": %s%s %s",
		    is_planned ? "to be sent at" : state_of(row)->text,
		    is_planned                               ? ""
			: row->state == SMX_DELIVERY_WAITING ? " until"
							     : " at",
		    when);
	} else {
		smx_buf_add_text(out, "not sent");
	}
	if (row->has_delivery && attempts > 0)
		smx_buf_printf(out, ", %u attempt%s", attempts,
		    attempts > 1 ? "s" : "");
	if (row->detail.n > 0) {
		smx_buf_add_text(out, ": ");
		smx_buf_add_escaped(out, row->detail);
	}
	smx_buf_add_char(out, '\n');
}

void
smx_out_deliveries_object(const struct smx_report_list_row *row,
    struct smx_buf *out)
{
	smx_buf_printf(out, "{\"state\":\"%s\"", state_of(row)->word);
	add_delivery(row, out);
	smx_buf_add_char(out, '}');
}
