/**
 * What look-ups tell whoever watches: for logs, counters and alarms.
 *
 * Layer:   engine.
 */
#ifndef SMX_ENGINE_LOOKUP_EVENT_H
#define SMX_ENGINE_LOOKUP_EVENT_H

#include "core/diag.h"
#include "engine/cache.h"

enum smx_lookup_event_kind {
	SMX_LOOKUP_POLICY_NEW,
	SMX_LOOKUP_POLICY_CHANGED,   /* other id, or other body */
	SMX_LOOKUP_POLICY_REFRESHED, /* fetched again, the same */
	SMX_LOOKUP_POLICY_EXPIRED,
	SMX_LOOKUP_FINDING, /* code says what; the policy stays as it was */
	SMX_LOOKUP_MAIL,    /* mail flows to it, and a policy is in force: told
			  * as often as the record is looked at */
	SMX_LOOKUP_TIMED_OUT, /* somebody got an answer before it was known */
	SMX_LOOKUP_CACHE_FULL,
	SMX_LOOKUP_BUSY, /* SMX_LOOKUP_FLIGHT_MAX reached */
};

/** What happened; borrowed during the call. */
struct smx_lookup_event {
	enum smx_lookup_event_kind kind;
	struct smx_slice domain;
	struct smx_diag diag; /* FINDING */
	struct smx_slice detail;
	const struct smx_cache_policy *policy; /* in force, may be NULL */
	/* MAIL, and news of a policy: mail flows to the domain's MX hosts. With
	 * a smart host, or when only a refresh brings the news, it doesn't. */
	bool is_mail;
};

struct smx_lookup_observer {
	void (*event)(void *self, const struct smx_lookup_event *event);
	void *self;
};

#endif
