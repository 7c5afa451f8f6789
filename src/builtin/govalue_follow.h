/* What the files that generate the walk over a value share; private to src/builtin. */
#ifndef AWL_BUILTIN_GOVALUE_FOLLOW_H
#define AWL_BUILTIN_GOVALUE_FOLLOW_H

#include <stddef.h>
#include "builtin/govalue.h"

struct follow {
	struct gen *g;
	struct ir *b;
	struct val rec;
	uint32_t size, file;
	const struct gotypes_data *data;
	bool maps;      /* their elements are shown */
	uint32_t block; /* number of the map */
	struct ir_block *next, *done;
	/* of this turn */
	ir_val chunk, bytes;    /* address; its bytes */
	ir_val cur, elem, each; /* each: bytes of an element */
	ir_val op;              /* address of the operation */
	ir_val slot, w0, w1;
	ir_val at;                /* where the new chunk goes */
	ir_cell addr, want, type; /* what is to be read for it */
};

/* Goes on where `cond` holds, and to `no` otherwise. */
void govalue_require(struct follow *f, ir_val cond, struct ir_block *no);
ir_val govalue_lesser(struct follow *f, ir_val x, ir_val y);
ir_val govalue_op_field(struct follow *f, int32_t off);
#define OP_FIELD(f, name) govalue_op_field((f), offsetof(struct gotype_op, name))
void govalue_set_target(struct follow *f, ir_val addr, ir_val want, ir_val type);

/* govalue_map.c: goes to `read` where the slot leads to groups of a map, to the next turn where it
 * leads nowhere, and on where it is one of another kind, which has an address. */
void govalue_follow_groups(struct follow *f, ir_val follow, struct ir_block *read);

#endif
