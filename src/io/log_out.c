#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/log_out.h"
#include "base/slice.h"

static bool for_journal;

static void
write_line(enum smx_log_level level, const char *line)
{
	/* sd-daemon(3): "<N>" in front of a line is its syslog priority. */
	static const char *const journal[] = { "<3>", "<4>", "<6>", "<7>" };
	static const char *const terminal[] = {
		"error: ", "warning: ", "info: ", "debug: "
	};
	const char *head = (for_journal ? journal : terminal)[level];
	struct iovec parts[] = {
		{ (void *)(uintptr_t)head, strlen(head) },
		{ (void *)(uintptr_t)line, strlen(line) },
		{ (void *)(uintptr_t) "\n", 1 },
	};

	/* One call, so that lines of several threads don't mix. There is
	 * nobody to tell when standard error can't be written. */
	if (writev(STDERR_FILENO, parts, 3) < 0)
		return;
}

void
smx_log_out_start(enum smx_log_level max)
{
	for_journal = getenv("JOURNAL_STREAM") != NULL;
	smx_log_set(write_line, max);
}
