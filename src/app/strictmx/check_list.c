#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/strictmx/check_list.h"
#include "base/list.h"
#include "core/limits.h"
#include "io/idn.h"

/* Read at once. */
#define READ_MAX ((size_t)1 << 16)

/* A domain that is done. */
struct done {
	struct smx_map_node node;
	char domain[];
};

void
smx_check_list_open_names(struct smx_check_list *l, char *const *names)
{
	*l = (struct smx_check_list){ .names = names, .fd = -1 };
}

bool
smx_check_list_open_file(struct smx_check_list *l, const char *path)
{
	struct stat s;

	*l = (struct smx_check_list){ .path = path };
	smx_buf_init(&l->in, 2 * READ_MAX);
	l->fd = strcmp(path, "-") == 0 ? STDIN_FILENO
				       : open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0 || fstat(l->fd, &s) < 0)
		return false;
	if (S_ISREG(s.st_mode))
		l->bytes = s.st_size;
	/* A directory can be opened, but not read. */
	if (S_ISDIR(s.st_mode))
		errno = EISDIR;
	return !S_ISDIR(s.st_mode);
}

void
smx_check_list_close(struct smx_check_list *l)
{
	struct smx_map_node *node, *next;
	size_t iter = 0;

	if (l->path != NULL && l->fd > STDIN_FILENO)
		close(l->fd);
	smx_buf_done(&l->in);
	if (!l->has_done)
		return;
	for (node = smx_map_next(&l->done, &iter, NULL); node != NULL;
	     node = next) {
		next = smx_map_next(&l->done, &iter, node);
		free(SMX_ELEMENT(node, struct done, node));
	}
	smx_map_done(&l->done);
}

/* The domain of a line of results; empty when it has none. */
static struct smx_slice
find_domain(struct smx_slice line)
{
	static const struct smx_slice key = { "\"domain\":\"", 10 };
	struct smx_slice rest;

	if (line.n == 0 || line.p[0] != '{')
		return smx_slice(line.p, smx_slice_find(line, ','));
	/* It stands in front, and a canonical name has nothing to escape. */
	for (size_t i = 0; i + key.n < line.n && i < 200; i++) {
		rest = smx_slice_from(line, i);
		if (!smx_slice_starts(rest, key))
			continue;
		rest = smx_slice_from(rest, key.n);
		return smx_slice(rest.p, smx_slice_find(rest, '"'));
	}
	return smx_slice(line.p, 0);
}

static int
note_done(struct smx_check_list *l, struct smx_slice domain)
{
	struct done *d;

	if (domain.n == 0 || domain.n > SMX_DOMAIN_MAX ||
	    smx_map_find(&l->done, domain) != NULL)
		return 0;
	d = malloc(sizeof(*d) + domain.n);
	if (d == NULL)
		return -SMX_ENOMEM;
	memcpy(d->domain, domain.p, domain.n);
	smx_map_put(&l->done, &d->node, smx_slice(d->domain, domain.n));
	return 0;
}

/* A line, perhaps cut off, and what it has to begin with. */
static bool
begins(struct smx_slice line, struct smx_slice head)
{
	if (head.n > line.n)
		head.n = line.n;
	return smx_slice_starts(line, head);
}

int
smx_check_list_resume(struct smx_check_list *l, FILE *file,
    struct smx_slice head)
{
	uint64_t seed[2] = { 0 };
	char *line = NULL;
	size_t size = 0;
	off_t whole = 0;
	ssize_t n;
	int rc;

	if (getrandom(seed, sizeof(seed), 0) < 0)
		return -SMX_EIO;
	rc = smx_map_init(&l->done, seed);
	l->has_done = rc == 0;
	while (rc == 0 && (n = getline(&line, &size, file)) > 0) {
		if (whole == 0 && !begins(smx_slice(line, (size_t)n), head))
			rc = -SMX_EPARSE;
		if (rc < 0 || line[n - 1] != '\n')
			break;
		whole += n;
		rc = note_done(l, find_domain(smx_slice(line, (size_t)n)));
	}
	free(line);
	if (rc == 0 &&
	    (ferror(file) || ftruncate(fileno(file), whole) < 0 ||
		fseeko(file, whole, SEEK_SET) < 0))
		rc = -SMX_EIO;
	return rc;
}

/* Read more of the file, without waiting. @return 0, -SMX_EAGAIN, -SMX_EIO. */
static int
read_more(struct smx_check_list *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	char *to;
	ssize_t n;

	smx_buf_drop(&l->in, l->in_at);
	l->in_at = 0;
	if (poll(&p, 1, 0) == 0)
		return -SMX_EAGAIN;
	to = smx_buf_reserve(&l->in, READ_MAX);
	if (to == NULL)
		return -SMX_EIO;
	n = read(l->fd, to, READ_MAX);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -SMX_EAGAIN
							 : -SMX_EIO;
	l->in.n += (size_t)n;
	l->at += n;
	l->at_end = n == 0;
	return 0;
}

/* The next line, as long as the next call. @return as smx_check_list_next(). */
static int
read_line(struct smx_check_list *l, struct smx_slice *ret)
{
	for (;;) {
		struct smx_slice rest = smx_slice_from(smx_buf_slice(&l->in),
		    l->in_at);
		size_t n = smx_slice_find(rest, '\n');
		int rc;

		/* A longer line is given out in pieces: none is a domain. */
		if (n > SMX_CHECK_LIST_LINE_MAX)
			n = SMX_CHECK_LIST_LINE_MAX;
		if (n < rest.n || (l->at_end && rest.n > 0)) {
			*ret = smx_slice(rest.p, n);
			l->in_at += n < rest.n && rest.p[n] == '\n' ? n + 1 : n;
			return 0;
		}
		if (l->at_end)
			return -SMX_ENOENT;
		rc = read_more(l);
		if (rc < 0)
			return rc;
	}
}

/* The next line or argument, without blanks around it. */
static int
read_name(struct smx_check_list *l, struct smx_slice *ret)
{
	int rc;

	if (l->names != NULL) {
		if (l->names[l->number] == NULL)
			return -SMX_ENOENT;
		*ret = smx_slice_text(l->names[l->number++]);
		return 0;
	}
	rc = read_line(l, ret);
	if (rc < 0)
		return rc;
	l->number++;
	while (ret->n > 0 && (unsigned char)ret->p[0] <= ' ')
		*ret = smx_slice_from(*ret, 1);
	while (ret->n > 0 && (unsigned char)ret->p[ret->n - 1] <= ' ')
		ret->n--;
	return 0;
}

int
smx_check_list_next(struct smx_check_list *l, struct smx_domain *ret,
    struct smx_buf *reason)
{
	struct smx_slice name;

	for (;;) {
		int rc = read_name(l, &name);

		if (rc < 0)
			return rc;
		if (l->names == NULL && (name.n == 0 || name.p[0] == '#'))
			continue;
		if (smx_idn_parse(name, ret) < 0 ||
		    ret->n > SMX_STS_DOMAIN_MAX) {
			if (l->path != NULL)
				smx_buf_printf(reason, "%s:%zu: ", l->path,
				    l->number);
			smx_buf_add_char(reason, '"');
			smx_buf_add_escaped(reason,
			    smx_slice(name.p, name.n < 100 ? name.n : 100));
			smx_buf_add_text(reason,
			    "\" is no domain name; write it like example.com");
			return -SMX_EPARSE;
		}
		if (!l->has_done ||
		    smx_map_find(&l->done, smx_domain_slice(ret)) == NULL)
			return 0;
	}
}
