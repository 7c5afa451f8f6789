/* Type names, and telling them from expressions where both may stand.
 *
 *   type := ('struct' | 'union' | 'enum') name suffix* | name suffix* | 'typeof' '(' type-or-expr
 * ')' suffix* suffix := '*' | '[' [int] ']'
 *
 * `(` begins a cast or an expression. The decision needs no second attempt, only the tokens up to
 * `)` and the one behind it, which are read ahead and given back:
 *
 *   (struct x …          a cast always
 *   (x *)                a cast: no expression ends in `*`
 *   (x) y  (x) 5  (x)(…  a cast: two operands in a row are nothing else
 *   (x) - y  (x) * y     a cast if x may name a type: not a builtin, not a parameter of the macro,
 *                        not all capitals (a constant)
 *   (x) & y              a cast only if x surely is a type
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

/* Names that have a value in every probe: never types. */
static bool is_value_name(const struct parser *p, struct str name)
{
	static const char *const names[] = {
		"args",    "cgroup", "comm",     "cpid",     "cpu",    "ctx",       "curtask",
		"elapsed", "func",   "gid",      "jiffies",  "kstack", "ncpus",     "nsecs",
		"numaid",  "pcomm",  "pid",      "ppid",     "probe",  "rand",      "retval",
		"tid",     "uid",    "usermode", "username", "ustack", "uptr_args",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_is(name, names[i]))
			return true;
	if (name.n > 3 && memcmp(name.p, "arg", 3) == 0 && name.p[3] >= '0' && name.p[3] <= '9')
		return true;
	if (str_starts(name, STR("__builtin_")))
		return true;
	for (size_t i = 0; p->macro && i < p->macro->nparams; i++)
		if (str_eq(p->macro->params[i].name, name))
			return true;
	return false;
}

static bool is_type_name(struct str name)
{
	static const char *const names[] = {
		"bool",   "char",   "short",  "int",    "long",  "unsigned",  "signed",
		"void",   "int8",   "int16",  "int32",  "int64", "uint8",     "uint16",
		"uint32", "uint64", "string", "buffer", "inet",  "timestamp", "u8",
		"u16",    "u32",    "u64",    "s8",     "s16",   "s32",       "s64",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_is(name, names[i]))
			return true;
	return str_ends(name, STR("_t"));
}

static bool is_constant_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] >= 'a' && name.p[i] <= 'z')
			return false;
	return true;
}

static bool at_type_tag(const struct parser *p)
{
	return at_kw(p, KW_STRUCT) || at_kw(p, KW_UNION) || at_kw(p, KW_ENUM);
}

/* ---- reading ahead ------------------------------------------------------------------------ */

/* The name at the current token and what follows its suffixes. */
struct ahead {
	struct str name;
	bool suffixes, pointer;   /* any; the last one is `*` */
	struct token next, after; /* behind the suffixes, and one further */
};

/* What has been read of the suffixes as such: bad tokens keep silent until they are really met. */
static struct ahead read_ahead(struct parser *p)
{
	struct parser saved = *p;
	struct ahead a = {.name = p->tok.str};

	advance(p);
	for (;; a.suffixes = true) {
		if (at(p, T_STAR)) {
			a.pointer = true;
		} else if (at(p, T_LBRACKET)) {
			advance(p);
			if (at(p, T_INT))
				advance(p);
			if (!at(p, T_RBRACKET))
				break;
			a.pointer = false;
		} else {
			break;
		}
		advance(p);
	}
	a.next = p->tok;
	advance(p);
	a.after = p->tok;
	saved.errors = p->errors;
	saved.give_up = p->give_up;
	*p = saved;
	return a;
}

enum start { START_NO, START_SURE, START_UNSURE, START_HARDLY };

/* Whether a token begins an operand, where it might be a binary operator as well. */
static enum start starts_operand(const struct token *t)
{
	switch (t->kind) {
	case T_IDENT:
		return t->kw == KW_ELSE ? START_NO : START_SURE;
	case T_INT:
	case T_STRING:
	case T_VAR:
	case T_PARAM:
	case T_NPARAMS:
	case T_MAP:
	case T_LPAREN:
	case T_NOT:
	case T_TILDE:
		return START_SURE;
	case T_MINUS:
	case T_STAR:
	case T_INC:
	case T_DEC:
		return START_UNSURE;
	case T_AMP:
		return START_HARDLY;
	default:
		return START_NO;
	}
}

bool starts_cast(struct parser *p)
{
	struct parser saved = *p;
	struct ahead a;
	bool is_tag, is_ident;
	enum start start;

	advance(p);
	is_tag = at_type_tag(p) || at_kw(p, KW_TYPEOF);
	is_ident = at(p, T_IDENT) && p->tok.kw == KW_NONE;
	a = is_ident ? read_ahead(p) : (struct ahead){.pointer = false};
	saved.errors = p->errors;
	saved.give_up = p->give_up;
	*p = saved;
	if (is_tag || !is_ident || a.next.kind != T_RPAREN || is_value_name(p, a.name))
		return is_tag;
	start = starts_operand(&a.after);
	if (a.pointer || is_type_name(a.name))
		return start != START_NO;
	return start == START_SURE || (start == START_UNSURE && !is_constant_name(a.name));
}

bool starts_type_arg(struct parser *p)
{
	struct ahead a;

	if (at_type_tag(p) || at_kw(p, KW_TYPEOF))
		return true;
	if (!at(p, T_IDENT) || p->tok.kw != KW_NONE || is_value_name(p, p->tok.str))
		return false;
	a = read_ahead(p);
	return a.next.kind == T_RPAREN || a.next.kind == T_COMMA;
}

/* ---- reading ------------------------------------------------------------------------------ */

static void parse_base(struct parser *p, struct type_name *t)
{
	if (at_kw(p, KW_TYPEOF)) {
		advance(p);
		t->tag = TAG_TYPEOF;
		expect(p, T_LPAREN, "`(` after typeof");
		if (!parse_enter(p))
			return;
		if (starts_type_arg(p))
			t->of_type = parse_type(p);
		else
			t->of = parse_expr(p);
		parse_leave(p);
		expect(p, T_RPAREN, "`)`");
		return;
	}
	if (at_type_tag(p)) {
		t->tag = at_kw(p, KW_STRUCT)  ? TAG_STRUCT
			 : at_kw(p, KW_UNION) ? TAG_UNION
					      : TAG_ENUM;
		advance(p);
	}
	t->name = p->tok.str;
	if (!at(p, T_IDENT) || (t->tag == TAG_NONE && p->tok.kw != KW_NONE)) {
		t->name = STR("");
		expected(p, t->tag ? "the name of a type" : "a type");
	}
	advance(p);
}

struct type_name *parse_type(struct parser *p)
{
	struct type_name *t = arena_new_of(p->arena, struct type_name);
	VEC(struct type_suffix) suffixes = {NULL, 0, 0};
	uint32_t from = p->tok.off;

	parse_base(p, t);
	for (;;) {
		struct type_suffix s = {SUFFIX_PTR, false, 0};

		if (at(p, T_LBRACKET)) {
			advance(p);
			s = (struct type_suffix){SUFFIX_ARRAY, !at(p, T_INT), p->tok.value};
			if (at(p, T_INT))
				advance(p);
			expect(p, T_RBRACKET, "`]`");
		} else if (!accept(p, T_STAR)) {
			break;
		}
		vec_push(p->arena, &suffixes, s);
	}
	t->suffixes = suffixes.v;
	t->nsuffixes = suffixes.n;
	t->span = span_since(p, from);
	return t;
}
