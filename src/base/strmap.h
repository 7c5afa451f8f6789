/* A hash map from strings to pointers, in an arena. Keys are not copied: they must outlive the map.
 * Iteration (STRMAP_EACH) is in order of insertion, so results are the same from run to run. */
#ifndef AWL_BASE_STRMAP_H
#define AWL_BASE_STRMAP_H

#include <stdint.h>
#include "base/arena.h"
#include "base/str.h"

struct strmap_entry {
	struct str key;
	void *value;
	uint32_t hash;
};

struct strmap {
	struct arena *arena;
	struct strmap_entry *entries; /* in order of insertion */
	uint32_t *slots; /* index into entries plus one, 0 is free; a power of two of them */
	size_t n, cap, nslots;
};

void strmap_init(struct strmap *m, struct arena *a);
void *strmap_get(const struct strmap *m, struct str key);       /* NULL when absent */
void strmap_put(struct strmap *m, struct str key, void *value); /* replaces */
uint32_t str_hash(struct str s);

#define STRMAP_EACH(it, m)                                                                  \
	for (struct strmap_entry *it = (m)->entries,                                        \
				 *it##_end = (m)->n ? (m)->entries + (m)->n : (m)->entries; \
	     it < it##_end; it++)

#endif
