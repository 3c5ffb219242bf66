#include "core/tlsrpt_read_lines.h"
#include "base/scan.h"
#include "core/limits.h"

/* Keep a line of a policy-string or mx-host. */
static int
add_line(struct smx_tlsrpt_read_pass *p, struct smx_tlsrpt_read_lines *l,
    struct smx_slice text)
{
	struct smx_tlsrpt_line *line;

	if (text.n == 0)
		return 0;
	if (*l->kept == SMX_TLSRPT_READ_LINES_MAX) {
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_LINES_MANY,
		    l->place);
		return 0;
	}
	line = smx_arena_take(p->arena, 1, sizeof(*line));
	if (line == NULL)
		return -SMX_ENOMEM;
	*line = (struct smx_tlsrpt_line){ .text = text };
	*l->last = line;
	l->last = &line->next;
	(*l->kept)++;
	return 0;
}

/* CR, LF or both: what is between them is empty. */
static size_t
line_end(struct smx_slice s)
{
	s.n = smx_slice_find(s, '\n');
	return smx_slice_find(s, '\r');
}

/* A text may hold several lines, or one with its end. */
static int
add_lines(struct smx_tlsrpt_read_pass *p, struct smx_tlsrpt_read_lines *l,
    struct smx_slice text)
{
	int rc = 0;

	if (line_end(text) < text.n)
		smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_STRING_LINES,
		    l->place);
	while (rc == 0 && text.n > 0) {
		struct smx_slice line = text;

		line.n = line_end(text);
		text = smx_slice_from(text, line.n + 1);
		rc = add_line(p, l, line);
	}
	return rc;
}

static struct smx_slice
trim(struct smx_slice s)
{
	return smx_scan_trim_end(smx_slice_from(s, smx_scan_skip_wsp(s, 0)));
}

/* @return where an element of an array that became a text ends: at its comma,
 * or the text's end. In quotes a comma is no end. */
static size_t
element_end(struct smx_slice s)
{
	size_t at = smx_scan_skip_wsp(s, 0);

	if (at < s.n && (s.p[at] == '"' || s.p[at] == '\''))
		at += 1 + smx_slice_find(smx_slice_from(s, at + 1), s.p[at]);
	return at + smx_slice_find(smx_slice_from(s, at), ',');
}

/* ["version: STSv1","mode: enforce"], written as a text; other languages have
 * other quotes, or none. */
static int
add_array(struct smx_tlsrpt_read_pass *p, struct smx_tlsrpt_read_lines *l,
    struct smx_slice inside)
{
	int rc = 0;

	smx_tlsrpt_read_value_find(p, SMX_DIAG_REPORT_STRING_ARRAY, l->place);
	while (rc == 0 && inside.n > 0) {
		size_t end = element_end(inside);
		struct smx_slice one;

		if (end > inside.n)
			end = inside.n;
		one = trim(smx_slice(inside.p, end));
		inside = smx_slice_from(inside, end + 1);
		if (one.n >= 2 && (one.p[0] == '"' || one.p[0] == '\'') &&
		    one.p[one.n - 1] == one.p[0])
			one = smx_slice(one.p + 1, one.n - 2);
		rc = add_lines(p, l, one);
	}
	return rc;
}

/* A text, alone or within an array. */
static int
read_line(struct smx_tlsrpt_read_pass *p, struct smx_tlsrpt_read_lines *l,
    const struct smx_tlsrpt_read_value *v)
{
	struct smx_slice text = { NULL, 0 }, trimmed;
	int rc = smx_tlsrpt_read_value_text(p, v, &text);

	if (rc < 0)
		return rc;
	l->place = v->place;
	if (!l->is_policy)
		return add_line(p, l, text);
	trimmed = trim(text);
	if (trimmed.n >= 2 && trimmed.p[0] == '[' &&
	    trimmed.p[trimmed.n - 1] == ']')
		return add_array(p, l, smx_slice(trimmed.p + 1, trimmed.n - 2));
	return add_lines(p, l, text);
}

int
smx_tlsrpt_read_lines(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_lines *l, const struct smx_tlsrpt_read_value *v)
{
	struct smx_tlsrpt_read_value value;
	int rc;

	if (v->token.kind == SMX_JSON_TEXT) {
		smx_tlsrpt_read_value_find(p,
		    l->is_policy ? SMX_DIAG_REPORT_STRING_TEXT
				 : SMX_DIAG_REPORT_MX_TEXT,
		    v->place);
		return read_line(p, l, v);
	}
	rc = smx_tlsrpt_read_value_is(p, v, SMX_JSON_ARRAY);
	if (rc <= 0)
		return rc;
	while ((rc = smx_tlsrpt_read_value_element(p, &value)) > 0) {
		rc = read_line(p, l, &value);
		if (rc < 0)
			return rc;
	}
	return rc;
}
