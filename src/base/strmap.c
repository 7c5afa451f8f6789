/* The hash map of strmap.h: entries in order of insertion, found through a table of indexes.
 *
 *   slots    │ 0 │ 3 │ 0 │ 1 │ 2 │ 0 │ …       index into entries plus one; 0 is free
 *   entries  │ key value hash │ key value hash │ …
 *
 * Linear probing; the table is kept at most half full, so a look-up ends at a free slot soon.
 * Entries are never removed.
 */
#include <stdlib.h>

#include "base/base.h"

/* FNV-1a with a final mix, so that short names spread over the low bits. */
uint32_t str_hash(struct str s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	h ^= h >> 15;
	return h * 2246822519u;
}

void strmap_init(struct strmap *m, struct arena *a)
{
	*m = (struct strmap){.arena = a};
}

/* The slot of `key`: the one that holds it, or the free one where it belongs. */
static uint32_t *find_slot(const struct strmap *m, struct str key, uint32_t hash)
{
	size_t mask = m->nslots - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		const struct strmap_entry *e;

		if (!m->slots[i])
			return &m->slots[i];
		e = &m->entries[m->slots[i] - 1];
		if (e->hash == hash && str_eq(e->key, key))
			return &m->slots[i];
	}
}

void *strmap_get(const struct strmap *m, struct str key)
{
	uint32_t *slot;

	if (!m->n)
		return NULL;
	slot = find_slot(m, key, str_hash(key));
	return *slot ? m->entries[*slot - 1].value : NULL;
}

static void grow(struct strmap *m)
{
	m->nslots = m->nslots ? m->nslots * 2 : 16;
	m->slots = arena_array_of(m->arena, uint32_t, m->nslots);
	for (size_t i = 0; i < m->n; i++)
		*find_slot(m, m->entries[i].key, m->entries[i].hash) = (uint32_t)i + 1;
}

void strmap_put(struct strmap *m, struct str key, void *value)
{
	uint32_t hash = str_hash(key);
	uint32_t *slot;

	if (m->n * 2 >= m->nslots)
		grow(m);
	slot = find_slot(m, key, hash);
	if (*slot) {
		m->entries[*slot - 1].value = value;
		return;
	}
	if (m->n == m->cap)
		m->entries = vec_grow_arena(m->arena, m->entries, m->n, &m->cap,
					    sizeof(*m->entries));
	m->entries[m->n++] = (struct strmap_entry){key, value, hash};
	*slot = (uint32_t)m->n;
}
