#include <stdlib.h>

#include "engine/witness_domain.h"
#include "core/limits.h"
#include "engine/witness.h"
#include "engine/witness_tell.h"

/* What the allocator takes for a block beside. */
#define BLOCK_BYTES 16

int
smx_witness_domain_init(struct smx_witness_domains *all, const uint64_t seed[2])
{
	smx_list_init(&all->busy);
	smx_list_init(&all->queued);
	for (size_t i = 0; i < SMX_WITNESS_DUE_MINUTES; i++)
		smx_list_init(&all->visited[i]);
	smx_list_init(&all->idle);
	return smx_map_init(&all->map, seed);
}

static size_t
cost_of_text(struct smx_slice s)
{
	return s.n > 0 ? s.n + BLOCK_BYTES : 0;
}

static size_t
cost_of_name(size_t bytes)
{
	/* Its share of the map's slots is counted as one more block. */
	return sizeof(struct smx_witness_domain) + bytes + 2 * BLOCK_BYTES;
}

static void
free_text(struct smx_witness_domain *d, struct smx_slice *s)
{
	d->witness->domains.bytes -= cost_of_text(*s);
	free((char *)(uintptr_t)s->p);
	*s = smx_slice(NULL, 0);
}

static void
forget(struct smx_witness_domain *d)
{
	struct smx_witness_domains *all = &d->witness->domains;

	smx_witness_tell_drop(d, INT64_MAX);
	free_text(d, &d->record);
	free_text(d, &d->policy.mx);
	free_text(d, &d->policy.lines);
	all->bytes -= cost_of_name(d->name_bytes);
	smx_map_remove(&all->map, &d->by_name);
	smx_list_remove(&d->in_list);
	free(d->visit);
	free(d);
}

static void
forget_list(struct smx_list *list)
{
	while (!smx_list_is_empty(list))
		forget(SMX_ELEMENT(list->next, struct smx_witness_domain,
		    in_list));
}

void
smx_witness_domain_done(struct smx_witness_domains *all)
{
	forget_list(&all->busy);
	forget_list(&all->queued);
	for (size_t i = 0; i < SMX_WITNESS_DUE_MINUTES; i++)
		forget_list(&all->visited[i]);
	forget_list(&all->idle);
	smx_map_done(&all->map);
}

static struct smx_witness_domain *
first_of(const struct smx_list *list)
{
	return smx_list_is_empty(list)
	    ? NULL
	    : SMX_ELEMENT(list->next, struct smx_witness_domain, in_list);
}

/* Who can best be spared. @return NULL: nobody. */
static struct smx_witness_domain *
spare(struct smx_witness_domains *all, smx_time now)
{
	struct smx_witness_domain *best = NULL;

	for (size_t i = 0; i < SMX_WITNESS_DUE_MINUTES; i++) {
		struct smx_witness_domain *d = first_of(&all->visited[i]);

		if (d != NULL && d->visit_due <= now &&
		    (best == NULL || d->visit_due < best->visit_due))
			best = d;
	}
	return best != NULL ? best : first_of(&all->idle);
}

static bool
make_room(struct smx_witness_domains *all, size_t bytes, size_t max,
    smx_time now)
{
	while (all->bytes + bytes > max) {
		struct smx_witness_domain *d = spare(all, now);

		if (d == NULL)
			return false;
		forget(d);
	}
	all->bytes += bytes;
	return true;
}

bool
smx_witness_domain_room(struct smx_witness *w, size_t bytes, struct smx_now now)
{
	return make_room(&w->domains, bytes, SMX_WITNESS_BYTES_MAX, now.mono);
}

struct smx_witness_domain *
smx_witness_domain_find(struct smx_witness *w, struct smx_slice name)
{
	struct smx_map_node *node = smx_map_find(&w->domains.map, name);

	return node != NULL
	    ? SMX_ELEMENT(node, struct smx_witness_domain, by_name)
	    : NULL;
}

void
smx_witness_domain_queue(struct smx_witness_domain *d)
{
	d->is_asking = d->is_queued = true;
	smx_list_remove(&d->in_list);
	smx_list_push(&d->witness->domains.queued, &d->in_list);
}

void
smx_witness_domain_take(struct smx_witness_domain *d)
{
	/* It keeps its turn. */
	if (d->is_queued)
		return;
	smx_list_remove(&d->in_list);
	smx_list_push(&d->witness->domains.busy, &d->in_list);
}

struct smx_witness_domain *
smx_witness_domain_make(struct smx_witness *w, struct smx_slice name,
    size_t bytes_max, struct smx_now now)
{
	struct smx_witness_domains *all = &w->domains;
	struct smx_witness_domain *d = smx_witness_domain_find(w, name);

	if (d != NULL) {
		if (d->visit_due <= now.mono)
			d->visit_due = 0;
		smx_witness_domain_take(d);
		return d;
	}
	if (name.n > SMX_STS_DOMAIN_MAX ||
	    !make_room(all, cost_of_name(name.n), bytes_max, now.mono))
		return NULL;
	d = calloc(1, sizeof(*d) + name.n);
	if (d == NULL) {
		all->bytes -= cost_of_name(name.n);
		return NULL;
	}
	d->witness = w;
	d->name_bytes = name.n;
	memcpy(d->name, name.p, name.n);
	smx_list_init(&d->waiting);
	smx_list_init(&d->in_list);
	smx_map_put(&all->map, &d->by_name, smx_witness_domain_name(d));
	smx_witness_domain_take(d);
	return d;
}

/* Whatever else is heard of it: else what is due would be behind what isn't. */
static void
push_by_due(struct smx_witness_domains *all, struct smx_witness_domain *d)
{
	smx_time minute = d->visit_due / SMX_MINUTE;
	struct smx_list *list =
	    &all->visited[(uint64_t)minute % SMX_WITNESS_DUE_MINUTES];
	struct smx_list *before = list->prev;

	/* Seldom: only one that is long due can have later ones there. */
	while (before != list &&
	    SMX_ELEMENT(before, struct smx_witness_domain, in_list)->visit_due /
		    SMX_MINUTE >
		minute)
		before = before->prev;
	smx_list_push(before->next, &d->in_list);
}

void
smx_witness_domain_settle(struct smx_witness_domain *d)
{
	struct smx_witness_domains *all = &d->witness->domains;

	if (d->is_asking || d->visit != NULL)
		return;
	smx_list_remove(&d->in_list);
	if (d->visit_due != 0)
		push_by_due(all, d);
	else
		smx_list_push(&all->idle, &d->in_list);
}

/* Replace a text by a copy of another. Without room there is none. */
static void
set_text(struct smx_witness_domain *d, struct smx_slice *to,
    struct smx_slice from, struct smx_now now)
{
	char *copy;

	if (smx_slice_equal(*to, from))
		return;
	free_text(d, to);
	if (from.n == 0)
		return;
	if (!smx_witness_domain_room(d->witness, cost_of_text(from), now)) {
		d->witness->dropped++;
		return;
	}
	copy = malloc(from.n);
	if (copy == NULL) {
		d->witness->domains.bytes -= cost_of_text(from);
		return;
	}
	memcpy(copy, from.p, from.n);
	*to = smx_slice(copy, from.n);
}

void
smx_witness_domain_set_record(struct smx_witness_domain *d,
    struct smx_slice record, struct smx_now now)
{
	d->is_known = true;
	set_text(d, &d->record, record, now);
	if (d->record.n == 0) {
		free_text(d, &d->policy.mx);
		free_text(d, &d->policy.lines);
	}
}

void
smx_witness_domain_set_policy(struct smx_witness_domain *d,
    const struct smx_witness_policy *policy, struct smx_now now)
{
	static const struct smx_witness_policy none = { .mode = SMX_STS_NONE };
	bool has_texts = !d->is_known || d->record.n > 0;

	if (policy == NULL)
		policy = &none;
	d->policy.mode = policy->mode;
	d->policy.until = policy->until;
	set_text(d, &d->policy.mx, has_texts ? policy->mx : none.mx, now);
	set_text(d, &d->policy.lines, has_texts ? policy->lines : none.lines,
	    now);
}
