/**
 * MTA-STS policy bodies: parse (RFC 8461, section 3.2).
 *
 * Layer:   core. No I/O, no clock, no logging.
 * Memory:  slices borrow from the body; lists live in the caller's arena and
 *          die with it. Nothing is copied.
 * Limits:  SMX_STS_BODY_MAX, SMX_STS_ARENA_MAX (core/limits.h).
 */
#ifndef SMX_CORE_STS_POLICY_H
#define SMX_CORE_STS_POLICY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/diag.h"
#include "core/sts_txt.h"

enum smx_sts_mode {
	SMX_STS_NONE,
	SMX_STS_TESTING,
	SMX_STS_ENFORCE,
};

struct smx_sts_policy {
	enum smx_sts_mode mode;
	uint32_t max_age_s; /* 0 to 31557600 */
	/* In the order of the file, repeated ones too; "*." is kept. */
	const struct smx_slice *mx;
	size_t mx_count;
	const struct smx_sts_extension *extensions;
	size_t extension_count;
	struct smx_slice body; /* what was parsed */
};

/**
 * Parse one policy body.
 *
 * Unknown keys are checked against the grammar, kept and otherwise ignored;
 * of repeated fields other than mx the first counts (RFC 8461, 3.2).
 *
 * @param a      owns the lists of @p ret.
 * @param body   bytes after HTTP decoding; need not be terminated. It must
 *               outlive @p ret.
 * @param diags  takes all findings. Forgiven errors don't make it fail.
 *
 * @retval 0            *ret is valid until @p a is reset.
 * @retval -SMX_EPARSE  not a valid policy, see diags->fatal.
 * @retval -SMX_ENOMEM  the arena's cap is reached.
 */
int smx_sts_policy_parse(struct smx_arena *a, struct smx_slice body,
    struct smx_diag_list *diags, struct smx_sts_policy *ret) SMX_CHECKED;

/** @return "none", "testing" or "enforce". */
const char *smx_sts_policy_mode_text(enum smx_sts_mode mode);

#endif
