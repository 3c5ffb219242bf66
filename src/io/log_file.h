/**
 * A log file, followed as it grows and is rotated.
 *
 * Layer:   io. Looked at when it is asked to: nothing wakes up by itself.
 */
#ifndef SMX_IO_LOG_FILE_H
#define SMX_IO_LOG_FILE_H

#include <stddef.h>

#include "base/slice.h"
#include "base/status.h"

/** Lines that are handed over by one call. */
#define SMX_LOG_FILE_LINES_MAX 100

struct smx_log_file;

/** A line without its end; borrowed during the call. */
typedef void smx_log_file_line(void *arg, struct smx_slice line);

/**
 * Follow a file from its present end on; it need not exist yet.
 *
 * @param line_max  longer lines are left out.
 *
 * @retval 0 or -SMX_ENOMEM
 */
int smx_log_file_new(const char *path, size_t line_max, smx_log_file_line *line,
    void *arg, struct smx_log_file **ret) SMX_CHECKED;

void smx_log_file_free(struct smx_log_file **f);

/**
 * Hand over what has been added since: at most SMX_LOG_FILE_LINES_MAX lines, so
 * that whoever takes what is made of them can keep up.
 *
 * A file that was put in its place is read from its start, once it has
 * something and the old one was read to its end; one that was cut, too.
 *
 * @retval 1            there may be more: let others have their turn, and call
 *                      again soon.
 * @retval 0            all was handed over.
 * @retval -SMX_ENOENT  there is none now; all of the old one was handed over,
 *                      and is still followed.
 * @retval -SMX_EIO     it can't be read.
 */
int smx_log_file_read(struct smx_log_file *f) SMX_CHECKED;

#endif
