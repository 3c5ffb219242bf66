/*
 * Datagrams of libtlsrpt, written by who looks at nothing: what is read keeps
 * within its limits, and another reader of JSON agrees that it is JSON. Printed
 * and read again it gives the same.
 */
#include <jansson.h>

#include "fuzz.h"
#include "base/scan.h"
#include "core/ip.h"
#include "core/tlsrpt_event.h"

/* The longest texts, each byte of them escaped. */
#define PLENTY ((size_t)64 << 20)

static void
require_text(struct smx_slice s, size_t max)
{
	SMX_REQUIRE(s.n <= max);
	/* All of it can be looked at. */
	SMX_REQUIRE(s.n == 0 || smx_slice_find(s, s.p[s.n - 1]) < s.n);
}

static void
require_lines(const struct smx_tlsrpt_line *line)
{
	size_t count = 0;

	for (; line != NULL; line = line->next) {
		require_text(line->text, SMX_TLSRPT_EVENT_TEXT_MAX);
		count++;
	}
	SMX_REQUIRE(count <= SMX_TLSRPT_EVENT_LINES_MAX);
}

static void
require_failures(const struct smx_tlsrpt_event_failure *f)
{
	size_t count = 0;

	for (; f != NULL; f = f->next) {
		struct smx_ip ip;

		SMX_REQUIRE(f->row.result < SMX_TLSRPT_RESULT_COUNT);
		SMX_REQUIRE(f->row.sending_mta_ip.n == 0 ||
		    smx_ip_parse(f->row.sending_mta_ip, &ip) == 0);
		SMX_REQUIRE(f->row.receiving_ip.n == 0 ||
		    smx_ip_parse(f->row.receiving_ip, &ip) == 0);
		require_text(f->row.receiving_mx_hostname,
		    SMX_TLSRPT_EVENT_TEXT_MAX);
		require_text(f->row.receiving_mx_helo, SMX_DOMAIN_MAX);
		require_text(f->row.additional_information,
		    SMX_TLSRPT_EVENT_TEXT_MAX);
		require_text(f->row.failure_reason_code,
		    SMX_TLSRPT_EVENT_TEXT_MAX);
		count++;
	}
	SMX_REQUIRE(count <= SMX_TLSRPT_EVENT_FAILURES_MAX);
}

/* What holds of every event. */
static void
require_whole(const struct smx_tlsrpt_event *e)
{
	size_t count = 0;

	SMX_REQUIRE(smx_domain_is_host(smx_domain_slice(&e->domain)));
	SMX_REQUIRE(e->record.n > 0);
	require_text(e->record, SMX_TXT_MAX);
	for (const struct smx_tlsrpt_event_policy *p = e->policies; p != NULL;
	     p = p->next) {
		SMX_REQUIRE(smx_domain_is_host(smx_domain_slice(&p->domain)));
		require_lines(p->policy_string);
		require_lines(p->mx_host);
		require_failures(p->failures);
		count++;
	}
	SMX_REQUIRE(count > 0 && count <= SMX_TLSRPT_EVENT_POLICIES_MAX);
}

static bool
is_utf8(struct smx_slice s)
{
	while (s.n > 0) {
		size_t n = smx_scan_utf8(s);

		if (n == 0)
			return false;
		s = smx_slice_from(s, n);
	}
	return true;
}

/* Is there an escape that could be half of a pair? */
static bool
has_surrogate(struct smx_slice s)
{
	for (size_t i = 0; i + 2 < s.n; i++)
		if (s.p[i] == '\\' && s.p[i + 1] == 'u' &&
		    smx_scan_lower(s.p[i + 2]) == 'd')
			return true;
	return false;
}

/* What jansson takes is JSON, and what was read is JSON to jansson. */
static void
compare_with_jansson(struct smx_slice in, int rc, const char *what)
{
	json_error_t error;
	json_t *root;

	/* jansson wants UTF-8 and whole pairs, and passes over a NUL behind a
	 * number. */
	if (!is_utf8(in) || has_surrogate(in) ||
	    smx_slice_find(in, '\0') < in.n)
		return;
	root = json_loadb(in.p, in.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (root != NULL)
		SMX_REQUIRE(rc == 0 || strcmp(what, "not JSON") != 0);
	else if (rc == 0)
		SMX_REQUIRE(json_error_code(&error) ==
			json_error_numeric_overflow ||
		    json_error_code(&error) == json_error_null_byte_in_key);
	json_decref(root);
}

/* Read what was printed, and print that. @return false: it has become too
 * long, by escapes or for what stands where it was no UTF-8. */
static bool
print_again(struct smx_arena *a, struct smx_slice in, bool is_text,
    struct smx_buf *out)
{
	struct smx_tlsrpt_event e;
	const char *what = NULL;
	int rc;

	if (in.n > SMX_TLSRPT_DATAGRAM_MAX)
		return false;
	smx_arena_reset(a);
	rc = smx_tlsrpt_event_parse(a, in, &e, &what);
	if (rc == -SMX_ELIMIT && !is_text)
		return false;
	SMX_REQUIRE(rc == 0);
	require_whole(&e);
	smx_tlsrpt_event_print(&e, out);
	SMX_REQUIRE(smx_buf_status(out) == 0);
	return true;
}

static void
check_printing(struct smx_arena *a, struct smx_slice in,
    const struct smx_tlsrpt_event *e)
{
	struct smx_buf printed[3];
	bool is_text = is_utf8(in);

	for (size_t i = 0; i < 3; i++)
		smx_buf_init(&printed[i], PLENTY);
	smx_tlsrpt_event_print(e, &printed[0]);
	SMX_REQUIRE(smx_buf_status(&printed[0]) == 0);
	SMX_REQUIRE(is_utf8(smx_buf_slice(&printed[0])));
	/* What was no UTF-8 is longer now, and perhaps cut when it is read. */
	if (print_again(a, smx_buf_slice(&printed[0]), is_text, &printed[1]) &&
	    print_again(a, smx_buf_slice(&printed[1]), is_text, &printed[2])) {
		SMX_REQUIRE(smx_slice_equal(smx_buf_slice(&printed[1]),
		    smx_buf_slice(&printed[2])));
		SMX_REQUIRE(!is_text ||
		    smx_slice_equal(smx_buf_slice(&printed[0]),
			smx_buf_slice(&printed[1])));
	}
	for (size_t i = 0; i < 3; i++)
		smx_buf_done(&printed[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size);
	struct smx_tlsrpt_event e;
	const char *what = NULL;
	struct smx_arena arena;
	int rc;

	smx_arena_init(&arena, NULL, 0, SMX_TLSRPT_EVENT_ARENA_MAX);
	rc = smx_tlsrpt_event_parse(&arena, in, &e, &what);
	SMX_REQUIRE(rc == 0 || rc == -SMX_EPARSE || rc == -SMX_ELIMIT);
	SMX_REQUIRE((rc == 0) == (what == NULL));
	if (what != NULL)
		fuzz_require_printable(smx_slice_text(what));
	compare_with_jansson(in, rc, what);
	if (rc == 0) {
		require_whole(&e);
		check_printing(&arena, in, &e);
	}
	smx_arena_done(&arena);
	return 0;
}
