#include <inttypes.h>

#include "core/tlsrpt_report.h"
#include "core/date.h"
#include "core/json.h"

#define DAY_S INT64_C(86400)

const struct smx_slice smx_tlsrpt_report_other_failure =
    SMX_SLICE("\"result-type\":\"validation-failure\",\"failure-reason-code\":"
	      "\"failures of other kinds, too many to be told apart\"");

static void
print_type(enum smx_tlsrpt_policy_type type, struct smx_buf *out)
{
	smx_buf_printf(out, "\"policy-type\":\"%s\"",
	    smx_tlsrpt_policy_type_text(type));
}

void
smx_tlsrpt_report_print_policy(const struct smx_tlsrpt_event_policy *p,
    struct smx_buf *out)
{
	print_type(p->type, out);
	/* RFC 8460, 4.4: of a policy that was found. */
	if (p->type != SMX_TLSRPT_NO_POLICY_FOUND)
		smx_tlsrpt_event_print_lines(out, "policy-string",
		    p->policy_string);
	smx_json_print_member(out, "policy-domain",
	    smx_domain_slice(&p->domain));
	if (p->type == SMX_TLSRPT_STS)
		smx_tlsrpt_event_print_lines(out, "mx-host", p->mx_host);
}

void
smx_tlsrpt_report_print_other_policy(enum smx_tlsrpt_policy_type type,
    struct smx_slice domain, struct smx_buf *out)
{
	print_type(type, out);
	smx_json_print_member(out, "policy-domain", domain);
}

void
smx_tlsrpt_report_print_failure(const struct smx_tlsrpt_failure *f,
    struct smx_buf *out)
{
	smx_buf_printf(out, "\"result-type\":\"%s\"",
	    smx_tlsrpt_result_text(f->result));
	smx_json_print_member(out, "sending-mta-ip", f->sending_mta_ip);
	smx_json_print_member(out, "receiving-mx-hostname",
	    f->receiving_mx_hostname);
	smx_json_print_member(out, "receiving-mx-helo", f->receiving_mx_helo);
	smx_json_print_member(out, "receiving-ip", f->receiving_ip);
	smx_json_print_member(out, "additional-information",
	    f->additional_information);
	smx_json_print_member(out, "failure-reason-code",
	    f->failure_reason_code);
}

void
smx_tlsrpt_report_begin(struct smx_tlsrpt_report_writer *w, struct smx_buf *out,
    const struct smx_tlsrpt_report_head *head)
{
	*w = (struct smx_tlsrpt_report_writer){ .out = out };
	smx_buf_add_text(out, "{\"organization-name\":");
	smx_json_print_text(out, head->organization_name);
	smx_buf_add_text(out, ",\"date-range\":{\"start-datetime\":\"");
	smx_date_print(head->day * SMX_DAY, out);
	smx_buf_add_text(out, "T00:00:00Z\",\"end-datetime\":\"");
	smx_date_print(head->day * SMX_DAY, out);
	smx_buf_add_text(out, "T23:59:59Z\"},\"contact-info\":");
	smx_json_print_text(out, head->contact_info);
	smx_buf_add_text(out, ",\"report-id\":");
	smx_json_print_text(out, head->report_id);
	smx_buf_add_text(out, ",\"policies\":[");
}

static void
end_policy(struct smx_tlsrpt_report_writer *w)
{
	if (w->has_failure)
		smx_buf_add_char(w->out, ']');
	if (w->has_policy)
		smx_buf_add_char(w->out, '}');
	w->has_failure = false;
}

void
smx_tlsrpt_report_policy(struct smx_tlsrpt_report_writer *w,
    struct smx_slice members, uint64_t success, uint64_t failure)
{
	end_policy(w);
	smx_buf_add_text(w->out,
	    w->has_policy ? ",{\"policy\":{" : "{\"policy\":{");
	smx_buf_add(w->out, members);
	smx_buf_printf(w->out,
	    "},\"summary\":{\"total-successful-session-count\":%" PRIu64
	    ",\"total-failure-session-count\":%" PRIu64 "}",
	    success, failure);
	w->has_policy = true;
}

void
smx_tlsrpt_report_failure(struct smx_tlsrpt_report_writer *w,
    struct smx_slice members, uint64_t count)
{
	smx_buf_add_text(w->out,
	    w->has_failure ? ",{" : ",\"failure-details\":[{");
	smx_buf_add(w->out, members);
	smx_buf_printf(w->out, ",\"failed-session-count\":%" PRIu64 "}", count);
	w->has_failure = true;
}

int
smx_tlsrpt_report_end(struct smx_tlsrpt_report_writer *w)
{
	end_policy(w);
	smx_buf_add_text(w->out, "]}");
	return smx_buf_status(w->out);
}

void
smx_tlsrpt_report_print_name(struct smx_slice submitter,
    struct smx_slice domain, int64_t day, struct smx_buf *out)
{
	smx_buf_add(out, submitter);
	smx_buf_add_char(out, '!');
	smx_buf_add(out, domain);
	smx_buf_printf(out, "!%" PRId64 "!%" PRId64, day * DAY_S,
	    day * DAY_S + DAY_S - 1);
}
