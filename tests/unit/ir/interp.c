/* An interpreter of the IR as it was built, before any pass: the meaning to be preserved. */
#include "ir/ir_impl.h"
#include "world.h"

struct interp {
	struct ir_module *m;
	struct world *w;
	unsigned depth, steps;
};

static uint64_t call_fn(struct interp *s, struct ir_fn *fn, const uint64_t *args);

static uint64_t swap_or_extend(const struct ir_insn *in, uint64_t v)
{
	unsigned sh = 64 - in->bytes * 8;

	if (in->op == OP_BSWAP)
		return __builtin_bswap64(v) >> sh;
	if (in->op == OP_SEXT)
		return (uint64_t)((int64_t)(v << sh) >> sh);
	return v << sh >> sh;
}

static uint64_t unary(const struct ir_insn *in, uint64_t v)
{
	switch (in->op) {
	case OP_NEG:
		return 0 - v;
	case OP_BOUND:
		return MIN(v, (uint64_t)in->imm);
	case OP_MASK:
		return v & (uint64_t)in->imm;
	case OP_NONNULL:
	case OP_INDEX:
		return v;
	default:
		return swap_or_extend(in, v);
	}
}

static uint64_t floating(const struct ir_insn *in, uint64_t fp)
{
	switch (in->op) {
	case OP_OBJ:
		return fp + (uint64_t)in->imm;
	case OP_MAP:
		return WORLD_MAP + (uint64_t)in->imm;
	case OP_MAPVAL:
		return WORLD_GLOBALS + (uint32_t)in->imm;
	default:
		return (uint64_t)in->imm;
	}
}

static uint64_t load(struct interp *s, const struct ir_insn *in, uint64_t p)
{
	uint64_t v = world_load(s->w, p + (uint64_t)in->imm, in->bytes);
	unsigned sh = 64 - in->bytes * 8;

	return in->flags & LOAD_SIGNED ? (uint64_t)((int64_t)(v << sh) >> sh) : v;
}

static uint64_t effect(struct interp *s, const struct ir_insn *in, const uint64_t *a)
{
	static const int32_t atomics[] = {BPF_ADD, BPF_AND, BPF_OR, BPF_XOR, BPF_XCHG};

	switch (in->op) {
	case OP_LOAD:
		return load(s, in, a[0]);
	case OP_STORE:
		world_store(s->w, a[0] + (uint64_t)in->imm, in->bytes, a[1]);
		return 0;
	case OP_ATOMIC:
		return world_atomic(s->w, atomics[in->flags & 15], a[0] + (uint64_t)in->imm,
				    in->bytes, a[1]);
	case OP_CMPXCHG:
		return world_cmpxchg(s->w, a[0] + (uint64_t)in->imm, in->bytes, a[1], a[2]);
	case OP_CALL:
		return world_helper(s->w, (int)in->imm, a);
	default:
		return call_fn(s, s->m->fns.v[in->imm], a);
	}
}

static uint64_t eval(struct interp *s, struct ir_fn *fn, struct ir_insn *in, const uint64_t *val,
		     uint64_t *cell, uint64_t fp)
{
	uint32_t *args = ir_operands(fn, in);
	uint64_t a[5] = {0};

	for (unsigned k = 0; k < in->nargs; k++) {
		const struct ir_insn *arg = ir_insn(fn, args[k]);
		a[k] = ir_op_has(arg, OPF_F) ? floating(arg, fp) : val[args[k]];
	}
	if (in->op < OP_NEG)
		return (uint64_t)fold_eval(in->op, (int64_t)a[0], (int64_t)a[1]);
	if (in->op <= OP_INDEX)
		return unary(in, a[0]);
	if (in->op == OP_GET)
		return cell[in->imm];
	if (in->op == OP_SET)
		return cell[in->imm] = a[0];
	return effect(s, in, a);
}

static uint64_t run_blocks(struct interp *s, struct ir_fn *fn, uint64_t *val, uint64_t *cell,
			   uint64_t fp)
{
	struct ir_block *b = fn->blocks.v[0];

	for (;;) {
		for (uint32_t k = 0; k < b->insns.n; k++) {
			struct ir_insn *in = ir_insn(fn, b->insns.v[k]);
			if (in->op != OP_PARAM)
				val[b->insns.v[k]] = eval(s, fn, in, val, cell, fp);
		}
		const struct ir_insn *v = ir_insn(fn, b->term.v);
		uint64_t c = ir_op_has(v, OPF_F) ? floating(v, fp) : val[b->term.v];
		if (b->term.kind == TERM_RET || s->w->fault)
			return c;
		if (++s->steps > 100000)
			s->w->fault = "ran too long";
		b = b->term.to[b->term.kind == TERM_BR && !c];
	}
}

static uint64_t call_fn(struct interp *s, struct ir_fn *fn, const uint64_t *args)
{
	struct arena *a = arena_new();
	uint64_t *val = arena_array_of(a, uint64_t, fn->insns.n), r;

	memcpy(val + 1, args, fn->nparams * sizeof(*val));
	r = run_blocks(s, fn, val, arena_array_of(a, uint64_t, fn->cells.n),
		       WORLD_STACK + 512ull * ++s->depth);
	s->depth--;
	arena_free(a);
	return r;
}

uint64_t interp_run(struct ir_module *m, struct world *w)
{
	struct interp s = {.m = m, .w = w};
	uint64_t ctx = WORLD_CTX;

	return call_fn(&s, m->fns.v[0], &ctx);
}
