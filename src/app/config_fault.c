#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/config_fault.h"
#include "app/config_print.h"

#define TEXT_MAX 8192

static void
finish(struct smx_config_faults *f, enum smx_config_fault_kind kind,
    struct smx_buf *text)
{
	f->counts[kind]++;
	f->tell(f->arg, kind, smx_buf_text(text));
	smx_buf_done(text);
}

void
smx_config_fault(struct smx_config_faults *f, enum smx_config_fault_kind kind,
    enum smx_setting i, const char *format, ...)
{
	const struct smx_setting_row *row = smx_config_row(i);
	bool is_top = strcmp(row->section, "top") == 0;
	struct smx_buf text;
	char what[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	smx_buf_init(&text, TEXT_MAX);
	if (f->config->origin[i].file != NULL)
		smx_config_print_origin(f->config, i, &text);
	else
		smx_buf_add_text(&text, f->config->path);
	smx_buf_add_text(&text, ": ");
	if (!is_top)
		smx_buf_printf(&text, "%s { ", row->section);
	smx_buf_add_text(&text, row->name);
	/* Of a list one element is what is meant, and told. */
	if (row->type != SMX_SETTING_IS_LIST) {
		smx_buf_add_text(&text, " = ");
		smx_config_print_value(f->config, i, &text);
	}
	smx_buf_printf(&text, "%s: %s", is_top ? "" : " }", what);
	finish(f, kind, &text);
}

void
smx_config_fault_missing(struct smx_config_faults *f, enum smx_setting i,
    const char *remedy)
{
	const struct smx_setting_row *row = smx_config_row(i);
	struct smx_buf text;

	smx_buf_init(&text, TEXT_MAX);
	smx_buf_add_text(&text, f->config->path);
	for (int k = 0; k < SMX_CONFIG_SECTION_COUNT; k++)
		if (f->config->has_section[k] &&
		    strcmp(smx_config_section_name(k), row->section) == 0)
			smx_buf_printf(&text, ":%d", f->config->section_end[k]);
	smx_buf_printf(&text, ": %s { }: %s is missing: %s", row->section,
	    row->name, remedy);
	finish(f, SMX_CONFIG_FAULT_ERROR, &text);
}
