#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config_check.h"
#include "app/config_print.h"

static char path[64];

static int
make_file(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/smx_config_XXXXXX");
	fd = mkstemp(path);
	return fd < 0 || close(fd) < 0 ? -1 : 0;
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* Load a configuration with this text. */
static int
load(const char *text, struct smx_config **ret, struct smx_buf *reason)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	*ret = NULL;
	return smx_config_load(path, ret, reason);
}

static void
test_empty_has_defaults(void **state)
{
	struct smx_config *c;
	struct smx_buf reason;

	(void)state;
	smx_buf_init(&reason, 1000);
	assert_int_equal(load("", &c, &reason), 0);
	assert_string_equal(c->resolve_listen[0], "127.0.0.1:8461");
	assert_string_equal(c->resolve_on_dns_failure, "deliver");
	assert_int_equal(c->resolve_answer_bound, 5 * SMX_SECOND);
	assert_int_equal(c->resolve_refresh_unused, 30 * SMX_DAY);
	assert_int_equal(c->resolve_https_port, 443);
	assert_false(c->resolve_allow_private_addresses);
	assert_string_equal(smx_config_store_path(c),
	    "/var/lib/strictmx/strictmx.db");
	for (size_t i = 0; i < SMX_SETTING_COUNT; i++)
		assert_null(c->origin[i].file);
	smx_config_free(&c);
	smx_buf_done(&reason);
}

static void
test_values_and_their_origin(void **state)
{
	struct smx_config *c;
	struct smx_buf reason, value;

	(void)state;
	smx_buf_init(&reason, 1000);
	smx_buf_init(&value, 1000);
	assert_int_equal(load("store = \"sqlite:/x/y\"\n"
			      "resolve {\n"
			      "  listen = { \"[::1]:25\", \"unix:/a\" }\n"
			      "  forwarders = {}\n"
			      "  recheck = \"90s\"\n"
			      "  allow_private_addresses = yes\n"
			      "}\n",
			     &c, &reason),
	    0);
	assert_string_equal(smx_config_store_path(c), "/x/y");
	assert_string_equal(c->resolve_listen[1], "unix:/a");
	assert_null(c->resolve_listen[2]);
	assert_null(c->resolve_forwarders[0]);
	assert_int_equal(c->resolve_recheck, 90 * SMX_SECOND);
	assert_true(c->resolve_allow_private_addresses);
	assert_string_equal(c->origin[SMX_SETTING_resolve_recheck].file, path);
	assert_int_equal(c->origin[SMX_SETTING_resolve_recheck].line, 5);
	assert_null(c->origin[SMX_SETTING_resolve_ca_file].file);
	smx_config_print_value(c, SMX_SETTING_resolve_listen, &value);
	smx_config_print_value(c, SMX_SETTING_resolve_recheck, &value);
	assert_string_equal(smx_buf_text(&value),
	    "{ \"[::1]:25\", \"unix:/a\" }\"90s\"");
	smx_config_free(&c);
	smx_buf_done(&reason);
	smx_buf_done(&value);
}

static void
test_faults_name_line_and_remedy(void **state)
{
	static const struct {
		const char *text, *line, *says;
	} cases[] = {
		{ "resolve {\n lissen = \"x\"\n}",
		    ":2: ", "did you mean \"listen\"" },
		{ "\nlisten = \"127.0.0.1:1\"",
		    ":2: ", "belongs into \"resolve { }\"" },
		{ "resolve { store = \"sqlite:/x\" }",
		    ":1: ", "outside of any section" },
		{ "zzzzzzzzzzzz = 1", ":1: ", "unknown setting" },
		{ "resolf { }", ":1: ", "did you mean \"resolve\"" },
		{ "store = \"/x\"", ":1: ", "sqlite:" },
		{ "store = \"sqlite:x\"", ":1: ", "absolute" },
		{ "log_level = \"loud\"", ":1: ", "error|warning|info|debug" },
		{ "resolve {\n\n answer_bound = \"11s\" }",
		    ":3: ", "from \"1s\" to \"10s\"" },
		{ "resolve { answer_bound = \"5\" }", ":1: ", "\"1s\"" },
		{ "resolve { https_port = 0 }", ":1: ", "from 1 to 65535" },
		{ "resolve { https_port = x }", ":1: ", "https_port" },
		{ "resolve { listen = { \"here\" } }", ":1: ", "unix:/PATH" },
		{ "resolve { forwarders = \"dns.example\" }",
		    ":1: ", "ADDRESS@PORT" },
		{ "resolve { socket_mode = \"rw\" }", ":1: ", "octal" },
		{ "resolve { on_dns_failure = \"maybe\" }",
		    ":1: ", "deliver|defer" },
		{ "resolve { allow_private_addresses = perhaps }",
		    ":1: ", "boolean" },
		{ "resolve {", "", "\"}\"" },
		{ "include(\"/\")", ":1: ", "no file" },
		{ "resolve { listen = {} }", "", "listen is empty" },
		{ "resolve { forwarders = { \"::1\", \"::2\", \"::3\", "
		  "\"::4\", \"::5\", \"::6\", \"::7\", \"::8\", "
		  "\"::9\" } }",
		    ":1: ", "at most 8" },
		{ "include(\"/nonexistent/file\")", ":1: ", "/nonexistent" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smx_config *c;
		struct smx_buf reason;
		const char *text;

		smx_buf_init(&reason, 4000);
		if (load(cases[i].text, &c, &reason) != -SMX_EPARSE)
			fail_msg("%s\nis accepted", cases[i].text);
		assert_null(c);
		text = smx_buf_text(&reason);
		if (strstr(text, path) == NULL ||
		    strstr(text, cases[i].line) == NULL ||
		    strstr(text, cases[i].says) == NULL)
			fail_msg("%s\nis answered with\n%s", cases[i].text,
			    text);
		smx_buf_done(&reason);
	}
}

static void
test_missing_file(void **state)
{
	struct smx_config *c = NULL;
	struct smx_buf reason;

	(void)state;
	smx_buf_init(&reason, 1000);
	assert_int_equal(smx_config_load("/nonexistent/x.conf", &c, &reason),
	    -SMX_EIO);
	assert_non_null(strstr(smx_buf_text(&reason), "/nonexistent/x.conf"));
	smx_buf_done(&reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_has_defaults),
		cmocka_unit_test(test_values_and_their_origin),
		cmocka_unit_test(test_faults_name_line_and_remedy),
		cmocka_unit_test(test_missing_file),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
