#include <stdlib.h>

#include "app/strictmx/check_fetches.h"
#include "base/list.h"
#include "core/limits.h"
#include "io/clock.h"

struct smx_check_fetches {
	struct smx_https_port https;
	struct smx_list running;
	struct smx_list waiting; /* in the order in which they came */
};

struct fetch {
	struct smx_list link;
	struct smx_check_fetches *owner;
	struct smx_https_request request;
	struct smx_ip ip;
	smx_https_policy_done *done;
	void *arg;
	char host[SMX_DOMAIN_MAX];
};

static void start(struct fetch *f);

/* May one more begin? There are a few hundred at the most. */
static bool
has_room(const struct smx_check_fetches *c, const struct fetch *f)
{
	size_t count = 0;

	if (f->request.address == NULL)
		return true;
	for (const struct smx_list *node = c->running.next; node != &c->running;
	     node = node->next) {
		const struct fetch *other = SMX_ELEMENT(node, struct fetch,
		    link);

		count += other->request.address != NULL &&
		    smx_ip_equal(&other->ip, &f->ip);
	}
	return count < SMX_CHECK_FETCHES_PER_ADDRESS;
}

/* A place at an address is free: the first that waits for it. */
static void
start_next(struct smx_check_fetches *c, const struct smx_ip *ip)
{
	for (struct smx_list *node = c->waiting.next; node != &c->waiting;
	     node = node->next) {
		struct fetch *f = SMX_ELEMENT(node, struct fetch, link);

		if (!smx_ip_equal(&f->ip, ip))
			continue;
		smx_list_remove(node);
		start(f);
		return;
	}
}

static void
on_answer(void *arg, struct smx_now now, const struct smx_https_policy *answer)
{
	struct fetch *f = arg;
	struct smx_check_fetches *c = f->owner;
	struct smx_ip ip = f->ip;

	smx_list_remove(&f->link);
	f->done(f->arg, now, answer);
	free(f);
	start_next(c, &ip);
}

static void
start(struct fetch *f)
{
	struct smx_https_port *https = &f->owner->https;

	smx_list_push(&f->owner->running, &f->link);
	if (https->ops->policy(https->self, &f->request, on_answer, f) < 0)
		on_answer(f, smx_clock_now(),
		    &(struct smx_https_policy){ .code = SMX_DIAG_HOST_NOT_ASKED,
			.detail = SMX_SLICE("out of memory") });
}

static int
ask(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	struct smx_check_fetches *c = self;
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL || request->host.n > sizeof(f->host)) {
		free(f);
		return -SMX_ENOMEM;
	}
	f->owner = c;
	f->request = *request;
	memcpy(f->host, request->host.p, request->host.n);
	f->request.host.p = f->host;
	if (request->address != NULL) {
		f->ip = *request->address;
		f->request.address = &f->ip;
	}
	f->done = done;
	f->arg = arg;
	smx_list_init(&f->link);
	if (has_room(c, f))
		start(f);
	else
		smx_list_push(&c->waiting, &f->link);
	return 0;
}

int
smx_check_fetches_new(struct smx_https_port https,
    struct smx_check_fetches **ret)
{
	struct smx_check_fetches *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -SMX_ENOMEM;
	c->https = https;
	smx_list_init(&c->running);
	smx_list_init(&c->waiting);
	*ret = c;
	return 0;
}

void
smx_check_fetches_free(struct smx_check_fetches **cp)
{
	struct smx_check_fetches *c = *cp;
	struct smx_list *node;

	if (c == NULL)
		return;
	while ((node = smx_list_pop(&c->running)) != NULL)
		free(SMX_ELEMENT(node, struct fetch, link));
	while ((node = smx_list_pop(&c->waiting)) != NULL)
		free(SMX_ELEMENT(node, struct fetch, link));
	free(c);
	*cp = NULL;
}

struct smx_https_port
smx_check_fetches_port(struct smx_check_fetches *c)
{
	static const struct smx_https_ops ops = { .policy = ask };

	return (struct smx_https_port){ &ops, c };
}
