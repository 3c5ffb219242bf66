#include <stdlib.h>

#include "engine/witness_tell.h"
#include "engine/witness.h"

/* Sessions that are equal, of about the same time. */
struct waiting {
	struct smx_list link;
	size_t count;
	smx_time since; /* mono, of the first */
	enum smx_tlsrpt_policy_type type;
	bool is_failure;
	struct smx_tlsrpt_failure failure;
	size_t text_bytes;
	char text[];
};

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

void
smx_witness_tell_session(struct smx_witness_domain *d,
    enum smx_tlsrpt_policy_type type, const struct smx_tlsrpt_failure *failure)
{
	struct smx_tlsrpt_line strings[SMX_TLSRPT_EVENT_LINES_MAX];
	struct smx_tlsrpt_line mx[SMX_TLSRPT_EVENT_LINES_MAX];
	struct smx_tlsrpt_event_failure row = { .next = NULL };
	struct smx_tlsrpt_event_policy policy = {
		.type = type,
		.is_session = true,
		.is_failure = failure != NULL,
	};
	struct smx_tlsrpt_event event = { .record = d->record,
		.policies = &policy };

	if (smx_domain_parse(smx_witness_domain_name(d), &event.domain) < 0)
		return;
	policy.domain = event.domain;
	if (type == SMX_TLSRPT_STS) {
		policy.policy_string = cut(d->policy.lines, '\n', strings,
		    SMX_TLSRPT_EVENT_LINES_MAX);
		policy.mx_host = cut(d->policy.mx, ':', mx,
		    SMX_TLSRPT_EVENT_LINES_MAX);
	}
	if (failure != NULL) {
		row.row = *failure;
		policy.failures = &row;
	}
	d->witness->events++;
	d->witness->emit(d->witness->emit_self, &event);
}

static bool
is_same(const struct waiting *f, enum smx_tlsrpt_policy_type type,
    const struct smx_tlsrpt_failure *failure)
{
	const struct smx_tlsrpt_failure *a = &f->failure, *b = failure;

	if (f->type != type || f->is_failure != (b != NULL))
		return false;
	return b == NULL ||
	    (a->result == b->result &&
		smx_slice_equal(a->receiving_mx_hostname,
		    b->receiving_mx_hostname) &&
		smx_slice_equal(a->receiving_ip, b->receiving_ip) &&
		smx_slice_equal(a->failure_reason_code,
		    b->failure_reason_code));
}

/* The row that counts one more of these. @return NULL: there is none. */
static struct waiting *
find_same(const struct smx_witness_domain *d, enum smx_tlsrpt_policy_type type,
    const struct smx_tlsrpt_failure *failure, struct smx_now now)
{
	/* The latest are behind. */
	for (struct smx_list *node = d->waiting.prev; node != &d->waiting;
	     node = node->prev) {
		struct waiting *f = SMX_ELEMENT(node, struct waiting, link);

		if (f->since + SMX_HOUR <= now.mono)
			return NULL;
		if (is_same(f, type, failure))
			return f;
	}
	return NULL;
}

/* @return NULL: there is no room. */
static struct waiting *
make_waiting(struct smx_witness_domain *d, size_t text_bytes,
    struct smx_now now)
{
	struct waiting *f;

	if (d->waiting_count == SMX_WITNESS_WAITING_MAX ||
	    !smx_witness_domain_room(d->witness, sizeof(*f) + text_bytes, now))
		return NULL;
	f = malloc(sizeof(*f) + text_bytes);
	if (f == NULL) {
		d->witness->domains.bytes -= sizeof(*f) + text_bytes;
		return NULL;
	}
	f->text_bytes = text_bytes;
	f->count = 1;
	f->since = now.mono;
	smx_list_push(&d->waiting, &f->link);
	d->waiting_count++;
	return f;
}

void
smx_witness_tell_later(struct smx_witness_domain *d,
    enum smx_tlsrpt_policy_type type, const struct smx_tlsrpt_failure *failure,
    struct smx_now now)
{
	static const struct smx_tlsrpt_failure none = { 0 };
	const struct smx_tlsrpt_failure *from = failure != NULL ? failure
								: &none;
	struct waiting *f = find_same(d, type, failure, now);
	char *at;

	if (f != NULL && f->count < SMX_WITNESS_WAITING_SAME_MAX) {
		f->count++;
		return;
	}
	f = f == NULL
	    ? make_waiting(d,
		  from->receiving_mx_hostname.n + from->receiving_ip.n +
		      from->failure_reason_code.n,
		  now)
	    : NULL;
	if (f == NULL) {
		d->witness->dropped++;
		return;
	}
	at = f->text;
	f->type = type;
	f->is_failure = failure != NULL;
	f->failure = (struct smx_tlsrpt_failure){
		.result = from->result,
		.receiving_mx_hostname = smx_slice_put(&at,
		    from->receiving_mx_hostname),
		.receiving_ip = smx_slice_put(&at, from->receiving_ip),
		.failure_reason_code = smx_slice_put(&at,
		    from->failure_reason_code),
	};
}

static void
free_waiting(struct smx_witness_domain *d, struct waiting *f)
{
	smx_list_remove(&f->link);
	d->witness->domains.bytes -= sizeof(*f) + f->text_bytes;
	d->waiting_count--;
	free(f);
}

void
smx_witness_tell_waiting(struct smx_witness_domain *d)
{
	while (!smx_list_is_empty(&d->waiting)) {
		struct waiting *f = SMX_ELEMENT(d->waiting.next, struct waiting,
		    link);

		for (size_t i = 0; i < f->count && d->record.n > 0; i++)
			smx_witness_tell_session(d, f->type,
			    f->is_failure ? &f->failure : NULL);
		free_waiting(d, f);
	}
}

void
smx_witness_tell_drop(struct smx_witness_domain *d, smx_time until)
{
	while (!smx_list_is_empty(&d->waiting)) {
		struct waiting *f = SMX_ELEMENT(d->waiting.next, struct waiting,
		    link);

		if (f->since > until)
			return;
		d->witness->dropped += f->count;
		free_waiting(d, f);
	}
}
