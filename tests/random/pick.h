/* The state of writing a random program: text so far, random numbers, what can be named. */
#ifndef AWL_TESTS_RANDOM_PICK_H
#define AWL_TESTS_RANDOM_PICK_H

#include "random.h"

/* What a variable, map or expression holds. A name belongs to one shape for the whole program. */
enum shape {
	SHAPE_INT,
	SHAPE_STR,
	SHAPE_PAIR, /* (int, int) */
	SHAPE_MIX,  /* (int, string) */
	SHAPE_NEST, /* (int, (int, string)) */
	SHAPE_REC,  /* (a = int, b = string) */
	SHAPE_COUNT
};

struct pick {
	uint64_t state;
	struct buf *out;
	enum program_kind kind;
	unsigned depth; /* of expressions, at most */
	unsigned indent, loops;
	unsigned cost, budget; /* nodes of this probe, and when to be brief */
	unsigned serial;       /* names given out */
	unsigned locals[24];   /* numbers of the $l… that are visible */
	unsigned nlocals;
	uint64_t maps; /* bits of the maps that were used */
	bool calm;     /* no side effects in what is written now */
	bool bare;     /* no maps in what is written now */
};

unsigned pick_below(struct pick *p, unsigned n);
static inline bool pick_chance(struct pick *p, unsigned percent)
{
	return pick_below(p, 100) < percent;
}

/* ---- expressions: dyn is never known at compile time
 * ------------------------------------------------ */

void pick_literal(struct pick *p);
void pick_int(struct pick *p, unsigned depth); /* dyn or literal */
void pick_dyn(struct pick *p, unsigned depth);
void pick_cond(struct pick *p, unsigned depth);
void pick_shape(struct pick *p, enum shape s, unsigned depth);
void pick_text(struct pick *p); /* a string literal */

/* ---- maps
 * ------------------------------------------------------------------------------------------------
 */

struct map_row {
	const char *name;
	int key; /* enum shape, -1: none, -2: two keys, int and string */
	enum shape value;
	const char *agg; /* or NULL */
};

extern const struct map_row map_rows[];
extern const unsigned map_count;

/* `@name[key]` of a random map with that value; false: there is none, nothing written. */
bool pick_map(struct pick *p, enum shape value, bool scalar_ok, unsigned depth);
void pick_map_ref(struct pick *p, unsigned row, unsigned depth);

#endif
