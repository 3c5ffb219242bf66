#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "base/require.h"

unsigned sim_in_engine;

struct sim_answer {
	struct sim_answer *next;
	smx_time due;
	struct sim_domain *domain;
	smx_dns_done *txt_done;
	smx_https_policy_done *policy_done;
	void *arg;
};

static char *
copy(struct smx_slice s)
{
	char *p = malloc(s.n + 1);

	SMX_REQUIRE(p != NULL);
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct sim_domain *
sim_domain(struct sim *s, struct smx_slice name)
{
	uint32_t h = 5381;
	struct sim_domain *d;

	for (size_t i = 0; i < name.n; i++)
		h = h * 33 + (unsigned char)name.p[i];
	for (d = s->domains[h % 4096]; d != NULL; d = d->next)
		if (smx_slice_equal(smx_slice_text(d->name), name))
			return d;
	d = calloc(1, sizeof(*d));
	SMX_REQUIRE(d != NULL);
	d->name = copy(name);
	d->txt.status = SMX_DNS_NXDOMAIN;
	d->txt.ttl_s = 60;
	d->host.code = SMX_DIAG_HOST_NO_ADDRESS;
	d->next = s->domains[h % 4096];
	s->domains[h % 4096] = d;
	return d;
}

static void
clear_txt(struct sim_domain *d)
{
	for (size_t i = 0; i < d->txt.count; i++)
		free(d->txt.records[i]);
}

void
sim_set_txt(struct sim_domain *d, const struct sim_txt *txt)
{
	clear_txt(d);
	d->txt = *txt;
	for (size_t i = 0; i < txt->count; i++)
		d->txt.records[i] = copy(smx_slice_text(txt->records[i]));
}

void
sim_set_host(struct sim_domain *d, const struct sim_host *host)
{
	free(d->host.body);
	d->host = *host;
	if (host->body != NULL)
		d->host.body = copy(smx_slice_text(host->body));
}

static void
push_answer(struct sim *s, struct sim_answer answer, smx_time delay)
{
	struct sim_answer **at = &s->answers;
	struct sim_answer *a = malloc(sizeof(*a));

	SMX_REQUIRE(a != NULL);
	*a = answer;
	a->due = s->now.mono + delay;
	while (*at != NULL && (*at)->due <= a->due)
		at = &(*at)->next;
	a->next = *at;
	*at = a;
}

static void
ask_txt_outside(void *self, struct smx_slice name, smx_dns_done *done,
    void *arg)
{
	struct sim *s = self;
	struct sim_domain *d;

	SMX_REQUIRE(smx_slice_starts(name, SMX_SLICE("_mta-sts.")));
	d = sim_domain(s, smx_slice_from(name, 9));
	d->txt_asked++;
	push_answer(s,
	    (struct sim_answer){ .domain = d, .txt_done = done, .arg = arg },
	    d->txt.silent ? 5 * SMX_SECOND : s->dns_delay);
}

static void
ask_policy_outside(void *self, struct smx_slice host,
    smx_https_policy_done *done, void *arg)
{
	struct sim *s = self;
	struct sim_domain *d;

	SMX_REQUIRE(smx_slice_starts(host, SMX_SLICE("mta-sts.")));
	d = sim_domain(s, smx_slice_from(host, 8));
	d->host_asked++;
	push_answer(s,
	    (struct sim_answer){ .domain = d, .policy_done = done, .arg = arg },
	    d->host.silent ? 10 * SMX_SECOND : s->host_delay);
}

static void
answer_txt(struct sim *s, const struct sim_answer *a)
{
	const struct sim_txt *txt = &a->domain->txt;
	struct smx_slice records[SIM_RECORDS_MAX];
	struct smx_dns_answer answer = {
		.status = txt->silent ? SMX_DNS_TIMEOUT : txt->status,
		.ttl_s = txt->ttl_s,
		.texts = records,
		.count = txt->silent ? 0 : txt->count,
	};

	for (size_t i = 0; i < answer.count; i++)
		records[i] = smx_slice_text(txt->records[i]);
	sim_in_engine++;
	a->txt_done(a->arg, s->now, &answer);
	sim_in_engine--;
}

static void
answer_policy(struct sim *s, const struct sim_answer *a)
{
	const struct sim_host *host = &a->domain->host;
	struct smx_https_policy answer = { .code = host->code };

	if (host->silent)
		answer.code = SMX_DIAG_HOST_TIMEOUT;
	else if (host->code == SMX_DIAG_OK)
		answer.body = smx_slice_text(host->body);
	sim_in_engine++;
	a->policy_done(a->arg, s->now, &answer);
	sim_in_engine--;
}

static void
store_put_outside(void *self, const struct smx_store_policy *policy)
{
	struct sim *s = self;
	struct sim_domain *d = sim_domain(s, policy->domain);

	free(d->stored_body);
	free(d->stored_id);
	d->stored = true;
	d->stored_body = copy(policy->body);
	d->stored_id = copy(policy->id);
	d->stored_fetched = policy->fetched;
	d->stored_used = policy->used;
}

static void
store_touch_outside(void *self, struct smx_slice domain, smx_time used)
{
	sim_domain(self, domain)->stored_used = used;
}

static void
store_remove_outside(void *self, struct smx_slice domain)
{
	sim_domain(self, domain)->stored = false;
}

static void
on_event_outside(void *self, const struct smx_lookup_event *e)
{
	struct sim *s = self;
	struct sim_domain *d = sim_domain(s, e->domain);
	struct sim_event *to;

	/* No news: it comes with every recheck. */
	if (e->kind == SMX_LOOKUP_MAIL)
		return;
	if (e->kind == SMX_LOOKUP_POLICY_NEW ||
	    e->kind == SMX_LOOKUP_POLICY_CHANGED ||
	    e->kind == SMX_LOOKUP_POLICY_REFRESHED) {
		d->fetched = s->now.mono;
		d->max_age = (smx_time)e->policy->max_age_s * SMX_SECOND;
	}
	if (s->event_count == sizeof(s->events) / sizeof(s->events[0]))
		return;
	to = &s->events[s->event_count++];
	to->kind = e->kind;
	to->code = e->diag.code;
	memcpy(to->domain, e->domain.p, e->domain.n);
	to->domain[e->domain.n] = '\0';
}

/* The ports as the engine calls them: outside of it, nothing fails. */
static int
ask_txt(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	unsigned in_engine = sim_in_engine;

	SMX_REQUIRE(type == SMX_DNS_TXT);
	sim_in_engine = 0;
	ask_txt_outside(self, name, done, arg);
	sim_in_engine = in_engine;
	return 0;
}

static int
ask_policy(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	unsigned in_engine = sim_in_engine;

	sim_in_engine = 0;
	ask_policy_outside(self, request->host, done, arg);
	sim_in_engine = in_engine;
	return 0;
}

static void
store_put(void *self, const struct smx_store_policy *policy)
{
	unsigned in_engine = sim_in_engine;

	sim_in_engine = 0;
	store_put_outside(self, policy);
	sim_in_engine = in_engine;
}

static void
store_touch(void *self, struct smx_slice domain, smx_time used)
{
	unsigned in_engine = sim_in_engine;

	sim_in_engine = 0;
	store_touch_outside(self, domain, used);
	sim_in_engine = in_engine;
}

static void
store_remove(void *self, struct smx_slice domain)
{
	unsigned in_engine = sim_in_engine;

	sim_in_engine = 0;
	store_remove_outside(self, domain);
	sim_in_engine = in_engine;
}

static void
on_event(void *self, const struct smx_lookup_event *e)
{
	unsigned in_engine = sim_in_engine;

	sim_in_engine = 0;
	on_event_outside(self, e);
	sim_in_engine = in_engine;
}

static void
start_engine(struct sim *s)
{
	static const struct smx_dns_ops dns = { .ask = ask_txt };
	static const struct smx_https_ops https = { .policy = ask_policy };
	static const struct smx_store_ops store = {
		.put = store_put, .touch = store_touch, .remove = store_remove
	};
	int rc = smx_lookup_init(&s->lookup, s->seed, &s->settings);

	SMX_REQUIRE(rc == 0);
	s->lookup.dns = (struct smx_dns_port){ &dns, s };
	s->lookup.https = (struct smx_https_port){ &https, s };
	s->lookup.store = (struct smx_store_port){ &store, s };
	s->lookup.observer = (struct smx_lookup_observer){ on_event, s };
}

void
sim_init(struct sim *s)
{
	*s = (struct sim){
		.now = { .mono = SMX_HOUR, .wall = 20454 * SMX_DAY },
		.dns_delay = 20,
		.host_delay = 100,
		.settings = smx_lookup_defaults,
		.seed = { 1, 2 },
	};
	start_engine(s);
}

static void
drop_answers(struct sim *s)
{
	while (s->answers != NULL) {
		struct sim_answer *a = s->answers;

		s->answers = a->next;
		free(a);
	}
}

void
sim_done(struct sim *s)
{
	drop_answers(s);
	smx_lookup_done(&s->lookup);
	for (size_t i = 0; i < 4096; i++) {
		while (s->domains[i] != NULL) {
			struct sim_domain *d = s->domains[i];

			s->domains[i] = d->next;
			clear_txt(d);
			free(d->host.body);
			free(d->stored_body);
			free(d->stored_id);
			free(d->name);
			free(d);
		}
	}
}

bool
sim_run_next(struct sim *s)
{
	smx_time due = smx_lookup_next(&s->lookup);

	if (s->answers != NULL && s->answers->due <= due)
		due = s->answers->due;
	if (due == SMX_NEVER)
		return false;
	if (due > s->now.mono) {
		s->now.wall += due - s->now.mono;
		s->now.mono = due;
	}
	if (s->answers != NULL && s->answers->due <= s->now.mono) {
		struct sim_answer *a = s->answers;

		s->answers = a->next;
		if (a->txt_done != NULL)
			answer_txt(s, a);
		else
			answer_policy(s, a);
		free(a);
	} else {
		sim_in_engine++;
		smx_lookup_tick(&s->lookup, s->now);
		sim_in_engine--;
	}
	return true;
}

void
sim_run_until(struct sim *s, smx_time mono)
{
	for (;;) {
		smx_time due = smx_lookup_next(&s->lookup);

		if (s->answers != NULL && s->answers->due < due)
			due = s->answers->due;
		if (due > mono)
			break;
		sim_run_next(s);
	}
	if (mono > s->now.mono) {
		s->now.wall += mono - s->now.mono;
		s->now.mono = mono;
	}
}

void
sim_restart(struct sim *s)
{
	drop_answers(s);
	smx_lookup_done(&s->lookup);
	start_engine(s);
	for (size_t i = 0; i < 4096; i++) {
		for (struct sim_domain *d = s->domains[i]; d != NULL;
		     d = d->next) {
			struct smx_store_policy p = {
				.domain = smx_slice_text(d->name),
				.fetched = d->stored_fetched,
				.used = d->stored_used,
			};
			int rc;

			if (!d->stored)
				continue;
			p.id = smx_slice_text(d->stored_id);
			p.body = smx_slice_text(d->stored_body);
			sim_in_engine++;
			rc = smx_lookup_restore(&s->lookup, &p, s->now);
			sim_in_engine--;
			SMX_REQUIRE(rc == 0 || rc == -SMX_ENOENT ||
			    rc == -SMX_ENOMEM);
		}
	}
}
