/* Keeping addresses in registers.
 *
 * A floating value (address of an object, map, large constant) costs one or two instruction slots
 * wherever it is made. When it is wanted several times it may pay to make it once, at a place that
 * dominates all uses and lies outside of loops, and to keep it in a register:
 *
 *     r2 = r10                             r6 = r10
 *     r2 += -16     (each time)            r6 += -16
 *                                          r2 = r6       (each time)
 *
 * Only the saving in slots counts. If no register is free for it, the allocator makes it at each
 * use after all (VREG_REMAT).
 */
#include "ir/ir_impl.h"

struct want {
	uint32_t next; /* chain of the hash */
	ir_val v;
	int32_t saving;
	uint32_t nuse;
	mreg held;
	struct ir_block *home; /* nearest common dominator of the uses */
	struct span span;
	bool placed;
};

struct hold {
	struct mfn *f;
	struct arena *a;
	VEC(struct want) wants; /* [0] unused */
	uint32_t *hash, nhash;
	struct ir_block **block; /* of each mblock */
	uint32_t *alias;         /* by vreg: the register held for it, or 0 */
};

static struct want *want_of(struct hold *h, ir_val v)
{
	uint32_t *head = &h->hash[(v * 0x9e3779b1u) & (h->nhash - 1)], n = *head;

	while (n && h->wants.v[n].v != v)
		n = h->wants.v[n].next;
	if (!n) {
		vec_push(h->a, &h->wants, (struct want){.next = *head, .v = v});
		n = *head = h->wants.n - 1;
	}
	return &h->wants.v[n];
}

static int remat_cost(const struct ir_fn *fn, ir_val v)
{
	const struct ir_insn *in = ir_insn(fn, v);

	return in->op == OP_CONST && (in->imm == (int32_t)in->imm || in->imm == (uint32_t)in->imm)
		       ? 1
		       : 2;
}

static struct ir_block *common(struct ir_block *a, struct ir_block *b)
{
	while (!cfg_dominates(a, b)) {
		if (cfg_dominates(b, a))
			return b;
		a = a->idom;
	}
	return a;
}

static void note_use(struct hold *h, const struct minsn *i, struct ir_block *b)
{
	struct want *w = want_of(h, (ir_val)i->imm);
	int cost = remat_cost(h->f->fn, w->v);

	/* A use in an instruction is free from a register; an argument needs a copy. */
	w->saving += mreg_is_virt(i->d) && mreg_info(h->f, i->d)->kind == VREG_TINY ? cost
										    : cost - 1;
	w->span = i->span;
	w->home = w->nuse++ ? common(w->home, b) : b;
}

static void decide(struct hold *h)
{
	for (size_t k = 1; k < h->wants.n; k++) {
		struct want *w = &h->wants.v[k];
		if (w->saving <= remat_cost(h->f->fn, w->v))
			continue;
		while (w->home->loop && w->home->idom)
			w->home = w->home->idom;
		w->held = mfn_vreg(h->f, VREG_REMAT);
		mreg_info(h->f, w->held)->remat = w->v;
	}
}

static struct minsn make(const struct want *w)
{
	return (struct minsn){.op = M_REMAT,
			      .d = w->held,
			      .a = MREG_NONE,
			      .b = MREG_NONE,
			      .imm = w->v,
			      .span = w->span};
}

/* Replaces what instruction i makes by the register that holds it. */
static bool replace(struct hold *h, struct minsn *i, mreg held)
{
	if (mreg_is_virt(i->d) && mreg_info(h->f, i->d)->kind == VREG_TINY) {
		h->alias[i->d - MREG_VIRT] = held;
		return false;
	}
	i->op = M_MOV;
	i->a = held;
	i->imm = 0;
	return true;
}

static void rename_uses(struct hold *h, struct minsn *i)
{
	struct mops o;

	minsn_operands(i, &o);
	for (unsigned u = 0; u < o.nuse; u++)
		if (mreg_is_virt(*o.use[u]) && h->alias[*o.use[u] - MREG_VIRT])
			*o.use[u] = h->alias[*o.use[u] - MREG_VIRT];
}

/* Held values whose home is this block but that have no use in it are made before the terminator
 * and what leads to it: at the block's end no instruction but the terminator may follow. */
static void place_rest(struct hold *h, struct ir_block *b, struct mblock *mb, uint32_t *by_home)
{
	for (uint32_t k = by_home[b->id]; k; k = h->wants.v[k].nuse) {
		struct want *w = &h->wants.v[k];
		if (w->placed)
			continue;
		struct minsn term = mb->in.v[mb->in.n - 1];
		mb->in.v[mb->in.n - 1] = make(w);
		vec_push(h->f->a, &mb->in, term);
	}
}

static void rewrite_block(struct hold *h, struct ir_block *b, struct mblock *mb, uint32_t *by_home)
{
	VEC(struct minsn) out = {0};

	VEC_EACH (struct minsn, i, &mb->in) {
		struct want *w = i->op == M_REMAT ? want_of(h, (ir_val)i->imm) : NULL;
		rename_uses(h, i);
		if (w && w->held) {
			if (w->home == b && !w->placed) {
				w->placed = true;
				vec_push(h->f->a, &out, make(w));
			}
			if (!replace(h, i, w->held))
				continue;
		}
		vec_push(h->f->a, &out, *i);
	}
	mb->in.n = 0;
	VEC_EACH (struct minsn, i, &out)
		vec_push(h->f->a, &mb->in, *i);
	place_rest(h, b, mb, by_home);
}

static void rewrite_all(struct hold *h)
{
	uint32_t *by_home = arena_array_of(h->a, uint32_t, h->f->fn->blocks.n);

	for (size_t k = 1; k < h->wants.n; k++) {
		struct want *w = &h->wants.v[k];
		if (!w->held)
			continue;
		w->nuse = by_home[w->home->id]; /* from here on the chain of one home */
		by_home[w->home->id] = k;
	}
	h->alias = arena_array_of(h->a, uint32_t, h->f->vregs.n + 1);
	for (size_t b = 0; b < h->f->blocks.n; b++)
		rewrite_block(h, h->block[b], &h->f->blocks.v[b], by_home);
}

void mfn_hold(struct mfn *f)
{
	struct hold h = {.f = f, .a = arena_new()};

	h.block = cfg_layout(f->fn);
	for (h.nhash = 64; h.nhash < f->fn->nfloats; h.nhash *= 2)
		;
	h.hash = arena_array_of(h.a, uint32_t, h.nhash);
	vec_push(h.a, &h.wants, (struct want){0});
	for (size_t b = 0; b < f->blocks.n; b++)
		VEC_EACH (struct minsn, i, &f->blocks.v[b].in)
			if (i->op == M_REMAT)
				note_use(&h, i, h.block[b]);
	decide(&h);
	rewrite_all(&h);
	arena_free(h.a);
}
