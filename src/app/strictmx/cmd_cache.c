/*
 * strictmx cache: export or import the cached policies, while the daemon is
 * stopped.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/config.h"
#include "app/strictmx/command.h"
#include "base/list.h"
#include "base/map.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/sts_policy.h"
#include "io/clock.h"
#include "io/store_sqlite.h"

/* A clock may be a little wrong; more in the future is a mistake. */
#define FUTURE_MAX (5 * SMX_MINUTE)

enum verb { VERB_NONE, VERB_EXPORT, VERB_IMPORT };

struct cache {
	const char *config_path;
	enum verb verb;
	const char *path;
	struct smx_store *store;
	FILE *file;
	size_t count;   /* policies written */
	size_t skipped; /* lines that are older than what is there */
	size_t faulty;
	bool failed; /* writing */
	struct smx_map fetched;
};

/* What is in the store already. */
struct known {
	struct smx_map_node node;
	smx_time fetched;
	char domain[];
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " SMX_CONFIG_FILE,
	    0 },
	{ 0 },
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct cache *c = state->input;

	switch (key) {
	case 'c':
		c->config_path = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (c->verb == VERB_NONE) {
			if (strcmp(arg, "export") == 0)
				c->verb = VERB_EXPORT;
			else if (strcmp(arg, "import") == 0)
				c->verb = VERB_IMPORT;
			else
				smx_command_misused(state,
				    "say export or import");
		} else if (c->path == NULL) {
			c->path = arg;
		} else {
			smx_command_misused(state, "one file at a time");
		}
		return 0;
	case ARGP_KEY_END:
		if (c->verb == VERB_NONE)
			smx_command_misused(state, "say export or import");
		if (c->path == NULL)
			smx_command_misused(state,
			    "the file is missing; \"-\" is "
			    "standard input or output");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "export FILE|-\nimport FILE|-",
	.doc =
	    "Write the cached policies to a file, or take policies from one, "
	    "while strictmxd is stopped.\v"
	    "A line for each policy: {\"domain\":\"example.com\",\"id\":"
	    "\"20260131\",\"fetched_at\":\"2026-01-31T12:00:00Z\","
	    "\"policy\":\"version: STSv1\\r\\n...\"}\n\n"
	    "Import checks every line, reports and leaves out the faulty "
	    "ones, and never replaces a policy by an older one.\n\n"
	    "Exit status: 0 done, 1 lines were faulty, 2 wrong usage, 3 the "
	    "store or the file can't be used.",
};

static void
export_row(void *arg, const struct smx_store_policy *p)
{
	struct cache *c = arg;
	char fetched_at[SMX_CLOCK_TEXT_BYTES];
	struct smx_buf line;

	smx_clock_print(p->fetched, fetched_at);
	smx_buf_init(&line, SMX_JSON_BYTES_MAX);
	smx_buf_add_text(&line, "{\"domain\":");
	smx_json_print_text(&line, p->domain);
	smx_buf_add_text(&line, ",\"id\":");
	smx_json_print_text(&line, p->id);
	smx_buf_printf(&line, ",\"fetched_at\":\"%s\",\"policy\":", fetched_at);
	smx_json_print_text(&line, p->body);
	smx_buf_add_text(&line, "}\n");
	if (smx_buf_status(&line) < 0 ||
	    fwrite(line.p, 1, line.n, c->file) != line.n)
		c->failed = true;
	else
		c->count++;
	smx_buf_done(&line);
}

static int
export_all(struct cache *c)
{
	int rc = smx_store_load(c->store, export_row, c);

	if (rc < 0) {
		smx_command_complain("the store can't be read: %s",
		    smx_status_text(rc));
		return SMX_EXIT_NO_INPUT;
	}
	if (c->failed || fflush(c->file) != 0) {
		smx_command_complain("%s: %s", c->path, strerror(errno));
		return SMX_EXIT_NO_INPUT;
	}
	fprintf(stderr, "%zu policies exported\n", c->count);
	return SMX_EXIT_OK;
}

static void
know_row(void *arg, const struct smx_store_policy *p)
{
	struct cache *c = arg;
	struct known *k = malloc(sizeof(*k) + p->domain.n);

	if (k == NULL) {
		c->failed = true;
		return;
	}
	k->fetched = p->fetched;
	memcpy(k->domain, p->domain.p, p->domain.n);
	smx_map_put(&c->fetched, &k->node, smx_slice(k->domain, p->domain.n));
}

static void
forget_known(struct cache *c)
{
	struct smx_map_node *node, *next;
	size_t iter = 0;

	if (c->fetched.slots == NULL)
		return;
	node = smx_map_next(&c->fetched, &iter, NULL);
	while (node != NULL) {
		next = smx_map_next(&c->fetched, &iter, node);
		free(SMX_ELEMENT(node, struct known, node));
		node = next;
	}
	smx_map_done(&c->fetched);
}

static bool
is_id(struct smx_slice id)
{
	if (id.n == 0 || id.n > SMX_STS_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!smx_scan_is_alnum(id.p[i]))
			return false;
	return true;
}

static int
check_policy(struct smx_arena *a, struct smx_slice body, smx_time fetched,
    smx_time now, struct smx_buf *what)
{
	struct smx_diag_list diags = { 0 };
	struct smx_sts_policy policy;
	int rc = smx_sts_policy_parse(a, body, &diags, &policy);

	if (rc == -SMX_EPARSE)
		smx_diag_print(&diags.fatal, what);
	else if (rc < 0)
		smx_buf_add_text(what, smx_status_text(rc));
	if (rc < 0)
		return rc;
	if (fetched > now + FUTURE_MAX) {
		smx_buf_add_text(what, "\"fetched_at\" is in the future");
		return -SMX_EPARSE;
	}
	if (fetched + (smx_time)policy.max_age_s * SMX_SECOND <= now) {
		smx_buf_add_text(what, "the policy has expired");
		return -SMX_EPARSE;
	}
	return 0;
}

struct row {
	struct smx_domain domain;
	struct smx_store_policy policy;
};

/* Read and check a line. @return 0, or a status with the reason in @p what. */
static int
read_line(struct smx_arena *a, struct smx_slice line, smx_time now,
    struct row *ret, struct smx_buf *what)
{
	struct smx_json_text texts[] = { { .name = "domain" }, { .name = "id" },
		{ .name = "fetched_at" }, { .name = "policy" } };
	struct smx_store_policy *p = &ret->policy;
	int rc = smx_json_read_texts(a, line, texts, 4, what);

	if (rc < 0)
		return rc;
	if (smx_domain_parse(texts[0].value, &ret->domain) < 0 ||
	    ret->domain.n > SMX_STS_DOMAIN_MAX) {
		smx_buf_add_text(what, "\"domain\" is no host name");
		return -SMX_EPARSE;
	}
	if (!is_id(texts[1].value)) {
		smx_buf_add_text(what,
		    "\"id\" is not 1 to 32 letters and digits");
		return -SMX_EPARSE;
	}
	if (smx_clock_parse(texts[2].value.p, &p->fetched) < 0) {
		smx_buf_add_text(what,
		    "\"fetched_at\" is not a time such as "
		    "2026-01-31T12:00:00Z");
		return -SMX_EPARSE;
	}
	p->domain = smx_domain_slice(&ret->domain);
	p->id = texts[1].value;
	p->body = texts[3].value;
	p->used = now;
	return check_policy(a, p->body, p->fetched, now, what);
}

/* Take a policy that is newer than what is there. */
static void
take(struct cache *c, const struct smx_store_policy *policy)
{
	struct smx_store_port port = smx_store_port(c->store);
	struct smx_map_node *node = smx_map_find(&c->fetched, policy->domain);
	struct known *known = node != NULL
	    ? SMX_ELEMENT(node, struct known, node)
	    : NULL;

	if (known != NULL && known->fetched >= policy->fetched) {
		c->skipped++;
		return;
	}
	port.ops->put(port.self, policy);
	c->count++;
	if (known != NULL)
		known->fetched = policy->fetched;
	else
		know_row(c, policy);
}

static void
import_line(struct cache *c, struct smx_slice line, size_t number, smx_time now)
{
	struct row row = { 0 };
	struct smx_buf what;
	struct smx_arena a;

	smx_arena_init(&a, NULL, 0, SMX_STS_ARENA_MAX + SMX_JSON_BYTES_MAX);
	smx_buf_init(&what, 1024);
	if (read_line(&a, line, now, &row, &what) < 0) {
		smx_command_complain("%s:%zu: left out: %s", c->path, number,
		    smx_buf_text(&what));
		c->faulty++;
	} else {
		take(c, &row.policy);
	}
	smx_buf_done(&what);
	smx_arena_done(&a);
}

static int
import_all(struct cache *c)
{
	uint64_t seed[2] = { 0 };
	smx_time now = smx_clock_now().wall;
	char *line = NULL;
	size_t size = 0, lost, number = 0;
	ssize_t n;

	if (getrandom(seed, sizeof(seed), 0) < 0 ||
	    smx_map_init(&c->fetched, seed) < 0 ||
	    smx_store_load(c->store, know_row, c) < 0 || c->failed) {
		smx_command_complain("the store can't be read");
		return SMX_EXIT_NO_INPUT;
	}
	while ((n = getline(&line, &size, c->file)) >= 0) {
		struct smx_slice text = smx_slice(line, (size_t)n);

		number++;
		while (text.n > 0 &&
		    (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
			text.n--;
		if (text.n > 0)
			import_line(c, text, number, now);
		/* In between: what is pending takes memory. */
		if (number % 1000 == 0 && smx_store_write(c->store) < 0)
			break;
	}
	free(line);
	if (ferror(c->file))
		smx_command_complain("%s: %s", c->path, strerror(errno));
	lost = smx_store_close(&c->store);
	fprintf(stderr,
	    "%zu policies imported, %zu left as they are (not newer), %zu "
	    "lines faulty\n",
	    c->count - lost, c->skipped, c->faulty);
	if (lost > 0 || ferror(c->file)) {
		if (lost > 0)
			smx_command_complain("%zu policies can't be written",
			    lost);
		return SMX_EXIT_NO_INPUT;
	}
	return c->faulty > 0 ? SMX_EXIT_BAD : SMX_EXIT_OK;
}

static bool
open_file(struct cache *c)
{
	bool exports = c->verb == VERB_EXPORT;

	if (strcmp(c->path, "-") == 0)
		c->file = exports ? stdout : stdin;
	else
		c->file = fopen(c->path, exports ? "we" : "re");
	if (c->file == NULL)
		smx_command_complain("%s: %s", c->path, strerror(errno));
	return c->file != NULL;
}

int
smx_cmd_cache(struct smx_command_context *context, int argc, char **argv)
{
	struct cache c = { .config_path = context->config_path };
	struct smx_config *config = NULL;
	struct smx_buf reason;
	int status = SMX_EXIT_NO_INPUT;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	smx_buf_init(&reason, 4096);
	if (smx_config_load(c.config_path, &config, &reason) < 0 ||
	    smx_store_open(smx_config_store_path(config), &c.store, &reason) <
		0)
		smx_command_complain("%s", smx_buf_text(&reason));
	else if (open_file(&c))
		status = c.verb == VERB_EXPORT ? export_all(&c)
					       : import_all(&c);
	forget_known(&c);
	smx_store_close(&c.store);
	if (c.file != NULL && c.file != stdin && c.file != stdout &&
	    fclose(c.file) != 0 && status == SMX_EXIT_OK) {
		smx_command_complain("%s: %s", c.path, strerror(errno));
		status = SMX_EXIT_NO_INPUT;
	}
	smx_config_free(&config);
	smx_buf_done(&reason);
	return status;
}
