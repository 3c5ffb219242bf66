#include "engine/check_verdict.h"
#include "base/require.h"
#include "engine/check_judge.h"

#define HEADLINE_MAX 1024
/* Hosts named in a headline; more are counted. */
#define HOSTS_NAMED_MAX 3

struct tally {
	size_t sts_fails, dane_holds, dane_fails;
	size_t errors, warnings;
	size_t changes;       /* warnings about what has changed */
	size_t dane_unusable; /* hosts that DANE refuses, or that are shut */
	size_t unusable;      /* hosts that DANE or MTA-STS refuses */
	size_t unknown;       /* hosts that could not be looked at */
	size_t nobody;        /* hosts where no mail gets in at all */
};

static void
count(const struct smx_check *c, struct tally *t)
{
	*t = (struct tally){ 0 };
	for (size_t i = 0; i < c->facts.mx_count; i++) {
		t->sts_fails += c->facts.mx[i].sts_fails;
		t->dane_holds += c->facts.mx[i].dane_holds;
		t->dane_fails += c->facts.mx[i].dane_fails;
		t->nobody += c->facts.mx[i].nobody;
		t->unusable += c->facts.mx[i].sts_fails ||
		    c->facts.mx[i].dane_fails || c->facts.mx[i].nobody;
		t->dane_unusable += c->facts.mx[i].dane_fails ||
		    c->facts.mx[i].nobody;
		t->unknown += c->facts.mx[i].is_unknown;
	}
	t->errors = c->severities[SMX_DIAG_ERROR];
	t->warnings = c->severities[SMX_DIAG_WARNING];
	t->changes = c->changes;
}

static bool
is_failure(enum smx_dns_status status)
{
	return status == SMX_DNS_FAILURE || status == SMX_DNS_TIMEOUT ||
	    status == SMX_DNS_BOGUS;
}

static enum smx_check_verdict
decide(const struct smx_check *c, const struct tally *t)
{
	const struct smx_check_facts *f = &c->facts;
	bool enforced = f->id.n > 0 && f->has_policy &&
	    f->policy.mode == SMX_STS_ENFORCE;

	/* Something is missing: nothing can be said. */
	if (c->no_memory)
		return SMX_CHECK_UNDETERMINED;
	if (!f->exists || f->is_null_mx ||
	    (f->mx_count == 0 && !is_failure(f->mx_answer.status)))
		return SMX_CHECK_NO_MAIL;
	if (f->mx_count > 0 && t->dane_unusable == f->mx_count)
		return SMX_CHECK_DEFERRED;
	if (f->mx_count > 0 && enforced && t->unusable == f->mx_count)
		return SMX_CHECK_DEFERRED;
	if (is_failure(f->mx_answer.status) || is_failure(f->record.status) ||
	    (f->id.n > 0 && f->host_addresses.status == SMX_DNS_TIMEOUT))
		return SMX_CHECK_UNDETERMINED;
	if (!f->is_deployed)
		return SMX_CHECK_NOT_DEPLOYED;
	if (!f->has_policy || f->id.n == 0 ||
	    (f->policy.max_age_s == 0 && f->policy.mode != SMX_STS_NONE))
		return SMX_CHECK_BROKEN;
	if (f->policy.mode == SMX_STS_NONE)
		return SMX_CHECK_WITHDRAWN;
	if (f->policy.mode == SMX_STS_TESTING)
		return SMX_CHECK_TESTING;
	if (t->unknown == f->mx_count && !f->smtp_is_skipped)
		return SMX_CHECK_UNDETERMINED;
	if (t->sts_fails > 0 || t->dane_fails > 0)
		return SMX_CHECK_PARTLY;
	return t->errors + t->warnings > 0 ? SMX_CHECK_WARNINGS
					   : SMX_CHECK_PROTECTED;
}

/* The hosts that strict senders can't use. */
static void
name_hosts(const struct smx_check *c, struct smx_buf *out)
{
	size_t named = 0, total = 0;

	for (size_t i = 0; i < c->facts.mx_count; i++) {
		const struct smx_check_mx *mx = &c->facts.mx[i];

		if (!mx->sts_fails && !mx->dane_fails && !mx->nobody)
			continue;
		if (total++ >= HOSTS_NAMED_MAX)
			continue;
		if (named++ > 0)
			smx_buf_add_text(out, ", ");
		smx_buf_add_escaped(out, mx->host);
	}
	if (total > named)
		smx_buf_printf(out, " and %zu more", total - named);
}

/* What is wrong first of all, in these sections. */
static void
name_error(const struct smx_check *c, enum smx_check_section from,
    enum smx_check_section to, struct smx_buf *out)
{
	const struct smx_check_finding *first = NULL;

	for (size_t i = 0; i < smx_check_findings_kept(c); i++) {
		const struct smx_check_finding *f = &c->findings[i];

		if (f->section < from || f->section > to ||
		    (smx_diag_row(f->diag.code)->severity != SMX_DIAG_ERROR &&
			f->diag.code != SMX_DIAG_POLICY_MAX_AGE_ZERO))
			continue;
		if (first == NULL || f->section < first->section)
			first = f;
	}
	if (first != NULL)
		smx_diag_print(&first->diag, out);
}

static void
tell_limits(const struct smx_check *c, struct smx_buf *out)
{
	if (c->facts.smtp_is_skipped)
		smx_buf_add_text(out,
		    "The MX hosts themselves were not looked at.");
}

static void
print_testing(const struct smx_check *c, const struct tally *t,
    struct smx_buf *reason)
{
	if (t->sts_fails > 0) {
		smx_buf_add_text(reason,
		    "In mode enforce, strict senders could not use ");
		name_hosts(c, reason);
		smx_buf_add_char(reason, '.');
		return;
	}
	tell_limits(c, reason);
}

static void
print_deferred(const struct smx_check *c, const struct tally *t,
    struct smx_buf *head, struct smx_buf *reason)
{
	bool dane = t->dane_unusable == c->facts.mx_count;

	if (t->nobody == c->facts.mx_count)
		smx_buf_add_text(head,
		    "mail would be deferred by everybody: no MX host takes it "
		    "(");
	else
		smx_buf_printf(head,
		    "mail would be deferred by %s: they can use no MX host (",
		    dane ? "senders that check DANE" : "strict senders");
	name_hosts(c, head);
	smx_buf_add_char(head, ')');
	name_error(c, SMX_CHECK_MX, SMX_CHECK_DANE, reason);
}

static void
print(const struct smx_check *c, const struct tally *t, struct smx_buf *head,
    struct smx_buf *reason)
{
	const struct smx_check_facts *f = &c->facts;

	switch (c->verdict) {
	case SMX_CHECK_PROTECTED:
		smx_buf_add_text(head,
		    f->smtp_is_skipped
			? "protected, as far as DNS and HTTPS show"
			: "protected");
		if (t->changes > 0)
			smx_buf_add_text(head,
			    "; but look at what has changed");
		tell_limits(c, reason);
		break;
	case SMX_CHECK_WARNINGS:
		smx_buf_printf(head, "protected, with %zu thing%s to mend",
		    t->errors + t->warnings,
		    t->errors + t->warnings == 1 ? "" : "s");
		tell_limits(c, reason);
		break;
	case SMX_CHECK_TESTING:
		smx_buf_add_text(head,
		    "testing: failures are reported, mail is not protected yet");
		print_testing(c, t, reason);
		break;
	case SMX_CHECK_WITHDRAWN:
		smx_buf_add_text(head,
		    "not protected: the policy is being withdrawn (mode none)");
		break;
	case SMX_CHECK_NO_MAIL:
		smx_buf_add_text(head,
		    !f->exists          ? "the domain does not exist"
			: f->is_null_mx ? "takes no mail, so there is nothing "
					  "to protect"
					: "gets no mail: it has no MX host");
		break;
	case SMX_CHECK_NOT_DEPLOYED:
		smx_buf_add_text(head,
		    t->dane_holds == f->mx_count && f->mx_count > 0
			? "MTA-STS is not deployed; DANE protects mail from "
			  "senders that check it"
			: "not protected: MTA-STS is not deployed");
		break;
	case SMX_CHECK_BROKEN:
		smx_buf_add_text(head, "MTA-STS does not work: ");
		name_error(c, SMX_CHECK_RECORD, SMX_CHECK_POLICY, head);
		smx_buf_add_text(reason,
		    "Senders find no policy to hold to, and deliver without "
		    "protection.");
		break;
	case SMX_CHECK_PARTLY:
		smx_buf_add_text(head,
		    "protected, but strict senders can't use ");
		name_hosts(c, head);
		smx_buf_add_text(reason,
		    "While the other MX hosts are busy or down, mail waits.");
		break;
	case SMX_CHECK_DEFERRED:
		print_deferred(c, t, head, reason);
		break;
	case SMX_CHECK_UNDETERMINED:
	default:
		smx_buf_add_text(head,
		    c->no_memory ? "could not be found out: too much data"
			: f->record.status == SMX_DNS_BOGUS ||
			    f->mx_answer.status == SMX_DNS_BOGUS
			? "could not be found out: its DNSSEC signatures are "
			  "not valid"
			: is_failure(f->record.status) ||
			    is_failure(f->mx_answer.status)
			? "could not be found out: DNS gives no answer"
			: f->host_addresses.status == SMX_DNS_TIMEOUT
			? "could not be found out: DNS does not say where its "
			  "policy host is"
			: "could not be found out: no MX host could be looked "
			  "at");
		break;
	}
}

static struct smx_slice
keep(struct smx_check *c, struct smx_buf *text)
{
	char *p = smx_arena_copy(&c->arena, smx_buf_slice(text));

	return smx_slice(p, p != NULL ? text->n : 0);
}

void
smx_check_verdict_judge(struct smx_check *c)
{
	char head_bytes[HEADLINE_MAX], reason_bytes[HEADLINE_MAX];
	struct smx_check_facts *f = &c->facts;
	struct smx_buf head, reason;
	struct tally t;

	count(c, &t);
	c->verdict = decide(c, &t);
	if (c->verdict == SMX_CHECK_NOT_DEPLOYED) {
		smx_check_judge_find(c,
		    &(struct smx_diag){
			.code = SMX_DIAG_STS_NONE, .arg = f->domain },
		    NULL, smx_slice(NULL, 0));
		count(c, &t);
	}
	smx_buf_init_fixed(&head, head_bytes, sizeof(head_bytes));
	smx_buf_init_fixed(&reason, reason_bytes, sizeof(reason_bytes));
	if (c->earlier != NULL &&
	    !smx_slice_equal(c->earlier->verdict,
		smx_slice_text(smx_check_verdict_name(c->verdict))))
		smx_check_judge_find(c,
		    &(struct smx_diag){ .code = SMX_DIAG_CHANGE_VERDICT,
			.arg = c->earlier->verdict },
		    NULL, smx_slice(NULL, 0));
	print(c, &t, &head, &reason);
	c->headline = keep(c, &head);
	c->reason = keep(c, &reason);
}

int
smx_check_verdict_status(const struct smx_check *c)
{
	struct tally t;

	count(c, &t);
	if (c->verdict == SMX_CHECK_DEFERRED)
		return 3;
	if (c->verdict == SMX_CHECK_UNDETERMINED)
		return 4;
	if (t.errors > 0 || c->verdict == SMX_CHECK_BROKEN)
		return 2;
	return t.warnings + t.changes > 0 ? 1 : 0;
}

const char *
smx_check_verdict_name(enum smx_check_verdict verdict)
{
	static const char *const names[] = {
		[SMX_CHECK_PROTECTED] = "protected",
		[SMX_CHECK_WARNINGS] = "protected-with-warnings",
		[SMX_CHECK_TESTING] = "testing",
		[SMX_CHECK_WITHDRAWN] = "withdrawn",
		[SMX_CHECK_NO_MAIL] = "no-mail",
		[SMX_CHECK_NOT_DEPLOYED] = "not-deployed",
		[SMX_CHECK_BROKEN] = "broken",
		[SMX_CHECK_PARTLY] = "partly-protected",
		[SMX_CHECK_DEFERRED] = "mail-deferred",
		[SMX_CHECK_UNDETERMINED] = "undetermined",
	};

	SMX_REQUIRE(verdict < SMX_CHECK_VERDICT_COUNT);
	return names[verdict];
}

/* Fixes in this order of sections: what defers mail, then what has to be there
 * before a new id is published, and the record at last. */
static unsigned
rank(const struct smx_check_finding *f)
{
	static const unsigned ranks[SMX_CHECK_SECTION_COUNT] = {
		[SMX_CHECK_MX] = 0,
		[SMX_CHECK_DANE] = 1,
		[SMX_CHECK_SMTP] = 2,
		[SMX_CHECK_HOST] = 3,
		[SMX_CHECK_POLICY] = 4,
		[SMX_CHECK_RECORD] = 5,
		[SMX_CHECK_TLSRPT] = 6,
		[SMX_CHECK_BESIDE] = 7,
		[SMX_CHECK_CHANGE] = 8,
	};
	enum smx_diag_severity severity = smx_diag_row(f->diag.code)->severity;

	return (unsigned)(SMX_DIAG_ERROR - severity) * 10 + ranks[f->section];
}

size_t
smx_check_verdict_order(const struct smx_check *c,
    const struct smx_check_finding **ret_order)
{
	size_t n = 0;

	/* By insertion: there are few. */
	for (size_t i = 0; i < smx_check_findings_kept(c); i++) {
		const struct smx_check_finding *f = &c->findings[i];
		size_t at = n;

		if (smx_diag_row(f->diag.code)->severity == SMX_DIAG_INFO)
			continue;
		for (; at > 0 && rank(ret_order[at - 1]) > rank(f); at--)
			ret_order[at] = ret_order[at - 1];
		ret_order[at] = f;
		n++;
	}
	return n;
}
