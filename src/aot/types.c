/* Types of an image. Each is written behind what it is made of, and is meant by its number:
 *
 *   u32 kind, then by kind
 *     int     bytes, signed                   enum    bytes, signed, name?, n { name, u64 }
 *     ptr     -                               array   of, count
 *     struct  name?, union, size, align, n { name, type, offset, bit_off, bit_size, load_size }
 *     string, buf  cap                        tuple   n { type }        record  n { name, type }
 *     stack   kind, mode, limit               view    name, u64 arg     agg     name, signed,
 * u64[3] u32 size, align                           as they must come out
 *
 * Values that reach user space are copies: what a pointer points to is not kept. */
#include "aot/priv.h"
#include "sema/builtin.h"

enum {
	SIZE_MAX_OF_TYPE = 1 << 26,
	DEPTH_MAX = 64, /* types inside types: they are printed by recursion */
};

/* ---- writing ---------------------------------------------------------------------------- */

static void number_parts(struct type_writer *w, const struct type *t)
{
	uint32_t n = 0;
	const struct member *m = NULL;

	if (t->kind == TYPE_ARRAY)
		type_number(w, t->array.of);
	else if (t->kind == TYPE_STRUCT || t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD)
		m = type_members(w->ts, t, &n);
	for (uint32_t i = 0; i < n; i++)
		type_number(w, m[i].type);
}

uint32_t type_number(struct type_writer *w, const struct type *t)
{
	struct str key = {arena_memdup(w->a, &t, sizeof(t)), sizeof(t)};
	uintptr_t known = (uintptr_t)strmap_get(&w->numbers, key);

	if (known)
		return (uint32_t)known - 1;
	number_parts(w, t);
	vec_push(w->a, &w->order, t);
	strmap_put(&w->numbers, key, (void *)(uintptr_t)w->order.n);
	return (uint32_t)w->order.n - 1;
}

static void put_members(struct type_writer *w, const struct type *t, struct buf *out)
{
	uint32_t n;
	const struct member *m = type_members(w->ts, t, &n);

	put_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		if (t->kind != TYPE_TUPLE)
			put_str(out, m[i].name);
		put_u32(out, type_number(w, m[i].type));
		if (t->kind != TYPE_STRUCT)
			continue;
		put_u32(out, m[i].offset);
		put_u32(out, m[i].bit_off);
		put_u32(out, m[i].bit_size);
		put_u32(out, m[i].load_size);
	}
}

static void put_enum(struct type_writer *w, const struct type *t, struct buf *out)
{
	uint32_t n;
	const struct enum_value *v = type_enum_values(w->ts, t, &n);

	put_u32(out, t->enm.is_signed);
	put_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		put_text(out, v[i].name);
		put_u64(out, v[i].value);
	}
}

static void put_struct(struct type_writer *w, const struct type *t, struct buf *out)
{
	put_text(out, t->agr.name);
	put_u32(out, t->agr.is_union);
	put_members(w, t, out);
}

static void put_agg(const struct type *t, struct buf *out)
{
	put_text(out, t->agg.agg->name);
	put_u32(out, t->agg.is_signed);
	for (int i = 0; i < 3; i++)
		put_u64(out, (uint64_t)t->agg.p[i]);
}

static void put_stack(const struct type *t, struct buf *out)
{
	put_u32(out, t->stack.kind);
	put_u32(out, t->stack.mode);
	put_u32(out, t->stack.limit);
}

static void put_parts(struct type_writer *w, const struct type *t, struct buf *out)
{
	switch (t->kind) {
	case TYPE_INT:
		return put_u32(out, t->num.is_signed);
	case TYPE_ENUM:
		return put_enum(w, t, out);
	case TYPE_ARRAY:
		put_u32(out, type_number(w, t->array.of));
		return put_u32(out, t->array.count);
	case TYPE_STRUCT:
		return put_struct(w, t, out);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return put_members(w, t, out);
	case TYPE_STRING:
	case TYPE_BUF:
		return put_u32(out, t->str.cap);
	case TYPE_STACK:
		return put_stack(t, out);
	case TYPE_VIEW:
		put_text(out, t->view.view->name);
		return put_u64(out, t->view.arg);
	case TYPE_AGG:
		return put_agg(t, out);
	default:
		return;
	}
}

void types_write(struct type_writer *w, struct buf *out)
{
	put_u32(out, (uint32_t)w->order.n);
	for (size_t i = 0; i < w->order.n; i++) {
		const struct type *t = w->order.v[i];

		put_u32(out, t->kind);
		put_u32(out, t->size);
		put_u32(out, t->align);
		put_parts(w, t, out);
	}
}

/* ---- reading ---------------------------------------------------------------------------- */

/* One type being read. */
struct type_head {
	struct reader *r;
	struct types *ts;
	const struct type_list *l; /* those before it */
	enum type_kind kind;
	uint32_t size, align;
	unsigned depth; /* of the deepest part */
};

const struct type *get_type(struct reader *r, const struct type_list *l)
{
	uint32_t i = get_u32(r);

	if (i == NO_TYPE)
		return NULL;
	if (i < l->n)
		return l->v[i];
	r->bad = true;
	return NULL;
}

static const struct type *part(struct type_head *h)
{
	size_t at = h->r->at;
	const struct type *t = get_type(h->r, h->l);
	struct reader again = *h->r;
	unsigned depth;

	if (!t || t->kind == TYPE_AGG) {
		h->r->bad = true;
		return &type_void;
	}
	again.at = at;
	depth = h->l->depth[get_u32(&again)];
	h->depth = MAX(h->depth, depth);
	return t;
}

static const struct type *read_int(struct type_head *h)
{
	bool is_signed = get_bool(h->r);

	if (h->size == 1 || h->size == 2 || h->size == 4 || h->size == 8)
		return type_int(h->ts, h->size, is_signed);
	return NULL;
}

static const struct type *read_enum(struct type_head *h)
{
	bool is_signed = get_bool(h->r);
	uint32_t n = get_count(h->r, 12);
	struct enum_value *v = arena_array_of(h->r->a, struct enum_value, n + 1);

	for (uint32_t i = 0; i < n; i++) {
		v[i].name = get_text(h->r);
		v[i].value = get_u64(h->r);
	}
	if (h->size != 1 && h->size != 2 && h->size != 4 && h->size != 8)
		return NULL;
	return type_enum_new(h->ts, NULL, h->size, is_signed, v, n);
}

static const struct type *read_array(struct type_head *h)
{
	const struct type *of = part(h);
	uint32_t count = get_u32(h->r);

	if ((uint64_t)of->size * count > SIZE_MAX_OF_TYPE || (!of->size && count > UINT16_MAX))
		return NULL;
	return type_array(h->ts, of, count);
}

static bool bits_fit(const struct member *m)
{
	return !m->bit_size ||
	       ((m->load_size == 1 || m->load_size == 2 || m->load_size == 4 ||
		 m->load_size == 8) &&
		m->bit_off + m->bit_size <= m->load_size * 8 && type_is_integer(m->type));
}

static void read_member(struct type_head *h, struct member *m)
{
	uint32_t span;

	m->name = get_str(h->r);
	m->type = part(h);
	m->offset = get_u32(h->r);
	m->bit_off = (uint8_t)get_below(h->r, 64);
	m->bit_size = (uint8_t)get_below(h->r, 65);
	m->load_size = (uint8_t)get_below(h->r, 9);
	span = m->bit_size ? m->load_size : m->type->size;
	if (!bits_fit(m) || (uint64_t)m->offset + span > h->size)
		h->r->bad = true;
}

static const struct type *read_struct(struct type_head *h)
{
	const char *name = get_text_or_none(h->r);
	bool is_union = get_bool(h->r);
	uint32_t n = get_count(h->r, 24);
	struct member *m = arena_array_of(h->r->a, struct member, n + 1);
	struct type *t;

	for (uint32_t i = 0; i < n; i++)
		read_member(h, &m[i]);
	if (h->r->bad)
		return NULL;
	t = (struct type *)type_struct_new(h->ts, name, h->size, m, n);
	t->agr.is_union = is_union;
	type_define(h->ts, t, h->size, h->align, m, n);
	return t;
}

static const struct type *read_items(struct type_head *h)
{
	uint32_t n = get_count(h->r, 4);
	const struct type **items = arena_array_of(h->r->a, const struct type *, n + 1);
	struct str *names = arena_array_of(h->r->a, struct str, n + 1);
	uint64_t size = 0;

	for (uint32_t i = 0; i < n; i++) {
		names[i] = h->kind == TYPE_RECORD ? get_str(h->r) : (struct str){"", 0};
		items[i] = part(h);
		size += items[i]->size;
	}
	if (h->r->bad || size > SIZE_MAX_OF_TYPE)
		return NULL;
	return h->kind == TYPE_TUPLE ? type_tuple(h->ts, items, n)
				     : type_record(h->ts, names, items, n);
}

static const struct type *read_stack(struct type_head *h)
{
	enum stack_kind kind = (enum stack_kind)get_below(h->r, STACK_USER + 1);
	enum stack_mode mode = (enum stack_mode)get_below(h->r, STACK_BUILD_ID + 1);

	return type_stack(h->ts, kind, mode, get_below(h->r, 1 << 16));
}

static const struct type *read_view(struct type_head *h)
{
	const char *name = get_text(h->r);
	uint64_t arg = get_u64(h->r);

	for (const struct view *const *v = value_views; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return type_view(h->ts, *v, arg);
	return NULL;
}

static const struct agg *find_agg(const char *name)
{
	for (const struct builtin *const *family = builtin_families; *family; family++)
		for (const struct builtin *b = *family; b->name; b++)
			if (b->agg && strcmp(b->agg->name, name) == 0)
				return b->agg;
	return NULL;
}

static const struct type *read_agg(struct type_head *h)
{
	const struct agg *agg = find_agg(get_text(h->r));
	bool is_signed = get_bool(h->r);
	int64_t p[3];

	for (int i = 0; i < 3; i++)
		p[i] = (int64_t)get_u64(h->r);
	if (!agg || (agg->valid && !agg->valid(p)))
		return NULL;
	return type_agg(h->ts, agg, agg->size(p), is_signed, p);
}

static const struct type *read_string(struct type_head *h)
{
	uint32_t cap = get_below(h->r, SIZE_MAX_OF_TYPE);

	return h->kind == TYPE_STRING ? type_string(h->ts, cap) : type_buf(h->ts, cap);
}

static const struct type *read_float(struct type_head *h)
{
	struct type *t = arena_new_of(h->r->a, struct type);

	*t = (struct type){.kind = TYPE_FLOAT, .size = h->size, .align = h->align};
	return h->size == 4 || h->size == 8 || h->size == 16 ? t : NULL;
}

static const struct type *read_parts(struct type_head *h)
{
	switch (h->kind) {
	case TYPE_VOID:
	case TYPE_FUNC:
		return &type_void;
	case TYPE_BOOL:
		return &type_bool;
	case TYPE_INT:
		return read_int(h);
	case TYPE_FLOAT:
		return read_float(h);
	case TYPE_ENUM:
		return read_enum(h);
	case TYPE_PTR:
		return type_ptr(h->ts, &type_void, SPACE_NONE);
	case TYPE_ARRAY:
		return read_array(h);
	case TYPE_STRUCT:
		return read_struct(h);
	case TYPE_STRING:
	case TYPE_BUF:
		return read_string(h);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return read_items(h);
	case TYPE_STACK:
		return read_stack(h);
	case TYPE_VIEW:
		return read_view(h);
	case TYPE_AGG:
		return read_agg(h);
	case TYPE_POISON:
		break;
	}
	return NULL;
}

static const struct type *read_type(struct reader *r, struct types *ts, struct type_list *l)
{
	struct type_head h = {r, ts, l, (enum type_kind)get_below(r, TYPE_AGG + 1), 0, 0, 0};
	const struct type *t;

	h.size = get_below(r, SIZE_MAX_OF_TYPE);
	h.align = get_below(r, 65);
	t = r->bad || !h.align || (h.align & (h.align - 1)) ? NULL : read_parts(&h);
	l->depth[l->n] = (uint8_t)(h.depth + 1);
	return t && h.depth < DEPTH_MAX && (t->size == h.size || h.kind == TYPE_FUNC) ? t : NULL;
}

bool types_read(struct reader *r, struct types *ts, struct type_list *out)
{
	uint32_t n = get_count(r, 12);

	out->v = arena_array_of(r->a, const struct type *, n + 1);
	out->depth = arena_array_of(r->a, uint8_t, n + 1);
	for (out->n = 0; out->n < n && !r->bad; out->n++) {
		out->v[out->n] = read_type(r, ts, out);
		if (!out->v[out->n])
			r->bad = true;
	}
	return !r->bad;
}
