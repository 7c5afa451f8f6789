/* After allocation: registers become physical, slots become memory below the objects, copies onto
 * themselves go, and the graph of blocks is tidied once more, because many blocks are empty by now:
 *
 *   b1: r0 = r0; goto b3        (a cell that was given the result's own register)
 *   b0: if r0 != 0 goto b1      ⇒  if r0 != 0 goto b3, and b1 is dropped
 *
 * Blocks that are not reached any more have no instructions: the verifier rejects unreachable ones.
 */
#include "ir/ir_impl.h"

static mreg place(struct mfn *f, mreg r)
{
	return mreg_is_virt(r) ? mreg_info(f, r)->at : r;
}

static int32_t slot_off(const struct mfn *f, mreg slot)
{
	uint32_t objects = ALIGN_UP(f->fn->stack_max, 8);

	return -(int32_t)(objects + 8 * (slot + 1));
}

static void finish_insn(struct mfn *f, struct minsn *i)
{
	i->d = place(f, i->d);
	i->a = place(f, i->a);
	i->b = place(f, i->b);
	if (i->op == M_INDEX)
		i->op = M_MOV;
	if (i->op == M_RELOAD) {
		i->op = M_LD;
		i->off = slot_off(f, i->a);
		i->a = MREG_FP;
		i->bytes = 8;
	} else if (i->op == M_SPILL) {
		i->op = M_ST;
		i->off = slot_off(f, i->d);
		i->b = i->a;
		i->a = MREG_FP;
		i->d = MREG_NONE;
		i->bytes = 8;
	}
}

static bool is_nothing(const struct minsn *i)
{
	return i->op == M_NOP || (i->op == M_MOV && i->d == i->a);
}

static void finish_block(struct mfn *f, struct mblock *mb)
{
	size_t n = 0;

	for (size_t k = 0; k < mb->in.n; k++) {
		struct minsn i = mb->in.v[k];
		finish_insn(f, &i);
		if (!is_nothing(&i))
			mb->in.v[n++] = i;
	}
	mb->in.n = n;
}

static uint32_t thread(struct mfn *f, uint32_t b)
{
	for (unsigned n = 0; n < 64; n++) {
		struct mblock *mb = &f->blocks.v[b];
		if (mb->in.n != 1 || mb->in.v[0].op != M_JMP)
			break;
		b = mb->to[0];
	}
	return b;
}

static void thread_block(struct mfn *f, struct mblock *mb)
{
	struct minsn *t = &mb->in.v[mb->in.n - 1];

	for (uint32_t k = 0; k < mb->nto; k++)
		mb->to[k] = thread(f, mb->to[k]);
	if (t->op == M_JCC && mb->to[0] == mb->to[1]) {
		t->op = M_JMP;
		mb->nto = 1;
	}
}

static void drop_unreached(struct mfn *f)
{
	uint32_t *stack = arena_array_of(f->a, uint32_t, f->blocks.n + 1), top = 0;
	uint8_t *seen = arena_array_of(f->a, uint8_t, f->blocks.n);

	stack[top++] = 0;
	seen[0] = 1;
	while (top) {
		struct mblock *mb = &f->blocks.v[stack[--top]];
		for (uint32_t k = 0; k < mb->nto; k++)
			if (!seen[mb->to[k]]) {
				seen[mb->to[k]] = 1;
				stack[top++] = mb->to[k];
			}
	}
	for (uint32_t b = 0; b < f->blocks.n; b++)
		if (!seen[b])
			f->blocks.v[b].in.n = f->blocks.v[b].nto = 0;
}

void mfn_finish(struct mfn *f)
{
	VEC_EACH (struct mblock, mb, &f->blocks)
		finish_block(f, mb);
	VEC_EACH (struct mblock, mb, &f->blocks)
		thread_block(f, mb);
	drop_unreached(f);
	f->frame = ALIGN_UP(f->fn->stack_max, 8) + 8 * f->nslots;
}
