#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "app/strictmx/check_baseline.h"
#include "base/list.h"
#include "base/map.h"
#include "core/json.h"
#include "io/clock.h"

/* What one domain's memory can take. */
#define ENTRY_MAX ((size_t)1 << 20)

struct entry {
	struct smx_map_node node;
	struct smx_arena arena;
	struct smx_slice domain;
	struct smx_check_earlier earlier;
};

struct smx_check_baseline {
	struct smx_map map;
};

static void
free_entry(struct entry *e)
{
	smx_arena_done(&e->arena);
	free(e);
}

void
smx_check_baseline_free(struct smx_check_baseline **bp)
{
	struct smx_check_baseline *b = *bp;
	struct smx_map_node *node, *next;
	size_t iter = 0;

	if (b == NULL)
		return;
	for (node = smx_map_next(&b->map, &iter, NULL); node != NULL;
	     node = next) {
		next = smx_map_next(&b->map, &iter, node);
		free_entry(SMX_ELEMENT(node, struct entry, node));
	}
	smx_map_done(&b->map);
	free(b);
	*bp = NULL;
}

static struct smx_slice
text(struct entry *e, const struct smx_json *j, const char *name)
{
	struct smx_slice s = smx_json_bytes(smx_json_member(j, name));
	char *p = smx_arena_copy(&e->arena, s);

	return smx_slice(p, p != NULL ? s.n : 0);
}

static smx_time
moment(struct entry *e, const struct smx_json *j, const char *name)
{
	struct smx_slice s = text(e, j, name);
	smx_time when = 0;

	if (s.n > 0 && smx_clock_parse(s.p, &when) < 0)
		when = 0;
	return when;
}

struct certificates {
	struct smx_check_earlier_certificate *list;
	size_t count, max;
};

static void
add_certificates(struct entry *e, struct certificates *to,
    const struct smx_json *addresses, struct smx_slice host)
{
	for (size_t i = 0; i < smx_json_count(addresses); i++) {
		const struct smx_json *c = smx_json_member(
		    smx_json_element(addresses, i), "certificate");
		struct smx_check_earlier_certificate *at;

		if (c == NULL || to->count == to->max)
			continue;
		at = &to->list[to->count];
		at->host = host;
		at->sha256 = text(e, c, "sha256");
		at->not_after = moment(e, c, "not_after");
		if (at->sha256.n > 0)
			to->count++;
	}
}

/* The policy host's name, as certificates are compared by it. */
static struct smx_slice
policy_host(struct entry *e)
{
	char *p = smx_arena_take(&e->arena, e->domain.n + 9, 1);
	struct smx_buf name;

	if (p == NULL)
		return smx_slice(NULL, 0);
	smx_buf_init_fixed(&name, p, e->domain.n + 9);
	smx_buf_add_text(&name, "mta-sts.");
	smx_buf_add(&name, e->domain);
	return smx_buf_slice(&name);
}

static int
read_hosts(struct entry *e, const struct smx_json *root)
{
	const struct smx_json *mx = smx_json_member(root, "mx");
	size_t count = smx_json_count(mx);
	struct certificates certificates = {
		.max = (SMX_CHECK_MX_MAX + 1) * SMX_CHECK_ADDRESS_MAX,
	};
	struct smx_slice *hosts;

	if (count > SMX_CHECK_MX_MAX)
		count = SMX_CHECK_MX_MAX;
	hosts = smx_arena_take(&e->arena, count + 1, sizeof(*hosts));
	certificates.list = smx_arena_take(&e->arena, certificates.max,
	    sizeof(*certificates.list));
	if (hosts == NULL || certificates.list == NULL)
		return -SMX_ENOMEM;
	add_certificates(e, &certificates,
	    smx_json_member(smx_json_member(root, "policy_host"), "addresses"),
	    policy_host(e));
	for (size_t i = 0; i < count; i++) {
		const struct smx_json *host = smx_json_element(mx, i);

		hosts[i] = text(e, host, "host");
		add_certificates(e, &certificates,
		    smx_json_member(host, "addresses"), hosts[i]);
	}
	e->earlier.mx = hosts;
	e->earlier.mx_count = count;
	e->earlier.certificates = certificates.list;
	e->earlier.certificate_count = certificates.count;
	return 0;
}

static int
read_entry(struct entry *e, const struct smx_json *root, struct smx_buf *reason)
{
	const struct smx_json *policy = smx_json_member(root, "policy");
	int64_t version = 0;

	if (!smx_slice_equal(smx_json_bytes(smx_json_member(root, "format")),
		SMX_SLICE("strictmx-check"))) {
		smx_buf_add_text(reason,
		    "this is no result of \"strictmx check --json\"");
		return -SMX_EPARSE;
	}
	if (!smx_json_integer(smx_json_member(root, "version"), &version) ||
	    version != 1) {
		smx_buf_add_text(reason,
		    "it was written by a newer strictmx: its \"version\" is not "
		    "1");
		return -SMX_EPARSE;
	}
	e->domain = text(e, root, "domain");
	if (e->domain.n == 0) {
		smx_buf_add_text(reason, "it has no \"domain\"");
		return -SMX_EPARSE;
	}
	e->earlier.checked = moment(e, root, "checked_at");
	e->earlier.verdict = text(e, root, "verdict");
	e->earlier.id = text(e, smx_json_member(root, "record"), "id");
	e->earlier.mode = text(e, policy, "mode");
	e->earlier.body = text(e, policy, "body");
	e->earlier.testing_since = moment(e, policy, "testing_since");
	return read_hosts(e, root);
}

static int
take_line(struct smx_check_baseline *b, struct smx_slice line,
    struct smx_buf *reason)
{
	struct smx_json *root = NULL;
	struct smx_map_node *old;
	struct entry *e = calloc(1, sizeof(*e));
	int rc = -SMX_ENOMEM;

	if (e == NULL)
		return rc;
	smx_arena_init(&e->arena, NULL, 0, ENTRY_MAX);
	rc = smx_json_read(line, &root, reason);
	if (rc == 0) {
		rc = read_entry(e, root, reason);
		smx_json_free(&root);
	}
	if (rc < 0) {
		free_entry(e);
		return rc;
	}
	old = smx_map_find(&b->map, e->domain);
	if (old != NULL) {
		smx_map_remove(&b->map, old);
		free_entry(SMX_ELEMENT(old, struct entry, node));
	}
	smx_map_put(&b->map, &e->node, e->domain);
	return 0;
}

int
smx_check_baseline_load(const char *path, struct smx_check_baseline **ret,
    struct smx_buf *reason)
{
	struct smx_check_baseline *b = calloc(1, sizeof(*b));
	uint64_t seed[2] = { 0 };
	char *line = NULL;
	size_t size = 0, number = 0;
	FILE *f = NULL;
	ssize_t n;
	int rc = -SMX_ENOMEM;

	if (b == NULL || getrandom(seed, sizeof(seed), 0) < 0 ||
	    smx_map_init(&b->map, seed) < 0) {
		free(b);
		return rc;
	}
	rc = 0;
	errno = 0;
	f = fopen(path, "re");
	while (f != NULL && rc == 0 && (n = getline(&line, &size, f)) > 0) {
		number++;
		if (n == 1)
			continue;
		smx_buf_reset(reason);
		smx_buf_printf(reason, "%s:%zu: ", path, number);
		rc = take_line(b, smx_slice(line, (size_t)n), reason);
	}
	if (f == NULL || (rc == 0 && ferror(f))) {
		rc = -SMX_EIO;
		smx_buf_printf(reason, "%s: %m", path);
	}
	if (rc == 0 && b->map.count == 0) {
		rc = -SMX_EPARSE;
		smx_buf_reset(reason);
		smx_buf_printf(reason, "%s: there is no result in it", path);
	}
	free(line);
	if (f != NULL)
		fclose(f);
	if (rc < 0) {
		smx_check_baseline_free(&b);
		return rc;
	}
	*ret = b;
	return 0;
}

const struct smx_check_earlier *
smx_check_baseline_find(const struct smx_check_baseline *b,
    struct smx_slice domain)
{
	struct smx_map_node *node = b != NULL ? smx_map_find(&b->map, domain)
					      : NULL;

	return node != NULL ? &SMX_ELEMENT(node, struct entry, node)->earlier
			    : NULL;
}
