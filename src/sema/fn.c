/* Functions of the script: `fn name($a: type, …): type { … }`.
 *
 * A function is compiled into each program that calls it, as a BPF subprogram. Its body may use
 * what the probe offers (args, arg0, retval), so it is checked once for each probe, on a clone:
 *
 *   probe ──► fns: list of struct fn_info, callees before callers; each with variables of its own
 *
 * Parameters and results are what fits a register: integers, bools, enums, pointers. Recursion is
 * not possible: the kernel's stack is 512 bytes.
 *
 * The result is what `return` says, or the last expression of the body, or zero. */
#include "sema/sema_priv.h"

void sema_fns_collect(struct sema *s)
{
	VEC_EACH (struct fn_decl, f, &s->in->script->fns) {
		const struct fn_decl *before = strmap_get(&s->fns, f->name);
		struct diag_msg *m;

		if (before) {
			m = sema_report(s, E_VAR_REDEF, f->name_span,
					"the function %.*s is defined twice", STR_ARG(f->name));
			diag_label(m, before->name_span, "first defined here");
			continue;
		}
		if (f->nparams > FN_PARAMS_MAX) {
			m = sema_report(s, E_ARG_COUNT, f->params[FN_PARAMS_MAX].span,
					"a function has at most %d parameters", FN_PARAMS_MAX);
			diag_help(m, "use a macro for more, or keep values in a map");
		}
		strmap_put(&s->fns, f->name, f);
	}
}

const struct fn_decl *sema_fn(struct sema *s, struct str name)
{
	return strmap_get(&s->fns, name);
}

/* ---- the instance of a probe --------------------------------------------------------------- */

static const struct type *register_type(struct sema *s, struct type_name *tn, bool result)
{
	const struct type *t = sema_type_in(s, tn, sema_space(s));
	struct diag_msg *m;

	if (t->kind == TYPE_POISON || type_is_scalar(t) || (result && t->kind == TYPE_VOID))
		return t;
	m = sema_report(s, E_TYPE, tn->span, "a function cannot %s %s", result ? "return" : "take",
			sema_type_text(s, t));
	diag_primary(m, "not a number, bool or pointer");
	diag_help(m, result ? "keep it in a map, or use a macro"
			    : "take a pointer (&$x at the call), or use a macro");
	return &type_poison;
}

static struct fn_info *find(struct sema *s, const struct fn_decl *decl)
{
	for (size_t i = 0; i < s->fn_infos.n; i++)
		if (s->fn_infos.v[i]->inst.decl == decl && s->fn_infos.v[i]->probe == s->probe)
			return s->fn_infos.v[i];
	return NULL;
}

static struct fn_info *instance(struct sema *s, const struct fn_decl *decl)
{
	struct fn_info *f = find(s, decl);

	if (f)
		return f;
	f = arena_new_of(s->a, struct fn_info);
	f->inst.decl = decl;
	f->inst.body = ast_clone_block(s->a, decl->body);
	f->inst.nparams = MIN(decl->nparams, FN_PARAMS_MAX);
	f->probe = s->probe;
	strmap_init(&f->names.by_name, s->a);
	vec_push(s->a, &s->fn_infos, f);
	return f;
}

static void declare_params(struct sema *s, struct fn_info *f)
{
	for (size_t i = 0; i < f->inst.nparams; i++) {
		const struct fn_param *p = &f->inst.decl->params[i];
		void *slot = f->inst.params[i];
		struct var_info *v = sema_var_declare(s, p->name, p->span, &slot);

		f->inst.params[i] = slot;
		v->loop = false;
		v->set_round = s->round;
		v->sym.assigned = v->sym.fixed = v->sym.read = true;
		v->sym.type = f->param_types[i];
		v->type_span = p->type->span;
	}
}

static void check_body(struct sema *s, struct fn_info *f)
{
	struct fn_info *outer = s->fn;
	unsigned loops = s->loops;
	const struct expr *expansion = s->expansion;
	struct expr *agg = s->agg_call;

	s->fn = f;
	s->loops = 0;
	s->expansion = NULL;
	s->agg_call = NULL;
	f->active = true;
	sema_vars_begin(s);
	declare_params(s, f);
	sema_block(s, f->inst.body, f->inst.result->kind != TYPE_VOID);
	if (f->inst.body->value && f->inst.result->kind != TYPE_VOID)
		sema_returns(s, f->inst.body->value);
	sema_vars_end(s);
	f->active = false;
	s->fn = outer;
	s->loops = loops;
	s->expansion = expansion;
	s->agg_call = agg;
}

/* Callees first: an instance is listed when its body has been walked. */
static void check_once(struct sema *s, struct fn_info *f)
{
	struct fn_inst **end = &s->probe->fns;
	const struct fn_decl *d = f->inst.decl;

	if (f->round == s->round)
		return;
	f->round = s->round;
	for (size_t i = 0; i < f->inst.nparams; i++)
		f->param_types[i] = register_type(s, d->params[i].type, false);
	f->inst.result = register_type(s, d->result, true);
	check_body(s, f);
	if (f->listed || f->unused || (s->fn && s->fn->unused))
		return;
	f->listed = true;
	while (*end)
		end = &(*end)->next;
	*end = &f->inst;
}

/* A function that nobody calls is checked all the same, in the first probe, unless it uses what
 * only some probes have. No code is made of it. */
void sema_fns_unused(struct sema *s)
{
	VEC_EACH (struct fn_decl, d, &s->in->script->fns) {
		struct fn_info *f = NULL;

		for (size_t i = 0; i < s->fn_infos.n && !f; i++)
			if (s->fn_infos.v[i]->inst.decl == d && s->fn_infos.v[i]->listed)
				f = s->fn_infos.v[i];
		if (f || !s->probes.n || sema_fn(s, d->name) != d || sema_block_uses(s, d->body))
			continue;
		s->probe = s->probes.v[0];
		f = instance(s, d);
		f->unused = true;
		check_once(s, f);
		s->probe = NULL;
	}
}

/* ---- calls and results ---------------------------------------------------------------------- */

/* What may be given where `to` is wanted. */
static bool passes(const struct type *from, const struct type *to)
{
	if (from->kind == TYPE_POISON || to->kind == TYPE_POISON)
		return true;
	if (type_is_integer(from) && type_is_integer(to))
		return true;
	return from->kind == TYPE_PTR && to->kind == TYPE_PTR &&
	       (type_eq(from->ptr.to, to->ptr.to) || to->ptr.to->kind == TYPE_VOID ||
		from->ptr.to->kind == TYPE_VOID);
}

static void check_arg(struct sema *s, struct expr *e, struct fn_info *f, size_t i)
{
	struct expr *a = e->call.args[i];
	const struct type *to = f->param_types[i];
	struct diag_msg *m;

	sema_value(s, a);
	if (!passes(a->type, to)) {
		m = sema_report(s, E_ARG_TYPE, a->span, "$%.*s of %.*s() is %s, this is %s",
				STR_ARG(f->inst.decl->params[i].name), STR_ARG(e->call.name),
				sema_type_text(s, to), sema_type_text(s, a->type));
		diag_primary(m, "%s", sema_type_text(s, a->type));
		diag_label(m, f->inst.decl->params[i].span, "declared here");
		if (type_is_scalar(a->type))
			diag_help(m, "cast it: (%s)…", sema_type_text(s, to));
		return;
	}
	if (a->folded && type_is_integer(a->type) && type_is_integer(to) &&
	    !sema_fits(a->value, type_is_signed(a->type), to)) {
		m = sema_report(s, E_RANGE, a->span, "this value does not fit $%.*s, which is %s",
				STR_ARG(f->inst.decl->params[i].name), sema_type_text(s, to));
		diag_help(m, "cut it with a cast: (%s)…", sema_type_text(s, to));
	}
	sema_adapt(s, a, type_is_integer(to) ? to : NULL);
}

void sema_call_fn(struct sema *s, struct expr *e, const struct fn_decl *d)
{
	struct call_sem *cs = sema_call(s, e);
	struct fn_info *f = instance(s, d);
	struct diag_msg *m;

	if (f->active) {
		m = sema_report(s, E_CALL_CONTEXT, e->span, "the function %.*s calls itself",
				STR_ARG(d->name));
		diag_label(m, d->name_span, "defined here");
		diag_help(m, "BPF programs have no recursion: use a loop");
		return;
	}
	check_once(s, f);
	cs->kind = CALL_FN;
	cs->data = &f->inst;
	if (e->call.nargs != d->nparams) {
		m = sema_report(s, E_ARG_COUNT, e->span, "%.*s() takes %zu argument%s, %zu given",
				STR_ARG(d->name), d->nparams, d->nparams == 1 ? "" : "s",
				e->call.nargs);
		diag_label(m, d->name_span, "defined here");
		return;
	}
	for (size_t i = 0; i < f->inst.nparams; i++)
		check_arg(s, e, f, i);
	e->type = f->inst.result;
}

/* The value of a return, or of the body itself. */
void sema_returns(struct sema *s, struct expr *e)
{
	const struct type *to = s->fn->inst.result;
	struct diag_msg *m;

	if (to->kind != TYPE_VOID && passes(e->type, to)) {
		sema_adapt(s, e, type_is_integer(to) ? to : NULL);
		return;
	}
	if (e->type->kind == TYPE_POISON)
		return;
	m = sema_report(s, E_TYPE, e->span, "%.*s() returns %s, this is %s",
			STR_ARG(s->fn->inst.decl->name), sema_type_text(s, to),
			sema_type_text(s, e->type));
	diag_primary(m, "%s", sema_type_text(s, e->type));
	diag_label(m, s->fn->inst.decl->result->span, "declared here");
}

void sema_return_nothing(struct sema *s, struct span at)
{
	const struct type *to = s->fn->inst.result;
	struct diag_msg *m;

	if (to->kind == TYPE_VOID || to->kind == TYPE_POISON)
		return;
	m = sema_report(s, E_TYPE, at, "%.*s() returns %s: a value is missing",
			STR_ARG(s->fn->inst.decl->name), sema_type_text(s, to));
	diag_label(m, s->fn->inst.decl->result->span, "declared here");
}
