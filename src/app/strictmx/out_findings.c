#include "app/strictmx/out_findings.h"
#include "base/scan.h"
#include "core/json.h"

/* A longer line is shown cut around the finding. */
#define SHOWN_MAX 100

static void
print_number(struct smx_buf *out, const char *name, bool known, size_t n)
{
	if (known)
		smx_buf_printf(out, ",\"%s\":%zu", name, n);
	else
		smx_buf_printf(out, ",\"%s\":null", name);
}

void
smx_out_findings_json(const struct smx_diag_list *diags, struct smx_buf *out)
{
	smx_buf_add_text(out, "\"findings\":[");
	for (size_t i = 0; i < smx_diag_list_kept(diags); i++) {
		const struct smx_diag *d = &diags->items[i];
		const struct smx_diag_row *row = smx_diag_row(d->code);
		char storage[1024];
		struct smx_buf text;

		smx_buf_init_fixed(&text, storage, sizeof(storage));
		smx_diag_print(d, &text);
		smx_buf_printf(out,
		    "%s{\"code\":\"%s\",\"severity\":\"%s\",\"rfc\":\"%s\"",
		    i > 0 ? "," : "", row->name,
		    smx_diag_severity_text(row->severity), row->rfc);
		print_number(out, "line", d->line != 0, d->line);
		print_number(out, "offset", d->line != 0, d->offset);
		smx_buf_add_text(out, ",\"text\":");
		smx_json_print_text(out, smx_buf_slice(&text));
		smx_buf_add_text(out, ",\"fix\":");
		smx_buf_reset(&text);
		smx_diag_print_fix(d, &text);
		smx_json_print_text(out, smx_buf_slice(&text));
		smx_buf_add_char(out, '}');
	}
	smx_buf_add_char(out, ']');
	if (diags->count > diags->max)
		smx_buf_printf(out, ",\"findings_left_out\":%zu",
		    diags->count - diags->max);
}

/* The line around an offset, without its end. */
static struct smx_slice
line_at(struct smx_slice input, size_t offset)
{
	size_t start = offset, end;

	while (start > 0 && input.p[start - 1] != '\n')
		start--;
	end = start + smx_slice_find(smx_slice_from(input, start), '\n');
	return smx_slice(input.p + start, end - start);
}

/* One place on the screen for each character: what can't be shown is a "?". */
static void
add_shown(struct smx_buf *out, struct smx_slice s)
{
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = smx_scan_utf8(smx_slice_from(s, i));

		if (c >= 0x80 && n > 1) {
			if (smx_scan_is_control(
				smx_scan_code_point(smx_slice(s.p + i, n))))
				smx_buf_add_char(out, '?');
			else
				smx_buf_add(out, smx_slice(s.p + i, n));
			i += n;
			continue;
		}
		smx_buf_add_char(out,
		    c == '\t'                  ? ' '
			: c < ' ' || c >= 0x7f ? '?'
					       : (char)c);
		i++;
	}
}

static size_t
columns(struct smx_slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
print_excerpt(const struct smx_diag *d, struct smx_slice input,
    struct smx_buf *out)
{
	struct smx_slice line = line_at(input, d->offset);
	size_t at = (size_t)(input.p + d->offset - line.p);
	size_t mark = columns(d->arg);

	if (line.n > SHOWN_MAX && at > SHOWN_MAX / 2) {
		size_t cut = at - SHOWN_MAX / 2;

		line = smx_slice_from(line, cut);
		at -= cut;
	}
	if (line.n > SHOWN_MAX)
		line.n = SHOWN_MAX;
	if (at > line.n)
		at = line.n;
	smx_buf_printf(out, "%5u | ", d->line);
	add_shown(out, line);
	smx_buf_add_text(out, "\n      | ");
	for (size_t i = columns(smx_slice(line.p, at)); i > 0; i--)
		smx_buf_add_char(out, ' ');
	smx_buf_add_char(out, '^');
	for (size_t i = 1; i < mark && i < SHOWN_MAX; i++)
		smx_buf_add_char(out, '~');
	smx_buf_add_char(out, '\n');
}

static void
print_finding(const struct smx_diag *d, struct smx_slice input,
    const char *name, bool colour, struct smx_buf *out)
{
	static const char *const colours[] = {
		[SMX_DIAG_INFO] = "\033[1;36m",
		[SMX_DIAG_WARNING] = "\033[1;35m",
		[SMX_DIAG_ERROR] = "\033[1;31m",
	};
	const struct smx_diag_row *row = smx_diag_row(d->code);

	smx_buf_add_text(out, name);
	if (d->line != 0) {
		struct smx_slice line = line_at(input, d->offset);

		smx_buf_printf(out, ":%u:%zu", d->line,
		    (size_t)(input.p + d->offset - line.p) + 1);
	}
	smx_buf_printf(out, ": %s%s:%s ", colour ? colours[row->severity] : "",
	    smx_diag_severity_text(row->severity), colour ? "\033[0m" : "");
	smx_diag_print(d, out);
	smx_buf_printf(out, " [%s, %s]\n", row->name, row->rfc);
	if (d->line != 0)
		print_excerpt(d, input, out);
	smx_buf_add_text(out, "      = fix: ");
	smx_diag_print_fix(d, out);
	smx_buf_add_char(out, '\n');
}

void
smx_out_findings_text(const struct smx_diag_list *diags, struct smx_slice input,
    const char *name, bool colour, struct smx_buf *out)
{
	for (size_t i = 0; i < smx_diag_list_kept(diags); i++)
		print_finding(&diags->items[i], input, name, colour, out);
	if (diags->count > diags->max)
		smx_buf_printf(out, "%s: %zu more findings are left out\n",
		    name, diags->count - diags->max);
}
