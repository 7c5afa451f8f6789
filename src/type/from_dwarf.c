/* Types out of a program's debug information.
 *
 * A struct is made with its size and read when its members are first asked for; pointers make what
 * they lead to only once it is used, so that a list that points to itself ends. Each type of the
 * debug information becomes one type:
 *
 *   dwarfs   "/usr/bin/redis-server" → { struct dwarf; types by dwarf_ref }
 *
 * An enum has no name that scripts could use: names of programs must not hide the kernel's. */
#include <stdlib.h>
#include "type/priv.h"

enum { MAX_NESTING = 64 };
enum { GO_STRING = 24 };

struct dwarf_types {
	struct dwarf *dwarf;
	VEC(const struct type *) by_ref; /* index ref - 1; NULL: not yet */
	unsigned depth;
};

struct lazy {
	struct dwarf_types *of;
	dwarf_ref ref;
};

static void close_dwarf(void *arg)
{
	dwarf_close(arg);
}

static void keep_dwarf(struct types *ts, struct dwarf *d, const char *key)
{
	struct dwarf_types *dt = arena_new_of(ts->arena, struct dwarf_types);

	dt->dwarf = d;
	arena_at_free(ts->arena, close_dwarf, d);
	strmap_put(&ts->dwarfs, str_of(key), dt);
}

struct dwarf *types_dwarf(struct types *ts, const char *path, struct err *e)
{
	struct dwarf_types *dt = strmap_get(&ts->dwarfs, str_of(path));
	struct dwarf *d;

	if (dt)
		return dt->dwarf;
	d = dwarf_open(path, e);
	if (d)
		keep_dwarf(ts, d, arena_strdup(ts->arena, path));
	return d;
}

void types_take_dwarf(struct types *ts, struct dwarf *d)
{
	keep_dwarf(ts, d, arena_printf(ts->arena, "%p", (void *)d));
}

static struct dwarf_types *types_of(struct types *ts, struct dwarf *d)
{
	STRMAP_EACH (e, &ts->dwarfs) {
		struct dwarf_types *dt = e->value;

		if (dt->dwarf == d)
			return dt;
	}
	BUG("debug information that was not opened by types_dwarf()");
}

static const struct type *convert(struct types *ts, struct dwarf_types *dt, dwarf_ref ref);

/* ---- structs ------------------------------------------------------------------------------- */

static bool add_member(struct types *ts, struct dwarf_types *dt, const struct dwarf_member *from,
		       uint32_t size, struct member *m)
{
	*m = (struct member){.name = str_of(from->name), .type = convert(ts, dt, from->type)};
	if (!from->bit_size) {
		m->offset = (uint32_t)MIN(from->bit_offset / 8, UINT32_MAX);
		return m->offset <= size && m->type->size <= size - m->offset;
	}
	if (from->bit_offset + from->bit_size > (uint64_t)size * 8 || !type_is_scalar(m->type))
		return false;
	type_place_bits(m, (uint32_t)from->bit_offset, from->bit_size, size);
	return true;
}

static bool complete(struct types *ts, const struct type *t, void *arg)
{
	struct lazy *l = arg;
	const struct dwarf_member *v;
	size_t n = dwarf_members(l->of->dwarf, l->ref, ts->arena, &v);
	struct member *m = arena_array_of(ts->arena, struct member, n ? n : 1);
	uint32_t have = 0;

	for (size_t i = 0; i < n; i++)
		have += add_member(ts, l->of, &v[i], t->size, &m[have]);
	type_define(ts, t, t->size, t->align, m, have);
	return true;
}

static const struct type *convert_struct(struct types *ts, struct dwarf_types *dt,
					 const struct dwarf_type *t)
{
	struct lazy *l = arena_new_of(ts->arena, struct lazy);
	const struct type *r;

	*l = (struct lazy){dt, t->self};
	r = type_struct_lazy(ts, t->name, t->kind == DWARF_UNION, (uint32_t)MIN(t->size, INT32_MAX),
			     complete, l);
	if (t->go_kind == GO_STRING && t->size == 16)
		type_be_go_string(r);
	return r;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static const struct type *bytes(struct types *ts, uint64_t n)
{
	return type_array(ts, type_int(ts, 1, false), (uint32_t)MIN(n, INT32_MAX));
}

static bool is_int_size(uint64_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static const struct type *convert_int(struct types *ts, const struct dwarf_type *t)
{
	return is_int_size(t->size) ? type_int(ts, (unsigned)t->size, t->is_signed)
				    : type_wide_int(ts, t->size);
}

static const struct type *convert_enum(struct types *ts, struct dwarf_types *dt,
				       const struct dwarf_type *t)
{
	const struct dwarf_value *v;
	size_t n = dwarf_values(dt->dwarf, t->self, ts->arena, &v);
	struct enum_value *values = arena_array_of(ts->arena, struct enum_value, n ? n : 1);
	struct dwarf_type under;
	bool negative = false;

	if (!is_int_size(t->size))
		return type_wide_int(ts, t->size);
	for (size_t i = 0; i < n; i++) {
		negative |= v[i].value < 0;
		values[i] = (struct enum_value){v[i].name, (uint64_t)v[i].value};
	}
	if (dwarf_type_get(dt->dwarf, t->to, &under) && under.kind == DWARF_INT)
		negative |= under.is_signed;
	return type_enum_local(ts, t->name, (uint32_t)t->size, negative, values, (uint32_t)n);
}

static const struct type *convert_array(struct types *ts, struct dwarf_types *dt,
					const struct dwarf_type *t)
{
	const struct type *of = convert(ts, dt, t->to);

	if (of->kind == TYPE_VOID || of->kind == TYPE_FUNC || !of->size ||
	    t->count > INT32_MAX / of->size)
		return bytes(ts, 0);
	return type_array(ts, of, (uint32_t)t->count);
}

/* Types of a struct's members come when they are asked for, but pointers and arrays nest here. */
static const struct type *make(struct types *ts, struct dwarf_types *dt, const struct dwarf_type *t)
{
	static const struct type func = {.kind = TYPE_FUNC, .size = 0, .align = 1};

	switch (t->kind) {
	case DWARF_VOID:
		return &type_void;
	case DWARF_INT:
		return convert_int(ts, t);
	case DWARF_BOOL:
		return t->size == 1 ? &type_bool : convert_int(ts, t);
	case DWARF_FLOAT:
		return type_float(ts, t->size);
	case DWARF_ENUM:
		return convert_enum(ts, dt, t);
	case DWARF_PTR:
		return type_ptr(ts, convert(ts, dt, t->to), SPACE_USER);
	case DWARF_STRUCT:
	case DWARF_UNION:
		return convert_struct(ts, dt, t);
	case DWARF_ARRAY:
		return convert_array(ts, dt, t);
	case DWARF_FUNC:
		return &func;
	default:
		return bytes(ts, t->size);
	}
}

static const struct type *convert(struct types *ts, struct dwarf_types *dt, dwarf_ref ref)
{
	struct dwarf_type t;
	const struct type *r;

	if (!ref || dt->depth >= MAX_NESTING || !dwarf_type_get(dt->dwarf, ref, &t) || !t.self)
		return &type_void;
	while (dt->by_ref.n < t.self)
		vec_push(ts->arena, &dt->by_ref, NULL);
	r = dt->by_ref.v[t.self - 1];
	if (r)
		return r;
	dt->depth++;
	r = make(ts, dt, &t);
	dt->depth--;
	dt->by_ref.v[t.self - 1] = r;
	return r;
}

const struct type *type_from_dwarf(struct types *ts, struct dwarf *d, dwarf_ref ref)
{
	return convert(ts, types_of(ts, d), ref);
}
