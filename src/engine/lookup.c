#include <stdlib.h>

#include "engine/lookup.h"
#include "base/require.h"
#include "core/domain.h"
#include "engine/refresh.h"

/* RFC 8461, 3.3: a failed fetch is not repeated sooner for the same id. */
#define FAILED_FETCH_WAIT (5 * SMX_MINUTE)
/* After a DNS failure, until DNS is asked again. */
#define FAILED_DNS_WAIT (15 * SMX_SECOND)
/* How long an absent domain's entry stays after it has to be asked again:
 * it remembers when failures began. */
#define ABSENT_KEEP SMX_HOUR
/* For DNS failures that has to be longer than an MTA waits between two tries,
 * or the 15 minutes of "defer" would begin anew each time. */
#define FAILING_KEEP SMX_DAY
/* How exact "last used" is kept in the store. */
#define USED_GRAIN (12 * SMX_HOUR)
/* A refresh that finds no room, or a fetch under way, comes back. */
#define REFRESH_POSTPONE (10 * SMX_SECOND)
#define RECHECK_POSTPONE (10 * SMX_SECOND)

static const struct smx_slice txt_prefix = { "_mta-sts.", 9 };
static const struct smx_slice host_prefix = { "mta-sts.", 8 };

const struct smx_lookup_settings smx_lookup_defaults = {
	.answer_bound = 5 * SMX_SECOND,
	.recheck = 5 * SMX_MINUTE,
	.absent_max = 15 * SMX_MINUTE,
	.refresh_unused = 30 * SMX_DAY,
	.defer_on_dns_failure = false,
	.defer_max = 15 * SMX_MINUTE,
};

/* A fetch under way. */
struct smx_flight {
	struct smx_lookup *lookup;
	struct smx_cache_entry *entry;
	struct smx_fetch fetch;
	struct smx_list waiters;
	size_t *counted; /* in refresh_count or recheck_count, or NULL */
	bool is_at_host; /* the record is known, the body is awaited */
	bool is_mail;    /* somebody has waited who mails the MX hosts */
};

static uint64_t
next_random(struct smx_lookup *l)
{
	/* xorshift64: for spreading, not for secrets. */
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->random;
}

int
smx_lookup_init(struct smx_lookup *l, const uint64_t seed[2],
    const struct smx_lookup_settings *settings)
{
	*l = (struct smx_lookup){
		.settings = *settings,
		.random = seed[0] ^ seed[1] ^ 0x9e3779b97f4a7c15,
	};
	if (l->random == 0)
		l->random = 1;
	smx_list_init(&l->waiters);
	return smx_cache_init(&l->cache, seed);
}

void
smx_lookup_done(struct smx_lookup *l)
{
	struct smx_map_node *node = NULL;
	size_t iter = 0;

	if (l->cache.domains.slots == NULL)
		return;
	while ((node = smx_map_next(&l->cache.domains, &iter, node)) != NULL)
		free(SMX_ELEMENT(node, struct smx_cache_entry, by_domain)
			 ->flight);
	smx_cache_done(&l->cache);
}

static void
tell(struct smx_lookup *l, const struct smx_cache_entry *e,
    struct smx_lookup_event event)
{
	if (l->observer.event == NULL)
		return;
	event.domain = smx_cache_entry_domain(e);
	event.policy = e->policy;
	l->observer.event(l->observer.self, &event);
}

static bool
is_live(const struct smx_cache_entry *e, smx_time now)
{
	return e->policy != NULL && now < e->policy->expires;
}

/* Set the entry's timer by its state. */
static void
schedule(struct smx_lookup *l, struct smx_cache_entry *e)
{
	smx_time due;
	int rc;

	if (e->policy != NULL)
		due = smx_time_min(e->policy->expires, e->policy->refresh_due);
	else
		due = e->checked_until +
		    (e->failure != NULL && e->failure->dns_since != 0
			    ? FAILING_KEEP
			    : ABSENT_KEEP);
	rc = smx_heap_set(&l->cache.timers, &e->timer, due);
	/* It can't fail: an entry's timer is in the heap from the start. */
	SMX_REQUIRE(rc == 0);
}

static void
expire(struct smx_lookup *l, struct smx_cache_entry *e, struct smx_now now)
{
	tell(l, e,
	    (struct smx_lookup_event){ .kind = SMX_LOOKUP_POLICY_EXPIRED });
	smx_cache_drop_policy(&l->cache, e);
	l->store.ops->remove(l->store.self, smx_cache_entry_domain(e));
	e->checked_until = now.mono;
	schedule(l, e);
}

/* The answer from what is known now. */
static struct smx_lookup_answer
answer_of(const struct smx_lookup *l, const struct smx_cache_entry *e,
    smx_time now)
{
	struct smx_lookup_answer answer = { .status = SMX_LOOKUP_NONE };

	if (is_live(e, now)) {
		if (e->policy->mode == SMX_STS_ENFORCE) {
			answer.status = SMX_LOOKUP_ENFORCE;
			answer.policy = e->policy;
		}
	} else if (l->settings.defer_on_dns_failure && e->failure != NULL &&
	    e->failure->dns_since != 0 &&
	    now - e->failure->dns_since < l->settings.defer_max) {
		answer.status = SMX_LOOKUP_TEMP;
	}
	return answer;
}

static void
release(struct smx_lookup_waiter *w, const struct smx_lookup_answer *answer)
{
	smx_lookup_forget(w);
	w->done(w, answer);
}

void
smx_lookup_forget(struct smx_lookup_waiter *w)
{
	smx_list_remove(&w->in_flight);
	smx_list_remove(&w->in_queue);
	w->flight = NULL;
}

/* Note a DNS failure; its first time counts until DNS works again. */
static void
note_dns_failure(struct smx_cache_entry *e, smx_time now)
{
	struct smx_cache_failure *failure = smx_cache_failure_of(e);

	if (failure != NULL && failure->dns_since == 0)
		failure->dns_since = now;
}

static void
note_dns_works(struct smx_cache_entry *e, smx_time now)
{
	if (e->failure == NULL)
		return;
	e->failure->dns_since = 0;
	if (now >= e->failure->until)
		smx_cache_failure_clear(e);
}

static void
note_failed_fetch(struct smx_cache_entry *e, const struct smx_fetch *f,
    smx_time now)
{
	struct smx_cache_failure *failure = smx_cache_failure_of(e);

	if (failure == NULL)
		return;
	failure->id = f->id;
	failure->until = now + FAILED_FETCH_WAIT;
}

/* How long the record that was seen, or its absence, is believed. */
static smx_time
believed(const struct smx_fetch *f, smx_time max)
{
	smx_time ttl = (smx_time)f->ttl_s * SMX_SECOND;

	return smx_time_max(SMX_SECOND, smx_time_min(ttl, max));
}

static void
store(struct smx_lookup *l, struct smx_cache_entry *e,
    const struct smx_fetch *f, struct smx_now now)
{
	struct smx_store_policy row = {
		.domain = smx_cache_entry_domain(e),
		.id = smx_fetch_id_slice(&f->id),
		.body = f->policy.body,
		.fetched = now.wall,
		.used = now.wall - (now.mono - e->used),
	};

	e->used_stored = e->used;
	l->store.ops->put(l->store.self, &row);
}

/* What kind of news a fetched policy is. */
static enum smx_lookup_event_kind
judge_news(const struct smx_cache_entry *e, const struct smx_cache_policy *p,
    smx_time now)
{
	if (!is_live(e, now))
		return SMX_LOOKUP_POLICY_NEW;
	if (e->policy->body_hash == p->body_hash &&
	    smx_slice_equal(smx_cache_policy_id(e->policy),
		smx_cache_policy_id(p)))
		return SMX_LOOKUP_POLICY_REFRESHED;
	return SMX_LOOKUP_POLICY_CHANGED;
}

static void
tell_news(struct smx_lookup *l, struct smx_cache_entry *e,
    const struct smx_cache_policy *p, smx_time now)
{
	enum smx_lookup_event_kind kind = judge_news(e, p, now);

	if (kind == SMX_LOOKUP_POLICY_CHANGED &&
	    smx_slice_equal(smx_cache_policy_id(e->policy),
		smx_cache_policy_id(p)))
		tell(l, e,
		    (struct smx_lookup_event){ .kind = SMX_LOOKUP_FINDING,
			.diag.code = SMX_DIAG_BODY_CHANGED,
			.diag.arg = smx_cache_entry_domain(e) });
	if (l->observer.event != NULL) {
		struct smx_lookup_event event = {
			.kind = kind,
			.domain = smx_cache_entry_domain(e),
			.policy = p,
			.is_mail = e->flight->is_mail,
		};

		l->observer.event(l->observer.self, &event);
	}
}

/*
 * Take a fetched policy over. One that can't be kept (max_age 0, cache full)
 * is returned: it serves those who wait now, and the caller frees it.
 */
static struct smx_cache_policy *
take_over(struct smx_lookup *l, struct smx_cache_entry *e,
    const struct smx_fetch *f, struct smx_cache_policy *p, struct smx_now now)
{
	p->fetched = now.wall;
	p->expires = now.mono + (smx_time)p->max_age_s * SMX_SECOND;
	p->secure = f->secure;
	tell_news(l, e, p, now.mono);
	smx_cache_failure_clear(e);
	if (p->max_age_s == 0) {
		if (e->policy != NULL) {
			smx_cache_drop_policy(&l->cache, e);
			l->store.ops->remove(l->store.self,
			    smx_cache_entry_domain(e));
		}
		e->checked_until = now.mono;
		return p;
	}
	p->refresh_due = smx_refresh_after(p->max_age_s, next_random(l));
	if (p->refresh_due != SMX_NEVER)
		p->refresh_due += now.mono;
	if (smx_cache_set_policy(&l->cache, e, p) < 0) {
		tell(l, e,
		    (struct smx_lookup_event){ .kind = SMX_LOOKUP_CACHE_FULL });
		e->checked_until = now.mono;
		return p;
	}
	e->checked_until = now.mono + l->settings.recheck;
	store(l, e, f, now);
	return NULL;
}

/* Without news about the policy: what the outcome means for the entry. */
static void
take_failure(struct smx_lookup *l, struct smx_cache_entry *e,
    const struct smx_fetch *f, smx_time now)
{
	bool live = is_live(e, now);
	smx_time recheck = now + l->settings.recheck;

	if (f->outcome != SMX_FETCH_NO_DNS)
		note_dns_works(e, now);
	switch (f->outcome) {
	case SMX_FETCH_NO_DNS:
		note_dns_failure(e, now);
		e->checked_until = live ? recheck : now + FAILED_DNS_WAIT;
		break;
	case SMX_FETCH_FAILED:
		note_failed_fetch(e, f, now);
		/* A new id is tried at once: as soon as it can be seen. */
		e->checked_until = live ? recheck
					: now + believed(f, FAILED_FETCH_WAIT);
		break;
	case SMX_FETCH_WITHHELD:
		e->checked_until = live ? recheck
					: now + believed(f, FAILED_FETCH_WAIT);
		break;
	case SMX_FETCH_NO_RECORD:
		e->checked_until = live
		    ? recheck
		    : now + believed(f, l->settings.absent_max);
		break;
	case SMX_FETCH_UNCHANGED:
		e->checked_until = live ? recheck : now;
		break;
	case SMX_FETCH_POLICY:
		SMX_REQUIRE(false);
	}
	if (live && f->kind == SMX_FETCH_REFRESH)
		e->policy->refresh_due = now +
		    smx_refresh_retry(next_random(l));
	if (f->diag.code != SMX_DIAG_OK)
		tell(l, e,
		    (struct smx_lookup_event){ .kind = SMX_LOOKUP_FINDING,
			.diag = f->diag,
			.detail = f->detail });
}

/* As if the host had not answered, but it is not to blame. */
static void
fail_for_memory(struct smx_fetch *f)
{
	f->outcome = SMX_FETCH_FAILED;
	f->diag = (struct smx_diag){ .code = SMX_DIAG_HOST_NOT_ASKED };
	f->detail = SMX_SLICE("out of memory");
}

static struct smx_cache_policy *
make_policy(struct smx_fetch *f, struct smx_arena *scratch)
{
	struct smx_cache_policy *p = smx_cache_policy_new(scratch, &f->policy,
	    smx_fetch_id_slice(&f->id));

	if (p == NULL)
		fail_for_memory(f);
	return p;
}

/* The fetch is over: take its outcome, answer those who wait. */
static void
land(struct smx_flight *flight, struct smx_arena *scratch, struct smx_now now)
{
	struct smx_lookup *l = flight->lookup;
	struct smx_cache_entry *e = flight->entry;
	struct smx_fetch *f = &flight->fetch;
	struct smx_cache_policy *p = NULL, *once = NULL;
	struct smx_list *node;

	if (f->outcome == SMX_FETCH_POLICY)
		p = make_policy(f, scratch);
	if (p != NULL)
		once = take_over(l, e, f, p, now);
	else
		take_failure(l, e, f, now.mono);
	e->flight = NULL;
	l->flight_count--;
	if (flight->counted != NULL)
		--*flight->counted;
	schedule(l, e);
	while ((node = smx_list_pop(&flight->waiters)) != NULL) {
		/* Anew for each: who is answered can ask again at once, and
		 * so end the policy that the one before got. */
		struct smx_lookup_answer answer = answer_of(l, e, now.mono);

		if (once != NULL && once->mode == SMX_STS_ENFORCE)
			answer = (struct smx_lookup_answer){ SMX_LOOKUP_ENFORCE,
				once };
		release(SMX_ELEMENT(node, struct smx_lookup_waiter, in_flight),
		    &answer);
	}
	free(once);
	free(flight);
	smx_cache_trim(&l->cache);
}

/* Write prefix and domain into a name's storage. */
static struct smx_slice
join(char *storage, struct smx_slice prefix, struct smx_slice domain)
{
	memcpy(storage, prefix.p, prefix.n);
	memcpy(storage + prefix.n, domain.p, domain.n);
	return smx_slice(storage, prefix.n + domain.n);
}

static void
on_body(void *arg, struct smx_now now, const struct smx_https_policy *answer)
{
	struct smx_flight *flight = arg;
	char host[SMX_DOMAIN_MAX];
	struct smx_arena a;

	smx_arena_init(&a, NULL, 0, SMX_STS_ARENA_MAX);
	smx_fetch_body(&flight->fetch, &a, answer);
	/* The finding is about the policy host, unless it has bytes of the
	 * body to show. */
	if (flight->fetch.diag.arg.n == 0)
		flight->fetch.diag.arg = join(host, host_prefix,
		    smx_cache_entry_domain(flight->entry));
	land(flight, &a, now);
	smx_arena_done(&a);
}

static void
on_txt(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct smx_flight *flight = arg;
	struct smx_lookup *l = flight->lookup;
	struct smx_slice domain = smx_cache_entry_domain(flight->entry);
	char host[SMX_DOMAIN_MAX];
	struct smx_arena a;
	enum smx_fetch_want want = smx_fetch_txt(&flight->fetch, answer,
	    now.mono);

	if (flight->fetch.diag.arg.n == 0)
		flight->fetch.diag.arg = domain;
	if (want == SMX_FETCH_WANT_BODY) {
		struct smx_https_request request = {
			.host = join(host, host_prefix, domain),
		};

		flight->is_at_host = true;
		if (l->https.ops->policy(l->https.self, &request, on_body,
			flight) == 0)
			return;
		fail_for_memory(&flight->fetch);
		flight->fetch.diag.arg = join(host, host_prefix, domain);
	}
	smx_arena_init(&a, NULL, 0, 0);
	land(flight, &a, now);
	smx_arena_done(&a);
}

/* Begin a fetch. @return false when it could not begin. */
static bool
take_off(struct smx_lookup *l, struct smx_cache_entry *e,
    enum smx_fetch_kind kind)
{
	struct smx_slice domain = smx_cache_entry_domain(e);
	struct smx_flight *flight;
	char name[SMX_DOMAIN_MAX];

	if (l->flight_count >= SMX_LOOKUP_FLIGHT_MAX)
		return false;
	flight = calloc(1, sizeof(*flight));
	if (flight == NULL)
		return false;
	flight->lookup = l;
	flight->entry = e;
	smx_list_init(&flight->waiters);
	flight->fetch.kind = kind;
	if (e->policy != NULL)
		smx_fetch_id_set(&flight->fetch.known,
		    smx_cache_policy_id(e->policy));
	if (e->failure != NULL) {
		flight->fetch.failed = e->failure->id;
		flight->fetch.failed_until = e->failure->until;
	}
	smx_fetch_start(&flight->fetch);
	if (l->dns.ops->ask(l->dns.self, SMX_DNS_TXT,
		join(name, txt_prefix, domain), on_txt, flight) < 0) {
		free(flight);
		return false;
	}
	e->flight = flight;
	l->flight_count++;
	if (kind != SMX_FETCH_FIRST) {
		flight->counted = kind == SMX_FETCH_REFRESH ? &l->refresh_count
							    : &l->recheck_count;
		++*flight->counted;
	}
	return true;
}

/* Let @p w wait for the flight's end. */
static void
board(struct smx_lookup *l, struct smx_flight *flight,
    struct smx_lookup_waiter *w, smx_time now)
{
	/* Who waits has no policy: "the id is the same" is no answer, and
	 * without a record nothing is fetched. */
	if (!flight->is_at_host)
		flight->fetch.kind = SMX_FETCH_FIRST;
	flight->is_mail |= !w->is_smart_host;
	w->flight = flight;
	w->deadline = now + l->settings.answer_bound;
	smx_list_push(&flight->waiters, &w->in_flight);
	smx_list_push(&l->waiters, &w->in_queue);
}

/* A live policy was asked for: keep its record's state fresh. */
static void
use(struct smx_lookup *l, struct smx_cache_entry *e, struct smx_now now,
    const struct smx_lookup_waiter *w)
{
	e->used = now.mono;
	if (now.mono < e->checked_until)
		return;
	tell(l, e,
	    (struct smx_lookup_event){
		.kind = SMX_LOOKUP_MAIL, .is_mail = !w->is_smart_host });
	if (now.mono - e->used_stored > USED_GRAIN) {
		e->used_stored = now.mono;
		l->store.ops->touch(l->store.self, smx_cache_entry_domain(e),
		    now.wall);
	}
	/* It had been left to run out, and is needed again. */
	if (e->policy->refresh_due == SMX_NEVER &&
	    smx_refresh_after(e->policy->max_age_s, 0) != SMX_NEVER) {
		e->policy->refresh_due = now.mono;
		schedule(l, e);
	}
	if (e->flight == NULL && l->recheck_count < SMX_LOOKUP_RECHECK_MAX &&
	    take_off(l, e, SMX_FETCH_RECHECK))
		/* It sets the time anew when it lands. */
		e->checked_until = now.mono + l->settings.recheck;
	else
		e->checked_until = now.mono + RECHECK_POSTPONE +
		    (smx_time)(next_random(l) % RECHECK_POSTPONE);
}

static void
tell_busy(struct smx_lookup *l, struct smx_slice domain)
{
	struct smx_lookup_event event = { .kind = SMX_LOOKUP_BUSY,
		.domain = domain };

	if (l->observer.event != NULL)
		l->observer.event(l->observer.self, &event);
}

/* Nothing is known, or no longer: wait for a fetch. */
static enum smx_lookup_status
contact(struct smx_lookup *l, struct smx_slice domain, struct smx_now now,
    struct smx_lookup_waiter *w, struct smx_lookup_answer *ret)
{
	struct smx_cache_entry *e;

	*ret = (struct smx_lookup_answer){ .status = SMX_LOOKUP_NONE };
	if (domain.n > SMX_STS_DOMAIN_MAX)
		return ret->status;
	e = smx_cache_find(&l->cache, domain);
	if ((e == NULL || e->flight == NULL) &&
	    l->flight_count >= SMX_LOOKUP_FLIGHT_MAX) {
		/* Nothing is remembered of it: that would have no bound. */
		if (l->settings.defer_on_dns_failure)
			ret->status = SMX_LOOKUP_TEMP;
		tell_busy(l, domain);
		return ret->status;
	}
	e = smx_cache_touch(&l->cache, domain);
	if (e == NULL)
		return ret->status;
	e->used = now.mono;
	if (e->flight == NULL && !take_off(l, e, SMX_FETCH_FIRST)) {
		note_dns_failure(e, now.mono);
		e->checked_until = now.mono + FAILED_DNS_WAIT;
		schedule(l, e);
		*ret = answer_of(l, e, now.mono);
		return ret->status;
	}
	board(l, e->flight, w, now.mono);
	return SMX_LOOKUP_WAIT;
}

enum smx_lookup_status
smx_lookup_ask(struct smx_lookup *l, struct smx_slice domain,
    struct smx_now now, struct smx_lookup_waiter *w,
    struct smx_lookup_answer *ret)
{
	struct smx_cache_entry *e = smx_cache_find(&l->cache, domain);

	if (e == NULL)
		return contact(l, domain, now, w, ret);
	if (e->policy != NULL && now.mono >= e->policy->expires)
		expire(l, e, now);
	if (e->policy != NULL)
		use(l, e, now, w);
	else if (now.mono >= e->checked_until)
		return contact(l, domain, now, w, ret);
	*ret = answer_of(l, e, now.mono);
	return ret->status;
}

int
smx_lookup_restore(struct smx_lookup *l, const struct smx_store_policy *stored,
    struct smx_now now)
{
	smx_time age = smx_time_max(0, now.wall - stored->fetched);
	smx_time idle = smx_time_max(0, now.wall - stored->used);
	struct smx_diag_list diags = { 0 };
	struct smx_cache_policy *p = NULL;
	struct smx_sts_policy policy;
	struct smx_cache_entry *e = NULL;
	struct smx_arena a;
	char storage[1024];
	int rc;

	smx_arena_init(&a, storage, sizeof(storage), SMX_STS_ARENA_MAX);
	rc = -SMX_EPARSE;
	if (stored->domain.n > SMX_STS_DOMAIN_MAX ||
	    stored->id.n > SMX_STS_ID_MAX)
		goto out;
	rc = smx_sts_policy_parse(&a, stored->body, &diags, &policy);
	if (rc < 0)
		goto out;
	rc = -SMX_ENOENT;
	if ((smx_time)policy.max_age_s * SMX_SECOND <= age)
		goto out;
	rc = -SMX_ENOMEM;
	p = smx_cache_policy_new(&a, &policy, stored->id);
	e = smx_cache_touch(&l->cache, stored->domain);
	if (p == NULL || e == NULL)
		goto out;
	p->fetched = stored->fetched;
	p->expires = now.mono + (smx_time)policy.max_age_s * SMX_SECOND - age;
	p->refresh_due = smx_refresh_after(policy.max_age_s, next_random(l));
	/* Long overdue ones are spread over an hour. */
	if (p->refresh_due != SMX_NEVER)
		p->refresh_due = p->refresh_due > age
		    ? now.mono + p->refresh_due - age
		    : now.mono +
			(smx_time)(next_random(l) % (uint64_t)SMX_HOUR);
	rc = smx_cache_set_policy(&l->cache, e, p);
	if (rc < 0)
		goto out;
	p = NULL;
	e->used = e->used_stored = now.mono - idle;
	e->checked_until = now.mono;
	schedule(l, e);
out:
	if (e != NULL && e->policy == NULL)
		smx_cache_remove(&l->cache, e);
	free(p);
	smx_arena_done(&a);
	if (rc == -SMX_ENOENT || rc == -SMX_EPARSE)
		l->store.ops->remove(l->store.self, stored->domain);
	return rc;
}

smx_time
smx_lookup_next(const struct smx_lookup *l)
{
	struct smx_heap_node *first = smx_heap_first(&l->cache.timers);
	smx_time next = first != NULL ? first->due : SMX_NEVER;

	if (!smx_list_is_empty(&l->waiters))
		next = smx_time_min(next,
		    SMX_ELEMENT(l->waiters.next, struct smx_lookup_waiter,
			in_queue)
			->deadline);
	return next;
}

/* Whoever has waited as long as one may gets the best answer there is. */
static void
answer_late(struct smx_lookup *l, smx_time now)
{
	while (!smx_list_is_empty(&l->waiters)) {
		struct smx_lookup_waiter *w = SMX_ELEMENT(l->waiters.next,
		    struct smx_lookup_waiter, in_queue);
		struct smx_cache_entry *e = w->flight->entry;
		struct smx_lookup_answer answer;

		if (w->deadline > now)
			break;
		/* Without the record's answer, it is DNS that fails. */
		if (!w->flight->is_at_host)
			note_dns_failure(e, now);
		answer = answer_of(l, e, now);
		tell(l, e,
		    (struct smx_lookup_event){ .kind = SMX_LOOKUP_TIMED_OUT });
		release(w, &answer);
	}
}

static void
tick_entry(struct smx_lookup *l, struct smx_cache_entry *e, struct smx_now now)
{
	if (e->policy == NULL) {
		if (e->flight == NULL) {
			smx_cache_remove(&l->cache, e);
			return;
		}
		/* Its fetch will land and set the timer again. */
		e->checked_until = now.mono;
	} else if (now.mono >= e->policy->expires) {
		expire(l, e, now);
	} else if (now.mono - e->used > l->settings.refresh_unused) {
		e->policy->refresh_due = SMX_NEVER;
	} else if (e->flight != NULL ||
	    l->refresh_count >= SMX_LOOKUP_REFRESH_MAX ||
	    !take_off(l, e, SMX_FETCH_REFRESH)) {
		e->policy->refresh_due = now.mono + REFRESH_POSTPONE;
	} else {
		e->policy->refresh_due = now.mono +
		    smx_refresh_retry(next_random(l));
	}
	schedule(l, e);
}

void
smx_lookup_tick(struct smx_lookup *l, struct smx_now now)
{
	struct smx_heap_node *first;

	answer_late(l, now.mono);
	while ((first = smx_heap_first(&l->cache.timers)) != NULL &&
	    first->due <= now.mono)
		tick_entry(l, SMX_ELEMENT(first, struct smx_cache_entry, timer),
		    now);
}
