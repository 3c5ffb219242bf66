/**
 * DNS by libunbound, validating in the process.
 *
 * Layer:   io (libunbound, libldns). One thread: all calls and callbacks on
 *          the thread that runs the event base.
 *
 * Many forwarders strip DNSSEC's signatures, and behind one of these a
 * validator takes every signed zone for forged. So whether signatures pass is
 * tried at start and again and again; while they don't, answers are taken
 * unvalidated.
 */
#ifndef SMX_IO_DNS_UNBOUND_H
#define SMX_IO_DNS_UNBOUND_H

#include "base/buf.h"
#include "core/domain.h"
#include "engine/port_dns.h"

struct event_base;
struct smx_dns;
struct smx_dns_query;

/** DNS answers are awaited for so long (all of a look-up). */
#define SMX_DNS_DEADLINE (5 * SMX_SECOND)
struct smx_dns_settings {
	/* "ADDRESS" or "ADDRESS@PORT", NULL-terminated. The only element
	 * "resolv.conf": those of /etc/resolv.conf, read again when it
	 * changes. Empty: the authoritative servers are asked. */
	char **forwarders;
	const char *trust_anchor_file; /* NULL: validate nothing */
	/* For a run over many names, not for a daemon: more is remembered, and
	 * whether signatures pass is waited for as long as it takes. */
	bool is_bulk;
};

/** What an address look-up gives, in the order of arrival. */
struct smx_dns_addresses {
	enum smx_dns_status status;
	bool secure;
	struct smx_slice alias; /* as in struct smx_dns_answer */
	struct smx_ip list[2 * SMX_DNS_ADDRESS_MAX];
	size_t count;
};

typedef void smx_dns_addresses_done(void *arg,
    const struct smx_dns_addresses *answer);

/**
 * Start a resolver. @p settings is copied.
 *
 * @param reason  on failure, what is wrong.
 *
 * @retval 0
 * @retval -SMX_EINVAL  a setting can't be used.
 * @retval -SMX_ENOMEM
 */
int smx_dns_new(struct event_base *base,
    const struct smx_dns_settings *settings, struct smx_dns **ret,
    struct smx_buf *reason) SMX_CHECKED;

/** End it: queries under way are dropped without a call back. */
void smx_dns_free(struct smx_dns **d);

/**
 * Use other settings for queries from now on; on failure the old ones stay.
 *
 * @retval as smx_dns_new().
 */
int smx_dns_set(struct smx_dns *d, const struct smx_dns_settings *settings,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Look for records. @p done may be called before this returns.
 *
 * @retval 0 or -SMX_ENOMEM (then @p done is not called).
 */
int smx_dns_ask(struct smx_dns *d, enum smx_dns_type type,
    struct smx_slice name, smx_dns_done *done, void *arg) SMX_CHECKED;

/** Look for A and AAAA records. As smx_dns_ask(). */
int smx_dns_ask_addresses(struct smx_dns *d, struct smx_slice name,
    smx_dns_addresses_done *done, void *arg) SMX_CHECKED;

/** Are answers validated at present? Until the first probe has ended, no. */
bool smx_dns_is_validating(const struct smx_dns *d);

/** The engine's port, answered on this thread, perhaps at once. */
struct smx_dns_port smx_dns_as_port(struct smx_dns *d);

#endif
