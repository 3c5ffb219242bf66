#include <stdlib.h>

#include "engine/witness_sessions.h"
#include "core/domain.h"

/* Family, address, host. */
#define ADDRESS_BYTES (1 + 16)
#define KEY_MAX       (ADDRESS_BYTES + SMX_DOMAIN_MAX)

struct session {
	struct smx_map_node node;
	struct smx_list link; /* in the list of those answered */
	struct smx_list waiters;
	struct smx_witness_sessions *all;
	bool is_answered;
	smx_time until; /* mono: it is made again then */
	struct smx_witness_answer answer;
	char *texts; /* of the answer, heap */
	char key[KEY_MAX];
};

int
smx_witness_sessions_init(struct smx_witness_sessions *s,
    const uint64_t seed[2])
{
	smx_list_init(&s->answered);
	return smx_map_init(&s->map, seed);
}

static void
free_session(struct session *e)
{
	struct smx_witness_sessions *s = e->all;

	if (!smx_list_is_empty(&e->link))
		s->answered_count--;
	smx_list_remove(&e->link);
	smx_map_remove(&s->map, &e->node);
	free(e->texts);
	free(e);
}

/* Any of those not answered. */
static struct session *
find_pending(struct smx_witness_sessions *s)
{
	struct smx_map_node *node = NULL;
	size_t iter = 0;

	while ((node = smx_map_next(&s->map, &iter, node)) != NULL) {
		struct session *e = SMX_ELEMENT(node, struct session, node);

		if (!e->is_answered)
			return e;
	}
	return NULL;
}

void
smx_witness_sessions_done(struct smx_witness_sessions *s)
{
	struct session *e;

	while (!smx_list_is_empty(&s->answered))
		free_session(SMX_ELEMENT(s->answered.next, struct session,
		    link));
	while ((e = find_pending(s)) != NULL)
		free_session(e);
	smx_map_done(&s->map);
}

/* RFC 8460, 4.3.1: it knows three kinds of bad certificates. */
static enum smx_tlsrpt_result
result_of(unsigned fault)
{
	switch (fault) {
	case SMX_CERTIFICATE_EXPIRED:
		return SMX_TLSRPT_CERTIFICATE_EXPIRED;
	case SMX_CERTIFICATE_NAME:
		return SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH;
	default:
		return SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED;
	}
}

/* Codes without a result type of their own. @return false: it is nothing that
 * is to be reported (RFC 8460, 4.3.4). */
static bool
judge_break(const struct smx_probe_answer *answer, enum smx_tlsrpt_result *ret)
{
	switch (answer->code) {
	case SMX_DIAG_SMTP_EHLO:
		/* It doesn't know EHLO (RFC 5321, 4.2.4), and so no STARTTLS;
		 * or somebody on the way wants us to believe that. */
		*ret = SMX_TLSRPT_STARTTLS_NOT_SUPPORTED;
		return answer->reply_code == 500 || answer->reply_code == 502;
	case SMX_DIAG_SMTP_CLOSED:
	case SMX_DIAG_SMTP_TIMEOUT:
	case SMX_DIAG_SMTP_SYNTAX:
		/* RFC 8460, 4.3.3. */
		*ret = SMX_TLSRPT_VALIDATION_FAILURE;
		return answer->is_tls_begun;
	default:
		return false;
	}
}

static struct smx_witness_answer
judge(const struct smx_probe_answer *answer)
{
	const char *word = smx_diag_row(answer->code)->tlsrpt;
	struct smx_witness_answer to = {
		.is_connected = answer->is_connected,
		.is_failure = true,
		.reason = answer->detail,
		.helo = answer->name,
	};

	if (answer->code == SMX_DIAG_OK && answer->certificate != NULL) {
		to.is_told = true;
		to.is_failure = answer->certificate->faults != 0;
		to.result = result_of(answer->certificate->first_fault);
		to.reason = answer->certificate->reason;
	} else if (word != NULL) {
		to.is_told = smx_tlsrpt_result_parse(smx_slice_text(word),
		    &to.result);
	} else {
		to.is_told = judge_break(answer, &to.result);
	}
	return to;
}

/* The answer's texts become the session's. */
static void
keep_texts(struct session *e)
{
	struct smx_witness_answer *a = &e->answer;

	e->texts = malloc(a->reason.n + a->helo.n + 1);
	if (e->texts == NULL) {
		a->reason = a->helo = smx_slice(NULL, 0);
		return;
	}
	if (a->reason.n > 0)
		memcpy(e->texts, a->reason.p, a->reason.n);
	if (a->helo.n > 0)
		memcpy(e->texts + a->reason.n, a->helo.p, a->helo.n);
	a->reason.p = e->texts;
	a->helo.p = e->texts + a->reason.n;
}

/* Without a host it stands for all at the address. */
static struct smx_slice
make_key(struct smx_slice host, const struct smx_ip *ip, char *key)
{
	key[0] = ip->is_v6;
	memcpy(key + 1, ip->bytes, sizeof(ip->bytes));
	memcpy(key + ADDRESS_BYTES, host.p, host.n);
	return smx_slice(key, ADDRESS_BYTES + host.n);
}

/* @return NULL: no memory. */
static struct session *
make(struct smx_witness_sessions *s, struct smx_slice key, smx_time until)
{
	struct session *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->all = s;
	e->until = until;
	smx_list_init(&e->link);
	smx_list_init(&e->waiters);
	memcpy(e->key, key.p, key.n);
	smx_map_put(&s->map, &e->node, smx_slice(e->key, key.n));
	return e;
}

/* @return NULL: there is none, or it is to be made again. */
static struct session *
find(struct smx_witness_sessions *s, struct smx_slice key, smx_time now)
{
	struct smx_map_node *node = smx_map_find(&s->map, key);
	struct session *e;

	if (node == NULL)
		return NULL;
	e = SMX_ELEMENT(node, struct session, node);
	/* One that is just being answered, in take_answer(), stays. */
	if (!e->is_answered || smx_list_is_empty(&e->link) || e->until > now)
		return e;
	free_session(e);
	return NULL;
}

static void
keep_answered(struct session *e)
{
	struct smx_witness_sessions *s = e->all;

	e->is_answered = true;
	smx_list_push(&s->answered, &e->link);
	s->answered_count++;
	while (s->answered_count > SMX_WITNESS_SESSIONS_MAX)
		free_session(SMX_ELEMENT(s->answered.next, struct session,
		    link));
}

/* The address answers nobody: keep that for all its hosts. */
static void
keep_mute(struct smx_witness_sessions *s, struct smx_slice address)
{
	struct session *e;

	if (find(s, address, s->heard) != NULL)
		return;
	e = make(s, address, s->heard + SMX_WITNESS_SESSION_FOR);
	if (e != NULL)
		keep_answered(e);
}

static void
take_answer(struct session *e, struct smx_witness_answer answer)
{
	struct smx_list *node;

	e->answer = answer;
	e->is_answered = true;
	keep_texts(e);
	/* Who is called can ask for more. This one is not yet in the list, so
	 * that it stays meanwhile. */
	while ((node = smx_list_pop(&e->waiters)) != NULL) {
		struct smx_witness_waiter *w = SMX_ELEMENT(node,
		    struct smx_witness_waiter, link);

		w->done(w, &e->answer);
	}
	keep_answered(e);
}

static void
on_probed(void *arg, const struct smx_probe_answer *answer)
{
	struct session *e = arg;

	if (!answer->is_connected)
		keep_mute(e->all, smx_slice(e->key, ADDRESS_BYTES));
	take_answer(e, judge(answer));
}

/* Ask for what is in the key. @return 0 or -SMX_ENOMEM */
static int
probe_it(struct session *e)
{
	struct smx_witness_sessions *s = e->all;
	struct smx_probe_request request = {
		.host = smx_slice(e->key + ADDRESS_BYTES,
		    e->node.key_bytes - ADDRESS_BYTES),
		.address.is_v6 = e->key[0] != 0,
	};

	if (!smx_witness_sessions_are_made(s))
		return -SMX_ENOMEM;
	memcpy(request.address.bytes, e->key + 1,
	    sizeof(request.address.bytes));
	if (s->probe.ops->probe(s->probe.self, &request, on_probed, e) < 0)
		return -SMX_ENOMEM;
	s->made++;
	return 0;
}

/* Begin one. @return 0 or -SMX_ENOMEM */
static int
start(struct smx_witness_sessions *s, struct smx_slice key, smx_time now,
    struct smx_witness_waiter *waiter)
{
	struct session *e = NULL;

	if (s->map.count - s->answered_count < SMX_WITNESS_PENDING_MAX)
		e = make(s, key, now + SMX_WITNESS_SESSION_FOR);
	if (e == NULL)
		return -SMX_ENOMEM;
	smx_list_push(&e->waiters, &waiter->link);
	if (probe_it(e) == 0)
		return 0;
	smx_list_remove(&waiter->link);
	free_session(e);
	return -SMX_ENOMEM;
}

int
smx_witness_sessions_ask(struct smx_witness_sessions *s, struct smx_slice host,
    const struct smx_ip *ip, struct smx_now now,
    struct smx_witness_waiter *waiter)
{
	char storage[KEY_MAX];
	struct smx_slice key = make_key(host, ip, storage);
	struct session *e, *mute;

	/* A visit asks with the time of its beginning. */
	if (s->heard < now.mono)
		s->heard = now.mono;
	e = find(s, key, now.mono);
	if (e == NULL || !e->is_answered) {
		mute = find(s, smx_slice(storage, ADDRESS_BYTES), now.mono);
		if (mute != NULL)
			e = mute;
	}
	if (e == NULL)
		return start(s, key, now.mono, waiter);
	if (e->is_answered)
		waiter->done(waiter, &e->answer);
	else
		smx_list_push(&e->waiters, &waiter->link);
	return 0;
}

/* Those that are not answered. */
static void
list_pending(struct smx_witness_sessions *s, struct smx_list *ret)
{
	struct smx_map_node *node = NULL;
	size_t iter = 0;

	smx_list_init(ret);
	while ((node = smx_map_next(&s->map, &iter, node)) != NULL) {
		struct session *e = SMX_ELEMENT(node, struct session, node);

		if (!e->is_answered)
			smx_list_push(ret, &e->link);
	}
}

void
smx_witness_sessions_set_probe(struct smx_witness_sessions *s,
    struct smx_probe_port probe)
{
	struct smx_list pending;

	list_pending(s, &pending);
	s->probe = probe;
	while (!smx_list_is_empty(&pending)) {
		struct session *e = SMX_ELEMENT(pending.next, struct session,
		    link);

		smx_list_remove(&e->link);
		if (probe_it(e) == 0)
			continue;
		take_answer(e, (struct smx_witness_answer){ 0 });
		/* Who asks next gets an answer of a probe. */
		free_session(e);
	}
}
