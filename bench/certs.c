/*
 * A private CA and a certificate for each of many policy hosts, quickly: a
 * thousand of them with the openssl command take half a minute.
 *
 *   certs DIR NAMES
 *
 * Each line of NAMES is a certificate: the host names it is for, with blanks
 * between. Writes DIR/ca.pem, DIR/key.pem (one P-256 key for all hosts) and
 * DIR/NAME.pem, by the first name of each.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 8192
#define PATH_BYTES     1024

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "certs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
must(int ok, const char *what)
{
	if (ok <= 0)
		die(what);
}

static FILE *
create(const char *dir, const char *name)
{
	char path[PATH_BYTES];
	int n = snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	FILE *f;

	if (n < 0 || (size_t)n >= sizeof(path))
		die("the path is too long");
	f = fopen(path, "w");
	if (f == NULL)
		die(path);
	return f;
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (e == NULL)
		die("extension");
	must(X509_add_ext(cert, e, -1), "extension");
	X509_EXTENSION_free(e);
}

/* A certificate that still wants its extensions and its signature. */
static X509 *
blank(const char *name, long serial, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *subject;

	if (cert == NULL)
		die("certificate");
	subject = X509_get_subject_name(cert);
	must(X509_set_version(cert, X509_VERSION_3), "version");
	must(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial), "serial");
	/* An hour back, for clocks that step while it runs. */
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 30L * 86400);
	must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		 (const unsigned char *)name, -1, -1, 0),
	    "name");
	must(X509_set_pubkey(cert, key), "key");
	return cert;
}

static X509 *
make_ca(EVP_PKEY *key)
{
	X509 *ca = blank("strictmx bench CA", 1, key);

	must(X509_set_issuer_name(ca, X509_get_subject_name(ca)), "issuer");
	extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
	extend(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	extend(ca, ca, NID_subject_key_identifier, "hash");
	must(X509_sign(ca, key, EVP_sha256()), "signature");
	return ca;
}

/* "a b" -> "DNS:a,DNS:b". */
static void
print_names(const char *names, char *ret, size_t ret_bytes)
{
	size_t n, at = 0;

	for (; *names != '\0'; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		if (n + 6 > ret_bytes - at)
			die("too many names");
		at += (size_t)snprintf(ret + at, ret_bytes - at, "%sDNS:%.*s",
		    at > 0 ? "," : "", (int)n, names);
	}
}

static X509 *
make_leaf(const char *names, long serial, EVP_PKEY *key, X509 *ca,
    EVP_PKEY *ca_key)
{
	char san[3 * LINE_MAX_BYTES];
	/* A common name has at most 64 characters; nobody looks at it. */
	X509 *cert = blank("policy host", serial, key);

	print_names(names, san, sizeof(san));
	must(X509_set_issuer_name(cert, X509_get_subject_name(ca)), "issuer");
	extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE");
	extend(cert, ca, NID_key_usage, "critical,digitalSignature");
	extend(cert, ca, NID_ext_key_usage, "serverAuth");
	extend(cert, ca, NID_subject_alt_name, san);
	extend(cert, ca, NID_authority_key_identifier, "keyid");
	must(X509_sign(cert, ca_key, EVP_sha256()), "signature");
	return cert;
}

static void
write_cert(const char *dir, const char *name, X509 *cert)
{
	FILE *f = create(dir, name);

	must(PEM_write_X509(f, cert), name);
	if (fclose(f) != 0)
		die(name);
}

static void
write_leaves(const char *dir, FILE *names, EVP_PKEY *key, X509 *ca,
    EVP_PKEY *ca_key)
{
	char line[LINE_MAX_BYTES];
	long serial = 2;
	X509 *cert;

	while (fgets(line, sizeof(line), names) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0')
			continue;
		cert = make_leaf(line, serial++, key, ca, ca_key);
		line[strcspn(line, " ")] = '\0';
		write_cert(dir, line, cert);
		X509_free(cert);
	}
}

int
main(int argc, char **argv)
{
	EVP_PKEY *ca_key, *key;
	FILE *names, *f;
	X509 *ca;

	if (argc != 3) {
		fprintf(stderr, "usage: certs DIR NAMES\n");
		return 2;
	}
	names = fopen(argv[2], "r");
	if (names == NULL)
		die(argv[2]);
	ca_key = EVP_EC_gen("P-256");
	key = EVP_EC_gen("P-256");
	if (ca_key == NULL || key == NULL)
		die("key");
	ca = make_ca(ca_key);
	write_cert(argv[1], "ca", ca);
	f = create(argv[1], "key");
	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), "key");
	if (fclose(f) != 0)
		die("key");
	write_leaves(argv[1], names, key, ca, ca_key);
	fclose(names);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return 0;
}
