#include "app/strictmxd/resolve_events.h"
#include "base/log.h"

static void
log_policy(const struct smx_lookup_event *e, const char *what,
    enum smx_log_level level)
{
	const struct smx_cache_policy *p = e->policy;

	smx_log(level, "%.*s: %s: mode %s, id %.*s, max_age %u%s",
	    (int)e->domain.n, e->domain.p, what,
	    smx_sts_policy_mode_text((enum smx_sts_mode)p->mode),
	    (int)smx_cache_policy_id(p).n, smx_cache_policy_id(p).p,
	    p->max_age_s, p->secure ? ", record signed" : "");
}

/* Is something wrong with a policy that somebody relies on? Who has a policy in
 * mode none may take it down (RFC 8461, 8.3). */
static bool
is_missed(const struct smx_lookup_event *e)
{
	return e->policy == NULL || e->policy->mode != SMX_STS_NONE;
}

static void
log_finding(const struct smx_lookup_event *e, struct smx_metrics *metrics)
{
	const struct smx_diag_row *row = smx_diag_row(e->diag.code);
	enum smx_log_level level = SMX_LOG_INFO;
	char storage[1024];
	struct smx_buf text;

	switch (e->diag.code) {
	case SMX_DIAG_TXT_NONE:
		/* Most domains have none; it is news when there is a policy. */
		if (e->policy == NULL)
			level = SMX_LOG_DEBUG;
		break;
	case SMX_DIAG_HOST_NOT_ASKED:
		metrics->failures_fetch++;
		break;
	case SMX_DIAG_DNS_FAILURE:
	case SMX_DIAG_DNS_TIMEOUT:
	case SMX_DIAG_DNS_BOGUS:
		metrics->failures_dns++;
		break;
	default:
		if (row->tlsrpt != NULL)
			metrics->failures_fetch++;
		else if (row->severity == SMX_DIAG_ERROR)
			metrics->failures_record++;
		break;
	}
	if (e->policy != NULL && is_missed(e) &&
	    row->severity == SMX_DIAG_ERROR) {
		metrics->failures_protected++;
		level = SMX_LOG_WARNING;
	}
	smx_buf_init_fixed(&text, storage, sizeof(storage));
	smx_diag_print(&e->diag, &text);
	smx_log(level, "%.*s: %s%s%.*s%s [%s]%s", (int)e->domain.n, e->domain.p,
	    smx_buf_text(&text), e->detail.n > 0 ? " (" : "", (int)e->detail.n,
	    e->detail.n > 0 ? e->detail.p : "", e->detail.n > 0 ? ")" : "",
	    row->name,
	    e->policy == NULL ? "" : "; the cached policy stays in force");
}

/* A policy that could not be had. */
static void
tell_failure(struct smx_witness_run *witness, const struct smx_lookup_event *e,
    const struct smx_witness_policy *policy)
{
	const struct smx_diag_row *row = smx_diag_row(e->diag.code);
	enum smx_tlsrpt_result result;
	char storage[512];
	struct smx_buf reason;

	if (row->tlsrpt == NULL || !is_missed(e) ||
	    !smx_tlsrpt_result_parse(smx_slice_text(row->tlsrpt), &result))
		return;
	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	smx_buf_add_text(&reason, row->name);
	if (e->detail.n > 0 && e->detail.n < sizeof(storage) / 2) {
		smx_buf_add_text(&reason, ": ");
		smx_buf_add(&reason, e->detail);
	}
	smx_witness_run_failure(witness, e->domain, policy, result,
	    smx_buf_slice(&reason));
}

/* What is to be told in TLS reports. */
static void
tell_witness(struct smx_witness_run *witness, const struct smx_lookup_event *e)
{
	struct smx_witness_policy policy = { .mode = SMX_STS_NONE };

	if (e->policy != NULL) {
		struct smx_postfix postfix =
		    smx_cache_policy_postfix(e->policy);

		policy.mode = (enum smx_sts_mode)e->policy->mode;
		policy.until = e->policy->expires;
		policy.mx = postfix.mx;
		policy.lines = postfix.lines;
	}
	switch (e->kind) {
	case SMX_LOOKUP_FINDING:
		tell_failure(witness, e, e->policy != NULL ? &policy : NULL);
		break;
	case SMX_LOOKUP_MAIL:
	case SMX_LOOKUP_POLICY_NEW:
	case SMX_LOOKUP_POLICY_CHANGED:
	case SMX_LOOKUP_POLICY_REFRESHED:
		if (e->is_mail)
			smx_witness_run_mail(witness, e->domain, &policy);
		else
			smx_witness_run_policy(witness, e->domain, &policy);
		break;
	case SMX_LOOKUP_POLICY_EXPIRED:
		smx_witness_run_policy(witness, e->domain, NULL);
		break;
	default:
		break;
	}
}

void
smx_resolve_events_take(const struct smx_lookup_event *e,
    struct smx_metrics *metrics, struct smx_witness_run *witness,
    smx_time answer_bound)
{
	if (witness != NULL)
		tell_witness(witness, e);
	switch (e->kind) {
	case SMX_LOOKUP_MAIL:
		break;
	case SMX_LOOKUP_POLICY_NEW:
		metrics->policies_found++;
		log_policy(e, "policy found", SMX_LOG_INFO);
		break;
	case SMX_LOOKUP_POLICY_CHANGED:
		metrics->policies_changed++;
		log_policy(e, "policy changed", SMX_LOG_INFO);
		break;
	case SMX_LOOKUP_POLICY_REFRESHED:
		metrics->policies_refreshed++;
		log_policy(e, "policy refreshed", SMX_LOG_DEBUG);
		break;
	case SMX_LOOKUP_POLICY_EXPIRED:
		metrics->policies_expired++;
		log_policy(e, "policy expired", SMX_LOG_INFO);
		break;
	case SMX_LOOKUP_FINDING:
		log_finding(e, metrics);
		break;
	case SMX_LOOKUP_TIMED_OUT:
		metrics->waited_in_vain++;
		smx_log(SMX_LOG_INFO,
		    "%.*s: no policy within %lld s; the mail is answered "
		    "without, and the fetch goes on",
		    (int)e->domain.n, e->domain.p,
		    (long long)(answer_bound / SMX_SECOND));
		break;
	case SMX_LOOKUP_CACHE_FULL:
		if (metrics->refused_full++ == 0)
			smx_log(SMX_LOG_WARNING,
			    "the cache is full: %zu policies",
			    SMX_CACHE_POLICY_MAX);
		break;
	case SMX_LOOKUP_BUSY:
		if (metrics->refused_busy++ == 0)
			smx_log(SMX_LOG_WARNING,
			    "too many fetches at once: %zu",
			    SMX_LOOKUP_FLIGHT_MAX);
		break;
	}
}
