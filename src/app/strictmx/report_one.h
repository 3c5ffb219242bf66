/**
 * One report: a day of a domain, with what was counted and its deliveries.
 *
 * Layer:   app. What came from the store is escaped where it is shown.
 */
#ifndef SMX_APP_REPORT_ONE_H
#define SMX_APP_REPORT_ONE_H

#include "app/strictmx/report_source.h"
#include "io/report_list_sqlite.h"

/** Stands where a day that is not closed has no report-id. */
#define SMX_REPORT_ONE_NO_ID "not assigned yet"

struct smx_report_one {
	struct smx_report_source *source;
	struct smx_report_list_filter filter; /* one domain */
	bool only_open;                       /* days that are not closed */
	/* What was found: */
	bool is_found;
	struct smx_report_day day; /* borrows from here */
	struct smx_buf record, report_id;
	struct smx_buf lines;   /* the deliveries, for people */
	struct smx_buf objects; /* the deliveries, JSON */
	struct smx_report_left_out_counts left_out;
	const char *why; /* a day that is closed has none; else NULL */
};

void smx_report_one_init(struct smx_report_one *one,
    struct smx_report_source *source);

void smx_report_one_done(struct smx_report_one *one);

/**
 * Find the last day that fits.
 *
 * @retval 0
 * @retval -SMX_ENOENT  there is none; no reason is given.
 * @return another negative status, with the reason.
 */
int smx_report_one_find(struct smx_report_one *one,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Append the report as it is sent, JSON.
 *
 * @param no_id  stands for the report-id until the day is closed.
 *
 * @return 0 or a negative status, with the reason.
 */
int smx_report_one_print(const struct smx_report_one *one, const char *no_id,
    struct smx_buf *out, struct smx_buf *reason) SMX_CHECKED;

/** Append all that is known, for people or as JSON. @return as above. */
int smx_report_one_show(const struct smx_report_one *one, bool as_json,
    struct smx_buf *out, struct smx_buf *reason) SMX_CHECKED;

#endif
