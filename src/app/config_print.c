#include <stdint.h>
#include <string.h>

#include "app/config_print.h"
#include "base/scan.h"

static void
print_span(smx_time span, struct smx_buf *out)
{
	static const struct {
		char letter;
		smx_time unit;
	} units[] = { { 'd', SMX_DAY }, { 'h', SMX_HOUR }, { 'm', SMX_MINUTE },
		{ 's', SMX_SECOND } };
	size_t i = 0;

	while (i < 3 && (span == 0 || span % units[i].unit != 0))
		i++;
	smx_buf_printf(out, "\"%lld%c\"", (long long)(span / units[i].unit),
	    units[i].letter);
}

/* What libconfuse reads between double quotes as the same text. "${" would be
 * an environment variable. */
static void
print_text(const char *text, struct smx_buf *out)
{
	struct smx_slice rest = smx_slice_text(text);

	smx_buf_add_char(out, '"');
	while (rest.n > 0) {
		size_t n = smx_scan_utf8(rest);

		if (n == 0 ||
		    smx_scan_is_control(smx_scan_code_point(smx_slice(rest.p,
			n)))) {
			n = n > 0 ? n : 1;
			for (size_t i = 0; i < n; i++)
				smx_buf_printf(out, "\\x%02x",
				    (unsigned char)rest.p[i]);
		} else {
			if (strchr("\"\\$", rest.p[0]) != NULL)
				smx_buf_add_char(out, '\\');
			smx_buf_add(out, smx_slice(rest.p, n));
		}
		rest = smx_slice_from(rest, n);
	}
	smx_buf_add_char(out, '"');
}

void
smx_config_print_value(const struct smx_config *c, enum smx_setting i,
    struct smx_buf *out)
{
	const struct smx_setting_row *row = smx_config_row(i);
	void *at = (char *)(uintptr_t)c + row->offset;

	switch (row->type) {
	case SMX_SETTING_IS_TEXT:
		print_text(*(char **)at, out);
		break;
	case SMX_SETTING_IS_LIST:
		smx_buf_add_char(out, '{');
		for (char **p = *(char ***)at; *p != NULL; p++) {
			smx_buf_add_text(out, p == *(char ***)at ? " " : ", ");
			print_text(*p, out);
		}
		smx_buf_add_text(out, " }");
		break;
	case SMX_SETTING_IS_SWITCH:
		smx_buf_add_text(out, *(bool *)at ? "true" : "false");
		break;
	case SMX_SETTING_IS_SPAN:
		print_span(*(smx_time *)at, out);
		break;
	case SMX_SETTING_IS_COUNT:
		smx_buf_printf(out, "%ld", *(long *)at);
		break;
	}
}

void
smx_config_print_origin(const struct smx_config *c, enum smx_setting i,
    struct smx_buf *out)
{
	if (c->origin[i].file == NULL) {
		smx_buf_add_text(out, "default");
		return;
	}
	smx_buf_add(out, smx_slice_text(c->origin[i].file));
	smx_buf_printf(out, ":%d", c->origin[i].line);
}
