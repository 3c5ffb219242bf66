#include <stdlib.h>

#include "core/postfix.h"
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

static void
add_policy_strings(struct smx_buf *out, struct smx_slice body)
{
	while (body.n > 0) {
		size_t end = smx_slice_find(body, '\n');
		struct smx_slice line = smx_slice(body.p, end);

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = smx_scan_trim_end(line);
		if (is_safe(line)) {
			smx_buf_add(out, SMX_SLICE(" { policy_string = "));
			smx_buf_add(out, line);
			smx_buf_add(out, SMX_SLICE(" }"));
		}
		body = smx_slice_from(body, end + 1);
	}
}

int
smx_postfix_print(struct smx_arena *scratch,
    const struct smx_sts_policy *policy, struct smx_slice domain,
    struct smx_buf *out, size_t *ret_plain_bytes)
{
	size_t start = out->n, count;
	struct smx_slice *names;
	int rc = distinct_mx(scratch, policy, &names, &count);

	if (rc < 0)
		return rc;
	smx_buf_add(out, SMX_SLICE("secure match="));
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			smx_buf_add_char(out, ':');
		/* Postfix writes the wildcard as a leading dot. */
		add_lower(out, smx_slice_from(names[i], names[i].p[0] == '*'));
	}
	smx_buf_add(out, SMX_SLICE(" servername=hostname"));
	if (smx_buf_status(out) < 0)
		return smx_buf_status(out);
	*ret_plain_bytes = out->n - start;
	smx_buf_add(out, SMX_SLICE(" policy_type=sts policy_domain="));
	smx_buf_add(out, domain);
	for (size_t i = 0; i < count; i++) {
		smx_buf_add(out, SMX_SLICE(" mx_host_pattern="));
		add_lower(out, names[i]);
	}
	add_policy_strings(out, policy->body);
	if (smx_buf_status(out) < 0 || out->n - start > TEXT_MAX) {
		out->n = start + *ret_plain_bytes;
		out->status = 0;
	}
	return 0;
}
