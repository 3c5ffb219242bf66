/**
 * Can the roles of a configuration start? What each setting may be by itself
 * is checked as the file is read (app/config.h); here they are seen together,
 * with the files that they name.
 *
 * Layer:   app. The daemon asks at start and at reload, and so does strictmx
 *          config check: both refuse the same.
 */
#ifndef SMX_APP_CONFIG_CHECK_H
#define SMX_APP_CONFIG_CHECK_H

#include "app/config_fault.h"

/**
 * Tell all that is wrong.
 *
 * @param roles   those that are to run.
 * @param faults  its config is the one that is checked.
 *
 * @retval 0            nothing but warnings, and files that can't be seen.
 * @retval -SMX_EINVAL  an error was told.
 * @retval -SMX_ENOMEM
 */
int smx_config_check(const bool roles[SMX_CONFIG_SECTION_COUNT],
    struct smx_config_faults *faults) SMX_CHECKED;

/**
 * The same for strictmxd, which logs warnings, and for which a file that it may
 * not read is an error.
 *
 * @param reason  on failure, the first error.
 */
int smx_config_check_start(const struct smx_config *config,
    const bool roles[SMX_CONFIG_SECTION_COUNT],
    struct smx_buf *reason) SMX_CHECKED;

#endif
