/* A bump allocator. One arena lives as long as one compilation (or one session) and is freed whole;
 * nothing in it is freed singly. Memory is zeroed and aligned to 16 bytes. Running out of memory
 * aborts with a message: there is nothing a tracer can usefully do then. */
#ifndef AWL_BASE_ARENA_H
#define AWL_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */
/* Calls fn(arg) when the arena is freed, the last one first: for what its objects hold elsewhere.
 */
void arena_at_free(struct arena *a, void (*fn)(void *arg), void *arg);
size_t arena_used(const struct arena *a);

void *arena_alloc(struct arena *a, size_t size);
void *arena_memdup(struct arena *a, const void *p, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

#define arena_new_of(a, T)      ((T *)arena_alloc((a), sizeof(T)))
#define arena_array_of(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))

#endif
