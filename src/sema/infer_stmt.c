/* Types of statements and bodies.
 *
 *   $x = e, @m[k] = e      the type of e joins that of the variable or map (vars.c, maps.c)
 *   @m[k] = f(…)           f may be an aggregation here and nowhere else
 *   x += e                 as x = x + e, where a map that has nothing yet counts as 0
 *   for, while, unroll     bodies are blocks; the variable of a for belongs to its body
 *
 * An expression as a statement may be without a value; one that only has a value and no effect is
 * warned about. Example: `strlen(comm);` */
#include "sema/sema_priv.h"

#define UNROLLED_MAX 1000000 /* expressions: about what the kernel takes as instructions */

/* ---- assignments
 * ---------------------------------------------------------------------------------- */

static bool is_agg_call(struct sema *s, const struct expr *e)
{
	const struct builtin *b;

	if (e->kind != EXPR_CALL && e->kind != EXPR_IDENT)
		return false;
	b = sema_builtin(s, call_name(e));
	return b && (b->flags & BI_AGG);
}

/* A negative literal says nothing about the width that is meant: a variable of it is an int64. */
static const struct type *assigned_type(struct sema *s, const struct expr *value)
{
	if (sema_is_literal(value) && value->type->kind == TYPE_INT && (int64_t)value->value < 0 &&
	    type_is_signed(value->type))
		return type_int(s->types, 8, true);
	return value->type;
}

static void assign_map(struct sema *s, struct stmt *st)
{
	struct expr *map = st->assign.lhs, *value = st->assign.value;
	struct expr *before = s->agg_call;

	s->agg_call = is_agg_call(s, value) ? value : NULL;
	sema_value(s, value);
	s->agg_call = before;
	sema_map_assign(s, map, value, assigned_type(s, value), st->span);
	if (((struct map_info *)map->sem)->sym.value)
		sema_adapt(s, value, ((struct map_info *)map->sem)->sym.value);
}

static void assign_var(struct sema *s, struct stmt *st)
{
	struct expr *var = st->assign.lhs, *value = st->assign.value;
	struct var_info *v;

	sema_value(s, value);
	v = sema_var_target(s, var, value->type);
	sema_var_assign(s, v, value, assigned_type(s, value), st->span);
	var->type = v->sym.type ? v->sym.type : &type_poison;
	sema_adapt(s, value, v->sym.type);
}

/* What `@x += e` makes of @x: what the operator gives; nothing assigned yet counts as 0. */
static const struct type *compound_type(struct sema *s, struct stmt *st, const struct type *old)
{
	struct expr *lhs = st->assign.lhs, *value = st->assign.value;
	const struct type *t;

	if (value->type->kind == TYPE_POISON)
		return &type_poison;
	lhs->type = old && old->kind != TYPE_POISON ? old : sema_flexible(s, 8);
	t = sema_binary_type(s, st->assign.op, lhs, value);
	if (!t) {
		sema_report_operands(s, st->assign.op, st->assign.op_span, lhs, value);
		return &type_poison;
	}
	/* `@x -= 1` of an unsigned number stays unsigned, as its other uses expect. */
	if (old && st->assign.op == BIN_SUB && type_is_integer(old) && t->kind == TYPE_INT &&
	    !type_is_signed(old))
		return type_int(s->types, 8, false);
	return t;
}

static void compound_var(struct sema *s, struct stmt *st)
{
	struct expr *var = st->assign.lhs, *value = st->assign.value;
	struct var_info *v = sema_var_read(s, var);
	const struct type *t;

	sema_value(s, value);
	if (!v) {
		var->type = &type_poison;
		return;
	}
	t = compound_type(s, st, v->sym.type);
	if (t->kind != TYPE_POISON)
		sema_var_assign(s, v, NULL, v->sym.fixed ? v->sym.type : t, st->span);
	var->type = v->sym.type ? v->sym.type : &type_poison;
	sema_adapt(s, value, v->sym.type);
}

static void compound_map(struct sema *s, struct stmt *st)
{
	struct expr *map = st->assign.lhs, *value = st->assign.value;
	struct map_info *m = sema_map(s, map);
	struct diag_msg *msg;

	sema_value(s, value);
	if (m->sym.value && m->sym.value->kind == TYPE_AGG) {
		sema_map_use(s, m, map);
		map->type = &type_poison;
		msg = sema_report(s, E_MAP_VALUE, st->span,
				  "@%.*s is a %s: %s= does not apply to it", STR_ARG(m->sym.name),
				  m->sym.value->agg.agg->name, binary_op_text(st->assign.op));
		diag_label(msg, m->value_span, "%s", m->sym.value->agg.agg->name);
		diag_help(msg, "assign %s() to it again: that adds", m->sym.value->agg.agg->name);
		return;
	}
	sema_map_assign(s, map, NULL, compound_type(s, st, m->sym.value), st->span);
	map->type = m->sym.value ? m->sym.value : &type_poison;
	sema_adapt(s, value, m->sym.value);
}

static void stmt_assign(struct sema *s, struct stmt *st)
{
	bool map = st->assign.lhs->kind == EXPR_MAP;

	if (st->assign.compound)
		map ? compound_map(s, st) : compound_var(s, st);
	else
		map ? assign_map(s, st) : assign_var(s, st);
}

static void stmt_let(struct sema *s, struct stmt *st)
{
	struct expr *value = st->let.value;
	const struct type *t = NULL;
	struct var_info *v;

	if (value)
		sema_value(s, value);
	if (st->let.type)
		t = sema_type_name(s, st->let.type);
	v = sema_var_declare(s, st->let.name, st->let.name_span, &st->let.var);
	if (t && (t->kind == TYPE_VOID || t->kind == TYPE_AGG)) {
		sema_report(s, E_TYPE, st->let.type->span, "a variable cannot be %s",
			    sema_type_text(s, t));
		t = NULL;
	}
	if (st->let.type && !t)
		v->sym.type = &type_poison; /* was reported */
	if (t && t->kind != TYPE_POISON) {
		s->changed |= v->sym.type != t;
		v->sym.type = t;
		v->sym.fixed = true;
		v->type_span = st->let.type->span;
		v->set_round = s->round; /* zero is a value that its type tells */
	}
	if (value) {
		sema_var_assign(s, v, value, assigned_type(s, value), st->span);
		sema_adapt(s, value, v->sym.type);
	}
}

/* ---- loops
 * ------------------------------------------------------------------------------------------ */

static void loop_body(struct sema *s, struct block *b)
{
	s->loops++;
	sema_block(s, b, false);
	s->loops--;
}

static void body_with_var(struct sema *s, struct stmt *st, const struct type *t)
{
	struct var_info *v;

	sema_scope_enter(s);
	v = sema_var_declare(s, st->loop.var, st->loop.var_span, &st->loop.sym);
	v->loop = true;
	v->sym.assigned = true;
	v->set_round = s->round;
	if (t && (!v->sym.type || !type_eq(v->sym.type, t))) {
		v->sym.type = t;
		s->changed = true;
	}
	loop_body(s, st->loop.body);
	sema_scope_leave(s);
}

static void for_map(struct sema *s, struct stmt *st)
{
	struct expr *map = st->loop.map;
	struct map_info *m = sema_map(s, map);
	const struct type *items[2] = {m->sym.key, NULL};
	struct diag_msg *msg;

	sema_map_arg(s, map);
	if (map->map.nkeys)
		sema_report(s, E_MAP_KEY, map->span, "a loop goes over a whole map: write @%.*s",
			    STR_ARG(m->sym.name));
	if (s->final && m->defined && !m->sym.keyed) {
		msg = sema_report(s, E_MAP_SCALAR, map->span, "@%.*s has no keys to go over",
				  STR_ARG(m->sym.name));
		diag_label(msg, m->scalar_span, "used without a key here");
	}
	if (m->sym.value)
		items[1] = sema_map_number(s, m->sym.value);
	if (m->sym.value && !items[1])
		diag_help(sema_report(s, E_TYPE, map->span,
				      "@%.*s is a %s: its values cannot be used in a loop",
				      STR_ARG(m->sym.name), m->sym.value->agg.agg->name),
			  "print(@%.*s) shows it", STR_ARG(m->sym.name));
	body_with_var(s, st, items[0] && items[1] ? type_tuple(s->types, items, 2) : NULL);
}

static void for_range(struct sema *s, struct stmt *st)
{
	struct expr *bounds[2] = {st->loop.from, st->loop.to};
	bool is_signed = false, known = true;

	for (int i = 0; i < 2; i++) {
		const struct type *t;

		sema_value(s, bounds[i]);
		t = bounds[i]->type;
		if (t->kind == TYPE_POISON) {
			known = false;
			continue;
		}
		if (!type_is_integer(t)) {
			sema_report(s, E_TYPE, bounds[i]->span,
				    "a bound of a range must be an integer, this is %s",
				    sema_type_text(s, t));
			known = false;
			continue;
		}
		is_signed |= type_is_signed(t);
		sema_adapt(s, bounds[i], NULL);
	}
	body_with_var(s, st, known ? type_int(s->types, 8, is_signed) : NULL);
}

static void count_expr(void *arg, struct expr *e)
{
	++*(uint64_t *)arg;
}

/* Nested loops multiply: the whole is bounded before code is made of it. */
static void unroll_body(struct sema *s, struct stmt *st, uint64_t times)
{
	uint64_t outer = s->repeats, size = 1;
	struct diag_msg *m;

	ast_walk_block(st->repeat.body, count_expr, &size);
	s->repeats = MAX(outer, 1) * times;
	s->unrolled += s->repeats * size;
	if (s->unrolled > UNROLLED_MAX) {
		m = sema_report(s, E_UNROLL, st->repeat.cond->span,
				"unrolled, this is %" PRIu64 " times a body of %" PRIu64
				" expressions",
				s->repeats, size);
		diag_primary(m, "more than %d in a script are too many", UNROLLED_MAX);
		diag_help(m, "use a loop: for ($i : 0..%" PRIu64 ") { … }", times);
		s->repeats = s->unrolled = 0;
	}
	loop_body(s, st->repeat.body);
	s->repeats = outer;
}

static void unroll_not_constant(struct sema *s, struct expr *n)
{
	struct diag_msg *m = sema_report(s, E_UNROLL, n->span,
					 "the count of unroll must be known at compile time");

	diag_primary(m, "only known when the probe fires");
	diag_help(m, "use a loop: for ($i : 0..%s) { … }",
		  n->kind == EXPR_VAR ? arena_printf(s->a, "$%.*s", STR_ARG(n->ident.name)) : "$n");
}

static void stmt_unroll(struct sema *s, struct stmt *st)
{
	struct expr *n = st->repeat.cond;
	struct diag_msg *m;
	uint64_t times = 1;

	sema_value(s, n);
	if (n->type->kind != TYPE_POISON && !(n->folded && type_is_integer(n->type)))
		unroll_not_constant(s, n);
	else if (n->folded && (n->value < 1 || n->value > 100)) {
		m = sema_report(s, E_UNROLL, n->span, "unroll repeats from 1 to 100 times");
		diag_help(m, "use a loop: for ($i : 0..%" PRIu64 ") { … }", n->value);
	} else if (n->folded) {
		times = n->value;
	}
	unroll_body(s, st, times);
}

static void stmt_jump(struct sema *s, struct stmt *st)
{
	if (s->loops == 0)
		sema_report(s, E_CALL_CONTEXT, st->span, "%s is only possible inside of a loop",
			    st->kind == STMT_BREAK ? "break" : "continue");
}

/* ---- other statements
 * ---------------------------------------------------------------------------------- */

static void stmt_return(struct sema *s, struct stmt *st)
{
	if (!st->expr) {
		if (s->fn)
			sema_return_nothing(s, st->span);
		return;
	}
	sema_value(s, st->expr);
	if (s->fn) {
		sema_returns(s, st->expr);
		return;
	}
	if (st->expr->type->kind != TYPE_POISON && !type_is_integer(st->expr->type))
		diag_primary(sema_report(s, E_TYPE, st->expr->span,
					 "a probe returns an integer, this is %s",
					 sema_type_text(s, st->expr->type)),
			     "%s", sema_type_text(s, st->expr->type));
	sema_adapt(s, st->expr, NULL);
}

/* An expression as a statement that does nothing. */
static bool has_effect(const struct expr *e)
{
	const struct call_sem *cs;

	switch (e->kind) {
	case EXPR_CALL:
	case EXPR_IDENT:
		cs = e->sem;
		return !cs || !cs->builtin ||
		       (cs->builtin->flags &
			(BI_STMT | BI_EFFECT | BI_AGG | BI_MAP_ARG | BI_CONST));
	case EXPR_INCDEC:
	case EXPR_IF:
	case EXPR_BLOCK:
	case EXPR_TERNARY:
	case EXPR_BOOL:
		return true;
	default:
		return e->type->kind == TYPE_POISON;
	}
}

static void stmt_expr(struct sema *s, struct expr *e)
{
	struct diag_msg *m;

	sema_visit_stmt(s, e);
	if (has_effect(e) || e->type->kind == TYPE_POISON)
		return;
	m = sema_report(s, W_DISCARD, e->span, "this value is not used");
	diag_help(m, "leave it out, or write _ = … to say that it is meant");
}

static void stmt(struct sema *s, struct stmt *st)
{
	switch (st->kind) {
	case STMT_EXPR:
		stmt_expr(s, st->expr);
		break;
	case STMT_LET:
		stmt_let(s, st);
		break;
	case STMT_ASSIGN:
		stmt_assign(s, st);
		break;
	case STMT_DISCARD:
		sema_value(s, st->expr);
		break;
	case STMT_FOR_MAP:
		for_map(s, st);
		break;
	case STMT_FOR_RANGE:
		for_range(s, st);
		break;
	case STMT_WHILE:
		sema_condition(s, st->repeat.cond, "while");
		loop_body(s, st->repeat.body);
		break;
	case STMT_UNROLL:
		stmt_unroll(s, st);
		break;
	case STMT_BREAK:
	case STMT_CONTINUE:
		stmt_jump(s, st);
		break;
	case STMT_RETURN:
		stmt_return(s, st);
		break;
	case STMT_IMPORT: /* done as if it stood in front of the probes */
		break;
	}
}

void sema_block(struct sema *s, struct block *b, bool want)
{
	sema_scope_enter(s);
	for (size_t i = 0; i < b->n; i++)
		stmt(s, b->stmts[i]);
	if (b->value && want)
		sema_visit(s, b->value);
	else if (b->value)
		stmt_expr(s, b->value);
	sema_scope_leave(s);
}

void sema_body(struct sema *s, struct probe *p)
{
	s->probe = p;
	s->loops = 0;
	sema_vars_begin(s);
	if (p->pred)
		sema_condition(s, p->pred, "the predicate");
	sema_block(s, p->body, false);
	sema_vars_end(s);
	s->probe = NULL;
}
