#include <stdlib.h>

#include "engine/witness.h"
#include "base/require.h"
#include "core/sts_match.h"
#include "core/tlsrpt_txt.h"

/* Sessions of one domain that wait for its record. */
#define WAITING_MAX 100

/* A session to be told of once the record is known. */
struct waiting {
	struct smx_list link;
	enum smx_tlsrpt_policy_type type;
	bool is_failure;
	struct smx_tlsrpt_failure failure; /* its texts are behind it */
};

struct host {
	struct smx_domain name;
	bool is_allowed;
};

/* A look at the MX hosts, one after the other. */
struct visit {
	struct host hosts[SMX_WITNESS_MX_MAX];
	size_t count, at;
	struct smx_ip addresses[SMX_DNS_ADDRESS_MAX];
	size_t address_count, address_at;
	bool is_v6; /* IPv4 came to nothing */
};

struct domain {
	struct smx_map_node by_name;
	struct smx_list recent;
	struct smx_witness *witness;
	struct smx_slice record; /* heap; empty: none */
	smx_time record_until;   /* mono; 0: not known */
	smx_time visit_due;      /* mono */
	bool is_asking;          /* for the record */
	bool wants_visit;        /* once the record is known */
	struct visit *visit;     /* under way */
	struct smx_list waiting;
	size_t waiting_count;
	/* The policy in force, heap. */
	enum smx_sts_mode mode;
	struct smx_slice mx, lines;
	size_t name_bytes;
	char name[];
};

static struct smx_slice
name_of(const struct domain *d)
{
	return smx_slice(d->name, d->name_bytes);
}

static void
free_slice(struct smx_slice *s)
{
	free((char *)(uintptr_t)s->p);
	*s = smx_slice(NULL, 0);
}

/* Replace a text by a copy of another. Without memory there is none. */
static void
set_slice(struct smx_slice *to, struct smx_slice from)
{
	char *copy;

	if (smx_slice_equal(*to, from))
		return;
	free_slice(to);
	copy = from.n > 0 ? malloc(from.n) : NULL;
	if (copy == NULL)
		return;
	memcpy(copy, from.p, from.n);
	*to = smx_slice(copy, from.n);
}

int
smx_witness_init(struct smx_witness *w, const uint64_t seed[2])
{
	*w = (struct smx_witness){ .events = 0 };
	smx_list_init(&w->recent);
	return smx_map_init(&w->domains, seed);
}

static void
drop_waiting(struct domain *d)
{
	struct smx_list *node;

	while ((node = smx_list_pop(&d->waiting)) != NULL)
		free(SMX_ELEMENT(node, struct waiting, link));
	d->waiting_count = 0;
}

static void
domain_free(struct domain *d)
{
	smx_map_remove(&d->witness->domains, &d->by_name);
	smx_list_remove(&d->recent);
	drop_waiting(d);
	free_slice(&d->record);
	free_slice(&d->mx);
	free_slice(&d->lines);
	free(d->visit);
	free(d);
}

void
smx_witness_done(struct smx_witness *w)
{
	while (!smx_list_is_empty(&w->recent))
		domain_free(SMX_ELEMENT(w->recent.next, struct domain, recent));
	smx_map_done(&w->domains);
}

/* Forget those that were not heard of for longest; not what is under way. */
static void
trim(struct smx_witness *w)
{
	struct smx_list *node = w->recent.next, *next;

	for (;
	     node != &w->recent && w->domains.count >= SMX_WITNESS_DOMAINS_MAX;
	     node = next) {
		struct domain *d = SMX_ELEMENT(node, struct domain, recent);

		next = node->next;
		if (!d->is_asking && d->visit == NULL)
			domain_free(d);
	}
}

/* Find or make. @return NULL: no memory, or all are busy. */
static struct domain *
touch(struct smx_witness *w, struct smx_slice name)
{
	struct smx_map_node *node = smx_map_find(&w->domains, name);
	struct domain *d;

	if (node != NULL) {
		d = SMX_ELEMENT(node, struct domain, by_name);
		smx_list_remove(&d->recent);
		smx_list_push(&w->recent, &d->recent);
		return d;
	}
	trim(w);
	if (w->domains.count >= SMX_WITNESS_DOMAINS_MAX ||
	    name.n > SMX_STS_DOMAIN_MAX)
		return NULL;
	d = calloc(1, sizeof(*d) + name.n);
	if (d == NULL)
		return NULL;
	d->witness = w;
	d->name_bytes = name.n;
	memcpy(d->name, name.p, name.n);
	smx_list_init(&d->waiting);
	smx_map_put(&w->domains, &d->by_name, name_of(d));
	smx_list_push(&w->recent, &d->recent);
	return d;
}

/* Cut a text into lines, each with @p end behind it. */
static struct smx_tlsrpt_line *
cut(struct smx_slice text, char end, struct smx_tlsrpt_line *lines, size_t max)
{
	size_t count = 0;

	while (text.n > 0 && count < max) {
		size_t n = smx_slice_find(text, end);

		lines[count].text = smx_slice(text.p, n);
		lines[count].next = NULL;
		if (count > 0)
			lines[count - 1].next = &lines[count];
		count++;
		text = smx_slice_from(text, n + 1);
	}
	return count > 0 ? lines : NULL;
}

/* Tell of one session; @p failure may be NULL. */
static void
emit(struct domain *d, enum smx_tlsrpt_policy_type type,
    const struct smx_tlsrpt_failure *failure)
{
	struct smx_tlsrpt_line strings[SMX_TLSRPT_EVENT_LINES_MAX];
	struct smx_tlsrpt_line mx[SMX_TLSRPT_EVENT_LINES_MAX];
	struct smx_tlsrpt_event_failure row = { .next = NULL };
	struct smx_tlsrpt_event_policy policy = {
		.type = type,
		.policy_string = cut(d->lines, '\n', strings,
		    SMX_TLSRPT_EVENT_LINES_MAX),
		.mx_host = cut(d->mx, ':', mx, SMX_TLSRPT_EVENT_LINES_MAX),
		.is_session = true,
		.is_failure = failure != NULL,
	};
	struct smx_tlsrpt_event event = { .record = d->record,
		.policies = &policy };

	if (smx_domain_parse(name_of(d), &event.domain) < 0)
		return;
	policy.domain = event.domain;
	if (failure != NULL) {
		row.row = *failure;
		policy.failures = &row;
	}
	d->witness->events++;
	d->witness->emit(d->witness->emit_self, &event);
}

static void
tell_waiting(struct domain *d)
{
	for (struct smx_list *node = d->waiting.next;
	     d->record.n > 0 && node != &d->waiting; node = node->next) {
		const struct waiting *f = SMX_ELEMENT(node, struct waiting,
		    link);

		emit(d, f->type, f->is_failure ? &f->failure : NULL);
	}
	drop_waiting(d);
}

static void
end_visit(struct domain *d)
{
	free(d->visit);
	d->visit = NULL;
}

static bool
allows(struct smx_slice patterns, struct smx_slice host)
{
	while (patterns.n > 0) {
		size_t n = smx_slice_find(patterns, ':');

		if (smx_sts_match_pattern(smx_slice(patterns.p, n), host))
			return true;
		patterns = smx_slice_from(patterns, n + 1);
	}
	return false;
}

static void next_host(struct domain *d);
static void next_address(struct domain *d);

/* RFC 8460, 4.3.1. Of several faults the one that is mended first. */
static enum smx_tlsrpt_result
result_of(unsigned faults)
{
	if ((faults & SMX_CERTIFICATE_EXPIRED) != 0)
		return SMX_TLSRPT_CERTIFICATE_EXPIRED;
	if ((faults & SMX_CERTIFICATE_NAME) != 0)
		return SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH;
	if ((faults &
		(SMX_CERTIFICATE_SELF_SIGNED | SMX_CERTIFICATE_ISSUER |
		    SMX_CERTIFICATE_CHAIN)) != 0)
		return SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED;
	return SMX_TLSRPT_VALIDATION_FAILURE;
}

/* What a session came to. @return false: nothing that is to be reported
 * (RFC 8460, 4.3.4). */
static bool
judge(const struct smx_probe_answer *answer, struct smx_tlsrpt_failure *f,
    bool *ret_good)
{
	const char *word = smx_diag_row(answer->code)->tlsrpt;

	*ret_good = false;
	if (answer->code == SMX_DIAG_OK && answer->certificate == NULL)
		return false;
	if (answer->code == SMX_DIAG_OK) {
		*ret_good = answer->certificate->faults == 0;
		f->result = result_of(answer->certificate->faults);
		f->failure_reason_code = answer->certificate->reason;
		return true;
	}
	f->failure_reason_code = answer->detail;
	return word != NULL &&
	    smx_tlsrpt_result_parse(smx_slice_text(word), &f->result);
}

static void
on_probed(void *arg, const struct smx_probe_answer *answer)
{
	struct domain *d = arg;
	struct visit *v = d->visit;
	struct smx_tlsrpt_failure failure = {
		.receiving_mx_hostname =
		    smx_domain_slice(&v->hosts[v->at].name),
		.receiving_mx_helo = answer->name,
	};
	char storage[SMX_IP_TEXT_MAX + 1];
	struct smx_buf ip;
	bool is_good;

	if (!answer->is_connected) {
		v->address_at++;
		next_address(d);
		return;
	}
	smx_buf_init_fixed(&ip, storage, sizeof(storage));
	smx_ip_print(&v->addresses[v->address_at], &ip);
	failure.receiving_ip = smx_buf_slice(&ip);
	if (judge(answer, &failure, &is_good))
		emit(d, SMX_TLSRPT_STS, is_good ? NULL : &failure);
	v->at++;
	next_host(d);
}

static void
on_addresses(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct domain *d = arg;
	struct visit *v = d->visit;

	(void)now;
	v->address_count = answer->status == SMX_DNS_OK ? answer->count : 0;
	v->address_at = 0;
	if (v->address_count > 0)
		memcpy(v->addresses, answer->addresses,
		    v->address_count * sizeof(v->addresses[0]));
	next_address(d);
}

static void
ask_addresses(struct domain *d)
{
	struct visit *v = d->visit;

	if (d->witness->dns.ops->ask(d->witness->dns.self,
		v->is_v6 ? SMX_DNS_AAAA : SMX_DNS_A,
		smx_domain_slice(&v->hosts[v->at].name), on_addresses, d) < 0)
		end_visit(d);
}

/* The first address that can be reached tells for the host. */
static void
next_address(struct domain *d)
{
	struct visit *v = d->visit;
	struct smx_probe_request request = {
		.host = smx_domain_slice(&v->hosts[v->at].name),
	};

	if (v->address_at < v->address_count) {
		request.address = v->addresses[v->address_at];
		d->witness->sessions++;
		if (d->witness->probe.ops->probe(d->witness->probe.self,
			&request, on_probed, d) < 0)
			end_visit(d);
	} else if (!v->is_v6) {
		v->is_v6 = true;
		ask_addresses(d);
	} else {
		v->at++;
		next_host(d);
	}
}

static void
tell_mismatch(struct domain *d, const struct host *h)
{
	struct smx_tlsrpt_failure failure = {
		.result = SMX_TLSRPT_VALIDATION_FAILURE,
		.receiving_mx_hostname = smx_domain_slice(&h->name),
		.failure_reason_code = SMX_SLICE("sts-mx-mismatch"),
	};

	emit(d, SMX_TLSRPT_STS, &failure);
}

static void
next_host(struct domain *d)
{
	struct visit *v = d->visit;

	for (; v->at < v->count; v->at++) {
		struct host *h = &v->hosts[v->at];

		if (!h->is_allowed) {
			tell_mismatch(d, h);
		} else if (d->mode == SMX_STS_TESTING && d->witness->probes) {
			v->is_v6 = false;
			ask_addresses(d);
			return;
		}
	}
	end_visit(d);
}

/* The MX hosts; without MX records the domain itself (RFC 5321, 5.1). A host
 * that is no host name, such as that of a null MX, is none. */
static void
on_mx(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct domain *d = arg;
	struct visit *v = d->visit;
	bool has_mx = answer->status == SMX_DNS_OK && answer->count > 0;

	(void)now;
	if (has_mx)
		for (size_t i = 0;
		     i < answer->count && v->count < SMX_WITNESS_MX_MAX; i++)
			v->count += smx_domain_parse(answer->mx[i].host,
					&v->hosts[v->count].name) == 0;
	else if (answer->status == SMX_DNS_OK ||
	    answer->status == SMX_DNS_NODATA)
		v->count += smx_domain_parse(name_of(d), &v->hosts[0].name) ==
		    0;
	for (size_t i = 0; i < v->count; i++)
		v->hosts[i].is_allowed = allows(d->mx,
		    smx_domain_slice(&v->hosts[i].name));
	next_host(d);
}

static void
start_visit(struct domain *d)
{
	d->wants_visit = false;
	if (d->record.n == 0 || d->mode == SMX_STS_NONE || d->mx.n == 0 ||
	    d->visit != NULL)
		return;
	d->visit = calloc(1, sizeof(*d->visit));
	if (d->visit == NULL)
		return;
	d->witness->visits++;
	if (d->witness->dns.ops->ask(d->witness->dns.self, SMX_DNS_MX,
		name_of(d), on_mx, d) < 0)
		end_visit(d);
}

/* The record, when there is one that can be used. */
static void
take_record(struct domain *d, const struct smx_dns_answer *answer)
{
	char storage[4096];
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;
	struct smx_arena arena;
	size_t index;

	smx_diag_list_init(&diags, items, 1);
	smx_arena_init(&arena, storage, sizeof(storage), SMX_TLSRPT_ARENA_MAX);
	if (answer->status == SMX_DNS_OK &&
	    smx_tlsrpt_txt_select(answer->texts, answer->count, name_of(d),
		&diags, &index) == 0 &&
	    smx_tlsrpt_txt_parse(&arena, answer->texts[index], &diags, &txt) ==
		0)
		set_slice(&d->record, answer->texts[index]);
	else
		free_slice(&d->record);
	smx_arena_done(&arena);
}

static void
on_record(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct domain *d = arg;
	bool is_known = answer->status == SMX_DNS_OK ||
	    answer->status == SMX_DNS_NODATA ||
	    answer->status == SMX_DNS_NXDOMAIN;

	d->is_asking = false;
	/* What DNS can't tell now may be as it was. */
	if (is_known)
		take_record(d, answer);
	d->record_until = now.mono + SMX_WITNESS_RECORD_FOR;
	tell_waiting(d);
	if (d->wants_visit)
		start_visit(d);
}

/* @return true: it is known whether there is a record. Otherwise it is asked
 * for, and on_record() goes on. */
static bool
knows_record(struct domain *d, struct smx_now now)
{
	static const char prefix[] = "_smtp._tls.";
	char name[SMX_DOMAIN_MAX + sizeof(prefix)];
	size_t n = sizeof(prefix) - 1;

	if (d->is_asking)
		return false;
	if (d->record_until > now.mono)
		return true;
	memcpy(name, prefix, n);
	memcpy(name + n, d->name, d->name_bytes);
	d->is_asking = true;
	if (n + d->name_bytes > SMX_DOMAIN_MAX ||
	    d->witness->dns.ops->ask(d->witness->dns.self, SMX_DNS_TXT,
		smx_slice(name, n + d->name_bytes), on_record, d) < 0) {
		d->is_asking = false;
		drop_waiting(d);
	}
	return false;
}

static void
set_policy(struct domain *d, const struct smx_witness_policy *policy)
{
	static const struct smx_witness_policy none = { .mode = SMX_STS_NONE };

	if (policy == NULL)
		policy = &none;
	d->mode = policy->mode;
	set_slice(&d->mx, policy->mx);
	set_slice(&d->lines, policy->lines);
}

static struct smx_slice
keep(char **at, struct smx_slice text)
{
	struct smx_slice kept = { *at, text.n };

	if (text.n > 0)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return kept;
}

/* @p failure may be NULL. */
static void
wait_with(struct domain *d, enum smx_tlsrpt_policy_type type,
    const struct smx_tlsrpt_failure *failure)
{
	static const struct smx_tlsrpt_failure none = { 0 };
	const struct smx_tlsrpt_failure *from = failure != NULL ? failure
								: &none;
	struct waiting *f;
	char *at;

	if (d->waiting_count == WAITING_MAX)
		return;
	f = malloc(sizeof(*f) + from->receiving_mx_hostname.n +
	    from->receiving_ip.n + from->failure_reason_code.n);
	if (f == NULL)
		return;
	at = (char *)(f + 1);
	f->type = type;
	f->is_failure = failure != NULL;
	f->failure = (struct smx_tlsrpt_failure){
		.result = from->result,
		.receiving_mx_hostname = keep(&at, from->receiving_mx_hostname),
		.receiving_ip = keep(&at, from->receiving_ip),
		.failure_reason_code = keep(&at, from->failure_reason_code),
	};
	smx_list_push(&d->waiting, &f->link);
	d->waiting_count++;
}

void
smx_witness_failure(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy,
    const struct smx_tlsrpt_failure *failure, struct smx_now now)
{
	struct domain *d = touch(w, domain);

	if (d == NULL)
		return;
	/* A visit under way is about the policy that it has begun with. */
	if (d->visit == NULL)
		set_policy(d, policy);
	wait_with(d, SMX_TLSRPT_STS, failure);
	if (knows_record(d, now))
		tell_waiting(d);
}

void
smx_witness_session(struct smx_witness *w, struct smx_slice domain,
    const struct smx_tlsrpt_failure *failure, struct smx_now now)
{
	struct domain *d = touch(w, domain);

	if (d == NULL)
		return;
	/* In testing the MTA applied no policy. */
	wait_with(d,
	    d->mode == SMX_STS_ENFORCE ? SMX_TLSRPT_STS
				       : SMX_TLSRPT_NO_POLICY_FOUND,
	    failure);
	if (knows_record(d, now))
		tell_waiting(d);
}

void
smx_witness_mail(struct smx_witness *w, struct smx_slice domain,
    const struct smx_witness_policy *policy, struct smx_now now)
{
	struct domain *d = touch(w, domain);

	if (d == NULL || d->visit != NULL)
		return;
	set_policy(d, policy);
	if (now.mono < d->visit_due)
		return;
	d->visit_due = now.mono + SMX_WITNESS_VISIT_EVERY;
	d->wants_visit = true;
	if (knows_record(d, now))
		start_visit(d);
}
