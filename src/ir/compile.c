/* The list of passes, in order. Each is in the file of its name; what it needs and leaves is said
 * at its head. After each, the module is printed to `trace` if there is one.
 */
#include "ir/ir_impl.h"

static void dump(const struct ir_module *m, struct buf *trace, const char *pass)
{
	if (!trace)
		return;
	buf_printf(trace, "; after %s\n", pass);
	ir_print(m, trace);
}

/* Functions nobody calls would be unreachable code to the verifier. */
static void mark_used(struct ir_module *m, struct ir_fn *fn)
{
	if (fn->used)
		return;
	fn->used = true;
	for (uint32_t r = 0; r < fn->nrpo; r++)
		for (uint32_t k = 0; k < fn->rpo[r]->insns.n; k++) {
			struct ir_insn *in = ir_insn(fn, fn->rpo[r]->insns.v[k]);
			uint32_t *args = ir_operands(fn, in);
			if (in->op == OP_CALLFN)
				mark_used(m, m->fns.v[in->imm]);
			for (unsigned n = 0; n < in->nargs; n++)
				if (ir_insn(fn, args[n])->op == OP_FNPTR)
					mark_used(m, m->fns.v[ir_insn(fn, args[n])->imm]);
		}
}

static void tidy(struct ir_fn *fn)
{
	for (int round = 0; round < 4; round++) {
		cfg_clean(fn);
		cfg_analyse(fn);
		if (!ir_thread(fn))
			return;
	}
	cfg_clean(fn);
	cfg_analyse(fn);
}

static void optimise(struct ir_fn *fn, const struct ir_isa *isa)
{
	cfg_clean(fn);
	ir_legal(fn, isa);
	tidy(fn);
	ir_gvn(fn);
	tidy(fn);
	ir_gvn(fn); /* jumps that the first round decided have opened the way */
	cfg_analyse(fn);
	ir_dce(fn);
	cfg_clean(fn);
	cfg_analyse(fn);
}

static struct mfn *lower(struct ir_fn *fn, const struct ir_isa *isa, struct buf *trace)
{
	struct mfn *f = isel_fn(fn, isa);

	mfn_hold(f);
	if (trace) {
		buf_printf(trace, "; %s, selected\n", fn->name);
		mfn_print(f, trace);
	}
	mfn_allocate(f);
	if (trace) {
		buf_printf(trace, "; %s, allocated\n", fn->name);
		mfn_print(f, trace);
	}
	mfn_finish(f);
	return f;
}

uint32_t ir_compile(struct ir_module *m, const struct ir_isa *isa, struct ir_code *out,
		    struct buf *trace)
{
	struct mfn **fns = arena_array_of(m->a, struct mfn *, m->fns.n + 1);
	uint32_t n = 0;

	if (!m->fns.n)
		BUG("module %s has no function", m->name);
	ir_check(m);
	dump(m, trace, "build");
	for (size_t k = 0; k < m->fns.n; k++)
		optimise(m->fns.v[k], isa);
	dump(m, trace, "optimise");
	mark_used(m, m->fns.v[0]);
	for (size_t k = 0; k < m->fns.n; k++)
		if (m->fns.v[k]->used)
			fns[n++] = lower(m->fns.v[k], isa, trace);
	return emit_module(m, fns, n, isa, out);
}
