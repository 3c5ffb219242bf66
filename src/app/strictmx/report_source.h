/**
 * What the views of outgoing reports are made from: the store, to be read only,
 * and what role report has from the configuration.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_REPORT_SOURCE_H
#define SMX_APP_REPORT_SOURCE_H

#include "app/config.h"
#include "engine/dispatch.h"
#include "io/dispatch_sqlite.h"
#include "io/report_left_out_sqlite.h"
#include "io/report_list_sqlite.h"

struct smx_report_source {
	const char *path;
	smx_time wall; /* now */
	struct smx_dispatch_store *store;
	char token[SMX_DISPATCH_TOKEN_BYTES];
	struct smx_dispatch_settings settings;
	struct smx_report_left_out *left_out;
};

/** Sessions of a day that are left out of its report. */
struct smx_report_left_out_counts {
	int64_t day_id; /* whose they are; 0: not known yet */
	uint64_t success, failure;
};

/**
 * Open the store, which has to be there.
 *
 * @param config  is borrowed.
 *
 * @return 0 or a negative status, with the reason.
 */
int smx_report_source_open(struct smx_report_source *s,
    const struct smx_config *config, struct smx_buf *reason) SMX_CHECKED;

void smx_report_source_done(struct smx_report_source *s);

/**
 * Let a row tell what the report tells: without the sessions that are left out.
 *
 * @param counts  of the row before, which may be of the same day; then of this.
 */
void smx_report_source_settle(struct smx_report_source *s,
    struct smx_report_list_row *row, struct smx_report_left_out_counts *counts);

/** Is there what a report needs? @return false, with the reason. */
bool smx_report_source_check(const struct smx_report_source *s,
    struct smx_buf *reason) SMX_CHECKED;

/** Append a report, JSON. @return 0 or a negative status, with the reason. */
int smx_report_source_print(const struct smx_report_source *s,
    const struct smx_report_day *day, struct smx_buf *out,
    struct smx_buf *reason) SMX_CHECKED;

#endif
