#include <inttypes.h>

#include "app/strictmx/out_report.h"
#include "core/date.h"
#include "core/json.h"

/* Octets of one text that are shown to people. */
#define SHOWN_MAX 200

/* @return the word of RFC 8460, or what stands in its place. */
static struct smx_slice
type_text(const struct smx_tlsrpt_read_policy *p)
{
	return p->is_known
	    ? smx_slice_text(smx_tlsrpt_policy_type_text(p->type))
	    : p->policy_type;
}

static struct smx_slice
result_text(const struct smx_tlsrpt_read_failure *f)
{
	return f->is_known
	    ? smx_slice_text(smx_tlsrpt_result_text(f->row.result))
	    : f->result_type;
}

/* As RFC 3339 has it, in UTC. */
static void
print_time(smx_time wall, struct smx_buf *out)
{
	smx_time in_day = wall % SMX_DAY;

	smx_date_print(wall, out);
	smx_buf_printf(out, "T%02u:%02u:%02u", (unsigned)(in_day / SMX_HOUR),
	    (unsigned)(in_day / SMX_MINUTE % 60),
	    (unsigned)(in_day / SMX_SECOND % 60));
	if (in_day % SMX_SECOND != 0)
		smx_buf_printf(out, ".%03u", (unsigned)(in_day % SMX_SECOND));
	smx_buf_add_char(out, 'Z');
}

static void
print_name(const char *name, struct smx_buf *out)
{
	smx_buf_printf(out, "\"%s\":", name);
}

/* A member and a comma; null stands for what was not told. */
static void
print_member(const char *name, struct smx_slice text, struct smx_buf *out)
{
	print_name(name, out);
	if (text.n > 0)
		smx_json_print_text(out, text);
	else
		smx_buf_add_text(out, "null");
	smx_buf_add_char(out, ',');
}

static void
print_point(const char *name, bool known, smx_time wall, struct smx_buf *out)
{
	char storage[64];
	struct smx_buf text;

	smx_buf_init_fixed(&text, storage, sizeof(storage));
	if (known)
		print_time(wall, &text);
	print_member(name, smx_buf_slice(&text), out);
}

static void
print_lines(const char *name, const struct smx_tlsrpt_line *line,
    struct smx_buf *out)
{
	print_name(name, out);
	smx_buf_add_char(out, '[');
	for (; line != NULL; line = line->next) {
		smx_json_print_text(out, line->text);
		if (line->next != NULL)
			smx_buf_add_char(out, ',');
	}
	smx_buf_add_text(out, "],");
}

static void
print_totals(uint64_t success, uint64_t failure, struct smx_buf *out)
{
	smx_buf_printf(out,
	    "\"total_successful_session_count\":%" PRIu64
	    ",\"total_failure_session_count\":%" PRIu64 ",",
	    success, failure);
}

static void
print_failure_json(const struct smx_tlsrpt_read_failure *f, struct smx_buf *out)
{
	const struct smx_tlsrpt_failure *row = &f->row;

	smx_buf_add_char(out, '{');
	print_member("result_type", result_text(f), out);
	print_member("sending_mta_ip", row->sending_mta_ip, out);
	print_member("receiving_mx_hostname", row->receiving_mx_hostname, out);
	print_member("receiving_mx_helo", row->receiving_mx_helo, out);
	print_member("receiving_ip", row->receiving_ip, out);
	print_member("additional_information", row->additional_information,
	    out);
	print_member("failure_reason_code", row->failure_reason_code, out);
	smx_buf_printf(out, "\"failed_session_count\":%" PRIu64 "}", f->count);
}

static void
print_policy_json(const struct smx_tlsrpt_read_policy *p, struct smx_buf *out)
{
	smx_buf_add_char(out, '{');
	print_member("policy_type", type_text(p), out);
	print_member("policy_domain", p->domain, out);
	print_lines("policy_string", p->policy_string, out);
	print_lines("mx_host", p->mx_host, out);
	print_totals(p->success, p->failure, out);
	smx_buf_add_text(out, "\"failure_details\":[");
	for (const struct smx_tlsrpt_read_failure *f = p->failures; f != NULL;
	     f = f->next) {
		print_failure_json(f, out);
		if (f->next != NULL)
			smx_buf_add_char(out, ',');
	}
	smx_buf_add_text(out, "]}");
}

/* How often each finding was met: they are told once. */
static void
print_met(const struct smx_tlsrpt_read_report *r, struct smx_buf *out)
{
	bool is_first = true;

	smx_buf_add_text(out, "\"finding_counts\":{");
	for (int i = SMX_DIAG_OK + 1; i < SMX_DIAG_CODE_COUNT; i++) {
		if (r->met[i] == 0)
			continue;
		smx_buf_printf(out, "%s\"%s\":%" PRIu32, is_first ? "" : ",",
		    smx_diag_row((enum smx_diag_code)i)->name, r->met[i]);
		is_first = false;
	}
	smx_buf_add_char(out, '}');
}

void
smx_out_report_json(const struct smx_tlsrpt_read_report *r, struct smx_buf *out)
{
	char storage[64];
	struct smx_buf day;

	smx_buf_init_fixed(&day, storage, sizeof(storage));
	if (r->has_day)
		smx_date_print(r->day * SMX_DAY, &day);
	smx_buf_add_char(out, '{');
	print_member("organization_name", r->organization_name, out);
	print_member("contact_info", r->contact_info, out);
	print_member("report_id", r->report_id, out);
	print_member("day", smx_buf_slice(&day), out);
	print_point("start_datetime", r->has_start, r->start, out);
	print_point("end_datetime", r->has_end, r->end, out);
	print_totals(r->success, r->failure, out);
	smx_buf_printf(out, "\"policy_count\":%zu,\"failure_count\":%zu,",
	    r->policy_count, r->failure_count);
	smx_buf_add_text(out, "\"policies\":[");
	for (const struct smx_tlsrpt_read_policy *p = r->policies; p != NULL;
	     p = p->next) {
		print_policy_json(p, out);
		if (p->next != NULL)
			smx_buf_add_char(out, ',');
	}
	smx_buf_add_text(out, "],");
	print_met(r, out);
	smx_buf_add_char(out, '}');
}

/* For people: escaped, and cut. */
static void
show(struct smx_slice text, struct smx_buf *out)
{
	bool is_long = text.n > SHOWN_MAX;

	if (is_long)
		text.n = SHOWN_MAX;
	smx_buf_add_escaped(out, text);
	if (is_long)
		smx_buf_add_text(out, "...");
}

static void
show_or(struct smx_slice text, const char *instead, struct smx_buf *out)
{
	if (text.n > 0)
		show(text, out);
	else
		smx_buf_add_text(out, instead);
}

static void
print_sessions(uint64_t success, uint64_t failure, struct smx_buf *out)
{
	smx_buf_printf(out,
	    "%" PRIu64 " session%s succeeded, %" PRIu64 " failed", success,
	    success != 1 ? "s" : "", failure);
}

void
smx_out_report_line(const struct smx_tlsrpt_read_report *r, struct smx_buf *out)
{
	show_or(r->organization_name, "no organization", out);
	smx_buf_add_text(out, ", ");
	if (r->has_day)
		smx_date_print(r->day * SMX_DAY, out);
	else
		smx_buf_add_text(out, "no day");
	smx_buf_add_text(out, ": ");
	print_sessions(r->success, r->failure, out);
}

static void
print_failure(const struct smx_tlsrpt_read_failure *f, struct smx_buf *out)
{
	const struct smx_tlsrpt_failure *row = &f->row;
	const struct {
		const char *before;
		struct smx_slice text;
		const char *behind;
	} parts[] = {
		{ " at ", row->receiving_mx_hostname, "" },
		{ " [", row->receiving_ip, "]" },
		{ ", which calls itself ", row->receiving_mx_helo, "" },
		{ ", from ", row->sending_mta_ip, "" },
		{ ": ", row->failure_reason_code, "" },
		{ " (", row->additional_information, ")" },
	};

	smx_buf_printf(out, "    %8" PRIu64 " ", f->count);
	show_or(result_text(f), "failed somehow", out);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].text.n == 0)
			continue;
		smx_buf_add_text(out, parts[i].before);
		show(parts[i].text, out);
		smx_buf_add_text(out, parts[i].behind);
	}
	smx_buf_add_char(out, '\n');
}

static void
print_policy(const struct smx_tlsrpt_read_policy *p, struct smx_buf *out)
{
	smx_buf_add_text(out, "  ");
	show_or(p->domain, "no domain", out);
	smx_buf_add_text(out, ", ");
	show_or(type_text(p), "no policy type", out);
	smx_buf_add_text(out, ": ");
	print_sessions(p->success, p->failure, out);
	smx_buf_add_char(out, '\n');
	for (const struct smx_tlsrpt_line *l = p->policy_string; l != NULL;
	     l = l->next) {
		smx_buf_add_text(out, "    | ");
		show(l->text, out);
		smx_buf_add_char(out, '\n');
	}
	for (const struct smx_tlsrpt_read_failure *f = p->failures; f != NULL;
	     f = f->next)
		print_failure(f, out);
}

void
smx_out_report_text(const struct smx_tlsrpt_read_report *r, struct smx_buf *out)
{
	smx_buf_add_text(out, "  report-id ");
	show_or(r->report_id, "missing", out);
	smx_buf_add_text(out, ", contact-info ");
	show_or(r->contact_info, "missing", out);
	smx_buf_add_char(out, '\n');
	for (const struct smx_tlsrpt_read_policy *p = r->policies; p != NULL;
	     p = p->next)
		print_policy(p, out);
}

void
smx_out_report_repeats(const struct smx_tlsrpt_read_report *r, const char *name,
    struct smx_buf *out)
{
	for (int i = SMX_DIAG_OK + 1; i < SMX_DIAG_CODE_COUNT; i++)
		if (r->met[i] > 1)
			smx_buf_printf(out, "%s: %s %" PRIu32 " times\n", name,
			    smx_diag_row((enum smx_diag_code)i)->name,
			    r->met[i]);
}
