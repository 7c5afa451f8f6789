/* Statements. Each releases the temporaries that it took. */
#include "gen/gen_impl.h"

static bool is_agg_call(const struct expr *e)
{
	const struct call_sem *c = e->sem;

	return (e->kind == EXPR_CALL || e->kind == EXPR_IDENT) && c && c->kind == CALL_BUILTIN &&
	       c->builtin && (c->builtin->flags & BI_AGG);
}

/* @m[k] = count(): the update is the builtin's; what is new about the key is not. */
static void assign_agg(struct gen *g, struct expr *map, struct expr *call)
{
	struct ir_block *done = ir_block_new(&g->b, NULL);
	const struct map_sym *m = map->sem;
	const struct call_sem *c = call->sem;
	bool counts = c->builtin->flags & BI_ADDS_ONE;
	struct val slot = map_place(g, map, counts ? NULL : done);

	c->builtin->lower_agg(g, call, m->value, slot);
	ir_jmp(&g->b, done);
	ir_at(&g->b, done);
}

/* $x op= e */
static void compound_var(struct gen *g, struct stmt *s)
{
	static const struct type wide = {.kind = TYPE_INT, .size = 8, .align = 8};
	struct expr *lhs = s->assign.lhs, *value = s->assign.value;
	struct var_sym *v = lhs->sem;
	ir_val r = gen_plain(g, gen_rvalue(g, gen_expr(g, value)));
	ir_val l = gen_plain(g, gen_rvalue(g, var_read(g, lhs)));

	if (v->type->kind == TYPE_PTR)
		r = ir_bini(&g->b, IR_MUL, r, MAX(v->type->ptr.to->size, 1u));
	r = gen_arith(g, s->assign.op, l, r, v->type, value->type);
	var_set(g, v, gen_convert(g, r, &wide, v->type));
}

static void assign(struct gen *g, struct stmt *s)
{
	struct expr *lhs = s->assign.lhs, *value = s->assign.value;
	bool map = lhs->kind == EXPR_MAP;

	if (map && s->assign.compound)
		map_compound(g, lhs, s->assign.op, value);
	else if (map && is_agg_call(value))
		assign_agg(g, lhs, value);
	else if (map)
		map_assign(g, lhs, value);
	else if (s->assign.compound)
		compound_var(g, s);
	else
		var_write(g, lhs->sem, value);
}

static void let(struct gen *g, struct stmt *s)
{
	struct var_sym *v = s->let.var;

	if (!s->let.value)
		return;
	if (v && v->type && (type_is_scalar(v->type) || v->has_home))
		var_write(g, v, s->let.value);
	else
		gen_effect(g, s->let.value);
}

static void leave_loop(struct gen *g, struct ir_block *to)
{
	if (to)
		ir_jmp(&g->b, to);
}

static void statement(struct gen *g, struct stmt *s)
{
	switch (s->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
		gen_effect(g, s->expr);
		break;
	case STMT_LET:
		let(g, s);
		break;
	case STMT_ASSIGN:
		assign(g, s);
		break;
	case STMT_FOR_MAP:
		loop_map(g, s);
		break;
	case STMT_FOR_RANGE:
		loop_range(g, s);
		break;
	case STMT_WHILE:
		loop_while(g, s);
		break;
	case STMT_UNROLL:
		loop_unroll(g, s);
		break;
	case STMT_BREAK:
		leave_loop(g, g->loop ? g->loop->brk : NULL);
		break;
	case STMT_CONTINUE:
		leave_loop(g, g->loop ? g->loop->cont : NULL);
		break;
	case STMT_RETURN:
		if (g->fn)
			fn_return(g, s->expr);
		else
			gen_leave(g, s->expr ? gen_scalar(g, s->expr) : 0);
		break;
	case STMT_IMPORT:
		break;
	}
}

void gen_stmt(struct gen *g, struct stmt *s)
{
	struct gen_mark mark = gen_mark(g);

	if (!g->b.block)
		return; /* behind a break, a return */
	g->b.span = s->span;
	statement(g, s);
	gen_release(g, mark);
}

void gen_stmts(struct gen *g, struct block *b)
{
	for (size_t i = 0; i < b->n; i++)
		gen_stmt(g, b->stmts[i]);
}
