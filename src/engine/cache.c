#include <stdlib.h>

#include "engine/cache.h"
#include "base/require.h"
#include "core/limits.h"

int
smx_cache_init(struct smx_cache *c, const uint64_t seed[2])
{
	*c = (struct smx_cache){ 0 };
	smx_list_init(&c->absent);
	smx_heap_init(&c->timers);
	return smx_map_init(&c->domains, seed);
}

static void
free_entry(struct smx_cache_entry *e)
{
	free(e->policy);
	free(e->failure);
	free(e);
}

void
smx_cache_done(struct smx_cache *c)
{
	struct smx_map_node *node, *next;
	size_t iter = 0;

	if (c->domains.slots == NULL)
		return;
	node = smx_map_next(&c->domains, &iter, NULL);
	while (node != NULL) {
		next = smx_map_next(&c->domains, &iter, node);
		free_entry(SMX_ELEMENT(node, struct smx_cache_entry,
		    by_domain));
		node = next;
	}
	smx_map_done(&c->domains);
	smx_heap_done(&c->timers);
}

struct smx_cache_entry *
smx_cache_find(const struct smx_cache *c, struct smx_slice domain)
{
	struct smx_map_node *node = smx_map_find(&c->domains, domain);

	return node != NULL
	    ? SMX_ELEMENT(node, struct smx_cache_entry, by_domain)
	    : NULL;
}

struct smx_cache_entry *
smx_cache_touch(struct smx_cache *c, struct smx_slice domain)
{
	struct smx_cache_entry *e = smx_cache_find(c, domain);

	if (e != NULL)
		return e;
	e = calloc(1, sizeof(*e) + domain.n);
	if (e == NULL)
		return NULL;
	memcpy(e->domain, domain.p, domain.n);
	/* Every entry has a timer, so that none is kept for ever. */
	if (smx_heap_set(&c->timers, &e->timer, SMX_NEVER) < 0) {
		free(e);
		return NULL;
	}
	smx_map_put(&c->domains, &e->by_domain, smx_slice(e->domain, domain.n));
	smx_list_push(&c->absent, &e->absent);
	c->absent_count++;
	return e;
}

/* FNV-1a: it need only tell an honest change from none. */
static uint64_t
hash_body(struct smx_slice body)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < body.n; i++)
		h = (h ^ (unsigned char)body.p[i]) * 1099511628211u;
	return h;
}

struct smx_postfix
smx_cache_policy_postfix(const struct smx_cache_policy *p)
{
	const char *mx = p->bytes + p->id_bytes;

	return (struct smx_postfix){
		.mx = smx_slice(mx, p->mx_bytes),
		.lines = smx_slice(mx + p->mx_bytes, p->lines_bytes),
		.mx_count = p->mx_count,
		.wildcard_count = p->wildcard_count,
		.line_count = p->line_count,
	};
}

struct smx_cache_policy *
smx_cache_policy_new(struct smx_arena *scratch,
    const struct smx_sts_policy *policy, struct smx_slice id)
{
	struct smx_cache_policy *p = NULL;
	struct smx_postfix postfix = { 0 };
	struct smx_buf bytes;

	/* Patterns and lines: each no longer than the body. */
	smx_buf_init(&bytes, 2 * SMX_STS_BODY_MAX + 2);
	smx_buf_add(&bytes, id);
	/* One in testing is not answered, but its MX hosts are looked at. */
	if (policy->mode != SMX_STS_NONE &&
	    smx_postfix_compile(scratch, policy, &bytes, &postfix) < 0)
		goto out;
	if (smx_buf_status(&bytes) == 0)
		p = malloc(sizeof(*p) + bytes.n);
	if (p == NULL)
		goto out;
	*p = (struct smx_cache_policy){
		.expires = SMX_NEVER,
		.refresh_due = SMX_NEVER,
		.body_hash = hash_body(policy->body),
		.max_age_s = policy->max_age_s,
		.mx_bytes = (uint32_t)postfix.mx.n,
		.mx_count = postfix.mx_count,
		.wildcard_count = postfix.wildcard_count,
		.lines_bytes = (uint32_t)postfix.lines.n,
		.line_count = postfix.line_count,
		.id_bytes = (uint8_t)id.n,
		.mode = (uint8_t)policy->mode,
	};
	if (bytes.n != 0)
		memcpy(p->bytes, bytes.p, bytes.n);
out:
	smx_buf_done(&bytes);
	return p;
}

static size_t
bytes_of(const struct smx_cache_policy *p)
{
	return p == NULL
	    ? 0
	    : sizeof(*p) + p->id_bytes + p->mx_bytes + p->lines_bytes;
}

int
smx_cache_set_policy(struct smx_cache *c, struct smx_cache_entry *e,
    struct smx_cache_policy *policy)
{
	size_t bytes = c->policy_bytes - bytes_of(e->policy) + bytes_of(policy);

	if (bytes > SMX_CACHE_POLICY_BYTES_MAX && bytes > c->policy_bytes)
		return -SMX_ELIMIT;
	if (e->policy == NULL) {
		if (c->policy_count >= SMX_CACHE_POLICY_MAX)
			return -SMX_ELIMIT;
		c->policy_count++;
		smx_list_remove(&e->absent);
		c->absent_count--;
	}
	c->policy_bytes = bytes;
	free(e->policy);
	e->policy = policy;
	return 0;
}

void
smx_cache_drop_policy(struct smx_cache *c, struct smx_cache_entry *e)
{
	SMX_REQUIRE(e->policy != NULL);
	c->policy_bytes -= bytes_of(e->policy);
	free(e->policy);
	e->policy = NULL;
	c->policy_count--;
	smx_list_push(&c->absent, &e->absent);
	c->absent_count++;
}

struct smx_cache_failure *
smx_cache_failure_of(struct smx_cache_entry *e)
{
	if (e->failure == NULL)
		e->failure = calloc(1, sizeof(*e->failure));
	return e->failure;
}

void
smx_cache_failure_clear(struct smx_cache_entry *e)
{
	free(e->failure);
	e->failure = NULL;
}

void
smx_cache_remove(struct smx_cache *c, struct smx_cache_entry *e)
{
	SMX_REQUIRE(e->flight == NULL);
	if (e->policy != NULL) {
		c->policy_count--;
		c->policy_bytes -= bytes_of(e->policy);
	} else {
		smx_list_remove(&e->absent);
		c->absent_count--;
	}
	smx_heap_remove(&c->timers, &e->timer);
	smx_map_remove(&c->domains, &e->by_domain);
	free_entry(e);
}

void
smx_cache_trim(struct smx_cache *c)
{
	struct smx_list *at = c->absent.next;

	while (c->absent_count > SMX_CACHE_ABSENT_MAX && at != &c->absent) {
		struct smx_cache_entry *e = SMX_ELEMENT(at,
		    struct smx_cache_entry, absent);

		at = at->next;
		if (e->flight == NULL)
			smx_cache_remove(c, e);
	}
}
