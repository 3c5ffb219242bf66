/*
 * What an SMTP server says: replies, line by line. Whatever the pieces in
 * which the bytes arrive, the same comes out; and nothing is endless.
 */
#include "fuzz.h"
#include "base/scan.h"
#include "core/limits.h"
#include "core/smtp_reply.h"

/* Reply-line without its end, by the grammar of RFC 5321, 4.2 (second digits
 * as in use). */
static bool
is_line(struct smx_slice s)
{
	return s.n >= 3 && s.p[0] >= '2' && s.p[0] <= '5' &&
	    smx_scan_is_digit(s.p[1]) && smx_scan_is_digit(s.p[2]) &&
	    (s.n == 3 || s.p[3] == ' ' || s.p[3] == '-');
}

static void
require_line(struct smx_slice in, const struct smx_smtp_reply *r,
    struct smx_slice text, size_t bytes)
{
	struct smx_slice line = { in.p, bytes - 1 };
	bool has_text;

	SMX_REQUIRE(bytes <= in.n && bytes <= SMX_SMTP_LINE_MAX);
	SMX_REQUIRE(in.p[bytes - 1] == '\n');
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	SMX_REQUIRE(smx_slice_find(line, '\n') == line.n && is_line(line));
	has_text = line.n > 3;
	SMX_REQUIRE(r->is_over == (!has_text || line.p[3] == ' '));
	SMX_REQUIRE(text.n == (has_text ? line.n - 4 : 0));
	SMX_REQUIRE(text.n == 0 || text.p == line.p + 4);
	SMX_REQUIRE(r->code >= 200 && r->code <= 599);
	SMX_REQUIRE(r->line_count <= SMX_SMTP_REPLY_LINES_MAX);
	SMX_REQUIRE(r->byte_count <= SMX_SMTP_REPLY_MAX);
}

/* Cut anywhere, the bytes say "again" or at once what they say in the end. */
static void
require_no_change_of_mind(struct smx_slice in, const struct smx_smtp_reply *r,
    int rc, size_t bytes)
{
	size_t last = rc == 0 ? bytes - 1 : in.n;

	for (size_t n = 0; n < last; n++) {
		struct smx_smtp_reply copy = *r;
		struct smx_slice text;
		size_t end;
		int early;

		if (n == 64 && last > 128)
			n = last - 64;
		early = smx_smtp_reply_take(&copy, smx_slice(in.p, n), &text,
		    &end);
		SMX_REQUIRE(early == -SMX_EAGAIN || (rc < 0 && early == rc));
		SMX_REQUIRE(copy.line_count == r->line_count);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), text;
	struct smx_smtp_reply r;
	size_t bytes;

	smx_smtp_reply_init(&r);
	for (;;) {
		struct smx_smtp_reply before = r;
		int rc = smx_smtp_reply_take(&r, in, &text, &bytes);

		require_no_change_of_mind(in, &before, rc, bytes);
		SMX_REQUIRE(rc == 0 || rc == -SMX_EAGAIN || rc == -SMX_EPARSE ||
		    rc == -SMX_ELIMIT);
		if (rc < 0) {
			/* No line is refused that is one and fits. */
			size_t n = smx_slice_find(in, '\n');

			SMX_REQUIRE(rc != -SMX_EAGAIN || n == in.n);
			SMX_REQUIRE(rc != -SMX_EPARSE ||
			    !is_line(smx_slice(in.p, n)) ||
			    (n == 4 && in.p[3] == '\r'));
			break;
		}
		require_line(in, &r, text, bytes);
		in = smx_slice_from(in, bytes);
		if (r.is_over)
			smx_smtp_reply_init(&r);
	}
	return 0;
}
