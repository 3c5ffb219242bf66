#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/strictmx/check_options.h"
#include "app/strictmx/command.h"
#include "io/address.h"
#include "io/idn.h"
#include "io/own_name.h"

#define CA_FILE      "/etc/ssl/certs/ca-certificates.crt"
#define TRUST_ANCHOR "/usr/share/dns/root.key"

enum {
	KEY_JOBS = 'j',
	KEY_FILE = 'f',
	KEY_OUTPUT = 'o',
	KEY_QUIET = 'q',
	KEY_JSON = 256,
	KEY_CSV,
	KEY_UNORDERED,
	KEY_RESUME,
	KEY_BASELINE,
	KEY_NO_SMTP,
	KEY_RESOLVER,
	KEY_CA_FILE,
	KEY_CONNECT,
	KEY_SMTP_PORT,
	KEY_TIMEOUT,
	KEY_PRIVATE,
	KEY_ANCHOR,
	KEY_COLOUR,
	KEY_WIDTH,
	KEY_EHLO,
	KEY_SOON,
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What is printed:", 1 },
	{ "json", KEY_JSON, NULL, 0, "A line of JSON for each domain", 1 },
	{ "csv", KEY_CSV, NULL, 0, "A line of CSV for each domain", 1 },
	{ "quiet", KEY_QUIET, NULL, 0, "The verdict only, one line each", 1 },
	{ "colour", KEY_COLOUR, "WHEN", 0, "auto, always or never", 1 },
	{ "color", KEY_COLOUR, "WHEN", OPTION_ALIAS, NULL, 1 },
	{ "width", KEY_WIDTH, "COLUMNS", 0,
	    "Break lines there, instead of at the terminal's width", 1 },
	{ "baseline", KEY_BASELINE, "FILE", 0,
	    "Compare with an earlier result (JSON), and tell what changed", 1 },
	{ "expires-soon", KEY_SOON, "DAYS", 0,
	    "Warn of certificates so long before they expire (14)", 1 },
	{ NULL, 0, NULL, 0, "Many domains:", 2 },
	{ "file", KEY_FILE, "FILE", 0,
	    "Check the domains in FILE, one a line; - is standard input", 2 },
	{ "jobs", KEY_JOBS, "N", 0, "So many at the same time (16)", 2 },
	{ "unordered", KEY_UNORDERED, NULL, 0,
	    "Print results as they come, not in the order of the input", 2 },
	{ "output", KEY_OUTPUT, "FILE", 0, "Write the results to FILE", 2 },
	{ "resume", KEY_RESUME, NULL, 0,
	    "Go on with --output FILE: leave out the domains it has", 2 },
	{ NULL, 0, NULL, 0, "How it is looked at:", 3 },
	{ "no-smtp", KEY_NO_SMTP, NULL, 0, "Don't connect to the MX hosts", 3 },
	{ "resolver", KEY_RESOLVER, "ADDRESS[@PORT]", 0,
	    "Ask this name server, not those of /etc/resolv.conf; may be "
	    "repeated",
	    3 },
	{ "ca-file", KEY_CA_FILE, "FILE", 0,
	    "Trust these authorities, not those of " CA_FILE, 3 },
	{ "trust-anchor", KEY_ANCHOR, "FILE", 0,
	    "DNSSEC trust anchor (" TRUST_ANCHOR "); empty: validate nothing",
	    3 },
	{ "connect", KEY_CONNECT, "HOST:PORT=ADDRESS:PORT", 0,
	    "Go there for HOST:PORT; may be repeated", 3 },
	{ "smtp-port", KEY_SMTP_PORT, "PORT", 0,
	    "Port of the MX hosts, instead of 25", 3 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	    "For each fetch and connection (10); a reply may take three times "
	    "as long",
	    3 },
	{ "ehlo", KEY_EHLO, "NAME", 0,
	    "Introduce ourselves as NAME, not with this machine's name", 3 },
	{ "allow-private-addresses", KEY_PRIVATE, NULL, 0,
	    "Connect to private and loopback addresses too", 3 },
	{ 0 },
};

/* A number from @p min to @p max; ends the process when it is none. */
static unsigned long
number(struct argp_state *state, const char *what, const char *text,
    unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (*text < '0' || *text > '9' || *end != '\0' || n < min || n > max)
		smx_command_misused(state,
		    "--%s is a number from %lu to %lu, not \"%s\"", what, min,
		    max, text);
	return n;
}

static enum smx_check_options_colour
colour(struct argp_state *state, const char *text)
{
	if (strcmp(text, "always") == 0)
		return SMX_CHECK_OPTIONS_ALWAYS;
	if (strcmp(text, "never") == 0)
		return SMX_CHECK_OPTIONS_NEVER;
	if (strcmp(text, "auto") != 0)
		smx_command_misused(state,
		    "--colour is auto, always or never, not \"%s\"", text);
	return SMX_CHECK_OPTIONS_AUTO;
}

/* "HOST:PORT=ADDRESS:PORT". @return false when it is not. */
static bool
parse_connect(const char *text, struct smx_check_connect *ret)
{
	const char *equals = strchr(text, '=');
	const char *colon = NULL;
	struct smx_address a;
	struct smx_buf none;
	char storage[256], *end;
	unsigned long port;

	smx_buf_init_fixed(&none, storage, sizeof(storage));
	for (const char *p = text; equals != NULL && p < equals; p++)
		if (*p == ':')
			colon = p;
	if (colon == NULL ||
	    smx_idn_parse(smx_slice(text, (size_t)(colon - text)), &ret->host) <
		0 ||
	    smx_address_parse(equals + 1, &a, &none) < 0)
		return false;
	port = strtoul(colon + 1, &end, 10);
	if (end != equals || end == colon + 1 || port == 0 || port > 65535)
		return false;
	ret->port = (uint16_t)port;
	ret->ip = (struct smx_ip){ 0 };
	return smx_address_to_ip(&a, &ret->ip, &ret->to_port) == 0;
}

static void
add_connect(struct smx_check_options *o, struct argp_state *state,
    const char *text)
{
	if (o->run.connect_count == SMX_CHECK_OPTIONS_CONNECT_MAX)
		smx_command_misused(state, "--connect at most %d times",
		    SMX_CHECK_OPTIONS_CONNECT_MAX);
	if (!parse_connect(text, &o->connect[o->run.connect_count]))
		smx_command_misused(state,
		    "--connect is HOST:PORT=ADDRESS:PORT, such as "
		    "mta-sts.example.com:443=127.0.0.1:8443, not \"%s\"",
		    text);
	o->run.connect_count++;
}

static void
add_resolver(struct smx_check_options *o, struct argp_state *state, char *text)
{
	char storage[256];
	struct smx_buf reason;

	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	if (o->resolver_count == SMX_CHECK_OPTIONS_RESOLVERS)
		smx_command_misused(state, "--resolver at most %d times",
		    SMX_CHECK_OPTIONS_RESOLVERS);
	if (smx_address_parse_server(text, &reason) < 0)
		smx_command_misused(state, "--resolver \"%s\": %s", text,
		    smx_buf_text(&reason));
	o->resolvers[o->resolver_count++] = text;
}

static void
set_format(struct smx_check_options *o, struct argp_state *state,
    enum smx_check_options_format format)
{
	if (o->format != SMX_CHECK_OPTIONS_TEXT && o->format != format)
		smx_command_misused(state,
		    "--json, --csv and --quiet exclude each "
		    "other");
	o->format = format;
}

/* What only makes sense together. */
static void
finish(struct smx_check_options *o, struct argp_state *state)
{
	if (o->file == NULL && o->names[0] == NULL)
		smx_command_misused(state, "name a domain, or --file");
	if (o->file != NULL && o->names[0] != NULL)
		smx_command_misused(state, "either domains or --file");
	if (o->resume && o->output == NULL)
		smx_command_misused(state, "--resume goes with --output FILE");
	if (o->resume && o->format != SMX_CHECK_OPTIONS_JSON &&
	    o->format != SMX_CHECK_OPTIONS_CSV)
		smx_command_misused(state,
		    "--resume goes with --json or --csv");
	/* A page for each of thousands would help nobody. */
	if (o->file != NULL && o->format == SMX_CHECK_OPTIONS_TEXT)
		o->format = SMX_CHECK_OPTIONS_LINE;
	if (o->resolver_count == 0)
		o->resolvers[o->resolver_count++] = (char *)"resolv.conf";
	o->run.bulk = o->file != NULL;
}

static error_t
on_look(int key, char *arg, struct argp_state *state)
{
	struct smx_check_options *o = state->input;

	switch (key) {
	case KEY_NO_SMTP:
		o->run.skip_smtp = true;
		return 0;
	case KEY_RESOLVER:
		add_resolver(o, state, arg);
		return 0;
	case KEY_CA_FILE:
		o->run.ca_file = arg;
		return 0;
	case KEY_ANCHOR:
		o->run.trust_anchor_file = *arg != '\0' ? arg : NULL;
		return 0;
	case KEY_CONNECT:
		add_connect(o, state, arg);
		return 0;
	case KEY_SMTP_PORT:
		o->run.smtp_port = (uint16_t)number(state, "smtp-port", arg, 1,
		    65535);
		return 0;
	case KEY_TIMEOUT:
		o->run.timeout = SMX_SECOND *
		    (smx_time)number(state, "timeout", arg, 1, 300);
		return 0;
	case KEY_EHLO:
		o->run.ehlo = arg;
		return 0;
	case KEY_PRIVATE:
		o->run.allow_private_addresses = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
	struct smx_check_options *o = state->input;

	switch (key) {
	case KEY_JSON:
		set_format(o, state, SMX_CHECK_OPTIONS_JSON);
		return 0;
	case KEY_CSV:
		set_format(o, state, SMX_CHECK_OPTIONS_CSV);
		return 0;
	case KEY_QUIET:
		set_format(o, state, SMX_CHECK_OPTIONS_LINE);
		return 0;
	case KEY_COLOUR:
		o->colour = colour(state, arg);
		return 0;
	case KEY_WIDTH:
		o->width = number(state, "width", arg, 40, 1000);
		return 0;
	case KEY_BASELINE:
		o->baseline = arg;
		return 0;
	case KEY_SOON:
		o->run.soon = SMX_DAY *
		    (smx_time)number(state, "expires-soon", arg, 0, 3650);
		return 0;
	case KEY_FILE:
		o->file = arg;
		return 0;
	case KEY_JOBS:
		o->jobs = number(state, "jobs", arg, 1,
		    SMX_CHECK_OPTIONS_JOBS_MAX);
		return 0;
	case KEY_UNORDERED:
		o->unordered = true;
		return 0;
	case KEY_OUTPUT:
		if (strcmp(arg, "-") == 0)
			smx_command_misused(state,
			    "--output takes a file; without it the results "
			    "are written to standard output");
		o->output = arg;
		return 0;
	case KEY_RESUME:
		o->resume = true;
		return 0;
	case ARGP_KEY_ARGS:
		o->names = state->argv + state->next;
		return 0;
	case ARGP_KEY_END:
		finish(o, state);
		return 0;
	default:
		return on_look(key, arg, state);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = on_option,
	.args_doc = "DOMAIN...\n--file FILE",
	.doc =
	    "Check whether mail to a domain travels encrypted to the right "
	    "host or not at all (MTA-STS, DANE, TLS reporting), and say how to "
	    "mend what is wrong. No mail is sent.\v"
	    "Exit status: 0 fine, 1 warnings, 2 errors, 3 mail would be "
	    "deferred, 4 it could not be found out, 64 wrong usage. Of several "
	    "domains the worst counts: 3, then 2, 4, 1, 0.",
};

static void
choose_ehlo(struct smx_check_options *o)
{
	if (o->run.ehlo != NULL)
		return;
	smx_own_name(o->ehlo);
	o->run.ehlo = o->ehlo;
}

void
smx_check_options_read(struct smx_check_options *o, int argc, char **argv)
{
	static char *no_names[] = { NULL };

	*o = (struct smx_check_options){
		.names = no_names,
		.jobs = 16,
		.run = { .ca_file = CA_FILE,
		    .trust_anchor_file =
			access(TRUST_ANCHOR, R_OK) == 0 ? TRUST_ANCHOR : NULL,
		    .smtp_port = 25,
		    .timeout = 10 * SMX_SECOND,
		    .soon = 14 * SMX_DAY },
	};
	argp_err_exit_status = SMX_EXIT_CHECK_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, o);
	choose_ehlo(o);
	o->run.resolvers = o->resolvers;
	o->run.connect = o->connect;
}
