/* The disassembler: the notation of the kernel's verifier log.
 *
 *     12: (85) call get_current_comm#14
 *     13: (b7) r1 = 16
 *     14: (18) r2 = map[3]
 *     16: (55) if r0 != 0x0 goto pc+2
 */
#include "ir/ir_impl.h"

struct dis {
	const struct ir_code *code;
	const char *(*map_name)(void *arg, uint32_t map);
	void *arg;
	struct buf *out;
};

static const char *size_name(unsigned code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return "u8";
	case BPF_H:
		return "u16";
	case BPF_W:
		return "u32";
	default:
		return "u64";
	}
}

static const char *alu_sign(unsigned op, bool is_signed)
{
	switch (op) {
	case BPF_ADD:
		return "+=";
	case BPF_SUB:
		return "-=";
	case BPF_MUL:
		return "*=";
	case BPF_DIV:
		return is_signed ? "s/=" : "/=";
	case BPF_MOD:
		return is_signed ? "s%=" : "%=";
	case BPF_OR:
		return "|=";
	case BPF_AND:
		return "&=";
	case BPF_XOR:
		return "^=";
	case BPF_LSH:
		return "<<=";
	case BPF_RSH:
		return ">>=";
	case BPF_ARSH:
		return "s>>=";
	default:
		return "=";
	}
}

static void dis_alu(struct dis *d, const struct bpf_insn *i)
{
	char r = BPF_CLASS(i->code) == BPF_ALU ? 'w' : 'r';
	unsigned op = BPF_OP(i->code);

	if (op == BPF_NEG) {
		buf_printf(d->out, "%c%u = -%c%u", r, i->dst_reg, r, i->dst_reg);
	} else if (op == BPF_END) {
		buf_printf(d->out, "r%u = %s%d r%u", i->dst_reg,
			   BPF_SRC(i->code) == BPF_TO_BE ? "be" : "le", i->imm, i->dst_reg);
	} else if (op == BPF_MOV && BPF_SRC(i->code) == BPF_X && i->off) {
		buf_printf(d->out, "%c%u = (s%d)%c%u", r, i->dst_reg, i->off, r, i->src_reg);
	} else if (BPF_SRC(i->code) == BPF_X) {
		buf_printf(d->out, "%c%u %s %c%u", r, i->dst_reg, alu_sign(op, i->off), r,
			   i->src_reg);
	} else {
		buf_printf(d->out, "%c%u %s %d", r, i->dst_reg, alu_sign(op, i->off), i->imm);
	}
}

static const char *jmp_sign(unsigned op)
{
	switch (op) {
	case BPF_JEQ:
		return "==";
	case BPF_JNE:
		return "!=";
	case BPF_JGT:
		return ">";
	case BPF_JGE:
		return ">=";
	case BPF_JLT:
		return "<";
	case BPF_JLE:
		return "<=";
	case BPF_JSGT:
		return "s>";
	case BPF_JSGE:
		return "s>=";
	case BPF_JSLT:
		return "s<";
	case BPF_JSLE:
		return "s<=";
	default:
		return "&";
	}
}

static void dis_call(struct dis *d, const struct bpf_insn *i)
{
	const char *name = ir_helper_name(i->imm);

	if (i->src_reg == BPF_PSEUDO_CALL)
		buf_printf(d->out, "call pc%+d", i->imm);
	else if (i->src_reg == BPF_PSEUDO_KFUNC_CALL)
		buf_printf(d->out, "call kfunc#%d", i->imm);
	else
		buf_printf(d->out, "call %s#%d", name ? name : "helper", i->imm);
}

static void dis_jmp(struct dis *d, const struct bpf_insn *i)
{
	unsigned op = BPF_OP(i->code);
	char r = BPF_CLASS(i->code) == BPF_JMP32 ? 'w' : 'r';

	if (op == BPF_CALL)
		dis_call(d, i);
	else if (op == BPF_EXIT)
		buf_adds(d->out, "exit");
	else if (op == BPF_JA && r == 'w')
		buf_printf(d->out, "gotol pc%+d", i->imm);
	else if (op == BPF_JA)
		buf_printf(d->out, "goto pc%+d", i->off);
	else if (op == 0xe0)
		buf_printf(d->out, "may_goto pc%+d", i->off);
	else if (BPF_SRC(i->code) == BPF_X)
		buf_printf(d->out, "if %c%u %s %c%u goto pc%+d", r, i->dst_reg, jmp_sign(op), r,
			   i->src_reg, i->off);
	else
		buf_printf(d->out, "if %c%u %s 0x%x goto pc%+d", r, i->dst_reg, jmp_sign(op),
			   (unsigned)i->imm, i->off);
}

static void dis_map(struct dis *d, const struct bpf_insn *i)
{
	const char *name = d->map_name ? d->map_name(d->arg, (uint32_t)i->imm) : NULL;

	if (name)
		buf_printf(d->out, "r%u = map[%s]", i->dst_reg, name);
	else
		buf_printf(d->out, "r%u = map[%d]", i->dst_reg, i->imm);
	if (i->src_reg == BPF_PSEUDO_MAP_VALUE)
		buf_printf(d->out, "[0]+%d", i[1].imm);
}

static void dis_wide(struct dis *d, const struct bpf_insn *i)
{
	if (i->src_reg == BPF_PSEUDO_MAP_FD || i->src_reg == BPF_PSEUDO_MAP_VALUE)
		dis_map(d, i);
	else if (i->src_reg == BPF_PSEUDO_FUNC)
		buf_printf(d->out, "r%u = func[pc%+d]", i->dst_reg, i->imm);
	else
		buf_printf(d->out, "r%u = 0x%llx", i->dst_reg,
			   (unsigned long long)(uint32_t)i[1].imm << 32 | (uint32_t)i->imm);
}

static void dis_atomic(struct dis *d, const struct bpf_insn *i)
{
	const char *size = size_name(i->code);
	unsigned op = (unsigned)i->imm & ~(unsigned)BPF_FETCH;

	if (i->imm == BPF_CMPXCHG)
		buf_printf(d->out, "r0 = atomic_cmpxchg((%s *)(r%u %+d), r0, r%u)", size,
			   i->dst_reg, i->off, i->src_reg);
	else if (i->imm == BPF_XCHG)
		buf_printf(d->out, "r%u = atomic_xchg((%s *)(r%u %+d), r%u)", i->src_reg, size,
			   i->dst_reg, i->off, i->src_reg);
	else if (i->imm & BPF_FETCH)
		buf_printf(d->out, "r%u = atomic_fetch %s (*(%s *)(r%u %+d))", i->src_reg,
			   alu_sign(op, false), size, i->dst_reg, i->off);
	else
		buf_printf(d->out, "lock *(%s *)(r%u %+d) %s r%u", size, i->dst_reg, i->off,
			   alu_sign(op, false), i->src_reg);
}

static void dis_insn(struct dis *d, const struct bpf_insn *i)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		dis_alu(d, i);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		dis_jmp(d, i);
		break;
	case BPF_LD:
		dis_wide(d, i);
		break;
	case BPF_LDX:
		buf_printf(d->out, "r%u = *(%s%s *)(r%u %+d)", i->dst_reg,
			   BPF_MODE(i->code) == 0x80 ? "s" : "", size_name(i->code), i->src_reg,
			   i->off);
		break;
	case BPF_ST:
		buf_printf(d->out, "*(%s *)(r%u %+d) = %d", size_name(i->code), i->dst_reg, i->off,
			   i->imm);
		break;
	default:
		if (BPF_MODE(i->code) == BPF_ATOMIC)
			dis_atomic(d, i);
		else
			buf_printf(d->out, "*(%s *)(r%u %+d) = r%u", size_name(i->code), i->dst_reg,
				   i->off, i->src_reg);
	}
}

static bool span_same(struct span a, struct span b)
{
	return a.off == b.off && a.len == b.len && a.file == b.file;
}

void ir_disasm(const struct ir_code *code, const char *(*map_name)(void *arg, uint32_t map),
	       void (*source)(void *arg, struct span s, struct buf *out), void *arg,
	       struct buf *out)
{
	struct dis d = {code, map_name, arg, out};
	struct span last = NO_SPAN;

	for (size_t n = 0, f = 0; n < code->n; n++) {
		const struct bpf_insn *i = &code->insns[n];
		if (f < code->nfuncs && code->funcs[f].insn_off == n)
			buf_printf(out, "%s:\n", code->funcs[f++].name);
		if (source && code->spans[n].file != UINT32_MAX && !span_same(code->spans[n], last))
			source(arg, last = code->spans[n], out);
		buf_printf(out, "%4zu: (%02x) ", n, i->code);
		dis_insn(&d, i);
		buf_addc(out, '\n');
		n += i->code == (BPF_LD | BPF_IMM | BPF_DW);
	}
}
