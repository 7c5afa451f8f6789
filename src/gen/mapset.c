/* Changing maps: assignment, compound assignment, ++ and --, delete.
 *
 * Everything that depends on the old value is one atomic instruction on the element in its place,
 * or a compare-and-swap tried a few times, so that concurrent updates are not lost.
 */
#include "gen/gen_impl.h"

#define CAS_TRIES 8

static const struct type wide = {.kind = TYPE_INT, .size = 8, .align = 8};

/* ---- assignment
 * ----------------------------------------------------------------------------------------- */

/* The value in memory that a map update can take it from. */
static struct val value_in_memory(struct gen *g, struct expr *map, struct expr *value)
{
	const struct map_sym *m = map->sem;

	if (value->kind == EXPR_VAR && !type_is_scalar(m->value) &&
	    type_eq(value->type, m->value) && m->value_size <= m->value->size)
		return gen_held(g, value, map->map.keys, map->map.nkeys);
	struct val tmp = gen_temp_bytes(g, MAX(m->value_size, m->value->size), 8, false);
	tmp.type = m->value;
	if (m->value_size > m->value->size)
		gen_move(g, gen_part(tmp, &type_void, (int32_t)m->value->size), VAL_VOID,
			 m->value_size - m->value->size);
	gen_build(g, value, tmp, false);
	return tmp;
}

static void update(struct gen *g, const struct map_sym *m, struct val key, struct val value)
{
	struct ir *b = &g->b;
	struct ir_block *full = ir_block_new(b, "full"), *done = ir_block_new(b, NULL);
	ir_val r = IR_CALL(b, BPF_FUNC_map_update_elem, ir_map(b, m->index), gen_addr(g, key),
			   gen_addr(g, value), ir_const(b, BPF_ANY));

	ir_br(b, r, full, done, IR_LIKELY_NO);
	ir_at(b, full);
	map_lost(g, m);
	ir_jmp(b, done);
	ir_at(b, done);
}

void map_assign(struct gen *g, struct expr *map, struct expr *value)
{
	const struct map_sym *m = map->sem;

	if (m->storage == MAP_SCALAR) {
		gen_assign(g, value, map_slot(g, m, VAL_VOID, NULL), m, true);
		map_mark_set(g, m);
		return;
	}
	struct val v = value_in_memory(g, map, value);
	update(g, m, gen_map_key(g, map), v);
}

/* ---- compound assignment
 * ------------------------------------------------------------------------------------ */

static bool atomic_op(enum binary_op op, enum ir_atomic_op *out)
{
	switch (op) {
	case BIN_ADD:
	case BIN_SUB:
		*out = IR_ATOMIC_ADD;
		return true;
	case BIN_AND:
		*out = IR_ATOMIC_AND;
		return true;
	case BIN_OR:
		*out = IR_ATOMIC_OR;
		return true;
	case BIN_XOR:
		*out = IR_ATOMIC_XOR;
		return true;
	default:
		return false;
	}
}

struct cas {
	struct val slot;
	enum binary_op op;
	ir_val r;
	const struct type *rtype;
	struct ir_block *done;
};

/* One try: to `done` when nobody came between. */
static void cas_step(struct gen *g, ir_val i, struct ir_block *out, void *arg)
{
	const struct cas *c = arg;
	const struct type *t = c->slot.type;
	struct ir *b = &g->b;
	struct ir_block *again = ir_block_new(b, NULL);
	ir_val seen = ir_load(b, t->size, c->slot.v, c->slot.off, IR_MEM_VOLATILE);
	ir_val old = type_is_signed(t) ? ir_sext(b, seen, t->size) : seen;
	ir_val now = gen_arith(g, c->op, t->size < 8 ? old : seen, c->r, t, c->rtype);
	ir_val was = ir_cmpxchg(b, t->size, c->slot.v, c->slot.off, seen,
				gen_convert(g, now, &wide, t));

	ir_br(b, ir_bin(b, IR_EQ, was, seen), c->done, again, IR_LIKELY_YES);
	ir_at(b, again);
}

static void plain_op(struct gen *g, const struct cas *c)
{
	ir_val old = gen_load(g, c->slot);

	store_scalar(g, c->slot, gen_arith(g, c->op, old, c->r, c->slot.type, c->rtype));
	ir_jmp(&g->b, c->done);
}

static void apply(struct gen *g, const struct cas *c)
{
	enum ir_atomic_op op;
	uint32_t size = c->slot.type->size;

	if (size < 4) {
		plain_op(g, c);
	} else if (atomic_op(c->op, &op)) {
		ir_val r = c->op == BIN_SUB ? ir_neg(&g->b, c->r) : c->r;
		ir_atomic(&g->b, op, size, c->slot.v, c->slot.off, r, false);
		ir_jmp(&g->b, c->done);
	} else {
		loop_count(g, CAS_TRIES, cas_step, (void *)c);
		gen_lost(g, LOST_CONTEND);
		ir_jmp(&g->b, c->done);
	}
}

void map_compound(struct gen *g, struct expr *map, enum binary_op op, struct expr *value)
{
	struct cas c = {.op = op, .rtype = value->type, .done = ir_block_new(&g->b, NULL)};

	c.r = gen_plain(g, gen_rvalue(g, gen_expr(g, value)));
	c.slot = map_place(g, map, c.done);
	apply(g, &c);
	ir_at(&g->b, c.done);
}

/* ---- ++ and --
 * -----------------------------------------------------------------------------------------------
 */

/* The old value, when asked for. */
static ir_val step_slot(struct gen *g, struct val slot, int64_t by, bool used)
{
	const struct type *t = slot.type;
	struct ir *b = &g->b;
	ir_val old;

	if (t->size >= 4) {
		old = ir_atomic(b, IR_ATOMIC_ADD, t->size, slot.v, slot.off, ir_const(b, by), used);
		return t->size < 8 && type_is_signed(t) ? ir_sext(b, old, t->size) : old;
	}
	old = gen_load(g, slot);
	store_scalar(g, slot, ir_bini(b, IR_ADD, old, by));
	return old;
}

struct val map_incdec(struct gen *g, struct expr *e, bool used)
{
	struct ir *b = &g->b;
	struct ir_block *done = ir_block_new(b, NULL);
	const struct type *t = ((const struct map_sym *)e->incdec.e->sem)->value;
	int64_t by = t->kind == TYPE_PTR ? MAX(t->ptr.to->size, 1u) : 1;
	ir_cell cell = used ? ir_cell_new(b, "old", false) : 0;

	by = e->incdec.dec ? -by : by;
	if (used)
		ir_set(b, cell, ir_const(b, 0));
	ir_val old = step_slot(g, map_place(g, e->incdec.e, done), by, used);
	if (used)
		ir_set(b, cell, e->incdec.prefix ? ir_bini(b, IR_ADD, old, by) : old);
	ir_jmp(b, done);
	ir_at(b, done);
	return used ? val_scalar(e->type, ir_get(b, cell)) : VAL_VOID;
}

/* ---- delete
 * ------------------------------------------------------------------------------------------------------
 */

static ir_val delete_scalar(struct gen *g, const struct map_sym *m)
{
	struct ir *b = &g->b;
	ir_val at = ir_mapval(b, m->index, 0);
	ir_val was = ir_atomic(b, IR_ATOMIC_XCHG, 8, at, (int32_t)m->set_off, ir_const(b, 0), true);

	gen_zero(g, val_mem(m->value, at, 0, SPACE_BPF));
	return was;
}

static void warn_missing(struct gen *g, ir_val r)
{
	struct ir *b = &g->b;
	struct ir_block *missing, *done;

	if (!gen_warns(g))
		return;
	missing = ir_block_new(b, "missing");
	done = ir_block_new(b, "deleted");
	ir_br(b, r, missing, done, IR_LIKELY_NO);
	ir_at(b, missing);
	gen_warn(g, "map_delete_elem", r);
	ir_jmp(b, done);
	ir_at(b, done);
}

ir_val gen_map_delete(struct gen *g, const struct map_sym *m, struct val key)
{
	struct ir *b = &g->b;

	if (m->storage == MAP_SCALAR)
		return delete_scalar(g, m);
	if (m->storage == MAP_PERCPU_ARRAY) {
		agg_zero_all(g, m, map_key_zero(g));
		return ir_const(b, 1);
	}
	ir_val r = IR_CALL(b, BPF_FUNC_map_delete_elem, ir_map(b, m->index), gen_addr(g, key));
	warn_missing(g, r);
	return ir_bini(b, IR_EQ, r, 0);
}
