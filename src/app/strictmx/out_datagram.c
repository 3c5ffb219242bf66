#include "app/strictmx/out_datagram.h"
#include "core/json.h"
#include "core/tlsrpt_report.h"

static const char *
session_word(const struct smx_tlsrpt_event_policy *p)
{
	if (!p->is_session)
		return "none";
	return p->is_failure ? "failure" : "success";
}

void
smx_out_datagram_json(const struct smx_tlsrpt_event *e, struct smx_buf *out)
{
	smx_buf_add_text(out, "{\"domain\":");
	smx_json_print_text(out, smx_domain_slice(&e->domain));
	smx_buf_add_text(out, ",\"record\":");
	smx_json_print_text(out, e->record);
	smx_buf_add_text(out, ",\"policies\":[");
	for (const struct smx_tlsrpt_event_policy *p = e->policies; p != NULL;
	     p = p->next) {
		smx_buf_add_text(out, "{\"policy\":{");
		smx_tlsrpt_report_print_policy(p, out);
		smx_buf_printf(out,
		    "},\"session\":\"%s\",\"failure-details\":"
		    "[",
		    session_word(p));
		for (const struct smx_tlsrpt_event_failure *f = p->failures;
		     f != NULL; f = f->next) {
			smx_buf_add_char(out, '{');
			smx_tlsrpt_report_print_failure(&f->row, out);
			smx_buf_add_text(out, f->next != NULL ? "}," : "}");
		}
		smx_buf_add_text(out, p->next != NULL ? "]}," : "]}");
	}
	smx_buf_add_text(out, "]}");
}

static void
add_failure(const struct smx_tlsrpt_failure *f, struct smx_buf *out)
{
	smx_buf_printf(out, "    %s", smx_tlsrpt_result_text(f->result));
	if (f->receiving_mx_hostname.n > 0) {
		smx_buf_add_text(out, " at ");
		smx_buf_add_escaped(out, f->receiving_mx_hostname);
	}
	if (f->receiving_ip.n > 0) {
		smx_buf_add_text(out, " [");
		smx_buf_add_escaped(out, f->receiving_ip);
		smx_buf_add_char(out, ']');
	}
	if (f->failure_reason_code.n > 0) {
		smx_buf_add_text(out, ": ");
		smx_buf_add_escaped(out, f->failure_reason_code);
	}
	smx_buf_add_char(out, '\n');
}

void
smx_out_datagram_text(const struct smx_tlsrpt_event *e, struct smx_buf *out)
{
	smx_buf_add_text(out, "  record ");
	smx_buf_add_escaped(out, e->record);
	smx_buf_add_char(out, '\n');
	for (const struct smx_tlsrpt_event_policy *p = e->policies; p != NULL;
	     p = p->next) {
		smx_buf_printf(out, "  %s, %s: session %s\n", p->domain.text,
		    smx_tlsrpt_policy_type_text(p->type), session_word(p));
		for (const struct smx_tlsrpt_line *l = p->policy_string;
		     l != NULL; l = l->next) {
			smx_buf_add_text(out, "    | ");
			smx_buf_add_escaped(out, l->text);
			smx_buf_add_char(out, '\n');
		}
		for (const struct smx_tlsrpt_event_failure *f = p->failures;
		     f != NULL; f = f->next)
			add_failure(&f->row, out);
	}
}
