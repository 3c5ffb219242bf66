/**
 * The domains that are to be checked: arguments, or the lines of a file.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_CHECK_LIST_H
#define SMX_APP_CHECK_LIST_H

#include <stdio.h>

#include "base/buf.h"
#include "base/map.h"
#include "core/domain.h"

/** Longest line. */
#define SMX_CHECK_LIST_LINE_MAX 4096

struct smx_check_list {
	char *const *names; /* arguments, NULL-terminated; or a file: */
	int fd;             /* -1: none */
	const char *path;
	struct smx_buf in; /* read, and not yet given out */
	size_t in_at;
	bool at_end;
	size_t number;   /* of the line or argument, from 1 */
	long long bytes; /* of the file, 0 when not known */
	long long at;    /* bytes read */
	bool has_done;
	struct smx_map done; /* domains that were checked before */
};

/** Take the names of a NULL-terminated array, which has to stay. */
void smx_check_list_open_names(struct smx_check_list *l, char *const *names);

/** Read from a file, "-" is standard input. @return false: see errno. */
bool smx_check_list_open_file(struct smx_check_list *l, const char *path);

void smx_check_list_close(struct smx_check_list *l);

/**
 * Leave out the domains that the results in @p file are about, and cut off a
 * last line that is not whole.
 *
 * @param file  JSON lines or CSV, open for reading and writing; at its end
 *              then.
 * @param head  what such results begin with.
 *
 * @retval 0
 * @retval -SMX_EPARSE  the file has something else, and stays as it is.
 * @retval -SMX_EIO, -SMX_ENOMEM
 */
int smx_check_list_resume(struct smx_check_list *l, FILE *file,
    struct smx_slice head) SMX_CHECKED;

/**
 * The next domain. Empty lines, and those that begin with "#", are passed over.
 *
 * @param reason  when it is no domain: what is wrong.
 *
 * @retval 0
 * @retval -SMX_ENOENT  there are no more.
 * @retval -SMX_EIO     reading failed.
 * @retval -SMX_EAGAIN  none yet: a pipe has no whole line.
 * @retval -SMX_EPARSE  this one is no domain name; others may follow.
 */
int smx_check_list_next(struct smx_check_list *l, struct smx_domain *ret,
    struct smx_buf *reason) SMX_CHECKED;

#endif
