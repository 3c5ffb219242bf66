#include <stdlib.h>

#include "engine/witness_visit.h"
#include "core/sts_match.h"
#include "engine/witness.h"
#include "engine/witness_tell.h"

struct smx_witness_visit {
	struct smx_witness_domain *domain;
	struct smx_list in_list; /* of those with sessions */
	bool has_sessions;
	struct smx_witness_waiter waiter;
	struct smx_now begun;
	struct smx_domain hosts[SMX_WITNESS_HOSTS_MAX];
	size_t count, at;
	struct smx_ip addresses[SMX_WITNESS_ADDRESSES_MAX];
	size_t address_count, address_at, attempts;
	bool is_v6; /* IPv4 came to nothing */
};

static void next_host(struct smx_witness_visit *v);
static void next_address(struct smx_witness_visit *v);

static void
end(struct smx_witness_visit *v)
{
	struct smx_witness_domain *d = v->domain;

	d->visit = NULL;
	if (v->has_sessions)
		d->witness->visit_count--;
	else
		d->witness->look_count--;
	smx_list_remove(&v->in_list);
	free(v);
	smx_witness_domain_settle(d);
}

/* It came to nothing for a reason that is soon over. */
static void
put_off(struct smx_witness_visit *v)
{
	v->domain->visit_due = v->begun.mono + SMX_WITNESS_DNS_AGAIN;
	end(v);
}

static bool
is_allowed(const struct smx_witness_domain *d, struct smx_slice host)
{
	struct smx_slice patterns = d->policy.mx;

	while (patterns.n > 0) {
		size_t n = smx_slice_find(patterns, ':');

		if (smx_sts_match_pattern(smx_slice(patterns.p, n), host))
			return true;
		patterns = smx_slice_from(patterns, n + 1);
	}
	return false;
}

static void
on_session(struct smx_witness_waiter *w,
    const struct smx_witness_answer *answer)
{
	struct smx_witness_visit *v = SMX_ELEMENT(w, struct smx_witness_visit,
	    waiter);
	struct smx_tlsrpt_failure failure = {
		.result = answer->result,
		.receiving_mx_hostname = smx_domain_slice(&v->hosts[v->at]),
		.receiving_mx_helo = answer->helo,
		.failure_reason_code = answer->reason,
	};
	char storage[SMX_IP_TEXT_MAX + 1];
	struct smx_buf ip;

	if (!answer->is_connected) {
		v->address_at++;
		next_address(v);
		return;
	}
	smx_buf_init_fixed(&ip, storage, sizeof(storage));
	smx_ip_print(&v->addresses[v->address_at], &ip);
	failure.receiving_ip = smx_buf_slice(&ip);
	/* The policy may have changed meanwhile. */
	if (answer->is_told && v->domain->policy.mode == SMX_STS_TESTING)
		smx_witness_tell_session(v->domain, SMX_TLSRPT_STS,
		    answer->is_failure ? &failure : NULL);
	v->at++;
	next_host(v);
}

/* One that comes again is there already. */
static void
add_address(struct smx_witness_visit *v, const struct smx_ip *ip)
{
	for (size_t i = 0; i < v->address_count; i++)
		if (smx_ip_equal(&v->addresses[i], ip))
			return;
	v->addresses[v->address_count++] = *ip;
}

static void
on_addresses(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct smx_witness_visit *v = arg;

	(void)now;
	v->address_at = v->address_count = 0;
	for (size_t i = 0; answer->status == SMX_DNS_OK && i < answer->count &&
	     v->address_count < SMX_WITNESS_ADDRESSES_MAX;
	     i++)
		add_address(v, &answer->addresses[i]);
	next_address(v);
}

static void
ask_addresses(struct smx_witness_visit *v)
{
	struct smx_witness *w = v->domain->witness;

	if (w->dns.ops->ask(w->dns.self, v->is_v6 ? SMX_DNS_AAAA : SMX_DNS_A,
		smx_domain_slice(&v->hosts[v->at]), on_addresses, v) < 0)
		end(v);
}

static void
next_address(struct smx_witness_visit *v)
{
	struct smx_witness *w = v->domain->witness;

	if (!smx_witness_sessions_are_made(&w->sessions)) {
		/* Not any more. */
		v->at++;
		next_host(v);
	} else if (v->address_at < v->address_count &&
	    v->attempts < SMX_WITNESS_ATTEMPTS_MAX) {
		v->attempts++;
		if (smx_witness_sessions_ask(&w->sessions,
			smx_domain_slice(&v->hosts[v->at]),
			&v->addresses[v->address_at], v->begun,
			&v->waiter) < 0) {
			/* The other hosts may not be in the policy. */
			w->put_off++;
			v->at++;
			next_host(v);
		}
	} else if (!v->is_v6) {
		v->is_v6 = true;
		ask_addresses(v);
	} else {
		v->at++;
		next_host(v);
	}
}

static void
tell_mismatch(struct smx_witness_domain *d, struct smx_slice host)
{
	struct smx_tlsrpt_failure failure = {
		.result = SMX_TLSRPT_VALIDATION_FAILURE,
		.receiving_mx_hostname = host,
		.failure_reason_code = SMX_SLICE("sts-mx-mismatch"),
	};

	smx_witness_tell_session(d, SMX_TLSRPT_STS, &failure);
}

static void
next_host(struct smx_witness_visit *v)
{
	struct smx_witness_domain *d = v->domain;

	/* By the policy that is in force now: it can change on the way. */
	for (; v->at < v->count && d->policy.mode != SMX_STS_NONE &&
	     d->policy.mx.n > 0;
	     v->at++) {
		struct smx_slice host = smx_domain_slice(&v->hosts[v->at]);

		if (!is_allowed(d, host)) {
			tell_mismatch(d, host);
		} else if (d->policy.mode == SMX_STS_TESTING &&
		    v->has_sessions &&
		    smx_witness_sessions_are_made(&d->witness->sessions) &&
		    v->attempts < SMX_WITNESS_ATTEMPTS_MAX) {
			v->is_v6 = false;
			ask_addresses(v);
			return;
		}
	}
	end(v);
}

/* A host that is no host name, such as that of a null MX, is none; one that
 * comes again, with another preference, is there already. */
static void
add_host(struct smx_witness_visit *v, struct smx_slice name)
{
	struct smx_domain *host = &v->hosts[v->count];

	if (smx_domain_parse(name, host) < 0)
		return;
	for (size_t i = 0; i < v->count; i++)
		if (smx_slice_equal(smx_domain_slice(&v->hosts[i]),
			smx_domain_slice(host)))
			return;
	v->count++;
}

static void
add_hosts(struct smx_witness_visit *v, const struct smx_dns_mx *mx,
    size_t count)
{
	uint64_t taken = 0;

	while (v->count < SMX_WITNESS_HOSTS_MAX) {
		size_t best = count;

		for (size_t i = 0; i < count; i++)
			if ((taken >> i & 1) == 0 &&
			    (best == count ||
				mx[i].preference < mx[best].preference))
				best = i;
		if (best == count)
			return;
		taken |= (uint64_t)1 << best;
		add_host(v, mx[best].host);
	}
}

static void
on_mx(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct smx_witness_visit *v = arg;

	(void)now;
	switch (answer->status) {
	case SMX_DNS_OK:
	case SMX_DNS_NODATA:
		add_hosts(v, answer->mx, answer->count);
		/* RFC 5321, 5.1. */
		if (answer->count == 0)
			add_host(v, smx_witness_domain_name(v->domain));
		break;
	case SMX_DNS_NXDOMAIN:
		break;
	default:
		put_off(v);
		return;
	}
	next_host(v);
}

/* End the oldest one that has waited for too long. DNS is always over soon.
 * @return false: there is none. */
static bool
end_old(struct smx_witness *w, struct smx_now now)
{
	for (struct smx_list *node = w->visiting.next; node != &w->visiting;
	     node = node->next) {
		struct smx_witness_visit *v = SMX_ELEMENT(node,
		    struct smx_witness_visit, in_list);

		if (v->begun.mono + SMX_WITNESS_VISIT_FOR > now.mono)
			return false;
		if (smx_list_is_empty(&v->waiter.link))
			continue;
		smx_list_remove(&v->waiter.link);
		w->put_off++;
		end(v);
		return true;
	}
	return false;
}

/* @return NULL: there is no room. */
static struct smx_witness_visit *
make(struct smx_witness_domain *d, struct smx_now now)
{
	struct smx_witness *w = d->witness;
	bool has_sessions = d->policy.mode == SMX_STS_TESTING &&
	    smx_witness_sessions_are_made(&w->sessions);
	size_t *count = has_sessions ? &w->visit_count : &w->look_count;
	struct smx_witness_visit *v;

	if (*count == SMX_WITNESS_VISITS_MAX &&
	    !(has_sessions && end_old(w, now)))
		return NULL;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return NULL;
	v->domain = d;
	v->begun = now;
	v->has_sessions = has_sessions;
	v->waiter.done = on_session;
	smx_list_init(&v->waiter.link);
	smx_list_init(&v->in_list);
	if (has_sessions)
		smx_list_push(&w->visiting, &v->in_list);
	(*count)++;
	return v;
}

void
smx_witness_visit_start(struct smx_witness_domain *d, struct smx_now now)
{
	struct smx_witness *w = d->witness;
	struct smx_witness_visit *v;

	d->wants_visit = false;
	if (d->record.n == 0 || d->policy.mode == SMX_STS_NONE ||
	    d->policy.mx.n == 0 || d->visit != NULL)
		return;
	v = make(d, now);
	if (v == NULL) {
		w->put_off++;
		return;
	}
	d->visit = v;
	d->visit_due = now.mono + SMX_WITNESS_VISIT_EVERY;
	w->visits++;
	if (w->dns.ops->ask(w->dns.self, SMX_DNS_MX, smx_witness_domain_name(d),
		on_mx, v) < 0)
		put_off(v);
}
