/* The one place that knows which parts a node has.
 *
 * Each part is handed on as the address of the pointer to it, in the order of the text, so that the
 * same list serves to look at the parts (walks, the dump) and to replace them (copies). A part that
 * is not there (the value of `let $x;`) is passed over.
 *
 *   for ($i : $a .. @b) { … }      expr $a, expr @b, block { … }
 */
#include "lang/lang_priv.h"

static void on_expr(const struct ast_parts *f, struct expr **e)
{
	if (*e)
		f->expr(f->arg, e);
}

static void on_block(const struct ast_parts *f, struct block **b)
{
	if (*b)
		f->block(f->arg, b);
}

static void on_type(const struct ast_parts *f, struct type_name **t)
{
	if (*t)
		f->type(f->arg, t);
}

static void on_list(const struct ast_parts *f, struct expr **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		on_expr(f, &v[i]);
}

static void on_fields(const struct ast_parts *f, struct expr *e)
{
	for (size_t i = 0; i < e->record.n; i++)
		on_expr(f, &e->record.fields[i].value);
}

void ast_parts_of_expr(struct expr *e, const struct ast_parts *f)
{
	switch (e->kind) {
	case EXPR_INT:
	case EXPR_STR:
	case EXPR_BOOL:
	case EXPR_VAR:
	case EXPR_PARAM:
	case EXPR_NPARAMS:
	case EXPR_IDENT:
		return;
	case EXPR_MAP:
		on_list(f, e->map.keys, e->map.nkeys);
		return;
	case EXPR_CALL:
		on_list(f, e->call.args, e->call.nargs);
		return;
	case EXPR_UNARY:
		on_expr(f, &e->un.e);
		return;
	case EXPR_INCDEC:
		on_expr(f, &e->incdec.e);
		return;
	case EXPR_BINARY:
		on_expr(f, &e->bin.l), on_expr(f, &e->bin.r);
		return;
	case EXPR_TERNARY:
		on_expr(f, &e->tern.cond), on_expr(f, &e->tern.yes), on_expr(f, &e->tern.no);
		return;
	case EXPR_FIELD:
	case EXPR_ELEM:
		on_expr(f, &e->field.e);
		return;
	case EXPR_INDEX:
		on_expr(f, &e->index.e), on_expr(f, &e->index.index);
		return;
	case EXPR_CAST:
		on_type(f, &e->cast.to), on_expr(f, &e->cast.e);
		return;
	case EXPR_TUPLE:
		on_list(f, e->tuple.items, e->tuple.n);
		return;
	case EXPR_RECORD:
		on_fields(f, e);
		return;
	case EXPR_SIZEOF:
	case EXPR_OFFSETOF:
	case EXPR_TYPEINFO:
	case EXPR_CONTAINER:
	case EXPR_TYPE:
		on_type(f, &e->meta.of_type), on_expr(f, &e->meta.of);
		return;
	case EXPR_COMPTIME:
		on_expr(f, &e->sub);
		return;
	case EXPR_IF:
		on_expr(f, &e->cond.cond), on_block(f, &e->cond.yes), on_expr(f, &e->cond.no);
		return;
	case EXPR_BLOCK:
		on_block(f, &e->block);
		return;
	}
}

void ast_parts_of_stmt(struct stmt *s, const struct ast_parts *f)
{
	switch (s->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
	case STMT_RETURN:
		on_expr(f, &s->expr);
		return;
	case STMT_LET:
		on_type(f, &s->let.type), on_expr(f, &s->let.value);
		return;
	case STMT_ASSIGN:
		on_expr(f, &s->assign.lhs), on_expr(f, &s->assign.value);
		return;
	case STMT_FOR_MAP:
	case STMT_FOR_RANGE:
		on_expr(f, &s->loop.map), on_expr(f, &s->loop.from), on_expr(f, &s->loop.to);
		on_block(f, &s->loop.body);
		return;
	case STMT_WHILE:
	case STMT_UNROLL:
		on_expr(f, &s->repeat.cond), on_block(f, &s->repeat.body);
		return;
	case STMT_BREAK:
	case STMT_CONTINUE:
	case STMT_IMPORT:
		return;
	}
}

void ast_parts_of_type(struct type_name *t, const struct ast_parts *f)
{
	on_expr(f, &t->of), on_type(f, &t->of_type);
}
