#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/strictmx/command.h"

#define TEXT_BYTES 4096

/* The words of a complaint, which may be somebody else's, for a terminal. */
static const char *__attribute__((format(printf, 2, 0)))
shown(char escaped[4 * TEXT_BYTES], const char *format, va_list args)
{
	char text[TEXT_BYTES];
	struct smx_buf line;

	vsnprintf(text, sizeof(text), format, args);
	smx_buf_init_fixed(&line, escaped, 4 * sizeof(text));
	smx_buf_add_escaped(&line, smx_slice_text(text));
	return smx_buf_text(&line);
}

void
smx_command_complain(const char *format, ...)
{
	char escaped[4 * TEXT_BYTES];
	va_list args;

	va_start(args, format);
	fprintf(stderr, "strictmx: %s\n", shown(escaped, format, args));
	va_end(args);
}

void
smx_command_misused(const struct argp_state *state, const char *format, ...)
{
	char escaped[4 * TEXT_BYTES];
	const char *text;
	va_list args;

	va_start(args, format);
	text = shown(escaped, format, args);
	va_end(args);
	argp_error(state, "%s", text);
}

/* Read until the end or until @p to is full. @return errno or 0. */
static int
read_stream(FILE *f, struct smx_buf *to)
{
	char chunk[8192];
	size_t n;

	errno = 0;
	while (smx_buf_status(to) == 0 &&
	    (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		smx_buf_add(to, smx_slice(chunk, n));
	if (!ferror(f))
		return 0;
	return errno != 0 ? errno : EIO;
}

bool
smx_command_read(const char *path, size_t max, struct smx_buf *to)
{
	FILE *f;
	int error;

	smx_buf_init(to, max);
	if (strcmp(path, "-") == 0) {
		error = read_stream(stdin, to);
	} else {
		f = fopen(path, "re");
		error = f != NULL ? read_stream(f, to) : errno;
		if (f != NULL)
			fclose(f);
	}
	if (error != 0) {
		smx_command_complain("%s: %s", path, strerror(error));
		return false;
	}
	if (smx_buf_status(to) < 0) {
		smx_command_complain("%s: longer than %zu bytes", path, max);
		return false;
	}
	return true;
}

bool
smx_command_write(const struct smx_buf *from)
{
	if (smx_buf_status(from) < 0) {
		smx_command_complain("output: %s",
		    smx_status_text(smx_buf_status(from)));
		return false;
	}
	if (fwrite(from->p, 1, from->n, stdout) != from->n ||
	    fflush(stdout) != 0) {
		smx_command_complain("standard output: %s", strerror(errno));
		return false;
	}
	return true;
}
