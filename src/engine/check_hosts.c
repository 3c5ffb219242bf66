#include "core/domain.h"
#include "core/mx_advice.h"
#include "core/sts_match.h"
#include "engine/check_judge.h"

static const struct smx_slice nothing = { NULL, 0 };

static void
find(struct smx_check *c, enum smx_diag_code code,
    const struct smx_check_mx *mx, struct smx_slice hint,
    struct smx_slice evidence)
{
	smx_check_judge_find(c,
	    &(struct smx_diag){ .code = code, .arg = mx->host, .hint = hint },
	    NULL, evidence);
}

static bool
is_absent(enum smx_dns_status status)
{
	return status == SMX_DNS_NODATA || status == SMX_DNS_NXDOMAIN;
}

/* The MX records as such. */
static void
judge_records(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	struct smx_diag diag = { .code = SMX_DIAG_OK, .arg = f->domain };

	if (f->mx_answer.status == SMX_DNS_BOGUS)
		diag.code = SMX_DIAG_MX_BOGUS;
	else if (f->is_null_mx)
		diag.code = SMX_DIAG_MX_NULL;
	else if (f->is_implicit_mx)
		diag.code = SMX_DIAG_MX_IMPLICIT;
	else if (is_absent(f->mx_answer.status))
		diag.code = SMX_DIAG_MX_NONE;
	if (diag.code != SMX_DIAG_OK)
		smx_check_judge_find(c, &diag, NULL, nothing);
	else if (f->mx_answer.status != SMX_DNS_OK)
		smx_check_judge_dns(c, SMX_DIAG_MX_FAILURE, f->domain,
		    f->mx_answer.status);
}

/* A host's name and addresses. @return false: mail can't go there. */
static bool
judge_addresses(struct smx_check *c, struct smx_check_mx *mx)
{
	const struct smx_check_addresses *a = &mx->addresses;

	if (!mx->is_host) {
		find(c, SMX_DIAG_MX_NAME, mx, nothing, nothing);
		return false;
	}
	if (a->alias.n > 0)
		find(c, SMX_DIAG_MX_CNAME, mx, nothing, a->alias);
	if (a->count > 0)
		return true;
	if (is_absent(a->status)) {
		find(c, SMX_DIAG_MX_NO_ADDRESS, mx, nothing, nothing);
		return false;
	}
	smx_check_judge_dns(c, SMX_DIAG_MX_ADDRESS_FAILURE, mx->host,
	    a->status);
	mx->is_unknown = true;
	return true;
}

/* Was this pattern told about with one of the hosts already? */
static bool
is_told(struct smx_slice pattern, const struct smx_mx_advice *advice,
    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (advice[i].code == SMX_DIAG_MX_MOVED ||
		    (advice[i].pattern.n > 0 &&
			smx_slice_equal(advice[i].pattern, pattern)))
			return true;
	return false;
}

/* The hosts against the policy. */
static void
judge_patterns(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	const struct smx_sts_policy *p = &f->policy;
	struct smx_slice hosts[SMX_CHECK_MX_MAX];
	struct smx_mx_advice advice[SMX_CHECK_MX_MAX] = { 0 };
	/* An address in an MX record may stand for what a pattern names. */
	bool all_hosts = true;

	for (size_t i = 0; i < f->mx_count; i++)
		hosts[i] = f->mx[i].host;
	for (size_t i = 0; i < f->mx_count; i++) {
		struct smx_check_mx *mx = &c->facts.mx[i];

		mx->is_allowed = smx_sts_match_policy(p, mx->host);
		all_hosts = all_hosts && mx->is_host;
		if (mx->is_allowed || !mx->is_host)
			continue;
		smx_mx_advice_classify(p, hosts, f->mx_count, i, &advice[i]);
		find(c, advice[i].code, mx, mx->host, advice[i].pattern);
	}
	for (size_t i = 0; i < p->mx_count && all_hosts; i++) {
		struct smx_diag diag = { .code = SMX_DIAG_POLICY_MX_UNUSED,
			.arg = p->mx[i] };

		if (!smx_mx_advice_pattern_is_used(p->mx[i], hosts,
			f->mx_count) &&
		    !is_told(p->mx[i], advice, f->mx_count))
			smx_check_judge_find(c, &diag, NULL, nothing);
	}
}

/* A full name, as RFC 5321, 4.1.1.1 wants it. */
static bool
is_full_name(struct smx_slice name)
{
	return smx_domain_is_host(name) && smx_slice_find(name, '.') < name.n;
}

/* One session. @return false: a strict sender can't use this address. */
static bool
judge_session(struct smx_check *c, const struct smx_check_mx *mx,
    const struct smx_check_session *s)
{
	static const enum smx_diag_code codes[SMX_CHECK_CERTIFICATE_CODES] = {
		SMX_DIAG_SMTP_CERT_EXPIRED, SMX_DIAG_SMTP_CERT_NOT_YET,
		SMX_DIAG_SMTP_CERT_NAME, SMX_DIAG_SMTP_CERT_SELF_SIGNED,
		SMX_DIAG_SMTP_CERT_ISSUER, SMX_DIAG_SMTP_CERT_CHAIN,
		SMX_DIAG_SMTP_CERT_UNTRUSTED, SMX_DIAG_SMTP_CERT_SOON
	};

	if (s->is_right_without_sni) {
		/* What is shown with SNI is beside the point. */
		smx_check_judge_find(c,
		    &(struct smx_diag){
			.code = SMX_DIAG_SMTP_SNI, .arg = mx->host },
		    &s->ip, nothing);
		return false;
	}
	if (s->code != SMX_DIAG_OK) {
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = s->code, .arg = mx->host },
		    &s->ip, s->detail);
	} else if (s->name.n > 0 && !is_full_name(s->name)) {
		smx_check_judge_find(c,
		    &(struct smx_diag){
			.code = SMX_DIAG_SMTP_EHLO_NAME, .arg = mx->host },
		    &s->ip, s->name);
	}
	if (s->certificate == NULL)
		return s->code == SMX_DIAG_OK;
	smx_check_judge_certificate(c, codes, s->certificate, mx->host, &s->ip);
	return s->code == SMX_DIAG_OK && s->certificate->faults == 0;
}

/* Can it be that port 25 is closed here, and not there? */
static bool
is_port_closed(const struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	size_t tried = 0;

	if (c->world->settings.smtp_works)
		return false;
	for (size_t i = 0; i < f->mx_count; i++)
		for (size_t j = 0; j < f->mx[i].addresses.count; j++) {
			const struct smx_check_session *s =
			    &f->mx[i].sessions[j];

			if (!s->done)
				continue;
			if (s->is_connected ||
			    (s->code != SMX_DIAG_SMTP_TIMEOUT &&
				s->code != SMX_DIAG_SMTP_UNREACHABLE))
				return false;
			tried++;
		}
	return tried > 0;
}

/* Without IPv6 here, an IPv6 address that can't be reached is not at fault. */
static void
leave_v6_out(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;

	for (size_t i = 0; i < f->mx_count && c->world->settings.no_v6; i++)
		for (size_t j = 0; j < f->mx[i].addresses.count; j++) {
			struct smx_check_session *s = &f->mx[i].sessions[j];

			if (!s->ip.is_v6 ||
			    s->code != SMX_DIAG_SMTP_UNREACHABLE)
				continue;
			s->done = false;
			f->v6_is_skipped = true;
		}
}

/* Does mail fail there whatever a sender's demands on TLS? */
static bool
is_shut(enum smx_diag_code code)
{
	return code == SMX_DIAG_SMTP_REFUSED || code == SMX_DIAG_SMTP_TIMEOUT ||
	    code == SMX_DIAG_SMTP_UNREACHABLE || code == SMX_DIAG_SMTP_CLOSED ||
	    code == SMX_DIAG_SMTP_SYNTAX || code == SMX_DIAG_MX_PRIVATE;
}

static void
judge_smtp(struct smx_check *c, struct smx_check_mx *mx)
{
	bool good = false, away = true;
	size_t tried = 0;

	mx->nobody = true;
	for (size_t j = 0; j < mx->addresses.count; j++) {
		if (!mx->sessions[j].done)
			continue;
		tried++;
		if (!is_shut(mx->sessions[j].code))
			mx->nobody = false;
		if (mx->sessions[j].code != SMX_DIAG_SMTP_GREETING)
			away = false;
		if (judge_session(c, mx, &mx->sessions[j]))
			good = true;
	}
	/* Who turns us away may well talk to others. */
	if (tried == 0 || away) {
		mx->is_unknown = true;
		mx->nobody = false;
	} else if (!good) {
		mx->sts_fails = true;
	}
}

/* Usage and selector that SMTP knows (RFC 7672, 3.1); the probe looks closer,
 * but there may have been none. */
static bool
is_usable(const struct smx_dns_tlsa *t)
{
	/* Octets of the digest (RFC 6698, 2.1.3); 0: a whole certificate. */
	static const size_t lengths[] = { 0, 32, 64 };

	return (t->usage == 2 || t->usage == 3) && t->selector <= 1 &&
	    t->matching <= 2 && t->data.n > 0 &&
	    (lengths[t->matching] == 0 || t->data.n == lengths[t->matching]);
}

static void
print_tlsa(const struct smx_check_mx *mx, struct smx_buf *out)
{
	for (size_t i = 0; i < mx->tlsa.count; i++) {
		const struct smx_dns_tlsa *t = &mx->tlsa.tlsa[i];

		smx_buf_printf(out, "%s%u %u %u ", i > 0 ? ", " : "", t->usage,
		    t->selector, t->matching);
		for (size_t j = 0; j < t->data.n && j < 8; j++)
			smx_buf_printf(out, "%02x",
			    (unsigned char)t->data.p[j]);
		if (t->data.n > 8)
			smx_buf_add_text(out, "...");
	}
}

/* The certificate of each address against the records. */
static void
match_tlsa(struct smx_check *c, struct smx_check_mx *mx,
    struct smx_slice evidence)
{
	bool good = false;
	size_t tried = 0;

	for (size_t j = 0; j < mx->addresses.count; j++) {
		const struct smx_check_session *s = &mx->sessions[j];

		if (!s->done || !s->is_connected)
			continue;
		tried++;
		if (s->code == SMX_DIAG_OK && s->tlsa_matched != 0)
			good = true;
		else if (s->code == SMX_DIAG_OK)
			smx_check_judge_find(c,
			    &(struct smx_diag){ .code = SMX_DIAG_DANE_MISMATCH,
				.arg = mx->host },
			    &s->ip, evidence);
	}
	mx->dane_fails = tried > 0 && !good;
}

static void
judge_tlsa(struct smx_check *c, struct smx_check_mx *mx)
{
	const struct smx_dns_answer *t = &mx->tlsa;
	size_t usable = 0, own = 0;
	char storage[512];
	struct smx_buf evidence;

	if (!is_absent(t->status) && t->status != SMX_DNS_OK) {
		/* Outside of a signed zone nobody asks for it; and time-outs
		 * can be ours. */
		if (mx->addresses.secure && t->status != SMX_DNS_TIMEOUT) {
			smx_check_judge_dns(c, SMX_DIAG_DANE_FAILURE, mx->host,
			    t->status);
			mx->dane_holds = mx->dane_fails = true;
		}
		return;
	}
	if (t->status != SMX_DNS_OK)
		return;
	smx_buf_init_fixed(&evidence, storage, sizeof(storage));
	print_tlsa(mx, &evidence);
	for (size_t i = 0; i < t->count; i++) {
		usable += is_usable(&t->tlsa[i]);
		own += is_usable(&t->tlsa[i]) && t->tlsa[i].usage == 3;
	}
	if (c->world->settings.no_dnssec) {
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = SMX_DIAG_DANE_UNCHECKED }, NULL,
		    nothing);
		return;
	}
	if (!t->secure || !mx->addresses.secure) {
		find(c, SMX_DIAG_DANE_INSECURE, mx, nothing,
		    smx_buf_slice(&evidence));
		return;
	}
	if (usable == 0) {
		find(c, SMX_DIAG_DANE_UNUSABLE, mx, nothing,
		    smx_buf_slice(&evidence));
		return;
	}
	mx->dane_holds = true;
	match_tlsa(c, mx, smx_buf_slice(&evidence));
	if (usable == 1 && own == 1 && !mx->dane_fails)
		find(c, SMX_DIAG_DANE_SINGLE, mx, nothing,
		    smx_buf_slice(&evidence));
	if (!c->facts.mx_answer.secure && !mx->dane_fails)
		find(c, SMX_DIAG_DANE_MX_INSECURE, mx, nothing, nothing);
}

static void
judge_dane(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;
	bool some = false;

	for (size_t i = 0; i < f->mx_count; i++) {
		if (f->mx[i].is_host)
			judge_tlsa(c, &f->mx[i]);
		some = some || f->mx[i].dane_holds;
	}
	for (size_t i = 0; i < f->mx_count; i++) {
		struct smx_check_mx *mx = &f->mx[i];
		bool sts = f->has_policy && f->policy.mode == SMX_STS_ENFORCE;

		if (some && mx->is_host && !mx->dane_holds)
			find(c, SMX_DIAG_DANE_PARTIAL, mx, nothing, nothing);
		if (mx->dane_holds && sts && !mx->is_unknown &&
		    mx->dane_fails != mx->sts_fails)
			find(c, SMX_DIAG_DANE_CONFLICT, mx, nothing,
			    mx->dane_fails ? SMX_SLICE("DANE refuses it")
					   : SMX_SLICE("MTA-STS refuses it"));
	}
}

void
smx_check_hosts_judge(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;
	bool holds = f->has_policy && f->policy.mode != SMX_STS_NONE;
	bool asked = f->smtp_is_skipped;

	judge_records(c);
	leave_v6_out(c);
	if (holds && f->mx_count > 0)
		judge_patterns(c);
	if (!f->smtp_is_skipped && is_port_closed(c)) {
		f->smtp_is_skipped = true;
		for (size_t i = 0; i < f->mx_count; i++)
			for (size_t j = 0; j < f->mx[i].addresses.count; j++)
				f->mx[i].sessions[j].done = false;
	}
	for (size_t i = 0; i < f->mx_count; i++) {
		struct smx_check_mx *mx = &f->mx[i];

		if (!judge_addresses(c, mx))
			mx->sts_fails = mx->nobody = true;
		else
			judge_smtp(c, mx);
		if (holds && !mx->is_allowed)
			mx->sts_fails = true;
	}
	if (f->smtp_is_skipped && !asked)
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = SMX_DIAG_SMTP_NOT_CHECKED },
		    NULL, nothing);
	if (f->v6_is_skipped)
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = SMX_DIAG_SMTP_NO_IPV6 }, NULL,
		    nothing);
	judge_dane(c);
}
