#include "unit.h"
#include <time.h>
#include "core/domain.h"
#include "core/limits.h"
#include "core/mx_advice.h"
#include "core/sts_match.h"

#define MAX 8

/* Words with blanks between them. */
static size_t
split(const char *text, struct smx_slice to[MAX])
{
	size_t n = 0;

	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		assert_true(n < MAX);
		to[n++] = smx_slice(text, length);
		text += length + strspn(text + length, " ");
	}
	return n;
}

static void
check(const char *patterns, const char *hosts, enum smx_diag_code code,
    const char *pattern)
{
	struct smx_slice mx[MAX], host[MAX];
	struct smx_sts_policy policy = { .mode = SMX_STS_ENFORCE, .mx = mx };
	size_t count = split(hosts, host);
	struct smx_mx_advice advice;

	policy.mx_count = split(patterns, mx);
	smx_mx_advice_classify(&policy, host, count, 0, &advice);
	if (advice.code != code ||
	    !smx_slice_equal(advice.pattern, smx_slice_text(pattern)))
		fail_msg("%s | %s: %s \"%.*s\"", patterns, hosts,
		    smx_diag_row(advice.code)->name, (int)advice.pattern.n,
		    advice.pattern.p);
}

static void
test_extra_labels(void **state)
{
	(void)state;
	check("mta-sts.mail.example.com", "mail.example.com",
	    SMX_DIAG_MX_EXTRA_LABEL, "mta-sts.mail.example.com");
	check("a.example.net x.y.MAIL.example.com", "mail.example.com.",
	    SMX_DIAG_MX_EXTRA_LABEL, "x.y.MAIL.example.com");
	check("*.mta-sts.mail.example.com", "mail.example.com",
	    SMX_DIAG_MX_EXTRA_LABEL, "*.mta-sts.mail.example.com");
	/* Before all others, wherever it stands. */
	check("mial.example.com *.example.org mta-sts.mail.example.com",
	    "mail.example.com", SMX_DIAG_MX_EXTRA_LABEL,
	    "mta-sts.mail.example.com");
	/* A line that another host needs is right as it is. */
	check("mx1.mail.example.com", "mail.example.com mx1.mail.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	check("mx1.mail.example.com mta-sts.mail.example.com",
	    "mail.example.com mx1.mail.example.com", SMX_DIAG_MX_EXTRA_LABEL,
	    "mta-sts.mail.example.com");
	/* Labels end at dots. */
	check("xmail.example.com mta.example.net", "mail.example.com",
	    SMX_DIAG_MX_TYPO, "xmail.example.com");
	check("webmail.example.com", "mail.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
}

static void
test_typos(void **state)
{
	static const char *const typos[] = { "mial.example.com",
		"mail.exmaple.com", "mail.exampel.com", "mail.exampl.com",
		"mail.exammple.com", "mailexample.com", "mail-example.com",
		"MIAL.example.com", "nail.example.com",
		"mailserver.example.com" };
	static const char *const hosts[] = { "mail.example.com",
		"mail.example.com", "mail.example.com", "mail.example.com",
		"mail.example.com", "mail.example.com", "mail.example.com",
		"mail.example.com.", "mail.example.com",
		"mialsevrer.example.com" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(typos); i++)
		check(typos[i], hosts[i], SMX_DIAG_MX_TYPO, typos[i]);
	/* The nearest, and the first of those. */
	check("mailservre.example.com mailserverr.example.com",
	    "mailserver.example.com", SMX_DIAG_MX_TYPO,
	    "mailservre.example.com");
	check("mialservre.example.com mailservre.example.com",
	    "mailserver.example.com", SMX_DIAG_MX_TYPO,
	    "mailservre.example.com");
	/* Of a wildcard what follows the star. */
	check("*.exmaple.com", "mx1.example.com", SMX_DIAG_MX_TYPO,
	    "*.exmaple.com");
	/* Before the wildcard trap. */
	check("*.example.com mx.mail.exmaple.com", "mx.mail.example.com",
	    SMX_DIAG_MX_TYPO, "mx.mail.exmaple.com");
}

static void
test_what_is_no_typo(void **state)
{
	(void)state;
	/* Short words that differ are other hosts, */
	check("mx1.example.com", "mx2.example.com", SMX_DIAG_MX_NOT_ALLOWED,
	    "");
	check("mxa.example.com", "mxb.example.com", SMX_DIAG_MX_NOT_ALLOWED,
	    "");
	check("mail-a.example.com", "mail-b.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	check("mailserver-a.example.com", "mailserver.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	check("mailserver.a.example.com", "mailserver.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	check("example.com", "a.example.com", SMX_DIAG_MX_NOT_ALLOWED, "");
	/* and long ones that are numbered. */
	check("mailserver1.example.com", "mailserver12.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	check("mailserver01.example.com", "mailserver2.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	/* Another top level is another domain. */
	check("mail.example.net", "mail.example.nl", SMX_DIAG_MX_MOVED, "");
	/* Three edits. */
	check("mailserver.example.com", "mialsrvr.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
	/* What another host needs is spelled right. */
	check("mail.example.com", "nail.example.com mail.example.com",
	    SMX_DIAG_MX_NOT_ALLOWED, "");
}

static void
test_wildcard_trap(void **state)
{
	(void)state;
	check("*.example.com", "example.com", SMX_DIAG_MX_WILDCARD,
	    "*.example.com");
	check("*.mail.example.com", "mail.example.com", SMX_DIAG_MX_WILDCARD,
	    "*.mail.example.com");
	check("mx.example.net *.EXAMPLE.com", "a.b.example.com.",
	    SMX_DIAG_MX_WILDCARD, "*.EXAMPLE.com");
	check("*.example.com", "a.b.c.example.com", SMX_DIAG_MX_WILDCARD,
	    "*.example.com");
	/* Also when the line serves other hosts well. */
	check("*.example.com", "a.b.example.com a.example.com",
	    SMX_DIAG_MX_WILDCARD, "*.example.com");
	check("*.xample.com", "a.b-example.com", SMX_DIAG_MX_MOVED, "");
}

static void
test_domains(void **state)
{
	(void)state;
	check("mx.old.example", "mx.new.example.net", SMX_DIAG_MX_MOVED, "");
	check("mx.old.example mx2.old.example", "a.new.test b.new.test",
	    SMX_DIAG_MX_MOVED, "");
	/* Some host is allowed; */
	check("mx.example.com", "mx.example.net mx.example.com",
	    SMX_DIAG_MX_OTHER_DOMAIN, "");
	check("*.com", "mx.example.net example.com", SMX_DIAG_MX_OTHER_DOMAIN,
	    "");
	/* or one is at least in a domain of the policy. */
	check("mx.example.com", "mx.example.net smtp.example.com",
	    SMX_DIAG_MX_OTHER_DOMAIN, "");
	check("mx.example.com", "smtp.example.com", SMX_DIAG_MX_NOT_ALLOWED,
	    "");
	check("*.in.example.com", "smtp.EXAMPLE.com.", SMX_DIAG_MX_NOT_ALLOWED,
	    "");
	/* Below some labels anybody registers names. */
	check("mx.one.co.uk", "smtp.two.co.uk", SMX_DIAG_MX_MOVED, "");
	check("mx.one.co.uk", "smtp.one.co.uk", SMX_DIAG_MX_NOT_ALLOWED, "");
	check("mx.one.com.au", "smtp.two.com.au", SMX_DIAG_MX_MOVED, "");
	check("mx.co.example", "smtp.co.example", SMX_DIAG_MX_NOT_ALLOWED, "");
	check("co.uk", "smtp.co.uk", SMX_DIAG_MX_MOVED, "");
	check("one.co.uk", "mail.uk", SMX_DIAG_MX_MOVED, "");
}

static void
test_allowed_and_odd_hosts(void **state)
{
	struct smx_sts_policy none = { .mode = SMX_STS_NONE };
	struct smx_slice host = SMX_SLICE("mx.example.com");
	struct smx_mx_advice advice;

	(void)state;
	check("mx.example.com", "MX.example.com.", SMX_DIAG_OK, "");
	check("*.example.com", "mx.example.com", SMX_DIAG_OK, "");
	check("mx.example.com", ".", SMX_DIAG_MX_MOVED, "");
	check("mx.example.com", "..", SMX_DIAG_MX_MOVED, "");
	check("mx.example.com", "mx", SMX_DIAG_MX_MOVED, "");
	check("com", "mx.com", SMX_DIAG_MX_MOVED, "");
	check("*.example.com", ".example.com", SMX_DIAG_MX_NOT_ALLOWED, "");
	check("*.example.com", "..example.com", SMX_DIAG_MX_WILDCARD,
	    "*.example.com");
	smx_mx_advice_classify(&none, &host, 1, 0, &advice);
	assert_int_equal(advice.code, SMX_DIAG_MX_NOT_ALLOWED);
}

static void
test_patterns_in_use(void **state)
{
	const struct smx_slice hosts[] = { SMX_SLICE("a.example.com"),
		SMX_SLICE("B.example.net.") };

	(void)state;
	assert_true(smx_mx_advice_pattern_is_used(SMX_SLICE("b.example.net"),
	    hosts, 2));
	assert_true(smx_mx_advice_pattern_is_used(SMX_SLICE("*.example.com"),
	    hosts, 2));
	assert_false(smx_mx_advice_pattern_is_used(SMX_SLICE("example.com"),
	    hosts, 2));
	assert_false(smx_mx_advice_pattern_is_used(SMX_SLICE("b.example.net"),
	    hosts, 1));
	assert_false(smx_mx_advice_pattern_is_used(SMX_SLICE("a"), NULL, 0));
}

static void
test_policy_to_paste(void **state)
{
	const struct smx_slice hosts[] = { SMX_SLICE("MX2.example.com."),
		SMX_SLICE("mx1.example.com"), SMX_SLICE("mx2.Example.com"),
		SMX_SLICE("mx_3.example.com"), SMX_SLICE("192.0.2.1"),
		SMX_SLICE(""), SMX_SLICE("mx1.example.com.") };
	struct smx_buf out;

	(void)state;
	smx_buf_init(&out, 10000);
	smx_mx_advice_print_policy(hosts, COUNT_OF(hosts), SMX_STS_TESTING,
	    604800, &out);
	assert_string_equal(smx_buf_text(&out),
	    "version: STSv1\nmode: testing\nmx: mx2.example.com\n"
	    "mx: mx1.example.com\nmax_age: 604800\n");
	smx_buf_reset(&out);
	smx_mx_advice_print_policy(NULL, 0, SMX_STS_NONE, UINT32_MAX, &out);
	assert_string_equal(smx_buf_text(&out),
	    "version: STSv1\nmode: none\nmax_age: 31557600\n");
	smx_buf_done(&out);
}

/* A name of a few labels, often near others that are made so. */
static void
make_name(char *text, uint64_t *seed)
{
	static const char *const labels[] = { "mail", "mx1", "mx2", "mta-sts",
		"example", "other", "mail-in", "mailserver" };
	static const char *const tops[] = { "com", "net", "co.uk", "de" };
	size_t n = 1 + unit_random(seed) % 3;

	text[0] = '\0';
	while (n-- > 0) {
		strcat(text, labels[unit_random(seed) % COUNT_OF(labels)]);
		strcat(text, ".");
	}
	strcat(text, tops[unit_random(seed) % COUNT_OF(tops)]);
	if (unit_random(seed) % 3 == 0) {
		size_t at = unit_random(seed) % (strlen(text) - 1);
		char c = text[at];

		text[at] = text[at + 1];
		text[at + 1] = c;
	}
}

static void
check_advice(const struct smx_sts_policy *policy, const struct smx_slice *hosts,
    size_t count, unsigned *met)
{
	for (size_t i = 0; i < count; i++) {
		struct smx_mx_advice advice;

		smx_mx_advice_classify(policy, hosts, count, i, &advice);
		met[advice.code]++;
		assert_int_equal(advice.code == SMX_DIAG_OK,
		    smx_sts_match_policy(policy, hosts[i]));
		if (advice.code == SMX_DIAG_MX_MOVED)
			for (size_t k = 0; k < count; k++)
				assert_false(smx_sts_match_policy(policy,
				    hosts[k]));
		assert_int_equal(advice.pattern.n != 0,
		    advice.code == SMX_DIAG_MX_EXTRA_LABEL ||
			advice.code == SMX_DIAG_MX_TYPO ||
			advice.code == SMX_DIAG_MX_WILDCARD);
		if (advice.code == SMX_DIAG_MX_EXTRA_LABEL ||
		    advice.code == SMX_DIAG_MX_TYPO)
			assert_false(smx_mx_advice_pattern_is_used(
			    advice.pattern, hosts, count));
	}
}

/* The advice is taken: everything is allowed and every line is used. */
static void
take_advice(const struct smx_slice *hosts, size_t count)
{
	struct smx_diag items[8];
	struct smx_diag_list diags;
	struct smx_sts_policy policy;
	struct smx_arena arena;
	struct smx_buf out;

	smx_buf_init(&out, SMX_STS_BODY_MAX);
	smx_arena_init(&arena, NULL, 0, SMX_STS_ARENA_MAX);
	smx_diag_list_init(&diags, items, COUNT_OF(items));
	smx_mx_advice_print_policy(hosts, count, SMX_STS_ENFORCE, 1209600,
	    &out);
	assert_int_equal(smx_buf_status(&out), 0);
	assert_int_equal(smx_sts_policy_parse(&arena, smx_buf_slice(&out),
			     &diags, &policy),
	    0);
	assert_int_equal(diags.count, 0);
	assert_int_equal(policy.mode, SMX_STS_ENFORCE);
	for (size_t i = 0; i < count; i++)
		assert_true(smx_sts_match_policy(&policy, hosts[i]));
	for (size_t i = 0; i < policy.mx_count; i++)
		assert_true(smx_mx_advice_pattern_is_used(policy.mx[i], hosts,
		    count));
	smx_arena_done(&arena);
	smx_buf_done(&out);
}

static void
test_random_policies(void **state)
{
	static unsigned met[SMX_DIAG_CODE_COUNT];
	uint64_t seed = 5;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		char text[2][4][100];
		struct smx_slice mx[4], hosts[4];
		struct smx_sts_policy policy = { .mx = mx };
		size_t count = 0;

		policy.mx_count = 1 + unit_random(&seed) % 4;
		for (size_t i = 0; i < policy.mx_count; i++) {
			strcpy(text[0][i],
			    unit_random(&seed) % 4 == 0 ? "*." : "");
			make_name(text[0][i] + strlen(text[0][i]), &seed);
			mx[i] = smx_slice_text(text[0][i]);
		}
		for (size_t i = 1 + unit_random(&seed) % 4; i > 0; i--) {
			make_name(text[1][count], &seed);
			hosts[count] = smx_slice_text(text[1][count]);
			if (smx_domain_is_host(hosts[count]))
				count++;
		}
		check_advice(&policy, hosts, count, met);
		if (count > 0)
			take_advice(hosts, count);
	}
	for (int code = SMX_DIAG_MX_NOT_ALLOWED; code <= SMX_DIAG_MX_WILDCARD;
	     code++)
		assert_true(met[code] > 100);
}

/* The whole table of edits, without any of the short cuts. */
static size_t
all_edits(const char *a, const char *b)
{
	size_t d[20][20], n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			size_t best = i == 0 ? j : i;

			if (i > 0 && j > 0) {
				best = d[i - 1][j] + 1;
				if (d[i][j - 1] + 1 < best)
					best = d[i][j - 1] + 1;
				if (d[i - 1][j - 1] + (a[i - 1] != b[j - 1]) <
				    best)
					best = d[i - 1][j - 1] +
					    (a[i - 1] != b[j - 1]);
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

/* One word of letters and nothing else: then the edits alone decide. */
static void
test_edits_against_the_whole_table(void **state)
{
	uint64_t seed = 6;
	int typos = 0;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		char text[2][20];
		struct smx_slice mx, host;
		struct smx_sts_policy policy = { .mx = &mx, .mx_count = 1 };
		struct smx_mx_advice advice;
		size_t edits, longer = 0;
		bool want;

		for (int k = 0; k < 2; k++) {
			size_t n = 6 + unit_random(&seed) % 5;

			for (size_t i = 0; i < n; i++)
				text[k][i] =
				    (char)('a' + unit_random(&seed) % 2);
			text[k][n] = '\0';
			longer = n > longer ? n : longer;
		}
		mx = smx_slice_text(text[0]);
		host = smx_slice_text(text[1]);
		edits = all_edits(text[0], text[1]);
		want = edits > 0 && edits <= 2 && edits * 4 <= longer;
		smx_mx_advice_classify(&policy, &host, 1, 0, &advice);
		if ((advice.code == SMX_DIAG_MX_TYPO) != want)
			fail_msg("%s %s: %zu", text[0], text[1], edits);
		typos += want;
	}
	assert_true(typos > 1000);
}

static double
seconds_of(const struct smx_sts_policy *policy, const struct smx_slice *hosts,
    size_t count)
{
	struct timespec from, to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (size_t i = 0; i < count; i++) {
		struct smx_mx_advice advice;

		smx_mx_advice_classify(policy, hosts, count, i, &advice);
		assert_int_not_equal(advice.code, SMX_DIAG_OK);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* As much as a policy can hold, against as many hosts as are looked at. */
static void
test_largest_policies_take_no_time(void **state)
{
	static struct smx_slice mx[16000];
	static char names[64][254];
	struct smx_slice hosts[64];
	struct smx_sts_policy policy = { .mx = mx };
	uint64_t seed = 9;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		memset(names[i], 'a', 253);
		for (size_t k = 0; k < 253; k++)
			if (k % 60 == 59)
				names[i][k] = '.';
			else if (unit_random(&seed) % 8 == 0)
				names[i][k] = 'b';
		hosts[i] = smx_slice(names[i], 253);
	}
	/* Many short ones, then fewer of the longest. */
	policy.mx_count = 13000;
	for (size_t i = 0; i < policy.mx_count; i++)
		mx[i] = SMX_SLICE("x.y");
	assert_true(seconds_of(&policy, hosts, 64) < 5);
	policy.mx_count = 250;
	for (size_t i = 0; i < policy.mx_count; i++) {
		static char long_names[250][254];

		/* Near all of them, but at both ends. */
		memcpy(long_names[i], names[0], 253);
		long_names[i][0] = 'c';
		long_names[i][1] = 'c';
		long_names[i][252] = 'd';
		mx[i] = smx_slice(long_names[i], 253);
	}
	assert_true(seconds_of(&policy, hosts, 64) < 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extra_labels),
		cmocka_unit_test(test_typos),
		cmocka_unit_test(test_what_is_no_typo),
		cmocka_unit_test(test_wildcard_trap),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_allowed_and_odd_hosts),
		cmocka_unit_test(test_patterns_in_use),
		cmocka_unit_test(test_policy_to_paste),
		cmocka_unit_test(test_random_policies),
		cmocka_unit_test(test_edits_against_the_whole_table),
		cmocka_unit_test(test_largest_policies_take_no_time),
	};

	return cmocka_run_group_tests_name("mx_advice", tests, NULL, NULL);
}
