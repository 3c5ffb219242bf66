/**
 * Look-ups: which policy holds for a domain now (RFC 8461, section 5.1).
 *
 * Layer:   engine. It owns the cache, shares one fetch among all who ask for
 *          the same domain, notices changed ids while mail flows, and
 *          refreshes policies. Time is an argument; the world is behind ports.
 *
 * The one promise: a policy that was valid when it was fetched is answered
 * until its max_age runs out, whatever fails meanwhile.
 */
#ifndef SMX_ENGINE_LOOKUP_H
#define SMX_ENGINE_LOOKUP_H

#include "base/list.h"
#include "engine/cache.h"
#include "engine/lookup_event.h"
#include "engine/port_dns.h"
#include "engine/port_https.h"
#include "engine/port_store.h"

/** Fetches under way at the most; who asks beyond gets a failure's answer. */
#define SMX_LOOKUP_FLIGHT_MAX ((size_t)4000)
/** Of these, refreshes and rechecks: nobody waits for them. */
#define SMX_LOOKUP_REFRESH_MAX ((size_t)32)
#define SMX_LOOKUP_RECHECK_MAX ((size_t)96)

enum smx_lookup_status {
	SMX_LOOKUP_ENFORCE, /* smx_lookup_answer.policy has the text */
	SMX_LOOKUP_NONE,    /* nothing to enforce */
	SMX_LOOKUP_TEMP,    /* not known yet: on_dns_failure = "defer" */
	SMX_LOOKUP_WAIT,    /* the waiter will be called */
};

struct smx_lookup_answer {
	enum smx_lookup_status status;
	/* For ENFORCE; borrowed until control returns to the engine. */
	const struct smx_cache_policy *policy;
};

/** Somebody who waits for an answer; storage and life are the caller's. */
struct smx_lookup_waiter {
	void (*done)(struct smx_lookup_waiter *w,
	    const struct smx_lookup_answer *answer);
	bool is_smart_host; /* no MX hosts are asked for by this look-up */
	struct smx_list in_flight;
	struct smx_list in_queue;
	smx_time deadline;
	struct smx_flight *flight;
};

struct smx_lookup_settings {
	smx_time answer_bound;   /* how long a first contact waits */
	smx_time recheck;        /* how often the id is asked about */
	smx_time absent_max;     /* absence is believed for so long */
	smx_time refresh_unused; /* not asked about for so long: no refresh */
	bool defer_on_dns_failure;
	smx_time defer_max; /* TEMP for so long from the first failure */
};

extern const struct smx_lookup_settings smx_lookup_defaults;

struct smx_lookup {
	struct smx_cache cache;
	struct smx_lookup_settings settings;
	struct smx_dns_port dns;
	struct smx_https_port https;
	struct smx_store_port store;
	struct smx_lookup_observer observer;
	struct smx_list waiters; /* all, by deadline */
	size_t flight_count;
	size_t refresh_count;
	size_t recheck_count;
	uint64_t random;
};

/**
 * @param seed  from the system's random source; tests give a fixed one.
 *
 * @retval 0 or -SMX_ENOMEM.
 */
int smx_lookup_init(struct smx_lookup *l, const uint64_t seed[2],
    const struct smx_lookup_settings *settings) SMX_CHECKED;

/** End it; waiters are not called, and no port may call back any more. */
void smx_lookup_done(struct smx_lookup *l);

/**
 * Take a policy from the store at start.
 *
 * Its age is counted by the wall clock; one from the future counts as new. An
 * expired policy, or one that does not parse, is removed from the store.
 *
 * @retval 0            it is in the cache.
 * @retval -SMX_ENOENT  expired.
 * @retval -SMX_EPARSE  not valid.
 * @retval -SMX_ENOMEM, -SMX_ELIMIT  not taken; it stays in the store.
 */
int smx_lookup_restore(struct smx_lookup *l,
    const struct smx_store_policy *stored, struct smx_now now) SMX_CHECKED;

/**
 * Ask which policy holds.
 *
 * @param domain  canonical (smx_domain_parse).
 * @param w       w->done is set; used only when WAIT is returned: then it
 *                must stay until w->done is called or smx_lookup_forget().
 * @param ret     written unless WAIT is returned.
 */
enum smx_lookup_status smx_lookup_ask(struct smx_lookup *l,
    struct smx_slice domain, struct smx_now now, struct smx_lookup_waiter *w,
    struct smx_lookup_answer *ret);

void smx_lookup_forget(struct smx_lookup_waiter *w); /* it is gone */
/** @return when smx_lookup_tick() has something to do (mono). */
smx_time smx_lookup_next(const struct smx_lookup *l);

/** Do what is due. */
void smx_lookup_tick(struct smx_lookup *l, struct smx_now now);

#endif
