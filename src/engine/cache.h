/**
 * What is known about domains: policies, their absence, failures.
 *
 * Layer:   engine. Data only: who asks when is in lookup.c.
 * Memory:  an entry and its policy are the cache's. A policy never changes; it
 *          is replaced whole.
 */
#ifndef SMX_ENGINE_CACHE_H
#define SMX_ENGINE_CACHE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "core/postfix.h"
#include "core/sts_policy.h"
#include "engine/fetch.h"

/** Policies kept; a domain beyond is looked up each time. */
#define SMX_CACHE_POLICY_MAX ((size_t)1000000)
/** Domains without a policy that are remembered; the oldest go first. */
#define SMX_CACHE_ABSENT_MAX ((size_t)100000)
/** What the policies may take of memory, all together. */
#define SMX_CACHE_POLICY_BYTES_MAX ((size_t)256 << 20)

struct smx_cache_policy {
	smx_time fetched;     /* wall */
	smx_time expires;     /* mono */
	smx_time refresh_due; /* mono; SMX_NEVER: not refreshed */
	uint64_t body_hash;   /* to notice a change under an unchanged id */
	uint32_t max_age_s;
	/* What Postfix is told in mode enforce (core/postfix.h). */
	uint32_t mx_bytes, mx_count, wildcard_count;
	uint32_t lines_bytes, line_count;
	uint8_t id_bytes;
	uint8_t mode; /* enum smx_sts_mode */
	bool secure;  /* its record was validated by DNSSEC */
	char bytes[]; /* the id, the patterns, the lines */
};

/** The last failure of a domain; only domains that fail have one. */
struct smx_cache_failure {
	struct smx_fetch_id id;
	smx_time until;     /* mono: the same id is not fetched before */
	smx_time dns_since; /* mono: first of DNS failures in a row; 0: none */
};

struct smx_flight;

struct smx_cache_entry {
	struct smx_map_node by_domain;
	struct smx_heap_node timer;
	struct smx_list absent; /* in the cache's list while no policy */
	struct smx_cache_policy *policy;
	struct smx_cache_failure *failure;
	struct smx_flight *flight; /* lookup.c: a fetch under way */
	/* mono: until then the record's state is known and not asked again */
	smx_time checked_until;
	smx_time used; /* mono: last asked about */
	smx_time used_stored;
	char domain[];
};

struct smx_cache {
	struct smx_map domains;
	struct smx_heap timers;
	struct smx_list absent; /* entries without policy, oldest first */
	size_t absent_count;
	size_t policy_count;
	size_t policy_bytes;
};

/** @retval 0 or -SMX_ENOMEM. */
int smx_cache_init(struct smx_cache *c, const uint64_t seed[2]) SMX_CHECKED;
void smx_cache_done(struct smx_cache *c);

static inline struct smx_slice
smx_cache_entry_domain(const struct smx_cache_entry *e)
{
	return (struct smx_slice){ e->domain, e->by_domain.key_bytes };
}

static inline struct smx_slice
smx_cache_policy_id(const struct smx_cache_policy *p)
{
	return (struct smx_slice){ p->bytes, p->id_bytes };
}

/** Of a policy in mode enforce or testing; borrows from @p p. */
struct smx_postfix smx_cache_policy_postfix(const struct smx_cache_policy *p);

struct smx_cache_entry *smx_cache_find(const struct smx_cache *c,
    struct smx_slice domain);

/** Find or make an entry; NULL: memory is out. */
struct smx_cache_entry *smx_cache_touch(struct smx_cache *c,
    struct smx_slice domain);

/**
 * Make a policy object.
 *
 * @param scratch  for what is needed meanwhile.
 * @return NULL when memory is out.
 */
struct smx_cache_policy *smx_cache_policy_new(struct smx_arena *scratch,
    const struct smx_sts_policy *policy, struct smx_slice id);

/**
 * Give an entry a policy, in place of the one it has.
 *
 * @retval 0
 * @retval -SMX_ELIMIT  SMX_CACHE_POLICY_MAX or _BYTES_MAX is reached; @p policy
 *                      stays the caller's.
 */
int smx_cache_set_policy(struct smx_cache *c, struct smx_cache_entry *e,
    struct smx_cache_policy *policy) SMX_CHECKED;

void smx_cache_drop_policy(struct smx_cache *c, struct smx_cache_entry *e);

/** The failure record of an entry, made when need be; NULL: no memory. */
struct smx_cache_failure *smx_cache_failure_of(struct smx_cache_entry *e);
void smx_cache_failure_clear(struct smx_cache_entry *e);

/** Forget an entry; it must have no flight. */
void smx_cache_remove(struct smx_cache *c, struct smx_cache_entry *e);

/** Forget the oldest absent entries above SMX_CACHE_ABSENT_MAX. */
void smx_cache_trim(struct smx_cache *c);

#endif
