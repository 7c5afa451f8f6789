/* Deep copies of trees, for bodies that are compiled once for each of several probes. What sema
 * writes (type, sem, var, sym) is not copied: a clone is as the parser left it. Names and string
 * contents are shared, they are never written to.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

static struct type_name *clone_type(struct arena *a, const struct type_name *t)
{
	struct type_name *c;

	if (!t)
		return NULL;
	c = arena_memdup(a, t, sizeof(*t));
	c->of = ast_clone_expr(a, t->of);
	c->of_type = clone_type(a, t->of_type);
	return c;
}

static struct expr **clone_list(struct arena *a, struct expr *const *v, size_t n)
{
	struct expr **c = n ? arena_array_of(a, struct expr *, n) : NULL;

	for (size_t i = 0; i < n; i++)
		c[i] = ast_clone_expr(a, v[i]);
	return c;
}

static void clone_fields(struct arena *a, struct expr *c)
{
	size_t n = c->record.n;

	c->record.fields = arena_memdup(a, c->record.fields, n * sizeof(*c->record.fields));
	for (size_t i = 0; i < n; i++)
		c->record.fields[i].value = ast_clone_expr(a, c->record.fields[i].value);
}

static void clone_children(struct arena *a, struct expr *c)
{
	switch (c->kind) {
	case EXPR_INT:
	case EXPR_STR:
	case EXPR_BOOL:
	case EXPR_VAR:
	case EXPR_PARAM:
	case EXPR_NPARAMS:
	case EXPR_IDENT:
		break;
	case EXPR_MAP:
		c->map.keys = clone_list(a, c->map.keys, c->map.nkeys);
		break;
	case EXPR_CALL:
		c->call.args = clone_list(a, c->call.args, c->call.nargs);
		break;
	case EXPR_UNARY:
		c->un.e = ast_clone_expr(a, c->un.e);
		break;
	case EXPR_INCDEC:
		c->incdec.e = ast_clone_expr(a, c->incdec.e);
		break;
	case EXPR_BINARY:
		c->bin.l = ast_clone_expr(a, c->bin.l);
		c->bin.r = ast_clone_expr(a, c->bin.r);
		break;
	case EXPR_TERNARY:
		c->tern.cond = ast_clone_expr(a, c->tern.cond);
		c->tern.yes = ast_clone_expr(a, c->tern.yes);
		c->tern.no = ast_clone_expr(a, c->tern.no);
		break;
	case EXPR_FIELD:
	case EXPR_ELEM:
		c->field.e = ast_clone_expr(a, c->field.e);
		break;
	case EXPR_INDEX:
		c->index.e = ast_clone_expr(a, c->index.e);
		c->index.index = ast_clone_expr(a, c->index.index);
		break;
	case EXPR_CAST:
		c->cast.to = clone_type(a, c->cast.to);
		c->cast.e = ast_clone_expr(a, c->cast.e);
		break;
	case EXPR_TUPLE:
		c->tuple.items = clone_list(a, c->tuple.items, c->tuple.n);
		break;
	case EXPR_RECORD:
		clone_fields(a, c);
		break;
	case EXPR_SIZEOF:
	case EXPR_OFFSETOF:
	case EXPR_TYPEINFO:
	case EXPR_TYPE:
		c->meta.of_type = clone_type(a, c->meta.of_type);
		c->meta.of = ast_clone_expr(a, c->meta.of);
		break;
	case EXPR_COMPTIME:
		c->sub = ast_clone_expr(a, c->sub);
		break;
	case EXPR_IF:
		c->cond.cond = ast_clone_expr(a, c->cond.cond);
		c->cond.yes = ast_clone_block(a, c->cond.yes);
		c->cond.no = ast_clone_expr(a, c->cond.no);
		break;
	case EXPR_BLOCK:
		c->block = ast_clone_block(a, c->block);
		break;
	}
}

struct expr *ast_clone_expr(struct arena *a, const struct expr *e)
{
	struct expr *c;

	if (!e)
		return NULL;
	c = arena_memdup(a, e, sizeof(*e));
	c->type = NULL;
	c->sem = NULL;
	if (c->kind != EXPR_INT && c->kind != EXPR_BOOL) {
		c->folded = false;
		c->value = 0;
	}
	clone_children(a, c);
	return c;
}

static struct stmt *clone_stmt(struct arena *a, const struct stmt *s)
{
	struct stmt *c = arena_memdup(a, s, sizeof(*s));

	c->sem = NULL;
	switch (c->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
	case STMT_RETURN:
		c->expr = ast_clone_expr(a, s->expr);
		break;
	case STMT_LET:
		c->let.type = clone_type(a, s->let.type);
		c->let.value = ast_clone_expr(a, s->let.value);
		c->let.var = NULL;
		break;
	case STMT_ASSIGN:
		c->assign.lhs = ast_clone_expr(a, s->assign.lhs);
		c->assign.value = ast_clone_expr(a, s->assign.value);
		break;
	case STMT_FOR_MAP:
	case STMT_FOR_RANGE:
		c->loop.map = ast_clone_expr(a, s->loop.map);
		c->loop.from = ast_clone_expr(a, s->loop.from);
		c->loop.to = ast_clone_expr(a, s->loop.to);
		c->loop.body = ast_clone_block(a, s->loop.body);
		c->loop.sym = NULL;
		break;
	case STMT_WHILE:
	case STMT_UNROLL:
		c->repeat.cond = ast_clone_expr(a, s->repeat.cond);
		c->repeat.body = ast_clone_block(a, s->repeat.body);
		break;
	case STMT_BREAK:
	case STMT_CONTINUE:
	case STMT_IMPORT:
		break;
	}
	return c;
}

struct block *ast_clone_block(struct arena *a, const struct block *b)
{
	struct block *c;

	if (!b)
		return NULL;
	c = arena_memdup(a, b, sizeof(*b));
	c->stmts = b->n ? arena_array_of(a, struct stmt *, b->n) : NULL;
	for (size_t i = 0; i < b->n; i++)
		c->stmts[i] = clone_stmt(a, b->stmts[i]);
	c->value = ast_clone_expr(a, b->value);
	return c;
}
