#include "core/mx_advice.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/sts_match.h"

/* More edits than this make another name of it. */
#define EDITS_MAX 2
/* A typo is one edit in so many characters of what differs: "mx1" and "mx2"
 * are two hosts, "mial" and "mail" are not. */
#define CHARS_PER_EDIT 4
/* Hosts are compared with all patterns, so many at a time. */
#define HOSTS_AT_ONCE 64

static struct smx_slice
without_dot(struct smx_slice host)
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	return host;
}

static bool
is_wildcard(struct smx_slice pattern)
{
	return smx_slice_starts(pattern, SMX_SLICE("*."));
}

/* @return the pattern without "*.". */
static struct smx_slice
base_of(struct smx_slice pattern)
{
	return is_wildcard(pattern) ? smx_slice_from(pattern, 2) : pattern;
}

/* Is @p name below @p parent? */
static bool
is_below(struct smx_slice name, struct smx_slice parent)
{
	size_t at;

	if (parent.n == 0 || name.n < parent.n + 2)
		return false;
	at = name.n - parent.n;
	return name.p[at - 1] == '.' &&
	    smx_domain_equal(smx_slice_from(name, at), parent);
}

/* Second-level labels below which names are registered, when the top level
 * is a country's. */
static bool
is_public_label(struct smx_slice label)
{
	static const char *const labels[] = { "ac", "co", "com", "edu", "go",
		"gob", "gov", "mil", "ne", "net", "or", "org" };

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (smx_domain_equal(label, smx_slice_text(labels[i])))
			return true;
	return false;
}

/* @return where the label before @p end begins. */
static size_t
label_start(struct smx_slice name, size_t end)
{
	while (end > 0 && name.p[end - 1] != '.')
		end--;
	return end;
}

/* What looks like the part of a name that somebody registered. */
static struct smx_slice
registered(struct smx_slice name)
{
	size_t top = label_start(name, name.n), second;

	if (top == 0)
		return name;
	second = label_start(name, top - 1);
	if (second > 0 && name.n - top == 2 &&
	    is_public_label(smx_slice(name.p + second, top - 1 - second)))
		second = label_start(name, second - 1);
	return smx_slice_from(name, second);
}

/* Does the policy allow any of the hosts, or name a domain of theirs? */
static bool
has_common_domain(const struct smx_sts_policy *policy,
    const struct smx_slice *hosts, size_t count)
{
	struct smx_slice domains[HOSTS_AT_ONCE];

	for (size_t k = 0; k < count; k++)
		domains[k] = registered(without_dot(hosts[k]));
	for (size_t i = 0; i < policy->mx_count; i++) {
		struct smx_slice pattern = policy->mx[i];
		struct smx_slice domain = registered(base_of(pattern));

		for (size_t k = 0; k < count; k++)
			if (smx_domain_equal(domain, domains[k]) ||
			    /* "*.com" names a domain of no host. */
			    (is_wildcard(pattern) &&
				smx_sts_match_pattern(pattern, hosts[k])))
				return true;
	}
	return false;
}

static bool
has_moved(const struct smx_sts_policy *policy, const struct smx_slice *hosts,
    size_t count)
{
	while (count > 0) {
		size_t n = count < HOSTS_AT_ONCE ? count : HOSTS_AT_ONCE;

		if (has_common_domain(policy, hosts, n))
			return false;
		hosts += n;
		count -= n;
	}
	return policy->mx_count > 0;
}

/* How much two names have in common at their fronts. */
static size_t
common_front(struct smx_slice a, struct smx_slice b)
{
	size_t n = 0;

	while (n < a.n && n < b.n &&
	    smx_scan_lower(a.p[n]) == smx_scan_lower(b.p[n]))
		n++;
	return n;
}

/* ... and at their ends, but for @p front. */
static size_t
common_end(struct smx_slice a, struct smx_slice b, size_t front)
{
	size_t n = 0;

	while (n + front < a.n && n + front < b.n &&
	    smx_scan_lower(a.p[a.n - 1 - n]) ==
		smx_scan_lower(b.p[b.n - 1 - n]))
		n++;
	return n;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A row of the table of edits, with room for one place behind the last. */
struct row {
	uint8_t edits[SMX_DOMAIN_MAX + 2];
};

/* One place in row @p i; the rows before it are reused in turn. */
static uint8_t
edits_at(const struct row rows[3], struct smx_slice a, struct smx_slice b,
    size_t i, size_t j)
{
	const uint8_t *now = rows[i % 3].edits;
	const uint8_t *above = rows[(i + 2) % 3].edits;
	const uint8_t *above_that = rows[(i + 1) % 3].edits;
	char x = smx_scan_lower(a.p[i - 1]), y = smx_scan_lower(b.p[j - 1]);
	size_t n = least(least(above[j], now[j - 1]) + 1,
	    above[j - 1] + (size_t)(x != y));

	if (i > 1 && j > 1 && x == smx_scan_lower(b.p[j - 2]) &&
	    y == smx_scan_lower(a.p[i - 2]))
		n = least(n, above_that[j - 2] + (size_t)1);
	return (uint8_t)least(n, EDITS_MAX + 1);
}

/* Fill row @p i as far as few edits lead there, and one place more on either
 * side, which the next row looks at. @return the least of it. */
static uint8_t
fill_row(struct row rows[3], struct smx_slice a, struct smx_slice b, size_t i)
{
	size_t from = i > EDITS_MAX ? i - EDITS_MAX : 1;
	size_t to = least(b.n, i + EDITS_MAX);
	uint8_t *now = rows[i % 3].edits;
	uint8_t best;

	best = (uint8_t)(from > 1 ? EDITS_MAX + 1 : least(i, EDITS_MAX + 1));
	now[from - 1] = best;
	for (size_t j = from; j <= to; j++) {
		now[j] = edits_at(rows, a, b, i, j);
		best = (uint8_t)least(best, now[j]);
	}
	now[to + 1] = EDITS_MAX + 1;
	return best;
}

/*
 * How many characters have to be inserted, removed, replaced or swapped with
 * their neighbour to make one name of the other; EDITS_MAX + 1 when there are
 * more.
 */
static size_t
count_edits(struct smx_slice a, struct smx_slice b)
{
	struct row rows[3];
	size_t front, end;

	if (a.n > SMX_DOMAIN_MAX || b.n > SMX_DOMAIN_MAX ||
	    a.n > b.n + EDITS_MAX || b.n > a.n + EDITS_MAX)
		return EDITS_MAX + 1;
	front = common_front(a, b);
	end = common_end(a, b, front);
	a = smx_slice(a.p + front, a.n - front - end);
	b = smx_slice(b.p + front, b.n - front - end);
	for (uint8_t j = 0; j <= EDITS_MAX + 1; j++)
		rows[0].edits[j] = j;
	for (size_t i = 1; i <= a.n; i++)
		if (fill_row(rows, a, b, i) > EDITS_MAX)
			return EDITS_MAX + 1;
	return rows[a.n % 3].edits[b.n];
}

static bool
is_joint(char c)
{
	return c == '.' || c == '-';
}

/* Does a word begin or end at @p at? Names are words with dots and hyphens
 * between them. */
static bool
is_edge(struct smx_slice s, size_t at)
{
	return at == 0 || at == s.n || is_joint(s.p[at - 1]) ||
	    is_joint(s.p[at]);
}

static bool
has_only_joints(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_joint(s.p[i]))
			return false;
	return s.n > 0;
}

/* The length of what differs, in whole words. */
static size_t
differing(struct smx_slice a, struct smx_slice b)
{
	size_t front = common_front(a, b), end;
	size_t longer = a.n > b.n ? a.n : b.n;

	while (!is_edge(a, front) || !is_edge(b, front))
		front--;
	end = common_end(a, b, front);
	while (!is_edge(a, a.n - end) || !is_edge(b, b.n - end))
		end--;
	/* A dot instead of a hyphen is about the words on both sides. */
	if (has_only_joints(smx_slice(a.p + front, a.n - front - end)) &&
	    has_only_joints(smx_slice(b.p + front, b.n - front - end)))
		return longer;
	return longer - front - end;
}

/* Are the names the same but for digits? Those are two hosts of a row. */
static bool
are_numbered(struct smx_slice a, struct smx_slice b)
{
	size_t i = 0, j = 0;

	for (;; i++, j++) {
		while (i < a.n && smx_scan_is_digit(a.p[i]))
			i++;
		while (j < b.n && smx_scan_is_digit(b.p[j]))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (smx_scan_lower(a.p[i]) != smx_scan_lower(b.p[j]))
			return false;
	}
}

/* @return how many edits are between a pattern and a host when it is a typo;
 * EDITS_MAX + 1 when it is none. */
static size_t
typo_edits(struct smx_slice pattern, struct smx_slice host)
{
	size_t n;

	if (is_wildcard(pattern)) {
		pattern = base_of(pattern);
		host = smx_slice_from(host, smx_slice_find(host, '.') + 1);
	}
	n = count_edits(pattern, host);
	if (n == 0 || n > EDITS_MAX || are_numbered(pattern, host) ||
	    n * CHARS_PER_EDIT > differing(pattern, host))
		return EDITS_MAX + 1;
	return n;
}

/* Is a pattern this host with labels in front? With "*" alone in front it is
 * a wildcard that has nothing to stand for. */
static bool
has_extra_label(struct smx_slice pattern, struct smx_slice host)
{
	return is_below(pattern, host) &&
	    !(is_wildcard(pattern) && pattern.n == host.n + 2);
}

/* Would the wildcard stand for none or several labels of the host? */
static bool
is_trap(struct smx_slice pattern, struct smx_slice host)
{
	struct smx_slice base = base_of(pattern);

	return is_wildcard(pattern) &&
	    (smx_domain_equal(base, host) || is_below(host, base));
}

bool
smx_mx_advice_pattern_is_used(struct smx_slice pattern,
    const struct smx_slice *hosts, size_t host_count)
{
	for (size_t i = 0; i < host_count; i++)
		if (smx_sts_match_pattern(pattern, hosts[i]))
			return true;
	return false;
}

/* What the patterns one by one have to do with a host: three are enough to
 * name the code. Empty: there is no such pattern. */
struct relation {
	struct smx_slice extra, typo, trap;
	bool same_domain;
};

static void
relate(const struct smx_sts_policy *policy, const struct smx_slice *hosts,
    size_t host_count, struct smx_slice host, struct relation *r)
{
	struct smx_slice domain = registered(host);
	size_t best = EDITS_MAX + 1;

	for (size_t i = 0; i < policy->mx_count; i++) {
		struct smx_slice pattern = policy->mx[i];
		size_t edits = typo_edits(pattern, host);
		bool is_extra = r->extra.n == 0 &&
		    has_extra_label(pattern, host);

		if ((is_extra || edits < best) &&
		    !smx_mx_advice_pattern_is_used(pattern, hosts,
			host_count)) {
			if (is_extra)
				r->extra = pattern;
			if (edits < best) {
				r->typo = pattern;
				best = edits;
			}
		}
		if (r->trap.n == 0 && is_trap(pattern, host))
			r->trap = pattern;
		r->same_domain = r->same_domain ||
		    smx_domain_equal(registered(base_of(pattern)), domain);
	}
}

void
smx_mx_advice_classify(const struct smx_sts_policy *policy,
    const struct smx_slice *hosts, size_t host_count, size_t which,
    struct smx_mx_advice *ret)
{
	struct smx_slice host = without_dot(hosts[which]);
	struct relation r = { 0 };

	*ret = (struct smx_mx_advice){ .code = SMX_DIAG_OK };
	if (smx_sts_match_policy(policy, hosts[which]))
		return;
	relate(policy, hosts, host_count, host, &r);
	if (r.extra.n != 0)
		*ret = (struct smx_mx_advice){ SMX_DIAG_MX_EXTRA_LABEL,
			r.extra };
	else if (r.typo.n != 0)
		*ret = (struct smx_mx_advice){ SMX_DIAG_MX_TYPO, r.typo };
	else if (r.trap.n != 0)
		*ret = (struct smx_mx_advice){ SMX_DIAG_MX_WILDCARD, r.trap };
	else if (r.same_domain || policy->mx_count == 0)
		ret->code = SMX_DIAG_MX_NOT_ALLOWED;
	else
		ret->code = has_moved(policy, hosts, host_count)
		    ? SMX_DIAG_MX_MOVED
		    : SMX_DIAG_MX_OTHER_DOMAIN;
}

void
smx_mx_advice_print_policy(const struct smx_slice *hosts, size_t host_count,
    enum smx_sts_mode mode, uint32_t max_age_s, struct smx_buf *out)
{
	if (max_age_s > SMX_STS_MAX_AGE_MAX_S)
		max_age_s = SMX_STS_MAX_AGE_MAX_S;
	smx_buf_printf(out, "version: STSv1\nmode: %s\n",
	    smx_sts_policy_mode_text(mode));
	for (size_t i = 0; i < host_count; i++) {
		struct smx_domain d;
		size_t k = 0;

		if (smx_domain_parse(hosts[i], &d) < 0)
			continue;
		while (k < i &&
		    !smx_domain_equal(without_dot(hosts[k]),
			smx_domain_slice(&d)))
			k++;
		if (k < i)
			continue;
		smx_buf_add_text(out, "mx: ");
		smx_buf_add(out, smx_domain_slice(&d));
		smx_buf_add_char(out, '\n');
	}
	smx_buf_printf(out, "max_age: %u\n", max_age_s);
}
