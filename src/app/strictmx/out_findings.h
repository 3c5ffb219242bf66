/**
 * Findings for people and for scripts.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_OUT_FINDINGS_H
#define SMX_APP_OUT_FINDINGS_H

#include <stdbool.h>

#include "core/diag.h"

/** Append "findings":[...]. */
void smx_out_findings_json(const struct smx_diag_list *diags,
    struct smx_buf *out);

/**
 * Append the findings like a compiler's diagnostics: the line with a caret
 * below, then the fix.
 *
 * @param input   what they are about.
 * @param name    of the input.
 * @param colour  with escape sequences of a terminal.
 */
void smx_out_findings_text(const struct smx_diag_list *diags,
    struct smx_slice input, const char *name, bool colour, struct smx_buf *out);

#endif
