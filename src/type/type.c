/* Making types.
 *
 * What has no identity of its own is interned: equal parts give one pointer. The key is a fixed
 * block of bytes with everything that tells two types apart,
 *
 *      │ kind │ a │ b │ c │ p │ q │        pointers and numbers, unused ones zero
 *
 * and tuples use the bytes of all their items behind it. Integers are constants of the program.
 */
#include <stdlib.h>

#include "type/priv.h"

const struct type type_poison = {.kind = TYPE_POISON, .size = 8, .align = 8};
const struct type type_void = {.kind = TYPE_VOID, .size = 0, .align = 1};
const struct type type_bool = {.kind = TYPE_BOOL, .size = 1, .align = 1};

struct type_key {
	uint64_t kind, a, b;
	uint64_t p[4];
};

struct types *types_new(struct arena *a, struct kernel *k)
{
	struct types *ts = arena_new_of(a, struct types);

	ts->arena = a;
	ts->kernel = k;
	strmap_init(&ts->interned, a);
	strmap_init(&ts->named, a);
	strmap_init(&ts->by_id, a);
	strmap_init(&ts->typedefs, a);
	strmap_init(&ts->enumerators, a);
	strmap_init(&ts->dwarfs, a);
	strmap_init(&ts->cache, a);
	return ts;
}

struct kernel *types_kernel(struct types *ts)
{
	return ts->kernel;
}

#define INT(n, s, f)                                                                             \
	{                                                                                        \
		.kind = TYPE_INT, .size = n, .align = n, .num = {.is_signed = s, .flexible = f } \
	}

/* [flexible][signed][log2 of the size] */
static const struct type ints[2][2][4] = {
	{{INT(1, false, false), INT(2, false, false), INT(4, false, false), INT(8, false, false)},
	 {INT(1, true, false), INT(2, true, false), INT(4, true, false), INT(8, true, false)}},
	{{INT(1, false, true), INT(2, false, true), INT(4, false, true), INT(8, false, true)},
	 {INT(1, true, true), INT(2, true, true), INT(4, true, true), INT(8, true, true)}},
};

static unsigned log2_of(unsigned bytes)
{
	switch (bytes) {
	case 1:
		return 0;
	case 2:
		return 1;
	case 4:
		return 2;
	case 8:
		return 3;
	}
	BUG("integer of %u bytes", bytes);
}

const struct type *type_int(struct types *ts, unsigned bytes, bool is_signed)
{
	return &ints[false][is_signed][log2_of(bytes)];
}

/* The smallest signed type that holds it. */
const struct type *type_int_literal(struct types *ts, uint64_t value, bool is_unsigned64)
{
	int64_t v = value;
	unsigned log2 = 3;

	if (is_unsigned64)
		return &ints[false][false][3];
	if (v == (int8_t)v)
		log2 = 0;
	else if (v == (int16_t)v)
		log2 = 1;
	else if (v == (int32_t)v)
		log2 = 2;
	return &ints[v >= 0][true][log2];
}

/* The type of this key; *made tells that it is new and must be filled in. */
static struct type *intern(struct types *ts, const void *key, size_t n, bool *made)
{
	struct type *t = strmap_get(&ts->interned, (struct str){key, n});

	*made = !t;
	if (t)
		return t;
	t = arena_new_of(ts->arena, struct type);
	strmap_put(&ts->interned, (struct str){arena_memdup(ts->arena, key, n), n}, t);
	return t;
}

static struct type *intern_key(struct types *ts, const struct type_key *key, uint32_t size,
			       uint32_t align, bool *made)
{
	struct type *t = intern(ts, key, sizeof(*key), made);

	if (*made) {
		t->kind = key->kind;
		t->size = size;
		t->align = align;
	}
	return t;
}

const struct type *type_ptr(struct types *ts, const struct type *to, enum space space)
{
	struct type_key key = {.kind = TYPE_PTR, .a = space, .p = {(uintptr_t)to}};
	bool made;
	struct type *t = intern_key(ts, &key, 8, 8, &made);

	if (made) {
		t->ptr.to = to;
		t->ptr.space = space;
	}
	return t;
}

/* Sizes that do not fit (only damaged type information has them) leave an array of nothing. */
const struct type *type_array(struct types *ts, const struct type *of, uint32_t count)
{
	uint64_t size = (uint64_t)of->size * count;
	struct type_key key = {.kind = TYPE_ARRAY, .p = {(uintptr_t)of}};
	bool made;
	struct type *t;

	if (size > INT32_MAX)
		size = count = 0;
	key.a = count;
	key.b = size; /* an element known by name only may get its size later */
	t = intern_key(ts, &key, size, MAX(of->align, 1), &made);
	if (made) {
		t->array.of = of;
		t->array.count = count;
	}
	return t;
}

const struct type *type_string(struct types *ts, uint32_t cap)
{
	struct type_key key = {.kind = TYPE_STRING, .a = cap};
	bool made;
	struct type *t = intern_key(ts, &key, cap, 1, &made);

	t->str.cap = cap;
	return t;
}

const struct type *type_buf(struct types *ts, uint32_t cap)
{
	struct type_key key = {.kind = TYPE_BUF, .a = cap};
	bool made;
	struct type *t = intern_key(ts, &key, 4 + cap, 4, &made);

	t->str.cap = cap;
	return t;
}

const struct type *type_stack(struct types *ts, enum stack_kind kind, enum stack_mode mode,
			      uint32_t limit)
{
	struct type_key key = {.kind = TYPE_STACK, .a = kind, .b = mode, .p = {limit}};
	bool made;
	struct type *t = intern_key(ts, &key, 16, 8, &made);

	t->stack.kind = kind;
	t->stack.mode = mode;
	t->stack.limit = limit;
	return t;
}

const struct type *type_view_sized(struct types *ts, const struct view *v, uint64_t arg,
				   uint32_t size)
{
	struct type_key key = {.kind = TYPE_VIEW, .a = arg, .b = size, .p = {(uintptr_t)v}};
	bool made;
	struct type *t = intern_key(ts, &key, size, MAX(v->align, 1), &made);

	t->view.view = v;
	t->view.arg = arg;
	return t;
}

const struct type *type_view(struct types *ts, const struct view *v, uint64_t arg)
{
	return type_view_sized(ts, v, arg, v->size);
}

const struct type *type_agg(struct types *ts, const struct agg *agg, uint32_t size, bool is_signed,
			    const int64_t p[3])
{
	struct type_key key = {.kind = TYPE_AGG, .a = is_signed, .b = size, .p = {(uintptr_t)agg}};
	bool made;
	struct type *t;

	for (int i = 0; p && i < 3; i++)
		key.p[i + 1] = p[i];
	t = intern_key(ts, &key, size, 8, &made);
	if (made) {
		t->agg.agg = agg;
		t->agg.is_signed = is_signed;
		memcpy(t->agg.p, &key.p[1], sizeof(t->agg.p));
	}
	return t;
}

/* Key: the kind, then for each item its type and the bytes of its name with their number. */
static const struct type *tuple(struct types *ts, enum type_kind kind, const struct str *names,
				const struct type *const *items, uint32_t n)
{
	struct buf key = BUF_INIT;
	struct member *members;
	struct type *t;
	bool made;

	buf_add(&key, &kind, sizeof(kind));
	for (uint32_t i = 0; i < n; i++) {
		buf_add(&key, &items[i], sizeof(items[i]));
		if (names) {
			buf_add(&key, &names[i].n, sizeof(names[i].n));
			buf_addstr(&key, names[i]);
		}
	}
	t = intern(ts, key.p, key.n, &made);
	buf_release(&key);
	if (!made)
		return t;
	members = arena_array_of(ts->arena, struct member, n);
	for (uint32_t i = 0; i < n; i++) {
		members[i].type = items[i];
		if (names && names[i].n)
			members[i].name = (struct str){
				arena_strndup(ts->arena, names[i].p, names[i].n), names[i].n};
	}
	t->kind = kind;
	t->tuple.members = members;
	t->tuple.n = n;
	layout_tuple(t, members, n);
	return t;
}

const struct type *type_tuple(struct types *ts, const struct type *const *items, uint32_t n)
{
	return tuple(ts, TYPE_TUPLE, NULL, items, n);
}

const struct type *type_record(struct types *ts, const struct str *names,
			       const struct type *const *items, uint32_t n)
{
	return tuple(ts, TYPE_RECORD, names, items, n);
}
