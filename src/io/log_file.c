#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log_file.h"

/* Read in one go before others have their turn. */
#define TURN_MAX ((size_t)4 << 20)

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

/* Hand over the whole lines in the buffer. */
static void
cut_lines(struct smx_log_file *f)
{
	size_t begin = 0;

	for (;;) {
		struct smx_slice rest = smx_slice(f->bytes + begin,
		    f->n - begin);
		size_t n = smx_slice_find(rest, '\n');

		if (n == rest.n)
			break;
		if (!f->is_skipping)
			f->line(f->arg, smx_slice(rest.p, n));
		f->is_skipping = false;
		begin += n + 1;
	}
	f->n -= begin;
	memmove(f->bytes, f->bytes + begin, f->n);
	if (f->n == f->line_max + 1) {
		f->is_skipping = true;
		f->n = 0;
	}
}

static int
read_more(struct smx_log_file *f)
{
	size_t total = 0;

	while (total < TURN_MAX) {
		ssize_t n = pread(f->fd, f->bytes + f->n,
		    f->line_max + 1 - f->n, f->at);

		if (n < 0)
			return -SMX_EIO;
		if (n == 0)
			break;
		f->at += n;
		f->n += (size_t)n;
		total += (size_t)n;
		cut_lines(f);
	}
	return 0;
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
	/* What was there before us was told by somebody else, or nobody. */
	f->at = f->is_known ? 0 : s.st_size;
	f->is_known = true;
	return 0;
}

int
smx_log_file_read(struct smx_log_file *f)
{
	struct stat s;
	int rc = 0;

	if (f->fd >= 0) {
		rc = read_more(f);
		if (rc == 0 && fstat(f->fd, &s) == 0 && s.st_size < f->at) {
			f->at = 0;
			f->n = 0;
			rc = read_more(f);
		}
	}
	if (rc < 0)
		return rc;
	if (f->fd < 0 || stat(f->path, &s) < 0 || s.st_ino != f->inode ||
	    s.st_dev != f->device) {
		rc = open_anew(f);
		if (rc == 0)
			rc = read_more(f);
	}
	return rc;
}
