/* Machine form to BPF instructions.
 *
 * Functions follow each other, the entry first. A three-operand instruction becomes a copy and a
 * two-operand one, unless registers already agree. Jumps are written with their target block and
 * resolved when all addresses are known. Offsets of jumps have 16 bits: what does not reach is made
 * long and everything is emitted again, until all reach:
 *
 *   cpu 4:  gotol, which has 32 bits; a conditional jump is inverted around it
 *   cpu 3:  a hop: jumps are collected in islands between blocks, and the far jump goes to a hop
 *           behind the last block in the direction of its target that it reaches well
 */
#include "ir/ir_impl.h"

#define REACH  32000
#define MARGIN 8000 /* kept for islands that grow in between */

struct jump {
	uint32_t at;     /* slot */
	uint32_t target; /* mblock, or HOP + index of a hop */
	uint32_t id;     /* number in its function, or HOP + the hop it belongs to */
};

struct hop {
	uint32_t island, target; /* block behind which it lies; final target */
	uint32_t via;            /* another hop on the way, or 0 */
	uint32_t next;           /* on the same island, plus one */
	uint32_t addr;
};

#define HOP 0x80000000u

struct call {
	uint32_t at, callee;
	bool is_ptr;
};

struct emit {
	struct ir_module *m;
	struct mfn **fns;
	uint32_t nfns;
	const struct ir_isa *isa;
	struct arena *a;
	VEC(struct bpf_insn) out;
	VEC(struct span) spans;
	VEC(struct jump) jumps;
	VEC(struct call) calls;
	uint32_t *addr; /* of each function of the module */
	/* of the function being emitted */
	struct mfn *f;
	struct span span;
	VEC(uint32_t) via; /* by jump: 0 near, 1 long (cpu 4), else HOP + hop */
	VEC(struct hop) hops;
	uint32_t *island;          /* by block: its hops, plus one */
	uint32_t *placed, nplaced; /* blocks that have code, in order of address */
	uint32_t njump;            /* jumps of this function so far */
	uint32_t first_jump;
};

static void out(struct emit *e, unsigned code, mreg d, mreg s, int32_t off, int32_t imm)
{
	struct bpf_insn i = {.code = (uint8_t)code,
			     .dst_reg = d & 15,
			     .src_reg = s & 15,
			     .off = (int16_t)off,
			     .imm = imm};

	vec_push(e->m->a, &e->out, i);
	vec_push(e->m->a, &e->spans, e->span);
}

static unsigned size_code(unsigned bytes)
{
	return bytes == 8 ? BPF_DW : bytes == 4 ? BPF_W : bytes == 2 ? BPF_H : BPF_B;
}

static void mov(struct emit *e, mreg d, mreg a)
{
	if (d != a)
		out(e, BPF_ALU64 | BPF_MOV | BPF_X, d, a, 0, 0);
}

/* ---- constants and addresses -------------------------------------------------------------- */

static void wide(struct emit *e, mreg d, unsigned pseudo, uint32_t lo, uint32_t hi)
{
	out(e, BPF_LD | BPF_IMM | BPF_DW, d, pseudo, 0, (int32_t)lo);
	out(e, 0, 0, 0, 0, (int32_t)hi);
}

static void emit_const(struct emit *e, mreg d, int64_t c)
{
	if (c == (int32_t)c)
		out(e, BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, (int32_t)c);
	else if (c == (uint32_t)c)
		out(e, BPF_ALU | BPF_MOV | BPF_K, d, 0, 0, (int32_t)c);
	else
		wide(e, d, 0, (uint32_t)c, (uint32_t)((uint64_t)c >> 32));
}

static void emit_remat(struct emit *e, const struct minsn *i)
{
	const struct ir_insn *in = ir_insn(e->f->fn, (ir_val)i->imm);
	uint64_t imm = (uint64_t)in->imm;

	switch (in->op) {
	case OP_CONST:
		emit_const(e, i->d, in->imm);
		break;
	case OP_OBJ:
		mov(e, i->d, MREG_FP);
		out(e, BPF_ALU64 | BPF_ADD | BPF_K, i->d, 0, 0, (int32_t)in->imm);
		break;
	case OP_MAP:
		wide(e, i->d, BPF_PSEUDO_MAP_FD, (uint32_t)imm, 0);
		break;
	case OP_MAPVAL:
		wide(e, i->d, BPF_PSEUDO_MAP_VALUE, (uint32_t)(imm >> 32), (uint32_t)imm);
		break;
	case OP_FNPTR:
		vec_push(e->a, &e->calls, (struct call){e->out.n, (uint32_t)imm, true});
		wide(e, i->d, BPF_PSEUDO_FUNC, 0, 0);
		break;
	default:
		BUG("cannot rematerialise %s", ir_ops[in->op].name);
	}
}

/* ---- arithmetic --------------------------------------------------------------------------- */

static unsigned alu_code(unsigned op)
{
	static const uint8_t code[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_DIV,
				       BPF_MOD, BPF_MOD, BPF_AND, BPF_OR,  BPF_XOR,
				       BPF_LSH, BPF_RSH, BPF_ARSH};
	return code[op];
}

static void emit_alu(struct emit *e, const struct minsn *i)
{
	unsigned class = i->bytes == 4 ? BPF_ALU : BPF_ALU64;
	unsigned code = class | alu_code(i->sub);
	int32_t off = i->sub == OP_SDIV || i->sub == OP_SMOD;
	mreg b = i->b;

	if (i->flags & MF_IMM) {
		mov(e, i->d, i->a);
		out(e, code | BPF_K, i->d, 0, off, (int32_t)i->imm);
		return;
	}
	if (i->d == b && i->d != i->a)
		b = i->a; /* commutative: d op= a */
	else
		mov(e, i->d, i->a);
	out(e, code | BPF_X, i->d, b, off, 0);
}

static unsigned jmp_code(unsigned op)
{
	static const uint8_t code[] = {BPF_JEQ, BPF_JNE,  BPF_JLT,  BPF_JLE,  BPF_JGT,
				       BPF_JGE, BPF_JSLT, BPF_JSLE, BPF_JSGT, BPF_JSGE};
	return code[op - OP_EQ];
}

static void emit_compare(struct emit *e, const struct minsn *i, unsigned code, mreg a, int32_t off)
{
	if (i->flags & MF_IMM)
		out(e, BPF_JMP | code | BPF_K, a, 0, off, (int32_t)i->imm);
	else
		out(e, BPF_JMP | code | BPF_X, a, i->b, off, 0);
}

static void emit_setcc(struct emit *e, const struct minsn *i)
{
	emit_const(e, i->d, 1);
	emit_compare(e, i, jmp_code(i->sub), i->a, 1);
	emit_const(e, i->d, 0);
}

static void emit_bound(struct emit *e, const struct minsn *i)
{
	mov(e, i->d, i->a);
	emit_compare(e, i, BPF_JLE, i->d, 1);
	if (i->flags & MF_IMM)
		emit_const(e, i->d, i->imm);
	else
		mov(e, i->d, i->b);
}

static void emit_sext(struct emit *e, mreg d, mreg a, unsigned bytes)
{
	int32_t sh = 64 - (int32_t)bytes * 8;

	if (e->isa->cpu >= 4) {
		out(e, BPF_ALU64 | BPF_MOV | BPF_X, d, a, (int32_t)bytes * 8, 0);
		return;
	}
	mov(e, d, a);
	out(e, BPF_ALU64 | BPF_LSH | BPF_K, d, 0, 0, sh);
	out(e, BPF_ALU64 | BPF_ARSH | BPF_K, d, 0, 0, sh);
}

static void emit_bswap(struct emit *e, const struct minsn *i)
{
	unsigned swap = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? BPF_TO_BE : BPF_TO_LE;

	mov(e, i->d, i->a);
	out(e, BPF_ALU | BPF_END | swap, i->d, 0, 0, i->bytes * 8);
}

/* ---- memory and calls --------------------------------------------------------------------- */

static void emit_load(struct emit *e, const struct minsn *i)
{
	unsigned size = size_code(i->bytes);

	if ((i->flags & MF_SIGNED) && e->isa->cpu >= 4) {
		out(e, BPF_LDX | 0x80 | size, i->d, i->a, i->off, 0); /* BPF_MEMSX */
		return;
	}
	out(e, BPF_LDX | BPF_MEM | size, i->d, i->a, i->off, 0);
	if (i->flags & MF_SIGNED)
		emit_sext(e, i->d, i->d, i->bytes);
}

static void emit_store(struct emit *e, const struct minsn *i)
{
	unsigned size = size_code(i->bytes);

	if (i->flags & MF_IMM)
		out(e, BPF_ST | BPF_MEM | size, i->a, 0, i->off, (int32_t)i->imm);
	else
		out(e, BPF_STX | BPF_MEM | size, i->a, i->b, i->off, 0);
}

static void emit_atomic(struct emit *e, const struct minsn *i)
{
	static const int32_t imm[] = {BPF_ADD, BPF_AND, BPF_OR, BPF_XOR, BPF_XCHG};
	unsigned code = BPF_STX | BPF_ATOMIC | size_code(i->bytes);

	if (i->op == M_CMPXCHG) {
		out(e, code, i->a, i->b, i->off, BPF_CMPXCHG);
		return;
	}
	if (!(i->flags & MF_FETCH)) {
		out(e, code, i->a, i->b, i->off, imm[i->sub]);
		return;
	}
	mov(e, i->d, i->b);
	out(e, code, i->a, i->d, i->off, imm[i->sub] | BPF_FETCH);
}

static void emit_call(struct emit *e, const struct minsn *i)
{
	unsigned src = i->sub == MCALL_HELPER  ? 0
		       : i->sub == MCALL_KFUNC ? BPF_PSEUDO_KFUNC_CALL
					       : BPF_PSEUDO_CALL;

	if (i->sub == MCALL_FN)
		vec_push(e->a, &e->calls, (struct call){e->out.n, (uint32_t)i->imm, false});
	out(e, BPF_JMP | BPF_CALL, 0, src, 0, i->sub == MCALL_FN ? 0 : (int32_t)i->imm);
}

static void emit_insn(struct emit *e, const struct minsn *i)
{
	e->span = i->span;
	switch (i->op) {
	case M_MOV:
		mov(e, i->d, i->a);
		break;
	case M_REMAT:
		emit_remat(e, i);
		break;
	case M_ALU:
		emit_alu(e, i);
		break;
	case M_NEG:
		mov(e, i->d, i->a);
		out(e, BPF_ALU64 | BPF_NEG, i->d, 0, 0, 0);
		break;
	case M_MOV32:
		out(e, BPF_ALU | BPF_MOV | BPF_X, i->d, i->a, 0, 0);
		break;
	case M_SEXT:
		emit_sext(e, i->d, i->a, i->bytes);
		break;
	case M_BSWAP:
		emit_bswap(e, i);
		break;
	case M_SETCC:
		emit_setcc(e, i);
		break;
	case M_BOUND:
		emit_bound(e, i);
		break;
	case M_LD:
		emit_load(e, i);
		break;
	case M_ST:
		emit_store(e, i);
		break;
	case M_ATOMIC:
	case M_CMPXCHG:
		emit_atomic(e, i);
		break;
	case M_CALL:
		emit_call(e, i);
		break;
	default:
		BUG("machine operation %u cannot be emitted", i->op);
	}
}

/* ---- jumps -------------------------------------------------------------------------------- */

/* How the next jump goes: 0 directly, 1 by gotol, else through a hop. */
static uint32_t next_via(struct emit *e)
{
	uint32_t n = e->njump++;

	while (e->via.n <= n)
		vec_push(e->a, &e->via, 0u);
	return e->via.v[n];
}

static void note_jump(struct emit *e, uint32_t target, uint32_t via)
{
	struct jump j = {e->out.n, via & HOP ? via : target, e->njump - 1};

	vec_push(e->a, &e->jumps, j);
}

static void emit_ja(struct emit *e, uint32_t target)
{
	uint32_t via = next_via(e);

	note_jump(e, target, via);
	out(e, via == 1 ? BPF_JMP32 | BPF_JA : BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

/* A conditional jump to `target`; `i` is the comparison, `op` what to test. */
static void emit_jcc(struct emit *e, const struct minsn *i, unsigned code, uint32_t target)
{
	uint32_t via = next_via(e);

	if (via != 1) {
		note_jump(e, target, via);
		emit_compare(e, i, code, i->a, 0);
		return;
	}
	emit_compare(e, i, code, i->a, 1);
	out(e, BPF_JMP | BPF_JA, 0, 0, 1, 0);
	note_jump(e, target, via);
	out(e, BPF_JMP32 | BPF_JA, 0, 0, 0, 0);
}

static void emit_branch(struct emit *e, struct mblock *mb, const struct minsn *i, uint32_t next)
{
	bool jset = i->flags & MF_JSET;

	e->span = i->span;
	if (mb->to[0] == next && !jset) {
		emit_jcc(e, i, jmp_code(ir_cmp_invert(i->sub)), mb->to[1]);
		return;
	}
	emit_jcc(e, i, jset ? BPF_JSET : jmp_code(i->sub), mb->to[0]);
	if (mb->to[1] != next)
		emit_ja(e, mb->to[1]);
}

static void emit_term(struct emit *e, struct mblock *mb, const struct minsn *i, uint32_t next)
{
	e->span = i->span;
	switch (i->op) {
	case M_JCC:
		emit_branch(e, mb, i, next);
		break;
	case M_RET:
		out(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		break;
	case M_MAYGOTO:
		note_jump(e, mb->to[0], next_via(e));
		out(e, BPF_JMP | 0xe0, 0, 0, 0, 0); /* BPF_JCOND, may_goto */
		if (mb->to[1] != next)
			emit_ja(e, mb->to[1]);
		break;
	default:
		if (mb->to[0] != next)
			emit_ja(e, mb->to[0]);
	}
}

static bool falls_through(const struct emit *e, const struct mblock *mb)
{
	uint8_t code = e->out.v[e->out.n - 1].code;

	return e->out.n == mb->addr ||
	       (code != (BPF_JMP | BPF_JA) && code != (BPF_JMP | BPF_EXIT) &&
		code != (BPF_JMP32 | BPF_JA));
}

/* The hops behind block b, jumped over when control could run into them. */
static void emit_island(struct emit *e, uint32_t b)
{
	int32_t n = 0;

	for (uint32_t k = e->island[b]; k; k = e->hops.v[k - 1].next)
		n++;
	if (n && falls_through(e, &e->f->blocks.v[b]))
		out(e, BPF_JMP | BPF_JA, 0, 0, n, 0);
	for (uint32_t k = e->island[b]; k; k = e->hops.v[k - 1].next) {
		struct hop *h = &e->hops.v[k - 1];
		struct jump j = {e->out.n, h->via ? h->via : h->target, HOP + k - 1};
		h->addr = e->out.n;
		vec_push(e->a, &e->jumps, j);
		out(e, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	}
}

static void emit_fn(struct emit *e)
{
	struct mfn *f = e->f;
	uint32_t n = f->blocks.n;

	e->addr[f->fn->index] = e->out.n;
	e->njump = e->nplaced = 0;
	e->first_jump = e->jumps.n;
	for (uint32_t b = 0; b < n; b++) {
		struct mblock *mb = &f->blocks.v[b];
		uint32_t next = b + 1;
		if (!mb->in.n)
			continue;
		while (next < n && !f->blocks.v[next].in.n)
			next++;
		mb->addr = e->out.n;
		e->placed[e->nplaced++] = b;
		for (size_t k = 0; k + 1 < mb->in.n; k++)
			emit_insn(e, &mb->in.v[k]);
		emit_term(e, mb, &mb->in.v[mb->in.n - 1], next);
		emit_island(e, b);
	}
}

/* ---- far jumps ---------------------------------------------------------------------------- */

static uint32_t target_addr(const struct emit *e, uint32_t target)
{
	return target & HOP ? e->hops.v[target & ~HOP].addr : e->f->blocks.v[target].addr;
}

/* The block behind which a hop from `at` towards `to` should lie: the last one that is reached
 * well. */
static uint32_t choose_island(struct emit *e, uint32_t at, uint32_t to)
{
	uint32_t lo = 0, hi = e->nplaced, limit = REACH - MARGIN;
	uint32_t want = to > at ? at + limit : at > limit ? at - limit : 0;

	while (hi - lo > 1) { /* placed[lo] begins at or before `want` */
		uint32_t mid = (lo + hi) / 2;
		if (e->f->blocks.v[e->placed[mid]].addr <= want)
			lo = mid;
		else
			hi = mid;
	}
	/* The island lies at a block's end, which is the next one's begin. */
	return e->placed[to > at ? (lo ? lo - 1 : 0) : lo];
}

static uint32_t hop_for(struct emit *e, uint32_t at, uint32_t target)
{
	uint32_t island = choose_island(e, at, target_addr(e, target));

	for (uint32_t k = e->island[island]; k; k = e->hops.v[k - 1].next)
		if (e->hops.v[k - 1].target == target)
			return HOP + k - 1;
	vec_push(e->a, &e->hops, (struct hop){island, target, 0, e->island[island], 0});
	e->island[island] = e->hops.n;
	return HOP + (uint32_t)e->hops.n - 1;
}

static bool reaches(const struct emit *e, const struct jump *j)
{
	int64_t d = (int64_t)target_addr(e, j->target) - j->at - 1;
	bool is_long = e->out.v[j->at].code == (BPF_JMP32 | BPF_JA);

	return is_long || (d >= INT16_MIN && d <= INT16_MAX);
}

/* Ordinary jumps are emitted in the same order each time, so their numbers stay. */
static bool lengthen(struct emit *e)
{
	bool changed = false;

	for (size_t k = e->first_jump; k < e->jumps.n; k++) {
		struct jump *j = &e->jumps.v[k];
		if (reaches(e, j))
			continue;
		changed = true;
		uint32_t via = e->isa->cpu >= 4 ? 1 : hop_for(e, j->at, j->target);
		if (j->id & HOP)
			e->hops.v[j->id & ~HOP].via = via;
		else
			e->via.v[j->id] = via;
	}
	return changed;
}

static void resolve(struct emit *e)
{
	for (size_t k = e->first_jump; k < e->jumps.n; k++) {
		struct jump *j = &e->jumps.v[k];
		struct bpf_insn *i = &e->out.v[j->at];
		int64_t d = (int64_t)target_addr(e, j->target) - j->at - 1;
		if (i->code == (BPF_JMP32 | BPF_JA))
			i->imm = (int32_t)d;
		else
			i->off = (int16_t)d;
	}
}

static void emit_fn_near(struct emit *e)
{
	size_t start = e->out.n, ncalls = e->calls.n;

	e->via.n = e->hops.n = 0;
	e->island = arena_array_of(e->a, uint32_t, e->f->blocks.n);
	e->placed = arena_array_of(e->a, uint32_t, e->f->blocks.n);
	for (unsigned round = 0;; round++) {
		size_t first = e->jumps.n;
		if (round > 100)
			BUG("%s: jumps do not come within reach", e->f->fn->name);
		emit_fn(e);
		if (!lengthen(e))
			break;
		e->out.n = e->spans.n = start;
		e->jumps.n = first;
		e->calls.n = ncalls;
	}
	resolve(e);
}

/* ---- the module --------------------------------------------------------------------------- */

static void resolve_calls(struct emit *e)
{
	VEC_EACH (struct call, c, &e->calls)
		e->out.v[c->at].imm = (int32_t)(e->addr[c->callee] - c->at - 1);
}

/* Deepest stack of the calls from function n on, as the kernel counts it. */
static uint32_t chain_depth(struct emit *e, uint32_t n, unsigned level)
{
	struct mfn *f = e->fns[n];
	uint32_t deepest = 0;

	if (level > 16)
		BUG("recursion in %s", f->fn->name);
	VEC_EACH (struct mblock, mb, &f->blocks)
		VEC_EACH (struct minsn, i, &mb->in) {
			uint32_t callee = UINT32_MAX;
			if (i->op == M_CALL && i->sub == MCALL_FN)
				callee = (uint32_t)i->imm;
			if (i->op == M_REMAT && ir_insn(f->fn, (ir_val)i->imm)->op == OP_FNPTR)
				callee = (uint32_t)ir_insn(f->fn, (ir_val)i->imm)->imm;
			for (uint32_t k = 0; callee != UINT32_MAX && k < e->nfns; k++)
				if (e->fns[k]->fn->index == callee)
					deepest = MAX(deepest, chain_depth(e, k, level + 1));
		}
	/* The kernel keeps the budget of may_goto in up to 16 bytes of the frame. */
	return deepest + ALIGN_UP(MAX(f->frame + (f->may_goto ? 16 : 0), 1), e->nfns > 1 ? 32 : 8);
}

static void fill_funcs(struct emit *e, struct ir_code *code)
{
	code->nfuncs = e->nfns;
	code->funcs = arena_array_of(e->m->a, struct ir_func_info, e->nfns);
	for (uint32_t k = 0; k < e->nfns; k++) {
		struct ir_fn *fn = e->fns[k]->fn;
		code->funcs[k] = (struct ir_func_info){fn->name, e->addr[fn->index], fn->kind,
						       fn->nparams};
		code->stack = MAX(code->stack, e->fns[k]->frame);
	}
}

uint32_t emit_module(struct ir_module *m, struct mfn **fns, uint32_t nfns, const struct ir_isa *isa,
		     struct ir_code *code)
{
	struct emit e = {.m = m, .fns = fns, .nfns = nfns, .isa = isa, .a = m->a};
	uint32_t depth;

	e.addr = arena_array_of(m->a, uint32_t, m->fns.n);
	for (uint32_t k = 0; k < nfns; k++) {
		e.f = fns[k];
		emit_fn_near(&e);
	}
	resolve_calls(&e);
	*code = (struct ir_code){.insns = e.out.v, .n = e.out.n, .spans = e.spans.v};
	fill_funcs(&e, code);
	depth = chain_depth(&e, 0, 0);
	return depth > 512 ? depth : 0;
}
