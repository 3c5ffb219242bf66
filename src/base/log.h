/**
 * The log sink: where the parts that may speak send their lines.
 *
 * Layer:   base. Library code does not log; io and app do, through this.
 */
#ifndef SMX_BASE_LOG_H
#define SMX_BASE_LOG_H

enum smx_log_level {
	SMX_LOG_ERROR,
	SMX_LOG_WARNING,
	SMX_LOG_INFO,
	SMX_LOG_DEBUG,
};

/**
 * Write one line. Bytes that are not printable ASCII are escaped, so that what
 * a remote side sent can't forge a line. May be called from any thread.
 *
 * @param format  printf-like, without a line end.
 */
void smx_log(enum smx_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Take @p write as the sink for lines up to @p max; NULL: none. */
void smx_log_set(void (*write)(enum smx_log_level level, const char *line),
    enum smx_log_level max);

#endif
