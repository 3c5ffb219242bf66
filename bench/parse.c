/*
 * How long the parser takes for a policy with two mx lines, as the daemon
 * meets it: from the body to a policy that is ready to be used.
 *
 *   parse [ROUNDS]
 *
 * Prints the median of the rounds, the spread, and what one parse takes from
 * its arena, as name=value.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/limits.h"
#include "core/sts_policy.h"

#define ROUNDS_MAX 101
#define BATCH      200000

static const char body[] = "version: STSv1\r\n"
			   "mode: enforce\r\n"
			   "mx: mail.example.com\r\n"
			   "mx: *.backup.example.com\r\n"
			   "max_age: 604800\r\n";

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One parse; false when it went wrong. */
static bool
parse(struct smx_arena *arena, size_t *ret_bytes)
{
	struct smx_slice text = smx_slice(body, sizeof(body) - 1);
	struct smx_diag items[4];
	struct smx_diag_list diags;
	struct smx_sts_policy policy;

	/* The compiler must not carry anything over from the last parse. */
	__asm__ volatile("" : "+r"(text.p) : : "memory");
	smx_diag_list_init(&diags, items, sizeof(items) / sizeof(items[0]));
	smx_arena_reset(arena);
	if (smx_sts_policy_parse(arena, text, &diags, &policy) != 0)
		return false;
	*ret_bytes = (size_t)(arena->at - arena->first);
	return policy.mx_count == 2 && policy.mode == SMX_STS_ENFORCE &&
	    policy.max_age_s == 604800 && arena->blocks == NULL;
}

int
main(int argc, char **argv)
{
	static char storage[4096] __attribute__((aligned(16)));
	static double ns[ROUNDS_MAX];
	struct smx_arena arena;
	size_t bytes = 0;
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 9, i, k;
	int64_t begin;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: parse [ROUNDS]\n");
		return 2;
	}
	smx_arena_init(&arena, storage, sizeof(storage), SMX_STS_ARENA_MAX);
	for (i = 0; i < rounds; i++) {
		begin = now_ns();
		for (k = 0; k < BATCH; k++) {
			if (!parse(&arena, &bytes)) {
				fprintf(stderr, "parse: it doesn't parse\n");
				return 1;
			}
		}
		ns[i] = (double)(now_ns() - begin) / BATCH;
	}
	smx_arena_done(&arena);
	qsort(ns, (size_t)rounds, sizeof(ns[0]), compare);
	printf("ns=%.1f min_ns=%.1f max_ns=%.1f arena_bytes=%zu "
	       "body_bytes=%zu\n",
	    ns[rounds / 2], ns[0], ns[rounds - 1], bytes, sizeof(body) - 1);
	return 0;
}
