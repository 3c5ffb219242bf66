#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "io/worker.h"
#include "base/arena.h"
#include "base/require.h"
#include "core/limits.h"
#include "io/clock.h"

/* What an answer's copy can take. */
#define ANSWER_BYTES_MAX ((size_t)1 << 20)

struct smx_worker {
	pthread_t thread;
	bool running;
	struct smx_mailbox *home; /* not ours */
	struct smx_mailbox *inbox;
	struct event_base *base;
	/* Of the worker's thread: */
	struct smx_dns *dns;
	struct smx_https *https;
	struct smx_list asks; /* under way */
};

/* An ask on its way there and back. */
struct ask {
	struct smx_message message;
	struct smx_list link; /* in asks, while under way */
	struct smx_worker *worker;
	void *arg;
	smx_dns_done *dns_done;
	enum smx_dns_type type;
	smx_https_policy_done *policy_done;
	struct smx_dns_answer answer;
	struct smx_https_policy policy;
	struct smx_arena arena; /* of the answer */
	size_t name_bytes;
	char name[SMX_DOMAIN_MAX];
};

/* A change of settings; the asking thread waits for it. */
struct set {
	struct smx_message message;
	struct smx_worker *worker;
	const struct smx_worker_settings *settings;
	struct smx_buf *reason;
	int status;
	bool done;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

static void
free_ask(struct ask *a)
{
	smx_list_remove(&a->link);
	smx_arena_done(&a->arena);
	free(a);
}

static struct ask *
new_ask(struct smx_worker *w, struct smx_slice name, void *arg)
{
	struct ask *a;

	if (!w->running || name.n > SMX_DOMAIN_MAX)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->worker = w;
	a->arg = arg;
	memcpy(a->name, name.p, name.n);
	a->name_bytes = name.n;
	smx_list_init(&a->link);
	smx_arena_init(&a->arena, NULL, 0, ANSWER_BYTES_MAX);
	return a;
}

static struct smx_slice
copy(struct ask *a, struct smx_slice s)
{
	char *p = smx_arena_copy(&a->arena, s);

	return smx_slice(p, p != NULL ? s.n : 0);
}

static void
send_home(struct ask *a, void (*deliver)(struct smx_message *m))
{
	smx_list_remove(&a->link);
	a->message.run = deliver;
	smx_mailbox_post(a->worker->home, &a->message);
}

static void
deliver_answer(struct smx_message *m)
{
	struct ask *a = SMX_ELEMENT(m, struct ask, message);

	a->dns_done(a->arg, smx_clock_now(), &a->answer);
	free_ask(a);
}

static void
on_answer(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct ask *a = arg;

	(void)now;
	if (smx_port_dns_copy(&a->arena, answer, &a->answer) < 0)
		a->answer =
		    (struct smx_dns_answer){ .status = SMX_DNS_FAILURE };
	send_home(a, deliver_answer);
}

static void
run_ask(struct smx_message *m)
{
	struct ask *a = SMX_ELEMENT(m, struct ask, message);

	smx_list_push(&a->worker->asks, &a->link);
	if (smx_dns_ask(a->worker->dns, a->type,
		smx_slice(a->name, a->name_bytes), on_answer, a) < 0)
		on_answer(a, smx_clock_now(),
		    &(struct smx_dns_answer){ .status = SMX_DNS_FAILURE });
}

static int
port_ask(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	struct smx_worker *w = self;
	struct ask *a = new_ask(w, name, arg);

	if (a == NULL)
		return -SMX_ENOMEM;
	a->type = type;
	a->dns_done = done;
	a->message.run = run_ask;
	smx_mailbox_post(w->inbox, &a->message);
	return 0;
}

static void
deliver_policy(struct smx_message *m)
{
	struct ask *a = SMX_ELEMENT(m, struct ask, message);

	a->policy_done(a->arg, smx_clock_now(), &a->policy);
	free_ask(a);
}

static void
on_policy(void *arg, struct smx_now now, const struct smx_https_policy *answer)
{
	struct ask *a = arg;

	(void)now;
	a->policy.code = answer->code;
	a->policy.detail = copy(a, answer->detail);
	if (answer->code == SMX_DIAG_OK) {
		a->policy.body = copy(a, answer->body);
		if (a->policy.body.p == NULL) {
			a->policy.code = SMX_DIAG_HOST_NOT_ASKED;
			a->policy.detail = SMX_SLICE("out of memory");
		}
	}
	send_home(a, deliver_policy);
}

static void
run_policy(struct smx_message *m)
{
	struct ask *a = SMX_ELEMENT(m, struct ask, message);
	struct smx_https_request request = {
		.host = smx_slice(a->name, a->name_bytes),
	};

	smx_list_push(&a->worker->asks, &a->link);
	if (smx_https_get(a->worker->https, &request, on_policy, a) < 0)
		on_policy(a, smx_clock_now(),
		    &(struct smx_https_policy){ .code = SMX_DIAG_HOST_NOT_ASKED,
			.detail = SMX_SLICE("out of memory") });
}

static int
port_policy(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	struct smx_worker *w = self;
	struct ask *a = new_ask(w, request->host, arg);

	/* strictmxd only ever wants the policy of a name. */
	SMX_REQUIRE(request->address == NULL && !request->any_answer);

	if (a == NULL)
		return -SMX_ENOMEM;
	a->policy_done = done;
	a->message.run = run_policy;
	smx_mailbox_post(w->inbox, &a->message);
	return 0;
}

struct smx_dns_port
smx_worker_dns_port(struct smx_worker *w)
{
	static const struct smx_dns_ops ops = { .ask = port_ask };

	return (struct smx_dns_port){ &ops, w };
}

struct smx_https_port
smx_worker_https_port(struct smx_worker *w)
{
	static const struct smx_https_ops ops = { .policy = port_policy };

	return (struct smx_https_port){ &ops, w };
}

static void
run_set(struct smx_message *m)
{
	struct set *s = SMX_ELEMENT(m, struct set, message);
	struct smx_worker *w = s->worker;
	/* All or nothing. */
	int rc = smx_https_check(&s->settings->https, s->reason);

	if (rc == 0)
		rc = smx_dns_set(w->dns, &s->settings->dns, s->reason);
	if (rc == 0)
		rc = smx_https_set(w->https, &s->settings->https, s->reason);
	pthread_mutex_lock(&s->lock);
	s->status = rc;
	s->done = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int
smx_worker_set(struct smx_worker *w, const struct smx_worker_settings *settings,
    struct smx_buf *reason)
{
	struct set s = { .message.run = run_set,
		.worker = w,
		.settings = settings,
		.reason = reason };

	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.wake, NULL);
	smx_mailbox_post(w->inbox, &s.message);
	pthread_mutex_lock(&s.lock);
	while (!s.done)
		pthread_cond_wait(&s.wake, &s.lock);
	pthread_mutex_unlock(&s.lock);
	pthread_cond_destroy(&s.wake);
	pthread_mutex_destroy(&s.lock);
	return s.status;
}

static void *
loop(void *arg)
{
	struct smx_worker *w = arg;

	event_base_loop(w->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

struct stop {
	struct smx_message message;
	struct smx_worker *worker;
};

static void
run_stop(struct smx_message *m)
{
	event_base_loopbreak(SMX_ELEMENT(m, struct stop, message)->worker->base);
}

int
smx_worker_start(struct smx_mailbox *home,
    const struct smx_worker_settings *settings, struct smx_worker **ret,
    struct smx_buf *reason)
{
	struct smx_worker *w = calloc(1, sizeof(*w));
	sigset_t all, old;
	int rc = -SMX_ENOMEM;

	if (w == NULL)
		return rc;
	w->home = home;
	smx_list_init(&w->asks);
	w->base = event_base_new();
	if (w->base != NULL)
		rc = smx_mailbox_new(w->base, &w->inbox);
	if (rc == 0)
		rc = smx_dns_new(w->base, &settings->dns, &w->dns, reason);
	if (rc == 0)
		rc = smx_https_new(w->base, w->dns, &settings->https, &w->https,
		    reason);
	if (rc == 0) {
		/* Signals are for the main thread. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		w->running = pthread_create(&w->thread, NULL, loop, w) == 0;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		rc = w->running ? 0 : -SMX_ENOMEM;
	}
	if (rc < 0)
		smx_worker_free(&w);
	else
		*ret = w;
	return rc;
}

void
smx_worker_stop(struct smx_worker *w)
{
	struct stop stop = { .message.run = run_stop, .worker = w };

	if (!w->running)
		return;
	smx_mailbox_post(w->inbox, &stop.message);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void
smx_worker_free(struct smx_worker **wp)
{
	struct smx_worker *w = *wp;

	if (w == NULL)
		return;
	smx_worker_stop(w);
	/* It runs what is left in it, and that asks the two others. */
	smx_mailbox_free(&w->inbox);
	smx_dns_free(&w->dns);
	smx_https_free(&w->https);
	while (!smx_list_is_empty(&w->asks))
		free_ask(SMX_ELEMENT(w->asks.next, struct ask, link));
	if (w->base != NULL)
		event_base_free(w->base);
	free(w);
	*wp = NULL;
}
