/* The text form of the IR, which parse.c reads back, and of the machine form, which nobody does.
 *
 *   fn main(%1 ptr) {
 *     %2 = obj 16 align 8 at -16
 *   b0:
 *     %3 = load8 %1, 16 inv
 *     store4 %2, 0, %3
 *     br %3, b1, b2 unlikely
 */
#include "ir/ir_impl.h"

static const char *const atomic_names[] = {"add", "and", "or", "xor", "xchg"};

static void print_float(const struct ir_fn *fn, ir_val v, struct buf *out)
{
	const struct ir_insn *in = ir_insn(fn, v);
	uint64_t imm = (uint64_t)in->imm;

	buf_printf(out, "  %%%u = %s ", v, ir_ops[in->op].name);
	switch (in->op) {
	case OP_OBJ:
		buf_printf(out, "%u align %u at %lld\n", in->arg[0], in->arg[1],
			   (long long)in->imm);
		break;
	case OP_MAPVAL:
		buf_printf(out, "%u, %u\n", (uint32_t)(imm >> 32), (uint32_t)imm);
		break;
	case OP_FNPTR:
		buf_printf(out, "%s\n", fn->m->fns.v[imm]->name);
		break;
	default:
		buf_printf(out, "%lld\n", (long long)in->imm);
	}
}

static void print_args(const struct ir_fn *fn, struct ir_insn *in, struct buf *out)
{
	uint32_t *args = ir_operands(fn, in);

	for (unsigned k = 0; k < in->nargs; k++)
		buf_printf(out, "%s%%%u", k ? ", " : "", args[k]);
}

static void print_mem_flags(const struct ir_insn *in, struct buf *out)
{
	if (in->flags & IR_MEM_INVARIANT)
		buf_adds(out, " inv");
	if (in->flags & IR_MEM_VOLATILE)
		buf_adds(out, " vol");
}

static void print_memory(const struct ir_fn *fn, struct ir_insn *in, struct buf *out)
{
	uint32_t *args = ir_operands(fn, in);
	long long off = in->imm;

	switch (in->op) {
	case OP_LOAD:
		buf_printf(out, "load%s%u %%%u, %lld", in->flags & LOAD_SIGNED ? "s" : "",
			   in->bytes, args[0], off);
		if (in->flags & LOAD_PTR)
			buf_adds(out, " ptr");
		print_mem_flags(in, out);
		break;
	case OP_STORE:
		buf_printf(out, "store%u %%%u, %lld, %%%u", in->bytes, args[0], off, args[1]);
		break;
	case OP_ATOMIC:
		buf_printf(out, "%s_%s%u %%%u, %lld, %%%u",
			   in->flags & ATOMIC_FETCH ? "fetch" : "atomic",
			   atomic_names[in->flags & 15], in->bytes, args[0], off, args[1]);
		break;
	default:
		buf_printf(out, "cmpxchg%u %%%u, %lld, %%%u, %%%u", in->bytes, args[0], off,
			   args[1], args[2]);
	}
}

static void print_call(const struct ir_fn *fn, struct ir_insn *in, struct buf *out)
{
	const char *name = ir_helper_name((int)in->imm);

	if (in->op == OP_CALLFN)
		buf_printf(out, "callfn %s ", fn->m->fns.v[in->imm]->name);
	else if (in->op == OP_KFUNC)
		buf_printf(out, "kfunc%s %lld ", in->flags & KFUNC_PTR ? "ptr" : "",
			   (long long)in->imm);
	else if (name)
		buf_printf(out, "call %s ", name);
	else
		buf_printf(out, "call %lld ", (long long)in->imm);
	print_args(fn, in, out);
}

static void print_plain(const struct ir_fn *fn, struct ir_insn *in, struct buf *out)
{
	buf_adds(out, ir_ops[in->op].name);
	if (in->op == OP_ZEXT || in->op == OP_SEXT || in->op == OP_BSWAP)
		buf_printf(out, "%u", in->bytes);
	buf_addc(out, ' ');
	print_args(fn, in, out);
	if (in->op == OP_BOUND || in->op == OP_MASK || in->op == OP_INDEX)
		buf_printf(out, ", %llu", (unsigned long long)in->imm);
}

static void print_insn(const struct ir_fn *fn, ir_val v, struct buf *out)
{
	struct ir_insn *in = ir_insn(fn, v);
	bool quiet = in->op == OP_ATOMIC && !(in->flags & ATOMIC_FETCH);

	buf_adds(out, "  ");
	if (ir_op_has(in, OPF_R) && !quiet)
		buf_printf(out, "%%%u = ", v);
	switch (in->op) {
	case OP_LOAD:
	case OP_STORE:
	case OP_ATOMIC:
	case OP_CMPXCHG:
		print_memory(fn, in, out);
		break;
	case OP_CALL:
	case OP_KFUNC:
	case OP_CALLFN:
		print_call(fn, in, out);
		break;
	case OP_GET:
		buf_printf(out, "get $%lld", (long long)in->imm);
		break;
	case OP_SET:
		buf_printf(out, "set $%lld, %%%u", (long long)in->imm, in->arg[0]);
		break;
	default:
		print_plain(fn, in, out);
	}
	buf_addc(out, '\n');
}

static void print_term(const struct ir_term *t, struct buf *out)
{
	static const char *const hints[] = {"", " likely", " unlikely"};

	switch (t->kind) {
	case TERM_JMP:
		buf_printf(out, "  jmp b%u\n", t->to[0]->id);
		break;
	case TERM_BR:
		buf_printf(out, "  br %%%u, b%u, b%u%s\n", t->v, t->to[0]->id, t->to[1]->id,
			   hints[t->hint]);
		break;
	case TERM_RET:
		buf_printf(out, "  ret %%%u\n", t->v);
		break;
	case TERM_MAYGOTO:
		buf_printf(out, "  may_goto b%u, b%u\n", t->to[0]->id, t->to[1]->id);
		break;
	default:
		break;
	}
}

static void mark_floats(const struct ir_fn *fn, uint8_t *used)
{
	for (uint32_t b = 0; b < fn->blocks.n; b++) {
		struct ir_block *bb = fn->blocks.v[b];
		for (uint32_t k = 0; k < bb->insns.n; k++) {
			struct ir_insn *in = ir_insn(fn, bb->insns.v[k]);
			uint32_t *args = ir_operands(fn, in);
			for (unsigned n = 0; n < in->nargs; n++)
				used[args[n]] = 1;
		}
		used[bb->term.v] = 1;
	}
}

static void print_header(const struct ir_fn *fn, struct buf *out)
{
	static const char *const kinds[] = {"fn", "subprog", "callback"};

	buf_printf(out, "%s %s(", kinds[fn->kind], fn->name);
	for (uint32_t i = 0; i < fn->nparams; i++)
		buf_printf(out, "%s%%%u%s", i ? ", " : "", i + 1,
			   fn->ptr_params >> i & 1 ? " ptr" : "");
	buf_adds(out, ") {\n");
	for (uint32_t c = 1; c < fn->cells.n; c++)
		buf_printf(out, "  cell $%u %s%s\n", c,
			   fn->cells.v[c].name[0] ? fn->cells.v[c].name : "_",
			   fn->cells.v[c].is_ptr ? " ptr" : "");
}

static void print_fn(const struct ir_fn *fn, struct buf *out)
{
	struct arena *a = arena_new();
	uint8_t *used = arena_array_of(a, uint8_t, fn->insns.n);

	print_header(fn, out);
	mark_floats(fn, used);
	for (uint32_t v = 1; v < fn->insns.n; v++)
		if (used[v] && ir_op_has(ir_insn(fn, v), OPF_F))
			print_float(fn, v, out);
	for (uint32_t b = 0; b < fn->blocks.n; b++) {
		struct ir_block *bb = fn->blocks.v[b];
		if (b && !bb->insns.n && (bb->rpo == BLOCK_NONE || !bb->term.kind))
			continue;
		buf_printf(out, "b%u:\n", bb->id);
		for (uint32_t k = 0; k < bb->insns.n; k++)
			if (ir_insn(fn, bb->insns.v[k])->op != OP_PARAM)
				print_insn(fn, bb->insns.v[k], out);
		print_term(&bb->term, out);
	}
	buf_adds(out, "}\n");
	arena_free(a);
}

void ir_print(const struct ir_module *m, struct buf *out)
{
	for (size_t k = 0; k < m->fns.n; k++)
		print_fn(m->fns.v[k], out);
}

/* ---- machine form ------------------------------------------------------------------------- */

static void print_reg(struct mfn *f, mreg r, struct buf *out)
{
	if (r == MREG_NONE)
		return;
	if (!mreg_is_virt(r))
		buf_printf(out, " r%u", r);
	else if (mreg_info(f, r)->at == MREG_NONE)
		buf_printf(out, " v%u", r - MREG_VIRT);
	else
		buf_printf(out, " v%u:%c%u", r - MREG_VIRT,
			   mreg_info(f, r)->kind == VREG_SLOT ? 's' : 'r', mreg_info(f, r)->at);
}

static void print_minsn(struct mfn *f, const struct minsn *i, struct buf *out)
{
	static const char *const names[] = {
		"nop",    "mov",   "remat", "alu", "neg", "mov32",   "sext",    "bswap",
		"index",  "setcc", "bound", "ld",  "st",  "atomic",  "cmpxchg", "call",
		"reload", "spill", "jmp",   "jcc", "ret", "may_goto"};

	buf_printf(out, "    %s", names[i->op]);
	if (i->op == M_ALU || i->op == M_SETCC || i->op == M_JCC)
		buf_printf(out, ".%s", i->flags & MF_JSET ? "set" : ir_ops[i->sub].name);
	if (i->bytes && i->op != M_CALL)
		buf_printf(out, "%u", i->bytes * 8);
	print_reg(f, i->d, out);
	buf_adds(out, i->d != MREG_NONE ? " =" : "");
	print_reg(f, i->a, out);
	if (i->off)
		buf_printf(out, " %+d", i->off);
	print_reg(f, i->b, out);
	if ((i->flags & MF_IMM) || i->op == M_CALL)
		buf_printf(out, " #%lld", (long long)i->imm);
	buf_addc(out, '\n');
	if (i->op == M_REMAT) {
		out->n--;
		print_float(f->fn, (ir_val)i->imm, out);
	}
}

void mfn_print(struct mfn *f, struct buf *out)
{
	for (size_t b = 0; b < f->blocks.n; b++) {
		struct mblock *mb = &f->blocks.v[b];
		buf_printf(out, "  m%zu:%s\n", b, mb->cold ? " cold" : "");
		VEC_EACH (struct minsn, i, &mb->in)
			print_minsn(f, i, out);
		for (uint32_t k = 0; k < mb->nto; k++)
			buf_printf(out, "      → m%u\n", mb->to[k]);
	}
}
