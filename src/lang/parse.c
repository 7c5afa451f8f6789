/* The top level of a script, the parser's errors, and the entry points of lang.h.
 *
 *   program := [shebang] c_def* (config | import)* (probe | macro | fn | mapdecl)*
 *
 * Top-level items are told apart by their first word and what follows it; everything else is a
 * probe. Between items the text is looked at raw (pos), inside of braces token by token (tok): an
 * item begins with advance() and leaves pos behind its own last character.
 *
 *   begin { @start = nsecs }
 *   kprobe:vfs_read /pid == 1/ { @[tid] = count() }
 *
 * An item that is malformed is left at its block, which is read for more errors.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "lang/lang_priv.h"

/* ---- spans, errors, tokens ---------------------------------------------------------------- */

struct span span_at(const struct parser *p, uint32_t from, uint32_t to)
{
	return (struct span){from, to > from ? to - from : 0, p->file};
}

struct span tok_span(const struct parser *p)
{
	return span_at(p, p->tok.off, p->tok.off + p->tok.len);
}

struct span span_since(const struct parser *p, uint32_t from)
{
	return span_at(p, from, p->prev_end);
}

struct diag_msg *syntax_error(struct parser *p, enum diag_code code, struct span s, const char *fmt,
			      ...)
{
	struct diag_msg *m;
	va_list ap;

	if (p->failed || p->give_up || p->errors > MAX_ERRORS)
		return NULL;
	va_start(ap, fmt);
	m = diag_report(p->diag, code, s, "%s", arena_vprintf(p->arena, fmt, ap));
	va_end(ap);
	if (m && p->errors++ == MAX_ERRORS) {
		diag_note(m, "more than %d errors: the rest is not shown", MAX_ERRORS);
		p->give_up = true;
	}
	return m;
}

void parse_fail(struct parser *p)
{
	if (p->failed)
		return;
	p->failed = true;
	p->fail_tok = p->tok;
	p->tok.kind = T_FAIL;
	p->tok.kw = KW_NONE;
}

void parse_resume(struct parser *p)
{
	if (p->failed)
		p->tok = p->fail_tok;
	p->failed = false;
	if (p->give_up)
		advance(p);
}

static const char *found(struct parser *p)
{
	switch (p->tok.kind) {
	case T_EOF:
		return "the end of the script";
	case T_STRING:
		return "a string";
	default:
		return arena_printf(p->arena, "`%.*s`", (int)MIN(p->tok.len, 40u),
				    p->text.p + p->tok.off);
	}
}

void expected(struct parser *p, const char *what)
{
	struct diag_msg *m;

	if (p->failed)
		return;
	if (!mistake_operator(p) && !at(p, T_BAD)) {
		m = syntax_error(p, E_SYNTAX, tok_span(p), "expected %s, found %s", what, found(p));
		diag_primary(m, "expected %s", what);
	}
	parse_fail(p);
}

bool at(const struct parser *p, enum token_kind kind)
{
	return p->tok.kind == kind;
}

bool at_kw(const struct parser *p, enum keyword kw)
{
	return p->tok.kind == T_IDENT && p->tok.kw == kw;
}

bool accept(struct parser *p, enum token_kind kind)
{
	if (p->tok.kind != kind)
		return false;
	advance(p);
	return true;
}

bool expect(struct parser *p, enum token_kind kind, const char *what)
{
	if (accept(p, kind))
		return true;
	expected(p, what);
	return false;
}

bool parse_enter(struct parser *p)
{
	if (p->depth < MAX_NESTING) {
		p->depth++;
		return true;
	}
	syntax_error(p, E_DEPTH, tok_span(p), "nested more than %d levels deep", MAX_NESTING);
	p->give_up = true;
	parse_fail(p);
	return false;
}

void parse_leave(struct parser *p)
{
	p->depth--;
}

/* ---- the C section ------------------------------------------------------------------------ */

/* A preprocessor line with its continuations. */
static uint32_t preprocessor_end(const struct parser *p)
{
	uint32_t i = p->pos;

	while (i < p->text.n && p->text.p[i] != '\n')
		i += p->text.p[i] == '\\' && i + 1 < p->text.n ? 2 : 1;
	i = MIN(i, (uint32_t)p->text.n);
	while (i > p->pos + 1 && p->text.p[i - 1] && strchr(" \t\r\n\\", p->text.p[i - 1]))
		i--;
	return i;
}

/* Comments and quotes are skipped whole, so that braces in them do not count. */
static uint32_t c_skip(const struct parser *p, uint32_t i)
{
	const char *text = p->text.p + i, *end;
	size_t left = p->text.n - i;

	if (left >= 2 && text[0] == '/' && text[1] == '*') {
		end = memmem(text + 2, left - 2, "*/", 2);
		return end ? (uint32_t)(end + 2 - p->text.p) : (uint32_t)p->text.n;
	}
	if (left >= 2 && text[0] == '/' && text[1] == '/') {
		end = memchr(text, '\n', left);
		return end ? (uint32_t)(end - p->text.p) : (uint32_t)p->text.n;
	}
	return i + 1;
}

static uint32_t skip_space(const struct parser *p, uint32_t i)
{
	while (i < p->text.n && p->text.p[i] && strchr(" \t\r\n", p->text.p[i]))
		i++;
	return i;
}

/* Behind the parenthesis that closes the one at `i`; 0 when there is none such. */
static uint32_t parens_end(const struct parser *p, uint32_t i)
{
	uint32_t nest = 0;

	if (text_at(p, i) != '(')
		return 0;
	for (; i < p->text.n; i++) {
		nest += p->text.p[i] == '(';
		if (p->text.p[i] == ')' && --nest == 0)
			return i + 1;
	}
	return 0;
}

/* Behind any `__attribute__((…))` that follow; what is malformed is left for the next item. */
static uint32_t attributes_end(const struct parser *p, uint32_t i)
{
	static const char word[] = "__attribute__";

	for (;;) {
		uint32_t at_word = skip_space(p, i), end;

		if (p->text.n - at_word < sizeof(word) ||
		    memcmp(p->text.p + at_word, word, sizeof(word) - 1) != 0)
			return i;
		end = parens_end(p, skip_space(p, at_word + (uint32_t)sizeof(word) - 1));
		if (!end)
			return i;
		i = end;
	}
}

/* Up to the `}` that closes the first `{`, or up to `;`. A typedef goes up to its `;`. */
static uint32_t c_type_end(struct parser *p, bool is_typedef)
{
	uint32_t i = p->pos, nest = 0, open = p->pos;

	while (i < p->text.n) {
		char c = p->text.p[i];

		if (c == '{' && nest++ == 0)
			open = i;
		if (c == ';' && nest == 0)
			return i + 1;
		if (c == '}' && nest && --nest == 0 && !is_typedef) {
			i = attributes_end(p, i + 1);
			open = skip_space(p, i);
			return text_at(p, open) == ';' ? open + 1 : i;
		}
		i = c_skip(p, i);
	}
	syntax_error(p, E_SYNTAX, span_at(p, open, open + 1), "C definition is never closed");
	return i;
}

static void c_definition(struct parser *p, bool preprocessor, bool is_typedef)
{
	uint32_t from = p->pos,
		 end = preprocessor ? preprocessor_end(p) : c_type_end(p, is_typedef);
	struct script *s = p->script;
	struct c_def def = {span_at(p, from, end), {p->text.p + from, end - from}, C_PREPROCESSOR};
	struct diag_msg *m;

	if (!preprocessor)
		def.kind = C_TYPE;
	if (s->items.n || s->imports.n || s->has_config) {
		m = syntax_error(p, E_ORDER, span_at(p, from, MIN(end, from + 40)),
				 "C definitions come before everything else");
		diag_help(m, "move this to the top of the script");
	}
	p->pos = end;
	vec_push(p->arena, &s->c_defs, def);
}

/* ---- config and import -------------------------------------------------------------------- */

static void config_value(struct parser *p, struct config_entry *e)
{
	e->value_span = tok_span(p);
	e->text = p->tok.str;
	e->num = p->tok.value;
	if (at(p, T_INT)) {
		e->kind = CONFIG_INT;
	} else if (at(p, T_STRING)) {
		e->kind = CONFIG_STR;
	} else if (at_kw(p, KW_TRUE) || at_kw(p, KW_FALSE)) {
		e->kind = CONFIG_BOOL;
		e->num = at_kw(p, KW_TRUE);
	} else if (at(p, T_IDENT)) {
		e->kind = CONFIG_IDENT;
	} else {
		expected(p, "an integer, a string, true, false or a word");
	}
	advance(p);
}

static void config_entry(struct parser *p)
{
	struct config_entry e = {.name = p->tok.str, .name_span = tok_span(p)};
	uint32_t from = p->tok.off;

	expect(p, T_IDENT, "the name of a setting");
	expect(p, T_ASSIGN, "`=` and a value");
	config_value(p, &e);
	expect_semicolon(p);
	e.span = span_since(p, from);
	if (p->failed) {
		parse_resume(p);
		while (!at(p, T_RBRACE) && !at(p, T_EOF) && !accept(p, T_SEMI))
			advance(p);
	} else {
		vec_push(p->arena, &p->script->config, e);
	}
}

static void misplaced(struct parser *p, const char *what)
{
	struct diag_msg *m;

	if (!p->script->items.n)
		return;
	m = syntax_error(p, E_ORDER, tok_span(p), "%s comes before probes, functions and maps",
			 what);
	diag_help(m, "move this to the top of the script, behind the C definitions");
}

/* At the word config; pos is behind it. */
static void config(struct parser *p)
{
	struct diag_msg *m;
	uint32_t from = p->tok.off, open;

	misplaced(p, "config");
	if (p->script->has_config) {
		m = syntax_error(p, E_ORDER, tok_span(p), "second config block");
		diag_label(m, p->script->config_span, "the first is here");
	}
	p->script->has_config = true;
	advance(p);
	advance(p);
	open = p->tok.off;
	p->script->config_span = span_at(p, from, open);
	advance(p);
	while (!at(p, T_RBRACE) && !at(p, T_EOF))
		config_entry(p);
	if (at(p, T_EOF))
		syntax_error(p, E_SYNTAX, span_at(p, open, open + 1), "`{` is never closed");
	p->script->config_span = span_at(p, from, p->tok.off + p->tok.len);
}

/* An optional `;`, looked for without reading a token of what follows. */
static void skip_semicolon(struct parser *p)
{
	uint32_t pos = skip_space(p, p->pos);

	if (text_at(p, pos) == ';')
		p->pos = pos + 1;
}

static void import(struct parser *p)
{
	struct import_decl decl;
	uint32_t from = p->tok.off;

	misplaced(p, "import");
	advance(p);
	decl.path = p->tok.str;
	decl.span = span_at(p, from, p->tok.off + p->tok.len);
	if (at(p, T_STRING))
		vec_push(p->arena, &p->script->imports, decl);
	skip_semicolon(p);
}

/* ---- probes, macros, functions, maps ------------------------------------------------------ */

static void add_item(struct parser *p, enum script_item_kind kind, size_t index)
{
	vec_push(p->arena, &p->script->items, (struct script_item){kind, index});
}

/* The block of an item. After a failure before it: on to the block, so that it is read as well. */
static struct block *item_block(struct parser *p)
{
	struct block *b;

	if (p->failed) {
		parse_resume(p);
		while (!at(p, T_LBRACE) && !at(p, T_EOF) && !at(p, T_RBRACE))
			advance(p);
		if (!at(p, T_LBRACE))
			return arena_new_of(p->arena, struct block);
	}
	b = parse_block(p, BLOCK_STAY);
	if (p->failed)
		parse_resume(p);
	if (p->unwind)
		p->pos = p->tok.off;
	p->unwind = false;
	return b;
}

/* At the `/` in front; pos is at it. */
static void predicate(struct parser *p, struct probe_decl *probe)
{
	uint32_t open = p->pos;
	struct diag_msg *m;

	p->pos++;
	p->tok.off = open;
	p->tok.len = 1;
	advance(p);
	p->in_pred = true;
	probe->pred = parse_expr(p);
	p->in_pred = false;
	if (accept(p, T_SLASH) || p->failed)
		return;
	if (at(p, T_LBRACE) || at(p, T_EOF)) {
		m = syntax_error(p, E_SYNTAX, span_at(p, p->prev_end, p->prev_end),
				 "expected `/` at the end of the predicate");
		diag_label(m, span_at(p, open, open + 1), "it begins here");
		diag_suggest(m, span_at(p, p->prev_end, p->prev_end), "/");
		return;
	}
	expected(p, "`/` at the end of the predicate");
}

static bool next_is_block(struct parser *p, uint32_t from)
{
	struct diag_msg *m;

	if (p->failed || at(p, T_LBRACE))
		return true;
	if (mistake_item(p, from))
		return !at(p, T_EOF);
	if (at(p, T_EOF)) {
		m = syntax_error(p, E_SYNTAX, span_at(p, p->prev_end, p->prev_end),
				 "expected `{` and the body of the probe");
		diag_help(m, "a probe is written as in `tracepoint:sched:sched_switch { … }`");
		return false;
	}
	if (!at(p, T_BAD)) {
		m = syntax_error(p, E_SYNTAX, tok_span(p),
				 "expected `,`, a `/predicate/` or `{` after the name of a probe, "
				 "found %s",
				 found(p));
		diag_help(m, "a condition is written between slashes: /pid == 1/ { … }");
	}
	parse_fail(p);
	return true;
}

static void probe(struct parser *p)
{
	struct probe_decl decl = {.naps = 0};
	uint32_t from = p->pos;

	parse_attach_points(p, &decl);
	if (text_at(p, p->pos) == '/') {
		predicate(p, &decl);
	} else {
		p->tok.off = p->prev_end;
		p->tok.len = 0;
		advance(p);
	}
	decl.body = next_is_block(p, from) ? item_block(p) : arena_new_of(p->arena, struct block);
	block_drop_value(p, decl.body);
	decl.span = span_at(p, from, p->pos);
	if (!decl.naps)
		return;
	vec_push(p->arena, &p->script->probes, decl);
	add_item(p, ITEM_PROBE, p->script->probes.n - 1);
}

static bool macro_param(struct parser *p, struct macro_param *param)
{
	*param = (struct macro_param){.span = tok_span(p), .name = p->tok.str};
	switch (p->tok.kind) {
	case T_VAR:
		param->kind = MACRO_VAR;
		break;
	case T_MAP:
		param->kind = MACRO_MAP;
		break;
	case T_IDENT:
		param->kind = MACRO_EXPR;
		break;
	default:
		expected(p, "a parameter: $variable, @map or a name");
		return false;
	}
	advance(p);
	return true;
}

static void item_name(struct parser *p, struct str *name, struct span *span, const char *what)
{
	advance(p);
	*name = p->tok.str;
	*span = tok_span(p);
	expect(p, T_IDENT, what);
	expect(p, T_LPAREN, "`(` and parameters");
}

/* At the word macro. */
static void macro(struct parser *p)
{
	VEC(struct macro_param) params = {NULL, 0, 0};
	struct macro_decl decl = {.nparams = 0};
	struct macro_param param;
	uint32_t from = p->tok.off;

	item_name(p, &decl.name, &decl.name_span, "the name of the macro");
	while (!at(p, T_RPAREN) && !p->failed && macro_param(p, &param)) {
		vec_push(p->arena, &params, param);
		if (!accept(p, T_COMMA))
			break;
	}
	expect(p, T_RPAREN, "`,` or `)`");
	decl.params = params.v;
	decl.nparams = params.n;
	p->macro = &decl;
	decl.body = item_block(p);
	p->macro = NULL;
	decl.span = span_at(p, from, p->pos);
	vec_push(p->arena, &p->script->macros, decl);
	add_item(p, ITEM_MACRO, p->script->macros.n - 1);
}

/* At the word fn. */
static void function(struct parser *p)
{
	VEC(struct fn_param) params = {NULL, 0, 0};
	struct fn_decl decl = {.nparams = 0};
	uint32_t from = p->tok.off;

	item_name(p, &decl.name, &decl.name_span, "the name of the function");
	while (!at(p, T_RPAREN) && !p->failed) {
		struct fn_param param = {.span = tok_span(p), .name = p->tok.str};

		if (!expect(p, T_VAR, "a parameter such as `$x : int64`") ||
		    !expect(p, T_COLON, "`:` and the type of the parameter"))
			break;
		param.type = parse_type(p);
		param.span = span_since(p, param.span.off);
		vec_push(p->arena, &params, param);
		if (!accept(p, T_COMMA))
			break;
	}
	expect(p, T_RPAREN, "`,` or `)`");
	expect(p, T_COLON, "`:` and the type of the result");
	decl.params = params.v;
	decl.nparams = params.n;
	decl.result = parse_type(p);
	decl.body = item_block(p);
	decl.span = span_at(p, from, p->pos);
	vec_push(p->arena, &p->script->fns, decl);
	add_item(p, ITEM_FN, p->script->fns.n - 1);
}

/* let @name = kind(entries) [;] */
static void map_declaration(struct parser *p)
{
	struct map_decl decl = {.has_entries = false};
	uint32_t from = p->tok.off;

	advance(p);
	decl.name = p->tok.str;
	advance(p);
	expect(p, T_ASSIGN, "`=` and the kind of the map, such as hash(1024)");
	decl.kind = p->tok.str;
	decl.kind_span = tok_span(p);
	expect(p, T_IDENT, "the kind of the map, such as hash(1024)");
	expect(p, T_LPAREN, "`(` and the number of entries");
	decl.has_entries = at(p, T_INT);
	decl.entries = p->tok.value;
	if (at(p, T_INT))
		advance(p);
	if (!at(p, T_RPAREN))
		expected(p, decl.has_entries ? "`)`" : "the number of entries");
	if (p->failed) {
		parse_resume(p);
		while (!at(p, T_SEMI) && !at(p, T_EOF) && !p->tok.line_start)
			advance(p);
		p->pos = at(p, T_SEMI) ? p->pos : p->tok.off;
		return;
	}
	skip_semicolon(p);
	decl.span = span_at(p, from, p->pos);
	vec_push(p->arena, &p->script->maps, decl);
	add_item(p, ITEM_MAP, p->script->maps.n - 1);
}

/* ---- items -------------------------------------------------------------------------------- */

/* The first word of an item and what follows it: the first non-blank character and, behind `=`, the
 * one after that. */
struct lead {
	struct str word;
	char next, third;
	bool spaced;
};

static struct lead read_lead(struct parser *p)
{
	struct parser ahead = *p;
	struct lead l;
	uint32_t i = p->pos;
	size_t ncomments = p->script->comments.n;

	while (is_ident_char(text_at(p, i)))
		i++;
	l.word = (struct str){p->text.p + p->pos, i - p->pos};
	ahead.pos = i;
	if (l.word.n)
		lex_skip_trivia(&ahead);
	l.spaced = ahead.pos > i;
	l.next = text_at(p, ahead.pos);
	ahead.pos++;
	if (l.word.n && l.next == '=')
		lex_skip_trivia(&ahead);
	l.third = text_at(p, ahead.pos);
	p->script->comments.n = ncomments;
	return l;
}

static void item(struct parser *p)
{
	struct lead l = read_lead(p);
	bool c_word = str_is(l.word, "struct") || str_is(l.word, "union") || str_is(l.word, "enum");

	if (text_at(p, p->pos) == '#' && text_at(p, p->pos + 1) == '!') {
		syntax_error(p, E_ORDER, span_at(p, p->pos, p->pos + 2),
			     "`#!` stands at the very beginning of the script only");
		p->pos = preprocessor_end(p);
		return;
	}
	if (text_at(p, p->pos) == '#') {
		c_definition(p, true, false);
		return;
	}
	if ((c_word && (l.spaced || l.next == '{')) || (str_is(l.word, "typedef") && l.spaced)) {
		c_definition(p, false, !c_word);
		return;
	}
	p->tok = (struct token){.kind = T_EOF, .off = p->pos};
	p->prev_end = p->pos;
	if (str_is(l.word, "config") && l.next == '=' && l.third == '{') {
		advance(p);
		config(p);
	} else if (str_is(l.word, "import") && l.next == '"') {
		advance(p);
		import(p);
	} else if (str_is(l.word, "macro") && l.spaced && is_ident_start(l.next)) {
		advance(p);
		macro(p);
	} else if (str_is(l.word, "fn") && l.spaced && is_ident_start(l.next)) {
		advance(p);
		function(p);
	} else if (str_is(l.word, "let") && l.next == '@') {
		advance(p);
		map_declaration(p);
	} else {
		probe(p);
	}
}

static void stray(struct parser *p)
{
	struct diag_msg *m;

	if (text_at(p, p->pos) != ';') {
		m = syntax_error(p, E_SYNTAX, span_at(p, p->pos, p->pos + 1), "unexpected `}`");
		diag_primary(m, "no block is open here");
	}
	p->pos++;
}

/* A byte order mark, which some editors write, is not part of the script. */
static void skip_mark(struct parser *p)
{
	if (p->text.n >= 3 && memcmp(p->text.p, "\xef\xbb\xbf", 3) == 0)
		p->pos = 3;
}

static void shebang(struct parser *p)
{
	const char *nl;

	skip_mark(p);
	if (p->text.n < 2 || memcmp(p->text.p, "#!", 2) != 0)
		return;
	nl = memchr(p->text.p, '\n', p->text.n);
	p->script->shebang = (struct str){p->text.p, nl ? (size_t)(nl - p->text.p) : p->text.n};
	p->pos = (uint32_t)p->script->shebang.n;
}

struct script *lang_parse(struct arena *a, struct diag *d, uint32_t file)
{
	struct parser p;

	lex_init(&p, a, d, file);
	shebang(&p);
	for (;;) {
		uint32_t start;

		lex_skip_trivia(&p);
		start = p.pos;
		if (p.give_up || p.pos >= p.text.n)
			return p.script;
		if (text_at(&p, p.pos) == '}' || text_at(&p, p.pos) == ';') {
			stray(&p);
			continue;
		}
		item(&p);
		if (p.failed)
			parse_resume(&p);
		if (p.pos == start)
			p.pos++;
	}
}

struct expr *lang_parse_expr(struct arena *a, struct diag *d, uint32_t file)
{
	unsigned before = diag_errors(d);
	struct parser p;
	struct expr *e;

	lex_init(&p, a, d, file);
	advance(&p);
	e = parse_expr(&p);
	if (!p.failed && !at(&p, T_EOF))
		expected(&p, "the end of the expression");
	return diag_errors(d) > before ? NULL : e;
}
