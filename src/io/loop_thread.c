#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "io/loop_thread.h"
#include "base/require.h"

struct smx_loop_thread {
	struct event_base *base;
	struct smx_mailbox *mailbox;
	pthread_t thread;
	bool is_started;
};

struct call {
	struct smx_message message;
	void (*call)(void *arg);
	void *arg;
};

int
smx_loop_thread_new(struct smx_loop_thread **ret)
{
	struct smx_loop_thread *t = calloc(1, sizeof(*t));
	int rc = -SMX_ENOMEM;

	if (t == NULL)
		return rc;
	t->base = event_base_new();
	if (t->base != NULL)
		rc = smx_mailbox_new(t->base, &t->mailbox);
	if (rc < 0)
		smx_loop_thread_free(&t);
	else
		*ret = t;
	return rc;
}

struct event_base *
smx_loop_thread_base(struct smx_loop_thread *t)
{
	return t->base;
}

static void *
run(void *arg)
{
	struct smx_loop_thread *t = arg;

	event_base_loop(t->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

int
smx_loop_thread_start(struct smx_loop_thread *t)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	t->is_started = pthread_create(&t->thread, NULL, run, t) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return t->is_started ? 0 : -SMX_ENOMEM;
}

void
smx_loop_thread_post(struct smx_loop_thread *t, struct smx_message *message)
{
	smx_mailbox_post(t->mailbox, message);
}

static void
run_call(struct smx_message *m)
{
	struct call *c = SMX_ELEMENT(m, struct call, message);

	c->call(c->arg);
	free(c);
}

void
smx_loop_thread_call(struct smx_loop_thread *t, void (*call)(void *arg),
    void *arg)
{
	struct call *c = malloc(sizeof(*c));

	SMX_REQUIRE(c != NULL);
	*c = (struct call){ { .run = run_call }, call, arg };
	smx_mailbox_post(t->mailbox, &c->message);
}

static void
end(void *arg)
{
	event_base_loopbreak(arg);
}

void
smx_loop_thread_pause(struct smx_loop_thread *t)
{
	if (t->is_started) {
		smx_loop_thread_call(t, end, t->base);
		pthread_join(t->thread, NULL);
		t->is_started = false;
	}
}

void
smx_loop_thread_stop(struct smx_loop_thread *t)
{
	smx_loop_thread_pause(t);
	smx_mailbox_free(&t->mailbox);
}

void
smx_loop_thread_free(struct smx_loop_thread **tp)
{
	struct smx_loop_thread *t = *tp;

	if (t == NULL)
		return;
	smx_loop_thread_stop(t);
	if (t->base != NULL)
		event_base_free(t->base);
	free(t);
	*tp = NULL;
}
