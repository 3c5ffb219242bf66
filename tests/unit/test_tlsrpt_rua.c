#include "unit.h"
#include "failing_alloc.h"
#include "base/buf.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_rua.h"

/* More of the grammar is rows of tests/vectors/tlsrpt-record.jsonl. */

static struct smx_diag items[16];
static struct smx_diag_list diags;
static struct smx_arena arena;

static int
start(void **state)
{
	(void)state;
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_ARENA_MAX);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	failing_alloc_off();
	smx_arena_done(&arena);
	return 0;
}

static int
parse(const char *uri, struct smx_tlsrpt_rua *ret)
{
	struct smx_slice s = smx_slice_text(uri);

	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_arena_reset(&arena);
	return smx_tlsrpt_rua_parse(&arena, s, s, &diags, ret);
}

static void
test_mail_addresses(void **state)
{
	static const struct {
		const char *uri, *address, *host;
	} rows[] = {
		{ "mailto:a@example.com", "a@example.com", "example.com" },
		{ "MailTo:a@example.com", "a@example.com", "example.com" },
		{ "mailto:tls.rpt+x=y_z-1@Example.COM",
		    "tls.rpt+x=y_z-1@Example.COM", "Example.COM" },
		{ "mailto:reports%2Btls@example.com", "reports+tls@example.com",
		    "example.com" },
		{ "mailto:%61%40b.exampl%65", "a@b.example", "b.example" },
		{ "mailto:a@xn--bcher-kva.example", "a@xn--bcher-kva.example",
		    "xn--bcher-kva.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_tlsrpt_rua r;

		assert_int_equal(parse(rows[i].uri, &r), 0);
		assert_int_equal(diags.count, 0);
		assert_int_equal(r.scheme, SMX_TLSRPT_RUA_MAILTO);
		assert_true(smx_slice_equal(r.uri,
		    smx_slice_text(rows[i].uri)));
		/* The NUL behind it is there. */
		assert_string_equal(r.address.p, rows[i].address);
		assert_int_equal(r.address.n, strlen(rows[i].address));
		assert_true(smx_slice_equal(r.host,
		    smx_slice_text(rows[i].host)));
		assert_int_equal(r.port, 0);
		assert_int_equal(r.path.n, 0);
	}
}

static void
test_https_uris(void **state)
{
	static const struct {
		const char *uri, *host, *path;
		uint16_t port;
	} rows[] = {
		{ "https://r.example/v1", "r.example", "/v1", 443 },
		{ "HTTPS://r.example", "r.example", "", 443 },
		{ "https://r.example:", "r.example", "", 443 },
		{ "https://r.example:1/", "r.example", "/", 1 },
		{ "https://r.example:65535/", "r.example", "/", 65535 },
		{ "https://r.example:0443/", "r.example", "/", 443 },
		{ "https://r.example?k=v", "r.example", "?k=v", 443 },
		{ "https://r.example/a?b=c&d=/e?f:@g", "r.example",
		    "/a?b=c&d=/e?f:@g", 443 },
		{ "https://r.example/~a/b_c.d-e/%0d%0a", "r.example",
		    "/~a/b_c.d-e/%0d%0a", 443 },
		{ "https://r.example//../$&'()*+=", "r.example",
		    "//../$&'()*+=", 443 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_tlsrpt_rua r;

		assert_int_equal(parse(rows[i].uri, &r), 0);
		assert_int_equal(diags.count, 0);
		assert_int_equal(r.scheme, SMX_TLSRPT_RUA_HTTPS);
		assert_int_equal(r.address.n, 0);
		assert_true(smx_slice_equal(r.host,
		    smx_slice_text(rows[i].host)));
		assert_true(smx_slice_equal(r.path,
		    smx_slice_text(rows[i].path)));
		assert_int_equal(r.port, rows[i].port);
	}
}

static void
test_what_is_refused(void **state)
{
	static const struct {
		const char *uri;
		enum smx_diag_code code;
		const char *arg;
	} rows[] = {
		{ "", SMX_DIAG_TLSRPT_RUA_EMPTY, "" },
		{ "a@example.com", SMX_DIAG_TLSRPT_RUA_NO_SCHEME,
		    "a@example.com" },
		{ ":a", SMX_DIAG_TLSRPT_RUA_NO_SCHEME, ":a" },
		{ "1a:b", SMX_DIAG_TLSRPT_RUA_NO_SCHEME, "1a:b" },
		{ "//example.com/", SMX_DIAG_TLSRPT_RUA_NO_SCHEME,
		    "//example.com/" },
		{ "http://r.example/", SMX_DIAG_TLSRPT_RUA_SCHEME, "http:" },
		{ "mailto+x:a@b.example", SMX_DIAG_TLSRPT_RUA_SCHEME,
		    "mailto+x:" },
		{ "mailto:a@b.example!10m", SMX_DIAG_TLSRPT_RUA_CHAR, "!" },
		{ "mailto:a b@c.example", SMX_DIAG_TLSRPT_RUA_CHAR, " " },
		{ "mailto:\xc3\xbc@c.example", SMX_DIAG_TLSRPT_RUA_CHAR,
		    "\xc3\xbc" },
		{ "mailto:\xff@c.example", SMX_DIAG_TLSRPT_RUA_CHAR, "\xff" },
		{ "https://r.example/\"", SMX_DIAG_TLSRPT_RUA_CHAR, "\"" },
		{ "https://r.example/\x7f", SMX_DIAG_TLSRPT_RUA_CHAR, "\x7f" },
		{ "https://r.example/\r\n", SMX_DIAG_TLSRPT_RUA_CHAR, "\r" },
		{ "https://r.example/[", SMX_DIAG_TLSRPT_RUA_CHAR, "[" },
		{ "https://r.example/?a]", SMX_DIAG_TLSRPT_RUA_CHAR, "]" },
		{ "mailto:a@b.example#c", SMX_DIAG_TLSRPT_RUA_CHAR, "#" },
		{ "mailto:a@[192.0.2.1]", SMX_DIAG_TLSRPT_RUA_CHAR, "[" },
		{ "mailto:a%", SMX_DIAG_TLSRPT_RUA_PERCENT, "%" },
		{ "mailto:a%4", SMX_DIAG_TLSRPT_RUA_PERCENT, "%4" },
		{ "mailto:a%4g@b", SMX_DIAG_TLSRPT_RUA_PERCENT, "%4g" },
		{ "https://r.example/%g0", SMX_DIAG_TLSRPT_RUA_PERCENT, "%g0" },
		{ "mailto:", SMX_DIAG_TLSRPT_RUA_MAILTO, "" },
		{ "mailto:a", SMX_DIAG_TLSRPT_RUA_MAILTO, "a" },
		{ "mailto:a@", SMX_DIAG_TLSRPT_RUA_MAILTO, "a@" },
		{ "mailto:@b.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "@b.example" },
		{ "mailto:a@b@c.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a@b@c.example" },
		{ "mailto:a@localhost", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a@localhost" },
		{ "mailto:a@192.0.2.1", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a@192.0.2.1" },
		{ "mailto:a@b.example:test", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a@b.example:test" },
		{ "mailto:.a@b.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    ".a@b.example" },
		{ "mailto:a..b@c.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a..b@c.example" },
		{ "mailto:a.@b.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a.@b.example" },
		{ "mailto:%22a%20b%22@c.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "%22a%20b%22@c.example" },
		{ "mailto:a%0d%0aBcc:b@c.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a%0d%0aBcc:b@c.example" },
		{ "mailto:a%00@b.example", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a%00@b.example" },
		{ "mailto:a@b.example%00", SMX_DIAG_TLSRPT_RUA_MAILTO,
		    "a@b.example%00" },
		{ "mailto:a@b.example%2cc@d.example",
		    SMX_DIAG_TLSRPT_RUA_MAILTO, "a@b.example%2cc@d.example" },
		{ "mailto:a%21b@c.example", SMX_DIAG_TLSRPT_RUA_LOCAL,
		    "a%21b@c.example" },
		{ "mailto:a%25b.example@c.example", SMX_DIAG_TLSRPT_RUA_LOCAL,
		    "a%25b.example@c.example" },
		{ "mailto:-oQ@c.example", SMX_DIAG_TLSRPT_RUA_LOCAL,
		    "-oQ@c.example" },
		{ "mailto:$x@c.example", SMX_DIAG_TLSRPT_RUA_LOCAL,
		    "$x@c.example" },
		{ "mailto:%7cx@c.example", SMX_DIAG_TLSRPT_RUA_LOCAL,
		    "%7cx@c.example" },
		{ "https:r.example", SMX_DIAG_TLSRPT_RUA_HTTPS,
		    "https:r.example" },
		{ "https:/r.example", SMX_DIAG_TLSRPT_RUA_HTTPS,
		    "https:/r.example" },
		{ "https://", SMX_DIAG_TLSRPT_RUA_HTTPS, "https://" },
		{ "https:///path", SMX_DIAG_TLSRPT_RUA_HTTPS, "https:///path" },
		{ "https://:443/", SMX_DIAG_TLSRPT_RUA_HTTPS, "https://:443/" },
		{ "https://localhost/", SMX_DIAG_TLSRPT_RUA_HOST, "localhost" },
		{ "https://192.0.2.1/", SMX_DIAG_TLSRPT_RUA_HOST, "192.0.2.1" },
		{ "https://[2001:db8::1]/", SMX_DIAG_TLSRPT_RUA_HOST,
		    "[2001:db8::1]" },
		{ "https://r.example./", SMX_DIAG_TLSRPT_RUA_HOST,
		    "r.example." },
		{ "https://r%2eexample/", SMX_DIAG_TLSRPT_RUA_HOST,
		    "r%2eexample" },
		{ "https://r_1.example/", SMX_DIAG_TLSRPT_RUA_HOST,
		    "r_1.example" },
		{ "https://r.example:0/", SMX_DIAG_TLSRPT_RUA_PORT, "0" },
		{ "https://r.example:65536/", SMX_DIAG_TLSRPT_RUA_PORT,
		    "65536" },
		{ "https://r.example:99999999999999999999/",
		    SMX_DIAG_TLSRPT_RUA_PORT, "99999999999999999999" },
		{ "https://r.example:8o/", SMX_DIAG_TLSRPT_RUA_PORT, "8o" },
		{ "https://r.example:1:2/", SMX_DIAG_TLSRPT_RUA_PORT, "1:2" },
		{ "https://u:p@r.example/", SMX_DIAG_TLSRPT_RUA_USER, "u:p@" },
		{ "https://@r.example/", SMX_DIAG_TLSRPT_RUA_USER, "@" },
		{ "https://r.example/#", SMX_DIAG_TLSRPT_RUA_FRAGMENT, "#" },
		{ "https://a.example#@b.example/", SMX_DIAG_TLSRPT_RUA_FRAGMENT,
		    "#@b.example/" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smx_tlsrpt_rua r = { .port = 4711 };

		if (parse(rows[i].uri, &r) != -SMX_EPARSE || diags.count != 1 ||
		    items[0].code != rows[i].code)
			fail_msg("%s: %s", rows[i].uri,
			    smx_diag_row(items[0].code)->name);
		assert_true(smx_slice_equal(items[0].arg,
		    smx_slice_text(rows[i].arg)));
		assert_int_equal(r.port, 4711);
		/* None spoils the record. */
		assert_int_equal(diags.fatal.code, SMX_DIAG_OK);
	}
}

static void
test_headers_are_ignored(void **state)
{
	struct smx_tlsrpt_rua r;

	(void)state;
	assert_int_equal(parse("mailto:a@b.example?subject=x%0d%0ay&to=c", &r),
	    0);
	assert_slice(r.address, "a@b.example");
	assert_slice(r.host, "b.example");
	assert_int_equal(diags.count, 1);
	assert_int_equal(items[0].code, SMX_DIAG_TLSRPT_RUA_HEADERS);
	assert_slice(items[0].arg, "?subject=x%0d%0ay&to=c");
}

static void
test_places_count_from_the_record(void **state)
{
	struct smx_slice record = SMX_SLICE("v=TLSRPTv1; rua=mailto:a!b");
	struct smx_slice uri = smx_slice_from(record, 16);
	struct smx_tlsrpt_rua r;

	(void)state;
	assert_int_equal(smx_tlsrpt_rua_parse(&arena, record, uri, &diags, &r),
	    -SMX_EPARSE);
	assert_int_equal(items[0].line, 1);
	assert_int_equal(items[0].offset, 24);
	assert_ptr_equal(items[0].arg.p, record.p + 24);
}

static void
test_longest_uri_and_one_more(void **state)
{
	static char uri[SMX_TLSRPT_URI_MAX + 2] = "https://r.example/";
	struct smx_tlsrpt_rua r;

	(void)state;
	memset(uri + 18, 'x', sizeof(uri) - 19);
	uri[SMX_TLSRPT_URI_MAX] = '\0';
	assert_int_equal(parse(uri, &r), 0);
	uri[SMX_TLSRPT_URI_MAX] = 'x';
	assert_int_equal(parse(uri, &r), -SMX_EPARSE);
	assert_int_equal(items[0].code, SMX_DIAG_TLSRPT_RUA_LONG);
}

static void
test_longest_local_part_and_one_more(void **state)
{
	char uri[100] = "mailto:";
	struct smx_tlsrpt_rua r;

	(void)state;
	memset(uri + 7, 'x', 64);
	strcpy(uri + 7 + 64, "@b.example");
	assert_int_equal(parse(uri, &r), 0);
	strcpy(uri + 7 + 64, "x@b.example");
	assert_int_equal(parse(uri, &r), -SMX_EPARSE);
	assert_int_equal(items[0].code, SMX_DIAG_TLSRPT_RUA_MAILTO);
}

/* Whatever is read: what is used of it can't break out of a header, a URL or
 * a shell's word. */
static void
test_nothing_can_be_injected(void **state)
{
	static const char *const parts[] = { "mailto:", "https://", "a", "b.c",
		"@", ".", "/", "?", ":", "%41", "%0a", "%00", "%27", "-", "$",
		"'", "`", "#", "[", "]", "&", "=", "8", "%", " ", "*" };
	uint64_t seed = 7;
	unsigned used[2] = { 0, 0 };

	(void)state;
	for (int round = 0; round < 300000; round++) {
		size_t n = unit_random(&seed) % 6;
		char uri[100];
		struct smx_tlsrpt_rua r;

		strcpy(uri, parts[unit_random(&seed) % 2]);
		strcat(uri, unit_random(&seed) % 2 == 0 ? "a" : "");
		strcat(uri, unit_random(&seed) % 2 == 0 ? "@b.c" : "b.c");
		while (n-- > 0)
			strcat(uri,
			    parts[unit_random(&seed) % COUNT_OF(parts)]);
		if (parse(uri, &r) < 0)
			continue;
		used[r.scheme]++;
		assert_true(smx_domain_is_host(r.host));
		assert_non_null(memchr(r.host.p, '.', r.host.n));
		assert_int_equal(strspn(r.address.n != 0 ? r.address.p : "",
				     "abcA8.-=@"),
		    r.address.n);
		assert_null(memchr(r.uri.p, ' ', r.uri.n));
		assert_null(memchr(r.uri.p, '#', r.uri.n));
	}
	assert_true(used[0] > 1000 && used[1] > 1000);
}

static void
test_out_of_memory(void **state)
{
	struct smx_slice s = SMX_SLICE("mailto:a@example.com");
	struct smx_tlsrpt_rua r;

	(void)state;
	failing_alloc_after(0);
	assert_int_equal(smx_tlsrpt_rua_parse(&arena, s, s, &diags, &r),
	    -SMX_ENOMEM);
	failing_alloc_off();
	assert_int_equal(smx_tlsrpt_rua_parse(&arena, s, s, &diags, &r), 0);
	assert_int_equal(diags.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mail_addresses),
		TEST(test_https_uris),
		TEST(test_what_is_refused),
		TEST(test_headers_are_ignored),
		TEST(test_places_count_from_the_record),
		TEST(test_longest_uri_and_one_more),
		TEST(test_longest_local_part_and_one_more),
		TEST(test_nothing_can_be_injected),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("tlsrpt_rua", tests, NULL, NULL);
}
