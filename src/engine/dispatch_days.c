#include <inttypes.h>

#include "engine/dispatch_days.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_txt.h"

/* Closed in one turn, and in one transaction. */
#define CLOSE_BATCH 500

/* The same domain has the same place in the spread every day, another for each
 * sender (FNV-1a). */
static smx_time
spread_of(const struct smx_dispatch *d, struct smx_slice domain)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (const char *p = d->settings.token; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
	for (size_t i = 0; i < domain.n; i++)
		hash = (hash ^ (unsigned char)domain.p[i]) *
		    UINT64_C(1099511628211);
	return d->settings.spread > 0
	    ? (smx_time)(hash % (uint64_t)d->settings.spread)
	    : 0;
}

static bool
is_excluded(const struct smx_dispatch *d, struct smx_slice domain)
{
	for (char *const *p = d->settings.exclude; *p != NULL; p++) {
		struct smx_slice e = smx_slice_text(*p);

		if (smx_domain_equal(e, domain))
			return true;
		if (e.n > 0 && e.p[0] == '.' && domain.n > e.n &&
		    smx_domain_equal(e, smx_slice_from(domain, domain.n - e.n)))
			return true;
	}
	return false;
}

/* A copy of each report, beside what the record asks for. */
static int
put_copies(struct smx_dispatch *d, int64_t id, smx_time due)
{
	char storage[SMX_TLSRPT_URI_MAX];
	struct smx_buf uri;
	int rc = 0;

	if (d->settings.copy_to != NULL) {
		smx_buf_init_fixed(&uri, storage, sizeof(storage));
		smx_buf_printf(&uri, SMX_DISPATCH_COPY_SCHEME "%s",
		    d->settings.copy_to);
		rc = d->reports.ops->put(d->reports.self, id,
		    smx_buf_slice(&uri), due);
	}
	if (rc == 0 && d->settings.copy_mail != NULL) {
		smx_buf_init_fixed(&uri, storage, sizeof(storage));
		smx_buf_printf(&uri, "mailto:%s", d->settings.copy_mail);
		rc = d->reports.ops->put(d->reports.self, id,
		    smx_buf_slice(&uri), due);
	}
	return rc;
}

/* A delivery for each place that the record names. */
static int
put_places(struct smx_dispatch *d, const struct smx_report_day *day,
    smx_time due)
{
	char first[4096];
	struct smx_diag items[1];
	struct smx_diag_list diags;
	struct smx_tlsrpt_txt txt;
	struct smx_arena arena;
	int rc;

	smx_diag_list_init(&diags, items, 1);
	smx_arena_init(&arena, first, sizeof(first), SMX_TLSRPT_ARENA_MAX);
	rc = smx_tlsrpt_txt_parse(&arena, day->record, &diags, &txt);
	if (rc == -SMX_EPARSE) {
		smx_dispatch_tell(d,
		    &(struct smx_dispatch_event){ .kind = SMX_DISPATCH_NO_PLACE,
			.domain = day->domain,
			.day = day->day });
		rc = 0;
		txt.rua_count = 0;
	}
	for (size_t i = 0; rc == 0 && i < txt.rua_count; i++)
		rc = d->reports.ops->put(d->reports.self, day->id,
		    txt.rua[i].uri, due);
	smx_arena_done(&arena);
	return rc == 0 ? put_copies(d, day->id, due) : rc;
}

/* One per installation, Policy Domain and day; an id-left and an id-right
 * (RFC 5322, 3.6.4). */
static void
print_id(const struct smx_dispatch *d, const struct smx_report_day *day,
    struct smx_buf *out)
{
	smx_buf_printf(out, "%" PRId64 ".", day->day);
	smx_buf_add(out, day->domain);
	smx_buf_printf(out, ".%s@%s", d->settings.token, d->settings.submitter);
}

static int
close_day(struct smx_dispatch *d, const struct smx_report_day *day,
    int64_t today)
{
	smx_time over = (day->day + 1) * SMX_DAY + SMX_DISPATCH_GRACE;
	/* Those of a missed day are spread as well. */
	smx_time due = smx_time_max(over, d->now) + spread_of(d, day->domain);
	char storage[2 * SMX_DOMAIN_MAX + 128];
	struct smx_buf id;
	int rc = 0;

	if (day->day < today - SMX_DISPATCH_DAYS_MAX)
		smx_dispatch_tell(d,
		    &(struct smx_dispatch_event){ .kind = SMX_DISPATCH_TOO_OLD,
			.domain = day->domain,
			.day = day->day });
	else if (!is_excluded(d, day->domain) &&
	    (day->has_failure || !d->settings.only_failures))
		rc = put_places(d, day, due);
	if (rc < 0)
		return rc;
	smx_buf_init_fixed(&id, storage, sizeof(storage));
	print_id(d, day, &id);
	return d->reports.ops->close(d->reports.self, day->id,
	    smx_buf_slice(&id));
}

int
smx_dispatch_days_end(struct smx_dispatch *d, int rc)
{
	const struct smx_reports_ops *ops = d->reports.ops;

	if (rc == 0 || rc == -SMX_ENOENT) {
		int committed = ops->commit(d->reports.self);

		rc = committed < 0 ? committed : rc == 0;
	}
	if (rc < 0)
		ops->back(d->reports.self);
	return rc;
}

int
smx_dispatch_days_close(struct smx_dispatch *d)
{
	int64_t today = (d->now - SMX_DISPATCH_GRACE) / SMX_DAY;
	const struct smx_reports_ops *ops = d->reports.ops;
	int rc = ops->begin(d->reports.self);
	size_t count = 0;

	if (rc < 0)
		return rc;
	for (; rc == 0 && count < CLOSE_BATCH; count++) {
		struct smx_report_day day;

		rc = ops->next_open(d->reports.self, today, &day);
		if (rc == 0)
			rc = close_day(d, &day, today);
	}
	return smx_dispatch_days_end(d, rc);
}
