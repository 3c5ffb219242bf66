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

#include "base/arena.h"
#include "base/buf.h"
#include "core/sts_policy.h"

/**
 * Append the text for a policy in mode enforce:
 *
 *   secure match=a.example:.b.example servername=hostname
 *
 * and behind it, for Postfix >= 3.10, " policy_type=sts policy_domain=..."
 * with one mx_host_pattern for each pattern and one policy_string for each
 * line. Names are in lower case, repeated ones are dropped, the order is the
 * file's. The first @p ret_plain_bytes of the text are the plain form.
 *
 * When the whole would be longer than a reply may be, only the plain form is
 * written.
 *
 * @param scratch  for the search for repeated names.
 * @param domain   the Policy Domain in canonical form.
 *
 * @retval 0
 * @retval -SMX_ENOMEM
 * @retval -SMX_ELIMIT  @p out is too small for the plain form.
 */
int smx_postfix_print(struct smx_arena *scratch,
    const struct smx_sts_policy *policy, struct smx_slice domain,
    struct smx_buf *out, size_t *ret_plain_bytes) SMX_CHECKED;

#endif
