#include <stdlib.h>

#include "core/postfix.h"
#include "base/require.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/limits.h"

/* "OK " stands before the text in a reply. */
#define TEXT_MAX (SMX_SOCKETMAP_REPLY_MAX - 3)
/* Up to here comparing each with each is quicker than sorting. */
#define FEW 16

struct place {
	struct smx_slice name;
	size_t index; /* in the policy */
};

static int
by_index(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;

	return (a->index > b->index) - (a->index < b->index);
}

static int
by_name(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;

	if (a->name.n != b->name.n)
		return a->name.n < b->name.n ? -1 : 1;
	for (size_t i = 0; i < a->name.n; i++) {
		char x = smx_scan_lower(a->name.p[i]);
		char y = smx_scan_lower(b->name.p[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return by_index(a, b);
}

static bool
is_among(const struct smx_slice *names, size_t count, struct smx_slice name)
{
	for (size_t i = 0; i < count; i++)
		if (smx_domain_equal(names[i], name))
			return true;
	return false;
}

/* Many names: sorted, so that no choice of names makes it slow. */
static int
distinct_of_many(struct smx_arena *scratch, const struct smx_sts_policy *policy,
    struct smx_slice *names, size_t *ret_count)
{
	size_t kept = 0;
	struct place *places = smx_arena_take(scratch, policy->mx_count,
	    sizeof(*places));

	if (places == NULL)
		return -SMX_ENOMEM;
	for (size_t i = 0; i < policy->mx_count; i++)
		places[i] = (struct place){ policy->mx[i], i };
	qsort(places, policy->mx_count, sizeof(*places), by_name);
	for (size_t i = 0; i < policy->mx_count; i++)
		if (i == 0 ||
		    !smx_domain_equal(places[kept - 1].name, places[i].name))
			places[kept++] = places[i];
	qsort(places, kept, sizeof(*places), by_index);
	for (size_t i = 0; i < kept; i++)
		names[i] = places[i].name;
	*ret_count = kept;
	return 0;
}

static int
distinct_mx(struct smx_arena *scratch, const struct smx_sts_policy *policy,
    struct smx_slice **ret_names, size_t *ret_count)
{
	size_t count = policy->mx_count, kept = 0;
	struct smx_slice *names = smx_arena_take(scratch, count,
	    sizeof(*names));

	if (names == NULL)
		return -SMX_ENOMEM;
	*ret_names = names;
	if (count > FEW)
		return distinct_of_many(scratch, policy, names, ret_count);
	for (size_t i = 0; i < count; i++)
		if (!is_among(names, kept, policy->mx[i]))
			names[kept++] = policy->mx[i];
	*ret_count = kept;
	return 0;
}

static void
add_lower(struct smx_buf *out, struct smx_slice s)
{
	char *to = smx_buf_reserve(out, s.n);

	if (to == NULL)
		return;
	for (size_t i = 0; i < s.n; i++)
		to[i] = smx_scan_lower(s.p[i]);
	out->n += s.n;
}

/* Can this line stand within "{ policy_string = ... }"? */
static bool
is_safe(struct smx_slice line)
{
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];

		if (c < ' ' || c > '~' || c == '{' || c == '}')
			return false;
	}
	return line.n > 0;
}

static uint32_t
add_safe_lines(struct smx_buf *out, struct smx_slice body)
{
	uint32_t count = 0;

	while (body.n > 0) {
		size_t end = smx_slice_find(body, '\n');
		struct smx_slice line = smx_slice(body.p, end);

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = smx_scan_trim_end(line);
		if (is_safe(line)) {
			smx_buf_add(out, line);
			smx_buf_add_char(out, '\n');
			count++;
		}
		body = smx_slice_from(body, end + 1);
	}
	return count;
}

int
smx_postfix_compile(struct smx_arena *scratch,
    const struct smx_sts_policy *policy, struct smx_buf *out,
    struct smx_postfix *ret)
{
	size_t start = out->n, mx_end, count;
	struct smx_postfix p = { 0 };
	struct smx_slice *names;
	int rc = distinct_mx(scratch, policy, &names, &count);

	if (rc < 0)
		return rc;
	p.mx_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		p.wildcard_count += names[i].p[0] == '*';
		add_lower(out, names[i]);
		smx_buf_add_char(out, ':');
	}
	mx_end = out->n;
	p.line_count = add_safe_lines(out, policy->body);
	if (smx_buf_status(out) < 0)
		return smx_buf_status(out);
	p.mx = smx_slice(out->p + start, mx_end - start);
	p.lines = smx_slice(out->p + mx_end, out->n - mx_end);
	*ret = p;
	return 0;
}

/* The fixed parts of a text; a literal's NUL does not count. */
#define LEVEL           "secure match="
#define SERVERNAME      " servername=hostname"
#define TYPE            " policy_type=sts policy_domain="
#define PATTERN         " mx_host_pattern="
#define STRING          " { policy_string = "
#define STRING_END      " }"
#define LENGTH(literal) (sizeof(literal) - 1)

/* Of the patterns in a plain text: without the stars, and one ":" less. */
static size_t
plain_bytes(const struct smx_postfix *p)
{
	return LENGTH(LEVEL) + p->mx.n - p->wildcard_count - 1 +
	    LENGTH(SERVERNAME);
}

static size_t
tlsrpt_bytes(const struct smx_postfix *p, struct smx_slice domain)
{
	return LENGTH(TYPE) + domain.n + p->mx.n +
	    p->mx_count * (LENGTH(PATTERN) - 1) + p->lines.n +
	    p->line_count * (LENGTH(STRING) + LENGTH(STRING_END) - 1);
}

static char *
put(char *to, struct smx_slice s)
{
	memcpy(to, s.p, s.n);
	return to + s.n;
}

static char *
put_plain(char *to, const struct smx_postfix *p)
{
	struct smx_slice rest = p->mx;

	to = put(to, SMX_SLICE(LEVEL));
	while (rest.n > 0) {
		size_t end = smx_slice_find(rest, ':');
		/* Postfix writes the wildcard as a leading dot. */
		size_t star = rest.p[0] == '*';

		to = put(to, smx_slice(rest.p + star, end - star));
		rest = smx_slice_from(rest, end + 1);
		if (rest.n > 0)
			*to++ = ':';
	}
	return put(to, SMX_SLICE(SERVERNAME));
}

/* Write each piece of @p list that ends with @p mark between two texts. */
static char *
put_each(char *to, struct smx_slice list, char mark, struct smx_slice before,
    struct smx_slice behind)
{
	while (list.n > 0) {
		size_t end = smx_slice_find(list, mark);

		to = put(to, before);
		to = put(to, smx_slice(list.p, end));
		to = put(to, behind);
		list = smx_slice_from(list, end + 1);
	}
	return to;
}

int
smx_postfix_print(const struct smx_postfix *p, struct smx_slice domain,
    bool tlsrpt, struct smx_buf *out)
{
	size_t bytes = plain_bytes(p);
	size_t more = tlsrpt ? tlsrpt_bytes(p, domain) : 0;
	char *start = NULL, *to;

	if (smx_buf_status(out) < 0)
		return smx_buf_status(out);
	if (bytes + more > TEXT_MAX)
		more = 0;
	if (more > 0) {
		start = smx_buf_reserve(out, bytes + more);
		if (start == NULL && smx_buf_status(out) == -SMX_ELIMIT) {
			out->status = 0;
			more = 0;
		}
	}
	if (more == 0)
		start = smx_buf_reserve(out, bytes);
	if (start == NULL)
		return smx_buf_status(out);
	to = put_plain(start, p);
	if (more > 0) {
		to = put(to, SMX_SLICE(TYPE));
		to = put(to, domain);
		to = put_each(to, p->mx, ':', SMX_SLICE(PATTERN),
		    smx_slice("", 0));
		to = put_each(to, p->lines, '\n', SMX_SLICE(STRING),
		    SMX_SLICE(STRING_END));
	}
	SMX_REQUIRE((size_t)(to - start) == bytes + more);
	out->n += bytes + more;
	return 0;
}
