#include "engine/log_sessions.h"

/* Each process has one of four places; the one that was used longest ago is
 * given to another. */
static struct smx_log_session *
session_of(struct smx_log_sessions *s, uint32_t pid)
{
	struct smx_log_session *set = s->list[pid % SMX_LOG_SESSION_SETS];
	struct smx_log_session *session = &set[0];

	for (size_t i = 0; i < SMX_LOG_SESSION_WAYS; i++) {
		if (set[i].pid == pid) {
			session = &set[i];
			break;
		}
		if (set[i].used < session->used)
			session = &set[i];
	}
	if (session->pid != pid)
		*session = (struct smx_log_session){ .pid = pid };
	session->used = ++s->clock;
	return session;
}

static uint8_t
keep(char *to, size_t room, struct smx_slice text)
{
	if (text.n > room)
		text.n = room;
	if (text.n > 0)
		memcpy(to, text.p, text.n);
	return (uint8_t)text.n;
}

/* Lines about another address belong to another session; and behind what is
 * said at its begin, so do those about recipients. */
static void
begin(struct smx_log_session *session, struct smx_slice ip)
{
	session->is_counted = false;
	if (smx_slice_equal(ip, smx_slice(session->ip, session->ip_bytes)))
		return;
	*session = (struct smx_log_session){ .pid = session->pid,
		.used = session->used };
	session->ip_bytes = keep(session->ip, sizeof(session->ip), ip);
}

/* Was the session that a line about a recipient belongs to counted with
 * another recipient? */
static bool
is_counted(const struct smx_log_session *session,
    const struct smx_postfix_log *line, struct smx_slice domain)
{
	return session->is_counted &&
	    smx_slice_equal(line->queue_id,
		smx_slice(session->queue_id, session->queue_id_bytes)) &&
	    smx_slice_equal(line->ip,
		smx_slice(session->ip, session->ip_bytes)) &&
	    (session->has_begin ||
		smx_slice_equal(domain, smx_domain_slice(&session->domain)));
}

static void
set_counted(struct smx_log_session *session, const struct smx_postfix_log *line,
    const struct smx_domain *domain)
{
	session->has_begin = session->has_handshake || session->has_reason;
	session->is_counted = true;
	session->has_handshake = session->has_reason = false;
	session->queue_id_bytes = keep(session->queue_id,
	    sizeof(session->queue_id), line->queue_id);
	session->domain = *domain;
}

static bool
end(struct smx_log_session *session, const struct smx_postfix_log *line,
    struct smx_log_session_end *ret)
{
	if (smx_domain_parse(line->domain, &ret->domain) < 0 ||
	    is_counted(session, line, smx_domain_slice(&ret->domain)))
		return false;
	if (!smx_slice_equal(line->ip,
		smx_slice(session->ip, session->ip_bytes)))
		begin(session, line->ip);
	if (!session->has_handshake && !line->is_tls_failure)
		return false;
	ret->is_failure = line->is_tls_failure;
	ret->failure = (struct smx_tlsrpt_failure){
		.result = line->result,
		.receiving_mx_hostname = line->host,
		.receiving_ip = line->ip,
		.failure_reason_code = line->text,
	};
	/* The line before it knew better. */
	if (line->is_tls_failure && session->has_reason) {
		ret->failure.result = session->result;
		ret->failure.failure_reason_code = smx_slice(session->reason,
		    session->reason_bytes);
	}
	set_counted(session, line, &ret->domain);
	return true;
}

/* Where a queue id is among our own: FNV-1a. */
static size_t
place_of(struct smx_slice id)
{
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < id.n; i++)
		hash = (hash ^ (uint8_t)id.p[i]) * 16777619;
	return hash % SMX_LOG_SESSIONS_PLACES;
}

static struct smx_log_queue_id *
find_own(struct smx_log_sessions *s, struct smx_slice id)
{
	struct smx_log_queue_id *own = s->own[place_of(id)];

	for (size_t i = 0; i < SMX_LOG_SESSIONS_PLACE_MAX; i++)
		if (smx_slice_equal(id, smx_slice(own[i].text, own[i].bytes)))
			return &own[i];
	return NULL;
}

static void
add_own(struct smx_log_sessions *s, struct smx_slice id)
{
	size_t place = place_of(id);
	struct smx_log_queue_id *own = &s->own[place][s->next[place]];

	s->next[place] = (s->next[place] + 1) % SMX_LOG_SESSIONS_PLACE_MAX;
	own->bytes = keep(own->text, sizeof(own->text), id);
}

/* What is said of it from now on is of another session. */
static void
forget_mail(struct smx_log_session *session, struct smx_slice queue_id)
{
	if (smx_slice_equal(queue_id,
		smx_slice(session->queue_id, session->queue_id_bytes)))
		session->is_counted = false;
}

/* An attempt to deliver a mail begins. Queue ids are used again: it may be
 * another one. */
static void
begin_mail(struct smx_log_sessions *s, const struct smx_postfix_log *line)
{
	struct smx_log_queue_id *own = find_own(s, line->queue_id);
	bool is_own = s->contact_bytes > 0 &&
	    smx_domain_equal(line->sender,
		smx_slice(s->contact, s->contact_bytes));

	if (is_own && own == NULL)
		add_own(s, line->queue_id);
	else if (!is_own && own != NULL)
		own->bytes = 0;
	for (size_t i = 0; i < SMX_LOG_SESSION_SETS; i++)
		for (size_t k = 0; k < SMX_LOG_SESSION_WAYS; k++)
			forget_mail(&s->list[i][k], line->queue_id);
}

void
smx_log_sessions_init(struct smx_log_sessions *s, struct smx_slice contact)
{
	memset(s, 0, sizeof(*s));
	if (contact.n > sizeof(s->contact))
		return;
	s->contact_bytes = (uint16_t)contact.n;
	if (contact.n > 0)
		memcpy(s->contact, contact.p, contact.n);
}

bool
smx_log_sessions_add(struct smx_log_sessions *s,
    const struct smx_postfix_log *line, struct smx_log_session_end *ret)
{
	struct smx_log_session *session;

	/* The places are for smtp's processes: other lines have no pid, or that
	 * of another program. */
	if (line->kind == SMX_POSTFIX_LOG_OTHER)
		return false;
	if (line->kind == SMX_POSTFIX_LOG_QUEUED) {
		begin_mail(s, line);
		return false;
	}
	session = session_of(s, line->pid);
	switch (line->kind) {
	case SMX_POSTFIX_LOG_REASON:
		begin(session, line->ip);
		session->has_reason = true;
		session->result = line->result;
		session->reason_bytes = keep(session->reason,
		    sizeof(session->reason), line->text);
		return false;
	case SMX_POSTFIX_LOG_HANDSHAKE:
		begin(session, line->ip);
		session->has_handshake = true;
		return false;
	default: /* SMX_POSTFIX_LOG_RECIPIENT */
		if (find_own(s, line->queue_id) == NULL)
			return end(session, line, ret);
		session->has_handshake = session->has_reason = false;
		return false;
	}
}
