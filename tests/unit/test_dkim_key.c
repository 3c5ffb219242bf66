#include "unit.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include "failing_alloc.h"
#include "io/dkim_key.h"

/* RFC 8463, A.1, as a PEM file has it. */
#define RFC8463_KEY                                                          \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
	"-----END PRIVATE KEY-----\n"

static char folder[] = "/tmp/test_dkim_key.XXXXXX";
static char path[sizeof(folder) + 8];
static EVP_PKEY *rsa; /* 2048 bits: making one takes a while */

/* Write a file for the next load. */
static void
put(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
put_text(const char *text)
{
	put(text, strlen(text));
}

static void
put_key(EVP_PKEY *pkey, const char *password)
{
	FILE *f = fopen(path, "w");
	const EVP_CIPHER *cipher = password != NULL ? EVP_aes_128_cbc() : NULL;

	assert_non_null(f);
	assert_non_null(pkey);
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, pkey, cipher, password,
			     password != NULL ? (int)strlen(password) : 0, NULL,
			     NULL),
	    1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static struct smx_dkim_key *
load(void)
{
	struct smx_dkim_key *key = NULL;
	struct smx_buf reason;

	smx_buf_init(&reason, 1024);
	if (smx_dkim_key_load(path, &key, &reason) != 0)
		fail_msg("%s", smx_buf_text(&reason));
	assert_int_equal(reason.n, 0);
	smx_buf_done(&reason);
	return key;
}

/* The file is refused, for a reason with these words in it, and OpenSSL keeps
 * no error for somebody else. */
static void
expect_refused(int status, const char *words)
{
	struct smx_dkim_key *key = NULL;
	struct smx_buf reason;

	smx_buf_init(&reason, 1024);
	assert_int_equal(smx_dkim_key_load(path, &key, &reason), status);
	assert_null(key);
	if (strstr(smx_buf_text(&reason), words) == NULL ||
	    strstr(smx_buf_text(&reason), path) == NULL)
		fail_msg("\"%s\" does not say %s", smx_buf_text(&reason),
		    words);
	assert_int_equal(ERR_peek_error(), 0);
	smx_buf_done(&reason);
}

static void
test_record_of_rfc8463(void **state)
{
	struct smx_dkim_key *key;
	struct smx_buf out;
	char small[16];

	(void)state;
	put_text(RFC8463_KEY);
	key = load();
	assert_string_equal(smx_dkim_key_algorithm(key), "ed25519-sha256");
	smx_buf_init(&out, 1024);
	assert_int_equal(smx_dkim_key_print_record(key, &out), 0);
	assert_slice(smx_buf_slice(&out),
	    "v=DKIM1; k=ed25519; "
	    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
	smx_buf_done(&out);
	smx_buf_init_fixed(&out, small, sizeof(small));
	assert_int_equal(smx_dkim_key_print_record(key, &out), -SMX_ELIMIT);
	smx_dkim_key_free(&key);
	assert_null(key);
	smx_dkim_key_free(&key);
}

/* What is published is what `openssl pkey -pubout` would print. */
static void
check_rsa(void)
{
	struct smx_dkim_key *key = load();
	const char *start = "v=DKIM1; k=rsa; p=";
	unsigned char raw[2048], hash[SMX_DKIM_KEY_HASH_BYTES] = { 1 };
	unsigned char signature[SMX_DKIM_KEY_SIGNATURE_MAX];
	const unsigned char *at = raw;
	EVP_PKEY *published;
	struct smx_buf out;
	size_t n = 0;
	int bytes;

	assert_string_equal(smx_dkim_key_algorithm(key), "rsa-sha256");
	smx_buf_init(&out, 2048);
	assert_int_equal(smx_dkim_key_print_record(key, &out), 0);
	assert_memory_equal(out.p, start, strlen(start));
	bytes = EVP_DecodeBlock(raw, (unsigned char *)out.p + strlen(start),
	    (int)(out.n - strlen(start)));
	assert_true(bytes > 0);
	published = d2i_PUBKEY(NULL, &at, bytes);
	assert_non_null(published);
	assert_int_equal(EVP_PKEY_eq(published, rsa), 1);
	assert_int_equal(smx_dkim_key_sign(key, hash, signature, &n), 0);
	assert_int_equal(n, EVP_PKEY_get_size(rsa));
	EVP_PKEY_free(published);
	smx_buf_done(&out);
	smx_dkim_key_free(&key);
}

static void
test_rsa(void **state)
{
	BIO *bio;

	(void)state;
	put_key(rsa, NULL);
	check_rsa();
	/* As older programs write it. */
	bio = BIO_new_file(path, "w");
	assert_non_null(bio);
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, rsa, NULL,
			     NULL, 0, NULL, NULL),
	    1);
	assert_int_equal(BIO_free(bio), 1);
	check_rsa();
}

static void
test_length_of_rsa(void **state)
{
	EVP_PKEY *pkey = EVP_RSA_gen(1024);

	(void)state;
	put_key(pkey, NULL);
	expect_refused(-SMX_EINVAL, "the RSA key has 1024 bits");
	EVP_PKEY_free(pkey);
	pkey = EVP_RSA_gen(2040);
	put_key(pkey, NULL);
	expect_refused(-SMX_EINVAL, "the RSA key has 2040 bits");
	EVP_PKEY_free(pkey);
}

static void
test_other_types(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	EVP_PKEY_CTX *ctx;

	(void)state;
	put_key(pkey, NULL);
	expect_refused(-SMX_EINVAL, "the key's type is EC;");
	EVP_PKEY_free(pkey);
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	put_key(pkey, NULL);
	expect_refused(-SMX_EINVAL, "the key's type is ED448;");
	EVP_PKEY_free(pkey);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	pkey = NULL;
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
	EVP_PKEY_CTX_free(ctx);
	put_key(pkey, NULL);
	expect_refused(-SMX_EINVAL, "the key's type is RSA-PSS;");
	EVP_PKEY_free(pkey);
}

static void
test_no_key(void **state)
{
	const char *no_key = "there is no private key";
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	FILE *f;

	(void)state;
	put_text("");
	expect_refused(-SMX_EINVAL, no_key);
	put_text("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n");
	expect_refused(-SMX_EINVAL, no_key);
	put_text("-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n"
		 "-----END PRIVATE KEY-----\n");
	expect_refused(-SMX_EINVAL, no_key);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PUBKEY(f, pkey), 1);
	assert_int_equal(fclose(f), 0);
	expect_refused(-SMX_EINVAL, no_key);
	put_key(pkey, "secret");
	expect_refused(-SMX_EINVAL, "the key is encrypted");
	EVP_PKEY_free(pkey);
}

static void
test_damaged(void **state)
{
	unsigned char *der = NULL;
	int bytes = i2d_PrivateKey(rsa, &der);
	FILE *f;

	(void)state;
	assert_true(bytes > 500);
	/* In the private exponent, which follows 256 octets of modulus. */
	der[400] ^= 1;
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(PEM_write(f, "RSA PRIVATE KEY", "", der, bytes) > 0);
	assert_int_equal(fclose(f), 0);
	expect_refused(-SMX_EINVAL, "the key is damaged");
	OPENSSL_free(der);
}

static void
test_files(void **state)
{
	char text[16384];

	(void)state;
	unlink(path);
	expect_refused(-SMX_EIO, "No such file");
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refused(-SMX_EIO, "Is a directory");
	assert_int_equal(rmdir(path), 0);
	/* Nobody writes into it, and nobody waits for that. */
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(-SMX_EINVAL, "there is no private key");
	assert_int_equal(unlink(path), 0);
	memset(text, '\n', sizeof(text));
	memcpy(text, RFC8463_KEY, strlen(RFC8463_KEY));
	put(text, sizeof(text));
	expect_refused(-SMX_ELIMIT, "too long");
	put(text, sizeof(text) - 1);
	smx_dkim_key_free(&(struct smx_dkim_key *){ load() });
}

static void
test_exposed(void **state)
{
	static const struct {
		mode_t mode;
		bool is_exposed;
	} cases[] = { { 0400, false }, { 0640, false }, { 0660, false },
		{ 0644, true }, { 0602, true } };

	(void)state;
	put_text(RFC8463_KEY);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct smx_dkim_key *key;

		assert_int_equal(chmod(path, cases[i].mode), 0);
		key = load();
		assert_int_equal(smx_dkim_key_is_exposed(key),
		    cases[i].is_exposed);
		smx_dkim_key_free(&key);
	}
}

static void
test_no_memory(void **state)
{
	(void)state;
	put_text(RFC8463_KEY);
	for (unsigned after = 0;; after++) {
		struct smx_dkim_key *key = NULL;
		struct smx_buf reason;
		char storage[256];
		int rc;

		smx_buf_init_fixed(&reason, storage, sizeof(storage));
		failing_alloc_after(after);
		rc = smx_dkim_key_load(path, &key, &reason);
		failing_alloc_off();
		assert_int_equal(rc == 0, key != NULL);
		smx_dkim_key_free(&key);
		if (rc == 0)
			return;
		assert_int_equal(rc, -SMX_ENOMEM);
		assert_true(reason.n > 0);
	}
}

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	rsa = EVP_RSA_gen(2048);
	return rsa != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	unlink(path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_of_rfc8463),
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_length_of_rsa),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_exposed),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
