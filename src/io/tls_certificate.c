#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "io/tls_certificate.h"
#include "core/limits.h"

/* A common name has 64 characters (RFC 5280, appendix A.1), up to 4 octets
 * each; half of that is enough for people. */
#define COMMON_NAME_MAX 128
#define REASON_MAX      256
/* TLSA usages (RFC 7218, 2.1). */
#define USAGE_DANE_TA 2
#define USAGE_DANE_EE 3
#define TEXT_BYTES \
	(SMX_CERTIFICATE_NAMES_MAX * SMX_DOMAIN_MAX + 2 * COMMON_NAME_MAX)

struct smx_tls_certificate {
	struct smx_certificate seen;
	struct smx_slice domain; /* a second name for DANE-TA; may be empty */
	char domain_text[SMX_DOMAIN_MAX + 1];
	STACK_OF(X509) * chain; /* as sent, the leaf first; NULL: not seen */
	bool is_lenient;
	int first_error;
	/* Alerts (RFC 8446, 6), -1: none. */
	int alert_read, alert_written;
	/* The server's hello was the last that was looked at. */
	bool is_hello_refused;
	struct smx_slice name;
	char name_text[SMX_DOMAIN_MAX + 1];
	char reason[REASON_MAX];
	size_t text_used;
	char text[TEXT_BYTES];
};

struct smx_tls_certificate *
smx_tls_certificate_new(struct smx_slice name)
{
	struct smx_tls_certificate *c;

	/* OpenSSL takes a leading dot for "any subdomain". */
	if (name.n == 0 || name.n > SMX_DOMAIN_MAX || name.p[0] == '.' ||
	    smx_slice_find(name, '\0') < name.n)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	memcpy(c->name_text, name.p, name.n);
	c->name = smx_slice(c->name_text, name.n);
	c->alert_read = c->alert_written = -1;
	return c;
}

void
smx_tls_certificate_set_domain(struct smx_tls_certificate *c,
    struct smx_slice domain)
{
	if (domain.n == 0 || domain.n > SMX_DOMAIN_MAX || domain.p[0] == '.' ||
	    smx_slice_find(domain, '\0') < domain.n)
		return;
	memcpy(c->domain_text, domain.p, domain.n);
	c->domain = smx_slice(c->domain_text, domain.n);
}

static void
forget(struct smx_tls_certificate *c)
{
	sk_X509_pop_free(c->chain, X509_free);
	c->chain = NULL;
	c->seen = (struct smx_certificate){ 0 };
	c->first_error = X509_V_OK;
	c->text_used = 0;
}

void
smx_tls_certificate_free(struct smx_tls_certificate **cp)
{
	if (*cp == NULL)
		return;
	forget(*cp);
	free(*cp);
	*cp = NULL;
}

void
smx_tls_certificate_set_lenient(struct smx_tls_certificate *c)
{
	c->is_lenient = true;
}

const struct smx_certificate *
smx_tls_certificate_get(const struct smx_tls_certificate *c)
{
	return c->chain != NULL ? &c->seen : NULL;
}

/* A copy that the collector owns, cut to @p max octets. There is room for as
 * many as struct smx_certificate has. */
static struct smx_slice
keep_text(struct smx_tls_certificate *c, const unsigned char *p, int bytes,
    size_t max)
{
	size_t n = bytes > 0 ? (size_t)bytes : 0;
	char *to = c->text + c->text_used;

	if (n > max) {
		n = max;
		/* Not in the middle of a character (RFC 3629, 3). */
		while (n > 0 && (p[n] & 0xc0) == 0x80)
			n--;
	}
	if (n > 0)
		memcpy(to, p, n);
	c->text_used += n;
	return smx_slice(to, n);
}

static struct smx_slice
keep_name_entry(struct smx_tls_certificate *c, const X509_NAME *name, int nid)
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	const ASN1_STRING *s;
	unsigned char *utf8;
	struct smx_slice kept;
	int n;

	if (at < 0)
		return smx_slice(NULL, 0);
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	n = ASN1_STRING_to_UTF8(&utf8, s);
	if (n < 0)
		return keep_text(c, ASN1_STRING_get0_data(s),
		    ASN1_STRING_length(s), COMMON_NAME_MAX);
	kept = keep_text(c, utf8, n, COMMON_NAME_MAX);
	OPENSSL_free(utf8);
	return kept;
}

static void
keep_names(struct smx_tls_certificate *c, X509 *leaf)
{
	struct smx_certificate *seen = &c->seen;
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name,
	    NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		if (seen->name_count < SMX_CERTIFICATE_NAMES_MAX)
			seen->names[seen->name_count] = keep_text(c,
			    ASN1_STRING_get0_data(name->d.dNSName),
			    ASN1_STRING_length(name->d.dNSName),
			    SMX_DOMAIN_MAX);
		seen->name_count++;
	}
	GENERAL_NAMES_free(names);
}

static smx_time
read_time(const ASN1_TIME *t)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (smx_time)timegm(&tm) * SMX_SECOND;
}

/* Take down what the leaf says of itself. */
static void
keep_leaf(struct smx_tls_certificate *c, X509 *leaf)
{
	struct smx_certificate *seen = &c->seen;
	const X509_NAME *issuer = X509_get_issuer_name(leaf);
	unsigned char *key = NULL;
	int n;

	keep_names(c, leaf);
	seen->common_name = keep_name_entry(c, X509_get_subject_name(leaf),
	    NID_commonName);
	seen->issuer = keep_name_entry(c, issuer, NID_organizationName);
	if (seen->issuer.n == 0)
		seen->issuer = keep_name_entry(c, issuer, NID_commonName);
	seen->not_before = read_time(X509_get0_notBefore(leaf));
	seen->not_after = read_time(X509_get0_notAfter(leaf));
	X509_digest(leaf, EVP_sha256(), seen->sha256, NULL);
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &key);
	if (n > 0)
		EVP_Digest(key, (size_t)n, seen->key_sha256, NULL, EVP_sha256(),
		    NULL);
	OPENSSL_free(key);
}

/* Does the certificate say where its issuer's is (RFC 5280, 4.2.2.1)? */
static bool
has_issuer_address(X509 *leaf)
{
	AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(leaf, NID_info_access,
	    NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info); i++) {
		const ACCESS_DESCRIPTION *d = sk_ACCESS_DESCRIPTION_value(info,
		    i);

		found |= OBJ_obj2nid(d->method) == NID_ad_ca_issuers &&
		    d->location->type == GEN_URI;
	}
	AUTHORITY_INFO_ACCESS_free(info);
	return found;
}

/* The fault that an error of OpenSSL stands for. */
static unsigned
judge_error(X509_STORE_CTX *ctx, int error, int depth)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		/* Another's date is no date of this certificate. */
		return depth == 0 ? SMX_CERTIFICATE_EXPIRED
				  : SMX_CERTIFICATE_OTHER;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return depth == 0 ? SMX_CERTIFICATE_NOT_YET
				  : SMX_CERTIFICATE_OTHER;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return SMX_CERTIFICATE_NAME;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return SMX_CERTIFICATE_SELF_SIGNED;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return SMX_CERTIFICATE_ISSUER;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		/* The chain ends with the leaf itself: nothing that was sent
		 * is its issuer. */
		if (sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) <= 1 &&
		    has_issuer_address(X509_STORE_CTX_get0_cert(ctx)))
			return SMX_CERTIFICATE_CHAIN;
		return SMX_CERTIFICATE_ISSUER;
	default:
		return SMX_CERTIFICATE_OTHER;
	}
}

static void
keep_reason(struct smx_tls_certificate *c, X509_STORE_CTX *ctx, int error,
    int depth)
{
	X509 *at = X509_STORE_CTX_get_current_cert(ctx);
	char other[COMMON_NAME_MAX] = "";
	struct smx_buf reason;

	smx_buf_init_fixed(&reason, c->reason, sizeof(c->reason));
	smx_buf_add_text(&reason, X509_verify_cert_error_string(error));
	if (depth > 0 && at != NULL &&
	    X509_NAME_get_text_by_NID(X509_get_subject_name(at), NID_commonName,
		other, sizeof(other)) > 0)
		smx_buf_printf(&reason, ": %s", other);
	c->seen.reason = smx_buf_slice(&reason);
}

/* One fault of perhaps many: note it and let OpenSSL go on. */
static int
on_fault(int ok, X509_STORE_CTX *ctx)
{
	struct smx_tls_certificate *c = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	unsigned fault;

	if (ok)
		return 1;
	fault = judge_error(ctx, error, depth);
	if (c->first_error == X509_V_OK) {
		c->first_error = error;
		c->seen.first_fault = fault;
		keep_reason(c, ctx, error, depth);
	}
	c->seen.faults |= fault;
	return 1;
}

static int
verify(struct smx_tls_certificate *c, X509_STORE_CTX *ctx)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	int error;

	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_STORE_CTX_set_app_data(ctx, c) != 1 ||
	    X509_VERIFY_PARAM_set1_host(param, c->name.p, c->name.n) != 1)
		return X509_V_ERR_OUT_OF_MEM;
	X509_STORE_CTX_set_verify_cb(ctx, on_fault);
	if (X509_verify_cert(ctx) == 1 || c->first_error != X509_V_OK)
		return X509_V_OK;
	/* OpenSSL gave up without asking: what it says, is a fault. */
	error = X509_STORE_CTX_get_error(ctx);
	return error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED;
}

int
smx_tls_certificate_verify(X509_STORE_CTX *ctx, void *collector)
{
	struct smx_tls_certificate *c = collector;
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
	int error;

	if (c == NULL)
		c = SSL_get_app_data(X509_STORE_CTX_get_ex_data(ctx,
		    SSL_get_ex_data_X509_STORE_CTX_idx()));
	forget(c);
	c->chain = X509_chain_up_ref(sent);
	if (c->chain == NULL) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_OUT_OF_MEM);
		return 0;
	}
	c->seen.sent_count = (size_t)sk_X509_num(sent);
	keep_leaf(c, leaf);
	error = verify(c, ctx);
	if (error != X509_V_OK && c->first_error == X509_V_OK) {
		c->first_error = error;
		c->seen.first_fault = SMX_CERTIFICATE_OTHER;
		c->seen.faults |= SMX_CERTIFICATE_OTHER;
		keep_reason(c, ctx, error, 0);
	}
	X509_STORE_CTX_set_error(ctx, c->first_error);
	return c->seen.faults == 0 || c->is_lenient;
}

void
smx_tls_certificate_note_info(struct smx_tls_certificate *c, const SSL *ssl,
    int where, int value)
{
	int alert = value & 0xff;

	if (where & SSL_CB_HANDSHAKE_START) {
		c->alert_read = c->alert_written = -1;
		c->is_hello_refused = false;
	}
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    alert != SSL_AD_CLOSE_NOTIFY)
		c->alert_read = alert;
	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT &&
	    alert != SSL_AD_CLOSE_NOTIFY) {
		c->alert_written = alert;
		/* OpenSSL also says "protocol version" about bytes that are
		 * no TLS at all; only in a server's hello it is one. */
		c->is_hello_refused = SSL_get_state(ssl) ==
		    TLS_ST_CR_SRVR_HELLO;
	}
}

enum smx_tls_failure
smx_tls_certificate_failure(const struct smx_tls_certificate *c,
    struct smx_buf *detail)
{
	if (c->alert_read >= 0)
		smx_buf_printf(detail, "alert: %s",
		    SSL_alert_desc_string_long(c->alert_read));
	switch (c->alert_read) {
	case SSL_AD_PROTOCOL_VERSION:
		return SMX_TLS_FAILURE_VERSION;
	case SSL_AD_UNRECOGNIZED_NAME:
	case SSL_AD_INTERNAL_ERROR:
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_ACCESS_DENIED:
		return SMX_TLS_FAILURE_ALERT;
	default:
		break;
	}
	if (c->alert_written == SSL_AD_PROTOCOL_VERSION &&
	    c->is_hello_refused) {
		smx_buf_add_text(detail, "the server chose an older version");
		return SMX_TLS_FAILURE_VERSION;
	}
	return SMX_TLS_FAILURE_OTHER;
}

/* Does the chain match the only TLSA record of @p ssl? */
static bool
verify_dane(const struct smx_tls_certificate *c, SSL *ssl, X509_STORE *none)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	bool matches = false;

	if (ctx == NULL)
		return false;
	if (X509_STORE_CTX_init(ctx, none, sk_X509_value(c->chain, 0),
		c->chain) == 1 &&
	    X509_STORE_CTX_set_default(ctx, "ssl_server") == 1) {
		param = X509_STORE_CTX_get0_param(ctx);
		/* Unlike RFC 8461, 7672 lets a CN do without any DNS-ID. */
		X509_VERIFY_PARAM_set_hostflags(param,
		    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(ssl));
		matches = X509_VERIFY_PARAM_set1_host(param, c->name.p,
			      c->name.n) == 1 &&
		    (c->domain.n == 0 ||
			X509_VERIFY_PARAM_add1_host(param, c->domain.p,
			    c->domain.n) == 1) &&
		    X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	return matches;
}

/* @return whether the record is usable; then, whether it matches. */
static bool
judge_tlsa(const struct smx_tls_certificate *c, SSL_CTX *tls,
    const struct smx_dns_tlsa *tlsa, bool *ret_matches)
{
	SSL *ssl;
	bool usable = false;

	/* RFC 7672, 3.1.3: the others are not for SMTP. */
	if (tlsa->usage != USAGE_DANE_TA && tlsa->usage != USAGE_DANE_EE)
		return false;
	ssl = SSL_new(tls);
	if (ssl == NULL)
		return false;
	if (SSL_dane_enable(ssl, c->name.p) == 1) {
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		usable = SSL_dane_tlsa_add(ssl, tlsa->usage, tlsa->selector,
			     tlsa->matching,
			     (const unsigned char *)tlsa->data.p,
			     tlsa->data.n) == 1;
		*ret_matches = usable && c->chain != NULL &&
		    verify_dane(c, ssl, SSL_CTX_get_cert_store(tls));
	}
	SSL_free(ssl);
	return usable;
}

void
smx_tls_certificate_match_tlsa(const struct smx_tls_certificate *c,
    const struct smx_dns_tlsa *tlsa, size_t count, uint32_t *ret_usable,
    uint32_t *ret_matched)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	*ret_usable = *ret_matched = 0;
	ERR_set_mark();
	if (tls != NULL && SSL_CTX_dane_enable(tls) == 1)
		for (size_t i = 0; i < count && i < SMX_DNS_TLSA_MAX; i++) {
			bool matches = false;

			if (judge_tlsa(c, tls, &tlsa[i], &matches))
				*ret_usable |= UINT32_C(1) << i;
			if (matches)
				*ret_matched |= UINT32_C(1) << i;
		}
	SSL_CTX_free(tls);
	ERR_pop_to_mark();
}
