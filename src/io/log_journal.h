/**
 * The systemd journal, followed: what Postfix's smtp client and its
 * queue manager say.
 *
 * Layer:   io (libsystemd). Looked at when it is asked to.
 */
#ifndef SMX_IO_LOG_JOURNAL_H
#define SMX_IO_LOG_JOURNAL_H

#include "base/slice.h"
#include "base/status.h"

/** Lines that are handed over by one call. */
#define SMX_LOG_JOURNAL_LINES_MAX 100

struct smx_log_journal;

/** A line as in a log file: "postfix/PROGRAM[PID]: MESSAGE". Borrowed. */
typedef void smx_log_journal_line(void *arg, struct smx_slice line);

/**
 * Follow the journal from its present end on. Only programs that run as user
 * postfix or root are listened to.
 *
 * @retval 0
 * @retval -SMX_ENOENT  there is no user postfix.
 * @retval -SMX_EIO     it can't be read: there is none, or it is not allowed.
 * @retval -SMX_ENOMEM
 */
int smx_log_journal_new(smx_log_journal_line *line, void *arg,
    struct smx_log_journal **ret) SMX_CHECKED;

void smx_log_journal_free(struct smx_log_journal **j);

/**
 * Hand over what has been added since: at most SMX_LOG_JOURNAL_LINES_MAX lines.
 *
 * @retval 1         there may be more: let others have their turn, and call
 *                   again soon.
 * @retval 0         all was handed over.
 * @retval -SMX_EIO
 */
int smx_log_journal_read(struct smx_log_journal *j) SMX_CHECKED;

#endif
