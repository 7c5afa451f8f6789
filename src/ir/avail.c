/* Available memory and cells: which earlier loads, stores, look-ups and cell accesses still hold.
 *
 * Addresses are compared as (kind, root, offset). Objects of the stack are ranges below the frame
 * pointer, so objects that reuse each other's space alias as they should. Pointers that come from
 * helpers, parameters or typed loads never point into this function's own stack.
 *
 * Example: the key is stored again with the same value, so the second store goes, so the look-up's
 * result still holds:
 *
 *     store8 fp-8, tid                       store8 fp-8, tid
 *     %5 = call map_lookup_elem map, fp-8    %5 = call map_lookup_elem map, fp-8
 *     store8 fp-8, tid
 *     %9 = call map_lookup_elem map, fp-8    %9 is %5
 */
#include "ir/avail.h"

enum place_kind { PLACE_STACK, PLACE_GLOBAL, PLACE_OTHER };

struct place {
	enum place_kind kind;
	ir_val root; /* OTHER: the pointer; GLOBAL: the map */
	bool maybe_stack;
	int64_t off, size; /* size INT32_MAX: unknown */
};

/* A pointer that surely leads elsewhere than to this function's stack. */
static bool points_outside(const struct ir_fn *fn, ir_val v, int depth)
{
	const struct ir_insn *in = ir_insn(fn, v);

	switch (in->op) {
	case OP_NONNULL:
		return ir_insn(fn, in->arg[0])->op == OP_CALL;
	case OP_MAPVAL:
		return true;
	case OP_ADD:
		return depth < 4 && (points_outside(fn, in->arg[0], depth + 1) ||
				     points_outside(fn, in->arg[1], depth + 1));
	default:
		return false;
	}
}

static bool maybe_stack(const struct ir_fn *fn, ir_val v)
{
	const struct ir_insn *in = ir_insn(fn, v);

	if (in->op == OP_CALL || in->op == OP_KFUNC || in->op == OP_PARAM ||
	    (in->op == OP_LOAD && (in->flags & LOAD_PTR)))
		return false;
	return !points_outside(fn, v, 0);
}

static struct place place_of(const struct ir_fn *fn, ir_val ptr, int64_t off, int64_t size)
{
	const struct ir_insn *in = ir_insn(fn, ptr);
	int64_t c;

	for (;; in = ir_insn(fn, ptr)) {
		if (in->op == OP_ADD && ir_const_of(fn, in->arg[1], &c))
			off += c;
		else if (in->op != OP_NONNULL)
			break;
		ptr = in->arg[0];
	}
	if (in->op == OP_OBJ)
		return (struct place){PLACE_STACK, 0, true, in->imm + off, size};
	if (in->op == OP_MAPVAL)
		return (struct place){PLACE_GLOBAL, (ir_val)(in->imm >> 32), false,
				      (in->imm & 0xffffffff) + off, size};
	return (struct place){PLACE_OTHER, ptr, maybe_stack(fn, ptr), off, size};
}

static bool overlap(const struct place *a, const struct place *b)
{
	return a->off < b->off + b->size && b->off < a->off + a->size;
}

static bool may_alias(const struct place *a, const struct place *b)
{
	if (a->kind == b->kind && (a->kind == PLACE_STACK || a->root == b->root))
		return overlap(a, b);
	if (a->kind == PLACE_GLOBAL && b->kind == PLACE_GLOBAL)
		return false;
	if (a->kind == PLACE_STACK || b->kind == PLACE_STACK)
		return a->maybe_stack && b->maybe_stack;
	return true;
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->kind == b->kind && a->root == b->root && a->off == b->off && a->size == b->size;
}

static struct place mem_place(struct ir_fn *fn, ir_val v)
{
	struct ir_insn *in = ir_insn(fn, v);

	return place_of(fn, ir_operands(fn, in)[0], in->imm, in->bytes);
}

static bool is_lookup(const struct ir_insn *in)
{
	return in->op == OP_CALL && helper_effect((int)in->imm) == HELPER_LOOKUP;
}

/* The key of a look-up: to the end of its object, as the size is not known here. */
static struct place key_place(struct ir_fn *fn, ir_val v)
{
	struct ir_insn *in = ir_insn(fn, v);
	struct place p = place_of(fn, ir_operands(fn, in)[1], 0, INT32_MAX);
	const struct ir_insn *key = ir_insn(fn, ir_operands(fn, in)[1]);

	if (key->op == OP_OBJ && key->arg[0])
		p.size = key->arg[0];
	else if (p.kind == PLACE_STACK)
		p.size = -p.off;
	return p;
}

/* ---- forgetting --------------------------------------------------------------------------- */

static bool killed_by_write(struct ir_fn *fn, ir_val e, const struct place *w)
{
	struct ir_insn *in = ir_insn(fn, e);
	struct place p;

	if (in->op == OP_GET || in->op == OP_SET)
		return false;
	p = is_lookup(in) ? key_place(fn, e) : mem_place(fn, e);
	return may_alias(&p, w);
}

/* Elements of `map` (a value; any map when it is not an OP_MAP) change. */
static bool killed_by_map(struct ir_fn *fn, ir_val e, ir_val map)
{
	struct ir_insn *in = ir_insn(fn, e);

	if (in->op == OP_GET || in->op == OP_SET)
		return false;
	if (is_lookup(in)) {
		ir_val m = ir_operands(fn, in)[0];
		return m == map || ir_insn(fn, m)->op != OP_MAP || ir_insn(fn, map)->op != OP_MAP;
	}
	return mem_place(fn, e).kind != PLACE_STACK;
}

static bool killed_by_call(struct ir_fn *fn, ir_val e, struct ir_insn *call)
{
	const struct ir_insn *in = ir_insn(fn, e);
	uint32_t *args = ir_operands(fn, call);
	struct place w;
	int64_t size;

	if (in->op == OP_GET || in->op == OP_SET)
		return false;
	switch (call->op == OP_CALL ? helper_effect((int)call->imm) : HELPER_ANY) {
	case HELPER_INVARIANT:
	case HELPER_FRESH:
	case HELPER_LOOKUP:
	case HELPER_SEND:
		return false;
	case HELPER_MAPWRITE:
		return killed_by_map(fn, e, args[0]);
	case HELPER_FILL:
		size = ir_const_of(fn, args[1], &size) ? size : INT32_MAX;
		w = place_of(fn, args[0], 0, size);
		return killed_by_write(fn, e, &w);
	default:
		return true;
	}
}

static bool is_killed(struct ir_fn *fn, ir_val e, ir_val by)
{
	struct ir_insn *in = ir_insn(fn, by), *old = ir_insn(fn, e);
	struct place w;

	switch (in->op) {
	case OP_SET:
		return (old->op == OP_GET || old->op == OP_SET) && old->imm == in->imm;
	case OP_STORE:
	case OP_ATOMIC:
	case OP_CMPXCHG:
		w = mem_place(fn, by);
		return killed_by_write(fn, e, &w);
	case OP_CALL:
	case OP_KFUNC:
	case OP_CALLFN:
		return killed_by_call(fn, e, in);
	default:
		return false;
	}
}

void avail_kill(struct ir_fn *fn, struct avail *s, ir_val v)
{
	uint32_t n = 0;

	if (!ir_op_has(ir_insn(fn, v), OPF_M) && ir_insn(fn, v)->op != OP_CALL)
		return;
	for (uint32_t k = 0; k < s->n; k++)
		if (!is_killed(fn, s->v[k], v))
			s->v[n++] = s->v[k];
	s->n = n;
}

/* ---- remembering -------------------------------------------------------------------------- */

static bool is_memorable(struct ir_fn *fn, ir_val v)
{
	struct ir_insn *in = ir_insn(fn, v);

	if (is_lookup(in))
		return key_place(fn, v).kind == PLACE_STACK;
	return in->op == OP_GET || in->op == OP_SET || in->op == OP_STORE ||
	       (in->op == OP_LOAD && !(in->flags & IR_MEM_VOLATILE));
}

void avail_add(struct ir_fn *fn, struct avail *s, ir_val v)
{
	if (!is_memorable(fn, v))
		return;
	if (s->n == AVAIL_MAX) {
		memmove(s->v, s->v + 1, (AVAIL_MAX - 1) * sizeof(*s->v));
		s->n--;
	}
	s->v[s->n++] = v;
}

static ir_val find_load(struct ir_fn *fn, ir_val e, ir_val v)
{
	struct ir_insn *old = ir_insn(fn, e), *in = ir_insn(fn, v);
	struct place a = mem_place(fn, e), b = mem_place(fn, v);
	int64_t c;

	if (!same_place(&a, &b) || (in->flags & IR_MEM_VOLATILE))
		return 0;
	if (old->op == OP_LOAD)
		return old->flags == in->flags ? e : 0;
	if (in->bytes == 8 || (ir_const_of(fn, old->arg[1], &c) && !(in->flags & LOAD_SIGNED) &&
			       c >= 0 && (uint64_t)c >> (in->bytes * 8) == 0))
		return old->arg[1];
	return 0;
}

static ir_val find_lookup(struct ir_fn *fn, ir_val e, ir_val v)
{
	struct ir_insn *old = ir_insn(fn, e), *in = ir_insn(fn, v);
	struct place a = key_place(fn, e), b = key_place(fn, v);

	return old->imm == in->imm && ir_operands(fn, old)[0] == ir_operands(fn, in)[0] &&
			       a.kind == PLACE_STACK && same_place(&a, &b)
		       ? e
		       : 0;
}

static ir_val find_store(struct ir_fn *fn, ir_val e, ir_val v)
{
	struct place a = mem_place(fn, e), b = mem_place(fn, v);

	return same_place(&a, &b) && ir_insn(fn, e)->arg[1] == ir_insn(fn, v)->arg[1];
}

static ir_val match(struct ir_fn *fn, ir_val e, ir_val v)
{
	struct ir_insn *old = ir_insn(fn, e), *in = ir_insn(fn, v);

	if (in->op == OP_LOAD && (old->op == OP_LOAD || old->op == OP_STORE))
		return find_load(fn, e, v);
	if (in->op == OP_STORE && old->op == OP_STORE)
		return find_store(fn, e, v);
	if (is_lookup(in) && is_lookup(old))
		return find_lookup(fn, e, v);
	if (in->op == OP_GET && old->op == OP_GET && old->imm == in->imm)
		return e;
	if (in->op == OP_GET && old->op == OP_SET && old->imm == in->imm)
		return old->arg[0];
	return 0;
}

ir_val avail_find(struct ir_fn *fn, const struct avail *s, ir_val v)
{
	for (uint32_t k = s->n; k-- > 0;) {
		ir_val r = match(fn, s->v[k], v);
		if (r)
			return r;
	}
	return 0;
}
