/* == of what is not a scalar: strings, buffers, arrays, tuples, records. Element by element; the
 * first difference ends it. The result is 0 or 1 in a cell that all ways out share.
 */
#include "gen/gen_impl.h"

static ir_val equal_vals(struct gen *g, struct val a, struct val b);

/* Continues only while `cond` holds; otherwise to `no`. */
static void require(struct gen *g, ir_val cond, struct ir_block *no)
{
	struct ir_block *next = ir_block_new(&g->b, NULL);

	ir_br(&g->b, cond, next, no, IR_LIKELY_EVEN);
	ir_at(&g->b, next);
}

/* ---- the same bytes
 * --------------------------------------------------------------------------------- */

static unsigned width_at(int32_t a, int32_t b, uint32_t left)
{
	unsigned w = 8;

	while (w > left || a % (int32_t)w || b % (int32_t)w)
		w /= 2;
	return w;
}

static void require_bytes(struct gen *g, struct val x, struct val y, uint32_t n,
			  struct ir_block *no)
{
	struct ir *b = &g->b;

	for (uint32_t off = 0, w; off < n; off += w) {
		w = width_at(x.off + (int32_t)off, y.off + (int32_t)off, n - off);
		ir_val l = ir_load(b, w, x.v, x.off + (int32_t)off, IR_MEM_NONE);
		ir_val r = ir_load(b, w, y.v, y.off + (int32_t)off, IR_MEM_NONE);
		require(g, ir_bin(b, IR_EQ, l, r), no);
	}
}

struct bytes {
	struct val x, y;
	ir_val len; /* 0: all of them */
	struct ir_block *no;
};

static void byte_step(struct gen *g, ir_val i, struct ir_block *out, void *arg)
{
	struct bytes *s = arg;
	struct ir *b = &g->b;

	if (s->len) {
		struct ir_block *in = ir_block_new(b, NULL);
		ir_br(b, ir_bin(b, IR_ULT, i, s->len), in, out, IR_LIKELY_YES);
		ir_at(b, in);
	}
	ir_val l = ir_load(b, 1, ir_bin(b, IR_ADD, s->x.v, i), s->x.off, IR_MEM_NONE);
	ir_val r = ir_load(b, 1, ir_bin(b, IR_ADD, s->y.v, i), s->y.off, IR_MEM_NONE);
	require(g, ir_bin(b, IR_EQ, l, r), s->no);
}

/* A buffer's length counts, and its bytes up to it. */
static void require_buf(struct gen *g, struct val x, struct val y, struct ir_block *no)
{
	struct ir *b = &g->b;
	struct bytes s = {gen_part(x, x.type, 4), gen_part(y, y.type, 4), 0, no};

	s.len = ir_load(b, 4, x.v, x.off, IR_MEM_NONE);
	require(g, ir_bin(b, IR_EQ, s.len, ir_load(b, 4, y.v, y.off, IR_MEM_NONE)), no);
	loop_count(g, MIN(x.type->str.cap, y.type->str.cap), byte_step, &s);
}

static void require_memory(struct gen *g, struct val x, struct val y, struct ir_block *no)
{
	uint32_t n = MIN(x.type->size, y.type->size);
	struct bytes s = {x, y, 0, no};

	if (n <= 2 * INLINE_BYTES)
		require_bytes(g, x, y, n, no);
	else
		loop_count(g, n, byte_step, &s);
}

/* ---- by type
 * ------------------------------------------------------------------------------------------ */

static void require_members(struct gen *g, struct val x, struct val y, struct ir_block *no)
{
	for (uint32_t i = 0; i < x.type->tuple.n; i++) {
		const struct member *l = &x.type->tuple.members[i], *r = &y.type->tuple.members[i];
		for (uint32_t k = 0; x.type->kind == TYPE_RECORD && k < y.type->tuple.n; k++)
			if (str_eq(y.type->tuple.members[k].name, l->name))
				r = &y.type->tuple.members[k];
		require(g,
			equal_vals(g, gen_part(x, l->type, (int32_t)l->offset),
				   gen_part(y, r->type, (int32_t)r->offset)),
			no);
	}
}

static void require_equal(struct gen *g, struct val x, struct val y, struct ir_block *no)
{
	x = gen_to_bpf(g, x);
	y = gen_to_bpf(g, y);
	switch (x.type->kind) {
	case TYPE_TUPLE:
	case TYPE_RECORD:
		require_members(g, x, y, no);
		break;
	case TYPE_BUF:
		require_buf(g, x, y, no);
		break;
	default:
		require_memory(g, x, y, no);
	}
}

static ir_val equal_vals(struct gen *g, struct val x, struct val y)
{
	struct ir *b = &g->b;

	if (type_is_scalar(x.type) && type_is_scalar(y.type))
		return ir_bin(b, IR_EQ, gen_load(g, x), gen_load(g, y));
	if (x.type->kind == TYPE_STRING)
		return str_equal(g, x, y);
	struct ir_block *done = ir_block_new(b, NULL);
	ir_cell equal = ir_cell_new(b, "equal", false);
	ir_set(b, equal, ir_const(b, 0));
	require_equal(g, x, y, done);
	ir_set(b, equal, ir_const(b, 1));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, equal);
}

ir_val gen_equal(struct gen *g, struct expr *l, struct expr *r)
{
	if (r->kind == EXPR_STR)
		return str_eq_literal(g, gen_expr(g, l), r->str);
	if (l->kind == EXPR_STR)
		return str_eq_literal(g, gen_expr(g, r), l->str);
	struct val x = gen_held(g, l, &r, 1);
	return equal_vals(g, x, gen_expr(g, r));
}
