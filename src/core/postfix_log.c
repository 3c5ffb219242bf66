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

/* Not ":587": who is reached at another port is a relay, and no MX host of the
 * recipient's domain. */
static bool
is_smtp_port(struct smx_slice s)
{
	return !starts(s, ":") ||
	    (starts(s, ":25") && (s.n == 3 || !smx_scan_is_digit(s.p[3])));
}

/* "host[ip]:25" at the start; the port may be missing. */
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
	    is_smtp_port(smx_slice_from(s, close + 1)) &&
	    smx_slice_find(ret->host, ' ') == ret->host.n;
}

/* How many bytes at the start are letters, digits, or of @p others. */
static size_t
span(struct smx_slice s, const char *others)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '\0' &&
	    (smx_scan_is_alnum(s.p[n]) || strchr(others, s.p[n]) != NULL))
		n++;
	return n;
}

/* Skip a word and the blank behind it. @return false: it is not such a word. */
static bool
skip_word(struct smx_slice *s, const char *others)
{
	size_t n = span(*s, others);

	if (n == 0 || n == s->n || s->p[n] != ' ')
		return false;
	*s = smx_slice_from(*s, n + 1);
	return true;
}

/* Does a character stand for one of @p like: a letter, a digit, itself? */
static bool
is_like(char c, char like)
{
	if (smx_scan_is_digit(like))
		return smx_scan_is_digit(c);
	return smx_scan_is_alpha(like) ? smx_scan_is_alpha(c) : c == like;
}

/* "Nov 24 03:15:34 ", with a fraction of the second or without, or
 * "2024-11-24T03:15:34.123456+01:00 ". */
static bool
skip_stamp(struct smx_slice *s)
{
	static const char like[] = "Nov 24 03:15:34";
	const size_t bytes = sizeof(like) - 1, day = 4;

	if (s->n > 0 && smx_scan_is_digit(s->p[0]))
		return skip_word(s, "-:.+");
	if (s->n < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (!is_like(s->p[i], like[i]) && !(i == day && s->p[i] == ' '))
			return false;
	*s = smx_slice_from(*s, bytes);
	if (starts(*s, "."))
		return skip_word(s, ".");
	if (!starts(*s, " "))
		return false;
	*s = smx_slice_from(*s, 1);
	return true;
}

/* "sender ", or "sender mail.info " of BusyBox. */
static bool
skip_host(struct smx_slice *s)
{
	/* A tag without a process id, where hosts have no name in the log. */
	if (find(*s, ": ") < smx_slice_find(*s, ' ') || !skip_word(s, "-._:"))
		return false;
	return !starts(*s, "mail.") || skip_word(s, ".");
}

/*
 * What is behind "postfix/smtp[123]: ", and which program says it; the instance
 * may have another name. Everything behind a tag may be the words of a
 * stranger, tags included. So it counts at its own place only: behind the time
 * and the host's name, which syslog writes (some leave the name out), or at the
 * start of the line, where the journal has it.
 */
static bool
find_message(struct smx_slice line, struct smx_slice *ret_program,
    struct smx_slice *ret_message, uint32_t *ret_pid)
{
	struct smx_slice rest = line;
	uint32_t pid = 0;
	size_t n, at;

	if (skip_stamp(&rest)) {
		line = rest;
		if (skip_host(&rest))
			line = rest;
	}
	n = span(line, "-._/");
	for (at = n; at > 0 && line.p[at - 1] != '/'; at--)
		;
	if (at < 2 || n == line.n || line.p[n] != '[')
		return false;
	*ret_program = smx_slice(line.p + at, n - at);
	line = smx_slice_from(line, n + 1);
	for (n = 0; n < line.n && smx_scan_is_digit(line.p[n]); n++)
		pid = pid * 10 + (uint32_t)(line.p[n] - '0');
	if (n == 0 || !starts(smx_slice_from(line, n), "]: "))
		return false;
	*ret_message = smx_slice_from(line, n + 3);
	*ret_pid = pid;
	return true;
}

/* "Untrusted TLS connection established to host[ip]:25: TLSv1.3 with ..." */
static bool
parse_handshake(struct smx_slice m, struct smx_postfix_log *ret)
{
	static const char words[] = "TLS connection established to ";

	if (!skip_word(&m, "") || !starts(m, words))
		return false;
	ret->kind = SMX_POSTFIX_LOG_HANDSHAKE;
	return parse_host(smx_slice_from(m, sizeof(words) - 1), ret);
}

/* "certificate verification failed for host[ip]:25: certificate has expired",
 * perhaps with a word before it. */
static bool
parse_reason(struct smx_slice m, struct smx_postfix_log *ret)
{
	static const char words[] = "certificate verification failed for ";

	if (!starts(m, words) && (!skip_word(&m, "") || !starts(m, words)))
		return false;
	m = smx_slice_from(m, sizeof(words) - 1);
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

/* What is behind @p name up to the next comma. */
static struct smx_slice
attribute(struct smx_slice m, const char *name)
{
	struct smx_slice value = smx_slice_from(m, find(m, name));

	value = smx_slice_from(value, strlen(name));
	value.n = smx_slice_find(value, ',');
	return value;
}

/* "ABC: " at the start; it is skipped. */
static bool
parse_queue_id(struct smx_slice *m, struct smx_postfix_log *ret)
{
	size_t n = span(*m, "");

	if (n == 0 || n > SMX_POSTFIX_LOG_QUEUE_ID_MAX ||
	    !starts(smx_slice_from(*m, n), ": "))
		return false;
	ret->queue_id = smx_slice(m->p, n);
	*m = smx_slice_from(*m, n + 2);
	return true;
}

/*
 * "to=<a@b>, orig_to=<a>, relay=host[ip]:25, ...", of which orig_to may be
 * missing. Who sends a mail chooses the addresses: a quoted one, in which
 * anything can stand, could tell of sessions that never were, and so none is
 * believed.
 *
 * @return  what begins with ", relay="; empty when it is no such line.
 */
static struct smx_slice
parse_addresses(struct smx_slice m, struct smx_postfix_log *ret)
{
	static const char to[] = "to=<", orig_to[] = ", orig_to=<",
			  relay[] = ", relay=";
	struct smx_slice none = smx_slice(m.p, 0);
	size_t end;

	if (!starts(m, to))
		return none;
	m = smx_slice_from(m, sizeof(to) - 1);
	end = find(m, ">, ");
	if (starts(m, "\"") || end == m.n)
		return none;
	ret->domain = smx_slice(m.p, end);
	for (size_t at;
	     (at = smx_slice_find(ret->domain, '@')) < ret->domain.n;)
		ret->domain = smx_slice_from(ret->domain, at + 1);
	m = smx_slice_from(m, end + 1);
	if (starts(m, orig_to)) {
		m = smx_slice_from(m, sizeof(orig_to) - 1);
		if (starts(m, "\""))
			return none;
		m = smx_slice_from(m, find(m, ">, ") + 1);
	}
	/* A second one is the work of a stranger, whichever it is. */
	if (!starts(m, relay) || find(smx_slice_from(m, 1), relay) != m.n - 1)
		return none;
	return m;
}

/* Why a recipient was put off, if that was because of TLS; NULL: it wasn't. */
static const struct phrase *
find_deferral(struct smx_slice text)
{
	for (size_t i = 0; i < sizeof(deferrals) / sizeof(deferrals[0]); i++)
		if (starts(text, deferrals[i].text))
			return &deferrals[i];
	return NULL;
}

/* "ABC: to=<a@b>, relay=host[ip]:25, ..., status=sent (250 Ok)". */
static bool
parse_recipient(struct smx_slice m, struct smx_postfix_log *ret)
{
	const struct phrase *deferral = NULL;
	struct smx_slice relay, status;
	bool has_relay;

	if (!parse_queue_id(&m, ret))
		return false;
	m = parse_addresses(m, ret);
	if (m.n == 0)
		return false;
	relay = attribute(m, ", relay=");
	has_relay = !starts(relay, "none");
	status = smx_slice_from(m, find(m, ", status="));
	ret->is_sent = starts(status, ", status=sent (");
	ret->text = smx_slice_from(status, smx_slice_find(status, '(') + 1);
	if (ret->text.n > 0)
		ret->text.n--;
	ret->kind = SMX_POSTFIX_LOG_RECIPIENT;
	if (!ret->is_sent)
		deferral = find_deferral(ret->text);
	if (deferral != NULL) {
		ret->is_tls_failure = true;
		ret->result = deferral->result;
		/* The host may be behind the words. */
		if (!has_relay)
			relay = smx_slice_from(ret->text,
			    strlen(deferral->text));
	}
	if (parse_host(relay, ret))
		return true;
	ret->host = ret->ip = smx_slice(NULL, 0);
	return ret->is_tls_failure && !has_relay;
}

/* "ABC: from=<a@b>, size=500, nrcpt=1 (queue active)", before each attempt to
 * deliver a mail. */
static bool
parse_queued(struct smx_slice m, struct smx_postfix_log *ret)
{
	static const char from[] = "from=<";

	if (!parse_queue_id(&m, ret) || !starts(m, from))
		return false;
	m = smx_slice_from(m, sizeof(from) - 1);
	ret->sender = smx_slice(m.p, find(m, ">, size="));
	ret->kind = SMX_POSTFIX_LOG_QUEUED;
	return ret->sender.n < m.n;
}

static bool
parse_message(struct smx_slice program, struct smx_slice m,
    struct smx_postfix_log *ret)
{
	if (smx_slice_equal(program, SMX_SLICE("smtp")))
		return parse_handshake(m, ret) || parse_reason(m, ret) ||
		    parse_recipient(m, ret);
	return smx_slice_equal(program, SMX_SLICE("qmgr")) &&
	    parse_queued(m, ret);
}

void
smx_postfix_log_parse(struct smx_slice line, struct smx_postfix_log *ret)
{
	struct smx_slice program, message;
	uint32_t pid;

	*ret = (struct smx_postfix_log){ .kind = SMX_POSTFIX_LOG_OTHER };
	if (line.n > SMX_POSTFIX_LOG_LINE_MAX ||
	    !find_message(line, &program, &message, &pid))
		return;
	if (!parse_message(program, message, ret))
		*ret =
		    (struct smx_postfix_log){ .kind = SMX_POSTFIX_LOG_OTHER };
	ret->pid = pid;
}
