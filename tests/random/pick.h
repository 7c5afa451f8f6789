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
	SHAPE_DEEP, /* (t = (int, string), u = (int, int)) */
	SHAPE_ARR,  /* int16[4] */
	SHAPE_COUNT
};

#define PLACE_NONE 10 /* `begin`: nothing of a probe's own */

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
	uint64_t maps;          /* bits of the maps that were used */
	unsigned layout, place; /* of the struct; the kind of probe */
	bool calm;              /* no side effects in what is written now */
	bool bare;              /* no maps in what is written now */
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
void pick_whole(struct pick *p, enum shape s, unsigned depth); /* in brackets, for an index */
void pick_text(struct pick *p);                                /* a string literal */
/* The names of variables of a shape are its letter and a number. */
extern const char pick_letters[];

/* ---- pick_c.c -------------------------------------------------------------------------------- */

void pick_definitions(struct pick *p);  /* what stands in front of all */
void pick_declarations(struct pick *p); /* of maps */
void pick_named(struct pick *p);
void pick_memory(struct pick *p, unsigned depth); /* an integer out of it */
void pick_array(struct pick *p, unsigned depth);
void pick_buffer(struct pick *p, unsigned depth); /* of up to 8 bytes */
const char *pick_place(struct pick *p);           /* of PROGRAM_LOAD */
void pick_live_int(struct pick *p);
void pick_live_text(struct pick *p);

/* ---- maps
 * ------------------------------------------------------------------------------------------------
 */

struct map_row {
	const char *name;
	int key; /* enum shape, -1: none, -2: two keys, int and string */
	enum shape value;
	const char *agg;  /* or NULL */
	const char *more; /* arguments of it behind the number; NULL: its value can be read */
};

extern const struct map_row map_rows[];
extern const unsigned map_count;

/* `@name[key]` of a random map with that value; false: there is none, nothing written. */
bool pick_map(struct pick *p, enum shape value, bool scalar_ok, unsigned depth);
void pick_map_ref(struct pick *p, unsigned row, unsigned depth);

#endif
