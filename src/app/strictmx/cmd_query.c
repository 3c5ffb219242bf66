/*
 * strictmx query: ask a running daemon over socketmap, as an MTA does.
 */
#include <argp.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/strictmx/command.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/netstring.h"
#include "core/socketmap.h"
#include "io/address.h"

#define SERVER_DEFAULT "127.0.0.1:8461"
/* The daemon answers within 10 s; Postfix would wait 100. */
#define TIMEOUT_S  30
#define OUTPUT_MAX ((size_t)4 << 20)

struct query {
	const char *server;
	const char *map;
	bool json;
	char **domains;
	int domain_count;
	int fd;
	struct smx_buf in;
};

static const struct argp_option options[] = {
	{ "server", 's', "ADDR", 0,
	    "Where the daemon listens: ADDRESS:PORT or unix:/PATH; " SERVER_DEFAULT
	    " by default",
	    0 },
	{ "map", 'm', "NAME", 0,
	    "Map name: strictmx (the default; with attributes for Postfix >= "
	    "3.10) or strictmx-plain",
	    0 },
	{ "json", 'j', NULL, 0,
	    "Write a line of JSON for each domain, the reply split into its "
	    "attributes",
	    0 },
	{ 0 },
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct query *q = state->input;

	switch (key) {
	case 's':
		q->server = arg;
		return 0;
	case 'm':
		if (*arg == '\0' || strchr(arg, ' ') != NULL)
			smx_command_misused(state, "a map name has no blank");
		q->map = arg;
		return 0;
	case 'j':
		q->json = true;
		return 0;
	case ARGP_KEY_ARGS:
		q->domains = state->argv + state->next;
		q->domain_count = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		smx_command_misused(state, "the domain is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "DOMAIN...",
	.doc =
	    "Ask a running strictmxd which policy holds for a destination, "
	    "and print its exact reply.\v"
	    "A DOMAIN may be anything that Postfix would look up: a domain, "
	    "[host], [host]:port.\n\nExit status: 0 when all were answered "
	    "with OK or NOTFOUND, 1 when a reply was something else, 2 wrong "
	    "usage, 3 the daemon can't be reached.",
};

static int
open_connection(struct query *q)
{
	static const struct timeval limit = { TIMEOUT_S, 0 };
	struct smx_address address;
	char storage[256];
	struct smx_buf reason;

	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	if (smx_address_parse(q->server, &address, &reason) < 0) {
		smx_command_complain("--server=%s: %s", q->server,
		    smx_buf_text(&reason));
		return SMX_EXIT_USAGE;
	}
	q->fd = socket(address.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (q->fd >= 0) {
		setsockopt(q->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
		    sizeof(limit));
		setsockopt(q->fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
		    sizeof(limit));
	}
	if (q->fd < 0 || connect(q->fd, &address.u.any, address.bytes) < 0) {
		smx_command_complain("%s: %s; is strictmxd running, and does "
				     "it listen there?",
		    q->server, strerror(errno));
		return SMX_EXIT_NO_INPUT;
	}
	return SMX_EXIT_OK;
}

static bool
send_request(struct query *q, const char *domain)
{
	struct smx_buf out, payload;
	bool sent;

	smx_buf_init(&payload, SMX_SOCKETMAP_REQUEST_MAX);
	smx_buf_init(&out, SMX_SOCKETMAP_REQUEST_MAX + 16);
	smx_buf_printf(&payload, "%s ", q->map);
	smx_netstring_print(&out, smx_buf_slice(&payload),
	    smx_slice_text(domain));
	sent = smx_buf_status(&out) == 0 &&
	    send(q->fd, out.p, out.n, MSG_NOSIGNAL) == (ssize_t)out.n;
	if (!sent)
		smx_command_complain("%s: the request can't be sent",
		    q->server);
	smx_buf_done(&payload);
	smx_buf_done(&out);
	return sent;
}

/* Read one reply; @p ret borrows from q->in. */
static bool
read_reply(struct query *q, struct smx_slice *ret, size_t *ret_consumed)
{
	for (;;) {
		int rc = smx_netstring_parse(smx_buf_slice(&q->in),
		    SMX_SOCKETMAP_REPLY_MAX, ret, ret_consumed);
		char chunk[8192];
		ssize_t n;

		if (rc == 0)
			return true;
		if (rc != -SMX_EAGAIN) {
			smx_command_complain("%s: the answer is no socketmap "
					     "reply",
			    q->server);
			return false;
		}
		n = recv(q->fd, chunk, sizeof(chunk), 0);
		if (n <= 0) {
			smx_command_complain("%s: %s", q->server,
			    n == 0                ? "the connection was closed"
				: errno == EAGAIN ? "no answer in time"
						  : strerror(errno));
			return false;
		}
		smx_buf_add(&q->in, smx_slice(chunk, (size_t)n));
	}
}

/* Take the next attribute: a word, or "{ name = value }". */
static bool
next_attribute(struct smx_slice *data, struct smx_slice *name,
    struct smx_slice *value)
{
	struct smx_slice word;
	size_t end, equals;

	while (data->n > 0 && data->p[0] == ' ')
		*data = smx_slice_from(*data, 1);
	if (data->n == 0)
		return false;
	if (data->p[0] == '{') {
		end = smx_slice_find(*data, '}');
		word = smx_slice(data->p + 1, end - 1);
		end++;
	} else {
		end = smx_slice_find(*data, ' ');
		word = smx_slice(data->p, end);
	}
	*data = smx_slice_from(*data, end);
	equals = smx_slice_find(word, '=');
	*name = smx_slice(word.p, equals);
	*value = smx_slice_from(word, equals + 1);
	while (name->n > 0 && name->p[0] == ' ')
		*name = smx_slice_from(*name, 1);
	while (name->n > 0 && name->p[name->n - 1] == ' ')
		name->n--;
	while (value->n > 0 && value->p[0] == ' ')
		*value = smx_slice_from(*value, 1);
	while (value->n > 0 && value->p[value->n - 1] == ' ')
		value->n--;
	/* The first word is the security level, without a name. */
	if (equals == word.n) {
		*value = *name;
		*name = SMX_SLICE("level");
	}
	return true;
}

/* Attributes that can stand there more than once become lists. */
static bool
is_list(struct smx_slice name)
{
	return smx_slice_equal(name, SMX_SLICE("match")) ||
	    smx_slice_equal(name, SMX_SLICE("mx_host_pattern")) ||
	    smx_slice_equal(name, SMX_SLICE("policy_string"));
}

static void
print_list(struct smx_buf *out, struct smx_slice data, struct smx_slice wanted)
{
	struct smx_slice name, value;
	bool some = false;

	smx_buf_add_char(out, '[');
	while (next_attribute(&data, &name, &value)) {
		if (!smx_slice_equal(name, wanted))
			continue;
		if (!smx_slice_equal(name, SMX_SLICE("match"))) {
			if (some)
				smx_buf_add_char(out, ',');
			smx_json_print_text(out, value);
			some = true;
			continue;
		}
		while (value.n > 0) {
			size_t end = smx_slice_find(value, ':');

			if (some)
				smx_buf_add_char(out, ',');
			smx_json_print_text(out, smx_slice(value.p, end));
			value = smx_slice_from(value, end + 1);
			some = true;
		}
	}
	smx_buf_add_char(out, ']');
}

static void
print_attributes(struct smx_buf *out, struct smx_slice data)
{
	struct smx_slice all = data, name, value;
	struct smx_slice before = smx_slice(NULL, 0);

	smx_buf_add_text(out, ",\"attributes\":{");
	while (next_attribute(&data, &name, &value)) {
		/* The same stand together: a list is printed with its first. */
		if (is_list(name) && smx_slice_equal(name, before))
			continue;
		if (before.n > 0)
			smx_buf_add_char(out, ',');
		smx_json_print_text(out, name);
		smx_buf_add_char(out, ':');
		if (is_list(name))
			print_list(out, all, name);
		else
			smx_json_print_text(out, value);
		before = name;
	}
	smx_buf_add_char(out, '}');
}

static void
print_json(struct query *q, const char *domain, struct smx_slice reply,
    struct smx_buf *out)
{
	static const char *const names[] = { "OK", "NOTFOUND", "TEMP",
		"TIMEOUT", "PERM" };
	enum smx_socketmap_status status = SMX_SOCKETMAP_PERM;
	struct smx_slice data = reply;
	bool known = smx_socketmap_parse_reply(reply, &status, &data) == 0;

	smx_buf_add_text(out, "{\"domain\":");
	smx_json_print_text(out, smx_slice_text(domain));
	smx_buf_add_text(out, ",\"map\":");
	smx_json_print_text(out, smx_slice_text(q->map));
	smx_buf_add_text(out, ",\"reply\":");
	smx_json_print_text(out, reply);
	if (known)
		smx_buf_printf(out, ",\"status\":\"%s\"", names[status]);
	else
		smx_buf_add_text(out, ",\"status\":null");
	if (known && status == SMX_SOCKETMAP_OK) {
		print_attributes(out, data);
	} else {
		smx_buf_add_text(out, ",\"reason\":");
		smx_json_print_text(out, data);
	}
	smx_buf_add_text(out, "}\n");
}

/* Ask about one domain. @return an exit status. */
static int
ask(struct query *q, const char *domain)
{
	enum smx_socketmap_status status;
	struct smx_slice reply, data;
	struct smx_buf out;
	size_t consumed;
	int rc = SMX_EXIT_NO_INPUT;

	if (!send_request(q, domain) || !read_reply(q, &reply, &consumed))
		return rc;
	smx_buf_init(&out, OUTPUT_MAX);
	if (q->json) {
		print_json(q, domain, reply, &out);
	} else {
		smx_buf_add(&out, reply);
		smx_buf_add_char(&out, '\n');
	}
	if (smx_command_write(&out)) {
		rc = SMX_EXIT_BAD;
		if (smx_socketmap_parse_reply(reply, &status, &data) == 0 &&
		    (status == SMX_SOCKETMAP_OK ||
			status == SMX_SOCKETMAP_NOTFOUND))
			rc = SMX_EXIT_OK;
	}
	smx_buf_done(&out);
	smx_buf_drop(&q->in, consumed);
	return rc;
}

int
smx_cmd_query(struct smx_command_context *c, int argc, char **argv)
{
	struct query q = {
		.server = SERVER_DEFAULT, .map = "strictmx", .fd = -1
	};
	int status;

	(void)c;
	argp_parse(&argp, argc, argv, 0, NULL, &q);
	smx_buf_init(&q.in, SMX_SOCKETMAP_REPLY_MAX + 8192 + 16);
	status = open_connection(&q);
	for (int i = 0; i < q.domain_count && status <= SMX_EXIT_BAD; i++) {
		int rc = ask(&q, q.domains[i]);

		if (rc > status)
			status = rc;
	}
	smx_buf_done(&q.in);
	if (q.fd >= 0)
		close(q.fd);
	return status;
}
