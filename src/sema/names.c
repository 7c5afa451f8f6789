/* What a bare name means. In this order:
 *
 *   a builtin that may be written without parentheses     pid, comm, nsecs
 *   a name of the probe                                   args, arg0, retval, ctx, func
 *   a constant of the C section                           #define TASK_RUNNING 0
 *   an enumerator of the kernel                           TCP_ESTABLISHED
 *   a well-known constant of system headers               AF_INET
 *
 * Providers give the names of a probe their types; one that has none leads to a message that tells
 * which probes have it. */
#include "sema/sema_priv.h"

/* ---- names of the probe
 * ---------------------------------------------------------------------------- */

static bool probe_name(struct str name, enum probe_name *kind, unsigned *index)
{
	static const struct {
		unsigned use;
		enum probe_name name;
	} names[] = {
		{USES_ARGS, NAME_ARGS}, {USES_ARGN, NAME_ARG},  {USES_RETVAL, NAME_RETVAL},
		{USES_CTX, NAME_CTX},   {USES_GOID, NAME_GOID},
	};
	unsigned use = sema_name_uses(name);

	*index = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].use == use) {
			*kind = names[i].name;
			if (!sema_argn(name, index))
				sema_go_name(name, index);
			return true;
		}
	return false;
}

void sema_no_btf(struct sema *s, const struct expr *e, const char *what)
{
	struct diag_msg *m;
	struct err why = {0};

	m = sema_report(s, E_BTF, e->span,
			"%s cannot be known: this kernel shows no type information", what);
	if (!kernel_btf(s->in->kernel, &why))
		diag_note(m, "%s", why.what);
	diag_help(m, "the kernel must be built with CONFIG_DEBUG_INFO_BTF, and /sys be mounted; or "
		     "--kernel-btf FILE gives the types of a kernel of the same build");
}

static void report_probe_name(struct sema *s, struct expr *e, enum probe_name kind)
{
	struct str n = call_name(e);
	const struct provider *prov = s->probe->prov;
	struct diag_msg *m;

	if (kind == NAME_ARGS && prov->args_btf && !kernel_has(s->in->kernel, FEATURE_BTF)) {
		sema_no_btf(s, e, "the arguments of this probe");
		return;
	}
	m = sema_report(s, E_PROBE_LIMIT, e->span, "%.*s is not available in %s probes", STR_ARG(n),
			prov->name);
	diag_label(m, s->probe->ap->span, "in this probe");
	if (!m)
		return;
	switch (kind) {
	case NAME_ARGS:
		diag_help(m, "args is there in tracepoint, rawtracepoint, fentry and fexit, and in "
			     "uprobe with debug "
			     "information");
		break;
	case NAME_ARG:
		diag_help(m, "arg0, arg1 … are there in kprobe, uprobe, usdt and rawtracepoint; in "
			     "a tracepoint use "
			     "args.NAME");
		break;
	case NAME_RETVAL:
		diag_help(m, "retval is there in kretprobe, uretprobe and fexit; in a tracepoint "
			     "sys_exit_* use args.ret");
		break;
	case NAME_GOID:
		diag_help(m, "goroutines are there in go and goret probes: go:FILE:\"main.f\"");
		break;
	default:
		diag_help(m, "ctx is there in kprobe, uprobe, profile and iter");
		break;
	}
}

static bool try_probe_name(struct sema *s, struct expr *e)
{
	const struct provider *prov = s->probe->prov;
	struct call_sem *cs;
	const struct type *t;
	enum probe_name kind;
	unsigned index;

	if (!probe_name(call_name(e), &kind, &index))
		return false;
	cs = sema_call(s, e);
	cs->kind = CALL_PROBE_NAME;
	cs->name = kind;
	cs->index = index;
	t = prov->name_type ? prov->name_type(s, s->probe, kind, index) : NULL;
	if (!t)
		report_probe_name(s, e, kind);
	e->type = t ? sema_decayed(s, t) : &type_poison;
	return true;
}

/* ---- constants
 * ------------------------------------------------------------------------------------------ */

static void be_constant(struct sema *s, struct expr *e, uint64_t value, const struct type *t)
{
	struct call_sem *cs = sema_call(s, e);

	cs->kind = CALL_CONSTANT;
	e->folded = true;
	e->value = value;
	e->type = t ? t : type_int_literal(s->types, value, value > INT64_MAX);
}

static bool try_constant(struct sema *s, struct expr *e)
{
	struct str name = e->ident.name;
	const struct constant *c = sema_c_constant(s, name);
	const struct type *t = NULL;
	uint64_t v;

	if (c && c->is_str) {
		e->kind = EXPR_STR;
		e->str = c->text;
		e->sem = NULL;
		e->type = type_string(s->types, c->text.n + 1);
		return true;
	}
	if (c)
		be_constant(s, e, c->value, c->negative ? type_int(s->types, 8, true) : NULL);
	else if (type_enumerator(s->types, name, &v, &t))
		be_constant(s, e, v, t);
	else if (sema_well_known(name, &v))
		be_constant(s, e, v, NULL);
	else
		return false;
	return true;
}

/* An argument of the probe without `args.` in front. */
static bool help_argument(struct sema *s, struct diag_msg *m, const struct expr *e)
{
	const struct provider *prov = s->probe->prov;
	const struct type *t = prov->name_type ? prov->name_type(s, s->probe, NAME_ARGS, 0) : NULL;
	struct member found;

	if (t && t->kind == TYPE_PTR)
		t = t->ptr.to;
	if (!t || t->kind != TYPE_STRUCT || !type_member(s->types, t, e->ident.name, &found))
		return false;
	diag_suggest(m, e->span, arena_printf(s->a, "args.%.*s", STR_ARG(e->ident.name)));
	return true;
}

/* What other languages call it. */
static bool help_word(struct diag_msg *m, const struct expr *e)
{
	static const struct {
		const char *word, *own;
	} words[] = {{"null", "NULL"},       {"nil", "NULL"},    {"None", "NULL"},
		     {"nullptr", "NULL"},    {"True", "true"},   {"TRUE", "true"},
		     {"False", "false"},     {"FALSE", "false"}, {"execname", "comm"},
		     {"timestamp", "nsecs"}, {"stack", "kstack"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!str_is(e->ident.name, words[i].word))
			continue;
		diag_suggest(m, e->span, words[i].own);
		return true;
	}
	return false;
}

static void report_name(struct sema *s, struct expr *e)
{
	static const char *const names[] = {"args", "arg0", "retval", "ctx", "func"};
	struct str name = e->ident.name;
	struct diag_msg *m;
	struct nearest n;

	m = sema_report(s, E_NAME, e->span, "the name %.*s is not known", STR_ARG(name));
	if (!m || help_argument(s, m, e) || help_word(m, e))
		return;
	sema_note_header(s, m);
	nearest_init(&n, name);
	sema_nearest_builtin(s, &n);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		nearest_try(&n, str_of(names[i]));
	sema_nearest_c(s, &n);
	sema_nearest_constant(&n);
	if (nearest_found(&n))
		diag_suggest(m, e->span, arena_strndup(s->a, n.best.p, n.best.n));
	else
		diag_help(m,
			  "text is written in quotes: \"%.*s\"; variables $%.*s, maps @%.*s; "
			  "constants of C headers need a #define",
			  STR_ARG(name), STR_ARG(name), STR_ARG(name));
}

void sema_ident(struct sema *s, struct expr *e)
{
	const struct builtin *b = sema_builtin(s, e->ident.name);

	if (b) {
		sema_call_expr(s, e);
		return;
	}
	if (try_probe_name(s, e) || try_constant(s, e))
		return;
	report_name(s, e);
	e->type = &type_poison;
}
