/* Expressions: precedence climbing over the table in ast.c, and everything an operand can be.
 *
 *   expr     := binary [ '?' [expr] ':' expr ]
 *   binary   := unary { op unary }
 *   unary    := ('++' | '--') lvalue | ('&' | '*' | '!' | '~' | '-') unary | postfix
 *   postfix  := primary { '.' name | '->' name | '.' int | '[' expr ']' | '++' | '--' }
 *
 * Every recursion passes through parse_enter, which bounds the stack; expr_adopt bounds the height
 * of the tree, so that later passes may recurse over it. `a + b + c …` is read in a loop but makes
 * a tall tree: both limits are needed.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

static struct expr *parse_unary(struct parser *p);

struct expr *expr_new(struct parser *p, enum expr_kind kind, uint32_t from)
{
	struct expr *e = arena_new_of(p->arena, struct expr);

	e->kind = kind;
	e->height = 1;
	e->span = span_since(p, from);
	p->tallest = MAX(p->tallest, 1u);
	return e;
}

static void set_height(struct parser *p, struct expr *e, unsigned height)
{
	if (height <= e->height)
		return;
	if (height > MAX_HEIGHT && !p->give_up) {
		syntax_error(p, E_DEPTH, e->span, "expression has more than %d levels", MAX_HEIGHT);
		p->give_up = true;
		parse_fail(p);
	}
	e->height = (uint16_t)MIN(height, MAX_HEIGHT + 1u);
	p->tallest = MAX(p->tallest, e->height);
}

void expr_adopt(struct parser *p, struct expr *parent, const struct expr *child)
{
	if (child)
		set_height(p, parent, child->height + 1u);
}

static struct expr *nothing(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_INT, p->tok.off);

	e->folded = true;
	return e;
}

/* ---- lists -------------------------------------------------------------------------------- */

struct list {
	struct expr **v;
	size_t n, cap;
};

/* A type below `e`: typeof() in it may hold expressions, which count like operands of `e`. */
static struct type_name *type_below(struct parser *p, struct expr *e)
{
	unsigned tallest = p->tallest;
	struct type_name *t;

	p->tallest = 0;
	t = parse_type(p);
	set_height(p, e, p->tallest + 1);
	p->tallest = MAX(tallest, e->height);
	return t;
}

static struct expr *parse_arg(struct parser *p)
{
	struct expr *e;
	uint32_t from = p->tok.off;

	if (!at_kw(p, KW_TYPEOF))
		return parse_expr(p);
	e = expr_new(p, EXPR_TYPE, from);
	e->meta.of_type = type_below(p, e);
	e->span = span_since(p, from);
	return e;
}

static bool starts_record(struct parser *p);
static void record(struct parser *p, struct expr *e);

/* name=value, …: the rest of the arguments of a call, kept as one record. A name alone is true. */
static struct expr *parse_named(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_RECORD, p->tok.off);
	uint32_t from = p->tok.off;

	e->record.named = true;
	record(p, e);
	e->span = span_since(p, from);
	return e;
}

/* Items up to `close`, which is consumed. `open` is the offset of the opening token. */
static struct list parse_list(struct parser *p, enum token_kind close, const char *what,
			      uint32_t open)
{
	struct list l = {NULL, 0, 0};
	bool in_pred = p->in_pred;

	p->in_pred = false;
	while (!at(p, close) && !at(p, T_EOF)) {
		if (close == T_RPAREN && starts_record(p)) {
			vec_push(p->arena, &l, parse_named(p));
			break;
		}
		vec_push(p->arena, &l, parse_arg(p));
		if (!accept(p, T_COMMA))
			break;
	}
	p->in_pred = in_pred;
	if (!accept(p, close) && !p->failed) {
		struct span s = span_at(p, open, open + 1);

		if (at(p, T_EOF) || at(p, T_SEMI) || at(p, T_RBRACE) || at(p, T_LBRACE)) {
			struct diag_msg *m = syntax_error(p, E_SYNTAX, s, "`%c` is never closed",
							  p->text.p[open]);

			diag_label(m, span_at(p, p->prev_end, p->prev_end), "%s belongs here",
				   what);
			parse_fail(p);
		} else {
			expected(p, arena_printf(p->arena, "`,` or %s", what));
		}
	}
	return l;
}

/* ---- primary ------------------------------------------------------------------------------ */

static struct expr *literal(struct parser *p)
{
	struct token t = p->tok;
	struct expr *e;

	advance(p);
	e = expr_new(p, t.kind == T_INT ? EXPR_INT : EXPR_STR, t.off);
	if (t.kind == T_INT) {
		e->value = t.value;
		e->folded = true;
		e->num.is_unsigned = t.value > INT64_MAX;
		e->num.duration = t.duration;
	} else {
		e->str = t.str;
	}
	return e;
}

static struct expr *variable(struct parser *p)
{
	struct token t = p->tok;
	struct expr *e;

	advance(p);
	e = expr_new(p,
		     t.kind == T_VAR     ? EXPR_VAR
		     : t.kind == T_PARAM ? EXPR_PARAM
					 : EXPR_NPARAMS,
		     t.off);
	if (t.kind == T_VAR)
		e->ident.name = t.str;
	else if (t.kind == T_PARAM)
		e->param = (unsigned)t.value;
	return e;
}

struct expr *parse_map(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_MAP, p->tok.off);
	uint32_t from = p->tok.off, open;
	struct list keys;

	e->map.name = p->tok.str;
	advance(p);
	open = p->tok.off;
	if (accept(p, T_LBRACKET)) {
		if (at(p, T_RBRACKET))
			expected(p, "a key");
		keys = parse_list(p, T_RBRACKET, "`]`", open);
		e->map.keys = keys.v;
		e->map.nkeys = keys.n;
		for (size_t i = 0; i < keys.n; i++)
			expr_adopt(p, e, keys.v[i]);
	}
	e->span = span_since(p, from);
	return e;
}

static struct expr *container(struct parser *p, struct token name);

static struct expr *name_or_call(struct parser *p)
{
	struct token t = p->tok;
	struct expr *e;
	struct list args;
	uint32_t open;

	advance(p);
	open = p->tok.off;
	if (at(p, T_LPAREN) && str_is(t.str, "container_of"))
		return container(p, t);
	if (!at(p, T_LPAREN)) {
		e = expr_new(p, EXPR_IDENT, t.off);
		e->ident.name = t.str;
		return e;
	}
	advance(p);
	args = parse_list(p, T_RPAREN, "`)`", open);
	e = expr_new(p, EXPR_CALL, t.off);
	e->call.name = t.str;
	e->call.name_span = span_at(p, t.off, t.off + t.len);
	e->call.args = args.v;
	e->call.nargs = args.n;
	for (size_t i = 0; i < args.n; i++)
		expr_adopt(p, e, args.v[i]);
	return e;
}

static void offsetof_path(struct parser *p, struct expr *e)
{
	VEC(struct str) path = {NULL, 0, 0};

	expect(p, T_COMMA, "`,` and the name of a member");
	do {
		if (!at(p, T_IDENT)) {
			expected(p, "the name of a member");
			break;
		}
		vec_push(p->arena, &path, p->tok.str);
		advance(p);
	} while (accept(p, T_DOT));
	e->meta.path = path.v;
	e->meta.npath = path.n;
}

/* sizeof(…), offsetof(…), typeinfo(…) */
static struct expr *meta(struct parser *p, enum expr_kind kind)
{
	struct expr *e = expr_new(p, kind, p->tok.off);
	uint32_t from = p->tok.off;
	bool in_pred = p->in_pred;

	p->in_pred = false;
	advance(p);
	expect(p, T_LPAREN, "`(`");
	if (starts_type_arg(p))
		e->meta.of_type = type_below(p, e);
	else
		expr_adopt(p, e, e->meta.of = parse_expr(p));
	if (kind == EXPR_OFFSETOF)
		offsetof_path(p, e);
	p->in_pred = in_pred;
	expect(p, T_RPAREN, "`)`");
	e->span = span_since(p, from);
	return e;
}

/* container_of(pointer, type, member): takes a type in the midst of its arguments. */
static struct expr *container(struct parser *p, struct token name)
{
	struct expr *e = expr_new(p, EXPR_CONTAINER, name.off);
	bool in_pred = p->in_pred;

	p->in_pred = false;
	advance(p);
	e->meta.of = parse_expr(p);
	expect(p, T_COMMA, "`,` and the type around the member");
	e->meta.of_type = parse_type(p);
	set_height(p, e, MAX(e->meta.of->height, p->tallest) + 1u);
	offsetof_path(p, e);
	p->in_pred = in_pred;
	expect(p, T_RPAREN, "`)`");
	e->span = span_since(p, name.off);
	return e;
}

static struct expr *boolean(struct parser *p)
{
	struct expr *e;
	uint32_t from = p->tok.off;
	bool value = at_kw(p, KW_TRUE);

	advance(p);
	e = expr_new(p, EXPR_BOOL, from);
	e->value = value;
	e->folded = true;
	return e;
}

static struct expr *comptime(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_COMPTIME, p->tok.off);
	uint32_t from = p->tok.off;

	advance(p);
	e->sub = parse_unary(p);
	expr_adopt(p, e, e->sub);
	e->span = span_since(p, from);
	return e;
}

static struct expr *block_expr(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_BLOCK, p->tok.off);
	uint32_t from = p->tok.off;
	unsigned tallest = p->tallest;

	p->tallest = 0;
	e->block = parse_block(p, BLOCK_NEXT);
	set_height(p, e, p->tallest + 1);
	p->tallest = MAX(tallest, e->height);
	e->span = span_since(p, from);
	return e;
}

static struct expr *keyword(struct parser *p)
{
	switch (p->tok.kw) {
	case KW_IF:
		return parse_if(p);
	case KW_TRUE:
	case KW_FALSE:
		return boolean(p);
	case KW_SIZEOF:
		return meta(p, EXPR_SIZEOF);
	case KW_OFFSETOF:
		return meta(p, EXPR_OFFSETOF);
	case KW_TYPEINFO:
		return meta(p, EXPR_TYPEINFO);
	case KW_COMPTIME:
		return comptime(p);
	default:
		expected(p, "an expression");
		return nothing(p);
	}
}

/* ---- parentheses -------------------------------------------------------------------------- */

static struct expr *cast(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_CAST, p->tok.off);
	uint32_t from = p->tok.off;
	unsigned tallest = p->tallest;

	p->tallest = 0;
	advance(p);
	e->cast.to = parse_type(p);
	set_height(p, e, p->tallest + 1);
	p->tallest = MAX(p->tallest, tallest);
	expect(p, T_RPAREN, "`)` behind the type");
	e->cast.e = parse_unary(p);
	expr_adopt(p, e, e->cast.e);
	e->span = span_since(p, from);
	return e;
}

/* Behind `(`: a name and `=`, which is no `==`. */
static bool starts_record(struct parser *p)
{
	struct parser saved = *p;
	bool yes;

	if (!at(p, T_IDENT) || p->tok.kw != KW_NONE)
		return false;
	advance(p);
	yes = at(p, T_ASSIGN);
	saved.errors = p->errors;
	saved.give_up = p->give_up;
	*p = saved;
	return yes;
}

static void field_value(struct parser *p, const struct expr *record, struct record_field *f)
{
	if (record->record.named && (at(p, T_COMMA) || at(p, T_RPAREN))) {
		f->bare = true;
		f->value = expr_new(p, EXPR_BOOL, f->span.off);
		f->value->value = 1;
		f->value->folded = true;
		f->value->span = f->span;
		return;
	}
	expect(p, T_ASSIGN, "`=` and the value of the field");
	f->value = parse_expr(p);
}

static void record(struct parser *p, struct expr *e)
{
	VEC(struct record_field) fields = {NULL, 0, 0};

	e->kind = EXPR_RECORD;
	do {
		struct record_field f = {.span = tok_span(p), .name = p->tok.str};

		if (at(p, T_RPAREN))
			break;
		expect(p, T_IDENT, "the name of a field");
		field_value(p, e, &f);
		f.span = span_since(p, f.span.off);
		vec_push(p->arena, &fields, f);
		expr_adopt(p, e, f.value);
	} while (accept(p, T_COMMA));
	e->record.fields = fields.v;
	e->record.n = fields.n;
}

static void tuple(struct parser *p, struct expr *e, struct expr *first)
{
	struct list items = {NULL, 0, 0};

	e->kind = EXPR_TUPLE;
	if (first)
		vec_push(p->arena, &items, first);
	while (first && accept(p, T_COMMA) && !at(p, T_RPAREN))
		vec_push(p->arena, &items, parse_expr(p));
	e->tuple.items = items.v;
	e->tuple.n = items.n;
	for (size_t i = 0; i < items.n; i++)
		expr_adopt(p, e, items.v[i]);
}

static bool is_literal(const struct expr *e)
{
	return e->kind == EXPR_INT || e->kind == EXPR_STR || e->kind == EXPR_BOOL;
}

static void close_paren(struct parser *p, uint32_t from)
{
	struct diag_msg *m;

	if (accept(p, T_RPAREN) || p->failed)
		return;
	if (!at(p, T_EOF) && !at(p, T_SEMI) && !at(p, T_LBRACE) && !at(p, T_RBRACE)) {
		expected(p, "`)`");
		return;
	}
	m = syntax_error(p, E_SYNTAX, span_at(p, from, from + 1), "`(` is never closed");
	diag_label(m, span_at(p, p->prev_end, p->prev_end), "`)` belongs here");
	parse_fail(p);
}

static struct expr *in_parens(struct parser *p, bool condition)
{
	struct expr *e = expr_new(p, EXPR_TUPLE, p->tok.off), *first;
	uint32_t from = p->tok.off;
	bool in_pred = p->in_pred;

	p->in_pred = false;
	advance(p);
	if (at(p, T_RPAREN)) {
		tuple(p, e, NULL);
	} else if (!condition && starts_record(p)) {
		record(p, e);
	} else {
		first = parse_expr(p);
		if (at(p, T_COMMA)) {
			tuple(p, e, first);
		} else {
			e = first;
			e->parens = true;
		}
	}
	p->in_pred = in_pred;
	close_paren(p, from);
	if (!e->parens || !is_literal(e))
		e->span = span_since(p, from);
	return e;
}

static struct expr *primary(struct parser *p)
{
	switch (p->tok.kind) {
	case T_INT:
	case T_STRING:
		return literal(p);
	case T_VAR:
	case T_PARAM:
	case T_NPARAMS:
		return variable(p);
	case T_MAP:
		return parse_map(p);
	case T_IDENT:
		return p->tok.kw == KW_NONE ? name_or_call(p) : keyword(p);
	case T_LPAREN:
		return starts_cast(p) ? cast(p) : in_parens(p, false);
	case T_LBRACE:
		return block_expr(p);
	default:
		expected(p, "an expression");
		return nothing(p);
	}
}

/* ---- postfix, unary, binary, ternary ------------------------------------------------------ */

static struct expr *member(struct parser *p, struct expr *of, uint32_t from)
{
	bool arrow = at(p, T_ARROW);
	struct expr *e;
	struct diag_msg *m;

	advance(p);
	if (at(p, T_INT) && !arrow && of->kind == EXPR_INT) {
		m = syntax_error(p, E_NUMBER, span_at(p, of->span.off, p->tok.off + p->tok.len),
				 "there are no floating-point numbers");
		diag_help(m, "use smaller units, such as 1500ms for 1.5 seconds");
		parse_fail(p);
	}
	e = expr_new(p, at(p, T_INT) && !arrow ? EXPR_ELEM : EXPR_FIELD, from);
	e->field.e = of;
	e->field.arrow = arrow;
	e->field.name_span = tok_span(p);
	if (e->kind == EXPR_ELEM) {
		e->field.elem = (unsigned)MIN(p->tok.value, UINT32_MAX);
		advance(p);
	} else if (at(p, T_IDENT)) {
		e->field.name = p->tok.str;
		advance(p);
	} else {
		expected(p, "the name of a field");
	}
	return e;
}

static struct expr *incdec(struct parser *p, struct expr *of, bool prefix, bool dec, uint32_t from)
{
	struct expr *e = expr_new(p, EXPR_INCDEC, from);
	struct diag_msg *m;

	e->incdec.prefix = prefix;
	e->incdec.dec = dec;
	e->incdec.e = of;
	if (of->kind != EXPR_VAR && of->kind != EXPR_MAP && !p->failed) {
		m = syntax_error(p, E_SYNTAX, of->span, "`%s` works on variables and maps only",
				 dec ? "--" : "++");
		diag_primary(m, "neither a $variable nor a @map");
	}
	return e;
}

static struct expr *postfix(struct parser *p)
{
	uint32_t from = p->tok.off, open;
	struct expr *e = primary(p), *of;

	for (;;) {
		of = e;
		open = p->tok.off;
		if (at(p, T_DOT) || at(p, T_ARROW)) {
			e = member(p, of, from);
		} else if (at(p, T_LBRACKET)) {
			bool in_pred = p->in_pred;

			p->in_pred = false;
			advance(p);
			e = expr_new(p, EXPR_INDEX, from);
			e->index.e = of;
			e->index.index = parse_expr(p);
			expr_adopt(p, e, e->index.index);
			p->in_pred = in_pred;
			if (!accept(p, T_RBRACKET))
				expected(p, "`]`");
		} else if (at(p, T_INC) || at(p, T_DEC)) {
			bool dec = at(p, T_DEC);

			/* `x ++ y` is no expression, but `x` on one line and `++y` on the next
			 * are two statements with a `;` missing. */
			if (p->tok.line_start)
				return e;
			advance(p);
			e = incdec(p, of, false, dec, from);
		} else {
			return e;
		}
		expr_adopt(p, e, of);
		e->span = span_since(p, from);
		if (p->failed || open == p->tok.off)
			return e;
	}
}

/* Whether a member can be had is not known here. */
static bool may_have_address(const struct expr *e)
{
	return e->kind == EXPR_VAR || e->kind == EXPR_MAP || e->kind == EXPR_FIELD ||
	       e->kind == EXPR_INDEX;
}

static struct expr *unary_operator(struct parser *p, enum unary_op op)
{
	struct expr *e = expr_new(p, EXPR_UNARY, p->tok.off);
	uint32_t from = p->tok.off;
	struct diag_msg *m;

	advance(p);
	e->un.op = op;
	e->un.e = parse_unary(p);
	expr_adopt(p, e, e->un.e);
	e->span = span_since(p, from);
	if (op != UN_ADDR || may_have_address(e->un.e) || p->failed)
		return e;
	m = syntax_error(p, E_SYNTAX, e->un.e->span,
			 "`&` takes the address of variables, maps and members only");
	diag_primary(m, "neither a $variable nor a @map, nor a member");
	return e;
}

static struct expr *unary_inner(struct parser *p)
{
	uint32_t from = p->tok.off;
	bool dec = at(p, T_DEC);
	struct expr *e, *of;

	switch (p->tok.kind) {
	case T_INC:
	case T_DEC:
		advance(p);
		of = parse_unary(p);
		e = incdec(p, of, true, dec, from);
		expr_adopt(p, e, of);
		return e;
	case T_AMP:
		return unary_operator(p, UN_ADDR);
	case T_STAR:
		return unary_operator(p, UN_DEREF);
	case T_NOT:
		return unary_operator(p, UN_NOT);
	case T_TILDE:
		return unary_operator(p, UN_BNOT);
	case T_MINUS:
		return unary_operator(p, UN_NEG);
	default:
		return postfix(p);
	}
}

static struct expr *parse_unary(struct parser *p)
{
	struct expr *e;

	if (!parse_enter(p))
		return nothing(p);
	e = unary_inner(p);
	parse_leave(p);
	return e;
}

/* A predicate's `/` ends it when `{` follows. */
static bool ends_predicate(const struct parser *p)
{
	struct parser ahead = *p;
	size_t ncomments = p->script->comments.n;
	bool yes;

	if (!p->in_pred || !at(p, T_SLASH))
		return false;
	lex_skip_trivia(&ahead);
	yes = text_at(&ahead, ahead.pos) == '{';
	p->script->comments.n = ncomments;
	return yes;
}

static bool binary_op_at(const struct parser *p, enum binary_op *op)
{
	static const struct {
		enum token_kind kind;
		enum binary_op op;
	} ops[] = {
		{T_LOR, BIN_LOR},   {T_LAND, BIN_LAND},   {T_PIPE, BIN_OR},   {T_CARET, BIN_XOR},
		{T_AMP, BIN_AND},   {T_EQ, BIN_EQ},       {T_NE, BIN_NE},     {T_LT, BIN_LT},
		{T_LE, BIN_LE},     {T_GT, BIN_GT},       {T_GE, BIN_GE},     {T_SHL, BIN_SHL},
		{T_SHR, BIN_SHR},   {T_PLUS, BIN_ADD},    {T_MINUS, BIN_SUB}, {T_STAR, BIN_MUL},
		{T_SLASH, BIN_DIV}, {T_PERCENT, BIN_MOD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (ops[i].kind == p->tok.kind) {
			*op = ops[i].op;
			return !ends_predicate(p);
		}
	}
	return false;
}

static struct expr *join(struct parser *p, enum binary_op op, struct span op_span, struct expr *l,
			 struct expr *r, uint32_t from)
{
	struct expr *e = expr_new(p, EXPR_BINARY, from);

	e->bin.op = op;
	e->bin.op_span = op_span;
	e->bin.l = l;
	e->bin.r = r;
	expr_adopt(p, e, l);
	expr_adopt(p, e, r);
	return e;
}

static struct expr *parse_binary(struct parser *p, int min_prec)
{
	uint32_t from = p->tok.off;
	struct expr *l = parse_unary(p), *r;
	enum binary_op op;

	while (binary_op_at(p, &op) && binary_op_prec(op) >= min_prec) {
		struct span op_span = tok_span(p);

		advance(p);
		r = parse_binary(p, binary_op_prec(op) + 1);
		l = join(p, op, op_span, l, r, from);
	}
	return l;
}

struct expr *parse_operators(struct parser *p)
{
	uint32_t from = p->tok.off;
	struct expr *e, *t;

	if (!parse_enter(p))
		return nothing(p);
	e = parse_binary(p, 1);
	if (accept(p, T_QUESTION)) {
		t = expr_new(p, EXPR_TERNARY, from);
		t->tern.cond = e;
		t->tern.yes = at(p, T_COLON) ? NULL : parse_operators(p);
		expect(p, T_COLON, "`:` and the other value of `?:`");
		t->tern.no = parse_operators(p);
		expr_adopt(p, t, t->tern.cond);
		expr_adopt(p, t, t->tern.yes);
		expr_adopt(p, t, t->tern.no);
		t->span = span_since(p, from);
		e = t;
	}
	parse_leave(p);
	return e;
}

struct expr *parse_expr(struct parser *p)
{
	uint32_t from = p->tok.off;
	struct expr *e = parse_operators(p);
	struct span op_span = tok_span(p);
	struct diag_msg *m;

	if (!at(p, T_ASSIGN))
		return e;
	m = syntax_error(p, E_SYNTAX, op_span, "`=` assigns, which is a statement of its own");
	diag_suggest(m, op_span, "==");
	advance(p);
	return join(p, BIN_EQ, op_span, e, parse_operators(p), from);
}

/* `(x = 1)` is a record elsewhere; as a condition it is a comparison with a `=` too few. */
struct expr *parse_condition(struct parser *p)
{
	struct parser saved = *p;
	bool mistake = false;

	if (at(p, T_LPAREN)) {
		advance(p);
		mistake = starts_record(p);
		saved.errors = p->errors;
		saved.give_up = p->give_up;
		*p = saved;
	}
	return mistake ? in_parens(p, true) : parse_expr(p);
}

static struct expr *parse_else(struct parser *p)
{
	struct expr *e;

	if (!at_kw(p, KW_IF)) {
		if (at(p, T_LBRACE))
			return block_expr(p);
		expected(p, "`{` or `if` after else");
		return NULL;
	}
	if (!parse_enter(p))
		return NULL;
	e = parse_if(p);
	parse_leave(p);
	return e;
}

struct expr *parse_if(struct parser *p)
{
	struct expr *e = expr_new(p, EXPR_IF, p->tok.off);
	uint32_t from = p->tok.off;
	unsigned tallest = p->tallest;

	advance(p);
	e->cond.cond = parse_condition(p);
	expr_adopt(p, e, e->cond.cond);
	p->tallest = 0;
	e->cond.yes = parse_block(p, BLOCK_NEXT);
	set_height(p, e, p->tallest + 1);
	if (at(p, T_IDENT) && (str_is(p->tok.str, "elif") || str_is(p->tok.str, "elsif") ||
			       str_is(p->tok.str, "elseif"))) {
		diag_suggest(syntax_error(p, E_SYNTAX, tok_span(p), "there is no `%.*s`",
					  STR_ARG(p->tok.str)),
			     tok_span(p), "else if");
		p->tok.kw = KW_IF;
		e->cond.no = parse_else(p);
	} else if (at_kw(p, KW_ELSE)) {
		advance(p);
		e->cond.no = parse_else(p);
	}
	expr_adopt(p, e, e->cond.no);
	p->tallest = MAX(tallest, e->height);
	e->span = span_since(p, from);
	return e;
}
