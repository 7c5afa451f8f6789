/* Address spaces: sorted mappings, the later ones on top of the earlier.
 *
 *   before        |aaaaaaaaaaaa|      |bbbbb|
 *   space_map          |mmm|
 *   after         |aaaa|mmm|aaa|      |bbbbb|
 *
 * Unmapping is not followed: a library that is gone keeps its names until something else takes its
 * place, which is what stacks taken before need. */
#include "elf/space.h"

#include <stdlib.h>
#include <string.h>

struct space *space_new(void)
{
	struct space *s = calloc(1, sizeof(*s));

	if (!s)
		BUG("out of memory");
	s->refs = 1;
	return s;
}

struct space *space_ref(struct space *s)
{
	s->refs++;
	return s;
}

void space_unref(struct space *s)
{
	if (!s || --s->refs)
		return;
	hvec_release(&s->maps);
	free(s);
}

struct space *space_own(struct space *s)
{
	struct space *copy;

	if (s->refs == 1)
		return s;
	copy = space_new();
	for (size_t i = 0; i < s->maps.n; i++)
		hvec_push(&copy->maps, s->maps.v[i]);
	space_unref(s);
	return copy;
}

/* The first mapping that ends behind `addr`. */
static size_t first_behind(const struct space *s, uint64_t addr)
{
	size_t lo = 0, hi = s->maps.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->maps.v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Replaces the mappings [from, to) by `n` others. */
static void replace(struct space *s, size_t from, size_t to, const struct mapping *with, size_t n)
{
	size_t tail = s->maps.n - to;

	for (size_t i = to - from; i < n; i++)
		hvec_push(&s->maps, with[0]); /* room, filled below */
	memmove(s->maps.v + from + n, s->maps.v + to, tail * sizeof(*with));
	memcpy(s->maps.v + from, with, n * sizeof(*with));
	s->maps.n = from + n + tail;
}

void space_map(struct space *s, const struct mapping *m)
{
	size_t from = first_behind(s, m->start), to = from, n = 0;
	struct mapping pieces[3];

	while (to < s->maps.n && s->maps.v[to].start < m->end)
		to++;
	if (to > from && s->maps.v[from].start < m->start) {
		pieces[n] = s->maps.v[from];
		pieces[n++].end = m->start;
	}
	pieces[n++] = *m;
	if (to > from && s->maps.v[to - 1].end > m->end) {
		pieces[n] = s->maps.v[to - 1];
		pieces[n].offset += m->end - pieces[n].start;
		pieces[n++].start = m->end;
	}
	replace(s, from, to, pieces, n);
}

const struct mapping *space_find(const struct space *s, uint64_t addr)
{
	size_t i = first_behind(s, addr);

	return i < s->maps.n && addr >= s->maps.v[i].start ? &s->maps.v[i] : NULL;
}
