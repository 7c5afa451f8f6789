/* The type that stands in front of a declarator.
 *
 *   unsigned long int      words of C in any order
 *   __u32, size_t, x_t     typedefs of the script, then of the kernel
 *   struct x { … }         ctype.c
 *   enum e { A = 1 << 4 }  four bytes, unless its values need eight or it is packed
 *   __typeof__(T)          the type in the parentheses
 *
 * What the language cannot compute with (floating point, 128 bits, va_list) still has its size, so
 * that what follows it lies where the compiler puts it. */
#include <stdint.h>
#include "sema/cparse.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static bool is_number_word(struct str w)
{
	static const char *const words[] = {
		"unsigned", "signed",      "long",     "short",      "int",        "char",
		"_Bool",    "bool",        "float",    "double",     "__signed__", "__signed",
		"_Complex", "__complex__", "__int128", "__int128_t", "__uint128_t"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_is(w, words[i]))
			return true;
	return false;
}

struct words {
	struct buf text; /* of integers, for type_builtin */
	bool is_double, is_float, is_complex, is_128, is_long;
};

static void add_word(struct words *w, struct str word)
{
	w->is_double |= str_is(word, "double");
	w->is_float |= str_is(word, "float");
	w->is_complex |= str_is(word, "_Complex") || str_is(word, "__complex__");
	w->is_128 |= str_starts(word, STR("__int128")) || str_is(word, "__uint128_t");
	w->is_long |= str_is(word, "long");
	buf_adds(&w->text, w->text.n ? " " : "");
	if (str_starts(word, STR("__signed")))
		word = STR("signed");
	buf_addstr(&w->text, word);
}

/* Bytes that nothing can be computed with, at their alignment. */
static const struct type *opaque(struct cparse *c, uint32_t size, uint32_t align)
{
	c->base_align = align;
	return type_array(c->s->types, type_int(c->s->types, 1, false), size);
}

static const struct type *number_of(struct cparse *c, const struct words *w)
{
	uint32_t size = w->is_float ? 4 : w->is_long ? 16 : 8;
	const struct type *t;

	if (w->is_128) {
		c->base_align = 16;
		return type_array(c->s->types, type_int(c->s->types, 8, false), 2);
	}
	if (w->is_complex)
		return opaque(c, 2 * size, size);
	if (w->is_double || w->is_float)
		return type_float(c->s->types, size);
	t = type_builtin(c->s->types, (struct str){w->text.p, w->text.n});
	if (!t)
		c_fail(c, "words that name a type");
	return t;
}

static const struct type *number_words(struct cparse *c, struct cattr *a)
{
	struct words words = {.text = BUF_INIT};
	const struct type *t;
	struct str w;

	while (w = c_word(c), is_number_word(w) || c_is_qualifier(w)) {
		if (!c_is_qualifier(w))
			add_word(&words, w);
		c_advance(c, w.n);
		c_attributes(c, a);
	}
	t = number_of(c, &words);
	buf_release(&words.text);
	return t;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Types that compilers know without a header, and those of their own headers. */
static const struct {
	const char *name;
	uint32_t size, align;
} of_compiler[] = {
#if defined(__aarch64__)
	{"__builtin_va_list", 32, 8}, {"va_list", 32, 8},     {"__gnuc_va_list", 32, 8},
#else
	{"__builtin_va_list", 24, 8}, {"va_list", 24, 8},     {"__gnuc_va_list", 24, 8},
#endif
	{"_Float16", 2, 2},           {"__bf16", 2, 2},       {"_Float32", 4, 4},
	{"_Float32x", 8, 8},          {"_Float64", 8, 8},     {"_Float64x", 16, 16},
	{"_Float128", 16, 16},        {"__float128", 16, 16}, {"max_align_t", 32, 16},
};

static const struct type *compiler_type(struct cparse *c, struct str name)
{
	if (str_is(name, "wchar_t"))
		return type_int(c->s->types, 4, WCHAR_MIN != 0);
	if (str_is(name, "wint_t"))
		return type_int(c->s->types, 4, false);
	for (size_t i = 0; i < ARRAY_SIZE(of_compiler); i++)
		if (str_is(name, of_compiler[i].name))
			return opaque(c, of_compiler[i].size, of_compiler[i].align);
	return NULL;
}

static const struct type *named(struct cparse *c, struct str name)
{
	const uint32_t *align = strmap_get(&c->s->cpp->aligns, name);
	const struct type *t = strmap_get(&c->s->cpp->typedefs, name);

	t = t ? t : type_builtin(c->s->types, name);
	t = t || !c->own ? t : compiler_type(c, name); /* the kernel's wchar_t has two bytes */
	t = t ? t : type_lookup(c->s->types, LOOKUP_PLAIN, name);
	t = t || c->own ? t : compiler_type(c, name);
	if (!t)
		c_fail(c, "the name of a type");
	else if (align)
		c->base_align = *align;
	return t;
}

/* ---- enums ----------------------------------------------------------------------------------- */

struct values {
	VEC(struct enum_value) v;
	int64_t min;
	uint64_t max;
};

static void enumerator(struct cparse *c, struct values *e, struct cvalue *next)
{
	struct str w = c_word(c);
	struct cattr a = {0};

	if (!w.n) {
		c_fail(c, "the name of a value");
		return;
	}
	c_advance(c, w.n);
	c_attributes(c, &a);
	c->s->cpp->values = e->v.v;
	c->s->cpp->nvalues = e->v.n;
	if (c_take(c, '=')) {
		next->value = c_number(c, ",}");
		next->is_unsigned = false;
	}
	c->s->cpp->nvalues = 0;
	e->min = MIN(e->min, (int64_t)next->value);
	if ((int64_t)next->value > 0)
		e->max = MAX(e->max, next->value);
	vec_push(c->s->a, &e->v,
		 (struct enum_value){arena_strndup(c->s->a, w.p, w.n), next->value});
	next->value++;
	c_space(c);
	if (!c_take(c, ',') && (!c->t.n || c->t.p[0] != '}'))
		c_fail(c, ", or } in the enum");
}

static uint32_t enum_size(const struct values *e, bool packed)
{
	for (uint32_t size = packed ? 1 : 4; size < 8; size *= 2) {
		unsigned bits = size * 8;

		if (e->min < 0 ? e->min >= -(1ll << (bits - 1)) && e->max < 1ull << (bits - 1)
			       : e->max < 1ull << bits)
			return size;
	}
	return 8;
}

static const struct type *enum_type(struct cparse *c)
{
	struct values e = {.min = 0};
	struct cvalue next = {0};
	struct cattr a = {0};
	const struct type *of = NULL;
	struct str name;

	c_attributes(c, &a);
	name = c_word(c);
	c_advance(c, name.n);
	if (c_take(c, ':')) /* enum e : unsigned char { … } */
		of = c_base(c, &a);
	if (!c_take(c, '{')) {
		const struct type *t = type_lookup(c->s->types, LOOKUP_ENUM, name);

		return t ? t : type_int(c->s->types, 4, false);
	}
	while (!c->bad && !c_take(c, '}'))
		enumerator(c, &e, &next);
	c_attributes(c, &a);
	if (c->bad)
		return NULL;
	return type_enum_new(c->s->types, name.n ? arena_strndup(c->s->a, name.p, name.n) : NULL,
			     of ? of->size : enum_size(&e, a.packed), e.min < 0, e.v.v, e.v.n);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* typeof(T), and typeof of a constant expression, as macros that align a size have it. */
static const struct type *type_of(struct cparse *c)
{
	struct cparse ahead = *c;
	const struct type *t;
	struct cvalue v;
	struct str in;

	c_space(c);
	if (!c->t.n || c->t.p[0] != '(')
		return c_fail(c, "( behind typeof"), NULL;
	c_balanced(&ahead);
	in = str_trim((struct str){c->t.p + 1, MAX((size_t)(ahead.t.p - c->t.p), 2) - 2});
	t = sema_c_type(c->s, in);
	if (!t && cexpr_value(c->s, in, false, &v))
		t = type_int(c->s->types, v.narrow ? 4 : 8, !v.is_unsigned);
	if (!t)
		c_unsupported(c, "typeof of an expression that is no constant");
	c->t = ahead.t;
	return t;
}

static const struct type *plain_base(struct cparse *c, struct cattr *a)
{
	struct str w = c_word(c);

	if (c_take_word(c, "struct"))
		return c_aggregate(c, false);
	if (c_take_word(c, "union"))
		return c_aggregate(c, true);
	if (c_take_word(c, "enum"))
		return enum_type(c);
	if (c_take_word(c, "__typeof__") || c_take_word(c, "typeof") || c_take_word(c, "__typeof"))
		return type_of(c);
	if (is_number_word(w))
		return number_words(c, a);
	c_advance(c, w.n);
	return w.n ? named(c, w) : (c_fail(c, "a type"), NULL);
}

static void qualifiers(struct cparse *c, struct cattr *a)
{
	struct str w;

	c_attributes(c, a);
	while (w = c_word(c), c_is_qualifier(w)) {
		c_advance(c, w.n);
		c_attributes(c, a);
	}
}

const struct type *c_base(struct cparse *c, struct cattr *a)
{
	const struct type *t;

	c->base_align = 0;
	qualifiers(c, a);
	t = plain_base(c, a);
	qualifiers(c, a);
	return c->bad ? NULL : t;
}
