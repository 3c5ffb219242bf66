#include "unit.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "certificates.h"
#include "failing_alloc.h"
#include "io/probe_smtp.h"

#define HOST "mx.example.com"
#define US   "probe.example.org"

/* A server that does as it is told. */

enum what {
	END, /* close */
	SAY,
	REPEAT, /* say it until nobody listens */
	HEAR,   /* a line that begins so */
	LISTEN, /* to any one octet */
	SECURE, /* become a TLS server */
	WAIT,   /* until the client closes */
	HUSH,   /* the same, and nothing else comes */
	HOLD,   /* let others come meanwhile */
	FINISH, /* say that nothing more will come */
	RESET,  /* close rudely */
	LEAVE,  /* from here on it is no session any more */
};

struct step {
	enum what what;
	const char *text;
};

/* clang-format off */
#define GREET    { SAY, "220 mx.example.com ESMTP ready\r\n" }
#define EHLO     { HEAR, "EHLO " US "\r\n" }
#define OFFER    { SAY, "250-mx.example.com at your service\r\n" \
                        "250-SIZE 1000\r\n250-STARTTLS\r\n250 HELP\r\n" }
#define STARTTLS { HEAR, "STARTTLS\r\n" }
#define READY    { SAY, "220 go ahead\r\n" }
#define BYE      { HEAR, "QUIT\r\n" }, { SAY, "221 bye\r\n" }, { WAIT, NULL }
/* clang-format on */

#define TO_TLS GREET, EHLO, OFFER, STARTTLS, READY

static const struct step good[] = { TO_TLS, { SECURE, NULL }, BYE,
	{ END, NULL } };

struct server {
	const struct step *steps;
	SSL_CTX *tls;
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t calm;
	unsigned connections; /* being served */
	unsigned sessions;    /* not yet at LEAVE */
	unsigned peak;
	unsigned of_address[256], peak_of_address;
	atomic_uint surprises; /* something else was heard */
	atomic_uint goodbyes;
	atomic_uint rude; /* cut off without close */
	char sni[256];
};

struct client {
	struct server *server;
	int fd;
	unsigned address; /* last octet of the one that was called */
	SSL *ssl;
	bool has_left;
};

static ssize_t
get(struct client *c, char *p, size_t n)
{
	if (c->ssl != NULL)
		return SSL_read(c->ssl, p, (int)n);
	return read(c->fd, p, n);
}

static bool
put(struct client *c, const char *text)
{
	size_t n = strlen(text);

	if (c->ssl != NULL)
		return SSL_write(c->ssl, text, (int)n) == (int)n;
	return write(c->fd, text, n) == (ssize_t)n;
}

static bool
hear(struct client *c, const char *text)
{
	char line[512];
	size_t n = 0;

	while (n < sizeof(line) - 1 && get(c, line + n, 1) == 1)
		if (line[n++] == '\n')
			break;
	line[n] = '\0';
	if (strcmp(line, text) != 0) {
		c->server->surprises++;
		return false;
	}
	if (strcmp(text, "QUIT\r\n") == 0)
		c->server->goodbyes++;
	return true;
}

static bool
secure(struct client *c)
{
	c->ssl = SSL_new(c->server->tls);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_accept(c->ssl) == 1;
}

static void
count(struct client *c, int by)
{
	struct server *s = c->server;
	unsigned *here = &s->of_address[c->address];

	pthread_mutex_lock(&s->lock);
	s->sessions += (unsigned)by;
	*here += (unsigned)by;
	if (s->sessions > s->peak)
		s->peak = s->sessions;
	if (*here > s->peak_of_address)
		s->peak_of_address = *here;
	pthread_mutex_unlock(&s->lock);
}

static bool
take_step(struct client *c, const struct step *step)
{
	const struct linger rude = { .l_onoff = 1 };
	char byte;

	switch (step->what) {
	case SAY:
		if (put(c, step->text))
			return true;
		c->server->rude++;
		return false;
	case REPEAT:
		while (put(c, step->text))
			usleep(100);
		return false;
	case HEAR:
		return hear(c, step->text);
	case LISTEN:
		return get(c, &byte, 1) == 1;
	case SECURE:
		return secure(c);
	case WAIT:
		while (get(c, &byte, 1) == 1)
			;
		/* Who has heard the reply to QUIT closes TLS, too. */
		if (c->ssl != NULL &&
		    (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) == 0)
			c->server->rude++;
		return true;
	case RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &rude, sizeof(rude));
		return false;
	case HUSH:
		if (get(c, &byte, 1) == 1)
			c->server->surprises++;
		return true;
	case HOLD:
		usleep(5000);
		return true;
	case FINISH:
		return shutdown(c->fd, SHUT_WR) == 0;
	case LEAVE:
		c->has_left = true;
		count(c, -1);
		return true;
	default:
		return false;
	}
}

static void *
serve(void *arg)
{
	struct client *c = arg;
	struct server *s = c->server;

	for (const struct step *step = s->steps; take_step(c, step); step++)
		;
	if (!c->has_left)
		count(c, -1);
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
	OPENSSL_thread_stop();
	pthread_mutex_lock(&s->lock);
	s->connections--;
	pthread_cond_signal(&s->calm);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void *
accept_all(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct client *c = calloc(1, sizeof(*c));
		struct sockaddr_in called;
		socklen_t n = sizeof(called);
		pthread_t thread;

		getsockname(fd, (void *)&called, &n);
		c->server = s;
		c->fd = fd;
		c->address = ntohl(called.sin_addr.s_addr) & 0xff;
		count(c, 1);
		pthread_mutex_lock(&s->lock);
		s->connections++;
		pthread_mutex_unlock(&s->lock);
		if (pthread_create(&thread, NULL, serve, c) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

/* A listening socket on all addresses, and its port. */
static int
listen_anywhere(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void
open_server(struct server *s, const struct step *steps, SSL_CTX *tls)
{
	*s = (struct server){ .steps = steps, .tls = tls };
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->calm, NULL);
	s->fd = listen_anywhere(1024, &s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
}

static void
close_server(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	while (s->connections > 0)
		pthread_cond_wait(&s->calm, &s->lock);
	pthread_mutex_unlock(&s->lock);
	close(s->fd);
	pthread_cond_destroy(&s->calm);
	pthread_mutex_destroy(&s->lock);
}

/* The side under test. */

struct result {
	unsigned count;
	enum smx_diag_code code;
	char detail[301], greeting[301], name[301], version[33], cipher[65];
	const struct smx_certificate *certificate; /* only whether, after */
	struct smx_certificate seen;
	uint32_t usable, matched;
	bool is_tls_begun;
	unsigned reply_code;
};

static struct event_base *base;
static struct result latest;
static char ca_file[32];
static struct certificate root, middle, leaf;

static void
copy(char *to, size_t bytes, struct smx_slice from)
{
	assert_true(from.n < bytes);
	if (from.n > 0)
		memcpy(to, from.p, from.n);
	to[from.n] = '\0';
}

static void
on_answer(void *arg, const struct smx_probe_answer *a)
{
	struct result *r = arg;

	r->count++;
	r->code = a->code;
	copy(r->detail, sizeof(r->detail), a->detail);
	copy(r->greeting, sizeof(r->greeting), a->greeting);
	copy(r->name, sizeof(r->name), a->name);
	copy(r->version, sizeof(r->version), a->tls_version);
	copy(r->cipher, sizeof(r->cipher), a->cipher);
	r->certificate = a->certificate;
	if (a->certificate != NULL)
		r->seen = *a->certificate;
	r->usable = a->tlsa_usable;
	r->matched = a->tlsa_matched;
	r->is_tls_begun = a->is_tls_begun;
	r->reply_code = a->reply_code;
	latest = *r;
}

static struct smx_probe_smtp_settings
settings_for(uint16_t port)
{
	/* Long enough for valgrind on a busy machine. */
	return (struct smx_probe_smtp_settings){
		.ca_file = ca_file,
		.ehlo_name = US,
		.port = port,
		.allow_private_addresses = true,
		.connect_timeout = SMX_MINUTE,
		.reply_timeout = SMX_MINUTE,
		.session_timeout = SMX_MINUTE,
	};
}

static struct smx_probe_smtp *
open_probe(const struct smx_probe_smtp_settings *settings)
{
	struct smx_probe_smtp *p;
	struct smx_buf reason;

	smx_buf_init(&reason, 500);
	if (smx_probe_smtp_new(base, settings, &p, &reason) < 0)
		fail_msg("%s", smx_buf_text(&reason));
	smx_buf_done(&reason);
	return p;
}

static int
ask(struct smx_probe_smtp *p, const struct smx_probe_request *request,
    struct result *r)
{
	struct smx_probe_port port = smx_probe_smtp_port(p);

	*r = (struct result){ 0 };
	return port.ops->probe(port.self, request, on_answer, r);
}

static struct smx_probe_request
request_for(unsigned last_octet)
{
	return (struct smx_probe_request){ .host = SMX_SLICE(HOST),
		.address = { .bytes = { 127, 0, 0, (uint8_t)last_octet } } };
}

/* One whole session, until the connection is closed. */
static struct result
run(const struct smx_probe_smtp_settings *settings,
    const struct smx_probe_request *request)
{
	struct smx_probe_smtp *p = open_probe(settings);
	struct result r;

	assert_int_equal(ask(p, request, &r), 0);
	/* Never from inside the starting call. */
	assert_int_equal(r.count, 0);
	event_base_dispatch(base);
	assert_int_equal(r.count, 1);
	smx_probe_smtp_free(&p);
	return r;
}

static struct result
run_steps(const struct step *steps, SSL_CTX *tls, bool is_polite)
{
	struct server server;
	struct smx_probe_smtp_settings settings;
	struct smx_probe_request request = request_for(1);
	struct result r;

	open_server(&server, steps, tls);
	settings = settings_for(server.port);
	r = run(&settings, &request);
	close_server(&server);
	assert_int_equal(server.surprises, 0);
	assert_int_equal(server.goodbyes, is_polite);
	assert_int_equal(server.rude, 0);
	return r;
}

static bool
hears_starttls(const struct step *steps)
{
	for (; steps->what != END; steps++)
		if (steps->text != NULL &&
		    strcmp(steps->text, "STARTTLS\r\n") == 0)
			return true;
	return false;
}

#define expect(wanted, text, polite, ...)                                 \
	do {                                                              \
		static const struct step steps[] = { __VA_ARGS__,         \
			{ END, NULL } };                                  \
		struct result r_ = run_steps(steps, NULL, polite);        \
                                                                          \
		assert_string_equal(smx_diag_row(r_.code)->name,          \
		    smx_diag_row(SMX_DIAG_##wanted)->name);               \
		assert_string_equal(r_.detail, text);                     \
		assert_int_equal(r_.is_tls_begun, hears_starttls(steps)); \
	} while (0)

static void
test_greetings(void **state)
{
	(void)state;
	expect(SMTP_GREETING, "421 4.3.2 too busy", false,
	    { SAY, "421 4.3.2 too busy\r\n" }, { HUSH, NULL });
	expect(SMTP_GREETING, "554 " HOST " no SMTP service here", true,
	    { SAY, "554-" HOST "\r\n554 no SMTP service here\r\n" }, BYE);
	expect(SMTP_GREETING, "250 hello", true, { SAY, "250 hello\r\n" }, BYE);
	expect(SMTP_GREETING, "554", true, { SAY, "554\r\n" }, BYE);
	expect(SMTP_SYNTAX, "no SMTP reply", false,
	    { SAY, "SSH-2.0-OpenSSH_9.2\r\n" }, { WAIT, NULL });
	expect(SMTP_SYNTAX, "no SMTP reply", false, { SAY, "\r\n" },
	    { WAIT, NULL });
	expect(SMTP_SYNTAX, "endless reply", false,
	    { REPEAT, "220-hello\r\n" });
	expect(SMTP_SYNTAX, "endless reply", false, { REPEAT, "220 hello " });
	expect(SMTP_SYNTAX, "endless reply", false, GREET, EHLO,
	    { REPEAT, "250-hello\r\n" });
}

static void
test_ehlo(void **state)
{
	(void)state;
	expect(SMTP_NO_STARTTLS, "", true, GREET, EHLO,
	    { SAY, "250-" HOST "\r\n250-SIZE 1000\r\n250 HELP\r\n" }, BYE);
	expect(SMTP_NO_STARTTLS, "", true, GREET, EHLO,
	    { SAY, "250 STARTTLS\r\n" }, BYE);
	expect(SMTP_NO_STARTTLS, "", true, GREET, EHLO,
	    { SAY, "250-" HOST "\r\n250-XSTARTTLS\r\n250 STARTTLS2\r\n" }, BYE);
	expect(SMTP_EHLO, "502 5.5.1 what?", true, GREET, EHLO,
	    { SAY, "502 5.5.1 what?\r\n" }, BYE);
	assert_int_equal(latest.reply_code, 502);
	/* A refusal doesn't begin with a name. */
	assert_string_equal(latest.name, "");
	expect(SMTP_EHLO, "421 bye", false, GREET, EHLO, { SAY, "421 bye\r\n" },
	    { HUSH, NULL });
	assert_int_equal(latest.reply_code, 421);
}

static void
test_starttls(void **state)
{
	(void)state;
	expect(SMTP_STARTTLS_REFUSED, "454 4.7.0 TLS not available", true,
	    GREET, EHLO, OFFER, STARTTLS,
	    { SAY, "454 4.7.0 TLS not available\r\n" }, BYE);
	expect(SMTP_STARTTLS_REFUSED, "501 no", true, GREET, EHLO,
	    { SAY, "250-x\r\n250 starttls\r\n" }, STARTTLS,
	    { SAY, "501 no\r\n" }, BYE);
	expect(SMTP_INJECTION, "250 evil", false, GREET, EHLO, OFFER, STARTTLS,
	    { SAY, "220 go\r\n250 evil\r\n250 more\r\n" }, { WAIT, NULL });
	expect(SMTP_INJECTION, "x", false, GREET, EHLO, OFFER, STARTTLS,
	    { SAY, "220 go\r\nx" }, { WAIT, NULL });
	/* Plain text where a server's hello should be. */
	expect(SMTP_TLS_FAILURE, "wrong version number", false, TO_TLS,
	    { LISTEN, NULL }, { SAY, "454 sorry\r\n" }, { WAIT, NULL });
}

/* A refusal may be long; its octets are the server's. */
static void
test_long_texts(void **state)
{
	static char text[2000];
	const struct step refuse[] = { { SAY, text }, BYE, { END, NULL } };
	const struct step greet[] = { { SAY, text }, EHLO, { SAY, text + 1000 },
		BYE, { END, NULL } };
	struct result r;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "554 ", 4);
	memcpy(text + 997, "\r\n", 3);
	r = run_steps(refuse, NULL, true);
	assert_int_equal(r.code, SMX_DIAG_SMTP_GREETING);
	assert_int_equal(strlen(r.detail), 200);
	memcpy(text, "220 \x1b\xff", 6);
	memcpy(text + 1000, "250 ", 4);
	memcpy(text + 1997, "\r\n", 3);
	r = run_steps(greet, NULL, true);
	assert_int_equal(r.code, SMX_DIAG_SMTP_NO_STARTTLS);
	assert_int_equal(strlen(r.greeting), 200);
	assert_memory_equal(r.greeting,
	    "\x1b\xff"
	    "aa",
	    4);
	assert_int_equal(strlen(r.name), 253);
}

static void
test_closed(void **state)
{
	(void)state;
	expect(SMTP_CLOSED, "connection closed before the greeting", false,
	    { END, NULL });
	expect(SMTP_CLOSED, "connection closed before the greeting", false,
	    { SAY, "220-half\r\n220 of" });
	expect(SMTP_CLOSED, "connection closed before the reply to EHLO", false,
	    GREET, EHLO);
	expect(SMTP_CLOSED, "connection closed before the reply to STARTTLS",
	    false, GREET, EHLO, OFFER, STARTTLS);
	expect(SMTP_CLOSED, "connection closed in the TLS handshake", false,
	    TO_TLS, { LISTEN, NULL }, { FINISH, NULL }, { WAIT, NULL });
	expect(SMTP_CLOSED, "connection reset before the reply to EHLO", false,
	    GREET, EHLO, { RESET, NULL });
	expect(SMTP_CLOSED, "connection reset in the TLS handshake", false,
	    TO_TLS, { LISTEN, NULL }, { RESET, NULL });
}

static void
expect_silence(const struct step *steps, const char *detail)
{
	struct server server;
	struct smx_probe_smtp_settings settings;
	struct smx_probe_request request = request_for(1);
	struct result r;

	open_server(&server, steps, NULL);
	settings = settings_for(server.port);
	/* For each of the stages, so also for those that aren't silent. */
	settings.reply_timeout = SMX_SECOND;
	r = run(&settings, &request);
	close_server(&server);
	assert_int_equal(r.code, SMX_DIAG_SMTP_TIMEOUT);
	assert_string_equal(r.detail, detail);
}

static void
test_silent(void **state)
{
	static const struct step greeting[] = { { WAIT, NULL }, { END, NULL } };
	static const struct step ehlo[] = { GREET, EHLO, { WAIT, NULL },
		{ END, NULL } };
	static const struct step starttls[] = { GREET, EHLO, OFFER, STARTTLS,
		{ WAIT, NULL }, { END, NULL } };
	static const struct step handshake[] = { TO_TLS, { WAIT, NULL },
		{ END, NULL } };
	struct server server;
	struct smx_probe_smtp_settings settings;
	struct smx_probe_request request = request_for(1);
	struct result r;

	(void)state;
	expect_silence(greeting, "no greeting within 1 s");
	expect_silence(ehlo, "no reply to EHLO within 1 s");
	expect_silence(starttls, "no reply to STARTTLS within 1 s");
	expect_silence(handshake, "no TLS handshake within 1 s");

	open_server(&server, greeting, NULL);
	settings = settings_for(server.port);
	settings.session_timeout = 50;
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_SMTP_TIMEOUT);
	assert_string_equal(r.detail,
	    "no greeting within 50 ms of the whole session");
	close_server(&server);
}

/* A full queue: the kernel drops what asks for a connection. */
static void
test_unconnected(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint16_t port;
	int fillers[8], fd = listen_anywhere(0, &port);
	struct smx_probe_smtp_settings settings = settings_for(port);
	struct smx_probe_request request = request_for(1);
	struct result r;

	(void)state;
	a.sin_port = htons(port);
	for (size_t i = 0; i < COUNT_OF(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fillers[i], (void *)&a, sizeof(a));
	}
	settings.connect_timeout = 50;
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_SMTP_TIMEOUT);
	assert_string_equal(r.detail, "no connection within 50 ms");
	for (size_t i = 0; i < COUNT_OF(fillers); i++)
		close(fillers[i]);
	close(fd);

	/* Now nobody listens there. */
	settings.connect_timeout = SMX_MINUTE;
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_SMTP_REFUSED);
	assert_string_equal(r.detail, "Connection refused");
	assert_null(r.certificate);

	memset(request.address.bytes, 255, 4);
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_SMTP_UNREACHABLE);
	request = request_for(1);
	settings.allow_private_addresses = false;
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_MX_PRIVATE);
	assert_string_equal(r.detail, "");
}

/* TLS. */

/* Alert to whoever names a host. */
static int
on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char *seen = arg;

	*alert = SSL_AD_UNRECOGNIZED_NAME;
	snprintf(seen, 256, "%s", name != NULL ? name : "none");
	return name != NULL ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_OK;
}

static void
test_good(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const char *const texts[] = { "TLSv1.2", "TLSv1.3" };
	struct result r;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *tls = certificate_server(&leaf, &middle);

		SSL_CTX_set_max_proto_version(tls, versions[i]);
		r = run_steps(good, tls, true);
		SSL_CTX_free(tls);
		assert_int_equal(r.code, SMX_DIAG_OK);
		assert_string_equal(r.detail, "");
		assert_string_equal(r.greeting, "mx.example.com ESMTP ready");
		assert_string_equal(r.name, "mx.example.com");
		assert_string_equal(r.version, texts[i]);
		assert_true(strlen(r.cipher) > 5);
		assert_non_null(r.certificate);
		assert_int_equal(r.seen.faults, 0);
		assert_int_equal(r.seen.sent_count, 2);
	}
}

static void
test_variants(void **state)
{
	static const struct step steps[] = {
		{ SAY, "220-" HOST " one\r\n220-\r\n220 three\r\n" },
		EHLO,
		{ SAY, "250-" HOST "\n250-x\n" },
		{ SAY, "250 StartTLS please\n" },
		STARTTLS,
		{ SAY, "220-\r\n220\r\n" },
		{ SECURE, NULL },
		BYE,
		{ END, NULL },
	};
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct result r = run_steps(steps, tls, true);

	(void)state;
	SSL_CTX_free(tls);
	assert_int_equal(r.code, SMX_DIAG_OK);
	assert_string_equal(r.greeting, "mx.example.com one");
}

/* Whatever is wrong with a certificate, the handshake is not. */
static void
test_bad_certificate(void **state)
{
	const struct smx_slice other[] = { SMX_SLICE("other.example.com") };
	const struct certificate_want want = { .names = other,
		.name_count = 1,
		.from = -9 * CERTIFICATE_DAY,
		.to = -CERTIFICATE_DAY };
	struct certificate bad;
	struct result r;
	SSL_CTX *tls;

	(void)state;
	certificate_make(&want, &bad);
	tls = certificate_server(&bad, NULL);
	r = run_steps(good, tls, true);
	assert_int_equal(r.code, SMX_DIAG_OK);
	assert_int_equal(r.seen.faults,
	    SMX_CERTIFICATE_EXPIRED | SMX_CERTIFICATE_NAME |
		SMX_CERTIFICATE_SELF_SIGNED);
	SSL_CTX_free(tls);
	certificate_free(&bad);
}

static void
test_no_tls(void **state)
{
	static const struct step steps[] = { TO_TLS, { SECURE, NULL },
		{ WAIT, NULL }, { END, NULL } };
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct result r;

	(void)state;
	SSL_CTX_set_max_proto_version(tls, TLS1_1_VERSION);
	r = run_steps(steps, tls, false);
	assert_int_equal(r.code, SMX_DIAG_SMTP_TLS_VERSION);
	assert_string_equal(r.detail, "alert: protocol version");
	SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(tls, "ADH-AES128-SHA"), 1);
	r = run_steps(steps, tls, false);
	assert_int_equal(r.code, SMX_DIAG_SMTP_TLS_ALERT);
	assert_string_equal(r.detail, "alert: handshake failure");
	SSL_CTX_free(tls);
}

static void
test_sni(void **state)
{
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	char seen[256];
	struct server server;
	struct smx_probe_smtp_settings settings;
	struct smx_probe_request request = request_for(1);
	struct result r;

	(void)state;
	SSL_CTX_set_tlsext_servername_callback(tls, on_name);
	SSL_CTX_set_tlsext_servername_arg(tls, seen);
	open_server(&server, good, tls);
	settings = settings_for(server.port);
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_SMTP_TLS_ALERT);
	assert_string_equal(r.detail, "alert: unrecognized name");
	assert_string_equal(seen, HOST);
	assert_null(r.certificate);
	request.without_sni = true;
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_OK);
	assert_int_equal(r.seen.faults, 0);
	close_server(&server);
	assert_string_equal(seen, "none");
	SSL_CTX_free(tls);
}

/* What can't be a host's name is never taken for one. */
static void
test_host_names(void **state)
{
	static char name[300];
	struct smx_probe_request request = request_for(1);
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct smx_probe_smtp_settings settings;
	struct server server;

	(void)state;
	open_server(&server, good, tls);
	settings = settings_for(server.port);
	memset(name, 'n', sizeof(name));
	request.host = smx_slice(name, sizeof(name));
	assert_int_equal(run(&settings, &request).code,
	    SMX_DIAG_SMTP_TLS_FAILURE);
	request.host = smx_slice(NULL, 0);
	assert_int_equal(run(&settings, &request).code,
	    SMX_DIAG_SMTP_TLS_FAILURE);
	request.host = SMX_SLICE(".example.com");
	assert_int_equal(run(&settings, &request).code,
	    SMX_DIAG_SMTP_TLS_FAILURE);
	close_server(&server);
	SSL_CTX_free(tls);
}

static void
test_dane(void **state)
{
	unsigned char storage[6][2048];
	struct smx_dns_tlsa tlsa[] = {
		certificate_tlsa(&leaf, 3, 1, 1, storage[0]),
		certificate_tlsa(&root, 3, 1, 1, storage[1]),
		certificate_tlsa(&leaf, 3, 1, 2, storage[2]),
		certificate_tlsa(&middle, 2, 1, 1, storage[3]),
		certificate_tlsa(&leaf, 1, 1, 1, storage[4]),
		certificate_tlsa(&leaf, 3, 0, 0, storage[5]),
	};
	struct smx_probe_request request = request_for(1);
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct smx_probe_smtp_settings settings;
	struct server server;
	struct result r;

	(void)state;
	request.tlsa = tlsa;
	request.tlsa_count = COUNT_OF(tlsa);
	open_server(&server, good, tls);
	settings = settings_for(server.port);
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_OK);
	assert_int_equal(r.usable, 0x2f);
	assert_int_equal(r.matched, 0x2d);
	/* A rollover: the next key's record is there already. */
	request.tlsa_count = 2;
	r = run(&settings, &request);
	assert_int_equal(r.usable, 3);
	assert_int_equal(r.matched, 1);
	request.tlsa++;
	request.tlsa_count = 1;
	r = run(&settings, &request);
	assert_int_equal(r.usable, 1);
	assert_int_equal(r.matched, 0);
	close_server(&server);
	/* Nobody there: what is usable is still known. */
	request.tlsa = tlsa;
	request.tlsa_count = COUNT_OF(tlsa);
	r = run(&settings, &request);
	assert_int_equal(r.code, SMX_DIAG_SMTP_REFUSED);
	assert_int_equal(r.usable, 0x2f);
	assert_int_equal(r.matched, 0);
	assert_null(r.certificate);
	SSL_CTX_free(tls);
}

/* Many. */

static void
test_limits(void **state)
{
	static const struct step steps[] = { { HOLD, NULL }, { LEAVE, NULL },
		{ SAY, "421 not now\r\n" }, { WAIT, NULL }, { END, NULL } };
	static struct result results[1000];
	struct smx_probe_smtp_settings settings;
	struct smx_probe_smtp *p;
	struct server server;

	(void)state;
	open_server(&server, steps, NULL);
	settings = settings_for(server.port);
	settings.session_max = 50;
	settings.address_max = 20;
	p = open_probe(&settings);
	for (size_t i = 0; i < COUNT_OF(results); i++) {
		/* Most of them for one address. */
		unsigned last = i % 4 == 0 ? (unsigned)(1 + i / 4 % 9) : 1;
		struct smx_probe_request request = request_for(last);

		assert_int_equal(ask(p, &request, &results[i]), 0);
	}
	event_base_dispatch(base);
	for (size_t i = 0; i < COUNT_OF(results); i++) {
		assert_int_equal(results[i].count, 1);
		assert_string_equal(results[i].detail, "421 not now");
	}
	smx_probe_smtp_free(&p);
	close_server(&server);
	assert_in_range(server.peak, 1, 50);
	assert_in_range(server.peak_of_address, 1, 20);
}

/* With TLS, all at once, and each answer is its own. */
static void
test_many_secure(void **state)
{
	static struct result results[200];
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct smx_probe_smtp_settings settings;
	struct smx_probe_smtp *p;
	struct server server;

	(void)state;
	open_server(&server, good, tls);
	settings = settings_for(server.port);
	settings.session_max = settings.address_max = 50;
	p = open_probe(&settings);
	for (size_t i = 0; i < COUNT_OF(results); i++) {
		struct smx_probe_request request = request_for(1);

		if (i % 2 == 1)
			request.host = SMX_SLICE("other.example.com");
		assert_int_equal(ask(p, &request, &results[i]), 0);
	}
	event_base_dispatch(base);
	for (size_t i = 0; i < COUNT_OF(results); i++) {
		assert_int_equal(results[i].count, 1);
		assert_int_equal(results[i].code, SMX_DIAG_OK);
		assert_int_equal(results[i].seen.faults,
		    i % 2 == 1 ? SMX_CERTIFICATE_NAME : 0);
	}
	smx_probe_smtp_free(&p);
	close_server(&server);
	assert_int_equal(server.surprises, 0);
	assert_int_equal(server.goodbyes, COUNT_OF(results));
	SSL_CTX_free(tls);
}

struct chain {
	struct smx_probe_smtp *probe;
	struct smx_probe_request request;
	unsigned left;
	bool is_inside; /* the callback */
};

static void
on_link(void *arg, const struct smx_probe_answer *a)
{
	struct chain *c = arg;
	struct smx_probe_port port = smx_probe_smtp_port(c->probe);

	assert_int_equal(a->code, SMX_DIAG_SMTP_REFUSED);
	assert_false(c->is_inside);
	c->is_inside = true;
	if (c->left-- > 0)
		assert_int_equal(
		    port.ops->probe(port.self, &c->request, on_link, c), 0);
	c->is_inside = false;
}

/* A callback that starts the next session is not called from inside it. */
static void
test_chain(void **state)
{
	uint16_t port;
	int fd = listen_anywhere(1, &port);
	struct smx_probe_smtp_settings settings = settings_for(port);
	struct chain c = { open_probe(&settings), request_for(1), 1000, false };
	struct smx_probe_port to = smx_probe_smtp_port(c.probe);

	(void)state;
	close(fd);
	assert_int_equal(to.ops->probe(to.self, &c.request, on_link, &c), 0);
	event_base_dispatch(base);
	assert_int_equal(c.left, (unsigned)-1);
	smx_probe_smtp_free(&c.probe);
}

static void
on_break(void *arg, const struct smx_probe_answer *a)
{
	on_answer(arg, a);
	event_base_loopbreak(base);
}

/* Who waits for a silent address doesn't keep others from theirs; and the end
 * of the probe drops what is at any stage. */
static void
test_queue(void **state)
{
	static const struct step silent[] = { { WAIT, NULL }, { END, NULL } };
	struct smx_probe_request request = request_for(1);
	struct result waiting[8], other = { 0 };
	struct smx_probe_smtp_settings settings;
	struct smx_probe_port port;
	struct smx_probe_smtp *p;
	struct server server;

	(void)state;
	open_server(&server, silent, NULL);
	settings = settings_for(server.port);
	settings.session_max = 2;
	settings.address_max = 1;
	p = open_probe(&settings);
	port = smx_probe_smtp_port(p);
	for (size_t i = 0; i < COUNT_OF(waiting); i++)
		assert_int_equal(ask(p, &request, &waiting[i]), 0);
	memset(request.address.bytes, 255, 4);
	assert_int_equal(port.ops->probe(port.self, &request, on_break, &other),
	    0);
	event_base_dispatch(base);
	assert_int_equal(other.count, 1);
	smx_probe_smtp_free(&p);
	assert_null(p);
	event_base_dispatch(base);
	for (size_t i = 0; i < COUNT_OF(waiting); i++)
		assert_int_equal(waiting[i].count, 0);
	close_server(&server);
	smx_probe_smtp_free(&p);
}

/* One after the other, all take leave properly. */
static void
test_goodbyes(void **state)
{
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct smx_probe_request request = request_for(1);
	struct smx_probe_smtp_settings settings;
	struct smx_probe_smtp *p;
	struct server server;
	struct result r;

	(void)state;
	open_server(&server, good, tls);
	settings = settings_for(server.port);
	settings.session_max = 1;
	p = open_probe(&settings);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ask(p, &request, &r), 0);
		event_base_dispatch(base);
		assert_int_equal(r.code, SMX_DIAG_OK);
	}
	smx_probe_smtp_free(&p);
	close_server(&server);
	assert_int_equal(server.surprises, 0);
	assert_int_equal(server.goodbyes, 3);
	assert_int_equal(server.rude, 0);
	SSL_CTX_free(tls);
}

/* The answer is there before the reply to QUIT, and the place is free. */
static void
test_closing(void **state)
{
	static const struct step steps[] = { GREET, EHLO, { SAY, "250 x\r\n" },
		{ HEAR, "QUIT\r\n" }, { WAIT, NULL }, { END, NULL } };
	struct smx_probe_request request = request_for(1);
	struct result r[3] = { 0 };
	struct smx_probe_smtp_settings settings;
	struct smx_probe_port port;
	struct smx_probe_smtp *p;
	struct server server;

	(void)state;
	open_server(&server, steps, NULL);
	settings = settings_for(server.port);
	settings.session_max = settings.address_max = 1;
	p = open_probe(&settings);
	port = smx_probe_smtp_port(p);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    port.ops->probe(port.self, &request, on_break, &r[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		event_base_dispatch(base);
		assert_int_equal(r[i].count, 1);
		assert_int_equal(r[i].code, SMX_DIAG_SMTP_NO_STARTTLS);
	}
	smx_probe_smtp_free(&p);
	close_server(&server);
	assert_int_equal(server.goodbyes, 3);
}

static void
expect_refused(const struct smx_probe_smtp_settings *settings, const char *why)
{
	struct smx_probe_smtp *p = NULL;
	struct smx_buf reason;

	smx_buf_init(&reason, 500);
	assert_int_equal(smx_probe_smtp_new(base, settings, &p, &reason),
	    -SMX_EINVAL);
	assert_null(p);
	if (strstr(smx_buf_text(&reason), why) == NULL)
		fail_msg("%s", smx_buf_text(&reason));
	smx_buf_done(&reason);
}

static void
test_settings(void **state)
{
	char name[255] = "";
	struct smx_probe_smtp_settings s = settings_for(25);
	struct smx_probe_smtp *p;

	(void)state;
	s.ehlo_name = NULL;
	expect_refused(&s, "EHLO");
	s.ehlo_name = "";
	expect_refused(&s, "EHLO");
	s.ehlo_name = "a\r\nMAIL FROM:<>";
	expect_refused(&s, "EHLO");
	s.ehlo_name = memset(name, 'n', 254);
	expect_refused(&s, "EHLO");
	name[253] = '\0';
	p = open_probe(&s);
	smx_probe_smtp_free(&p);
	s.ca_file = "/nonexistent";
	expect_refused(&s, "ca_file /nonexistent: ");
	s.ca_file = "/dev/null";
	expect_refused(&s, "ca_file /dev/null: ");
	s.ca_file = NULL;
	expect_refused(&s, "ca_file");
}

/* Without memory a session says so, or ends with an answer. */
static void
test_no_memory(void **state)
{
	SSL_CTX *tls = certificate_server(&leaf, &middle);
	struct smx_probe_request request = request_for(1);
	struct smx_probe_smtp_settings settings;
	struct smx_probe_smtp *p = NULL;
	struct server server;
	struct smx_buf reason;
	struct result r = { 0 };
	unsigned n;
	int rc = -SMX_ENOMEM;

	(void)state;
	open_server(&server, good, tls);
	settings = settings_for(server.port);
	smx_buf_init(&reason, 500);
	for (n = 0; rc < 0 && n < 20; n++) {
		failing_alloc_after(n);
		rc = smx_probe_smtp_new(base, &settings, &p, &reason);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
	}
	assert_int_equal(rc, 0);
	for (n = 0; n < 20 && (rc < 0 || r.code != SMX_DIAG_OK || n == 0);
	     n++) {
		failing_alloc_after(n);
		rc = ask(p, &request, &r);
		failing_alloc_off();
		assert_true(rc == 0 || rc == -SMX_ENOMEM);
		event_base_dispatch(base);
		assert_int_equal(r.count, rc == 0);
	}
	assert_in_range(n, 2, 19);
	smx_probe_smtp_free(&p);
	close_server(&server);
	SSL_CTX_free(tls);
}

static int
set_up(void **state)
{
	static const struct smx_slice names[] = { SMX_SLICE(HOST) };
	struct certificate_want want = { .common_name = "Trusted Root",
		.is_authority = true };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)state;
	sigaction(SIGPIPE, &ignore, NULL);
	certificate_make(&want, &root);
	certificate_write(&root, ca_file);
	want.issuer = &root;
	want.common_name = "Trusted Intermediate";
	certificate_make(&want, &middle);
	want = (struct certificate_want){
		.issuer = &middle, .names = names, .name_count = 1
	};
	certificate_make(&want, &leaf);
	base = event_base_new();
	return base != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	event_base_free(base);
	certificate_free(&leaf);
	certificate_free(&middle);
	certificate_free(&root);
	return unlink(ca_file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greetings),
		cmocka_unit_test(test_ehlo),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_unconnected),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_bad_certificate),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_host_names),
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_secure),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_goodbyes),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
