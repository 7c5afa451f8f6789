/* A function's arguments and results as the user tells of them, in Go's notation, where a program
 * has no debug information. The answers are those that dwarf.h has for other types:
 *
 *   (name string, ids []int, opt struct{ on bool; n int }, err error) (int, error)
 *
 *   type   = NAME | *type | []type | [N]type | map[type]type | chan type | func(…) … | struct{ NAME
 * type; … } NAME   = bool, string, int … uintptr, float32 …, byte, rune, error, any, time.Duration
 * …
 *
 * Other names are not known: what they stand for is to be written. Pointers may lead to a name that
 * is not known; that is an address. */
#include "elf/dwarf_priv.h"

#include <errno.h>
#include <string.h>

enum { MAX_TYPES = 4096, MAX_DEPTH = 32, MAX_PARAMS = 64, MAX_COUNT = 1 << 16 };
enum { BOOL = 1, INT = 2, INT64 = 6, UINT8 = 8, FLOAT32 = 13, COMPLEX64 = 15 };
enum { ARRAY = 17, CHAN, FUNC, INTERFACE, MAP, POINTER, SLICE, STRING, STRUCT, UNSAFE_POINTER };

struct made_type {
	struct dwarf_type t;
	struct dwarf_member *m;
	size_t n;
};

struct dwarf_made {
	VEC(struct made_type) types;
};

struct parse {
	struct dwarf *d;
	struct str t;
	size_t i;
	unsigned depth;
	const char *why;
};

/* ---- answering ------------------------------------------------------------------------------- */

static const struct made_type *made_get(const struct dwarf *d, dwarf_ref ref)
{
	return ref && ref <= d->made->types.n ? &d->made->types.v[ref - 1] : NULL;
}

bool dwarf_made_type(const struct dwarf *d, dwarf_ref ref, struct dwarf_type *out)
{
	const struct made_type *t = made_get(d, ref);

	*out = (struct dwarf_type){.kind = DWARF_VOID};
	if (t)
		*out = t->t;
	return t || !ref;
}

size_t dwarf_made_members(const struct dwarf *d, dwarf_ref ref, const struct dwarf_member **out)
{
	const struct made_type *t = made_get(d, ref);

	*out = t ? t->m : NULL;
	return t ? t->n : 0;
}

/* ---- making types ------------------------------------------------------------------------------
 */

static dwarf_ref add(struct parse *p, struct dwarf_type t, struct dwarf_member *m, size_t n)
{
	struct dwarf_made *made = p->d->made;

	t.self = (dwarf_ref)made->types.n + 1;
	vec_push(p->d->arena, &made->types, (struct made_type){t, m, n});
	return t.self;
}

static uint64_t size_of(struct parse *p, dwarf_ref ref)
{
	struct dwarf_type t;

	return dwarf_made_type(p->d, ref, &t) ? t.size : 0;
}

static dwarf_ref add_basic(struct parse *p, const char *name, enum dwarf_kind kind,
			   unsigned go_kind, unsigned size, bool is_signed)
{
	return add(p,
		   (struct dwarf_type){.kind = kind,
				       .go_kind = (uint8_t)go_kind,
				       .is_signed = is_signed,
				       .name = name,
				       .size = size},
		   NULL, 0);
}

static dwarf_ref add_pointer(struct parse *p, const char *name, unsigned go_kind, dwarf_ref to)
{
	return add(p,
		   (struct dwarf_type){.kind = DWARF_PTR,
				       .go_kind = (uint8_t)go_kind,
				       .name = name,
				       .alias = go_kind == POINTER ? NULL : name,
				       .size = 8,
				       .to = to},
		   NULL, 0);
}

/* A structure of words, the first of which is a pointer to `to`. */
static dwarf_ref add_words(struct parse *p, const char *name, const char *alias, unsigned go_kind,
			   dwarf_ref to, unsigned words)
{
	static const char *const names[] = {"array", "len", "cap"};
	struct dwarf_member *m = arena_array_of(p->d->arena, struct dwarf_member, words);

	for (unsigned i = 0; i < words; i++)
		m[i] = (struct dwarf_member){
			.name = go_kind == STRING && !i ? "str" : names[i],
			.type = i ? add_basic(p, "int", DWARF_INT, INT, 8, true)
				  : add_pointer(p, "*", POINTER, to),
			.bit_offset = 64ull * i};
	return add(p,
		   (struct dwarf_type){.kind = DWARF_STRUCT,
				       .go_kind = (uint8_t)go_kind,
				       .name = name,
				       .alias = alias,
				       .size = 8ull * words},
		   m, words);
}

static dwarf_ref add_interface(struct parse *p, const char *name, bool empty)
{
	return add_words(p, empty ? "runtime.eface" : "runtime.iface", name, INTERFACE, 0, 2);
}

/* ---- names
 * --------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum dwarf_kind kind;
	uint8_t go_kind, size;
	bool is_signed;
} basics[] = {
	{"bool", DWARF_BOOL, BOOL, 1, false},
	{"int", DWARF_INT, INT, 8, true},
	{"int8", DWARF_INT, 3, 1, true},
	{"int16", DWARF_INT, 4, 2, true},
	{"int32", DWARF_INT, 5, 4, true},
	{"rune", DWARF_INT, 5, 4, true},
	{"int64", DWARF_INT, INT64, 8, true},
	{"time.Duration", DWARF_INT, INT64, 8, true},
	{"uint", DWARF_INT, 7, 8, false},
	{"uint8", DWARF_INT, UINT8, 1, false},
	{"byte", DWARF_INT, UINT8, 1, false},
	{"uint16", DWARF_INT, 9, 2, false},
	{"uint32", DWARF_INT, 10, 4, false},
	{"uint64", DWARF_INT, 11, 8, false},
	{"uintptr", DWARF_INT, 12, 8, false},
	{"float32", DWARF_FLOAT, FLOAT32, 4, false},
	{"float64", DWARF_FLOAT, 14, 8, false},
	{"complex64", DWARF_FLOAT, COMPLEX64, 8, false},
	{"complex128", DWARF_FLOAT, 16, 16, false},
};

static dwarf_ref named(struct parse *p, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(basics); i++)
		if (!strcmp(name, basics[i].name))
			return add_basic(p, name, basics[i].kind, basics[i].go_kind, basics[i].size,
					 basics[i].is_signed);
	if (!strcmp(name, "string"))
		return add_words(p, name, NULL, STRING, named(p, "uint8"), 2);
	if (!strcmp(name, "error") || !strcmp(name, "any"))
		return add_interface(p, name, name[0] == 'a');
	if (!strcmp(name, "unsafe.Pointer"))
		return add_pointer(p, name, UNSAFE_POINTER, 0);
	if (!strcmp(name, "net.IP"))
		return add_words(p, name, NULL, SLICE, named(p, "uint8"), 3);
	return 0;
}

/* ---- reading
 * --------------------------------------------------------------------------------------- */

static dwarf_ref type(struct parse *p);

static dwarf_ref fail(struct parse *p, const char *why)
{
	p->why = p->why ? p->why : why;
	return 0;
}

static void blanks(struct parse *p)
{
	while (p->i < p->t.n && (p->t.p[p->i] == ' ' || p->t.p[p->i] == '\t'))
		p->i++;
}

static bool eat(struct parse *p, const char *what)
{
	size_t n = strlen(what);

	blanks(p);
	if (p->t.n - p->i < n || memcmp(p->t.p + p->i, what, n) != 0)
		return false;
	p->i += n;
	return true;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '/' || (unsigned char)c >= 0x80;
}

static const char *word(struct parse *p)
{
	size_t from;

	blanks(p);
	from = p->i;
	while (p->i < p->t.n && is_name_char(p->t.p[p->i]))
		p->i++;
	return arena_strndup(p->d->arena, p->t.p + from, p->i - from);
}

/* The text of what was read from `from` on is the type's name. */
static const char *text(struct parse *p, size_t from)
{
	return arena_strndup(p->d->arena, p->t.p + from, p->i - from);
}

static dwarf_ref pointer(struct parse *p, size_t from)
{
	size_t at = p->i;
	const char *why = p->why;
	dwarf_ref to = type(p);

	if (!to && !why) { /* a name that is not known */
		p->i = at;
		p->why = NULL;
		if (!*word(p))
			return fail(p, "a type is missing behind *");
	}
	return add_pointer(p, text(p, from), POINTER, to);
}

static dwarf_ref add_array(struct parse *p, const char *name, dwarf_ref of, uint64_t n)
{
	return add(p,
		   (struct dwarf_type){.kind = DWARF_ARRAY,
				       .go_kind = ARRAY,
				       .name = name,
				       .size = n * size_of(p, of),
				       .to = of,
				       .count = n},
		   NULL, 0);
}

static dwarf_ref array(struct parse *p, size_t from)
{
	unsigned long long n;
	dwarf_ref of;

	if (eat(p, "]")) {
		of = type(p);
		return of ? add_words(p, text(p, from), NULL, SLICE, of, 3) : 0;
	}
	if (!str_to_u64(str_of(word(p)), &n) || n > MAX_COUNT || !eat(p, "]"))
		return fail(p, "an array is written [3]int");
	of = type(p);
	if (of && n * size_of(p, of) > MAX_COUNT)
		return fail(p, "an array is too large");
	return of ? add_array(p, text(p, from), of, n) : 0;
}

static uint64_t align_of(struct parse *p, dwarf_ref ref)
{
	const struct made_type *t = made_get(p->d, ref);
	uint64_t most = 1;

	if (!t)
		return 1;
	if (t->t.kind == DWARF_ARRAY)
		return align_of(p, t->t.to);
	for (size_t i = 0; i < t->n; i++)
		most = MAX(most, align_of(p, t->m[i].type));
	if (t->t.kind == DWARF_FLOAT && t->t.go_kind >= COMPLEX64)
		return t->t.size / 2;
	return t->t.kind == DWARF_STRUCT ? most : MAX(t->t.size, 1u);
}

static dwarf_ref structure(struct parse *p, size_t from)
{
	VEC(struct dwarf_member) m = {0};
	uint64_t size = 0, most = 1;

	while (!eat(p, "}")) {
		const char *name = word(p);
		dwarf_ref of = *name ? type(p) : fail(p, "a field is written NAME TYPE");
		uint64_t align = align_of(p, of);

		if (!of || m.n >= MAX_PARAMS || size > MAX_COUNT)
			return fail(p, "the struct has too much in it");
		size = ALIGN_UP(size, align);
		vec_push(p->d->arena, &m,
			 (struct dwarf_member){.name = name, .type = of, .bit_offset = size * 8});
		size += size_of(p, of);
		most = MAX(most, align);
		eat(p, ";");
	}
	return add(p,
		   (struct dwarf_type){.kind = DWARF_STRUCT,
				       .go_kind = STRUCT,
				       .name = text(p, from),
				       .size = ALIGN_UP(size, most)},
		   m.v, m.n);
}

static dwarf_ref map(struct parse *p, size_t from)
{
	if (!type(p) || !eat(p, "]") || !type(p))
		return fail(p, "a map is written map[string]int");
	return add_pointer(p, text(p, from), MAP, 0);
}

static dwarf_ref basic(struct parse *p)
{
	const char *name = word(p);
	dwarf_ref t = *name ? named(p, name) : 0;

	if (!t)
		return fail(p,
			    *name ? arena_printf(p->d->arena,
						 "%s is no type that is known: write what it is, "
						 "such as struct{ n int }, or *%s",
						 name, name)
				  : "a type is missing");
	return t;
}

static dwarf_ref type_at(struct parse *p, size_t from)
{
	if (eat(p, "*"))
		return pointer(p, from);
	if (eat(p, "["))
		return array(p, from);
	if (eat(p, "struct{") || eat(p, "struct {"))
		return structure(p, from);
	if (eat(p, "map["))
		return map(p, from);
	if (eat(p, "chan "))
		return type(p) ? add_pointer(p, text(p, from), CHAN, 0) : 0;
	if (eat(p, "func()"))
		return add(p,
			   (struct dwarf_type){
				   .kind = DWARF_PTR, .go_kind = FUNC, .name = "func()", .size = 8},
			   NULL, 0);
	if (eat(p, "interface{}") || eat(p, "interface {}"))
		return add_interface(p, "interface {}", true);
	return basic(p);
}

static dwarf_ref type(struct parse *p)
{
	dwarf_ref t;

	blanks(p);
	if (p->depth >= MAX_DEPTH || p->d->made->types.n > MAX_TYPES)
		return fail(p, "the types are nested too deeply");
	p->depth++;
	t = type_at(p, p->i);
	p->depth--;
	return t;
}

/* ---- the signature
 * ------------------------------------------------------------------------------------ */

static struct dwarf_param *push_param(struct parse *p, struct dwarf_func *f, bool result)
{
	if (f->nparams >= MAX_PARAMS)
		return NULL;
	f->params[f->nparams] = (struct dwarf_param){.name = "", .result = result};
	return &f->params[f->nparams++];
}

/* NAME TYPE, or NAME alone when the next has the type for both: `a, b int`. */
static bool argument(struct parse *p, struct dwarf_func *f)
{
	struct dwarf_param *v = push_param(p, f, false);
	dwarf_ref t;

	if (!v)
		return fail(p, "there are too many arguments");
	v->name = word(p);
	if (!*v->name)
		return fail(p, "an argument is written NAME TYPE");
	if (eat(p, ","))
		return true;
	t = type(p);
	for (size_t i = f->nparams; i > 0 && !f->params[i - 1].type; i--)
		f->params[i - 1].type = t;
	blanks(p);
	return t && (eat(p, ",") || (p->i < p->t.n && p->t.p[p->i] == ')') ||
		     fail(p, "a comma or ) is missing behind an argument"));
}

static bool arguments(struct parse *p, struct dwarf_func *f)
{
	while (!eat(p, ")"))
		if (!argument(p, f))
			return false;
	return !f->nparams || f->params[f->nparams - 1].type ||
	       fail(p, "an argument is written NAME TYPE");
}

/* Nothing, TYPE, or (TYPE, …). */
static bool results(struct parse *p, struct dwarf_func *f)
{
	bool many = eat(p, "(");

	for (unsigned i = 0; blanks(p), p->i < p->t.n; i++) {
		struct dwarf_param *v = push_param(p, f, true);

		if (!v || (i && !many))
			return fail(p, "several results are written (int, error)");
		v->name = arena_printf(p->d->arena, "~r%u", i);
		v->type = type(p);
		if (!v->type)
			return false;
		if (many && eat(p, ")"))
			break;
		if (many && !eat(p, ","))
			return fail(p, "a comma or ) is missing behind a result");
	}
	blanks(p);
	return p->i == p->t.n || fail(p, "there is more behind the results");
}

struct dwarf *dwarf_made_from(struct str signature, bool method, struct arena *why_arena,
			      struct dwarf_func *out, const char **why)
{
	struct arena *a = arena_new();
	struct dwarf *d = arena_new_of(a, struct dwarf);
	struct parse p = {.d = d, .t = signature};

	d->arena = a;
	d->path = arena_strdup(a, "");
	d->fd = d->main_fd = -1;
	strmap_init(&d->refs, a);
	d->made = arena_new_of(a, struct dwarf_made);
	*out = (struct dwarf_func){.entry = true};
	out->params = arena_array_of(a, struct dwarf_param, MAX_PARAMS);
	if (method) {
		struct dwarf_param *v = push_param(&p, out, false);

		v->name = "recv";
		v->type = named(&p, "unsafe.Pointer");
	}
	if (eat(&p, "(") && arguments(&p, out) && results(&p, out))
		return d;
	*why = arena_strdup(why_arena,
			    p.why ? p.why : "it is written (name string, n int) (int, error)");
	dwarf_close(d);
	return NULL;
}
