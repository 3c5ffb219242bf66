#include "core/tlsrpt_mail.h"
#include "core/date.h"
#include "core/tlsrpt_report.h"

/* RFC 2045, 6.8. */
#define BASE64_LINE_BYTES 57

/* "=_" is in no line of base64, and in none of the text. */
#define BOUNDARY "=_strictmx_tlsrpt"

static void
print_base64(struct smx_slice bytes, struct smx_buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.n; i += 3) {
		const unsigned char *p = (const unsigned char *)bytes.p + i;
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		unsigned bits = (unsigned)p[0] << 16 |
		    (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
		char quad[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
			n > 1 ? digits[bits >> 6 & 63] : '=',
			n > 2 ? digits[bits & 63] : '=' };

		smx_buf_add(out, smx_slice(quad, 4));
		if ((i + 3) % BASE64_LINE_BYTES == 0 || n < 3 ||
		    i + 3 == bytes.n)
			smx_buf_add_text(out, "\r\n");
	}
}

static void
print_field(struct smx_buf *out, const char *name, struct smx_slice value)
{
	smx_buf_add_text(out, name);
	smx_buf_add_text(out, ": ");
	smx_buf_add(out, value);
	smx_buf_add_text(out, "\r\n");
}

static void
print_header(const struct smx_tlsrpt_mail *m, struct smx_buf *out)
{
	print_field(out, "From", m->from);
	print_field(out, "To", m->to);
	smx_buf_add_text(out, "Date: ");
	smx_date_print_mail(m->date, out);
	smx_buf_add_text(out, "\r\nMessage-ID: <");
	smx_buf_add(out, m->report_id);
	smx_buf_add_text(out, ">\r\nSubject: Report Domain: ");
	smx_buf_add(out, m->domain);
	smx_buf_add_text(out, "\r\n Submitter: ");
	smx_buf_add(out, m->submitter);
	smx_buf_add_text(out, "\r\n Report-ID: <");
	smx_buf_add(out, m->report_id);
	smx_buf_add_text(out, ">\r\n");
	print_field(out, "TLS-Report-Domain", m->domain);
	print_field(out, "TLS-Report-Submitter", m->submitter);
	smx_buf_add_text(out,
	    /* RFC 8689, 3: a report goes out however bad TLS is, and makes no
	     * event of its own. */
	    "TLS-Required: No\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
	    "\tboundary=\"" BOUNDARY "\"\r\n\r\n");
}

static void
print_text(const struct smx_tlsrpt_mail *m, struct smx_buf *out)
{
	smx_buf_add_text(out,
	    "--" BOUNDARY "\r\n"
	    "Content-Type: text/plain; charset=\"us-ascii\"\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\n"
	    "This is a TLS report (RFC 8460): how sessions with the mail "
	    "servers of\r\n");
	smx_buf_add(out, m->domain);
	smx_buf_add_text(out, "\r\nwent on ");
	smx_date_print(m->day * SMX_DAY, out);
	smx_buf_add_text(out, " (UTC), seen from\r\n");
	/* Whatever it is, it is of ASCII and in one line of its own. */
	for (size_t i = 0; i < m->organization.n && i < 200; i++) {
		char c = m->organization.p[i];

		smx_buf_add_char(out, c >= ' ' && c <= '~' ? c : '?');
	}
	smx_buf_add_text(out,
	    "\r\nThe attachment has the report, to be read by a program.\r\n"
	    "\r\n");
}

void
smx_tlsrpt_mail_print(const struct smx_tlsrpt_mail *m, struct smx_buf *out)
{
	print_header(m, out);
	print_text(m, out);
	smx_buf_add_text(out,
	    "--" BOUNDARY "\r\n"
	    "Content-Type: application/tlsrpt+gzip\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment;\r\n\tfilename=\"");
	smx_tlsrpt_report_print_name(m->submitter, m->domain, m->day, out);
	smx_buf_add_text(out, ".json.gz\"\r\n\r\n");
	print_base64(m->report, out);
	smx_buf_add_text(out, "--" BOUNDARY "--\r\n");
}
