/* The rules of ir.h, checked: every block that can be reached has a terminator, operands exist and
 * are defined before they are used, sizes are sizes. Breaking one is a bug of the generator.
 */
#include "ir/ir_impl.h"

static void check_operand(const struct ir_fn *fn, uint32_t user, ir_val v, const uint32_t *seen,
			  uint32_t at)
{
	const struct ir_insn *in;

	if (!v || v >= fn->insns.n)
		BUG("%s: %%%u uses %%%u, which does not exist", fn->name, user, v);
	in = ir_insn(fn, v);
	if (ir_op_has(in, OPF_F))
		return;
	if (in->block == BLOCK_NONE || !ir_op_has(in, OPF_R))
		BUG("%s: %%%u uses %%%u (%s), which has no value", fn->name, user, v,
		    ir_ops[in->op].name);
	const struct ir_block *def = fn->blocks.v[in->block], *here = fn->blocks.v[at];
	if (def->rpo == BLOCK_NONE || !cfg_dominates(def, here) || (def == here && !seen[v]))
		BUG("%s: %%%u uses %%%u (%s) where it is not defined", fn->name, user, v,
		    ir_ops[in->op].name);
}

static void check_insn(const struct ir_fn *fn, ir_val v)
{
	struct ir_insn *in = ir_insn(fn, v);
	bool sized = in->op == OP_LOAD || in->op == OP_STORE || in->op == OP_ATOMIC ||
		     in->op == OP_CMPXCHG || in->op == OP_ZEXT || in->op == OP_SEXT ||
		     in->op == OP_BSWAP;

	if (sized && in->bytes != 1 && in->bytes != 2 && in->bytes != 4 && in->bytes != 8)
		BUG("%s: %%%u (%s) of %u bytes", fn->name, v, ir_ops[in->op].name, in->bytes);
	if ((in->op == OP_ATOMIC || in->op == OP_CMPXCHG) && in->bytes < 4)
		BUG("%s: atomic operation on %u bytes", fn->name, in->bytes);
	if ((in->op == OP_GET || in->op == OP_SET) &&
	    (in->imm <= 0 || in->imm >= (int64_t)fn->cells.n))
		BUG("%s: %%%u: cell %lld does not exist", fn->name, v, (long long)in->imm);
	if ((in->op == OP_CALL || in->op == OP_KFUNC || in->op == OP_CALLFN) && in->nargs > 5)
		BUG("%s: a call with %u arguments", fn->name, in->nargs);
}

static void check_block(struct ir_fn *fn, struct ir_block *b, uint32_t *seen)
{
	for (uint32_t k = 0; k < b->insns.n; k++) {
		ir_val v = b->insns.v[k];
		struct ir_insn *in = ir_insn(fn, v);
		uint32_t *args = ir_operands(fn, in);
		check_insn(fn, v);
		for (unsigned n = 0; n < in->nargs; n++)
			check_operand(fn, v, args[n], seen, b->id);
		seen[v] = 1;
	}
	if (b->term.kind == TERM_NONE)
		BUG("%s: block b%u (%s) has no terminator", fn->name, b->id,
		    b->name ? b->name : "");
	if (b->term.kind == TERM_BR || b->term.kind == TERM_RET)
		check_operand(fn, b->id, b->term.v, seen, b->id);
	for (unsigned k = 0; k < ir_term_nsucc(&b->term); k++)
		if (b->term.to[k]->fn != fn)
			BUG("%s: a jump into another function", fn->name);
}

void ir_check(struct ir_module *m)
{
	for (size_t k = 0; k < m->fns.n; k++) {
		struct ir_fn *fn = m->fns.v[k];
		struct arena *a = arena_new();
		uint32_t *seen = arena_array_of(a, uint32_t, fn->insns.n);
		cfg_analyse(fn);
		for (uint32_t r = 0; r < fn->nrpo; r++)
			check_block(fn, fn->rpo[r], seen);
		arena_free(a);
	}
}
