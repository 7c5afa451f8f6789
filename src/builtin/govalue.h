/* What the files about values of Go share; private to src/builtin. */
#ifndef AWL_BUILTIN_GOVALUE_H
#define AWL_BUILTIN_GOVALUE_H

#include "builtin/builtin_priv.h"
#include "type/gotype.h"

/* ---- govalue_follow.c: in the program -------------------------------------------------------- */

/* The record at `rec`, of `size` bytes, has its root, of that type; what it leads to is added
 * behind it. */
void govalue_follow(struct gen *g, struct val rec, uint32_t size, struct gotypes *gt, uint32_t type,
		    uint32_t file);

/* ---- govalue_text.c, govalue_error.c: in user space -------------------------------------------
 */

struct goshow { /* one record while it is shown */
	const struct gotypes *gt;
	const uint8_t *rec;
	uint32_t used;
	unsigned depth;
	struct buf *out;
};

/* A part of a record: `n` bytes at `off` that were captured of a value of type `t`. */
struct gopart {
	const struct gotype *t;
	uint32_t off, n;
};

void goshow_value(struct goshow *s, struct gopart p);
/* govalue_map_text.c: a map of `n` elements, whose structure is in `head`. */
void goshow_map(struct goshow *s, const struct gotype_map *m, struct gopart head, uint64_t n);
/* In place of an interface: its type's name and the value, or the text of an error. */
void goshow_dynamic(struct goshow *s, struct gopart p);
/* What the slot of a pointer, slice or interface leads to; false: it was not captured. `*marks` has
 * GO_CHUNK_FAULT and GO_CHUNK_UNKNOWN. */
bool goshow_find(const struct goshow *s, uint32_t slot, struct gopart *out, uint32_t *marks);
/* One after the other: `*at`, 0 at first, is where the next one is looked for. */
struct gochunk {
	struct gopart part;
	uint32_t marks, skip; /* skip: bytes that are before it, in an array of groups */
};
bool goshow_next(const struct goshow *s, uint32_t slot, uint32_t *at, struct gochunk *out);
uint64_t goshow_word(const struct goshow *s, uint32_t off);
/* A number whose bytes were captured; `single`: of four bytes. */
uint64_t goshow_unsigned(const struct goshow *s, struct gopart p);
int64_t goshow_signed(const struct goshow *s, struct gopart p);
double goshow_float(const struct goshow *s, uint32_t off, bool single);
/* A member of a struct; false when there is none of that name, or it was not captured whole. */
bool goshow_member(const struct goshow *s, struct gopart p, const char *name, struct gopart *out);
/* A type that has a text of its own in Go (time.Duration, *errors.errorString …); false: it is none
 * of those that are known. */
bool goshow_known(struct goshow *s, struct gopart p);

#endif
