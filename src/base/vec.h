/* Typed vectors. `VEC(struct foo) foos;` declares one; zeroed memory is an empty one.
 *   vec_push(arena, &v, item)    grows in an arena (old storage stays behind, freed with the arena)
 *   hvec_push(&v, item)          grows on the heap; hvec_release(&v) frees
 * A vector is used with one of the two kinds of growth only. */
#ifndef AWL_BASE_VEC_H
#define AWL_BASE_VEC_H

#include <stddef.h>
#include "base/arena.h"

#define VEC(T)                 \
	struct {               \
		T *v;          \
		size_t n, cap; \
	}

void *vec_grow_arena(struct arena *a, void *v, size_t n, size_t *cap, size_t size);
void *vec_grow_heap(void *v, size_t *cap, size_t size);
void vec_free_heap(void *v);

#define vec_push(a, vec, ...)                                                           \
	do {                                                                            \
		if ((vec)->n == (vec)->cap)                                             \
			(vec)->v = vec_grow_arena((a), (vec)->v, (vec)->n, &(vec)->cap, \
						  sizeof(*(vec)->v));                   \
		(vec)->v[(vec)->n++] = (__VA_ARGS__);                                   \
	} while (0)

#define hvec_push(vec, ...)                                                                 \
	do {                                                                                \
		if ((vec)->n == (vec)->cap)                                                 \
			(vec)->v = vec_grow_heap((vec)->v, &(vec)->cap, sizeof(*(vec)->v)); \
		(vec)->v[(vec)->n++] = (__VA_ARGS__);                                       \
	} while (0)

#define hvec_release(vec)                  \
	do {                               \
		vec_free_heap((vec)->v);   \
		(vec)->v = NULL;           \
		(vec)->n = (vec)->cap = 0; \
	} while (0)

/* for (struct foo *f VEC_EACH(&foos, f)) is too clever; write: VEC_EACH(struct foo, f, &foos) { … }
 * (an empty vector has no storage, and adding even 0 to a null pointer is undefined) */
#define VEC_EACH(T, it, vec)                                                          \
	for (T *it = (vec)->v, *it##_end = (vec)->n ? (vec)->v + (vec)->n : (vec)->v; \
	     it < it##_end; it++)

#endif
