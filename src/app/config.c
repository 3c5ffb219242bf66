#include <confuse.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config.h"
#include "io/address.h"

#define STORE_PREFIX   "sqlite:"
#define FORWARDERS_MAX 8
#define FILE_BYTES_MAX (1 << 20)
#define END_MARK       "end_of_the_configuration"

static const struct smx_setting_row rows[] = {
#define SMX_SETTING(section, name, type, value, low, high, text)           \
	{ #section, #name, SMX_SETTING_IS_##type,                          \
		offsetof(struct smx_config, section##_##name), value, low, \
		high, text },
#include "app/config.def"
#undef SMX_SETTING
};

static const char *const sections[SMX_CONFIG_SECTION_COUNT] = {
	[SMX_CONFIG_SECTION_RESOLVE] = "resolve",
	[SMX_CONFIG_SECTION_COLLECT] = "collect",
	[SMX_CONFIG_SECTION_REPORT] = "report",
};

/* libconfuse's callbacks have no argument of their own: one load at a time. */
static struct {
	struct smx_config *config;
	struct smx_buf *reason;
	cfg_t *root;
} loading;

/* The file being read; a section has no name of its own for it. */
static const char *
file_of(const cfg_t *cfg)
{
	return cfg->filename != NULL ? cfg->filename : loading.root->filename;
}

const char *
smx_config_section_name(enum smx_config_section section)
{
	return sections[section];
}

const struct smx_setting_row *
smx_config_row(enum smx_setting setting)
{
	return &rows[setting];
}

static void *
field(const struct smx_config *c, size_t i)
{
	return (char *)(uintptr_t)c + rows[i].offset;
}

static bool
is_top(size_t i)
{
	return strcmp(rows[i].section, "top") == 0;
}

/* How many letters have to change to make one word of the other. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[64], m = strlen(b);

	if (m >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

/* "no such option" is followed by the name that was probably meant. */
static void
suggest(cfg_t *cfg, const char *name, struct smx_buf *reason)
{
	const char *section = cfg_name(cfg), *nearest = NULL;
	size_t best = strlen(name) / 2 + 1;

	if (strcmp(section, "root") == 0)
		section = "top";
	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		size_t d = distance(name, rows[i].name);

		if (d == 0) {
			if (is_top(i))
				smx_buf_add_text(reason,
				    ": it stands outside of any section");
			else
				smx_buf_printf(reason,
				    ": it belongs into \"%s { }\"",
				    rows[i].section);
			return;
		}
		if (strcmp(rows[i].section, section) == 0 && d < best) {
			best = d;
			nearest = rows[i].name;
		}
	}
	for (size_t i = 0; i < SMX_CONFIG_SECTION_COUNT; i++) {
		size_t d = distance(name, sections[i]);

		if (strcmp(section, "top") == 0 && d < best) {
			best = d;
			nearest = sections[i];
		}
	}
	if (nearest != NULL)
		smx_buf_printf(reason, ": did you mean \"%s\"?", nearest);
}

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *cfg, const char *format, va_list args)
{
	static const char unknown[] = "no such option '";
	char text[512];
	char *end;

	/* The first error is the cause of those behind it. */
	if (loading.reason->n > 0)
		return;
	vsnprintf(text, sizeof(text), format, args);
	smx_buf_printf(loading.reason, "%s:%d: ", file_of(cfg), cfg->line);
	if (strncmp(text, unknown, sizeof(unknown) - 1) == 0) {
		char *name = text + sizeof(unknown) - 1;

		end = strchr(name, '\'');
		if (end != NULL)
			*end = '\0';
		if (strcmp(name, END_MARK) == 0) {
			smx_buf_add_text(loading.reason,
			    "the file ends within a section: a \"}\" is "
			    "missing");
			return;
		}
		smx_buf_printf(loading.reason, "unknown setting \"%s\"", name);
		suggest(cfg, name, loading.reason);
		return;
	}
	smx_buf_add_text(loading.reason, text);
	if (strstr(text, "premature end") != NULL)
		smx_buf_add_text(loading.reason,
		    ": a \"}\" or a quote is missing");
}

/* "90s", "5m", "12h", "7d". */
static int
parse_span(const char *text, smx_time *ret)
{
	static const struct {
		char letter;
		smx_time unit;
	} units[] = { { 's', SMX_SECOND }, { 'm', SMX_MINUTE },
		{ 'h', SMX_HOUR }, { 'd', SMX_DAY } };
	char *end;
	long n;

	if (*text < '0' || *text > '9')
		return -SMX_EPARSE;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || n > 1000000 || *end == '\0' || end[1] != '\0')
		return -SMX_EPARSE;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].letter == *end) {
			*ret = n * units[i].unit;
			return 0;
		}
	}
	return -SMX_EPARSE;
}

static bool
is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);
	const char *at = choices;

	while (at != NULL) {
		if (strncmp(at, value, n) == 0 &&
		    (at[n] == '|' || at[n] == '\0'))
			return true;
		at = strchr(at, '|');
		if (at != NULL)
			at++;
	}
	return false;
}

/* The address of a unix socket. */
static int
check_local(const char *value, struct smx_buf *reason)
{
	struct smx_address address;

	if (strncmp(value, "unix:/", 6) != 0) {
		smx_buf_add_text(reason,
		    "write \"unix:\" and an absolute path");
		return -SMX_EPARSE;
	}
	return smx_address_parse(value, &address, reason);
}

static int
check_text(cfg_t *cfg, size_t i, const char *value)
{
	char storage[256];
	struct smx_buf reason;

	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	if (rows[i].low[0] != '\0' && !is_choice(rows[i].low, value)) {
		cfg_error(cfg, "%s = \"%s\": it must be one of %s",
		    rows[i].name, value, rows[i].low);
		return -1;
	}
	if ((i == SMX_SETTING_top_store || i == SMX_SETTING_top_reports) &&
	    (strncmp(value, STORE_PREFIX, strlen(STORE_PREFIX)) != 0 ||
		value[strlen(STORE_PREFIX)] != '/')) {
		cfg_error(cfg,
		    "%s = \"%s\": write \"sqlite:\" and an absolute path, "
		    "such as \"%s\"",
		    rows[i].name, value, rows[i].value);
		return -1;
	}
	if (i == SMX_SETTING_resolve_events_to && value[0] != '\0' &&
	    check_local(value, &reason) < 0) {
		cfg_error(cfg, "events_to = \"%s\": %s", value,
		    smx_buf_text(&reason));
		return -1;
	}
	if (i == SMX_SETTING_resolve_mail_log && value[0] != '\0' &&
	    value[0] != '/' && strcmp(value, "journal") != 0) {
		cfg_error(cfg,
		    "mail_log = \"%s\": write an absolute path, or \"journal\"",
		    value);
		return -1;
	}
	if (strcmp(rows[i].name, "socket_mode") == 0) {
		char *end;
		long mode = strtol(value, &end, 8);

		if (*value == '\0' || *end != '\0' || mode < 0 || mode > 0777) {
			cfg_error(cfg,
			    "socket_mode = \"%s\": write an octal mode such as "
			    "\"0660\"",
			    value);
			return -1;
		}
	}
	return 0;
}

static int
check_list(cfg_t *cfg, cfg_opt_t *opt, size_t i)
{
	char storage[256];
	int rc = 0;

	if (i == SMX_SETTING_resolve_forwarders &&
	    cfg_opt_size(opt) > FORWARDERS_MAX) {
		cfg_error(cfg, "forwarders: at most %d", FORWARDERS_MAX);
		return -1;
	}
	for (unsigned k = 0; k < cfg_opt_size(opt) && rc == 0; k++) {
		const char *value = cfg_opt_getnstr(opt, k);
		struct smx_address address;
		struct smx_buf reason;

		smx_buf_init_fixed(&reason, storage, sizeof(storage));
		if (i == SMX_SETTING_resolve_listen &&
		    smx_address_parse(value, &address, &reason) < 0) {
			cfg_error(cfg, "listen: \"%s\": %s", value,
			    smx_buf_text(&reason));
			rc = -1;
		}
		if (i == SMX_SETTING_collect_listen &&
		    check_local(value, &reason) < 0) {
			cfg_error(cfg, "listen: \"%s\": %s", value,
			    smx_buf_text(&reason));
			rc = -1;
		}
		if (i == SMX_SETTING_resolve_forwarders &&
		    smx_address_parse_server(value, &reason) < 0) {
			cfg_error(cfg, "forwarders: \"%s\": %s", value,
			    smx_buf_text(&reason));
			rc = -1;
		}
	}
	return rc;
}

static int
check_span(cfg_t *cfg, size_t i, const char *value)
{
	smx_time span = 0, low = 0, high = 0;

	if (parse_span(value, &span) < 0 || parse_span(rows[i].low, &low) < 0 ||
	    parse_span(rows[i].high, &high) < 0 || span < low || span > high) {
		cfg_error(cfg,
		    "%s = \"%s\": it must be a time from \"%s\" to \"%s\"",
		    rows[i].name, value, rows[i].low, rows[i].high);
		return -1;
	}
	return 0;
}

static int
check_count(cfg_t *cfg, size_t i, long value)
{
	if (value < strtol(rows[i].low, NULL, 10) ||
	    value > strtol(rows[i].high, NULL, 10)) {
		cfg_error(cfg, "%s = %ld: it must be from %s to %s",
		    rows[i].name, value, rows[i].low, rows[i].high);
		return -1;
	}
	return 0;
}

/* Called by libconfuse for each setting as it is read. */
static int
on_setting(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *section = cfg_name(cfg);
	size_t i = 0;

	/* The defaults of lists are parsed too, before there is a file. */
	if (loading.root == NULL)
		return 0;
	if (strcmp(section, "root") == 0)
		section = "top";
	while (i < SMX_SETTING_COUNT &&
	    (strcmp(rows[i].section, section) != 0 ||
		strcmp(rows[i].name, opt->name) != 0))
		i++;
	if (i == SMX_SETTING_COUNT)
		return 0;
	free(loading.config->origin[i].file);
	loading.config->origin[i].file = strdup(file_of(cfg));
	loading.config->origin[i].line = cfg->line;
	switch (rows[i].type) {
	case SMX_SETTING_IS_TEXT:
		return check_text(cfg, i, cfg_opt_getnstr(opt, 0));
	case SMX_SETTING_IS_LIST:
		return check_list(cfg, opt, i);
	case SMX_SETTING_IS_SPAN:
		return check_span(cfg, i, cfg_opt_getnstr(opt, 0));
	case SMX_SETTING_IS_COUNT:
		return check_count(cfg, i, cfg_opt_getnint(opt, 0));
	case SMX_SETTING_IS_SWITCH:
		break;
	}
	return 0;
}

static cfg_opt_t
make_option(size_t i)
{
	cfg_opt_t text = CFG_STR(rows[i].name, rows[i].value, CFGF_NONE);
	cfg_opt_t list = CFG_STR_LIST(rows[i].name,
	    (char *)(uintptr_t)rows[i].value, CFGF_NONE);
	cfg_opt_t count = CFG_INT(rows[i].name, strtol(rows[i].value, NULL, 10),
	    CFGF_NONE);
	cfg_opt_t on = CFG_BOOL(rows[i].name,
	    strcmp(rows[i].value, "true") == 0, CFGF_NONE);

	switch (rows[i].type) {
	case SMX_SETTING_IS_LIST:
		return list;
	case SMX_SETTING_IS_COUNT:
		return count;
	case SMX_SETTING_IS_SWITCH:
		return on;
	case SMX_SETTING_IS_TEXT:
	case SMX_SETTING_IS_SPAN:
		break;
	}
	return text;
}

static int
copy_list(cfg_t *cfg, size_t i, char ***ret)
{
	unsigned count = cfg_size(cfg, rows[i].name);
	char **list = calloc((size_t)count + 1, sizeof(char *));

	if (list == NULL)
		return -SMX_ENOMEM;
	*ret = list;
	for (unsigned k = 0; k < count; k++) {
		list[k] = strdup(cfg_getnstr(cfg, rows[i].name, k));
		if (list[k] == NULL)
			return -SMX_ENOMEM;
	}
	return 0;
}

/* Take what libconfuse has read over into @p c. */
static int
take_values(cfg_t *root, struct smx_config *c)
{
	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		cfg_t *cfg = is_top(i) ? root
				       : cfg_getsec(root, rows[i].section);
		void *to = field(c, i);

		switch (rows[i].type) {
		case SMX_SETTING_IS_TEXT:
			*(char **)to = strdup(cfg_getstr(cfg, rows[i].name));
			if (*(char **)to == NULL)
				return -SMX_ENOMEM;
			break;
		case SMX_SETTING_IS_LIST:
			if (copy_list(cfg, i, to) < 0)
				return -SMX_ENOMEM;
			break;
		case SMX_SETTING_IS_SWITCH:
			*(bool *)to = cfg_getbool(cfg, rows[i].name);
			break;
		case SMX_SETTING_IS_SPAN:
			if (parse_span(cfg_getstr(cfg, rows[i].name), to) < 0)
				return -SMX_EPARSE;
			break;
		case SMX_SETTING_IS_COUNT:
			*(long *)to = cfg_getint(cfg, rows[i].name);
			break;
		}
	}
	return 0;
}

/* libconfuse ends the process when it is given a directory to read. */
static int
on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	struct stat s;

	if (argc == 1 && stat(argv[0], &s) == 0 &&
	    (!S_ISREG(s.st_mode) || s.st_size > FILE_BYTES_MAX)) {
		cfg_error(cfg,
		    "include: %s is no file, or larger than %d bytes", argv[0],
		    FILE_BYTES_MAX);
		return -1;
	}
	return cfg_include(cfg, opt, argc, argv);
}

/* Nothing to do: that it is reached is all. */
static int
on_end(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	(void)cfg;
	(void)opt;
	(void)argc;
	(void)argv;
	return 0;
}

/*
 * Read a file, and put END_MARK behind it: libconfuse takes the end of the
 * file for the end of a section too, and so would not tell a file that was cut
 * in the middle.
 */
static int
read_text(const char *file, struct smx_buf *text, struct smx_buf *reason)
{
	FILE *f = fopen(file, "re");
	char chunk[4096];
	size_t n;
	int error = errno;

	if (f != NULL) {
		while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
			smx_buf_add(text, smx_slice(chunk, n));
		error = ferror(f) ? errno : 0;
		fclose(f);
	}
	smx_buf_add_text(text, "\n" END_MARK "()\n");
	if (error != 0) {
		smx_buf_printf(reason, "%s: %s", file, strerror(error));
		return error == ENOENT ? -SMX_ENOENT : -SMX_EIO;
	}
	if (smx_buf_status(text) < 0) {
		smx_buf_printf(reason, "%s: larger than %d bytes", file,
		    FILE_BYTES_MAX);
		return -SMX_EPARSE;
	}
	return 0;
}

static int
parse_text(cfg_t *root, const char *file, struct smx_buf *text,
    struct smx_buf *reason)
{
	FILE *f = fmemopen(text->p, text->n, "r");
	int rc;

	if (f == NULL)
		return -SMX_ENOMEM;
	/* So that messages and origins name the file. */
	root->filename = strdup(file);
	rc = cfg_parse_fp(root, f);
	fclose(f);
	if (rc == CFG_SUCCESS)
		return 0;
	if (reason->n == 0)
		smx_buf_printf(reason, "%s: syntax error", file);
	return -SMX_EPARSE;
}

static int
parse(cfg_t *root, const char *path, struct smx_buf *reason)
{
	const char *file = path != NULL ? path : SMX_CONFIG_FILE;
	struct smx_buf text;
	int rc;

	smx_buf_init(&text, FILE_BYTES_MAX);
	rc = read_text(file, &text, reason);
	if (rc == 0)
		rc = parse_text(root, file, &text, reason);
	if (rc == -SMX_ENOENT && path == NULL) {
		smx_buf_reset(reason);
		rc = 0;
	} else if (rc == -SMX_ENOENT) {
		rc = -SMX_EIO;
	}
	smx_buf_done(&text);
	return rc;
}

/* Called by libconfuse at the end of a section. */
static int
on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	for (size_t i = 0; i < SMX_CONFIG_SECTION_COUNT; i++) {
		if (strcmp(opt->name, sections[i]) != 0)
			continue;
		loading.config->has_section[i] = true;
		loading.config->section_end[i] = cfg->line;
	}
	return 0;
}

/* What may stand in the file, in libconfuse's words. */
struct grammar {
	cfg_opt_t top[SMX_SETTING_COUNT + SMX_CONFIG_SECTION_COUNT + 3];
	cfg_opt_t section[SMX_CONFIG_SECTION_COUNT][SMX_SETTING_COUNT + 1];
};

static void
make_grammar(struct grammar *g)
{
	size_t tops = 0;

	for (size_t k = 0; k < SMX_CONFIG_SECTION_COUNT; k++) {
		cfg_opt_t option = CFG_SEC(sections[k], g->section[k],
		    CFGF_NONE);
		size_t n = 0;

		for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
			if (strcmp(rows[i].section, sections[k]) != 0)
				continue;
			g->section[k][n] = make_option(i);
			g->section[k][n++].validcb = on_setting;
		}
		g->section[k][n] = (cfg_opt_t)CFG_END();
		option.validcb = on_section;
		g->top[tops++] = option;
	}
	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		if (!is_top(i))
			continue;
		g->top[tops] = make_option(i);
		g->top[tops++].validcb = on_setting;
	}
	g->top[tops++] = (cfg_opt_t)CFG_FUNC("include", on_include);
	g->top[tops++] = (cfg_opt_t)CFG_FUNC(END_MARK, on_end);
	g->top[tops] = (cfg_opt_t)CFG_END();
}

/* Read the file into @p c, through libconfuse. */
static int
read_file(const char *path, struct smx_config *c, struct smx_buf *reason)
{
	struct grammar grammar;
	cfg_t *root;
	int rc;

	make_grammar(&grammar);
	root = cfg_init(grammar.top, CFGF_NONE);
	if (root == NULL)
		return -SMX_ENOMEM;
	cfg_set_error_function(root, on_error);
	loading.config = c;
	loading.root = root;
	loading.reason = reason;
	rc = parse(root, path, reason);
	if (rc == 0)
		rc = take_values(root, c);
	if (rc == 0 &&
	    (c->resolve_listen[0] == NULL || c->collect_listen[0] == NULL)) {
		smx_buf_printf(reason,
		    "%s: listen is empty: nobody could ask; leave it out for "
		    "the default",
		    path != NULL ? path : SMX_CONFIG_FILE);
		rc = -SMX_EPARSE;
	}
	cfg_free(root);
	loading.root = NULL;
	return rc;
}

int
smx_config_load(const char *path, struct smx_config **ret,
    struct smx_buf *reason)
{
	struct smx_config *c = calloc(1, sizeof(*c));
	int rc = -SMX_ENOMEM;

	if (c != NULL)
		c->path = strdup(path != NULL ? path : SMX_CONFIG_FILE);
	if (c != NULL && c->path != NULL)
		rc = read_file(path, c, reason);
	if (rc == -SMX_ENOMEM)
		smx_buf_add_text(reason, "out of memory");
	if (rc < 0)
		smx_config_free(&c);
	else
		*ret = c;
	return rc;
}

void
smx_config_free(struct smx_config **cp)
{
	struct smx_config *c = *cp;

	if (c == NULL)
		return;
	for (size_t i = 0; i < SMX_SETTING_COUNT; i++) {
		void *at = field(c, i);

		free(c->origin[i].file);
		if (rows[i].type == SMX_SETTING_IS_TEXT)
			free(*(char **)at);
		if (rows[i].type == SMX_SETTING_IS_LIST &&
		    *(char ***)at != NULL) {
			for (char **p = *(char ***)at; *p != NULL; p++)
				free(*p);
			free(*(char ***)at);
		}
	}
	free(c->path);
	free(c);
	*cp = NULL;
}

const char *
smx_config_store_path(const struct smx_config *c)
{
	return c->top_store + strlen(STORE_PREFIX);
}

const char *
smx_config_reports_path(const struct smx_config *c)
{
	return c->top_reports + strlen(STORE_PREFIX);
}

void
smx_config_roles(const struct smx_config *c, bool ret[SMX_CONFIG_SECTION_COUNT])
{
	bool any = false;

	for (size_t i = 0; i < SMX_CONFIG_SECTION_COUNT; i++)
		any |= ret[i] = c->has_section[i];
	if (!any)
		ret[SMX_CONFIG_SECTION_RESOLVE] = true;
}
