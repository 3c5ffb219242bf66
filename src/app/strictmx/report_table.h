/**
 * The lines of report list and preview: all days, or those of some domains.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_REPORT_TABLE_H
#define SMX_APP_REPORT_TABLE_H

#include "app/strictmx/report_source.h"
#include "core/domain.h"

struct smx_report_table {
	struct smx_report_source *source;
	const struct smx_domain *domains; /* none: all */
	size_t domain_count;
	int64_t day; /* -1: all */
	bool is_preview, json;
	bool failed, waiting; /* only these */
	struct smx_buf *out;  /* empty */
};

/**
 * Write them to standard output, page by page; what there is nothing of is said
 * on standard error.
 *
 * @param reason  what is wrong, when SMX_EXIT_NO_INPUT is returned and it has
 *                not been said.
 *
 * @return the exit status.
 */
int smx_report_table_write(const struct smx_report_table *t,
    struct smx_buf *reason) SMX_CHECKED;

/** Say that there is nothing: of a domain, or with NULL of all. */
void smx_report_table_complain(const struct smx_report_table *t,
    const struct smx_domain *domain);

#endif
