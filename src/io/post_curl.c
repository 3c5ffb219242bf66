#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/post_curl.h"
#include "core/domain.h"
#include "core/limits.h"
#include "io/connect_curl.h"
#include "io/multi_curl.h"
#include "base/scan.h"
#include "io/turns.h"

#define USER_AGENT      "strictmx/" SMX_VERSION
#define DETAIL_BYTES    1000
#define LOCATION_SHOWN  200
#define DEFAULT_TIMEOUT SMX_MINUTE
/* Of an answer's body: then it is cut off, whatever it wanted to say. */
#define BODY_MAX 65536
#define TYPE_MAX 200
/* Started before others get their turn on the loop. */
#define START_BATCH 16

struct smx_post_client {
	struct smx_dns *dns;
	struct smx_post_settings settings;
	char *ca_file;
	struct smx_multi *multi;
	struct event *starter;
	struct smx_turns turns;
	struct smx_list jobs; /* all */
};

struct job {
	struct smx_post_client *client;
	struct smx_list link;
	struct smx_turn turn;
	CURL *easy;
	struct curl_slist *headers;
	struct smx_connect connect;
	struct smx_post request; /* what it borrows, stays */
	smx_post_done *done;
	void *arg;
	smx_time timeout;
	size_t header_bytes, body_bytes;
	bool is_endless;  /* the headers */
	bool is_answered; /* all headers of the final answer are there */
	char error[CURL_ERROR_SIZE];
	char name[SMX_DOMAIN_MAX + 1];
};

static void
kick(struct smx_post_client *c)
{
	if (!smx_list_is_empty(&c->turns.ready))
		event_active(c->starter, EV_TIMEOUT, 1);
}

static void
free_job(struct job *j)
{
	smx_list_remove(&j->link);
	smx_turns_leave(&j->client->turns, &j->turn);
	if (j->easy != NULL) {
		smx_multi_remove(j->client->multi, j->easy);
		curl_easy_cleanup(j->easy);
	}
	curl_slist_free_all(j->headers);
	smx_connect_done(&j->connect);
	free(j);
}

static void
finish(struct job *j, const struct smx_post_answer *answer)
{
	struct smx_post_client *c = j->client;
	smx_post_done *done = j->done;
	void *arg = j->arg;

	free_job(j);
	kick(c);
	done(arg, answer);
}

static void
finish_early(struct job *j, struct smx_slice detail)
{
	finish(j,
	    &(struct smx_post_answer){
		.status = SMX_POST_LATER, .detail = detail });
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct job *j = arg;

	(void)data;
	j->body_bytes += size * count;
	return j->body_bytes <= BODY_MAX ? size * count : 0;
}

static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	struct job *j = arg;
	size_t n = size * count;
	long status = 0;

	j->header_bytes += n;
	if (j->header_bytes > SMX_HTTP_HEADERS_MAX) {
		j->is_endless = true;
		return 0;
	}
	/* The blank line. Behind an interim answer comes another one
	 * (RFC 9110, 15.2). */
	if (n > 0 && (data[0] == '\r' || data[0] == '\n')) {
		curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
		j->is_answered = status >= 200;
	}
	return n;
}

/* Once all headers are there, the rest can't change what they say. */
static void
finish_answered(struct job *j)
{
	struct smx_post_answer answer = { .status = SMX_POST_LATER };
	char storage[DETAIL_BYTES];
	struct curl_header *location;
	curl_off_t retry_after = 0;
	struct smx_buf detail;
	long status = 0;

	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(j->easy, CURLINFO_RETRY_AFTER, &retry_after);
	smx_buf_init_fixed(&detail, storage, sizeof(storage));
	smx_buf_printf(&detail, "HTTP %ld", status);
	if (status >= 200 && status < 300)
		answer.status = SMX_POST_ACCEPTED;
	else if (retry_after > 0)
		answer.retry_after_s = retry_after < UINT_MAX
		    ? (unsigned)retry_after
		    : UINT_MAX;
	if (status >= 300 && status < 400 &&
	    curl_easy_header(j->easy, "Location", 0, CURLH_HEADER, -1,
		&location) == CURLHE_OK) {
		struct smx_slice to = smx_slice_text(location->value);

		if (to.n > LOCATION_SHOWN)
			to.n = LOCATION_SHOWN;
		smx_buf_add_text(&detail, ": redirect to ");
		smx_buf_add(&detail, to);
		smx_buf_add_text(&detail, " is not followed");
	}
	answer.http_status = (unsigned)status;
	answer.detail = smx_buf_slice(&detail);
	finish(j, &answer);
}

static const char *
what_was_done(const struct job *j)
{
	curl_off_t sent = 0;

	/* curl's own times don't tell the first two apart. */
	if (j->connect.seen == NULL)
		return "connecting";
	if (j->connect.tls_version == NULL)
		return "agreeing on TLS";
	curl_easy_getinfo(j->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	if ((size_t)sent < j->request.body.n)
		return "sending the report";
	return "waiting for the answer";
}

static void
finish_failed(struct job *j, CURLcode rc)
{
	char storage[DETAIL_BYTES];
	struct smx_buf detail;

	smx_buf_init_fixed(&detail, storage, sizeof(storage));
	if (j->is_endless)
		smx_buf_add_text(&detail, "endless headers");
	else if (rc == CURLE_OPERATION_TIMEDOUT)
		smx_buf_printf(&detail, "time-out after %g s while %s",
		    (double)j->timeout / (double)SMX_SECOND, what_was_done(j));
	else
		smx_connect_explain(&j->connect, j->easy, rc, j->error,
		    &detail);
	finish_early(j, smx_buf_slice(&detail));
}

static void
on_ended(CURL *easy, CURLcode rc)
{
	struct job *j;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &j);
	if (j->is_answered)
		finish_answered(j);
	else
		finish_failed(j, rc);
}

static bool
is_visible(struct smx_slice s, char first)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < first || s.p[i] > '~')
			return false;
	return s.n > 0;
}

/* The URI has been parsed before; here nothing relies on that. */
static bool
is_sendable(const struct smx_post *r)
{
	return smx_domain_is_host(r->host) && r->port != 0 &&
	    is_visible(r->path, '!') && r->path.p[0] == '/' &&
	    r->path.n <= SMX_TLSRPT_URI_MAX &&
	    smx_slice_find(r->path, '#') == r->path.n &&
	    is_visible(r->media_type, ' ') && r->media_type.n <= TYPE_MAX;
}

#define SET(option, value)                                                \
	do {                                                              \
		if (curl_easy_setopt(j->easy, option, value) != CURLE_OK) \
			return -SMX_ENOMEM;                               \
	} while (0)

static int
set_headers(struct job *j)
{
	char type[sizeof("Content-Type: ") + TYPE_MAX];
	struct curl_slist *longer;

	snprintf(type, sizeof(type), "Content-Type: %.*s",
	    (int)j->request.media_type.n, j->request.media_type.p);
	j->headers = curl_slist_append(NULL, type);
	if (j->headers == NULL)
		return -SMX_ENOMEM;
	/* Without a value: none is sent. Nobody should have to wait for a
	 * "100 Continue" that many servers never send. */
	longer = curl_slist_append(j->headers, "Expect:");
	if (longer == NULL)
		return -SMX_ENOMEM;
	SET(CURLOPT_HTTPHEADER, j->headers);
	return 0;
}

static int
set_options(struct job *j)
{
	char url[SMX_DOMAIN_MAX + SMX_TLSRPT_URI_MAX + 32];
	const struct smx_post *r = &j->request;

	if (r->port == 443)
		snprintf(url, sizeof(url), "https://%s%.*s", j->name,
		    (int)r->path.n, r->path.p);
	else
		snprintf(url, sizeof(url), "https://%s:%u%.*s", j->name,
		    r->port, (int)r->path.n, r->path.p);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PRIVATE, j);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "");
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, j);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, j);
	SET(CURLOPT_TIMEOUT_MS, (long)j->timeout);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)j->timeout);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_ERRORBUFFER, j->error);
	return set_headers(j);
}

static int
start(struct job *j)
{
	struct smx_post_client *c = j->client;
	int rc;

	j->easy = curl_easy_init();
	if (j->easy == NULL)
		return -SMX_ENOMEM;
	j->timeout = c->settings.timeout;
	j->connect.ca_file = c->ca_file;
	j->connect.any_certificate = c->settings.allow_bad_certificate;
	j->connect.reach = c->settings.allow_private_addresses
	    ? SMX_CONNECT_ANYWHERE
	    : SMX_CONNECT_PUBLIC;
	rc = smx_connect_set(&j->connect, j->easy);
	if (rc == 0)
		rc = set_options(j);
	return rc < 0 ? rc : smx_multi_add(c->multi, j->easy);
}

static void
on_addresses(void *arg, const struct smx_dns_addresses *answer)
{
	struct job *j = arg;
	int rc;

	if (answer->status != SMX_DNS_OK) {
		finish_early(j, smx_connect_dns_text(answer->status));
		return;
	}
	smx_connect_set_addresses(&j->connect, answer);
	rc = start(j);
	if (rc == -SMX_ENOENT)
		finish_failed(j, CURLE_COULDNT_CONNECT);
	else if (rc < 0)
		finish_early(j, SMX_SLICE("out of memory"));
}

static void
begin(struct job *j)
{
	if (!is_sendable(&j->request))
		finish_early(j, SMX_SLICE("the URI can't be used"));
	else if (smx_dns_ask_addresses(j->client->dns, j->connect.host,
		     on_addresses, j) < 0)
		finish_early(j, SMX_SLICE("out of memory"));
}

static void
on_starter(evutil_socket_t fd, short what, void *arg)
{
	struct smx_post_client *c = arg;
	struct smx_turn *turn;

	(void)fd;
	(void)what;
	for (int i = 0; i < START_BATCH; i++) {
		turn = smx_turns_next(&c->turns);
		if (turn == NULL)
			return;
		begin(SMX_ELEMENT(turn, struct job, turn));
	}
	kick(c);
}

static int
post(void *self, const struct smx_post *request, smx_post_done *done, void *arg)
{
	struct smx_post_client *c = self;
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return -SMX_ENOMEM;
	j->client = c;
	j->request = *request;
	j->done = done;
	j->arg = arg;
	/* A longer one is refused by is_sendable(). */
	for (size_t i = 0;
	     request->host.n <= SMX_DOMAIN_MAX && i < request->host.n; i++)
		j->name[i] = smx_scan_lower(request->host.p[i]);
	j->connect.host = smx_slice_text(j->name);
	j->connect.port = request->port;
	if (smx_turns_wait(&c->turns, &j->turn, j->connect.host) < 0) {
		free(j);
		return -SMX_ENOMEM;
	}
	smx_list_push(&c->jobs, &j->link);
	kick(c);
	return 0;
}

struct smx_post_port
smx_post_as_port(struct smx_post_client *c)
{
	static const struct smx_post_ops ops = { .post = post };

	return (struct smx_post_port){ &ops, c };
}

int
smx_post_check(const struct smx_post_settings *settings, struct smx_buf *reason)
{
	if (access(settings->ca_file, R_OK) == 0)
		return 0;
	smx_buf_printf(reason, "ca_file %s: %m", settings->ca_file);
	return -SMX_EINVAL;
}

int
smx_post_set(struct smx_post_client *c,
    const struct smx_post_settings *settings, struct smx_buf *reason)
{
	char *ca_file;
	int rc = smx_post_check(settings, reason);

	if (rc < 0)
		return rc;
	ca_file = strdup(settings->ca_file);
	if (ca_file == NULL)
		return -SMX_ENOMEM;
	free(c->ca_file);
	c->ca_file = ca_file;
	c->settings = *settings;
	c->settings.ca_file = ca_file;
	if (c->settings.timeout == 0)
		c->settings.timeout = DEFAULT_TIMEOUT;
	return 0;
}

int
smx_post_new(struct event_base *base, struct smx_dns *dns,
    const struct smx_post_settings *settings, struct smx_post_client **ret,
    struct smx_buf *reason)
{
	struct smx_post_client *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -SMX_ENOMEM;
	c->dns = dns;
	smx_list_init(&c->jobs);
	rc = smx_turns_init(&c->turns, SMX_POST_TRANSFER_MAX,
	    SMX_POST_HOST_MAX);
	if (rc == 0)
		rc = smx_multi_new(base, on_ended, &c->multi);
	if (rc == 0) {
		c->starter = event_new(base, -1, 0, on_starter, c);
		rc = c->starter != NULL ? smx_post_set(c, settings, reason)
					: -SMX_ENOMEM;
	}
	if (rc < 0) {
		smx_post_free(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void
smx_post_free(struct smx_post_client **cp)
{
	struct smx_post_client *c = *cp;

	if (c == NULL)
		return;
	while (!smx_list_is_empty(&c->jobs))
		free_job(SMX_ELEMENT(c->jobs.next, struct job, link));
	smx_turns_done(&c->turns);
	smx_multi_free(&c->multi);
	if (c->starter != NULL)
		event_free(c->starter);
	free(c->ca_file);
	free(c);
	*cp = NULL;
}
