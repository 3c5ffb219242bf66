/*
 * Runs cases: vectors [--rows] FILE.jsonl...
 *
 * The name of a file says which grammar its cases are about. For each case the
 * result is put together as a JSON object, and every field that the case has
 * beside its name and input must be equal in it. Output is TAP.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "base/require.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/netstring.h"
#include "core/nexthop.h"
#include "core/postfix.h"
#include "core/socketmap.h"
#include "core/sts_match.h"
#include "core/sts_policy.h"
#include "core/sts_txt.h"
#include "core/tlsrpt_read.h"
#include "core/tlsrpt_txt.h"

static struct smx_diag items[SMX_DIAG_COUNT_MAX];
static struct smx_diag_list diags;
static struct smx_arena arena;
static bool met[SMX_DIAG_CODE_COUNT];
static unsigned cases, failures;
static bool only_rows; /* run the cases for what they raise */

/* The part of a case's input with this name. */
static struct smx_slice
input(const json_t *row, const char *name)
{
	struct smx_slice s = bytes_exact(json_object_get(row, name));

	if (s.p == NULL) {
		fprintf(stderr, "vectors: \"%s\" can't be read\n", name);
		exit(2);
	}
	return s;
}

static void
release(struct smx_slice s)
{
	free((void *)(uintptr_t)s.p);
}

static void
set(json_t *got, const char *name, json_t *value)
{
	SMX_REQUIRE(value != NULL);
	json_object_set_new(got, name, value);
}

/* Bytes that are no UTF-8 are escaped, to have a form in JSON. */
static json_t *
text(struct smx_slice s)
{
	json_t *value = json_stringn(s.p != NULL ? s.p : "", s.n);
	struct smx_buf b;

	if (value != NULL)
		return value;
	smx_buf_init(&b, (size_t)1 << 20);
	smx_buf_add_escaped(&b, s);
	value = json_string(smx_buf_text(&b));
	smx_buf_done(&b);
	return value;
}

static json_t *
extensions(const struct smx_sts_extension *e, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list,
		    json_pack("[o, o]", text(e[i].name), text(e[i].value)));
	return list;
}

/* What every finding keeps to, whatever the input. */
static void
check_finding(const struct smx_diag *d, struct smx_slice in)
{
	char storage[1024];
	struct smx_buf b;

	met[d->code] = true;
	SMX_REQUIRE(d->arg.n == 0 || d->arg.p == in.p + d->offset);
	SMX_REQUIRE(d->offset + d->arg.n <= in.n);
	smx_buf_init_fixed(&b, storage, sizeof(storage));
	smx_diag_print(d, &b);
	SMX_REQUIRE(smx_buf_status(&b) == 0 && b.n > 0);
}

static void
set_findings(json_t *got, struct smx_slice in, int rc)
{
	json_t *codes = json_array(), *at = json_array(), *args = json_array();

	SMX_REQUIRE(rc == (diags.fatal.code == SMX_DIAG_OK ? 0 : -SMX_EPARSE) ||
	    rc == -SMX_ENOENT);
	for (size_t i = 0; i < smx_diag_list_kept(&diags); i++) {
		char place[64];

		check_finding(&items[i], in);
		json_array_append_new(codes,
		    json_string(smx_diag_row(items[i].code)->name));
		snprintf(place, sizeof(place), "%u:%zu", items[i].line,
		    items[i].offset);
		json_array_append_new(at, json_string(place));
		json_array_append_new(args, text(items[i].arg));
	}
	set(got, "codes", codes);
	set(got, "at", at);
	set(got, "args", args);
	set(got, "valid", json_boolean(!smx_diag_list_has_error(&diags)));
}

static bool
is_found(enum smx_diag_code code)
{
	for (size_t i = 0; i < smx_diag_list_kept(&diags); i++)
		if (items[i].code == code)
			return true;
	return false;
}

static void
set_record(json_t *got, const struct smx_sts_txt *t)
{
	set(got, "id", text(t->id));
	set(got, "extensions", extensions(t->extensions, t->extension_count));
}

static void
run_record(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "input");
	struct smx_sts_txt t;
	int rc = smx_sts_txt_parse(&arena, in, &diags, &t);

	set_findings(got, in, rc);
	if (rc == 0)
		set_record(got, &t);
	/* What parses is also found among other records. */
	SMX_REQUIRE(rc < 0 || smx_sts_txt_is_candidate(in));
	release(in);
}

/* A TXT RRset: each record is an array of character-strings.
 * @return how many there are. */
static size_t
read_rrset(const json_t *row, struct smx_slice records[SMX_TXT_COUNT_MAX])
{
	const json_t *list = json_object_get(row, "input");
	size_t count = json_array_size(list);

	SMX_REQUIRE(json_is_array(list) && count <= SMX_TXT_COUNT_MAX);
	for (size_t i = 0; i < count; i++) {
		records[i] = bytes_exact(json_array_get(list, i));
		SMX_REQUIRE(records[i].p != NULL);
	}
	return count;
}

static void
run_rrset(const json_t *row, json_t *got)
{
	struct smx_slice records[SMX_TXT_COUNT_MAX] = { { NULL, 0 } };
	size_t count = read_rrset(row, records), index = 0;
	struct smx_slice chosen = { "", 0 };
	struct smx_sts_txt t;
	int rc;

	rc = smx_sts_txt_select(records, count, &diags, &index);
	if (rc == 0) {
		chosen = records[index];
		rc = smx_sts_txt_parse(&arena, chosen, &diags, &t);
		if (rc == 0)
			set_record(got, &t);
	}
	set_findings(got, chosen, rc);
	for (size_t i = 0; i < count; i++)
		release(records[i]);
}

/* A mail address, or host, port and path. */
static json_t *
place(const struct smx_tlsrpt_rua *rua)
{
	if (rua->scheme == SMX_TLSRPT_RUA_MAILTO)
		return text(rua->address);
	return json_pack("[o, i, o]", text(rua->host), (int)rua->port,
	    text(rua->path));
}

static void
set_places(json_t *got, const struct smx_tlsrpt_txt *t)
{
	json_t *uris = json_array(), *places = json_array();

	for (size_t i = 0; i < t->rua_count; i++) {
		json_array_append_new(uris, text(t->rua[i].uri));
		json_array_append_new(places, place(&t->rua[i]));
	}
	set(got, "rua", uris);
	set(got, "places", places);
}

static void
run_tlsrpt_record(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "input");
	struct smx_tlsrpt_txt t;
	int rc = smx_tlsrpt_txt_parse(&arena, in, &diags, &t);

	set_findings(got, in, rc);
	set(got, "used", json_boolean(rc == 0));
	if (rc == 0)
		set_places(got, &t);
	/* What parses is also found among other records. */
	SMX_REQUIRE(rc < 0 || smx_tlsrpt_txt_is_candidate(in));
	release(in);
}

static void
run_tlsrpt_rrset(const json_t *row, json_t *got)
{
	struct smx_slice records[SMX_TXT_COUNT_MAX] = { { NULL, 0 } };
	size_t count = read_rrset(row, records), index = 0;
	struct smx_slice chosen = { "", 0 };
	struct smx_tlsrpt_txt t;
	int rc;

	rc = smx_tlsrpt_txt_select(records, count, chosen, &diags, &index);
	if (rc == 0) {
		chosen = records[index];
		rc = smx_tlsrpt_txt_parse(&arena, chosen, &diags, &t);
		if (rc == 0)
			set_places(got, &t);
	}
	set_findings(got, chosen, rc);
	/* That there is none is a warning only: nobody has to have one. */
	if (rc == -SMX_ENOENT)
		set(got, "valid", json_false());
	for (size_t i = 0; i < count; i++)
		release(records[i]);
}

static json_t *
lines(const struct smx_tlsrpt_line *line)
{
	json_t *list = json_array();

	for (; line != NULL; line = line->next)
		json_array_append_new(list, text(line->text));
	return list;
}

/* Of each row what is told, by the RFC's names without their hyphens. */
static json_t *
failure(const struct smx_tlsrpt_read_failure *f)
{
	const struct {
		const char *name;
		struct smx_slice text;
	} members[] = {
		{ "sending_mta_ip", f->row.sending_mta_ip },
		{ "receiving_mx_hostname", f->row.receiving_mx_hostname },
		{ "receiving_mx_helo", f->row.receiving_mx_helo },
		{ "receiving_ip", f->row.receiving_ip },
		{ "additional_information", f->row.additional_information },
		{ "failure_reason_code", f->row.failure_reason_code },
	};
	json_t *row = json_object();

	set(row, "count", json_integer((json_int_t)f->count));
	set(row, "result", text(f->result_type));
	SMX_REQUIRE(f->is_known ||
	    f->row.result == SMX_TLSRPT_VALIDATION_FAILURE);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].text.n > 0)
			set(row, members[i].name, text(members[i].text));
	return row;
}

static void
set_policies(json_t *got, const struct smx_tlsrpt_read_report *r)
{
	json_t *domains = json_array(), *strings = json_array(),
	       *hosts = json_array(), *totals = json_array(),
	       *rows = json_array();

	for (const struct smx_tlsrpt_read_policy *p = r->policies; p != NULL;
	     p = p->next) {
		json_t *list = json_array();

		for (const struct smx_tlsrpt_read_failure *f = p->failures;
		     f != NULL; f = f->next)
			json_array_append_new(list, failure(f));
		json_array_append_new(rows, list);
		json_array_append_new(domains,
		    json_pack("[o, o, b]", text(p->domain),
			text(p->policy_type), p->is_known));
		json_array_append_new(strings, lines(p->policy_string));
		json_array_append_new(hosts, lines(p->mx_host));
		json_array_append_new(totals,
		    json_pack("[I, I]", (json_int_t)p->success,
			(json_int_t)p->failure));
	}
	set(got, "policies", domains);
	set(got, "policy_string", strings);
	set(got, "mx_host", hosts);
	set(got, "totals", totals);
	set(got, "failures", rows);
}

static void
set_report(json_t *got, const struct smx_tlsrpt_read_report *r)
{
	set(got, "organization", text(r->organization_name));
	set(got, "contact", text(r->contact_info));
	set(got, "id", text(r->report_id));
	set(got, "start", r->has_start ? json_integer(r->start) : json_null());
	set(got, "end", r->has_end ? json_integer(r->end) : json_null());
	set(got, "day", r->has_day ? json_integer(r->day) : json_null());
	set(got, "counted",
	    json_pack("[I, I, I, I]", (json_int_t)r->policy_count,
		(json_int_t)r->failure_count, (json_int_t)r->success,
		(json_int_t)r->failure));
	/* A finding is told once. */
	for (int i = 0; i < SMX_DIAG_CODE_COUNT; i++)
		SMX_REQUIRE((r->met[i] > 0) == is_found((enum smx_diag_code)i));
	set_policies(got, r);
}

static void
run_report(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "input"), json = { "", 0 };
	struct smx_tlsrpt_read_report r;
	struct smx_buf inflated;
	int rc;

	smx_buf_init(&inflated, SMX_TLSRPT_READ_BYTES_MAX);
	rc = smx_tlsrpt_read_inflate(in, &inflated, &diags, &json);
	if (rc == 0)
		rc = smx_tlsrpt_read_parse(&arena, json, &diags, &r);
	set_findings(got, json, rc);
	set(got, "used", json_boolean(rc == 0));
	if (rc == 0)
		set_report(got, &r);
	smx_buf_done(&inflated);
	release(in);
}

static void
run_policy(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "input");
	json_t *mx = json_array();
	struct smx_sts_policy p;
	int rc = smx_sts_policy_parse(&arena, in, &diags, &p);

	set_findings(got, in, rc);
	set(got, "daemon", json_boolean(rc == 0));
	for (size_t i = 0; rc == 0 && i < p.mx_count; i++)
		json_array_append_new(mx, text(p.mx[i]));
	if (rc == 0) {
		set(got, "mode", json_string(smx_sts_policy_mode_text(p.mode)));
		set(got, "max_age", json_integer(p.max_age_s));
		set(got, "mx", json_incref(mx));
		set(got, "extensions",
		    extensions(p.extensions, p.extension_count));
	}
	json_decref(mx);
	release(in);
}

static void
run_match(const json_t *row, json_t *got)
{
	struct smx_slice host = input(row, "host");
	const json_t *list = json_object_get(row, "patterns");
	bool match = false;

	SMX_REQUIRE(json_array_size(list) > 0);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct smx_slice p = bytes_exact(json_array_get(list, i));

		SMX_REQUIRE(p.p != NULL);
		match = smx_sts_match_pattern(p, host) || match;
		release(p);
	}
	set(got, "match", json_boolean(match));
	release(host);
}

static void
run_nexthop(const json_t *row, json_t *got)
{
	static const char *const kinds[] = {
		[SMX_NEXTHOP_NONE] = "none",
		[SMX_NEXTHOP_NAME] = "name",
		[SMX_NEXTHOP_ULABEL] = "ulabel",
	};
	struct smx_slice in = input(row, "input"), name = { "", 0 };
	enum smx_nexthop_kind kind = smx_nexthop_parse(in, &name);
	struct smx_domain d;

	set(got, "kind", json_string(kinds[kind]));
	set(got, "host", text(name));
	set(got, "domain", json_null());
	if (kind == SMX_NEXTHOP_NAME && smx_domain_parse(name, &d) == 0)
		set(got, "domain", text(smx_domain_slice(&d)));
	release(in);
}

static const char *
netstring_status(int rc)
{
	switch (rc) {
	case 0:
		return "ok";
	case -SMX_EAGAIN:
		return "again";
	case -SMX_ELIMIT:
		return "limit";
	case -SMX_EPARSE:
		return "syntax";
	default:
		return smx_status_text(rc);
	}
}

static void
run_netstring(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "input"), payload;
	const json_t *limit = json_object_get(row, "max");
	size_t consumed, cut;
	size_t max = limit != NULL ? (size_t)json_integer_value(limit)
				   : SMX_SOCKETMAP_REQUEST_MAX;
	int rc = smx_netstring_parse(in, max, &payload, &consumed);

	if (limit != NULL)
		set(got, "max", json_integer((json_int_t)max));
	set(got, "status", json_string(netstring_status(rc)));
	if (rc == 0) {
		set(got, "payload", text(payload));
		set(got, "rest", text(smx_slice_from(in, consumed)));
	}
	/* The bytes that came first never said anything else. */
	for (cut = rc == 0 ? consumed : in.n; cut-- > 0;) {
		int early = smx_netstring_parse(smx_slice(in.p, cut), max,
		    &payload, &consumed);

		SMX_REQUIRE(early == -SMX_EAGAIN || (rc < 0 && early == rc));
	}
	release(in);
}

static void
run_socketmap(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "input");
	struct smx_socketmap_request r;
	int rc = smx_socketmap_parse_request(in, &r);

	set(got, "valid", json_boolean(rc == 0));
	if (rc == 0) {
		set(got, "map", text(r.map));
		set(got, "key", text(r.key));
		set(got, "form",
		    json_string(r.form == SMX_SOCKETMAP_PLAIN ? "plain"
							      : "tlsrpt"));
	}
	release(in);
}

/* Both forms; the plain one has to be how the long one begins. */
static int
print_forms(const struct smx_sts_policy *p, struct smx_slice domain,
    struct smx_buf *to, size_t *ret_plain_bytes)
{
	struct smx_buf compact, plain;
	struct smx_postfix postfix;
	size_t start = to->n;
	int rc;

	smx_buf_init(&compact, (size_t)1 << 20);
	smx_buf_init(&plain, (size_t)1 << 20);
	rc = smx_postfix_compile(&arena, p, &compact, &postfix);
	if (rc == 0)
		rc = smx_postfix_print(&postfix, domain, true, to);
	if (rc == 0)
		rc = smx_postfix_print(&postfix, domain, false, &plain);
	if (rc == 0) {
		*ret_plain_bytes = plain.n;
		SMX_REQUIRE(smx_slice_starts(smx_slice(to->p + start,
						 to->n - start),
		    smx_buf_slice(&plain)));
	}
	smx_buf_done(&plain);
	smx_buf_done(&compact);
	return rc;
}

static void
run_postfix(const json_t *row, json_t *got)
{
	struct smx_slice in = input(row, "policy");
	struct smx_slice domain = input(row, "domain");
	struct smx_sts_policy p;
	size_t plain_bytes;
	struct smx_buf out;

	smx_buf_init(&out, SMX_SOCKETMAP_REPLY_MAX);
	if (smx_sts_policy_parse(&arena, in, &diags, &p) == 0 &&
	    print_forms(&p, domain, &out, &plain_bytes) == 0) {
		set(got, "plain", text(smx_slice(out.p, plain_bytes)));
		set(got, "tlsrpt",
		    text(smx_slice_from(smx_buf_slice(&out), plain_bytes)));
	}
	smx_buf_done(&out);
	release(in);
	release(domain);
}

static const struct kind {
	const char *name; /* of the file, without its folder and ".jsonl" */
	void (*run)(const json_t *row, json_t *got);
	const char *input[2];
	const char *must[2]; /* what each case has to say */
} kinds[] = {
	{ "match", run_match, { "patterns", "host" }, { "match" } },
	{ "netstring", run_netstring, { "input" }, { "status" } },
	{ "nexthop", run_nexthop, { "input" }, { "kind", "domain" } },
	{ "policy", run_policy, { "input" }, { "valid", "codes" } },
	{ "postfix", run_postfix, { "domain", "policy" },
	    { "plain", "tlsrpt" } },
	{ "record", run_record, { "input" }, { "valid", "codes" } },
	{ "report", run_report, { "input" }, { "valid", "codes" } },
	{ "rrset", run_rrset, { "input" }, { "valid", "codes" } },
	{ "socketmap", run_socketmap, { "input" }, { "valid" } },
	{ "tlsrpt-record", run_tlsrpt_record, { "input" },
	    { "valid", "codes" } },
	{ "tlsrpt-rrset", run_tlsrpt_rrset, { "input" }, { "valid", "codes" } },
};

static bool
is_among(const char *const list[2], const char *name)
{
	for (int i = 0; i < 2 && list[i] != NULL; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static void
say(const char *what, const json_t *value)
{
	char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	printf("#   %s %s\n", what, dump != NULL ? dump : "nothing");
	free(dump);
}

/* @return true when each field of the case is as it says. */
static bool
compare(const struct kind *kind, json_t *row, json_t *got)
{
	bool ok = true;
	const char *field;
	json_t *want;

	for (int i = 0; i < 2 && kind->must[i] != NULL; i++) {
		if (json_object_get(row, kind->must[i]) == NULL) {
			printf("# it lacks \"%s\"\n", kind->must[i]);
			ok = false;
		}
	}
	json_object_foreach(row, field, want)
	{
		if (strcmp(field, "name") == 0 || is_among(kind->input, field))
			continue;
		if (json_equal(want, json_object_get(got, field)))
			continue;
		printf("# %s\n", field);
		say("want", want);
		say("got ", json_object_get(got, field));
		ok = false;
	}
	return ok;
}

static void
run_case(const struct kind *kind, json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	json_t *got = json_object();
	bool ok;

	smx_arena_init(&arena, NULL, 0,
	    kind->run == run_report ? SMX_TLSRPT_READ_ARENA_MAX
				    : SMX_STS_ARENA_MAX);
	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	/* Without a word the daemon takes what is valid, and nothing else. */
	if (kind->run == run_policy && !json_object_get(row, "daemon"))
		json_object_set(row, "daemon", json_object_get(row, "valid"));
	if (kind->run == run_tlsrpt_record && !json_object_get(row, "used"))
		json_object_set(row, "used", json_object_get(row, "valid"));
	if (kind->run == run_report && !json_object_get(row, "used"))
		json_object_set(row, "used", json_true());
	kind->run(row, got);
	if (!only_rows) {
		ok = compare(kind, row, got) && name != NULL;
		printf("%sok %u - %s: %s\n", ok ? "" : "not ", ++cases,
		    kind->name, name != NULL ? name : "(without a name)");
		failures += !ok;
	}
	json_decref(got);
	smx_arena_done(&arena);
}

static const struct kind *
kind_of(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base != NULL ? base + 1 : path;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].name);

		if (strncmp(base, kinds[i].name, n) == 0 &&
		    strcmp(base + n, ".jsonl") == 0)
			return &kinds[i];
	}
	return NULL;
}

static void
run_file(const char *path)
{
	const struct kind *kind = kind_of(path);
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (kind == NULL || f == NULL) {
		fprintf(stderr, "vectors: %s: %s\n", path,
		    kind == NULL ? "no such kind" : "can't be opened");
		exit(2);
	}
	for (unsigned number = 1; getline(&line, &size, f) > 0; number++) {
		json_error_t error;
		json_t *row = json_loads(line,
		    JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);

		if (row == NULL) {
			fprintf(stderr, "vectors: %s:%u: %s\n", path, number,
			    error.text);
			exit(2);
		}
		run_case(kind, row);
		json_decref(row);
	}
	free(line);
	fclose(f);
}

/* Findings of `strictmx check` about records and policies: about more than
 * their text, so they have their tests elsewhere. */
static const char *const of_check[] = { "TXT_WRONG_PLACE", "TXT_CNAME",
	"TXT_CNAME_DANGLING", "TXT_FOREIGN", "POLICY_MAX_AGE_SHORT",
	"POLICY_LINE_ENDS", "POLICY_TESTING", "POLICY_TESTING_LONG",
	"POLICY_MODE_NONE", "POLICY_DIFFERS", "POLICY_MX_UNUSED",
	"TLSRPT_FAILURE", "TLSRPT_WRONG_PLACE", "TLSRPT_MAILTO_DEAD",
	"TLSRPT_HTTPS_DEAD", "TLSRPT_UNCHECKED" };

static bool
is_of_check(const char *constant)
{
	for (size_t i = 0; i < sizeof(of_check) / sizeof(of_check[0]); i++)
		if (strcmp(of_check[i], constant) == 0)
			return true;
	return false;
}

/* Findings about records and policies are raised by the parsers; those about
 * name servers, connections and the like have their tests elsewhere. */
static void
check_rows(void)
{
	static const char *const constants[SMX_DIAG_CODE_COUNT] = {
#define SMX_DIAG_ROW(code, name, severity, forgiven, rfc, tlsrpt, text, fix) \
	[SMX_DIAG_##code] = #code,
#include "core/diag.def"
#undef SMX_DIAG_ROW
	};

	for (int i = SMX_DIAG_OK + 1; i < SMX_DIAG_CODE_COUNT; i++) {
		if (strncmp(constants[i], "TXT_", 4) != 0 &&
		    strncmp(constants[i], "POLICY_", 7) != 0 &&
		    strncmp(constants[i], "TLSRPT_", 7) != 0 &&
		    strncmp(constants[i], "REPORT_", 7) != 0)
			continue;
		if (is_of_check(constants[i]))
			continue;
		printf("%sok %u - a case raises %s\n", met[i] ? "" : "not ",
		    ++cases, smx_diag_row((enum smx_diag_code)i)->name);
		failures += !met[i];
	}
}

int
main(int argc, char **argv)
{
	only_rows = argc > 1 && strcmp(argv[1], "--rows") == 0;
	for (int i = only_rows ? 2 : 1; i < argc; i++)
		run_file(argv[i]);
	if (only_rows)
		check_rows();
	printf("1..%u\n", cases);
	return cases == 0 || failures != 0;
}
