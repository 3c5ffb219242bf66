/**
 * Results of an earlier `strictmx check --json`, to compare with.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_CHECK_BASELINE_H
#define SMX_APP_CHECK_BASELINE_H

#include "base/buf.h"
#include "engine/check.h"

struct smx_check_baseline;

/**
 * Read a file of JSON lines. Of a domain that is there twice the last counts.
 *
 * @param reason  on failure, what is wrong and where.
 *
 * @retval 0
 * @retval -SMX_EIO     it can't be read.
 * @retval -SMX_EPARSE  a line is no result of strictmx check.
 * @retval -SMX_ENOMEM
 */
int smx_check_baseline_load(const char *path, struct smx_check_baseline **ret,
    struct smx_buf *reason) SMX_CHECKED;
void smx_check_baseline_free(struct smx_check_baseline **b);

/** @return what is known of a domain, or NULL. @p b may be NULL. */
const struct smx_check_earlier *smx_check_baseline_find(
    const struct smx_check_baseline *b, struct smx_slice domain);

#endif
