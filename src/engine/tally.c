#include <stdlib.h>

#include "engine/tally.h"
#include "core/tlsrpt_report.h"

/* Kind, number of the parent, text. */
#define KEY_HEAD 9
#define KEY_MAX  (KEY_HEAD + SMX_TALLY_POLICY_MAX)

int
smx_tally_init(struct smx_tally *t, const uint64_t seed[2])
{
	int rc;

	*t = (struct smx_tally){ .scratch = NULL };
	smx_port_tally_init(&t->batch, SMX_TALLY_BYTES_MAX);
	rc = smx_map_init(&t->map, seed);
	if (rc < 0)
		return rc;
	t->scratch = malloc(KEY_MAX);
	if (t->scratch == NULL) {
		smx_map_done(&t->map);
		return -SMX_ENOMEM;
	}
	return 0;
}

void
smx_tally_done(struct smx_tally *t)
{
	smx_port_tally_free(&t->batch);
	smx_map_done(&t->map);
	free(t->scratch);
	t->scratch = NULL;
}

int
smx_tally_take(struct smx_tally *t, struct smx_tally_batch *ret)
{
	struct smx_map fresh;
	int rc = smx_map_init(&fresh, t->map.seed);

	if (rc < 0)
		return rc;
	/* The rows keep their nodes, which mean nothing any more: taking costs
	 * the same for few and for many. */
	smx_map_done(&t->map);
	t->map = fresh;
	smx_port_tally_move(ret, &t->batch);
	return 0;
}

/* Begin a key in the scratch space; its text is appended. */
static struct smx_buf
begin_key(struct smx_tally *t, enum smx_tally_kind kind, uint64_t parent)
{
	struct smx_buf b;

	smx_buf_init_fixed(&b, t->scratch, KEY_MAX);
	smx_buf_add_char(&b, (char)kind);
	smx_buf_add(&b, smx_slice((const char *)&parent, sizeof(parent)));
	return b;
}

static struct smx_tally_row *
find(const struct smx_tally *t, const struct smx_buf *key)
{
	struct smx_map_node *node = smx_map_find(&t->map, smx_buf_slice(key));

	return node != NULL ? SMX_ELEMENT(node, struct smx_tally_row, by_key)
			    : NULL;
}

/* A new row for a key that there is not. @return NULL: no room. */
static struct smx_tally_row *
put(struct smx_tally *t, const struct smx_buf *key,
    struct smx_tally_row *parent)
{
	struct smx_tally_row *row = smx_arena_take(&t->batch.arena, 1,
	    sizeof(*row) + key->n);

	if (row == NULL)
		return NULL;
	*row = (struct smx_tally_row){
		.kind = (enum smx_tally_kind)key->p[0],
		.parent = parent,
		.number = ++t->batch.row_count,
		.text = { row->key + KEY_HEAD, key->n - KEY_HEAD },
	};
	memcpy(row->key, key->p, key->n);
	smx_map_put(&t->map, &row->by_key, smx_slice(row->key, key->n));
	smx_list_push(&t->batch.rows, &row->link);
	if (parent != NULL)
		parent->children++;
	return row;
}

/* The record of the day is the one seen last. Room that is too small is not
 * given back: the next is twice as large. */
static int
set_record(struct smx_tally *t, struct smx_tally_row *row,
    struct smx_slice record)
{
	char *copy = (char *)(uintptr_t)row->record.p;

	if (smx_slice_equal(row->record, record))
		return 0;
	if (record.n > row->record_room) {
		size_t room = 2 * row->record_room;

		if (room < record.n)
			room = record.n;
		copy = smx_arena_take(&t->batch.arena, room, 1);
		if (copy == NULL)
			return -SMX_ELIMIT;
		row->record_room = room;
	}
	memcpy(copy, record.p, record.n);
	row->record = smx_slice(copy, record.n);
	return 0;
}

static struct smx_tally_row *
domain_row(struct smx_tally *t, const struct smx_tlsrpt_event *event,
    int64_t day)
{
	struct smx_buf key = begin_key(t, SMX_TALLY_DOMAIN, (uint64_t)day);
	struct smx_tally_row *row;

	smx_buf_add(&key, smx_domain_slice(&event->domain));
	row = find(t, &key);
	if (row == NULL) {
		row = put(t, &key, NULL);
		if (row == NULL)
			return NULL;
		row->day = day;
	}
	/* A row without a record is worth nothing; it stays for another
	 * event. */
	return set_record(t, row, event->record) == 0 ? row : NULL;
}

/* The row for what is too much to be told apart. */
static struct smx_tally_row *
other_row(struct smx_tally *t, struct smx_tally_row *parent, size_t i,
    const struct smx_buf *key)
{
	if (parent->other[i] == NULL) {
		/* It may be there under its own name. */
		parent->other[i] = find(t, key);
		if (parent->other[i] == NULL)
			parent->other[i] = put(t, key, parent);
	}
	if (parent->other[i] != NULL)
		parent->other[i]->is_other = true;
	return parent->other[i];
}

static struct smx_tally_row *
policy_row(struct smx_tally *t, struct smx_tally_row *domain,
    const struct smx_tlsrpt_event_policy *p)
{
	struct smx_buf key = begin_key(t, SMX_TALLY_POLICY, domain->number);
	struct smx_tally_row *row = NULL;
	bool is_new;

	smx_tlsrpt_report_print_policy(p, &key);
	if (smx_buf_status(&key) == 0)
		row = find(t, &key);
	is_new = row == NULL;
	if (is_new && smx_buf_status(&key) == 0 &&
	    domain->children < SMX_TALLY_POLICIES_MAX)
		row = put(t, &key, domain);
	if (row == NULL) {
		key = begin_key(t, SMX_TALLY_POLICY, domain->number);
		smx_tlsrpt_report_print_other_policy(p->type, domain->text,
		    &key);
		row = other_row(t, domain, p->type, &key);
	}
	if (row != NULL && is_new)
		row->type = p->type;
	return row;
}

static struct smx_tally_row *
failure_row(struct smx_tally *t, struct smx_tally_row *policy,
    const struct smx_tlsrpt_failure *f)
{
	struct smx_buf key = begin_key(t, SMX_TALLY_FAILURE, policy->number);
	struct smx_tally_row *row = NULL;

	smx_tlsrpt_report_print_failure(f, &key);
	if (smx_buf_status(&key) == 0)
		row = find(t, &key);
	if (row == NULL && smx_buf_status(&key) == 0 &&
	    policy->children < SMX_TALLY_FAILURES_MAX)
		row = put(t, &key, policy);
	if (row == NULL) {
		key = begin_key(t, SMX_TALLY_FAILURE, policy->number);
		smx_buf_add(&key, smx_tlsrpt_report_other_failure);
		row = other_row(t, policy, 0, &key);
	}
	return row;
}

static bool
count_policy(struct smx_tally *t, struct smx_tally_row *domain,
    const struct smx_tlsrpt_event_policy *p)
{
	struct smx_tally_row *policy = policy_row(t, domain, p);
	bool is_whole = policy != NULL;

	if (policy == NULL)
		return false;
	policy->success += p->is_session && !p->is_failure;
	policy->failure += p->is_session && p->is_failure;
	for (const struct smx_tlsrpt_event_failure *f = p->failures; f != NULL;
	     f = f->next) {
		struct smx_tally_row *row = failure_row(t, policy, &f->row);

		if (row != NULL)
			row->failure++;
		else
			is_whole = false;
	}
	return is_whole;
}

int
smx_tally_add(struct smx_tally *t, const struct smx_tlsrpt_event *event,
    int64_t day)
{
	struct smx_tally_row *domain = domain_row(t, event, day);
	bool is_whole = domain != NULL;

	t->batch.events++;
	for (const struct smx_tlsrpt_event_policy *p = event->policies;
	     p != NULL && domain != NULL; p = p->next)
		is_whole &= count_policy(t, domain, p);
	if (!is_whole)
		t->batch.dropped++;
	return is_whole ? 0 : -SMX_ELIMIT;
}
