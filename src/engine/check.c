#include <stdlib.h>

#include "engine/check.h"
#include "base/require.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_txt.h"
#include "engine/check_judge.h"

/* What is under way: each answer has its place in the facts. */
enum ask_kind {
	ASK_TXT,
	ASK_MX,
	ASK_ADDRESS,
	ASK_TLSA,
	ASK_RUA_MX,
	ASK_POLICY,
	ASK_RUA_HTTPS,
	ASK_SESSION,
	ASK_SESSION_WITHOUT_SNI,
};

struct ask {
	struct smx_check *check;
	enum ask_kind kind;
	enum smx_dns_type type;
	union {
		struct smx_dns_answer *answer;
		struct smx_check_addresses *addresses;
		struct smx_check_host *host;
		struct smx_check_rua *rua;
		struct smx_check_session *session;
	} to;
};

static void advance(struct smx_check *c);

/* A name made of two parts, in the arena. */
static struct smx_slice
join(struct smx_check *c, struct smx_slice a, struct smx_slice b)
{
	char *p = smx_arena_take(&c->arena, a.n + b.n + 1, 1);

	if (p == NULL) {
		c->no_memory = true;
		return smx_slice(NULL, 0);
	}
	memcpy(p, a.p, a.n);
	memcpy(p + a.n, b.p, b.n);
	p[a.n + b.n] = '\0';
	return smx_slice(p, a.n + b.n);
}

static struct smx_slice
keep(struct smx_check *c, struct smx_slice s)
{
	char *p = smx_arena_copy(&c->arena, s);

	if (p == NULL)
		c->no_memory = true;
	return smx_slice(p, p != NULL ? s.n : 0);
}

static struct ask *
new_ask(struct smx_check *c, enum ask_kind kind)
{
	struct ask *a = smx_arena_take(&c->arena, 1, sizeof(*a));

	if (a == NULL) {
		c->no_memory = true;
		return NULL;
	}
	*a = (struct ask){ .check = c, .kind = kind };
	return a;
}

static void
end_ask(struct smx_check *c)
{
	SMX_REQUIRE(c->pending > 0);
	if (--c->pending == 0)
		advance(c);
}

/* IPv4 first, then by value: resolvers shuffle. */
static int
compare_ip(const struct smx_ip *a, const struct smx_ip *b)
{
	if (a->is_v6 != b->is_v6)
		return a->is_v6 ? 1 : -1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static void
add_address(struct smx_check_addresses *to, const struct smx_ip *ip)
{
	size_t at;

	if (to->count == SMX_CHECK_ADDRESS_MAX)
		return;
	for (at = to->count++; at > 0 && compare_ip(&to->list[at - 1], ip) > 0;
	     at--)
		to->list[at] = to->list[at - 1];
	to->list[at] = *ip;
}

static void
take_addresses(struct smx_check_addresses *to, enum smx_dns_type type,
    const struct smx_dns_answer *answer)
{
	if (type == SMX_DNS_A)
		to->v4_status = answer->status;
	else
		to->v6_status = answer->status;
	to->secure = to->secure && answer->secure;
	to->total += answer->count;
	for (size_t i = 0; i < answer->count; i++)
		add_address(to, &answer->addresses[i]);
	/* Addresses of one family are enough; without any, a failure of
	 * either look-up is a failure. */
	if (to->count > 0)
		to->status = SMX_DNS_OK;
	else if (to->v4_status == SMX_DNS_NODATA ||
	    to->v4_status == SMX_DNS_NXDOMAIN)
		to->status = to->v6_status;
	else
		to->status = to->v4_status;
}

static int
compare_text(const void *a, const void *b)
{
	const struct smx_slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int order = n > 0 ? memcmp(x->p, y->p, n) : 0;

	if (order != 0 || x->n == y->n)
		return order;
	return x->n < y->n ? -1 : 1;
}

/* Resolvers shuffle; what is printed should not. */
static void
sort_texts(struct smx_check *c, struct smx_dns_answer *answer)
{
	struct smx_slice *sorted;

	if (answer->texts == NULL || answer->count < 2)
		return;
	sorted = smx_arena_take(&c->arena, answer->count, sizeof(*sorted));
	if (sorted == NULL) {
		c->no_memory = true;
		return;
	}
	memcpy(sorted, answer->texts, answer->count * sizeof(*sorted));
	qsort(sorted, answer->count, sizeof(*sorted), compare_text);
	answer->texts = sorted;
}

static int
compare_tlsa(const void *a, const void *b)
{
	const struct smx_dns_tlsa *x = a, *y = b;
	int order = x->usage - y->usage;

	if (order == 0)
		order = x->selector - y->selector;
	if (order == 0)
		order = x->matching - y->matching;
	return order != 0 ? order : compare_text(&x->data, &y->data);
}

static void
sort_tlsa(struct smx_check *c, struct smx_dns_answer *answer)
{
	struct smx_dns_tlsa *sorted;

	if (answer->tlsa == NULL || answer->count < 2)
		return;
	sorted = smx_arena_take(&c->arena, answer->count, sizeof(*sorted));
	if (sorted == NULL) {
		c->no_memory = true;
		return;
	}
	memcpy(sorted, answer->tlsa, answer->count * sizeof(*sorted));
	qsort(sorted, answer->count, sizeof(*sorted), compare_tlsa);
	answer->tlsa = sorted;
}

static void
on_dns(void *arg, struct smx_now now, const struct smx_dns_answer *answer)
{
	struct ask *a = arg;
	struct smx_check *c = a->check;
	bool is_null;

	(void)now;
	switch (a->kind) {
	case ASK_ADDRESS:
		if (answer->alias.n > 0)
			a->to.addresses->alias = keep(c, answer->alias);
		take_addresses(a->to.addresses, a->type, answer);
		break;
	case ASK_RUA_MX:
		is_null = answer->count == 1 && answer->mx[0].host.n == 0;
		a->to.rua->mx_status = answer->status;
		a->to.rua->is_null_mx = is_null;
		break;
	default:
		if (smx_port_dns_copy(&c->arena, answer, a->to.answer) < 0) {
			*a->to.answer = (struct smx_dns_answer){
				.status = SMX_DNS_FAILURE
			};
			c->no_memory = true;
		}
		sort_texts(c, a->to.answer);
		sort_tlsa(c, a->to.answer);
		break;
	}
	end_ask(c);
}

static void
ask_dns(struct smx_check *c, struct ask *a, enum smx_dns_type type,
    struct smx_slice name)
{
	struct smx_dns_answer failed = { .status = SMX_DNS_FAILURE };

	if (a == NULL)
		return;
	a->type = type;
	c->pending++;
	/* Nobody can publish anything there. */
	if (name.n > SMX_DOMAIN_MAX) {
		failed.status = SMX_DNS_NXDOMAIN;
		on_dns(a, c->facts.now, &failed);
		return;
	}
	if (name.n == 0 ||
	    c->world->dns.ops->ask(c->world->dns.self, type, name, on_dns, a) <
		0) {
		c->no_memory = true;
		on_dns(a, c->facts.now, &failed);
	}
}

static void
ask_records(struct smx_check *c, enum smx_dns_type type, const char *prefix,
    struct smx_dns_answer *to)
{
	struct ask *a = new_ask(c, type == SMX_DNS_MX ? ASK_MX : ASK_TXT);

	to->status = SMX_DNS_FAILURE;
	if (a != NULL)
		a->to.answer = to;
	ask_dns(c, a, type, join(c, smx_slice_text(prefix), c->facts.domain));
}

static void
ask_addresses(struct smx_check *c, struct smx_slice name,
    struct smx_check_addresses *to)
{
	static const enum smx_dns_type types[] = { SMX_DNS_A, SMX_DNS_AAAA };

	*to = (struct smx_check_addresses){ .status = SMX_DNS_FAILURE,
		.v4_status = SMX_DNS_NODATA,
		.v6_status = SMX_DNS_NODATA,
		.secure = true };
	for (size_t i = 0; i < 2; i++) {
		struct ask *a = new_ask(c, ASK_ADDRESS);

		if (a != NULL)
			a->to.addresses = to;
		ask_dns(c, a, types[i], name);
	}
}

/* Stage 1: all that needs the domain's name only. */
static void
ask_domain(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;

	ask_records(c, SMX_DNS_TXT, "_mta-sts.", &f->record);
	ask_records(c, SMX_DNS_TXT, "", &f->at_domain);
	ask_records(c, SMX_DNS_TXT, "mta-sts.", &f->at_host);
	ask_records(c, SMX_DNS_TXT, "_smtp._tls.", &f->tlsrpt);
	ask_records(c, SMX_DNS_TXT, "_dmarc.", &f->dmarc);
	ask_records(c, SMX_DNS_MX, "", &f->mx_answer);
	ask_addresses(c, f->domain, &f->domain_addresses);
	ask_addresses(c, join(c, SMX_SLICE("mta-sts."), f->domain),
	    &f->host_addresses);
}

static void
on_policy(void *arg, struct smx_now now, const struct smx_https_policy *answer)
{
	struct ask *a = arg;
	struct smx_check *c = a->check;

	(void)now;
	if (a->kind == ASK_RUA_HTTPS) {
		a->to.rua->https_code = answer->code;
		a->to.rua->detail = keep(c, answer->detail);
	} else {
		struct smx_check_host *to = a->to.host;

		to->code = answer->code;
		to->detail = keep(c, answer->detail);
		to->body = keep(c, answer->body);
		to->tls_version = keep(c, answer->tls_version);
		if (answer->certificate != NULL)
			to->certificate = smx_certificate_copy(&c->arena,
			    answer->certificate);
	}
	end_ask(c);
}

static void
ask_https(struct smx_check *c, struct ask *a,
    const struct smx_https_request *request)
{
	struct smx_https_policy failed = { .code = SMX_DIAG_HOST_NOT_ASKED,
		.detail = SMX_SLICE("out of memory") };

	if (a == NULL)
		return;
	c->pending++;
	if (c->world->https.ops->policy(c->world->https.self, request,
		on_policy, a) < 0) {
		c->no_memory = true;
		on_policy(a, c->facts.now, &failed);
	}
}

static void
ask_policy(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;
	struct smx_slice host = join(c, SMX_SLICE("mta-sts."), f->domain);

	for (size_t i = 0; i < f->host_addresses.count; i++) {
		struct ask *a = new_ask(c, ASK_POLICY);
		struct smx_https_request request = {
			.host = host,
			.address = &f->host_addresses.list[i],
		};

		f->hosts[i].ip = f->host_addresses.list[i];
		if (a != NULL)
			a->to.host = &f->hosts[i];
		ask_https(c, a, &request);
	}
}

static int
compare_mx(const void *a, const void *b)
{
	const struct smx_dns_mx *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return compare_text(&x->host, &y->host);
}

static void
add_mx(struct smx_check *c, uint16_t preference, struct smx_slice host)
{
	struct smx_check_facts *f = &c->facts;
	struct smx_check_mx *mx;
	struct smx_domain canonical;

	if (f->mx_count == SMX_CHECK_MX_MAX)
		return;
	mx = &f->mx[f->mx_count++];
	mx->preference = preference;
	mx->is_host = smx_domain_parse(host, &canonical) == 0;
	mx->host = keep(c, mx->is_host ? smx_domain_slice(&canonical) : host);
}

/* The MX hosts, or the domain itself in their place (RFC 5321, 5.1). */
static void
find_mx(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;
	struct smx_dns_mx sorted[SMX_DNS_MX_MAX];

	if (f->mx_answer.status == SMX_DNS_OK) {
		memcpy(sorted, f->mx_answer.mx,
		    f->mx_answer.count * sizeof(sorted[0]));
		qsort(sorted, f->mx_answer.count, sizeof(sorted[0]),
		    compare_mx);
		f->is_null_mx = f->mx_answer.count == 1 &&
		    sorted[0].host.n == 0;
		for (size_t i = 0; i < f->mx_answer.count && !f->is_null_mx;
		     i++)
			add_mx(c, sorted[i].preference, sorted[i].host);
	} else if (f->mx_answer.status == SMX_DNS_NODATA &&
	    f->domain_addresses.count > 0) {
		f->is_implicit_mx = true;
		add_mx(c, 0, f->domain);
	}
}

static void
ask_mx(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;

	find_mx(c);
	for (size_t i = 0; i < f->mx_count; i++) {
		struct smx_check_mx *mx = &f->mx[i];
		struct ask *a;

		mx->tlsa.status = SMX_DNS_NODATA;
		if (!mx->is_host)
			continue;
		ask_addresses(c, mx->host, &mx->addresses);
		a = new_ask(c, ASK_TLSA);
		if (a != NULL)
			a->to.answer = &mx->tlsa;
		ask_dns(c, a, SMX_DNS_TLSA,
		    join(c, SMX_SLICE("_25._tcp."), mx->host));
	}
}

static void
add_rua(struct smx_check *c, const struct smx_tlsrpt_rua *rua)
{
	struct smx_check_rua *to = &c->facts.rua[c->facts.rua_count++];
	struct ask *a;

	to->uri = keep(c, rua->uri);
	to->is_mail = rua->scheme == SMX_TLSRPT_RUA_MAILTO;
	if (to->is_mail) {
		to->domain = keep(c, rua->host);
		a = new_ask(c, ASK_RUA_MX);
		if (a != NULL)
			a->to.rua = to;
		ask_dns(c, a, SMX_DNS_MX, to->domain);
		ask_addresses(c, to->domain, &to->addresses);
	} else {
		struct smx_https_request request = { .any_answer = true };

		to->domain = keep(c, rua->host);
		to->port = rua->port;
		request.host = to->domain;
		request.port = to->port;
		a = new_ask(c, ASK_RUA_HTTPS);
		if (a != NULL)
			a->to.rua = to;
		ask_https(c, a, &request);
	}
}

static void
ask_rua(struct smx_check *c)
{
	struct smx_diag_list diags = { 0 };
	struct smx_tlsrpt_txt txt;
	size_t index = 0;

	if (c->facts.tlsrpt.status != SMX_DNS_OK ||
	    smx_tlsrpt_txt_select(c->facts.tlsrpt.texts, c->facts.tlsrpt.count,
		c->facts.domain, &diags, &index) < 0)
		return;
	c->facts.tlsrpt_text = c->facts.tlsrpt.texts[index];
	if (smx_tlsrpt_txt_parse(&c->arena, c->facts.tlsrpt_text, &diags,
		&txt) < 0)
		return;
	for (size_t i = 0; i < txt.rua_count && i < SMX_CHECK_RUA_MAX; i++)
		add_rua(c, &txt.rua[i]);
}

static void
on_session(void *arg, const struct smx_probe_answer *answer)
{
	struct ask *a = arg;
	struct smx_check *c = a->check;
	struct smx_check_session *to = a->to.session;

	if (a->kind == ASK_SESSION_WITHOUT_SNI) {
		to->is_right_without_sni = answer->code == SMX_DIAG_OK &&
		    answer->certificate != NULL &&
		    answer->certificate->faults == 0;
		end_ask(c);
		return;
	}
	to->done = true;
	to->is_connected = answer->is_connected;
	to->code = answer->code;
	to->detail = keep(c, answer->detail);
	to->greeting = keep(c, answer->greeting);
	to->name = keep(c, answer->name);
	to->tls_version = keep(c, answer->tls_version);
	to->cipher = keep(c, answer->cipher);
	if (answer->certificate != NULL)
		to->certificate = smx_certificate_copy(&c->arena,
		    answer->certificate);
	to->tlsa_usable = answer->tlsa_usable;
	to->tlsa_matched = answer->tlsa_matched;
	end_ask(c);
}

static void
ask_session(struct smx_check *c, struct smx_check_mx *mx,
    struct smx_check_session *session, enum ask_kind kind)
{
	struct ask *a = new_ask(c, kind);
	struct smx_probe_request request = {
		.host = mx->host,
		.address = session->ip,
		.without_sni = kind == ASK_SESSION_WITHOUT_SNI,
		.tlsa = mx->tlsa.tlsa,
		.tlsa_count = mx->tlsa.tlsa != NULL ? mx->tlsa.count : 0,
	};

	struct smx_probe_answer failed = { .code = SMX_DIAG_SMTP_TIMEOUT,
		.detail = SMX_SLICE("out of memory") };

	if (c->facts.mx_answer.secure)
		request.domain = c->facts.domain;
	if (a == NULL)
		return;
	a->to.session = session;
	c->pending++;
	if (c->world->probe.ops->probe(c->world->probe.self, &request,
		on_session, a) < 0) {
		c->no_memory = true;
		on_session(a, &failed);
	}
}

static void
make_sessions(struct smx_check *c, struct smx_check_mx *mx)
{
	mx->sessions = smx_arena_take(&c->arena, mx->addresses.count + 1,
	    sizeof(*mx->sessions));
	if (mx->sessions == NULL) {
		c->no_memory = true;
		mx->addresses.count = 0;
	}
	for (size_t j = 0; j < mx->addresses.count; j++)
		mx->sessions[j] = (struct smx_check_session){
			.ip = mx->addresses.list[j],
		};
}

/* Stage 3: SMTP, each address of each host; the first of all of them before
 * the second of any, as there is a limit. */
static void
ask_sessions(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;
	size_t left = SMX_CHECK_SESSION_MAX;

	f->smtp_is_skipped = c->world->settings.skip_smtp;
	if (f->smtp_is_skipped)
		left = 0;
	for (size_t i = 0; i < f->mx_count; i++)
		make_sessions(c, &f->mx[i]);
	for (size_t j = 0; j < SMX_CHECK_ADDRESS_MAX; j++)
		for (size_t i = 0; i < f->mx_count && left > 0; i++) {
			struct smx_check_mx *mx = &f->mx[i];

			if (j >= mx->addresses.count)
				continue;
			left--;
			ask_session(c, mx, &mx->sessions[j], ASK_SESSION);
		}
}

/* Stage 4: whether the wrong certificate comes from the name asked for. */
static void
ask_again(struct smx_check *c)
{
	for (size_t i = 0; i < c->facts.mx_count; i++) {
		struct smx_check_mx *mx = &c->facts.mx[i];

		for (size_t j = 0; j < mx->addresses.count; j++) {
			struct smx_check_session *s = &mx->sessions[j];
			bool wrong = s->code == SMX_DIAG_SMTP_TLS_ALERT ||
			    (s->certificate != NULL &&
				(s->certificate->faults &
				    SMX_CERTIFICATE_NAME));

			if (s->done && wrong)
				ask_session(c, mx, s, ASK_SESSION_WITHOUT_SNI);
		}
	}
}

/* All answers of a stage are there: the next one. */
static void
advance(struct smx_check *c)
{
	while (c->pending == 0) {
		/* Answers can come from within: nobody advances meanwhile. */
		c->pending = 1;
		switch (++c->stage) {
		case 1:
			ask_domain(c);
			break;
		case 2:
			ask_policy(c);
			ask_mx(c);
			ask_rua(c);
			break;
		case 3:
			ask_sessions(c);
			break;
		case 4:
			ask_again(c);
			break;
		default:
			smx_check_judge(c);
			c->done(c->arg, c);
			return;
		}
		c->pending--;
	}
}

int
smx_check_start(const struct smx_check_request *request,
    const struct smx_check_world *world, struct smx_now now,
    void (*done)(void *arg, struct smx_check *c), void *arg)
{
	struct smx_check *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -SMX_ENOMEM;
	SMX_REQUIRE(request->domain.n <= SMX_STS_DOMAIN_MAX);
	smx_arena_init(&c->arena, NULL, 0, SMX_CHECK_ARENA_MAX);
	c->world = world;
	c->earlier = request->earlier;
	c->done = done;
	c->arg = arg;
	c->facts.now = now;
	c->facts.domain = keep(c, request->domain);
	c->findings = smx_arena_take(&c->arena, SMX_CHECK_FINDING_MAX,
	    sizeof(*c->findings));
	if (c->facts.domain.p == NULL || c->findings == NULL) {
		smx_check_free(&c);
		return -SMX_ENOMEM;
	}
	advance(c);
	return 0;
}

void
smx_check_free(struct smx_check **cp)
{
	struct smx_check *c = *cp;

	if (c == NULL)
		return;
	smx_arena_done(&c->arena);
	free(c);
	*cp = NULL;
}
