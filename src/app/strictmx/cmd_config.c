/*
 * strictmx config: check or show the configuration.
 */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/strictmx/command.h"
#include "core/json.h"

#define OUTPUT_MAX ((size_t)1 << 20)

struct config {
	const char *path;
	bool show;
	bool given; /* check or show */
	bool json;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " SMX_CONFIG_FILE,
	    0 },
	{ "json", 'j', NULL, 0, "show: write JSON", 0 },
	{ 0 },
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct config *c = state->input;

	switch (key) {
	case 'c':
		c->path = arg;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case ARGP_KEY_ARG:
		c->show = strcmp(arg, "show") == 0;
		if (c->given || (!c->show && strcmp(arg, "check") != 0))
			argp_error(state, "say check or show");
		c->given = true;
		return 0;
	case ARGP_KEY_END:
		if (!c->given)
			argp_error(state, "say check or show");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "check|show",
	.doc =
	    "Check the configuration, or show every setting with its value "
	    "and where it comes from.\v"
	    "Exit status: 0 valid, 1 faulty, 2 wrong usage, 3 the file can't "
	    "be read.",
};

static void
print_origin(const struct smx_config *c, size_t i, struct smx_buf *out)
{
	if (c->origin[i].file != NULL)
		smx_buf_printf(out, "%s:%d", c->origin[i].file,
		    c->origin[i].line);
	else
		smx_buf_add_text(out, "default");
}

static void
print_text(const struct smx_config *c, struct smx_buf *out)
{
	const char *section = "top";

	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		const struct smx_setting_row *row = smx_config_row(i);
		size_t start;

		if (strcmp(section, row->section) != 0)
			smx_buf_printf(out, "%s\n%s {\n",
			    strcmp(section, "top") != 0 ? "}" : "",
			    row->section);
		section = row->section;
		start = out->n;
		if (strcmp(section, "top") != 0)
			smx_buf_add_text(out, "    ");
		smx_buf_printf(out, "%s = ", row->name);
		smx_config_print_value(c, i, out);
		do
			smx_buf_add_char(out, ' ');
		while (smx_buf_status(out) == 0 && out->n - start < 60);
		smx_buf_add_text(out, "# ");
		print_origin(c, i, out);
		smx_buf_add_char(out, '\n');
	}
	if (strcmp(section, "top") != 0)
		smx_buf_add_text(out, "}\n");
}

static void
print_json(const struct smx_config *c, struct smx_buf *out)
{
	smx_buf_add_text(out, "[");
	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		const struct smx_setting_row *row = smx_config_row(i);
		struct smx_buf text;

		smx_buf_init(&text, 65536);
		smx_buf_printf(out,
		    "%s{\"section\":\"%s\",\"name\":\"%s\",\"value\":",
		    i > 0 ? "," : "", row->section, row->name);
		smx_config_print_value(c, i, &text);
		smx_json_print_text(out, smx_buf_slice(&text));
		smx_buf_reset(&text);
		print_origin(c, i, &text);
		smx_buf_add_text(out, ",\"origin\":");
		smx_json_print_text(out, smx_buf_slice(&text));
		smx_buf_add_char(out, '}');
		smx_buf_done(&text);
	}
	smx_buf_add_text(out, "]\n");
}

int
smx_cmd_config(struct smx_command_context *context, int argc, char **argv)
{
	struct config c = { .path = context->config_path };
	struct smx_config *config = NULL;
	struct smx_buf out, reason;
	int rc, status = SMX_EXIT_OK;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	smx_buf_init(&out, OUTPUT_MAX);
	smx_buf_init(&reason, 4096);
	rc = smx_config_load(c.path, &config, &reason);
	if (rc < 0) {
		smx_command_complain("%s", smx_buf_text(&reason));
		status = rc == -SMX_EIO ? SMX_EXIT_NO_INPUT : SMX_EXIT_BAD;
	} else if (!c.show) {
		printf("%s: %s\n", c.path != NULL ? c.path : SMX_CONFIG_FILE,
		    c.path == NULL && access(SMX_CONFIG_FILE, F_OK) < 0
			? "not there, the defaults are used"
			: "valid");
	} else {
		if (c.json)
			print_json(config, &out);
		else
			print_text(config, &out);
		if (!smx_command_write(&out))
			status = SMX_EXIT_NO_INPUT;
	}
	smx_config_free(&config);
	smx_buf_done(&out);
	smx_buf_done(&reason);
	return status;
}
