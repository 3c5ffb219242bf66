/**
 * Is there any DNS from here? For those who would rather say so at once than
 * wait for a time-out.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_DNS_REACH_H
#define SMX_IO_DNS_REACH_H

#include "base/buf.h"
#include "base/when.h"

/**
 * Ask name servers for the root's, and wait for the first answer of any kind.
 *
 * @param forwarders  as in struct smx_dns_settings. Nobody is asked when it is
 *                    empty: the authoritative servers are many.
 * @param timeout     how long to wait.
 * @param reason      on failure: a sentence without its full stop.
 *
 * @retval 0
 * @retval -SMX_ENOENT     there is no name server to ask.
 * @retval -SMX_ETIMEDOUT  none answers, or all refuse.
 */
int smx_dns_reach(char *const *forwarders, smx_time timeout,
    struct smx_buf *reason) SMX_CHECKED;

#endif
