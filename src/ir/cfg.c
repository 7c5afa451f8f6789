/* The graph of blocks: cleaning, order, dominators, loops, layout.
 *
 * cfg_clean removes what the verifier rejects (unreachable code) and what costs instructions:
 *   - a jump to a block that only jumps goes to its end           a → [jmp] → b   ⇒   a → b
 *   - a block with one successor that has one predecessor swallows it
 *   - returns of the same constant share one block                r0 = 0; exit  once
 * cfg_analyse computes, for reachable blocks, reverse postorder, predecessors, immediate dominators
 * (Cooper, Harvey, Kennedy), depth of loops, and which blocks are cold (reached by unlikely
 * branches only). Passes that change the graph call both again.
 */
#include "ir/ir_impl.h"

/* ---- order -------------------------------------------------------------------------------- */

struct dfs {
	struct ir_block *b;
	unsigned next;
};

/* Successor number n in the order of visiting: the one visited last comes first in reverse
 * postorder, so that is the likely one. */
static struct ir_block *dfs_succ(const struct ir_term *t, unsigned n)
{
	if (t->kind == TERM_BR && t->hint == IR_LIKELY_NO)
		return t->to[n];
	if (t->kind == TERM_MAYGOTO)
		return t->to[n];
	return t->to[ir_term_nsucc(t) - 1 - n];
}

static void cfg_order(struct ir_fn *fn)
{
	struct arena *a = fn->m->a;
	uint32_t n = fn->blocks.n, top = 0, left = n;
	struct dfs *stack = arena_array_of(a, struct dfs, n + 1);
	struct ir_block **order = arena_array_of(a, struct ir_block *, n);

	for (uint32_t i = 0; i < n; i++) {
		fn->blocks.v[i]->rpo = BLOCK_NONE;
		fn->blocks.v[i]->mark = 0;
	}
	stack[top++] = (struct dfs){fn->blocks.v[0], 0};
	fn->blocks.v[0]->mark = 1;
	while (top) {
		struct dfs *d = &stack[top - 1];
		if (d->next == ir_term_nsucc(&d->b->term)) {
			order[--left] = d->b;
			top--;
			continue;
		}
		struct ir_block *s = dfs_succ(&d->b->term, d->next++);
		if (!s->mark) {
			s->mark = 1;
			stack[top++] = (struct dfs){s, 0};
		}
	}
	fn->rpo = order + left;
	fn->nrpo = n - left;
	for (uint32_t i = 0; i < fn->nrpo; i++)
		fn->rpo[i]->rpo = i;
}

static void cfg_preds(struct ir_fn *fn)
{
	for (uint32_t i = 0; i < fn->nrpo; i++)
		fn->rpo[i]->npred = 0;
	for (uint32_t i = 0; i < fn->nrpo; i++)
		for (unsigned k = 0; k < ir_term_nsucc(&fn->rpo[i]->term); k++)
			fn->rpo[i]->term.to[k]->npred++;
	for (uint32_t i = 0; i < fn->nrpo; i++) {
		struct ir_block *b = fn->rpo[i];
		b->pred = arena_array_of(fn->m->a, uint32_t, b->npred + 1);
		b->npred = 0;
	}
	for (uint32_t i = 0; i < fn->nrpo; i++)
		for (unsigned k = 0; k < ir_term_nsucc(&fn->rpo[i]->term); k++) {
			struct ir_block *s = fn->rpo[i]->term.to[k];
			s->pred[s->npred++] = fn->rpo[i]->id;
		}
}

/* ---- cleaning ----------------------------------------------------------------------------- */

/* The end of a chain of blocks that do nothing but jump. */
static struct ir_block *thread(struct ir_block *b)
{
	for (unsigned n = 0; n < 64 && !b->insns.n && b->term.kind == TERM_JMP; n++)
		b = b->term.to[0];
	return b;
}

static void thread_term(struct ir_fn *fn, struct ir_term *t)
{
	int64_t c;

	if (t->kind == TERM_BR && ir_const_of(fn, t->v, &c))
		*t = (struct ir_term){.kind = TERM_JMP, .to = {t->to[!c]}, .span = t->span};
	for (unsigned k = 0; k < ir_term_nsucc(t); k++)
		t->to[k] = thread(t->to[k]);
	if (t->kind == TERM_BR && t->to[0] == t->to[1])
		t->kind = TERM_JMP;
}

/* Makes returns of a constant jumps to one shared block a constant. */
static void merge_returns(struct ir_fn *fn)
{
	enum { MAX_CONSTS = 8 };
	struct ir_block *home[MAX_CONSTS];
	ir_val value[MAX_CONSTS];
	unsigned n = 0;
	int64_t c;

	for (uint32_t i = 0; i < fn->nrpo; i++) {
		struct ir_block *b = fn->rpo[i];
		unsigned k = 0;
		if (b->term.kind != TERM_RET || !ir_const_of(fn, b->term.v, &c))
			continue;
		while (k < n && value[k] != b->term.v)
			k++;
		if (k < n) {
			b->term.kind = TERM_JMP;
			b->term.to[0] = home[k];
		} else if (n < MAX_CONSTS) {
			struct ir_block *h = b;
			if (b->insns.n) {
				struct ir at = {fn->m, fn, b, b->term.span};
				h = ir_block_new(&at, "ret");
				h->term = b->term;
				b->term.kind = TERM_JMP;
				b->term.to[0] = h;
			}
			home[n] = h;
			value[n++] = h->term.v;
		}
	}
}

static void swallow(struct ir_fn *fn, struct ir_block *b)
{
	while (b->term.kind == TERM_JMP) {
		struct ir_block *s = b->term.to[0];
		if (s == b || s->npred != 1 || s == fn->blocks.v[0])
			return;
		for (uint32_t i = 0; i < s->insns.n; i++) {
			ir_insn(fn, s->insns.v[i])->block = b->id;
			vec_push(fn->m->a, &b->insns, s->insns.v[i]);
		}
		b->term = s->term;
		s->insns.n = 0;
		s->rpo = BLOCK_NONE;
		s->npred = 0;
	}
}

static void drop_unreachable(struct ir_fn *fn)
{
	for (uint32_t i = 0; i < fn->blocks.n; i++) {
		struct ir_block *b = fn->blocks.v[i];
		for (uint32_t k = 0; b->rpo == BLOCK_NONE && k < b->insns.n; k++)
			ir_insn(fn, b->insns.v[k])->block = BLOCK_NONE;
		if (b->rpo == BLOCK_NONE)
			b->insns.n = 0;
	}
}

void cfg_clean(struct ir_fn *fn)
{
	for (uint32_t i = 0; i < fn->blocks.n; i++)
		thread_term(fn, &fn->blocks.v[i]->term);
	cfg_order(fn);
	drop_unreachable(fn);
	merge_returns(fn);
	cfg_order(fn);
	cfg_preds(fn);
	for (uint32_t i = 0; i < fn->nrpo; i++)
		if (fn->rpo[i]->rpo != BLOCK_NONE)
			swallow(fn, fn->rpo[i]);
}

/* ---- dominators, loops, cold blocks ------------------------------------------------------- */

static struct ir_block *intersect(struct ir_block *a, struct ir_block *b)
{
	while (a != b) {
		while (a->rpo > b->rpo)
			a = a->idom;
		while (b->rpo > a->rpo)
			b = b->idom;
	}
	return a;
}

static bool cfg_idom_round(struct ir_fn *fn)
{
	bool changed = false;

	for (uint32_t i = 1; i < fn->nrpo; i++) {
		struct ir_block *b = fn->rpo[i], *dom = NULL;
		for (uint32_t k = 0; k < b->npred; k++) {
			struct ir_block *p = fn->blocks.v[b->pred[k]];
			if (p->idom)
				dom = dom ? intersect(dom, p) : p;
		}
		changed |= b->idom != dom;
		b->idom = dom;
	}
	return changed;
}

/* Numbers the tree of dominators so that cfg_dominates takes constant time. */
static void cfg_number_tree(struct ir_fn *fn)
{
	uint32_t *size = arena_array_of(fn->m->a, uint32_t, fn->blocks.n + 1);
	uint32_t *next = arena_array_of(fn->m->a, uint32_t, fn->blocks.n + 1);

	for (uint32_t i = fn->nrpo; i-- > 0;) {
		struct ir_block *b = fn->rpo[i];
		size[b->id]++;
		if (i)
			size[b->idom->id] += size[b->id];
	}
	for (uint32_t i = 0; i < fn->nrpo; i++) {
		struct ir_block *b = fn->rpo[i];
		b->dom_in = i ? next[b->idom->id] : 0;
		b->dom_out = b->dom_in + size[b->id];
		b->dom_depth = i ? b->idom->dom_depth + 1 : 0;
		next[b->id] = b->dom_in + 1;
		if (i)
			next[b->idom->id] += size[b->id];
	}
}

bool cfg_dominates(const struct ir_block *a, const struct ir_block *b)
{
	return a->dom_in <= b->dom_in && b->dom_in < a->dom_out;
}

/* Adds one to the depth of all blocks of the loops with head h. */
static void mark_loop(struct ir_fn *fn, struct ir_block *h, struct ir_block **stack)
{
	uint32_t top = 0;
	bool is_head = false;

	for (uint32_t k = 0; k < h->npred; k++) {
		struct ir_block *p = fn->blocks.v[h->pred[k]];
		if (!cfg_dominates(h, p))
			continue;
		is_head = true;
		if (p != h && p->mark != h->id + 1) {
			p->mark = h->id + 1;
			p->loop++;
			stack[top++] = p;
		}
	}
	h->loop += is_head;
	while (top) {
		struct ir_block *b = stack[--top];
		for (uint32_t k = 0; k < b->npred; k++) {
			struct ir_block *p = fn->blocks.v[b->pred[k]];
			if (p == h || p->mark == h->id + 1)
				continue;
			p->mark = h->id + 1;
			p->loop++;
			stack[top++] = p;
		}
	}
}

static bool edge_unlikely(const struct ir_block *from, const struct ir_block *to)
{
	const struct ir_term *t = &from->term;

	if (t->kind != TERM_BR)
		return t->kind == TERM_MAYGOTO && t->to[0] == to;
	return (t->hint == IR_LIKELY_NO && t->to[0] == to) ||
	       (t->hint == IR_LIKELY_YES && t->to[1] == to);
}

static void cfg_cold(struct ir_fn *fn)
{
	for (uint32_t i = 0; i < fn->nrpo; i++) {
		struct ir_block *b = fn->rpo[i];
		b->cold = i > 0;
		for (uint32_t k = 0; k < b->npred; k++) {
			struct ir_block *p = fn->blocks.v[b->pred[k]];
			if (p->rpo < i && !p->cold && !edge_unlikely(p, b))
				b->cold = false;
		}
	}
}

void cfg_analyse(struct ir_fn *fn)
{
	struct ir_block **stack;

	cfg_order(fn);
	cfg_preds(fn);
	for (uint32_t i = 0; i < fn->nrpo; i++) {
		fn->rpo[i]->idom = NULL;
		fn->rpo[i]->mark = fn->rpo[i]->loop = 0;
	}
	fn->rpo[0]->idom = fn->rpo[0];
	while (cfg_idom_round(fn))
		;
	fn->rpo[0]->idom = NULL;
	cfg_number_tree(fn);
	stack = arena_array_of(fn->m->a, struct ir_block *, fn->blocks.n + 1);
	for (uint32_t i = 0; i < fn->nrpo; i++)
		mark_loop(fn, fn->rpo[i], stack);
	cfg_cold(fn);
}

/* ---- layout ------------------------------------------------------------------------------- */

/* Reverse postorder, cold blocks behind all others. */
struct ir_block **cfg_layout(struct ir_fn *fn)
{
	struct ir_block **out = arena_array_of(fn->m->a, struct ir_block *, fn->nrpo + 1);
	uint32_t n = 0;

	for (int cold = 0; cold < 2; cold++)
		for (uint32_t i = 0; i < fn->nrpo; i++)
			if (fn->rpo[i]->cold == (cold == 1))
				out[n++] = fn->rpo[i];
	return out;
}
