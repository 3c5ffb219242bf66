#include "unit.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include "certificates.h"
#include "io/tls_certificate.h"

#define HOST  "mx.example.com"
#define CRTS  "caIssuers;URI:http://example.com/ca.crt"
#define A_DAY CERTIFICATE_DAY

/* A trusted authority with its intermediate, and another that nobody knows. */
static struct certificate root, middle, unknown, unknown_middle;
static X509_STORE *trusted;

static const struct smx_slice host_name[] = { SMX_SLICE(HOST) };

/* What is served, and verified as a TLS client would. */
struct
try {
	struct certificate_want leaf;
	const struct certificate *sent[2]; /* behind the leaf */
	bool is_lenient;
	/* What came out. */
	struct certificate made;
	struct smx_tls_certificate *c;
	const struct smx_certificate *seen;
	int rc, error;
};

static void
verify(struct try *t)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *sent = sk_X509_new_null();

	sk_X509_push(sent, t->made.x);
	for (size_t i = 0; i < 2; i++)
		if (t->sent[i] != NULL)
			sk_X509_push(sent, t->sent[i]->x);
	assert_int_equal(X509_STORE_CTX_init(ctx, trusted, t->made.x, sent), 1);
	X509_STORE_CTX_set_default(ctx, "ssl_server");
	/* As OpenSSL does for TLS: RSA has 2048 bits at least. */
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), 2);
	t->rc = smx_tls_certificate_verify(ctx, t->c);
	t->error = X509_STORE_CTX_get_error(ctx);
	t->seen = smx_tls_certificate_get(t->c);
	X509_STORE_CTX_free(ctx);
	sk_X509_free(sent);
}

static void
run(struct try *t)
{
	if (t->leaf.names == NULL && t->leaf.name_count == 0) {
		t->leaf.names = host_name;
		t->leaf.name_count = 1;
	}
	certificate_make(&t->leaf, &t->made);
	t->c = smx_tls_certificate_new(SMX_SLICE(HOST));
	assert_non_null(t->c);
	assert_null(smx_tls_certificate_get(t->c));
	if (t->is_lenient)
		smx_tls_certificate_set_lenient(t->c);
	verify(t);
	assert_non_null(t->seen);
	/* A caller that must refuse does so exactly when there is a fault. */
	assert_int_equal(t->rc, t->seen->faults == 0 || t->is_lenient);
	assert_int_equal(t->error == X509_V_OK, t->seen->faults == 0);
	assert_int_equal(t->seen->reason.n == 0, t->seen->faults == 0);
	assert_int_equal(t->seen->first_fault == 0, t->seen->faults == 0);
	assert_int_equal(t->seen->first_fault & ~t->seen->faults, 0);
}

static void
end(struct try *t)
{
	smx_tls_certificate_free(&t->c);
	assert_null(t->c);
	certificate_free(&t->made);
}

static void
expect(struct try t, unsigned faults, int error)
{
	run(&t);
	assert_int_equal(t.seen->faults, faults);
	assert_int_equal(t.error, error);
	end(&t);
}

static void
test_good(void **state)
{
	struct try t = {
		.leaf = { .issuer = &middle,
		    .common_name = "Some Name",
		    .from = -10 * A_DAY,
		    .to = 20 * A_DAY },
		.sent = { &middle },
	};
	unsigned char storage[64];
	smx_time now = (smx_time)time(NULL) * SMX_SECOND;

	(void)state;
	run(&t);
	assert_int_equal(t.seen->faults, 0);
	assert_int_equal(t.seen->name_count, 1);
	assert_slice(t.seen->names[0], HOST);
	assert_slice(t.seen->common_name, "Some Name");
	assert_slice(t.seen->issuer, "Trusted & Sons");
	assert_int_equal(t.seen->sent_count, 2);
	assert_in_range(t.seen->not_before, now - 10 * SMX_DAY - SMX_HOUR,
	    now - 10 * SMX_DAY + SMX_SECOND);
	assert_in_range(t.seen->not_after, now + 20 * SMX_DAY - SMX_HOUR,
	    now + 20 * SMX_DAY + SMX_SECOND);
	assert_memory_equal(t.seen->sha256,
	    certificate_tlsa(&t.made, 3, 0, 1, storage).data.p, 32);
	assert_memory_equal(t.seen->key_sha256,
	    certificate_tlsa(&t.made, 3, 1, 1, storage).data.p, 32);
	end(&t);
}

static void
test_each_fault(void **state)
{
	const struct smx_slice other[] = { SMX_SLICE("other.example.com") };

	(void)state;
	expect((struct try){ .leaf = { .issuer = &root } }, 0, X509_V_OK);
	expect((struct try){ .leaf = { .issuer = &root,
				 .from = -9 * A_DAY,
				 .to = -A_DAY } },
	    SMX_CERTIFICATE_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED);
	expect((struct try){ .leaf = { .issuer = &root,
				 .from = A_DAY,
				 .to = 9 * A_DAY } },
	    SMX_CERTIFICATE_NOT_YET, X509_V_ERR_CERT_NOT_YET_VALID);
	expect((struct try){ .leaf = { .issuer = &root,
				 .names = other,
				 .name_count = 1 } },
	    SMX_CERTIFICATE_NAME, X509_V_ERR_HOSTNAME_MISMATCH);
	expect((struct try){ .leaf = { .common_name = HOST } },
	    SMX_CERTIFICATE_SELF_SIGNED,
	    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	expect((struct try){ .leaf = { .issuer = &unknown },
		   .sent = { &unknown } },
	    SMX_CERTIFICATE_ISSUER, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
	expect((struct try){ .leaf = { .issuer = &unknown_middle,
				 .issuer_at = CRTS },
		   .sent = { &unknown_middle } },
	    SMX_CERTIFICATE_ISSUER,
	    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	expect((struct try){ .leaf = { .issuer = &unknown } },
	    SMX_CERTIFICATE_ISSUER,
	    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	expect((struct try){ .leaf = { .issuer = &root,
				 .is_client_only = true } },
	    SMX_CERTIFICATE_OTHER, X509_V_ERR_INVALID_PURPOSE);
	expect((struct try){ .leaf = { .issuer = &root, .is_weak = true } },
	    SMX_CERTIFICATE_OTHER, X509_V_ERR_EE_KEY_TOO_SMALL);
	expect((struct try){ .leaf = { .issuer = &root, .is_forged = true } },
	    SMX_CERTIFICATE_OTHER, X509_V_ERR_CERT_SIGNATURE_FAILURE);
}

static void
test_chain(void **state)
{
	const struct certificate_want leaf = { .issuer = &middle,
		.issuer_at = CRTS };

	(void)state;
	expect((struct try){ .leaf = leaf }, SMX_CERTIFICATE_CHAIN,
	    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	/* Something was sent, but not what was missing. */
	expect((struct try){ .leaf = leaf, .sent = { &root } },
	    SMX_CERTIFICATE_CHAIN,
	    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	expect((struct try){ .leaf = leaf, .sent = { &middle } }, 0, X509_V_OK);
	expect((struct try){ .leaf = leaf, .sent = { &root, &middle } }, 0,
	    X509_V_OK);
	/* Without an address of the issuer nobody can tell. */
	expect((struct try){ .leaf = { .issuer = &middle } },
	    SMX_CERTIFICATE_ISSUER,
	    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	expect((struct try){ .leaf = { .issuer = &middle,
				 .issuer_at = "OCSP;URI:http://example.com/" } },
	    SMX_CERTIFICATE_ISSUER,
	    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

/* The date of another certificate is no date of this one. */
static void
test_old_intermediate(void **state)
{
	const struct certificate_want want = {
		.common_name = "Old Intermediate",
		.is_authority = true,
		.issuer = &root,
		.from = -9 * A_DAY,
		.to = -A_DAY,
	};
	struct certificate old;
	struct try t = { .leaf = { .issuer = &old }, .sent = { &old } };

	(void)state;
	certificate_make(&want, &old);
	run(&t);
	assert_int_equal(t.seen->faults, SMX_CERTIFICATE_OTHER);
	assert_slice(t.seen->reason,
	    "certificate has expired: Old Intermediate");
	end(&t);
	certificate_free(&old);
}

static void
test_all_at_once(void **state)
{
	const struct smx_slice other[] = { SMX_SLICE("other.example.com") };
	struct try t = { .leaf = { .names = other,
			     .name_count = 1,
			     .from = -9 * A_DAY,
			     .to = -A_DAY } };
	const unsigned all = SMX_CERTIFICATE_EXPIRED | SMX_CERTIFICATE_NAME |
	    SMX_CERTIFICATE_SELF_SIGNED;

	(void)state;
	run(&t);
	assert_int_equal(t.seen->faults, all);
	assert_int_equal(t.error, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	assert_slice(t.seen->reason, "self-signed certificate");
	assert_int_equal(t.seen->first_fault, SMX_CERTIFICATE_SELF_SIGNED);
	/* The next handshake begins anew. */
	certificate_free(&t.made);
	certificate_make(&(struct certificate_want){ .issuer = &root,
			     .names = host_name,
			     .name_count = 1 },
	    &t.made);
	verify(&t);
	assert_int_equal(t.rc, 1);
	assert_int_equal(t.seen->faults, 0);
	assert_int_equal(t.error, X509_V_OK);
	assert_int_equal(t.seen->name_count, 1);
	assert_int_equal(t.seen->reason.n, 0);
	end(&t);

	t.is_lenient = true;
	run(&t);
	assert_int_equal(t.seen->faults, all);
	assert_int_equal(t.rc, 1);
	end(&t);
}

static void
expect_name(struct smx_slice name, bool is_good)
{
	expect((struct try){ .leaf = { .issuer = &root,
				 .names = &name,
				 .name_count = 1 } },
	    is_good ? 0 : SMX_CERTIFICATE_NAME,
	    is_good ? X509_V_OK : X509_V_ERR_HOSTNAME_MISMATCH);
}

static void
test_names(void **state)
{
	static const struct smx_slice none[1];

	(void)state;
	expect_name(SMX_SLICE("MX.Example.COM"), true);
	expect_name(SMX_SLICE("*.example.com"), true);
	expect_name(SMX_SLICE("m*.example.com"), false);
	expect_name(SMX_SLICE("*x.example.com"), false);
	expect_name(SMX_SLICE("mx.*.com"), false);
	expect_name(SMX_SLICE("*.com"), false);
	expect_name(SMX_SLICE("*"), false);
	expect_name(SMX_SLICE(""), false);
	expect_name(SMX_SLICE("example.com"), false);
	expect_name(SMX_SLICE("*.mx.example.com"), false);
	expect_name(SMX_SLICE(".example.com"), false);
	expect_name(SMX_SLICE(HOST "\0.example.org"), false);
	expect_name(SMX_SLICE(HOST "\0"), false);
	expect_name(SMX_SLICE(HOST "."), false);
	expect_name(SMX_SLICE("\xff\xfe.example.com"), false);
	/* A CN does not count, even without any DNS-ID. */
	expect((struct try){ .leaf = { .issuer = &root,
				 .common_name = HOST,
				 .names = none } },
	    SMX_CERTIFICATE_NAME, X509_V_ERR_HOSTNAME_MISMATCH);
}

static void
test_strange_texts(void **state)
{
	char long_name[300], common_name[256] = "";
	const struct smx_slice names[] = {
		SMX_SLICE("a\0b"),
		smx_slice(long_name, sizeof(long_name)),
		SMX_SLICE("\x1b[31m\xff\n"),
		SMX_SLICE(""),
	};
	struct try t = { .leaf = { .issuer = &root,
			     .common_name = common_name,
			     .names = names,
			     .name_count = COUNT_OF(names) } };

	(void)state;
	memset(long_name, 'n', sizeof(long_name));
	/* 127 octets, and then characters of two. */
	memset(common_name, 'c', 127);
	for (size_t i = 127; i < 250; i += 2)
		memcpy(common_name + i, "\xc3\xa4", 2);
	run(&t);
	assert_int_equal(t.seen->name_count, 4);
	assert_slice(t.seen->names[0], "a\0b");
	assert_int_equal(t.seen->names[1].n, 253);
	assert_slice(t.seen->names[2], "\x1b[31m\xff\n");
	assert_int_equal(t.seen->names[3].n, 0);
	assert_int_equal(t.seen->common_name.n, 127);
	end(&t);
}

/* Above what is kept, names still count and match. */
static void
test_many_names(void **state)
{
	static char texts[1000][64];
	struct smx_slice names[1000];
	struct try t = {
		.leaf = { .issuer = &root, .names = names, .name_count = 1000 }
	};

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(texts[i], sizeof(texts[i]), "h%zu.example.org", i);
		names[i] = smx_slice_text(texts[i]);
	}
	names[999] = SMX_SLICE(HOST);
	run(&t);
	assert_int_equal(t.seen->faults, 0);
	assert_int_equal(t.seen->name_count, 1000);
	assert_int_equal(smx_certificate_names_kept(t.seen), 32);
	assert_slice(t.seen->names[31], "h31.example.org");
	end(&t);
	/* As long as they may be: none writes over another. */
	for (size_t i = 0; i < 1000; i++) {
		memset(texts[i], 'a' + (int)(i % 26), sizeof(texts[i]));
		names[i] = smx_slice(texts[0], sizeof(texts[0]) * 5);
	}
	t.leaf.name_count = 200;
	run(&t);
	verify(&t);
	assert_int_equal(t.seen->faults, SMX_CERTIFICATE_NAME);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(t.seen->names[i].n, 253);
	end(&t);
}

static void
test_new(void **state)
{
	char name[254];
	struct smx_tls_certificate *c;

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_null(smx_tls_certificate_new(smx_slice(name, 254)));
	assert_null(smx_tls_certificate_new(smx_slice(name, 0)));
	assert_null(smx_tls_certificate_new(SMX_SLICE(".example.com")));
	assert_null(smx_tls_certificate_new(SMX_SLICE("mx\0.example.com")));
	c = smx_tls_certificate_new(smx_slice(name, 253));
	assert_non_null(c);
	smx_tls_certificate_free(&c);
	smx_tls_certificate_free(&c);
}

/* Handshakes, through memory. */

static void
on_info(const SSL *ssl, int where, int value)
{
	smx_tls_certificate_note_info(SSL_get_app_data(ssl), ssl, where, value);
}

static SSL *
make_client(struct smx_tls_certificate *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set1_cert_store(ctx, trusted);
	SSL_CTX_set_cert_verify_callback(ctx, smx_tls_certificate_verify, NULL);
	SSL_CTX_set_info_callback(ctx, on_info);
	ssl = SSL_new(ctx);
	SSL_set_app_data(ssl, c);
	SSL_set_tlsext_host_name(ssl, HOST);
	SSL_set_connect_state(ssl);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(ssl), -1);
	SSL_CTX_free(ctx);
	return ssl;
}

static void
carry(SSL *from, SSL *to)
{
	char bytes[4096];
	int n;

	while ((n = BIO_read(SSL_get_wbio(from), bytes, sizeof(bytes))) > 0)
		assert_int_equal(BIO_write(SSL_get_rbio(to), bytes, n), n);
}

/* @return what the client's side came to. */
static bool
shake_hands(struct smx_tls_certificate *c, SSL_CTX *server_ctx)
{
	SSL *client = make_client(c), *server = SSL_new(server_ctx);
	bool done = false;

	SSL_set_accept_state(server);
	SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	for (int i = 0; i < 10; i++) {
		done = SSL_do_handshake(client) == 1;
		carry(client, server);
		SSL_do_handshake(server);
		carry(server, client);
	}
	ERR_clear_error();
	SSL_free(client);
	SSL_free(server);
	return done;
}

static int
refuse_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return *(int *)arg;
}

static void
expect_failure(const struct smx_tls_certificate *c, enum smx_tls_failure why,
    const char *detail)
{
	struct smx_buf out;

	smx_buf_init(&out, 1000);
	assert_int_equal(smx_tls_certificate_failure(c, &out), why);
	assert_string_equal(smx_buf_text(&out), detail);
	smx_buf_done(&out);
}

static void
test_handshake(void **state)
{
	const struct certificate_want want = {
		.issuer = &middle, .names = host_name, .name_count = 1
	};
	struct smx_tls_certificate *c =
	    smx_tls_certificate_new(SMX_SLICE(HOST));
	const struct smx_certificate *seen;
	struct certificate leaf;
	SSL_CTX *server;
	int how = SSL_TLSEXT_ERR_ALERT_FATAL;

	(void)state;
	certificate_make(&want, &leaf);
	server = certificate_server(&leaf, &middle);
	assert_true(shake_hands(c, server));
	seen = smx_tls_certificate_get(c);
	assert_int_equal(seen->faults, 0);
	assert_int_equal(seen->sent_count, 2);

	SSL_CTX_set_tlsext_servername_callback(server, refuse_name);
	SSL_CTX_set_tlsext_servername_arg(server, &how);
	assert_false(shake_hands(c, server));
	expect_failure(c, SMX_TLS_FAILURE_ALERT, "alert: unrecognized name");
	/* With a warning only, a server goes on. */
	how = SSL_TLSEXT_ERR_ALERT_WARNING;
	SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION);
	assert_true(shake_hands(c, server));
	SSL_CTX_set_tlsext_servername_callback(server, NULL);

	SSL_CTX_set_max_proto_version(server, TLS1_1_VERSION);
	assert_false(shake_hands(c, server));
	expect_failure(c, SMX_TLS_FAILURE_VERSION, "alert: protocol version");
	SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(server, "ADH-AES128-SHA"), 1);
	assert_false(shake_hands(c, server));
	expect_failure(c, SMX_TLS_FAILURE_ALERT, "alert: handshake failure");
	SSL_CTX_free(server);

	/* Only the leaf: whoever has to refuse it does. */
	server = certificate_server(&leaf, NULL);
	assert_false(shake_hands(c, server));
	assert_int_equal(seen->faults, SMX_CERTIFICATE_ISSUER);
	expect_failure(c, SMX_TLS_FAILURE_OTHER, "");
	smx_tls_certificate_set_lenient(c);
	assert_true(shake_hands(c, server));
	assert_int_equal(seen->faults, SMX_CERTIFICATE_ISSUER);
	SSL_CTX_free(server);
	certificate_free(&leaf);
	smx_tls_certificate_free(&c);
}

/* What a server answers that was not made by OpenSSL. */
static void
expect_answer(struct smx_slice answer, enum smx_tls_failure why,
    const char *detail)
{
	struct smx_tls_certificate *c =
	    smx_tls_certificate_new(SMX_SLICE(HOST));
	SSL *client = make_client(c);

	assert_int_equal(SSL_do_handshake(client), -1);
	BIO_write(SSL_get_rbio(client), answer.p, (int)answer.n);
	assert_int_equal(SSL_do_handshake(client), -1);
	expect_failure(c, why, detail);
	ERR_clear_error();
	SSL_free(client);
	smx_tls_certificate_free(&c);
}

/* A hello that chooses TLS 1.0 or 1.1, RFC 4346, 7.4.1.3. */
#define HELLO(minor)                                          \
	"\x16\x03" minor "\x00\x2a\x02\x00\x00\x26\x03" minor \
	"0123456789abcdef0123456789abcdef\x00\xc0\x13\x00"

static void
test_answers(void **state)
{
	(void)state;
	expect_answer(SMX_SLICE(HELLO("\x01")), SMX_TLS_FAILURE_VERSION,
	    "the server chose an older version");
	expect_answer(SMX_SLICE(HELLO("\x02")), SMX_TLS_FAILURE_VERSION,
	    "the server chose an older version");
	/* No TLS at all. */
	expect_answer(SMX_SLICE("454 TLS not available\r\n"),
	    SMX_TLS_FAILURE_OTHER, "");
	expect_answer(SMX_SLICE("HTTP/1.1 400 Bad Request\r\n\r\n"),
	    SMX_TLS_FAILURE_OTHER, "");
	expect_answer(SMX_SLICE("\x15\x03\x03\x00\x02\x01\x5a"
				"454 sorry\r\n"),
	    SMX_TLS_FAILURE_OTHER, "alert: user canceled");
	expect_answer(SMX_SLICE("\x15\x03\x03\x00\x02\x02\x50"),
	    SMX_TLS_FAILURE_ALERT, "alert: internal error");
	expect_answer(SMX_SLICE("\x15\x03\x03\x00\x02\x02\x31"),
	    SMX_TLS_FAILURE_ALERT, "alert: access denied");
	expect_answer(SMX_SLICE("\x15\x03\x03\x00\x02\x02\x2f"),
	    SMX_TLS_FAILURE_OTHER, "alert: illegal parameter");
	expect_answer(SMX_SLICE("\x15\x03\x03\x00\x02\x02\xfa"),
	    SMX_TLS_FAILURE_OTHER, "alert: unknown");
}

/* DANE. */

#define TLSA_MAX 40

/* Judge records; each is a triple, of @p of, or of nothing. */
struct record {
	const struct certificate *of;
	uint8_t usage, selector, matching;
	bool is_usable, matches;
};

static void
expect_tlsa(struct try *t, const struct record *records, size_t count)
{
	static unsigned char storage[TLSA_MAX][2048];
	struct smx_dns_tlsa tlsa[TLSA_MAX] = { 0 };
	uint32_t usable, matched;

	for (size_t i = 0; i < count; i++)
		tlsa[i] = certificate_tlsa(records[i].of, records[i].usage,
		    records[i].selector, records[i].matching, storage[i]);
	smx_tls_certificate_match_tlsa(t->c, tlsa, count, &usable, &matched);
	for (size_t i = 0; i < count; i++) {
		if ((usable >> i & 1) != records[i].is_usable ||
		    (matched >> i & 1) != records[i].matches)
			fail_msg("record %zu: usable %u, matches %u", i,
			    usable >> i & 1, matched >> i & 1);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

static void
test_tlsa(void **state)
{
	struct certificate next;
	struct try t = { .leaf = { .issuer = &middle }, .sent = { &middle } };

	(void)state;
	certificate_make(&(struct certificate_want){ 0 }, &next);
	run(&t);
	{
		const struct record records[] = {
			{ &t.made, 3, 1, 1, true, true },
			{ &next, 3, 1, 1, true, false },
			{ &t.made, 3, 1, 2, true, true },
			{ &t.made, 3, 1, 0, true, true },
			{ &t.made, 3, 0, 0, true, true },
			{ &t.made, 3, 0, 1, true, true },
			{ &t.made, 3, 0, 2, true, true },
			{ &next, 3, 0, 0, true, false },
			{ &middle, 3, 1, 1, true, false },
			{ &middle, 2, 1, 1, true, true },
			{ &middle, 2, 0, 2, true, true },
			{ &middle, 2, 0, 0, true, true },
			{ &middle, 2, 1, 0, true, true },
			/* It was not sent: RFC 7672, 3.1.2. */
			{ &root, 2, 1, 1, true, false },
			/* An anchor issues the server's certificate. */
			{ &t.made, 2, 0, 1, true, false },
			{ &t.made, 0, 1, 1, false, false },
			{ &t.made, 1, 1, 1, false, false },
			{ &middle, 0, 1, 1, false, false },
			{ &t.made, 4, 1, 1, false, false },
			{ &t.made, 255, 1, 1, false, false },
			{ &t.made, 3, 2, 1, false, false },
			{ &t.made, 3, 1, 3, false, false },
			{ &t.made, 3, 1, 255, false, false },
		};

		expect_tlsa(&t, records, COUNT_OF(records));
		/* The pair of a rollover, in either order. */
		expect_tlsa(&t, records, 2);
		expect_tlsa(&t, records + 1, 2);
	}
	end(&t);
	certificate_free(&next);
}

static void
test_tlsa_faults(void **state)
{
	const struct smx_slice other[] = { SMX_SLICE("other.example.com") };
	static const struct smx_slice none[1];
	struct try t = { .leaf = { .issuer = &middle,
			     .names = other,
			     .name_count = 1,
			     .from = -9 * A_DAY,
			     .to = -A_DAY },
		.sent = { &middle } };
	struct record records[] = {
		{ &t.made, 3, 1, 1, true, true },
		{ &middle, 2, 1, 1, true, false },
	};

	(void)state;
	run(&t);
	expect_tlsa(&t, records, 2);
	end(&t);
	/* One of the two is enough for an anchor to refuse. */
	t.leaf.from = t.leaf.to = 0;
	run(&t);
	expect_tlsa(&t, records, 2);
	end(&t);
	t.leaf.names = host_name;
	t.leaf.from = -9 * A_DAY;
	t.leaf.to = -A_DAY;
	run(&t);
	expect_tlsa(&t, records, 2);
	end(&t);
	/* An authority that nobody knows is one for DANE; and RFC 7672, 3.2.3
	 * lets a CN do. */
	t = (struct try){ .leaf = { .issuer = &unknown,
			      .common_name = HOST,
			      .names = none },
		.sent = { &unknown } };
	records[1] = (struct record){ &unknown, 2, 0, 1, true, true };
	run(&t);
	expect_tlsa(&t, records, 2);
	end(&t);
}

static void
test_tlsa_data(void **state)
{
	unsigned char storage[2048];
	struct smx_dns_tlsa many[33], bad[5];
	uint32_t usable = 1, matched = 1;
	struct try t = { .leaf = { .issuer = &root } };
	struct smx_tls_certificate *c =
	    smx_tls_certificate_new(SMX_SLICE(HOST));

	(void)state;
	run(&t);
	for (size_t i = 0; i < COUNT_OF(many); i++)
		many[i] = certificate_tlsa(&t.made, 3, 1, 1, storage);
	smx_tls_certificate_match_tlsa(t.c, many, 33, &usable, &matched);
	assert_int_equal(usable, UINT32_MAX);
	assert_int_equal(matched, UINT32_MAX);
	smx_tls_certificate_match_tlsa(t.c, NULL, 0, &usable, &matched);
	assert_int_equal(usable, 0);
	assert_int_equal(matched, 0);
	/* Before any certificate. */
	smx_tls_certificate_match_tlsa(c, many, 1, &usable, &matched);
	assert_int_equal(usable, 1);
	assert_int_equal(matched, 0);

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		bad[i] = many[0];
	bad[0].data.n = 31;
	bad[1].data.n = 33;
	bad[2].data = smx_slice(NULL, 0);
	bad[3].matching = 0; /* no key */
	bad[4].matching = 2; /* 64 octets */
	smx_tls_certificate_match_tlsa(t.c, bad, COUNT_OF(bad), &usable,
	    &matched);
	assert_int_equal(usable, 0);
	assert_int_equal(matched, 0);
	assert_int_equal(ERR_peek_error(), 0);
	smx_tls_certificate_free(&c);
	end(&t);
}

static int
set_up(void **state)
{
	struct certificate_want want = { .common_name = "Trusted Root",
		.organization = "Trusted & Sons",
		.is_authority = true };

	(void)state;
	certificate_make(&want, &root);
	want.issuer = &root;
	want.common_name = "Trusted Intermediate";
	certificate_make(&want, &middle);
	want.issuer = NULL;
	want.common_name = "Unknown Root";
	certificate_make(&want, &unknown);
	want.issuer = &unknown;
	want.common_name = "Unknown Intermediate";
	certificate_make(&want, &unknown_middle);
	trusted = X509_STORE_new();
	return X509_STORE_add_cert(trusted, root.x) == 1 ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	X509_STORE_free(trusted);
	certificate_free(&unknown_middle);
	certificate_free(&unknown);
	certificate_free(&middle);
	certificate_free(&root);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_each_fault),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_old_intermediate),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_strange_texts),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_tlsa),
		cmocka_unit_test(test_tlsa_faults),
		cmocka_unit_test(test_tlsa_data),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
