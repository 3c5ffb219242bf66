/**
 * Settings as they stand in the file.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_CONFIG_PRINT_H
#define SMX_APP_CONFIG_PRINT_H

#include "app/config.h"

/**
 * Append a setting's value: read again, it is the same. What would steer a
 * terminal or be no line any more is escaped.
 */
void smx_config_print_value(const struct smx_config *c, enum smx_setting i,
    struct smx_buf *out);

/** Append FILE:LINE, or "default". */
void smx_config_print_origin(const struct smx_config *c, enum smx_setting i,
    struct smx_buf *out);

#endif
