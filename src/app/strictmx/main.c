/*
 * strictmx: the command line. Finds the subcommand and hands over.
 */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "app/strictmx/command.h"
#include "io/log_out.h"

const char *argp_program_version = "strictmx " SMX_VERSION;

static const struct command {
	const char *name;
	const char *invocation; /* argv[0] in messages */
	int (*run)(struct smx_command_context *c, int argc, char **argv);
	const char *text;
} commands[] = {
	{ "check", "strictmx check", smx_cmd_check,
	    "check domains: is mail to them protected, and if not, why" },
	{ "inspect", "strictmx inspect", smx_cmd_inspect,
	    "parse a record, policy or report and say what is wrong" },
	{ "query", "strictmx query", smx_cmd_query,
	    "ask a running daemon, as an MTA does" },
	{ "cache", "strictmx cache", smx_cmd_cache,
	    "export or import the cached policies" },
	{ "report", "strictmx report", smx_cmd_report,
	    "look at the TLS reports that are sent" },
	{ "config", "strictmx config", smx_cmd_config,
	    "check or show the configuration" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	fputs("Usage: strictmx [-c FILE] SUBCOMMAND [OPTION...] [ARGUMENT...]\n"
	      "MTA-STS (RFC 8461) for people and scripts.\n\n",
	    to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].text);
	fputs("\n  -c, --config=FILE  read FILE instead of " SMX_CONFIG_FILE
	      "\n"
	      "  --help, --version\n\n"
	      "\"strictmx SUBCOMMAND --help\" tells more. See also "
	      "strictmx(1).\n",
	    to);
}

/* No option has such a name, and getopt() would print it as it is. */
static bool
is_printable_name(const char *option)
{
	for (; *option != '\0' && *option != '='; option++)
		if (*option < ' ' || *option > '~')
			return false;
	return true;
}

static int
run(struct smx_command_context *context, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0 &&
		    !is_printable_name(argv[i])) {
			smx_command_complain("unknown option \"%s\"", argv[i]);
			return strcmp(argv[0], "check") == 0
			    ? SMX_EXIT_CHECK_USAGE
			    : SMX_EXIT_USAGE;
		}
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		argv[0] = (char *)commands[i].invocation;
		return commands[i].run(context, argc, argv);
	}
	smx_command_complain("unknown subcommand \"%s\"; there are: check, "
			     "inspect, query, cache, report, config",
	    argv[0]);
	return SMX_EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	struct smx_command_context context = { 0 };
	int i = 1;

	argp_err_exit_status = SMX_EXIT_USAGE;
	smx_log_out_start(SMX_LOG_WARNING);
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-?") == 0) {
			print_help(stdout);
			return SMX_EXIT_OK;
		}
		if (strcmp(argv[i], "--version") == 0 ||
		    strcmp(argv[i], "-V") == 0) {
			puts(argp_program_version);
			return SMX_EXIT_OK;
		}
		if (strncmp(argv[i], "--config=", 9) == 0) {
			context.config_path = argv[i] + 9;
		} else if ((strcmp(argv[i], "-c") == 0 ||
			       strcmp(argv[i], "--config") == 0) &&
		    i + 1 < argc) {
			context.config_path = argv[++i];
		} else {
			smx_command_complain("unknown option \"%s\", or its "
					     "argument is missing",
			    argv[i]);
			return SMX_EXIT_USAGE;
		}
	}
	if (i == argc) {
		print_help(stderr);
		return SMX_EXIT_USAGE;
	}
	return run(&context, argc - i, argv + i);
}
