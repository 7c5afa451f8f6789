/* How two types become one: of a variable assigned twice, of a map's keys, of both sides of `?:`.
 *
 *   same sign                         the larger
 *   literal and anything              the other one, at least as wide as the literal needs
 *   signed wider than unsigned        the signed one
 *   signed not wider                  the signed one of double size
 *   both 64 bits, different sign      int64, and a warning
 *   strings, buffers, stacks          the larger capacity
 *   tuples, records, arrays           item by item
 *   pointers                          same pointee; different spaces: the kernel's, then unknown
 *
 * Everything else has no common type. Joining only ever makes types larger, so rounds end. */
#include "sema/sema_priv.h"

bool sema_is_flexible(const struct type *t)
{
	return t && t->kind == TYPE_INT && t->num.flexible;
}

const struct type *sema_flexible(struct sema *s, unsigned bytes)
{
	return type_int_literal(s->types, (UINT64_C(1) << (bytes * 8 - 1)) - 1, false);
}

/* bool and enums count as the integers that they are kept as. */
static bool is_signed(const struct type *t)
{
	return t->kind == TYPE_BOOL ? false : type_is_signed(t);
}

static const struct type *join_signs(struct sema *s, unsigned signed_size, unsigned unsigned_size,
				     bool *clash)
{
	if (signed_size > unsigned_size)
		return type_int(s->types, signed_size, true);
	if (unsigned_size >= 8)
		*clash = true;
	return type_int(s->types, MIN(unsigned_size * 2, 8), true);
}

static const struct type *join_ints(struct sema *s, const struct type *a, const struct type *b,
				    bool *clash)
{
	unsigned size = MAX(a->size, b->size);
	bool fa = sema_is_flexible(a), fb = sema_is_flexible(b);

	if (fa && fb)
		return sema_flexible(s, size);
	if (fa || fb)
		return type_int(s->types, size, is_signed(fa ? b : a));
	if (is_signed(a) == is_signed(b))
		return type_int(s->types, size, is_signed(a));
	return is_signed(a) ? join_signs(s, a->size, b->size, clash)
			    : join_signs(s, b->size, a->size, clash);
}

static const struct type *join_ptrs(struct sema *s, const struct type *a, const struct type *b)
{
	enum space sa = a->ptr.space, sb = b->ptr.space, space = SPACE_NONE;
	const struct type *to = a->ptr.to;

	if (!type_eq(a->ptr.to, b->ptr.to)) {
		if (a->ptr.to->kind == TYPE_VOID)
			to = b->ptr.to;
		else if (b->ptr.to->kind != TYPE_VOID)
			return NULL;
	}
	if (sa == sb)
		space = sa;
	else if ((sa == SPACE_BTF || sa == SPACE_KERNEL) && (sb == SPACE_BTF || sb == SPACE_KERNEL))
		space = SPACE_KERNEL;
	else if (sa == SPACE_NONE || sb == SPACE_NONE)
		space = sa == SPACE_NONE ? sb : sa;
	return type_ptr(s->types, to, space);
}

/* The member of `b` that belongs to the i-th of `a`: by name in records, whose order is free. */
const struct member *sema_counterpart(const struct type *a, const struct type *b, uint32_t i)
{
	if (a->kind != TYPE_RECORD)
		return &b->tuple.members[i];
	for (uint32_t k = 0; k < b->tuple.n; k++)
		if (str_eq(a->tuple.members[i].name, b->tuple.members[k].name))
			return &b->tuple.members[k];
	return NULL;
}

static const struct type *join_tuples(struct sema *s, const struct type *a, const struct type *b,
				      bool *clash)
{
	const struct type *items[64];
	struct str names[64];
	uint32_t n = a->tuple.n;

	if (n != b->tuple.n || n > ARRAY_SIZE(items))
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		const struct member *ma = &a->tuple.members[i], *mb = sema_counterpart(a, b, i);

		if (!mb)
			return NULL;
		names[i] = ma->name;
		items[i] = sema_join(s, ma->type, mb->type, clash);
		if (!items[i])
			return NULL;
	}
	return a->kind == TYPE_TUPLE ? type_tuple(s->types, items, n)
				     : type_record(s->types, names, items, n);
}

static const struct type *join_same_kind(struct sema *s, const struct type *a, const struct type *b,
					 bool *clash)
{
	switch (a->kind) {
	case TYPE_STRING:
	case TYPE_BUF:
		return a->str.cap >= b->str.cap ? a : b;
	case TYPE_PTR:
		return join_ptrs(s, a, b);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return join_tuples(s, a, b, clash);
	case TYPE_STACK:
		if (a->stack.kind != b->stack.kind || a->stack.mode != b->stack.mode)
			return NULL;
		return a->stack.limit >= b->stack.limit ? a : b;
	case TYPE_VIEW:
		return a->view.view == b->view.view ? a : NULL;
	default:
		return NULL;
	}
}

const struct type *sema_join(struct sema *s, const struct type *a, const struct type *b,
			     bool *clash)
{
	if (a->kind == TYPE_POISON)
		return b;
	if (b->kind == TYPE_POISON || a == b)
		return a;
	if (!sema_is_flexible(a) && !sema_is_flexible(b) && type_eq(a, b))
		return a;
	if (type_is_integer(a) && type_is_integer(b))
		return join_ints(s, a, b, clash);
	if (a->kind != b->kind)
		return NULL;
	return join_same_kind(s, a, b, clash);
}

/* ---- shapes for keeping ------------------------------------------------------------------------
 */

typedef const struct type *(*map_fn)(struct sema *s, const struct type *t);

static const struct type *map_items(struct sema *s, const struct type *t, map_fn fn)
{
	const struct type *items[64];
	struct str names[64];
	uint32_t n = t->tuple.n;
	bool same = true;

	if (n > ARRAY_SIZE(items))
		return t;
	for (uint32_t i = 0; i < n; i++) {
		names[i] = t->tuple.members[i].name;
		items[i] = fn(s, t->tuple.members[i].type);
		same &= items[i] == t->tuple.members[i].type;
	}
	if (same)
		return t;
	return t->kind == TYPE_TUPLE ? type_tuple(s->types, items, n)
				     : type_record(s->types, names, items, n);
}

const struct type *sema_settled(struct sema *s, const struct type *t)
{
	if (t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD)
		return map_items(s, t, sema_settled);
	return sema_is_flexible(t) ? type_int(s->types, 8, true) : t;
}

/* A pointer that the verifier knows is an ordinary kernel address once it was in a map. */
const struct type *sema_stored(struct sema *s, const struct type *t)
{
	if (t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD)
		return map_items(s, t, sema_stored);
	if (t->kind == TYPE_PTR && (t->ptr.space == SPACE_BTF || t->ptr.space == SPACE_CTX))
		return type_ptr(s->types, t->ptr.to, SPACE_KERNEL);
	return t;
}

/* ---- literals
 * ------------------------------------------------------------------------------------ */

bool sema_fits(uint64_t value, bool value_signed, const struct type *t)
{
	bool negative = value_signed && (int64_t)value < 0;
	unsigned bits = t->size * 8;

	if (t->kind == TYPE_BOOL)
		return value <= 1;
	if (!type_is_integer(t) || bits > 64)
		return false;
	if (type_is_signed(t)) {
		int64_t min = bits == 64 ? INT64_MIN : -(INT64_C(1) << (bits - 1));
		int64_t max = bits == 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;

		return negative ? (int64_t)value >= min : value <= (uint64_t)max;
	}
	return !negative && (bits == 64 || value >> bits == 0);
}

void sema_adapt(struct sema *s, struct expr *e, const struct type *to)
{
	if (!sema_is_flexible(e->type))
		return;
	if (to && type_is_integer(to) && !sema_is_flexible(to))
		e->type = type_int(s->types, e->type->size, is_signed(to));
	else
		e->type = type_int(s->types, 8, true);
}
