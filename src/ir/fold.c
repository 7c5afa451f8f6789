/* Folding: what the builder does instead of emitting an instruction. Rules never emit more than one
 * instruction and never lose what the verifier must know: facts (bound, mask, index, nonnull) are
 * folded for constants only, and upper bounds come from what the verifier sees too (widths of
 * loads, masks, shifts).
 *
 * Example: ir_bini(b, IR_ADD, ir_bini(b, IR_ADD, p, 8), 4) is p + 12.
 */
#include "ir/ir_impl.h"

static int64_t eval_div(unsigned op, int64_t l, int64_t r)
{
	switch (op) {
	case OP_UDIV:
		return r ? (int64_t)((uint64_t)l / (uint64_t)r) : 0;
	case OP_UMOD:
		return r ? (int64_t)((uint64_t)l % (uint64_t)r) : l;
	case OP_SDIV:
		return r == 0 ? 0 : r == -1 ? (int64_t)(0 - (uint64_t)l) : l / r;
	default:
		return r == 0 ? l : r == -1 ? 0 : l % r;
	}
}

static int64_t eval_cmp(unsigned op, int64_t l, int64_t r)
{
	uint64_t ul = (uint64_t)l, ur = (uint64_t)r;

	switch (op) {
	case OP_EQ:
		return l == r;
	case OP_NE:
		return l != r;
	case OP_ULT:
		return ul < ur;
	case OP_ULE:
		return ul <= ur;
	case OP_UGT:
		return ul > ur;
	case OP_UGE:
		return ul >= ur;
	case OP_SLT:
		return l < r;
	case OP_SLE:
		return l <= r;
	case OP_SGT:
		return l > r;
	default:
		return l >= r;
	}
}

int64_t fold_eval(unsigned op, int64_t l, int64_t r)
{
	uint64_t ul = (uint64_t)l, ur = (uint64_t)r;

	switch (op) {
	case OP_ADD:
		return (int64_t)(ul + ur);
	case OP_SUB:
		return (int64_t)(ul - ur);
	case OP_MUL:
		return (int64_t)(ul * ur);
	case OP_AND:
		return l & r;
	case OP_OR:
		return l | r;
	case OP_XOR:
		return l ^ r;
	case OP_SHL:
		return (int64_t)(ul << (ur & 63));
	case OP_LSHR:
		return (int64_t)(ul >> (ur & 63));
	case OP_ASHR:
		return l >> (ur & 63);
	case OP_UDIV:
	case OP_SDIV:
	case OP_UMOD:
	case OP_SMOD:
		return eval_div(op, l, r);
	default:
		return eval_cmp(op, l, r);
	}
}

unsigned ir_cmp_swap(unsigned op)
{
	static const uint8_t to[] = {OP_EQ,  OP_NE,  OP_UGT, OP_UGE, OP_ULT,
				     OP_ULE, OP_SGT, OP_SGE, OP_SLT, OP_SLE};
	return to[op - OP_EQ];
}

unsigned ir_cmp_invert(unsigned op)
{
	static const uint8_t to[] = {OP_NE,  OP_EQ,  OP_UGE, OP_UGT, OP_ULE,
				     OP_ULT, OP_SGE, OP_SGT, OP_SLE, OP_SLT};
	return to[op - OP_EQ];
}

static uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : (1ull << n) - 1;
}

/* All ones up to the highest bit of v. */
static uint64_t fill(uint64_t v)
{
	return v ? low_bits(64 - (unsigned)__builtin_clzll(v)) : 0;
}

static uint64_t max_bin(const struct ir_fn *fn, const struct ir_insn *in, int depth)
{
	int64_t c;
	bool known = ir_const_of(fn, in->arg[1], &c);

	if (depth > 6)
		return UINT64_MAX;
	switch (in->op) {
	case OP_AND:
		return MIN(fold_max(fn, in->arg[0]), known ? (uint64_t)c : UINT64_MAX);
	case OP_OR:
	case OP_XOR:
		return fill(fold_max(fn, in->arg[0]) | fold_max(fn, in->arg[1]));
	case OP_LSHR:
		return known ? fold_max(fn, in->arg[0]) >> (c & 63) : UINT64_MAX;
	case OP_UMOD:
		return known && c ? (uint64_t)c - 1 : UINT64_MAX;
	default:
		return UINT64_MAX;
	}
}

static uint64_t max_of(const struct ir_fn *fn, ir_val v, int depth)
{
	const struct ir_insn *in = ir_insn(fn, v);

	if (ir_is_cmp(in->op))
		return 1;
	switch (in->op) {
	case OP_CONST:
		return (uint64_t)in->imm;
	case OP_LOAD:
		return in->flags & LOAD_SIGNED ? UINT64_MAX : low_bits(in->bytes * 8);
	case OP_ZEXT:
	case OP_BSWAP:
		return low_bits(in->bytes * 8);
	case OP_BOUND:
	case OP_MASK:
		return (uint64_t)in->imm;
	case OP_INDEX:
		return in->imm ? (uint64_t)in->imm - 1 : 0;
	default:
		return in->op <= OP_ASHR ? max_bin(fn, in, depth) : UINT64_MAX;
	}
}

/* Bounded in depth: each level of AND/OR may ask twice. */
uint64_t fold_max(const struct ir_fn *fn, ir_val v)
{
	static _Thread_local int depth;
	uint64_t r;

	if (depth > 4)
		return UINT64_MAX;
	depth++;
	r = max_of(fn, v, depth);
	depth--;
	return r;
}

/* ---- binary operations -------------------------------------------------------------------- */

static bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* (x op c1) op c2 for the operations where the constants combine. */
static ir_val fold_chain(struct ir *b, unsigned op, ir_val l, int64_t c)
{
	struct ir_insn in = *ir_insn(b->fn, l);
	int64_t c1;

	if (in.op != op || !ir_const_of(b->fn, in.arg[1], &c1))
		return 0;
	if (op == OP_ADD || op == OP_AND || op == OP_OR || op == OP_XOR || op == OP_MUL)
		return ir_bini(b, (enum ir_binop)op, in.arg[0], fold_eval(op, c1, c));
	if ((op == OP_SHL || op == OP_LSHR) && c1 >= 0 && c >= 0 && c1 < 64 && c < 64)
		return c1 + c < 64 ? ir_bini(b, (enum ir_binop)op, in.arg[0], c1 + c)
				   : ir_const(b, 0);
	return 0;
}

static ir_val fold_div_const(struct ir *b, unsigned op, ir_val l, int64_t c)
{
	if (c == 0)
		return op == OP_UDIV || op == OP_SDIV ? ir_const(b, 0) : l;
	if (c == 1)
		return op == OP_UDIV || op == OP_SDIV ? l : ir_const(b, 0);
	if (c == -1 && op == OP_SDIV)
		return ir_neg(b, l);
	if (c == -1 && op == OP_SMOD)
		return ir_const(b, 0);
	if (op == OP_UDIV && is_pow2((uint64_t)c))
		return ir_bini(b, IR_LSHR, l, __builtin_ctzll((uint64_t)c));
	if (op == OP_UMOD && is_pow2((uint64_t)c))
		return ir_bini(b, IR_AND, l, (int64_t)((uint64_t)c - 1));
	return 0;
}

static ir_val fold_cmp_const(struct ir *b, unsigned op, ir_val l, int64_t c)
{
	struct ir_insn in = *ir_insn(b->fn, l);
	uint64_t max = fold_max(b->fn, l), uc = (uint64_t)c;

	if (ir_is_cmp(in.op) && c == 0 && (op == OP_EQ || op == OP_NE))
		return op == OP_NE ? l
				   : ir_bin(b, (enum ir_binop)ir_cmp_invert(in.op), in.arg[0],
					    in.arg[1]);
	if (in.op == OP_OBJ || in.op == OP_NONNULL || in.op == OP_MAPVAL)
		return c == 0 && op == OP_EQ   ? ir_const(b, 0)
		       : c == 0 && op == OP_NE ? ir_const(b, 1)
					       : 0;
	/* Constants beyond an immediate: x >= 2^k tests the bits from k on. */
	if ((op == OP_UGE || op == OP_ULT) && c > INT32_MAX && is_pow2(uc))
		return ir_bini(b, op == OP_UGE ? IR_NE : IR_EQ,
			       ir_bini(b, IR_LSHR, l, __builtin_ctzll(uc)), 0);
	if ((op == OP_EQ || op == OP_NE) && uc > max)
		return ir_const(b, op == OP_NE);
	if ((op == OP_ULT && uc > max) || (op == OP_ULE && uc >= max) || (op == OP_UGE && uc == 0))
		return ir_const(b, 1);
	if ((op == OP_UGT && uc >= max) || (op == OP_UGE && uc > max) || (op == OP_ULT && uc == 0))
		return ir_const(b, 0);
	return 0;
}

static ir_val fold_const_right(struct ir *b, unsigned op, ir_val l, int64_t c)
{
	uint64_t max;

	if (ir_is_cmp(op))
		return fold_cmp_const(b, op, l, c);
	switch (op) {
	case OP_SUB:
		return ir_bini(b, IR_ADD, l, (int64_t)(0 - (uint64_t)c));
	case OP_ADD:
	case OP_OR:
	case OP_XOR:
		return c == 0 ? l : fold_chain(b, op, l, c);
	case OP_SHL:
	case OP_LSHR:
	case OP_ASHR:
		if (c & ~63)
			return ir_bini(b, (enum ir_binop)op, l, c & 63);
		return c == 0 ? l : fold_chain(b, op, l, c);
	case OP_MUL:
		if (c == 0 || c == 1)
			return c ? l : ir_const(b, 0);
		if (is_pow2((uint64_t)c))
			return ir_bini(b, IR_SHL, l, __builtin_ctzll((uint64_t)c));
		return fold_chain(b, op, l, c);
	case OP_AND:
		max = fold_max(b->fn, l);
		if (c == 0)
			return ir_const(b, 0);
		return (fill(max) & ~(uint64_t)c) == 0 ? l : fold_chain(b, op, l, c);
	default:
		return fold_div_const(b, op, l, c);
	}
}

static ir_val fold_same(struct ir *b, unsigned op, ir_val v)
{
	switch (op) {
	case OP_SUB:
	case OP_XOR:
	case OP_NE:
	case OP_ULT:
	case OP_UGT:
	case OP_SLT:
	case OP_SGT:
		return ir_const(b, 0);
	case OP_EQ:
	case OP_ULE:
	case OP_UGE:
	case OP_SLE:
	case OP_SGE:
		return ir_const(b, 1);
	case OP_AND:
	case OP_OR:
		return v;
	default:
		return 0;
	}
}

ir_val fold_bin(struct ir *b, unsigned op, ir_val l, ir_val r)
{
	int64_t cl, cr;
	bool kl = ir_const_of(b->fn, l, &cl), kr = ir_const_of(b->fn, r, &cr);

	if (kl && kr)
		return ir_const(b, fold_eval(op, cl, cr));
	if (kr)
		return fold_const_right(b, op, l, cr);
	if (l == r)
		return fold_same(b, op, l);
	if (kl && cl == 0 && op >= OP_MUL && op <= OP_ASHR && op != OP_OR && op != OP_XOR)
		return ir_const(b, 0); /* 0 / x, 0 % x, 0 << x, … */
	if (kl && cl == 0 && op == OP_SUB)
		return ir_neg(b, r);
	return 0;
}

/* ---- extensions --------------------------------------------------------------------------- */

static int64_t eval_ext(unsigned op, int64_t c, unsigned bytes)
{
	unsigned sh = 64 - bytes * 8;

	if (op == OP_SEXT)
		return (int64_t)((uint64_t)c << sh) >> sh;
	if (op == OP_BSWAP)
		return (int64_t)(__builtin_bswap64((uint64_t)c) >> sh);
	return (int64_t)((uint64_t)c & low_bits(bytes * 8));
}

ir_val fold_ext(struct ir *b, unsigned op, ir_val v, unsigned bytes)
{
	struct ir_insn in = *ir_insn(b->fn, v);
	int64_t c;

	if (ir_const_of(b->fn, v, &c))
		return ir_const(b, eval_ext(op, c, bytes));
	if (op == OP_BSWAP)
		return 0;
	if (op == OP_ZEXT && fold_max(b->fn, v) <= low_bits(bytes * 8))
		return v;
	if (op == OP_SEXT && fold_max(b->fn, v) < 1ull << (bytes * 8 - 1))
		return v;
	/* An extension of an extension that kept at least as much reads through it. */
	if ((in.op == OP_ZEXT || in.op == OP_SEXT) && in.bytes >= bytes)
		return op == OP_ZEXT ? ir_zext(b, in.arg[0], bytes) : ir_sext(b, in.arg[0], bytes);
	if (op == OP_SEXT && in.op == OP_SEXT)
		return v;
	if (op == OP_SEXT && in.op == OP_LOAD && (in.flags & LOAD_SIGNED) && in.bytes <= bytes)
		return v;
	return 0;
}
