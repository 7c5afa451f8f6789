/* The bump allocator of arena.h.
 *
 * An arena is a list of chunks, newest first. An allocation is taken from the newest chunk; when it
 * does not fit, a new chunk is opened and what was left of the old one is given up:
 *
 *   arena ──► chunk ──► chunk ──► NULL
 *             │ next, size, used │ data … used │ free … size │
 *
 * Chunks start at 16 KiB and double up to 1 MiB, so small compilations stay small and big ones do
 * few allocations. An object larger than a quarter of the next chunk gets a chunk of its own, put
 * behind the newest one so that the room left there stays in use.
 *
 * Invariant: chunk data comes from calloc and is handed out once, so all memory is zeroed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define ARENA_ALIGN 16
#define CHUNK_FIRST (16u << 10)
#define CHUNK_MAX   (1u << 20)

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

struct at_free {
	struct at_free *next;
	void (*fn)(void *arg);
	void *arg;
};

struct arena {
	struct chunk *head;
	struct at_free *at_free;
	size_t next_size;
	size_t used;
};

static _Noreturn void out_of_memory(size_t size)
{
	fprintf(stderr, "awl: out of memory: cannot get %zu bytes\n", size);
	abort();
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c;

	if (size > SIZE_MAX / 2)
		out_of_memory(size);
	c = calloc(1, sizeof(*c) + size);
	if (!c)
		out_of_memory(size);
	c->size = size;
	return c;
}

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (!a)
		out_of_memory(sizeof(*a));
	a->next_size = CHUNK_FIRST;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct at_free *f = a->at_free; f; f = f->next)
		f->fn(f->arg);
	for (struct chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

void arena_at_free(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct at_free *f = arena_new_of(a, struct at_free);

	*f = (struct at_free){a->at_free, fn, arg};
	a->at_free = f;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

/* A chunk for one large object; it goes behind the head, which keeps serving small ones. */
static void *alloc_large(struct arena *a, size_t size)
{
	struct chunk *c = chunk_new(size);

	c->used = size;
	if (a->head) {
		c->next = a->head->next;
		a->head->next = c;
	} else {
		a->head = c;
	}
	return c->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->head;
	void *p;

	if (size > SIZE_MAX / 2)
		out_of_memory(size);
	size = ALIGN_UP(size ? size : 1, ARENA_ALIGN);
	a->used += size;
	if (!c || c->size - c->used < size) {
		if (size > a->next_size / 4)
			return alloc_large(a, size);
		c = chunk_new(a->next_size);
		c->next = a->head;
		a->head = c;
		a->next_size = MIN(a->next_size * 2, CHUNK_MAX);
	}
	p = c->data + c->used;
	c->used += size;
	return p;
}

void *arena_memdup(struct arena *a, const void *p, size_t size)
{
	void *copy = arena_alloc(a, size);

	if (size)
		memcpy(copy, p, size);
	return copy;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *s;
	int n;

	if (!fmt)
		BUG("no format");
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		BUG("format that cannot be printed");
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}
