/* The order of sema's passes, its tables, its reports; see sema.h for the whole.
 *
 *   config, constants, declarations
 *   macros expanded in every declaration, attach points resolved, bodies cloned for each program
 *   rounds over all bodies until no type of a variable or map changes
 *   maps and variables that only ever got literals become int64, rounds again
 *   one last round that reports; then the plan of storage
 *
 * Reports are made while resolving and in the last round; in between sema_report returns NULL. An
 * expression whose type is not known yet is type_poison, and so is one that an error was reported
 * for: everything accepts poison silently. */
#include "sema/sema_priv.h"

/* ---- access for builtins and providers --------------------------------------------------------
 */

struct arena *sema_arena(struct sema *s)
{
	return s->a;
}

void sema_keep(struct sema *s, void *kept, void (*release)(void *kept))
{
	if (s->kept)
		s->release(s->kept);
	s->kept = kept;
	s->release = release;
}

void *sema_kept(struct sema *s)
{
	return s->kept;
}

struct diag *sema_diag(struct sema *s)
{
	return s->in->diag;
}

struct types *sema_types(struct sema *s)
{
	return s->types;
}

struct kernel *sema_kernel(struct sema *s)
{
	return s->in->kernel;
}

struct config *sema_config(struct sema *s)
{
	return s->in->config;
}

const struct sema_in *sema_input(struct sema *s)
{
	return s->in;
}

int sema_only_pid(struct sema *s)
{
	const struct whom *w = &s->in->whom;

	return w->npids == 1 && !whom_has_map(w) ? w->pids[0] : 0;
}

struct probe *sema_probe(struct sema *s)
{
	return s->probe;
}

bool sema_final(struct sema *s)
{
	return s->final;
}

enum space sema_space(struct sema *s)
{
	return s->probe ? s->probe->prov->space : SPACE_NONE;
}

struct diag_msg *sema_report(struct sema *s, enum diag_code code, struct span sp, const char *fmt,
			     ...)
{
	struct diag_msg *m;
	va_list ap;
	const char *text;

	if (!s->final && !s->resolving)
		return NULL;
	va_start(ap, fmt);
	text = arena_vprintf(s->a, fmt, ap);
	va_end(ap);
	m = diag_report(s->in->diag, code, sp, "%s", text);
	if (s->expansion)
		diag_label(m, s->expansion->span, "the macro is used here");
	return m;
}

struct call_sem *sema_call(struct sema *s, struct expr *e)
{
	if (!e->sem)
		e->sem = arena_new_of(s->a, struct call_sem);
	return e->sem;
}

struct expr *call_named(const struct expr *e)
{
	struct expr *last;

	if (e->kind != EXPR_CALL || !e->call.nargs)
		return NULL;
	last = e->call.args[e->call.nargs - 1];
	return last->kind == EXPR_RECORD && last->record.named ? last : NULL;
}

struct expr **call_args(const struct expr *e, size_t *n)
{
	*n = e->kind == EXPR_CALL ? e->call.nargs : 0;
	if (call_named(e))
		--*n;
	return e->kind == EXPR_CALL ? e->call.args : NULL;
}

struct str call_name(const struct expr *e)
{
	return e->kind == EXPR_CALL ? e->call.name : e->ident.name;
}

const char *sema_type_text(struct sema *s, const struct type *t)
{
	if (!t)
		return "unknown";
	if (t->kind == TYPE_AGG)
		return t->agg.agg->type_name;
	return sema_is_flexible(t) ? "integer" : type_text(s->a, t);
}

/* ---- tables -------------------------------------------------------------------------------------
 */

static void add_builtin(struct sema *s, const struct builtin *b)
{
	strmap_put(&s->builtins, str_of(b->name), (void *)b);
	for (const char *const *a = b->aliases; a && *a; a++)
		strmap_put(&s->builtins, str_of(*a), (void *)b);
}

static void make_tables(struct sema *s)
{
	struct strmap *const maps[] = {&s->builtins, &s->maps,       &s->macros,   &s->map_decls,
				       &s->fns,      &s->target_ids, &s->frameless};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		strmap_init(maps[i], s->a);
	for (size_t f = 0; s->in->families && s->in->families[f]; f++)
		for (const struct builtin *b = s->in->families[f]; b->name; b++)
			add_builtin(s, b);
}

const struct builtin *sema_builtin(struct sema *s, struct str name)
{
	return strmap_get(&s->builtins, name);
}

void sema_nearest_builtin(struct sema *s, struct nearest *n)
{
	STRMAP_EACH (it, &s->builtins)
		nearest_try(n, it->key);
	STRMAP_EACH (it, &s->macros)
		nearest_try(n, it->key);
	STRMAP_EACH (it, &s->fns)
		nearest_try(n, it->key);
}

/* ---- declarations
 * --------------------------------------------------------------------------------- */

static void declare_map(struct sema *s, const struct map_decl *d)
{
	static const char *const kinds[] = {"hash", "lruhash", "percpuhash", "percpulruhash"};
	struct map_decl *before = strmap_get(&s->map_decls, d->name);
	struct diag_msg *m;
	struct nearest n;

	nearest_init(&n, d->kind);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_is(d->kind, kinds[i]))
			goto known;
		nearest_try(&n, str_of(kinds[i]));
	}
	m = sema_report(s, E_MAP_KIND, d->kind_span, "there is no kind of map called %.*s",
			STR_ARG(d->kind));
	if (nearest_found(&n))
		diag_suggest(m, d->kind_span, n.best.p);
	diag_help(m, "the kinds are hash, lruhash, percpuhash and percpulruhash");
	return;
known:
	if (before) {
		m = sema_report(s, E_VAR_REDEF, d->span, "the map @%.*s is declared twice",
				STR_ARG(d->name));
		diag_label(m, before->span, "first declared here");
		return;
	}
	if (d->has_entries && (d->entries == 0 || d->entries > UINT32_MAX))
		sema_report(s, E_RANGE, d->span, "a map cannot have %llu entries",
			    (unsigned long long)d->entries);
	strmap_put(&s->map_decls, d->name, (void *)d);
}

static void declare(struct sema *s)
{
	const struct script *sc = s->in->script;

	VEC_EACH (struct map_decl, d, &sc->maps)
		declare_map(s, d);
	sema_fns_collect(s);
}

/* ---- rounds
 * ------------------------------------------------------------------------------------------ */

static void round_over_all(struct sema *s)
{
	s->changed = false;
	s->unrolled = 0;
	s->round++;
	for (size_t i = 0; i < s->probes.n; i++)
		sema_body(s, s->probes.v[i]);
	sema_fns_unused(s);
}

static void rounds(struct sema *s)
{
	for (unsigned i = 0; i < MAX_ROUNDS; i++) {
		round_over_all(s);
		if (!s->changed)
			return;
	}
}

static void settle_var(struct sema *s, struct var_info *v)
{
	const struct type *t = v->sym.type ? sema_settled(s, v->sym.type) : NULL;

	s->changed |= t != v->sym.type;
	v->sym.type = t;
}

static void settle_vars(struct sema *s, struct var_names *names)
{
	for (size_t k = 0; k < names->vars.n; k++)
		settle_var(s, names->vars.v[k]);
}

static void assume_number(struct sema *s, struct map_info *m)
{
	m->sym.value = type_int(s->types, 8, true);
	m->value_span = m->sym.first;
	m->defined = true;
	if (!m->sym.keyed)
		m->sym.scalar = true;
	s->changed = true;
}

/* Maps that only dropped declarations assign to are numbers; when there are none of those, the
 * first that only depends on itself (@x = @x + 1) is one. */
static void assume_numbers(struct sema *s)
{
	struct map_info *circular = NULL;

	STRMAP_EACH (it, &s->maps) {
		struct map_info *m = it->value;

		if (m->sym.value)
			continue;
		if (!m->defined && s->dropped)
			assume_number(s, m);
		else if (m->defined && !circular)
			circular = m;
	}
	if (!s->changed && circular)
		assume_number(s, circular);
}

/* What only ever got literals is int64 from now on. True when that changed anything. */
static bool settle(struct sema *s)
{
	s->changed = false;
	for (size_t i = 0; i < s->probes.n; i++)
		settle_vars(s, s->probes.v[i]->sema);
	for (size_t i = 0; i < s->fn_infos.n; i++)
		settle_vars(s, &s->fn_infos.v[i]->names);
	STRMAP_EACH (it, &s->maps) {
		struct map_info *m = it->value;
		const struct type *k = m->sym.key ? sema_settled(s, m->sym.key) : NULL;
		const struct type *v = m->sym.value ? sema_settled(s, m->sym.value) : NULL;

		s->changed |= k != m->sym.key || v != m->sym.value;
		m->sym.key = k;
		m->sym.value = v;
	}
	if (!s->changed)
		assume_numbers(s);
	return s->changed;
}

static void warn_unused(struct sema *s, const struct var_names *names)
{
	for (size_t i = 0; i < names->vars.n; i++) {
		struct var_info *info = names->vars.v[i];
		struct var_sym *v = &info->sym;

		if (!v->declared || v->read || info->loop || (v->name.n && v->name.p[0] == '_'))
			continue;
		sema_report(s, W_UNUSED, v->decl, "the variable $%.*s is never read",
			    STR_ARG(v->name));
	}
}

static void infer(struct sema *s)
{
	rounds(s);
	s->settling = true;
	if (s->addresses) {
		settle(s);
		rounds(s);
	}
	while (settle(s))
		rounds(s);
	s->final = true;
	round_over_all(s);
	for (size_t i = 0; i < s->probes.n; i++)
		warn_unused(s, s->probes.v[i]->sema);
	for (size_t i = 0; i < s->fn_infos.n; i++)
		warn_unused(s, &s->fn_infos.v[i]->names);
}

/* ---- the face
 * ------------------------------------------------------------------------------------------ */

static void make_plan(struct sema *s)
{
	s->plan = arena_new_of(s->a, struct plan);
	s->plan->config = s->in->config;
	s->plan->lost_off = sema_global(s, LOST_COUNT * 8);
	s->plan->exit_off = sema_global(s, 8);
	s->plan->start_off = sema_global(s, 8);
}

/* begin, end and timers that only print are the script's own frame, no load on what is traced. */
static void add_guards(struct sema *s)
{
	for (size_t i = 0; config_is_limited(s->in->config) && i < s->probes.n; i++) {
		struct probe *p = s->probes.v[i];

		if (!p->prov->once && !p->prov->anywhere)
			p->guard = sema_global(s, sizeof(struct guard_words));
	}
}

static void fill_plan(struct sema *s)
{
	struct plan *p = s->plan;

	p->probes = s->probes.v;
	p->nprobes = s->probes.n;
	p->events = s->events.v;
	p->nevents = s->events.n;
	p->targets = s->targets.v;
	p->ntargets = s->targets.n;
	p->resolved = s->resolved.v;
	p->nresolved = s->resolved.n;
	p->strings = s->strings.v;
	p->nstrings = s->strings.n;
}

/* Running would wait for ever for something that cannot happen. */
static void report_nothing(struct sema *s)
{
	static const char *const how[] = {"without --test and --bench", "with --test",
					  "with --bench"};
	struct diag_msg *m;

	if (s->probes.n || diag_errors(s->in->diag))
		return;
	if (s->other_mode) {
		m = sema_report(s, E_PROBE_NONE, NO_SPAN, "there is nothing to run");
		diag_help(m, "the script has %s probes: run it %s", s->other_mode->name,
			  how[s->other_mode->mode]);
		return;
	}
	m = sema_report(s, E_PROBE_NONE, NO_SPAN,
			"there is nothing to attach: the script has no probes");
	diag_help(m, "write one: begin { printf(\"hello\\n\"); }");
}

bool sema_run(const struct sema_in *in, struct plan **out)
{
	struct sema *s = arena_new_of(in->arena, struct sema);
	struct probe_decl *decls = in->script->probes.v;
	size_t n = in->script->probes.n;

	s->a = in->arena;
	s->in = in = sema_named_split(s, in);
	s->types = in->types;
	s->resolving = true;
	if (!in->config->script_applied) {
		config_from_script(in->config, s->a, in->diag, in->script);
		config_from_env(in->config, s->a, in->diag);
	}
	config_note_env(in->kernel);
	make_tables(s);
	make_plan(s);
	if (in->config->begin_attached)
		sema_exits(s); /* programs look at the gate */
	sema_cdefs(s);
	declare(s);
	sema_macros_collect(s);
	for (size_t i = 0; i < n; i++)
		sema_macros_expand(s, &decls[i]);
	VEC_EACH (struct fn_decl, f, &in->script->fns)
		sema_macros_expand_block(s, f->body);
	for (size_t i = 0; i < n; i++)
		sema_resolve(s, &decls[i]);
	for (size_t i = 0; i < s->added.n; i++)
		sema_resolve(s, s->added.v[i]);
	sema_keep(s, NULL, NULL);
	s->resolving = false;
	infer(s);
	sema_named_check(s);
	report_nothing(s);
	sema_plan(s);
	add_guards(s);
	fill_plan(s);
	*out = s->plan;
	return diag_errors(in->diag) == 0;
}
