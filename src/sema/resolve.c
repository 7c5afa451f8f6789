/* Attach points to targets: finds the provider by name or alias, in any case of letters and with
 * `*` in it, puts command-line parameters into the parts, and asks the provider for the places.
 *
 *   kprobe:vfs_*      one provider
 *   *ware:*           two providers: each that takes the parts contributes
 *   uprobe:$1:main    $1 replaced; quoted parts are left alone
 *
 * All attach points of one declaration that go to the same provider are grouped together. */
#include "sema/sema_priv.h"

static bool provider_is(const struct provider *p, struct str name)
{
	if (str_case_eq(name, str_of(p->name)))
		return true;
	for (const char *const *a = p->aliases; a && *a; a++)
		if (str_case_eq(name, str_of(*a)))
			return true;
	return false;
}

static const struct provider *provider_find(struct sema *s, struct str name)
{
	for (const struct provider *const *p = s->in->providers; *p; p++)
		if (provider_is(*p, name))
			return *p;
	return NULL;
}

/* `kprobe.vfs_read` has a dot for a colon; `openat` is a system call. */
static void help_provider(struct sema *s, struct diag_msg *m, const struct attach_point *ap)
{
	const char *name = arena_strndup(s->a, ap->parts[0].p, ap->parts[0].n);
	const char *event = arena_printf(s->a, "sys_enter_%s", name);
	struct str rest = ap->parts[0], word = str_cut(&rest, '.');
	struct err err = {0};

	if (rest.n && provider_find(s, word))
		diag_suggest(m, ap->part_spans[0],
			     arena_printf(s->a, "%.*s:%.*s", STR_ARG(word), STR_ARG(rest)));
	else if (kernel_tracefs(s->in->kernel, &err) >= 0 &&
		 kernel_tp_exists(s->in->kernel, "syscalls", event))
		diag_help(m, "the system call is tracepoint:syscalls:%s", event);
	else
		diag_help(m, "awl -l lists the probes of this system; a probe is written as "
			     "TYPE:NAME, as kprobe:vfs_read");
}

static void report_unknown(struct sema *s, const struct attach_point *ap)
{
	struct diag_msg *m;
	struct nearest n;

	m = sema_report(s, E_PROVIDER, ap->part_spans[0], "there is no probe type called %.*s",
			STR_ARG(ap->parts[0]));
	nearest_init(&n, ap->parts[0]);
	for (const struct provider *const *p = s->in->providers; *p; p++) {
		nearest_try(&n, str_of((*p)->name));
		for (const char *const *a = (*p)->aliases; a && *a; a++)
			if (strlen(*a) > 2)
				nearest_try(&n, str_of(*a));
	}
	if (nearest_found(&n))
		diag_suggest(m, ap->part_spans[0], arena_strndup(s->a, n.best.p, n.best.n));
	else
		help_provider(s, m, ap);
}

/* ---- parameters in attach points
 * ------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool add_param(struct sema *s, const struct attach_point *ap, size_t part, unsigned n,
		      struct buf *b)
{
	bool missing;
	struct str text = sema_param_text(s, n, &missing);
	struct diag_msg *m;

	buf_addstr(b, text);
	if (!missing)
		return true;
	m = sema_report(s, E_PARAM, ap->part_spans[part],
			"the parameter $%u of this probe was not given", n);
	diag_help(m, "put its value behind the script on the command line");
	return false;
}

static struct str substitute(struct sema *s, const struct attach_point *ap, size_t part,
			     bool *missing)
{
	struct str t = ap->parts[part];
	struct buf b = BUF_INIT;
	struct str out;

	for (size_t i = 0; i < t.n;) {
		unsigned n = 0;

		if (t.p[i] != '$' || i + 1 >= t.n || !is_digit(t.p[i + 1])) {
			buf_addc(&b, t.p[i++]);
			continue;
		}
		for (i++; i < t.n && is_digit(t.p[i]) && n < 100000; i++)
			n = n * 10 + (unsigned)(t.p[i] - '0');
		*missing |= !add_param(s, ap, part, n, &b);
	}
	out = (struct str){arena_strndup(s->a, buf_cstr(&b), b.n), b.n};
	buf_release(&b);
	return out;
}

static bool has_param(struct str t)
{
	for (size_t i = 0; i + 1 < t.n; i++)
		if (t.p[i] == '$' && is_digit(t.p[i + 1]))
			return true;
	return false;
}

static struct attach_point *ap_copy(struct sema *s, const struct attach_point *ap)
{
	struct attach_point *c = arena_memdup(s->a, ap, sizeof(*ap));

	c->parts = arena_memdup(s->a, ap->parts, ap->nparts * sizeof(*ap->parts));
	return c;
}

static struct str join_parts(struct sema *s, const struct attach_point *ap)
{
	struct buf b = BUF_INIT;
	struct str out;

	for (size_t i = 0; i < ap->nparts; i++) {
		if (i)
			buf_addc(&b, ':');
		buf_addstr(&b, ap->parts[i]);
	}
	out = (struct str){arena_strndup(s->a, buf_cstr(&b), b.n), b.n};
	buf_release(&b);
	return out;
}

/* NULL after a report. */
static const struct attach_point *with_params(struct sema *s, const struct attach_point *ap)
{
	struct attach_point *c = NULL;
	bool missing = false;

	for (size_t i = 0; i < ap->nparts; i++) {
		if (ap->quoted[i] || !has_param(ap->parts[i]))
			continue;
		if (!c)
			c = ap_copy(s, ap);
		c->parts[i] = substitute(s, ap, i, &missing);
	}
	if (missing)
		return NULL;
	if (!c)
		return ap;
	c->text = join_parts(s, c);
	return c;
}

/* ---- resolving
 * -------------------------------------------------------------------------------------- */

/* Targets of one declaration, gathered for each provider. */
struct gather {
	const struct provider *prov;
	const struct attach_point *ap; /* the first */
	struct attach_targets targets;
};

struct gathers {
	VEC(struct gather) g;
};

static struct gather *gather_for(struct sema *s, struct gathers *all, const struct provider *prov,
				 const struct attach_point *ap)
{
	VEC_EACH (struct gather, g, &all->g)
		if (g->prov == prov)
			return g;
	vec_push(s->a, &all->g, (struct gather){.prov = prov, .ap = ap});
	return &all->g.v[all->g.n - 1];
}

static bool resolve_with(struct sema *s, struct gathers *all, const struct provider *prov,
			 const struct attach_point *ap)
{
	struct gather *g = gather_for(s, all, prov, ap);
	bool ok;

	/* Where a program is loaded later, its attach points are resolved again. */
	kernel_record_pause(s->in->kernel, 1);
	ok = prov->resolve(s, ap, &g->targets);
	kernel_record_pause(s->in->kernel, -1);
	return ok;
}

/* `*` in the provider's name. */
static bool resolve_glob(struct sema *s, struct gathers *all, const struct attach_point *ap)
{
	bool ok = true, any = false;

	for (const struct provider *const *p = s->in->providers; *p; p++) {
		struct attach_point *c;

		if (!str_glob(ap->parts[0], str_of((*p)->name)))
			continue;
		any = true;
		c = ap_copy(s, ap);
		c->parts[0] = str_of((*p)->name);
		c->text = join_parts(s, c);
		ok &= resolve_with(s, all, *p, c);
	}
	if (!any)
		report_unknown(s, ap);
	return ok && any;
}

static bool resolve_point(struct sema *s, struct gathers *all, const struct attach_point *written)
{
	const struct attach_point *ap;
	const struct provider *prov;

	if (!written->nparts || !written->text.n)
		return true; /* a comma at the end */
	ap = with_params(s, written);
	if (!ap)
		return false;
	prov = provider_find(s, ap->parts[0]);
	if (prov)
		return resolve_with(s, all, prov, ap);
	if (memchr(ap->parts[0].p, '*', ap->parts[0].n))
		return resolve_glob(s, all, ap);
	report_unknown(s, ap);
	return false;
}

static bool resolve_points(struct sema *s, struct gathers *all, const struct attach_point *aps,
			   size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= resolve_point(s, all, &aps[i]);
	return ok;
}

/* Leaves the targets that the filter of the command line matches. What belongs to the script rather
 * than to an event (begin, end) has no part behind its name and stays. */
static void keep_matching(const regex_t *filter, struct attach_targets *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++) {
		const char *name = t->v[i].name;

		if (!strchr(name, ':') || regexec(filter, name, 0, NULL, 0) == 0)
			t->v[kept++] = t->v[i];
	}
	t->n = kept;
}

/* Probes that are not for this run are left out: test: without --test, all others with it. */
static void keep_for_run(struct sema *s, struct gathers *all)
{
	VEC_EACH (struct gather, g, &all->g) {
		if (g->prov->mode == s->in->mode)
			continue;
		s->other_mode = g->targets.n ? g->prov : s->other_mode;
		g->targets.n = 0;
	}
}

bool sema_has_target(struct sema *s, struct str name)
{
	for (size_t i = 0; i < s->targets.n; i++)
		if (str_is(name, s->targets.v[i]->name))
			return true;
	return false;
}

static void gathered_targets(struct sema *s, const struct gathers *all, struct resolved_decl *out)
{
	VEC_EACH (struct gather, g, &all->g)
		for (size_t i = 0; i < g->targets.n; i++)
			vec_push(s->a, &out->targets,
				 (struct resolved_target){g->prov, g->targets.v[i]});
}

static void remember(struct sema *s, const struct probe_decl *decl, const struct gathers *all)
{
	struct resolved_decl d = {0};

	d.aps = sema_given_points(s, decl, &d.naps);
	gathered_targets(s, all, &d);
	vec_push(s->a, &s->resolved, d);
}

/* Of a list of which some places exist the others may be missing: scripts name what a function is
 * called in this kernel or in that. */
static bool excuse_missing(struct sema *s, const struct probe_decl *decl)
{
	if (s->in->config->missing_probes != MISSING_ANY)
		return false;
	for (size_t i = 0; i < decl->naps; i++)
		diag_recode(s->in->diag, E_PROBE_NONE, decl->aps[i].span, W_PROBE_NONE);
	return true;
}

bool sema_resolve(struct sema *s, const struct probe_decl *decl)
{
	struct gathers all = {0};
	bool ok = resolve_points(s, &all, decl->aps, decl->naps), any = false;

	keep_for_run(s, &all);
	VEC_EACH (struct gather, g, &all.g) {
		if (s->in->filter)
			keep_matching(s->in->filter, &g->targets);
		any |= g->targets.n > 0;
		if (g->targets.n)
			sema_group(s, decl, g->prov, g->ap, &g->targets);
	}
	if (kernel_recording(s->in->kernel))
		remember(s, decl, &all);
	s->dropped |= !any;
	return ok || (any && excuse_missing(s, decl));
}

void sema_add_probe(struct sema *s, const struct attach_point *ap, const char *text)
{
	struct script *script;

	if (s->again)
		return;
	script = lang_parse(s->a, s->in->diag,
			    diag_add_source(s->in->diag,
					    arena_printf(s->a, "%.*s", STR_ARG(ap->text)),
					    str_of(text)));
	VEC_EACH (struct probe_decl, d, &script->probes)
		vec_push(s->a, &s->added, d);
}

uint32_t sema_number_watched(struct sema *s)
{
	return s->nwatched++;
}

bool sema_resolve_again(const struct sema_in *in, const struct attach_point *aps, size_t n,
			struct resolved_decl *out)
{
	struct sema *s = arena_new_of(in->arena, struct sema);
	struct gathers all = {0};
	bool ok;

	s->a = in->arena;
	s->in = in;
	s->types = in->types;
	s->resolving = s->again = true;
	ok = resolve_points(s, &all, aps, n);
	keep_for_run(s, &all);
	gathered_targets(s, &all, out);
	sema_keep(s, NULL, NULL);
	return ok && !diag_errors(in->diag);
}

struct attach_point *sema_given_points(struct sema *s, const struct probe_decl *decl, size_t *n)
{
	struct attach_point *v = arena_array_of(s->a, struct attach_point, decl->naps + 1);

	*n = 0;
	for (size_t i = 0; i < decl->naps; i++) {
		const struct attach_point *ap = &decl->aps[i];

		ap = ap->nparts && ap->text.n ? with_params(s, ap) : NULL;
		if (ap)
			v[(*n)++] = *ap;
	}
	return v;
}

void sema_note_file(struct sema *s, const char *path, struct buf *identity)
{
	kernel_fact(s->in->kernel, FACT_FILE, path, buf_cstr(identity), 0);
	buf_release(identity);
}
