#include "unit.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "certificates.h"

#define MUST(call) must((call), #call, __LINE__)

static void
must(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "certificates.c:%d: %s\n", line, what);
	ERR_print_errors_fp(stderr);
	abort();
}

static void
add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	MUST(e != NULL);
	MUST(X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static void
add_names(X509 *x, const struct certificate_want *want)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (size_t i = 0; i < want->name_count; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		MUST(ASN1_STRING_set(text, want->names[i].p,
			 (int)want->names[i].n) == 1);
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		sk_GENERAL_NAME_push(names, name);
	}
	if (want->name_count > 0)
		MUST(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) ==
		    1);
	GENERAL_NAMES_free(names);
}

static void
add_subject(X509 *x, const struct certificate_want *want)
{
	X509_NAME *name = X509_get_subject_name(x);

	/* As it is: OpenSSL would refuse more than 64 characters. */
	if (want->organization != NULL)
		MUST(X509_NAME_add_entry_by_NID(name, NID_organizationName,
			 V_ASN1_UTF8STRING,
			 (const unsigned char *)want->organization, -1, -1,
			 0) == 1);
	if (want->common_name != NULL)
		MUST(X509_NAME_add_entry_by_NID(name, NID_commonName,
			 V_ASN1_UTF8STRING,
			 (const unsigned char *)want->common_name, -1, -1,
			 0) == 1);
}

void
certificate_make(const struct certificate_want *want, struct certificate *ret)
{
	static long serial;
	X509 *x = X509_new();
	EVP_PKEY *key = want->is_weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
	EVP_PKEY *forger = want->is_forged ? EVP_EC_gen("P-256") : NULL;
	EVP_PKEY *signer = want->issuer != NULL ? want->issuer->key : key;
	bool has_dates = want->from != 0 || want->to != 0;

	MUST(x != NULL && key != NULL);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x),
	    has_dates ? want->from : -CERTIFICATE_DAY);
	X509_gmtime_adj(X509_getm_notAfter(x),
	    has_dates ? want->to : 90 * CERTIFICATE_DAY);
	X509_set_pubkey(x, key);
	add_subject(x, want);
	X509_set_issuer_name(x,
	    X509_get_subject_name(want->issuer != NULL ? want->issuer->x : x));
	add_names(x, want);
	if (want->is_authority)
		add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	if (want->is_client_only)
		add_extension(x, NID_ext_key_usage, "clientAuth");
	if (want->issuer_at != NULL)
		add_extension(x, NID_info_access, want->issuer_at);
	MUST(X509_sign(x, forger != NULL ? forger : signer, EVP_sha256()) > 0);
	EVP_PKEY_free(forger);
	*ret = (struct certificate){ x, key };
}

void
certificate_free(struct certificate *c)
{
	X509_free(c->x);
	EVP_PKEY_free(c->key);
	*c = (struct certificate){ 0 };
}

SSL_CTX *
certificate_server(const struct certificate *leaf,
    const struct certificate *next)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	MUST(ctx != NULL);
	SSL_CTX_set_security_level(ctx, 0);
	MUST(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION) == 1);
	MUST(SSL_CTX_use_certificate(ctx, leaf->x) == 1);
	MUST(SSL_CTX_use_PrivateKey(ctx, leaf->key) == 1);
	/* Only what the test wants, not what OpenSSL finds. */
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	if (next != NULL)
		MUST(SSL_CTX_add1_chain_cert(ctx, next->x) == 1);
	return ctx;
}

struct smx_dns_tlsa
certificate_tlsa(const struct certificate *c, uint8_t usage, uint8_t selector,
    uint8_t matching, unsigned char *storage)
{
	unsigned char der[2048], *p = der;
	struct smx_dns_tlsa tlsa = { usage, selector, matching, { 0 } };
	int n = selector == 0
	    ? i2d_X509(c->x, NULL)
	    : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), NULL);
	unsigned digest = 0;

	MUST(n > 0 && n <= (int)sizeof(der));
	if (selector == 0)
		i2d_X509(c->x, &p);
	else
		i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &p);
	if (matching == 0) {
		memcpy(storage, der, (size_t)n);
		digest = (unsigned)n;
	} else {
		MUST(EVP_Digest(der, (size_t)n, storage, &digest,
			 matching == 2 ? EVP_sha512() : EVP_sha256(),
			 NULL) == 1);
	}
	tlsa.data = smx_slice((const char *)storage, digest);
	return tlsa;
}

void
certificate_write(const struct certificate *c, char path[32])
{
	FILE *f;
	int fd;

	snprintf(path, 32, "/tmp/smx-ca-XXXXXX");
	fd = mkstemp(path);
	MUST(fd >= 0);
	f = fdopen(fd, "w");
	MUST(f != NULL && PEM_write_X509(f, c->x) == 1);
	MUST(fclose(f) == 0);
}
