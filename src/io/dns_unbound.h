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

#include <netinet/in.h>

#include "base/buf.h"
#include "core/domain.h"
#include "engine/port_dns.h"

struct event_base;
struct smx_dns;
struct smx_dns_query;

/** DNS answers are awaited for so long (all of a look-up). */
#define SMX_DNS_DEADLINE (5 * SMX_SECOND)
/** Addresses of a host that are looked at. */
#define SMX_DNS_ADDRESS_MAX 16

struct smx_dns_settings {
	/* "ADDRESS" or "ADDRESS@PORT", NULL-terminated. The only element
	 * "resolv.conf": those of /etc/resolv.conf, read again when it
	 * changes. Empty: the authoritative servers are asked. */
	char **forwarders;
	const char *trust_anchor_file; /* NULL: validate nothing */
};

/** What an address look-up gives. */
struct smx_dns_addresses {
	enum smx_dns_status status;
	bool secure;
	struct sockaddr_storage list[SMX_DNS_ADDRESS_MAX]; /* port 0 */
	size_t count;
};

typedef void smx_dns_addresses_done(void *arg,
    const struct smx_dns_addresses *answer);
typedef void smx_dns_unbound_txt_done(void *arg,
    const struct smx_dns_txt *answer);

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
 * Look for TXT records. @p done may be called before this returns.
 *
 * @retval 0 or -SMX_ENOMEM (then @p done is not called).
 */
int smx_dns_ask_txt(struct smx_dns *d, struct smx_slice name,
    smx_dns_unbound_txt_done *done, void *arg) SMX_CHECKED;

/** Look for A and AAAA records. As smx_dns_ask_txt(). */
int smx_dns_ask_addresses(struct smx_dns *d, struct smx_slice name,
    smx_dns_addresses_done *done, void *arg) SMX_CHECKED;

#endif
