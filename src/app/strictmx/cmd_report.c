/*
 * strictmx report: outgoing TLS reports: what will be sent, what was, and
 * where it stands.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/strictmx/command.h"
#include "app/strictmx/report_one.h"
#include "app/strictmx/report_source.h"
#include "app/strictmx/report_table.h"
#include "core/domain.h"
#include "core/gz.h"
#include "engine/dispatch_report.h"
#include "io/clock.h"
#include "io/idn.h"
#include "io/report_list_sqlite.h"

#define OUTPUT_MAX ((size_t)256 << 20)

enum verb { LIST, SHOW, EXPORT, PREVIEW, SEND, VERB_COUNT };

static const char *const verbs[VERB_COUNT] = { "list", "show", "export",
	"preview", "send" };

enum {
	OPTION_DAY = 'd',
	OPTION_GZIP = 'z',
	OPTION_OUTPUT = 'o',
	OPTION_JSON = 'j',
	OPTION_FAILED = 0x100,
	OPTION_WAITING,
	OPTION_ALL
};

#define OF(verb) (1u << (verb))

/* Which verbs an option is of. */
static const struct {
	int key;
	const char *name;
	unsigned verbs;
} uses[] = {
	{ OPTION_FAILED, "--failed", OF(LIST) },
	{ OPTION_WAITING, "--waiting", OF(LIST) },
	{ OPTION_ALL, "--all-failed", OF(SEND) },
	{ OPTION_GZIP, "--gzip", OF(EXPORT) },
	{ OPTION_OUTPUT, "--output", OF(EXPORT) },
	{ OPTION_JSON, "--json", OF(LIST) | OF(SHOW) | OF(PREVIEW) },
};

#define USE_COUNT (sizeof(uses) / sizeof(uses[0]))

struct report {
	enum verb verb;
	const char *config_path;
	struct smx_domain *domains; /* room for all arguments */
	size_t domain_count;
	int64_t day; /* -1: not given */
	bool json, gzip, failed, waiting, all_failed;
	bool is_given[USE_COUNT];
	const char *output;
	struct smx_config *config;
	struct smx_report_source source;
	struct smx_buf out;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " SMX_CONFIG_FILE,
	    0 },
	{ "day", OPTION_DAY, "YYYY-MM-DD", 0,
	    "Only this day, in UTC; show, export and preview of a domain take "
	    "the last one without it",
	    0 },
	{ "failed", OPTION_FAILED, NULL, 0, "list: only what was given up", 0 },
	{ "waiting", OPTION_WAITING, NULL, 0, "list: only what waits", 0 },
	{ "all-failed", OPTION_ALL, NULL, 0,
	    "send: all that was given up, or has failed and waits", 0 },
	{ "gzip", OPTION_GZIP, NULL, 0, "export: compressed, as it is sent",
	    0 },
	{ "output", OPTION_OUTPUT, "FILE", 0, "export: write to FILE", 0 },
	{ "json", OPTION_JSON, NULL, 0, "list, show, preview: write JSON", 0 },
	{ 0 },
};

static const struct smx_domain no_domain;

static void
set_day(struct report *r, const char *arg, const struct argp_state *state)
{
	char text[32], printed[SMX_CLOCK_TEXT_BYTES] = "";
	smx_time wall;

	snprintf(text, sizeof(text), "%.20sT00:00:00Z", arg);
	if (smx_clock_parse(text, &wall) == 0)
		smx_clock_print(wall, printed);
	/* The 30th of February is read as a day in March. */
	if (strcmp(text, printed) != 0)
		smx_command_misused(state,
		    "\"%s\" is no day such as 2026-01-31", arg);
	else if (wall < 0)
		smx_command_misused(state,
		    "\"%s\": days before 1970 are not kept", arg);
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
	smx_command_misused(state,
	    "\"%s\": say list, show, export, preview or send", arg);
}

/* An option that would be passed over in silence is a mistake. */
static void
check_uses(const struct report *r, const struct argp_state *state)
{
	for (size_t i = 0; i < USE_COUNT; i++)
		if (r->is_given[i] && (uses[i].verbs & OF(r->verb)) == 0)
			smx_command_misused(state, "%s has no %s",
			    verbs[r->verb], uses[i].name);
}

static void
check_arguments(const struct report *r, const struct argp_state *state)
{
	bool needs = r->verb == SHOW || r->verb == EXPORT ||
	    (r->verb == SEND && !r->all_failed);

	if (r->verb == VERB_COUNT) {
		smx_command_misused(state,
		    "say list, show, export, preview or send");
		return;
	}
	check_uses(r, state);
	if (needs && r->domain_count == 0)
		smx_command_misused(state, "%s: the domain is missing%s",
		    verbs[r->verb],
		    r->verb == SEND ? "; --all-failed for all" : "");
	else if (r->verb == SEND && r->all_failed && r->domain_count > 0)
		smx_command_misused(state, "say a domain or --all-failed");
	else if (r->verb != LIST && r->domain_count > 1)
		smx_command_misused(state, "%s: one domain at a time",
		    verbs[r->verb]);
}

static void
add_argument(struct report *r, const char *arg, const struct argp_state *state)
{
	struct smx_slice name = smx_slice_text(arg);
	struct smx_domain *to = &r->domains[r->domain_count];

	if (r->verb == VERB_COUNT)
		set_verb(r, arg, state);
	else if (smx_domain_parse(name, to) < 0 && smx_idn_parse(name, to) < 0)
		smx_command_misused(state, "\"%s\" is no domain", arg);
	else
		r->domain_count++;
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct report *r = state->input;

	for (size_t i = 0; i < USE_COUNT; i++)
		if (key == uses[i].key)
			r->is_given[i] = true;
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
	case OPTION_GZIP:
		r->gzip = true;
		return 0;
	case OPTION_OUTPUT:
		r->output = arg;
		return 0;
	case OPTION_JSON:
		r->json = true;
		return 0;
	case ARGP_KEY_ARG:
		add_argument(r, arg, state);
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
	.args_doc = "list [DOMAIN...]\nshow DOMAIN\nexport DOMAIN\n"
		    "preview [DOMAIN]\nsend DOMAIN",
	.doc = "Look at the TLS reports that are sent, beside the daemon.\v"
	       "list: where each report goes, and where it stands. show: what "
	       "was counted for a domain, and its deliveries. export: the "
	       "report itself, JSON. preview: what was counted today so far "
	       "and where it will go; with a domain, the report as it would "
	       "be sent. send: try again at once what waits or was given up; "
	       "role report does it within seconds.\n\n"
	       "Exit status: 0 done, 1 there is nothing of the kind, 2 wrong "
	       "usage, 3 the store or the configuration can't be used.",
};

static struct smx_slice
domain_of(const struct report *r)
{
	return smx_domain_slice(r->domain_count > 0 ? &r->domains[0]
						    : &no_domain);
}

static struct smx_report_table
table_of(struct report *r)
{
	return (struct smx_report_table){
		.source = &r->source,
		.domains = r->domains,
		.domain_count = r->domain_count,
		.day = r->day,
		.is_preview = r->verb == PREVIEW,
		.json = r->json,
		.failed = r->failed,
		.waiting = r->waiting,
		.out = &r->out,
	};
}

static int
nothing(struct report *r)
{
	const struct smx_report_table table = table_of(r);

	smx_report_table_complain(&table, &r->domains[0]);
	return SMX_EXIT_BAD;
}

static int
run_list(struct report *r, struct smx_buf *reason)
{
	const struct smx_report_table table = table_of(r);

	return smx_report_table_write(&table, reason);
}

static bool
write_file(const struct report *r)
{
	FILE *f = fopen(r->output, "we");
	bool ok = f != NULL && fwrite(r->out.p, 1, r->out.n, f) == r->out.n;

	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok)
		smx_command_complain("%s: %s", r->output, strerror(errno));
	return ok;
}

static int
print_one(struct report *r, const struct smx_report_one *one,
    struct smx_buf *reason)
{
	struct smx_buf json;
	int rc;

	if (r->verb == SHOW)
		return smx_report_one_show(one, r->json, &r->out, reason);
	if (!smx_report_source_check(&r->source, reason))
		return -SMX_EINVAL;
	smx_buf_init(&json, SMX_DISPATCH_REPORT_MAX);
	rc = smx_report_one_print(one,
	    r->verb == PREVIEW ? SMX_REPORT_ONE_NO_ID : "", &json, reason);
	if (rc == 0 && r->gzip) {
		rc = smx_gz_write(smx_buf_slice(&json), &r->out);
		if (rc < 0)
			smx_buf_add_text(reason, smx_status_text(rc));
	} else if (rc == 0) {
		smx_buf_add(&r->out, smx_buf_slice(&json));
		/* An export is what is sent, to the octet. */
		if (r->verb == PREVIEW)
			smx_buf_add_char(&r->out, '\n');
	}
	smx_buf_done(&json);
	return rc;
}

/* One report: show, export, or preview of a domain. */
static int
run_one(struct report *r, struct smx_buf *reason)
{
	bool to_stdout = r->output == NULL || strcmp(r->output, "-") == 0;
	struct smx_report_one one;
	int rc;

	if (r->gzip && to_stdout && isatty(STDOUT_FILENO)) {
		smx_command_complain("the report is compressed: write it into "
				     "a file with --output, or a pipe");
		return SMX_EXIT_USAGE;
	}
	smx_report_one_init(&one, &r->source);
	one.filter.domain = domain_of(r);
	one.filter.day = r->day;
	one.only_open = r->verb == PREVIEW;
	rc = smx_report_one_find(&one, reason);
	if (rc == 0)
		rc = print_one(r, &one, reason);
	smx_report_one_done(&one);
	if (rc == -SMX_ENOENT && reason->n == 0)
		return nothing(r);
	if (rc < 0)
		return SMX_EXIT_NO_INPUT;
	return (to_stdout ? smx_command_write(&r->out) : write_file(r))
	    ? SMX_EXIT_OK
	    : SMX_EXIT_NO_INPUT;
}

/* Why there was nothing to send. */
struct rest {
	size_t days, delivered, nowhere;
};

static void
count_rest(void *arg, const struct smx_report_list_row *row)
{
	struct rest *rest = arg;

	rest->days++;
	if (row->day.report_id.n == 0)
		return;
	if (row->has_delivery)
		rest->delivered++;
	else
		rest->nowhere++;
}

static int
explain_rest(struct report *r, const struct smx_report_list_filter *f,
    struct smx_buf *reason)
{
	struct rest rest = { 0 };
	struct smx_report_list_visitor visitor = { count_rest, NULL, &rest };
	const char *name = r->domains[0].text;

	if (r->all_failed) {
		smx_command_complain("nothing has failed");
		return SMX_EXIT_BAD;
	}
	if (smx_report_list(r->source.path, f, &visitor, reason) < 0)
		return SMX_EXIT_NO_INPUT;
	if (rest.days == 0)
		return nothing(r);
	if (rest.delivered > 0)
		smx_command_complain("%s: the report was delivered", name);
	else if (rest.nowhere > 0)
		smx_command_complain("%s: the report has no place to go to, "
				     "or was left out by the configuration",
		    name);
	else
		smx_command_complain(
		    "%s: the day is not closed; its report can be sent once "
		    "it is over, some minutes after midnight, UTC",
		    name);
	return SMX_EXIT_BAD;
}

static int
run_send(struct report *r, struct smx_buf *reason)
{
	struct smx_report_list_filter filter = { domain_of(r), r->day };
	size_t count = 0;

	if (smx_report_list_hurry(r->source.path, &filter, smx_clock_now().wall,
		&count, reason) < 0)
		return SMX_EXIT_NO_INPUT;
	if (count == 0)
		return explain_rest(r, &filter, reason);
	fprintf(stderr,
	    "%zu %s due now; a running role report begins within five "
	    "seconds\n",
	    count, count == 1 ? "delivery is" : "deliveries are");
	return SMX_EXIT_OK;
}

static int
run(struct report *r, struct smx_buf *reason)
{
	if (smx_config_load(r->config_path, &r->config, reason) < 0 ||
	    smx_report_source_open(&r->source, r->config, reason) < 0)
		return SMX_EXIT_NO_INPUT;
	if (r->verb == SEND)
		return run_send(r, reason);
	if (r->verb == LIST || (r->verb == PREVIEW && r->domain_count == 0))
		return run_list(r, reason);
	return run_one(r, reason);
}

int
smx_cmd_report(struct smx_command_context *context, int argc, char **argv)
{
	struct report r = { .config_path = context->config_path,
		.verb = VERB_COUNT,
		.day = -1 };
	struct smx_buf reason;
	int status;

	r.domains = calloc((size_t)argc, sizeof(*r.domains));
	if (r.domains == NULL) {
		smx_command_complain("out of memory");
		return SMX_EXIT_NO_INPUT;
	}
	argp_parse(&argp, argc, argv, 0, NULL, &r);
	smx_buf_init(&reason, 4096);
	smx_buf_init(&r.out, OUTPUT_MAX);
	status = run(&r, &reason);
	if (reason.n > 0)
		smx_command_complain("%s", smx_buf_text(&reason));
	smx_report_source_done(&r.source);
	smx_config_free(&r.config);
	smx_buf_done(&r.out);
	smx_buf_done(&reason);
	free(r.domains);
	return status;
}
