#include "core/date.h"
#include "core/limits.h"
#include "engine/check_judge.h"

/* A policy in testing for longer deserves a question. */
#define TESTING_LONG (60 * SMX_DAY)

static const struct smx_slice nothing = { NULL, 0 };

static void
find(struct smx_check *c, enum smx_diag_code code, struct smx_slice arg,
    struct smx_slice evidence)
{
	smx_check_judge_find(c, &(struct smx_diag){ .code = code, .arg = arg },
	    NULL, evidence);
}

static void
compare_policy(struct smx_check *c)
{
	const struct smx_check_earlier *e = c->earlier;
	const struct smx_check_facts *f = &c->facts;
	bool same_id = smx_slice_equal(e->id, f->id);
	bool same_body;

	if (e->id.n == 0 || e->body.n == 0 || f->id.n == 0 || !f->has_policy)
		return;
	same_body = smx_slice_equal(e->body, f->policy.body);
	if (same_id && !same_body)
		find(c, SMX_DIAG_CHANGE_POLICY_ONLY, f->id, nothing);
	else if (!same_id && same_body)
		find(c, SMX_DIAG_CHANGE_ID, e->id, f->id);
	else if (!same_id)
		find(c, SMX_DIAG_CHANGE_POLICY, e->mode, nothing);
}

static void
compare_mx(struct smx_check *c)
{
	const struct smx_check_earlier *e = c->earlier;
	const struct smx_check_facts *f = &c->facts;

	/* Without an answer nothing is gone. */
	if (f->mx_answer.status != SMX_DNS_OK)
		return;
	for (size_t i = 0; i < f->mx_count; i++) {
		bool known = false;

		for (size_t j = 0; j < e->mx_count; j++)
			known = known ||
			    smx_slice_equal(f->mx[i].host, e->mx[j]);
		if (!known)
			find(c, SMX_DIAG_CHANGE_MX_NEW, f->mx[i].host, nothing);
	}
	for (size_t j = 0; j < e->mx_count; j++) {
		bool known = false;

		for (size_t i = 0; i < f->mx_count; i++)
			known = known ||
			    smx_slice_equal(f->mx[i].host, e->mx[j]);
		if (!known)
			find(c, SMX_DIAG_CHANGE_MX_GONE, e->mx[j], nothing);
	}
}

static void
print_hex(const uint8_t sha256[32], char text[65])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 32; i++) {
		text[2 * i] = digits[sha256[i] >> 4];
		text[2 * i + 1] = digits[sha256[i] & 15];
	}
	text[64] = '\0';
}

/* A host can show several certificates, one at each address: the one seen now
 * is compared with all that were seen there. */
static void
compare_certificate(struct smx_check *c, struct smx_slice host,
    const struct smx_certificate *now)
{
	const struct smx_check_earlier *e = c->earlier;
	bool seen_host = false, seen_certificate = false;
	smx_time latest = 0;
	char hex[65], storage[64];
	struct smx_buf evidence;

	if (now == NULL)
		return;
	print_hex(now->sha256, hex);
	for (size_t i = 0; i < e->certificate_count; i++) {
		if (!smx_slice_equal(e->certificates[i].host, host))
			continue;
		seen_host = true;
		latest = smx_time_max(latest, e->certificates[i].not_after);
		if (smx_slice_equal(e->certificates[i].sha256,
			smx_slice_text(hex)))
			seen_certificate = true;
	}
	if (!seen_host || seen_certificate)
		return;
	smx_buf_init_fixed(&evidence, storage, sizeof(storage));
	smx_buf_add_text(&evidence, "valid until ");
	smx_date_print(now->not_after, &evidence);
	smx_buf_add_text(&evidence, ", before until ");
	smx_date_print(latest, &evidence);
	find(c,
	    now->not_after < latest ? SMX_DIAG_CHANGE_EXPIRY
				    : SMX_DIAG_CHANGE_CERT,
	    host, smx_buf_slice(&evidence));
}

static void
compare_certificates(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	char storage[SMX_DOMAIN_MAX + 16];
	struct smx_buf host;

	smx_buf_init_fixed(&host, storage, sizeof(storage));
	smx_buf_add_text(&host, "mta-sts.");
	smx_buf_add(&host, f->domain);
	for (size_t i = 0; i < f->host_addresses.count; i++)
		compare_certificate(c, smx_buf_slice(&host),
		    f->hosts[i].certificate);
	for (size_t i = 0; i < f->mx_count; i++)
		for (size_t j = 0; j < f->mx[i].addresses.count; j++)
			compare_certificate(c, f->mx[i].host,
			    f->mx[i].sessions[j].certificate);
}

static void
judge_testing(struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;
	char storage[16];
	struct smx_buf day;

	if (!f->has_policy || f->policy.mode != SMX_STS_TESTING)
		return;
	c->testing_since = f->now.wall;
	if (c->earlier == NULL || c->earlier->testing_since == 0)
		return;
	c->testing_since = c->earlier->testing_since;
	if (f->now.wall - c->testing_since < TESTING_LONG)
		return;
	smx_buf_init_fixed(&day, storage, sizeof(storage));
	smx_date_print(c->testing_since, &day);
	find(c, SMX_DIAG_POLICY_TESTING_LONG, smx_buf_slice(&day), nothing);
}

void
smx_check_change_judge(struct smx_check *c)
{
	judge_testing(c);
	if (c->earlier == NULL)
		return;
	compare_policy(c);
	compare_mx(c);
	compare_certificates(c);
}
