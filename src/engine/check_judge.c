#include "engine/check_judge.h"
#include "core/date.h"
#include "core/domain.h"
#include "core/limits.h"

#define WEEK_S (7 * 86400)

static struct smx_slice
keep(struct smx_check *c, struct smx_slice s)
{
	char *p;

	if (s.n == 0)
		return smx_slice(NULL, 0);
	p = smx_arena_copy(&c->arena, s);
	if (p == NULL)
		c->no_memory = true;
	return smx_slice(p, p != NULL ? s.n : 0);
}

/* Which section a code belongs to: its place in core/diag.def decides. */
static enum smx_check_section
section_of(enum smx_diag_code code)
{
	static const struct {
		enum smx_diag_code first;
		enum smx_check_section section;
	} starts[] = {
		{ SMX_DIAG_TXT_NONE, SMX_CHECK_RECORD },
		{ SMX_DIAG_POLICY_EMPTY, SMX_CHECK_POLICY },
		{ SMX_DIAG_HOST_DNS_FAILURE, SMX_CHECK_HOST },
		{ SMX_DIAG_DOMAIN_NONE, SMX_CHECK_RECORD },
		{ SMX_DIAG_HOST_CNAME, SMX_CHECK_HOST },
		{ SMX_DIAG_POLICY_MAX_AGE_SHORT, SMX_CHECK_POLICY },
		{ SMX_DIAG_MX_FAILURE, SMX_CHECK_MX },
		{ SMX_DIAG_SMTP_REFUSED, SMX_CHECK_SMTP },
		{ SMX_DIAG_DANE_INSECURE, SMX_CHECK_DANE },
		{ SMX_DIAG_TLSRPT_NONE, SMX_CHECK_TLSRPT },
		{ SMX_DIAG_SPF_NONE, SMX_CHECK_BESIDE },
		{ SMX_DIAG_CHANGE_VERDICT, SMX_CHECK_CHANGE },
	};
	enum smx_check_section section = SMX_CHECK_RECORD;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (code >= starts[i].first)
			section = starts[i].section;
	return section;
}

static struct smx_check_finding *
push(struct smx_check *c, const struct smx_diag *diag)
{
	struct smx_check_finding *f;

	enum smx_diag_severity severity = smx_diag_row(diag->code)->severity;

	if (section_of(diag->code) != SMX_CHECK_CHANGE)
		c->severities[severity]++;
	else if (severity == SMX_DIAG_WARNING)
		c->changes++;
	if (c->finding_count++ >= SMX_CHECK_FINDING_MAX)
		return NULL;
	f = &c->findings[c->finding_count - 1];
	*f = (struct smx_check_finding){
		.section = section_of(diag->code),
		.diag = *diag,
		.host = diag->arg,
	};
	return f;
}

void
smx_check_judge_find(struct smx_check *c, const struct smx_diag *diag,
    const struct smx_ip *ip, struct smx_slice evidence)
{
	struct smx_check_finding *f = NULL;

	for (size_t i = 0; i < smx_check_findings_kept(c); i++) {
		struct smx_check_finding *other = &c->findings[i];

		if (other->diag.code == diag->code &&
		    smx_slice_equal(other->host, diag->arg) &&
		    smx_slice_equal(other->evidence, evidence)) {
			f = other;
			break;
		}
	}
	if (f == NULL) {
		f = push(c, diag);
		if (f == NULL)
			return;
		f->diag.arg = f->host = keep(c, diag->arg);
		f->diag.hint = keep(c, diag->hint);
		f->evidence = keep(c, evidence);
	}
	if (ip != NULL && f->where_count < SMX_CHECK_ADDRESS_MAX)
		f->where[f->where_count++] = *ip;
}

/* A finding about nothing but a name. */
static void
find(struct smx_check *c, enum smx_diag_code code, struct smx_slice arg,
    struct smx_slice hint)
{
	smx_check_judge_find(c,
	    &(struct smx_diag){ .code = code, .arg = arg, .hint = hint }, NULL,
	    smx_slice(NULL, 0));
}

/* What a parser found, with the text it is about as evidence. */
static void
find_all(struct smx_check *c, const struct smx_diag_list *diags,
    struct smx_slice evidence)
{
	for (size_t i = 0; i < smx_diag_list_kept(diags); i++)
		smx_check_judge_find(c, &diags->items[i], NULL, evidence);
}

void
smx_check_judge_certificate(struct smx_check *c,
    const enum smx_diag_code codes[SMX_CHECK_CERTIFICATE_CODES],
    const struct smx_certificate *certificate, struct smx_slice host,
    const struct smx_ip *ip)
{
	const smx_time now = c->facts.now.wall;
	char storage[1024];
	struct smx_buf evidence;

	for (size_t i = 0; i < SMX_CHECK_CERTIFICATE_CODES; i++) {
		bool soon = i == SMX_CHECK_CERTIFICATE_CODES - 1;
		struct smx_diag diag = { .code = codes[i], .arg = host };

		if (soon ? certificate->not_after - now >
				c->world->settings.soon ||
			    certificate->not_after <= now
			 : (certificate->faults & 1U << i) == 0)
			continue;
		smx_buf_init_fixed(&evidence, storage, sizeof(storage));
		if (i == SMX_CHECK_CERTIFICATE_CODES - 2) {
			smx_buf_add(&evidence, certificate->reason);
			smx_buf_add_text(&evidence, "; ");
		}
		smx_check_judge_print_certificate(certificate, now, &evidence);
		smx_check_judge_find(c, &diag, ip, smx_buf_slice(&evidence));
	}
}

void
smx_check_judge_print_certificate(const struct smx_certificate *certificate,
    smx_time now, struct smx_buf *out)
{
	int64_t days = smx_date_days(now, certificate->not_after);
	size_t shown = smx_certificate_names_kept(certificate);

	smx_buf_add_text(out, "valid ");
	if (certificate->not_before > now) {
		smx_buf_add_text(out, "from ");
		smx_date_print(certificate->not_before, out);
		smx_buf_add_char(out, ' ');
	}
	smx_buf_add_text(out, "until ");
	smx_date_print(certificate->not_after, out);
	if (days < 0)
		smx_buf_printf(out, " (%lld days ago)", -(long long)days);
	else
		smx_buf_printf(out, " (%lld days)", (long long)days);
	smx_buf_add_text(out, ", for ");
	if (shown > 5)
		shown = 5;
	for (size_t i = 0; i < shown; i++) {
		if (i > 0)
			smx_buf_add_text(out, ", ");
		smx_buf_add(out, certificate->names[i]);
	}
	if (shown == 0) {
		smx_buf_add_text(out, "no DNS name (CN ");
		smx_buf_add(out, certificate->common_name);
		smx_buf_add_char(out, ')');
	} else if (certificate->name_count > shown) {
		smx_buf_printf(out, " and %zu more",
		    certificate->name_count - shown);
	}
	smx_buf_add_text(out, ", issued by ");
	smx_buf_add(out, certificate->issuer);
}

static struct smx_slice
dns_reason(enum smx_dns_status status)
{
	switch (status) {
	case SMX_DNS_TIMEOUT:
		return SMX_SLICE("no answer in time");
	case SMX_DNS_BOGUS:
		return SMX_SLICE("DNSSEC validation failed");
	case SMX_DNS_NXDOMAIN:
		return SMX_SLICE("the name does not exist");
	case SMX_DNS_NODATA:
		return SMX_SLICE("the name has no such record");
	case SMX_DNS_OK:
	case SMX_DNS_FAILURE:
	default:
		return SMX_SLICE("the name servers answer with a failure");
	}
}

void
smx_check_judge_dns(struct smx_check *c, enum smx_diag_code code,
    struct smx_slice name, enum smx_dns_status status)
{
	smx_check_judge_find(c, &(struct smx_diag){ .code = code, .arg = name },
	    NULL, dns_reason(status));
}

/* A name below the domain, for texts. */
static struct smx_slice
below(struct smx_check *c, const char *label)
{
	char storage[2 * SMX_DOMAIN_MAX];
	struct smx_buf name;

	smx_buf_init_fixed(&name, storage, sizeof(storage));
	smx_buf_add_text(&name, label);
	smx_buf_add(&name, c->facts.domain);
	return keep(c, smx_buf_slice(&name));
}

/* Is the word at the beginning of a text, in whatever case? */
static bool
has_word(struct smx_slice text, struct smx_slice word)
{
	for (size_t i = 0; i + word.n <= text.n && i < 64; i++)
		if (smx_domain_equal(smx_slice(text.p + i, word.n), word))
			return true;
	return false;
}

/* Does this TXT record look as if it was meant for MTA-STS? */
static bool
looks_meant(struct smx_slice text)
{
	return has_word(text, SMX_SLICE("sts")) ||
	    has_word(text, SMX_SLICE("id="));
}

/* A record that counts, or one that was meant to. */
static void
judge_text(struct smx_check *c, struct smx_slice text, bool counts)
{
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_sts_txt txt;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	rc = smx_sts_txt_parse(&c->arena, text, &diags, &txt);
	find_all(c, &diags, text);
	if (counts)
		c->facts.record_text = text;
	if (counts && rc == 0)
		c->facts.id = txt.id;
}

static void
add_quoted(struct smx_buf *to, struct smx_slice text)
{
	if (to->n > 0)
		smx_buf_add_text(to, ", ");
	smx_buf_add_char(to, '"');
	smx_buf_add(to, text);
	smx_buf_add_char(to, '"');
}

static void
judge_texts(struct smx_check *c)
{
	const struct smx_dns_answer *r = &c->facts.record;
	struct smx_diag items[4];
	struct smx_diag_list diags;
	char storage[1024];
	struct smx_buf several;
	size_t index = 0;
	int rc;

	smx_buf_init_fixed(&several, storage, sizeof(storage));
	smx_diag_list_init(&diags, items, 4);
	rc = smx_sts_txt_select(r->texts, r->count, &diags, &index);
	for (size_t i = 0; i < r->count; i++) {
		struct smx_slice text = r->texts[i];
		bool meant = smx_sts_txt_is_candidate(text) ||
		    (rc == -SMX_ENOENT && looks_meant(text));

		if (meant)
			c->facts.is_deployed = true;
		if (meant && rc != -SMX_EPARSE)
			judge_text(c, text, rc == 0);
		else if (meant)
			add_quoted(&several, text);
		else
			find(c, SMX_DIAG_TXT_FOREIGN, text, smx_slice(NULL, 0));
	}
	if (several.n > 0)
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = SMX_DIAG_TXT_SEVERAL }, NULL,
		    smx_buf_slice(&several));
}

/* A record where no sender looks for it; of use only without a right one.
 * @return true: there is one. */
static bool
judge_place(struct smx_check *c, const struct smx_dns_answer *answer,
    struct smx_slice name, bool (*is_candidate)(struct smx_slice record))
{
	bool is_sts = is_candidate == smx_sts_txt_is_candidate;
	bool some = false;

	for (size_t i = 0; answer->status == SMX_DNS_OK && i < answer->count;
	     i++) {
		struct smx_diag diag = {
			.code = is_sts ? SMX_DIAG_TXT_WRONG_PLACE
				       : SMX_DIAG_TLSRPT_WRONG_PLACE,
			.arg = name,
		};

		if (!is_candidate(answer->texts[i]))
			continue;
		diag.hint = below(c, is_sts ? "_mta-sts." : "_smtp._tls.");
		smx_check_judge_find(c, &diag, NULL, answer->texts[i]);
		some = true;
	}
	return some;
}

static void
judge_record(struct smx_check *c)
{
	static const enum smx_diag_code failures[] = {
		[SMX_DNS_FAILURE] = SMX_DIAG_DNS_FAILURE,
		[SMX_DNS_TIMEOUT] = SMX_DIAG_DNS_TIMEOUT,
		[SMX_DNS_BOGUS] = SMX_DIAG_DNS_BOGUS,
	};
	struct smx_check_facts *f = &c->facts;
	const struct smx_dns_answer *r = &f->record;

	if (r->alias.n > 0)
		f->is_deployed = true;
	switch (r->status) {
	case SMX_DNS_OK:
		if (r->alias.n > 0)
			find(c, SMX_DIAG_TXT_CNAME, r->alias,
			    smx_slice(NULL, 0));
		judge_texts(c);
		break;
	case SMX_DNS_NODATA:
	case SMX_DNS_NXDOMAIN:
		if (r->alias.n > 0)
			find(c, SMX_DIAG_TXT_CNAME_DANGLING, r->alias,
			    smx_slice(NULL, 0));
		break;
	case SMX_DNS_FAILURE:
	case SMX_DNS_TIMEOUT:
	case SMX_DNS_BOGUS:
	default:
		smx_check_judge_dns(c, failures[r->status], f->domain,
		    r->status);
		return;
	}
	if (f->record_text.n == 0) {
		if (judge_place(c, &f->at_domain, f->domain,
			smx_sts_txt_is_candidate))
			f->is_deployed = true;
		if (judge_place(c, &f->at_host, below(c, "mta-sts."),
			smx_sts_txt_is_candidate))
			f->is_deployed = true;
	}
}

/* Lines that end in two ways (RFC 8461, 3.2 allows both). */
static bool
mixes_line_ends(struct smx_slice body)
{
	bool some_crlf = false, some_lf = false;

	for (size_t i = 0; i < body.n; i++) {
		if (body.p[i] != '\n')
			continue;
		if (i > 0 && body.p[i - 1] == '\r')
			some_crlf = true;
		else
			some_lf = true;
	}
	return some_crlf && some_lf;
}

/* Advice about a valid policy. */
static void
advise_policy(struct smx_check *c)
{
	const struct smx_sts_policy *p = &c->facts.policy;
	char storage[32];
	struct smx_buf number;

	smx_buf_init_fixed(&number, storage, sizeof(storage));
	smx_buf_add_u64(&number, p->max_age_s);
	if (mixes_line_ends(p->body))
		find(c, SMX_DIAG_POLICY_LINE_ENDS, smx_slice(NULL, 0),
		    smx_slice(NULL, 0));
	if (p->mode == SMX_STS_NONE)
		find(c, SMX_DIAG_POLICY_MODE_NONE, smx_slice(NULL, 0),
		    smx_slice(NULL, 0));
	else if (p->max_age_s > 0 && p->max_age_s < WEEK_S)
		find(c, SMX_DIAG_POLICY_MAX_AGE_SHORT, smx_buf_slice(&number),
		    smx_slice(NULL, 0));
	if (p->mode == SMX_STS_TESTING)
		find(c, SMX_DIAG_POLICY_TESTING, smx_slice(NULL, 0),
		    smx_slice(NULL, 0));
}

static void
judge_body(struct smx_check *c, struct smx_slice body)
{
	struct smx_check_facts *f = &c->facts;
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_sts_policy policy;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	rc = smx_sts_policy_parse(&c->arena, body, &diags, &policy);
	if (rc == -SMX_ENOMEM)
		c->no_memory = true;
	for (size_t i = 0; i < smx_diag_list_kept(&diags); i++) {
		struct smx_check_finding *to = push(c, &diags.items[i]);

		/* The line is shown from the body itself. */
		if (to != NULL)
			to->host = body;
	}
	if (rc == 0 && !f->has_policy) {
		f->has_policy = true;
		f->policy = policy;
		advise_policy(c);
	}
}

static void
judge_bodies(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	size_t first = SMX_CHECK_ADDRESS_MAX;

	for (size_t i = 0; i < f->host_addresses.count; i++) {
		if (f->hosts[i].code != SMX_DIAG_OK)
			continue;
		if (first == SMX_CHECK_ADDRESS_MAX) {
			first = i;
			judge_body(c, f->hosts[i].body);
			continue;
		}
		if (smx_slice_equal(f->hosts[i].body, f->hosts[first].body))
			continue;
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = SMX_DIAG_POLICY_DIFFERS,
			.arg = below(c, "mta-sts.") },
		    &f->hosts[i].ip, smx_slice(NULL, 0));
		if (!f->has_policy)
			judge_body(c, f->hosts[i].body);
	}
}

static void
judge_host_address(struct smx_check *c, const struct smx_check_host *h,
    struct smx_slice name)
{
	static const enum smx_diag_code codes[SMX_CHECK_CERTIFICATE_CODES] = {
		SMX_DIAG_CERT_EXPIRED, SMX_DIAG_CERT_NOT_YET,
		SMX_DIAG_CERT_NAME, SMX_DIAG_CERT_SELF_SIGNED,
		SMX_DIAG_CERT_ISSUER, SMX_DIAG_CERT_CHAIN,
		SMX_DIAG_CERT_UNTRUSTED, SMX_DIAG_CERT_SOON
	};

	if (h->certificate != NULL)
		smx_check_judge_certificate(c, codes, h->certificate, name,
		    &h->ip);
	if (h->code == SMX_DIAG_HOST_UNREACHABLE && h->ip.is_v6 &&
	    c->world->settings.no_v6) {
		c->facts.v6_is_skipped = true;
		return;
	}
	if (h->code != SMX_DIAG_OK &&
	    (h->certificate == NULL || h->certificate->faults == 0))
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = h->code, .arg = name }, &h->ip,
		    h->detail);
}

static void
judge_host(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	const struct smx_check_addresses *a = &f->host_addresses;
	struct smx_slice name = below(c, "mta-sts.");

	if (a->count > 0 && a->alias.n > 0)
		find(c, SMX_DIAG_HOST_CNAME, a->alias, smx_slice(NULL, 0));
	if (a->count > 0)
		for (size_t i = 0; i < a->count; i++)
			judge_host_address(c, &f->hosts[i], name);
	else if (a->status != SMX_DNS_NODATA && a->status != SMX_DNS_NXDOMAIN)
		smx_check_judge_dns(c, SMX_DIAG_HOST_DNS_FAILURE, name,
		    a->status);
	else if (a->alias.n > 0)
		find(c, SMX_DIAG_HOST_CNAME_DANGLING, a->alias,
		    smx_slice(NULL, 0));
	else
		find(c, SMX_DIAG_HOST_NO_ADDRESS, name, smx_slice(NULL, 0));
}

static void
judge_rua(struct smx_check *c, const struct smx_check_rua *r)
{
	struct smx_diag diag = { .code = SMX_DIAG_OK, .arg = r->uri };
	char storage[512];
	struct smx_buf evidence;
	bool has_mx = r->mx_status == SMX_DNS_OK && !r->is_null_mx;
	bool no_mx = r->mx_status == SMX_DNS_NODATA;

	smx_buf_init_fixed(&evidence, storage, sizeof(storage));
	if (!r->is_mail && r->https_code != SMX_DIAG_OK) {
		diag.code = SMX_DIAG_TLSRPT_HTTPS_DEAD;
		smx_diag_print(&(struct smx_diag){ .code = r->https_code,
				   .arg = r->domain },
		    &evidence);
		if (r->detail.n > 0)
			smx_buf_add_text(&evidence, ": ");
		smx_buf_add(&evidence, r->detail);
	} else if (r->is_mail && r->is_null_mx) {
		diag.code = SMX_DIAG_TLSRPT_MAILTO_DEAD;
		smx_buf_add_text(&evidence, "null MX");
	} else if (r->is_mail && !has_mx &&
	    !(no_mx && r->addresses.count > 0)) {
		bool known = r->mx_status == SMX_DNS_NXDOMAIN ||
		    (no_mx &&
			(r->addresses.status == SMX_DNS_NODATA ||
			    r->addresses.status == SMX_DNS_NXDOMAIN));

		diag.code = known ? SMX_DIAG_TLSRPT_MAILTO_DEAD
				  : SMX_DIAG_TLSRPT_UNCHECKED;
		smx_buf_add(&evidence, dns_reason(r->mx_status));
	}
	if (diag.code != SMX_DIAG_OK)
		smx_check_judge_find(c, &diag, NULL, smx_buf_slice(&evidence));
}

static void
judge_tlsrpt_text(struct smx_check *c, struct smx_slice text)
{
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	if (smx_tlsrpt_txt_parse(&c->arena, text, &diags, &txt) == -SMX_ENOMEM)
		c->no_memory = true;
	find_all(c, &diags, text);
}

/* Records that don't count, but were meant to. @return true: there is one. */
static bool
judge_tlsrpt_meant(struct smx_check *c)
{
	const struct smx_dns_answer *r = &c->facts.tlsrpt;
	bool some = false;

	for (size_t i = 0; i < r->count; i++) {
		if (!has_word(r->texts[i], SMX_SLICE("tlsrpt")) &&
		    !has_word(r->texts[i], SMX_SLICE("rua=")))
			continue;
		judge_tlsrpt_text(c, r->texts[i]);
		some = true;
	}
	return some;
}

static void
judge_tlsrpt(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	const struct smx_dns_answer *r = &f->tlsrpt;
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	size_t index = 0;
	int rc;

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	if (r->status == SMX_DNS_FAILURE || r->status == SMX_DNS_TIMEOUT ||
	    r->status == SMX_DNS_BOGUS) {
		smx_check_judge_dns(c, SMX_DIAG_TLSRPT_FAILURE, f->domain,
		    r->status);
		return;
	}
	rc = smx_tlsrpt_txt_select(r->texts, r->count, f->domain, &diags,
	    &index);
	if (rc == 0)
		judge_tlsrpt_text(c, r->texts[index]);
	else if (rc == -SMX_EPARSE)
		find_all(c, &diags, smx_slice(NULL, 0));
	else if (!judge_tlsrpt_meant(c) &&
	    !judge_place(c, &f->at_domain, f->domain,
		smx_tlsrpt_txt_is_candidate))
		find_all(c, &diags, smx_slice(NULL, 0));
	for (size_t i = 0; i < f->rua_count; i++)
		judge_rua(c, &f->rua[i]);
}

void
smx_check_judge(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;

	f->exists = f->mx_answer.status != SMX_DNS_NXDOMAIN ||
	    f->at_domain.status != SMX_DNS_NXDOMAIN;
	if (!f->exists) {
		find(c, SMX_DIAG_DOMAIN_NONE, f->domain, smx_slice(NULL, 0));
		smx_check_verdict_judge(c);
		return;
	}
	judge_record(c);
	judge_bodies(c);
	if (f->has_policy && f->record_text.n == 0 && !f->is_deployed) {
		f->is_deployed = true;
		if (f->record.status == SMX_DNS_NODATA ||
		    f->record.status == SMX_DNS_NXDOMAIN ||
		    f->record.status == SMX_DNS_OK)
			find(c, SMX_DIAG_TXT_NONE, smx_slice(NULL, 0),
			    smx_slice(NULL, 0));
	}
	if (f->is_deployed)
		judge_host(c);
	smx_check_hosts_judge(c);
	if (f->mx_count > 0)
		judge_tlsrpt(c);
	smx_check_beside_judge(c);
	smx_check_change_judge(c);
	smx_check_verdict_judge(c);
}
