/* Macros: `macro name($v, @m, ident) { … }` is put in the place of its calls, before anything is
 * typed.
 *
 *   $v      the caller's variable itself        @m   the caller's map itself
 *   ident   the argument's expression, evaluated at each use; $v as well where another expression
 *           than a variable is given: it cannot be assigned to then
 *
 * The body is cloned for each call. Its own variables get names that no script can write (`$x`
 * becomes
 * `$x#3`), so they never meet those of the caller. Macros of one name may differ in the number and
 * kinds of their parameters; one without parameters may be called without parentheses. A macro goes
 * before a builtin of the same name.
 *
 *   call ──► EXPR_BLOCK with the span of the call around a block with that of the macro's body
 *
 * Arguments are expanded before they are put in, so a call inside of a macro's own arguments is no
 * recursion; one inside of its body is. */
#include "sema/sema_priv.h"

#define EXPANSIONS_MAX 20000

struct overload { /* macros of one name */
	const struct macro_decl *decl;
	struct overload *next;
};

/* Macros that are being expanded, innermost first. */
struct active {
	const struct macro_decl *decl;
	const struct active *outer;
};

struct expander {
	struct sema *s;
	const struct active *active;
};

struct binding { /* one call: the clone is rewritten by these */
	struct sema *s;
	const struct macro_decl *decl;
	struct expr **args;
	unsigned serial;
	VEC(struct expr *) uses; /* of `ident` parameters, replaced last */
	VEC(size_t) use_args;
};

/* ---- finding
 * ------------------------------------------------------------------------------------- */

static bool same_signature(const struct macro_decl *a, const struct macro_decl *b)
{
	if (a->nparams != b->nparams)
		return false;
	for (size_t i = 0; i < a->nparams; i++)
		if (a->params[i].kind != b->params[i].kind)
			return false;
	return true;
}

void sema_macros_collect(struct sema *s)
{
	VEC_EACH (struct macro_decl, d, &s->in->script->macros) {
		struct overload *o = arena_new_of(s->a, struct overload);
		struct diag_msg *m;

		o->decl = d;
		o->next = strmap_get(&s->macros, d->name);
		for (struct overload *k = o->next; k; k = k->next)
			if (same_signature(k->decl, d)) {
				m = sema_report(s, E_VAR_REDEF, d->name_span,
						"the macro %.*s is defined twice",
						STR_ARG(d->name));
				diag_label(m, k->decl->name_span, "first defined here");
			}
		strmap_put(&s->macros, d->name, o);
	}
}

/* Whether a body writes to a variable, or takes its address. */
struct write_scan {
	struct str name;
	bool found;
};

static void scan_var(struct write_scan *w, const struct expr *e)
{
	w->found |= e->kind == EXPR_VAR && str_eq(e->ident.name, w->name);
}

static void scan_stmts(struct write_scan *w, const struct block *block)
{
	for (size_t i = 0; i < block->n; i++) {
		const struct stmt *st = block->stmts[i];

		switch (st->kind) {
		case STMT_LET:
			w->found |= str_eq(st->let.name, w->name);
			break;
		case STMT_ASSIGN:
			scan_var(w, st->assign.lhs);
			break;
		case STMT_FOR_MAP:
		case STMT_FOR_RANGE:
			w->found |= str_eq(st->loop.var, w->name);
			scan_stmts(w, st->loop.body);
			break;
		case STMT_WHILE:
		case STMT_UNROLL:
			scan_stmts(w, st->repeat.body);
			break;
		default:
			break;
		}
	}
}

static void scan_expr(void *arg, struct expr *e)
{
	struct write_scan *w = arg;

	if (e->kind == EXPR_INCDEC)
		scan_var(w, e->incdec.e);
	else if (e->kind == EXPR_UNARY && e->un.op == UN_ADDR)
		scan_var(w, e->un.e);
	else if (e->kind == EXPR_IF)
		scan_stmts(w, e->cond.yes);
	else if (e->kind == EXPR_BLOCK)
		scan_stmts(w, e->block);
}

static bool writes(const struct macro_decl *d, struct str var)
{
	struct write_scan w = {.name = var};

	scan_stmts(&w, d->body);
	ast_walk_block(d->body, scan_expr, &w);
	return w.found;
}

static bool accepts(const struct macro_decl *d, const struct macro_param *p, const struct expr *arg)
{
	switch (p->kind) {
	case MACRO_VAR:
		return arg->kind == EXPR_VAR || !writes(d, p->name);
	case MACRO_MAP:
		return arg->kind == EXPR_MAP && arg->map.nkeys == 0;
	case MACRO_EXPR:
		break;
	}
	return true;
}

/* A variable or map for a parameter of that kind fits best, then any expression for a name. */
static unsigned param_fit(const struct macro_param *p, const struct expr *arg)
{
	if (p->kind == MACRO_EXPR)
		return 1;
	return p->kind == MACRO_MAP || arg->kind == EXPR_VAR ? 2 : 0;
}

/* How well a macro fits a call: 0 not at all. */
static unsigned fit(const struct macro_decl *d, struct expr **args, size_t n)
{
	unsigned score = 1;

	if (d->nparams != n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!accepts(d, &d->params[i], args[i]))
			return 0;
		score += param_fit(&d->params[i], args[i]);
	}
	return score;
}

static const struct macro_decl *choose(const struct overload *o, struct expr **args, size_t n)
{
	const struct macro_decl *best = NULL;
	unsigned best_fit = 0;

	for (; o; o = o->next) {
		unsigned f = fit(o->decl, args, n);

		if (f > best_fit) {
			best = o->decl;
			best_fit = f;
		}
	}
	return best;
}

/* ---- rewriting a clone
 * ------------------------------------------------------------------------------- */

static const struct macro_param *find_param(const struct binding *b, enum macro_param_kind kind,
					    struct str name, size_t *index)
{
	for (size_t i = 0; i < b->decl->nparams; i++)
		if (b->decl->params[i].kind == kind && str_eq(b->decl->params[i].name, name)) {
			*index = i;
			return &b->decl->params[i];
		}
	return NULL;
}

static struct str local_name(struct binding *b, struct str name)
{
	size_t i;

	if (find_param(b, MACRO_VAR, name, &i) && b->args[i]->kind == EXPR_VAR)
		return b->args[i]->ident.name;
	return str_of(arena_printf(b->s->a, "%.*s#%u", STR_ARG(name), b->serial));
}

static void rename_map(struct binding *b, struct expr *e)
{
	struct diag_msg *m;
	size_t i;

	if (find_param(b, MACRO_MAP, e->map.name, &i)) {
		e->map.name = b->args[i]->map.name;
		return;
	}
	m = sema_report(b->s, E_NAME, e->span,
			"the macro %.*s uses the map @%.*s, which is not among its parameters",
			STR_ARG(b->decl->name), STR_ARG(e->map.name));
	diag_help(m, "pass it: macro %.*s(@%.*s, …)", STR_ARG(b->decl->name), STR_ARG(e->map.name));
}

static void rename_stmts(struct binding *b, struct block *block)
{
	for (size_t i = 0; i < block->n; i++) {
		struct stmt *st = block->stmts[i];

		switch (st->kind) {
		case STMT_LET:
			st->let.name = local_name(b, st->let.name);
			break;
		case STMT_FOR_MAP:
		case STMT_FOR_RANGE:
			st->loop.var = local_name(b, st->loop.var);
			rename_stmts(b, st->loop.body);
			break;
		case STMT_WHILE:
		case STMT_UNROLL:
			rename_stmts(b, st->repeat.body);
			break;
		default:
			break;
		}
	}
}

static void use_arg(struct binding *b, struct expr *e, size_t i)
{
	vec_push(b->s->a, &b->uses, e);
	vec_push(b->s->a, &b->use_args, i);
}

static void rename_expr(void *arg, struct expr *e)
{
	struct binding *b = arg;
	size_t i;

	switch (e->kind) {
	case EXPR_VAR:
		if (find_param(b, MACRO_VAR, e->ident.name, &i) && b->args[i]->kind != EXPR_VAR)
			use_arg(b, e, i);
		else
			e->ident.name = local_name(b, e->ident.name);
		break;
	case EXPR_MAP:
		rename_map(b, e);
		break;
	case EXPR_IDENT:
		if (find_param(b, MACRO_EXPR, e->ident.name, &i))
			use_arg(b, e, i);
		break;
	case EXPR_IF:
		rename_stmts(b, e->cond.yes);
		break;
	case EXPR_BLOCK:
		rename_stmts(b, e->block);
		break;
	default:
		break;
	}
}

static struct block *instantiate(struct sema *s, const struct macro_decl *d, struct expr **args)
{
	struct binding b = {.s = s, .decl = d, .args = args, .serial = ++s->expansions};
	struct block *body = ast_clone_block(s->a, d->body);

	rename_stmts(&b, body);
	ast_walk_block(body, rename_expr, &b);
	for (size_t i = 0; i < b.uses.n; i++)
		*b.uses.v[i] = *ast_clone_expr(s->a, args[b.use_args.v[i]]);
	return body;
}

/* ---- expanding
 * ------------------------------------------------------------------------------------------ */

static void expand_expr(void *arg, struct expr *e);

/* After a report: something harmless that is not looked at again. */
static void neutralize(struct expr *e)
{
	e->kind = EXPR_BOOL;
	e->value = 0;
}

static void report_mismatch(struct sema *s, struct expr *e, const struct overload *o, size_t n)
{
	struct diag_msg *m;

	m = sema_report(s, E_ARG_COUNT, e->span, "no macro %.*s takes these %zu arguments",
			STR_ARG(call_name(e)), n);
	for (; o; o = o->next)
		diag_label(m, o->decl->name_span, "takes %zu", o->decl->nparams);
	diag_note(m, "a parameter $v that the macro writes to takes a variable, @m a map without a "
		     "key, others any expression");
}

static bool may_expand(struct expander *x, const struct macro_decl *d, struct expr *e)
{
	struct diag_msg *m;

	if (x->s->expansions >= EXPANSIONS_MAX) {
		if (x->s->expansions++ == EXPANSIONS_MAX)
			diag_help(sema_report(x->s, E_SIZE, e->span,
					      "more than %d expansions of macros", EXPANSIONS_MAX),
				  "macros that name others twice grow without bound: put the value "
				  "in a variable first");
		return false;
	}
	for (const struct active *a = x->active; a; a = a->outer)
		if (a->decl == d) {
			m = sema_report(x->s, E_CALL_CONTEXT, e->span,
					"the macro %.*s calls itself", STR_ARG(d->name));
			diag_label(m, d->name_span, "defined here");
			diag_help(m, "a macro is text that is put in: use a loop");
			return false;
		}
	return true;
}

static void expand_call(struct expander *x, struct expr *e, const struct macro_decl *d,
			struct expr **args)
{
	struct active level = {d, x->active};
	struct expander inner = {x->s, &level};
	struct block *body;

	body = instantiate(x->s, d, args);
	ast_walk_block(body, expand_expr, &inner);
	e->kind = EXPR_BLOCK;
	e->block = body;
}

/* A macro of the C section becomes one of the script when it is first used. */
static const struct overload *from_c(struct sema *s, const struct expr *e)
{
	const struct macro_decl *d;
	struct overload *o;

	if (sema_builtin(s, call_name(e)))
		return NULL;
	d = sema_c_macro(s, call_name(e), e->kind == EXPR_CALL);
	if (!d)
		return NULL;
	o = arena_new_of(s->a, struct overload);
	o->decl = d;
	strmap_put(&s->macros, d->name, o);
	return o;
}

/* `__builtin_pid` is pid itself, also where a macro has that name. */
static bool strip_builtin(struct expr *e)
{
	struct str *name = e->kind == EXPR_CALL ? &e->call.name : &e->ident.name;
	const struct str prefix = STR("__builtin_");

	if (!str_starts(*name, prefix))
		return false;
	*name = (struct str){name->p + prefix.n, name->n - prefix.n};
	return true;
}

static void expand_expr(void *arg, struct expr *e)
{
	struct expander *x = arg;
	const struct overload *o;
	const struct macro_decl *d;
	struct expr **args;
	size_t n;

	if ((e->kind != EXPR_CALL && e->kind != EXPR_IDENT) || strip_builtin(e))
		return;
	o = strmap_get(&x->s->macros, call_name(e));
	if (!o)
		o = from_c(x->s, e);
	if (!o)
		return;
	args = call_args(e, &n);
	d = choose(o, args, n);
	if (!d && sema_builtin(x->s, call_name(e)))
		return;
	if (!d)
		report_mismatch(x->s, e, o, n);
	if (!d || !may_expand(x, d, e)) {
		neutralize(e);
		return;
	}
	for (size_t i = 0; i < n; i++)
		ast_walk_expr(args[i], expand_expr, x);
	expand_call(x, e, d, args);
}

void sema_macros_expand(struct sema *s, struct probe_decl *decl)
{
	struct expander x = {s, NULL};

	ast_walk_expr(decl->pred, expand_expr, &x);
	ast_walk_block(decl->body, expand_expr, &x);
}

void sema_macros_expand_block(struct sema *s, struct block *b)
{
	struct expander x = {s, NULL};

	ast_walk_block(b, expand_expr, &x);
}
