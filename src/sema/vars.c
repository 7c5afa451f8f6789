/* Variables: scopes, visibility, types.
 *
 * A variable lives from its first assignment (or `let`) to the end of the block it is in. There is
 * no shadowing, so a name means at most one variable at any place: `live` of its var_name.
 *
 *   names ── "$x" ──► live: the visible one, or NULL
 *                     all:  every variable of that name in this probe
 *
 * Scripts up to 0.21 saw variables in the whole probe. They still mean the same: a variable that
 * was assigned in an inner block and is used behind it is that variable when there is just one it
 * can be; and two blocks that assign to one name without `let` share one variable when its types
 * agree.
 *
 * Variables are made in the first round and found again through the tree in later ones. */
#include "sema/sema_priv.h"

static struct var_names *names_of(struct sema *s)
{
	return s->fn ? &s->fn->names : s->probe->sema;
}

static struct var_name *name_get(struct sema *s, struct str name)
{
	struct var_names *n = names_of(s);
	struct var_name *v = strmap_get(&n->by_name, name);

	if (v)
		return v;
	v = arena_new_of(s->a, struct var_name);
	v->name = name;
	strmap_put(&n->by_name, name, v);
	return v;
}

void sema_vars_begin(struct sema *s)
{
	struct var_names *n = names_of(s);

	n->live.n = 0;
	n->scopes.n = 0;
	for (size_t i = 0; i < n->vars.n; i++)
		n->vars.v[i]->sym.read = n->vars.v[i]->sym.assigned = false;
	sema_scope_enter(s);
}

void sema_vars_end(struct sema *s)
{
	sema_scope_leave(s);
}

void sema_scope_enter(struct sema *s)
{
	struct var_names *n = names_of(s);

	vec_push(s->a, &n->scopes, n->live.n);
}

void sema_scope_leave(struct sema *s)
{
	struct var_names *n = names_of(s);
	size_t start = n->scopes.v[--n->scopes.n];

	while (n->live.n > start)
		n->live.v[--n->live.n]->live = NULL;
}

static void make_live(struct sema *s, struct var_name *name, struct var_info *v)
{
	name->live = v;
	v->round = s->round;
	vec_push(s->a, &names_of(s)->live, name);
}

static struct var_info *var_new(struct sema *s, struct var_name *name, struct span decl)
{
	struct var_info *v = arena_new_of(s->a, struct var_info);

	v->sym.name = name->name;
	v->sym.decl = v->type_span = decl;
	v->sym.probe = s->probe;
	v->same_name = name->all;
	name->all = v;
	vec_push(s->a, &names_of(s)->vars, v);
	return v;
}

/* ---- reading
 * -------------------------------------------------------------------------------------- */

/* The one variable of a closed block that the name can mean. */
static struct var_info *find_retired(struct sema *s, const struct var_name *name, unsigned *count)
{
	struct var_info *found = NULL;

	*count = 0;
	for (struct var_info *v = name->all; v; v = v->same_name)
		if (v->round == s->round && !v->sym.declared) {
			found = v;
			++*count;
		}
	return *count == 1 ? found : NULL;
}

static void report_undefined(struct sema *s, struct expr *e, const struct var_name *name,
			     unsigned count)
{
	struct str n = e->ident.name;
	struct nearest near;
	struct diag_msg *m;

	m = sema_report(s, E_VAR_UNDEF, e->span, "the variable $%.*s is not defined here",
			STR_ARG(n));
	for (struct var_info *v = name->all; v; v = v->same_name)
		if (v->round == s->round)
			diag_label(m, v->sym.decl, "$%.*s of this block is gone behind it",
				   STR_ARG(n));
	if (name->all) {
		diag_help(m, "declare it before the block: let $%.*s;", STR_ARG(n));
		if (count > 1)
			diag_note(m, "several blocks have one of that name, with different types");
		return;
	}
	nearest_init(&near, n);
	for (size_t i = 0; i < names_of(s)->live.n; i++)
		nearest_try(&near, names_of(s)->live.v[i]->name);
	if (nearest_found(&near))
		diag_suggest(m, e->span, arena_printf(s->a, "$%.*s", STR_ARG(near.best)));
	else
		diag_help(m,
			  "assign to it first: $%.*s = …; a variable lives in one probe, what all "
			  "probes see is a map: @%.*s",
			  STR_ARG(n), STR_ARG(n));
}

struct var_info *sema_var_read(struct sema *s, struct expr *e)
{
	struct var_name *name = name_get(s, e->ident.name);
	struct var_info *v = name->live;
	unsigned count;

	if (!v) {
		v = find_retired(s, name, &count);
		if (!v) {
			report_undefined(s, e, name, count);
			return NULL;
		}
		make_live(s, name, v);
	}
	if (!v->loop && v->set_round != s->round && v->sym.type &&
	    v->sym.type->kind != TYPE_POISON && s->loops == 0)
		diag_help(sema_report(s, W_UNINIT, e->span,
				      "$%.*s is used before anything was assigned to it",
				      STR_ARG(e->ident.name)),
			  "its value here is always zero or empty");
	v->sym.read = true;
	e->sem = v;
	return v;
}

/* ---- assigning
 * --------------------------------------------------------------------------------------- */

static bool agrees(struct sema *s, const struct var_info *v, const struct type *t)
{
	bool clash = false;

	return !v->sym.type || (sema_join(s, v->sym.type, t, &clash) && !clash);
}

/* The variable that an assignment without `let` means: the visible one, an equal one of a closed
 * block, or a new one. */
struct var_info *sema_var_target(struct sema *s, struct expr *e, const struct type *t)
{
	struct var_name *name = name_get(s, e->ident.name);
	struct var_info *v = name->live, *before = e->sem;

	if (!v && before && (before->sym.decl.off == e->span.off || agrees(s, before, t)))
		v = before;
	if (!v)
		for (v = name->all; v; v = v->same_name)
			if (!v->sym.declared && !v->loop && v->round == s->round && agrees(s, v, t))
				break;
	if (!v)
		v = var_new(s, name, e->span);
	if (name->live != v)
		make_live(s, name, v);
	e->sem = v;
	return v;
}

struct var_info *sema_var_declare(struct sema *s, struct str text, struct span sp, void **slot)
{
	struct var_name *name = name_get(s, text);
	struct var_info *v = *slot;
	struct diag_msg *m;

	if (!v) {
		v = var_new(s, name, sp);
		v->sym.declared = true;
		*slot = v;
	}
	if (name->live && name->live != v) {
		m = sema_report(s, E_VAR_REDEF, sp, "there is a variable $%.*s already",
				STR_ARG(text));
		diag_label(m, name->live->sym.decl, "first defined here");
		diag_help(m, "assign to it without let, or take another name");
	}
	make_live(s, name, v);
	return v;
}

static void report_range(struct sema *s, const struct var_info *v, struct expr *value)
{
	struct diag_msg *m;
	const char *to = sema_type_text(s, v->sym.type);

	m = sema_report(s, E_RANGE, value->span, "this value does not fit $%.*s, which is %s",
			STR_ARG(v->sym.name), to);
	diag_label(m, v->type_span, "declared as %s", to);
	diag_help(m, "cut it with a cast: (%s)…", to);
}

static void report_assign(struct sema *s, const struct var_info *v, struct expr *value,
			  const struct type *t, struct span at)
{
	struct span sp = value ? value->span : at;
	struct diag_msg *m;

	m = sema_report(s, E_ASSIGN, sp, "%s cannot be assigned to $%.*s, which is %s",
			sema_type_text(s, t), STR_ARG(v->sym.name), sema_type_text(s, v->sym.type));
	diag_primary(m, "this is %s", sema_type_text(s, t));
	diag_label(m, v->type_span, v->sym.fixed ? "declared as %s" : "%s since here",
		   sema_type_text(s, v->sym.type));
	if (type_is_integer(v->sym.type) && t->kind == TYPE_PTR)
		diag_help(m, "an address as a number: (uint64)…");
	else if (v->sym.type->kind == TYPE_STRING && t->kind == TYPE_PTR)
		diag_help(m, "str() reads the text that a pointer points to");
	else if (!v->sym.fixed)
		diag_help(m, "a variable has one type; use another variable");
}

static bool integer_into(const struct type *to, const struct type *t)
{
	return type_is_integer(to) && type_is_integer(t);
}

/* Declared types do not grow: values must fit. */
static void assign_fixed(struct sema *s, struct var_info *v, struct expr *value,
			 const struct type *t, struct span at)
{
	bool clash = false;
	const struct type *j;

	if (integer_into(v->sym.type, t)) {
		if (value && value->folded &&
		    !sema_fits(value->value, type_is_signed(t), v->sym.type))
			report_range(s, v, value);
		return;
	}
	j = sema_join(s, v->sym.type, t, &clash);
	if (j && j->size <= v->sym.type->size)
		return;
	report_assign(s, v, value, t, at);
}

static void assign_grow(struct sema *s, struct var_info *v, struct expr *value,
			const struct type *t, struct span at)
{
	const struct type *old = v->sym.type, *j;
	bool clash = false;

	if (!old) {
		v->sym.type = s->settling ? sema_settled(s, t) : t;
		v->type_span = value ? value->span : at;
		s->changed = true;
		return;
	}
	j = sema_join(s, old, t, &clash);
	if (!j) {
		report_assign(s, v, value, t, at);
		return;
	}
	if (clash)
		diag_help(sema_report(s, W_SIGN, value ? value->span : at,
				      "$%.*s gets values of different sign: it is %s",
				      STR_ARG(v->sym.name), sema_type_text(s, j)),
			  "say which one is meant with a cast: (int64)… or (uint64)…");
	if (!type_eq(j, old) || sema_is_flexible(j) != sema_is_flexible(old)) {
		v->sym.type = j;
		s->changed = true;
	}
}

void sema_var_assign(struct sema *s, struct var_info *v, struct expr *value, const struct type *t,
		     struct span at)
{
	if (v->loop)
		diag_help(sema_report(s, E_ASSIGN, at, "the variable of a loop cannot be assigned"),
			  "copy it into another variable first");
	v->sym.assigned = true;
	v->set_round = s->round;
	if (t->kind == TYPE_POISON || t->kind == TYPE_VOID)
		return;
	if (v->sym.fixed)
		assign_fixed(s, v, value, t, at);
	else
		assign_grow(s, v, value, t, at);
}
