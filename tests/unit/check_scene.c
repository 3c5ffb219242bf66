#include "check_scene.h"
#include "failing_alloc.h"

/* Nobody asks for more at a time. */
#define QUEUE_MAX 2000

enum kind { DNS, HTTPS, PROBE };

struct asked {
	enum kind kind;
	char name[SMX_DOMAIN_MAX + 1];
	enum smx_dns_type type;
	struct smx_ip ip;
	bool by_name;
	bool without_sni;
	size_t tlsa_count;
	smx_dns_done *dns;
	smx_https_policy_done *https;
	smx_probe_done *probe;
	void *arg;
};

static struct {
	const struct scene *scene;
	const struct scene_play *play;
	struct scene_result *result;
	struct asked queue[QUEUE_MAX];
	size_t count;
	uint64_t random;
	bool is_done;
} now_playing;

/* What answers are made of; overwritten after each. */
static struct {
	struct smx_slice texts[SMX_TXT_COUNT_MAX];
	struct smx_dns_mx mx[SMX_DNS_MX_MAX];
	struct smx_dns_tlsa tlsa[SMX_DNS_TLSA_MAX];
	struct smx_ip addresses[SMX_DNS_ADDRESS_MAX];
	struct smx_certificate certificate;
	char bytes[1 << 17];
	size_t used;
} made;

static struct smx_slice
make(const char *text)
{
	size_t n = strlen(text);
	char *p = made.bytes + made.used;

	assert_true(made.used + n <= sizeof(made.bytes));
	memcpy(p, text, n);
	made.used += n;
	return smx_slice(p, n);
}

static void
forget(void)
{
	memset(&made, 0xa5, sizeof(made));
	made.used = 0;
}

static const struct scene_mx default_mx[SCENE_MX_MAX] = {
	{ .host = "mx1.example.com" },
	{ .host = "mx2.example.com" },
};

static const struct scene_mx *
mx_rows(void)
{
	return now_playing.scene->mx[0].host != NULL ? now_playing.scene->mx
						     : default_mx;
}

static const struct scene_mx *
find_mx(const char *host)
{
	static const struct scene_mx any = { .host = "any" };
	const struct scene_mx *rows = mx_rows();

	for (size_t i = 0; i < SCENE_MX_MAX && rows[i].host != NULL; i++)
		if (strcmp(rows[i].host, host) == 0)
			return &rows[i];
	return now_playing.scene->is_big ? &any : NULL;
}

static void
add_text(struct smx_dns_answer *a, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	made.texts[a->count++] = make(text);
	a->texts = made.texts;
}

static const char *
text_or(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

static void
answer_txt(const char *name, struct smx_dns_answer *a)
{
	const struct scene *s = now_playing.scene;

	if (strcmp(name, "_mta-sts." SCENE_DOMAIN) == 0) {
		a->status = s->record_status;
		if (s->record_alias != NULL)
			a->alias = make(s->record_alias);
		add_text(a, text_or(s->record, SCENE_RECORD));
		add_text(a, s->record_2);
	} else if (strcmp(name, SCENE_DOMAIN) == 0) {
		add_text(a, "v=spf1 mx -all");
		add_text(a, s->at_domain);
	} else if (strcmp(name, "mta-sts." SCENE_DOMAIN) == 0) {
		add_text(a, s->at_host);
	} else if (strcmp(name, "_smtp._tls." SCENE_DOMAIN) == 0) {
		add_text(a,
		    text_or(s->tlsrpt,
			"v=TLSRPTv1; rua=mailto:tls@reports.example"));
	} else if (strcmp(name, "_dmarc." SCENE_DOMAIN) == 0) {
		add_text(a, text_or(s->dmarc, "v=DMARC1; p=reject;"));
	}
	if (a->status == SMX_DNS_OK && a->count == 0)
		a->status = SMX_DNS_NODATA;
	if (a->status != SMX_DNS_OK)
		a->count = 0;
}

static void
answer_mx(const char *name, struct smx_dns_answer *a)
{
	const struct scene *s = now_playing.scene;
	const struct scene_mx *rows = mx_rows();
	char host[64];

	a->mx = made.mx;
	if (strcmp(name, SCENE_DOMAIN) != 0) {
		a->status = s->rua_status;
		made.mx[0] = (struct smx_dns_mx){ 0, make("mx.example") };
		a->count = a->status == SMX_DNS_OK;
		return;
	}
	a->secure = !s->mx_insecure;
	a->status = s->mx_status;
	if (a->status != SMX_DNS_OK)
		return;
	if (s->is_null_mx) {
		made.mx[0] = (struct smx_dns_mx){ 0, make("") };
		a->count = 1;
	} else if (s->is_big) {
		for (; a->count < SMX_DNS_MX_MAX; a->count++) {
			snprintf(host, sizeof(host), "mx%zu.example.net",
			    a->count);
			made.mx[a->count] = (struct smx_dns_mx){
				(uint16_t)(a->count % 7), make(host)
			};
		}
	} else {
		for (; a->count < SCENE_MX_MAX && rows[a->count].host != NULL;
		     a->count++)
			made.mx[a->count] =
			    (struct smx_dns_mx){ (uint16_t)(10 * a->count),
				    make(rows[a->count].host) };
	}
}

static void
add_addresses(struct smx_dns_answer *a, bool is_v6, uint8_t last, size_t count)
{
	a->addresses = made.addresses;
	for (; a->count < count; a->count++) {
		made.addresses[a->count] = (struct smx_ip){ .is_v6 = is_v6,
			.bytes = { 0x2a, 1, 1, last + (uint8_t)a->count } };
	}
}

static void
answer_address(const char *name, bool is_v6, struct smx_dns_answer *a)
{
	const struct scene *s = now_playing.scene;
	const struct scene_mx *mx = find_mx(name);

	a->status = SMX_DNS_NODATA;
	if (strcmp(name, "mta-sts." SCENE_DOMAIN) == 0) {
		a->status = s->host_status;
		if (s->host_alias != NULL)
			a->alias = make(s->host_alias);
		if (a->status == SMX_DNS_OK && (!is_v6 || s->is_big))
			add_addresses(a, is_v6, 1,
			    s->is_big               ? SMX_DNS_ADDRESS_MAX
				: s->body_2 != NULL ? 2
						    : 1);
	} else if (strcmp(name, SCENE_DOMAIN) == 0) {
		if (s->domain_has_address && !is_v6)
			add_addresses(a, is_v6, 9, 1);
		else if (s->domain_status != SMX_DNS_OK)
			a->status = s->domain_status;
	} else if (mx != NULL) {
		a->secure = !mx->insecure;
		a->status = is_v6 && mx->v6_status != SMX_DNS_OK ? mx->v6_status
								 : mx->status;
		if (mx->alias != NULL)
			a->alias = make(mx->alias);
		if (a->status == SMX_DNS_OK && (!is_v6 || s->is_big))
			add_addresses(a, is_v6,
			    (uint8_t)(20 + strlen(mx->host) + mx->host[2]),
			    s->is_big ? SMX_DNS_ADDRESS_MAX : 1);
	}
	if (a->count > 0)
		a->status = SMX_DNS_OK;
	else if (a->status == SMX_DNS_OK)
		a->status = SMX_DNS_NODATA;
}

static void
answer_tlsa(const char *name, struct smx_dns_answer *a)
{
	const struct scene_mx *mx = find_mx(name + strlen("_25._tcp."));
	enum scene_tlsa tlsa = mx != NULL ? mx->tlsa : SCENE_NO_TLSA;

	a->status = SMX_DNS_NODATA;
	if (mx == NULL || tlsa == SCENE_NO_TLSA)
		return;
	a->status = tlsa == SCENE_TLSA_FAILURE ? SMX_DNS_FAILURE : SMX_DNS_OK;
	if (a->status != SMX_DNS_OK)
		return;
	a->secure = !mx->insecure;
	a->tlsa = made.tlsa;
	a->count = tlsa == SCENE_TLSA_PAIR ? 2 : 1;
	made.tlsa[0] = (struct smx_dns_tlsa){ 3, 1, 1,
		make("01234567890123456789012345678901") };
	made.tlsa[1] = (struct smx_dns_tlsa){ 3, 1, 1,
		make("98765432109876543210987654321098") };
	if (tlsa == SCENE_TLSA_UNUSABLE)
		made.tlsa[0].usage = 1;
}

/* Resolvers give the records of one answer in any order. */
static void
rotate(struct smx_dns_answer *a)
{
	struct smx_slice text = made.texts[0];
	struct smx_dns_mx mx = made.mx[0];
	struct smx_dns_tlsa tlsa = made.tlsa[0];
	struct smx_ip ip = made.addresses[0];

	for (size_t i = 1; i < a->count; i++) {
		if (a->texts != NULL)
			made.texts[i - 1] = made.texts[i];
		else if (a->mx != NULL)
			made.mx[i - 1] = made.mx[i];
		else if (a->tlsa != NULL)
			made.tlsa[i - 1] = made.tlsa[i];
		else
			made.addresses[i - 1] = made.addresses[i];
	}
	if (a->count < 2)
		return;
	if (a->texts != NULL)
		made.texts[a->count - 1] = text;
	else if (a->mx != NULL)
		made.mx[a->count - 1] = mx;
	else if (a->tlsa != NULL)
		made.tlsa[a->count - 1] = tlsa;
	else
		made.addresses[a->count - 1] = ip;
}

static void
answer_dns(const struct asked *q)
{
	struct smx_dns_answer a = {
		.status = SMX_DNS_OK, .secure = true, .ttl_s = 60
	};

	if (now_playing.scene->is_absent && strstr(q->name, SCENE_DOMAIN))
		a.status = SMX_DNS_NXDOMAIN;
	else if (q->type == SMX_DNS_TXT)
		answer_txt(q->name, &a);
	else if (q->type == SMX_DNS_MX)
		answer_mx(q->name, &a);
	else if (q->type == SMX_DNS_TLSA)
		answer_tlsa(q->name, &a);
	else
		answer_address(q->name, q->type == SMX_DNS_AAAA, &a);
	if (now_playing.play->rotate)
		rotate(&a);
	q->dns(q->arg, (struct smx_now){ 0, SCENE_NOW }, &a);
}

static const struct smx_certificate *
make_certificate(const char *host, unsigned faults, smx_time not_after)
{
	struct smx_certificate *c = &made.certificate;

	*c = (struct smx_certificate){ .faults = faults,
		.not_before = SCENE_NOW - SMX_DAY,
		.not_after = not_after != 0 ? not_after
					    : SCENE_NOW + 80 * SMX_DAY,
		.sent_count = 2,
		.sha256 = { 0xab, 0xcd } };
	c->reason = make("the reason");
	c->common_name = make("common");
	c->issuer = make("issuer");
	c->name_count = now_playing.scene->is_big ? 40 : 1;
	for (size_t i = 0; i < smx_certificate_names_kept(c); i++)
		c->names[i] = make(host);
	return c;
}

static void
make_big_body(struct smx_https_policy *a, const struct smx_ip *ip)
{
	char *p = made.bytes + made.used;
	size_t n = 0;

	/* Each line has a fault of its own, and each address its own lines. */
	while (n + 8 <= SMX_STS_BODY_MAX)
		n += (size_t)sprintf(p + n, "%02x%zx\n",
		    ip->bytes[3] + ip->is_v6, n & 0xfff);
	a->body = smx_slice(p, n);
	made.used += n;
}

static void
answer_https(const struct asked *q)
{
	const struct scene *s = now_playing.scene;
	struct smx_https_policy a = { .code = s->https };

	if (q->by_name) {
		a.code = s->rua_https;
		a.detail = make("as asked for");
	} else {
		a.tls_version = make("TLSv1.3");
		a.certificate = make_certificate(q->name, s->host_faults,
		    s->host_not_after);
		if (a.code != SMX_DIAG_OK)
			a.detail = make("because");
		else if (s->is_big)
			make_big_body(&a, &q->ip);
		else if (q->ip.bytes[3] == 2)
			a.body = make(s->body_2);
		else
			a.body = make(text_or(s->body, SCENE_BODY));
	}
	q->https(q->arg, (struct smx_now){ 0, SCENE_NOW }, &a);
}

static void
answer_probe(const struct asked *q)
{
	const struct scene_mx *mx = find_mx(q->name);
	struct smx_probe_answer a = { 0 };
	unsigned faults;

	assert_non_null(mx);
	faults = q->without_sni && mx->is_right_without_sni ? 0 : mx->faults;
	a.code = mx->code;
	if (q->without_sni && mx->is_right_without_sni)
		a.code = SMX_DIAG_OK;
	a.is_connected = a.code == SMX_DIAG_OK || mx->is_connected;
	a.detail = make("because");
	if (a.is_connected)
		a.greeting = make("ready");
	if (a.code == SMX_DIAG_OK) {
		a.name = make(text_or(mx->name, q->name));
		a.tls_version = make("TLSv1.3");
		a.cipher = make("TLS_AES_256_GCM_SHA384");
		a.certificate = make_certificate(q->name, faults,
		    mx->not_after);
		a.tlsa_usable = q->tlsa_count > 0;
		a.tlsa_matched = mx->tlsa == SCENE_TLSA_MATCHES ||
		    mx->tlsa == SCENE_TLSA_PAIR;
	}
	q->probe(q->arg, &a);
}

static void
answer(const struct asked *q)
{
	struct asked copy = *q;

	if (copy.kind == DNS)
		answer_dns(&copy);
	else if (copy.kind == HTTPS)
		answer_https(&copy);
	else
		answer_probe(&copy);
	forget();
}

static int
take(struct asked *q, struct smx_slice name)
{
	const struct scene_play *play = now_playing.play;
	unsigned number = ++now_playing.result->asks;
	bool inside = play->order == SCENE_INSIDE;

	assert_false(now_playing.is_done);
	assert_true(name.n > 0 && name.n <= SMX_DOMAIN_MAX);
	if (play->recover)
		failing_alloc_off();
	if (play->fail_at != 0 &&
	    (number == play->fail_at ||
		(play->fail_for_ever && number > play->fail_at)))
		return -SMX_ENOMEM;
	memcpy(q->name, name.p, name.n);
	q->name[name.n] = '\0';
	if (play->order == SCENE_MIXED)
		inside = unit_random(&now_playing.random) % 2 == 0;
	if (inside) {
		answer(q);
	} else {
		assert_true(now_playing.count < QUEUE_MAX);
		now_playing.queue[now_playing.count++] = *q;
	}
	return 0;
}

static int
ask_dns(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	struct asked q = { .kind = DNS, .type = type, .dns = done, .arg = arg };

	assert_ptr_equal(self, &now_playing);
	return take(&q, name);
}

static int
ask_https(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	struct asked q = { .kind = HTTPS, .https = done, .arg = arg };

	assert_ptr_equal(self, &now_playing);
	q.by_name = request->address == NULL;
	assert_int_equal(q.by_name, request->any_answer);
	if (!q.by_name)
		q.ip = *request->address;
	return take(&q, request->host);
}

static int
ask_probe(void *self, const struct smx_probe_request *request,
    smx_probe_done *done, void *arg)
{
	struct asked q = { .kind = PROBE, .probe = done, .arg = arg };

	assert_ptr_equal(self, &now_playing);
	q.ip = request->address;
	q.without_sni = request->without_sni;
	q.tlsa_count = request->tlsa_count;
	now_playing.result->sessions++;
	return take(&q, request->host);
}

/* @return false: nobody waits for an answer. */
static bool
answer_one(void)
{
	size_t at = 0;
	struct asked q;

	if (now_playing.count == 0)
		return false;
	if (now_playing.play->order == SCENE_BACKWARDS)
		at = now_playing.count - 1;
	else if (now_playing.play->order != SCENE_LATER)
		at = unit_random(&now_playing.random) % now_playing.count;
	q = now_playing.queue[at];
	now_playing.count--;
	memmove(&now_playing.queue[at], &now_playing.queue[at + 1],
	    (now_playing.count - at) * sizeof(q));
	answer(&q);
	return true;
}

static void
on_done(void *arg, struct smx_check *c)
{
	struct scene_result *r = arg;

	r->check = c;
	r->done_count++;
	now_playing.is_done = true;
	assert_int_equal(now_playing.count, 0);
}

void
scene_play(const struct scene *s, const struct scene_play *play,
    struct scene_result *ret)
{
	static const struct smx_dns_ops dns = { .ask = ask_dns };
	static const struct smx_https_ops https = { .policy = ask_https };
	static const struct smx_probe_ops probe = { .probe = ask_probe };
	/* The findings need it after the check, when the text is written. */
	static struct smx_check_world world;
	char name[] = SCENE_DOMAIN;
	struct smx_check_request request = {
		.domain = { name, sizeof(name) - 1 },
		.earlier = s->earlier,
	};

	*ret = (struct scene_result){ 0 };
	now_playing.scene = s;
	now_playing.play = play;
	now_playing.result = ret;
	now_playing.count = 0;
	now_playing.is_done = false;
	now_playing.random = play->seed != 0 ? play->seed : 1;
	forget();
	world = (struct smx_check_world){ { &dns, &now_playing },
		{ &https, &now_playing }, { &probe, &now_playing },
		s->settings };
	if (world.settings.soon == 0)
		world.settings.soon = SCENE_SOON;
	ret->rc = smx_check_start(&request, &world,
	    (struct smx_now){ 0, SCENE_NOW }, on_done, ret);
	/* It was to be copied. */
	memset(name, 'x', sizeof(name) - 1);
	while (answer_one())
		continue;
	if (ret->rc < 0) {
		assert_int_equal(ret->rc, -SMX_ENOMEM);
		assert_int_equal(ret->done_count, 0);
	} else {
		assert_int_equal(ret->done_count, 1);
	}
}

void
scene_end(struct scene_result *r)
{
	smx_check_free(&r->check);
}

static const struct smx_check_finding *
find(const struct smx_check *c, enum smx_diag_code code)
{
	for (size_t i = 0; i < smx_check_findings_kept(c); i++)
		if (c->findings[i].diag.code == code)
			return &c->findings[i];
	return NULL;
}

bool
scene_found(const struct smx_check *c, enum smx_diag_code code)
{
	return find(c, code) != NULL;
}

const struct smx_check_finding *
scene_find(const struct smx_check *c, enum smx_diag_code code)
{
	const struct smx_check_finding *f = find(c, code);

	if (f == NULL)
		fail_msg("no finding %s", smx_diag_row(code)->name);
	return f;
}
