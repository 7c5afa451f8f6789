/* Statements and blocks, and recovery from errors inside of them.
 *
 * Recovery: a statement that failed is left at the next `;`, at the `}` of its block, or at a line
 * that begins like a statement. A block on the way is read as one, so that mistakes in the body of
 * a malformed `if` are found too. A block that meets a line which begins like a probe, or the end
 * of the file, was never closed: it says so, and all blocks around it end without a word.
 *
 * The value of a block is its last expression without `;`. In places where no value is wanted
 * (bodies of probes and loops, an `if` used as a statement) block_drop_value makes a statement of
 * it, so `{ f() }` and `{ f(); }` are the same tree there.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

static struct stmt *stmt_new(struct parser *p, enum stmt_kind kind, uint32_t from)
{
	struct stmt *s = arena_new_of(p->arena, struct stmt);

	s->kind = kind;
	s->span = span_since(p, from);
	return s;
}

/* ---- values of blocks --------------------------------------------------------------------- */

static void drop_value(struct parser *p, struct expr *e)
{
	for (; e && e->kind == EXPR_IF; e = e->cond.no)
		block_drop_value(p, e->cond.yes);
	if (e && e->kind == EXPR_BLOCK)
		block_drop_value(p, e->block);
}

static struct stmt *expr_stmt(struct parser *p, struct expr *e)
{
	struct stmt *s = stmt_new(p, STMT_EXPR, e->span.off);

	s->span = e->span;
	s->expr = e;
	if (!e->parens)
		drop_value(p, e);
	return s;
}

void block_drop_value(struct parser *p, struct block *b)
{
	struct stmt **stmts;

	if (!b->value)
		return;
	stmts = arena_array_of(p->arena, struct stmt *, b->n + 1);
	if (b->n)
		memcpy(stmts, b->stmts, b->n * sizeof(*stmts));
	stmts[b->n++] = expr_stmt(p, b->value);
	b->stmts = stmts;
	b->value = NULL;
}

/* An `if` has a value when all its branches do. */
static bool has_value(const struct expr *e)
{
	for (; e && e->kind == EXPR_IF; e = e->cond.no)
		if (!e->cond.yes->value)
			return false;
	return e && (e->kind != EXPR_BLOCK || e->block->value);
}

/* ---- recovery ----------------------------------------------------------------------------- */

static bool starts_statement(const struct parser *p)
{
	switch (p->tok.kind) {
	case T_VAR:
	case T_MAP:
		return true;
	case T_IDENT:
		return p->tok.kw != KW_ELSE && p->tok.kw != KW_STRUCT && p->tok.kw != KW_UNION;
	default:
		return false;
	}
}

static bool else_follows(struct parser *p)
{
	if (!at_kw(p, KW_ELSE))
		return false;
	advance(p);
	return true;
}

void parse_recover(struct parser *p, uint32_t start)
{
	parse_resume(p);
	while (!at(p, T_EOF) && !at(p, T_RBRACE) && !p->unwind) {
		if (p->tok.off > start && p->tok.line_start && starts_statement(p))
			return;
		if (accept(p, T_SEMI))
			return;
		if (at(p, T_LBRACE)) {
			parse_block(p, BLOCK_NEXT);
			if (p->failed)
				parse_resume(p);
			if (else_follows(p))
				continue;
			accept(p, T_SEMI);
			return;
		}
		advance(p);
	}
}

/* A line such as `kprobe:f` or `END {` where a statement should begin. */
static bool looks_like_probe(const struct parser *p)
{
	static const char *const names[] = {"BEGIN", "END", "begin", "end", "macro", "fn"};
	uint32_t end = p->tok.off + p->tok.len;

	if (!at(p, T_IDENT) || !p->tok.line_start)
		return false;
	if (text_at(p, end) == ':')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!str_is(p->tok.str, names[i]))
			continue;
		while (text_at(p, end) == ' ' || text_at(p, end) == '\t' || text_at(p, end) == '\n')
			end++;
		return i < 4 ? text_at(p, end) == '{' : is_ident_start(text_at(p, end));
	}
	return false;
}

static void block_not_closed(struct parser *p, uint32_t open)
{
	struct diag_msg *m = NULL;

	if (!p->failed && !p->give_up)
		m = syntax_error(p, E_SYNTAX, span_at(p, open, open + 1), "`{` is never closed");
	diag_help(m, "each `{` needs a `}` of its own");
	if (at(p, T_IDENT))
		diag_label(m, tok_span(p), "here a probe seems to begin");
	p->unwind = true;
}

/* ---- statements --------------------------------------------------------------------------- */

/* Known mistakes where a statement should have ended. */
static bool semicolon_mistake(struct parser *p)
{
	if (!at(p, T_IDENT) || p->tok.line_start || !mistake_operator(p))
		return false;
	parse_fail(p);
	return true;
}

/* Behind the last token, at most one blank away, a `;` is missing; what follows is read on. */
void expect_semicolon(struct parser *p)
{
	struct span s = span_at(p, p->prev_end, p->prev_end);
	struct diag_msg *m;

	if (p->failed || accept(p, T_SEMI) || at(p, T_RBRACE) || semicolon_mistake(p))
		return;
	if (at(p, T_EOF) || (p->tok.line_start && looks_like_probe(p)))
		return; /* the block will complain */
	if (!starts_statement(p) || at(p, T_BAD)) {
		expected(p, "`;`");
		return;
	}
	m = syntax_error(p, E_SYNTAX, s, "expected `;` at the end of the statement");
	diag_suggest(m, s, ";");
}

static struct stmt *let(struct parser *p)
{
	struct stmt *s = stmt_new(p, STMT_LET, p->tok.off);
	uint32_t from = p->tok.off;
	struct diag_msg *m;

	advance(p);
	s->let.name = p->tok.str;
	s->let.name_span = tok_span(p);
	if (at(p, T_MAP)) {
		m = syntax_error(p, E_ORDER, tok_span(p), "maps are declared outside of probes");
		diag_help(m, "write `let @%.*s = hash(1024);` before the probe",
			  STR_ARG(p->tok.str));
		parse_fail(p);
	}
	if (at(p, T_IDENT)) {
		m = syntax_error(p, E_SYNTAX, tok_span(p), "names of variables begin with `$`");
		diag_suggest(m, tok_span(p), arena_printf(p->arena, "$%.*s", STR_ARG(p->tok.str)));
		p->tok.kind = T_VAR;
	}
	expect(p, T_VAR, "a variable such as $x after let");
	if (accept(p, T_COLON))
		s->let.type = parse_type(p);
	if (accept(p, T_ASSIGN))
		s->let.value = parse_expr(p);
	expect_semicolon(p);
	s->span = span_since(p, from);
	return s;
}

static struct block *loop_body(struct parser *p)
{
	struct block *b = parse_block(p, BLOCK_NEXT);

	block_drop_value(p, b);
	return b;
}

/* for [(] $x : @map | from .. to [)] block */
static struct stmt *for_loop(struct parser *p)
{
	struct stmt *s = stmt_new(p, STMT_FOR_MAP, p->tok.off);
	uint32_t from = p->tok.off;

	advance(p);
	s->loop.parens = accept(p, T_LPAREN);
	s->loop.var = p->tok.str;
	s->loop.var_span = tok_span(p);
	expect(p, T_VAR, "a variable such as $kv after for");
	if (at(p, T_IDENT) && str_is(p->tok.str, "in")) {
		diag_suggest(syntax_error(p, E_SYNTAX, tok_span(p), "`in` is not used in for"),
			     tok_span(p), ":");
		p->tok.kind = T_COLON;
	}
	if (!p->failed && mistake_for(p))
		return s;
	if (!expect(p, T_COLON, "`:` and a map or a range"))
		return s;
	s->loop.from = parse_operators(p);
	if (accept(p, T_RANGE)) {
		s->kind = STMT_FOR_RANGE;
		s->loop.to = parse_operators(p);
	} else if (s->loop.from->kind == EXPR_MAP && s->loop.from->map.nkeys == 0) {
		s->loop.map = s->loop.from;
		s->loop.from = NULL;
	} else if (!p->failed) {
		struct diag_msg *m = syntax_error(p, E_SYNTAX, s->loop.from->span,
						  "for runs over a map or a range");

		diag_primary(m, "neither `@map` nor `from..to`");
	}
	if (s->loop.parens)
		expect(p, T_RPAREN, "`)`");
	s->loop.body = loop_body(p);
	s->span = span_since(p, from);
	return s;
}

static struct stmt *repeat(struct parser *p, enum stmt_kind kind)
{
	struct stmt *s = stmt_new(p, kind, p->tok.off);
	uint32_t from = p->tok.off;

	advance(p);
	s->repeat.cond = parse_condition(p);
	s->repeat.body = loop_body(p);
	s->span = span_since(p, from);
	return s;
}

static struct stmt *jump(struct parser *p, enum stmt_kind kind)
{
	struct stmt *s = stmt_new(p, kind, p->tok.off);
	uint32_t from = p->tok.off;

	advance(p);
	if (kind == STMT_RETURN && !at(p, T_SEMI) && !at(p, T_RBRACE))
		s->expr = parse_expr(p);
	expect_semicolon(p);
	s->span = span_since(p, from);
	return s;
}

static struct stmt *import(struct parser *p)
{
	struct stmt *s = stmt_new(p, STMT_IMPORT, p->tok.off);
	struct import_decl decl = {0};
	uint32_t from = p->tok.off;

	advance(p);
	s->import = p->tok.str;
	expect(p, T_STRING, "the path to import, in double quotes");
	expect_semicolon(p);
	s->span = span_since(p, from);
	decl.path = s->import;
	decl.span = s->span;
	vec_push(p->arena, &p->script->inner_imports, decl);
	return s;
}

static bool assign_op_at(const struct parser *p, bool *compound, enum binary_op *op)
{
	*compound = p->tok.kind != T_ASSIGN;
	switch (p->tok.kind) {
	case T_ASSIGN:
		return true;
#define TOKEN(name, text)
#define ASSIGN_OP(name, text, o) \
	case name:               \
		*op = o;         \
		return true;
#include "lang/token.def"
#undef TOKEN
#undef ASSIGN_OP
	default:
		return false;
	}
}

static void check_lhs(struct parser *p, const struct expr *lhs)
{
	struct diag_msg *m;

	if (p->failed || ((lhs->kind == EXPR_VAR || lhs->kind == EXPR_MAP) && !lhs->parens))
		return;
	m = syntax_error(p, E_SYNTAX, lhs->span, "only variables and maps can be assigned to");
	if (lhs->kind == EXPR_IDENT)
		diag_suggest(m, lhs->span,
			     arena_printf(p->arena, "$%.*s", STR_ARG(lhs->ident.name)));
	else if (lhs->kind == EXPR_INDEX && lhs->index.e->kind == EXPR_MAP)
		diag_help(m, "a map has one pair of brackets: write @%.*s[a, b] for several keys",
			  STR_ARG(lhs->index.e->map.name));
	else if (lhs->kind == EXPR_INDEX && lhs->index.e->kind == EXPR_IDENT)
		diag_suggest(m, lhs->index.e->span,
			     arena_printf(p->arena, "@%.*s", STR_ARG(lhs->index.e->ident.name)));
	else if (lhs->kind == EXPR_BINARY && lhs->bin.l->kind == EXPR_VAR &&
		 lhs->bin.r->kind == EXPR_IDENT)
		diag_suggest(m, lhs->span,
			     arena_printf(p->arena, "$%.*s_%.*s", STR_ARG(lhs->bin.l->ident.name),
					  STR_ARG(lhs->bin.r->ident.name)));
	else
		diag_primary(m, "neither a $variable nor a @map");
}

static struct stmt *assignment(struct parser *p, struct expr *lhs)
{
	struct stmt *s = stmt_new(p, STMT_ASSIGN, lhs->span.off);

	assign_op_at(p, &s->assign.compound, &s->assign.op);
	s->assign.lhs = lhs;
	s->assign.op_span = tok_span(p);
	if (lhs->kind == EXPR_IDENT && str_is(lhs->ident.name, "_") && !s->assign.compound &&
	    !lhs->parens) {
		advance(p);
		s->kind = STMT_DISCARD;
		s->expr = parse_expr(p);
	} else {
		check_lhs(p, lhs);
		advance(p);
		s->assign.value = parse_expr(p);
	}
	expect_semicolon(p);
	s->span = span_since(p, lhs->span.off);
	return s;
}

/* An expression, an assignment, or the value of the block (then NULL). */
static struct stmt *other(struct parser *p, struct expr **value)
{
	enum binary_op op;
	bool compound;
	struct expr *e = parse_operators(p);
	struct stmt *s;

	if (p->failed)
		return NULL;
	if (assign_op_at(p, &compound, &op))
		return assignment(p, e);
	if (mistake_statement(p, e))
		return NULL;
	if (at(p, T_RBRACE)) {
		*value = e;
		return NULL;
	}
	s = expr_stmt(p, e);
	expect_semicolon(p);
	s->span = span_since(p, e->span.off);
	return s;
}

/* `if` or `{` where a statement begins: no `;`, no operator behind it. */
static struct stmt *compound(struct parser *p, struct expr **value)
{
	unsigned tallest = p->tallest;
	struct expr *e;

	if (!parse_enter(p))
		return NULL;
	p->tallest = 0;
	if (at_kw(p, KW_IF)) {
		e = parse_if(p);
	} else {
		e = expr_new(p, EXPR_BLOCK, p->tok.off);
		e->block = parse_block(p, BLOCK_NEXT);
		e->span = e->block->span;
		e->height = (uint16_t)MIN(p->tallest + 1, MAX_HEIGHT);
	}
	parse_leave(p);
	p->tallest = MAX(tallest, e->height);
	if (at(p, T_RBRACE) && has_value(e)) {
		*value = e;
		return NULL;
	}
	return expr_stmt(p, e);
}

static struct stmt *statement(struct parser *p, struct expr **value)
{
	struct diag_msg *m;

	if (at(p, T_LBRACE))
		return compound(p, value);
	if (!at(p, T_IDENT))
		return other(p, value);
	switch (p->tok.kw) {
	case KW_IF:
		return compound(p, value);
	case KW_LET:
		return let(p);
	case KW_FOR:
		return for_loop(p);
	case KW_WHILE:
		return repeat(p, STMT_WHILE);
	case KW_UNROLL:
		return repeat(p, STMT_UNROLL);
	case KW_BREAK:
		return jump(p, STMT_BREAK);
	case KW_CONTINUE:
		return jump(p, STMT_CONTINUE);
	case KW_RETURN:
		return jump(p, STMT_RETURN);
	case KW_IMPORT:
		return import(p);
	case KW_ELSE:
		m = syntax_error(p, E_SYNTAX, tok_span(p), "`else` without `if`");
		diag_primary(m, "no `if { … }` stands directly before");
		advance(p);
		return NULL;
	default:
		return other(p, value);
	}
}

/* ---- blocks ------------------------------------------------------------------------------- */

static void statements(struct parser *p, struct block *b, uint32_t open)
{
	VEC(struct stmt *) stmts = {NULL, 0, 0};

	while (!at(p, T_RBRACE) && !p->unwind) {
		uint32_t start = p->tok.off;
		struct stmt *s;

		if (at(p, T_EOF) || looks_like_probe(p)) {
			block_not_closed(p, open);
			break;
		}
		if (accept(p, T_SEMI))
			continue;
		s = statement(p, &b->value);
		if (p->failed)
			parse_recover(p, start);
		else if (s)
			vec_push(p->arena, &stmts, s);
	}
	b->stmts = stmts.v;
	b->n = stmts.n;
}

struct block *parse_block(struct parser *p, enum block_end end)
{
	struct block *b = arena_new_of(p->arena, struct block);
	uint32_t open = p->tok.off;
	bool in_pred = p->in_pred;

	b->span = tok_span(p);
	if (!at(p, T_LBRACE)) {
		expected(p, "a block `{ … }`");
		return b;
	}
	if (!parse_enter(p))
		return b;
	advance(p);
	p->in_pred = false;
	statements(p, b, open);
	p->in_pred = in_pred;
	parse_leave(p);
	b->span = span_since(p, open);
	if (at(p, T_RBRACE)) {
		b->span = span_at(p, open, p->tok.off + 1);
		if (end == BLOCK_NEXT)
			advance(p);
	}
	return b;
}
