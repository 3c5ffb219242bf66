#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config_check.h"

static char path[64], file[64];
static struct smx_buf told;

static int
make_files(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/smx_config_check_XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || close(fd) < 0)
		return -1;
	snprintf(file, sizeof(file), "/tmp/smx_config_check_XXXXXX");
	fd = mkstemp(file);
	if (fd < 0 || write(fd, "secret\n", 7) != 7 || close(fd) < 0)
		return -1;
	smx_buf_init(&told, 65536);
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	smx_buf_done(&told);
	return unlink(path) | unlink(file);
}

static void
tell(void *arg, enum smx_config_fault_kind kind, const char *text)
{
	static const char *const words[] = { "error", "warning", "unknown" };

	(void)arg;
	smx_buf_printf(&told, "%s: %s\n", words[kind], text);
}

/* Check a configuration with this text; "FILE" stands for a file with a
 * password. */
static int
check(const char *text, struct smx_config **ret)
{
	struct smx_config_faults faults = { .tell = tell };
	bool roles[SMX_CONFIG_SECTION_COUNT];
	const char *at = strstr(text, "FILE");
	FILE *f = fopen(path, "w");
	struct smx_buf reason;
	int rc;

	assert_non_null(f);
	if (at != NULL)
		fprintf(f, "%.*s%s%s", (int)(at - text), text, file, at + 4);
	else
		fputs(text, f);
	assert_int_equal(fclose(f), 0);
	smx_buf_reset(&told);
	smx_buf_init(&reason, 4000);
	if (smx_config_load(path, ret, &reason) < 0)
		fail_msg("%s\nis no configuration: %s", text,
		    smx_buf_text(&reason));
	smx_buf_done(&reason);
	faults.config = *ret;
	smx_config_roles(*ret, roles);
	rc = smx_config_check(roles, &faults);
	return rc;
}

#define REPORT  "report {\ncontact = \"tls@sender.example\"\n"
#define RESOLVE "resolve {\n"

/* A configuration, the line and the setting that is told of, and what of it. */
struct fault {
	const char *text, *where, *says;
};

static void
expect(const struct fault *f, int status, const char *kind)
{
	struct smx_config *c = NULL;
	char begin[256];
	int rc = check(f->text, &c);

	snprintf(begin, sizeof(begin), "%s: %s:%s", kind, path, f->where);
	if (rc != status)
		fail_msg("%s\nis %d: %s", f->text, rc, smx_buf_text(&told));
	if (strstr(smx_buf_text(&told), begin) == NULL ||
	    strstr(smx_buf_text(&told), f->says) == NULL)
		fail_msg("%s\nis answered with\n%s", f->text,
		    smx_buf_text(&told));
	smx_config_free(&c);
}

static void
test_errors(void **state)
{
	static const struct fault cases[] = {
		{ "report {\n\n}", "3: report { }: contact is missing",
		    "write contact =" },
		{ "report { contact = \"foo\" }",
		    "1: report { contact = \"foo\" }", "mail address" },
		{ REPORT "copy_mail = \"foo\" }", "3: report { copy_mail",
		    "mail address" },
		{ REPORT "smarthost = \"127.0.0.1\" }",
		    "3: report { smarthost = \"127.0.0.1\" }", "HOST:PORT" },
		{ REPORT "smarthost = \"127.0.0.1:70000\" }",
		    "3: report { smarthost", "HOST:PORT" },
		{ REPORT "smarthost = \"127.0.0.1:+25\" }",
		    "3: report { smarthost", "HOST:PORT" },
		{ REPORT "smarthost = \"\" }", "3: report { smarthost",
		    "HOST:PORT" },
		{ REPORT "smarthost = \"::1:25\" }", "3: report { smarthost",
		    "\"[::1]:25\"" },
		{ REPORT "smarthost = \"[mail.example]:25\" }",
		    "3: report { smarthost", "\"[::1]:25\"" },
		{ REPORT "smarthost = \"192.0.2.1:25\" }",
		    "3: report { smarthost",
		    "smarthost_tls is \"none\": 192.0.2.1: without TLS" },
		{ REPORT "smarthost = \"192.0.2.1:25\" smarthost_tls = starttls"
			 " }",
		    "3: report { smarthost", "for a name" },
		{ REPORT "smarthost = \"a/b:25\" }", "3: report { smarthost",
		    "not a host name" },
		{ REPORT "smarthost_user = us }", "3: report { smarthost_user",
		    "password file" },
		{ REPORT "smarthost_password_file = \"FILE\" }",
		    "3: report { smarthost_password_file", "a user" },
		{ REPORT "smarthost_user = us\n"
			 "smarthost_password_file = \"/nonexistent/x\" }",
		    "4: report { smarthost_password_file = \"/nonexistent/x\"",
		    "No such file" },
		{ REPORT "smarthost_user = us\n"
			 "smarthost_password_file = \"/dev/null\" }",
		    "4: report { smarthost_password_file", "no password" },
		{ REPORT "smarthost_user = us smarthost_tls = opportunistic\n"
			 "smarthost_password_file = \"FILE\" }",
		    "3: report { smarthost_user", "verified TLS" },
		{ REPORT "ehlo = \"bad host\" }",
		    "3: report { ehlo = \"bad host\" }", "full name" },
		{ REPORT "dkim_domain = \"x y\" }", "3: report { dkim_domain",
		    "example.com" },
		{ REPORT "dkim_keys = { sel } }",
		    "3: report { dkim_keys }: \"sel\"", "SELECTOR:FILE" },
		{ REPORT "dkim_keys = { \"sel:\" } }", "3: report { dkim_keys",
		    "SELECTOR:FILE" },
		{ REPORT "dkim_keys = { \"a b:FILE\" } }",
		    "3: report { dkim_keys", "no selector" },
		{ REPORT "dkim_keys = { \"sel:/nonexistent/x\" } }",
		    "3: report { dkim_keys }: /nonexistent/x", "No such file" },
		{ REPORT "dkim_keys = { \"sel:FILE\" } }",
		    "3: report { dkim_keys", "no private key" },
		{ REPORT "dkim_keys = { \"sel:FILE\", \"SEL:/x\" } }",
		    "3: report { dkim_keys", "twice" },
		{ REPORT "exclude = { \"*.y.example\" } }",
		    "3: report { exclude }: \"*.y.example\"",
		    "write \".y.example\"" },
		{ REPORT "exclude = { \"a b\" } }",
		    "3: report { exclude }: \"a b\"", "no domain" },
		{ REPORT "exclude = { \"\" } }", "3: report { exclude }: \"\"",
		    "no domain" },
		{ REPORT "exclude = { \".b\xc3\xbc.example\" } }",
		    "3: report { exclude", "write \".xn--b-eha.example\"" },
		{ REPORT "exclude = { \"x.example.\" } }",
		    "3: report { exclude", "write \"x.example\"" },
		{ "collect {\nsocket_owner = nosuchuser }",
		    "2: collect { socket_owner", "no such user" },
		{ RESOLVE "ca_file = \"/nonexistent\" }",
		    "2: resolve { ca_file", "No such file" },
		{ REPORT "} resolve {\nca_file = \"/nonexistent\" }",
		    "4: resolve { ca_file", "No such file" },
		{ RESOLVE "trust_anchor_file = \"/nonexistent\" }",
		    "2: resolve { trust_anchor_file", "No such file" },
		{ RESOLVE "trust_anchor_file = \"/dev/null\" }",
		    "2: resolve { trust_anchor_file", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect(&cases[i], -SMX_EINVAL, "error");
}

static void
test_warnings(void **state)
{
	static const struct fault cases[] = {
		{ RESOLVE "mail_log = \"/var/log/mail.log\" }",
		    "2: resolve { mail_log", "nobody is told" },
		{ REPORT "smarthost = \"mail.example:25\" }",
		    "3: report { smarthost", "set smarthost_tls" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect(&cases[i], 0, "warning");
}

static void
test_valid(void **state)
{
	static const char *const texts[] = {
		"",
		"collect { } resolve { mail_log = \"/x\" }",
		"resolve { mail_log = \"/x\" events_to = \"unix:/x\" }",
		"resolve { trust_anchor_file = \"\" }",
		"collect { socket_owner = root }",
		REPORT "}",
		REPORT "smarthost = \"[::1]:25\" }",
		REPORT "smarthost = \"localhost:25\" ehlo = mail.example }",
		REPORT "exclude = { \"A.example\", \".b.example\" } }",
		REPORT "smarthost_user = us smarthost_password_file = "
		       "\"FILE\" }",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct smx_config *c = NULL;

		if (check(texts[i], &c) != 0 || told.n > 0)
			fail_msg("%s\nis answered with\n%s", texts[i],
			    smx_buf_text(&told));
		smx_config_free(&c);
	}
}

/* One mistake does not hide the others. */
static void
test_all_are_told(void **state)
{
	struct smx_config *c = NULL;

	(void)state;
	assert_int_equal(check("report { contact = x smarthost = y\n"
			       "ehlo = \"a b\" exclude = { \"\", \" \" } }",
			     &c),
	    -SMX_EINVAL);
	for (size_t i = 0, lines = 0; i <= told.n; i++) {
		lines += i < told.n && told.p[i] == '\n';
		if (i == told.n)
			assert_int_equal(lines, 5);
	}
	smx_config_free(&c);
}

/* To the daemon the first error is the reason. */
static void
test_start(void **state)
{
	static const bool roles[SMX_CONFIG_SECTION_COUNT] = {
		[SMX_CONFIG_SECTION_REPORT] = true
	};
	struct smx_config *c = NULL;
	struct smx_buf reason;

	(void)state;
	(void)!check("report { contact = x ehlo = \"a b\" }", &c);
	smx_buf_init(&reason, 4000);
	assert_int_equal(smx_config_check_start(c, roles, &reason),
	    -SMX_EINVAL);
	assert_non_null(strstr(smx_buf_text(&reason), "contact"));
	assert_null(strstr(smx_buf_text(&reason), "ehlo"));
	smx_config_free(&c);
	smx_buf_done(&reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_all_are_told),
		cmocka_unit_test(test_start),
	};

	return cmocka_run_group_tests_name("config_check", tests, make_files,
	    remove_files);
}
