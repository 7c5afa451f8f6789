/* Reading and writing the bytes of a compiled program: little-endian 32-bit words.
 *
 *   u32          one word                     u64      two words, the low one first
 *   text         u32 length, bytes, zeros up to a multiple of 4; without a NUL
 *   text or none the same, length 0xffffffff: none
 *
 * A reader that has met anything wrong is `bad`: from then on it gives zeros, so that a parser
 * needs to look once, at its end, and before it takes memory for a number of things. */
#ifndef AWL_AOT_WIRE_H
#define AWL_AOT_WIRE_H

#include "base/base.h"

struct reader {
	const uint8_t *p;
	size_t n, at;
	bool bad;
	struct arena *a; /* of texts */
};

void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_str(struct buf *b, struct str s);
void put_text(struct buf *b, const char *z); /* NULL: none */

uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
struct str get_str(struct reader *r);   /* any bytes, with a NUL behind them */
const char *get_text(struct reader *r); /* never NULL; a NUL inside is bad */
const char *get_text_or_none(struct reader *r);
uint32_t get_below(struct reader *r, uint32_t limit); /* a number below it, else bad and 0 */
/* How many things follow, each of at least `each` bytes: never more than there can be. */
uint32_t get_count(struct reader *r, size_t each);
bool get_bool(struct reader *r);

/* FNV-1a, continued from `h`. */
#define WIRE_CHECKSUM 0xcbf29ce484222325
uint64_t wire_checksum(uint64_t h, const void *p, size_t n);

#endif
