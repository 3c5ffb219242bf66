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

struct smx_report_source {
	const char *path;
	smx_time wall; /* now */
	struct smx_dispatch_store *store;
	char token[SMX_DISPATCH_TOKEN_BYTES];
	struct smx_dispatch_settings settings;
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

/** Is there what a report needs? @return false, with the reason. */
bool smx_report_source_check(const struct smx_report_source *s,
    struct smx_buf *reason) SMX_CHECKED;

/** Append a report, JSON. @return 0 or a negative status, with the reason. */
int smx_report_source_print(const struct smx_report_source *s,
    const struct smx_report_day *day, struct smx_buf *out,
    struct smx_buf *reason) SMX_CHECKED;

#endif
