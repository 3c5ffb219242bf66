#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"

#define LINE_MAX_BYTES 2048

static struct {
	void (*write)(enum smx_log_level level, const char *line);
	enum smx_log_level max;
} sink;

void
smx_log_set(void (*write)(enum smx_log_level level, const char *line),
    enum smx_log_level max)
{
	sink.write = write;
	sink.max = max;
}

void
smx_log(enum smx_log_level level, const char *format, ...)
{
	char raw[LINE_MAX_BYTES], storage[4 * LINE_MAX_BYTES + 1];
	struct smx_buf line;
	va_list args;
	int n;

	if (sink.write == NULL || level > sink.max)
		return;
	va_start(args, format);
	n = vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	if (n < 0)
		return;
	smx_buf_init_fixed(&line, storage, sizeof(storage));
	smx_buf_add_escaped(&line, smx_slice_text(raw));
	sink.write(level, smx_buf_text(&line));
}
