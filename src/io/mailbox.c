#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/mailbox.h"

struct smx_mailbox {
	pthread_mutex_t lock;
	struct smx_list messages; /* under lock */
	int fd;
	struct event *readable;
};

static void
run_all(struct smx_mailbox *m)
{
	struct smx_list batch, *node;

	smx_list_init(&batch);
	pthread_mutex_lock(&m->lock);
	if (!smx_list_is_empty(&m->messages)) {
		batch = m->messages;
		batch.next->prev = &batch;
		batch.prev->next = &batch;
		smx_list_init(&m->messages);
	}
	pthread_mutex_unlock(&m->lock);
	while ((node = smx_list_pop(&batch)) != NULL) {
		struct smx_message *message = SMX_ELEMENT(node,
		    struct smx_message, link);

		message->run(message);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	/* It only resets the counter: the queue itself tells what is there. */
	if (read(fd, &count, sizeof(count)) < 0)
		count = 0;
	run_all(arg);
}

int
smx_mailbox_new(struct event_base *base, struct smx_mailbox **ret)
{
	struct smx_mailbox *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -SMX_ENOMEM;
	pthread_mutex_init(&m->lock, NULL);
	smx_list_init(&m->messages);
	m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->fd >= 0)
		m->readable = event_new(base, m->fd, EV_READ | EV_PERSIST,
		    on_readable, m);
	if (m->readable == NULL || event_add(m->readable, NULL) < 0) {
		smx_mailbox_free(&m);
		return -SMX_EIO;
	}
	*ret = m;
	return 0;
}

void
smx_mailbox_free(struct smx_mailbox **mp)
{
	struct smx_mailbox *m = *mp;

	if (m == NULL)
		return;
	run_all(m);
	if (m->readable != NULL)
		event_free(m->readable);
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
	*mp = NULL;
}

void
smx_mailbox_post(struct smx_mailbox *m, struct smx_message *message)
{
	static const uint64_t one = 1;
	bool was_empty;

	pthread_mutex_lock(&m->lock);
	was_empty = smx_list_is_empty(&m->messages);
	smx_list_push(&m->messages, &message->link);
	pthread_mutex_unlock(&m->lock);
	/* The counter can't overflow: one write for each time it was empty. */
	if (was_empty && write(m->fd, &one, sizeof(one)) < 0)
		return;
}
