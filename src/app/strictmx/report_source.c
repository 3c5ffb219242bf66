#include <string.h>

#include "app/strictmx/report_source.h"
#include "engine/dispatch_report.h"
#include "io/clock.h"

static const char *
unless_empty(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* As role report has them. Nothing is sent, so there are no limits. */
static struct smx_dispatch_settings
settings_of(const struct smx_config *c, const char *token)
{
	const char *at = strchr(c->report_contact, '@');
	const char *submitter = at != NULL ? at + 1 : "";

	return (struct smx_dispatch_settings){
		.organization = c->report_organization[0] != '\0'
		    ? c->report_organization
		    : submitter,
		.contact = c->report_contact,
		.submitter = submitter,
		.token = token,
		.exclude = c->report_exclude,
		.copy_to = unless_empty(c->report_copy_to),
		.copy_mail = unless_empty(c->report_copy_mail),
		.spread = c->report_spread,
		.only_failures = c->report_only_failures,
		.dry_run = c->report_dry_run,
	};
}

int
smx_report_source_open(struct smx_report_source *s,
    const struct smx_config *config, struct smx_buf *reason)
{
	int rc;

	*s = (struct smx_report_source){
		.path = smx_config_reports_path(config),
		.wall = smx_clock_now().wall,
	};
	rc = smx_dispatch_store_open(s->path, true, &s->store, reason);
	if (rc < 0)
		return rc;
	rc = smx_dispatch_store_token(s->store, s->token);
	if (rc < 0)
		smx_buf_printf(reason, "the store of reports %s: %s", s->path,
		    smx_status_text(rc));
	s->settings = settings_of(config, s->token);
	if (rc == 0)
		rc = smx_report_left_out_open(s->path, &s->left_out, reason);
	return rc;
}

void
smx_report_source_done(struct smx_report_source *s)
{
	smx_report_left_out_close(&s->left_out);
	smx_dispatch_store_close(&s->store);
}

void
smx_report_source_settle(struct smx_report_source *s,
    struct smx_report_list_row *row, struct smx_report_left_out_counts *counts)
{
	/* It may have grown since the row was read. */
	if (counts->day_id != row->day.id) {
		counts->day_id = row->day.id;
		(void)smx_report_left_out_count(s->left_out, row->day.id,
		    &counts->success, &counts->failure);
	}
	row->success -= counts->success < row->success ? counts->success
						       : row->success;
	row->failure -= counts->failure < row->failure ? counts->failure
						       : row->failure;
}

bool
smx_report_source_check(const struct smx_report_source *s,
    struct smx_buf *reason)
{
	if (s->settings.submitter[0] != '\0')
		return true;
	smx_buf_add_text(reason,
	    "a report names whom to ask: set contact in \"report { contact = "
	    "... }\" to the mail address that TLS reports are sent from");
	return false;
}

int
smx_report_source_print(const struct smx_report_source *s,
    const struct smx_report_day *day, struct smx_buf *out,
    struct smx_buf *reason)
{
	struct smx_dispatch dispatch;
	int rc;

	smx_dispatch_init(&dispatch, &s->settings);
	dispatch.reports = smx_dispatch_store_port(s->store);
	rc = smx_dispatch_report_print(&dispatch, day, out);
	if (rc < 0)
		smx_buf_printf(reason, "the report can't be printed: %s",
		    smx_status_text(rc));
	smx_dispatch_done(&dispatch);
	return rc;
}
