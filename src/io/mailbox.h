/**
 * Messages between loops: one queue into each thread.
 *
 * Layer:   io.
 * Memory:  a message is the sender's until it is posted, then the receiver's.
 */
#ifndef SMX_IO_MAILBOX_H
#define SMX_IO_MAILBOX_H

#include "base/list.h"
#include "base/status.h"

struct event_base;
struct smx_mailbox;

/** Embedded first in what is sent. */
struct smx_message {
	struct smx_list link;
	/** Runs on the receiver's thread; it frees the message. */
	void (*run)(struct smx_message *m);
};

/**
 * Make the mailbox of the loop @p base; call it before other threads post.
 *
 * @retval 0, -SMX_ENOMEM, -SMX_EIO (no descriptor left)
 */
int smx_mailbox_new(struct event_base *base,
    struct smx_mailbox **ret) SMX_CHECKED;

/** Run what is still in it and free it. No other thread may post any more. */
void smx_mailbox_free(struct smx_mailbox **m);

/** Send, from any thread. It can't fail. */
void smx_mailbox_post(struct smx_mailbox *m, struct smx_message *message);

#endif
