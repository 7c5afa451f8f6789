/* Operators: arithmetic, comparison, logic, and branching on conditions.
 *
 * Arithmetic is 64 bits wide. Division, remainder and right shift are signed when an operand is (of
 * a shift: the left one); a literal that fits either sign counts as what the other operand is.
 * Conditions are generated as control flow (gen_branch) wherever they decide a branch: && and ||
 * then need no value of their own.
 */
#include "gen/gen_impl.h"

static bool counts_as_signed(const struct type *t)
{
	return type_is_signed(t) && !(t->kind == TYPE_INT && t->num.flexible);
}

static bool either_signed(const struct type *l, const struct type *r)
{
	return counts_as_signed(l) || counts_as_signed(r);
}

static bool is_comparison(enum binary_op op)
{
	return op >= BIN_EQ && op <= BIN_GE;
}

static enum ir_binop ir_op(enum binary_op op, bool is_signed)
{
	switch (op) {
	case BIN_OR:
		return IR_OR;
	case BIN_XOR:
		return IR_XOR;
	case BIN_AND:
		return IR_AND;
	case BIN_EQ:
		return IR_EQ;
	case BIN_NE:
		return IR_NE;
	case BIN_LT:
		return is_signed ? IR_SLT : IR_ULT;
	case BIN_LE:
		return is_signed ? IR_SLE : IR_ULE;
	case BIN_GT:
		return is_signed ? IR_SGT : IR_UGT;
	case BIN_GE:
		return is_signed ? IR_SGE : IR_UGE;
	case BIN_SHL:
		return IR_SHL;
	case BIN_SHR:
		return is_signed ? IR_ASHR : IR_LSHR;
	case BIN_ADD:
		return IR_ADD;
	case BIN_SUB:
		return IR_SUB;
	case BIN_MUL:
		return IR_MUL;
	case BIN_DIV:
		return is_signed ? IR_SDIV : IR_UDIV;
	case BIN_MOD:
		return is_signed ? IR_SMOD : IR_UMOD;
	default:
		BUG("operator %s is control flow", binary_op_text(op));
	}
}

ir_val gen_arith(struct gen *g, enum binary_op op, ir_val l, ir_val r, const struct type *lt,
		 const struct type *rt)
{
	bool is_signed = op == BIN_SHR ? counts_as_signed(lt) : either_signed(lt, rt);

	return ir_bin(&g->b, ir_op(op, is_signed), l, r);
}

/* ---- pointers
 * -------------------------------------------------------------------------------------- */

static uint32_t pointee_size(const struct type *p)
{
	return MAX(p->ptr.to->size, 1u);
}

static struct val pointer_arith(struct gen *g, struct expr *e, struct val l, struct val r)
{
	struct ir *b = &g->b;
	bool left = e->bin.l->type->kind == TYPE_PTR;
	struct val p = left ? l : r, n = left ? r : l, out = p;
	ir_val by = ir_bini(b, IR_MUL, n.v, pointee_size(p.type));

	out.type = e->type;
	out.v = ir_bin(b, e->bin.op == BIN_SUB ? IR_SUB : IR_ADD, gen_plain(g, p), by);
	if (p.space == SPACE_BTF || p.space == SPACE_CTX)
		out.space = SPACE_KERNEL;
	out.nullable = out.tracked = false;
	return out;
}

/* p - q in elements. */
static ir_val pointer_distance(struct gen *g, struct val l, struct val r)
{
	ir_val d = ir_bin(&g->b, IR_SUB, gen_plain(g, l), gen_plain(g, r));

	return ir_bini(&g->b, IR_SDIV, d, pointee_size(l.type));
}

/* ---- values
 * ------------------------------------------------------------------------------------------ */

static ir_val compare(struct gen *g, struct expr *e)
{
	struct expr *l = e->bin.l, *r = e->bin.r;

	if (!type_is_scalar(l->type) && !type_is_scalar(r->type)) {
		ir_val eq = gen_equal(g, l, r);
		return e->bin.op == BIN_NE ? ir_not(&g->b, eq) : eq;
	}
	ir_val x = gen_unlearn(g, l->type, gen_scalar(g, l));
	ir_val y = gen_unlearn(g, r->type, gen_scalar(g, r));
	return gen_arith(g, e->bin.op, x, y, l->type, r->type);
}

/* 0 or 1 out of control flow. */
static ir_val condition_value(struct gen *g, struct expr *e)
{
	struct ir *b = &g->b;
	struct ir_block *yes = ir_block_new(b, NULL), *no = ir_block_new(b, NULL);
	ir_cell cell = ir_cell_new(b, "cond", false);

	ir_set(b, cell, ir_const(b, 0));
	gen_branch(g, e, yes, no, IR_LIKELY_EVEN);
	ir_at(b, yes);
	ir_set(b, cell, ir_const(b, 1));
	ir_jmp(b, no);
	ir_at(b, no);
	return gen_unlearn(g, e->type, ir_get(b, cell));
}

static struct val arithmetic(struct gen *g, struct expr *e)
{
	static const struct type wide = {.kind = TYPE_INT, .size = 8, .align = 8};
	const struct type *lt = e->bin.l->type, *rt = e->bin.r->type;
	struct val l = gen_rvalue(g, gen_expr(g, e->bin.l));
	struct val r = gen_rvalue(g, gen_expr(g, e->bin.r));

	if (e->type->kind == TYPE_PTR && (lt->kind == TYPE_PTR || rt->kind == TYPE_PTR))
		return pointer_arith(g, e, l, r);
	if (lt->kind == TYPE_PTR && rt->kind == TYPE_PTR && e->bin.op == BIN_SUB)
		return val_scalar(e->type, pointer_distance(g, l, r));
	ir_val v = gen_arith(g, e->bin.op, gen_plain(g, l), gen_plain(g, r), lt, rt);
	return val_scalar(e->type, gen_convert(g, v, &wide, e->type));
}

struct val gen_binary(struct gen *g, struct expr *e)
{
	if (e->bin.op == BIN_LAND || e->bin.op == BIN_LOR)
		return val_scalar(e->type, condition_value(g, e));
	if (is_comparison(e->bin.op))
		return val_scalar(e->type, compare(g, e));
	return arithmetic(g, e);
}

/* ---- branches
 * ---------------------------------------------------------------------------------------- */

static void branch_both(struct gen *g, struct expr *e, struct ir_block *yes, struct ir_block *no)
{
	struct ir_block *second = ir_block_new(&g->b, NULL);

	if (e->bin.op == BIN_LAND)
		gen_branch(g, e->bin.l, second, no, IR_LIKELY_EVEN);
	else
		gen_branch(g, e->bin.l, yes, second, IR_LIKELY_EVEN);
	ir_at(&g->b, second);
	gen_branch(g, e->bin.r, yes, no, IR_LIKELY_EVEN);
}

static enum ir_hint hint_not(enum ir_hint h)
{
	return h == IR_LIKELY_YES ? IR_LIKELY_NO : h == IR_LIKELY_NO ? IR_LIKELY_YES : h;
}

static bool is_element(const struct expr *e)
{
	const struct map_sym *m = e->sem;

	return e->kind == EXPR_MAP && m->storage != MAP_SCALAR && type_is_scalar(m->value);
}

/* x != 0, x == 0: the branch on x itself. */
static bool is_zero_test(const struct expr *e)
{
	return e->kind == EXPR_BINARY && (e->bin.op == BIN_EQ || e->bin.op == BIN_NE) &&
	       type_is_scalar(e->bin.l->type) && e->bin.r->folded && e->bin.r->value == 0;
}

static void branch_zero_test(struct gen *g, struct expr *e, struct ir_block *yes,
			     struct ir_block *no, enum ir_hint hint)
{
	if (e->bin.op == BIN_NE)
		gen_branch(g, e->bin.l, yes, no, hint);
	else
		gen_branch(g, e->bin.l, no, yes, hint_not(hint));
}

/* Of a comparison the operands were made unknown, and the branch is one on them. */
static ir_val branch_value(struct gen *g, struct expr *e)
{
	ir_val v = gen_truth(g, e);

	return e->kind == EXPR_BINARY && is_comparison(e->bin.op) ? v : gen_unlearn(g, e->type, v);
}

void gen_branch(struct gen *g, struct expr *e, struct ir_block *yes, struct ir_block *no,
		enum ir_hint hint)
{
	if (e->folded)
		ir_jmp(&g->b, e->value ? yes : no);
	else if (e->kind == EXPR_BINARY && (e->bin.op == BIN_LAND || e->bin.op == BIN_LOR))
		branch_both(g, e, yes, no);
	else if (e->kind == EXPR_UNARY && e->un.op == UN_NOT)
		gen_branch(g, e->un.e, no, yes, hint_not(hint));
	else if (is_element(e))
		map_branch(g, e, yes, no);
	else if (is_zero_test(e))
		branch_zero_test(g, e, yes, no, hint);
	else
		ir_br(&g->b, branch_value(g, e), yes, no, hint);
}

ir_val gen_truth(struct gen *g, struct expr *e)
{
	return gen_scalar(g, e);
}
