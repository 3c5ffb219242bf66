#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "failing_alloc.h"
#include "io/dkim.h"

#define NOW (1528637909 * SMX_SECOND)

/* One of each kind, and what only the tests have: the public part. */
static struct {
	EVP_PKEY *pkey;
	struct smx_dkim_key *key;
} rsa, ed25519;

static const struct smx_dkim_identity us = {
	.domain = SMX_SLICE("example.com"),
	.selector = SMX_SLICE("sel"),
};

/* What a verifier finds in a signature. */
struct seen {
	char text[8192]; /* unfolded */
	char h[4096];
	char bh[128];
	char b[1024];
};

static void
copy_tag(const char *text, const char *start, char *to, size_t bytes)
{
	const char *from = strstr(text, start);
	size_t n;

	assert_non_null(from);
	from += strlen(start);
	n = strcspn(from, ";");
	assert_true(n < bytes);
	memcpy(to, from, n);
	to[n] = '\0';
}

/* Lines of at most 78 octets, each but the first begins with a blank; without
 * the line ends. */
static void
unfold(struct smx_slice header, struct seen *seen)
{
	size_t n = 0, column = 0;

	assert_true(header.n < sizeof(seen->text));
	assert_memory_equal(header.p + header.n - 2, "\r\n", 2);
	for (size_t i = 0; i < header.n - 2; i++) {
		char c = header.p[i];

		if (c == '\r') {
			assert_memory_equal(header.p + i, "\r\n\t", 3);
			seen->text[n++] = ' ';
			i += 2;
			column = 1;
			continue;
		}
		assert_true(c >= ' ' && c <= '~');
		seen->text[n++] = c;
		column++;
		assert_in_range(column, 1, 78);
	}
	seen->text[n] = '\0';
}

static void
remove_blanks(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++)
		if (*from != ' ')
			*to++ = *from;
	*to = '\0';
}

static void
read_header(struct smx_slice header, struct seen *seen)
{
	unfold(header, seen);
	copy_tag(seen->text, "; h=", seen->h, sizeof(seen->h));
	copy_tag(seen->text, "; bh=", seen->bh, sizeof(seen->bh));
	copy_tag(seen->text, "; b=", seen->b, sizeof(seen->b));
	remove_blanks(seen->h);
	remove_blanks(seen->b);
	assert_null(strstr(seen->text, "; l="));
}

static void
assert_hash(const char *text, size_t n, const char *base64)
{
	unsigned char hash[SHA256_DIGEST_LENGTH], want[64];

	SHA256((const unsigned char *)text, n, hash);
	EVP_EncodeBlock(want, hash, sizeof(hash));
	assert_string_equal((const char *)want, base64);
}

/* Does the signature hold for this canonical text? */
static bool
holds(EVP_PKEY *pkey, const char *fields, const struct seen *seen)
{
	bool is_rsa = EVP_PKEY_get_id(pkey) == EVP_PKEY_RSA;
	static const char name[] = "DKIM-Signature: ";
	char text[16384];
	unsigned char hash[SHA256_DIGEST_LENGTH], raw[1024];
	const unsigned char *data = (const unsigned char *)text;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const char *b = strstr(seen->text, "; b=") + strlen("; b=");
	size_t n;
	int bytes, rc;

	n = (size_t)snprintf(text, sizeof(text), "%sdkim-signature:%.*s",
	    fields, (int)(b - seen->text - (ptrdiff_t)strlen(name)),
	    seen->text + strlen(name));
	bytes = EVP_DecodeBlock(raw, (const unsigned char *)seen->b,
	    (int)strlen(seen->b));
	assert_true(bytes > 0);
	for (const char *p = strchr(seen->b, '='); p != NULL && *p == '='; p++)
		bytes--;
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL,
			     is_rsa ? EVP_sha256() : NULL, NULL, pkey),
	    1);
	if (!is_rsa) {
		SHA256(data, n, hash);
		data = hash;
		n = sizeof(hash);
	}
	rc = EVP_DigestVerify(ctx, raw, (size_t)bytes, data, n);
	EVP_MD_CTX_free(ctx);
	return rc == 1;
}

static void
sign(const struct smx_dkim_key *key, struct smx_slice message,
    struct seen *seen)
{
	struct smx_buf out;

	smx_buf_init(&out, 16384);
	assert_int_equal(smx_dkim_sign(key, &us, message, NOW, &out), 0);
	read_header(smx_buf_slice(&out), seen);
	smx_buf_done(&out);
}

static void
test_text(void **state)
{
	struct smx_slice message = SMX_SLICE("Subject: x\r\nFrom: y\r\n\r\n");
	static const char start[] = "DKIM-Signature: v=1; "
				    "a=ed25519-sha256; c=relaxed/relaxed;"
				    " t=1528637909;\r\n\td=example.com; s=sel;"
				    " h=From:From:Subject;\r\n\tbh=";
	struct smx_buf out;
	struct seen seen;

	(void)state;
	smx_buf_init(&out, 4096);
	smx_buf_add_text(&out, "X: before\r\n");
	assert_int_equal(smx_dkim_sign(ed25519.key, &us, message, NOW, &out),
	    0);
	assert_memory_equal(out.p, "X: before\r\n", 11);
	assert_memory_equal(out.p + 11, start, strlen(start));
	smx_buf_done(&out);
	sign(rsa.key, message, &seen);
	assert_non_null(strstr(seen.text, "; a=rsa-sha256; "));
}

static const struct {
	const char *message, *h, *fields, *body;
} canonical[] = {
	/* RFC 6376, 3.4.5, with a From. */
	{ "From: \t X \r\nSubject \t:\tY\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n"
	  "\r\n\r\n",
	    "From:From:Subject", "from:X\r\nsubject:Y Z\r\n", " C\r\nD E\r\n" },
	/* No body, in each way. */
	{ "From: a\r\n", "From:From", "from:a\r\n", "" },
	{ "From: a", "From:From", "from:a\r\n", "" },
	{ "From: a\r\n\r\n", "From:From", "from:a\r\n", "" },
	{ "From: a\r\n\r\n\r\n \t\r\n\r\n", "From:From", "from:a\r\n", "" },
	{ "From: a\r\n\r\n \t", "From:From", "from:a\r\n", "" },
	/* The end of the body. */
	{ "From: a\r\n\r\nx", "From:From", "from:a\r\n", "x\r\n" },
	{ "From: a\r\n\r\nx  \t", "From:From", "from:a\r\n", "x\r\n" },
	{ "From: a\r\n\r\nx\r\n  \r\n\r\n\t", "From:From", "from:a\r\n",
	    "x\r\n" },
	/* Empty lines before the end are text. */
	{ "From: a\r\n\r\n\r\n\r\nx\r\n \t\r\ny \t z\t\r\n", "From:From",
	    "from:a\r\n", "\r\n\r\nx\r\n\r\ny z\r\n" },
	/* Dots are not doubled. */
	{ "From: a\r\n\r\n.\r\n..\r\n.x\r\n", "From:From", "from:a\r\n",
	    ".\r\n..\r\n.x\r\n" },
	/* A body like a header, a value without anything. */
	{ "From:\r\nTo: \r\n\r\nFrom: b\r\n", "From:From:To",
	    "from:\r\nto:\r\n", "From: b\r\n" },
	/* A fold first, a fold with nothing behind it, colons. */
	{ "from:\r\n a:b\r\n \r\n\r\n", "From:From", "from:a:b\r\n", "" },
	/* All that are signed, in our order; others are not. */
	{ "Received: 1\r\nAuto-Submitted: a\r\nTLS-Required: No\r\n"
	  "TLS-Report-Submitter: s\r\nTLS-Report-Domain: d\r\n"
	  "Content-Type: c;\r\n\tx=\"a  b\"\r\nMIME-Version: 1.0\r\n"
	  "MESSAGE-ID: <m>\r\ndate: D\r\nSubject: s\r\nTo: t\r\nFrom: f\r\n"
	  "Froms: g\r\nFro: h\r\nX-From: i\r\n\r\n",
	    "From:From:To:Subject:Date:Message-ID:MIME-Version:Content-Type:"
	    "TLS-Report-Domain:TLS-Report-Submitter:TLS-Required:"
	    "Auto-Submitted",
	    "from:f\r\nto:t\r\nsubject:s\r\ndate:D\r\nmessage-id:<m>\r\n"
	    "mime-version:1.0\r\ncontent-type:c; x=\"a b\"\r\n"
	    "tls-report-domain:d\r\ntls-report-submitter:s\r\n"
	    "tls-required:No\r\nauto-submitted:a\r\n",
	    "" },
	/* Of several the last one is first (RFC 6376, 5.4.2). */
	{ "To: 1\r\nTo: 2\r\nFrom: a\r\nTo: 3\r\nFrom: b\r\n\r\n",
	    "From:From:From:To:To:To",
	    "from:b\r\nfrom:a\r\nto:3\r\nto:2\r\nto:1\r\n", "" },
	/* Octets that are no ASCII stay. */
	{ "From: \xc3\xa4\r\n\r\n\xff\r\n", "From:From", "from:\xc3\xa4\r\n",
	    "\xff\r\n" },
};

static void
test_canonical(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(canonical); i++) {
		struct smx_slice m = smx_slice_text(canonical[i].message);
		struct seen seen;

		sign(ed25519.key, m, &seen);
		assert_string_equal(seen.h, canonical[i].h);
		assert_hash(canonical[i].body, strlen(canonical[i].body),
		    seen.bh);
		if (!holds(ed25519.pkey, canonical[i].fields, &seen))
			fail_msg("case %zu: Ed25519", i);
		assert_false(holds(ed25519.pkey, "from:c\r\n", &seen));
		sign(rsa.key, m, &seen);
		if (!holds(rsa.pkey, canonical[i].fields, &seen))
			fail_msg("case %zu: RSA", i);
		assert_false(holds(rsa.pkey, "from:c\r\n", &seen));
	}
}

static void
test_body_of_rfc8463(void **state)
{
	struct seen seen;

	(void)state;
	sign(ed25519.key,
	    SMX_SLICE("From: Joe SixPack <joe@football.example.com>\r\n\r\n"
		      "Hi.\r\n\r\n"
		      "We lost the game.  Are you hungry yet?\r\n\r\n"
		      "Joe.\r\n"),
	    &seen);
	assert_string_equal(seen.bh,
	    "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

static void
test_nul(void **state)
{
	struct seen seen;

	(void)state;
	sign(ed25519.key, SMX_SLICE("From: a\r\n\r\nx\0y\r\n"), &seen);
	assert_hash("x\0y\r\n", 5, seen.bh);
}

static void
expect(int status, struct smx_slice message)
{
	struct smx_buf out;

	smx_buf_init(&out, 16384);
	smx_buf_add_text(&out, "before");
	assert_int_equal(smx_dkim_sign(ed25519.key, &us, message, NOW, &out),
	    status);
	assert_slice(smx_buf_slice(&out), "before");
	smx_buf_done(&out);
}

static void
test_wrong_messages(void **state)
{
	static const char *const wrong[] = { "", "\r\n", "\r\nFrom: a\r\n",
		"To: a\r\n\r\n",
		/* No field. */
		" From: a\r\n\r\n", "From: a\r\nTo\r\n\r\n",
		"From: a\r\n: b\r\n\r\n", "From: a\r\nTo x: b\r\n\r\n",
		"From: a\r\nT\xc3\xb6: b\r\n\r\n",
		/* Lines that end otherwise. */
		"From: a\n\nb\n", "From: a\r\n\nb\r\n", "From: a\r\nTo: b\n",
		"From: a\r\n\r\nb\nc\r\n", "From: a\r\n\r\nb\rc\r\n",
		"From: a\r\n\r\nb\r\r\n", "From: a\r\n\r\nb\r\n\n",
		"From: a\r\n\r\nb\r", "From: a\rTo: b\r\n\r\n", "From: a\r" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		expect(-SMX_EPARSE, smx_slice_text(wrong[i]));
}

static void
test_many_fields(void **state)
{
	struct smx_buf message;
	struct seen seen;
	size_t n;

	(void)state;
	smx_buf_init(&message, 65536);
	for (unsigned i = 0; i < 63; i++)
		smx_buf_add_text(&message, "TLS-Report-Submitter: a\r\n");
	n = message.n;
	smx_buf_add_text(&message, "From: a\r\n\r\n");
	sign(rsa.key, smx_buf_slice(&message), &seen);
	assert_int_equal(strlen(seen.h), strlen("From:From") + 63 * 21);
	message.n = n;
	smx_buf_add_text(&message, "X: a\r\nFrom: a\r\n\r\n");
	expect(-SMX_ELIMIT, smx_buf_slice(&message));
	smx_buf_done(&message);
}

/* Names as long as they can be, and the last second that can be told. */
static void
test_long_names(void **state)
{
	char label[64], domain[256], selector[256];
	struct smx_dkim_identity id;
	struct smx_buf out;
	int n;

	(void)state;
	memset(label, 'a', 63);
	label[63] = '\0';
	n = snprintf(domain, sizeof(domain), "%s.%s.%.39s.example", label,
	    label, label);
	id.domain = smx_slice(domain, (size_t)n);
	n = snprintf(selector, sizeof(selector), "%.*s", 253 - 12 - n, label);
	id.selector = smx_slice(selector, (size_t)n);
	assert_true(smx_dkim_identity_is_valid(&id));
	smx_buf_init(&out, 16384);
	assert_int_equal(smx_dkim_sign(rsa.key, &id,
			     SMX_SLICE("From: a\r\n\r\n"), INT64_MAX, &out),
	    0);
	smx_buf_add_char(&out, '\0');
	assert_non_null(strstr(out.p, " t=9223372036854775;"));
	assert_non_null(strstr(out.p, domain));
	assert_non_null(strstr(out.p, selector));
	smx_buf_done(&out);
	selector[n] = 'a';
	id.selector.n++;
	assert_false(smx_dkim_identity_is_valid(&id));
}

static void
test_identities(void **state)
{
	static const struct {
		const char *domain, *selector;
		bool is_valid;
	} cases[] = {
		{ "example.com", "20161025", true },
		{ "example.com", "a.b-c.2", true },
		{ "xn--bcher-kva.example", "S1", true },
		{ "example.com", "", false },
		{ "example.com", ".", false },
		{ "example.com", "a.", false },
		{ "example.com", "a..b", false },
		{ "example.com", "a_b", false },
		{ "example.com", "a; l=0", false },
		{ "example.com", "a\r\nX: y", false },
		{ "", "a", false },
		{ "example.com.", "a", false },
		{ ".example.com", "a", false },
		{ "192.0.2.1", "a", false },
		{ "b\xc3\xbc"
		  "cher.example",
		    "a", false },
		{ "example.com;", "a", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct smx_dkim_identity id = {
			.domain = smx_slice_text(cases[i].domain),
			.selector = smx_slice_text(cases[i].selector),
		};
		struct smx_buf out;

		if (smx_dkim_identity_is_valid(&id) != cases[i].is_valid)
			fail_msg("%s %s", cases[i].selector, cases[i].domain);
		smx_buf_init(&out, 4096);
		assert_int_equal(smx_dkim_sign(ed25519.key, &id,
				     SMX_SLICE("From: a\r\n\r\n"), NOW, &out),
		    cases[i].is_valid ? 0 : -SMX_EINVAL);
		smx_buf_done(&out);
	}
}

static void
test_time(void **state)
{
	struct smx_slice message = SMX_SLICE("From: a\r\n\r\n");
	struct smx_buf out;

	(void)state;
	smx_buf_init(&out, 4096);
	assert_int_equal(smx_dkim_sign(ed25519.key, &us, message, -1, &out),
	    -SMX_EINVAL);
	assert_int_equal(out.n, 0);
	assert_int_equal(smx_dkim_sign(ed25519.key, &us, message, 1999, &out),
	    0);
	smx_buf_add_char(&out, '\0');
	assert_non_null(strstr(out.p, "t=1;"));
	smx_buf_done(&out);
}

static void
test_no_room(void **state)
{
	struct smx_slice message = SMX_SLICE("From: a\r\n\r\n");
	struct smx_buf out;
	char storage[100];

	(void)state;
	smx_buf_init_fixed(&out, storage, sizeof(storage));
	assert_int_equal(smx_dkim_sign(ed25519.key, &us, message, NOW, &out),
	    -SMX_ELIMIT);
	assert_int_equal(out.n, 0);
	smx_buf_init(&out, 4096);
	failing_alloc_after(0);
	assert_int_equal(smx_dkim_sign(ed25519.key, &us, message, NOW, &out),
	    -SMX_ENOMEM);
	failing_alloc_off();
	assert_int_equal(out.n, 0);
	smx_buf_done(&out);
}

static struct smx_dkim_key *
load(EVP_PKEY *pkey)
{
	char path[] = "/tmp/test_dkim.XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	struct smx_dkim_key *key = NULL;
	struct smx_buf reason;

	smx_buf_init(&reason, 1024);
	if (f == NULL ||
	    PEM_write_PKCS8PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL) !=
		1 ||
	    fclose(f) != 0 || smx_dkim_key_load(path, &key, &reason) != 0)
		fprintf(stderr, "%s: %s\n", path, smx_buf_text(&reason));
	smx_buf_done(&reason);
	unlink(path);
	return key;
}

static int
set_up(void **state)
{
	(void)state;
	rsa.pkey = EVP_RSA_gen(2048);
	ed25519.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	rsa.key = load(rsa.pkey);
	ed25519.key = load(ed25519.pkey);
	return rsa.key != NULL && ed25519.key != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	smx_dkim_key_free(&rsa.key);
	smx_dkim_key_free(&ed25519.key);
	EVP_PKEY_free(rsa.pkey);
	EVP_PKEY_free(ed25519.pkey);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_body_of_rfc8463),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_wrong_messages),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
