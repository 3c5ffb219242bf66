/*
 * Runs scenarios: what the engine must do in a world that follows a script.
 * The language is told in tests/scenario/README.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_alloc.h"
#include "sim.h"
#include "base/require.h"

#define WORDS_MAX 40

struct scenario {
	struct sim sim;
	const char *file;
	unsigned line;
	bool memory_fails; /* then expectations don't count */
	char *words[WORDS_MAX];
	size_t count;
	/* The last answers, and how long the last took. */
	struct ask {
		struct smx_lookup_waiter waiter;
		struct scenario *scenario;
		bool answered;
		enum smx_lookup_status status;
		char text[2048];
		smx_time asked, took;
	} asks[16];
	size_t ask_count;
};

_Noreturn static void
fail(const struct scenario *s, const char *what, const char *arg)
{
	printf("%s:%u: %s%s%s\n", s->file, s->line, what,
	    arg != NULL ? ": " : "", arg != NULL ? arg : "");
	exit(1);
}

static char *
word(const struct scenario *s, size_t i)
{
	if (i >= s->count)
		fail(s, "a word is missing", NULL);
	return s->words[i];
}

/* An expectation that does not hold. */
static void
differ(const struct scenario *s, const char *what, const char *arg)
{
	if (!s->memory_fails)
		fail(s, what, arg);
}

static bool
is(const struct scenario *s, size_t i, const char *text)
{
	return i < s->count && strcmp(s->words[i], text) == 0;
}

static smx_time
span(const struct scenario *s, const char *text)
{
	char *end;
	smx_time n = strtoll(text, &end, 10);

	if (strcmp(end, "ms") == 0)
		return n;
	if (strcmp(end, "s") == 0)
		return n * SMX_SECOND;
	if (strcmp(end, "m") == 0)
		return n * SMX_MINUTE;
	if (strcmp(end, "h") == 0)
		return n * SMX_HOUR;
	if (strcmp(end, "d") == 0)
		return n * SMX_DAY;
	fail(s, "no length of time", text);
}

/* Split a line into words; "quoted ones" keep their blanks. */
static void
split(struct scenario *s, char *line)
{
	s->count = 0;
	for (;;) {
		char *end;

		line += strspn(line, " \t\r\n");
		if (*line == '\0' || *line == '#')
			return;
		if (s->count == WORDS_MAX)
			fail(s, "too many words", NULL);
		if (*line == '"') {
			end = strchr(++line, '"');
			if (end == NULL)
				fail(s, "a quote is missing", NULL);
		} else {
			end = line + strcspn(line, " \t\r\n");
		}
		s->words[s->count++] = line;
		if (*end == '\0')
			return;
		*end = '\0';
		line = end + 1;
	}
}

static struct sim_domain *
domain(struct scenario *s, size_t i)
{
	return sim_domain(&s->sim, smx_slice_text(word(s, i)));
}

/* txt DOMAIN "record"... | nodata | nxdomain | servfail | timeout | bogus
 * [ttl=SECONDS] */
static void
do_txt(struct scenario *s)
{
	static const struct {
		const char *word;
		enum smx_dns_status status;
	} failures[] = { { "nodata", SMX_DNS_NODATA },
		{ "nxdomain", SMX_DNS_NXDOMAIN },
		{ "servfail", SMX_DNS_FAILURE }, { "bogus", SMX_DNS_BOGUS } };
	struct sim_txt txt = { .status = SMX_DNS_OK, .ttl_s = 300 };

	for (size_t i = 2; i < s->count; i++) {
		bool failure = false;

		if (strncmp(s->words[i], "ttl=", 4) == 0) {
			txt.ttl_s = (uint32_t)strtoul(s->words[i] + 4, NULL,
			    10);
			continue;
		}
		txt.silent |= is(s, i, "timeout");
		for (size_t k = 0; k < 4; k++) {
			if (is(s, i, failures[k].word)) {
				txt.status = failures[k].status;
				failure = true;
			}
		}
		if (!failure && !txt.silent)
			txt.records[txt.count++] = s->words[i];
	}
	sim_set_txt(domain(s, 1), &txt);
}

static enum smx_diag_code
code_named(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < SMX_DIAG_CODE_COUNT; i++)
		if (strcmp(smx_diag_row(i)->name, name) == 0)
			return (enum smx_diag_code)i;
	fail(s, "no such finding", name);
}

/* host DOMAIN policy "line"... | fails CODE | mute */
static void
do_host(struct scenario *s)
{
	struct sim_host host = { .code = SMX_DIAG_OK };
	struct smx_buf body;

	smx_buf_init(&body, 65536);
	if (is(s, 2, "policy")) {
		for (size_t i = 3; i < s->count; i++)
			smx_buf_printf(&body, "%s\r\n", s->words[i]);
		host.body = (char *)(uintptr_t)smx_buf_text(&body);
	} else if (is(s, 2, "fails")) {
		host.code = code_named(s, word(s, 3));
	} else if (is(s, 2, "mute")) {
		host.silent = true;
	} else {
		fail(s, "say policy, fails or mute", NULL);
	}
	sim_set_host(domain(s, 1), &host);
	smx_buf_done(&body);
}

static void
take(struct ask *a, const struct smx_lookup_answer *answer)
{
	struct smx_postfix postfix;
	struct smx_buf text;

	smx_buf_init_fixed(&text, a->text, sizeof(a->text));
	a->answered = true;
	a->status = answer->status;
	a->took = a->scenario->sim.now.mono - a->asked;
	if (answer->status == SMX_LOOKUP_ENFORCE) {
		postfix = smx_cache_policy_postfix(answer->policy);
		SMX_REQUIRE(smx_postfix_print(&postfix, smx_slice("", 0), false,
				&text) == 0);
	}
	smx_buf_add_char(&text, '\0');
	SMX_REQUIRE(smx_buf_status(&text) == 0);
}

static void
on_answer(struct smx_lookup_waiter *w, const struct smx_lookup_answer *answer)
{
	take(SMX_ELEMENT(w, struct ask, waiter), answer);
}

/* start DOMAIN: ask, and don't wait. ask DOMAIN: wait until it is answered. */
static void
do_ask(struct scenario *s, bool wait)
{
	struct smx_lookup_answer answer;
	struct ask *a;

	if (wait)
		s->ask_count = 0;
	if (s->ask_count == sizeof(s->asks) / sizeof(s->asks[0]))
		fail(s, "too many asks", NULL);
	a = &s->asks[s->ask_count++];
	*a = (struct ask){ .scenario = s,
		.asked = s->sim.now.mono,
		.waiter.done = on_answer };
	sim_in_engine++;
	if (smx_lookup_ask(&s->sim.lookup, smx_slice_text(word(s, 1)),
		s->sim.now, &a->waiter, &answer) != SMX_LOOKUP_WAIT)
		take(a, &answer);
	sim_in_engine--;
	while (wait && !a->answered)
		if (!sim_run_next(&s->sim))
			fail(s, "it is never answered", NULL);
}

/* finish: wait until all that were started are answered. */
static void
do_finish(struct scenario *s)
{
	for (size_t i = 0; i < s->ask_count; i++)
		while (!s->asks[i].answered)
			if (!sim_run_next(&s->sim))
				fail(s, "one is never answered", NULL);
}

static const char *
status_text(const struct ask *a)
{
	static const char *const texts[] = { "enforce", "none", "temp",
		"waiting" };

	return a->answered ? texts[a->status] : "waiting";
}

/* expect enforce ["text"] | none | temp | waiting: all asks since "ask". */
static void
do_expect(struct scenario *s)
{
	if (s->ask_count == 0)
		fail(s, "nothing was asked", NULL);
	for (size_t i = 0; i < s->ask_count; i++) {
		const struct ask *a = &s->asks[i];

		if (strcmp(status_text(a), word(s, 1)) != 0)
			differ(s, "the answer is", status_text(a));
		if (s->count > 2 && strcmp(a->text, s->words[2]) != 0)
			differ(s, "the text is", a->text);
	}
}

/* took SPAN: the last answer took exactly so long. */
static void
do_took(struct scenario *s)
{
	char text[32];

	snprintf(text, sizeof(text), "%lldms",
	    (long long)s->asks[s->ask_count - 1].took);
	if (s->asks[s->ask_count - 1].took != span(s, word(s, 1)))
		differ(s, "it took", text);
}

/* asked DOMAIN txt=N host=N: so often since this was last said. */
static void
do_asked(struct scenario *s)
{
	struct sim_domain *d = domain(s, 1);
	char text[64];
	unsigned txt = 0, host = 0;

	for (size_t i = 2; i < s->count; i++) {
		if (sscanf(s->words[i], "txt=%u", &txt) != 1 &&
		    sscanf(s->words[i], "host=%u", &host) != 1)
			fail(s, "say txt=N and host=N", NULL);
	}
	snprintf(text, sizeof(text), "txt=%u host=%u", d->txt_asked,
	    d->host_asked);
	if (txt != d->txt_asked || host != d->host_asked)
		differ(s, "asked were", text);
	d->txt_asked = d->host_asked = 0;
}

/* event KIND|CODE DOMAIN: it was told since the last such line or quiet. */
static void
do_event(struct scenario *s, bool expected)
{
	static const char *const kinds[] = { "new", "changed", "refreshed",
		"expired", "finding", "mail", "timed-out", "full", "busy" };
	bool found = false;

	for (size_t i = 0; i < s->sim.event_count; i++) {
		const struct sim_event *e = &s->sim.events[i];
		const char *name = e->kind == SMX_LOOKUP_FINDING
		    ? smx_diag_row(e->code)->name
		    : kinds[e->kind];

		if (strcmp(name, word(s, 1)) == 0 &&
		    (s->count < 3 || strcmp(e->domain, s->words[2]) == 0))
			found = true;
	}
	if (found != expected)
		differ(s, expected ? "not told" : "told", s->words[1]);
}

/* stored DOMAIN id=ID | no */
static void
do_stored(struct scenario *s)
{
	struct sim_domain *d = domain(s, 1);

	if (is(s, 2, "no")) {
		if (d->stored)
			differ(s, "it is stored", d->stored_id);
	} else if (!d->stored || strncmp(word(s, 2), "id=", 3) != 0 ||
	    strcmp(d->stored_id, s->words[2] + 3) != 0) {
		differ(s, "stored is", d->stored ? d->stored_id : "nothing");
	}
}

/* set defer | deliver | bound=SPAN | recheck=SPAN | dns=SPAN | host=SPAN */
static void
do_set(struct scenario *s)
{
	for (size_t i = 1; i < s->count; i++) {
		const char *w = s->words[i];
		const char *value = strchr(w, '=');

		if (strcmp(w, "defer") == 0 || strcmp(w, "deliver") == 0)
			s->sim.settings.defer_on_dns_failure = w[2] == 'f';
		else if (value == NULL)
			fail(s, "no such setting", w);
		else if (strncmp(w, "bound=", 6) == 0)
			s->sim.settings.answer_bound = span(s, value + 1);
		else if (strncmp(w, "recheck=", 8) == 0)
			s->sim.settings.recheck = span(s, value + 1);
		else if (strncmp(w, "dns=", 4) == 0)
			s->sim.dns_delay = span(s, value + 1);
		else if (strncmp(w, "host=", 5) == 0)
			s->sim.host_delay = span(s, value + 1);
		else
			fail(s, "no such setting", w);
	}
	s->sim.lookup.settings = s->sim.settings;
}

/* policies N: so many are in the cache. */
static void
do_policies(struct scenario *s)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", s->sim.lookup.cache.policy_count);
	if (strcmp(text, word(s, 1)) != 0)
		differ(s, "policies in the cache are", text);
}

static uint64_t
next_random(uint64_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return *r;
}

/* Break or mend something of one domain, at random. */
static void
disturb(struct scenario *s, size_t i, uint64_t random)
{
	static const enum smx_diag_code failures[] = { SMX_DIAG_HOST_REFUSED,
		SMX_DIAG_CERT_EXPIRED, SMX_DIAG_HTTP_STATUS,
		SMX_DIAG_HTTP_TYPE };
	char name[32], record[64], body[256];
	struct sim_txt txt = { .status = SMX_DNS_OK, .ttl_s = 300, .count = 1 };
	struct sim_host host = { .code = SMX_DIAG_OK, .body = body };
	struct sim_domain *d;

	snprintf(name, sizeof(name), "d%zu.example", i);
	d = sim_domain(&s->sim, smx_slice_text(name));
	snprintf(record, sizeof(record), "v=STSv1; id=%llu",
	    (unsigned long long)(random >> 32) % 5);
	snprintf(body, sizeof(body),
	    "version: STSv1\nmode: enforce\nmx: mx.%s\nmax_age: %llu\n", name,
	    (unsigned long long)(86400 * (1 + i % 60)));
	txt.records[0] = record;
	if (random % 4 == 0) {
		txt = (struct sim_txt){ .status = SMX_DNS_FAILURE };
		txt.silent = random % 8 == 0;
	}
	if (random % 4 == 1)
		host = (struct sim_host){ .code = failures[random / 4 % 4] };
	sim_set_txt(d, &txt);
	sim_set_host(d, &host);
}

/*
 * year DAYS DOMAINS: mail flows to all of them, and things break and are
 * mended at random. A policy that was fetched is answered until its max_age
 * is over.
 */
static void
do_year(struct scenario *s)
{
	size_t days = strtoul(word(s, 1), NULL, 10);
	size_t count = strtoul(word(s, 2), NULL, 10), enforced = 0;
	uint64_t random = 88172645463325252;
	char name[32];

	for (size_t i = 0; i < count; i++)
		disturb(s, i, 2);
	for (size_t step = 0; step < days * count * 2; step++) {
		size_t i = next_random(&random) % count;
		struct sim_domain *d;
		bool protected;

		sim_run_until(&s->sim,
		    s->sim.now.mono + SMX_DAY / (smx_time)(2 * count));
		if (next_random(&random) % 3 == 0)
			disturb(s, i, next_random(&random));
		if (step == days * count)
			sim_restart(&s->sim);
		snprintf(name, sizeof(name), "d%zu.example", i);
		d = sim_domain(&s->sim, smx_slice_text(name));
		protected = d->fetched != 0 &&
		    s->sim.now.mono < d->fetched + d->max_age;
		s->words[1] = name;
		s->count = 2;
		do_ask(s, true);
		enforced += s->asks[0].status == SMX_LOOKUP_ENFORCE;
		if (protected && s->asks[0].status != SMX_LOOKUP_ENFORCE)
			fail(s, "a valid policy was not answered", name);
		s->sim.event_count = 0;
	}
	printf("%s: %zu of %zu look-ups in %zu days answered with a policy\n",
	    s->file, enforced, days * count * 2, days);
	/* Most of the time they are protected, or nothing was tried. */
	if (enforced < days * count)
		fail(s, "too few look-ups were answered with a policy", NULL);
}

static void
run_line(struct scenario *s)
{
	const char *verb = s->words[0];

	if (strcmp(verb, "txt") == 0)
		do_txt(s);
	else if (strcmp(verb, "host") == 0)
		do_host(s);
	else if (strcmp(verb, "set") == 0)
		do_set(s);
	else if (strcmp(verb, "ask") == 0 || strcmp(verb, "start") == 0)
		do_ask(s, verb[0] == 'a');
	else if (strcmp(verb, "finish") == 0)
		do_finish(s);
	else if (strcmp(verb, "expect") == 0)
		do_expect(s);
	else if (strcmp(verb, "took") == 0)
		do_took(s);
	else if (strcmp(verb, "asked") == 0)
		do_asked(s);
	else if (strcmp(verb, "event") == 0 || strcmp(verb, "silence") == 0)
		do_event(s, verb[0] == 'e');
	else if (strcmp(verb, "quiet") == 0)
		s->sim.event_count = 0;
	else if (strcmp(verb, "stored") == 0)
		do_stored(s);
	else if (strcmp(verb, "policies") == 0)
		do_policies(s);
	else if (strcmp(verb, "wait") == 0)
		sim_run_until(&s->sim, s->sim.now.mono + span(s, word(s, 1)));
	else if (strcmp(verb, "wall") == 0)
		s->sim.now.wall += span(s, word(s, 1));
	else if (strcmp(verb, "restart") == 0)
		sim_restart(&s->sim);
	else if (strcmp(verb, "year") == 0)
		do_year(s);
	else
		fail(s, "no such verb", verb);
}

static void
run_file(const char *path, bool memory_fails)
{
	static struct scenario s;
	FILE *f = fopen(path, "re");
	char line[4096];

	memset(&s, 0, sizeof(s));
	s.file = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	s.memory_fails = memory_fails;
	if (f == NULL)
		fail(&s, "can't be opened", NULL);
	sim_init(&s.sim);
	while (fgets(line, sizeof(line), f) != NULL) {
		s.line++;
		split(&s, line);
		if (s.count > 0)
			run_line(&s);
	}
	fclose(f);
	sim_done(&s.sim);
}

/* Let each allocation of the engine fail in turn, once and for ever. */
static void
run_without_memory(const char *path)
{
	for (unsigned for_ever = 0; for_ever <= 1; for_ever++) {
		unsigned n = 0;

		do {
			failing_alloc_start(n++, for_ever);
			run_file(path, true);
		} while (failing_alloc_stop());
		printf("%s: each of %u allocations failed%s\n", path, n - 1,
		    for_ever ? ", and all after it" : "");
	}
}

int
main(int argc, char **argv)
{
	bool memory_fails = argc > 1 && strcmp(argv[1], "-m") == 0;

	if (argc < 2 + memory_fails) {
		fputs("usage: scenario [-m] FILE...\n", stderr);
		return 2;
	}
	for (int i = 1 + memory_fails; i < argc; i++) {
		if (memory_fails)
			run_without_memory(argv[i]);
		else
			run_file(argv[i], false);
	}
	return 0;
}
