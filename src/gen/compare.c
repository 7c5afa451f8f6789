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

struct words {
	struct val x, y;
	ir_val len; /* so many bytes count; 0: all */
	unsigned width;
	struct ir_block *no;
};

/* Where fewer bytes than a word are left, those behind them are shifted out. */
static ir_val only_left(struct gen *g, ir_val word, ir_val left, unsigned width)
{
	struct ir *b = &g->b;
	ir_val bits = ir_bini(b, IR_MUL, ir_bound(b, left, width), 8);

	return ir_bin(b, IR_SHL, word, ir_bin(b, IR_SUB, ir_const(b, 64), bits));
}

static void compare_word(struct gen *g, const struct words *w, ir_val at, struct ir_block *end)
{
	struct ir *b = &g->b;
	struct ir_block *in = w->len ? ir_block_new(b, NULL) : NULL;

	if (in) {
		ir_br(b, ir_bin(b, IR_ULT, at, w->len), in, end, IR_LIKELY_YES);
		ir_at(b, in);
	}
	ir_val l = ir_load(b, w->width, ir_bin(b, IR_ADD, w->x.v, at), w->x.off, IR_MEM_NONE);
	ir_val r = ir_load(b, w->width, ir_bin(b, IR_ADD, w->y.v, at), w->y.off, IR_MEM_NONE);
	if (!in) {
		require(g, ir_bin(b, IR_EQ, l, r), w->no);
		return;
	}
	ir_val diff = only_left(g, ir_bin(b, IR_XOR, l, r), ir_bin(b, IR_SUB, w->len, at),
				w->width);
	require(g, ir_not(b, diff), w->no);
}

static void word_step(struct gen *g, ir_val i, struct ir_block *out, void *arg)
{
	const struct words *w = arg;

	compare_word(g, w, ir_bini(&g->b, IR_MUL, i, w->width), out);
}

/* The first `n` bytes, a word at a time as far as words go. */
static void require_words(struct gen *g, struct words *w, uint32_t n)
{
	struct ir *b = &g->b;
	struct ir_block *end = ir_block_new(b, NULL);
	uint32_t off;

	w->width = width_at(w->x.off, w->y.off, n);
	loop_count(g, n / w->width, word_step, w);
	for (off = n - n % w->width, w->width = 1; off < n; off++)
		compare_word(g, w, ir_const(b, off), end);
	ir_jmp(b, end);
	ir_at(b, end);
}

/* A buffer's length counts, and its bytes up to it. */
static void require_buf(struct gen *g, struct val x, struct val y, struct ir_block *no)
{
	struct ir *b = &g->b;
	struct words w = {gen_part(x, x.type, 4), gen_part(y, y.type, 4), 0, 0, no};

	w.len = ir_load(b, 4, x.v, x.off, IR_MEM_NONE);
	require(g, ir_bin(b, IR_EQ, w.len, ir_load(b, 4, y.v, y.off, IR_MEM_NONE)), no);
	require_words(g, &w, MIN(x.type->str.cap, y.type->str.cap));
}

static void require_memory(struct gen *g, struct val x, struct val y, struct ir_block *no)
{
	uint32_t n = MIN(x.type->size, y.type->size);
	struct words w = {x, y, 0, 0, no};

	if (n <= 2 * INLINE_BYTES)
		require_bytes(g, x, y, n, no);
	else
		require_words(g, &w, n);
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
