/* Values and maps of the walked tree: what they hold, how they are converted and shown.
 *
 *   int, bool    64 bits, extended by the sign of the type     value_fit cuts and extends
 *   string       at most the bytes of its type                 "abcd.." once nothing more fits
 *   buffer       at most the bytes of its type, printable ASCII shown as it is
 *   tuple        items converted one by one
 *
 * Example: value_as(int64 300, uint8) is 44. */
#include <stdlib.h>
#include <string.h>
#include "random.h"

uint64_t value_fit(const struct type *t, uint64_t n)
{
	unsigned shift;

	if (t->kind == TYPE_BOOL)
		return n != 0;
	if (t->size == 0 || t->size >= 8)
		return n;
	shift = 64 - 8 * t->size;
	if (type_is_signed(t))
		return (uint64_t)((int64_t)(n << shift) >> shift);
	return n << shift >> shift;
}

struct value value_num(const struct type *t, uint64_t n)
{
	return (struct value){.type = t, .n = value_fit(t, n)};
}

static bool has_items(const struct type *t)
{
	return t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD;
}

struct value value_zero(struct arena *a, const struct type *t)
{
	struct value v = {.type = t};

	if (t->kind == TYPE_ARRAY)
		v.s = (struct str){arena_array_of(a, char, t->size), t->size};
	if (!has_items(t))
		return v;
	v.items = arena_array_of(a, struct value, t->tuple.n + 1);
	for (uint32_t i = 0; i < t->tuple.n; i++)
		v.items[i] = value_zero(a, t->tuple.members[i].type);
	return v;
}

/* Records are joined by name. */
static const struct value *item_for(const struct value *v, const struct type *t, uint32_t i)
{
	for (uint32_t k = 0; t->kind == TYPE_RECORD && k < v->type->tuple.n; k++)
		if (str_eq(v->type->tuple.members[k].name, t->tuple.members[i].name))
			return &v->items[k];
	return &v->items[i];
}

static struct str bytes_of(struct arena *a, uint64_t n, size_t size)
{
	char *p = arena_array_of(a, char, size + 8);

	memcpy(p, &n, 8);
	return (struct str){p, size};
}

static uint64_t number_of(struct str bytes)
{
	uint64_t n = 0;

	memcpy(&n, bytes.p, MIN(bytes.n, sizeof(n)));
	return n;
}

struct value value_as(struct arena *a, struct value v, const struct type *t)
{
	struct value out = {.type = t};

	if (has_items(t)) {
		out.items = arena_array_of(a, struct value, t->tuple.n + 1);
		for (uint32_t i = 0; i < t->tuple.n; i++)
			out.items[i] = value_as(a, *item_for(&v, t, i), t->tuple.members[i].type);
	} else if (t->kind == TYPE_STRING || t->kind == TYPE_BUF) {
		out.s = v.s;
		out.s.n = MIN(v.s.n, (size_t)t->str.cap);
	} else if (t->kind == TYPE_ARRAY) {
		out.s = v.type->kind == TYPE_ARRAY ? v.s : bytes_of(a, v.n, t->size);
	} else {
		out.n = value_fit(t, v.type->kind == TYPE_ARRAY ? number_of(v.s) : v.n);
	}
	return out;
}

bool value_eq(const struct value *a, const struct value *b)
{
	if (has_items(a->type)) {
		for (uint32_t i = 0; i < a->type->tuple.n; i++)
			if (!value_eq(&a->items[i], item_for(b, a->type, i)))
				return false;
		return true;
	}
	if (a->type->kind == TYPE_STRING || a->type->kind == TYPE_ARRAY ||
	    a->type->kind == TYPE_BUF)
		return str_eq(a->s, b->s);
	return a->n == b->n;
}

static void items_text(const struct value *v, struct buf *out)
{
	bool record = v->type->kind == TYPE_RECORD;

	buf_adds(out, record ? "{ " : "(");
	for (uint32_t i = 0; i < v->type->tuple.n; i++) {
		if (i)
			buf_adds(out, ", ");
		if (record)
			buf_printf(out, ".%.*s = ", STR_ARG(v->type->tuple.members[i].name));
		value_text(&v->items[i], out);
	}
	buf_adds(out, record ? " }" : ")");
}

static void array_text(const struct value *v, struct buf *out)
{
	const struct type *of = v->type->array.of;

	for (uint32_t i = 0; i < v->type->array.count; i++) {
		struct str bytes = {v->s.p + (size_t)i * of->size, of->size};
		struct value x = value_num(of, number_of(bytes));

		buf_adds(out, i ? "," : "[");
		value_text(&x, out);
	}
	buf_addc(out, ']');
}

/* As the definitions of random programs have them. */
static void enum_text(uint64_t n, struct buf *out)
{
	if (n == 0 || n == 7 || n == 8)
		buf_adds(out, n == 0 ? "RED" : n == 7 ? "GREEN" : "BLUE");
	else
		buf_printf(out, "%" PRIu64, n);
}

void value_text(const struct value *v, struct buf *out)
{
	if (has_items(v->type)) {
		items_text(v, out);
	} else if (v->type->kind == TYPE_ARRAY) {
		array_text(v, out);
	} else if (v->type->kind == TYPE_ENUM) {
		enum_text(v->n, out);
	} else if (v->type->kind == TYPE_BUF) {
		buffer_text(v->s, 0, out);
	} else if (v->type->kind == TYPE_STRING) {
		buf_addstr(out, v->s);
		if (v->s.n && v->s.n == v->type->str.cap)
			buf_adds(out, "..");
	} else if (v->type->kind == TYPE_BOOL) {
		buf_adds(out, v->n ? "true" : "false");
	} else if (type_is_signed(v->type)) {
		buf_printf(out, "%" PRId64, (int64_t)v->n);
	} else {
		buf_printf(out, "%" PRIu64, v->n);
	}
}

/* ---- maps ---------------------------------------------------------------------------------------
 */

struct table *table_of(struct world *w, const struct map_sym *m)
{
	struct table *t;

	for (size_t i = 0; i < w->tables.n; i++)
		if (w->tables.v[i]->sym == m)
			return w->tables.v[i];
	t = arena_new_of(w->arena, struct table);
	t->sym = m;
	vec_push(w->arena, &w->tables, t);
	return t;
}

/* A new entry reads as zero. */
struct entry *table_find(struct world *w, struct table *t, struct value key, bool add)
{
	struct entry *e;

	for (size_t i = 0; i < t->entries.n; i++)
		if (!t->entries.v[i]->gone &&
		    (!t->sym->key || value_eq(&t->entries.v[i]->key, &key)))
			return t->entries.v[i];
	if (!add)
		return NULL;
	e = arena_new_of(w->arena, struct entry);
	e->key = key;
	e->value = value_zero(w->arena, t->sym->value);
	vec_push(w->arena, &t->entries, e);
	return e;
}

/* ---- aggregations
 * --------------------------------------------------------------------------------- */

void tally_add(struct arena *a, struct entry *e, const struct expr *call, uint64_t arg)
{
	bool has_arg = call->kind == EXPR_CALL && call->call.nargs;
	struct tally *y = &e->tally;
	int64_t turn = type_is_signed(e->value.type) || e->value.type->agg.is_signed ? 0
										     : INT64_MIN;
	int64_t rank = (int64_t)(arg ^ (uint64_t)turn);

	if (!y->count || rank < (int64_t)((uint64_t)y->min ^ (uint64_t)turn))
		y->min = (int64_t)arg;
	if (!y->count || rank > (int64_t)((uint64_t)y->max ^ (uint64_t)turn))
		y->max = (int64_t)arg;
	y->count++;
	y->total += has_arg ? arg : 1;
	y->call = call;
	vec_push(a, &y->seen, (int64_t)arg);
}

static uint64_t average(const struct type *t, const struct tally *y)
{
	if (!y->count)
		return 0;
	if (t->agg.is_signed)
		return (uint64_t)((int64_t)y->total / (int64_t)y->count);
	return y->total / y->count;
}

uint64_t tally_number(const struct type *t, const struct tally *y)
{
	const char *fn = t->agg.agg->name;

	if (strcmp(fn, "min") == 0)
		return (uint64_t)y->min;
	if (strcmp(fn, "max") == 0)
		return (uint64_t)y->max;
	if (strcmp(fn, "avg") == 0)
		return average(t, y);
	return y->total;
}

static void put(const struct type *t, uint64_t n, struct buf *out)
{
	buf_printf(out, t->agg.is_signed ? "%" PRId64 : "%" PRIu64, n);
}

void tally_text(const struct type *t, const struct tally *y, struct buf *out)
{
	if (strcmp(t->agg.agg->name, "stats") != 0) {
		put(t, tally_number(t, y), out);
		return;
	}
	buf_printf(out, "{ .count = %" PRIu64 ", .average = ", y->count);
	put(t, average(t, y), out);
	buf_adds(out, ", .total = ");
	put(t, y->total, out);
	buf_adds(out, " }");
}

static void key_text(const struct value *key, struct buf *out)
{
	struct buf b = BUF_INIT;

	value_text(key, &b);
	if (key->type->kind == TYPE_TUPLE)
		buf_add(out, b.p + 1, b.n - 2);
	else
		buf_addstr(out, (struct str){b.p, b.n});
	buf_release(&b);
}

void table_text(const struct table *t, struct buf *out)
{
	for (size_t i = 0; i < t->entries.n; i++) {
		const struct entry *e = t->entries.v[i];

		if (e->gone)
			continue;
		buf_printf(out, "@%.*s", STR_ARG(t->sym->name));
		if (t->sym->key) {
			buf_addc(out, '[');
			key_text(&e->key, out);
			buf_addc(out, ']');
		}
		if (t->sym->value->kind == TYPE_AGG) {
			struct buf chart = BUF_INIT;
			bool is_chart = chart_text(t->sym->value, &e->tally, &chart);

			if (is_chart)
				buf_printf(out, ":\n%s", buf_cstr(&chart));
			buf_release(&chart);
			if (is_chart)
				continue;
		}
		buf_adds(out, ": ");
		if (t->sym->value->kind == TYPE_AGG)
			tally_text(t->sym->value, &e->tally, out);
		else
			value_text(&e->value, out);
		buf_addc(out, '\n');
	}
}
