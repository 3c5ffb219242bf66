/**
 * What the checks of a run came to, counted.
 *
 * Layer:   app (libsmartcols).
 */
#ifndef SMX_APP_CHECK_TALLY_H
#define SMX_APP_CHECK_TALLY_H

#include "engine/check.h"

struct smx_check_tally {
	size_t total;
	size_t verdicts[SMX_CHECK_VERDICT_COUNT];
	size_t codes[SMX_DIAG_CODE_COUNT]; /* domains with this finding */
	int status;                        /* the worst exit status */
};

void smx_check_tally_add(struct smx_check_tally *t, const struct smx_check *c);

/** Note an exit status: 3 is the worst, then 2, 4, 1, 0. */
void smx_check_tally_note(struct smx_check_tally *t, int status);

/** Append tables of verdicts and of findings, the most frequent first. */
void smx_check_tally_print(const struct smx_check_tally *t,
    struct smx_buf *out);

#endif
