/* Expressions by walking the checked tree.
 *
 * Only the types of the tree are believed. What the compiler found to be constant is computed here
 * again and compared: a difference stops the test (mismatch). Arithmetic is 64 bits wide and
 * signed when an operand is; literals have no sign of their own.
 *
 * Example: `(int8)-7 / 2` is -3; `x / 0` is 0 and `x % 0` is x. */
#include <stdio.h>
#include <stdlib.h>
#include "random.h"

static bool flexible(const struct type *t)
{
	return t->kind == TYPE_INT && t->num.flexible;
}

/* ---- operators
 * ------------------------------------------------------------------------------------ */

static uint64_t divide(uint64_t l, uint64_t r, bool is_signed, bool rest)
{
	if (r == 0)
		return rest ? l : 0;
	if (!is_signed)
		return rest ? l % r : l / r;
	if (r == UINT64_MAX) /* -1: the least number has no opposite */
		return rest ? 0 : 0 - l;
	return (uint64_t)(rest ? (int64_t)l % (int64_t)r : (int64_t)l / (int64_t)r);
}

static bool less(uint64_t l, uint64_t r, bool is_signed)
{
	return is_signed ? (int64_t)l < (int64_t)r : l < r;
}

static uint64_t shift_right(uint64_t l, uint64_t r, bool is_signed)
{
	return is_signed ? (uint64_t)((int64_t)l >> (r & 63)) : l >> (r & 63);
}

uint64_t eval_arith(enum binary_op op, uint64_t l, uint64_t r, const struct type *lt,
		    const struct type *rt)
{
	bool fl = flexible(lt), fr = flexible(rt);
	bool sl = type_is_signed(lt), sr = type_is_signed(rt);
	bool is_signed = fl && fr ? true : (sl && !fl) || (sr && !fr);

	switch (op) {
	case BIN_OR:
		return l | r;
	case BIN_XOR:
		return l ^ r;
	case BIN_AND:
		return l & r;
	case BIN_EQ:
		return l == r;
	case BIN_NE:
		return l != r;
	case BIN_LT:
		return less(l, r, is_signed);
	case BIN_LE:
		return !less(r, l, is_signed);
	case BIN_GT:
		return less(r, l, is_signed);
	case BIN_GE:
		return !less(l, r, is_signed);
	case BIN_SHL:
		return l << (r & 63);
	case BIN_SHR:
		return shift_right(l, r, sl);
	case BIN_ADD:
		return l + r;
	case BIN_SUB:
		return l - r;
	case BIN_MUL:
		return l * r;
	case BIN_DIV:
	case BIN_MOD:
		return divide(l, r, is_signed, op == BIN_MOD);
	default:
		abort();
	}
}

static struct value logical(struct world *w, struct expr *e)
{
	bool l = eval_num(w, e->bin.l) != 0;

	if (e->bin.op == BIN_LAND)
		return value_num(e->type, l && eval_num(w, e->bin.r) != 0);
	return value_num(e->type, l || eval_num(w, e->bin.r) != 0);
}

/* Pointers count in elements. */
static struct value pointer_arith(const struct expr *e, uint64_t l, uint64_t r)
{
	const struct type *lt = e->bin.l->type, *rt = e->bin.r->type;
	uint64_t size = (lt->kind == TYPE_PTR ? lt : rt)->ptr.to->size;

	if (lt->kind == TYPE_PTR && rt->kind == TYPE_PTR && e->bin.op == BIN_SUB)
		return value_num(e->type, (uint64_t)((int64_t)(l - r) / (int64_t)size));
	if (lt->kind == TYPE_PTR)
		r *= size;
	else
		l *= size;
	return value_num(e->type, e->bin.op == BIN_SUB ? l - r : l + r);
}

static struct value binary(struct world *w, struct expr *e)
{
	struct value l, r;

	if (e->bin.op == BIN_LAND || e->bin.op == BIN_LOR)
		return logical(w, e);
	l = eval(w, e->bin.l);
	r = eval(w, e->bin.r);
	if ((e->bin.op == BIN_ADD || e->bin.op == BIN_SUB) &&
	    (e->bin.l->type->kind == TYPE_PTR || e->bin.r->type->kind == TYPE_PTR))
		return pointer_arith(e, l.n, r.n);
	if (!type_is_scalar(l.type) && l.type->kind != TYPE_AGG)
		return value_num(e->type, value_eq(&l, &r) == (e->bin.op == BIN_EQ));
	return value_num(e->type, eval_arith(e->bin.op, l.n, r.n, e->bin.l->type, e->bin.r->type));
}

static struct value unary(struct world *w, struct expr *e)
{
	uint64_t n;

	if (e->un.op == UN_ADDR)
		return value_num(e->type, memory_address(w, e->un.e).n);
	n = eval_num(w, e->un.e);
	switch (e->un.op) {
	case UN_NEG:
		return value_num(e->type, 0 - n);
	case UN_NOT:
		return value_num(e->type, n == 0);
	case UN_BNOT:
		return value_num(e->type, ~n);
	default:
		abort();
	}
}

/* ---- variables and maps
 * ---------------------------------------------------------------------------- */

struct value *eval_slot(struct world *w, const struct var_sym *v)
{
	for (size_t i = 0; i < w->slots.n; i++)
		if (w->slots.v[i].sym == v)
			return &w->slots.v[i].value;
	vec_push(w->arena, &w->slots, (struct slot){v, value_zero(w->arena, v->type)});
	return &w->slots.v[w->slots.n - 1].value;
}

struct value eval_key(struct world *w, struct expr *map)
{
	const struct map_sym *m = map->sem;
	struct value key = {.type = m->key};

	if (!m->key)
		return key;
	if (map->map.nkeys == 1)
		return value_as(w->arena, eval(w, map->map.keys[0]), m->key);
	key.items = arena_array_of(w->arena, struct value, map->map.nkeys + 1);
	for (size_t i = 0; i < map->map.nkeys; i++)
		key.items[i] = value_as(w->arena, eval(w, map->map.keys[i]),
					m->key->tuple.members[i].type);
	return key;
}

static struct value map_read(struct world *w, struct expr *e)
{
	const struct map_sym *m = e->sem;
	struct entry *at = table_find(w, table_of(w, m), eval_key(w, e), false);

	if (m->value->kind == TYPE_AGG)
		return (struct value){.type = e->type,
				      .n = at ? tally_number(m->value, &at->tally) : 0};
	return at ? at->value : value_zero(w->arena, m->value);
}

static struct value incdec(struct world *w, struct expr *e)
{
	struct expr *x = e->incdec.e;
	struct value *at, old;

	if (x->kind == EXPR_MAP)
		at = &table_find(w, table_of(w, x->sem), eval_key(w, x), true)->value;
	else
		at = eval_slot(w, x->sem);
	if (w->flow != FLOW_NEXT)
		return *at;
	old = *at;
	*at = value_num(at->type, old.n + (e->incdec.dec ? -1 : 1));
	return e->incdec.prefix ? *at : old;
}

/* ---- parts and wholes
 * -------------------------------------------------------------------------------- */

static struct value field(struct world *w, struct expr *e)
{
	struct value v = eval(w, e->field.e);

	if (e->kind == EXPR_ELEM)
		return v.items[e->field.elem];
	for (uint32_t i = 0; i < v.type->tuple.n; i++)
		if (str_eq(v.type->tuple.members[i].name, e->field.name))
			return v.items[i];
	abort();
}

static struct value tuple(struct world *w, struct expr *e)
{
	struct value v = {.type = e->type};
	bool record = e->kind == EXPR_RECORD;
	size_t n = record ? e->record.n : e->tuple.n;

	v.items = arena_array_of(w->arena, struct value, n + 1);
	for (size_t i = 0; i < n; i++)
		v.items[i] = value_as(
			w->arena, eval(w, record ? e->record.fields[i].value : e->tuple.items[i]),
			e->type->tuple.members[i].type);
	return v;
}

static struct value character(struct world *w, struct expr *e)
{
	struct value s = eval(w, e->index.e);
	uint64_t i = eval_num(w, e->index.index);

	if ((s.type->kind == TYPE_TUPLE || s.type->kind == TYPE_RECORD))
		return s.items[i];

	return value_num(e->type, i < s.s.n ? (uint8_t)s.s.p[i] : 0);
}

/* ---- choices
 * ------------------------------------------------------------------------------------------ */

static struct value ternary(struct world *w, struct expr *e)
{
	struct value c = eval(w, e->tern.cond);

	if (c.n != 0)
		return e->tern.yes ? eval(w, e->tern.yes) : c;
	return eval(w, e->tern.no);
}

static struct value if_value(struct world *w, struct expr *e)
{
	if (eval_num(w, e->cond.cond))
		return eval_block(w, e->cond.yes);
	if (e->cond.no)
		return eval(w, e->cond.no);
	return (struct value){.type = &type_void};
}

static struct value by_kind(struct world *w, struct expr *e)
{
	if (memory_is(e))
		return memory_read(w, e);
	switch (e->kind) {
	case EXPR_INT:
	case EXPR_BOOL:
		return value_num(e->type, e->value);
	case EXPR_SIZEOF:
		return value_num(e->type, e->value);
	case EXPR_STR:
		return (struct value){.type = e->type, .s = e->str};
	case EXPR_VAR:
		return *eval_slot(w, e->sem);
	case EXPR_MAP:
		return map_read(w, e);
	case EXPR_IDENT:
	case EXPR_CALL:
		return eval_call(w, e);
	case EXPR_UNARY:
		return unary(w, e);
	case EXPR_INCDEC:
		return incdec(w, e);
	case EXPR_BINARY:
		return binary(w, e);
	case EXPR_TERNARY:
		return ternary(w, e);
	case EXPR_FIELD:
	case EXPR_ELEM:
		return field(w, e);
	case EXPR_INDEX:
		return character(w, e);
	case EXPR_CAST:
		return eval(w, e->cast.e);
	case EXPR_TUPLE:
	case EXPR_RECORD:
		return tuple(w, e);
	case EXPR_COMPTIME:
		return eval(w, e->sub);
	case EXPR_IF:
		return if_value(w, e);
	case EXPR_BLOCK:
		return eval_block(w, e->block);
	default:
		abort();
	}
}

/* Behind a statement that leaves, nothing is evaluated. */
struct value eval(struct world *w, struct expr *e)
{
	struct value v;

	if (w->flow != FLOW_NEXT)
		return value_zero(w->arena, e->type);
	v = by_kind(w, e);
	if (w->flow != FLOW_NEXT)
		return value_zero(w->arena, e->type);
	if (e->type->kind == TYPE_VOID || e->type->kind == TYPE_AGG)
		return v.type ? v : (struct value){.type = e->type};
	v = value_as(w->arena, v, e->type);
	if (e->folded && type_is_scalar(e->type) && v.n != value_fit(e->type, e->value)) {
		buf_printf(w->out, "constant: %" PRId64 " by the compiler, %" PRId64 " here\n",
			   (int64_t)e->value, (int64_t)v.n);
	}
	return v;
}

uint64_t eval_num(struct world *w, struct expr *e)
{
	return eval(w, e).n;
}
