#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>

#include "io/log_journal.h"
#include "base/buf.h"

/* Postfix's mail_owner, unless somebody has changed it. */
#define OWNER          "postfix"
#define LINE_MAX_BYTES 8192

struct smx_log_journal {
	sd_journal *journal;
	smx_log_journal_line *line;
	void *arg;
	struct smx_buf text;
};

/* Where entries are behind the last one that there is now. */
static int
seek_end(sd_journal *journal)
{
	int rc = sd_journal_seek_tail(journal);

	/* The tail is behind the last entry only once that was seen. Where there
	 * is none yet, the tail is behind the first one to come. */
	if (rc >= 0)
		rc = sd_journal_previous(journal);
	return rc == 0 ? sd_journal_seek_head(journal) : rc;
}

/*
 * Whoever has a login here can run a program of any name, and say with it what
 * he likes; who it runs as is known to the kernel. Of one field any match, of
 * both fields one has to match.
 */
static int
add_matches(sd_journal *journal)
{
	struct passwd storage, *owner = NULL;
	char bytes[4096], owners[32];

	if (getpwnam_r(OWNER, &storage, bytes, sizeof(bytes), &owner) != 0 ||
	    owner == NULL)
		return -SMX_ENOENT;
	snprintf(owners, sizeof(owners), "_UID=%u", owner->pw_uid);
	return sd_journal_add_match(journal, "_COMM=smtp", 0) < 0 ||
		sd_journal_add_match(journal, "_COMM=qmgr", 0) < 0 ||
		sd_journal_add_match(journal, owners, 0) < 0 ||
		sd_journal_add_match(journal, "_UID=0", 0) < 0
	    ? -SMX_EIO
	    : 0;
}

int
smx_log_journal_new(smx_log_journal_line *line, void *arg,
    struct smx_log_journal **ret)
{
	struct smx_log_journal *j = calloc(1, sizeof(*j));
	int rc = -SMX_EIO;

	if (j == NULL)
		return -SMX_ENOMEM;
	j->line = line;
	j->arg = arg;
	smx_buf_init(&j->text, LINE_MAX_BYTES);
	if (sd_journal_open(&j->journal, SD_JOURNAL_LOCAL_ONLY) >= 0)
		rc = add_matches(j->journal);
	/* Without the descriptor, which nobody waits for, it does not watch for
	 * files that come when others are rotated. */
	if (rc == 0 &&
	    (sd_journal_get_fd(j->journal) < 0 || seek_end(j->journal) < 0))
		rc = -SMX_EIO;
	if (rc < 0) {
		smx_log_journal_free(&j);
		return rc;
	}
	*ret = j;
	return 0;
}

void
smx_log_journal_free(struct smx_log_journal **jp)
{
	struct smx_log_journal *j = *jp;

	if (j == NULL)
		return;
	sd_journal_close(j->journal);
	smx_buf_done(&j->text);
	free(j);
	*jp = NULL;
}

/* The value of a field of the entry at hand; empty when it has none. */
static struct smx_slice
field(struct smx_log_journal *j, const char *name)
{
	const void *data;
	size_t n;
	struct smx_slice value;

	if (sd_journal_get_data(j->journal, name, &data, &n) < 0)
		return smx_slice(NULL, 0);
	value = smx_slice(data, n);
	return smx_slice_from(value, smx_slice_find(value, '=') + 1);
}

int
smx_log_journal_read(struct smx_log_journal *j)
{
	/* Also takes note of files that were rotated. */
	if (sd_journal_process(j->journal) < 0)
		return -SMX_EIO;
	for (int i = 0; i < SMX_LOG_JOURNAL_LINES_MAX; i++) {
		int rc = sd_journal_next(j->journal);

		if (rc <= 0)
			return rc < 0 ? -SMX_EIO : 0;
		smx_buf_reset(&j->text);
		/* The program's name, whatever the instance is called. */
		smx_buf_add_text(&j->text, "postfix/");
		smx_buf_add(&j->text, field(j, "_COMM"));
		smx_buf_add_text(&j->text, "[");
		smx_buf_add(&j->text, field(j, "_PID"));
		smx_buf_add_text(&j->text, "]: ");
		smx_buf_add(&j->text, field(j, "MESSAGE"));
		if (smx_buf_status(&j->text) == 0)
			j->line(j->arg, smx_buf_slice(&j->text));
	}
	return 1;
}
