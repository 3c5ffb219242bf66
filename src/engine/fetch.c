#include "engine/fetch.h"
#include "base/require.h"

/* A record of the length allowed has few fields; more memory is a bug. */
#define RECORD_ARENA_BYTES (SMX_TXT_MAX * sizeof(struct smx_sts_extension))

void
smx_fetch_id_set(struct smx_fetch_id *id, struct smx_slice text)
{
	SMX_REQUIRE(text.n <= sizeof(id->text));
	if (text.n != 0)
		memcpy(id->text, text.p, text.n);
	id->n = text.n;
}

enum smx_fetch_want
smx_fetch_start(struct smx_fetch *f)
{
	f->id = f->known;
	return SMX_FETCH_WANT_TXT;
}

static enum smx_fetch_want
end(struct smx_fetch *f, enum smx_fetch_outcome outcome)
{
	f->outcome = outcome;
	return SMX_FETCH_DONE;
}

/* No usable record: a refresh asks the policy host all the same. */
static enum smx_fetch_want
without_record(struct smx_fetch *f, enum smx_fetch_outcome outcome)
{
	if (f->kind == SMX_FETCH_REFRESH)
		return SMX_FETCH_WANT_BODY;
	return end(f, outcome);
}

/* Find the one record and its id; on failure f->diag says why. */
static int
read_record(struct smx_fetch *f, const struct smx_dns_answer *answer)
{
	struct smx_diag_list diags = { 0 };
	struct smx_sts_txt txt;
	struct smx_arena a;
	size_t index = 0;
	int rc;

	smx_arena_init(&a, NULL, 0, RECORD_ARENA_BYTES);
	rc = smx_sts_txt_select(answer->texts, answer->count, &diags, &index);
	if (rc == 0)
		rc = smx_sts_txt_parse(&a, answer->texts[index], &diags, &txt);
	if (rc == 0)
		smx_fetch_id_set(&f->id, txt.id);
	f->diag = diags.fatal;
	smx_arena_done(&a);
	return rc;
}

enum smx_fetch_want
smx_fetch_txt(struct smx_fetch *f, const struct smx_dns_answer *answer,
    smx_time now)
{
	static const enum smx_diag_code failures[] = {
		[SMX_DNS_FAILURE] = SMX_DIAG_DNS_FAILURE,
		[SMX_DNS_TIMEOUT] = SMX_DIAG_DNS_TIMEOUT,
		[SMX_DNS_BOGUS] = SMX_DIAG_DNS_BOGUS,
	};

	f->ttl_s = answer->ttl_s;
	f->secure = answer->secure;
	f->diag = (struct smx_diag){ 0 };
	if (answer->status == SMX_DNS_NODATA ||
	    answer->status == SMX_DNS_NXDOMAIN) {
		f->diag.code = SMX_DIAG_TXT_NONE;
		return without_record(f, SMX_FETCH_NO_RECORD);
	}
	if (answer->status != SMX_DNS_OK) {
		f->diag.code = failures[answer->status];
		return without_record(f, SMX_FETCH_NO_DNS);
	}
	switch (read_record(f, answer)) {
	case 0:
		break;
	case -SMX_ENOMEM:
		f->diag.code = SMX_DIAG_DNS_FAILURE;
		return without_record(f, SMX_FETCH_NO_DNS);
	default:
		return without_record(f, SMX_FETCH_NO_RECORD);
	}
	if (f->kind == SMX_FETCH_REFRESH)
		return SMX_FETCH_WANT_BODY;
	if (f->kind == SMX_FETCH_RECHECK &&
	    smx_slice_equal(smx_fetch_id_slice(&f->id),
		smx_fetch_id_slice(&f->known)))
		return end(f, SMX_FETCH_UNCHANGED);
	if (now < f->failed_until &&
	    smx_slice_equal(smx_fetch_id_slice(&f->id),
		smx_fetch_id_slice(&f->failed)))
		return end(f, SMX_FETCH_WITHHELD);
	return SMX_FETCH_WANT_BODY;
}

enum smx_fetch_want
smx_fetch_body(struct smx_fetch *f, struct smx_arena *a,
    const struct smx_https_policy *answer)
{
	struct smx_diag_list diags = { 0 };

	f->detail = answer->detail;
	f->diag = (struct smx_diag){ .code = answer->code };
	if (answer->code != SMX_DIAG_OK)
		return end(f, SMX_FETCH_FAILED);
	switch (smx_sts_policy_parse(a, answer->body, &diags, &f->policy)) {
	case 0:
		return end(f, SMX_FETCH_POLICY);
	case -SMX_ENOMEM:
		f->diag.code = SMX_DIAG_HOST_NOT_ASKED;
		f->detail = SMX_SLICE("out of memory");
		return end(f, SMX_FETCH_FAILED);
	default:
		f->diag = diags.fatal;
		return end(f, SMX_FETCH_FAILED);
	}
}
