/* Operators: spelling and precedence, and walks over the tree; see ast.h.
 *
 * The table is in the order of enum binary_op. A higher number binds tighter; all binary operators
 * are left-associative:
 *
 *   ||  &&  |  ^  &  == !=  < <= > >=  << >>  + -  * / %
 *   1   2   3  4  5  6      7          8      9    10
 */
#include "lang/lang_priv.h"

static const struct {
	const char *text;
	int prec;
} binary_ops[] = {
	/* ORDER BINARY_OP */
	[BIN_LOR] = {"||", 1}, [BIN_LAND] = {"&&", 2}, [BIN_OR] = {"|", 3},  [BIN_XOR] = {"^", 4},
	[BIN_AND] = {"&", 5},  [BIN_EQ] = {"==", 6},   [BIN_NE] = {"!=", 6}, [BIN_LT] = {"<", 7},
	[BIN_LE] = {"<=", 7},  [BIN_GT] = {">", 7},    [BIN_GE] = {">=", 7}, [BIN_SHL] = {"<<", 8},
	[BIN_SHR] = {">>", 8}, [BIN_ADD] = {"+", 9},   [BIN_SUB] = {"-", 9}, [BIN_MUL] = {"*", 10},
	[BIN_DIV] = {"/", 10}, [BIN_MOD] = {"%", 10},
};

const char *binary_op_text(enum binary_op op)
{
	return binary_ops[op].text;
}

int binary_op_prec(enum binary_op op)
{
	return binary_ops[op].prec;
}

const char *unary_op_text(enum unary_op op)
{
	static const char *const text[] = {
		[UN_NEG] = "-", [UN_NOT] = "!", [UN_BNOT] = "~", [UN_DEREF] = "*", [UN_ADDR] = "&",
	};

	return text[op];
}

/* ---- walking ------------------------------------------------------------------------------ */

struct walk {
	expr_visit_fn visit;
	void *arg;
};

static void walk_expr(const struct walk *w, struct expr *e);
static void walk_block(const struct walk *w, struct block *b);

static void walk_type(const struct walk *w, struct type_name *t)
{
	for (; t; t = t->of_type)
		walk_expr(w, t->of);
}

static void walk_list(const struct walk *w, struct expr **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		walk_expr(w, v[i]);
}

static void walk_children(const struct walk *w, struct expr *e)
{
	switch (e->kind) {
	case EXPR_INT:
	case EXPR_STR:
	case EXPR_BOOL:
	case EXPR_VAR:
	case EXPR_PARAM:
	case EXPR_NPARAMS:
	case EXPR_IDENT:
		break;
	case EXPR_MAP:
		walk_list(w, e->map.keys, e->map.nkeys);
		break;
	case EXPR_CALL:
		walk_list(w, e->call.args, e->call.nargs);
		break;
	case EXPR_UNARY:
		walk_expr(w, e->un.e);
		break;
	case EXPR_INCDEC:
		walk_expr(w, e->incdec.e);
		break;
	case EXPR_BINARY:
		walk_expr(w, e->bin.l);
		walk_expr(w, e->bin.r);
		break;
	case EXPR_TERNARY:
		walk_expr(w, e->tern.cond);
		walk_expr(w, e->tern.yes);
		walk_expr(w, e->tern.no);
		break;
	case EXPR_FIELD:
	case EXPR_ELEM:
		walk_expr(w, e->field.e);
		break;
	case EXPR_INDEX:
		walk_expr(w, e->index.e);
		walk_expr(w, e->index.index);
		break;
	case EXPR_CAST:
		walk_type(w, e->cast.to);
		walk_expr(w, e->cast.e);
		break;
	case EXPR_TUPLE:
		walk_list(w, e->tuple.items, e->tuple.n);
		break;
	case EXPR_RECORD:
		for (size_t i = 0; i < e->record.n; i++)
			walk_expr(w, e->record.fields[i].value);
		break;
	case EXPR_SIZEOF:
	case EXPR_OFFSETOF:
	case EXPR_TYPEINFO:
	case EXPR_TYPE:
		walk_type(w, e->meta.of_type);
		walk_expr(w, e->meta.of);
		break;
	case EXPR_COMPTIME:
		walk_expr(w, e->sub);
		break;
	case EXPR_IF:
		walk_expr(w, e->cond.cond);
		walk_block(w, e->cond.yes);
		walk_expr(w, e->cond.no);
		break;
	case EXPR_BLOCK:
		walk_block(w, e->block);
		break;
	}
}

static void walk_expr(const struct walk *w, struct expr *e)
{
	if (!e)
		return;
	w->visit(w->arg, e);
	walk_children(w, e);
}

static void walk_stmt(const struct walk *w, struct stmt *s)
{
	switch (s->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
	case STMT_RETURN:
		walk_expr(w, s->expr);
		break;
	case STMT_LET:
		walk_type(w, s->let.type);
		walk_expr(w, s->let.value);
		break;
	case STMT_ASSIGN:
		walk_expr(w, s->assign.lhs);
		walk_expr(w, s->assign.value);
		break;
	case STMT_FOR_MAP:
	case STMT_FOR_RANGE:
		walk_expr(w, s->loop.map);
		walk_expr(w, s->loop.from);
		walk_expr(w, s->loop.to);
		walk_block(w, s->loop.body);
		break;
	case STMT_WHILE:
	case STMT_UNROLL:
		walk_expr(w, s->repeat.cond);
		walk_block(w, s->repeat.body);
		break;
	case STMT_BREAK:
	case STMT_CONTINUE:
	case STMT_IMPORT:
		break;
	}
}

static void walk_block(const struct walk *w, struct block *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++)
		walk_stmt(w, b->stmts[i]);
	walk_expr(w, b->value);
}

void ast_walk_expr(struct expr *e, expr_visit_fn visit, void *arg)
{
	walk_expr(&(struct walk){visit, arg}, e);
}

void ast_walk_block(struct block *b, expr_visit_fn visit, void *arg)
{
	walk_block(&(struct walk){visit, arg}, b);
}
