#include <stdlib.h>

#include "engine/witness_tell.h"
#include "engine/witness.h"

struct waiting {
	struct smx_list link;
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

static struct smx_slice
keep(char **at, struct smx_slice text)
{
	struct smx_slice kept = { *at, text.n };

	if (text.n > 0)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return kept;
}

void
smx_witness_tell_later(struct smx_witness_domain *d,
    enum smx_tlsrpt_policy_type type, const struct smx_tlsrpt_failure *failure,
    struct smx_now now)
{
	static const struct smx_tlsrpt_failure none = { 0 };
	const struct smx_tlsrpt_failure *from = failure != NULL ? failure
								: &none;
	size_t bytes = from->receiving_mx_hostname.n + from->receiving_ip.n +
	    from->failure_reason_code.n;
	struct waiting *f = NULL;
	char *at;

	if (d->waiting_count < SMX_WITNESS_WAITING_MAX &&
	    smx_witness_domain_room(d->witness, sizeof(*f) + bytes, now)) {
		f = malloc(sizeof(*f) + bytes);
		if (f == NULL)
			d->witness->domains.bytes -= sizeof(*f) + bytes;
	}
	if (f == NULL) {
		d->witness->dropped++;
		return;
	}
	at = f->text;
	f->text_bytes = bytes;
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

static void
free_waiting(struct smx_witness_domain *d, struct waiting *f)
{
	d->witness->domains.bytes -= sizeof(*f) + f->text_bytes;
	d->waiting_count--;
	free(f);
}

void
smx_witness_tell_waiting(struct smx_witness_domain *d)
{
	struct smx_list *node;

	while ((node = smx_list_pop(&d->waiting)) != NULL) {
		struct waiting *f = SMX_ELEMENT(node, struct waiting, link);

		if (d->record.n > 0)
			smx_witness_tell_session(d, f->type,
			    f->is_failure ? &f->failure : NULL);
		free_waiting(d, f);
	}
}

void
smx_witness_tell_drop(struct smx_witness_domain *d)
{
	struct smx_list *node;

	d->witness->dropped += d->waiting_count;
	while ((node = smx_list_pop(&d->waiting)) != NULL)
		free_waiting(d, SMX_ELEMENT(node, struct waiting, link));
}
