/* Requests to the reader and its replies as bytes. Private to src/elf.
 *
 *   u8 … u64  in the machine's order        text  its bytes and a NUL       NULL text  0xff, NUL
 *
 * What is taken out of a reply was written by a process that may be the attacker's: nothing is
 * taken that is not there, and after the first failure everything reads as 0 and "". */
#ifndef AWL_ELF_WIRE_H
#define AWL_ELF_WIRE_H

#include "base/base.h"

struct wire {
	const uint8_t *p;
	size_t n;
	bool bad;
};

static inline void wire_put(struct buf *b, uint64_t v, unsigned bytes)
{
	buf_add(b, &v, bytes); /* little-endian machines only, as all of src/elf */
}

static inline void wire_put_text(struct buf *b, const char *s)
{
	buf_add(b, s ? s : "\xff", s ? strlen(s) + 1 : 2);
}

static inline uint64_t wire_take(struct wire *w, unsigned bytes)
{
	uint64_t v = 0;

	if (w->bad || w->n < bytes) {
		w->bad = true;
		return 0;
	}
	memcpy(&v, w->p, bytes);
	w->p += bytes;
	w->n -= bytes;
	return v;
}

/* Valid as long as the bytes; NULL when NULL was put. */
static inline const char *wire_take_text(struct wire *w)
{
	const char *s = (const char *)w->p;
	const uint8_t *z = w->bad || !w->n ? NULL : memchr(w->p, 0, w->n);

	if (!z) {
		w->bad = true;
		return "";
	}
	w->n -= (size_t)(z + 1 - w->p);
	w->p = z + 1;
	return strcmp(s, "\xff") == 0 ? NULL : s;
}

static inline const char *wire_copy_text(struct wire *w, struct arena *a)
{
	const char *s = wire_take_text(w);

	return s ? arena_strdup(a, s) : NULL;
}

/* The number of things that follow, each of at least `least` bytes: no more than there can be. */
static inline size_t wire_take_count(struct wire *w, size_t least)
{
	uint64_t n = wire_take(w, 8);

	if (n > w->n / least) {
		w->bad = true;
		return 0;
	}
	return (size_t)n;
}

#endif
