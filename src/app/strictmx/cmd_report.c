/*
 * strictmx report: outgoing TLS reports: what will be sent, what was, and
 * where it stands.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "app/strictmx/command.h"
#include "app/strictmx/out_deliveries.h"
#include "app/strictmx/out_report.h"
#include "core/domain.h"
#include "core/gz.h"
#include "engine/dispatch.h"
#include "io/clock.h"
#include "io/dispatch_sqlite.h"
#include "io/report_list_sqlite.h"

#define OUTPUT_MAX ((size_t)256 << 20)

enum verb { LIST, SHOW, EXPORT, PREVIEW, SEND, VERB_COUNT };

static const char *const verbs[VERB_COUNT] = { "list", "show", "export",
	"preview", "send" };

enum { OPTION_DAY = 'd', OPTION_FAILED = 0x100, OPTION_WAITING, OPTION_ALL };

struct report {
	enum verb verb;
	const char *config_path;
	const char *domain_text;
	struct smx_domain domain;
	int64_t day; /* -1: not given */
	bool json, gzip, failed, waiting, all_failed;
	const char *output;
	struct smx_config *config;
	const char *store; /* path */
	struct smx_buf out;
	/* Of the walk through the list: */
	struct smx_out_deliveries *table;
	struct smx_report_day found; /* the last day, its texts below */
	char found_domain[SMX_DOMAIN_MAX + 1];
	char found_id[2 * SMX_DOMAIN_MAX + 128];
	size_t count;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " SMX_CONFIG_FILE,
	    0 },
	{ "day", OPTION_DAY, "YYYY-MM-DD", 0,
	    "Only this day, in UTC; show and export take the last one without "
	    "it",
	    0 },
	{ "failed", OPTION_FAILED, NULL, 0, "list: only what was given up", 0 },
	{ "waiting", OPTION_WAITING, NULL, 0, "list: only what waits", 0 },
	{ "all-failed", OPTION_ALL, NULL, 0,
	    "send: everything that was given up or waits", 0 },
	{ "gzip", 'z', NULL, 0, "export: compressed, as it is sent", 0 },
	{ "output", 'o', "FILE", 0, "export: write to FILE", 0 },
	{ "json", 'j', NULL, 0, "list, show, preview: write JSON", 0 },
	{ 0 },
};

static void
set_day(struct report *r, const char *arg, const struct argp_state *state)
{
	char text[32];
	smx_time wall;

	snprintf(text, sizeof(text), "%.20sT00:00:00Z", arg);
	if (strlen(arg) != 10 || smx_clock_parse(text, &wall) < 0)
		argp_error(state, "\"%s\" is no day such as 2026-01-31", arg);
	else
		r->day = wall / SMX_DAY;
}

static void
set_verb(struct report *r, const char *arg, const struct argp_state *state)
{
	for (int v = 0; v < VERB_COUNT; v++) {
		if (strcmp(arg, verbs[v]) == 0) {
			r->verb = (enum verb)v;
			return;
		}
	}
	argp_error(state, "\"%s\": say list, show, export, preview or send",
	    arg);
}

static void
check_arguments(const struct report *r, const struct argp_state *state)
{
	bool needs = r->verb == SHOW || r->verb == EXPORT ||
	    (r->verb == SEND && !r->all_failed);

	if (r->verb == VERB_COUNT)
		argp_error(state, "say list, show, export, preview or send");
	if (needs && r->domain_text == NULL)
		argp_error(state, "%s: the domain is missing%s", verbs[r->verb],
		    r->verb == SEND ? "; --all-failed for all" : "");
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct report *r = state->input;

	switch (key) {
	case 'c':
		r->config_path = arg;
		return 0;
	case OPTION_DAY:
		set_day(r, arg, state);
		return 0;
	case OPTION_FAILED:
		r->failed = true;
		return 0;
	case OPTION_WAITING:
		r->waiting = true;
		return 0;
	case OPTION_ALL:
		r->all_failed = true;
		return 0;
	case 'z':
		r->gzip = true;
		return 0;
	case 'o':
		r->output = arg;
		return 0;
	case 'j':
		r->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (r->verb == VERB_COUNT)
			set_verb(r, arg, state);
		else if (r->domain_text != NULL)
			argp_error(state, "one domain at a time");
		else if (smx_domain_parse(smx_slice_text(arg), &r->domain) < 0)
			argp_error(state, "\"%s\" is no domain", arg);
		else
			r->domain_text = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(r, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "list [DOMAIN]\nshow DOMAIN\nexport DOMAIN\n"
		    "preview [DOMAIN]\nsend DOMAIN",
	.doc = "Look at the TLS reports that are sent, beside the daemon.\v"
	       "list: where each report goes, and where it stands. show: what "
	       "was counted for a domain. export: the report itself, JSON. "
	       "preview: what was counted today so far and will be sent. send: "
	       "try again at once what waits or was given up; role report does "
	       "it within seconds.\n\n"
	       "Exit status: 0 done, 1 there is nothing of the kind, 2 wrong "
	       "usage, 3 the store or the configuration can't be used.",
};

static struct smx_report_list_filter
filter_of(const struct report *r)
{
	return (struct smx_report_list_filter){
		.domain = smx_domain_slice(&r->domain),
		.day = r->day,
	};
}

static bool
is_wanted(const struct report *r, const struct smx_report_list_row *row)
{
	if (r->failed || r->waiting)
		return row->has_delivery &&
		    ((r->failed && row->state == SMX_DELIVERY_GIVEN_UP) ||
			(r->waiting && row->state == SMX_DELIVERY_WAITING));
	return r->verb != PREVIEW || row->day.report_id.n == 0;
}

static void
on_row(void *arg, const struct smx_report_list_row *row)
{
	struct report *r = arg;

	if (!is_wanted(r, row))
		return;
	r->count++;
	smx_out_deliveries_add(r->table, row);
}

static int
nothing(const struct report *r)
{
	if (r->domain_text != NULL)
		smx_command_complain("nothing was counted for %s%s",
		    r->domain.text, r->day >= 0 ? " on that day" : "");
	else
		smx_command_complain("there is nothing of the kind");
	return SMX_EXIT_BAD;
}

static int
run_list(struct report *r, struct smx_buf *reason)
{
	struct smx_report_list_filter filter = filter_of(r);
	int rc, status = SMX_EXIT_NO_INPUT;

	r->table = smx_out_deliveries_new(r->json, &r->out);
	if (r->table == NULL) {
		smx_buf_add_text(reason, "out of memory");
		return status;
	}
	rc = smx_report_list(r->store, &filter, on_row, r, reason);
	if (smx_out_deliveries_end(&r->table) < 0 && rc == 0) {
		smx_buf_add_text(reason, "out of memory");
		rc = -SMX_ENOMEM;
	}
	if (rc < 0)
		return status;
	if (r->count == 0 && !r->json)
		return nothing(r);
	return smx_command_write(&r->out) ? SMX_EXIT_OK : status;
}

static void
on_day(void *arg, const struct smx_report_list_row *row)
{
	struct report *r = arg;
	const struct smx_report_day *day = &row->day;

	if (!is_wanted(r, row) || day->domain.n >= sizeof(r->found_domain) ||
	    day->report_id.n >= sizeof(r->found_id))
		return;
	/* The last one stays. */
	memcpy(r->found_domain, day->domain.p, day->domain.n);
	memcpy(r->found_id, day->report_id.p, day->report_id.n);
	r->found = (struct smx_report_day){
		.id = day->id,
		.day = day->day,
		.domain = smx_slice(r->found_domain, day->domain.n),
		.report_id = smx_slice(r->found_id, day->report_id.n),
	};
	r->count++;
}

/* The report of the day that was found, as JSON. */
static int
print_report(struct report *r, struct smx_buf *json, struct smx_buf *reason)
{
	static char *const none[] = { NULL };
	const struct smx_config *c = r->config;
	const char *at = strchr(c->report_contact, '@');
	struct smx_dispatch_settings settings = {
		.contact = c->report_contact,
		.submitter = at != NULL ? at + 1 : "",
		.token = "",
		.exclude = none,
	};
	struct smx_dispatch_store *store = NULL;
	struct smx_dispatch dispatch;
	int rc = smx_dispatch_store_open(r->store, true, &store, reason);

	if (rc < 0)
		return rc;
	settings.organization = c->report_organization[0] != '\0'
	    ? c->report_organization
	    : settings.submitter;
	smx_dispatch_init(&dispatch, &settings);
	dispatch.reports = smx_dispatch_store_port(store);
	rc = smx_dispatch_print(&dispatch, &r->found, json);
	if (rc < 0)
		smx_buf_printf(reason, "the report can't be printed: %s",
		    smx_status_text(rc));
	smx_dispatch_store_close(&store);
	return rc;
}

/* As it would look to who gets it. */
static int
print_read(struct report *r, struct smx_slice json, struct smx_buf *reason)
{
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_tlsrpt_read_report read;
	struct smx_diag_list diags;
	struct smx_arena arena;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_READ_ARENA_MAX);
	rc = smx_tlsrpt_read_parse(&arena, json, &diags, &read);
	if (rc < 0) {
		smx_buf_printf(reason, "the report can't be read: %s",
		    smx_status_text(rc));
	} else if (r->json) {
		smx_out_report_json(&read, &r->out);
		smx_buf_add_char(&r->out, '\n');
	} else {
		smx_out_report_line(&read, &r->out);
		smx_buf_add_char(&r->out, '\n');
		smx_out_report_text(&read, &r->out);
	}
	smx_arena_done(&arena);
	return rc;
}

static bool
write_output(const struct report *r)
{
	FILE *f;
	bool ok;

	if (r->output == NULL || strcmp(r->output, "-") == 0)
		return smx_command_write(&r->out);
	f = fopen(r->output, "we");
	ok = f != NULL && fwrite(r->out.p, 1, r->out.n, f) == r->out.n;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok)
		smx_command_complain("%s can't be written", r->output);
	return ok;
}

/* One report: show, export, or preview of a domain. */
static int
run_one(struct report *r, struct smx_buf *reason)
{
	struct smx_report_list_filter filter = filter_of(r);
	struct smx_buf json;
	int rc = smx_report_list(r->store, &filter, on_day, r, reason);

	if (rc < 0)
		return SMX_EXIT_NO_INPUT;
	if (r->count == 0)
		return nothing(r);
	if (r->verb == EXPORT && r->config->report_contact[0] == '\0') {
		smx_buf_add_text(reason,
		    "a report needs a contact: set it in \"report { contact = "
		    "... }\"");
		return SMX_EXIT_NO_INPUT;
	}
	smx_buf_init(&json, OUTPUT_MAX);
	rc = print_report(r, &json, reason);
	if (rc == 0 && r->verb != EXPORT)
		rc = print_read(r, smx_buf_slice(&json), reason);
	else if (rc == 0 && r->gzip)
		rc = smx_gz_write(smx_buf_slice(&json), &r->out);
	else if (rc == 0)
		smx_buf_add(&r->out, smx_buf_slice(&json));
	smx_buf_done(&json);
	return rc == 0 && write_output(r) ? SMX_EXIT_OK : SMX_EXIT_NO_INPUT;
}

static int
run_send(const struct report *r, struct smx_buf *reason)
{
	struct smx_report_list_filter filter = filter_of(r);
	size_t count = 0;

	if (smx_report_list_hurry(r->store, &filter, smx_clock_now().wall,
		&count, reason) < 0)
		return SMX_EXIT_NO_INPUT;
	if (count == 0) {
		smx_command_complain(
		    "nothing waits or was given up%s%s; a day can be sent "
		    "once it is over",
		    r->domain_text != NULL ? " for " : "",
		    r->domain_text != NULL ? r->domain.text : "");
		return SMX_EXIT_BAD;
	}
	fprintf(stderr,
	    "%zu deliveries are due now; a running role report begins within "
	    "five seconds\n",
	    count);
	return SMX_EXIT_OK;
}

int
smx_cmd_report(struct smx_command_context *context, int argc, char **argv)
{
	struct report r = { .config_path = context->config_path,
		.verb = VERB_COUNT,
		.day = -1 };
	struct smx_buf reason;
	int status = SMX_EXIT_NO_INPUT;

	argp_parse(&argp, argc, argv, 0, NULL, &r);
	smx_buf_init(&reason, 4096);
	smx_buf_init(&r.out, OUTPUT_MAX);
	if (smx_config_load(r.config_path, &r.config, &reason) == 0) {
		r.store = smx_config_reports_path(r.config);
		if (r.verb == SEND)
			status = run_send(&r, &reason);
		else if (r.verb == LIST ||
		    (r.verb == PREVIEW && r.domain_text == NULL))
			status = run_list(&r, &reason);
		else
			status = run_one(&r, &reason);
	}
	if (reason.n > 0)
		smx_command_complain("%s", smx_buf_text(&reason));
	smx_config_free(&r.config);
	smx_buf_done(&r.out);
	smx_buf_done(&reason);
	return status;
}
