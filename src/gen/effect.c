/* What evaluating an expression changes, and which values have to be copied for it.
 *
 * A value that is no scalar is a place in memory (gen.h), often the variable or map it came from.
 * Operands are read in the order they are written in, so one that a later operand changes is copied
 * before that is evaluated:
 *
 *   printf("%s %d", ($d ? "a" : $s), --$d)      the string is built first, into a temporary
 *   $s == { $s = "new"; "old" }                 $s is copied first
 *   printf("%s %d", $s, $i++)                   $s is stored into the record straight away
 */
#include "gen/gen_impl.h"

/* ---- what is changed ------------------------------------------------------------------------- */

static bool is_fn_call(const struct expr *e)
{
	const struct call_sem *c = e->sem;

	return e->kind == EXPR_CALL && c && c->kind == CALL_FN;
}

static bool is_kfunc_call(const struct expr *e)
{
	const struct call_sem *c = e->sem;

	return e->kind == EXPR_CALL && c && c->kind == CALL_KFUNC;
}

static void visit_effect(void *arg, struct expr *e)
{
	const struct call_sem *c = e->sem;
	bool *found = arg;

	if (e->kind == EXPR_INCDEC || e->kind == EXPR_BLOCK || e->kind == EXPR_IF)
		*found = true;
	else if (is_fn_call(e) || is_kfunc_call(e))
		*found = true;
	else if ((e->kind == EXPR_CALL || e->kind == EXPR_IDENT) && c && c->kind == CALL_BUILTIN &&
		 c->builtin)
		*found |= (c->builtin->flags & BI_EFFECT) && type_is_scalar(e->type);
}

bool effect_any(struct expr *e)
{
	bool found = false;

	ast_walk_expr(e, visit_effect, &found);
	return found;
}

/* A statement may leave the program or the loop in the middle of a value. */
static void visit_leave(void *arg, struct expr *e)
{
	bool *found = arg;

	*found |= (e->kind == EXPR_BLOCK && e->block->n) || (e->kind == EXPR_IF && e->cond.yes->n);
}

bool effect_may_leave(struct expr *e)
{
	bool found = false;

	ast_walk_expr(e, visit_leave, &found);
	return found;
}

/* ---- what is read ---------------------------------------------------------------------------- */

struct mention {
	const void *sym;
	bool is_map, found;
};

static void look_for(void *arg, struct expr *e)
{
	struct mention *m = arg;

	m->found |= (e->kind == EXPR_VAR || e->kind == EXPR_MAP) && e->sem == m->sym;
	m->found |= m->is_map && is_fn_call(e); /* functions share the maps */
}

bool effect_mentions(struct expr *e, const void *sym, bool is_map)
{
	struct mention m = {sym, is_map, false};

	ast_walk_expr(e, look_for, &m);
	return m.found;
}

struct meeting {
	struct expr *later;
	bool found;
};

static void look_in_later(void *arg, struct expr *e)
{
	struct meeting *m = arg;

	if (!m->found && (e->kind == EXPR_VAR || e->kind == EXPR_MAP))
		m->found = effect_mentions(m->later, e->sem, e->kind == EXPR_MAP);
}

bool effect_touches(struct expr *later, struct expr *e)
{
	struct meeting m = {later, false};

	if (effect_any(later))
		ast_walk_expr(e, look_in_later, &m);
	return m.found;
}

/* ---- holding a value ------------------------------------------------------------------------- */

struct val gen_held(struct gen *g, struct expr *e, struct expr *const *later, size_t n)
{
	struct val tmp;
	bool copy = false;

	if (type_is_scalar(e->type))
		return gen_rvalue(g, gen_expr(g, e));
	for (size_t i = 0; i < n && !copy; i++)
		copy = effect_touches(later[i], e);
	if (!copy)
		return gen_expr(g, e);
	tmp = gen_temp(g, e->type, false);
	gen_build(g, e, tmp, false);
	return tmp;
}
