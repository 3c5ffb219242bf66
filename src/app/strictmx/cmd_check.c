/*
 * strictmx check: what a strict sender would do with mail for a domain today,
 * and what has to be mended.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/strictmx/check_baseline.h"
#include "app/strictmx/check_list.h"
#include "app/strictmx/check_options.h"
#include "app/strictmx/check_run.h"
#include "app/strictmx/check_tally.h"
#include "app/strictmx/command.h"
#include "app/strictmx/out_check_csv.h"
#include "app/strictmx/out_check_json.h"
#include "app/strictmx/out_check_text.h"
#include "engine/check_verdict.h"
#include "io/clock.h"
#include "io/log_out.h"

/* Results of one domain, printed. */
#define OUTPUT_MAX ((size_t)8 << 20)
/* How far the results that are there may be ahead of the one that is next. */
#define AHEAD 8
/* How often the progress is shown. */
#define SHOW_EVERY (SMX_SECOND / 5)

enum {
	EXIT_UNKNOWN = 4,
	EXIT_INTERRUPTED = 130, /* 128 and SIGINT, as shells do */
};

/* A domain under check, or its result that waits for those before it. */
struct slot {
	struct check *check;
	struct smx_domain domain;
	struct smx_buf text;
	bool done;
};

struct check {
	const struct smx_check_options *options;
	struct smx_check_list list;
	struct smx_check_baseline *baseline;
	struct smx_check_run *run;
	struct smx_check_tally tally;
	struct smx_out_check_style style;
	FILE *to;
	struct slot *slots;
	size_t slot_count;
	size_t started; /* slots given out since the start */
	size_t written; /* and those that are free again */
	size_t running;
	size_t faulty; /* lines that are no domain */
	bool exhausted;
	bool failed; /* writing */
	bool told_closed;
	bool shows_progress;
	smx_time begun, shown;
};

static void
clear_progress(const struct check *k)
{
	if (k->shows_progress && k->shown != 0)
		fputs("\r\033[K", stderr);
}

static void
write_out(struct check *k, struct smx_buf *text)
{
	clear_progress(k);
	if (fwrite(text->p, 1, text->n, k->to) != text->n ||
	    fflush(k->to) != 0) {
		if (!k->failed)
			smx_command_complain("%s: %s",
			    k->options->output != NULL ? k->options->output
						       : "standard output",
			    strerror(errno));
		k->failed = true;
	}
	smx_buf_done(text);
}

static void
print(const struct check *k, const struct smx_check *c, struct smx_buf *out)
{
	switch (k->options->format) {
	case SMX_CHECK_OPTIONS_JSON:
		smx_out_check_json(c, out);
		break;
	case SMX_CHECK_OPTIONS_CSV:
		smx_out_check_csv(c, out);
		break;
	case SMX_CHECK_OPTIONS_LINE:
		smx_out_check_text_headline(c, &k->style, out);
		break;
	case SMX_CHECK_OPTIONS_TEXT:
	default:
		if (k->tally.total > 1)
			smx_buf_add_char(out, '\n');
		smx_out_check_text(c, &k->style, out);
		break;
	}
}

/* Write what is there and next in order. */
static void
write_next(struct check *k)
{
	while (k->written < k->started) {
		struct slot *s = &k->slots[k->written % k->slot_count];

		if (!s->done)
			return;
		write_out(k, &s->text);
		k->written++;
	}
}

static void
on_done(void *arg, struct smx_check *c)
{
	struct slot *s = arg;
	struct check *k = s->check;

	smx_check_tally_add(&k->tally, c);
	smx_buf_init(&s->text, OUTPUT_MAX);
	print(k, c, &s->text);
	/* One domain's excess must not end the run. */
	if (smx_buf_status(&s->text) < 0) {
		smx_buf_reset(&s->text);
		clear_progress(k);
		smx_command_complain("%s: the result is too large",
		    s->domain.text);
		smx_check_tally_note(&k->tally, EXIT_UNKNOWN);
	}
	smx_check_free(&c);
	s->done = true;
	k->running--;
	if (k->options->unordered)
		write_out(k, &s->text);
}

/* A slot that is free; with --unordered any, else the next of the ring. */
static struct slot *
find_slot(struct check *k)
{
	if (!k->options->unordered)
		return k->started - k->written < k->slot_count
		    ? &k->slots[k->started % k->slot_count]
		    : NULL;
	for (size_t i = 0; i < k->slot_count; i++)
		if (k->slots[i].done || k->slots[i].check == NULL)
			return &k->slots[i];
	return NULL;
}

/* Start the next domain. @return false: there is none, or no room. */
static bool
start_next(struct check *k)
{
	struct slot *s;
	struct smx_check_request request = { 0 };
	struct smx_buf reason;
	int rc;

	if (k->exhausted || k->failed || k->running >= k->options->jobs)
		return false;
	s = find_slot(k);
	if (s == NULL)
		return false;
	smx_buf_init(&reason, 1024);
	*s = (struct slot){ .check = k };
	rc = smx_check_list_next(&k->list, &s->domain, &reason);
	if (rc == -SMX_EPARSE) {
		s->check = NULL;
		clear_progress(k);
		smx_command_complain("%s", smx_buf_text(&reason));
		k->faulty++;
	}
	if (rc == -SMX_EIO) {
		smx_command_complain("%s: %s", k->options->file,
		    strerror(errno));
		k->failed = true;
	}
	k->exhausted = k->exhausted || rc == -SMX_ENOENT;
	smx_buf_done(&reason);
	if (rc < 0) {
		s->check = NULL;
		return rc == -SMX_EPARSE;
	}
	request.domain = smx_domain_slice(&s->domain);
	request.earlier = smx_check_baseline_find(k->baseline, request.domain);
	k->started++;
	k->running++;
	if (smx_check_run_start(k->run, &request, on_done, s) < 0) {
		smx_command_complain("%s: out of memory", s->domain.text);
		smx_check_tally_note(&k->tally, EXIT_UNKNOWN);
		s->done = true;
		k->running--;
	}
	return true;
}

static void
show_progress(struct check *k)
{
	smx_time now = smx_clock_now().mono;
	double seconds = (double)(now - k->begun) / SMX_SECOND;
	double rate = seconds > 0 ? (double)k->tally.total / seconds : 0;

	if (!k->shows_progress || now - k->shown < SHOW_EVERY)
		return;
	k->shown = now;
	fprintf(stderr, "\r\033[K%zu done, %.0f/s", k->tally.total, rate);
	if (k->list.bytes > 0 && k->list.at > 0 && seconds > 0) {
		double part = (double)k->list.at / (double)k->list.bytes;
		int bars = (int)(part * 20);

		fprintf(stderr, " [%.*s%*s] %.0f%%, %.0f s left", bars,
		    "####################", 20 - bars, "", part * 100,
		    seconds / part - seconds);
	}
	fflush(stderr);
}

static void
tell_closed(struct check *k)
{
	if (k->told_closed || !smx_check_run_is_port_closed(k->run))
		return;
	k->told_closed = true;
	clear_progress(k);
	smx_command_complain("port 25 can't be reached from this network: the "
			     "MX hosts are not looked at");
}

static void
run_all(struct check *k)
{
	k->begun = smx_clock_now().mono;
	for (;;) {
		if (smx_check_run_is_interrupted(k->run))
			k->exhausted = true;
		while (start_next(k))
			continue;
		if (!k->options->unordered)
			write_next(k);
		if (k->running == 0 && (k->exhausted || k->failed))
			break;
		smx_check_run_wait(k->run, SHOW_EVERY);
		tell_closed(k);
		show_progress(k);
	}
	clear_progress(k);
	k->shown = 0;
}

static void
print_tally(struct check *k)
{
	FILE *to = k->options->format == SMX_CHECK_OPTIONS_LINE &&
		k->options->output == NULL
	    ? stdout
	    : stderr;
	struct smx_buf out;

	smx_buf_init(&out, 1 << 20);
	smx_buf_add_char(&out, '\n');
	smx_check_tally_print(&k->tally, &out);
	if (out.n > 1 && smx_buf_status(&out) == 0)
		fwrite(out.p, 1, out.n, to);
	smx_buf_done(&out);
}

/* Columns and colours of where the output goes. */
static void
choose_style(struct check *k)
{
	struct winsize size = { 0 };
	bool terminal = isatty(STDOUT_FILENO) && k->options->output == NULL;

	k->style.width = k->options->width;
	if (k->style.width == 0 && terminal &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		k->style.width = size.ws_col;
	if (k->style.width == 0)
		k->style.width = 80;
	k->style.colour = k->options->colour == SMX_CHECK_OPTIONS_ALWAYS ||
	    (k->options->colour == SMX_CHECK_OPTIONS_AUTO && terminal &&
		getenv("NO_COLOR") == NULL);
	k->shows_progress = k->options->file != NULL && isatty(STDERR_FILENO);
}

/* Nothing is written over before all else is known to be right. */
static int
open_output(struct check *k)
{
	const struct smx_check_options *o = k->options;
	bool is_csv = o->format == SMX_CHECK_OPTIONS_CSV;
	int rc = 0;

	k->to = stdout;
	if (o->output == NULL)
		return SMX_EXIT_OK;
	k->to = o->resume ? fopen(o->output, "r+e") : NULL;
	if (k->to == NULL)
		k->to = fopen(o->output, "w+e");
	if (k->to != NULL && o->resume)
		rc = smx_check_list_resume(&k->list, k->to,
		    is_csv ? SMX_SLICE("domain,")
			   : SMX_SLICE("{\"format\":\"strictmx-check\""));
	if (rc == -SMX_EPARSE)
		smx_command_complain(
		    "%s: these are no results of \"strictmx check --%s\" to go "
		    "on with",
		    o->output, is_csv ? "csv" : "json");
	else if (k->to == NULL || rc < 0)
		smx_command_complain("%s: %s", o->output, strerror(errno));
	if (k->to == NULL || rc < 0)
		return SMX_EXIT_CHECK_USAGE;
	return SMX_EXIT_OK;
}

/* Open the list and the baseline. @return an exit status. */
static int
open_all(struct check *k)
{
	const struct smx_check_options *o = k->options;
	struct smx_buf reason;
	int rc = 0;

	if (o->file == NULL)
		smx_check_list_open_names(&k->list, o->names);
	else if (!smx_check_list_open_file(&k->list, o->file)) {
		smx_command_complain("%s: %s", o->file, strerror(errno));
		return SMX_EXIT_CHECK_USAGE;
	}
	smx_buf_init(&reason, 1024);
	if (o->baseline != NULL)
		rc = smx_check_baseline_load(o->baseline, &k->baseline,
		    &reason);
	if (rc < 0)
		smx_command_complain("%s", smx_buf_text(&reason));
	smx_buf_done(&reason);
	return rc < 0 ? SMX_EXIT_CHECK_USAGE : SMX_EXIT_OK;
}

static void
close_all(struct check *k)
{
	smx_check_run_free(&k->run);
	smx_check_baseline_free(&k->baseline);
	smx_check_list_close(&k->list);
	if (k->to != NULL && k->to != stdout && fclose(k->to) != 0 &&
	    !k->failed) {
		smx_command_complain("%s: %s", k->options->output,
		    strerror(errno));
		k->failed = true;
	}
	free(k->slots);
}

/* Get the run ready. @return an exit status. */
static int
make_run(struct check *k)
{
	struct smx_buf reason;
	int rc;

	smx_buf_init(&reason, 1024);
	rc = smx_check_run_new(&k->options->run, &k->run, &reason);
	if (rc < 0)
		smx_command_complain("%s",
		    reason.n > 0 ? smx_buf_text(&reason) : smx_status_text(rc));
	smx_buf_done(&reason);
	if (rc == -SMX_EINVAL)
		return SMX_EXIT_CHECK_USAGE;
	return rc < 0 ? EXIT_UNKNOWN : SMX_EXIT_OK;
}

int
smx_cmd_check(struct smx_command_context *context, int argc, char **argv)
{
	struct smx_check_options options;
	struct check k = { .options = &options };
	struct smx_buf head;
	int status;

	(void)context;
	smx_check_options_read(&options, argc, argv);
	/* What the log would warn of is told as a finding. */
	smx_log_out_start(SMX_LOG_ERROR);
	choose_style(&k);
	k.slot_count = options.jobs * (options.unordered ? 1 : AHEAD);
	k.slots = calloc(k.slot_count, sizeof(*k.slots));
	status = k.slots != NULL ? open_all(&k) : EXIT_UNKNOWN;
	if (status == SMX_EXIT_OK)
		status = make_run(&k);
	if (status == SMX_EXIT_OK)
		status = open_output(&k);
	if (status == SMX_EXIT_OK) {
		bool interrupted;

		smx_buf_init(&head, 1024);
		if (options.format == SMX_CHECK_OPTIONS_CSV &&
		    (options.output == NULL || ftello(k.to) == 0)) {
			smx_out_check_csv_head(&head);
			write_out(&k, &head);
		}
		run_all(&k);
		interrupted = smx_check_run_is_interrupted(k.run);
		if (options.file != NULL)
			print_tally(&k);
		status = k.tally.status;
		if (k.faulty > 0 && status < SMX_EXIT_USAGE)
			status = SMX_EXIT_CHECK_USAGE;
		if (interrupted)
			status = EXIT_INTERRUPTED;
	}
	close_all(&k);
	if (k.failed)
		status = EXIT_UNKNOWN;
	return status;
}
