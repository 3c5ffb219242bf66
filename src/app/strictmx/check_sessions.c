#include <stdlib.h>
#include <sys/random.h>

#include "app/strictmx/check_sessions.h"
#include "base/list.h"
#include "base/map.h"
#include "core/limits.h"
#include "io/clock.h"

/* What one answer takes: a certificate has 32 names of 253 octets. */
#define ANSWER_MAX ((size_t)32 << 10)
/* Host, address, port, SNI, and a checksum of the TLSA records. */
#define KEY_MAX (2 * SMX_DOMAIN_MAX + 2 + 17 + 2 + 1 + 8)
/* What came to no TLS may be better in a minute. */
#define FAILURE_KEPT SMX_MINUTE

struct smx_check_sessions {
	struct smx_probe_port probe;
	struct smx_map map;
	struct smx_list known; /* answered, the oldest first */
	size_t known_count;
};

struct entry {
	struct smx_map_node node;
	struct smx_list link; /* in known, once it is answered */
	struct waiter *waiters;
	struct smx_check_sessions *owner;
	struct smx_probe_answer answer;
	smx_time until; /* mono: it is asked again then */
	struct smx_arena arena;
	char key[KEY_MAX];
};

struct waiter {
	struct waiter *next;
	smx_probe_done *done;
	void *arg;
};

static void
free_entry(struct entry *e)
{
	struct waiter *w, *next;

	for (w = e->waiters; w != NULL; w = next) {
		next = w->next;
		free(w);
	}
	smx_arena_done(&e->arena);
	free(e);
}

/* Whatever order the records are in. */
static uint64_t
sum_tlsa(const struct smx_probe_request *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->tlsa_count; i++) {
		const struct smx_dns_tlsa *t = &r->tlsa[i];
		/* FNV-1a: whoever finds two sets with one sum fools nobody but
		 * himself. */
		uint64_t h = 0xcbf29ce484222325;

		h = (h ^ t->usage) * 0x100000001b3;
		h = (h ^ t->selector) * 0x100000001b3;
		h = (h ^ t->matching) * 0x100000001b3;
		for (size_t j = 0; j < t->data.n; j++)
			h = (h ^ (unsigned char)t->data.p[j]) * 0x100000001b3;
		sum += h;
	}
	return sum;
}

static struct smx_slice
make_key(const struct smx_probe_request *r, char key[KEY_MAX])
{
	uint64_t sum = sum_tlsa(r);
	struct smx_buf b;

	smx_buf_init_fixed(&b, key, KEY_MAX);
	smx_buf_add(&b, smx_slice((const char *)r->address.bytes, 16));
	smx_buf_add_char(&b, r->address.is_v6 ? '6' : '4');
	smx_buf_add_char(&b, r->without_sni ? '-' : '+');
	smx_buf_add(&b, smx_slice((const char *)&r->port, sizeof(r->port)));
	smx_buf_add(&b, smx_slice((const char *)&sum, sizeof(sum)));
	smx_buf_add(&b, r->host);
	/* The domain is asked for by DANE-TA only. */
	for (size_t i = 0; i < r->tlsa_count; i++)
		if (r->tlsa[i].usage == 2) {
			smx_buf_add_char(&b, ' ');
			smx_buf_add(&b, r->domain);
			break;
		}
	return smx_buf_slice(&b);
}

static bool
keep(struct smx_arena *a, struct smx_slice *s)
{
	s->p = smx_arena_copy(a, *s);
	return s->p != NULL;
}

static bool
keep_answer(struct entry *e, const struct smx_probe_answer *answer)
{
	struct smx_probe_answer *to = &e->answer;

	*to = *answer;
	if (answer->certificate != NULL)
		to->certificate = smx_certificate_copy(&e->arena,
		    answer->certificate);
	return (to->certificate != NULL || answer->certificate == NULL) &&
	    keep(&e->arena, &to->detail) && keep(&e->arena, &to->greeting) &&
	    keep(&e->arena, &to->name) && keep(&e->arena, &to->tls_version) &&
	    keep(&e->arena, &to->cipher);
}

static void
forget(struct smx_check_sessions *s, struct entry *e)
{
	smx_list_remove(&e->link);
	s->known_count--;
	smx_map_remove(&s->map, &e->node);
	free_entry(e);
}

static void
forget_oldest(struct smx_check_sessions *s)
{
	while (s->known_count > SMX_CHECK_SESSIONS_MAX)
		forget(s, SMX_ELEMENT(s->known.next, struct entry, link));
}

static void
on_answer(void *arg, const struct smx_probe_answer *answer)
{
	struct entry *e = arg;
	struct smx_check_sessions *s = e->owner;
	bool kept = keep_answer(e, answer);
	struct waiter *w;

	/* Not yet in the list of what can be forgotten: it stays meanwhile. */
	while ((w = e->waiters) != NULL) {
		e->waiters = w->next;
		w->done(w->arg, answer);
		free(w);
	}
	if (!kept) {
		smx_map_remove(&s->map, &e->node);
		free_entry(e);
		return;
	}
	e->until = answer->code == SMX_DIAG_OK
	    ? SMX_NEVER
	    : smx_clock_now().mono + FAILURE_KEPT;
	smx_list_push(&s->known, &e->link);
	s->known_count++;
	forget_oldest(s);
}

static struct entry *
new_entry(struct smx_check_sessions *s, struct smx_slice key)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->owner = s;
	smx_list_init(&e->link);
	smx_arena_init(&e->arena, NULL, 0, ANSWER_MAX);
	memcpy(e->key, key.p, key.n);
	smx_map_put(&s->map, &e->node, smx_slice(e->key, key.n));
	return e;
}

static int
ask(void *self, const struct smx_probe_request *request, smx_probe_done *done,
    void *arg)
{
	struct smx_check_sessions *s = self;
	char bytes[KEY_MAX];
	struct smx_slice key = make_key(request, bytes);
	struct smx_map_node *node = smx_map_find(&s->map, key);
	struct entry *e = node != NULL ? SMX_ELEMENT(node, struct entry, node)
				       : NULL;
	struct waiter *w;

	if (e != NULL && !smx_list_is_empty(&e->link) &&
	    e->until <= smx_clock_now().mono) {
		forget(s, e);
		e = NULL;
	}
	if (e != NULL && !smx_list_is_empty(&e->link)) {
		done(arg, &e->answer);
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -SMX_ENOMEM;
	w->done = done;
	w->arg = arg;
	if (e != NULL) {
		w->next = e->waiters;
		e->waiters = w;
		return 0;
	}
	e = new_entry(s, key);
	if (e == NULL) {
		free(w);
		return -SMX_ENOMEM;
	}
	e->waiters = w;
	if (s->probe.ops->probe(s->probe.self, request, on_answer, e) < 0) {
		smx_map_remove(&s->map, &e->node);
		free_entry(e);
		return -SMX_ENOMEM;
	}
	return 0;
}

int
smx_check_sessions_new(struct smx_probe_port probe,
    struct smx_check_sessions **ret)
{
	struct smx_check_sessions *s = calloc(1, sizeof(*s));
	uint64_t seed[2] = { 0 };

	if (s == NULL || getrandom(seed, sizeof(seed), 0) < 0 ||
	    smx_map_init(&s->map, seed) < 0) {
		free(s);
		return -SMX_ENOMEM;
	}
	s->probe = probe;
	smx_list_init(&s->known);
	*ret = s;
	return 0;
}

void
smx_check_sessions_free(struct smx_check_sessions **sp)
{
	struct smx_check_sessions *s = *sp;
	struct smx_map_node *node, *next;
	size_t iter = 0;

	if (s == NULL)
		return;
	for (node = smx_map_next(&s->map, &iter, NULL); node != NULL;
	     node = next) {
		next = smx_map_next(&s->map, &iter, node);
		free_entry(SMX_ELEMENT(node, struct entry, node));
	}
	smx_map_done(&s->map);
	free(s);
	*sp = NULL;
}

struct smx_probe_port
smx_check_sessions_port(struct smx_check_sessions *s)
{
	static const struct smx_probe_ops ops = { .probe = ask };

	return (struct smx_probe_port){ &ops, s };
}
