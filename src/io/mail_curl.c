#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/mail_curl.h"
#include "io/clock.h"
#include "base/list.h"
#include "core/domain.h"
#include "core/limits.h"
#include "io/connect_curl.h"
#include "io/mail_settings.h"
#include "io/mailbox.h"

#define DETAIL_BYTES 1400
#define REPLY_SHOWN  300
/* All that comes before MAIL (RFC 5321, 4.5.3.2.1). */
#define CONNECT_TIMEOUT (5 * SMX_MINUTE)
/* curl and OpenSSL need about 60 KiB. */
#define STACK_BYTES ((size_t)512 << 10)
/* RFC 5321, 4.5.3.1.3: a path without its angle brackets. */
#define ADDRESS_MAX 254

/* At an end, for a reply to the final dot. */
#define DOT_PATIENCE SMX_SECOND

/* What a session is at: the command that was sent last. */
enum stage {
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_STARTTLS,
	STAGE_AUTH,
	STAGE_MAIL, /* from here on it is about the message */
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_MESSAGE,
	STAGE_DOT,
};

static const char *const stage_names[] = {
	[STAGE_GREETING] = "the greeting",
	[STAGE_EHLO] = "EHLO",
	[STAGE_STARTTLS] = "STARTTLS",
	[STAGE_AUTH] = "AUTH",
	[STAGE_MAIL] = "MAIL",
	[STAGE_RCPT] = "RCPT",
	[STAGE_DATA] = "DATA",
	[STAGE_MESSAGE] = "the message",
	[STAGE_DOT] = "the final dot",
};

struct smx_mail_client {
	struct smx_dns *dns;
	struct smx_mail_own settings;
	struct smx_mailbox *mailbox;
	struct event *starter;
	struct smx_list jobs;    /* all */
	struct smx_list waiting; /* for a place */
	size_t running;
	bool is_ending;
};

struct job {
	struct smx_message message; /* from the thread: it is over */
	struct smx_mail_client *client;
	struct smx_list link;
	struct smx_list in_waiting;
	bool is_running;
	bool has_thread;
	pthread_t thread;
	atomic_bool must_stop;
	smx_time stop_at; /* mono: also at the final dot; 0: not yet known */
	smx_mail_done *done;
	void *arg;
	struct smx_slice bytes; /* the caller's */

	/* The thread's while there is one. */
	CURL *easy;
	struct curl_slist *recipients;
	struct smx_connect connect;
	smx_time timeout;
	enum stage stage;
	size_t sent;
	bool wants_auth, saw_auth;
	bool is_endless; /* a reply */
	bool is_over;    /* nothing that comes now is of interest */
	bool is_accepted;
	unsigned code;   /* of the last line of the reply; 0: none came */
	bool is_partial; /* more lines of it are to come */
	size_t reply_bytes;
	struct smx_buf reply;
	int sockets[2]; /* curl tries two addresses at a time */
	enum smx_mail_status status;
	struct smx_buf detail;
	char reply_text[REPLY_SHOWN];
	char detail_text[DETAIL_BYTES];
	char error[CURL_ERROR_SIZE];
	char from[ADDRESS_MAX + 1], to[ADDRESS_MAX + 1];
	char name[SMX_DOMAIN_MAX + 1];
};

static void
kick(struct smx_mail_client *c)
{
	if (!smx_list_is_empty(&c->waiting) &&
	    c->running < c->settings.session_max)
		event_active(c->starter, EV_TIMEOUT, 1);
}

static void
free_transfer(struct job *j)
{
	if (j->easy != NULL)
		curl_easy_cleanup(j->easy);
	j->easy = NULL;
	curl_slist_free_all(j->recipients);
	j->recipients = NULL;
	smx_connect_done(&j->connect);
}

static void
free_job(struct job *j)
{
	smx_list_remove(&j->link);
	smx_list_remove(&j->in_waiting);
	if (j->is_running)
		j->client->running--;
	free_transfer(j);
	free(j);
}

static void
finish(struct job *j, enum smx_mail_status status, struct smx_slice detail)
{
	struct smx_mail_client *c = j->client;
	struct smx_mail_answer answer = { status, detail };

	smx_list_remove(&j->link);
	c->running--;
	j->is_running = false;
	kick(c);
	j->done(j->arg, &answer);
	free_job(j);
}

static void
finish_early(struct job *j, struct smx_slice detail)
{
	finish(j, SMX_MAIL_LATER, detail);
}

/* The dialogue, as curl tells it: in the session's thread. */

/*
 * All is said. curl says QUIT, and would wait for the reply as long as for any
 * other. Nobody is interested in that: when reading is shut it doesn't wait.
 */
static void
shut_reading(struct job *j)
{
	j->is_over = true;
	for (size_t i = 0; i < 2; i++)
		if (j->sockets[i] >= 0)
			shutdown(j->sockets[i], SHUT_RD);
}

/* A command is about to be answered. */
static void
note_command(struct job *j, struct smx_slice line)
{
	static const struct {
		const char *text;
		enum stage stage;
	} commands[] = {
		{ "EHLO ", STAGE_EHLO },
		{ "HELO ", STAGE_EHLO },
		{ "STARTTLS\r\n", STAGE_STARTTLS },
		{ "AUTH ", STAGE_AUTH },
		{ "MAIL FROM:", STAGE_MAIL },
		{ "RCPT TO:", STAGE_RCPT },
		{ "DATA\r\n", STAGE_DATA },
	};

	if (smx_slice_equal(line, SMX_SLICE("QUIT\r\n")) &&
	    j->stage != STAGE_AUTH)
		shut_reading(j);
	if (j->is_over || j->stage >= STAGE_DATA)
		return;
	j->code = 0;
	j->reply_bytes = 0;
	smx_buf_reset(&j->reply);
	/* What follows AUTH may look like anything. */
	for (size_t i = j->stage == STAGE_AUTH ? STAGE_MAIL : 0;
	     i < sizeof(commands) / sizeof(commands[0]); i++)
		if (smx_slice_starts(line, smx_slice_text(commands[i].text)))
			j->stage = commands[i].stage;
	if (j->stage == STAGE_AUTH)
		j->saw_auth = true;
}

static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t n, void *arg)
{
	(void)easy;
	/* What is sent in AUTH comes by here too: it is looked at only. */
	if (type == CURLINFO_HEADER_OUT)
		note_command(arg, smx_slice(data, n));
	return 0;
}

/* Who has read all of the message, has sent its end too. */
static void
note_end(struct job *j)
{
	if (j->stage == STAGE_MESSAGE && j->sent == j->bytes.n)
		j->stage = STAGE_DOT;
}

static void
note_reply(struct job *j)
{
	note_end(j);
	if (j->stage == STAGE_DATA && j->code == 354) {
		j->stage = STAGE_MESSAGE;
		j->code = 0;
		smx_buf_reset(&j->reply);
	}
	/* RFC 5321, 4.3.2. */
	if (j->stage == STAGE_DOT && j->code == 250)
		j->is_accepted = true;
	if (j->stage == STAGE_DOT || (j->stage >= STAGE_MAIL && j->code >= 400))
		shut_reading(j);
}

/* One line of a reply. */
static size_t
on_reply(char *data, size_t size, size_t count, void *arg)
{
	struct job *j = arg;
	struct smx_slice line = { data, size * count };

	if (j->is_over)
		return size * count;
	/* Of another command, or of nothing. */
	if (!j->is_partial) {
		smx_buf_reset(&j->reply);
		j->reply_bytes = 0;
	}
	j->reply_bytes += line.n;
	if (j->reply_bytes > SMX_SMTP_REPLY_MAX) {
		j->is_endless = true;
		return 0;
	}
	while (line.n > 0 && (unsigned char)line.p[line.n - 1] <= ' ')
		line.n--;
	if (smx_buf_status(&j->reply) == 0 && j->reply.n > 0)
		smx_buf_add_text(&j->reply, " / ");
	if (line.n > j->reply.max - j->reply.n)
		smx_buf_add(&j->reply,
		    smx_slice(line.p, j->reply.max - j->reply.n));
	else
		smx_buf_add(&j->reply, line);
	j->is_partial = line.n > 3 && line.p[3] == '-';
	j->code = line.n >= 3
	    ? (unsigned)strtoul((char[4]){ line.p[0], line.p[1], line.p[2] },
		  NULL, 10)
	    : 0;
	if (!j->is_partial)
		note_reply(j);
	return size * count;
}

static size_t
on_read(char *data, size_t size, size_t count, void *arg)
{
	struct job *j = arg;
	size_t n = j->bytes.n - j->sent;

	if (n > size * count)
		n = size * count;
	if (n > 0)
		memcpy(data, j->bytes.p + j->sent, n);
	j->sent += n;
	return n;
}

/* At least once in a second. */
static int
on_progress(void *arg, curl_off_t down_total, curl_off_t down,
    curl_off_t up_total, curl_off_t up)
{
	struct job *j = arg;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	if (!atomic_load(&j->must_stop))
		return 0;
	/* With a little patience for the reply to the final dot the mail is not
	 * sent twice. */
	note_end(j);
	if (j->stop_at == 0)
		j->stop_at = smx_clock_now().mono + DOT_PATIENCE;
	return j->stage != STAGE_DOT || smx_clock_now().mono >= j->stop_at;
}

static int
on_sockopt(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	struct job *j = arg;
	int *place = j->sockets[0] < 0 ? &j->sockets[0] : &j->sockets[1];

	(void)purpose;
	*place = fd;
	return CURL_SOCKOPT_OK;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	struct job *j = arg;

	for (size_t i = 0; i < 2; i++)
		if (j->sockets[i] == fd)
			j->sockets[i] = -1;
	return close(fd);
}

/* The verdict: still in the thread. */

static void
add_where(struct job *j)
{
	curl_off_t connected = 0;

	curl_easy_getinfo(j->easy, CURLINFO_CONNECT_TIME_T, &connected);
	if (j->connect.seen != NULL && j->connect.tls_version == NULL)
		smx_buf_add_text(&j->detail, "the TLS handshake");
	else if (connected == 0)
		smx_buf_add_text(&j->detail, "the connection");
	else
		smx_buf_add_text(&j->detail, stage_names[j->stage]);
}

/* No reply says what happened. */
static void
explain(struct job *j, CURLcode rc)
{
	smx_time limit = j->stage < STAGE_MAIL
	    ? smx_time_min(j->timeout, CONNECT_TIMEOUT)
	    : j->timeout;

	if (rc == CURLE_OPERATION_TIMEDOUT) {
		smx_buf_printf(&j->detail, "time-out after %g s at ",
		    (double)limit / (double)SMX_SECOND);
		add_where(j);
	} else if (j->is_endless) {
		smx_buf_add_text(&j->detail, "endless reply at ");
		add_where(j);
	} else if (rc == CURLE_USE_SSL_FAILED) {
		smx_buf_add_text(&j->detail,
		    "STARTTLS is required, and not offered");
	} else {
		smx_connect_explain(&j->connect, j->easy, rc, j->error,
		    &j->detail);
		smx_buf_add_text(&j->detail, ", at ");
		add_where(j);
	}
}

/* Words about us and not about the mail: AUTH or STARTTLS is wanted, or the
 * password was wrong (RFC 4954, 6; RFC 3207, 4). */
static bool
is_about_us(long code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

static void
judge(struct job *j, CURLcode rc)
{
	/* Without AUTH curl just goes on. */
	bool lacks_auth = j->wants_auth && !j->saw_auth &&
	    j->stage >= STAGE_MAIL && !j->is_accepted;
	bool is_reply = !j->is_partial && (j->is_accepted || j->code >= 400);

	j->status = SMX_MAIL_LATER;
	if (j->is_accepted)
		j->status = SMX_MAIL_ACCEPTED;
	else if (is_reply && j->code >= 500 && !is_about_us(j->code) &&
	    j->stage >= STAGE_MAIL && !lacks_auth)
		j->status = SMX_MAIL_REFUSED;
	if (lacks_auth)
		smx_buf_add_text(&j->detail, "AUTH is not offered; ");
	if (!is_reply) {
		explain(j, rc);
		return;
	}
	smx_buf_add_text(&j->detail, stage_names[j->stage]);
	smx_buf_add_text(&j->detail, ": ");
	smx_buf_add(&j->detail, smx_buf_slice(&j->reply));
}

static void *
run_session(void *arg)
{
	struct job *j = arg;
	CURLcode rc = curl_easy_perform(j->easy);

	note_end(j);
	judge(j, rc);
	free_transfer(j);
	smx_mailbox_post(j->client->mailbox, &j->message);
	return NULL;
}

/* On the loop again. */

static void
on_over(struct smx_message *m)
{
	struct job *j = SMX_ELEMENT(m, struct job, message);

	/* smx_mail_free() has waited for the thread. */
	if (!j->client->is_ending)
		pthread_join(j->thread, NULL);
	j->has_thread = false;
	if (j->client->is_ending && j->status != SMX_MAIL_ACCEPTED) {
		free_job(j);
		return;
	}
	finish(j, j->status, smx_buf_slice(&j->detail));
}

static int
start_thread(struct job *j)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	if (pthread_attr_init(&attributes) != 0)
		return -SMX_ENOMEM;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&j->thread, &attributes, run_session, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	j->has_thread = error == 0;
	return error == 0 ? 0 : -SMX_ENOMEM;
}

#define SET(option, value)                                                \
	do {                                                              \
		if (curl_easy_setopt(j->easy, option, value) != CURLE_OK) \
			return -SMX_ENOMEM;                               \
	} while (0)

static int
set_callbacks(struct job *j)
{
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, j);
	SET(CURLOPT_HEADERFUNCTION, on_reply);
	SET(CURLOPT_HEADERDATA, j);
	SET(CURLOPT_DEBUGFUNCTION, on_debug);
	SET(CURLOPT_DEBUGDATA, j);
	SET(CURLOPT_VERBOSE, 1L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, j);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_SOCKOPTFUNCTION, on_sockopt);
	SET(CURLOPT_SOCKOPTDATA, j);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
	SET(CURLOPT_CLOSESOCKETDATA, j);
	SET(CURLOPT_ERRORBUFFER, j->error);
	return 0;
}

static int
set_url(struct job *j, const struct smx_mail_own *s)
{
	/* The name may be an address literal: "[192.0.2.1]". */
	char *ehlo = curl_easy_escape(j->easy, s->ehlo_name, 0);
	char url[SMX_DOMAIN_MAX * 4 + 64];
	bool is_v6 = strchr(j->name, ':') != NULL;

	if (ehlo == NULL)
		return -SMX_ENOMEM;
	snprintf(url, sizeof(url), "%s://%s%s%s:%u/%s",
	    s->tls == SMX_MAIL_TLS_IMPLICIT ? "smtps" : "smtp",
	    is_v6 ? "[" : "", j->name, is_v6 ? "]" : "", s->port, ehlo);
	curl_free(ehlo);
	SET(CURLOPT_URL, url);
	return 0;
}

static int
set_options(struct job *j, const struct smx_mail_own *s)
{
	static const long use_ssl[] = {
		[SMX_MAIL_TLS_NONE] = CURLUSESSL_NONE,
		[SMX_MAIL_TLS_OPPORTUNISTIC] = CURLUSESSL_TRY,
		[SMX_MAIL_TLS_STARTTLS] = CURLUSESSL_ALL,
		[SMX_MAIL_TLS_IMPLICIT] = CURLUSESSL_ALL,
	};

	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_USE_SSL, use_ssl[s->tls]);
	if (s->user != NULL) {
		SET(CURLOPT_USERNAME, s->user);
		SET(CURLOPT_PASSWORD, s->password);
		/* Behind verified TLS these two are as good as any. */
		SET(CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
	}
	j->recipients = curl_slist_append(NULL, j->to);
	if (j->recipients == NULL)
		return -SMX_ENOMEM;
	SET(CURLOPT_MAIL_FROM, j->from);
	SET(CURLOPT_MAIL_RCPT, j->recipients);
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)j->bytes.n);
	SET(CURLOPT_TIMEOUT_MS, (long)s->timeout);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
	    (long)smx_time_min(s->timeout, CONNECT_TIMEOUT));
	/* Without this curl itself gives up after two minutes. */
	SET(CURLOPT_SERVER_RESPONSE_TIMEOUT,
	    (long)(s->timeout / SMX_SECOND + 1));
	return set_callbacks(j);
}

static int
prepare(struct job *j)
{
	const struct smx_mail_own *s = &j->client->settings;
	int rc;

	j->easy = curl_easy_init();
	if (j->easy == NULL)
		return -SMX_ENOMEM;
	j->timeout = s->timeout;
	j->wants_auth = s->user != NULL;
	j->connect.port = s->port;
	j->connect.ca_file = s->ca_file;
	j->connect.any_certificate = s->tls == SMX_MAIL_TLS_OPPORTUNISTIC;
	/* Whatever the DNS says: who set the name meant this machine. */
	j->connect.reach = s->tls == SMX_MAIL_TLS_NONE ? SMX_CONNECT_LOOPBACK
						       : SMX_CONNECT_ANYWHERE;
	rc = smx_connect_set(&j->connect, j->easy);
	if (rc == 0)
		rc = set_url(j, s);
	return rc < 0 ? rc : set_options(j, s);
}

static void
start(struct job *j)
{
	int rc = prepare(j);

	if (rc == 0)
		rc = start_thread(j);
	if (rc == -SMX_ENOENT)
		finish_early(j,
		    SMX_SLICE("without TLS only to this machine, and the "
			      "name has other addresses"));
	else if (rc < 0)
		finish_early(j, SMX_SLICE("out of memory"));
}

static void
on_addresses(void *arg, const struct smx_dns_addresses *answer)
{
	struct job *j = arg;

	if (answer->status != SMX_DNS_OK) {
		finish_early(j, smx_connect_dns_text(answer->status));
		return;
	}
	smx_connect_set_addresses(&j->connect, answer);
	start(j);
}

/*
 * They come from outside: nothing may end the command, or its argument, early
 * (RFC 5321, 4.1.1.2 and 4.1.1.3). Without SMTPUTF8 they are ASCII.
 */
static bool
is_address(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || *text == '<' || *text == '>')
			return false;
	return true;
}

static void
begin(struct job *j)
{
	struct smx_connect *c = &j->connect;

	if (!is_address(j->from) || !is_address(j->to) || j->to[0] == '\0') {
		finish(j, SMX_MAIL_REFUSED,
		    SMX_SLICE("an address that can't stand in an envelope"));
		return;
	}
	snprintf(j->name, sizeof(j->name), "%s", j->client->settings.host);
	c->host = smx_slice_text(j->name);
	if (smx_ip_parse(c->host, &c->addresses[0]) == 0) {
		c->is_address = true;
		start(j);
	} else if (smx_slice_equal(c->host, SMX_SLICE("localhost"))) {
		/* RFC 6761, 6.3. */
		c->addresses[0] = (struct smx_ip){ .bytes = { 127, 0, 0, 1 } };
		c->addresses[1] = (struct smx_ip){ true, { [15] = 1 } };
		c->address_count = 2;
		start(j);
	} else if (smx_dns_ask_addresses(j->client->dns, c->host, on_addresses,
		       j) < 0) {
		finish_early(j, SMX_SLICE("out of memory"));
	}
}

static void
on_starter(evutil_socket_t fd, short what, void *arg)
{
	struct smx_mail_client *c = arg;
	struct smx_list *node;

	(void)fd;
	(void)what;
	if (c->running >= c->settings.session_max)
		return;
	node = smx_list_pop(&c->waiting);
	if (node != NULL) {
		struct job *j = SMX_ELEMENT(node, struct job, in_waiting);

		j->is_running = true;
		c->running++;
		begin(j);
	}
	kick(c);
}

/* An address with a NUL in it, or a longer one, becomes one that is refused. */
static void
copy_address(struct smx_slice from, char to[ADDRESS_MAX + 1])
{
	if (from.n > ADDRESS_MAX || smx_slice_find(from, '\0') < from.n)
		from = SMX_SLICE("<>");
	if (from.n > 0)
		memcpy(to, from.p, from.n);
	to[from.n] = '\0';
}

static int
send_mail(void *self, const struct smx_mail *mail, smx_mail_done *done,
    void *arg)
{
	struct smx_mail_client *c = self;
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return -SMX_ENOMEM;
	j->message.run = on_over;
	j->client = c;
	j->done = done;
	j->arg = arg;
	j->bytes = mail->bytes;
	j->sockets[0] = j->sockets[1] = -1;
	copy_address(mail->from, j->from);
	copy_address(mail->to, j->to);
	smx_buf_init_fixed(&j->reply, j->reply_text, sizeof(j->reply_text));
	smx_buf_init_fixed(&j->detail, j->detail_text, sizeof(j->detail_text));
	smx_list_init(&j->message.link);
	smx_list_push(&c->jobs, &j->link);
	smx_list_push(&c->waiting, &j->in_waiting);
	kick(c);
	return 0;
}

struct smx_mail_port
smx_mail_as_port(struct smx_mail_client *c)
{
	static const struct smx_mail_ops ops = { .send = send_mail };

	return (struct smx_mail_port){ &ops, c };
}

int
smx_mail_set(struct smx_mail_client *c,
    const struct smx_mail_settings *settings, struct smx_buf *reason)
{
	struct smx_mail_own own;
	int rc = smx_mail_settings_own(settings, &own, reason);

	if (rc < 0)
		return rc;
	smx_mail_settings_done(&c->settings);
	c->settings = own;
	kick(c);
	return 0;
}

int
smx_mail_new(struct event_base *base, struct smx_dns *dns,
    const struct smx_mail_settings *settings, struct smx_mail_client **ret,
    struct smx_buf *reason)
{
	struct smx_mail_client *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -SMX_ENOMEM;
	/* Counted by curl; with threads, before there are any. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return -SMX_ENOMEM;
	}
	c->dns = dns;
	smx_list_init(&c->jobs);
	smx_list_init(&c->waiting);
	c->starter = event_new(base, -1, 0, on_starter, c);
	rc = c->starter != NULL ? smx_mailbox_new(base, &c->mailbox)
				: -SMX_ENOMEM;
	if (rc == 0)
		rc = smx_mail_set(c, settings, reason);
	if (rc < 0) {
		smx_mail_free(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void
smx_mail_free(struct smx_mail_client **cp)
{
	struct smx_mail_client *c = *cp;
	struct smx_list *node;

	if (c == NULL)
		return;
	c->is_ending = true;
	for (node = c->jobs.next; node != &c->jobs; node = node->next)
		atomic_store(&SMX_ELEMENT(node, struct job, link)->must_stop,
		    true);
	for (node = c->jobs.next; node != &c->jobs; node = node->next) {
		struct job *j = SMX_ELEMENT(node, struct job, link);

		if (j->has_thread)
			pthread_join(j->thread, NULL);
	}
	/* It runs what the threads have left there. */
	smx_mailbox_free(&c->mailbox);
	while (!smx_list_is_empty(&c->jobs))
		free_job(SMX_ELEMENT(c->jobs.next, struct job, link));
	if (c->starter != NULL)
		event_free(c->starter);
	smx_mail_settings_done(&c->settings);
	free(c);
	curl_global_cleanup();
	*cp = NULL;
}
