/* Rewriting after a failed assignment: each chosen register becomes a slot of the stack.
 *
 *     v7 = v3 + v5          t1 = slot v3
 *                           t2 = t1 + v5
 *                           slot v7 = t2
 *
 * t1 and t2 are tiny registers. A copy to or from a slot needs none. What can be made anew
 * (constants, addresses, maps) takes no slot: it is made at each use.
 */
#include "ir/ir_impl.h"

struct spiller {
	struct mfn *f;
	const uint8_t *spill;
	uint32_t n;        /* registers known to `spill` */
	mreg *slot;        /* by vreg */
	uint8_t *compared; /* by vreg: operand of a conditional jump */
	VEC(struct minsn) out;
};

static bool is_spilled(const struct spiller *s, mreg r)
{
	return mreg_is_virt(r) && r - MREG_VIRT < s->n && s->spill[r - MREG_VIRT];
}

static mreg slot_of(struct spiller *s, mreg r)
{
	if (!s->slot[r - MREG_VIRT])
		s->slot[r - MREG_VIRT] = mfn_vreg(s->f, VREG_SLOT);
	return s->slot[r - MREG_VIRT];
}

/* Code that brings a spilled register to `d`. */
static struct minsn bring(struct spiller *s, mreg d, mreg r, struct span span)
{
	const struct vreg *v = mreg_info(s->f, r);

	if (v->kind == VREG_REMAT)
		return (struct minsn){.op = M_REMAT,
				      .d = d,
				      .a = MREG_NONE,
				      .b = MREG_NONE,
				      .imm = v->remat,
				      .span = span};
	return (struct minsn){
		.op = M_RELOAD, .d = d, .a = slot_of(s, r), .b = MREG_NONE, .span = span};
}

static void put(struct spiller *s, struct minsn i)
{
	vec_push(s->f->a, &s->out, i);
}

static void rewrite_uses(struct spiller *s, struct minsn *i)
{
	struct mops o;
	mreg done = MREG_NONE, t = MREG_NONE;

	minsn_operands(i, &o);
	for (unsigned u = 0; u < o.nuse; u++) {
		mreg r = *o.use[u];
		if (!is_spilled(s, r))
			continue;
		if (r != done) {
			t = mfn_vreg(s->f, VREG_TINY);
			put(s, bring(s, t, r, i->span));
			done = r;
		}
		*o.use[u] = t;
	}
}

static bool small_const(const struct spiller *s, const struct minsn *i, int64_t *c)
{
	return i->op == M_REMAT && ir_const_of(s->f->fn, (ir_val)i->imm, c) && *c == (int32_t)*c;
}

static void rewrite_def(struct spiller *s, struct minsn i)
{
	struct minsn st = {.op = M_SPILL, .a = MREG_NONE, .b = MREG_NONE, .span = i.span};

	if (mreg_info(s->f, i.d)->kind == VREG_REMAT)
		return; /* made at its uses */
	st.d = slot_of(s, i.d);
	if (small_const(s, &i, &st.imm)) {
		st.flags = MF_IMM;
		put(s, st);
		return;
	}
	if (i.op == M_MOV) {
		st.a = i.a;
		put(s, st);
		return;
	}
	st.a = i.d = mfn_vreg(s->f, VREG_TINY);
	put(s, i);
	put(s, st);
}

static void note_compared(struct spiller *s)
{
	VEC_EACH (struct mblock, mb, &s->f->blocks)
		VEC_EACH (struct minsn, i, &mb->in)
			if (i->op == M_JCC && mreg_is_virt(i->a))
				s->compared[i->a - MREG_VIRT] = 1;
}

static bool loses_bound(const struct spiller *s, const struct minsn *i)
{
	return i->op == M_INDEX && i->imm == (int32_t)i->imm &&
	       (is_spilled(s, i->a) || !s->compared[i->a - MREG_VIRT]);
}

static void rewrite(struct spiller *s, struct minsn i)
{
	if (loses_bound(s, &i)) {
		i.op = M_BOUND;
		i.flags = MF_IMM;
	}
	if (i.op == M_MOV && is_spilled(s, i.a) && !is_spilled(s, i.d)) {
		put(s, bring(s, i.d, i.a, i.span));
		return;
	}
	rewrite_uses(s, &i);
	if (is_spilled(s, i.d))
		rewrite_def(s, i);
	else
		put(s, i);
}

void spill_rewrite(struct mfn *f, const uint8_t *spill, uint32_t n)
{
	struct spiller s = {.f = f, .spill = spill, .n = n};

	s.slot = arena_array_of(f->a, mreg, n + 1);
	s.compared = arena_array_of(f->a, uint8_t, n + 1);
	note_compared(&s);
	VEC_EACH (struct mblock, mb, &f->blocks) {
		s.out.n = 0;
		VEC_EACH (struct minsn, i, &mb->in)
			rewrite(&s, *i);
		mb->in.n = 0;
		VEC_EACH (struct minsn, i, &s.out)
			vec_push(f->a, &mb->in, *i);
	}
}
