#include "unit.h"

#include "engine/witness.h"
#include "engine/witness_tell.h"
#include "engine/witness_visit.h"

#define RECORD "v=TLSRPTv1; rua=mailto:tls@example.com"
#define MANY   10001

/* What the world answers, and what was asked of it. Answers wait until
 * answer_all(). */
static struct {
	enum smx_dns_status record, mx, address;
	bool has_record;
	const struct smx_dns_mx *hosts; /* NULL: one, mx and the domain */
	size_t host_count;
	size_t address_count;
	bool is_one_address; /* the addresses of a host are equal */
	bool is_shared;      /* all MX hosts have the same name */
	struct smx_probe_answer answer;
	size_t asked_records, asked_mx, sessions;
	bool probed_v6; /* by the last session */
} world;

/* The last event, and how many there were. */
static struct {
	size_t count, failures;
	enum smx_tlsrpt_policy_type type;
	bool has_policy_string;
	enum smx_tlsrpt_result result;
	char reason[300], host[300], domain[300];
} told;

struct pending {
	struct pending *next;
	enum smx_dns_type type;
	smx_dns_done *done;
	smx_probe_done *probed; /* else a session */
	void *arg;
	char name[SMX_DOMAIN_MAX + 1];
};

static struct pending *first, **last = &first;
static struct smx_witness witness;
static struct smx_now now;

static void
push(struct smx_slice name, enum smx_dns_type type, smx_dns_done *done,
    smx_probe_done *probed, void *arg)
{
	struct pending *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	*p = (struct pending){ NULL, type, done, probed, arg, "" };
	memcpy(p->name, name.p, name.n);
	*last = p;
	last = &p->next;
}

static int
ask(void *self, enum smx_dns_type type, struct smx_slice name,
    smx_dns_done *done, void *arg)
{
	(void)self;
	world.asked_records += type == SMX_DNS_TXT;
	world.asked_mx += type == SMX_DNS_MX;
	push(name, type, done, NULL, arg);
	return 0;
}

static int
probe(void *self, const struct smx_probe_request *request, smx_probe_done *done,
    void *arg)
{
	(void)self;
	world.sessions++;
	world.probed_v6 = request->address.is_v6;
	push(request->host, SMX_DNS_A, NULL, done, arg);
	return 0;
}

static void
emit(void *self, const struct smx_tlsrpt_event *event)
{
	const struct smx_tlsrpt_event_policy *p = event->policies;

	(void)self;
	assert_slice(event->record, RECORD);
	told.count++;
	told.type = p->type;
	told.has_policy_string = p->policy_string != NULL;
	told.reason[0] = told.host[0] = '\0';
	snprintf(told.domain, sizeof(told.domain), "%s", event->domain.text);
	if (!p->is_failure)
		return;
	told.failures++;
	told.result = p->failures->row.result;
	snprintf(told.reason, sizeof(told.reason), "%.*s",
	    (int)p->failures->row.failure_reason_code.n,
	    p->failures->row.failure_reason_code.p);
	snprintf(told.host, sizeof(told.host), "%.*s",
	    (int)p->failures->row.receiving_mx_hostname.n,
	    p->failures->row.receiving_mx_hostname.p);
}

static void
answer_dns(const struct pending *p)
{
	const struct smx_slice text = SMX_SLICE(RECORD);
	struct smx_ip addresses[SMX_DNS_ADDRESS_MAX] = { 0 };
	struct smx_dns_answer answer = { .status = SMX_DNS_OK };
	char name[SMX_DOMAIN_MAX + 8];
	struct smx_dns_mx mx = { .preference = 10 };

	switch (p->type) {
	case SMX_DNS_TXT:
		answer.status = world.record;
		if (world.record == SMX_DNS_OK && !world.has_record)
			answer.status = SMX_DNS_NODATA;
		answer.texts = &text;
		answer.count = answer.status == SMX_DNS_OK;
		break;
	case SMX_DNS_MX:
		snprintf(name, sizeof(name), "mx.%s",
		    world.is_shared ? "hoster.example" : p->name);
		mx.host = smx_slice_text(name);
		answer.status = world.mx;
		answer.mx = world.hosts != NULL ? world.hosts : &mx;
		answer.count = world.hosts != NULL ? world.host_count : 1;
		break;
	default:
		for (size_t i = 0; i < world.address_count; i++) {
			addresses[i].is_v6 = p->type == SMX_DNS_AAAA;
			addresses[i].bytes[0] = 192;
			addresses[i].bytes[3] =
			    (uint8_t)(world.is_one_address ? 0 : i);
		}
		answer.status = world.address;
		answer.addresses = addresses;
		answer.count = world.address_count;
		break;
	}
	p->done(p->arg, now, &answer);
}

static void
answer_one(void)
{
	struct pending *p = first;

	first = p->next;
	if (first == NULL)
		last = &first;
	if (p->probed != NULL)
		p->probed(p->arg, &world.answer);
	else
		answer_dns(p);
	free(p);
}

static void
answer_all(void)
{
	while (first != NULL)
		answer_one();
}

/* The others stay. */
static void
answer_records(void)
{
	for (size_t others = 0; first != NULL;) {
		struct pending *p = first;

		if (p->type == SMX_DNS_TXT) {
			answer_one();
			others = 0;
		} else if (others++ == witness.visit_count) {
			return;
		} else if (p->next != NULL) {
			first = p->next;
			p->next = NULL;
			*last = p;
			last = &p->next;
		}
	}
}

static void
drop_all(void)
{
	struct pending *p;

	while ((p = first) != NULL) {
		first = p->next;
		free(p);
	}
	last = &first;
}

static const struct smx_certificate good;

static int
start(void **state)
{
	static const uint64_t seed[2] = { 1, 2 };
	static const struct smx_dns_ops dns = { .ask = ask };
	static const struct smx_probe_ops probes = { .probe = probe };

	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&told, 0, sizeof(told));
	world.has_record = true;
	world.address_count = 1;
	world.answer.is_connected = true;
	world.answer.certificate = &good;
	now = (struct smx_now){ SMX_HOUR, SMX_DAY };
	if (smx_witness_init(&witness, seed) < 0)
		return -1;
	witness.dns.ops = &dns;
	witness.sessions.probe.ops = &probes;
	witness.emit = emit;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	smx_witness_done(&witness);
	drop_all();
	return witness.domains.bytes == 0 && witness.sessions.map.count == 0
	    ? 0
	    : -1;
}

static void
pass(smx_time time)
{
	now.mono += time;
	now.wall += time;
}

static struct smx_witness_policy
policy_of(enum smx_sts_mode mode)
{
	return (struct smx_witness_policy){
		.mode = mode,
		.until = now.mono + SMX_DAY,
		.mx = SMX_SLICE("*.one.example:"),
		.lines = SMX_SLICE("version: STSv1\nmode: whatever\n"),
	};
}

/* Beside those below the domain itself. */
#define PATTERNS "*.one.example:*.hoster.example:*.hosts.example:"

static void
mail_as(const char *domain, enum smx_sts_mode mode)
{
	char mx[400];
	struct smx_witness_policy policy = policy_of(mode);

	snprintf(mx, sizeof(mx), PATTERNS "*.%s:", domain);
	policy.mx = smx_slice_text(mx);
	smx_witness_mail(&witness, smx_slice_text(domain), &policy, now);
}

static void
mail(const char *domain)
{
	mail_as(domain, SMX_STS_TESTING);
}

static const char *
numbered(size_t i)
{
	static char name[64];

	snprintf(name, sizeof(name), "d%zu.example", i);
	return name;
}

static void
fetch_fails(const char *domain)
{
	static const struct smx_tlsrpt_failure failure = {
		.result = SMX_TLSRPT_STS_POLICY_FETCH_ERROR,
		.failure_reason_code = { "host-timeout", 12 },
	};

	smx_witness_failure(&witness, smx_slice_text(domain), NULL, &failure,
	    now);
}

static void
session(const char *domain)
{
	smx_witness_session(&witness, smx_slice_text(domain), NULL, now);
}

static void
test_one_visit_an_hour(void **state)
{
	(void)state;
	mail("one.example");
	answer_all();
	assert_int_equal(world.sessions, 1);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.type, SMX_TLSRPT_STS);
	assert_true(told.has_policy_string);
	for (int i = 0; i < 11; i++) {
		pass(5 * SMX_MINUTE);
		mail("one.example");
		answer_all();
	}
	assert_int_equal(told.count, 1);
	pass(5 * SMX_MINUTE);
	mail("one.example");
	answer_all();
	assert_int_equal(world.sessions, 2);
	assert_int_equal(told.count, 2);
}

/* However many there are, and whoever else is heard of. */
static void
test_the_hour_holds_for_many_domains(void **state)
{
	(void)state;
	for (int turn = 0; turn < 12; turn++) {
		for (size_t i = 0; i < MANY; i++) {
			mail(numbered(i));
			answer_all();
		}
		/* Recipients of the log, of whom nobody has heard. */
		world.has_record = false;
		for (size_t i = 0; i < MANY; i++) {
			session(numbered(MANY + i));
			answer_all();
		}
		world.has_record = true;
		pass(5 * SMX_MINUTE - SMX_SECOND);
	}
	assert_int_equal(told.count, MANY);
	assert_int_equal(world.sessions, MANY);
	assert_int_equal(witness.dropped, 0);
}

/* What fills the memory, and who loses by it. */
static void
fill_memory_from(size_t from, size_t count)
{
	static char lines[60000];
	struct smx_witness_policy policy = policy_of(SMX_STS_TESTING);

	memset(lines, 'a', sizeof(lines));
	policy.lines = smx_slice(lines, sizeof(lines));
	policy.mx = SMX_SLICE("*.example:");
	for (size_t i = 0; i < count; i++) {
		const char *name = numbered(from + i);

		smx_witness_mail(&witness, smx_slice_text(name), &policy, now);
		answer_all();
		assert_true(witness.domains.bytes <= SMX_WITNESS_BYTES_MAX);
	}
}

static void
fill_memory(size_t count)
{
	fill_memory_from(0, count);
}

static void
test_beyond_memory_nobody_is_visited_twice(void **state)
{
	size_t visited;

	(void)state;
	fill_memory(1000);
	visited = told.count;
	assert_true(visited > 400 && visited < 1000);
	assert_int_equal(witness.dropped, 1000 - visited);
	pass(5 * SMX_MINUTE);
	fill_memory(1000);
	assert_int_equal(told.count, visited);
	/* Failures still find room. */
	told.count = 0;
	fetch_fails("fails.test");
	answer_all();
	assert_int_equal(told.count, 1);
	/* In an hour it is others' turn. */
	pass(SMX_HOUR);
	mail("new.test");
	answer_all();
	assert_string_equal(told.domain, "new.test");
}

/* Of whom is heard meanwhile is due no later. */
static void
test_who_is_due_is_forgotten(void **state)
{
	size_t visited;

	(void)state;
	fill_memory(200);
	pass(30 * SMX_MINUTE);
	fill_memory_from(200, 800);
	visited = told.count;
	for (size_t i = 0; i < 200; i++) {
		pass(SMX_SECOND / 100);
		session(numbered(i));
		answer_all();
	}
	pass(31 * SMX_MINUTE);
	told.count = 0;
	fill_memory_from(1000, 800);
	/* As many as there were before in their place. */
	assert_int_equal(told.count, 200);
	pass(30 * SMX_MINUTE);
	told.count = 0;
	fill_memory_from(2000, 800);
	assert_int_equal(told.count, visited - 200);
}

/* DNS took its time, so that a visit is due as soon as it ends; others are by
 * an hour later. */
static void
test_who_is_long_due_is_forgotten(void **state)
{
	struct pending *slow;

	(void)state;
	mail("slow.example");
	answer_one();
	slow = first;
	first = NULL;
	last = &first;
	pass((SMX_WITNESS_DUE_MINUTES + 1) * SMX_MINUTE - SMX_HOUR);
	fill_memory(1000);
	world.mx = SMX_DNS_TIMEOUT;
	answer_dns(slow);
	free(slow);
	assert_non_null(smx_witness_domain_find(&witness,
	    SMX_SLICE("slow.example")));
	for (size_t i = 0; i < 400; i++) {
		mail(numbered(1000 + i));
		answer_all();
	}
	assert_null(smx_witness_domain_find(&witness,
	    SMX_SLICE("slow.example")));
}

static void
test_without_a_record_policies_are_not_kept(void **state)
{
	(void)state;
	world.has_record = false;
	fill_memory(MANY);
	assert_int_equal(witness.domains.map.count, MANY);
	assert_true(witness.domains.bytes < MANY * 512);
	assert_int_equal(witness.dropped, 0);
	assert_int_equal(told.count, 0);
}

/* Many that are cheap go before one of whom something is known. */
static void
test_enforce_is_remembered(void **state)
{
	(void)state;
	mail_as("one.example", SMX_STS_ENFORCE);
	answer_all();
	world.has_record = false;
	for (size_t i = 0; i < 200000; i++) {
		session(numbered(i));
		answer_all();
	}
	assert_true(witness.domains.bytes <= SMX_WITNESS_BYTES_MAX);
	assert_true(witness.domains.map.count < 200000);
	session("one.example");
	assert_int_equal(told.count, 1);
	assert_int_equal(told.type, SMX_TLSRPT_STS);
}

static void
test_waiting_visits_block_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANY; i++)
		mail(numbered(i));
	/* Records are asked for in turn; they come, MX hosts don't. */
	assert_int_equal(world.asked_records, SMX_WITNESS_ASKS_MAX);
	mail(numbered(MANY - 1));
	answer_records();
	assert_int_equal(world.asked_records, MANY);
	assert_int_equal(witness.ask_count, 0);
	assert_int_equal(world.asked_mx, SMX_WITNESS_VISITS_MAX);
	assert_int_equal(witness.put_off, MANY - SMX_WITNESS_VISITS_MAX);
	fetch_fails("fails.test");
	session("logged.test");
	answer_all();
	assert_int_equal(told.count, SMX_WITNESS_VISITS_MAX + 2);
	assert_int_equal(witness.dropped, 0);
	/* The others get theirs with later mail. */
	for (int turn = 0; turn < 20; turn++) {
		for (size_t i = 0; i < MANY; i++) {
			mail(numbered(i));
			if (i % SMX_WITNESS_VISITS_MAX == 0)
				answer_all();
		}
		answer_all();
		pass(SMX_MINUTE);
	}
	assert_int_equal(told.count, MANY + 2);
}

static void
test_a_shared_host_has_one_session(void **state)
{
	(void)state;
	world.is_shared = true;
	/* Some at once, some later. */
	for (size_t i = 0; i < MANY; i++) {
		mail(numbered(i));
		if (i > 100)
			answer_all();
	}
	assert_int_equal(told.count, MANY);
	assert_int_equal(world.sessions, 1);
	pass(SMX_HOUR);
	mail(numbered(0));
	mail(numbered(1));
	answer_all();
	assert_int_equal(told.count, MANY + 2);
	assert_int_equal(world.sessions, 2);
}

/* What comes before the first session. */
static void
answer_to_session(void)
{
	while (first->probed == NULL)
		answer_one();
}

/* Take the first session out; what comes before it is answered. */
static struct pending *
hold_session(void)
{
	struct pending *p;

	answer_to_session();
	p = first;
	first = p->next;
	if (first == NULL)
		last = &first;
	return p;
}

static void
answer_held(struct pending *p)
{
	p->probed(p->arg, &world.answer);
	free(p);
	answer_all();
}

/* It can wait for longer in the probe's queue than an answer is kept, and be
 * asked for again while it is answered. */
static void
test_a_session_that_waits_for_an_hour(void **state)
{
	struct pending *held;

	(void)state;
	world.is_shared = true;
	world.address_count = 2;
	world.is_one_address = true;
	world.answer =
	    (struct smx_probe_answer){ .code = SMX_DIAG_SMTP_TIMEOUT };
	mail("one.example");
	held = hold_session();
	pass(SMX_HOUR);
	mail("two.example");
	answer_all();
	answer_held(held);
	assert_int_equal(witness.visit_count, 0);
	/* One address, of each family. */
	assert_int_equal(world.sessions, 2);
}

static void
test_answers_of_sessions_are_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < SMX_WITNESS_SESSIONS_MAX + 100; i++) {
		mail(numbered(i));
		answer_all();
	}
	assert_int_equal(witness.sessions.answered_count,
	    SMX_WITNESS_SESSIONS_MAX);
	assert_int_equal(witness.sessions.map.count, SMX_WITNESS_SESSIONS_MAX);
}

/* The sessions under way are asked of it again. */
static void
test_another_probe(void **state)
{
	(void)state;
	world.is_shared = true;
	world.answer =
	    (struct smx_probe_answer){ .code = SMX_DIAG_SMTP_TIMEOUT };
	mail("one.example");
	mail("two.example");
	answer_to_session();
	answer_one();
	answer_to_session();
	assert_int_equal(world.sessions, 2);
	world.probed_v6 = false;
	drop_all();
	smx_witness_sessions_set_probe(&witness.sessions,
	    witness.sessions.probe);
	assert_int_equal(world.sessions, 3);
	assert_true(world.probed_v6);
	assert_string_equal(first->name, "mx.hoster.example");
	world.answer.is_connected = true;
	world.answer.code = SMX_DIAG_OK;
	world.answer.certificate = &good;
	answer_all();
	assert_int_equal(witness.visit_count, 0);
	assert_int_equal(told.count, 2);
}

static void
test_no_probe_any_more(void **state)
{
	static const struct smx_dns_mx hosts[] = {
		{ 10, SMX_SLICE("a.hosts.example") },
		{ 20, SMX_SLICE("elsewhere.test") },
	};
	struct smx_probe_port before = witness.sessions.probe;

	(void)state;
	world.hosts = hosts;
	world.host_count = 2;
	world.address_count = 2;
	mail("one.example");
	answer_to_session();
	drop_all();
	smx_witness_sessions_set_probe(&witness.sessions,
	    (struct smx_probe_port){ NULL, NULL });
	answer_all();
	assert_int_equal(witness.visit_count, 0);
	assert_int_equal(world.sessions, 1);
	assert_int_equal(told.count, 1);
	assert_string_equal(told.host, "elsewhere.test");
	/* Nothing is kept of it: with the next one it is asked for. */
	smx_witness_sessions_set_probe(&witness.sessions, before);
	pass(SMX_HOUR);
	mail("one.example");
	answer_all();
	assert_int_equal(told.count, 3);
	assert_int_equal(world.sessions, 2);
}

static const struct certificate_case {
	unsigned faults, first;
	enum smx_tlsrpt_result result;
} certificates[] = {
	{ SMX_CERTIFICATE_EXPIRED, SMX_CERTIFICATE_EXPIRED,
	    SMX_TLSRPT_CERTIFICATE_EXPIRED },
	{ SMX_CERTIFICATE_NAME, SMX_CERTIFICATE_NAME,
	    SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH },
	{ SMX_CERTIFICATE_NOT_YET, SMX_CERTIFICATE_NOT_YET,
	    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ SMX_CERTIFICATE_OTHER, SMX_CERTIFICATE_OTHER,
	    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ SMX_CERTIFICATE_SELF_SIGNED, SMX_CERTIFICATE_SELF_SIGNED,
	    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	/* The result belongs to the reason. */
	{ SMX_CERTIFICATE_EXPIRED | SMX_CERTIFICATE_SELF_SIGNED,
	    SMX_CERTIFICATE_SELF_SIGNED, SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ SMX_CERTIFICATE_EXPIRED | SMX_CERTIFICATE_NAME, SMX_CERTIFICATE_NAME,
	    SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH },
};

static void
test_certificates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(certificates); i++) {
		struct smx_certificate c = {
			.faults = certificates[i].faults,
			.first_fault = certificates[i].first,
			.reason = SMX_SLICE("the first one's words"),
		};

		world.answer.certificate = &c;
		mail(numbered(i));
		answer_all();
		assert_int_equal(told.failures, i + 1);
		assert_int_equal(told.result, certificates[i].result);
		assert_string_equal(told.reason, "the first one's words");
	}
}

static const struct break_case {
	enum smx_diag_code code;
	bool is_tls_begun;
	unsigned reply_code;
	bool is_told;
	enum smx_tlsrpt_result result;
} breaks[] = {
	{ SMX_DIAG_SMTP_CLOSED, true, 220, true,
	    SMX_TLSRPT_VALIDATION_FAILURE },
	{ SMX_DIAG_SMTP_TIMEOUT, true, 220, true,
	    SMX_TLSRPT_VALIDATION_FAILURE },
	{ SMX_DIAG_SMTP_SYNTAX, true, 250, true,
	    SMX_TLSRPT_VALIDATION_FAILURE },
	{ SMX_DIAG_SMTP_EHLO, false, 502, true,
	    SMX_TLSRPT_STARTTLS_NOT_SUPPORTED },
	{ SMX_DIAG_SMTP_EHLO, false, 500, true,
	    SMX_TLSRPT_STARTTLS_NOT_SUPPORTED },
	{ SMX_DIAG_SMTP_NO_STARTTLS, false, 250, true,
	    SMX_TLSRPT_STARTTLS_NOT_SUPPORTED },
	/* No word about TLS. */
	{ SMX_DIAG_SMTP_EHLO, false, 421, false, 0 },
	{ SMX_DIAG_SMTP_EHLO, false, 550, false, 0 },
	{ SMX_DIAG_SMTP_CLOSED, false, 220, false, 0 },
	{ SMX_DIAG_SMTP_TIMEOUT, false, 0, false, 0 },
	{ SMX_DIAG_SMTP_GREETING, false, 554, false, 0 },
	/* Trouble of ours. */
	{ SMX_DIAG_SMTP_UNREACHABLE, true, 220, false, 0 },
};

static void
test_sessions_that_break(void **state)
{
	(void)state;
	world.answer.certificate = NULL;
	world.answer.detail = SMX_SLICE("what happened");
	for (size_t i = 0; i < COUNT_OF(breaks); i++) {
		size_t before = told.failures;

		world.answer.code = breaks[i].code;
		world.answer.is_tls_begun = breaks[i].is_tls_begun;
		world.answer.reply_code = breaks[i].reply_code;
		mail(numbered(i));
		answer_all();
		assert_int_equal(told.failures - before, breaks[i].is_told);
		if (!breaks[i].is_told)
			continue;
		assert_int_equal(told.result, breaks[i].result);
		assert_string_equal(told.reason, "what happened");
	}
	assert_int_equal(told.count, told.failures);
}

static void
test_dns_failures_cost_a_minute(void **state)
{
	(void)state;
	world.record = SMX_DNS_TIMEOUT;
	fetch_fails("one.example");
	mail("one.example");
	answer_all();
	assert_int_equal(told.count, 0);
	/* Not at once again. */
	mail("one.example");
	answer_all();
	assert_int_equal(world.asked_records, 1);
	world.record = SMX_DNS_OK;
	world.mx = SMX_DNS_FAILURE;
	pass(SMX_MINUTE);
	mail("one.example");
	answer_all();
	assert_int_equal(world.asked_records, 2);
	/* The failure has waited, the visit has no hosts yet. */
	assert_int_equal(told.count, 1);
	assert_int_equal(told.result, SMX_TLSRPT_STS_POLICY_FETCH_ERROR);
	world.mx = SMX_DNS_OK;
	mail("one.example");
	answer_all();
	assert_int_equal(world.asked_mx, 1);
	pass(SMX_MINUTE);
	mail("one.example");
	answer_all();
	assert_int_equal(told.count, 2);
}

static void
test_a_known_record_outlives_dns_failures(void **state)
{
	(void)state;
	fetch_fails("one.example");
	answer_all();
	world.record = SMX_DNS_FAILURE;
	pass(SMX_HOUR);
	fetch_fails("one.example");
	answer_all();
	fetch_fails("one.example");
	answer_all();
	assert_int_equal(told.count, 3);
}

static void
test_policies_end(void **state)
{
	struct smx_witness_policy policy = policy_of(SMX_STS_ENFORCE);

	(void)state;
	mail_as("one.example", SMX_STS_ENFORCE);
	answer_all();
	session("one.example");
	assert_int_equal(told.type, SMX_TLSRPT_STS);
	assert_true(told.has_policy_string);
	/* It holds for longer. */
	pass(SMX_HOUR);
	policy.until = now.mono + SMX_DAY;
	smx_witness_policy(&witness, SMX_SLICE("one.example"), &policy, now);
	pass(SMX_DAY - 1);
	session("one.example");
	answer_all();
	assert_int_equal(told.type, SMX_TLSRPT_STS);
	/* Nobody said that it is over. */
	pass(1);
	session("one.example");
	assert_int_equal(told.type, SMX_TLSRPT_NO_POLICY_FOUND);
	assert_false(told.has_policy_string);
	/* Somebody does. */
	mail_as("one.example", SMX_STS_ENFORCE);
	answer_all();
	smx_witness_policy(&witness, SMX_SLICE("one.example"), NULL, now);
	session("one.example");
	assert_int_equal(told.type, SMX_TLSRPT_NO_POLICY_FOUND);
}

/* News of a policy are no mail. */
static void
test_policies_make_no_visit(void **state)
{
	struct smx_witness_policy policy = policy_of(SMX_STS_TESTING);

	(void)state;
	smx_witness_policy(&witness, SMX_SLICE("one.example"), &policy, now);
	assert_int_equal(witness.domains.map.count, 0);
	fetch_fails("one.example");
	smx_witness_policy(&witness, SMX_SLICE("one.example"), &policy, now);
	answer_all();
	assert_int_equal(told.count, 1);
	assert_int_equal(world.asked_mx, 0);
}

/* It counts from the next host on. */
static void
test_a_policy_changes_during_a_visit(void **state)
{
	static const struct smx_dns_mx hosts[] = {
		{ 10, SMX_SLICE("a.hosts.example") },
		{ 20, SMX_SLICE("b.hosts.example") },
	};
	struct smx_witness_policy policy = policy_of(SMX_STS_ENFORCE);

	(void)state;
	world.hosts = hosts;
	world.host_count = 2;
	mail("one.example");
	while (world.sessions == 0) {
		answer_one();
	}
	policy.mx = SMX_SLICE("a.hosts.example:");
	smx_witness_policy(&witness, SMX_SLICE("one.example"), &policy, now);
	answer_all();
	assert_int_equal(world.sessions, 1);
	assert_int_equal(told.count, 1);
	assert_string_equal(told.reason, "sts-mx-mismatch");
	assert_string_equal(told.host, "b.hosts.example");
	session("one.example");
	assert_int_equal(told.type, SMX_TLSRPT_STS);
}

static void
test_a_mute_domain_is_soon_left_alone(void **state)
{
	struct smx_dns_mx hosts[20];
	char names[20][32];

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu.hosts.example", i);
		hosts[i].preference = (uint16_t)i;
		hosts[i].host = smx_slice_text(names[i]);
	}
	hosts[15].host = SMX_SLICE("elsewhere.test");
	world.hosts = hosts;
	world.host_count = 20;
	world.address_count = SMX_DNS_ADDRESS_MAX;
	world.answer =
	    (struct smx_probe_answer){ .code = SMX_DIAG_SMTP_TIMEOUT };
	mail("one.example");
	answer_all();
	/* They share their addresses. */
	assert_int_equal(world.sessions, 4);
	/* That costs no session. */
	assert_int_equal(told.count, 1);
	assert_string_equal(told.host, "elsewhere.test");
	/* One host alone: two addresses of each family. */
	world.sessions = 0;
	pass(SMX_HOUR);
	world.host_count = 1;
	world.hosts = &(struct smx_dns_mx){ 1, SMX_SLICE("x.hosts.example") };
	mail("two.example");
	answer_all();
	assert_int_equal(world.sessions, 4);
}

static void
test_a_mute_address_is_asked_once(void **state)
{
	(void)state;
	world.answer =
	    (struct smx_probe_answer){ .code = SMX_DIAG_SMTP_TIMEOUT };
	mail(numbered(0));
	answer_all();
	for (size_t i = 1; i < 200; i++)
		mail(numbered(i));
	answer_all();
	/* One of each family. */
	assert_int_equal(world.sessions, 2);
	assert_int_equal(witness.visit_count, 0);
	/* It may be back. */
	pass(SMX_HOUR);
	world.answer.is_connected = true;
	world.answer.code = SMX_DIAG_OK;
	world.answer.certificate = &good;
	mail(numbered(0));
	mail(numbered(100));
	answer_all();
	assert_int_equal(told.count, 2);
}

/* Let sessions stay without an answer: forget them here, all else is
 * answered. */
static void
answer_no_sessions(void)
{
	while (first != NULL) {
		if (first->probed == NULL)
			answer_one();
		else
			free(hold_session());
	}
}

static void
test_tarpits_hold_up_nobody_else(void **state)
{
	static const struct smx_dns_mx elsewhere = { 1,
		SMX_SLICE("elsewhere.test") };

	(void)state;
	for (size_t i = 0; i < SMX_WITNESS_VISITS_MAX + 1; i++)
		mail(numbered(i));
	answer_no_sessions();
	assert_int_equal(witness.visit_count, SMX_WITNESS_VISITS_MAX);
	assert_int_equal(witness.put_off, 1);
	/* Who needs no session goes on. */
	world.hosts = &elsewhere;
	world.host_count = 1;
	mail_as("one.example", SMX_STS_ENFORCE);
	answer_no_sessions();
	assert_int_equal(told.count, 1);
	assert_string_equal(told.reason, "sts-mx-mismatch");
	assert_int_equal(witness.look_count, 0);
	/* Who needs one does soon. */
	mail("two.example");
	answer_no_sessions();
	assert_int_equal(told.count, 1);
	pass(SMX_WITNESS_VISIT_FOR);
	mail("two.example");
	answer_no_sessions();
	assert_int_equal(told.count, 2);
	assert_string_equal(told.domain, "two.example");
	assert_int_equal(witness.visit_count, SMX_WITNESS_VISITS_MAX - 1);
}

static void
test_sessions_under_way_are_bounded(void **state)
{
	(void)state;
	for (size_t turn = 0; turn < 10; turn++) {
		for (size_t i = 0; i < SMX_WITNESS_VISITS_MAX; i++)
			mail(numbered(turn * SMX_WITNESS_VISITS_MAX + i));
		answer_no_sessions();
		pass(SMX_WITNESS_VISIT_FOR);
	}
	assert_int_equal(witness.sessions.map.count, SMX_WITNESS_PENDING_MAX);
	assert_int_equal(world.sessions, SMX_WITNESS_PENDING_MAX);
}

static void
test_hosts_by_preference_each_once(void **state)
{
	struct smx_dns_mx hosts[30];
	char names[30][32];

	(void)state;
	for (size_t i = 0; i < 30; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu.test", i / 2);
		hosts[i].preference = (uint16_t)(300 - i);
		hosts[i].host = smx_slice_text(names[i]);
	}
	world.hosts = hosts;
	world.host_count = 30;
	mail("one.example");
	answer_all();
	/* None is allowed, so each is told of. */
	assert_int_equal(told.count, 15);
	assert_string_equal(told.host, "h0.test");
	/* Of more than there is room for, the preferred. */
	for (size_t i = 0; i < 30; i++)
		snprintf(names[i], sizeof(names[i]), "h%zu.test", i);
	for (size_t i = 0; i < 30; i++)
		hosts[i].host = smx_slice_text(names[i]);
	told.count = 0;
	mail("two.example");
	answer_all();
	assert_int_equal(told.count, SMX_WITNESS_HOSTS_MAX);
	assert_string_equal(told.host, "h14.test");
}

/* Of different kinds. */
static void
break_session(const char *domain, size_t i)
{
	char host[64];
	struct smx_tlsrpt_failure failure = {
		.result = SMX_TLSRPT_CERTIFICATE_EXPIRED,
	};

	snprintf(host, sizeof(host), "mx%zu.example", i);
	failure.receiving_mx_hostname = smx_slice_text(host);
	smx_witness_session(&witness, smx_slice_text(domain), &failure, now);
}

static void
test_what_waits_is_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < SMX_WITNESS_WAITING_MAX + 5; i++)
		break_session("one.example", i);
	assert_int_equal(witness.dropped, 5);
	for (size_t i = 0; i < SMX_WITNESS_WAITING_SAME_MAX + 5; i++)
		break_session("one.example", 1);
	assert_int_equal(witness.dropped, 11);
	answer_all();
	assert_int_equal(told.count,
	    SMX_WITNESS_WAITING_MAX + SMX_WITNESS_WAITING_SAME_MAX - 1);
}

static void
test_equal_sessions_wait_as_a_count(void **state)
{
	(void)state;
	for (size_t i = 0; i < 1500; i++) {
		session("one.example");
		break_session("one.example", 1);
		fetch_fails("one.example");
	}
	assert_int_equal(told.count, 0);
	answer_all();
	assert_int_equal(told.count, 4500);
	assert_int_equal(told.failures, 3000);
	assert_int_equal(witness.dropped, 0);
}

static void
test_with_a_known_record_nothing_waits(void **state)
{
	(void)state;
	session("one.example");
	answer_all();
	pass(SMX_HOUR);
	for (size_t i = 0; i < 300; i++)
		break_session("one.example", i);
	assert_int_equal(told.count, 301);
	assert_int_equal(world.asked_records, 2);
	/* The answer counts for what comes after it. */
	world.has_record = false;
	answer_all();
	session("one.example");
	assert_int_equal(told.count, 301);
	assert_int_equal(witness.dropped, 0);
}

/* Of a domain not heard of for long it may be another one. */
static void
test_an_old_record_is_asked_for_first(void **state)
{
	(void)state;
	session("one.example");
	answer_all();
	pass(SMX_DAY + SMX_HOUR);
	world.has_record = false;
	session("one.example");
	answer_all();
	assert_int_equal(told.count, 1);
}

static void
test_what_waits_too_long_is_dropped(void **state)
{
	(void)state;
	world.record = SMX_DNS_TIMEOUT;
	for (size_t i = 0; i < 3; i++)
		session("one.example");
	answer_all();
	pass(SMX_WITNESS_WAITING_FOR - SMX_MINUTE);
	/* Not one with those: it stays for as long. */
	session("one.example");
	answer_all();
	assert_int_equal(witness.dropped, 0);
	pass(SMX_MINUTE);
	world.record = SMX_DNS_OK;
	mail_as("one.example", SMX_STS_ENFORCE);
	answer_all();
	assert_int_equal(witness.dropped, 3);
	assert_int_equal(told.count, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(test_one_visit_an_hour),
		TEST(test_the_hour_holds_for_many_domains),
		TEST(test_beyond_memory_nobody_is_visited_twice),
		TEST(test_who_is_due_is_forgotten),
		TEST(test_who_is_long_due_is_forgotten),
		TEST(test_without_a_record_policies_are_not_kept),
		TEST(test_enforce_is_remembered),
		TEST(test_waiting_visits_block_nobody),
		TEST(test_a_shared_host_has_one_session),
		TEST(test_a_session_that_waits_for_an_hour),
		TEST(test_answers_of_sessions_are_bounded),
		TEST(test_another_probe),
		TEST(test_no_probe_any_more),
		TEST(test_certificates),
		TEST(test_sessions_that_break),
		TEST(test_dns_failures_cost_a_minute),
		TEST(test_a_known_record_outlives_dns_failures),
		TEST(test_policies_end),
		TEST(test_policies_make_no_visit),
		TEST(test_a_policy_changes_during_a_visit),
		TEST(test_a_mute_domain_is_soon_left_alone),
		TEST(test_a_mute_address_is_asked_once),
		TEST(test_tarpits_hold_up_nobody_else),
		TEST(test_sessions_under_way_are_bounded),
		TEST(test_hosts_by_preference_each_once),
		TEST(test_what_waits_is_bounded),
		TEST(test_equal_sessions_wait_as_a_count),
		TEST(test_with_a_known_record_nothing_waits),
		TEST(test_an_old_record_is_asked_for_first),
		TEST(test_what_waits_too_long_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
