#include <stdlib.h>
#include <string.h>

#include "app/strictmxd/mail_signer.h"
#include "base/list.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/dkim.h"

#define KEYS_MAX      4
#define SIGNATURE_MAX 4096

struct signing_key {
	struct smx_dkim_key *key;
	struct smx_dkim_identity identity; /* borrows from the signer */
};

struct smx_mail_signer {
	struct smx_mail_port next;
	char *domain;
	struct signing_key keys[KEYS_MAX];
	char *selectors[KEYS_MAX];
	size_t key_count;
	struct smx_list under_way;
};

struct signed_mail {
	struct smx_list link;
	struct smx_mail mail;
	struct smx_buf bytes;
	smx_mail_done *done;
	void *arg;
};

static int
add_key(struct smx_mail_signer *s, const char *text, struct smx_buf *reason)
{
	const char *colon = strchr(text, ':');
	struct signing_key *k = &s->keys[s->key_count];
	char **selector = &s->selectors[s->key_count];
	int rc;

	if (colon == NULL || s->key_count == KEYS_MAX) {
		smx_buf_printf(reason,
		    "dkim_keys: \"%s\": write \"SELECTOR:FILE\", at most %d",
		    text, KEYS_MAX);
		return -SMX_EINVAL;
	}
	*selector = strndup(text, (size_t)(colon - text));
	if (*selector == NULL)
		return -SMX_ENOMEM;
	rc = smx_dkim_key_load(colon + 1, &k->key, reason);
	s->key_count++;
	if (rc < 0)
		return rc;
	k->identity = (struct smx_dkim_identity){ smx_slice_text(s->domain),
		smx_slice_text(*selector) };
	if (!smx_dkim_identity_is_valid(&k->identity)) {
		smx_buf_printf(reason,
		    "dkim_keys: \"%s\" at \"%s\" is no name that can be asked "
		    "for",
		    *selector, s->domain);
		return -SMX_EINVAL;
	}
	if (smx_dkim_key_is_exposed(k->key))
		smx_log(SMX_LOG_WARNING,
		    "report: everybody can read the DKIM key %s", colon + 1);
	return 0;
}

int
smx_mail_signer_new(const char *domain, char *const *keys,
    struct smx_mail_port next, struct smx_mail_signer **ret,
    struct smx_buf *reason)
{
	struct smx_mail_signer *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s == NULL)
		return -SMX_ENOMEM;
	smx_list_init(&s->under_way);
	s->next = next;
	s->domain = strdup(domain);
	if (s->domain == NULL)
		rc = -SMX_ENOMEM;
	for (; rc == 0 && *keys != NULL; keys++)
		rc = add_key(s, *keys, reason);
	if (rc < 0)
		smx_mail_signer_free(&s);
	else
		*ret = s;
	return rc;
}

static void
free_mail(struct signed_mail *m)
{
	smx_list_remove(&m->link);
	smx_buf_done(&m->bytes);
	free(m);
}

void
smx_mail_signer_free(struct smx_mail_signer **sp)
{
	struct smx_mail_signer *s = *sp;

	if (s == NULL)
		return;
	while (!smx_list_is_empty(&s->under_way))
		free_mail(SMX_ELEMENT(s->under_way.next, struct signed_mail,
		    link));
	for (size_t i = 0; i < s->key_count; i++) {
		smx_dkim_key_free(&s->keys[i].key);
		free(s->selectors[i]);
	}
	free(s->domain);
	free(s);
	*sp = NULL;
}

static void
on_sent(void *arg, const struct smx_mail_answer *answer)
{
	struct signed_mail *m = arg;

	m->done(m->arg, answer);
	free_mail(m);
}

/* One signature is enough. Without any it waits for better times: who gets an
 * unsigned report leaves it alone (RFC 8460, 3). */
static int
sign(const struct smx_mail_signer *s, const struct smx_mail *mail,
    struct smx_buf *out)
{
	size_t signatures = 0;

	for (size_t i = 0; i < s->key_count; i++) {
		int rc = smx_dkim_sign(s->keys[i].key, &s->keys[i].identity,
		    mail->bytes, smx_clock_now().wall, out);

		if (rc < 0)
			smx_log(SMX_LOG_ERROR,
			    "report: a mail can't be signed with selector %s: "
			    "%s",
			    s->selectors[i], smx_status_text(rc));
		else
			signatures++;
	}
	return signatures > 0 ? 0 : -SMX_ENOMEM;
}

static int
send_mail(void *self, const struct smx_mail *mail, smx_mail_done *done,
    void *arg)
{
	struct smx_mail_signer *s = self;
	struct signed_mail *m;
	int rc;

	if (s->key_count == 0)
		return s->next.ops->send(s->next.self, mail, done, arg);
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -SMX_ENOMEM;
	m->mail = *mail;
	m->done = done;
	m->arg = arg;
	smx_list_push(&s->under_way, &m->link);
	smx_buf_init(&m->bytes, mail->bytes.n + KEYS_MAX * SIGNATURE_MAX);
	rc = sign(s, mail, &m->bytes);
	smx_buf_add(&m->bytes, mail->bytes);
	m->mail.bytes = smx_buf_slice(&m->bytes);
	if (rc == 0)
		rc = smx_buf_status(&m->bytes);
	if (rc == 0)
		rc = s->next.ops->send(s->next.self, &m->mail, on_sent, m);
	if (rc < 0)
		free_mail(m);
	return rc;
}

struct smx_mail_port
smx_mail_signer_port(struct smx_mail_signer *s)
{
	static const struct smx_mail_ops ops = { .send = send_mail };

	return (struct smx_mail_port){ &ops, s };
}
