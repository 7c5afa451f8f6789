/* Instruction selection: IR to machine form.
 *
 * Blocks are walked against the order of execution and each block from its end, so all uses of a
 * value are seen before its definition: what nobody asked for is not emitted, and a use may swallow
 * its operands (immediates, offsets of addresses, comparisons into branches, masks into narrow
 * stores, and so on). Example:
 *
 *     %3 = and %1, 4             (nothing)
 *     %4 = add %2, 16            (nothing)
 *     %5 = load8 %4, 8           v5 = [v2 + 24]
 *     br %3, b1, b2              if v1 & 4 goto b1
 *
 * ir_nonnull is its operand: the verifier knows about the register. ir_index is a copy that usually
 * gets the same register; spill.c says what happens when it does not. A read of a
 * cell whose uses all come before the next write is the cell's own register.
 */
#include "ir/ir_impl.h"

struct isel {
	struct mfn *f;
	struct ir_fn *fn;
	const struct ir_isa *isa;
	mreg *reg;               /* of each value that is needed in a register, else 0 */
	mreg *cell;              /* of each cell */
	uint32_t *nuse;          /* uses of each value, counted once */
	uint32_t *next_set;      /* of an OP_GET: where in its block the cell is next written */
	struct ir_block *block;  /* where selection is */
	uint32_t pos;            /* index in block->insns; insns.n for the terminator */
	VEC(struct minsn) chunk; /* what the present instruction has become */
	uint32_t *index;         /* block id → index of its mblock */
	struct span span;
};

mreg mfn_vreg(struct mfn *f, enum vreg_kind kind)
{
	vec_push(f->a, &f->vregs, (struct vreg){.kind = kind, .at = MREG_NONE});
	return MREG_VIRT + f->vregs.n - 1;
}

static void put(struct isel *s, struct minsn i)
{
	i.span = s->span;
	vec_push(s->f->a, &s->chunk, i);
}

static bool fits32(int64_t v)
{
	return v == (int32_t)v;
}

static bool fits16(int64_t v)
{
	return v == (int16_t)v;
}

/* ---- operands ----------------------------------------------------------------------------- */

static ir_val strip_facts(struct ir_fn *fn, ir_val v)
{
	while (ir_insn(fn, v)->op == OP_NONNULL)
		v = ir_insn(fn, v)->arg[0];
	return v;
}

/* Looks through facts, and adds constants to addresses that are known. */
static ir_val canon(struct ir_fn *fn, ir_val v)
{
	int64_t c, sum = 0;
	ir_val root = v = strip_facts(fn, v);

	while (ir_insn(fn, root)->op == OP_ADD && ir_const_of(fn, ir_insn(fn, root)->arg[1], &c)) {
		sum += c;
		root = strip_facts(fn, ir_insn(fn, root)->arg[0]);
	}
	const struct ir_insn in = *ir_insn(fn, root);
	if (in.op == OP_OBJ && fits16(in.imm + sum))
		return ir_float(fn, OP_OBJ, in.imm + sum);
	if (in.op == OP_MAPVAL && (in.imm & 0xffffffff) + sum >= 0 &&
	    (in.imm & 0xffffffff) + sum < INT32_MAX)
		return ir_float(fn, OP_MAPVAL, in.imm + sum);
	return v;
}

static bool is_floating(const struct ir_fn *fn, ir_val v)
{
	return ir_op_has(ir_insn(fn, v), OPF_F);
}

static mreg value_reg(struct isel *s, ir_val v)
{
	if (!s->reg[v])
		s->reg[v] = mfn_vreg(s->f, VREG_NORMAL);
	return s->reg[v];
}

/* The register of a value that is not floating. */
static mreg use_plain(struct isel *s, ir_val v)
{
	struct ir_insn *in = ir_insn(s->fn, v);

	if (in->op == OP_GET && in->block == s->block->id && s->pos <= s->next_set[v])
		return s->cell[in->imm];
	return value_reg(s, v);
}

static mreg rematerialise(struct isel *s, ir_val v)
{
	mreg t = mfn_vreg(s->f, VREG_TINY);

	put(s, (struct minsn){.op = M_REMAT, .d = t, .a = MREG_NONE, .b = MREG_NONE, .imm = v});
	return t;
}

static mreg use(struct isel *s, ir_val v)
{
	v = canon(s->fn, v);
	return is_floating(s->fn, v) ? rematerialise(s, v) : use_plain(s, v);
}

/* canon() may have made new floating values: tables are as large as the function was at first, and
 * floating values are never looked up in them. */

struct address {
	mreg base;
	int32_t off;
};

static struct address use_address(struct isel *s, ir_val ptr, int64_t off)
{
	struct ir_fn *fn = s->fn;
	int64_t c;

	for (ptr = strip_facts(fn, ptr);; ptr = strip_facts(fn, ir_insn(fn, ptr)->arg[0])) {
		struct ir_insn *in = ir_insn(fn, ptr);
		if (in->op != OP_ADD || !ir_const_of(fn, in->arg[1], &c) || !fits16(off + c))
			break;
		off += c;
	}
	const struct ir_insn in = *ir_insn(fn, ptr);
	if (in.op == OP_OBJ && fits16(in.imm + off))
		return (struct address){MREG_FP, (int32_t)(in.imm + off)};
	if (in.op == OP_MAPVAL && fits16((in.imm & 0xffffffff) + off)) {
		off += in.imm & 0xffffffff;
		ptr = ir_float(fn, OP_MAPVAL, in.imm & ~0xffffffffll);
	}
	if (!fits16(off)) {
		mreg base = use(s, ptr), big = rematerialise(s, ir_float(fn, OP_CONST, off));
		mreg t = mfn_vreg(s->f, VREG_NORMAL);
		put(s,
		    (struct minsn){
			    .op = M_ALU, .sub = OP_ADD, .bytes = 8, .d = t, .a = base, .b = big});
		return (struct address){t, 0};
	}
	return (struct address){use(s, ptr), (int32_t)off};
}

/* The second operand: an immediate when it fits, else a register. */
static void use_second(struct isel *s, struct minsn *i, ir_val v)
{
	int64_t c;

	i->b = MREG_NONE;
	if (ir_const_of(s->fn, v, &c) && fits32(c)) {
		i->imm = c;
		i->flags |= MF_IMM;
	} else {
		i->b = use(s, v);
	}
}

/* Whether `v` is surely a number: 32-bit forms must not touch pointers. */
static bool is_scalar(const struct ir_fn *fn, ir_val v, int depth)
{
	const struct ir_insn *in = ir_insn(fn, v);

	switch (in->op) {
	case OP_CONST:
	case OP_ZEXT:
	case OP_SEXT:
	case OP_BSWAP:
	case OP_MASK:
	case OP_BOUND:
	case OP_INDEX:
	case OP_ATOMIC:
	case OP_NEG:
		return true;
	case OP_LOAD:
		return !(in->flags & LOAD_PTR) && in->bytes < 8;
	case OP_GET:
		return !fn->cells.v[in->imm].is_ptr;
	case OP_CALL:
		return in->imm != BPF_FUNC_get_current_task_btf &&
		       (helper_effect((int)in->imm) == HELPER_INVARIANT ||
			helper_effect((int)in->imm) == HELPER_FRESH);
	case OP_ADD:
	case OP_SUB:
		return depth < 4 && is_scalar(fn, in->arg[0], depth + 1) &&
		       is_scalar(fn, in->arg[1], depth + 1);
	default:
		return in->op < OP_NEG;
	}
}

/* ---- arithmetic --------------------------------------------------------------------------- */

/* An address on the stack, or one that was computed from it. */
static bool is_frame(struct isel *s, ir_val v, unsigned depth)
{
	const struct ir_insn *in = ir_insn(s->fn, strip_facts(s->fn, v));

	if (in->op == OP_OBJ)
		return true;
	return in->op == OP_ADD && depth < 8 &&
	       (is_frame(s, in->arg[0], depth + 1) || is_frame(s, in->arg[1], depth + 1));
}

/* An address on the stack plus a number, in a function of its own: the address comes first and
 * stays there. Of `number += address` the verifier forgets whose frame it is, and takes it for one
 * of the main function. False: it is no such sum. */
static bool put_place(struct isel *s, struct ir_insn *in, mreg d)
{
	struct minsn i = {.op = M_ALU, .sub = OP_ADD, .bytes = 8, .d = d, .flags = MF_FRAME};
	unsigned at;

	if (in->op != OP_ADD || s->fn->kind == IR_ENTRY)
		return false;
	at = is_frame(s, in->arg[0], 0) ? 0 : 1;
	if (at && !is_frame(s, in->arg[1], 0))
		return false;
	i.a = use(s, in->arg[at]);
	use_second(s, &i, in->arg[!at]);
	put(s, i);
	return true;
}

static void put_alu(struct isel *s, mreg d, unsigned op, unsigned bytes, ir_val l, ir_val r)
{
	struct minsn i = {.op = M_ALU, .sub = op, .bytes = bytes, .d = d};
	int64_t c;

	i.a = use(s, l);
	if (ir_const_of(s->fn, r, &c) && bytes == 4) {
		i.b = MREG_NONE;
		i.imm = (int32_t)c;
		i.flags = MF_IMM;
	} else {
		use_second(s, &i, r);
	}
	put(s, i);
}

/* x & 0xf0000000 does not fit a sign-extended immediate, but its 32-bit form does. */
static void put_and(struct isel *s, mreg d, ir_val l, ir_val r)
{
	int64_t c;

	if (ir_const_of(s->fn, r, &c) && c == 0xffffffffll)
		put(s, (struct minsn){.op = M_MOV32, .d = d, .a = use(s, l), .b = MREG_NONE});
	else if (ir_const_of(s->fn, r, &c) && c >= 0 && !fits32(c) && c <= 0xffffffffll &&
		 is_scalar(s->fn, l, 0))
		put_alu(s, d, OP_AND, 4, l, r);
	else
		put_alu(s, d, OP_AND, 8, l, r);
}

static void sel_binop(struct isel *s, struct ir_insn *in, mreg d)
{
	int64_t c;

	if (ir_is_cmp(in->op)) {
		struct minsn i = {.op = M_SETCC, .sub = in->op, .d = d};
		i.a = use(s, in->arg[0]);
		use_second(s, &i, in->arg[1]);
		put(s, i);
		return;
	}
	if (in->op == OP_AND) {
		put_and(s, d, in->arg[0], in->arg[1]);
		return;
	}
	/* A shift of the low half is a 32-bit shift. */
	const struct ir_insn *l = ir_insn(s->fn, in->arg[0]);
	if (in->op == OP_LSHR && l->op == OP_ZEXT && l->bytes == 4 && s->nuse[in->arg[0]] == 1 &&
	    ir_const_of(s->fn, in->arg[1], &c) && c < 32) {
		put_alu(s, d, OP_LSHR, 4, l->arg[0], in->arg[1]);
		return;
	}
	if (!put_place(s, in, d))
		put_alu(s, d, in->op, 8, in->arg[0], in->arg[1]);
}

/* Operations whose low half depends on the low halves of the operands only. */
static bool low_half_op(struct isel *s, ir_val v)
{
	struct ir_insn *in = ir_insn(s->fn, v);
	int64_t c;

	if (s->nuse[v] != 1 || in->block == BLOCK_NONE)
		return false;
	switch (in->op) {
	case OP_ADD:
	case OP_SUB:
	case OP_MUL:
	case OP_AND:
	case OP_OR:
	case OP_XOR:
		break;
	case OP_SHL:
		if (ir_const_of(s->fn, in->arg[1], &c) && c < 32)
			break;
		return false;
	default:
		return false;
	}
	return is_scalar(s->fn, in->arg[0], 0) && is_scalar(s->fn, in->arg[1], 0);
}

static void sel_zext(struct isel *s, struct ir_insn *in, mreg d)
{
	struct minsn i = {.op = M_MOV32, .d = d, .b = MREG_NONE};

	if (in->bytes == 4 && low_half_op(s, in->arg[0])) {
		const struct ir_insn *op = ir_insn(s->fn, in->arg[0]);
		put_alu(s, d, op->op, 4, op->arg[0], op->arg[1]);
		return;
	}
	i.a = use(s, in->arg[0]);
	if (in->bytes < 4) {
		i.op = M_ALU;
		i.sub = OP_AND;
		i.bytes = 8;
		i.imm = in->bytes == 1 ? 0xff : 0xffff;
		i.flags = MF_IMM;
	}
	put(s, i);
}

static void sel_bound(struct isel *s, struct ir_insn *in, mreg d)
{
	struct minsn i = {.op = M_BOUND, .d = d, .a = use(s, in->arg[0])};

	use_second(s, &i, ir_float(s->fn, OP_CONST, in->imm));
	put(s, i);
}

static void sel_unary(struct isel *s, struct ir_insn *in, mreg d)
{
	struct minsn i = {.bytes = in->bytes, .d = d, .b = MREG_NONE};

	i.op = in->op == OP_NEG ? M_NEG : in->op == OP_SEXT ? M_SEXT : M_BSWAP;
	i.a = use(s, in->arg[0]);
	put(s, i);
}

/* ---- memory ------------------------------------------------------------------------------- */

static void sel_load(struct isel *s, struct ir_insn *in, mreg d)
{
	struct address p = use_address(s, in->arg[0], in->imm);

	put(s, (struct minsn){.op = M_LD,
			      .bytes = in->bytes,
			      .d = d,
			      .a = p.base,
			      .b = MREG_NONE,
			      .off = p.off,
			      .flags = in->flags & LOAD_SIGNED ? MF_SIGNED : 0});
}

/* The value whose low `bytes` are the same as v's. */
static ir_val strip_narrow(struct ir_fn *fn, ir_val v, unsigned bytes)
{
	for (;;) {
		struct ir_insn *in = ir_insn(fn, v);
		uint64_t low = bytes == 8 ? UINT64_MAX : (1ull << bytes * 8) - 1;
		int64_t c;

		if ((in->op == OP_ZEXT || in->op == OP_SEXT) && in->bytes >= bytes)
			v = in->arg[0];
		else if (in->op == OP_AND && ir_const_of(fn, in->arg[1], &c) &&
			 ((uint64_t)c & low) == low)
			v = in->arg[0];
		else
			return v;
	}
}

static void sel_store(struct isel *s, struct ir_insn *in)
{
	struct ir_insn st = *in;
	ir_val v = strip_narrow(s->fn, st.arg[1], st.bytes);
	struct minsn i = {.op = M_ST, .bytes = st.bytes, .d = MREG_NONE, .b = MREG_NONE};
	struct address p = use_address(s, st.arg[0], st.imm);
	int64_t c;

	i.a = p.base;
	i.off = p.off;
	if (ir_const_of(s->fn, v, &c) && (st.bytes < 8 || fits32(c))) {
		i.imm = (int32_t)c;
		i.flags = MF_IMM;
	} else {
		i.b = use(s, v);
	}
	put(s, i);
}

static void sel_atomic(struct isel *s, ir_val v)
{
	struct ir_insn in = *ir_insn(s->fn, v);
	struct minsn i = {.op = M_ATOMIC, .bytes = in.bytes, .sub = in.flags & 15, .d = MREG_NONE};
	struct address p = use_address(s, in.arg[0], in.imm);

	i.a = p.base;
	i.off = p.off;
	i.b = use(s, in.arg[1]);
	if ((in.flags & ATOMIC_FETCH) && (s->reg[v] || i.sub == IR_ATOMIC_XCHG)) {
		i.flags = MF_FETCH;
		i.d = value_reg(s, v);
	}
	put(s, i);
}

static void put_mov(struct isel *s, mreg d, mreg a)
{
	put(s, (struct minsn){.op = M_MOV, .d = d, .a = a, .b = MREG_NONE});
}

/* d = v, which may be floating */
static void put_value(struct isel *s, mreg d, ir_val v)
{
	v = canon(s->fn, v);
	if (is_floating(s->fn, v))
		put(s, (struct minsn){
			       .op = M_REMAT, .d = d, .a = MREG_NONE, .b = MREG_NONE, .imm = v});
	else
		put_mov(s, d, use_plain(s, v));
}

static void sel_cmpxchg(struct isel *s, ir_val v)
{
	struct ir_insn in = *ir_insn(s->fn, v);
	ir_val args[3];

	memcpy(args, ir_operands(s->fn, &in), sizeof(args));
	struct address p = use_address(s, args[0], in.imm);
	mreg b = use(s, args[2]);
	put_value(s, 0, args[1]);
	put(s, (struct minsn){.op = M_CMPXCHG,
			      .bytes = in.bytes,
			      .d = MREG_NONE,
			      .a = p.base,
			      .b = b,
			      .off = p.off});
	if (s->reg[v])
		put_mov(s, s->reg[v], 0);
}

/* ---- calls and cells ---------------------------------------------------------------------- */

static void sel_call(struct isel *s, ir_val v)
{
	struct ir_insn in = *ir_insn(s->fn, v);
	uint32_t *args = ir_operands(s->fn, &in);
	uint8_t kind = in.op == OP_CALL ? MCALL_HELPER : in.op == OP_KFUNC ? MCALL_KFUNC : MCALL_FN;

	/* Addresses and constants come last: they need no register while the others are moved. */
	for (int floating = 0; floating < 2; floating++)
		for (unsigned n = 0; n < in.nargs; n++)
			if (is_floating(s->fn, canon(s->fn, args[n])) == floating)
				put_value(s, n + 1, args[n]);
	put(s, (struct minsn){.op = M_CALL,
			      .sub = kind,
			      .bytes = in.nargs,
			      .imm = in.imm,
			      .d = MREG_NONE,
			      .a = MREG_NONE,
			      .b = MREG_NONE});
	if (s->reg[v])
		put_mov(s, s->reg[v], 0);
}

static bool call_droppable(const struct ir_insn *in)
{
	if (in->op != OP_CALL)
		return false;
	enum helper_effect e = helper_effect((int)in->imm);
	return e == HELPER_INVARIANT || e == HELPER_FRESH || e == HELPER_LOOKUP;
}

static void sel_set(struct isel *s, struct ir_insn *in)
{
	mreg c = s->cell[in->imm];
	ir_val v = canon(s->fn, in->arg[0]);

	if (!is_floating(s->fn, v) && use_plain(s, v) == c)
		return;
	put_value(s, c, v);
}

/* ---- one instruction ---------------------------------------------------------------------- */

static void sel_memory(struct isel *s, ir_val v)
{
	struct ir_insn *in = ir_insn(s->fn, v);

	switch (in->op) {
	case OP_STORE:
		sel_store(s, in);
		break;
	case OP_ATOMIC:
		sel_atomic(s, v);
		break;
	case OP_CMPXCHG:
		sel_cmpxchg(s, v);
		break;
	case OP_SET:
		sel_set(s, in);
		break;
	default:
		sel_call(s, v);
	}
}

static void sel_insn(struct isel *s, ir_val v)
{
	struct ir_insn in = *ir_insn(s->fn, v);
	mreg d = s->reg[v];

	s->span = in.span;
	if (ir_op_has(&in, OPF_M) || in.op == OP_CALL) {
		if (d || !call_droppable(&in))
			sel_memory(s, v);
		return;
	}
	if (!d && !(in.op == OP_LOAD && (in.flags & IR_MEM_VOLATILE)))
		return;
	if (!d)
		d = value_reg(s, v);
	if (in.op < OP_NEG)
		sel_binop(s, &in, d);
	else if (in.op == OP_ZEXT)
		sel_zext(s, &in, d);
	else if (in.op == OP_MASK)
		put_and(s, d, in.arg[0], ir_float(s->fn, OP_CONST, in.imm));
	else if (in.op == OP_BOUND)
		sel_bound(s, &in, d);
	else if (in.op == OP_INDEX)
		put(s, (struct minsn){.op = M_INDEX,
				      .d = d,
				      .a = use(s, in.arg[0]),
				      .b = MREG_NONE,
				      .imm = in.imm - 1});
	else if (in.op == OP_LOAD)
		sel_load(s, &in, d);
	else if (in.op == OP_GET)
		put_mov(s, d, s->cell[in.imm]);
	else if (in.op == OP_PARAM)
		put_mov(s, d, (mreg)in.imm + 1);
	else if (in.op == OP_NEG || in.op == OP_SEXT || in.op == OP_BSWAP)
		sel_unary(s, &in, d);
}

/* ---- terminators -------------------------------------------------------------------------- */

static struct minsn sel_condition(struct isel *s, ir_val v)
{
	struct ir_insn in = *ir_insn(s->fn, v);
	struct minsn i = {.op = M_JCC, .sub = OP_NE, .d = MREG_NONE};
	int64_t c;

	if (ir_is_cmp(in.op)) {
		i.sub = in.op;
		i.a = use(s, in.arg[0]);
		use_second(s, &i, in.arg[1]);
	} else if (in.op == OP_AND && (!ir_const_of(s->fn, in.arg[1], &c) || fits32(c)) &&
		   s->nuse[v] == 1) {
		i.flags = MF_JSET;
		i.a = use(s, in.arg[0]);
		use_second(s, &i, in.arg[1]);
	} else {
		i.a = use(s, v);
		i.b = MREG_NONE;
		i.flags = MF_IMM;
	}
	return i;
}

static void sel_term(struct isel *s, struct mblock *mb)
{
	const struct ir_term *t = &s->block->term;
	struct minsn none = {.op = M_JMP, .d = MREG_NONE, .a = MREG_NONE, .b = MREG_NONE};

	s->span = t->span;
	mb->nto = ir_term_nsucc(t);
	for (unsigned k = 0; k < mb->nto; k++)
		mb->to[k] = s->index[t->to[k]->id];
	switch (t->kind) {
	case TERM_BR:
		put(s, sel_condition(s, t->v));
		break;
	case TERM_RET:
		put_value(s, 0, t->v);
		none.op = M_RET;
		put(s, none);
		break;
	case TERM_MAYGOTO:
		none.op = M_MAYGOTO;
		s->f->may_goto = true;
		__attribute__((fallthrough));
	default:
		put(s, none);
	}
}

/* ---- the function ------------------------------------------------------------------------- */

static void flush_chunk(struct isel *s, struct mblock *mb)
{
	while (s->chunk.n)
		vec_push(s->f->a, &mb->in, s->chunk.v[--s->chunk.n]);
}

static void sel_block(struct isel *s, struct mblock *mb)
{
	struct ir_block *b = s->block;

	s->pos = b->insns.n;
	sel_term(s, mb);
	flush_chunk(s, mb);
	while (s->pos-- > 0) {
		sel_insn(s, b->insns.v[s->pos]);
		flush_chunk(s, mb);
	}
	for (size_t i = 0, j = mb->in.n; i + 1 < j; i++) {
		struct minsn t = mb->in.v[i];
		mb->in.v[i] = mb->in.v[--j];
		mb->in.v[j] = t;
	}
}

static void count_uses(struct isel *s)
{
	struct ir_fn *fn = s->fn;
	uint32_t *set_at = arena_array_of(fn->m->a, uint32_t, fn->cells.n);

	for (uint32_t r = 0; r < fn->nrpo; r++) {
		struct ir_block *b = fn->rpo[r];
		for (uint32_t c = 0; c < b->insns.n; c++) {
			struct ir_insn *in = ir_insn(fn, b->insns.v[c]);
			uint32_t *args = ir_operands(fn, in);
			for (unsigned k = 0; k < in->nargs; k++)
				s->nuse[args[k]]++;
			if (in->op == OP_SET || in->op == OP_GET)
				set_at[in->imm] = UINT32_MAX;
		}
		if (b->term.v)
			s->nuse[b->term.v]++;
		for (uint32_t c = b->insns.n; c-- > 0;) {
			struct ir_insn *in = ir_insn(fn, b->insns.v[c]);
			if (in->op == OP_SET)
				set_at[in->imm] = c;
			else if (in->op == OP_GET)
				s->next_set[b->insns.v[c]] = set_at[in->imm];
		}
	}
}

static void isel_init(struct isel *s, struct ir_fn *fn, const struct ir_isa *isa)
{
	struct arena *a = fn->m->a;

	s->fn = fn;
	s->isa = isa;
	s->f = arena_new_of(a, struct mfn);
	s->f->a = a;
	s->f->fn = fn;
	s->f->isa = isa;
	s->f->seed = isa->random_ra;
	s->reg = arena_array_of(a, mreg, fn->insns.n);
	s->nuse = arena_array_of(a, uint32_t, fn->insns.n);
	s->next_set = arena_array_of(a, uint32_t, fn->insns.n);
	s->cell = arena_array_of(a, mreg, fn->cells.n);
	s->index = arena_array_of(a, uint32_t, fn->blocks.n);
	for (uint32_t i = 0; i < fn->cells.n; i++)
		s->cell[i] = mfn_vreg(s->f, VREG_NORMAL);
}

struct mfn *isel_fn(struct ir_fn *fn, const struct ir_isa *isa)
{
	struct isel s = {0};
	struct ir_block **order = cfg_layout(fn);

	isel_init(&s, fn, isa);
	count_uses(&s);
	for (uint32_t i = 0; i < fn->nrpo; i++) {
		s.index[order[i]->id] = i;
		vec_push(s.f->a, &s.f->blocks,
			 (struct mblock){.loop = order[i]->loop, .cold = order[i]->cold});
	}
	for (uint32_t r = fn->nrpo; r-- > 0;) {
		s.block = fn->rpo[r];
		sel_block(&s, &s.f->blocks.v[s.index[s.block->id]]);
	}
	return s.f;
}
