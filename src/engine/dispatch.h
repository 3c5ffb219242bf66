/**
 * Sending TLS reports (RFC 8460, 4.1, 5): when which report goes where.
 *
 * Layer:   engine. No clock: now is an argument.
 *
 * Some minutes after midnight, UTC, the days that are over are closed: each
 * gets its report-id, which stays the same however often the report is sent,
 * and a delivery for each place its record names. A delivery is due at a point
 * of the spread that depends on its domain. Nothing of this is in memory only:
 * after a kill at any point the work goes on where it stood, and what was under
 * way then is sent again with the same report-id.
 */
#ifndef SMX_ENGINE_DISPATCH_H
#define SMX_ENGINE_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/list.h"
#include "engine/dispatch_event.h"
#include "engine/port_mail.h"
#include "engine/port_post.h"
#include "engine/port_reports.h"

/** Days that are older are not sent any more. */
#define SMX_DISPATCH_DAYS_MAX 2
/** After midnight, until counts of the day have reached the store. */
#define SMX_DISPATCH_GRACE (6 * SMX_MINUTE)

struct smx_dispatch_settings {
	const char *organization; /* organization-name */
	const char *contact;      /* contact-info: an address */
	const char *submitter;    /* its domain */
	const char *token;        /* of this installation, in report-ids */
	char *const *exclude;     /* domains, or ".domain" for all below; ends
				   * with NULL */
	const char *copy_to;      /* directory for copies; NULL: none */
	const char *copy_mail;    /* address for copies; NULL: none */
	smx_time spread;          /* of deliveries after midnight */
	smx_time retry_for;       /* since the first attempt */
	smx_time keep;            /* days that are over */
	size_t flight_max;        /* deliveries under way, in all, */
	size_t flight_host_max;   /* to one host, */
	size_t flight_mail_max;   /* and by mail */
	size_t flight_way_bytes;  /* octets to one host or by mail, */
	size_t flight_bytes;      /* and in all, from which on others wait */
	bool only_failures;
	bool dry_run; /* nothing leaves the machine; copies are written */
};

/** Where copies go: a local file. */
struct smx_copy_port {
	/** @param reason  on failure, what is wrong. @return 0 or a negative
	 * status. */
	int (*write)(void *self, const char *directory, struct smx_slice name,
	    struct smx_slice bytes, struct smx_buf *reason);
	void *self;
};

struct smx_dispatch {
	struct smx_dispatch_settings settings; /* borrows its texts */
	struct smx_reports_port reports;
	struct smx_post_port post;
	struct smx_mail_port mail;
	struct smx_copy_port copy;
	struct smx_dispatch_observer observer;
	struct smx_list flights;
	size_t flight_count;
	smx_time now;        /* wall, of the last tick */
	smx_time offset;     /* of wall from mono, then; 0: no tick yet */
	smx_time settled_at; /* mono: the clock is believed again */
	size_t built;        /* octets of JSON, in this transaction */
	uint64_t delivered, failed, given_up;
};

void smx_dispatch_init(struct smx_dispatch *d,
    const struct smx_dispatch_settings *settings);

/** Deliveries under way are forgotten; their ports may not answer any more. */
void smx_dispatch_done(struct smx_dispatch *d);

/**
 * Before an orderly end: deliveries under way are due again, for whoever goes
 * on with them.
 */
void smx_dispatch_release(struct smx_dispatch *d);

/**
 * Do what is due.
 *
 * A wall clock that leaps ahead by more than a day is not believed for an
 * hour: what is done by a wrong one can't be undone.
 *
 * @return in how many milliseconds to call again at the latest.
 */
smx_time smx_dispatch_tick(struct smx_dispatch *d, struct smx_now now);

/** Tell the observer, if there is one. */
void smx_dispatch_tell(const struct smx_dispatch *d,
    const struct smx_dispatch_event *event);

#endif
