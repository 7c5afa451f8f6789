/* `probe == "…"`, `strerror(e) == "No such file or directory"`: a value that gets its text when it
 * is printed, compared with a text.
 *
 * The text is looked up at compile time, by the view; the literal then becomes a call of the same
 * builtin with the number that was found, and two values of one view are compared.
 *
 *   syscall_name(args.id) == "openat"   →   syscall_name(args.id) == syscall_name(257) */
#include "sema/sema_priv.h"

static struct expr *view_side(struct expr *e, struct expr **literal)
{
	struct expr *l = e->bin.l, *r = e->bin.r;

	*literal = l->kind == EXPR_STR ? l : r;
	if ((*literal)->kind != EXPR_STR || (e->bin.op != BIN_EQ && e->bin.op != BIN_NE))
		return NULL;
	l = *literal == l ? r : l;
	return l->type->kind == TYPE_VIEW ? l : NULL;
}

static struct diag_msg *report_never(struct sema *s, struct expr *e, const struct expr *literal)
{
	struct diag_msg *m = sema_report(s, W_COMPARE, e->bin.op_span,
					 "this comparison is always %s",
					 e->bin.op == BIN_EQ ? "false" : "true");

	diag_label(m, literal->span, "never the text of this %s",
		   e->bin.l == literal ? e->bin.r->type->view.view->name
				       : e->bin.l->type->view.view->name);
	return m;
}

static void report_no_text(struct sema *s, struct expr *e, const struct view *v)
{
	struct diag_msg *m;

	m = sema_report(s, E_OPERANDS, e->bin.op_span, "%s cannot be compared with text", v->name);
	diag_help(m, "its text is made when it is printed, after the fact: compare the value that "
		     "it is made of");
	e->type = &type_poison;
}

bool sema_view_compare(struct sema *s, struct expr *e)
{
	struct expr *literal, *side = view_side(e, &literal);
	const struct view *v;
	struct call_sem *cs;
	uint64_t value;

	if (!side)
		return false;
	v = side->type->view.view;
	if (!v->from_text) {
		report_no_text(s, e, v);
		return true;
	}
	if (!v->from_text(s, literal->str, &value)) {
		report_never(s, e, literal);
		e->folded = true;
		e->value = e->bin.op == BIN_NE;
		e->type = &type_bool;
		return true;
	}
	literal->kind = EXPR_CALL;
	literal->call.name = str_of(v->maker);
	literal->call.name_span = literal->span;
	literal->call.args = NULL;
	literal->call.nargs = 0;
	literal->sem = NULL;
	cs = sema_call(s, literal);
	cs->builtin = sema_builtin(s, literal->call.name);
	cs->kind = CALL_BUILTIN;
	cs->num[3] = 1;
	cs->data = arena_memdup(s->a, &value, sizeof(value));
	literal->type = side->type;
	return false;
}
