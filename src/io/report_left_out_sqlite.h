/**
 * Sessions that were counted and are left out of the report: those without a
 * policy, beside a policy in testing. engine/dispatch_report.h leaves them out;
 * this tells how many there are, without a look at the whole report.
 *
 * Layer:   io (SQLite). Reads only.
 */
#ifndef SMX_IO_REPORT_LEFT_OUT_SQLITE_H
#define SMX_IO_REPORT_LEFT_OUT_SQLITE_H

#include <stdint.h>

#include "base/buf.h"

/** SQL: is this row of table policy left out? */
#define SMX_REPORT_IS_LEFT_OUT                                        \
	"(policy.type = 0 AND EXISTS (SELECT 1 FROM policy AS tested" \
	" WHERE tested.domain_day = policy.domain_day"                \
	" AND tested.type = 1"                                        \
	" AND instr(tested.members, '\"mode: testing\"') > 0))"

/** SQL: will the report of a row of "domain_day AS d" have a failure, of a
 * session or beside one that went well? */
#define SMX_REPORT_HAS_FAILURE                             \
	"EXISTS (SELECT 1 FROM policy"                     \
	" WHERE domain_day = d.id"                         \
	" AND (policy.failure > 0 OR policy.failures > 0)" \
	" AND NOT " SMX_REPORT_IS_LEFT_OUT ")"

struct smx_report_left_out;

/** @return 0, or a negative status with the reason. */
int smx_report_left_out_open(const char *path, struct smx_report_left_out **ret,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * @param day_id  of struct smx_report_day.
 *
 * @return 0 or a negative status; then there are none.
 */
int smx_report_left_out_count(struct smx_report_left_out *l, int64_t day_id,
    uint64_t *ret_success, uint64_t *ret_failure);

void smx_report_left_out_close(struct smx_report_left_out **l);

#endif
