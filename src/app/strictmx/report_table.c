#include "app/strictmx/report_table.h"
#include "app/strictmx/command.h"
#include "app/strictmx/out_deliveries.h"
#include "app/strictmx/report_plan.h"
#include "io/report_list_sqlite.h"

/* Of several domains so many lines share their columns. */
#define PAGE_LINES 1000

struct walk {
	const struct smx_report_table *t;
	struct smx_out_deliveries *lines;
	size_t days; /* of the domain at hand, also those that are not wanted */
	size_t count; /* lines, of the domain at hand */
	size_t total, in_page;
	struct smx_report_left_out_counts left_out;
	bool has_failed; /* to write */
};

static bool
is_wanted(const struct smx_report_table *t,
    const struct smx_report_list_row *row)
{
	if (t->is_preview)
		return row->day.report_id.n == 0;
	if (!t->failed && !t->waiting)
		return true;
	return row->has_delivery &&
	    ((t->failed && row->state == SMX_DELIVERY_GIVEN_UP) ||
		(t->waiting && row->state == SMX_DELIVERY_WAITING));
}

static void
add_row(void *arg, const struct smx_report_list_row *row)
{
	struct walk *w = arg;

	w->count++;
	w->in_page++;
	smx_out_deliveries_add(w->lines, row, &w->left_out);
}

static void
on_row(void *arg, const struct smx_report_list_row *row)
{
	struct walk *w = arg;
	const struct smx_report_source *s = w->t->source;
	struct smx_report_list_row mine = *row;

	w->days++;
	if (!is_wanted(w->t, row))
		return;
	smx_report_source_settle(w->t->source, &mine, &w->left_out);
	if (w->t->is_preview) {
		smx_report_plan(&s->settings, &mine, s->wall, add_row, w);
		return;
	}
	if (row->day.report_id.n > 0 && !row->has_delivery)
		mine.detail =
		    smx_slice_text(smx_report_plan_reason(&s->settings, row));
	add_row(w, &mine);
}

static bool
write_page(struct walk *w)
{
	smx_out_deliveries_page(w->lines);
	w->has_failed = !smx_command_write(w->t->out);
	smx_buf_reset(w->t->out);
	w->in_page = 0;
	return !w->has_failed;
}

static bool
on_page(void *arg)
{
	struct walk *w = arg;

	return (w->t->domain_count > 1 && w->in_page < PAGE_LINES) ||
	    write_page(w);
}

void
smx_report_table_complain(const struct smx_report_table *t,
    const struct smx_domain *domain)
{
	const char *kept = domain == NULL && t->day < 0 ? " that is kept" : "";

	smx_command_complain("nothing was counted%s%s%s%s",
	    domain != NULL ? " for " : "", domain != NULL ? domain->text : "",
	    t->day >= 0 ? " on that day" : "",
	    t->is_preview ? " that is still to be sent" : kept);
}

/* Nothing at all, or nothing of the kind. */
static void
complain(const struct walk *w, const struct smx_domain *domain)
{
	const struct smx_report_table *t = w->t;

	if (w->days == 0 || t->is_preview || domain == NULL) {
		if (w->days > 0 && !t->is_preview)
			smx_command_complain("there is nothing of the kind");
		else
			smx_report_table_complain(t, domain);
		return;
	}
	smx_command_complain("%s: what was counted%s has no report that %s",
	    domain->text, t->day >= 0 ? " on that day" : "",
	    !t->waiting      ? "was given up"
		: !t->failed ? "waits"
			     : "was given up or waits");
}

/* All domains, or those that were named, one behind the other. */
static int
walk(struct walk *w, struct smx_buf *reason)
{
	struct smx_report_list_visitor visitor = { on_row, on_page, w };
	const struct smx_report_table *t = w->t;
	struct smx_report_list_filter filter = { .day = t->day };
	size_t i = 0;
	int rc;

	do {
		const struct smx_domain *domain = t->domain_count > 0
		    ? &t->domains[i]
		    : NULL;

		w->days = w->count = 0;
		if (domain != NULL)
			filter.domain = smx_domain_slice(domain);
		rc = smx_report_list(t->source->path, &filter, &visitor,
		    reason);
		if (rc == 0 && w->count == 0 && (domain != NULL || !t->json))
			complain(w, domain);
		w->total += w->count;
	} while (rc == 0 && !w->has_failed && ++i < t->domain_count);
	return rc;
}

int
smx_report_table_write(const struct smx_report_table *t, struct smx_buf *reason)
{
	struct walk w = { .t = t,
		.lines = smx_out_deliveries_new(t->json, t->out) };
	int rc;

	if (w.lines == NULL) {
		smx_buf_add_text(reason, "out of memory");
		return SMX_EXIT_NO_INPUT;
	}
	rc = walk(&w, reason);
	if (smx_out_deliveries_end(&w.lines) < 0 && rc == 0) {
		smx_buf_add_text(reason, "out of memory");
		rc = -SMX_ENOMEM;
	}
	if (rc < 0 || w.has_failed ||
	    ((w.total > 0 || t->json) && !smx_command_write(t->out)))
		return SMX_EXIT_NO_INPUT;
	return w.total > 0 ? SMX_EXIT_OK : SMX_EXIT_BAD;
}
