/* Deep copies of trees, for bodies that are compiled once for each of several probes. What sema
 * writes (type, sem, var, sym) is not copied: a clone is as the parser left it. Names and string
 * contents are shared, they are never written to.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

static void clone_expr(void *arena, struct expr **e)
{
	*e = ast_clone_expr(arena, *e);
}

static void clone_block(void *arena, struct block **b)
{
	*b = ast_clone_block(arena, *b);
}

static void clone_type(void *arena, struct type_name **t);

static struct ast_parts cloner(struct arena *a)
{
	return (struct ast_parts){clone_expr, clone_block, clone_type, a};
}

static void clone_type(void *arena, struct type_name **t)
{
	struct ast_parts parts = cloner(arena);

	*t = arena_memdup(arena, *t, sizeof(**t));
	ast_parts_of_type(*t, &parts);
}

/* The arrays that hold a node's parts. */
static void clone_arrays(struct arena *a, struct expr *c)
{
	switch (c->kind) {
	case EXPR_MAP:
		c->map.keys = arena_memdup(a, c->map.keys, c->map.nkeys * sizeof(*c->map.keys));
		break;
	case EXPR_CALL:
		c->call.args = arena_memdup(a, c->call.args, c->call.nargs * sizeof(*c->call.args));
		break;
	case EXPR_TUPLE:
		c->tuple.items = arena_memdup(a, c->tuple.items,
					      c->tuple.n * sizeof(*c->tuple.items));
		break;
	case EXPR_RECORD:
		c->record.fields = arena_memdup(a, c->record.fields,
						c->record.n * sizeof(*c->record.fields));
		break;
	default:
		break;
	}
}

struct expr *ast_clone_expr(struct arena *a, const struct expr *e)
{
	struct ast_parts parts = cloner(a);
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
	clone_arrays(a, c);
	ast_parts_of_expr(c, &parts);
	return c;
}

static struct stmt *clone_stmt(struct arena *a, const struct stmt *s)
{
	struct ast_parts parts = cloner(a);
	struct stmt *c = arena_memdup(a, s, sizeof(*s));

	c->sem = NULL;
	if (c->kind == STMT_LET)
		c->let.var = NULL;
	if (c->kind == STMT_FOR_MAP || c->kind == STMT_FOR_RANGE)
		c->loop.sym = NULL;
	ast_parts_of_stmt(c, &parts);
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
