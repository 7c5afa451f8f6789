/* Random awl programs and what they must print.
 *
 *   program_random   seed → text of a program that the compiler should accept
 *   expect_output    checked tree → the text it prints, by walking the tree
 *
 * The second is written from the description of the language and shares no code with the generator
 * of BPF: where both agree on many thousands of programs, both are probably right. */
#ifndef AWL_TESTS_RANDOM_H
#define AWL_TESTS_RANDOM_H

#include "sema/sema.h"

enum program_kind {
	PROGRAM_RUN,  /* begin and end, deterministic: can be compared */
	PROGRAM_LOAD, /* many kinds of probes, reads of the running system: only loaded */
};

void program_random(struct buf *out, uint64_t seed, enum program_kind kind);

/* Appends what the program prints: printf() and print(), then its maps, a line for each entry, in
 * any order. */
void expect_output(struct arena *a, struct plan *plan, struct buf *out);

/* ---- for the files of expect_output ---------------------------------------------------------- */

struct value {
	const struct type *type;
	uint64_t n;          /* scalars: extended to 64 bits by the sign of the type */
	struct str s;        /* strings, buffers; arrays: all their bytes */
	struct value *items; /* tuples and records */
};

struct tally { /* an aggregation */
	uint64_t total, count;
	int64_t min, max;
	const struct expr *call; /* the function and what it is given besides the number */
	VEC(int64_t) seen;       /* all numbers */
};

struct entry {
	struct value key, value;
	struct tally tally;
	bool gone;
};

struct table { /* a map */
	const struct map_sym *sym;
	VEC(struct entry *) entries;
};

struct slot { /* a variable */
	const struct var_sym *sym;
	struct value value;
};

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN, FLOW_EXIT };

struct world {
	struct arena *arena;
	struct buf *out;
	VEC(struct table *) tables;
	VEC(struct slot) slots; /* of the probe that runs */
	enum flow flow;         /* why statements are being left, FLOW_NEXT: they are not */
	struct value result;    /* what the last `return` said */
	uint64_t steps;
};

uint64_t value_fit(const struct type *t, uint64_t n);
struct value value_num(const struct type *t, uint64_t n);
struct value value_zero(struct arena *a, const struct type *t);
struct value value_as(struct arena *a, struct value v, const struct type *t);
bool value_eq(const struct value *a, const struct value *b);
void value_text(const struct value *v, struct buf *out);

struct table *table_of(struct world *w, const struct map_sym *m);
struct entry *table_find(struct world *w, struct table *t, struct value key, bool add);
void tally_add(struct arena *a, struct entry *e, const struct expr *call, uint64_t arg);
uint64_t tally_number(const struct type *t, const struct tally *y);
void tally_text(const struct type *t, const struct tally *y, struct buf *out);
void table_text(const struct table *t, struct buf *out);
/* hist, lhist, tseries: some lines, and an empty one. False: another aggregation. */
bool chart_text(const struct type *t, const struct tally *y, struct buf *out);
void buffer_text(struct str bytes, char variant, struct buf *out); /* %r, %rx, %rh */

/* A pointer is the number of a variable, from 1, above 32 bits of offset in its bytes. */
bool memory_is(const struct expr *e); /* `p.x`, `p[i]`, `*p`, `a[i]` … */
struct value memory_read(struct world *w, struct expr *e);
struct value memory_address(struct world *w, struct expr *of); /* of `&`: variable, member */
/* Up to 8 bytes behind a pointer. */
struct str memory_bytes(struct world *w, uint64_t pointer, size_t n);

struct value eval(struct world *w, struct expr *e);
uint64_t eval_num(struct world *w, struct expr *e);
uint64_t eval_arith(enum binary_op op, uint64_t l, uint64_t r, const struct type *lt,
		    const struct type *rt);
struct value eval_key(struct world *w, struct expr *map);
struct value eval_call(struct world *w, struct expr *e);
struct value *eval_slot(struct world *w, const struct var_sym *v);
struct value eval_block(struct world *w, struct block *b);

#endif
