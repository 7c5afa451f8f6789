/* Dead code: what neither touches the world nor feeds something that does is dropped. A write to a
 * cell lives only if a living read of that cell exists; calls that only compute live by their use.
 */
#include "ir/ir_impl.h"

struct dce {
	struct ir_fn *fn;
	uint8_t *live; /* by value */
	uint8_t *cell_live;
	uint32_t *stack, top;
	uint32_t **sets; /* by cell: its OP_SETs */
	uint32_t *nsets;
};

static void mark(struct dce *d, ir_val v)
{
	if (d->live[v])
		return;
	d->live[v] = 1;
	d->stack[d->top++] = v;
}

static bool is_root(const struct ir_insn *in)
{
	if (in->op == OP_SET)
		return false;
	if (in->op == OP_CALL) {
		enum helper_effect e = helper_effect((int)in->imm);
		return e != HELPER_INVARIANT && e != HELPER_FRESH && e != HELPER_LOOKUP;
	}
	if (in->op == OP_LOAD)
		return in->flags & IR_MEM_VOLATILE;
	return ir_op_has(in, OPF_M);
}

static void collect_sets(struct dce *d, struct arena *a)
{
	struct ir_fn *fn = d->fn;

	for (uint32_t r = 0; r < fn->nrpo; r++)
		for (uint32_t k = 0; k < fn->rpo[r]->insns.n; k++) {
			struct ir_insn *in = ir_insn(fn, fn->rpo[r]->insns.v[k]);
			if (in->op == OP_SET)
				d->nsets[in->imm]++;
		}
	for (uint32_t c = 0; c < fn->cells.n; c++) {
		d->sets[c] = arena_array_of(a, uint32_t, d->nsets[c] + 1);
		d->nsets[c] = 0;
	}
	for (uint32_t r = 0; r < fn->nrpo; r++)
		for (uint32_t k = 0; k < fn->rpo[r]->insns.n; k++) {
			ir_val v = fn->rpo[r]->insns.v[k];
			struct ir_insn *in = ir_insn(fn, v);
			if (in->op == OP_SET)
				d->sets[in->imm][d->nsets[in->imm]++] = v;
		}
}

static void mark_operands(struct dce *d, ir_val v)
{
	struct ir_insn *in = ir_insn(d->fn, v);
	uint32_t *args = ir_operands(d->fn, in);

	for (unsigned k = 0; k < in->nargs; k++)
		mark(d, args[k]);
	if (in->op == OP_GET && !d->cell_live[in->imm]) {
		d->cell_live[in->imm] = 1;
		for (uint32_t k = 0; k < d->nsets[in->imm]; k++)
			mark(d, d->sets[in->imm][k]);
	}
}

static void sweep(struct dce *d, struct ir_block *b)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < b->insns.n; k++) {
		ir_val v = b->insns.v[k];
		if (d->live[v])
			b->insns.v[n++] = v;
		else
			ir_insn(d->fn, v)->block = BLOCK_NONE;
	}
	b->insns.n = n;
}

void ir_dce(struct ir_fn *fn)
{
	struct arena *a = arena_new();
	struct dce d = {.fn = fn,
			.live = arena_array_of(a, uint8_t, fn->insns.n),
			.cell_live = arena_array_of(a, uint8_t, fn->cells.n),
			.stack = arena_array_of(a, uint32_t, fn->insns.n),
			.sets = arena_array_of(a, uint32_t *, fn->cells.n),
			.nsets = arena_array_of(a, uint32_t, fn->cells.n)};

	collect_sets(&d, a);
	for (uint32_t r = 0; r < fn->nrpo; r++) {
		struct ir_block *b = fn->rpo[r];
		for (uint32_t k = 0; k < b->insns.n; k++)
			if (is_root(ir_insn(fn, b->insns.v[k])))
				mark(&d, b->insns.v[k]);
		if (b->term.v)
			mark(&d, b->term.v);
	}
	while (d.top)
		mark_operands(&d, d.stack[--d.top]);
	for (uint32_t r = 0; r < fn->nrpo; r++)
		sweep(&d, fn->rpo[r]);
	arena_free(a);
}
