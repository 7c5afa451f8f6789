/* Types from the kernel's BTF.
 *
 * A type is converted when it is asked for: modifiers, typedefs and type tags are peeled off, then
 * the kind decides. Structs and enums are only noted with their id; their members are read by
 * btf_read_members when someone asks (agr.c). So the depth of a conversion is that of one
 * declarator:
 *
 *      [9] PTR ─► [8] TYPE_TAG "user" ─► [7] CONST ─► [6] STRUCT sockaddr
 *      becomes    struct sockaddr *, SPACE_USER
 *
 * BTF is read as if it were damaged: ids may lead nowhere or in circles, names may be missing, and
 * members may lie outside their struct. What cannot be made sense of becomes void, or is left out.
 */
#include <errno.h>

#include <bpf/btf.h>

#include "type/priv.h"

#define MAX_DEPTH 32 /* of one declarator */

static const struct type *convert(struct types *ts, uint32_t id, int depth);

static const char *name_at(const struct btf *btf, uint32_t off)
{
	const char *s = off ? btf__name_by_offset(btf, off) : NULL;

	return s && *s ? s : NULL;
}

/* Peels modifiers and typedefs off; `tag_user` is set when a type tag "user" is among them. Void
 * (NULL with *id 0) when there is nothing behind. */
static const struct btf_type *peel(const struct btf *btf, uint32_t *id, bool *tag_user)
{
	for (int i = 0; i < MAX_DEPTH && *id; i++) {
		const struct btf_type *t = btf__type_by_id(btf, *id);
		const char *name;

		if (!t)
			break;
		if (!btf_is_mod(t) && !btf_is_typedef(t) && !btf_is_type_tag(t) && !btf_is_var(t))
			return t;
		name = btf_is_type_tag(t) ? name_at(btf, t->name_off) : NULL;
		if (name && tag_user && strcmp(name, "user") == 0)
			*tag_user = true;
		*id = t->type;
	}
	*id = 0;
	return NULL;
}

static const struct type *convert_int(struct types *ts, const struct btf *btf,
				      const struct btf_type *t)
{
	const char *name = name_at(btf, t->name_off);
	bool is_signed = btf_int_encoding(t) & BTF_INT_SIGNED;

	if ((btf_int_encoding(t) & BTF_INT_BOOL) && t->size == 1)
		return &type_bool;
	/* The kernel is compiled with unsigned char; the language's char is int8. */
	if (name && strcmp(name, "char") == 0)
		is_signed = true;
	switch (t->size) {
	case 1:
	case 2:
	case 4:
	case 8:
		return type_int(ts, t->size, is_signed);
	}
	return type_wide_int(ts, t->size);
}

/* ---- structs and enums ---------------------------------------------------------------- */

static enum type_lookup tag_of(const struct btf_type *t)
{
	if (btf_is_any_enum(t))
		return LOOKUP_ENUM;
	return btf_is_union(t) ? LOOKUP_UNION : LOOKUP_STRUCT;
}

static void set_place(struct types *ts, struct agr *a, uint32_t id, const struct btf_type *t)
{
	a->btf_id = id;
	a->state = AGR_BTF;
	a->t.size = MIN(t->size, INT32_MAX);
	if (a->path && a->t.kind == TYPE_STRUCT)
		a->t.size = (uint32_t)kernel_fact(ts->kernel, FACT_SIZE, a->path, "", a->t.size);
	a->t.align = layout_align_of_size(a->t.size);
	if (a->t.kind == TYPE_ENUM)
		a->t.enm.is_signed = btf_kflag(t);
	else
		a->t.agr.is_union = btf_is_union(t);
}

static void set_path(struct types *ts, struct agr *a, const char *name)
{
	const char *tag = a->t.kind == TYPE_ENUM ? "enum" : a->t.agr.is_union ? "union" : "struct";

	a->path = arena_printf(ts->arena, "%s %s", tag, name);
}

/* The first definition of a name shares the type that the name has; others stand alone. */
static struct agr *place_of(struct types *ts, const struct btf *btf, uint32_t id,
			    const struct btf_type *t)
{
	const char *name = name_at(btf, t->name_off);
	enum type_lookup tag = tag_of(t);
	struct agr *a;

	if (name && btf_find(ts->kernel, name, btf_kind(t)) == id) {
		a = agr_named(ts, tag, str_of(name));
		if (a->btf_id == id)
			return a;
		if (a->state == AGR_NAME) {
			set_path(ts, a, name);
			set_place(ts, a, id, t);
			return a;
		}
	}
	if (name)
		name = arena_strdup(ts->arena, name);
	a = agr_new(ts, tag == LOOKUP_ENUM ? TYPE_ENUM : TYPE_STRUCT, name, AGR_BTF);
	set_place(ts, a, id, t);
	return a;
}

static const struct type *convert_agr(struct types *ts, const struct btf *btf, uint32_t id,
				      const struct btf_type *t)
{
	struct agr *a = strmap_get(&ts->by_id, (struct str){(const char *)&id, sizeof(id)});

	if (a)
		return &a->t;
	a = place_of(ts, btf, id, t);
	strmap_put(&ts->by_id, (struct str){arena_memdup(ts->arena, &id, sizeof(id)), sizeof(id)},
		   a);
	return &a->t;
}

static const struct type *convert_fwd(struct types *ts, const struct btf *btf,
				      const struct btf_type *t)
{
	const char *name = name_at(btf, t->name_off);

	if (!name)
		return &type_void;
	return &agr_named(ts, btf_kflag(t) ? LOOKUP_UNION : LOOKUP_STRUCT, str_of(name))->t;
}

bool btf_bind(struct types *ts, struct agr *a)
{
	const char *name = a->t.kind == TYPE_ENUM ? a->t.enm.name : a->t.agr.name;
	const struct btf *btf = ts->kernel ? kernel_btf(ts->kernel, NULL) : NULL;
	const struct btf_type *t;
	uint32_t id;

	if (!btf)
		return false;
	if (a->t.kind == TYPE_ENUM) {
		id = btf_find(ts->kernel, name, BTF_KIND_ENUM);
		id = id ? id : btf_find(ts->kernel, name, BTF_KIND_ENUM64);
	} else {
		id = btf_find(ts->kernel, name,
			      a->t.agr.is_union ? BTF_KIND_UNION : BTF_KIND_STRUCT);
	}
	if (!id) /* "sigset_t *": known by the name of a typedef */
		id = btf_find(ts->kernel, name, BTF_KIND_TYPEDEF);
	t = peel(btf, &id, NULL);
	if (!t || (a->t.kind == TYPE_ENUM ? !btf_is_any_enum(t) : !btf_is_composite(t)))
		return false;
	set_path(ts, a, name);
	set_place(ts, a, id, t);
	return true;
}

/* Bit-fields: by the member's own size, or, before kind_flag, by the integer's. */
static uint32_t bits_of(const struct btf *btf, const struct btf_type *parent, uint32_t i,
			uint32_t *at)
{
	uint32_t bits = btf_member_bitfield_size(parent, i), id = btf_members(parent)[i].type;
	const struct btf_type *t = peel(btf, &id, NULL);

	*at = btf_member_bit_offset(parent, i);
	if (!btf_kflag(parent) && t && btf_is_int(t) &&
	    (btf_int_bits(t) != t->size * 8 || btf_int_offset(t))) {
		*at += btf_int_offset(t);
		bits = btf_int_bits(t);
	}
	return bits;
}

static bool read_member(struct types *ts, const struct btf *btf, const struct btf_type *parent,
			uint32_t i, struct member *m)
{
	const char *name = name_at(btf, btf_members(parent)[i].name_off);
	uint32_t at, bits = bits_of(btf, parent, i, &at);

	*m = (struct member){.type = convert(ts, btf_members(parent)[i].type, 0)};
	if (name)
		m->name = (struct str){name, strlen(name)};
	if (bits) {
		type_place_bits(m, at, bits, parent->size);
		return type_is_integer(m->type) && bits <= 64 &&
		       (uint64_t)m->offset + m->load_size <= parent->size;
	}
	m->offset = at / 8;
	return at % 8 == 0 &&
	       (kernel_shifting(ts->kernel) || (uint64_t)m->offset + m->type->size <= parent->size);
}

void btf_read_members(struct types *ts, struct agr *a)
{
	const struct btf *btf = kernel_btf(ts->kernel, NULL);
	const struct btf_type *t = btf__type_by_id(btf, a->btf_id);
	struct member *members = arena_array_of(ts->arena, struct member, btf_vlen(t));
	uint32_t align = 1, n = 0;

	a->state = AGR_DONE;
	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		if (!read_member(ts, btf, t, i, &members[n]))
			continue;
		align = MAX(align, members[n].type->align);
		n++;
	}
	a->t.align = MIN(a->t.align, align);
	a->members = members;
	a->n = n;
	a->defined = true;
}

static struct enum_value read_value(const struct btf *btf, const struct btf_type *t, uint32_t i)
{
	if (btf_is_enum64(t))
		return (struct enum_value){name_at(btf, btf_enum64(t)[i].name_off),
					   btf_enum64_value(&btf_enum64(t)[i])};
	return (struct enum_value){name_at(btf, btf_enum(t)[i].name_off),
				   btf_kflag(t) ? (uint64_t)(int64_t)btf_enum(t)[i].val
						: (uint32_t)btf_enum(t)[i].val};
}

void btf_read_values(struct types *ts, struct agr *a)
{
	const struct btf *btf = kernel_btf(ts->kernel, NULL);
	const struct btf_type *t = btf__type_by_id(btf, a->btf_id);
	struct enum_value *values = arena_array_of(ts->arena, struct enum_value, btf_vlen(t));

	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		values[a->n] = read_value(btf, t, i);
		a->n += values[a->n].name != NULL;
	}
	a->values = values;
	a->state = AGR_DONE;
	a->defined = true;
}

/* ---- any type ------------------------------------------------------------------------- */

static const struct type *convert_ptr(struct types *ts, const struct btf *btf,
				      const struct btf_type *t, int depth)
{
	uint32_t id = t->type;
	bool user = false;

	peel(btf, &id, &user);
	return type_ptr(ts, convert(ts, id, depth + 1), user ? SPACE_USER : SPACE_KERNEL);
}

static const struct type func_type = {.kind = TYPE_FUNC, .size = 0, .align = 1};

static const struct type *convert(struct types *ts, uint32_t id, int depth)
{
	const struct btf *btf = kernel_btf(ts->kernel, NULL);
	const struct btf_type *t = peel(btf, &id, NULL);

	if (!t || depth > MAX_DEPTH)
		return &type_void;
	switch (btf_kind(t)) {
	case BTF_KIND_INT:
		return convert_int(ts, btf, t);
	case BTF_KIND_FLOAT:
		return type_float(ts, t->size);
	case BTF_KIND_PTR:
		return convert_ptr(ts, btf, t, depth);
	case BTF_KIND_ARRAY:
		return type_array(ts, convert(ts, btf_array(t)->type, depth + 1),
				  btf_array(t)->nelems);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return convert_agr(ts, btf, id, t);
	case BTF_KIND_FWD:
		return convert_fwd(ts, btf, t);
	case BTF_KIND_FUNC:
	case BTF_KIND_FUNC_PROTO:
		return &func_type;
	}
	return &type_void;
}

const struct type *type_from_btf(struct types *ts, uint32_t id)
{
	if (!ts->kernel || !kernel_btf(ts->kernel, NULL))
		return &type_void;
	return convert(ts, id, 0);
}

static const struct type *lookup_kind(struct types *ts, const char *name, unsigned kind)
{
	uint32_t id = ts->kernel ? btf_find(ts->kernel, name, kind) : 0;

	return id ? type_from_btf(ts, id) : NULL;
}

static const struct type *lookup_tagged(struct types *ts, enum type_lookup tag, const char *name)
{
	const struct agr *a = agr_find(ts, tag, str_of(name));
	const struct type *t;

	if (a && a->declared)
		return &a->t;
	switch (tag) {
	case LOOKUP_STRUCT:
		return lookup_kind(ts, name, BTF_KIND_STRUCT);
	case LOOKUP_UNION:
		return lookup_kind(ts, name, BTF_KIND_UNION);
	default:
		t = lookup_kind(ts, name, BTF_KIND_ENUM);
		return t ? t : lookup_kind(ts, name, BTF_KIND_ENUM64);
	}
}

const struct type *type_lookup(struct types *ts, enum type_lookup tag, struct str name)
{
	const char *z = arena_strndup(ts->arena, name.p, name.n);
	const struct type *t;

	if (tag != LOOKUP_PLAIN) {
		t = lookup_tagged(ts, tag, z);
	} else {
		t = strmap_get(&ts->typedefs, name);
		if (!t)
			t = type_builtin(ts, name);
		if (t)
			return t;
		t = lookup_kind(ts, z, BTF_KIND_TYPEDEF);
	}
	fact_type(ts, tag, name, t);
	return t;
}
