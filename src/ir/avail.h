/* What is known about memory and cells at a point of a function; avail.c, for gvn.c. */
#ifndef AWL_IR_AVAIL_H
#define AWL_IR_AVAIL_H

#include "ir/ir_impl.h"

enum { AVAIL_MAX = 48 };

/* Instructions whose effect or result still holds: OP_LOAD, OP_STORE, OP_CALL of a look-up, OP_GET,
 * OP_SET. */
struct avail {
	uint32_t n;
	ir_val v[AVAIL_MAX];
};

/* The instruction has been executed: forget what it may change, then remember it. */
void avail_kill(struct ir_fn *fn, struct avail *s, ir_val v);
void avail_add(struct ir_fn *fn, struct avail *s, ir_val v);
/* A value equal to what `v` (load, get, look-up) will give, or 0. For a store: 1 when memory holds
 * that value already. */
ir_val avail_find(struct ir_fn *fn, const struct avail *s, ir_val v);

#endif
