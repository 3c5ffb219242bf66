/**
 * The datagrams of libtlsrpt: what an MTA saw when it delivered, or tried to.
 *
 * Layer:   core.
 * Memory:  results borrow from the datagram and from the caller's arena.
 * Limits:  SMX_TLSRPT_DATAGRAM_MAX, SMX_TLSRPT_EVENT_*.
 *
 * One datagram is a JSON object, one delivery request to one domain. Who
 * writes it looks at nothing, and much of it was said by foreign servers. What
 * comes out of here is in the words of RFC 8460: names are canonical, result
 * types are its own, and a text is cut to its limit.
 */
#ifndef SMX_CORE_TLSRPT_EVENT_H
#define SMX_CORE_TLSRPT_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/tlsrpt_policy_type.h"
#include "core/tlsrpt_result.h"

/** A row of failure-details (RFC 8460, 4.4). What is not known is empty. */
struct smx_tlsrpt_failure {
	enum smx_tlsrpt_result result;
	struct smx_slice sending_mta_ip;
	struct smx_slice receiving_mx_hostname;
	struct smx_slice receiving_mx_helo;
	struct smx_slice receiving_ip;
	struct smx_slice additional_information;
	struct smx_slice failure_reason_code;
};

/** A text in a list. */
struct smx_tlsrpt_line {
	struct smx_slice text;
	struct smx_tlsrpt_line *next;
};

struct smx_tlsrpt_event_failure {
	struct smx_tlsrpt_failure row;
	struct smx_tlsrpt_event_failure *next;
};

/** One policy of a domain that was applied: one session. */
struct smx_tlsrpt_event_policy {
	enum smx_tlsrpt_policy_type type;
	struct smx_domain domain; /* policy-domain; the event's by default */
	struct smx_tlsrpt_line *policy_string;
	struct smx_tlsrpt_line *mx_host;
	/* Was there one? Without "f" in the datagram, which libtlsrpt always
	 * writes, there are only failures to count. */
	bool is_session;
	bool is_failure; /* that of the session in the end */
	struct smx_tlsrpt_event_failure *failures;
	struct smx_tlsrpt_event_policy *next;
};

struct smx_tlsrpt_event {
	struct smx_domain domain;
	struct smx_slice record; /* of _smtp._tls, as it was found */
	struct smx_tlsrpt_event_policy *policies; /* at least one */
};

/**
 * Read a datagram.
 *
 * @param a         owns what can't be borrowed.
 * @param datagram  at most SMX_TLSRPT_DATAGRAM_MAX.
 * @param ret_what  on failure: what is wrong, a text of ours.
 *
 * @retval 0            *ret is valid until @p a is reset.
 * @retval -SMX_EPARSE  not a datagram of this kind.
 * @retval -SMX_ELIMIT  too long, too deep, too much of something.
 * @retval -SMX_ENOMEM  the arena's cap is reached.
 */
int smx_tlsrpt_event_parse(struct smx_arena *a, struct smx_slice datagram,
    struct smx_tlsrpt_event *ret, const char **ret_what) SMX_CHECKED;

/**
 * Append a datagram; read back it gives the same event.
 */
void smx_tlsrpt_event_print(const struct smx_tlsrpt_event *event,
    struct smx_buf *out);

/** Append a comma, a name and a list of texts, unless it is empty. */
void smx_tlsrpt_event_print_lines(struct smx_buf *out, const char *name,
    const struct smx_tlsrpt_line *line);

#endif
