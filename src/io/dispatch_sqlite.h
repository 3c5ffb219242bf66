/**
 * What dispatch asks of the store of reports, by SQLite.
 *
 * Layer:   io (SQLite). One thread.
 */
#ifndef SMX_IO_DISPATCH_SQLITE_H
#define SMX_IO_DISPATCH_SQLITE_H

#include <stdbool.h>

#include "base/buf.h"
#include "engine/port_reports.h"

struct smx_dispatch_store;

/** Room for a token, with the NUL. */
#define SMX_DISPATCH_TOKEN_BYTES 33

/**
 * Open the store. When the disk is full, that is logged, and
 * smx_dispatch_store_follow() opens it later.
 *
 * @param is_reader  only to look, in a store that exists.
 * @param reason     on failure, what is wrong and how to mend it.
 *
 * @return as smx_reports_open(), smx_reports_open_read().
 */
int smx_dispatch_store_open(const char *path, bool is_reader,
    struct smx_dispatch_store **ret, struct smx_buf *reason) SMX_CHECKED;

/**
 * Go on with the file that is at the path now: another may have been put there,
 * or the last attempt has failed. No transaction is open.
 *
 * @param reason  on failure, what is wrong. Calls fail then, and this can be
 *                tried again.
 *
 * @retval 0  it is the same.
 * @retval 1  it is another, with another token.
 * @return as smx_reports_open().
 */
int smx_dispatch_store_follow(struct smx_dispatch_store *s,
    struct smx_buf *reason) SMX_CHECKED;

/** Put a damaged file aside; smx_dispatch_store_follow() goes on.
 * @return as smx_reports_put_aside(). */
int smx_dispatch_store_put_aside(struct smx_dispatch_store *s) SMX_CHECKED;

void smx_dispatch_store_close(struct smx_dispatch_store **s);

/** The token of this installation, made when the store was made. */
int smx_dispatch_store_token(struct smx_dispatch_store *s,
    char ret_token[SMX_DISPATCH_TOKEN_BYTES]) SMX_CHECKED;

/** The engine's port. */
struct smx_reports_port smx_dispatch_store_port(struct smx_dispatch_store *s);

#endif
