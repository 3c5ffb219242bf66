#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/random.h>

#include "io/probe_smtp.h"
#include "base/list.h"
#include "base/map.h"
#include "base/require.h"
#include "core/limits.h"
#include "io/smtp_session.h"
#include "io/tls_certificate.h"

/* Sessions started before others get their turn. */
#define START_BATCH 64

struct smx_probe_smtp {
	struct smx_smtp_session_terms terms;
	size_t session_max, address_max;
	struct smx_buf ehlo;
	struct event *starter;
	struct smx_map hosts;
	struct smx_list ready;  /* hosts whose next visit may start */
	struct smx_list visits; /* waiting, under way, or closing */
	size_t running;         /* under way */
};

/* An address with which there are sessions. */
struct host {
	struct smx_map_node node;
	struct smx_list in_ready;
	struct smx_list waiting;
	size_t running;
	char key[1 + 16];
};

/* A session and its place. */
struct visit {
	struct smx_probe_smtp *probe;
	struct smx_list link;
	struct smx_list in_waiting;
	struct host *host; /* NULL: it is closing */
	bool is_running;
	struct smx_smtp_session *session;
	smx_probe_done *done;
	void *arg;
};

static void
kick(struct smx_probe_smtp *p)
{
	if (!smx_list_is_empty(&p->ready) && p->running < p->session_max)
		event_active(p->starter, EV_TIMEOUT, 1);
}

static struct host *
find_host(struct smx_probe_smtp *p, const struct smx_ip *ip)
{
	char key[sizeof(((struct host *)NULL)->key)];
	struct smx_map_node *node;
	struct host *h;

	key[0] = ip->is_v6;
	memcpy(key + 1, ip->bytes, sizeof(ip->bytes));
	node = smx_map_find(&p->hosts, smx_slice(key, sizeof(key)));
	if (node != NULL)
		return SMX_ELEMENT(node, struct host, node);
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	smx_list_init(&h->in_ready);
	smx_list_init(&h->waiting);
	memcpy(h->key, key, sizeof(key));
	smx_map_put(&p->hosts, &h->node, smx_slice(h->key, sizeof(h->key)));
	return h;
}

/* A visit came or went: may the host's next start, is there any? */
static void
settle_host(struct smx_probe_smtp *p, struct host *h)
{
	bool is_waiting = !smx_list_is_empty(&h->waiting);

	if (h->running == 0 && !is_waiting) {
		smx_list_remove(&h->in_ready);
		smx_map_remove(&p->hosts, &h->node);
		free(h);
	} else if (h->running < p->address_max && is_waiting &&
	    smx_list_is_empty(&h->in_ready)) {
		smx_list_push(&p->ready, &h->in_ready);
	}
}

/* Give the place back. */
static void
leave_host(struct visit *v)
{
	struct host *h = v->host;

	smx_list_remove(&v->in_waiting);
	if (v->is_running) {
		h->running--;
		v->probe->running--;
	}
	v->host = NULL;
	settle_host(v->probe, h);
	kick(v->probe);
}

static void
on_answer(void *arg, const struct smx_probe_answer *answer)
{
	struct visit *v = arg;

	leave_host(v);
	v->done(v->arg, answer);
}

static void
on_gone(void *arg)
{
	struct visit *v = arg;

	smx_list_remove(&v->link);
	free(v);
}

static void
on_starter(evutil_socket_t fd, short what, void *arg)
{
	struct smx_probe_smtp *p = arg;
	struct smx_list *node;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < START_BATCH && p->running < p->session_max &&
	     (node = smx_list_pop(&p->ready)) != NULL;
	     i++) {
		struct host *h = SMX_ELEMENT(node, struct host, in_ready);
		struct visit *v;

		node = smx_list_pop(&h->waiting);
		SMX_REQUIRE(node != NULL);
		v = SMX_ELEMENT(node, struct visit, in_waiting);
		v->is_running = true;
		h->running++;
		p->running++;
		settle_host(p, h);
		/* This may end the visit, and with it the host. */
		smx_smtp_session_start(v->session);
	}
	kick(p);
}

static int
probe(void *self, const struct smx_probe_request *request, smx_probe_done *done,
    void *arg)
{
	struct smx_probe_smtp *p = self;
	struct visit *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return -SMX_ENOMEM;
	v->session = smx_smtp_session_new(&p->terms, request, v);
	if (v->session != NULL)
		v->host = find_host(p, &request->address);
	if (v->host == NULL) {
		smx_smtp_session_free(&v->session);
		free(v);
		return -SMX_ENOMEM;
	}
	v->probe = p;
	v->done = done;
	v->arg = arg;
	smx_list_init(&v->link);
	smx_list_init(&v->in_waiting);
	smx_list_push(&p->visits, &v->link);
	smx_list_push(&v->host->waiting, &v->in_waiting);
	settle_host(p, v->host);
	kick(p);
	return 0;
}

struct smx_probe_port
smx_probe_smtp_port(struct smx_probe_smtp *p)
{
	static const struct smx_probe_ops ops = { .probe = probe };

	return (struct smx_probe_port){ .ops = &ops, .self = p };
}

static int
set_tls(struct smx_probe_smtp *p, const char *ca_file, struct smx_buf *reason)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (tls == NULL)
		return -SMX_ENOMEM;
	p->terms.tls = tls;
	ERR_clear_error();
	if (ca_file == NULL || SSL_CTX_load_verify_file(tls, ca_file) != 1) {
		const char *why = ERR_reason_error_string(ERR_peek_error());

		smx_buf_printf(reason, "ca_file %s: %s",
		    ca_file != NULL ? ca_file : "\"\"",
		    why != NULL ? why : "no certificate");
		ERR_clear_error();
		return -SMX_EINVAL;
	}
	/* As libcurl does for policies: what is in the file is trusted, be it
	 * a root or not. */
	X509_STORE_set_flags(SSL_CTX_get_cert_store(tls),
	    X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(tls, smx_tls_certificate_verify, NULL);
	SSL_CTX_set_info_callback(tls, smx_smtp_session_note_info);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	/* RFC 8461, 7.2. */
	return SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1
	    ? 0
	    : -SMX_ENOMEM;
}

static int
set_name(struct smx_probe_smtp *p, const char *name, struct smx_buf *reason)
{
	size_t n = name != NULL ? strlen(name) : 0;
	bool is_good = n > 0 && n <= SMX_DOMAIN_MAX;

	for (size_t i = 0; is_good && i < n; i++)
		is_good = name[i] > ' ' && name[i] <= '~';
	if (!is_good) {
		smx_buf_add_text(reason, "no host name for EHLO");
		return -SMX_EINVAL;
	}
	smx_buf_printf(&p->ehlo, "EHLO %s\r\n", name);
	p->terms.ehlo = smx_buf_slice(&p->ehlo);
	return smx_buf_status(&p->ehlo);
}

static void
set_terms(struct smx_probe_smtp *p, struct event_base *base,
    const struct smx_probe_smtp_settings *s)
{
	p->session_max = s->session_max != 0 ? s->session_max : 100;
	p->address_max = s->address_max != 0 ? s->address_max : 4;
	p->terms = (struct smx_smtp_session_terms){
		.base = base,
		.port = s->port != 0 ? s->port : 25,
		.allow_private_addresses = s->allow_private_addresses,
		.connect_timeout = s->connect_timeout != 0 ? s->connect_timeout
							   : 10 * SMX_SECOND,
		.reply_timeout = s->reply_timeout != 0 ? s->reply_timeout
						       : 30 * SMX_SECOND,
		.session_timeout = s->session_timeout != 0 ? s->session_timeout
							   : SMX_MINUTE,
		.closing_max = p->session_max,
		.answered = on_answer,
		.gone = on_gone,
	};
}

int
smx_probe_smtp_new(struct event_base *base,
    const struct smx_probe_smtp_settings *settings, struct smx_probe_smtp **ret,
    struct smx_buf *reason)
{
	struct smx_probe_smtp *p = calloc(1, sizeof(*p));
	uint64_t seed[2];
	int rc = -SMX_ENOMEM;

	if (p == NULL)
		return rc;
	set_terms(p, base, settings);
	smx_list_init(&p->ready);
	smx_list_init(&p->visits);
	smx_buf_init(&p->ehlo, SMX_DOMAIN_MAX + 16);
	p->starter = event_new(base, -1, 0, on_starter, p);
	if (p->starter != NULL && getrandom(seed, sizeof(seed), 0) >= 0)
		rc = smx_map_init(&p->hosts, seed);
	if (rc == 0)
		rc = set_name(p, settings->ehlo_name, reason);
	if (rc == 0)
		rc = set_tls(p, settings->ca_file, reason);
	if (rc < 0) {
		smx_probe_smtp_free(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void
smx_probe_smtp_free(struct smx_probe_smtp **pp)
{
	struct smx_probe_smtp *p = *pp;

	if (p == NULL)
		return;
	while (!smx_list_is_empty(&p->visits)) {
		struct visit *v = SMX_ELEMENT(p->visits.next, struct visit,
		    link);

		smx_smtp_session_free(&v->session);
		if (v->host != NULL)
			leave_host(v);
		on_gone(v);
	}
	if (p->starter != NULL)
		event_free(p->starter);
	smx_map_done(&p->hosts);
	SSL_CTX_free(p->terms.tls);
	smx_buf_done(&p->ehlo);
	free(p);
	*pp = NULL;
}
