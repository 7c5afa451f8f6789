/* Types that a script defines in its C section: struct, union, enum.
 *
 *   struct event { u64 ts; char name[16]; struct list *next; unsigned a : 3, b : 5; union { int x;
 * long y; }; };
 *
 * They are laid out as the C compiler would do it (natural alignment, bit-fields packed into units
 * of their type, __attribute__((packed)) respected) and hide the kernel's types of the same name.
 * Pointers to functions are void *. Definitions may be in any order: names are declared before use.
 */
#include "sema/cpp.h"

#define DEPTH_MAX 16

struct cparse {
	struct sema *s;
	struct span span; /* of the definition: what messages point at */
	struct str t;
	unsigned depth;
	bool bad;
	bool silent;      /* a header: nothing is reported */
	bool own;         /* … of the script: its types hide the kernel's */
	uint32_t aligned; /* by the last attributes */
};

struct members {
	VEC(struct member) v;
	uint64_t bits; /* laid out so far */
	uint64_t size; /* of a union: the largest */
	uint32_t align;
	bool is_union, packed;
};

/* ---- tokens -----------------------------------------------------------------------------------
 */

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static void advance(struct cparse *c, size_t n)
{
	c->t = (struct str){c->t.p + n, c->t.n - n};
}

static bool skip_comment(struct cparse *c)
{
	size_t i = 2;

	if (c->t.n < 2 || c->t.p[0] != '/' || (c->t.p[1] != '/' && c->t.p[1] != '*'))
		return false;
	if (c->t.p[1] == '/')
		while (i < c->t.n && c->t.p[i] != '\n')
			i++;
	else
		while (i < c->t.n && !(i >= 3 && c->t.p[i] == '/' && c->t.p[i - 1] == '*'))
			i++;
	advance(c, MIN(i + 1, c->t.n));
	return true;
}

static void skip_space(struct cparse *c)
{
	do {
		while (c->t.n && (unsigned char)c->t.p[0] <= ' ')
			advance(c, 1);
	} while (skip_comment(c));
}

static struct str peek_word(struct cparse *c)
{
	size_t n = 0;

	skip_space(c);
	while (n < c->t.n && is_word_char(c->t.p[n]))
		n++;
	return (struct str){c->t.p, n};
}

static bool take(struct cparse *c, char ch)
{
	skip_space(c);
	if (!c->t.n || c->t.p[0] != ch)
		return false;
	advance(c, 1);
	return true;
}

static bool take_word(struct cparse *c, const char *word)
{
	struct str w = peek_word(c);

	if (!str_is(w, word))
		return false;
	advance(c, w.n);
	return true;
}

static bool fail(struct cparse *c, const char *what)
{
	struct diag_msg *m;

	if (!c->bad && !c->silent) {
		m = sema_report(c->s, E_SYNTAX, c->span,
				"this C definition is not understood: expected %s at \"%.*s\"",
				what, (int)MIN(c->t.n, 20), c->t.p);
		diag_help(m, "plain fields, arrays, bit-fields and nested structs and unions are "
			     "possible");
	}
	c->bad = true;
	return false;
}

static void skip_balanced(struct cparse *c)
{
	unsigned depth = 0;

	do {
		skip_space(c);
		if (!c->t.n)
			return;
		depth += c->t.p[0] == '(';
		depth -= c->t.p[0] == ')';
		advance(c, 1);
	} while (depth);
}

/* Behind `aligned`: (16), or nothing, which is the most that any type wants. */
static uint32_t alignment(struct cparse *c, struct str t)
{
	const char *end = t.n ? memchr(t.p, ')', t.n) : NULL;
	struct cvalue v;

	while (t.n && (t.p[0] == '_' || t.p[0] == ' '))
		t = (struct str){t.p + 1, t.n - 1};
	if (!end || t.p[0] != '(')
		return 16;
	t = (struct str){t.p + 1, (size_t)(end - t.p) - 1};
	if (!cexpr_value(c->s, t, false, &v) || !v.value || v.value > 4096 ||
	    (v.value & (v.value - 1)))
		return 1;
	return (uint32_t)v.value;
}

/* __attribute__((packed)) and others; true when packed was among them. */
static bool take_attributes(struct cparse *c)
{
	bool packed = false;

	c->aligned = 1;
	while (take_word(c, "__attribute__") || take_word(c, "__packed")) {
		struct str before = c->t;

		packed |= before.p[-1] == 'd';
		skip_space(c);
		if (!c->t.n || c->t.p[0] != '(')
			continue;
		skip_balanced(c);
		for (const char *p = before.p; p + 7 <= c->t.p; p++) {
			packed |= memcmp(p, "packed", 6) == 0;
			if (memcmp(p, "aligned", 7) == 0)
				c->aligned = alignment(c, (struct str){p + 7, c->t.p - p - 7});
		}
	}
	return packed;
}

/* A constant expression: up to what ends it in a declaration. */
static uint64_t number(struct cparse *c)
{
	struct cvalue v = {0, false};
	unsigned depth = 0;
	size_t n = 0;

	skip_space(c);
	while (n < c->t.n && (depth || !strchr(",;:]}", c->t.p[n]))) {
		if (c->t.p[n] == ')' && !depth)
			break;
		depth += c->t.p[n] == '(';
		depth -= c->t.p[n] == ')';
		n++;
	}
	if (!cexpr_value(c->s, (struct str){c->t.p, n}, false, &v))
		fail(c, "a number");
	advance(c, n);
	return v.value;
}

/* ---- layout
 * --------------------------------------------------------------------------------------- */

static void place(struct cparse *c, struct members *m, struct member f, uint32_t wanted)
{
	uint32_t align = MAX(m->packed ? 1 : MAX(f.type->align, 1), wanted);
	uint64_t at = m->is_union ? 0 : ALIGN_UP(m->bits, align * 8);

	f.offset = at / 8;
	m->align = MAX(m->align, align);
	m->bits = at + (uint64_t)f.type->size * 8;
	m->size = MAX(m->size, m->bits / 8);
	if (m->size > 1 << 20) {
		fail(c, "a smaller type");
		return;
	}
	vec_push(c->s->a, &m->v, f);
}

static void place_bits(struct cparse *c, struct members *m, struct member f, uint64_t width)
{
	uint64_t unit = f.type->size * 8, at = m->is_union ? 0 : m->bits;

	if (!type_is_integer(f.type) || width > unit) {
		fail(c, "a bit-field that fits its type");
		return;
	}
	if (width == 0) {
		m->bits = ALIGN_UP(at, unit);
		return;
	}
	if (!m->packed && at / unit != (at + width - 1) / unit)
		at = ALIGN_UP(at, unit);
	f.load_size = f.type->size;
	f.offset = at / unit * f.type->size;
	f.bit_off = at % unit;
	f.bit_size = width;
	m->bits = at + width;
	m->size = MAX(m->size, (m->bits + 7) / 8);
	m->align = MAX(m->align, m->packed ? 1 : f.type->align);
	if (f.name.n)
		vec_push(c->s->a, &m->v, f);
}

/* ---- fields
 * ----------------------------------------------------------------------------------------- */

static const struct type *parse_aggregate(struct cparse *c, bool is_union);
static const struct type *parse_enum(struct cparse *c);

static bool is_qualifier(struct str w)
{
	static const char *const words[] = {
		"const",        "volatile", "__user",       "__rcu",    "__percpu",
		"__kernel",     "__const",  "__volatile__", "restrict", "__restrict",
		"__restrict__", "_Atomic",  "__iomem",      "__bitwise"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_is(w, words[i]))
			return true;
	return false;
}

static bool is_integer_word(struct str w)
{
	static const char *const words[] = {"unsigned", "signed", "long",  "short",
					    "int",      "char",   "_Bool", "__signed__"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_is(w, words[i]))
			return true;
	return false;
}

static const struct type *named_type(struct cparse *c, struct str name)
{
	const struct type *t = type_builtin(c->s->types, name);

	if (!t)
		t = type_lookup(c->s->types, LOOKUP_PLAIN, name);
	if (!t)
		fail(c, "the name of a type");
	return t;
}

static const struct type *integer_words(struct cparse *c)
{
	struct buf b = BUF_INIT;
	const struct type *t;
	struct str w;

	while (w = peek_word(c), is_integer_word(w) || is_qualifier(w)) {
		if (!is_qualifier(w)) {
			buf_adds(&b, b.n ? " " : "");
			buf_addstr(&b, w);
		}
		advance(c, w.n);
	}
	t = named_type(c, (struct str){buf_cstr(&b), b.n});
	buf_release(&b);
	return t;
}

static const struct type *parse_base(struct cparse *c)
{
	struct str w;

	while (w = peek_word(c), is_qualifier(w))
		advance(c, w.n);
	if (take_word(c, "struct"))
		return parse_aggregate(c, false);
	if (take_word(c, "union"))
		return parse_aggregate(c, true);
	if (take_word(c, "enum"))
		return parse_enum(c);
	if (is_integer_word(w))
		return integer_words(c);
	advance(c, w.n);
	return w.n ? named_type(c, w) : (fail(c, "a type"), NULL);
}

static const struct type *pointers(struct cparse *c, const struct type *t)
{
	for (;;) {
		struct str w = peek_word(c);

		if (is_qualifier(w))
			advance(c, w.n);
		else if (take(c, '*'))
			t = type_ptr(c->s->types, t, SPACE_KERNEL);
		else
			return t;
	}
}

/* `[2][3]`: the last one is the innermost. */
static const struct type *arrays(struct cparse *c, const struct type *t)
{
	uint64_t n = 0;

	if (!take(c, '['))
		return t;
	if (!take(c, ']')) {
		n = number(c);
		if (!take(c, ']'))
			fail(c, "]");
	}
	t = arrays(c, t);
	if (n > 1 << 20 || n * t->size > 1 << 20)
		fail(c, "a smaller array");
	return c->bad ? t : type_array(c->s->types, t, n);
}

static void declarator(struct cparse *c, struct members *m, const struct type *base)
{
	struct member f = {0};
	const struct type *t = pointers(c, base);
	uint64_t count;

	if (take(c, '(')) { /* int (*callback[2])(…) */
		while (take(c, '*') || is_qualifier(peek_word(c)))
			advance(c, is_qualifier(peek_word(c)) ? peek_word(c).n : 0);
		f.name = peek_word(c);
		advance(c, f.name.n);
		count = take(c, '[') ? number(c) : 0;
		if (count && (!take(c, ']') || count > 4096))
			fail(c, "]");
		if (!take(c, ')'))
			fail(c, ")");
		skip_balanced(c);
		t = type_ptr(c->s->types, &type_void, SPACE_KERNEL);
		t = count && !c->bad ? type_array(c->s->types, t, count) : t;
	} else {
		f.name = peek_word(c);
		advance(c, f.name.n);
	}
	f.type = arrays(c, t);
	take_attributes(c);
	if (take(c, ':'))
		place_bits(c, m, f, number(c));
	else if (!f.name.n && f.type->kind != TYPE_STRUCT)
		fail(c, "the name of a field");
	else if (f.type->kind == TYPE_VOID || (f.type->kind == TYPE_STRUCT && !f.type->size &&
					       !type_complete(c->s->types, f.type)))
		fail(c, "a type whose size is known");
	else
		place(c, m, f, c->aligned);
	take_attributes(c);
}

static void fields(struct cparse *c, struct members *m)
{
	while (!c->bad && !take(c, '}')) {
		const struct type *base = parse_base(c);

		if (!base)
			return;
		do
			declarator(c, m, base);
		while (!c->bad && take(c, ','));
		if (!c->bad && !take(c, ';'))
			fail(c, ";");
	}
}

/* Whether the attribute behind the closing brace says packed. */
static bool packed_ahead(struct cparse c)
{
	unsigned depth = 1;

	while (c.t.n && depth) {
		depth += c.t.p[0] == '{';
		depth -= c.t.p[0] == '}';
		advance(&c, 1);
	}
	return take_attributes(&c);
}

/* A header of the system does not replace what the kernel says of itself. */
static const struct type *known_type(struct cparse *c, enum type_lookup tag, struct str name)
{
	const struct type *t;

	if (c->own || !name.n)
		return NULL;
	t = type_lookup(c->s->types, tag, name);
	return t || tag != LOOKUP_PLAIN ? t : type_builtin(c->s->types, name);
}

static void skip_body(struct cparse *c)
{
	unsigned depth = 0;

	do {
		skip_space(c);
		if (!c->t.n)
			return;
		depth += c->t.p[0] == '{';
		depth -= c->t.p[0] == '}';
		advance(c, 1);
	} while (depth);
	take_attributes(c);
}

static const struct type *parse_aggregate(struct cparse *c, bool is_union)
{
	struct members m = {.is_union = is_union, .align = 1};
	struct str name = peek_word(c);
	const struct type *t;

	m.packed = take_attributes(c);
	name = peek_word(c);
	advance(c, name.n);
	skip_space(c);
	t = known_type(c, is_union ? LOOKUP_UNION : LOOKUP_STRUCT, name);
	if (t && c->t.n && c->t.p[0] == '{' && t->size) {
		skip_body(c);
		return t;
	}
	if (!take(c, '{')) {
		t = name.n ? type_lookup(c->s->types, is_union ? LOOKUP_UNION : LOOKUP_STRUCT, name)
			   : NULL;
		return t || !name.n
			       ? t
			       : type_declare(c->s->types, is_union ? LOOKUP_UNION : LOOKUP_STRUCT,
					      arena_strndup(c->s->a, name.p, name.n));
	}
	if (++c->depth > DEPTH_MAX)
		fail(c, "less nesting");
	m.packed |= packed_ahead(*c);
	t = name.n ? type_declare(c->s->types, is_union ? LOOKUP_UNION : LOOKUP_STRUCT,
				  arena_strndup(c->s->a, name.p, name.n))
		   : NULL;
	fields(c, &m);
	take_attributes(c);
	m.align = MAX(m.align, c->aligned);
	c->depth--;
	if (c->bad)
		return NULL;
	if (!t)
		return type_struct_new(c->s->types, NULL, ALIGN_UP(m.size, m.align), m.v.v, m.v.n);
	type_define(c->s->types, t, ALIGN_UP(m.size, m.align), m.align, m.v.v, m.v.n);
	return t;
}

/* ---- enums
 * -------------------------------------------------------------------------------------------- */

static int64_t enum_value(struct cparse *c, int64_t next)
{
	return take(c, '=') ? (int64_t)number(c) : next;
}

static const struct type *parse_enum(struct cparse *c)
{
	struct str name = peek_word(c);
	VEC(struct enum_value) values = {0};
	int64_t next = 0, min = 0;

	advance(c, name.n);
	if (!take(c, '{')) {
		const struct type *t = type_lookup(c->s->types, LOOKUP_ENUM, name);

		return t ? t : type_int(c->s->types, 4, false);
	}
	while (!c->bad && !take(c, '}')) {
		struct str w = peek_word(c);

		if (!w.n) {
			fail(c, "the name of a value");
			break;
		}
		advance(c, w.n);
		c->s->cpp->values = values.v;
		c->s->cpp->nvalues = values.n;
		next = enum_value(c, next);
		c->s->cpp->nvalues = 0;
		min = MIN(min, next);
		vec_push(c->s->a, &values,
			 (struct enum_value){arena_strndup(c->s->a, w.p, w.n), (uint64_t)next});
		next++;
		if (!take(c, ',') && (!c->t.n || c->t.p[0] != '}'))
			fail(c, ", or }");
	}
	if (c->bad)
		return NULL;
	return type_enum_new(c->s->types, name.n ? arena_strndup(c->s->a, name.p, name.n) : NULL, 4,
			     min < 0, values.v, values.n);
}

/* ---- declarations
 * ------------------------------------------------------------------------------------- */

/* `typedef struct x { … } x, *px;` behind the word. */
static void typedefs(struct cparse *c)
{
	const struct type *base = parse_base(c), *t;
	struct str name;

	do {
		if (!base)
			return;
		t = pointers(c, base);
		if (take(c, '(')) { /* a pointer to functions, or a function */
			while (take(c, '*'))
				;
			t = type_ptr(c->s->types, &type_void, SPACE_KERNEL);
		}
		name = peek_word(c);
		advance(c, name.n);
		if (take(c, ')'))
			skip_balanced(c);
		t = arrays(c, t);
		take_attributes(c);
		if (!c->bad && name.n && (c->own || !known_type(c, LOOKUP_PLAIN, name)))
			type_typedef(c->s->types, arena_strndup(c->s->a, name.p, name.n), t);
	} while (!c->bad && take(c, ','));
}

/* Up to the `;` or the closing brace of what begins here. */
static void skip_declaration(struct cparse *c)
{
	unsigned depth = 0;

	while (c->t.n) {
		char ch = c->t.p[0];

		skip_space(c);
		if (!c->t.n)
			return;
		ch = c->t.p[0];
		advance(c, 1);
		depth += ch == '{' || ch == '(';
		depth -= (ch == '}' || ch == ')') && depth;
		if (depth == 0 && (ch == ';' || ch == '}'))
			break;
	}
	take(c, ';');
}

static bool starts_type(struct cparse *c)
{
	struct str w = peek_word(c);

	return str_is(w, "struct") || str_is(w, "union") || str_is(w, "enum");
}

/* One of a header; what follows it is found whether it was understood or not. */
static void declaration(struct cparse *c)
{
	struct cparse ahead = *c;

	if (take_word(&ahead, "typedef"))
		typedefs(&ahead);
	else if (starts_type(c))
		parse_base(&ahead);
	skip_declaration(c);
}

void sema_declarations(struct sema *s, struct span at, struct str text, bool own)
{
	struct cparse c = {.s = s, .span = at, .t = text, .silent = true, .own = own};

	while (skip_space(&c), c.t.n)
		declaration(&c);
}

const struct type *sema_c_type(struct sema *s, struct str text)
{
	struct cparse c = {.s = s, .t = text, .silent = true};
	struct str w = peek_word(&c);
	const struct type *t;

	if (!w.n || (w.p[0] >= '0' && w.p[0] <= '9') || memchr(text.p, '{', text.n))
		return NULL;
	t = parse_base(&c);
	t = t && !c.bad ? pointers(&c, t) : NULL;
	skip_space(&c);
	return c.t.n ? NULL : t;
}

void sema_ctype(struct sema *s, struct span at, struct str text)
{
	struct cparse c = {.s = s, .span = at, .t = text, .own = true};

	if (take_word(&c, "typedef"))
		typedefs(&c);
	else
		parse_base(&c);
	take(&c, ';');
	skip_space(&c);
	if (!c.bad && c.t.n)
		fail(&c, "the end of the definition");
}
