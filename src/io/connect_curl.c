#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/connect_curl.h"
#include "io/address.h"

/* A changed CA file is read after so long. */
#define CA_CACHE_S 600L

/* Of an SSL_CTX: its struct smx_connect. */
static int connect_index = -1;
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static void
make_index(void)
{
	connect_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static bool
is_within_reach(const struct smx_connect *c, const struct smx_ip *ip)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };

	switch (c->reach) {
	case SMX_CONNECT_PUBLIC:
		return smx_address_ip_is_public(ip);
	case SMX_CONNECT_LOOPBACK:
		return ip->is_v6 ? memcmp(ip->bytes, v6_loopback, 16) == 0
				 : ip->bytes[0] == 127;
	case SMX_CONNECT_ANYWHERE:
		break;
	}
	return true;
}

/* The last word on where we connect: after all pinning and redirecting. */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct smx_connect *c = arg;
	struct smx_address to = { .bytes = address->addrlen };
	struct smx_ip ip;
	uint16_t port;

	(void)purpose;
	if (address->addrlen <= sizeof(to.u))
		memcpy(&to.u, &address->addr, address->addrlen);
	if (smx_address_to_ip(&to, &ip, &port) < 0 ||
	    !is_within_reach(c, &ip)) {
		c->was_refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

/*
 * curl takes a connection that is cut off for the end of a body without a
 * length: whoever can cut it could shorten a policy. So the alert that closes
 * TLS is looked for (RFC 9112, 9.8).
 */
static void
on_ssl_info(const SSL *ssl, int where, int value)
{
	struct smx_connect *c = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl),
	    connect_index);

	if (c == NULL)
		return;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		c->is_closed = true;
	if (where & SSL_CB_HANDSHAKE_DONE)
		c->tls_version = SSL_get_version(ssl);
	smx_tls_certificate_note_info(c->seen, ssl, where, value);
}

/* The context can outlive its transfer, which takes itself out of it. */
static int
on_verify(X509_STORE_CTX *ctx, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	struct smx_connect *c = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl),
	    connect_index);

	(void)arg;
	return c != NULL ? smx_tls_certificate_verify(ctx, c->seen) : 0;
}

/* A newer curl closes TLS when the transfer is long over. */
static void
leave_ssl_ctx(struct smx_connect *c)
{
	if (c->ssl_ctx == NULL)
		return;
	SSL_CTX_set_ex_data(c->ssl_ctx, connect_index, NULL);
	SSL_CTX_free(c->ssl_ctx);
	c->ssl_ctx = NULL;
}

/* curl itself accepts a certificate by its CN: RFC 8461, 3.3 asks for a
 * DNS-ID. */
static CURLcode
on_ssl_ctx(CURL *easy, void *ctx, void *arg)
{
	struct smx_connect *c = arg;

	(void)easy;
	smx_tls_certificate_free(&c->seen);
	c->seen = smx_tls_certificate_new(c->host);
	if (c->seen == NULL ||
	    SSL_CTX_set_ex_data(ctx, connect_index, c) != 1 ||
	    SSL_CTX_up_ref(ctx) != 1)
		return CURLE_OUT_OF_MEMORY;
	if (c->any_certificate)
		smx_tls_certificate_set_lenient(c->seen);
	/* A second address means a second context. */
	leave_ssl_ctx(c);
	c->ssl_ctx = ctx;
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
	SSL_CTX_set_info_callback(ctx, on_ssl_info);
	return CURLE_OK;
}

void
smx_connect_set_addresses(struct smx_connect *c,
    const struct smx_dns_addresses *answer)
{
	memcpy(c->addresses, answer->list,
	    answer->count * sizeof(c->addresses[0]));
	c->address_count = answer->count;
}

/* "HOST:PORT:ADDRESS,..." is what curl may connect to. */
static int
pin(struct smx_connect *c)
{
	/* The name, a port, and the addresses in brackets. */
	char storage[SMX_DOMAIN_MAX + 16 +
	    2 * SMX_DNS_ADDRESS_MAX * (SMX_IP_TEXT_MAX + 3)];
	struct smx_buf entry;
	bool some = false;

	smx_buf_init_fixed(&entry, storage, sizeof(storage));
	/* "+": it goes out of curl's cache again. */
	smx_buf_printf(&entry, "+%s:%u:", c->host.p, c->port);
	for (size_t i = 0; i < c->address_count; i++) {
		const struct smx_ip *ip = &c->addresses[i];

		if (!is_within_reach(c, ip))
			continue;
		if (some)
			smx_buf_add_char(&entry, ',');
		if (ip->is_v6)
			smx_buf_add_char(&entry, '[');
		smx_ip_print(ip, &entry);
		if (ip->is_v6)
			smx_buf_add_char(&entry, ']');
		some = true;
	}
	if (!some)
		return -SMX_ENOENT;
	if (smx_buf_status(&entry) == 0)
		c->pinned = curl_slist_append(NULL, smx_buf_text(&entry));
	return c->pinned != NULL ? 0 : -SMX_ENOMEM;
}

#define SET(option, value)                                             \
	do {                                                           \
		if (curl_easy_setopt(easy, option, value) != CURLE_OK) \
			return -SMX_ENOMEM;                            \
	} while (0)

int
smx_connect_set(struct smx_connect *c, CURL *easy)
{
	int rc = c->is_address ? 0 : pin(c);

	if (rc == -SMX_ENOENT)
		c->was_refused = true;
	if (rc < 0)
		return rc;
	pthread_once(&index_once, make_index);
	SET(CURLOPT_RESOLVE, c->pinned);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	/* A resumed session would show no certificate. */
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CAINFO, c->ca_file);
	/* With a CA path curl would read the CA file for each transfer. */
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	SET(CURLOPT_SSL_VERIFYPEER, c->any_certificate ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, c->any_certificate ? 0L : 2L);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	SET(CURLOPT_SSL_CTX_DATA, c);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, c);
	return 0;
}

void
smx_connect_done(struct smx_connect *c)
{
	leave_ssl_ctx(c);
	curl_slist_free_all(c->pinned);
	c->pinned = NULL;
	smx_tls_certificate_free(&c->seen);
}

struct smx_slice
smx_connect_dns_text(enum smx_dns_status status)
{
	switch (status) {
	case SMX_DNS_BOGUS:
		return SMX_SLICE("DNSSEC validation failed");
	case SMX_DNS_TIMEOUT:
		return SMX_SLICE("no answer in time");
	case SMX_DNS_NXDOMAIN:
		return SMX_SLICE("no such name");
	case SMX_DNS_NODATA:
		return SMX_SLICE("no address");
	case SMX_DNS_OK:
	case SMX_DNS_FAILURE:
		break;
	}
	return SMX_SLICE("look-up failed");
}

static void
explain_tls(const struct smx_connect *c, const char *error, struct smx_buf *out)
{
	size_t before;

	smx_buf_add_text(out, "no TLS: ");
	before = out->n;
	if (c->seen != NULL &&
	    smx_tls_certificate_failure(c->seen, out) ==
		SMX_TLS_FAILURE_VERSION &&
	    out->n == before)
		smx_buf_add_text(out, "no version that is safe");
	if (out->n == before)
		smx_buf_add_text(out, error);
}

void
smx_connect_explain(const struct smx_connect *c, CURL *easy, CURLcode rc,
    const char *error, struct smx_buf *out)
{
	const struct smx_certificate *seen = c->seen != NULL
	    ? smx_tls_certificate_get(c->seen)
	    : NULL;
	long number = 0;

	if (error[0] == '\0')
		error = curl_easy_strerror(rc);
	if (c->was_refused) {
		smx_buf_add_text(out,
		    c->reach == SMX_CONNECT_LOOPBACK
			? "not an address of this machine"
			: "no public address");
	} else if (rc == CURLE_COULDNT_CONNECT) {
		curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
		smx_buf_add_text(out, "no connection: ");
		smx_buf_add_text(out,
		    number != 0 ? strerror((int)number) : error);
	} else if (rc == CURLE_PEER_FAILED_VERIFICATION) {
		smx_buf_add_text(out, "certificate not accepted: ");
		smx_buf_add(out,
		    seen != NULL ? seen->reason : smx_slice_text(error));
	} else if (rc == CURLE_SSL_CONNECT_ERROR) {
		explain_tls(c, error, out);
	} else {
		smx_buf_add_text(out, error);
	}
}
