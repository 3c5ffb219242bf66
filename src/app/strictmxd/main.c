/*
 * strictmxd: the daemon. Reads the configuration, starts the roles, and turns
 * signals into calls.
 */
#include <argp.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "app/config.h"
#include "app/strictmxd/role_resolve.h"
#include "base/log.h"
#include "io/log_out.h"
#include "io/memory.h"

const char *argp_program_version = "strictmxd " SMX_VERSION;

struct daemon {
	const char *config_path;
	struct event_base *base;
	struct smx_config *config;
	struct smx_role_resolve *resolve;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " SMX_CONFIG_FILE,
	    0 },
	{ 0 },
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct daemon *d = state->input;

	switch (key) {
	case 'c':
		d->config_path = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (strcmp(arg, "resolve") != 0)
			argp_error(state,
			    "unknown role \"%s\": the roles are: resolve", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "[ROLE...]",
	.doc = "Answer MTAs which MTA-STS policy holds for a destination.\v"
	       "Without a ROLE, every role that the configuration has is "
	       "started. The role so far: resolve.\n\n"
	       "It stays in the foreground and logs to standard error. SIGHUP "
	       "reloads the configuration, SIGUSR1 logs counters, SIGTERM "
	       "ends it.\n\nExit status: 0 after SIGTERM, 1 when it can't "
	       "start, 64 for wrong usage.",
};

static void
set_log_level(const struct smx_config *config)
{
	static const char *const levels[] = { "error", "warning", "info",
		"debug" };

	for (size_t i = 0; i < 4; i++)
		if (strcmp(config->top_log_level, levels[i]) == 0)
			smx_log_out_start((enum smx_log_level)i);
}

static void
on_end(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;

	(void)number;
	(void)what;
	sd_notify(0, "STOPPING=1");
	event_base_loopbreak(d->base);
}

static void
on_reload(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;
	struct smx_config *config = NULL;
	struct smx_buf reason;
	int rc;

	(void)number;
	(void)what;
	sd_notify(0, "RELOADING=1");
	smx_buf_init(&reason, 4096);
	rc = smx_config_load(d->config_path, &config, &reason);
	if (rc == 0)
		rc = smx_role_resolve_reload(d->resolve, config, &reason);
	if (rc == 0) {
		smx_config_free(&d->config);
		d->config = config;
		set_log_level(config);
		smx_log(SMX_LOG_INFO, "configuration reloaded");
	} else {
		smx_config_free(&config);
		smx_log(SMX_LOG_ERROR,
		    "reload: %s; the old configuration stays in use",
		    smx_buf_text(&reason));
	}
	smx_buf_done(&reason);
	sd_notify(0, "READY=1");
}

static void
on_counters(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;

	(void)number;
	(void)what;
	smx_role_resolve_log(d->resolve);
}

/* Connections are many, and each takes a descriptor. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
run(struct daemon *d, struct smx_buf *reason)
{
	const struct {
		int number;
		event_callback_fn call;
	} signals[] = {
		{ SIGTERM, on_end },
		{ SIGINT, on_end },
		{ SIGHUP, on_reload },
		{ SIGUSR1, on_counters },
	};
	struct event *events[4] = { NULL };
	int rc = 0;

	for (size_t i = 0; i < 4 && rc == 0; i++) {
		events[i] = evsignal_new(d->base, signals[i].number,
		    signals[i].call, d);
		if (events[i] == NULL || event_add(events[i], NULL) < 0)
			rc = -SMX_ENOMEM;
	}
	if (rc == 0)
		rc = smx_role_resolve_start(d->base, d->config, &d->resolve,
		    reason);
	if (rc == 0) {
		smx_memory_trim();
		sd_notify(0, "READY=1");
		smx_log(SMX_LOG_INFO, "strictmxd " SMX_VERSION " is ready");
		event_base_dispatch(d->base);
		smx_role_resolve_log(d->resolve);
		smx_role_resolve_stop(&d->resolve);
		smx_log(SMX_LOG_INFO, "strictmxd ends");
	}
	for (size_t i = 0; i < 4; i++)
		if (events[i] != NULL)
			event_free(events[i]);
	return rc;
}

int
main(int argc, char **argv)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct daemon d = { 0 };
	struct smx_buf reason;
	int rc;

	argp_err_exit_status = 64;
	argp_parse(&argp, argc, argv, 0, NULL, &d);
	sigaction(SIGPIPE, &ignore, NULL);
	/* Three threads, of which one works most of the time: more arenas
	 * would only cost memory. */
	mallopt(M_ARENA_MAX, 1);
	smx_log_out_start(SMX_LOG_INFO);
	raise_file_limit();
	smx_buf_init(&reason, 4096);
	rc = smx_config_load(d.config_path, &d.config, &reason);
	if (rc == 0) {
		set_log_level(d.config);
		d.base = event_base_new();
		rc = d.base != NULL ? run(&d, &reason) : -SMX_ENOMEM;
	}
	if (rc < 0)
		smx_log(SMX_LOG_ERROR, "%s",
		    reason.n > 0 ? smx_buf_text(&reason) : smx_status_text(rc));
	smx_buf_done(&reason);
	smx_config_free(&d.config);
	if (d.base != NULL)
		event_base_free(d.base);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
