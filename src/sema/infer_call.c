/* Calls: finds the builtin's row, counts the arguments, types them, lets the row's check() say what
 * comes out.
 *
 * A map as the first argument of a BI_MAP_ARG builtin is the map itself: print(@x), delete(@x[k]).
 * Aggregations (BI_AGG) are calls only where a statement `@m[…] = f(…)` put them into s->agg_call.
 */
#include "sema/sema_priv.h"

/* Functions that people know from elsewhere, and what does that here. */
static const char *elsewhere(struct str name)
{
	static const struct {
		const char *name, *instead;
	} rows[] = {
		{"strcmp",
		 "strings are compared with == and !=; strncmp(a, b, n) compares n bytes"},
		{"sprintf", "printf() prints; strings are made by str() and literals only"},
		{"snprintf", "printf() prints; strings are made by str() and literals only"},
		{"concat", "text is put together by printf(): printf(\"%s%s\", …)"},
		{"substr", "str(ptr, n) reads the first n bytes; $s[i] is one of them"},
		{"length", "strlen() counts the characters of a string, len() the keys of a map"},
		{"size", "strlen() counts the characters of a string, len() the keys of a map"},
		{"puts", "printf(\"…\\n\") or print(…) print"},
		{"echo", "printf(\"…\\n\") or print(…) print"},
		{"println", "print(…) ends with a new line"},
		{"log", "printf(\"…\\n\") or print(…) print"},
		{"getpid", "the process is pid, the thread tid"},
		{"gettid", "the thread is tid, the process pid"},
		{"now", "nsecs is the time in nanoseconds, time() prints the clock"},
		{"execname", "the name of the process is comm"},
		{"sleep", "a probe cannot wait; interval:s:1 { … } runs every second"},
		{"int", "a cast is written (int32)…"},
		{"atoi", "parameters such as $1 are numbers already when they look like one"},
		{"quantize", "@ = hist(n) counts in powers of two"},
		{"lquantize", "@ = lhist(n, min, max, step) counts in steps"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_is(name, rows[i].name))
			return rows[i].instead;
	return NULL;
}

static void report_unknown(struct sema *s, struct expr *e)
{
	struct diag_msg *m;
	struct nearest n;

	m = sema_report(s, E_FUNCTION, e->call.name_span, "there is no function %.*s()",
			STR_ARG(e->call.name));
	if (!m)
		return;
	nearest_init(&n, e->call.name);
	sema_nearest_builtin(s, &n);
	if (elsewhere(e->call.name))
		diag_help(m, "%s", elsewhere(e->call.name));
	else if (nearest_found(&n))
		diag_suggest(m, e->call.name_span, arena_strndup(s->a, n.best.p, n.best.n));
	else
		diag_help(m, "awl doc lists the functions");
}

static bool check_count(struct sema *s, const struct builtin *b, struct expr *e)
{
	size_t n;
	struct diag_msg *m;

	call_args(e, &n);
	if (call_named(e) && !(b->flags & BI_NAMED)) {
		m = sema_report(s, E_ARG_COUNT, call_named(e)->span, "%s() has no named arguments",
				b->name);
		diag_help(m, "%s", b->proto);
		return false;
	}
	if (n >= b->min_args && (b->max_args == 255 || n <= b->max_args))
		return true;
	if (b->min_args == b->max_args)
		m = sema_report(s, E_ARG_COUNT, e->span, "%s() takes %u argument%s, %zu given",
				b->name, b->min_args, b->min_args == 1 ? "" : "s", n);
	else if (b->max_args == 255)
		m = sema_report(s, E_ARG_COUNT, e->span,
				"%s() takes at least %u argument%s, %zu given", b->name,
				b->min_args, b->min_args == 1 ? "" : "s", n);
	else
		m = sema_report(s, E_ARG_COUNT, e->span,
				"%s() takes from %u to %u arguments, %zu given", b->name,
				b->min_args, b->max_args, n);
	diag_primary(m, "%s", b->proto);
	return false;
}

static bool check_allowed(struct sema *s, const struct builtin *b, struct expr *e)
{
	struct diag_msg *m;

	if ((b->flags & BI_UNSAFE) && !s->in->unsafe) {
		m = sema_report(s, E_UNSAFE, e->span, "%s() changes the system", b->name);
		diag_help(m, "run awl with --unsafe to allow it");
		return false;
	}
	if (b->needs != FEATURE_NONE && s->in->kernel && !kernel_has(s->in->kernel, b->needs)) {
		m = sema_report(s, E_FEATURE, e->span,
				"%s needs %s, which this kernel does not have", b->name,
				feature_text(b->needs));
		diag_primary(m, "%s", b->proto);
		return false;
	}
	if ((b->flags & BI_AGG) && s->agg_call != e) {
		m = sema_report(s, E_AGG_CONTEXT, e->span,
				"%s() is only possible as the value of a map", b->name);
		diag_help(m, "assign it: @x = %s(%s);", b->name, b->max_args ? "…" : "");
		return false;
	}
	if (e->kind == EXPR_IDENT && b->min_args > 0) {
		m = sema_report(s, E_ARG_COUNT, e->span, "%s is a function and needs arguments",
				b->name);
		diag_primary(m, "%s", b->proto);
		return false;
	}
	return true;
}

/* An option of the function that is a word alone, which check() reads. */
static bool is_word(const struct builtin *b, const struct expr *e)
{
	return b->is_word && e->kind == EXPR_IDENT && b->is_word(e->ident.name);
}

/* True when the types of all arguments are known. */
static bool type_args(struct sema *s, const struct builtin *b, struct expr *e)
{
	size_t n;
	struct expr **args = call_args(e, &n);
	bool known = true;

	for (size_t i = 0; i < n; i++) {
		if (i == 0 && (b->flags & BI_MAP_ARG) && args[0]->kind == EXPR_MAP) {
			sema_map_arg(s, args[0]);
			continue;
		}
		if ((b->flags & BI_OUT_ARG) && i + 1 == n && args[i]->kind == EXPR_VAR)
			continue;
		if (is_word(b, args[i]))
			continue;
		if (args[i]->kind == EXPR_TYPE)
			sema_visit(s, args[i]);
		else
			sema_value(s, args[i]);
		known &= args[i]->type->kind != TYPE_POISON;
	}
	return known;
}

/* Arguments keep no flexible types: what is read from them is a plain integer. A negative literal
 * has full width: %x of -1 prints sixteen digits. */
static void settle_args(struct sema *s, struct expr *e)
{
	size_t n;
	struct expr **args = call_args(e, &n);

	for (size_t i = 0; i < n; i++)
		if (!args[i]->type)
			continue; /* of BI_LAZY_ARGS */
		else if (!sema_is_literal(args[i]))
			sema_adapt(s, args[i], NULL);
		else if (type_is_signed(args[i]->type) && (int64_t)args[i]->value < 0)
			args[i]->type = type_int(s->types, 8, true);
}

static void call_builtin(struct sema *s, const struct builtin *b, struct expr *e)
{
	struct call_sem *cs = sema_call(s, e);
	struct expr *agg = s->agg_call;
	bool known = true;

	if (cs->num[3] && cs->data && cs->builtin == b) /* made of a text, see viewcmp.c */
		return;
	cs->kind = CALL_BUILTIN;
	cs->builtin = b;
	e->type = &type_poison;
	if (!check_allowed(s, b, e) || !check_count(s, b, e))
		return;
	s->agg_call = NULL;
	if (b->prepare)
		b->prepare(s, e);
	if (!(b->flags & BI_LAZY_ARGS))
		known = type_args(s, b, e);
	settle_args(s, e);
	if (known)
		b->check(s, e);
	else if (b->flags & BI_STMT)
		e->type = &type_void;
	s->agg_call = agg;
	if (!e->type)
		e->type = &type_poison;
}

/* A name of the probe or a value, written like a call: args(), arg0(). */
static bool try_name(struct sema *s, struct expr *e)
{
	if (e->call.nargs || !sema_name_uses(e->call.name))
		return false;
	e->kind = EXPR_IDENT;
	sema_ident(s, e);
	return true;
}

void sema_call_expr(struct sema *s, struct expr *e)
{
	const struct fn_decl *f = e->kind == EXPR_CALL ? sema_fn(s, e->call.name) : NULL;
	const struct builtin *b;

	if (f) {
		sema_call_fn(s, e, f);
		return;
	}
	if (e->kind == EXPR_CALL && sema_param_str(s, e)) {
		sema_visit(s, e);
		return;
	}
	b = sema_builtin(s, call_name(e));
	if (b) {
		call_builtin(s, b, e);
		return;
	}
	if (try_name(s, e) ||
	    (e->kind == EXPR_CALL && !elsewhere(e->call.name) && sema_call_kfunc(s, e)))
		return;
	for (size_t i = 0; i < e->call.nargs; i++)
		sema_visit(s, e->call.args[i]);
	report_unknown(s, e);
}
