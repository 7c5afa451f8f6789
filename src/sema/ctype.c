/* Types that a script or a header defines: struct, union, enum, typedef.
 *
 *   struct event { u64 ts; char name[16]; struct list *next; unsigned a : 3, b : 5;
 *                  union { int x; long y; }; int (*done[2])(int); };
 *
 * They are laid out as the C compiler would do it (clayout.c) and, when they are the script's own,
 * hide the kernel's types of the same name. Functions have no size: a pointer to one is void *.
 * Definitions may be in any order: names are declared before use. */
#include "sema/cparse.h"

#define DEPTH_MAX   32
#define ARRAY_LIMIT (1u << 24)

/* ---- declarators ----------------------------------------------------------------------------- */

static const struct type *pointers(struct cparse *c, const struct type *t, struct cattr *a)
{
	for (;;) {
		struct str w = c_word(c);

		if (c_is_qualifier(w)) {
			c_advance(c, w.n);
		} else if (c_take(c, '*')) {
			t = type_ptr(c->s->types, t, SPACE_KERNEL);
			c->base_align = 0;
		} else {
			c_attributes(c, a);
			if (!c_is_qualifier(c_word(c)) && (!c->t.n || c->t.p[0] != '*'))
				return t;
		}
	}
}

/* `[2][3]` or `(int, char)`: the last one is the innermost. */
static const struct type *suffixes(struct cparse *c, const struct type *t)
{
	uint64_t n = 0;

	c_space(c);
	if (c->t.n && c->t.p[0] == '(') {
		c_balanced(c);
		return suffixes(c, &type_void);
	}
	if (!c_take(c, '['))
		return t;
	while (c_is_qualifier(c_word(c)))
		c_advance(c, c_word(c).n);
	if (!c_take(c, ']')) {
		n = c_number(c, "]");
		if (!c_take(c, ']'))
			c_fail(c, "]");
	}
	t = suffixes(c, t);
	if (n > ARRAY_LIMIT || n * t->size > ARRAY_LIMIT)
		c_fail(c, "an array of less than 16 MiB");
	return c->bad ? t : type_array(c->s->types, t, n);
}

/* What stands in parentheses is applied last: `int (*f)(void)` is a pointer to what the rest says.
 */
static const struct type *nested(struct cparse *c, const struct type *base, struct str *name,
				 struct cattr *a)
{
	struct str inside, after;

	inside = (struct str){c->t.p + 1, c->t.n - 1};
	c_balanced(c);
	base = suffixes(c, base);
	after = c->t;
	c->t = inside;
	base = c_declarator(c, base, name, a);
	if (!c_take(c, ')'))
		c_fail(c, ")");
	c->t = after;
	return base;
}

const struct type *c_declarator(struct cparse *c, const struct type *base, struct str *name,
				struct cattr *a)
{
	const struct type *t;

	*name = (struct str){NULL, 0};
	if (++c->depth > DEPTH_MAX) {
		c_fail(c, "less nesting");
		return base;
	}
	t = pointers(c, base, a);
	c_space(c);
	if (c->t.n && c->t.p[0] == '(') {
		t = nested(c, t, name, a);
	} else {
		*name = c_word(c);
		c_advance(c, name->n);
		t = suffixes(c, t);
	}
	c_attributes(c, a);
	c->depth--;
	return t;
}

/* mode(DI) and vector_size(16) make another type of the one that was read. */
static const struct type *shaped(struct cparse *c, const struct type *t, const struct cattr *a)
{
	if (a->mode && t->kind == TYPE_INT)
		t = type_int(c->s->types, a->mode, type_is_signed(t));
	if (a->vector && t->size && a->vector <= 4096) {
		t = type_array(c->s->types, t, a->vector / t->size);
		c->base_align = a->vector;
	}
	return t;
}

/* ---- members --------------------------------------------------------------------------------- */

static void member(struct cparse *c, struct members *m, const struct type *base, struct cattr a)
{
	struct member f = {0};

	f.type = shaped(c, c_declarator(c, base, &f.name, &a), &a);
	if (c->bad)
		return;
	if (c_take(c, ':')) {
		uint64_t width = c_number(c, ",;");

		c_attributes(c, &a);
		c_place_bits(c, m, f, width, &a);
	} else if (!f.name.n && f.type->kind != TYPE_STRUCT) {
		/* `enum { A, B };` among the members only defines names. */
		if (f.type->kind != TYPE_ENUM)
			c_fail(c, "the name of a field");
	} else if (f.type->kind == TYPE_VOID || (f.type->kind == TYPE_STRUCT && !f.type->size &&
						 !type_complete(c->s->types, f.type))) {
		c_fail(c, "a type whose size is known");
	} else {
		c_place(c, m, f, &a);
	}
}

/* What the preprocessor made of #pragma pack: (), (N), (push), (push, N), (pop). */
static bool take_pack(struct cparse *c)
{
	struct cpp *p = c->s->cpp;
	struct str w;

	if (!c_take_word(c, CPP_PACK))
		return false;
	c_take(c, '(');
	c_space(c);
	if (c->t.n && c->t.p[0] == ')')
		p->pack = 0;
	while (c->t.n && !c_take(c, ')')) {
		w = c_word(c);
		if (c_take_word(c, "push")) {
			if (p->npacks < ARRAY_SIZE(p->packs))
				p->packs[p->npacks++] = p->pack;
		} else if (c_take_word(c, "pop")) {
			p->pack = p->npacks ? p->packs[--p->npacks] : 0;
		} else if (w.n && w.p[0] >= '0' && w.p[0] <= '9') {
			p->pack = (uint32_t)c_number(c, ",)");
		} else if (!c_take(c, ',')) {
			c_advance(c, MAX(w.n, 1));
		}
	}
	return true;
}

static void fields(struct cparse *c, struct members *m)
{
	while (!c->bad && !c_take(c, '}')) {
		struct cattr a = {0};
		const struct type *base;

		if (take_pack(c) || c_take(c, ';'))
			continue;
		if (str_is(c_word(c), "_Static_assert") || str_is(c_word(c), "static_assert")) {
			c_skip_declaration(c);
			continue;
		}
		base = c_base(c, &a);
		if (!base)
			return;
		do {
			uint32_t align = c->base_align;

			member(c, m, base, a);
			c->base_align = align;
		} while (!c->bad && c_take(c, ','));
		/* Compilers only warn of the last field's missing semicolon, and scripts rely on
		 * it. */
		if (!c->bad && !c_take(c, ';') && !c_at(c, '}'))
			c_fail(c, "; behind the field");
	}
}

/* ---- structs and unions ---------------------------------------------------------------------- */

const struct type *c_known(struct cparse *c, enum type_lookup tag, struct str name)
{
	const struct type *t;

	if (c->own || !name.n)
		return NULL;
	t = type_lookup(c->s->types, tag, name);
	return t || tag != LOOKUP_PLAIN ? t : type_builtin(c->s->types, name);
}

/* The attributes behind the closing brace say how everything before is laid out. */
static void attributes_ahead(struct cparse ahead, struct cattr *a)
{
	c_balanced(&ahead);
	c_attributes(&ahead, a);
}

static const struct type *define(struct cparse *c, bool is_union, struct str name, struct cattr *a)
{
	struct members m = {.is_union = is_union, .align = 1, .pack = c->s->cpp->pack};
	enum type_lookup tag = is_union ? LOOKUP_UNION : LOOKUP_STRUCT;
	const struct type *t;
	struct cattr again = {0};
	uint64_t size;

	attributes_ahead(*c, a);
	m.packed = a->packed;
	t = name.n ? type_declare(c->s->types, tag, arena_strndup(c->s->a, name.p, name.n))
		   : type_struct_lazy(c->s->types, NULL, is_union, 0, NULL, NULL);
	c_take(c, '{');
	if (++c->depth > DEPTH_MAX)
		c_fail(c, "less nesting");
	fields(c, &m);
	c->depth--;
	c_attributes(c, &again);
	if (c->bad)
		return NULL;
	c->base_align = 0;
	size = c_finish(&m, a);
	type_define(c->s->types, t, (uint32_t)size, m.align, m.v.v, m.v.n);
	return t;
}

const struct type *c_aggregate(struct cparse *c, bool is_union)
{
	enum type_lookup tag = is_union ? LOOKUP_UNION : LOOKUP_STRUCT;
	struct cattr a = {0};
	const struct type *t;
	struct str name;
	bool body;

	c_attributes(c, &a);
	name = c_word(c);
	c_advance(c, name.n);
	c_space(c);
	body = c->t.n && c->t.p[0] == '{';
	t = c_known(c, tag, name);
	if (body && t && t->size) {
		c_balanced(c);
		c_attributes(c, &a);
		return t;
	}
	if (body)
		return define(c, is_union, name, &a);
	if (!name.n)
		return c_fail(c, "a name or { behind struct"), NULL;
	t = type_lookup(c->s->types, tag, name);
	return t ? t : type_declare(c->s->types, tag, arena_strndup(c->s->a, name.p, name.n));
}

/* ---- declarations ---------------------------------------------------------------------------- */

static void one_typedef(struct cparse *c, struct str name, const struct type *t, uint32_t align)
{
	const char *text = arena_strndup(c->s->a, name.p, name.n);

	if (!c->own && c_known(c, LOOKUP_PLAIN, name))
		return;
	type_typedef(c->s->types, text, t);
	strmap_put(&c->s->cpp->typedefs, str_of(text), (void *)t);
	if (align)
		strmap_put(&c->s->cpp->aligns, str_of(text),
			   arena_memdup(c->s->a, &align, sizeof(align)));
}

/* `typedef struct x { … } x, *px;` behind the word. */
static void typedefs(struct cparse *c)
{
	struct cattr base_attr = {0};
	const struct type *base = c_base(c, &base_attr), *t;
	uint32_t base_align = c->base_align;
	struct str name;

	while (base && !c->bad) {
		struct cattr a = base_attr;

		c->base_align = base_align;
		t = shaped(c, c_declarator(c, base, &name, &a), &a);
		if (!c->bad && name.n)
			one_typedef(c, name, t, a.align ? a.align : c->base_align);
		if (!c_take(c, ','))
			return;
	}
}

static bool starts_type(struct cparse *c)
{
	struct str w;

	while (w = c_word(c), c_is_qualifier(w))
		c_advance(c, w.n);
	return str_is(w, "struct") || str_is(w, "union") || str_is(w, "enum");
}

/* One of a header; what follows it is found whether it was understood or not. */
static void declaration(struct cparse *c)
{
	struct cparse ahead = *c;
	struct cattr a = {0};

	if (take_pack(c))
		return;
	if (c_take_word(&ahead, "__extension__") && c_word(c).n)
		c_take_word(c, "__extension__");
	if (c_take_word(&ahead, "typedef"))
		typedefs(&ahead);
	else if (starts_type(&ahead))
		c_base(&ahead, &a);
	c_skip_declaration(c);
}

void sema_declarations(struct sema *s, struct span at, struct str text, bool own)
{
	struct cparse c = {.s = s, .span = at, .t = text, .silent = true, .own = own};

	while (c_space(&c), c.t.n)
		declaration(&c);
}

const struct type *sema_c_type(struct sema *s, struct str text)
{
	struct cparse c = {.s = s, .t = text, .silent = true};
	struct str w = c_word(&c), name;
	struct cattr a = {0};
	const struct type *t;

	if (!w.n || (w.p[0] >= '0' && w.p[0] <= '9') || memchr(text.p, '{', text.n))
		return NULL;
	t = c_base(&c, &a);
	t = t ? c_declarator(&c, t, &name, &a) : NULL;
	c_space(&c);
	return c.bad || c.t.n || name.n ? NULL : t;
}

void sema_ctype(struct sema *s, struct span at, struct str text)
{
	struct cparse c = {.s = s, .span = at, .t = text, .own = true};
	struct cattr a = {0};

	while (take_pack(&c))
		;
	if (c_take_word(&c, "typedef"))
		typedefs(&c);
	else
		c_base(&c, &a);
	c_take(&c, ';');
	while (take_pack(&c))
		;
	c_space(&c);
	if (!c.bad && c.t.n)
		c_fail(&c, "the end of the definition");
}
