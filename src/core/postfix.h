/**
 * Policies in the words of Postfix: the data of an OK reply to a look-up in
 * smtp_tls_policy_maps (postconf(5)).
 *
 * Layer:   core.
 * Limits:  SMX_SOCKETMAP_REPLY_MAX.
 *
 * An attribute that Postfix does not know, or a malformed one, makes it
 * reject the whole policy and defer the mail: nothing from a remote policy is
 * written without a check.
 */
#ifndef SMX_CORE_POSTFIX_H
#define SMX_CORE_POSTFIX_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/sts_policy.h"

/**
 * What Postfix is told of a policy in mode enforce, checked and in few bytes.
 * The slices borrow from what smx_postfix_compile() has written.
 */
struct smx_postfix {
	/* The patterns, each with ":" behind it: in lower case, "*." kept,
	 * repeated ones dropped, in the file's order. */
	struct smx_slice mx;
	/* The lines of the body that can stand in a policy_string, each with a
	 * line feed behind it. */
	struct smx_slice lines;
	uint32_t mx_count;
	uint32_t wildcard_count;
	uint32_t line_count;
};

/**
 * Bring a policy into the form in which it is kept.
 *
 * @param scratch  for the search for repeated names.
 * @param policy   of any mode but none.
 * @param out      takes the bytes; @p ret borrows from it.
 *
 * @retval 0
 * @retval -SMX_ENOMEM
 * @retval -SMX_ELIMIT  @p out is too small.
 */
int smx_postfix_compile(struct smx_arena *scratch,
    const struct smx_sts_policy *policy, struct smx_buf *out,
    struct smx_postfix *ret) SMX_CHECKED;

/**
 * Append the text of a policy:
 *
 *   secure match=a.example:.b.example servername=hostname
 *
 * and behind it, with @p tlsrpt, for Postfix >= 3.10, " policy_type=sts
 * policy_domain=..." with one mx_host_pattern for each pattern and one
 * policy_string for each line.
 *
 * When the whole would be longer than a reply may be, or than @p out has room
 * for, only the plain form is written. No allocation in a fixed buffer.
 *
 * @param domain  the Policy Domain in canonical form.
 *
 * @retval 0
 * @retval -SMX_ELIMIT, -SMX_ENOMEM  not even the plain form fits.
 */
int smx_postfix_print(const struct smx_postfix *p, struct smx_slice domain,
    bool tlsrpt, struct smx_buf *out) SMX_CHECKED;

#endif
