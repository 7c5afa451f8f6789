/* The builder: what ir.h offers to make modules, functions, blocks, values.
 *
 * Instructions are appended to the current block and folded on the way (fold.c), so that generated
 * code may be naive: ir_bini(b, IR_ADD, x, 0) is x. Floating values are kept once a function, found
 * by a small hash table. After a terminator `b->block` is NULL: what is built then is dropped, and
 * a constant stands for its value.
 *
 * Stack objects grow downwards from the frame pointer:
 *
 *   fp →  +--------------------+
 *         | object 1 (16)      |  fp-16
 *         | object 2 (8)       |  fp-24     released and reused by scope
 *         +--------------------+  fp-stack_max, rounded up to 8
 *         | spill slots        |
 *         +--------------------+
 */
#include "ir/ir_impl.h"

enum { P = OPF_P, F = OPF_F, R = OPF_R, C = OPF_C, M = OPF_M, V = OP_VARIADIC };

const struct ir_op_info ir_ops[OP_COUNT] = {
#define O(id, text, n, flags) {text, n, flags},
#include "ir/op.def"
#undef O
};

/* Room kept back for spill slots when a generator asks how much stack is left. */
#define STACK_LIMIT   512
#define STACK_RESERVE 80

/* ---- modules, functions, blocks ----------------------------------------------------------- */

struct ir_module *ir_module_new(struct arena *a, const char *name)
{
	struct ir_module *m = arena_new_of(a, struct ir_module);

	m->a = a;
	m->name = arena_strdup(a, name);
	return m;
}

static struct ir_block *block_new(struct ir_fn *fn, const char *name)
{
	struct ir_block *b = arena_new_of(fn->m->a, struct ir_block);

	b->id = fn->blocks.n;
	b->name = name ? arena_strdup(fn->m->a, name) : NULL;
	b->fn = fn;
	vec_push(fn->m->a, &fn->blocks, b);
	return b;
}

struct ir_fn *ir_fn_new(struct ir_module *m, const char *name, enum ir_fn_kind kind,
			unsigned nparams, unsigned ptr_params)
{
	struct ir_fn *fn = arena_new_of(m->a, struct ir_fn);

	if (nparams > 5)
		BUG("%s: %u parameters", name, nparams);
	fn->m = m;
	fn->name = arena_strdup(m->a, name);
	fn->kind = kind;
	fn->index = m->fns.n;
	fn->nparams = nparams;
	fn->ptr_params = ptr_params;
	vec_push(m->a, &m->fns, fn);
	vec_push(m->a, &fn->insns, (struct ir_insn){.block = BLOCK_NONE});
	vec_push(m->a, &fn->cells, (struct ir_cell_info){NULL});
	struct ir b = {m, fn, block_new(fn, "entry"), NO_SPAN};
	for (unsigned i = 0; i < nparams; i++)
		ir_emit(&b, (struct ir_insn){.op = OP_PARAM, .imm = i});
	return fn;
}

struct ir ir_begin(struct ir_fn *fn)
{
	return (struct ir){fn->m, fn, fn->blocks.v[0], NO_SPAN};
}

ir_val ir_param(struct ir *b, unsigned n)
{
	if (n >= b->fn->nparams)
		BUG("%s has no parameter %u", b->fn->name, n);
	return 1 + n;
}

struct ir_block *ir_block_new(struct ir *b, const char *name)
{
	return block_new(b->fn, name);
}

void ir_at(struct ir *b, struct ir_block *block)
{
	b->block = block->term.kind ? NULL : block;
}

/* ---- emission ----------------------------------------------------------------------------- */

ir_val ir_emit(struct ir *b, struct ir_insn in)
{
	struct ir_fn *fn = b->fn;

	if (!b->block)
		return ir_const(b, 0);
	if (ir_ops[in.op].nargs != OP_VARIADIC)
		in.nargs = ir_ops[in.op].nargs;
	in.block = b->block->id;
	in.span = b->span;
	vec_push(fn->m->a, &fn->insns, in);
	vec_push(fn->m->a, &b->block->insns, (uint32_t)(fn->insns.n - 1));
	return fn->insns.n - 1;
}

ir_val ir_emit_args(struct ir *b, struct ir_insn in, unsigned nargs, const ir_val *args)
{
	in.arg[0] = b->fn->args.n;
	in.nargs = nargs;
	for (unsigned i = 0; b->block && i < nargs; i++)
		vec_push(b->m->a, &b->fn->args, args[i]);
	return ir_emit(b, in);
}

static uint32_t float_hash(unsigned op, int64_t imm)
{
	uint64_t h = ((uint64_t)imm ^ (uint64_t)op << 56) * 0x9e3779b97f4a7c15u;

	return h >> 32;
}

static void float_grow(struct ir_fn *fn)
{
	uint32_t n = fn->nfloat_slots ? fn->nfloat_slots * 2 : 64, old_n = fn->nfloat_slots;
	uint32_t *old = fn->float_slots;

	fn->float_slots = arena_array_of(fn->m->a, uint32_t, n);
	fn->nfloat_slots = n;
	for (uint32_t i = 0; i < old_n; i++) {
		if (!old[i])
			continue;
		struct ir_insn *in = ir_insn(fn, old[i]);
		uint32_t h = float_hash(in->op, in->imm);
		while (fn->float_slots[h & (n - 1)])
			h++;
		fn->float_slots[h & (n - 1)] = old[i];
	}
}

ir_val ir_float(struct ir_fn *fn, unsigned op, int64_t imm)
{
	if (2 * (fn->nfloats + 1) > fn->nfloat_slots)
		float_grow(fn);
	uint32_t mask = fn->nfloat_slots - 1, h = float_hash(op, imm) & mask;
	for (; fn->float_slots[h]; h = (h + 1) & mask) {
		struct ir_insn *in = ir_insn(fn, fn->float_slots[h]);
		if (in->op == op && in->imm == imm)
			return fn->float_slots[h];
	}
	struct ir_insn in = {.op = op, .imm = imm, .block = BLOCK_NONE, .span = NO_SPAN};
	vec_push(fn->m->a, &fn->insns, in);
	fn->nfloats++;
	fn->float_slots[h] = fn->insns.n - 1;
	return fn->insns.n - 1;
}

ir_val ir_const(struct ir *b, int64_t v)
{
	return ir_float(b->fn, OP_CONST, v);
}

bool ir_const_of(const struct ir_fn *fn, ir_val v, int64_t *out)
{
	const struct ir_insn *in = ir_insn(fn, v);

	if (in->op != OP_CONST || !v)
		return false;
	*out = in->imm;
	return true;
}

bool ir_is_const(const struct ir *b, ir_val v, int64_t *out)
{
	return ir_const_of(b->fn, v, out);
}

/* ---- values ------------------------------------------------------------------------------- */

ir_val ir_bin(struct ir *b, enum ir_binop op, ir_val l, ir_val r)
{
	int64_t cl, cr;
	bool swap = ir_const_of(b->fn, l, &cl) && !ir_const_of(b->fn, r, &cr);

	if (swap && ir_is_cmp(op))
		return ir_bin(b, (enum ir_binop)ir_cmp_swap(op), r, l);
	if (swap && (ir_ops[op].flags & OPF_C))
		return ir_bin(b, op, r, l);
	ir_val folded = fold_bin(b, op, l, r);
	if (folded)
		return folded;
	return ir_emit(b, (struct ir_insn){.op = op, .arg = {l, r}});
}

ir_val ir_bini(struct ir *b, enum ir_binop op, ir_val l, int64_t r)
{
	return ir_bin(b, op, l, ir_const(b, r));
}

ir_val ir_neg(struct ir *b, ir_val v)
{
	int64_t c;

	if (ir_const_of(b->fn, v, &c))
		return ir_const(b, (int64_t)(0 - (uint64_t)c));
	if (ir_insn(b->fn, v)->op == OP_NEG)
		return ir_insn(b->fn, v)->arg[0];
	return ir_emit(b, (struct ir_insn){.op = OP_NEG, .arg = {v}});
}

ir_val ir_not(struct ir *b, ir_val v)
{
	return ir_bini(b, IR_EQ, v, 0);
}

static ir_val extend(struct ir *b, unsigned op, ir_val v, unsigned bytes)
{
	if (bytes == 8 && op != OP_BSWAP)
		return v;
	ir_val folded = fold_ext(b, op, v, bytes);
	if (folded)
		return folded;
	return ir_emit(b, (struct ir_insn){.op = op, .bytes = bytes, .arg = {v}});
}

ir_val ir_zext(struct ir *b, ir_val v, unsigned bytes)
{
	return extend(b, OP_ZEXT, v, bytes);
}

ir_val ir_sext(struct ir *b, ir_val v, unsigned bytes)
{
	return extend(b, OP_SEXT, v, bytes);
}

ir_val ir_bswap(struct ir *b, ir_val v, unsigned bytes)
{
	return extend(b, OP_BSWAP, v, bytes);
}

ir_val ir_nonnull(struct ir *b, ir_val p)
{
	unsigned op = ir_insn(b->fn, p)->op;

	if (op == OP_NONNULL || op == OP_OBJ || op == OP_MAPVAL)
		return p;
	return ir_emit(b, (struct ir_insn){.op = OP_NONNULL, .arg = {p}});
}

/* A value like `v` whose upper bound the verifier derives, too, on every kernel; 0: there is none.
 * An `and` is not relied on as it is: when what it is of turns out to be small, by a rule that the
 * verifier does not know, it is folded away. A mask stays. */
static ir_val known_bound(struct ir *b, ir_val v)
{
	const struct ir_insn *in = ir_insn(b->fn, v);
	int64_t c;

	if (in->op == OP_LOAD || in->op == OP_MASK || in->op == OP_BOUND)
		return v;
	if (in->op == OP_ZEXT)
		return ir_mask(b, in->arg[0], UINT64_MAX >> (64 - 8 * in->bytes));
	if (in->op == OP_AND && ir_const_of(b->fn, in->arg[1], &c))
		return ir_mask(b, in->arg[0], (uint64_t)c);
	return 0;
}

ir_val ir_bound(struct ir *b, ir_val v, uint64_t max)
{
	ir_val known;
	int64_t c;

	if (ir_const_of(b->fn, v, &c))
		return (uint64_t)c <= max ? v : ir_const(b, (int64_t)max);
	if (fold_max(b->fn, v) <= max && (known = known_bound(b, v)))
		return known;
	return ir_emit(b, (struct ir_insn){.op = OP_BOUND, .arg = {v}, .imm = (int64_t)max});
}

void ir_module_zero(struct ir_module *m, uint32_t map, uint32_t off)
{
	m->zero_map = map;
	m->zero_off = off;
}

void ir_module_reserve(struct ir_module *m, uint32_t bytes)
{
	m->reserve = bytes;
}

/* Added: a zero that had to be loaded. */
ir_val ir_hide(struct ir *b, ir_val v)
{
	ir_val zero = ir_mapval(b, b->m->zero_map, b->m->zero_off);

	return ir_bin(b, IR_ADD, v, ir_load(b, 8, zero, 0, IR_MEM_VOLATILE));
}

ir_val ir_mask(struct ir *b, ir_val v, uint64_t mask)
{
	int64_t c;

	if (ir_const_of(b->fn, v, &c))
		return ir_const(b, c & (int64_t)mask);
	return ir_emit(b, (struct ir_insn){.op = OP_MASK, .arg = {v}, .imm = (int64_t)mask});
}

ir_val ir_index(struct ir *b, ir_val v, uint64_t count)
{
	int64_t c;

	if (ir_const_of(b->fn, v, &c))
		return v;
	return ir_emit(b, (struct ir_insn){.op = OP_INDEX, .arg = {v}, .imm = (int64_t)count});
}

/* ---- memory ------------------------------------------------------------------------------- */

bool ir_is_object(const struct ir *b, ir_val v)
{
	return v && b->fn->insns.v[v].op == OP_OBJ;
}

ir_val ir_object(struct ir *b, uint32_t size, uint32_t align)
{
	struct ir_fn *fn = b->fn;

	align = align ? align : 1;
	fn->stack_now = ALIGN_UP(fn->stack_now + size, align);
	fn->stack_max = MAX(fn->stack_max, fn->stack_now);
	struct ir_insn in = {.op = OP_OBJ,
			     .block = BLOCK_NONE,
			     .arg = {size, align},
			     .imm = -(int64_t)fn->stack_now,
			     .span = b->span};
	vec_push(b->m->a, &fn->insns, in);
	return fn->insns.n - 1;
}

uint32_t ir_stack_mark(const struct ir *b)
{
	return b->fn->stack_now;
}

void ir_stack_release(struct ir *b, uint32_t mark)
{
	b->fn->stack_now = mark;
}

uint32_t ir_stack_left(const struct ir *b)
{
	uint32_t used = b->fn->stack_now + STACK_RESERVE + b->m->reserve;

	return used < STACK_LIMIT ? STACK_LIMIT - used : 0;
}

static ir_val load(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, unsigned flags)
{
	struct ir_insn in = {
		.op = OP_LOAD, .bytes = bytes, .flags = flags, .arg = {ptr}, .imm = off};

	return ir_emit(b, in);
}

ir_val ir_load(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, enum ir_mem_flags flags)
{
	return load(b, bytes, ptr, off, flags);
}

ir_val ir_loads(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, enum ir_mem_flags flags)
{
	return load(b, bytes, ptr, off, flags | (bytes < 8 ? LOAD_SIGNED : 0));
}

ir_val ir_load_ptr(struct ir *b, ir_val ptr, int32_t off)
{
	return load(b, 8, ptr, off, LOAD_PTR);
}

void ir_store(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, ir_val v)
{
	ir_emit(b, (struct ir_insn){.op = OP_STORE, .bytes = bytes, .arg = {ptr, v}, .imm = off});
}

/* The widest access at `off` of an object aligned to `align`, with `left` bytes to go. */
static unsigned widest(int32_t off, uint32_t left, uint32_t align)
{
	unsigned w = 8;

	while (w > 1 && (w > left || w > align || off % (int32_t)w))
		w /= 2;
	return w;
}

/* Stack accesses are checked for alignment against the frame pointer, not the object. */
static uint32_t real_align(struct ir *b, ir_val ptr, uint32_t align)
{
	const struct ir_insn *in = ir_insn(b->fn, ptr);
	uint32_t a = 8;

	if (in->op != OP_OBJ)
		return align ? align : 1;
	while (in->imm % (int64_t)a)
		a /= 2;
	return a;
}

void ir_zero(struct ir *b, ir_val ptr, int32_t off, uint32_t size, uint32_t align)
{
	ir_val zero = ir_const(b, 0);

	align = real_align(b, ptr, align);
	for (uint32_t w; size; size -= w, off += (int32_t)w) {
		w = widest(off, size, align);
		ir_store(b, w, ptr, off, zero);
	}
}

void ir_copy(struct ir *b, ir_val dst, int32_t doff, ir_val src, int32_t soff, uint32_t size,
	     uint32_t align)
{
	uint32_t da = real_align(b, dst, align), sa = real_align(b, src, align);

	for (uint32_t w; size; size -= w, doff += (int32_t)w, soff += (int32_t)w) {
		w = MIN(widest(doff, size, da), widest(soff, size, sa));
		ir_store(b, w, dst, doff, ir_load(b, w, src, soff, IR_MEM_NONE));
	}
}

ir_val ir_atomic(struct ir *b, enum ir_atomic_op op, unsigned bytes, ir_val ptr, int32_t off,
		 ir_val v, bool fetch)
{
	fetch |= op == IR_ATOMIC_XCHG;
	ir_val r = ir_emit(b, (struct ir_insn){.op = OP_ATOMIC,
					       .bytes = bytes,
					       .flags = op | (fetch ? ATOMIC_FETCH : 0),
					       .arg = {ptr, v},
					       .imm = off});
	return fetch ? r : ir_const(b, 0);
}

ir_val ir_cmpxchg(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, ir_val expect, ir_val v)
{
	ir_val args[] = {ptr, expect, v};

	return ir_emit_args(b, (struct ir_insn){.op = OP_CMPXCHG, .bytes = bytes, .imm = off}, 3,
			    args);
}

ir_val ir_map(struct ir *b, uint32_t map)
{
	return ir_float(b->fn, OP_MAP, map);
}

ir_val ir_mapval(struct ir *b, uint32_t map, uint32_t off)
{
	return ir_float(b->fn, OP_MAPVAL, (int64_t)((uint64_t)map << 32 | off));
}

ir_val ir_fnptr(struct ir *b, struct ir_fn *fn)
{
	return ir_float(b->fn, OP_FNPTR, fn->index);
}

/* ---- calls and cells ---------------------------------------------------------------------- */

ir_val ir_call(struct ir *b, int helper, unsigned nargs, const ir_val *args)
{
	return ir_emit_args(b, (struct ir_insn){.op = OP_CALL, .imm = helper}, nargs, args);
}

ir_val ir_kfunc(struct ir *b, uint32_t btf_id, unsigned nargs, const ir_val *args, bool returns_ptr)
{
	struct ir_insn in = {.op = OP_KFUNC, .imm = btf_id, .flags = returns_ptr ? KFUNC_PTR : 0};

	return ir_emit_args(b, in, nargs, args);
}

ir_val ir_call_fn(struct ir *b, struct ir_fn *fn, unsigned nargs, const ir_val *args)
{
	return ir_emit_args(b, (struct ir_insn){.op = OP_CALLFN, .imm = fn->index}, nargs, args);
}

ir_cell ir_cell_new(struct ir *b, const char *name, bool is_ptr)
{
	struct ir_cell_info c = {name ? arena_strdup(b->m->a, name) : "", is_ptr};

	vec_push(b->m->a, &b->fn->cells, c);
	return b->fn->cells.n - 1;
}

ir_val ir_get(struct ir *b, ir_cell c)
{
	return ir_emit(b, (struct ir_insn){.op = OP_GET, .imm = c});
}

void ir_set(struct ir *b, ir_cell c, ir_val v)
{
	ir_emit(b, (struct ir_insn){.op = OP_SET, .arg = {v}, .imm = c});
}

/* ---- terminators -------------------------------------------------------------------------- */

static void terminate(struct ir *b, struct ir_term t)
{
	if (!b->block)
		return;
	t.span = b->span;
	b->block->term = t;
	b->block = NULL;
}

void ir_jmp(struct ir *b, struct ir_block *to)
{
	terminate(b, (struct ir_term){.kind = TERM_JMP, .to = {to}});
}

static enum ir_hint hint_swap(enum ir_hint h)
{
	return h == IR_LIKELY_YES ? IR_LIKELY_NO : h == IR_LIKELY_NO ? IR_LIKELY_YES : h;
}

void ir_br(struct ir *b, ir_val cond, struct ir_block *yes, struct ir_block *no, enum ir_hint hint)
{
	const struct ir_insn *in = ir_insn(b->fn, cond);
	int64_t c;

	if (yes == no) {
		ir_jmp(b, yes);
	} else if (ir_const_of(b->fn, cond, &c)) {
		ir_jmp(b, c ? yes : no);
	} else if (in->op == OP_EQ && ir_const_of(b->fn, in->arg[1], &c) && c == 0) {
		ir_br(b, in->arg[0], no, yes, hint_swap(hint));
	} else if (in->op == OP_NE && ir_const_of(b->fn, in->arg[1], &c) && c == 0) {
		ir_br(b, in->arg[0], yes, no, hint);
	} else {
		terminate(b, (struct ir_term){
				     .kind = TERM_BR, .hint = hint, .v = cond, .to = {yes, no}});
	}
}

void ir_ret(struct ir *b, ir_val v)
{
	terminate(b, (struct ir_term){.kind = TERM_RET, .v = v});
}

void ir_may_goto(struct ir *b, struct ir_block *out, struct ir_block *next)
{
	terminate(b, (struct ir_term){.kind = TERM_MAYGOTO, .to = {out, next}});
}
