#include "core/tlsrpt_read.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/gz.h"
#include "core/ip.h"
#include "core/limits.h"
#include "core/tlsrpt_read_date.h"
#include "core/tlsrpt_read_lines.h"
#include "core/tlsrpt_read_value.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* One report, while it is read. */
struct parse {
	struct smx_tlsrpt_read_pass pass;
	struct smx_tlsrpt_read_report *report;
	struct smx_tlsrpt_read_policy **last_policy; /* where the next one goes */
	size_t lines;                                /* that are kept */
};

static void
find(struct parse *p, enum smx_diag_code code,
    struct smx_tlsrpt_read_place place)
{
	smx_tlsrpt_read_value_find(&p->pass, code, place);
}

/* Begin to read an object. */
static struct smx_tlsrpt_read_members
members(const char *const *names, size_t count,
    const struct smx_tlsrpt_read_value *v)
{
	return (struct smx_tlsrpt_read_members){
		.names = names, .count = count, .begin = v->place
	};
}

/* Say that a member is missing. */
static void
require(struct parse *p, const struct smx_tlsrpt_read_members *m, size_t id,
    enum smx_diag_code code)
{
	if ((m->seen >> id & 1) == 0)
		find(p, code, m->begin);
}

static uint64_t
add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* A text that should have something in it. */
static int
read_text(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_slice *ret)
{
	if (v->token.kind == SMX_JSON_TEXT && v->token.text.n == 0)
		find(p, SMX_DIAG_REPORT_TEXT_EMPTY, v->place);
	return smx_tlsrpt_read_value_text(&p->pass, v, ret);
}

static struct smx_slice
without_final_dot(struct smx_slice name)
{
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	return name;
}

static int
read_host(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_slice *ret)
{
	int rc = read_text(p, v, ret);

	if (rc == 0 && ret->n > 0 &&
	    !smx_domain_is_host(without_final_dot(*ret)))
		find(p, SMX_DIAG_REPORT_HOST, v->place);
	return rc;
}

static int
read_ip(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_slice *ret)
{
	int rc = smx_tlsrpt_read_value_text(&p->pass, v, ret);
	struct smx_ip ip;

	if (rc < 0 || v->token.kind != SMX_JSON_TEXT)
		return rc;
	if (ret->n == 0)
		find(p, SMX_DIAG_REPORT_IP_EMPTY, v->place);
	else if (smx_ip_parse(*ret, &ip) < 0)
		find(p, SMX_DIAG_REPORT_IP, v->place);
	return 0;
}

/* RFC 3986: a scheme, and nothing that has to be encoded. */
static int
read_uri(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_slice *ret)
{
	int rc = read_text(p, v, ret);
	bool is_uri = smx_slice_find(*ret, ':') < ret->n;

	for (size_t i = 0; i < ret->n; i++)
		if (ret->p[i] <= ' ' || ret->p[i] >= 0x7f)
			is_uri = false;
	if (rc == 0 && ret->n > 0 && !is_uri)
		find(p, SMX_DIAG_REPORT_URI, v->place);
	return rc;
}

/* addr-spec, as far as it is in use. */
static bool
is_address(struct smx_slice s)
{
	size_t at = s.n;

	while (at > 0 && s.p[at - 1] != '@')
		at--;
	if (at < 2 || !smx_domain_is_host(smx_slice_from(s, at)))
		return false;
	if (s.p[0] == '"')
		return true;
	for (size_t i = 0; i < at - 1; i++) {
		char c = s.p[i];

		if (c <= ' ' || c >= 0x7f ||
		    strchr("()<>[]:;@\\,\"", c) != NULL)
			return false;
	}
	return true;
}

static int
read_contact(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_slice *ret)
{
	int rc = read_text(p, v, ret);

	if (rc == 0 && ret->n > 0 && !is_address(*ret))
		find(p, SMX_DIAG_REPORT_CONTACT, v->place);
	return rc;
}

static int
read_date(struct parse *p, const struct smx_tlsrpt_read_value *v, bool *ret_has,
    smx_time *ret)
{
	struct smx_tlsrpt_read_date date;
	struct smx_slice text = v->token.text;

	if (v->token.kind != SMX_JSON_NUMBER &&
	    v->token.kind != SMX_JSON_TEXT) {
		int rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_TEXT);

		return rc < 0 ? rc : 0;
	}
	if (!smx_tlsrpt_read_date(text, &date)) {
		find(p, SMX_DIAG_REPORT_DATE, v->place);
		return 0;
	}
	if (!date.is_exact || v->token.kind == SMX_JSON_NUMBER)
		find(p, SMX_DIAG_REPORT_DATE_FORM, v->place);
	if (!date.has_zone)
		find(p, SMX_DIAG_REPORT_DATE_ZONE, v->place);
	*ret_has = true;
	*ret = date.wall;
	return 0;
}

/* RFC 8460, 4.4: "The report should be for a full UTC day". */
static void
judge_range(struct parse *p, struct smx_tlsrpt_read_place place)
{
	struct smx_tlsrpt_read_report *r = p->report;
	smx_time begin = r->has_start ? r->start : r->end - 1;
	smx_time length = r->end - r->start;

	r->has_day = begin >= 0 && (r->has_start || r->has_end);
	if (r->has_day)
		r->day = begin / SMX_DAY;
	if (!r->has_start || !r->has_end)
		return;
	if (r->start % SMX_DAY != 0 || length < SMX_DAY - SMX_SECOND ||
	    length > SMX_DAY)
		find(p, SMX_DIAG_REPORT_RANGE, place);
	else if (length == SMX_DAY)
		find(p, SMX_DIAG_REPORT_END_MIDNIGHT, place);
}

static int
read_range(struct parse *p, const struct smx_tlsrpt_read_value *v)
{
	enum { START, END };
	static const char *const names[] = { "start-datetime", "end-datetime" };
	struct smx_tlsrpt_read_members m = members(names, COUNT(names), v);
	struct smx_tlsrpt_read_report *r = p->report;
	struct smx_tlsrpt_read_place place = v->place;
	struct smx_tlsrpt_read_value value;
	size_t id;
	int rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_OBJECT);

	if (rc <= 0)
		return rc;
	while ((rc = smx_tlsrpt_read_value_member(&p->pass, &m, &id, &value)) >
	    0) {
		if (id == START) {
			rc = read_date(p, &value, &r->has_start, &r->start);
		} else {
			rc = read_date(p, &value, &r->has_end, &r->end);
			place = value.place;
		}
		if (rc < 0)
			return rc;
	}
	if (rc == 0) {
		require(p, &m, START, SMX_DIAG_REPORT_DATE_MISSING);
		require(p, &m, END, SMX_DIAG_REPORT_DATE_MISSING);
		judge_range(p, place);
	}
	return rc;
}

static int
read_type(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_tlsrpt_read_policy *policy)
{
	int rc = smx_tlsrpt_read_value_text(&p->pass, v, &policy->policy_type);
	struct smx_slice word = policy->policy_type;

	if (rc < 0 || v->token.kind != SMX_JSON_TEXT)
		return rc;
	policy->is_known = smx_tlsrpt_policy_type_parse(word, &policy->type);
	if (!policy->is_known)
		find(p, SMX_DIAG_REPORT_POLICY_TYPE, v->place);
	else if (!smx_slice_equal(word,
		     smx_slice_text(smx_tlsrpt_policy_type_text(policy->type))))
		find(p, SMX_DIAG_REPORT_WORD_CASE, v->place);
	return 0;
}

static int
read_domain(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_slice *ret)
{
	int rc = smx_tlsrpt_read_value_text(&p->pass, v, ret);
	struct smx_domain domain;

	if (rc < 0 || v->token.kind != SMX_JSON_TEXT)
		return rc;
	if (smx_domain_parse(*ret, &domain) < 0) {
		find(p, SMX_DIAG_REPORT_DOMAIN, v->place);
		return 0;
	}
	if (domain.n < ret->n)
		find(p, SMX_DIAG_REPORT_DOMAIN_DOT, v->place);
	if (smx_slice_equal(*ret, smx_domain_slice(&domain)))
		return 0;
	ret->p = smx_arena_copy(p->pass.arena, smx_domain_slice(&domain));
	ret->n = domain.n;
	return ret->p != NULL ? 0 : -SMX_ENOMEM;
}

/* What is wrong with a "policy" object as a whole. */
static void
judge_policy(struct parse *p, const struct smx_tlsrpt_read_members *m,
    const struct smx_tlsrpt_read_policy *policy)
{
	if (policy->is_known && policy->type != SMX_TLSRPT_NO_POLICY_FOUND &&
	    policy->policy_string == NULL)
		find(p, SMX_DIAG_REPORT_STRING_MISSING, m->begin);
	if (policy->is_known && policy->type == SMX_TLSRPT_STS &&
	    policy->mx_host == NULL)
		find(p, SMX_DIAG_REPORT_MX_MISSING, m->begin);
}

static int
read_policy(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_tlsrpt_read_policy *policy)
{
	enum { TYPE, STRING, DOMAIN, MX_HOST, MX_HOST_PATTERN };
	static const char *const names[] = { "policy-type", "policy-string",
		"policy-domain", "mx-host", "mx-host-pattern" };
	struct smx_tlsrpt_read_members m = members(names, COUNT(names), v);
	struct smx_tlsrpt_read_lines strings = { &policy->policy_string,
		&p->lines, .is_policy = true };
	struct smx_tlsrpt_read_lines hosts = { &policy->mx_host, &p->lines,
		.is_policy = false };
	struct smx_tlsrpt_read_value value;
	size_t id;
	int rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_OBJECT);

	if (rc <= 0)
		return rc;
	while ((rc = smx_tlsrpt_read_value_member(&p->pass, &m, &id, &value)) >
	    0) {
		if (id == MX_HOST_PATTERN)
			find(p, SMX_DIAG_REPORT_MX_PATTERN, value.place);
		if (id == TYPE)
			rc = read_type(p, &value, policy);
		else if (id == DOMAIN)
			rc = read_domain(p, &value, &policy->domain);
		else
			rc = smx_tlsrpt_read_lines(&p->pass,
			    id == STRING ? &strings : &hosts, &value);
		if (rc < 0)
			return rc;
	}
	if (rc == 0) {
		require(p, &m, TYPE, SMX_DIAG_REPORT_POLICY_TYPE_MISSING);
		require(p, &m, DOMAIN, SMX_DIAG_REPORT_DOMAIN_MISSING);
		judge_policy(p, &m, policy);
	}
	return rc;
}

static int
read_summary(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_tlsrpt_read_policy *policy)
{
	enum { SUCCESS, FAILURE };
	static const char *const names[] = { "total-successful-session-count",
		"total-failure-session-count" };
	struct smx_tlsrpt_read_members m = members(names, COUNT(names), v);
	struct smx_tlsrpt_read_value value;
	size_t id;
	int rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_OBJECT);

	if (rc <= 0)
		return rc;
	while ((rc = smx_tlsrpt_read_value_member(&p->pass, &m, &id, &value)) >
	    0) {
		rc = smx_tlsrpt_read_value_count(&p->pass, &value,
		    id == SUCCESS ? &policy->success : &policy->failure);
		if (rc < 0)
			return rc;
	}
	if (rc == 0) {
		require(p, &m, SUCCESS, SMX_DIAG_REPORT_COUNT_MISSING);
		require(p, &m, FAILURE, SMX_DIAG_REPORT_COUNT_MISSING);
	}
	return rc;
}

static int
read_result(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_tlsrpt_read_failure *f)
{
	int rc = smx_tlsrpt_read_value_text(&p->pass, v, &f->result_type);

	if (rc < 0 || v->token.kind != SMX_JSON_TEXT)
		return rc;
	f->is_known = smx_tlsrpt_result_parse(f->result_type, &f->row.result);
	if (!f->is_known)
		find(p, SMX_DIAG_REPORT_RESULT, v->place);
	else if (!smx_slice_equal(f->result_type,
		     smx_slice_text(smx_tlsrpt_result_text(f->row.result))))
		find(p, SMX_DIAG_REPORT_WORD_CASE, v->place);
	return 0;
}

/* The members of a row, and their places in its table of names. */
enum {
	RESULT,
	SENDING_IP,
	MX_HOSTNAME,
	HELO,
	RECEIVING_IP,
	SESSIONS,
	MORE,
	REASON
};

static int
read_failure_member(struct parse *p, size_t id,
    const struct smx_tlsrpt_read_value *v, struct smx_tlsrpt_read_failure *f)
{
	switch (id) {
	case RESULT:
		return read_result(p, v, f);
	case SENDING_IP:
		return read_ip(p, v, &f->row.sending_mta_ip);
	case MX_HOSTNAME:
		return read_host(p, v, &f->row.receiving_mx_hostname);
	case HELO:
		return read_text(p, v, &f->row.receiving_mx_helo);
	case RECEIVING_IP:
		return read_ip(p, v, &f->row.receiving_ip);
	case MORE:
		return read_uri(p, v, &f->row.additional_information);
	default:
		return read_text(p, v, &f->row.failure_reason_code);
	}
}

/* @param is_kept  else it is only counted. */
static int
read_failure(struct parse *p, const struct smx_tlsrpt_read_value *v,
    bool is_kept, struct smx_tlsrpt_read_failure *f)
{
	static const char *const names[] = { "result-type", "sending-mta-ip",
		"receiving-mx-hostname", "receiving-mx-helo", "receiving-ip",
		"failed-session-count", "additional-information",
		"failure-reason-code" };
	struct smx_tlsrpt_read_members m = members(names, COUNT(names), v);
	struct smx_tlsrpt_read_value value;
	size_t id;
	int rc;

	*f = (struct smx_tlsrpt_read_failure){
		.row.result = SMX_TLSRPT_VALIDATION_FAILURE
	};
	while ((rc = smx_tlsrpt_read_value_member(&p->pass, &m, &id, &value)) >
	    0) {
		if (id == SESSIONS)
			rc = smx_tlsrpt_read_value_count(&p->pass, &value,
			    &f->count);
		else if (is_kept)
			rc = read_failure_member(p, id, &value, f);
		else
			rc = smx_tlsrpt_read_value_skip(&p->pass, &value);
		if (rc < 0)
			return rc;
	}
	if (rc == 0) {
		require(p, &m, RESULT, SMX_DIAG_REPORT_RESULT_MISSING);
		require(p, &m, SESSIONS, SMX_DIAG_REPORT_COUNT_MISSING);
	}
	return rc;
}

/* @param last  where the next row goes, and then the one behind it. */
static int
add_failure(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_tlsrpt_read_policy *policy,
    struct smx_tlsrpt_read_failure ***last)
{
	bool is_kept = p->report->failure_count < SMX_TLSRPT_READ_FAILURES_MAX;
	struct smx_tlsrpt_read_failure not_kept, *f = &not_kept;
	int rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_OBJECT);

	if (rc <= 0)
		return rc;
	if (is_kept)
		f = smx_arena_take(p->pass.arena, 1, sizeof(*f));
	else
		find(p, SMX_DIAG_REPORT_FAILURES_MANY, v->place);
	if (f == NULL)
		return -SMX_ENOMEM;
	rc = read_failure(p, v, is_kept, f);
	if (rc < 0)
		return rc;
	p->report->failure_count++;
	policy->failure_sum = add(policy->failure_sum, f->count);
	if (is_kept) {
		**last = f;
		*last = &f->next;
	}
	return 0;
}

static int
read_failures(struct parse *p, const struct smx_tlsrpt_read_value *v,
    struct smx_tlsrpt_read_policy *policy)
{
	struct smx_tlsrpt_read_failure **last = &policy->failures;
	struct smx_tlsrpt_read_value value;
	int rc;

	if (v->token.kind == SMX_JSON_OBJECT) {
		find(p, SMX_DIAG_REPORT_FAILURES_OBJECT, v->place);
		return add_failure(p, v, policy, &last);
	}
	rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_ARRAY);
	if (rc <= 0)
		return rc;
	while ((rc = smx_tlsrpt_read_value_element(&p->pass, &value)) > 0) {
		rc = add_failure(p, &value, policy, &last);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* An element of policies. @param is_kept  else it is only counted. */
static int
read_entry(struct parse *p, const struct smx_tlsrpt_read_value *v, bool is_kept,
    struct smx_tlsrpt_read_policy *policy)
{
	enum { POLICY, SUMMARY, FAILURES };
	static const char *const names[] = { "policy", "summary",
		"failure-details" };
	struct smx_tlsrpt_read_members m = members(names, COUNT(names), v);
	struct smx_tlsrpt_read_place place = v->place;
	struct smx_tlsrpt_read_value value;
	size_t id;
	int rc;

	*policy = (struct smx_tlsrpt_read_policy){
		.type = SMX_TLSRPT_NO_POLICY_FOUND
	};
	while ((rc = smx_tlsrpt_read_value_member(&p->pass, &m, &id, &value)) >
	    0) {
		if (id == SUMMARY) {
			place = value.place;
			rc = read_summary(p, &value, policy);
		} else if (!is_kept) {
			rc = smx_tlsrpt_read_value_skip(&p->pass, &value);
		} else if (id == POLICY) {
			rc = read_policy(p, &value, policy);
		} else {
			rc = read_failures(p, &value, policy);
		}
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	require(p, &m, POLICY, SMX_DIAG_REPORT_POLICY_MISSING);
	require(p, &m, SUMMARY, SMX_DIAG_REPORT_SUMMARY_MISSING);
	if (is_kept && policy->failure != policy->failure_sum)
		find(p, SMX_DIAG_REPORT_SUM, place);
	return 0;
}

static int
add_policy(struct parse *p, const struct smx_tlsrpt_read_value *v)
{
	struct smx_tlsrpt_read_report *r = p->report;
	bool is_kept = r->policy_count < SMX_TLSRPT_READ_POLICIES_MAX;
	struct smx_tlsrpt_read_policy not_kept, *policy = &not_kept;
	int rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_OBJECT);

	if (rc <= 0)
		return rc;
	if (is_kept)
		policy = smx_arena_take(p->pass.arena, 1, sizeof(*policy));
	else
		find(p, SMX_DIAG_REPORT_POLICIES_MANY, v->place);
	if (policy == NULL)
		return -SMX_ENOMEM;
	rc = read_entry(p, v, is_kept, policy);
	if (rc < 0)
		return rc;
	r->policy_count++;
	r->success = add(r->success, policy->success);
	r->failure = add(r->failure, policy->failure);
	if (is_kept) {
		*p->last_policy = policy;
		p->last_policy = &policy->next;
	}
	return 0;
}

static int
read_policies(struct parse *p, const struct smx_tlsrpt_read_value *v)
{
	struct smx_tlsrpt_read_value value;
	int rc;

	if (v->token.kind == SMX_JSON_OBJECT) {
		find(p, SMX_DIAG_REPORT_POLICIES_OBJECT, v->place);
		return add_policy(p, v);
	}
	rc = smx_tlsrpt_read_value_is(&p->pass, v, SMX_JSON_ARRAY);
	if (rc <= 0)
		return rc;
	while ((rc = smx_tlsrpt_read_value_element(&p->pass, &value)) > 0) {
		rc = add_policy(p, &value);
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && p->report->policy_count == 0)
		find(p, SMX_DIAG_REPORT_POLICIES_EMPTY, v->place);
	return rc;
}

static int
read_report(struct parse *p, const struct smx_tlsrpt_read_value *v)
{
	enum { ORGANIZATION, RANGE, CONTACT, ID, POLICIES };
	static const char *const names[] = { "organization-name", "date-range",
		"contact-info", "report-id", "policies" };
	struct smx_tlsrpt_read_members m = members(names, COUNT(names), v);
	struct smx_tlsrpt_read_report *r = p->report;
	struct smx_tlsrpt_read_value value;
	size_t id;
	int rc;

	while ((rc = smx_tlsrpt_read_value_member(&p->pass, &m, &id, &value)) >
	    0) {
		if (id == ORGANIZATION)
			rc = read_text(p, &value, &r->organization_name);
		else if (id == RANGE)
			rc = read_range(p, &value);
		else if (id == CONTACT)
			rc = read_contact(p, &value, &r->contact_info);
		else if (id == ID)
			rc = read_text(p, &value, &r->report_id);
		else
			rc = read_policies(p, &value);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	require(p, &m, ORGANIZATION, SMX_DIAG_REPORT_ORGANIZATION_MISSING);
	require(p, &m, RANGE, SMX_DIAG_REPORT_DATE_MISSING);
	require(p, &m, CONTACT, SMX_DIAG_REPORT_CONTACT_MISSING);
	require(p, &m, ID, SMX_DIAG_REPORT_ID_MISSING);
	require(p, &m, POLICIES, SMX_DIAG_REPORT_POLICIES_MISSING);
	/* Nothing may stand behind it. */
	return smx_tlsrpt_read_value_next(&p->pass, &value);
}

static bool
is_blank(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!smx_scan_is_wsp(s.p[i]) && s.p[i] != '\n' &&
		    s.p[i] != '\r')
			return false;
	return true;
}

static int
parse(struct parse *p)
{
	struct smx_tlsrpt_read_value first;
	int rc;

	if (is_blank(smx_slice_from(p->pass.input, p->pass.scan.at))) {
		find(p, SMX_DIAG_REPORT_EMPTY,
		    (struct smx_tlsrpt_read_place){ 0, 0, 0 });
		return -SMX_EPARSE;
	}
	rc = smx_tlsrpt_read_value_next(&p->pass, &first);
	if (rc < 0)
		return rc;
	if (first.token.kind != SMX_JSON_OBJECT) {
		find(p, SMX_DIAG_REPORT_NOT_OBJECT, first.place);
		return -SMX_EPARSE;
	}
	return read_report(p, &first);
}

int
smx_tlsrpt_read_parse(struct smx_arena *a, struct smx_slice json,
    struct smx_diag_list *diags, struct smx_tlsrpt_read_report *ret)
{
	struct smx_tlsrpt_read_report report = { .policy_count = 0 };
	struct parse p = { .report = &report, .last_policy = &report.policies };
	int rc;

	if (json.n > SMX_TLSRPT_READ_BYTES_MAX) {
		smx_diag_push(diags,
		    (struct smx_diag){ .code = SMX_DIAG_REPORT_TOO_LARGE });
		return -SMX_EPARSE;
	}
	smx_tlsrpt_read_value_begin(&p.pass, a, json, diags);
	rc = parse(&p);
	smx_tlsrpt_read_value_done(&p.pass);
	if (rc < 0)
		return rc;
	if (diags->fatal.code != SMX_DIAG_OK)
		return -SMX_EPARSE;
	memcpy(report.met, p.pass.met, sizeof(report.met));
	*ret = report;
	return 0;
}

int
smx_tlsrpt_read_inflate(struct smx_slice bytes, struct smx_buf *inflated,
    struct smx_diag_list *diags, struct smx_slice *ret_json)
{
	int rc;

	if (!smx_gz_is(bytes)) {
		*ret_json = bytes;
		return 0;
	}
	rc = smx_gz_read(bytes, inflated);
	if (rc == 0)
		*ret_json = smx_buf_slice(inflated);
	if (rc == 0 || rc == -SMX_ENOMEM)
		return rc;
	smx_diag_push(diags,
	    (struct smx_diag){
		.code = rc == -SMX_ELIMIT ? SMX_DIAG_REPORT_TOO_LARGE
					  : SMX_DIAG_REPORT_GZIP,
	    });
	return -SMX_EPARSE;
}
