#include <stdint.h>

#include "core/tlsrpt_event.h"
#include "base/scan.h"
#include "core/ip.h"
#include "core/json.h"
#include "core/json_scan.h"

/* Members of the three objects that are known. A bit each, so that one that
 * stands twice is noticed. */
enum member {
	MEMBER_VERSION = 1 << 0,
	MEMBER_DOMAIN = 1 << 1,
	MEMBER_RECORD = 1 << 2,
	MEMBER_POLICIES = 1 << 3,
	MEMBER_TYPE = 1 << 4,
	MEMBER_POLICY_DOMAIN = 1 << 5,
	MEMBER_POLICY_STRING = 1 << 6,
	MEMBER_MX_HOST = 1 << 7,
	MEMBER_FAILURES = 1 << 8,
	MEMBER_FINAL = 1 << 9,
	MEMBER_CODE = 1 << 10,
	MEMBER_SENDING_IP = 1 << 11,
	MEMBER_MX_NAME = 1 << 12,
	MEMBER_HELO = 1 << 13,
	MEMBER_RECEIVING_IP = 1 << 14,
	MEMBER_INFORMATION = 1 << 15,
	MEMBER_REASON = 1 << 16,
};

struct name {
	struct smx_slice text;
	enum member member;
};

static const struct name event_names[] = {
	{ { "dpv", 3 }, MEMBER_VERSION },
	{ { "d", 1 }, MEMBER_DOMAIN },
	{ { "pr", 2 }, MEMBER_RECORD },
	{ { "policies", 8 }, MEMBER_POLICIES },
	{ { NULL, 0 }, 0 },
};

static const struct name policy_names[] = {
	{ { "policy-type", 11 }, MEMBER_TYPE },
	{ { "policy-domain", 13 }, MEMBER_POLICY_DOMAIN },
	{ { "policy-string", 13 }, MEMBER_POLICY_STRING },
	{ { "mx-host", 7 }, MEMBER_MX_HOST },
	{ { "failure-details", 15 }, MEMBER_FAILURES },
	{ { "f", 1 }, MEMBER_FINAL },
	{ { NULL, 0 }, 0 },
};

static const struct name failure_names[] = {
	{ { "c", 1 }, MEMBER_CODE },
	{ { "s", 1 }, MEMBER_SENDING_IP },
	{ { "n", 1 }, MEMBER_MX_NAME },
	{ { "h", 1 }, MEMBER_HELO },
	{ { "r", 1 }, MEMBER_RECEIVING_IP },
	{ { "a", 1 }, MEMBER_INFORMATION },
	{ { "f", 1 }, MEMBER_REASON },
	{ { NULL, 0 }, 0 },
};

struct parser {
	struct smx_arena *arena;
	struct smx_json_scan scan;
	const char *what;
};

static int
fail(struct parser *p, int rc, const char *what)
{
	p->what = what;
	return rc;
}

/* What came of reading on, in words. */
static int
explain(struct parser *p, int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case -SMX_ELIMIT:
		return fail(p, rc, "nested too deep");
	case -SMX_ENOMEM:
		return fail(p, rc, "too large to be read");
	default:
		return fail(p, rc, "not JSON");
	}
}

static int
next(struct parser *p, struct smx_json_token *ret)
{
	return explain(p, smx_json_scan_next(&p->scan, ret));
}

static int
skip(struct parser *p, const struct smx_json_token *first)
{
	return explain(p, smx_json_scan_skip(&p->scan, first));
}

/* A known member's value is next. @return 1: there is one; 0: the object is
 * over. Values of unknown names are read over. */
static int
next_member(struct parser *p, const struct name *names, unsigned *seen,
    enum member *ret_member, struct smx_json_token *ret_value)
{
	for (;;) {
		struct smx_json_token name;
		const struct name *n = names;
		int rc = next(p, &name);

		if (rc < 0 || name.kind == SMX_JSON_OBJECT_END)
			return rc;
		while (n->text.n > 0 && !smx_slice_equal(n->text, name.text))
			n++;
		rc = next(p, ret_value);
		if (rc < 0)
			return rc;
		if (n->text.n > 0) {
			if ((*seen & n->member) != 0)
				return fail(p, -SMX_EPARSE,
				    "a member stands twice");
			*seen |= n->member;
			*ret_member = n->member;
			return 1;
		}
		rc = skip(p, ret_value);
		if (rc < 0)
			return rc;
	}
}

/* Cut a text to its limit, not within a character. */
static struct smx_slice
capped(struct smx_slice text, size_t max)
{
	if (text.n > max) {
		text.n = max;
		while (text.n > 0 && (text.p[text.n] & 0xc0) == 0x80)
			text.n--;
	}
	return text;
}

/* A text, or nothing when the value is something else. Names of domains and
 * records are not cut: what is left could be the name of another. */
static int
read_text(struct parser *p, const struct smx_json_token *value, size_t max,
    struct smx_slice *ret)
{
	if (value->kind != SMX_JSON_TEXT)
		return skip(p, value);
	*ret = capped(value->text, max);
	return 0;
}

/* A list of texts; a text alone is a list of one. */
static int
read_lines(struct parser *p, const struct smx_json_token *value,
    struct smx_tlsrpt_line **ret)
{
	bool is_list = value->kind == SMX_JSON_ARRAY;
	struct smx_json_token token = *value;
	struct smx_tlsrpt_line **end = ret;

	if (!is_list && value->kind != SMX_JSON_TEXT)
		return read_text(p, value, 0, &token.text);
	for (size_t count = 0;; count++) {
		struct smx_tlsrpt_line *line;
		int rc = is_list ? next(p, &token) : 0;

		if (rc < 0 || token.kind == SMX_JSON_ARRAY_END)
			return rc;
		if (token.kind != SMX_JSON_TEXT)
			return fail(p, -SMX_EPARSE,
			    "policy-string or mx-host has what is no text");
		if (count == SMX_TLSRPT_EVENT_LINES_MAX)
			return fail(p, -SMX_ELIMIT,
			    "policy-string or mx-host is too long");
		line = smx_arena_take(p->arena, 1, sizeof(*line));
		if (line == NULL)
			return fail(p, -SMX_ENOMEM, "too large to be read");
		line->text = capped(token.text, SMX_TLSRPT_EVENT_TEXT_MAX);
		line->next = NULL;
		*end = line;
		end = &line->next;
		if (!is_list)
			return 0;
	}
}

/* Postfix gives the whole reply to EHLO, of which the host's name is the first
 * word (RFC 5321, 4.1.1.1). */
static struct smx_slice
helo_name(struct smx_slice h)
{
	size_t end = 0;

	while (smx_slice_starts(h, SMX_SLICE("250-")) ||
	    smx_slice_starts(h, SMX_SLICE("250 ")))
		h = smx_slice_from(h, 4);
	while (end < h.n && (unsigned char)h.p[end] > ' ')
		end++;
	h.n = end;
	return capped(h, SMX_DOMAIN_MAX);
}

static struct smx_slice
only_address(struct smx_slice text)
{
	struct smx_ip ip;

	return smx_ip_parse(text, &ip) == 0 ? text : smx_slice(NULL, 0);
}

/* A host's name in canonical form, or as it is when it is none. */
static int
canonical_name(struct parser *p, struct smx_slice *name)
{
	struct smx_domain domain;
	char *copy;

	if (smx_domain_parse(*name, &domain) < 0)
		return 0;
	copy = smx_arena_copy(p->arena, smx_domain_slice(&domain));
	if (copy == NULL)
		return fail(p, -SMX_ENOMEM, "too large to be read");
	*name = smx_slice(copy, domain.n);
	return 0;
}

/* Is @p words in the text? "_" and "-" count as blanks. */
static bool
says(struct smx_slice text, const char *words)
{
	size_t n = strlen(words);

	for (size_t i = 0; i + n <= text.n; i++) {
		size_t k = 0;

		while (k < n) {
			char c = smx_scan_lower(text.p[i + k]);

			if ((c == '_' || c == '-' ? ' ' : c) != words[k])
				break;
			k++;
		}
		if (k == n)
			return true;
	}
	return false;
}

/* What OpenSSL says of a chain that leads to no trusted authority. Postfix
 * calls it validation-failure; RFC 8460, 4.3.1 has a word of its own for it. */
static bool
is_about_trust(struct smx_slice reason)
{
	static const char *const texts[] = {
		"self signed certificate",
		"unable to get issuer certificate",
		"unable to get local issuer certificate",
		"unable to verify the first certificate",
		"certificate not trusted",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (says(reason, texts[i]))
			return true;
	return false;
}

static int
set_result(struct parser *p, struct smx_tlsrpt_failure *f, int64_t code)
{
	bool is_known = smx_tlsrpt_result_from_number(code, &f->result);
	struct smx_buf text;
	char storage[40];
	char *copy;

	if (!is_known)
		f->result = SMX_TLSRPT_VALIDATION_FAILURE;
	if (f->result == SMX_TLSRPT_VALIDATION_FAILURE &&
	    is_about_trust(f->failure_reason_code))
		f->result = SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED;
	if (is_known || f->failure_reason_code.n > 0)
		return 0;
	smx_buf_init_fixed(&text, storage, sizeof(storage));
	smx_buf_printf(&text, "libtlsrpt code %lld", (long long)code);
	copy = smx_arena_copy(p->arena, smx_buf_slice(&text));
	if (copy == NULL)
		return fail(p, -SMX_ENOMEM, "too large to be read");
	f->failure_reason_code = smx_slice(copy, text.n);
	return 0;
}

/* Texts that are no use to who reads the report are left out. */
static int
normalise_failure(struct parser *p, struct smx_tlsrpt_failure *f, int64_t code)
{
	f->sending_mta_ip = only_address(f->sending_mta_ip);
	f->receiving_ip = only_address(f->receiving_ip);
	f->receiving_mx_helo = helo_name(f->receiving_mx_helo);
	if (canonical_name(p, &f->receiving_mx_hostname) < 0)
		return -SMX_ENOMEM;
	return set_result(p, f, code);
}

static int
parse_failure(struct parser *p, struct smx_tlsrpt_failure *f)
{
	struct smx_slice ignored = { NULL, 0 };
	struct smx_json_token value = { .kind = SMX_JSON_END };
	enum member member = 0;
	unsigned seen = 0;
	int64_t code = 0;
	int rc;

	*f = (struct smx_tlsrpt_failure){ .result =
					      SMX_TLSRPT_VALIDATION_FAILURE };
	while ((rc = next_member(p, failure_names, &seen, &member, &value)) >
	    0) {
		struct smx_slice *text = &ignored;

		switch (member) {
		case MEMBER_SENDING_IP:
			text = &f->sending_mta_ip;
			break;
		case MEMBER_MX_NAME:
			text = &f->receiving_mx_hostname;
			break;
		case MEMBER_HELO:
			text = &f->receiving_mx_helo;
			break;
		case MEMBER_RECEIVING_IP:
			text = &f->receiving_ip;
			break;
		case MEMBER_INFORMATION:
			text = &f->additional_information;
			break;
		case MEMBER_REASON:
			text = &f->failure_reason_code;
			break;
		default: /* MEMBER_CODE */
			if (!smx_json_scan_integer(&value, &code))
				return fail(p, -SMX_EPARSE,
				    "the code of a failure is no number");
			break;
		}
		rc = read_text(p, &value, SMX_TLSRPT_EVENT_TEXT_MAX, text);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : normalise_failure(p, f, code);
}

static int
parse_failures(struct parser *p, const struct smx_json_token *value,
    struct smx_tlsrpt_event_failure **ret)
{
	struct smx_tlsrpt_event_failure **end = ret;

	if (value->kind != SMX_JSON_ARRAY)
		return fail(p, -SMX_EPARSE, "failure-details is no list");
	for (size_t count = 0;; count++) {
		struct smx_tlsrpt_event_failure *f;
		struct smx_json_token token;
		int rc = next(p, &token);

		if (rc < 0 || token.kind == SMX_JSON_ARRAY_END)
			return rc;
		if (token.kind != SMX_JSON_OBJECT)
			return fail(p, -SMX_EPARSE, "a failure is no object");
		if (count == SMX_TLSRPT_EVENT_FAILURES_MAX)
			return fail(p, -SMX_ELIMIT, "too many failures");
		f = smx_arena_take(p->arena, 1, sizeof(*f));
		if (f == NULL)
			return fail(p, -SMX_ENOMEM, "too large to be read");
		f->next = NULL;
		rc = parse_failure(p, &f->row);
		if (rc < 0)
			return rc;
		*end = f;
		end = &f->next;
	}
}

/* A number that stands alone. */
static int
read_number(struct parser *p, const struct smx_json_token *value, int64_t *ret)
{
	return smx_json_scan_integer(value, ret)
	    ? 0
	    : fail(p, -SMX_EPARSE, "policy-type or f is no number");
}

static int
parse_policy(struct parser *p, struct smx_tlsrpt_event_policy *policy)
{
	struct smx_slice domain = { NULL, 0 };
	struct smx_json_token value = { .kind = SMX_JSON_END };
	enum member member = 0;
	unsigned seen = 0;
	int64_t type = 0, final = 0;
	int rc;

	*policy = (struct smx_tlsrpt_event_policy){ 0 };
	while ((rc = next_member(p, policy_names, &seen, &member, &value)) >
	    0) {
		switch (member) {
		case MEMBER_TYPE:
			rc = read_number(p, &value, &type);
			break;
		case MEMBER_FINAL:
			rc = read_number(p, &value, &final);
			break;
		case MEMBER_POLICY_DOMAIN:
			rc = read_text(p, &value, SIZE_MAX, &domain);
			break;
		case MEMBER_POLICY_STRING:
			rc = read_lines(p, &value, &policy->policy_string);
			break;
		case MEMBER_MX_HOST:
			rc = read_lines(p, &value, &policy->mx_host);
			break;
		default: /* MEMBER_FAILURES */
			rc = parse_failures(p, &value, &policy->failures);
			break;
		}
		if (rc < 0)
			return rc;
	}
	/* A type that is not known: the session is counted all the same. */
	if (!smx_tlsrpt_policy_type_from_number(type, &policy->type))
		policy->type = SMX_TLSRPT_NO_POLICY_FOUND;
	policy->is_session = (seen & MEMBER_FINAL) != 0;
	policy->is_failure = final != 0;
	/* What can't be one is taken for missing. */
	if (smx_domain_parse(domain, &policy->domain) < 0)
		policy->domain.n = 0;
	return rc;
}

static int
parse_policies(struct parser *p, const struct smx_json_token *value,
    struct smx_tlsrpt_event_policy **ret)
{
	struct smx_tlsrpt_event_policy **end = ret;

	if (value->kind != SMX_JSON_ARRAY)
		return fail(p, -SMX_EPARSE, "policies is no list");
	for (size_t count = 0;; count++) {
		struct smx_tlsrpt_event_policy *policy;
		struct smx_json_token token;
		int rc = next(p, &token);

		if (rc < 0 || token.kind == SMX_JSON_ARRAY_END)
			return rc;
		if (token.kind != SMX_JSON_OBJECT)
			return fail(p, -SMX_EPARSE, "a policy is no object");
		if (count == SMX_TLSRPT_EVENT_POLICIES_MAX)
			return fail(p, -SMX_ELIMIT, "too many policies");
		policy = smx_arena_take(p->arena, 1, sizeof(*policy));
		if (policy == NULL)
			return fail(p, -SMX_ENOMEM, "too large to be read");
		rc = parse_policy(p, policy);
		if (rc < 0)
			return rc;
		*end = policy;
		end = &policy->next;
	}
}

/* Datagrams have a version of their own; it is missing in libtlsrpt 0.5. */
static int
check_version(struct parser *p, const struct smx_json_token *value)
{
	return value->kind == SMX_JSON_TEXT &&
		smx_slice_equal(value->text, SMX_SLICE("1"))
	    ? 0
	    : fail(p, -SMX_EPARSE, "a version (dpv) other than 1");
}

static int
parse_event(struct parser *p, struct smx_tlsrpt_event *event)
{
	struct smx_slice domain = { NULL, 0 };
	struct smx_json_token value = { .kind = SMX_JSON_END };
	enum member member = 0;
	unsigned seen = 0;
	int rc = next(p, &value);

	if (rc < 0)
		return rc;
	if (value.kind != SMX_JSON_OBJECT)
		return fail(p, -SMX_EPARSE, "no JSON object");
	while ((rc = next_member(p, event_names, &seen, &member, &value)) > 0) {
		switch (member) {
		case MEMBER_VERSION:
			rc = check_version(p, &value);
			break;
		case MEMBER_DOMAIN:
			rc = read_text(p, &value, SIZE_MAX, &domain);
			break;
		case MEMBER_RECORD:
			rc = read_text(p, &value, SIZE_MAX, &event->record);
			break;
		default: /* MEMBER_POLICIES */
			rc = parse_policies(p, &value, &event->policies);
			break;
		}
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	rc = next(p, &value);
	if (rc < 0)
		return fail(p, rc,
		    "something stands behind it: one object is one datagram");
	if ((seen & MEMBER_DOMAIN) == 0)
		return fail(p, -SMX_EPARSE, "no domain (d)");
	if (smx_domain_parse(domain, &event->domain) < 0)
		return fail(p, -SMX_EPARSE, "the domain (d) is no host name");
	if (event->record.n == 0)
		return fail(p, -SMX_EPARSE, "no TLS reporting record (pr)");
	if (event->record.n > SMX_TXT_MAX)
		return fail(p, -SMX_ELIMIT,
		    "the TLS reporting record (pr) is too long");
	if (event->policies == NULL)
		return fail(p, -SMX_EPARSE, "no policies");
	for (struct smx_tlsrpt_event_policy *policy = event->policies;
	     policy != NULL; policy = policy->next)
		if (policy->domain.n == 0)
			policy->domain = event->domain;
	return 0;
}

int
smx_tlsrpt_event_parse(struct smx_arena *a, struct smx_slice datagram,
    struct smx_tlsrpt_event *ret, const char **ret_what)
{
	struct smx_tlsrpt_event event = { 0 };
	struct parser p = { .arena = a };
	int rc;

	if (datagram.n > SMX_TLSRPT_DATAGRAM_MAX) {
		*ret_what = "longer than a datagram can be";
		return -SMX_ELIMIT;
	}
	smx_json_scan_init(&p.scan, a, datagram);
	rc = parse_event(&p, &event);
	if (rc == 0)
		*ret = event;
	else
		*ret_what = p.what;
	return rc;
}

void
smx_tlsrpt_event_print_lines(struct smx_buf *out, const char *name,
    const struct smx_tlsrpt_line *line)
{
	if (line == NULL)
		return;
	smx_buf_printf(out, ",\"%s\":[", name);
	for (; line != NULL; line = line->next) {
		smx_json_print_text(out, line->text);
		smx_buf_add_text(out, line->next != NULL ? "," : "");
	}
	smx_buf_add_char(out, ']');
}

static void
print_failures(struct smx_buf *out, const struct smx_tlsrpt_event_failure *f)
{
	if (f == NULL)
		return;
	smx_buf_add_text(out, ",\"failure-details\":[");
	for (; f != NULL; f = f->next) {
		smx_buf_printf(out, "{\"c\":%u",
		    smx_tlsrpt_result_number(f->row.result));
		smx_json_print_member(out, "s", f->row.sending_mta_ip);
		smx_json_print_member(out, "n", f->row.receiving_mx_hostname);
		smx_json_print_member(out, "h", f->row.receiving_mx_helo);
		smx_json_print_member(out, "r", f->row.receiving_ip);
		smx_json_print_member(out, "a", f->row.additional_information);
		smx_json_print_member(out, "f", f->row.failure_reason_code);
		smx_buf_add_text(out, f->next != NULL ? "}," : "}");
	}
	smx_buf_add_char(out, ']');
}

void
smx_tlsrpt_event_print(const struct smx_tlsrpt_event *event,
    struct smx_buf *out)
{
	smx_buf_add_text(out, "{\"dpv\":\"1\"");
	smx_json_print_member(out, "d", smx_domain_slice(&event->domain));
	smx_json_print_member(out, "pr", event->record);
	smx_buf_add_text(out, ",\"policies\":[");
	for (const struct smx_tlsrpt_event_policy *p = event->policies;
	     p != NULL; p = p->next) {
		smx_buf_printf(out, "{\"policy-type\":%u",
		    smx_tlsrpt_policy_type_number(p->type));
		smx_json_print_member(out, "policy-domain",
		    smx_domain_slice(&p->domain));
		smx_tlsrpt_event_print_lines(out, "policy-string",
		    p->policy_string);
		smx_tlsrpt_event_print_lines(out, "mx-host", p->mx_host);
		print_failures(out, p->failures);
		if (p->is_session)
			smx_buf_printf(out, ",\"f\":%d", p->is_failure);
		smx_buf_add_text(out, p->next != NULL ? "}," : "}");
	}
	smx_buf_add_text(out, "]}");
}
