/**
 * The options of `strictmx check`.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_CHECK_OPTIONS_H
#define SMX_APP_CHECK_OPTIONS_H

#include "app/strictmx/check_run.h"

/** Most at the same time. */
#define SMX_CHECK_OPTIONS_JOBS_MAX    512
#define SMX_CHECK_OPTIONS_RESOLVERS   8
#define SMX_CHECK_OPTIONS_CONNECT_MAX 64

enum smx_check_options_format {
	SMX_CHECK_OPTIONS_TEXT,
	SMX_CHECK_OPTIONS_LINE, /* the headline only */
	SMX_CHECK_OPTIONS_JSON,
	SMX_CHECK_OPTIONS_CSV,
};

enum smx_check_options_colour {
	SMX_CHECK_OPTIONS_AUTO,
	SMX_CHECK_OPTIONS_ALWAYS,
	SMX_CHECK_OPTIONS_NEVER,
};

struct smx_check_options {
	char **names; /* domains, NULL-terminated */
	const char *file;
	const char *output;
	const char *baseline;
	bool resume;
	bool unordered;
	enum smx_check_options_format format;
	enum smx_check_options_colour colour;
	size_t width; /* 0: that of the terminal */
	size_t jobs;
	struct smx_check_run_settings run;
	char *resolvers[SMX_CHECK_OPTIONS_RESOLVERS + 1];
	size_t resolver_count;
	struct smx_check_connect connect[SMX_CHECK_OPTIONS_CONNECT_MAX];
	char ehlo[SMX_DOMAIN_MAX + 1];
};

/** Read the command line; ends the process after --help and wrong usage.
 * @p argv must outlive the options. */
void smx_check_options_read(struct smx_check_options *o, int argc, char **argv);

#endif
