/* Growth of the typed vectors of vec.h: capacity doubles from 4.
 *
 * In an arena the old storage stays behind; the sum of what is left is at most the size of the
 * final array. A vector that had room preset by its owner (cap > 0, v set) grows the same way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static size_t next_cap(size_t cap, size_t size)
{
	if (cap > SIZE_MAX / 4 / size)
		BUG("vector of %zu items of %zu bytes is too long", cap, size);
	return cap ? cap * 2 : 4;
}

void *vec_grow_arena(struct arena *a, void *v, size_t n, size_t *cap, size_t size)
{
	void *bigger;

	*cap = next_cap(*cap, size);
	bigger = arena_alloc(a, *cap * size);
	if (n)
		memcpy(bigger, v, n * size);
	return bigger;
}

void *vec_grow_heap(void *v, size_t *cap, size_t size)
{
	*cap = next_cap(*cap, size);
	v = realloc(v, *cap * size);
	if (!v) {
		fprintf(stderr, "awl: out of memory: cannot get %zu bytes\n", *cap * size);
		abort();
	}
	return v;
}

void vec_free_heap(void *v)
{
	free(v);
}
