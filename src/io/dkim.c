#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "io/dkim.h"
#include "base/scan.h"
#include "core/domain.h"

#define FIELDS_MAX        64
#define BASE64_BYTES(raw) (((raw) + 2) / 3 * 4 + 1)

/* Octets of a line without its CRLF (RFC 5322, 2.1.1); a semicolon always
 * finds room. */
#define LINE_MAX_OCTETS 78
#define FOLD            "\r\n\t"
/* Enough for FIELDS_MAX names, two domains and the longest signature. */
#define HEADER_BYTES 4096

struct field {
	struct smx_slice name;
	struct smx_slice value; /* folded as it came, without the last CRLF */
};

struct mail {
	struct field fields[FIELDS_MAX];
	size_t count;
	struct smx_slice body;
};

/* What goes into a SHA-256 hash. */
struct hash {
	EVP_MD_CTX *ctx;
	bool has_failed;
	unsigned char bytes[SHA256_DIGEST_LENGTH];
};

/* The field that is being written. */
struct header {
	struct smx_buf text;
	size_t column;
	char storage[HEADER_BYTES];
};

/* All that a reader sees or a mail program acts on (RFC 6376, 5.4.1), in
 * reports and in notices. */
static const char *const signed_names[] = { "From", "To", "Subject", "Date",
	"Message-ID", "MIME-Version", "Content-Type", "TLS-Report-Domain",
	"TLS-Report-Submitter", "TLS-Required", "Auto-Submitted" };

#define SIGNED_COUNT (sizeof(signed_names) / sizeof(signed_names[0]))

bool
smx_dkim_identity_is_valid(const struct smx_dkim_identity *id)
{
	char storage[SMX_DOMAIN_MAX + 1];
	struct smx_buf name;

	smx_buf_init_fixed(&name, storage, sizeof(storage));
	smx_buf_add(&name, id->selector);
	smx_buf_add_char(&name, '.');
	smx_buf_add(&name, id->domain);
	return smx_buf_status(&name) == 0 &&
	    name.n + strlen("_domainkey.") <= SMX_DOMAIN_MAX &&
	    smx_domain_is_host(id->domain) &&
	    smx_domain_is_host(smx_buf_slice(&name));
}

/* The message. */

/* The first line of @p rest, without its CRLF; @p rest begins behind it. The
 * last line may have none. */
static bool
take_line(struct smx_slice *rest, struct smx_slice *ret_line)
{
	size_t lf = smx_slice_find(*rest, '\n');
	struct smx_slice line = { rest->p, lf };

	if (lf < rest->n) {
		if (lf == 0 || rest->p[lf - 1] != '\r')
			return false;
		line.n--;
	}
	if (smx_slice_find(line, '\r') < line.n)
		return false;
	*rest = smx_slice_from(*rest, lf + 1);
	*ret_line = line;
	return true;
}

static bool
parse_field(struct smx_slice line, struct field *ret_field)
{
	size_t colon = smx_slice_find(line, ':');
	struct smx_slice name = smx_scan_trim_end(smx_slice(line.p, colon));

	if (colon == line.n || name.n == 0)
		return false;
	/* ftext (RFC 5322, 3.6.8). */
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 33 || name.p[i] > 126)
			return false;
	ret_field->name = name;
	ret_field->value = smx_slice_from(line, colon + 1);
	return true;
}

static int
parse_mail(struct smx_slice message, struct mail *ret_mail)
{
	struct smx_slice rest = message, line;

	ret_mail->count = 0;
	while (rest.n > 0) {
		if (!take_line(&rest, &line))
			return -SMX_EPARSE;
		if (line.n == 0)
			break;
		if (smx_scan_is_wsp(line.p[0])) {
			struct smx_slice *value;

			if (ret_mail->count == 0)
				return -SMX_EPARSE;
			value = &ret_mail->fields[ret_mail->count - 1].value;
			value->n = (size_t)(line.p + line.n - value->p);
			continue;
		}
		if (ret_mail->count == FIELDS_MAX)
			return -SMX_ELIMIT;
		if (!parse_field(line, &ret_mail->fields[ret_mail->count]))
			return -SMX_EPARSE;
		ret_mail->count++;
	}
	ret_mail->body = rest;
	return 0;
}

static bool
is_named(const struct field *f, const char *name)
{
	size_t n = strlen(name);

	if (f->name.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (smx_scan_lower(f->name.p[i]) != smx_scan_lower(name[i]))
			return false;
	return true;
}

/* Hashes. */

static void
hash_start(struct hash *h)
{
	if (EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
		h->has_failed = true;
}

static void
hash_add(struct hash *h, struct smx_slice s)
{
	if (s.n > 0 && EVP_DigestUpdate(h->ctx, s.p, s.n) != 1)
		h->has_failed = true;
}

static void
hash_end(struct hash *h)
{
	if (EVP_DigestFinal_ex(h->ctx, h->bytes, NULL) != 1)
		h->has_failed = true;
}

/* In a value a CRLF is part of a fold, elsewhere there is none. */
static bool
is_blank(char c)
{
	return smx_scan_is_wsp(c) || c == '\r' || c == '\n';
}

static size_t
skip_blanks(struct smx_slice s, size_t at)
{
	while (at < s.n && is_blank(s.p[at]))
		at++;
	return at;
}

/* Blanks in a row become one, those at the end are left out (RFC 6376, 3.4.2
 * and 3.4.4). */
static void
hash_add_relaxed(struct hash *h, struct smx_slice s)
{
	size_t at = 0;

	while (at < s.n) {
		size_t from = at;

		while (at < s.n && !is_blank(s.p[at]))
			at++;
		hash_add(h, smx_slice(s.p + from, at - from));
		at = skip_blanks(s, at);
		if (at < s.n)
			hash_add(h, SMX_SLICE(" "));
	}
}

/* RFC 6376, 3.4.2; without the CRLF at its end. */
static void
hash_add_field(struct hash *h, const struct field *f)
{
	for (size_t i = 0; i < f->name.n; i++) {
		char c = smx_scan_lower(f->name.p[i]);

		hash_add(h, smx_slice(&c, 1));
	}
	hash_add(h, SMX_SLICE(":"));
	hash_add_relaxed(h, smx_slice_from(f->value, skip_blanks(f->value, 0)));
}

/* RFC 6376, 3.4.4. */
static int
hash_body(struct hash *h, struct smx_slice body)
{
	struct smx_slice rest = body, line;
	size_t empty = 0;

	hash_start(h);
	while (rest.n > 0) {
		if (!take_line(&rest, &line))
			return -SMX_EPARSE;
		/* Empty lines count when another line follows. */
		if (smx_scan_trim_end(line).n == 0) {
			empty++;
			continue;
		}
		for (; empty > 0; empty--)
			hash_add(h, SMX_SLICE("\r\n"));
		hash_add_relaxed(h, line);
		hash_add(h, SMX_SLICE("\r\n"));
	}
	hash_end(h);
	return h->has_failed ? -SMX_ENOMEM : 0;
}

/* The new field. */

/* Add what can't be divided, in this line or the next. */
static void
put(struct header *h, const char *between, struct smx_slice s)
{
	size_t n = strlen(between);

	/* One octet less, for the semicolon. */
	if (h->column + n + s.n > LINE_MAX_OCTETS - 1) {
		smx_buf_add_text(&h->text, FOLD);
		h->column = 1;
	} else {
		smx_buf_add_text(&h->text, between);
		h->column += n;
	}
	smx_buf_add(&h->text, s);
	h->column += s.n;
}

static void
end_tag(struct header *h)
{
	smx_buf_add_char(&h->text, ';');
	h->column++;
}

static void
put_tag(struct header *h, const char *name, struct smx_slice value)
{
	char storage[SMX_DOMAIN_MAX + 8];
	struct smx_buf tag;

	smx_buf_init_fixed(&tag, storage, sizeof(storage));
	smx_buf_add_text(&tag, name);
	smx_buf_add_char(&tag, '=');
	smx_buf_add(&tag, value);
	put(h, " ", smx_buf_slice(&tag));
	end_tag(h);
}

static void
put_base64(struct header *h, const unsigned char *raw, size_t bytes)
{
	char text[BASE64_BYTES(SMX_DKIM_KEY_SIGNATURE_MAX)];
	struct smx_slice rest = { text, 0 };

	rest.n = (size_t)EVP_EncodeBlock((unsigned char *)text, raw,
	    (int)bytes);
	while (rest.n > 0) {
		size_t room = LINE_MAX_OCTETS - h->column;
		struct smx_slice s = { rest.p, rest.n < room ? rest.n : room };

		smx_buf_add(&h->text, s);
		rest = smx_slice_from(rest, s.n);
		if (rest.n > 0)
			smx_buf_add_text(&h->text, FOLD);
		h->column = 1;
	}
}

/* Name the fields in h= and hash them: of several the last one first, and one
 * that isn't there has nothing (RFC 6376, 5.4.2). */
static int
put_fields(struct header *h, struct hash *hash, const struct mail *mail)
{
	bool has_from = false;

	/* The From that must not be there. */
	put(h, " ", SMX_SLICE("h=From"));
	for (size_t i = 0; i < SIGNED_COUNT; i++)
		for (size_t k = mail->count; k-- > 0;) {
			const struct field *f = &mail->fields[k];

			if (!is_named(f, signed_names[i]))
				continue;
			has_from |= i == 0;
			/* A fold may stand on both sides of a colon. */
			smx_buf_add_char(&h->text, ':');
			h->column++;
			put(h, "", smx_slice_text(signed_names[i]));
			hash_add_field(hash, f);
			hash_add(hash, SMX_SLICE("\r\n"));
		}
	end_tag(h);
	return has_from ? 0 : -SMX_EPARSE;
}

/* All of the field but the signature, which is over this text too. */
static int
put_unsigned(struct header *h, struct hash *hash, const struct mail *mail,
    const struct smx_dkim_identity *id, smx_time now)
{
	static const struct smx_slice name = SMX_SLICE("DKIM-Signature");
	struct field self = { .name = name };
	char number[24];
	char base64[BASE64_BYTES(SHA256_DIGEST_LENGTH)];
	int rc;

	EVP_EncodeBlock((unsigned char *)base64, hash->bytes,
	    sizeof(hash->bytes));
	snprintf(number, sizeof(number), "%lld", (long long)(now / SMX_SECOND));
	put_tag(h, "t", smx_slice_text(number));
	put_tag(h, "d", id->domain);
	put_tag(h, "s", id->selector);
	hash_start(hash);
	rc = put_fields(h, hash, mail);
	if (rc != 0)
		return rc;
	put_tag(h, "bh", smx_slice_text(base64));
	smx_buf_add_text(&h->text, FOLD "b=");
	h->column = strlen("\tb=");
	self.value = smx_slice_from(smx_buf_slice(&h->text), name.n + 1);
	hash_add_field(hash, &self);
	hash_end(hash);
	return hash->has_failed ? -SMX_ENOMEM : smx_buf_status(&h->text);
}

static int
put_signature(struct header *h, const struct smx_dkim_key *key,
    const struct hash *hash)
{
	unsigned char signature[SMX_DKIM_KEY_SIGNATURE_MAX];
	size_t n;
	int rc = smx_dkim_key_sign(key, hash->bytes, signature, &n);

	if (rc != 0)
		return rc;
	put_base64(h, signature, n);
	smx_buf_add_text(&h->text, "\r\n");
	return smx_buf_status(&h->text);
}

int
smx_dkim_sign(const struct smx_dkim_key *key,
    const struct smx_dkim_identity *id, struct smx_slice message, smx_time now,
    struct smx_buf *ret_header)
{
	struct header h = { .column = 0 };
	struct hash hash = { .has_failed = false };
	struct mail mail;
	int rc;

	if (now < 0 || !smx_dkim_identity_is_valid(id))
		return -SMX_EINVAL;
	rc = parse_mail(message, &mail);
	if (rc != 0)
		return rc;
	hash.ctx = EVP_MD_CTX_new();
	if (hash.ctx == NULL)
		return -SMX_ENOMEM;
	smx_buf_init_fixed(&h.text, h.storage, sizeof(h.storage));
	smx_buf_printf(&h.text, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;",
	    smx_dkim_key_algorithm(key));
	h.column = h.text.n;
	rc = hash_body(&hash, mail.body);
	if (rc == 0)
		rc = put_unsigned(&h, &hash, &mail, id, now);
	if (rc == 0)
		rc = put_signature(&h, key, &hash);
	EVP_MD_CTX_free(hash.ctx);
	ERR_clear_error();
	if (rc != 0)
		return rc;
	smx_buf_add(ret_header, smx_buf_slice(&h.text));
	return smx_buf_status(ret_header);
}
