/**
 * A check for people.
 *
 * Layer:   app (libsmartcols).
 */
#ifndef SMX_APP_OUT_CHECK_TEXT_H
#define SMX_APP_OUT_CHECK_TEXT_H

#include "engine/check.h"

struct smx_out_check_style {
	bool colour;  /* escape sequences of a terminal */
	size_t width; /* columns; lines are broken before */
};

/** Append "example.com: protected". */
void smx_out_check_text_headline(const struct smx_check *c,
    const struct smx_out_check_style *style, struct smx_buf *out);

/** Append all of it: verdict, facts, findings, what to do. */
void smx_out_check_text(const struct smx_check *c,
    const struct smx_out_check_style *style, struct smx_buf *out);

#endif
