/**
 * What a check comes to: one verdict, and what to do in which order.
 *
 * Layer:   engine.
 */
#ifndef SMX_ENGINE_CHECK_VERDICT_H
#define SMX_ENGINE_CHECK_VERDICT_H

#include "engine/check.h"

/** @return "protected", "mail-deferred" ...: for scripts, never changed. */
const char *smx_check_verdict_name(enum smx_check_verdict verdict);

/**
 * @return the exit status of a check: 0 nothing to mend, 1 warnings, 2 errors,
 *         3 mail would be deferred, 4 it could not be found out.
 */
int smx_check_verdict_status(const struct smx_check *c);

/**
 * The findings that are to be mended, in the order in which to do it.
 *
 * @param ret_order  has room for SMX_CHECK_FINDING_MAX.
 * @return           how many there are: informations are left out.
 */
size_t smx_check_verdict_order(const struct smx_check *c,
    const struct smx_check_finding **ret_order);

#endif
