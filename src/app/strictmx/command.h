/**
 * The subcommands of strictmx.
 *
 * Layer:   app. Each cmd_*.c is one; main.c has the table.
 */
#ifndef SMX_APP_COMMAND_H
#define SMX_APP_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/** Exit statuses. */
enum {
	SMX_EXIT_OK = 0,
	SMX_EXIT_BAD = 1,      /* what was looked at is not as it should be */
	SMX_EXIT_USAGE = 2,    /* wrong options or arguments */
	SMX_EXIT_NO_INPUT = 3, /* it can't be read, reached or opened */
	SMX_EXIT_CHECK_USAGE = 64, /* of check, whose 0 to 4 are verdicts */
};

/** What all subcommands share. */
struct smx_command_context {
	const char *config_path; /* -c before the subcommand, or NULL */
};

/** Each gets its own argv, with argv[0] "strictmx NAME". */
int smx_cmd_check(struct smx_command_context *c, int argc, char **argv);
int smx_cmd_inspect(struct smx_command_context *c, int argc, char **argv);
int smx_cmd_query(struct smx_command_context *c, int argc, char **argv);
int smx_cmd_cache(struct smx_command_context *c, int argc, char **argv);
int smx_cmd_report(struct smx_command_context *c, int argc, char **argv);
int smx_cmd_config(struct smx_command_context *c, int argc, char **argv);

/**
 * Read a whole file, or standard input for "-".
 *
 * @param max  bytes at the most.
 *
 * @return false after a message on standard error.
 */
bool smx_command_read(const char *path, size_t max, struct smx_buf *to);

/** Write to standard output. @return false after a message. */
bool smx_command_write(const struct smx_buf *from);

/** Say what is wrong with the arguments, escaped, and end as argp_error() does. */
void smx_command_misused(const struct argp_state *state, const char *format,
    ...) __attribute__((format(printf, 2, 3)));

/** Say what is wrong: "strictmx: " and the text, on standard error. */
void smx_command_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
