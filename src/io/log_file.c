#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log_file.h"

/* Read in one go before others have their turn, however few lines it has. */
#define TURN_MAX ((size_t)1 << 20)

struct smx_log_file {
	char *path;
	int fd; /* -1: there is none */
	ino_t inode;
	dev_t device;
	off_t at;
	bool is_known;    /* was it, or its absence, seen before? */
	bool is_skipping; /* a line that is too long */
	smx_log_file_line *line;
	void *arg;
	size_t line_max, n;
	char bytes[];
};

int
smx_log_file_new(const char *path, size_t line_max, smx_log_file_line *line,
    void *arg, struct smx_log_file **ret)
{
	struct smx_log_file *f = calloc(1, sizeof(*f) + line_max + 1);

	if (f == NULL)
		return -SMX_ENOMEM;
	f->fd = -1;
	f->line = line;
	f->arg = arg;
	f->line_max = line_max;
	f->path = strdup(path);
	if (f->path == NULL) {
		free(f);
		return -SMX_ENOMEM;
	}
	*ret = f;
	return 0;
}

void
smx_log_file_free(struct smx_log_file **fp)
{
	struct smx_log_file *f = *fp;

	if (f == NULL)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
	*fp = NULL;
}

/* What may still be done in this turn. */
struct turn {
	size_t lines, bytes;
};

/* Hand over the whole lines in the buffer.
 * @return false: the turn is over, and there may be more. */
static bool
cut_lines(struct smx_log_file *f, struct turn *turn)
{
	size_t begin = 0;

	while (turn->lines > 0) {
		struct smx_slice rest = smx_slice(f->bytes + begin,
		    f->n - begin);
		size_t n = smx_slice_find(rest, '\n');

		if (n == rest.n)
			break;
		if (!f->is_skipping)
			f->line(f->arg, smx_slice(rest.p, n));
		f->is_skipping = false;
		begin += n + 1;
		turn->lines--;
	}
	f->n -= begin;
	memmove(f->bytes, f->bytes + begin, f->n);
	if (turn->lines > 0 && f->n == f->line_max + 1) {
		f->is_skipping = true;
		f->n = 0;
	}
	return turn->lines > 0 && turn->bytes > 0;
}

/* @return 1: the turn is over; 0: all was read; -SMX_EIO. */
static int
read_more(struct smx_log_file *f, struct turn *turn)
{
	while (cut_lines(f, turn)) {
		size_t room = f->line_max + 1 - f->n;
		ssize_t n = pread(f->fd, f->bytes + f->n,
		    room < turn->bytes ? room : turn->bytes, f->at);

		if (n < 0)
			return -SMX_EIO;
		if (n == 0)
			return 0;
		f->at += n;
		f->n += (size_t)n;
		turn->bytes -= (size_t)n;
	}
	return 1;
}

/* From its start, if it was cut. */
static int
read_open(struct smx_log_file *f, struct turn *turn)
{
	struct stat s;
	int rc = read_more(f, turn);

	if (rc != 0 || fstat(f->fd, &s) < 0 || s.st_size >= f->at)
		return rc;
	f->at = 0;
	f->n = 0;
	f->is_skipping = false;
	return read_more(f, turn);
}

/* Open the file that is there now. */
static int
open_anew(struct smx_log_file *f)
{
	struct stat s;

	if (f->fd >= 0)
		close(f->fd);
	f->n = 0;
	f->is_skipping = false;
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0 || fstat(f->fd, &s) < 0) {
		/* What is made from now on is new from its start. */
		f->is_known |= errno == ENOENT;
		return errno == ENOENT ? -SMX_ENOENT : -SMX_EIO;
	}
	f->inode = s.st_ino;
	f->device = s.st_dev;
	f->at = 0;
	/* What was there before us was told by somebody else, or nobody. Of its
	 * last line we may see the end only, which is not to be taken for one. */
	if (!f->is_known && s.st_size > 0) {
		f->at = s.st_size - 1;
		f->is_skipping = true;
	}
	f->is_known = true;
	return 0;
}

/*
 * Is there another file at the path? The old one is left for it once something
 * is in it: until then its writer may go on with the old one.
 *
 * @return 1 or 0; -SMX_ENOENT: there is none.
 */
static int
is_replaced(const struct smx_log_file *f)
{
	struct stat s;

	if (stat(f->path, &s) < 0)
		return errno == ENOENT ? -SMX_ENOENT : -SMX_EIO;
	return s.st_size > 0 && (s.st_ino != f->inode || s.st_dev != f->device);
}

int
smx_log_file_read(struct smx_log_file *f)
{
	struct turn turn = { SMX_LOG_FILE_LINES_MAX, TURN_MAX };
	int rc = 0, replaced = 1;

	if (f->fd >= 0) {
		/* In this order: what it has then, it has for good. */
		replaced = is_replaced(f);
		rc = read_open(f, &turn);
	}
	if (rc != 0)
		return rc;
	if (replaced != 1)
		return replaced;
	rc = open_anew(f);
	return rc == 0 ? read_more(f, &turn) : rc;
}
