/* Memory of the walked tree: pointers to variables, and what is read through them; arrays.
 *
 *   pointer    number of the variable, from 1 │ 32 bits of offset in its bytes
 *
 * Example: `((uint16 *)&$m)[1]` of 0x8877665544332211 is 0x4433. */
#include <stdlib.h>
#include <string.h>
#include "random.h"

struct place { /* bytes of a value */
	uint8_t bytes[64];
	size_t n;
	uint64_t slot, at; /* slot 0: they are a copy */
};

static bool place_of(struct world *w, struct expr *e, struct place *out);

struct value memory_address(struct world *w, struct expr *var)
{
	struct value v = {.n = 0};
	struct place p = {.n = 0};

	if (var->kind != EXPR_VAR) {
		if (!place_of(w, var, &p) || !p.slot)
			abort();
		v.n = (p.slot << 32) + p.at;
		return v;
	}

	eval_slot(w, var->sem);
	for (size_t i = 0; i < w->slots.n; i++)
		if (w->slots.v[i].sym == var->sem)
			v.n = (i + 1) << 32;
	return v;
}

static bool is_aggregate(const struct type *t)
{
	return t->kind == TYPE_STRUCT || t->kind == TYPE_ARRAY;
}

bool memory_is(const struct expr *e)
{
	const struct expr *of;

	if (e->kind == EXPR_UNARY)
		return e->un.op == UN_DEREF;
	if (e->kind != EXPR_FIELD && e->kind != EXPR_INDEX)
		return false;
	of = e->kind == EXPR_FIELD ? e->field.e : e->index.e;
	if (e->kind == EXPR_INDEX && of->type->kind == TYPE_STRING)
		return memory_is(of); /* an array of characters in a struct */
	return of->type->kind == TYPE_PTR || is_aggregate(of->type);
}

static void at_pointer(struct world *w, uint64_t p, struct place *out)
{
	const struct value *v;
	size_t slot = p >> 32;

	if (slot == 0 || slot > w->slots.n)
		return;
	v = &w->slots.v[slot - 1].value;
	memcpy(out->bytes, &v->n, 8);
	out->n = 8;
	out->slot = slot;
	out->at = (uint32_t)p;
}

/* What `.`, `[]` or `*` is applied to. */
static bool base_of(struct world *w, struct expr *of, struct place *out)
{
	struct value v;

	if (of->type->kind == TYPE_PTR) {
		at_pointer(w, eval_num(w, of), out);
		return true;
	}
	if (memory_is(of))
		return place_of(w, of, out);
	v = eval(w, of);
	out->n = MIN(v.s.n, sizeof(out->bytes));
	memcpy(out->bytes, v.s.p, out->n);
	return true;
}

static bool element_place(struct world *w, struct expr *e, struct place *out)
{
	const struct type *of = e->index.e->type;
	bool there = base_of(w, e->index.e, out);
	uint64_t i = eval_num(w, e->index.index);

	if (of->kind != TYPE_PTR && i * e->type->size >= of->size)
		return false;
	out->at += i * e->type->size;
	return there;
}

static bool place_of(struct world *w, struct expr *e, struct place *out)
{
	const struct member *m = e->sem;

	if (e->kind == EXPR_UNARY)
		return base_of(w, e->un.e, out);
	if (e->kind == EXPR_INDEX)
		return element_place(w, e, out);
	if (!base_of(w, e->field.e, out))
		return false;
	out->at += m->offset;
	return true;
}

struct str memory_bytes(struct world *w, uint64_t pointer, size_t n)
{
	struct place p = {.n = 0};

	at_pointer(w, pointer, &p);
	if (p.at > p.n || n > p.n - p.at)
		abort();
	return (struct str){arena_strndup(w->arena, (char *)p.bytes + p.at, n), n};
}

/* Behind the end of an array: zero. */
struct value memory_read(struct world *w, struct expr *e)
{
	const struct member *m = e->kind == EXPR_FIELD ? e->sem : NULL;
	struct place p = {.n = 0};
	unsigned bytes = m && m->bit_size ? m->load_size : e->type->size;
	uint64_t n = 0;

	if (!place_of(w, e, &p))
		return value_zero(w->arena, e->type);
	if (p.at > p.n || bytes > p.n - p.at)
		abort();
	if (is_aggregate(e->type))
		return (struct value){
			.type = e->type,
			.s = {arena_strndup(w->arena, (char *)p.bytes + p.at, bytes), bytes}};
	memcpy(&n, p.bytes + p.at, MIN(bytes, 8u));
	if (m && m->bit_size) {
		n = n >> m->bit_off << (64 - m->bit_size);
		n = type_is_signed(e->type) ? (uint64_t)((int64_t)n >> (64 - m->bit_size))
					    : n >> (64 - m->bit_size);
	}
	return value_num(e->type, n);
}
