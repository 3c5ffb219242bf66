#include "app/strictmx/out_check_json.h"
#include "core/json.h"
#include "core/tlsrpt_txt.h"
#include "engine/check_verdict.h"
#include "io/clock.h"

/* Names of a certificate that are printed; they are counted in any case. */
#define NAMES_MAX 10

static void
member(struct smx_buf *out, const char *name, struct smx_slice text)
{
	smx_buf_printf(out, ",\"%s\":", name);
	smx_json_print_text(out, text);
}

/* An empty text stands for what isn't there. */
static void
member_or_null(struct smx_buf *out, const char *name, struct smx_slice text)
{
	if (text.n > 0)
		member(out, name, text);
	else
		smx_buf_printf(out, ",\"%s\":null", name);
}

static void
flag(struct smx_buf *out, const char *name, bool value)
{
	smx_buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void
moment(struct smx_buf *out, const char *name, smx_time wall)
{
	char text[SMX_CLOCK_TEXT_BYTES];

	smx_clock_print(wall, text);
	smx_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

static void
print_ip(struct smx_buf *out, const struct smx_ip *ip)
{
	smx_buf_add_char(out, '"');
	smx_ip_print(ip, out);
	smx_buf_add_char(out, '"');
}

static const char *
dns_name(enum smx_dns_status status)
{
	static const char *const names[] = {
		[SMX_DNS_OK] = "ok",
		[SMX_DNS_NODATA] = "nodata",
		[SMX_DNS_NXDOMAIN] = "nxdomain",
		[SMX_DNS_FAILURE] = "failure",
		[SMX_DNS_TIMEOUT] = "timeout",
		[SMX_DNS_BOGUS] = "bogus",
	};

	return names[status];
}

/* A JSON array's separator. */
static void
next(struct smx_buf *out, bool *some)
{
	if (*some)
		smx_buf_add_char(out, ',');
	*some = true;
}

const char *
smx_out_check_json_section(enum smx_check_section section)
{
	static const char *const names[SMX_CHECK_SECTION_COUNT] = {
		[SMX_CHECK_RECORD] = "record",
		[SMX_CHECK_HOST] = "host",
		[SMX_CHECK_POLICY] = "policy",
		[SMX_CHECK_MX] = "mx",
		[SMX_CHECK_SMTP] = "smtp",
		[SMX_CHECK_DANE] = "dane",
		[SMX_CHECK_TLSRPT] = "tlsrpt",
		[SMX_CHECK_BESIDE] = "beside",
		[SMX_CHECK_CHANGE] = "change",
	};

	return names[section];
}

static void
print_finding(struct smx_buf *out, const struct smx_check_finding *f)
{
	const struct smx_diag_row *row = smx_diag_row(f->diag.code);
	char storage[2048];
	struct smx_buf text;
	bool some = false;

	smx_buf_init_fixed(&text, storage, sizeof(storage));
	smx_buf_printf(out,
	    "{\"code\":\"%s\",\"severity\":\"%s\",\"section\":\"%s\"",
	    row->name, smx_diag_severity_text(row->severity),
	    smx_out_check_json_section(f->section));
	member_or_null(out, "rfc", smx_slice_text(row->rfc));
	smx_diag_print(&f->diag, &text);
	member(out, "text", smx_buf_slice(&text));
	smx_buf_reset(&text);
	smx_diag_print_fix(&f->diag, &text);
	member(out, "fix", smx_buf_slice(&text));
	smx_buf_add_text(out, ",\"where\":[");
	for (size_t i = 0; i < f->where_count; i++) {
		next(out, &some);
		print_ip(out, &f->where[i]);
	}
	smx_buf_add_char(out, ']');
	if (f->diag.line != 0 && f->section == SMX_CHECK_POLICY)
		smx_buf_printf(out, ",\"line\":%u", f->diag.line);
	member_or_null(out, "evidence", f->evidence);
	smx_buf_add_char(out, '}');
}

static void
print_certificate(struct smx_buf *out, const struct smx_certificate *c)
{
	smx_buf_add_text(out, ",\"certificate\":");
	if (c == NULL) {
		smx_buf_add_text(out, "null");
		return;
	}
	smx_buf_add_text(out, "{\"sha256\":\"");
	for (size_t i = 0; i < sizeof(c->sha256); i++)
		smx_buf_printf(out, "%02x", c->sha256[i]);
	smx_buf_add_text(out, "\",\"key_sha256\":\"");
	for (size_t i = 0; i < sizeof(c->key_sha256); i++)
		smx_buf_printf(out, "%02x", c->key_sha256[i]);
	smx_buf_add_char(out, '"');
	flag(out, "valid", c->faults == 0);
	moment(out, "not_before", c->not_before);
	moment(out, "not_after", c->not_after);
	member_or_null(out, "common_name", c->common_name);
	member_or_null(out, "issuer", c->issuer);
	smx_buf_printf(out, ",\"sent\":%zu,\"name_count\":%zu,\"names\":[",
	    c->sent_count, c->name_count);
	for (size_t i = 0; i < smx_certificate_names_kept(c) && i < NAMES_MAX;
	     i++) {
		if (i > 0)
			smx_buf_add_char(out, ',');
		smx_json_print_text(out, c->names[i]);
	}
	smx_buf_add_text(out, "]}");
}

static void
print_record(struct smx_buf *out, const struct smx_check_facts *f)
{
	smx_buf_printf(out, ",\"record\":{\"dns\":\"%s\"",
	    dns_name(f->record.status));
	flag(out, "secure", f->record.secure);
	member_or_null(out, "alias", f->record.alias);
	member_or_null(out, "text", f->record_text);
	member_or_null(out, "id", f->id);
	smx_buf_add_char(out, '}');
}

static void
print_host(struct smx_buf *out, const struct smx_check_facts *f)
{
	smx_buf_printf(out, ",\"policy_host\":{\"dns\":\"%s\"",
	    dns_name(f->host_addresses.status));
	flag(out, "secure", f->host_addresses.secure);
	member_or_null(out, "alias", f->host_addresses.alias);
	smx_buf_add_text(out, ",\"addresses\":[");
	for (size_t i = 0; i < f->host_addresses.count; i++) {
		const struct smx_check_host *h = &f->hosts[i];

		smx_buf_add_text(out, i > 0 ? ",{\"ip\":" : "{\"ip\":");
		print_ip(out, &h->ip);
		smx_buf_printf(out, ",\"code\":\"%s\"",
		    smx_diag_row(h->code)->name);
		member_or_null(out, "detail", h->detail);
		member_or_null(out, "tls_version", h->tls_version);
		print_certificate(out, h->certificate);
		smx_buf_add_char(out, '}');
	}
	smx_buf_add_text(out, "]}");
}

static void
print_policy(struct smx_buf *out, const struct smx_check *c)
{
	const struct smx_sts_policy *p = &c->facts.policy;

	smx_buf_add_text(out, ",\"policy\":");
	if (!c->facts.has_policy) {
		smx_buf_add_text(out, "null");
		return;
	}
	smx_buf_printf(out, "{\"mode\":\"%s\",\"max_age\":%u,\"mx\":[",
	    smx_sts_policy_mode_text(p->mode), p->max_age_s);
	for (size_t i = 0; i < p->mx_count; i++) {
		if (i > 0)
			smx_buf_add_char(out, ',');
		smx_json_print_text(out, p->mx[i]);
	}
	smx_buf_add_char(out, ']');
	member(out, "body", p->body);
	if (c->testing_since != 0)
		moment(out, "testing_since", c->testing_since);
	else
		smx_buf_add_text(out, ",\"testing_since\":null");
	smx_buf_add_char(out, '}');
}

static void
print_session(struct smx_buf *out, const struct smx_check_session *s)
{
	smx_buf_add_text(out, "{\"ip\":");
	print_ip(out, &s->ip);
	if (!s->done) {
		smx_buf_add_text(out, ",\"code\":null}");
		return;
	}
	smx_buf_printf(out, ",\"code\":\"%s\"", smx_diag_row(s->code)->name);
	member_or_null(out, "detail", s->detail);
	member_or_null(out, "greeting", s->greeting);
	member_or_null(out, "name", s->name);
	member_or_null(out, "tls_version", s->tls_version);
	member_or_null(out, "cipher", s->cipher);
	flag(out, "tlsa_matches", s->tlsa_matched != 0);
	print_certificate(out, s->certificate);
	smx_buf_add_char(out, '}');
}

static void
print_mx(struct smx_buf *out, const struct smx_check_facts *f,
    const struct smx_check_mx *mx)
{
	smx_buf_printf(out, "{\"preference\":%u", mx->preference);
	member(out, "host", mx->host);
	if (f->has_policy && f->policy.mode != SMX_STS_NONE)
		flag(out, "allowed", mx->is_allowed);
	else
		smx_buf_add_text(out, ",\"allowed\":null");
	member_or_null(out, "alias", mx->addresses.alias);
	flag(out, "secure", mx->addresses.secure);
	smx_buf_printf(out, ",\"dns\":\"%s\",\"tlsa\":[",
	    dns_name(mx->is_host ? mx->addresses.status : SMX_DNS_NODATA));
	for (size_t i = 0; mx->tlsa.tlsa != NULL && i < mx->tlsa.count; i++) {
		const struct smx_dns_tlsa *t = &mx->tlsa.tlsa[i];

		smx_buf_printf(out, "%s\"%u %u %u ", i > 0 ? "," : "", t->usage,
		    t->selector, t->matching);
		for (size_t j = 0; j < t->data.n; j++)
			smx_buf_printf(out, "%02x",
			    (unsigned char)t->data.p[j]);
		smx_buf_add_char(out, '"');
	}
	smx_buf_add_char(out, ']');
	flag(out, "tlsa_secure", mx->tlsa.secure);
	smx_buf_add_text(out, ",\"addresses\":[");
	for (size_t i = 0; i < mx->addresses.count; i++) {
		if (i > 0)
			smx_buf_add_char(out, ',');
		print_session(out, &mx->sessions[i]);
	}
	smx_buf_add_text(out, "]}");
}

static void
print_tlsrpt(struct smx_buf *out, const struct smx_check_facts *f)
{
	smx_buf_printf(out, ",\"tlsrpt\":{\"dns\":\"%s\"",
	    dns_name(f->tlsrpt.status));
	member_or_null(out, "text", f->tlsrpt_text);
	smx_buf_add_text(out, ",\"rua\":[");
	for (size_t i = 0; i < f->rua_count; i++) {
		if (i > 0)
			smx_buf_add_char(out, ',');
		smx_json_print_text(out, f->rua[i].uri);
	}
	smx_buf_add_text(out, "]},\"beside\":{\"spf\":");
	if (f->spf.n > 0)
		smx_json_print_text(out, f->spf);
	else
		smx_buf_add_text(out, "null");
	member_or_null(out, "dmarc", f->dmarc_text);
	smx_buf_add_char(out, '}');
}

void
smx_out_check_json(const struct smx_check *c, struct smx_buf *out)
{
	const struct smx_check_facts *f = &c->facts;
	bool some = false;

	smx_buf_add_text(out, "{\"format\":\"strictmx-check\",\"version\":1");
	member(out, "domain", f->domain);
	moment(out, "checked_at", f->now.wall);
	smx_buf_printf(out, ",\"verdict\":\"%s\",\"exit_status\":%d",
	    smx_check_verdict_name(c->verdict), smx_check_verdict_status(c));
	member(out, "headline", c->headline);
	member_or_null(out, "reason", c->reason);
	flag(out, "smtp_checked", !f->smtp_is_skipped);
	smx_buf_add_text(out, ",\"findings\":[");
	for (size_t i = 0; i < smx_check_findings_kept(c); i++) {
		next(out, &some);
		print_finding(out, &c->findings[i]);
	}
	smx_buf_printf(out, "],\"findings_left_out\":%zu",
	    c->finding_count - smx_check_findings_kept(c));
	print_record(out, f);
	print_host(out, f);
	print_policy(out, c);
	smx_buf_printf(out, ",\"mx_dns\":\"%s\"",
	    dns_name(f->mx_answer.status));
	flag(out, "mx_secure", f->mx_answer.secure);
	smx_buf_add_text(out, ",\"mx\":[");
	for (size_t i = 0; i < f->mx_count; i++) {
		if (i > 0)
			smx_buf_add_char(out, ',');
		print_mx(out, f, &f->mx[i]);
	}
	smx_buf_add_char(out, ']');
	print_tlsrpt(out, f);
	smx_buf_add_text(out, "}\n");
}
