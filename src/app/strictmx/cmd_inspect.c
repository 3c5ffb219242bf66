/*
 * strictmx inspect: parse a record, a policy or a TLS report, and say what is
 * wrong with it.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/strictmx/command.h"
#include "app/strictmx/out_datagram.h"
#include "app/strictmx/out_findings.h"
#include "app/strictmx/out_report.h"
#include "base/scan.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/sts_match.h"
#include "core/gz.h"
#include "core/sts_txt.h"
#include "core/tlsrpt_read.h"
#include "core/tlsrpt_txt.h"
#include "io/idn.h"

/* The largest that can be valid is a report that is not compressed; what is
 * printed of one can be several times as long. */
#define INPUT_MAX  SMX_TLSRPT_READ_BYTES_MAX
#define OUTPUT_MAX ((size_t)1 << 30)

enum input_type {
	TYPE_GUESS,
	TYPE_RECORD,
	TYPE_POLICY,
	TYPE_TLSRPT,
	TYPE_REPORT,
	TYPE_DATAGRAM,
	TYPE_COUNT
};

/* By type, as it is called in options and JSON, and in a sentence. */
static const char *const type_names[] = {
	[TYPE_GUESS] = NULL,
	[TYPE_RECORD] = "record",
	[TYPE_POLICY] = "policy",
	[TYPE_TLSRPT] = "tlsrpt-record",
	[TYPE_REPORT] = "report",
	[TYPE_DATAGRAM] = "datagram",
};
static const char *const type_words[] = {
	[TYPE_GUESS] = NULL,
	[TYPE_RECORD] = "record",
	[TYPE_POLICY] = "policy",
	[TYPE_TLSRPT] = "TLS reporting record",
	[TYPE_REPORT] = "TLS report",
	[TYPE_DATAGRAM] = "datagram of libtlsrpt",
};

struct inspect {
	enum input_type type;
	const char *mx;
	bool json;
	const char *path;
	struct smx_slice input;
	struct smx_buf inflated;
	struct smx_arena arena;
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	bool parsed; /* what the daemon would use */
	bool valid;  /* without any error */
	bool match;
	struct smx_sts_txt txt;
	struct smx_sts_policy policy;
	struct smx_tlsrpt_txt tlsrpt;
	struct smx_tlsrpt_read_report report;
	struct smx_tlsrpt_event event;
	const char *what; /* is wrong with a datagram */
};

static const struct argp_option options[] = {
	{ "type", 't', "TYPE", 0,
	    "What the input is: record, policy, tlsrpt-record, report or "
	    "datagram; without it, a guess",
	    0 },
	{ "mx", 'm', "HOST", 0,
	    "Also say whether the policy allows this MX host", 0 },
	{ "json", 'j', NULL, 0, "Write JSON", 0 },
	{ 0 },
};

static void
set_type(struct inspect *in, const char *arg, struct argp_state *state)
{
	for (int t = TYPE_RECORD; t < TYPE_COUNT; t++) {
		if (strcmp(arg, type_names[t]) == 0) {
			in->type = (enum input_type)t;
			return;
		}
	}
	smx_command_misused(state,
	    "unknown type \"%s\": it is record, policy, "
	    "tlsrpt-record, report or datagram",
	    arg);
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct inspect *in = state->input;

	switch (key) {
	case 't':
		set_type(in, arg, state);
		return 0;
	case 'm':
		in->mx = arg;
		return 0;
	case 'j':
		in->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (in->path != NULL)
			smx_command_misused(state, "one file at a time");
		in->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (in->path == NULL)
			smx_command_misused(state,
			    "the file is missing; \"-\" reads "
			    "standard input");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "FILE|-",
	.doc =
	    "Parse an _mta-sts TXT record, an MTA-STS policy, an _smtp._tls "
	    "TXT record (tlsrpt-record), a TLS report or a datagram of "
	    "libtlsrpt, and say what is wrong with it and how to mend it.\v"
	    "A record may stand in quotes, as dig(1) prints it. A report may "
	    "be compressed by gzip.\n\n"
	    "Exit status: 0 valid, 1 not valid, 2 wrong usage, 3 the file "
	    "can't be read.",
};

/* Does it begin with that name in quotes, of a member? */
static bool
starts_member(struct smx_slice s, struct smx_slice name)
{
	if (!smx_slice_starts(s, name))
		return false;
	s = smx_slice_from(s, name.n);
	while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL)
		s = smx_slice_from(s, 1);
	return s.n > 0 && s.p[0] == ':';
}

/* Is it an object, with such a member somewhere? */
static bool
is_object_with(struct smx_slice s, struct smx_slice name)
{
	if (smx_slice_starts(s, SMX_SLICE("\xef\xbb\xbf")))
		s = smx_slice_from(s, 3);
	while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL)
		s = smx_slice_from(s, 1);
	if (s.n == 0 || s.p[0] != '{')
		return false;
	while (s.n > 0 && !starts_member(s, name))
		s = smx_slice_from(s,
		    1 + smx_slice_find(smx_slice_from(s, 1), '"'));
	return s.n > 0;
}

/* Both have "policies"; only a datagram has a version of its protocol, a domain
 * or a record beside them. */
static bool
is_datagram(struct smx_slice s)
{
	return is_object_with(s, SMX_SLICE("\"dpv\"")) ||
	    (is_object_with(s, SMX_SLICE("\"policies\"")) &&
		(is_object_with(s, SMX_SLICE("\"pr\"")) ||
		    is_object_with(s, SMX_SLICE("\"d\""))));
}

static bool
is_report(struct smx_slice s)
{
	return smx_gz_is(s) || is_object_with(s, SMX_SLICE("\"policies\""));
}

/* A record has "=" before any ":"; a policy the other way round. */
static enum input_type
guess(struct smx_slice s)
{
	const struct smx_slice tlsrpt = SMX_SLICE("v=TLSRPT");
	size_t equals = smx_slice_find(s, '=');
	size_t colon = smx_slice_find(s, ':');

	if (is_datagram(s))
		return TYPE_DATAGRAM;
	if (is_report(s))
		return TYPE_REPORT;
	if (s.n >= tlsrpt.n &&
	    smx_domain_equal(smx_slice(s.p, tlsrpt.n), tlsrpt))
		return TYPE_TLSRPT;
	return equals < colon ? TYPE_RECORD : TYPE_POLICY;
}

/*
 * A record as dig prints it: character-strings in quotes, which are joined.
 * Without quotes it is taken as it is, but for the line end of the file.
 */
static struct smx_slice
unquote(struct inspect *in, struct smx_slice s)
{
	char *to;
	size_t n = 0;
	bool inside = false;

	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	if (s.n == 0 || s.p[0] != '"')
		return s;
	to = smx_arena_take(&in->arena, s.n, 1);
	if (to == NULL)
		return s;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"') {
			inside = !inside;
		} else if (inside && s.p[i] == '\\' && i + 1 < s.n) {
			to[n++] = s.p[++i];
		} else if (inside || !smx_scan_is_wsp(s.p[i])) {
			to[n++] = s.p[i];
		}
	}
	return smx_slice(to, n);
}

/* Does the policy allow the host of --mx, which may be written in Unicode? */
static bool
is_allowed(const struct inspect *in)
{
	struct smx_slice host = smx_slice_text(in->mx);
	struct smx_domain a_label;

	if (smx_idn_parse(host, &a_label) == 0)
		host = smx_domain_slice(&a_label);
	return smx_sts_match_policy(&in->policy, host);
}

static int
parse_report(struct inspect *in)
{
	struct smx_slice json = SMX_SLICE("");
	int rc = smx_tlsrpt_read_inflate(in->input, &in->inflated, &in->diags,
	    &json);

	/* Findings are about what was inflated. */
	in->input = json;
	if (rc == 0)
		rc = smx_tlsrpt_read_parse(&in->arena, json, &in->diags,
		    &in->report);
	return rc;
}

/* strictmxd drops what has no place to be reported to, so it is checked here as
 * there. */
static int
parse_datagram(struct inspect *in)
{
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;
	int rc = smx_tlsrpt_event_parse(&in->arena, in->input, &in->event,
	    &in->what);

	if (rc < 0)
		return rc;
	smx_diag_list_init(&diags, items, 1);
	rc = smx_tlsrpt_txt_parse(&in->arena, in->event.record, &diags, &txt);
	if (rc == -SMX_EPARSE)
		in->what = "its record (pr) has no usable rua: strictmxd drops "
			   "the datagram";
	return rc;
}

static int
parse(struct inspect *in)
{
	struct smx_slice record = unquote(in, in->input);
	int rc;

	if (in->type == TYPE_GUESS)
		in->type = guess(record);
	if (in->type == TYPE_POLICY) {
		rc = smx_sts_policy_parse(&in->arena, in->input, &in->diags,
		    &in->policy);
	} else if (in->type == TYPE_DATAGRAM) {
		rc = parse_datagram(in);
	} else if (in->type == TYPE_REPORT) {
		rc = parse_report(in);
	} else if (in->type == TYPE_TLSRPT) {
		in->input = record;
		rc = smx_tlsrpt_txt_parse(&in->arena, record, &in->diags,
		    &in->tlsrpt);
	} else {
		in->input = record;
		rc = smx_sts_txt_parse(&in->arena, record, &in->diags,
		    &in->txt);
	}
	if (rc == -SMX_ENOMEM)
		return rc;
	in->parsed = rc == 0;
	in->valid = !smx_diag_list_has_error(&in->diags) && in->what == NULL;
	if (in->mx != NULL && in->parsed && in->type == TYPE_POLICY)
		in->match = is_allowed(in);
	return 0;
}

static void
print_extensions(struct smx_buf *out, const struct smx_sts_extension *e,
    size_t count)
{
	smx_buf_add_text(out, "\"extensions\":[");
	for (size_t i = 0; i < count; i++) {
		smx_buf_add_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		smx_json_print_text(out, e[i].name);
		smx_buf_add_text(out, ",\"value\":");
		smx_json_print_text(out, e[i].value);
		smx_buf_add_char(out, '}');
	}
	smx_buf_add_char(out, ']');
}

static void
print_policy_json(const struct inspect *in, struct smx_buf *out)
{
	const struct smx_sts_policy *p = &in->policy;

	smx_buf_printf(out,
	    ",\"policy\":{\"version\":\"STSv1\",\"mode\":\"%s\","
	    "\"max_age\":%u,\"mx\":[",
	    smx_sts_policy_mode_text(p->mode), p->max_age_s);
	for (size_t i = 0; i < p->mx_count; i++) {
		if (i > 0)
			smx_buf_add_char(out, ',');
		smx_json_print_text(out, p->mx[i]);
	}
	smx_buf_add_text(out, "],");
	print_extensions(out, p->extensions, p->extension_count);
	smx_buf_add_char(out, '}');
}

static void
print_record_json(const struct inspect *in, struct smx_buf *out)
{
	smx_buf_add_text(out, ",\"record\":{\"version\":\"STSv1\",\"id\":");
	smx_json_print_text(out, in->txt.id);
	smx_buf_add_char(out, ',');
	print_extensions(out, in->txt.extensions, in->txt.extension_count);
	smx_buf_add_char(out, '}');
}

static void
print_tlsrpt_json(const struct inspect *in, struct smx_buf *out)
{
	smx_buf_add_text(out,
	    ",\"tlsrpt\":{\"version\":\"TLSRPTv1\",\"rua\":[");
	for (size_t i = 0; i < in->tlsrpt.rua_count; i++) {
		const struct smx_tlsrpt_rua *rua = &in->tlsrpt.rua[i];

		smx_buf_add_text(out, i > 0 ? ",{\"uri\":" : "{\"uri\":");
		smx_json_print_text(out, rua->uri);
		if (rua->scheme == SMX_TLSRPT_RUA_MAILTO) {
			smx_buf_add_text(out, ",\"address\":");
			smx_json_print_text(out, rua->address);
		} else {
			smx_buf_add_text(out, ",\"host\":");
			smx_json_print_text(out, rua->host);
			smx_buf_printf(out, ",\"port\":%u", rua->port);
		}
		smx_buf_add_char(out, '}');
	}
	smx_buf_add_text(out, "]}");
}

static void
print_json(const struct inspect *in, struct smx_buf *out)
{
	bool is_policy = in->type == TYPE_POLICY;

	smx_buf_printf(out, "{\"type\":\"%s\",\"valid\":%s",
	    type_names[in->type], in->valid ? "true" : "false");
	if (in->parsed && is_policy)
		print_policy_json(in, out);
	else if (in->parsed && in->type == TYPE_TLSRPT)
		print_tlsrpt_json(in, out);
	else if (in->parsed && in->type == TYPE_RECORD)
		print_record_json(in, out);
	if (in->parsed && in->type == TYPE_REPORT) {
		smx_buf_add_text(out, ",\"report\":");
		smx_out_report_json(&in->report, out);
	}
	if (in->parsed && in->type == TYPE_DATAGRAM) {
		smx_buf_add_text(out, ",\"event\":");
		smx_out_datagram_json(&in->event, out);
	}
	if (in->what != NULL) {
		smx_buf_add_text(out, ",\"reason\":");
		smx_json_print_text(out, smx_slice_text(in->what));
	}
	if (in->mx != NULL && is_policy)
		smx_buf_printf(out, ",\"match\":%s",
		    in->match ? "true" : "false");
	smx_buf_add_char(out, ',');
	smx_out_findings_json(&in->diags, out);
	smx_buf_add_text(out, "}\n");
}

static void
print_match(const struct inspect *in, struct smx_buf *out)
{
	smx_buf_add_text(out, "mx ");
	smx_buf_add_escaped(out, smx_slice_text(in->mx));
	smx_buf_add_text(out,
	    !in->parsed     ? ": the policy is not valid, it allows nothing\n"
		: in->match ? ": allowed by the policy\n"
			    : ": not allowed by the policy\n");
}

/* What is valid, in one line: a policy, or one of the records. */
static void
print_valid(const struct inspect *in, const char *name, struct smx_buf *out)
{
	if (in->type == TYPE_REPORT || in->type == TYPE_DATAGRAM) {
		smx_buf_printf(out, "%s: a valid %s\n", name,
		    type_words[in->type]);
		return;
	}
	smx_buf_printf(out, "%s: a valid %s: ", name, type_words[in->type]);
	if (in->type == TYPE_POLICY)
		smx_buf_printf(out, "mode %s, max_age %u (%.1f days), %zu mx\n",
		    smx_sts_policy_mode_text(in->policy.mode),
		    in->policy.max_age_s, in->policy.max_age_s / 86400.0,
		    in->policy.mx_count);
	else if (in->type == TYPE_RECORD)
		smx_buf_printf(out, "id %.*s\n", (int)in->txt.id.n,
		    in->txt.id.p);
	else
		for (size_t i = 0; i < in->tlsrpt.rua_count; i++)
			smx_buf_printf(out, "%.*s%s",
			    (int)in->tlsrpt.rua[i].uri.n,
			    in->tlsrpt.rua[i].uri.p,
			    i + 1 < in->tlsrpt.rua_count ? ", " : "\n");
}

static void
print_report(const struct inspect *in, const char *name, struct smx_buf *out)
{
	smx_out_report_repeats(&in->report, name, out);
	smx_buf_printf(out, "%s: ", name);
	smx_out_report_line(&in->report, out);
	smx_buf_add_char(out, '\n');
	smx_out_report_text(&in->report, out);
}

static void
print_text(const struct inspect *in, const char *name, struct smx_buf *out)
{
	static const char *const used[TYPE_COUNT] = {
		[TYPE_RECORD] = ", though strictmxd uses it",
		[TYPE_POLICY] = ", though strictmxd uses it",
		[TYPE_TLSRPT] = ", though reports can be sent",
		[TYPE_REPORT] = ", though it can be read",
	};

	smx_out_findings_text(&in->diags, in->input, name,
	    isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, out);
	if (in->what != NULL)
		smx_buf_printf(out, "%s: error: %s\n", name, in->what);
	if (!in->valid)
		smx_buf_printf(out, "%s: not a valid %s%s\n", name,
		    type_words[in->type],
		    in->parsed && used[in->type] != NULL ? used[in->type] : "");
	else
		print_valid(in, name, out);
	if (in->parsed && in->type == TYPE_REPORT)
		print_report(in, name, out);
	if (in->parsed && in->type == TYPE_DATAGRAM)
		smx_out_datagram_text(&in->event, out);
	if (in->mx != NULL && in->type == TYPE_POLICY)
		print_match(in, out);
}

int
smx_cmd_inspect(struct smx_command_context *c, int argc, char **argv)
{
	struct inspect in = { 0 };
	struct smx_buf file, name, out;
	int status = SMX_EXIT_NO_INPUT;

	(void)c;
	argp_parse(&argp, argc, argv, 0, NULL, &in);
	smx_buf_init(&out, OUTPUT_MAX);
	smx_buf_init(&name, OUTPUT_MAX);
	smx_buf_init(&in.inflated, SMX_TLSRPT_READ_BYTES_MAX);
	smx_arena_init(&in.arena, NULL, 0,
	    SMX_TLSRPT_READ_ARENA_MAX + INPUT_MAX);
	smx_diag_list_init(&in.diags, in.items, SMX_DIAG_COUNT_MAX);
	if (!smx_command_read(in.path, INPUT_MAX, &file))
		goto out;
	in.input = smx_buf_slice(&file);
	if (parse(&in) < 0) {
		smx_command_complain("out of memory");
		goto out;
	}
	smx_buf_add_escaped(&name,
	    smx_slice_text(strcmp(in.path, "-") == 0 ? "input" : in.path));
	if (in.json)
		print_json(&in, &out);
	else
		print_text(&in, smx_buf_text(&name), &out);
	if (smx_command_write(&out))
		status = in.valid ? SMX_EXIT_OK : SMX_EXIT_BAD;
out:
	smx_buf_done(&file);
	smx_buf_done(&name);
	smx_buf_done(&out);
	smx_buf_done(&in.inflated);
	smx_arena_done(&in.arena);
	return status;
}
