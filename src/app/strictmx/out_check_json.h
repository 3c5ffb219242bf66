/**
 * A check as one line of JSON: format "strictmx-check", version 1.
 *
 * Layer:   app. Described in docs/check.md; names
 *          are added, never changed or removed, within a version.
 */
#ifndef SMX_APP_OUT_CHECK_JSON_H
#define SMX_APP_OUT_CHECK_JSON_H

#include "engine/check.h"

/** Append the line, with its end. */
void smx_out_check_json(const struct smx_check *c, struct smx_buf *out);

/** "record", "host" ...: the name of a section. */
const char *smx_out_check_json_section(enum smx_check_section section);

#endif
