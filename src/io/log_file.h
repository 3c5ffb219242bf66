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
 * Hand over what has been added since. A file that was put in its place is
 * read from its start, one that was cut too.
 *
 * @retval 0
 * @retval -SMX_ENOENT  there is none now.
 * @retval -SMX_EIO     it can't be read.
 */
int smx_log_file_read(struct smx_log_file *f) SMX_CHECKED;

#endif
