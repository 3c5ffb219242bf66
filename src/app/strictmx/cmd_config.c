/*
 * strictmx config: check or show the configuration.
 */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/config_check.h"
#include "app/config_print.h"
#include "app/strictmx/command.h"
#include "core/json.h"

#define OUTPUT_MAX ((size_t)1 << 20)

struct config {
	const char *path;
	bool show;
	bool has_verb;
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
		if (c->has_verb || (!c->show && strcmp(arg, "check") != 0))
			smx_command_misused(state, "say check or show");
		c->has_verb = true;
		return 0;
	case ARGP_KEY_END:
		if (!c->has_verb)
			smx_command_misused(state, "say check or show");
		else if (c->json && !c->show)
			smx_command_misused(state, "check has no --json");
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

/* Does its section stand in the file, or does it stand outside of any? */
static bool
is_given(const struct smx_config *c, size_t i)
{
	const char *section = smx_config_row(i)->section;

	for (int k = 0; k < SMX_CONFIG_SECTION_COUNT; k++)
		if (strcmp(section, smx_config_section_name(k)) == 0)
			return c->has_section[k];
	return true;
}

/* What is not in the file stands in comments: a section starts its role, and
 * some settings mean more when they are given. */
static void
print_text(const struct smx_config *c, struct smx_buf *out)
{
	const char *section = "top", *mark = "";

	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		const struct smx_setting_row *row = smx_config_row(i);
		size_t start;

		if (strcmp(section, row->section) != 0) {
			if (strcmp(section, "top") != 0)
				smx_buf_printf(out, "%s}\n", mark);
			mark = is_given(c, i) ? "" : "# ";
			smx_buf_printf(out, "\n%s%s {\n", mark, row->section);
		}
		section = row->section;
		start = out->n;
		smx_buf_printf(out, "%s%s%s%s = ", mark,
		    strcmp(section, "top") != 0 ? "    " : "",
		    *mark == '\0' && c->origin[i].file == NULL ? "# " : "",
		    row->name);
		smx_config_print_value(c, i, out);
		do
			smx_buf_add_char(out, ' ');
		while (smx_buf_status(out) == 0 && out->n - start < 60);
		smx_buf_add_text(out, "# ");
		smx_config_print_origin(c, i, out);
		smx_buf_add_char(out, '\n');
	}
	smx_buf_printf(out, "%s}\n", mark);
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
		smx_config_print_origin(c, i, &text);
		smx_buf_add_text(out, ",\"origin\":");
		smx_json_print_text(out, smx_buf_slice(&text));
		smx_buf_printf(out, ",\"given\":%s}",
		    is_given(c, i) ? "true" : "false");
		smx_buf_done(&text);
	}
	smx_buf_add_text(out, "]\n");
}

static void
tell(void *arg, enum smx_config_fault_kind kind, const char *text)
{
	static const char *const words[] = {
		[SMX_CONFIG_FAULT_ERROR] = "",
		[SMX_CONFIG_FAULT_WARNING] = "warning: ",
		[SMX_CONFIG_FAULT_UNKNOWN] = "not checked: ",
	};

	(void)arg;
	smx_command_complain("%s%s", words[kind], text);
}

/* As strictmxd would, for the roles that it would start. */
static int
check(const struct smx_config *config, bool is_named)
{
	struct smx_config_faults faults = { .config = config, .tell = tell };
	bool roles[SMX_CONFIG_SECTION_COUNT];
	int rc;

	smx_config_roles(config, roles);
	rc = smx_config_check(roles, &faults);
	if (rc == -SMX_ENOMEM)
		smx_command_complain("out of memory");
	if (rc < 0)
		return rc == -SMX_ENOMEM ? SMX_EXIT_NO_INPUT : SMX_EXIT_BAD;
	printf("%s: %s%s\n", config->path,
	    !is_named && access(config->path, F_OK) < 0
		? "not there, the defaults are used"
		: "valid",
	    faults.counts[SMX_CONFIG_FAULT_UNKNOWN] > 0
		? ", but for what could not be checked"
		: "");
	return SMX_EXIT_OK;
}

static int
show(const struct smx_config *config, bool as_json)
{
	struct smx_buf out;
	bool is_written;

	smx_buf_init(&out, OUTPUT_MAX);
	if (as_json)
		print_json(config, &out);
	else
		print_text(config, &out);
	is_written = smx_command_write(&out);
	smx_buf_done(&out);
	return is_written ? SMX_EXIT_OK : SMX_EXIT_NO_INPUT;
}

int
smx_cmd_config(struct smx_command_context *context, int argc, char **argv)
{
	struct config c = { .path = context->config_path };
	struct smx_config *config = NULL;
	struct smx_buf reason;
	int rc, status;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	smx_buf_init(&reason, 4096);
	rc = smx_config_load(c.path, &config, &reason);
	if (rc < 0) {
		smx_command_complain("%s", smx_buf_text(&reason));
		status = rc == -SMX_EIO ? SMX_EXIT_NO_INPUT : SMX_EXIT_BAD;
	} else if (c.show) {
		status = show(config, c.json);
	} else {
		status = check(config, c.path != NULL);
	}
	smx_config_free(&config);
	smx_buf_done(&reason);
	return status;
}
