/* Value numbering: what has been computed on every way here is not computed again.
 *
 * Blocks are visited in reverse postorder. Pure instructions and calls of invariant helpers are
 * found in a hash table (one entry a key: the newest) and taken when their block dominates. Memory
 * and cells are followed by `struct avail` (avail.c): a block with one predecessor goes on with its
 * state, a join with that of its dominator less what the blocks in between may change. A condition
 * that was decided on the way is not tested again.
 *
 * Needs cfg_analyse; leaves the graph as it was, except that branches may have become jumps.
 */
#include "ir/avail.h"

struct gvn {
	struct ir_fn *fn;
	struct arena *a;
	ir_val *to; /* by value (of those before the pass): what it is replaced by, or 0 */
	uint32_t n; /* values before the pass */
	uint32_t *slot, nslots; /* hash table of values */
	struct avail **out;     /* by block: state at its end */
	struct avail now;
	VEC(uint32_t) fact_block; /* by value: block + 1 from which on its truth is known */
	VEC(uint8_t) fact_true;
	uint32_t *seen; /* by block: stamps of the walk over what lies in between */
	uint32_t stamp;
};

static void rename(struct gvn *g, ir_val *v)
{
	while (*v < g->n && g->to[*v])
		*v = g->to[*v];
}

/* ---- the table of pure values ------------------------------------------------------------- */

static bool is_mergeable(const struct ir_insn *in)
{
	if (in->op == OP_CALL)
		return helper_effect((int)in->imm) == HELPER_INVARIANT;
	if (in->op == OP_LOAD)
		return in->flags & IR_MEM_INVARIANT && !(in->flags & IR_MEM_VOLATILE);
	return ir_op_has(in, OPF_P) && !ir_op_has(in, OPF_F);
}

static uint32_t hash_of(struct ir_fn *fn, struct ir_insn *in)
{
	uint32_t *args = ir_operands(fn, in);
	uint64_t h = in->op * 0x9e3779b97f4a7c15u ^ (uint64_t)in->imm;

	for (unsigned k = 0; k < in->nargs; k++)
		h = (h ^ args[k]) * 0xff51afd7ed558ccdu;
	h = (h ^ in->bytes) * 0xc4ceb9fe1a85ec53u;
	return (uint32_t)(h >> 32);
}

static bool same(struct ir_fn *fn, struct ir_insn *a, struct ir_insn *b)
{
	if (a->op != b->op || a->imm != b->imm || a->bytes != b->bytes || a->flags != b->flags ||
	    a->nargs != b->nargs)
		return false;
	return !a->nargs ||
	       !memcmp(ir_operands(fn, a), ir_operands(fn, b), a->nargs * sizeof(uint32_t));
}

/* An equal value that dominates, or v itself, which is remembered. */
static ir_val number(struct gvn *g, struct ir_block *b, ir_val v)
{
	struct ir_insn *in = ir_insn(g->fn, v);
	uint32_t h = hash_of(g->fn, in);

	for (;; h++) {
		uint32_t *s = &g->slot[h & (g->nslots - 1)];
		if (!*s) {
			*s = v;
			return v;
		}
		struct ir_insn *old = ir_insn(g->fn, *s);
		if (!same(g->fn, old, in))
			continue;
		if (old->block != BLOCK_NONE && cfg_dominates(g->fn->blocks.v[old->block], b))
			return *s;
		*s = v;
		return v;
	}
}

/* ---- states at joins ---------------------------------------------------------------------- */

enum { WALK_BLOCKS = 24, WALK_INSNS = 400 };

struct walk {
	struct ir_block *stack[WALK_BLOCKS * 2 + 2];
	uint32_t top, nblocks, ninsns;
};

static bool walk_push(struct gvn *g, struct walk *w, struct ir_block *b, struct ir_block *stop)
{
	if (b == stop || g->seen[b->id] == g->stamp)
		return true;
	g->seen[b->id] = g->stamp;
	if (++w->nblocks > WALK_BLOCKS || (w->ninsns += b->insns.n) > WALK_INSNS)
		return false;
	w->stack[w->top++] = b;
	return true;
}

static void kill_block(struct gvn *g, struct ir_block *b)
{
	for (uint32_t k = 0; k < b->insns.n && g->now.n; k++)
		avail_kill(g->fn, &g->now, b->insns.v[k]);
}

/* Forgets what blocks on the way from the dominator of `join` to it may change. */
static bool kill_between(struct gvn *g, struct ir_block *join)
{
	struct walk w = {.top = 0};

	g->stamp++;
	for (uint32_t k = 0; k < join->npred; k++)
		if (!walk_push(g, &w, g->fn->blocks.v[join->pred[k]], join->idom))
			return false;
	while (w.top) {
		struct ir_block *b = w.stack[--w.top];
		kill_block(g, b);
		for (uint32_t k = 0; k < b->npred; k++)
			if (!walk_push(g, &w, g->fn->blocks.v[b->pred[k]], join->idom))
				return false;
	}
	return true;
}

static void enter_block(struct gvn *g, struct ir_block *b)
{
	g->now.n = 0;
	if (!b->idom)
		return;
	const struct avail *before = g->out[b->idom->id];
	memcpy(&g->now, before, offsetof(struct avail, v) + before->n * sizeof(ir_val));
	if (b->npred == 1)
		return;
	if (g->now.n && !kill_between(g, b))
		g->now.n = 0;
}

/* ---- known conditions --------------------------------------------------------------------- */

static bool known_truth(struct gvn *g, ir_val v, struct ir_block *b, bool *truth)
{
	if (v >= g->fact_block.n || !g->fact_block.v[v])
		return false;
	*truth = g->fact_true.v[v];
	return cfg_dominates(g->fn->blocks.v[g->fact_block.v[v] - 1], b);
}

static void learn(struct gvn *g, struct ir_block *b)
{
	struct ir_block *p;
	bool truth;

	if (b->npred != 1)
		return;
	p = g->fn->blocks.v[b->pred[0]];
	if (p->term.kind != TERM_BR || p->term.to[0] == p->term.to[1] ||
	    known_truth(g, p->term.v, b, &truth))
		return;
	while (g->fact_block.n <= p->term.v) {
		vec_push(g->a, &g->fact_block, 0u);
		vec_push(g->a, &g->fact_true, 0);
	}
	g->fact_block.v[p->term.v] = b->id + 1;
	g->fact_true.v[p->term.v] = b == p->term.to[0];
}

static void decide(struct gvn *g, struct ir_block *b)
{
	struct ir_term *t = &b->term;
	bool truth;
	int64_t c;

	if (t->v)
		rename(g, &t->v);
	if (t->kind != TERM_BR)
		return;
	if (ir_const_of(g->fn, t->v, &c))
		truth = c;
	else if (!known_truth(g, t->v, b, &truth))
		return;
	*t = (struct ir_term){.kind = TERM_JMP, .to = {t->to[!truth]}, .span = t->span};
}

/* ---- instructions ------------------------------------------------------------------------- */

static void drop(struct gvn *g, ir_val v, ir_val by)
{
	ir_insn(g->fn, v)->block = BLOCK_NONE;
	if (by)
		g->to[v] = by;
}

/* Operands have become constants or each other: the builder may know better now. Returns the value
 * that takes the place of v; a new instruction is at the end of the block's list. */
static ir_val refold(struct gvn *g, struct ir *at, ir_val v)
{
	struct ir_insn in = *ir_insn(g->fn, v);

	at->span = in.span;
	if (in.op < OP_NEG)
		return ir_bin(at, (enum ir_binop)in.op, in.arg[0], in.arg[1]);
	if (in.op == OP_ZEXT)
		return ir_zext(at, in.arg[0], in.bytes);
	return ir_sext(at, in.arg[0], in.bytes);
}

static void visit_pure(struct gvn *g, struct ir *at, ir_val v)
{
	struct ir_block *b = at->block;
	struct ir_insn *in = ir_insn(g->fn, v);
	uint32_t before = b->insns.n;
	ir_val w = v;

	if (in->op < OP_NEG || in->op == OP_ZEXT || in->op == OP_SEXT)
		w = refold(g, at, v);
	else
		vec_push(at->m->a, &b->insns, v);
	if (b->insns.n == before) { /* folded to something that exists */
		drop(g, v, w);
		return;
	}
	for (uint32_t k = before; k < b->insns.n; k++) {
		ir_val x = b->insns.v[k], y = number(g, b, x);
		if (x == y || x != w)
			continue;
		ir_insn(g->fn, x)->block = BLOCK_NONE;
		b->insns.n = k;
		w = y;
	}
	if (w != v)
		drop(g, v, w);
}

static void visit(struct gvn *g, struct ir *at, ir_val v)
{
	struct ir_insn *in = ir_insn(g->fn, v);
	uint32_t *args = ir_operands(g->fn, in);
	ir_val known;

	for (unsigned k = 0; k < in->nargs; k++)
		rename(g, &args[k]);
	if (is_mergeable(in)) {
		visit_pure(g, at, v);
		return;
	}
	known = avail_find(g->fn, &g->now, v);
	if (known) {
		drop(g, v, in->op == OP_STORE ? 0 : known);
		return;
	}
	avail_kill(g->fn, &g->now, v);
	avail_add(g->fn, &g->now, v);
	vec_push(at->m->a, &at->block->insns, v);
}

static void visit_block(struct gvn *g, struct ir_block *b)
{
	uint32_t n = b->insns.n, *old = b->insns.v;
	struct ir at = {g->fn->m, g->fn, b, NO_SPAN};

	enter_block(g, b);
	learn(g, b);
	b->insns.v = NULL;
	b->insns.n = b->insns.cap = 0;
	for (uint32_t k = 0; k < n; k++)
		visit(g, &at, old[k]);
	decide(g, b);
	g->out[b->id] = arena_memdup(g->a, &g->now,
				     offsetof(struct avail, v) + g->now.n * sizeof(ir_val));
}

void ir_gvn(struct ir_fn *fn)
{
	struct gvn g = {.fn = fn, .a = arena_new(), .n = fn->insns.n};

	g.to = arena_array_of(g.a, ir_val, g.n);
	for (g.nslots = 64; g.nslots < 4 * g.n; g.nslots *= 2)
		;
	g.slot = arena_array_of(g.a, uint32_t, g.nslots);
	g.out = arena_array_of(g.a, struct avail *, fn->blocks.n);
	g.seen = arena_array_of(g.a, uint32_t, fn->blocks.n);
	for (uint32_t r = 0; r < fn->nrpo; r++)
		visit_block(&g, fn->rpo[r]);
	arena_free(g.a);
}
