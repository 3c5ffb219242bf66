#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/dkim_key.h"

#define KEY_FILE_MAX 16384
#define REASON_BYTES 256
/* RFC 8301, 3.2. */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX (SMX_DKIM_KEY_SIGNATURE_MAX * 8)
/* RFC 8032, 5.1.5. */
#define ED25519_PUBLIC_BYTES 32
/* A key as X.509 writes it has a few octets around its number. */
#define PUBLIC_KEY_BYTES  (SMX_DKIM_KEY_SIGNATURE_MAX + 64)
#define BASE64_BYTES(raw) (((raw) + 2) / 3 * 4 + 1)

struct smx_dkim_key {
	EVP_PKEY *pkey;
	bool is_rsa; /* else it is Ed25519 */
	bool is_exposed;
};

/* OpenSSL would ask on the terminal. */
static int
refuse_password(char *to, int bytes, int is_writing, void *arg)
{
	bool *was_asked = arg;

	(void)to;
	(void)bytes;
	(void)is_writing;
	*was_asked = true;
	return -1;
}

/* O_NONBLOCK: a FIFO without a writer must not stop the start. */
static int
read_file(const char *path, char text[KEY_FILE_MAX], size_t *ret_n,
    struct stat *ret_st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = 0;
	size_t n = 0;
	int error;

	if (fd < 0)
		return -1;
	do {
		got = read(fd, text + n, KEY_FILE_MAX - n);
		if (got > 0)
			n += (size_t)got;
	} while (n < KEY_FILE_MAX && (got > 0 || (got < 0 && errno == EINTR)));
	if (got >= 0 && fstat(fd, ret_st) != 0)
		got = -1;
	error = errno;
	close(fd);
	errno = error;
	*ret_n = n;
	return got < 0 ? -1 : 0;
}

static EVP_PKEY *
parse_key(const char *text, size_t n, struct smx_buf *reason)
{
	BIO *bio = BIO_new_mem_buf(text, (int)n);
	bool was_asked = false;
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, refuse_password,
		    &was_asked);
	BIO_free(bio);
	if (pkey == NULL)
		smx_buf_add_text(reason,
		    was_asked ? "the key is encrypted, there is nobody to ask"
			      : "there is no private key in PEM form in it");
	return pkey;
}

/* Is it one that can be used, and does it work? A damaged key would sign, and
 * nobody could verify it. */
static int
judge_key(struct smx_dkim_key *key, struct smx_buf *reason)
{
	int type = EVP_PKEY_get_id(key->pkey);
	int bits = EVP_PKEY_get_bits(key->pkey);
	const char *name = EVP_PKEY_get0_type_name(key->pkey);
	EVP_PKEY_CTX *ctx;
	int rc;

	key->is_rsa = type == EVP_PKEY_RSA;
	if (type != EVP_PKEY_RSA && type != EVP_PKEY_ED25519) {
		smx_buf_printf(reason,
		    "the key's type is %s; DKIM has RSA and Ed25519 "
		    "(RFC 6376, 3.3.1; RFC 8463, 3)",
		    name != NULL ? name : "unknown");
		return -SMX_EINVAL;
	}
	if (key->is_rsa && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)) {
		smx_buf_printf(reason,
		    "the RSA key has %d bits; it has to have %d to %d "
		    "(RFC 8301, 3.2)",
		    bits, RSA_BITS_MIN, RSA_BITS_MAX);
		return -SMX_EINVAL;
	}
	ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	if (ctx == NULL)
		return -SMX_ENOMEM;
	rc = EVP_PKEY_pairwise_check(ctx);
	EVP_PKEY_CTX_free(ctx);
	if (rc == 1)
		return 0;
	smx_buf_add_text(reason,
	    "the key is damaged: its private and its public part differ");
	return -SMX_EINVAL;
}

/* @p text is where a private key passes by: the caller wipes it. */
static int
load_into(struct smx_dkim_key *key, const char *path, char text[KEY_FILE_MAX],
    struct smx_buf *reason)
{
	struct stat st;
	size_t n;

	if (read_file(path, text, &n, &st) != 0) {
		smx_buf_printf(reason, "%m");
		return -SMX_EIO;
	}
	if (n == KEY_FILE_MAX) {
		smx_buf_add_text(reason, "the file is too long for a key");
		return -SMX_ELIMIT;
	}
	key->is_exposed = (st.st_mode & (S_IROTH | S_IWOTH)) != 0;
	key->pkey = parse_key(text, n, reason);
	if (key->pkey == NULL)
		return -SMX_EINVAL;
	return judge_key(key, reason);
}

int
smx_dkim_key_load(const char *path, struct smx_dkim_key **ret_key,
    struct smx_buf *reason)
{
	struct smx_dkim_key *key = calloc(1, sizeof(*key));
	char text[KEY_FILE_MAX], storage[REASON_BYTES];
	struct smx_buf why;
	int rc = -SMX_ENOMEM;

	smx_buf_init_fixed(&why, storage, sizeof(storage));
	if (key != NULL)
		rc = load_into(key, path, text, &why);
	OPENSSL_cleanse(text, sizeof(text));
	/* What is left there would be taken for an error of the next TLS
	 * session (SSL_get_error(3)). */
	ERR_clear_error();
	if (rc == 0) {
		*ret_key = key;
		return 0;
	}
	if (why.n == 0)
		smx_buf_add_text(&why, smx_status_text(rc));
	smx_buf_printf(reason, "DKIM key %s: %s", path, smx_buf_text(&why));
	smx_dkim_key_free(&key);
	return rc;
}

void
smx_dkim_key_free(struct smx_dkim_key **key)
{
	if (*key == NULL)
		return;
	EVP_PKEY_free((*key)->pkey);
	free(*key);
	*key = NULL;
}

bool
smx_dkim_key_is_exposed(const struct smx_dkim_key *key)
{
	return key->is_exposed;
}

int
smx_dkim_key_print_record(const struct smx_dkim_key *key, struct smx_buf *out)
{
	char base64[BASE64_BYTES(PUBLIC_KEY_BYTES)];
	unsigned char raw[PUBLIC_KEY_BYTES], *end = raw;
	size_t n = sizeof(raw);
	bool is_ok;

	if (key->is_rsa) {
		int bytes = i2d_PUBKEY(key->pkey, NULL);

		is_ok = bytes > 0 && (size_t)bytes <= sizeof(raw) &&
		    i2d_PUBKEY(key->pkey, &end) == bytes;
		n = is_ok ? (size_t)bytes : 0;
	} else {
		is_ok = EVP_PKEY_get_raw_public_key(key->pkey, raw, &n) == 1 &&
		    n == ED25519_PUBLIC_BYTES;
	}
	ERR_clear_error();
	if (!is_ok)
		return -SMX_ENOMEM;
	EVP_EncodeBlock((unsigned char *)base64, raw, (int)n);
	smx_buf_printf(out, "v=DKIM1; k=%s; p=%s",
	    key->is_rsa ? "rsa" : "ed25519", base64);
	return smx_buf_status(out);
}

/* RSASSA-PKCS1-v1_5 (RFC 6376, 3.3.2). */
static bool
sign_rsa(EVP_PKEY *pkey, const unsigned char *hash, unsigned char *signature,
    size_t *ret_n)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool is_ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_sign(ctx, signature, ret_n, hash,
		SMX_DKIM_KEY_HASH_BYTES) == 1;

	EVP_PKEY_CTX_free(ctx);
	return is_ok;
}

/* PureEdDSA, of the hash (RFC 8463, 3). */
static bool
sign_ed25519(EVP_PKEY *pkey, const unsigned char *hash,
    unsigned char *signature, size_t *ret_n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_ok = ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	    EVP_DigestSign(ctx, signature, ret_n, hash,
		SMX_DKIM_KEY_HASH_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return is_ok;
}

int
smx_dkim_key_sign(const struct smx_dkim_key *key,
    const unsigned char hash[SMX_DKIM_KEY_HASH_BYTES],
    unsigned char signature[SMX_DKIM_KEY_SIGNATURE_MAX], size_t *ret_n)
{
	size_t n = SMX_DKIM_KEY_SIGNATURE_MAX;
	bool is_ok = key->is_rsa ? sign_rsa(key->pkey, hash, signature, &n)
				 : sign_ed25519(key->pkey, hash, signature, &n);

	ERR_clear_error();
	if (!is_ok)
		return -SMX_ENOMEM;
	*ret_n = n;
	return 0;
}

const char *
smx_dkim_key_algorithm(const struct smx_dkim_key *key)
{
	return key->is_rsa ? "rsa-sha256" : "ed25519-sha256";
}
