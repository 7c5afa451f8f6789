/* Names of ranges of generated code; see codenames.h. */
#include "elf/codenames.h"
#include "elf/sort.h"

#include <stdlib.h>

enum { MAX_BACK = 64 }; /* overlapping ranges looked at */

/* Items in order of their place: later ones, which keep the order among equals, last. A search from
 * the right meets them first. */
void code_names_sort(code_names *names)
{
	struct code_name *sorted = malloc(MAX(names->cap, 1) * sizeof(*sorted));
	struct sort_item *v = malloc(MAX(names->n, 1) * sizeof(*v));

	if (!sorted || !v)
		BUG("out of memory");
	for (size_t i = 0; i < names->n; i++)
		v[i] = (struct sort_item){.key = names->v[i].start, .idx = (uint32_t)i};
	sort_by_key(v, names->n);
	for (size_t i = 0; i < names->n; i++)
		sorted[i] = names->v[v[i].idx];
	free(v);
	vec_free_heap(names->v);
	names->v = sorted;
	names->cap = MAX(names->cap, 1);
}

const char *code_names_find(const code_names *names, uint64_t addr, uint64_t *offset)
{
	const struct code_name *best = NULL;
	size_t lo = 0, hi = names->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (names->v[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (int back = 0; lo && back < MAX_BACK; back++) {
		const struct code_name *e = &names->v[--lo];

		if (addr - e->start < e->size && (!best || e->order > best->order))
			best = e;
	}
	if (!best)
		return NULL;
	*offset = addr - best->start;
	return best->name;
}
