/**
 * A world that follows a script: DNS, policy hosts and a store behind the
 * engine's ports, on a clock that only moves when it is told to.
 *
 * Every promise of the ports is kept as the real ones keep it: answers come
 * later, never from inside the call that asks.
 */
#ifndef SMX_SIM_H
#define SMX_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/lookup.h"

#define SIM_RECORDS_MAX 4

/** What DNS says about a domain's record. */
struct sim_txt {
	enum smx_dns_status status;
	bool silent; /* never answers */
	uint32_t ttl_s;
	char *records[SIM_RECORDS_MAX];
	size_t count;
};

/** What the policy host says. */
struct sim_host {
	enum smx_diag_code code;
	bool silent;
	char *body;
};

struct sim_domain {
	struct sim_domain *next;
	char *name;
	struct sim_txt txt;
	struct sim_host host;
	unsigned txt_asked, host_asked; /* since they were last counted */
	/* What the store has. */
	bool stored;
	char *stored_body, *stored_id;
	smx_time stored_fetched, stored_used;
	/* Mono: when a policy was fetched for the last time, and its life. */
	smx_time fetched;
	smx_time max_age;
};

struct sim_answer;

struct sim {
	struct smx_now now;
	smx_time dns_delay, host_delay;
	struct sim_domain *domains[4096]; /* by hash */
	struct sim_answer *answers;       /* under way, by due time */
	struct smx_lookup lookup;
	struct smx_lookup_settings settings;
	uint64_t seed[2];
	/* What the observer has heard since it was last asked. */
	struct sim_event {
		enum smx_lookup_event_kind kind;
		enum smx_diag_code code;
		char domain[SMX_DOMAIN_MAX + 1];
	} events[64];
	size_t event_count;
};

/** More than 0 while control is in the engine: then allocations may fail. */
extern unsigned sim_in_engine;

/** Start a world and an engine in it. */
void sim_init(struct sim *s);
void sim_done(struct sim *s);

/** Find or make a domain of the world. */
struct sim_domain *sim_domain(struct sim *s, struct smx_slice name);

/** What DNS, or the policy host, says from now on; texts are copied. */
void sim_set_txt(struct sim_domain *d, const struct sim_txt *txt);
void sim_set_host(struct sim_domain *d, const struct sim_host *host);

/** Move the clock forward to @p mono, and let happen what happens until then. */
void sim_run_until(struct sim *s, smx_time mono);

/** Move it to the next thing that happens. @return false: nothing will. */
bool sim_run_next(struct sim *s);

/** End the engine and start it again from what is stored. */
void sim_restart(struct sim *s);

#endif
