/**
 * A loop on a thread of its own.
 *
 * Layer:   io (libevent, pthread).
 *
 * Until it is started, and while it is paused or stopped, everything on the loop belongs
 * to the thread that made it; in between, to the loop's.
 */
#ifndef SMX_IO_LOOP_THREAD_H
#define SMX_IO_LOOP_THREAD_H

#include "io/mailbox.h"

struct smx_loop_thread;

/** @retval 0, -SMX_ENOMEM, -SMX_EIO (no descriptor left) */
int smx_loop_thread_new(struct smx_loop_thread **ret) SMX_CHECKED;

struct event_base *smx_loop_thread_base(struct smx_loop_thread *t);

/** Start the thread, with all signals blocked: they are the main thread's.
 * @retval 0 or -SMX_ENOMEM */
int smx_loop_thread_start(struct smx_loop_thread *t) SMX_CHECKED;

/** Send a message there, from any thread. */
void smx_loop_thread_post(struct smx_loop_thread *t,
    struct smx_message *message);

/** Have something done there, from any thread, without waiting for it. */
void smx_loop_thread_call(struct smx_loop_thread *t, void (*call)(void *arg),
    void *arg);

/** Stop the loop and wait for the thread. What is sent meanwhile waits until it
 * is started again. */
void smx_loop_thread_pause(struct smx_loop_thread *t);

/** Stop the loop and wait for the thread; messages that are left are run
 * here. No harm when it was not started. No other thread may post any more. */
void smx_loop_thread_stop(struct smx_loop_thread *t);

/** Nothing may be left on the loop. */
void smx_loop_thread_free(struct smx_loop_thread **t);

#endif
