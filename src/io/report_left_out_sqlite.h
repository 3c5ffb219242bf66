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
