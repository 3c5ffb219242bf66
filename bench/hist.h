/**
 * A histogram of latencies in nanoseconds with fixed memory: each power of
 * two is cut into 128 slots, so that a quantile is at most 0.8 % too high.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SLOTS ((64 - 7 + 1) * 128)

struct hist {
	uint64_t count;
	uint64_t max;
	uint64_t slots[HIST_SLOTS];
};

static inline void
hist_add(struct hist *h, uint64_t ns)
{
	unsigned shift = ns < 256 ? 0 : 56 - (unsigned)__builtin_clzll(ns);

	h->slots[shift * 128 + (ns >> shift)]++;
	h->count++;
	if (ns > h->max)
		h->max = ns;
}

/** @return the latency that @p share (0 to 1) of all did not exceed. */
static inline uint64_t
hist_quantile(const struct hist *h, double share)
{
	uint64_t seen = 0, want = (uint64_t)(share * (double)h->count);
	unsigned i, shift;

	for (i = 0; i < HIST_SLOTS - 1; i++) {
		seen += h->slots[i];
		if (seen > want)
			break;
	}
	if (h->count == 0 || seen <= want)
		return h->max;
	shift = i < 256 ? 0 : i / 128 - 1;
	return (((uint64_t)(i - shift * 128) + 1) << shift) - 1;
}

#endif
