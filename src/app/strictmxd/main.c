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

#include "app/config_check.h"
#include "app/strictmxd/role_collect.h"
#include "app/strictmxd/role_report.h"
#include "app/strictmxd/role_resolve.h"
#include "base/log.h"
#include "io/log_out.h"
#include "io/memory.h"

const char *argp_program_version = "strictmxd " SMX_VERSION;

static const char *const role_names[SMX_CONFIG_SECTION_COUNT] = {
	[SMX_CONFIG_SECTION_RESOLVE] = "resolve",
	[SMX_CONFIG_SECTION_COLLECT] = "collect",
	[SMX_CONFIG_SECTION_REPORT] = "report",
};

struct daemon {
	const char *config_path;
	bool is_named; /* a role, on the command line */
	bool has_role[SMX_CONFIG_SECTION_COUNT];
	struct event_base *base;
	struct smx_config *config;
	struct smx_role_resolve *resolve;
	struct smx_role_collect *collect;
	struct smx_role_report *report;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " SMX_CONFIG_FILE,
	    0 },
	{ 0 },
};

static void
name_role(struct daemon *d, const char *name, const struct argp_state *state)
{
	for (size_t i = 0; i < SMX_CONFIG_SECTION_COUNT; i++) {
		if (strcmp(name, role_names[i]) == 0) {
			d->is_named = d->has_role[i] = true;
			return;
		}
	}
	argp_error(state,
	    "unknown role \"%s\": the roles are: resolve, collect, "
	    "report",
	    name);
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct daemon *d = state->input;

	switch (key) {
	case 'c':
		d->config_path = arg;
		return 0;
	case ARGP_KEY_ARG:
		name_role(d, arg, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "[ROLE...]",
	.doc = "Answer MTAs which MTA-STS policy holds for a destination, and "
	       "report to domains how TLS with them went.\v"
	       "The roles: resolve answers MTAs, collect counts the results "
	       "of TLS sessions that MTAs write to it, report sends reports "
	       "about them. Without a ROLE, every "
	       "role that has a section in the configuration is started; when "
	       "none has, resolve.\n\n"
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

static int
reload_roles(struct daemon *d, const struct smx_config *config,
    struct smx_buf *reason)
{
	int rc = 0;

	if (d->report != NULL)
		rc = smx_role_report_reload(&d->report, config, reason);
	if (rc == 0 && d->collect != NULL)
		rc = smx_role_collect_reload(d->collect, config, reason);
	if (rc == 0 && d->resolve != NULL)
		rc = smx_role_resolve_reload(d->resolve, config, reason);
	return rc;
}

/* Some roles may use the new configuration already. */
static void
go_back(struct daemon *d, struct smx_config **config)
{
	struct smx_buf ignored;

	if (*config == NULL)
		return;
	smx_buf_init(&ignored, 4096);
	/* One that can't go back goes on with the new one, which is kept. */
	if (reload_roles(d, d->config, &ignored) == 0)
		smx_config_free(config);
	smx_buf_done(&ignored);
}

/* Roles don't come and go while it runs. */
static void
warn_of_roles(const struct daemon *d, const struct smx_config *config)
{
	bool wanted[SMX_CONFIG_SECTION_COUNT];

	smx_config_roles(config, wanted);
	for (size_t i = 0; i < SMX_CONFIG_SECTION_COUNT && !d->is_named; i++)
		if (wanted[i] != d->has_role[i])
			smx_log(SMX_LOG_WARNING,
			    wanted[i] ? "section %s is new: role %s starts "
					"after the next restart"
				      : "section %s is gone: role %s ends "
					"after the next restart",
			    role_names[i], role_names[i]);
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
		rc = smx_config_check_start(config, d->has_role, &reason);
	if (rc == 0)
		rc = reload_roles(d, config, &reason);
	if (rc == 0) {
		warn_of_roles(d, config);
		smx_config_free(&d->config);
		d->config = config;
		set_log_level(config);
		smx_log(SMX_LOG_INFO, "configuration reloaded");
	} else {
		go_back(d, &config);
		smx_log(SMX_LOG_ERROR,
		    "reload: %s; the old configuration stays in use",
		    smx_buf_text(&reason));
	}
	smx_buf_done(&reason);
	sd_notify(0, "READY=1");
}

static void
log_roles(struct daemon *d)
{
	if (d->resolve != NULL)
		smx_role_resolve_log(d->resolve);
	if (d->collect != NULL)
		smx_role_collect_log(d->collect);
	if (d->report != NULL)
		smx_role_report_log(d->report);
}

static void
on_counters(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	log_roles(arg);
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

/* Without any that is named: those of the configuration. */
static void
choose_roles(struct daemon *d)
{
	if (!d->is_named)
		smx_config_roles(d->config, d->has_role);
}

static int
start_roles(struct daemon *d, struct smx_buf *reason)
{
	int rc;

	choose_roles(d);
	rc = smx_config_check_start(d->config, d->has_role, reason);
	if (rc == 0 && d->has_role[SMX_CONFIG_SECTION_COLLECT])
		rc = smx_role_collect_start(d->base, d->config, &d->collect,
		    reason);
	if (rc == 0 && d->has_role[SMX_CONFIG_SECTION_REPORT])
		rc = smx_role_report_start(d->config, &d->report, reason);
	if (rc == 0 && d->has_role[SMX_CONFIG_SECTION_RESOLVE])
		rc = smx_role_resolve_start(d->base, d->config, &d->resolve,
		    reason);
	return rc;
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
		rc = start_roles(d, reason);
	if (rc == 0) {
		smx_memory_trim();
		sd_notify(0, "READY=1");
		smx_log(SMX_LOG_INFO, "strictmxd " SMX_VERSION " is ready");
		event_base_dispatch(d->base);
		log_roles(d);
	}
	smx_role_resolve_stop(&d->resolve);
	smx_role_report_stop(&d->report);
	smx_role_collect_stop(&d->collect);
	if (rc == 0)
		smx_log(SMX_LOG_INFO, "strictmxd ends");
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
