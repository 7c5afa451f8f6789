/* Mistakes of people who know another language: what they wrote is recognised, and said in awl's.
 *
 *   int $x = 1;             let $x: int32 = 1;
 *   print "hello";          print("hello");
 *   @x.clear();             clear(@x);
 *   if (not pid)            if (!pid)
 *   pid === 1, pid <> 1     pid == 1, pid != 1
 *   function f() { }        fn f(): void { }
 *   begin { kprobe:f { } }  one probe behind the other
 *
 * Each function returns false when it recognises nothing; otherwise it has reported, and parsing
 * recovers at the next statement. */
#include "lang/lang_priv.h"

static bool is_any(struct str word, const char *const *words)
{
	for (; *words; words++)
		if (str_is(word, *words))
			return true;
	return false;
}

/* `int x = 5;` */
static void c_declaration(struct parser *p, const struct expr *e)
{
	struct diag_msg *m;

	m = syntax_error(p, E_SYNTAX, span_at(p, e->span.off, p->tok.off + p->tok.len),
			 "`%.*s %.*s` is not a statement", STR_ARG(e->ident.name),
			 STR_ARG(p->tok.str));
	diag_help(m, "a variable is declared by `let $%.*s : %.*s = …;`", STR_ARG(p->tok.str),
		  STR_ARG(e->ident.name));
}

static const char *type_for(struct str word)
{
	static const struct {
		const char *word, *type;
	} types[] = {{"int", "int32"},       {"long", "int64"}, {"char", "int8"},
		     {"unsigned", "uint32"}, {"u64", "uint64"}, {"u32", "uint32"}};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_is(word, types[i].word))
			return types[i].type;
	return NULL;
}

/* `int $x`, `var $x` */
static bool declared(struct parser *p, const struct expr *e)
{
	static const char *const words[] = {"var", "auto", "local", "my", "const", "global", NULL};
	const char *type = type_for(e->ident.name);
	struct diag_msg *m;

	if (!at(p, T_VAR) || (!type && !is_any(e->ident.name, words)))
		return false;
	m = syntax_error(p, E_SYNTAX, e->span, "variables are declared by `let`");
	if (type)
		diag_help(m,
			  "write `let $%.*s: %s = …;`, or leave the type to the value: $%.*s = …;",
			  STR_ARG(p->tok.str), type, STR_ARG(p->tok.str));
	else
		diag_suggest(m, e->span, "let");
	return true;
}

static bool call_without_parens(struct parser *p, const struct expr *e)
{
	struct diag_msg *m;

	if (!at(p, T_STRING) && !at(p, T_MAP) && !at(p, T_VAR) && !at(p, T_INT))
		return false;
	m = syntax_error(p, E_SYNTAX, span_join(e->span, tok_span(p)),
			 "a function is called with parentheses");
	diag_help(m, at(p, T_MAP) ? "write %.*s(%.*s…)" : "write %.*s(%.*s)",
		  STR_ARG(e->ident.name), (int)p->tok.len, p->text.p + p->tok.off);
	return true;
}

static bool nested_probe(struct parser *p, const struct expr *e)
{
	struct diag_msg *m;

	if (!at(p, T_COLON) || p->tok.off != p->prev_end)
		return false;
	m = syntax_error(p, E_SYNTAX, e->span, "a probe cannot stand in a block");
	diag_help(m, "close the block of the probe before it with `}`, then write %.*s:… behind it",
		  STR_ARG(e->ident.name));
	return true;
}

bool mistake_statement(struct parser *p, const struct expr *e)
{
	bool known = false;

	if (p->tok.line_start)
		return false;
	if (e->kind == EXPR_IDENT && at(p, T_IDENT) && p->tok.kw == KW_NONE) {
		c_declaration(p, e);
		known = true;
	} else if (e->kind == EXPR_IDENT) {
		known = declared(p, e) || call_without_parens(p, e) || nested_probe(p, e);
	} else if (e->kind == EXPR_FIELD && at(p, T_LPAREN)) {
		diag_help(syntax_error(p, E_SYNTAX, e->span, "values have no methods"),
			  "a function takes the value as its argument: %.*s(…)",
			  STR_ARG(e->field.name));
		known = true;
	}
	if (known)
		parse_fail(p);
	return known;
}

/* The bytes right before the current token are these. */
static bool behind(const struct parser *p, const char *word)
{
	uint32_t n = (uint32_t)strlen(word);

	return p->prev_end >= n && memcmp(p->text.p + p->prev_end - n, word, n) == 0;
}

/* `===`, `!==`, `<>`, `not`: an operator that is none here, at or before the current token. */
static bool foreign_operator(const struct parser *p, struct span *s, const char **own)
{
	bool joined = p->tok.off == p->prev_end;
	uint32_t word = p->prev_end;

	if (at(p, T_IDENT) && (str_is(p->tok.str, "and") || str_is(p->tok.str, "or"))) {
		*own = str_is(p->tok.str, "and") ? "&&" : "||";
	} else if (joined && at(p, T_ASSIGN) && (behind(p, "==") || behind(p, "!="))) {
		*own = behind(p, "==") ? "==" : "!=";
		word -= 2;
	} else if (joined && at(p, T_GT) && behind(p, "<")) {
		*own = "!=";
		word -= 1;
	} else if (!joined && behind(p, "not")) {
		*own = "!";
		*s = span_at(p, word - 3, word);
		return true;
	} else {
		return false;
	}
	*s = span_at(p, at(p, T_IDENT) ? p->tok.off : word, p->tok.off + p->tok.len);
	return true;
}

bool mistake_operator(struct parser *p)
{
	struct diag_msg *m;
	const char *own;
	struct span s;

	if (!foreign_operator(p, &s, &own))
		return false;
	m = syntax_error(p, E_SYNTAX, s, "`%.*s` is no operator", (int)s.len, p->text.p + s.off);
	diag_suggest(m, s, own);
	return true;
}

/* `for ($i = 0; $i < 10; $i++)` */
bool mistake_for(struct parser *p)
{
	struct diag_msg *m;

	if (!at(p, T_ASSIGN))
		return false;
	m = syntax_error(p, E_SYNTAX, tok_span(p), "for has no start, condition and step");
	diag_help(m, "for runs over a range or a map: for ($i : 0..10) { … }");
	parse_fail(p);
	return true;
}

static struct str first_word(const struct parser *p, uint32_t from)
{
	uint32_t end = from;

	while (end < p->text.n && is_ident_char(p->text.p[end]))
		end++;
	return (struct str){p->text.p + from, end - from};
}

/* What stands where a probe's name should: `from` is its first byte, the current token is the one
 * that fits no probe. */
bool mistake_item(struct parser *p, uint32_t from)
{
	static const char *const functions[] = {"function", "func", "def", "sub", "void", NULL};
	struct str word = first_word(p, from);
	struct diag_msg *m;

	if (is_any(word, functions)) {
		m = syntax_error(p, E_SYNTAX, span_at(p, from, from + (uint32_t)word.n),
				 "functions are defined by `fn`");
		diag_help(m, "write fn NAME($x: int64): int64 { return $x; }");
	} else if (text_at(p, from + (uint32_t)word.n) == '(' || text_at(p, from) == '@' ||
		   text_at(p, from) == '$') {
		m = syntax_error(p, E_SYNTAX, span_at(p, from, p->prev_end),
				 "a statement stands outside of all probes");
		diag_help(m, "put it into one: begin { … } runs once at the start");
	} else if (at_kw(p, KW_IF)) {
		m = syntax_error(p, E_SYNTAX, tok_span(p), "`if` stands inside the braces");
		diag_help(m, "write { if (…) { … } }, or a condition of the probe: /…/ { … }");
	} else if (at(p, T_IDENT) && text_at(p, p->tok.off + p->tok.len) == ':') {
		m = syntax_error(p, E_SYNTAX, tok_span(p), "expected `,` between two probes");
		diag_suggest(m, span_at(p, p->prev_end, p->prev_end), ",");
	} else {
		return false;
	}
	parse_fail(p);
	return true;
}
