/* Jump threading: a block that only tests a cell, entered from a block that has just set the cell
 * to a constant, need not be entered.
 *
 *     b1: set $1, 0        jmp b3                 b1: set $1, 0   jmp b5
 *     b2: set $1, %4       jmp b3            ⇒    b2: set $1, %4  jmp b3
 *     b3: %7 = get $1;     br %7, b4, b5          b3: …
 *
 * This is what predicates, && and || come to. Only when nothing outside of the testing block uses
 * what it computes. Needs reachable blocks and predecessors (cfg_analyse); both are stale after.
 */
#include "ir/ir_impl.h"

struct test {
	ir_val get, cond; /* cond is get, or a comparison of it with a constant */
	int64_t cell;
};

static bool is_test(const struct ir_fn *fn, const struct ir_block *b, const uint32_t *nuse,
		    struct test *t)
{
	int64_t c;

	if (b->term.kind != TERM_BR || !b->insns.n || b->insns.n > 2)
		return false;
	t->get = b->insns.v[0];
	t->cond = b->insns.v[b->insns.n - 1];
	const struct ir_insn *get = ir_insn(fn, t->get), *cond = ir_insn(fn, t->cond);
	if (get->op != OP_GET || b->term.v != t->cond || nuse[t->get] != 1 || nuse[t->cond] != 1)
		return false;
	t->cell = get->imm;
	return t->get == t->cond ||
	       (ir_is_cmp(cond->op) && cond->arg[0] == t->get && ir_const_of(fn, cond->arg[1], &c));
}

/* The constant that block p leaves in the cell. */
static bool leaves_const(const struct ir_fn *fn, const struct ir_block *p, int64_t cell,
			 int64_t *out)
{
	for (uint32_t k = p->insns.n; k-- > 0;) {
		const struct ir_insn *in = ir_insn(fn, p->insns.v[k]);
		if (in->op == OP_SET && in->imm == cell)
			return ir_const_of(fn, in->arg[0], out);
	}
	return false;
}

static bool outcome(const struct ir_fn *fn, const struct test *t, int64_t k)
{
	const struct ir_insn *cond = ir_insn(fn, t->cond);
	int64_t c;

	if (t->get == t->cond)
		return k != 0;
	ir_const_of(fn, cond->arg[1], &c);
	return fold_eval(cond->op, k, c);
}

static bool thread_block(struct ir_fn *fn, struct ir_block *b, const uint32_t *nuse)
{
	bool changed = false;
	struct test t;
	int64_t k;

	if (!is_test(fn, b, nuse, &t))
		return false;
	for (uint32_t n = 0; n < b->npred; n++) {
		struct ir_block *p = fn->blocks.v[b->pred[n]];
		if (p == b || p->term.kind != TERM_JMP || !leaves_const(fn, p, t.cell, &k))
			continue;
		struct ir_block *to = b->term.to[!outcome(fn, &t, k)];
		changed |= p->term.to[0] != to;
		p->term.to[0] = to;
	}
	return changed;
}

bool ir_thread(struct ir_fn *fn)
{
	struct arena *a = arena_new();
	uint32_t *nuse = arena_array_of(a, uint32_t, fn->insns.n);
	bool changed = false;

	for (uint32_t r = 0; r < fn->nrpo; r++) {
		struct ir_block *b = fn->rpo[r];
		for (uint32_t k = 0; k < b->insns.n; k++) {
			struct ir_insn *in = ir_insn(fn, b->insns.v[k]);
			uint32_t *args = ir_operands(fn, in);
			for (unsigned n = 0; n < in->nargs; n++)
				nuse[args[n]]++;
		}
		nuse[b->term.v]++;
	}
	for (uint32_t r = 0; r < fn->nrpo; r++)
		changed |= thread_block(fn, fn->rpo[r], nuse);
	arena_free(a);
	return changed;
}
