#include "core/postfix_log.h"
#include "base/scan.h"
#include "core/ip.h"

struct phrase {
	const char *text;
	enum smx_tlsrpt_result result;
};

/* Why mail was put off; the host may be named behind it. */
static const struct phrase deferrals[] = {
	{ "TLS is required, but was not offered by host ",
	    SMX_TLSRPT_STARTTLS_NOT_SUPPORTED },
	{ "TLS is required, but our TLS engine is unavailable",
	    SMX_TLSRPT_VALIDATION_FAILURE },
	{ "Server certificate not trusted",
	    SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ "Server certificate not verified",
	    SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH },
	{ "Cannot start TLS: ", SMX_TLSRPT_VALIDATION_FAILURE },
};

static const struct phrase reasons[] = {
	{ "hostname mismatch", SMX_TLSRPT_CERTIFICATE_HOST_MISMATCH },
	{ "certificate has expired", SMX_TLSRPT_CERTIFICATE_EXPIRED },
	{ "self-signed certificate", SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ "self signed certificate", SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ "untrusted issuer", SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ "unable to get ", SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
	{ "not designated for use as", SMX_TLSRPT_CERTIFICATE_NOT_TRUSTED },
};

/* @return where @p part begins; s.n when it is not there. */
static size_t
find(struct smx_slice s, const char *part)
{
	size_t n = strlen(part);

	for (size_t i = 0; i + n <= s.n; i++)
		if (memcmp(s.p + i, part, n) == 0)
			return i;
	return s.n;
}

static bool
starts(struct smx_slice s, const char *part)
{
	return smx_slice_starts(s, smx_slice_text(part));
}

/* "host[ip]:25" at the start. */
static bool
parse_host(struct smx_slice s, struct smx_postfix_log *ret)
{
	size_t open = smx_slice_find(s, '[');
	size_t close = smx_slice_find(s, ']');
	struct smx_ip ip;

	if (open == 0 || close >= s.n || open >= close)
		return false;
	ret->host = smx_slice(s.p, open);
	ret->ip = smx_slice(s.p + open + 1, close - open - 1);
	return smx_ip_parse(ret->ip, &ip) == 0 &&
	    smx_slice_find(ret->host, ' ') == ret->host.n;
}

/* The message of a line of the smtp client: what is behind
 * "postfix/smtp[123]: "; the instance may have another name. */
static bool
find_message(struct smx_slice line, struct smx_slice *ret, uint32_t *ret_pid)
{
	size_t at = find(line, "/smtp[");
	uint32_t pid = 0;

	if (at == line.n)
		return false;
	for (at += 6; at < line.n && smx_scan_is_digit(line.p[at]); at++)
		pid = pid * 10 + (uint32_t)(line.p[at] - '0');
	if (!starts(smx_slice_from(line, at), "]: "))
		return false;
	*ret = smx_slice_from(line, at + 3);
	*ret_pid = pid;
	return true;
}

/* "Untrusted TLS connection established to host[ip]:25: TLSv1.3 with ..." */
static bool
parse_handshake(struct smx_slice m, struct smx_postfix_log *ret)
{
	static const char words[] = " TLS connection established to ";
	size_t at = find(m, words);

	if (at > 12 || at == m.n)
		return false;
	ret->kind = SMX_POSTFIX_LOG_HANDSHAKE;
	return parse_host(smx_slice_from(m, at + sizeof(words) - 1), ret);
}

/* "certificate verification failed for host[ip]:25: certificate has expired",
 * perhaps with a word before it. */
static bool
parse_reason(struct smx_slice m, struct smx_postfix_log *ret)
{
	static const char words[] = "certificate verification failed for ";
	size_t at = find(m, words);

	if (at > 12 || at == m.n)
		return false;
	m = smx_slice_from(m, at + sizeof(words) - 1);
	ret->text = smx_slice_from(m, find(m, ": ") + 2);
	if (!parse_host(m, ret) || ret->text.n == 0)
		return false;
	ret->kind = SMX_POSTFIX_LOG_REASON;
	ret->result = SMX_TLSRPT_VALIDATION_FAILURE;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (find(ret->text, reasons[i].text) < ret->text.n)
			ret->result = reasons[i].result;
	return true;
}

/* What is behind ", name=" up to the next comma. */
static struct smx_slice
attribute(struct smx_slice m, const char *name)
{
	struct smx_slice value = smx_slice_from(m, find(m, name));

	value = smx_slice_from(value, strlen(name));
	value.n = smx_slice_find(value, ',');
	return value;
}

/*
 * "ABC: to=<a@b>, relay=host[ip]:25, ..., status=sent (250 Ok)". Who sends a
 * mail chooses the address: a quoted one, in which anything can stand, could
 * tell of sessions that never were, and so none is believed.
 */
static bool
parse_recipient(struct smx_slice m, struct smx_postfix_log *ret)
{
	size_t to = find(m, ": to=<"), end = find(m, ">, ");
	struct smx_slice relay, status;

	if (to > 40 || end >= m.n || end < to || m.p[to + 6] == '"' ||
	    starts(smx_slice_from(m, end), ">, orig_to=<\""))
		return false;
	ret->domain = smx_slice(m.p + to + 6, end - to - 6);
	for (size_t at;
	     (at = smx_slice_find(ret->domain, '@')) < ret->domain.n;)
		ret->domain = smx_slice_from(ret->domain, at + 1);
	m = smx_slice_from(m, end + 1);
	relay = attribute(m, ", relay=");
	status = smx_slice_from(m, find(m, ", status="));
	ret->is_sent = starts(status, ", status=sent (");
	ret->text = smx_slice_from(status, smx_slice_find(status, '(') + 1);
	if (ret->text.n > 0)
		ret->text.n--;
	ret->kind = SMX_POSTFIX_LOG_RECIPIENT;
	for (size_t i = 0;
	     !ret->is_sent && i < sizeof(deferrals) / sizeof(deferrals[0]);
	     i++) {
		if (starts(ret->text, deferrals[i].text)) {
			ret->is_tls_failure = true;
			ret->result = deferrals[i].result;
			/* With relay=none the host is behind the words. */
			if (starts(relay, "none"))
				relay = smx_slice_from(ret->text,
				    strlen(deferrals[i].text));
		}
	}
	if (parse_host(relay, ret))
		return true;
	ret->host = ret->ip = smx_slice(NULL, 0);
	return ret->is_tls_failure;
}

void
smx_postfix_log_parse(struct smx_slice line, struct smx_postfix_log *ret)
{
	struct smx_slice message;
	uint32_t pid;

	*ret = (struct smx_postfix_log){ .kind = SMX_POSTFIX_LOG_OTHER };
	if (line.n > SMX_POSTFIX_LOG_LINE_MAX ||
	    !find_message(line, &message, &pid))
		return;
	if (!parse_handshake(message, ret) && !parse_reason(message, ret) &&
	    !parse_recipient(message, ret))
		*ret =
		    (struct smx_postfix_log){ .kind = SMX_POSTFIX_LOG_OTHER };
	ret->pid = pid;
}
