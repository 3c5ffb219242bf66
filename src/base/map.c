#include <stdlib.h>

#include "base/map.h"
#include "base/require.h"

#define FIRST_SLOTS ((size_t)64)

#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = ROTATE(s->v1, 13) ^ s->v0;
	s->v0 = ROTATE(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = ROTATE(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = ROTATE(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = ROTATE(s->v1, 17) ^ s->v2;
	s->v2 = ROTATE(s->v2, 32);
}

static uint32_t
hash(const struct smx_map *m, struct smx_slice key)
{
	struct sip s = {
		m->seed[0] ^ 0x736f6d6570736575,
		m->seed[1] ^ 0x646f72616e646f6d,
		m->seed[0] ^ 0x6c7967656e657261,
		m->seed[1] ^ 0x7465646279746573,
	};
	uint64_t word, tail = (uint64_t)key.n << 56;
	size_t i;

	for (i = 0; key.n - i >= 8; i += 8) {
		memcpy(&word, key.p + i, 8);
		s.v3 ^= word;
		sip_round(&s);
		s.v0 ^= word;
	}
	for (unsigned shift = 0; i < key.n; i++, shift += 8)
		tail |= (uint64_t)(unsigned char)key.p[i] << shift;
	s.v3 ^= tail;
	sip_round(&s);
	s.v0 ^= tail;
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	word = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return (uint32_t)(word ^ (word >> 32));
}

int
smx_map_init(struct smx_map *m, const uint64_t seed[2])
{
	*m = (struct smx_map){
		.slot_count = FIRST_SLOTS,
		.seed = { seed[0], seed[1] },
	};
	m->slots = calloc(m->slot_count, sizeof(struct smx_map_node *));
	return m->slots != NULL ? 0 : -SMX_ENOMEM;
}

void
smx_map_done(struct smx_map *m)
{
	free(m->slots);
	*m = (struct smx_map){ 0 };
}

struct smx_map_node *
smx_map_find(const struct smx_map *m, struct smx_slice key)
{
	uint32_t h = hash(m, key);
	struct smx_map_node *n = m->slots[h & (m->slot_count - 1)];

	for (; n != NULL; n = n->next)
		if (n->hash == h && n->key_bytes == key.n &&
		    memcmp(n->key, key.p, key.n) == 0)
			return n;
	return NULL;
}

static void
grow(struct smx_map *m)
{
	size_t count = m->slot_count * 2;
	struct smx_map_node **slots = calloc(count, sizeof(*slots));

	if (slots == NULL)
		return;
	for (size_t i = 0; i < m->slot_count; i++) {
		struct smx_map_node *n = m->slots[i], *next;

		for (; n != NULL; n = next) {
			next = n->next;
			n->next = slots[n->hash & (count - 1)];
			slots[n->hash & (count - 1)] = n;
		}
	}
	free(m->slots);
	m->slots = slots;
	m->slot_count = count;
}

void
smx_map_put(struct smx_map *m, struct smx_map_node *node, struct smx_slice key)
{
	struct smx_map_node **slot;

	SMX_REQUIRE(key.n <= UINT32_MAX);
	if (m->count >= m->slot_count)
		grow(m);
	node->key = key.p;
	node->key_bytes = (uint32_t)key.n;
	node->hash = hash(m, key);
	slot = &m->slots[node->hash & (m->slot_count - 1)];
	node->next = *slot;
	*slot = node;
	m->count++;
}

void
smx_map_remove(struct smx_map *m, struct smx_map_node *node)
{
	struct smx_map_node **at = &m->slots[node->hash & (m->slot_count - 1)];

	while (*at != node) {
		SMX_REQUIRE(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	m->count--;
}

struct smx_map_node *
smx_map_next(const struct smx_map *m, size_t *iter, struct smx_map_node *last)
{
	struct smx_map_node *n = last != NULL ? last->next : NULL;

	while (n == NULL && *iter < m->slot_count)
		n = m->slots[(*iter)++];
	return n;
}
