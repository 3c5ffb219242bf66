#include "core/tlsrpt_mail.h"
#include "base/scan.h"
#include "core/date.h"
#include "core/tlsrpt_report.h"

/* RFC 2045, 6.8. */
#define BASE64_LINE_BYTES 57

/* RFC 2045, 6.7: 76, of which the last may have to be "=". */
#define QUOTED_LINE_BYTES 75

/* Octets of it that are told; a character that begins before is told whole. */
#define ORGANIZATION_MAX 200
/* The sentence, with a name and an organization. */
#define TEXT_BYTES 1024

/* "=_" is in no line of base64 or quoted-printable, and in none of the text. */
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

/* RFC 2045, 6.7: all that is not ASCII, and blanks at the end of a line. Lines
 * end with CRLF, and are broken before they have more than 76 octets. */
static void
print_quoted(struct smx_slice text, struct smx_buf *out)
{
	size_t column = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool is_last = smx_slice_starts(smx_slice_from(text, i + 1),
		    SMX_SLICE("\r\n"));
		bool is_plain = c >= ' ' && c <= '~' && c != '=' &&
		    (c != ' ' || !is_last);
		size_t n = is_plain ? 1 : 3;

		if (c == '\r' || c == '\n') {
			smx_buf_add_char(out, (char)c);
			column = 0;
			continue;
		}
		if (column + n > QUOTED_LINE_BYTES) {
			smx_buf_add_text(out, "=\r\n");
			column = 0;
		}
		if (is_plain)
			smx_buf_add_char(out, (char)c);
		else
			smx_buf_printf(out, "=%02X", c);
		column += n;
	}
}

/* In one line, and nothing in it that could steer a terminal. */
static void
print_organization(struct smx_slice text, struct smx_buf *out)
{
	size_t i = 0;

	while (i < text.n && i < ORGANIZATION_MAX) {
		size_t n = smx_scan_utf8(smx_slice_from(text, i));
		struct smx_slice character = smx_slice(text.p + i, n);

		if (n == 0 ||
		    smx_scan_is_control(smx_scan_code_point(character)))
			smx_buf_add_char(out, '?');
		else
			smx_buf_add(out, character);
		i += n > 0 ? n : 1;
	}
}

static bool
is_ascii(struct smx_slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > '~')
			return false;
	return true;
}

static void
print_text(const struct smx_tlsrpt_mail *m, struct smx_buf *out)
{
	char storage[TEXT_BYTES];
	struct smx_buf text;
	bool is_7bit;

	smx_buf_init_fixed(&text, storage, sizeof(storage));
	smx_buf_add_text(&text,
	    "This is a TLS report (RFC 8460): how sessions with the mail "
	    "servers of\r\n");
	smx_buf_add(&text, m->domain);
	smx_buf_add_text(&text, "\r\nwent on ");
	smx_date_print(m->day * SMX_DAY, &text);
	smx_buf_add_text(&text, " (UTC), seen from\r\n");
	print_organization(m->organization, &text);
	smx_buf_add_text(&text,
	    "\r\nThe attachment has the report, to be read by a program.\r\n"
	    "\r\n");
	is_7bit = is_ascii(smx_buf_slice(&text));
	smx_buf_printf(out,
	    "--" BOUNDARY "\r\n"
	    "Content-Type: text/plain; charset=\"%s\"\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n",
	    is_7bit ? "us-ascii" : "utf-8",
	    is_7bit ? "7bit" : "quoted-printable");
	if (is_7bit)
		smx_buf_add(out, smx_buf_slice(&text));
	else
		print_quoted(smx_buf_slice(&text), out);
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
