/**
 * Files that tell a resolver what to do: resolv.conf and trust anchors.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_DNS_FILES_H
#define SMX_IO_DNS_FILES_H

#include "base/buf.h"
#include "core/domain.h"

/**
 * The name servers in a file such as resolv.conf(5), in its order.
 *
 * @param ret  room for @p max texts and a NULL behind them; the caller frees
 *             each, also after a failure. Without a file there are none.
 *
 * @retval 0 or -SMX_ENOMEM.
 */
int smx_dns_files_servers(const char *path, char **ret, size_t max) SMX_CHECKED;

/**
 * The name whose keys a trust anchor file has: what stands first on its first
 * line that is no comment.
 *
 * @param name    room for a name with its final dot.
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  it can't be read, or has no record.
 */
int smx_dns_files_anchor_name(const char *path, char name[SMX_DOMAIN_MAX + 2],
    struct smx_buf *reason) SMX_CHECKED;

#endif
