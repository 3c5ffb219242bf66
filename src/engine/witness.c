#include "engine/witness.h"
#include "core/limits.h"
#include "core/tlsrpt_txt.h"
#include "engine/witness_tell.h"
#include "engine/witness_visit.h"

int
smx_witness_init(struct smx_witness *w, const uint64_t seed[2])
{
	int rc;

	*w = (struct smx_witness){ .events = 0 };
	smx_list_init(&w->visiting);
	rc = smx_witness_domain_init(&w->domains, seed);
	if (rc < 0)
		return rc;
	return smx_witness_sessions_init(&w->sessions, seed);
}

void
smx_witness_done(struct smx_witness *w)
{
	if (w->domains.map.slots != NULL)
		smx_witness_domain_done(&w->domains);
	if (w->sessions.map.slots != NULL)
		smx_witness_sessions_done(&w->sessions);
}

/* The record, when there is one that can be used; else nothing. */
static struct smx_slice
find_record(struct smx_slice domain, const struct smx_dns_answer *answer)
{
	struct smx_slice record = { NULL, 0 };
	char storage[4096];
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;
	struct smx_arena arena;
	size_t index;

	smx_diag_list_init(&diags, items, 1);
	smx_arena_init(&arena, storage, sizeof(storage), SMX_TLSRPT_ARENA_MAX);
	if (answer->status == SMX_DNS_OK &&
	    smx_tlsrpt_txt_select(answer->texts, answer->count, domain, &diags,
		&index) == 0 &&
	    smx_tlsrpt_txt_parse(&arena, answer->texts[index], &diags, &txt) ==
		0)
		record = answer->texts[index];
	smx_arena_done(&arena);
	return record;
}

/* Tell and look, as far as it is known whether the domain wants it. */
static void
go_on(struct smx_witness_domain *d, struct smx_now now)
{
	smx_witness_tell_drop(d, now.mono - SMX_WITNESS_WAITING_FOR);
	if (d->is_known) {
		smx_witness_tell_waiting(d);
		if (d->wants_visit)
			smx_witness_visit_start(d, now);
	}
	d->wants_visit = false;
	smx_witness_domain_settle(d);
}

static void
take_record(struct smx_witness_domain *d, struct smx_now now,
    const struct smx_dns_answer *answer)
{
	d->is_asking = false;
	switch (answer->status) {
	case SMX_DNS_OK:
	case SMX_DNS_NODATA:
	case SMX_DNS_NXDOMAIN:
		smx_witness_domain_set_record(d,
		    find_record(smx_witness_domain_name(d), answer), now);
		d->ask_due = now.mono + SMX_WITNESS_RECORD_FOR;
		break;
	default:
		/* What was known may be as it was. */
		d->ask_due = now.mono + SMX_WITNESS_DNS_AGAIN;
		break;
	}
	go_on(d, now);
}

static void ask_next(struct smx_witness *w, struct smx_now now);

static void
on_record(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct smx_witness_domain *d = arg;
	struct smx_witness *w = d->witness;

	w->ask_count--;
	take_record(d, now, answer);
	ask_next(w, now);
}

static void
ask(struct smx_witness_domain *d, struct smx_now now)
{
	static const char prefix[] = "_smtp._tls.";
	char name[SMX_DOMAIN_MAX + sizeof(prefix)];
	size_t n = sizeof(prefix) - 1;
	struct smx_witness *w = d->witness;

	memcpy(name, prefix, n);
	memcpy(name + n, d->name, d->name_bytes);
	n += d->name_bytes;
	/* A name that is too long for it has none. */
	if (n > SMX_DOMAIN_MAX) {
		take_record(d, now,
		    &(struct smx_dns_answer){ .status = SMX_DNS_NXDOMAIN });
		return;
	}
	w->ask_count++;
	if (w->dns.ops->ask(w->dns.self, SMX_DNS_TXT, smx_slice(name, n),
		on_record, d) < 0) {
		w->ask_count--;
		take_record(d, now,
		    &(struct smx_dns_answer){ .status = SMX_DNS_FAILURE });
	}
}

/* Ask for the records of those who wait, as far as there is room. */
static void
ask_next(struct smx_witness *w, struct smx_now now)
{
	while (w->ask_count < SMX_WITNESS_ASKS_MAX &&
	    !smx_list_is_empty(&w->domains.queued)) {
		struct smx_witness_domain *d = SMX_ELEMENT(
		    w->domains.queued.next, struct smx_witness_domain, in_list);

		d->is_queued = false;
		smx_witness_domain_take(d);
		ask(d, now);
	}
}

static void
work(struct smx_witness_domain *d, struct smx_now now)
{
	if (d->is_asking)
		return;
	if (d->ask_due > now.mono) {
		go_on(d, now);
		return;
	}
	/* The record comes first; take_record() goes on. */
	smx_witness_domain_queue(d);
	ask_next(d->witness, now);
}

/* Tell of a session, at once when it is known where to: what a busy domain
 * has would not all find room to wait. */
static void
tell(struct smx_witness_domain *d, enum smx_tlsrpt_policy_type type,
    const struct smx_tlsrpt_failure *failure, struct smx_now now)
{
	if (d->record.n > 0 && now.mono < d->ask_due + SMX_WITNESS_RECORD_OLD)
		smx_witness_tell_session(d, type, failure);
	else
		smx_witness_tell_later(d, type, failure, now);
	work(d, now);
}

void
smx_witness_failure(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy,
    const struct smx_tlsrpt_failure *failure, struct smx_now now)
{
	struct smx_witness_domain *d = smx_witness_domain_make(w, domain,
	    SMX_WITNESS_BYTES_MAX, now);

	if (d == NULL) {
		w->dropped++;
		return;
	}
	smx_witness_domain_set_policy(d, policy, now);
	tell(d, SMX_TLSRPT_STS, failure, now);
}

void
smx_witness_session(struct smx_witness *w, struct smx_slice domain,
    const struct smx_tlsrpt_failure *failure, struct smx_now now)
{
	struct smx_witness_domain *d = smx_witness_domain_make(w, domain,
	    SMX_WITNESS_BYTES_MAX, now);
	bool is_enforced;

	if (d == NULL) {
		w->dropped++;
		return;
	}
	/* In testing the MTA applied no policy. */
	is_enforced = d->policy.mode == SMX_STS_ENFORCE &&
	    now.mono < d->policy.until;
	tell(d, is_enforced ? SMX_TLSRPT_STS : SMX_TLSRPT_NO_POLICY_FOUND,
	    failure, now);
}

void
smx_witness_mail(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy, struct smx_now now)
{
	struct smx_witness_domain *d = smx_witness_domain_make(w, domain,
	    SMX_WITNESS_MAIL_BYTES_MAX, now);

	if (d == NULL) {
		w->dropped++;
		return;
	}
	smx_witness_domain_set_policy(d, policy, now);
	d->wants_visit |= d->visit_due <= now.mono;
	work(d, now);
}

void
smx_witness_policy(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy, struct smx_now now)
{
	struct smx_witness_domain *d = smx_witness_domain_find(w, domain);

	if (d == NULL)
		return;
	smx_witness_domain_take(d);
	smx_witness_domain_set_policy(d, policy, now);
	smx_witness_domain_settle(d);
}
