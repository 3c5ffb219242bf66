#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/smtp_session.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/smtp_reply.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/tls_certificate.h"

/* Of a reply, for people. */
#define TEXT_MAX 200
/* How long a server may take to take leave. */
#define CLOSE_TIMEOUT (2 * SMX_SECOND)

enum stage {
	STAGE_CONNECT,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_STARTTLS,
	STAGE_HANDSHAKE,
	STAGE_CLOSING, /* the answer is delivered */
};

struct smx_smtp_session {
	struct smx_smtp_session_terms *terms;
	void *arg;
	enum stage stage;
	int fd;
	struct event io;
	struct event timer;
	smx_time ends;         /* the whole session */
	smx_time limit;        /* of the timer, in ms */
	bool is_limit_of_all;  /* that of the session, not of the stage */
	struct smx_slice left; /* of the command, to be sent */
	struct smx_smtp_reply reply;
	bool has_starttls;
	bool has_begun_tls; /* STARTTLS was sent */
	unsigned last_code; /* of the last whole reply */
	struct smx_tls_certificate *seen;
	SSL *ssl;
	struct smx_ip ip;
	uint16_t port;
	bool without_sni;
	struct smx_slice name;
	struct smx_buf greeting, ehlo_name, detail;
	struct smx_slice domain; /* see struct smx_probe_request */
	char domain_text[SMX_DOMAIN_MAX + 1];
	char name_text[SMX_DOMAIN_MAX + 1];
	char greeting_text[TEXT_MAX];
	char ehlo_name_text[SMX_DOMAIN_MAX];
	char detail_text[TEXT_MAX];
	size_t in_bytes;
	char in[SMX_SMTP_LINE_MAX];
	size_t tlsa_count;
	struct smx_dns_tlsa tlsa[SMX_DNS_TLSA_MAX];
	char tlsa_data[];
};

/* What is missing at a stage, and when the connection ended. */
static const struct {
	const char *missing, *where;
} stages[] = {
	[STAGE_CONNECT] = { "no connection", "before the greeting" },
	[STAGE_GREETING] = { "no greeting", "before the greeting" },
	[STAGE_EHLO] = { "no reply to EHLO", "before the reply to EHLO" },
	[STAGE_STARTTLS] = { "no reply to STARTTLS",
	    "before the reply to STARTTLS" },
	[STAGE_HANDSHAKE] = { "no TLS handshake", "in the TLS handshake" },
	[STAGE_CLOSING] = { "", "" },
};

static void on_io(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);

static void
let_go(struct smx_smtp_session *s)
{
	if (s->stage == STAGE_CLOSING)
		s->terms->closing--;
	if (s->fd >= 0) {
		event_del(&s->io);
		event_del(&s->timer);
	}
	SSL_free(s->ssl);
	smx_tls_certificate_free(&s->seen);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* The end, after the answer. */
static void
vanish(struct smx_smtp_session *s)
{
	struct smx_smtp_session_terms *terms = s->terms;
	void *arg = s->arg;

	let_go(s);
	terms->gone(arg);
}

static void
wait_for(struct smx_smtp_session *s, short what)
{
	event_del(&s->io);
	event_assign(&s->io, s->terms->base, s->fd, what, on_io, s);
	event_add(&s->io, NULL);
}

static void
set_timer(struct smx_smtp_session *s, smx_time limit)
{
	smx_time left = s->ends - smx_clock_now().mono;
	struct timeval after;

	s->limit = limit;
	s->is_limit_of_all = left < limit;
	if (s->is_limit_of_all) {
		s->limit = s->terms->session_timeout;
		limit = smx_time_max(left, 0);
	}
	after.tv_sec = limit / SMX_SECOND;
	after.tv_usec = limit % SMX_SECOND * 1000;
	event_add(&s->timer, &after);
}

/* The end. */

/* Untrusted text may be longer than there is room. */
static void
add_cut(struct smx_buf *out, struct smx_slice text)
{
	if (text.n > out->max - out->n)
		text.n = out->max - out->n;
	smx_buf_add(out, text);
}

/* Send QUIT. @return false when the connection isn't worth that. */
static bool
say_goodbye(struct smx_smtp_session *s)
{
	const struct smx_slice quit = SMX_SLICE("QUIT\r\n");

	ERR_clear_error();
	if (s->ssl != NULL) {
		if (SSL_write(s->ssl, quit.p, (int)quit.n) <= 0)
			return false;
	} else if (send(s->fd, quit.p, quit.n, MSG_NOSIGNAL) !=
	    (ssize_t)quit.n) {
		return false;
	}
	if (s->terms->closing >= s->terms->closing_max)
		return false;
	s->terms->closing++;
	s->stage = STAGE_CLOSING;
	wait_for(s, EV_READ);
	s->ends = SMX_NEVER;
	set_timer(s, CLOSE_TIMEOUT);
	return true;
}

static void
answer(struct smx_smtp_session *s, enum smx_diag_code code)
{
	struct smx_probe_answer a = {
		.code = code,
		.is_connected = s->stage != STAGE_CONNECT,
		.is_tls_begun = s->has_begun_tls,
		.reply_code = s->last_code,
		.detail = smx_buf_slice(&s->detail),
		.greeting = smx_buf_slice(&s->greeting),
		.name = smx_buf_slice(&s->ehlo_name),
	};

	if (code == SMX_DIAG_OK) {
		a.detail = smx_slice(NULL, 0);
		a.tls_version = smx_slice_text(SSL_get_version(s->ssl));
		a.cipher = smx_slice_text(SSL_get_cipher_name(s->ssl));
	}
	/* Which records are usable is known without a certificate, too. */
	if (s->seen == NULL && s->tlsa_count > 0)
		s->seen = smx_tls_certificate_new(s->name);
	if (s->seen != NULL) {
		smx_tls_certificate_set_domain(s->seen, s->domain);
		a.certificate = smx_tls_certificate_get(s->seen);
		if (s->tlsa_count > 0)
			smx_tls_certificate_match_tlsa(s->seen, s->tlsa,
			    s->tlsa_count, &a.tlsa_usable, &a.tlsa_matched);
	}
	s->terms->answered(s->arg, &a);
}

/* Deliver the answer and close. The session is gone after that. */
static void
finish(struct smx_smtp_session *s, enum smx_diag_code code)
{
	answer(s, code);
	vanish(s);
}

/* The same, with QUIT. */
static void
finish_politely(struct smx_smtp_session *s, enum smx_diag_code code)
{
	bool is_closing = say_goodbye(s);

	answer(s, code);
	if (!is_closing)
		vanish(s);
}

static void
finish_text(struct smx_smtp_session *s, enum smx_diag_code code,
    const char *detail)
{
	smx_buf_reset(&s->detail);
	smx_buf_add_text(&s->detail, detail);
	finish(s, code);
}

/* The connection broke, with this errno; 0: it was closed. */
static void
finish_broken(struct smx_smtp_session *s, int error)
{
	smx_buf_reset(&s->detail);
	smx_buf_printf(&s->detail, "connection %s %s",
	    error == 0 ? "closed" : "reset", stages[s->stage].where);
	finish(s, SMX_DIAG_SMTP_CLOSED);
}

static void
finish_unconnected(struct smx_smtp_session *s, int error)
{
	enum smx_diag_code code;

	switch (error) {
	case ECONNREFUSED:
		code = SMX_DIAG_SMTP_REFUSED;
		break;
	case ETIMEDOUT:
		code = SMX_DIAG_SMTP_TIMEOUT;
		break;
	case ECONNRESET:
		finish_broken(s, error);
		return;
	default:
		/* Also when we are short of something. */
		code = SMX_DIAG_SMTP_UNREACHABLE;
		break;
	}
	errno = error;
	smx_buf_printf(&s->detail, "%m");
	finish(s, code);
}

/* TLS. */

static void
finish_tls_failed(struct smx_smtp_session *s, int why, int error)
{
	unsigned long reason = ERR_peek_error();
	const char *text = ERR_reason_error_string(reason);
	bool is_end = why == SSL_ERROR_SYSCALL ||
	    ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING;

	smx_buf_reset(&s->detail);
	switch (smx_tls_certificate_failure(s->seen, &s->detail)) {
	case SMX_TLS_FAILURE_VERSION:
		finish(s, SMX_DIAG_SMTP_TLS_VERSION);
		return;
	case SMX_TLS_FAILURE_ALERT:
		finish(s, SMX_DIAG_SMTP_TLS_ALERT);
		return;
	case SMX_TLS_FAILURE_OTHER:
		break;
	}
	if (s->detail.n == 0 && is_end) {
		finish_broken(s, why == SSL_ERROR_SYSCALL ? error : 0);
		return;
	}
	if (s->detail.n == 0)
		smx_buf_add_text(&s->detail, text != NULL ? text : "unknown");
	finish(s, SMX_DIAG_SMTP_TLS_FAILURE);
}

static void
shake_hands(struct smx_smtp_session *s)
{
	int rc, why;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(s->ssl);
	if (rc == 1) {
		finish_politely(s, SMX_DIAG_OK);
		return;
	}
	why = SSL_get_error(s->ssl, rc);
	if (why == SSL_ERROR_WANT_READ)
		wait_for(s, EV_READ);
	else if (why == SSL_ERROR_WANT_WRITE)
		wait_for(s, EV_WRITE);
	else
		finish_tls_failed(s, why, errno);
}

/* The server is ready for TLS. */
static void
start_tls(struct smx_smtp_session *s)
{
	char c;

	/* In TLS the client speaks first (RFC 8446, 2): whoever speaks now
	 * hopes that it is taken for something said inside (RFC 3207, 6). */
	if (s->in_bytes > 0 ||
	    recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		smx_buf_reset(&s->detail);
		add_cut(&s->detail,
		    smx_slice(s->in,
			smx_slice_find(smx_slice(s->in, s->in_bytes), '\r')));
		finish(s, SMX_DIAG_SMTP_INJECTION);
		return;
	}
	s->stage = STAGE_HANDSHAKE;
	if (s->name.n == 0 || s->name.p[0] == '.') {
		finish_text(s, SMX_DIAG_SMTP_TLS_FAILURE, "no host name");
		return;
	}
	s->seen = smx_tls_certificate_new(s->name);
	s->ssl = SSL_new(s->terms->tls);
	if (s->seen == NULL || s->ssl == NULL ||
	    SSL_set_fd(s->ssl, s->fd) != 1 ||
	    SSL_set_app_data(s->ssl, s->seen) != 1 ||
	    (!s->without_sni &&
		SSL_set_tlsext_host_name(s->ssl, s->name.p) != 1)) {
		/* No fault of theirs. */
		finish_text(s, SMX_DIAG_SMTP_UNREACHABLE, "out of memory");
		return;
	}
	smx_tls_certificate_set_lenient(s->seen);
	SSL_set_connect_state(s->ssl);
	set_timer(s, s->terms->reply_timeout);
	shake_hands(s);
}

/* SMTP. */

/* @return false when the session is over. */
static bool
send_left(struct smx_smtp_session *s)
{
	ssize_t n = send(s->fd, s->left.p, s->left.n, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		finish_broken(s, errno);
		return false;
	}
	if (n > 0)
		s->left = smx_slice_from(s->left, (size_t)n);
	wait_for(s, s->left.n > 0 ? EV_WRITE : EV_READ);
	return true;
}

static void
expect_reply(struct smx_smtp_session *s, enum stage stage)
{
	s->stage = stage;
	smx_smtp_reply_init(&s->reply);
	smx_buf_reset(&s->detail);
	set_timer(s, s->terms->reply_timeout);
}

static bool
send_command(struct smx_smtp_session *s, enum stage stage,
    struct smx_slice command)
{
	expect_reply(s, stage);
	s->left = command;
	return send_left(s);
}

static struct smx_slice
first_word(struct smx_slice text)
{
	return smx_slice(text.p, smx_slice_find(text, ' '));
}

static void
note_line(struct smx_smtp_session *s, struct smx_slice text)
{
	bool is_first = s->reply.line_count == 1;

	/* The whole reply in one line, as far as it is shown. */
	if (is_first)
		smx_buf_printf(&s->detail, "%u", s->reply.code);
	if (text.n > 0)
		add_cut(&s->detail, SMX_SLICE(" "));
	add_cut(&s->detail, text);
	if (s->stage == STAGE_GREETING && is_first)
		add_cut(&s->greeting, text);
	else if (s->stage == STAGE_EHLO && is_first && s->reply.code == 250)
		add_cut(&s->ehlo_name, first_word(text));
	else if (s->stage == STAGE_EHLO &&
	    smx_domain_equal(first_word(text), SMX_SLICE("STARTTLS")))
		s->has_starttls = true;
}

/* A reply is complete and not what was hoped for. */
static void
finish_refused(struct smx_smtp_session *s, enum smx_diag_code code)
{
	/* After 421 the server closes (RFC 5321, 3.8). */
	if (s->reply.code == 421)
		finish(s, code);
	else
		finish_politely(s, code);
}

/* @return true when there are more replies to come. */
static bool
handle_reply(struct smx_smtp_session *s)
{
	unsigned code = s->reply.code;

	s->last_code = code;
	switch (s->stage) {
	case STAGE_GREETING:
		if (code == 220)
			return send_command(s, STAGE_EHLO, s->terms->ehlo);
		finish_refused(s, SMX_DIAG_SMTP_GREETING);
		return false;
	case STAGE_EHLO:
		if (code == 250 && s->has_starttls) {
			s->has_begun_tls = true;
			return send_command(s, STAGE_STARTTLS,
			    SMX_SLICE("STARTTLS\r\n"));
		}
		if (code == 250)
			smx_buf_reset(&s->detail);
		finish_refused(s,
		    code == 250 ? SMX_DIAG_SMTP_NO_STARTTLS
				: SMX_DIAG_SMTP_EHLO);
		return false;
	default:
		if (code == 220)
			start_tls(s);
		else
			finish_refused(s, SMX_DIAG_SMTP_STARTTLS_REFUSED);
		return false;
	}
}

/* @return as handle_reply(). */
static bool
handle_line(struct smx_smtp_session *s, struct smx_slice text, size_t bytes)
{
	note_line(s, text);
	s->in_bytes -= bytes;
	memmove(s->in, s->in + bytes, s->in_bytes);
	return s->reply.is_over ? handle_reply(s) : true;
}

static void
read_replies(struct smx_smtp_session *s)
{
	struct smx_slice text;
	size_t bytes;
	ssize_t n = recv(s->fd, s->in + s->in_bytes,
	    sizeof(s->in) - s->in_bytes, 0);
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		wait_for(s, EV_READ);
		return;
	}
	if (n <= 0) {
		finish_broken(s, n < 0 ? errno : 0);
		return;
	}
	s->in_bytes += (size_t)n;
	while ((rc = smx_smtp_reply_take(&s->reply,
		    smx_slice(s->in, s->in_bytes), &text, &bytes)) == 0)
		if (!handle_line(s, text, bytes))
			return;
	if (rc == -SMX_EAGAIN)
		wait_for(s, s->left.n > 0 ? EV_WRITE : EV_READ);
	else
		finish_text(s, SMX_DIAG_SMTP_SYNTAX,
		    rc == -SMX_ELIMIT ? "endless reply" : "no SMTP reply");
}

/* The connection. */

static void
take_connection(struct smx_smtp_session *s)
{
	socklen_t n = sizeof(int);
	int error = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error != 0) {
		finish_unconnected(s, error);
		return;
	}
	expect_reply(s, STAGE_GREETING);
	wait_for(s, EV_READ);
}

/* Until the server has said something or is gone. */
static void
read_goodbye(struct smx_smtp_session *s)
{
	char last[512];
	int n;

	if (s->ssl != NULL) {
		ERR_clear_error();
		n = SSL_read(s->ssl, last, sizeof(last));
		/* It was a ticket for the next session. */
		if (n <= 0 && SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_READ) {
			wait_for(s, EV_READ);
			return;
		}
		if (n > 0)
			SSL_shutdown(s->ssl);
	} else if (recv(s->fd, last, sizeof(last), 0) < 0 &&
	    (errno == EAGAIN || errno == EINTR)) {
		wait_for(s, EV_READ);
		return;
	}
	vanish(s);
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct smx_smtp_session *s = arg;

	(void)fd;
	switch (s->stage) {
	case STAGE_CONNECT:
		take_connection(s);
		break;
	case STAGE_HANDSHAKE:
		shake_hands(s);
		break;
	case STAGE_CLOSING:
		read_goodbye(s);
		break;
	default:
		if (what & EV_WRITE)
			send_left(s);
		else
			read_replies(s);
		break;
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct smx_smtp_session *s = arg;
	bool is_whole = s->limit % SMX_SECOND == 0;

	(void)fd;
	(void)what;
	if (s->stage == STAGE_CLOSING) {
		vanish(s);
		return;
	}
	smx_buf_reset(&s->detail);
	smx_buf_printf(&s->detail, "%s within %lld %s%s",
	    stages[s->stage].missing,
	    (long long)(is_whole ? s->limit / SMX_SECOND : s->limit),
	    is_whole ? "s" : "ms",
	    s->is_limit_of_all ? " of the whole session" : "");
	finish(s, SMX_DIAG_SMTP_TIMEOUT);
}

void
smx_smtp_session_start(struct smx_smtp_session *s)
{
	const struct smx_smtp_session_terms *terms = s->terms;
	struct smx_address a;

	if (!terms->allow_private_addresses &&
	    !smx_address_ip_is_public(&s->ip)) {
		finish(s, SMX_DIAG_MX_PRIVATE);
		return;
	}
	smx_address_from_ip(&s->ip, s->port, &a);
	s->fd = socket(a.u.any.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		finish_unconnected(s, errno);
		return;
	}
	event_assign(&s->io, terms->base, s->fd, EV_WRITE, on_io, s);
	event_assign(&s->timer, terms->base, -1, 0, on_timer, s);
	s->ends = smx_clock_now().mono + terms->session_timeout;
	if (connect(s->fd, &a.u.any, a.bytes) < 0 && errno != EINPROGRESS) {
		finish_unconnected(s, errno);
		return;
	}
	set_timer(s, terms->connect_timeout);
	wait_for(s, EV_WRITE);
}

struct smx_smtp_session *
smx_smtp_session_new(struct smx_smtp_session_terms *terms,
    const struct smx_probe_request *request, void *arg)
{
	size_t count = request->tlsa_count < SMX_DNS_TLSA_MAX
	    ? request->tlsa_count
	    : SMX_DNS_TLSA_MAX;
	size_t bytes = 0;
	struct smx_smtp_session *s;
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += request->tlsa[i].data.n;
	s = calloc(1, sizeof(*s) + bytes);
	if (s == NULL)
		return NULL;
	at = s->tlsa_data;
	for (size_t i = 0; i < count; i++) {
		s->tlsa[i] = request->tlsa[i];
		if (s->tlsa[i].data.n > 0)
			memcpy(at, s->tlsa[i].data.p, s->tlsa[i].data.n);
		s->tlsa[i].data.p = at;
		at += s->tlsa[i].data.n;
	}
	s->terms = terms;
	s->arg = arg;
	s->tlsa_count = count;
	s->ip = request->address;
	s->port = request->port != 0 ? request->port : terms->port;
	s->without_sni = request->without_sni;
	/* A longer one is nobody's name: it fails when TLS begins. */
	if (request->host.n > 0 && request->host.n <= SMX_DOMAIN_MAX) {
		memcpy(s->name_text, request->host.p, request->host.n);
		s->name = smx_slice(s->name_text, request->host.n);
	}
	if (request->domain.n > 0 && request->domain.n <= SMX_DOMAIN_MAX) {
		memcpy(s->domain_text, request->domain.p, request->domain.n);
		s->domain = smx_slice(s->domain_text, request->domain.n);
	}
	s->fd = -1;
	smx_buf_init_fixed(&s->greeting, s->greeting_text,
	    sizeof(s->greeting_text));
	smx_buf_init_fixed(&s->ehlo_name, s->ehlo_name_text,
	    sizeof(s->ehlo_name_text));
	smx_buf_init_fixed(&s->detail, s->detail_text, sizeof(s->detail_text));
	return s;
}

void
smx_smtp_session_free(struct smx_smtp_session **s)
{
	if (*s != NULL)
		let_go(*s);
	*s = NULL;
}

void
smx_smtp_session_note_info(const SSL *ssl, int where, int value)
{
	smx_tls_certificate_note_info(SSL_get_app_data(ssl), ssl, where, value);
}
