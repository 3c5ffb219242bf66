#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/https_curl.h"
#include "base/list.h"
#include "base/scan.h"
#include "core/limits.h"
#include "core/media_type.h"
#include "io/clock.h"
#include "io/connect_curl.h"
#include "io/https_fault.h"
#include "io/multi_curl.h"

#define URL_PATH       "/.well-known/mta-sts.txt"
#define USER_AGENT     "strictmx/" SMX_VERSION
#define DETAIL_BYTES   300
#define LOCATION_SHOWN 200
/* CURLE_TOO_LARGE, which curl 7.88 does not have. */
#define TOO_LARGE 100

struct smx_https {
	struct smx_dns *dns;
	struct smx_https_settings settings;
	char *ca_file;
	struct smx_multi *multi;
	struct smx_list jobs;  /* all */
	struct smx_list ready; /* addresses known, waiting for a place */
	size_t transfer_count;
	bool starting; /* start_ready() is at work */
};

enum why {
	WHY_CURL,   /* what curl says */
	WHY_STATUS, /* not 200: its body is of no interest */
	WHY_BODY_LARGE,
	WHY_HEADERS_LARGE,
};

struct job {
	struct smx_https *https;
	struct smx_list link;
	struct smx_list in_ready;
	CURL *easy;
	struct smx_connect connect;
	smx_https_policy_done *done;
	void *arg;
	struct smx_buf body;
	size_t header_bytes;
	bool encoded;
	bool has_length; /* the answer says where it ends */
	smx_time asked;
	struct smx_buf location;
	char location_bytes[LOCATION_SHOWN];
	bool is_answering; /* TLS is up: curl has the answer in hand */
	bool is_pinned;    /* the address was given */
	bool any_answer;   /* see struct smx_https_request */
	enum why why;
	char error[CURL_ERROR_SIZE];
	char name[SMX_DOMAIN_MAX + 1];
};

static void start_ready(struct smx_https *h);

static void
free_job(struct job *j)
{
	smx_list_remove(&j->link);
	smx_list_remove(&j->in_ready);
	if (j->easy != NULL) {
		smx_multi_remove(j->https->multi, j->easy);
		curl_easy_cleanup(j->easy);
		j->https->transfer_count--;
	}
	smx_connect_done(&j->connect);
	smx_buf_done(&j->body);
	free(j);
}

static void
finish(struct job *j, enum smx_diag_code code, struct smx_slice detail)
{
	struct smx_https *h = j->https;
	struct smx_https_policy answer = {
		.code = code,
		.body = smx_buf_slice(&j->body),
		.detail = detail,
	};

	if (j->connect.seen != NULL)
		answer.certificate = smx_tls_certificate_get(j->connect.seen);
	if (j->connect.tls_version != NULL)
		answer.tls_version = smx_slice_text(j->connect.tls_version);
	j->done(j->arg, smx_clock_now(), &answer);
	free_job(j);
	start_ready(h);
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct job *j = arg;
	size_t n = size * count;
	long status = 0;

	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		j->why = WHY_STATUS;
		return 0;
	}
	smx_buf_add(&j->body, smx_slice(data, n));
	if (smx_buf_status(&j->body) < 0) {
		j->why = WHY_BODY_LARGE;
		return 0;
	}
	return n;
}

/* Is this header line of that name? Then @p value is what it says. */
static bool
is_header(struct smx_slice line, struct smx_slice name, struct smx_slice *value)
{
	if (line.n < name.n ||
	    !smx_domain_equal(smx_slice(line.p, name.n), name))
		return false;
	*value = smx_slice_from(line, smx_scan_skip_wsp(line, name.n));
	while (value->n > 0 && (unsigned char)value->p[value->n - 1] <= ' ')
		value->n--;
	return true;
}

static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	struct smx_slice line = { data, size * count }, value;
	struct job *j = arg;

	j->header_bytes += line.n;
	if (j->header_bytes > SMX_HTTP_HEADERS_MAX) {
		j->why = WHY_HEADERS_LARGE;
		return 0;
	}
	if (is_header(line, SMX_SLICE("content-encoding:"), &value)) {
		j->encoded = true;
	} else if (is_header(line, SMX_SLICE("content-length:"), &value) ||
	    is_header(line, SMX_SLICE("transfer-encoding:"), &value)) {
		j->has_length = true;
	} else if (is_header(line, SMX_SLICE("location:"), &value)) {
		smx_buf_reset(&j->location);
		smx_buf_add(&j->location,
		    smx_slice(value.p,
			value.n < LOCATION_SHOWN ? value.n : LOCATION_SHOWN));
	}
	return line.n;
}

/* What a failed transfer means; details of TLS are added. */
static enum smx_diag_code
judge_failure(const struct job *j, CURLcode rc, struct smx_buf *detail)
{
	long error = 0;

	if (j->why == WHY_BODY_LARGE || rc == CURLE_FILESIZE_EXCEEDED)
		return SMX_DIAG_POLICY_TOO_LARGE;
	if (j->why == WHY_HEADERS_LARGE)
		return SMX_DIAG_HTTP_SYNTAX;
	if (j->connect.was_refused)
		return SMX_DIAG_HOST_PRIVATE;
	if (rc == CURLE_PEER_FAILED_VERIFICATION)
		return smx_https_fault_certificate(j->connect.seen);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return j->is_answering ? SMX_DIAG_HOST_SLOW
				       : SMX_DIAG_HOST_TIMEOUT;
	if (rc == CURLE_COULDNT_CONNECT) {
		curl_easy_getinfo(j->easy, CURLINFO_OS_ERRNO, &error);
		return error == ENETUNREACH || error == EHOSTUNREACH
		    ? SMX_DIAG_HOST_UNREACHABLE
		    : SMX_DIAG_HOST_REFUSED;
	}
	if (rc == CURLE_SSL_CONNECT_ERROR)
		return smx_https_fault_tls(j->connect.seen, detail);
	/* curl's words for a header line above its own limit, older and newer
	 * than 8.6. */
	if (j->is_answering && (rc == CURLE_OUT_OF_MEMORY || rc == TOO_LARGE))
		return SMX_DIAG_HTTP_SYNTAX;
	if (rc == CURLE_WEIRD_SERVER_REPLY ||
	    rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_HTTP2)
		return SMX_DIAG_HTTP_SYNTAX;
	return SMX_DIAG_HOST_CLOSED;
}

/* In place of curl's words, which count milliseconds. */
static void
add_reason(const struct job *j, enum smx_diag_code code, struct smx_buf *detail)
{
	curl_off_t connected = 0;
	long error = 0;

	curl_easy_getinfo(j->easy, CURLINFO_CONNECT_TIME_T, &connected);
	curl_easy_getinfo(j->easy, CURLINFO_OS_ERRNO, &error);
	if (code == SMX_DIAG_HOST_TIMEOUT)
		smx_buf_add_text(detail,
		    connected == 0 ? "no connection in time"
				   : "no TLS handshake in time");
	else if (code == SMX_DIAG_HOST_SLOW)
		smx_buf_printf(detail, "%zu octets came in time", j->body.n);
	else if ((code == SMX_DIAG_HOST_REFUSED ||
		     code == SMX_DIAG_HOST_UNREACHABLE) &&
	    error != 0)
		smx_buf_add_text(detail, strerror((int)error));
}

static void
finish_failed(struct job *j, CURLcode rc)
{
	const struct smx_certificate *c = j->connect.seen != NULL
	    ? smx_tls_certificate_get(j->connect.seen)
	    : NULL;
	char storage[DETAIL_BYTES];
	struct smx_buf detail;
	curl_off_t connected = 0;
	enum smx_diag_code code;

	curl_easy_getinfo(j->easy, CURLINFO_APPCONNECT_TIME_T, &connected);
	j->is_answering = connected > 0;
	smx_buf_init_fixed(&detail, storage, sizeof(storage));
	code = judge_failure(j, rc, &detail);
	if (rc == CURLE_PEER_FAILED_VERIFICATION && c != NULL)
		smx_buf_add(&detail, c->reason);
	else if (code == SMX_DIAG_HTTP_SYNTAX &&
	    (j->why == WHY_HEADERS_LARGE || rc == CURLE_OUT_OF_MEMORY))
		smx_buf_add_text(&detail, "endless headers");
	if (detail.n == 0)
		add_reason(j, code, &detail);
	if (detail.n == 0)
		smx_buf_add_text(&detail,
		    j->error[0] != '\0' ? j->error : curl_easy_strerror(rc));
	finish(j, code, smx_buf_slice(&detail));
}

static void
finish_answered(struct job *j)
{
	char storage[DETAIL_BYTES];
	enum smx_diag_code code = SMX_DIAG_OK;
	const char *type = NULL;
	struct smx_buf detail;
	long status = 0;

	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(j->easy, CURLINFO_CONTENT_TYPE, &type);
	smx_buf_init_fixed(&detail, storage, sizeof(storage));
	if (j->any_answer) {
		smx_buf_printf(&detail, "HTTP %ld", status);
	} else if (status >= 300 && status < 400 && j->location.n > 0) {
		code = SMX_DIAG_HTTP_REDIRECT;
		smx_buf_printf(&detail, "HTTP %ld to ", status);
		smx_buf_add(&detail, smx_buf_slice(&j->location));
	} else if (status != 200) {
		code = status == 404 ? SMX_DIAG_HTTP_NOT_FOUND
				     : SMX_DIAG_HTTP_STATUS;
		smx_buf_printf(&detail, "HTTP %ld", status);
	} else if (type == NULL ||
	    !smx_media_type_is_text_plain(smx_slice_text(type))) {
		code = SMX_DIAG_HTTP_TYPE;
		smx_buf_printf(&detail, "%.200s",
		    type != NULL ? type : "no Content-Type");
	} else if (j->encoded) {
		code = SMX_DIAG_HTTP_ENCODING;
	} else if (!j->has_length && !j->connect.is_closed) {
		code = SMX_DIAG_HOST_CLOSED;
		smx_buf_add_text(&detail,
		    "perhaps in the middle: TLS was not closed");
	}
	finish(j, code, smx_buf_slice(&detail));
}

static void
on_ended(CURL *easy, CURLcode rc)
{
	struct job *j;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &j);
	if (rc == CURLE_OK || j->why == WHY_STATUS)
		finish_answered(j);
	else
		finish_failed(j, rc);
}

#define SET(option, value)                                                \
	do {                                                              \
		if (curl_easy_setopt(j->easy, option, value) != CURLE_OK) \
			return -SMX_ENOMEM;                               \
	} while (0)

static int
set_options(struct job *j, const char *url)
{
	const struct smx_https_settings *s = &j->https->settings;

	SET(CURLOPT_URL, url);
	SET(CURLOPT_PRIVATE, j);
	SET(CURLOPT_NOBODY, j->any_answer ? 1L : 0L);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, j);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, j);
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)SMX_STS_BODY_MAX);
	SET(CURLOPT_TIMEOUT_MS, (long)s->timeout);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)s->timeout);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_ERRORBUFFER, j->error);
	return 0;
}

/* Begin the transfer; on failure the caller finishes the job. */
static int
start(struct job *j)
{
	char url[SMX_DOMAIN_MAX + 64];
	int rc;

	j->easy = curl_easy_init();
	if (j->easy == NULL)
		return -SMX_ENOMEM;
	j->https->transfer_count++;
	j->connect.ca_file = j->https->ca_file;
	j->connect.reach = j->https->settings.allow_private_addresses
	    ? SMX_CONNECT_ANYWHERE
	    : SMX_CONNECT_PUBLIC;
	rc = smx_connect_set(&j->connect, j->easy);
	if (rc < 0)
		return rc;
	if (j->connect.port == 443)
		snprintf(url, sizeof(url), "https://%s%s", j->name,
		    j->any_answer ? "/" : URL_PATH);
	else
		snprintf(url, sizeof(url), "https://%s:%u%s", j->name,
		    j->connect.port, j->any_answer ? "/" : URL_PATH);
	rc = set_options(j, url);
	return rc < 0 ? rc : smx_multi_add(j->https->multi, j->easy);
}

static void
start_or_finish(struct job *j)
{
	/* Behind many slow hosts: no longer than a fetch may take. Who names
	 * an address himself has time. */
	if (!j->is_pinned &&
	    smx_clock_now().mono - j->asked > j->https->settings.timeout) {
		finish(j, SMX_DIAG_HOST_NOT_ASKED,
		    SMX_SLICE("too many fetches at once"));
		return;
	}
	switch (start(j)) {
	case 0:
		break;
	case -SMX_ENOENT:
		finish(j, SMX_DIAG_HOST_PRIVATE, smx_slice(NULL, 0));
		break;
	default:
		finish(j, SMX_DIAG_HOST_NOT_ASKED, SMX_SLICE("out of memory"));
		break;
	}
}

static void
start_ready(struct smx_https *h)
{
	struct smx_list *node;

	/* One that ends at once comes back here: the loop goes on with it. */
	if (h->starting)
		return;
	h->starting = true;
	while (h->transfer_count < SMX_HTTPS_TRANSFER_MAX &&
	    (node = smx_list_pop(&h->ready)) != NULL)
		start_or_finish(SMX_ELEMENT(node, struct job, in_ready));
	h->starting = false;
}

static void
make_ready(struct job *j)
{
	j->asked = smx_clock_now().mono;
	smx_list_push(&j->https->ready, &j->in_ready);
	start_ready(j->https);
}

static void
on_addresses(void *arg, const struct smx_dns_addresses *answer)
{
	struct job *j = arg;

	if (answer->status == SMX_DNS_OK) {
		smx_connect_set_addresses(&j->connect, answer);
		make_ready(j);
	} else if (answer->status == SMX_DNS_NODATA ||
	    answer->status == SMX_DNS_NXDOMAIN) {
		finish(j, SMX_DIAG_HOST_NO_ADDRESS, smx_slice(NULL, 0));
	} else {
		finish(j, SMX_DIAG_HOST_DNS_FAILURE,
		    smx_connect_dns_text(answer->status));
	}
}

int
smx_https_get(struct smx_https *h, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	struct smx_slice host = request->host;
	struct job *j;

	if (host.n > SMX_DOMAIN_MAX)
		return -SMX_EINVAL;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -SMX_ENOMEM;
	j->https = h;
	j->done = done;
	j->arg = arg;
	j->any_answer = request->any_answer;
	j->connect.port = request->port != 0 ? request->port : h->settings.port;
	memcpy(j->name, host.p, host.n);
	j->connect.host = smx_slice(j->name, host.n);
	smx_buf_init(&j->body, SMX_STS_BODY_MAX);
	smx_buf_init_fixed(&j->location, j->location_bytes,
	    sizeof(j->location_bytes));
	smx_list_init(&j->in_ready);
	smx_list_init(&j->link);
	smx_list_push(&h->jobs, &j->link);
	if (request->address != NULL) {
		j->connect.addresses[0] = *request->address;
		j->connect.address_count = 1;
		j->is_pinned = true;
		make_ready(j);
		return 0;
	}
	if (smx_dns_ask_addresses(h->dns, host, on_addresses, j) < 0) {
		free_job(j);
		return -SMX_ENOMEM;
	}
	return 0;
}

static int
port_policy(void *self, const struct smx_https_request *request,
    smx_https_policy_done *done, void *arg)
{
	return smx_https_get(self, request, done, arg);
}

struct smx_https_port
smx_https_as_port(struct smx_https *h)
{
	static const struct smx_https_ops ops = { .policy = port_policy };

	return (struct smx_https_port){ &ops, h };
}

int
smx_https_check(const struct smx_https_settings *settings,
    struct smx_buf *reason)
{
	if (access(settings->ca_file, R_OK) == 0)
		return 0;
	smx_buf_printf(reason, "ca_file %s: %m", settings->ca_file);
	return -SMX_EINVAL;
}

int
smx_https_set(struct smx_https *h, const struct smx_https_settings *settings,
    struct smx_buf *reason)
{
	char *ca_file;
	int rc = smx_https_check(settings, reason);

	if (rc < 0)
		return rc;
	ca_file = strdup(settings->ca_file);
	if (ca_file == NULL)
		return -SMX_ENOMEM;
	free(h->ca_file);
	h->ca_file = ca_file;
	h->settings = *settings;
	h->settings.ca_file = ca_file;
	return 0;
}

int
smx_https_new(struct event_base *base, struct smx_dns *dns,
    const struct smx_https_settings *settings, struct smx_https **ret,
    struct smx_buf *reason)
{
	struct smx_https *h = calloc(1, sizeof(*h));
	int rc;

	if (h == NULL)
		return -SMX_ENOMEM;
	smx_list_init(&h->jobs);
	smx_list_init(&h->ready);
	h->dns = dns;
	rc = smx_multi_new(base, on_ended, &h->multi);
	if (rc == 0)
		rc = smx_https_set(h, settings, reason);
	if (rc < 0) {
		smx_https_free(&h);
		return rc;
	}
	*ret = h;
	return 0;
}

void
smx_https_free(struct smx_https **hp)
{
	struct smx_https *h = *hp;

	if (h == NULL)
		return;
	while (!smx_list_is_empty(&h->jobs))
		free_job(SMX_ELEMENT(h->jobs.next, struct job, link));
	smx_multi_free(&h->multi);
	free(h->ca_file);
	free(h);
	*hp = NULL;
}
