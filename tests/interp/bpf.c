/* An interpreter of BPF bytecode: the oracle for what was emitted. Registers a call clobbers get
 * garbage, so code that relies on them is found. */
#include <string.h>
#include "bpf.h"

struct frame {
	size_t ret;
	uint64_t saved[4];
};

struct bpf_vm {
	const struct ir_code *code;
	const struct bpf_env *env;
	uint64_t r[11];
	struct frame frames[BPF_FRAMES];
	unsigned depth;
	uint64_t steps;
	size_t pc;
};

enum { MAY_GOTO = 0xe0, CODE = 0x6000000000 };

static uint64_t divide(uint64_t l, uint64_t r, bool is_mod, bool is_signed, bool is32)
{
	int64_t sl = is32 ? (int32_t)l : (int64_t)l, sr = is32 ? (int32_t)r : (int64_t)r;

	if (r == 0)
		return is_mod ? l : 0;
	if (!is_signed)
		return is_mod ? l % r : l / r;
	if (sr == -1)
		return is_mod ? 0 : (uint64_t)0 - l;
	return (uint64_t)(is_mod ? sl % sr : sl / sr);
}

static uint64_t swap(uint64_t v, unsigned bits)
{
	return __builtin_bswap64(v) >> (64 - bits);
}

static uint64_t sext(uint64_t v, unsigned bits)
{
	return (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits));
}

static uint64_t alu(const struct bpf_insn *i, uint64_t l, uint64_t r, bool is32)
{
	unsigned mask = is32 ? 31 : 63;

	switch (BPF_OP(i->code)) {
	case BPF_ADD:
		return l + r;
	case BPF_SUB:
		return l - r;
	case BPF_MUL:
		return l * r;
	case BPF_DIV:
		return divide(l, r, false, i->off, is32);
	case BPF_MOD:
		return divide(l, r, true, i->off, is32);
	case BPF_OR:
		return l | r;
	case BPF_AND:
		return l & r;
	case BPF_XOR:
		return l ^ r;
	case BPF_LSH:
		return l << (r & mask);
	case BPF_RSH:
		return l >> (r & mask);
	case BPF_ARSH:
		return is32 ? (uint64_t)((int32_t)l >> (r & mask))
			    : (uint64_t)((int64_t)l >> (r & mask));
	case BPF_NEG:
		return 0 - l;
	default:
		return i->off ? sext(r, (unsigned)i->off) : r;
	}
}

static void do_alu(struct bpf_vm *m, const struct bpf_insn *i)
{
	bool is32 = BPF_CLASS(i->code) == BPF_ALU;
	uint64_t l = m->r[i->dst_reg], r;

	if (BPF_OP(i->code) == BPF_END) {
		m->r[i->dst_reg] = swap(l, (unsigned)i->imm);
		return;
	}
	r = BPF_SRC(i->code) == BPF_X ? m->r[i->src_reg] : (uint64_t)(int64_t)i->imm;
	if (is32) {
		l = (uint32_t)l;
		r = (uint32_t)r;
	}
	r = alu(i, l, r, is32);
	m->r[i->dst_reg] = is32 ? (uint32_t)r : r;
}

static bool compare(unsigned op, uint64_t l, uint64_t r)
{
	switch (op) {
	case BPF_JEQ:
		return l == r;
	case BPF_JNE:
		return l != r;
	case BPF_JGT:
		return l > r;
	case BPF_JGE:
		return l >= r;
	case BPF_JLT:
		return l < r;
	case BPF_JLE:
		return l <= r;
	case BPF_JSGT:
		return (int64_t)l > (int64_t)r;
	case BPF_JSGE:
		return (int64_t)l >= (int64_t)r;
	case BPF_JSLT:
		return (int64_t)l < (int64_t)r;
	case BPF_JSLE:
		return (int64_t)l <= (int64_t)r;
	default:
		return l & r;
	}
}

static void clobber(struct bpf_vm *m)
{
	for (int k = 1; k <= 5; k++)
		m->r[k] = 0xdeadbeef00000000u + (unsigned)k;
}

static void do_call(struct bpf_vm *m, const struct bpf_insn *i)
{
	if (i->src_reg == BPF_PSEUDO_CALL) {
		struct frame *f = &m->frames[m->depth++];
		if (m->depth >= BPF_FRAMES) {
			*m->env->fault = "too deep";
			m->depth--;
			return;
		}
		f->ret = m->pc;
		memcpy(f->saved, &m->r[6], sizeof(f->saved));
		m->r[10] += 512;
		m->pc += (size_t)(int64_t)i->imm;
		return;
	}
	m->r[0] = m->env->helper(m->env->w, m, i->imm, &m->r[1]);
	clobber(m);
}

static void do_exit(struct bpf_vm *m)
{
	m->pc = m->frames[--m->depth].ret;
	memcpy(&m->r[6], m->frames[m->depth].saved, 32);
	m->r[10] -= 512;
	clobber(m);
}

/* Returns false at the end of what was called at depth `base`. */
static bool do_jmp(struct bpf_vm *m, const struct bpf_insn *i, unsigned base)
{
	uint64_t r = BPF_SRC(i->code) == BPF_X ? m->r[i->src_reg] : (uint64_t)(int64_t)i->imm;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		m->pc += (size_t)(int64_t)(BPF_CLASS(i->code) == BPF_JMP32 ? i->imm : i->off);
		return true;
	case BPF_CALL:
		do_call(m, i);
		return true;
	case BPF_EXIT:
		if (m->depth == base)
			return false;
		do_exit(m);
		return true;
	case MAY_GOTO: /* the budget is never used up here */
		return true;
	default:
		if (compare(BPF_OP(i->code), m->r[i->dst_reg], r))
			m->pc += (size_t)(int64_t)i->off;
		return true;
	}
}

static unsigned size_of(unsigned code)
{
	return BPF_SIZE(code) == BPF_DW  ? 8
	       : BPF_SIZE(code) == BPF_W ? 4
	       : BPF_SIZE(code) == BPF_H ? 2
					 : 1;
}

static void do_wide(struct bpf_vm *m, const struct bpf_insn *i)
{
	uint64_t hi = (uint32_t)i[1].imm;

	m->pc++;
	if (i->src_reg == BPF_PSEUDO_MAP_FD)
		m->r[i->dst_reg] = m->env->map(m->env->w, (uint32_t)i->imm);
	else if (i->src_reg == BPF_PSEUDO_MAP_VALUE)
		m->r[i->dst_reg] = m->env->map_value(m->env->w, (uint32_t)i->imm, (uint32_t)hi);
	else if (i->src_reg == BPF_PSEUDO_FUNC)
		m->r[i->dst_reg] = CODE + (uint64_t)(i - m->code->insns) +
				   (uint64_t)(int64_t)i->imm + 1;
	else
		m->r[i->dst_reg] = hi << 32 | (uint32_t)i->imm;
}

static uint64_t changed(int32_t op, uint64_t old, uint64_t v)
{
	switch (op & ~BPF_FETCH) {
	case BPF_ADD:
		return old + v;
	case BPF_AND:
		return old & v;
	case BPF_OR:
		return old | v;
	case BPF_XOR:
		return old ^ v;
	default:
		return v;
	}
}

static void do_stx(struct bpf_vm *m, const struct bpf_insn *i)
{
	const struct bpf_env *e = m->env;
	uint64_t addr = m->r[i->dst_reg] + (uint64_t)(int64_t)i->off, v = m->r[i->src_reg], old;
	unsigned n = size_of(i->code);

	if (BPF_MODE(i->code) != BPF_ATOMIC) {
		e->store(e->w, addr, n, v);
		return;
	}
	old = e->load(e->w, addr, n);
	if (i->imm == BPF_CMPXCHG) {
		if (old == (n == 4 ? (uint32_t)m->r[0] : m->r[0]))
			e->store(e->w, addr, n, v);
		m->r[0] = old;
		return;
	}
	e->store(e->w, addr, n, changed(i->imm, old, v));
	if (i->imm & BPF_FETCH)
		m->r[i->src_reg] = old;
}

static bool step(struct bpf_vm *m, unsigned base)
{
	const struct bpf_insn *i = &m->code->insns[m->pc++];
	uint64_t v;

	switch (BPF_CLASS(i->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		do_alu(m, i);
		return true;
	case BPF_JMP:
	case BPF_JMP32:
		return do_jmp(m, i, base);
	case BPF_LD:
		do_wide(m, i);
		return true;
	case BPF_LDX:
		v = m->env->load(m->env->w, m->r[i->src_reg] + (uint64_t)(int64_t)i->off,
				 size_of(i->code));
		m->r[i->dst_reg] = BPF_MODE(i->code) == 0x80 ? sext(v, size_of(i->code) * 8) : v;
		return true;
	case BPF_ST:
		m->env->store(m->env->w, m->r[i->dst_reg] + (uint64_t)(int64_t)i->off,
			      size_of(i->code), (uint64_t)(int64_t)i->imm);
		return true;
	default:
		do_stx(m, i);
		return true;
	}
}

static uint64_t run(struct bpf_vm *m, unsigned base)
{
	while (m->steps++ < m->env->limit && !*m->env->fault && m->pc < m->code->n)
		if (!step(m, base))
			return m->r[0];
	if (!*m->env->fault)
		*m->env->fault = "ran too long";
	return 0;
}

uint64_t bpf_run(const struct ir_code *code, const struct bpf_env *env)
{
	struct bpf_vm m = {.code = code, .env = env};

	for (unsigned k = 0; k < 10; k++)
		m.r[k] = 0xbad0000000000000u + k;
	m.r[1] = env->ctx;
	m.r[10] = env->stack + 512;
	return run(&m, 0);
}

uint64_t bpf_callback(struct bpf_vm *m, uint64_t fn, const uint64_t args[4])
{
	struct bpf_vm saved = *m;
	uint64_t result;

	m->pc = fn - CODE;
	memcpy(&m->r[1], args, 32);
	m->r[10] += 512;
	m->depth++;
	result = run(m, m->depth);
	saved.steps = m->steps;
	*m = saved;
	return result;
}
