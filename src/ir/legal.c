/* What the instruction set cannot do is written in what it can:
 *
 *   - signed division. cpu 3 has none; cpu 4 has one, used for constant divisors only, because some
 *     kernels that have it fault on INT64_MIN / -1. Otherwise, with s = x >>s 63 (all ones if
 * negative) and |x| = (x ^ s) - s: x / y = ((|x| /u |y|) ^ t) - t    where t = sx ^ sy x % y =
 * ((|x| %u |y|) ^ sx) - sx Zero divisors come out right: |x| /u 0 is 0, |x| %u 0 is |x|.
 *   - atomic operations other than a plain add, on kernels without them: a volatile load and a
 * store. Those kernels run programs with preemption off, so what comes between on the same CPU has
 * ended before the program goes on: claims of scratch memory (released by then) stay right. What
 * programs of several CPUs share (@x |= 1, @x *= 2) can lose an update, and a program on interrupts
 * can be lost in a minimum or maximum.
 *   - an entry block that is jumped to gets a new block in front of it, for the parameters.
 */
#include "ir/ir_impl.h"

static ir_val sign(struct ir *b, ir_val v)
{
	return ir_bini(b, IR_ASHR, v, 63);
}

static ir_val apply_sign(struct ir *b, ir_val v, ir_val s)
{
	return ir_bin(b, IR_SUB, ir_bin(b, IR_XOR, v, s), s);
}

static ir_val expand_div(struct ir *b, const struct ir_insn *in)
{
	ir_val x = in->arg[0], y = in->arg[1], sx = sign(b, x), sy = sign(b, y);
	ir_val ax = apply_sign(b, x, sx), ay = apply_sign(b, y, sy);

	if (in->op == OP_SMOD)
		return apply_sign(b, ir_bin(b, IR_UMOD, ax, ay), sx);
	return apply_sign(b, ir_bin(b, IR_UDIV, ax, ay), ir_bin(b, IR_XOR, sx, sy));
}

/* old = *p; *p = old OP v. An add stays atomic: only its result is not exactly what was there. */
static ir_val expand_atomic(struct ir *b, const struct ir_insn *in)
{
	static const enum ir_binop ops[] = {IR_ADD, IR_AND, IR_OR, IR_XOR, IR_ADD};
	enum ir_atomic_op op = in->flags & 15;
	ir_val p = in->arg[0], v = in->arg[1];
	ir_val old = ir_load(b, in->bytes, p, in->imm, IR_MEM_VOLATILE);

	if (op == IR_ATOMIC_ADD)
		ir_atomic(b, op, in->bytes, p, in->imm, v, false);
	else
		ir_store(b, in->bytes, p, in->imm,
			 op == IR_ATOMIC_XCHG ? v : ir_bin(b, ops[op], old, v));
	return old;
}

/* old = *p; *p = old == expect ? v : old, without a branch */
static ir_val expand_cmpxchg(struct ir *b, struct ir_insn *in)
{
	ir_val args[3], old, same, change;

	memcpy(args, ir_operands(b->fn, in), sizeof(args));
	old = ir_load(b, in->bytes, args[0], in->imm, IR_MEM_VOLATILE);
	same = ir_bin(b, IR_EQ, old, ir_zext(b, args[1], in->bytes));
	change = ir_bin(b, IR_AND, ir_bin(b, IR_XOR, old, args[2]), ir_neg(b, same));
	ir_store(b, in->bytes, args[0], in->imm, ir_bin(b, IR_XOR, old, change));
	return old;
}

static ir_val expand(struct ir *b, struct ir_insn *in)
{
	if (in->op == OP_ATOMIC)
		return expand_atomic(b, in);
	return in->op == OP_CMPXCHG ? expand_cmpxchg(b, in) : expand_div(b, in);
}

static bool is_plain_add(const struct ir_insn *in)
{
	return in->op == OP_ATOMIC && in->flags == IR_ATOMIC_ADD;
}

static bool must_expand(const struct ir_fn *fn, const struct ir_insn *in, const struct ir_isa *isa)
{
	int64_t c;

	if (in->op == OP_ATOMIC || in->op == OP_CMPXCHG)
		return isa->plain_atomics && !is_plain_add(in);
	if (in->op != OP_SDIV && in->op != OP_SMOD)
		return false;
	return isa->cpu < 4 || !ir_const_of(fn, in->arg[1], &c) || c != (int32_t)c || c == 0 ||
	       c == -1;
}

static bool has_work(const struct ir_fn *fn, const struct ir_isa *isa)
{
	for (uint32_t v = 1; v < fn->insns.n; v++)
		if (fn->insns.v[v].block != BLOCK_NONE && must_expand(fn, &fn->insns.v[v], isa))
			return true;
	return false;
}

static void rename(struct ir_fn *fn, struct ir_insn *in, const ir_val *to, uint32_t n)
{
	uint32_t *args = ir_operands(fn, in);

	for (unsigned k = 0; k < in->nargs; k++)
		if (args[k] < n && to[args[k]])
			args[k] = to[args[k]];
}

static void expand_block(struct ir_fn *fn, struct ir_block *b, const struct ir_isa *isa, ir_val *to,
			 uint32_t n)
{
	uint32_t count = b->insns.n, *old = b->insns.v;
	struct ir at = {fn->m, fn, b, NO_SPAN};

	b->insns.v = NULL;
	b->insns.n = b->insns.cap = 0;
	for (uint32_t k = 0; k < count; k++) {
		rename(fn, ir_insn(fn, old[k]), to, n);
		struct ir_insn in = *ir_insn(fn, old[k]);
		if (!must_expand(fn, &in, isa)) {
			vec_push(fn->m->a, &b->insns, old[k]);
			continue;
		}
		at.span = in.span;
		to[old[k]] = expand(&at, &in);
		ir_insn(fn, old[k])->block = BLOCK_NONE;
	}
	if (b->term.v < n && to[b->term.v])
		b->term.v = to[b->term.v];
}

static void new_entry(struct ir_fn *fn)
{
	struct ir at = {fn->m, fn, NULL, NO_SPAN};
	struct ir_block *entry = fn->blocks.v[0], *body = ir_block_new(&at, "body");

	for (uint32_t k = fn->nparams; k < entry->insns.n; k++) {
		ir_insn(fn, entry->insns.v[k])->block = body->id;
		vec_push(fn->m->a, &body->insns, entry->insns.v[k]);
	}
	entry->insns.n = fn->nparams;
	body->term = entry->term;
	entry->term = (struct ir_term){.kind = TERM_JMP, .to = {body}, .span = body->term.span};
	for (uint32_t i = 1; i < fn->blocks.n; i++)
		for (unsigned k = 0; k < 2; k++)
			if (fn->blocks.v[i]->term.to[k] == entry)
				fn->blocks.v[i]->term.to[k] = body;
}

void ir_legal(struct ir_fn *fn, const struct ir_isa *isa)
{
	for (uint32_t i = 0; i < fn->blocks.n; i++)
		for (unsigned k = 0; k < ir_term_nsucc(&fn->blocks.v[i]->term); k++)
			if (fn->blocks.v[i]->term.to[k] == fn->blocks.v[0]) {
				new_entry(fn);
				i = fn->blocks.n - 1;
				break;
			}
	cfg_analyse(fn);
	if (!has_work(fn, isa))
		return;
	uint32_t n = fn->insns.n;
	ir_val *to = arena_array_of(fn->m->a, ir_val, n);
	for (uint32_t r = 0; r < fn->nrpo; r++)
		expand_block(fn, fn->rpo[r], isa, to, n);
}
