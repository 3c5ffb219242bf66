/*
 * TLS reports: whatever is in them, what is read keeps within its limits, and
 * another reader of JSON agrees about what is JSON at all. What was read,
 * written anew by core/tlsrpt_report.c, reads as the same.
 */
#include <jansson.h>
#include <stdlib.h>

#include "fuzz.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_read.h"
#include "core/tlsrpt_report.h"

#define PLENTY ((size_t)64 << 20)

static bool
is_found(const struct smx_diag_list *l, enum smx_diag_code code)
{
	for (size_t i = 0; i < smx_diag_list_kept(l); i++)
		if (l->items[i].code == code)
			return true;
	return false;
}

/* What jansson takes is JSON, unless it is nested too deep for us. */
static void
compare_with_jansson(struct smx_slice json, const struct smx_diag_list *diags)
{
	json_t *root;

	/* jansson passes over a NUL behind a number. */
	if (smx_slice_find(json, '\0') < json.n)
		return;
	root = json_loadb(json.p, json.n, JSON_DECODE_ANY | JSON_ALLOW_NUL,
	    NULL);
	if (root == NULL)
		return;
	SMX_REQUIRE(diags->fatal.code != SMX_DIAG_REPORT_JSON);
	SMX_REQUIRE(diags->fatal.code != SMX_DIAG_REPORT_CUT);
	SMX_REQUIRE(diags->fatal.code != SMX_DIAG_REPORT_EMPTY);
	SMX_REQUIRE(!is_found(diags, SMX_DIAG_REPORT_UTF8));
	SMX_REQUIRE((diags->fatal.code == SMX_DIAG_REPORT_NOT_OBJECT) ==
	    !json_is_object(root));
	if (json_is_object(root) && diags->fatal.code != SMX_DIAG_REPORT_DEPTH)
		SMX_REQUIRE((json_object_get(root, "policies") == NULL) ==
		    (diags->fatal.code == SMX_DIAG_REPORT_POLICIES_MISSING));
	json_decref(root);
}

static void
require_text(struct smx_slice s)
{
	SMX_REQUIRE(s.n <= SMX_TLSRPT_READ_TEXT_MAX);
	/* All of it can be looked at. */
	SMX_REQUIRE(s.n == 0 || smx_slice_find(s, s.p[s.n - 1]) < s.n);
}

static void
require_lines(const struct smx_tlsrpt_line *line, bool is_policy)
{
	for (; line != NULL; line = line->next) {
		require_text(line->text);
		SMX_REQUIRE(line->text.n > 0);
		if (is_policy)
			SMX_REQUIRE(smx_slice_find(line->text, '\n') ==
				line->text.n &&
			    smx_slice_find(line->text, '\r') == line->text.n);
	}
}

static void
require_failure(const struct smx_tlsrpt_read_failure *f)
{
	require_text(f->result_type);
	require_text(f->row.sending_mta_ip);
	require_text(f->row.receiving_mx_hostname);
	require_text(f->row.receiving_mx_helo);
	require_text(f->row.receiving_ip);
	require_text(f->row.additional_information);
	require_text(f->row.failure_reason_code);
	SMX_REQUIRE(f->count <= UINT64_C(1) << 53);
}

/* What holds of every report that is used. */
static void
require_whole(const struct smx_tlsrpt_read_report *r)
{
	size_t policies = 0, failures = 0;

	for (const struct smx_tlsrpt_read_policy *p = r->policies; p != NULL;
	     p = p->next) {
		uint64_t sum = 0;

		policies++;
		require_text(p->domain);
		require_text(p->policy_type);
		require_lines(p->policy_string, true);
		require_lines(p->mx_host, false);
		for (const struct smx_tlsrpt_read_failure *f = p->failures;
		     f != NULL; f = f->next) {
			require_failure(f);
			sum += f->count;
			failures++;
		}
		SMX_REQUIRE(sum == p->failure_sum);
	}
	SMX_REQUIRE(policies == r->policy_count);
	SMX_REQUIRE(failures == r->failure_count);
	require_text(r->organization_name);
	require_text(r->contact_info);
	require_text(r->report_id);
	SMX_REQUIRE(!r->has_day || (r->day >= 0 && r->day < 2932897));
	SMX_REQUIRE(!r->has_start || r->has_day);
}

static void
print_policy(const struct smx_tlsrpt_read_policy *p, struct smx_buf *out)
{
	struct smx_tlsrpt_event_policy event = {
		.type = p->type,
		.policy_string = p->policy_string,
		.mx_host = p->mx_host,
	};

	if (smx_domain_parse(p->domain, &event.domain) < 0)
		event.domain.n = 0;
	smx_tlsrpt_report_print_policy(&event, out);
}

static void
print(const struct smx_tlsrpt_read_report *r, struct smx_buf *out)
{
	const struct smx_tlsrpt_report_head head = { r->organization_name,
		r->contact_info, r->report_id, r->has_day ? r->day : 0 };
	struct smx_tlsrpt_report_writer w;
	struct smx_buf part;

	smx_buf_init(&part, PLENTY);
	smx_tlsrpt_report_begin(&w, out, &head);
	for (const struct smx_tlsrpt_read_policy *p = r->policies; p != NULL;
	     p = p->next) {
		smx_buf_reset(&part);
		print_policy(p, &part);
		smx_tlsrpt_report_policy(&w, smx_buf_slice(&part), p->success,
		    p->failure);
		for (const struct smx_tlsrpt_read_failure *f = p->failures;
		     f != NULL; f = f->next) {
			smx_buf_reset(&part);
			smx_tlsrpt_report_print_failure(&f->row, &part);
			smx_tlsrpt_report_failure(&w, smx_buf_slice(&part),
			    f->count);
		}
	}
	SMX_REQUIRE(smx_tlsrpt_report_end(&w) == 0);
	smx_buf_done(&part);
}

static void
require_same(const struct smx_tlsrpt_read_report *a,
    const struct smx_tlsrpt_read_report *b)
{
	const struct smx_tlsrpt_read_policy *q = b->policies;

	SMX_REQUIRE(a->policy_count == b->policy_count);
	SMX_REQUIRE(a->failure_count == b->failure_count);
	SMX_REQUIRE(a->success == b->success && a->failure == b->failure);
	SMX_REQUIRE(b->has_day && b->day == (a->has_day ? a->day : 0));
	for (const struct smx_tlsrpt_read_policy *p = a->policies; p != NULL;
	     p = p->next, q = q->next) {
		const struct smx_tlsrpt_read_failure *g = q->failures;

		SMX_REQUIRE(q->is_known && q->type == p->type);
		SMX_REQUIRE(q->success == p->success &&
		    q->failure == p->failure);
		for (const struct smx_tlsrpt_read_failure *f = p->failures;
		     f != NULL; f = f->next, g = g->next)
			SMX_REQUIRE(g->is_known &&
			    g->row.result == f->row.result &&
			    g->count == f->count);
	}
}

/* What comes from our own writer has none of the faults of form. */
static void
check_writing(const struct smx_tlsrpt_read_report *r)
{
	static const enum smx_diag_code never[] = { SMX_DIAG_REPORT_UTF8,
		SMX_DIAG_REPORT_DUPLICATE, SMX_DIAG_REPORT_MEMBER,
		SMX_DIAG_REPORT_NULL, SMX_DIAG_REPORT_TYPE,
		SMX_DIAG_REPORT_DATE, SMX_DIAG_REPORT_DATE_FORM,
		SMX_DIAG_REPORT_DATE_ZONE, SMX_DIAG_REPORT_RANGE,
		SMX_DIAG_REPORT_POLICY_TYPE, SMX_DIAG_REPORT_WORD_CASE,
		SMX_DIAG_REPORT_STRING_TEXT, SMX_DIAG_REPORT_STRING_LINES,
		SMX_DIAG_REPORT_MX_TEXT, SMX_DIAG_REPORT_RESULT,
		SMX_DIAG_REPORT_COUNT, SMX_DIAG_REPORT_COUNT_MISSING,
		SMX_DIAG_REPORT_COUNT_TEXT, SMX_DIAG_REPORT_COUNT_FORM };
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_tlsrpt_read_report again;
	struct smx_diag_list diags;
	struct smx_arena arena;
	struct smx_buf json;

	smx_buf_init(&json, PLENTY);
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_READ_ARENA_MAX);
	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	print(r, &json);
	SMX_REQUIRE(smx_tlsrpt_read_parse(&arena, smx_buf_slice(&json), &diags,
			&again) == 0);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		SMX_REQUIRE(!is_found(&diags, never[i]));
	require_same(r, &again);
	smx_buf_done(&json);
	smx_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), json = SMX_SLICE("");
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_tlsrpt_read_report r;
	struct smx_diag_list diags;
	struct smx_buf inflated;
	struct smx_arena arena;
	int rc;

	smx_buf_init(&inflated, SMX_TLSRPT_READ_BYTES_MAX);
	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_READ_ARENA_MAX);
	rc = smx_tlsrpt_read_inflate(in, &inflated, &diags, &json);
	SMX_REQUIRE(inflated.n <= size * SMX_GZ_RATIO_MAX);
	if (rc == 0) {
		rc = smx_tlsrpt_read_parse(&arena, json, &diags, &r);
		compare_with_jansson(json, &diags);
	}
	SMX_REQUIRE(rc == 0 || rc == -SMX_EPARSE);
	SMX_REQUIRE((rc == 0) == (diags.fatal.code == SMX_DIAG_OK));
	SMX_REQUIRE(diags.count <= SMX_DIAG_COUNT_MAX);
	fuzz_require_findings(&diags, json);
	if (rc == 0) {
		require_whole(&r);
		check_writing(&r);
	}
	smx_arena_done(&arena);
	smx_buf_done(&inflated);
	return 0;
}
