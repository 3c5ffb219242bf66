#include <event2/event.h>
#include <stdlib.h>

#include "io/multi_curl.h"

struct smx_multi {
	struct event_base *base;
	smx_multi_ended *ended;
	CURLM *multi;
	struct event *timer;
};

/* Tell of all transfers that curl has ended. */
static void
collect(struct smx_multi *m)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(m->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			m->ended(message->easy_handle, message->data.result);
}

static void
on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct smx_multi *m = arg;
	int running, flags = 0;

	if (what & EV_READ)
		flags |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(m->multi, fd, flags, &running);
	collect(m);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct smx_multi *m = arg;
	struct event *e = socket_arg;
	short flags = EV_PERSIST;

	(void)easy;
	if (e != NULL)
		event_free(e);
	e = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what & CURL_POLL_IN)
			flags |= EV_READ;
		if (what & CURL_POLL_OUT)
			flags |= EV_WRITE;
		e = event_new(m->base, fd, flags, on_socket_event, m);
		if (e != NULL)
			event_add(e, NULL);
	}
	curl_multi_assign(m->multi, fd, e);
	return 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smx_multi *m = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(m->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(m);
}

static int
on_timer_change(CURLM *multi, long timeout_ms, void *arg)
{
	struct smx_multi *m = arg;
	struct timeval after = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

	(void)multi;
	if (timeout_ms < 0)
		event_del(m->timer);
	else
		event_add(m->timer, &after);
	return 0;
}

int
smx_multi_add(struct smx_multi *m, CURL *easy)
{
	return curl_multi_add_handle(m->multi, easy) == CURLM_OK ? 0
								 : -SMX_ENOMEM;
}

void
smx_multi_remove(struct smx_multi *m, CURL *easy)
{
	curl_multi_remove_handle(m->multi, easy);
}

int
smx_multi_new(struct event_base *base, smx_multi_ended *ended,
    struct smx_multi **ret)
{
	struct smx_multi *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -SMX_ENOMEM;
	/* Counted by curl: the first starts it, the last ends it. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(m);
		return -SMX_ENOMEM;
	}
	m->base = base;
	m->ended = ended;
	m->timer = event_new(base, -1, 0, on_timer, m);
	m->multi = curl_multi_init();
	if (m->timer == NULL || m->multi == NULL) {
		smx_multi_free(&m);
		return -SMX_ENOMEM;
	}
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
	*ret = m;
	return 0;
}

void
smx_multi_free(struct smx_multi **mp)
{
	struct smx_multi *m = *mp;

	if (m == NULL)
		return;
	if (m->multi != NULL)
		curl_multi_cleanup(m->multi);
	if (m->timer != NULL)
		event_free(m->timer);
	free(m);
	curl_global_cleanup();
	*mp = NULL;
}
