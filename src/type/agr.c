/* Structs, unions and enums: their identity, and when their members become known (priv.h).
 *
 * Example: a tracepoint's format names `struct sockaddr *`. The pointer is made at once; the struct
 * behind it is AGR_NAME, without a size. Only `args.uservaddr->sa_family` asks for a member, which
 * opens BTF, finds the struct and reads its members. A script that only prints the pointer never
 * pays for BTF.
 */
#include "type/priv.h"

struct agr *agr_new(struct types *ts, enum type_kind kind, const char *name, enum agr_state state)
{
	struct agr *a = arena_new_of(ts->arena, struct agr);

	a->t.kind = kind;
	a->t.align = 1;
	a->state = state;
	if (kind == TYPE_ENUM)
		a->t.enm.name = name;
	else
		a->t.agr.name = name;
	return a;
}

static const char *key_of(struct types *ts, enum type_lookup tag, struct str name)
{
	static const char letters[] = {[LOOKUP_PLAIN] = 't',
				       [LOOKUP_STRUCT] = 's',
				       [LOOKUP_UNION] = 'u',
				       [LOOKUP_ENUM] = 'e'};

	return arena_printf(ts->arena, "%c %.*s", letters[tag], STR_ARG(name));
}

struct agr *agr_find(struct types *ts, enum type_lookup tag, struct str name)
{
	return strmap_get(&ts->named, str_of(key_of(ts, tag, name)));
}

struct agr *agr_named(struct types *ts, enum type_lookup tag, struct str name)
{
	const char *key = key_of(ts, tag, name);
	struct agr *a = strmap_get(&ts->named, str_of(key));

	if (a)
		return a;
	a = agr_new(ts, tag == LOOKUP_ENUM ? TYPE_ENUM : TYPE_STRUCT, key + 2, AGR_NAME);
	if (tag == LOOKUP_UNION)
		a->t.agr.is_union = true;
	strmap_put(&ts->named, str_of(key), a);
	return a;
}

/* ---- declared ------------------------------------------------------------------------- */

static void set_members(struct types *ts, struct agr *a, const struct member *members, uint32_t n)
{
	a->members = n ? arena_memdup(ts->arena, members, n * sizeof(*members)) : NULL;
	a->n = n;
	a->state = AGR_DONE;
	a->defined = true;
}

const struct type *type_struct_new(struct types *ts, const char *name, uint32_t size,
				   const struct member *members, uint32_t n)
{
	struct agr *a = agr_new(ts, TYPE_STRUCT, name ? arena_strdup(ts->arena, name) : NULL,
				AGR_DONE);

	a->t.size = size;
	for (uint32_t i = 0; i < n; i++)
		a->t.align = MAX(a->t.align, members[i].type->align);
	set_members(ts, a, members, n);
	return &a->t;
}

const struct type *type_declare(struct types *ts, enum type_lookup tag, const char *name)
{
	struct agr *a = agr_named(ts, tag, str_of(name));

	if (a->state == AGR_NAME && !a->declared) {
		a->state = AGR_OPEN;
		a->declared = true;
	}
	return &a->t;
}

void type_define(struct types *ts, const struct type *t, uint32_t size, uint32_t align,
		 const struct member *members, uint32_t n)
{
	struct agr *a = agr_of(t);

	a->t.size = size;
	a->t.align = MAX(align, 1);
	set_members(ts, a, members, n);
}

const struct type *
type_struct_lazy(struct types *ts, const char *name, bool is_union, uint32_t size,
		 bool (*complete)(struct types *ts, const struct type *t, void *arg), void *arg)
{
	struct agr *a = agr_new(ts, TYPE_STRUCT, name ? arena_strdup(ts->arena, name) : NULL,
				AGR_CALL);

	a->t.agr.is_union = is_union;
	a->t.size = size;
	a->t.align = layout_align_of_size(size);
	a->complete = complete;
	a->arg = arg;
	return &a->t;
}

void type_be_go_string(const struct type *t)
{
	((struct agr *)(uintptr_t)t)->t.agr.go_string = true;
}

bool type_is_go_string(const struct type *t)
{
	return t->kind == TYPE_STRUCT && t->agr.go_string;
}

void type_typedef(struct types *ts, const char *name, const struct type *t)
{
	strmap_put(&ts->typedefs, str_of(arena_strdup(ts->arena, name)), (void *)t);
}

/* ---- enums ---------------------------------------------------------------------------- */

struct script_enumerator {
	const struct type *type;
	uint64_t value;
};

const struct type *type_enum_new(struct types *ts, const char *name, uint32_t size, bool is_signed,
				 const struct enum_value *values, uint32_t n)
{
	struct agr *a = name ? agr_named(ts, LOOKUP_ENUM, str_of(name))
			     : agr_new(ts, TYPE_ENUM, NULL, AGR_DONE);

	a->t.size = a->t.align = size;
	a->t.enm.is_signed = is_signed;
	a->state = AGR_DONE;
	a->declared = a->defined = true;
	a->values = n ? arena_memdup(ts->arena, values, n * sizeof(*values)) : NULL;
	a->n = n;
	for (uint32_t i = 0; i < n; i++) {
		struct script_enumerator *s = arena_new_of(ts->arena, struct script_enumerator);

		*s = (struct script_enumerator){&a->t, values[i].value};
		strmap_put(&ts->enumerators, str_of(values[i].name), s);
	}
	return &a->t;
}

const struct type *type_enum_local(struct types *ts, const char *name, uint32_t size,
				   bool is_signed, const struct enum_value *values, uint32_t n)
{
	struct agr *a = agr_new(ts, TYPE_ENUM, name ? arena_strdup(ts->arena, name) : NULL,
				AGR_DONE);

	a->t.size = a->t.align = size;
	a->t.enm.is_signed = is_signed;
	a->defined = true;
	a->values = values;
	a->n = n;
	return &a->t;
}

bool type_enumerator(struct types *ts, struct str name, uint64_t *value, const struct type **type)
{
	const struct script_enumerator *s = strmap_get(&ts->enumerators, name);
	const struct type *found;
	uint32_t id;

	if (s) {
		*value = s->value;
		*type = s->type;
		return true;
	}
	id = ts->kernel ? kernel_btf_enumerator(ts->kernel, name, value) : 0;
	found = id ? type_from_btf(ts, id) : NULL;
	fact_enumerator(ts, name, value, found);
	if (found)
		*type = found;
	return found != NULL;
}

const struct enum_value *type_enum_values(struct types *ts, const struct type *t, uint32_t *n)
{
	struct agr *a = agr_of(t);

	*n = 0;
	if (t->kind != TYPE_ENUM)
		return NULL;
	if (a->state == AGR_NAME && !btf_bind(ts, a))
		a->state = AGR_DONE;
	if (a->state == AGR_BTF)
		btf_read_values(ts, a);
	*n = a->n;
	fact_values(ts, t, a->values, a->n);
	return a->values;
}

const char *type_enum_text(struct types *ts, const struct type *t, uint64_t value)
{
	uint64_t mask = t->size < 8 ? (1ull << (t->size * 8)) - 1 : UINT64_MAX;
	uint32_t n;
	const struct enum_value *v = type_enum_values(ts, t, &n);

	for (uint32_t i = 0; i < n; i++)
		if (((v[i].value ^ value) & mask) == 0)
			return v[i].name;
	return NULL;
}

/* ---- members -------------------------------------------------------------------------- */

bool type_complete(struct types *ts, const struct type *t)
{
	struct agr *a = agr_of(t);

	if (t->kind != TYPE_STRUCT)
		return t->kind != TYPE_VOID && t->kind != TYPE_FUNC;
	if (a->state == AGR_NAME && !btf_bind(ts, a))
		a->state = AGR_DONE;
	if (a->state == AGR_BTF)
		btf_read_members(ts, a);
	if (a->state == AGR_CALL) {
		a->state = AGR_OPEN; /* a callback that asks for its own members gets none */
		if (!a->complete || !a->complete(ts, t, a->arg))
			a->state = AGR_DONE;
	}
	return a->defined;
}

static const struct member *members_of(struct types *ts, const struct type *t, uint32_t *n)
{
	*n = 0;
	if (t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD) {
		*n = t->tuple.n;
		return t->tuple.members;
	}
	if (t->kind != TYPE_STRUCT || !type_complete(ts, t))
		return NULL;
	*n = agr_of(t)->n;
	return agr_of(t)->members;
}

const struct member *type_members(struct types *ts, const struct type *t, uint32_t *n)
{
	const struct member *m = members_of(ts, t, n);

	if (t->kind == TYPE_STRUCT)
		fact_layout(ts, t, m, *n);
	return m;
}

/* Damaged type information may nest a struct in itself: both the depth and the number of structs
 * visited are limited, far above what real ones have. */
struct search {
	struct types *ts;
	struct str name;
	struct member *out;
	unsigned depth, visits;
};

static bool find_member(struct search *s, const struct type *t, uint32_t base)
{
	uint32_t n;
	const struct member *m = members_of(s->ts, t, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (!str_eq(m[i].name, s->name))
			continue;
		*s->out = m[i];
		s->out->offset += base;
		return true;
	}
	if (s->depth >= 32 || ++s->visits > 10000)
		return false;
	s->depth++;
	for (uint32_t i = 0; i < n; i++)
		if (!m[i].name.n && m[i].type->kind == TYPE_STRUCT &&
		    find_member(s, m[i].type, base + m[i].offset))
			return true;
	s->depth--;
	return false;
}

bool type_member(struct types *ts, const struct type *t, struct str name, struct member *out)
{
	struct search s = {.ts = ts, .name = name, .out = out};

	bool found = name.n && find_member(&s, t, 0);

	if (t->kind == TYPE_STRUCT && name.n)
		fact_member(ts, t, name, found ? out : NULL);
	return found;
}
