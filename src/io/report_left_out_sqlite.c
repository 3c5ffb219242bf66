#include <stdlib.h>

#include "io/report_left_out_sqlite.h"
#include "core/tlsrpt_policy_type.h"
#include "io/reports_sqlite.h"
#include "io/sqlite_file.h"

struct smx_report_left_out {
	sqlite3 *db;
	sqlite3_stmt *count;
};

static const char count_sql[] =
    "SELECT coalesce(sum(success), 0), coalesce(sum(failure), 0) FROM policy"
    " WHERE domain_day = ?1 AND " SMX_REPORT_IS_LEFT_OUT;

_Static_assert(SMX_TLSRPT_NO_POLICY_FOUND == 0 && SMX_TLSRPT_STS == 1,
    "the numbers in SMX_REPORT_IS_LEFT_OUT");

int
smx_report_left_out_open(const char *path, struct smx_report_left_out **ret,
    struct smx_buf *reason)
{
	struct smx_report_left_out *l = calloc(1, sizeof(*l));
	int rc = -SMX_ENOMEM;

	if (l != NULL)
		rc = smx_reports_open_read(path, &l->db, reason);
	if (rc == 0) {
		const struct smx_reports_statement statement = { count_sql,
			&l->count };

		rc = smx_reports_prepare(l->db, &statement, 1);
	}
	if (rc < 0) {
		if (reason->n == 0)
			smx_buf_add_text(reason, smx_status_text(rc));
		smx_report_left_out_close(&l);
		return rc;
	}
	*ret = l;
	return 0;
}

int
smx_report_left_out_count(struct smx_report_left_out *l, int64_t day_id,
    uint64_t *ret_success, uint64_t *ret_failure)
{
	int step;

	*ret_success = *ret_failure = 0;
	sqlite3_bind_int64(l->count, 1, day_id);
	step = sqlite3_step(l->count);
	if (step == SQLITE_ROW) {
		*ret_success = (uint64_t)sqlite3_column_int64(l->count, 0);
		*ret_failure = (uint64_t)sqlite3_column_int64(l->count, 1);
	}
	sqlite3_reset(l->count);
	return smx_sqlite_file_status(step);
}

void
smx_report_left_out_close(struct smx_report_left_out **lp)
{
	struct smx_report_left_out *l = *lp;

	if (l == NULL)
		return;
	sqlite3_finalize(l->count);
	sqlite3_close(l->db);
	free(l);
	*lp = NULL;
}
