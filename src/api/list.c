/* Lists of probes, of the kernel's types, and of what a script's probes come to.
 *
 *   pattern                   what is listed
 *   ""  "*"                   all probes of the kernel
 *   "tracepoint:sched:*"      what the provider finds; `*` in the provider's name asks several
 *   "*sleep*"                 no colon and no provider's name: probes of the kernel by name
 *   "struct task_*"           types of the kernel
 *   "a,b"                     one after the other, each line once
 *
 * Each provider's probes come sorted by their whole line. Functions of the kernel are listed also
 * where it lets nobody attach to them, with a warning.
 */
#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include "api/session.h"
#include "lang/lang.h"

struct line {
	const char *probe, *detail;
};

/* One provider's answer, gathered to be sorted. */
struct gathered {
	struct arena *arena;
	VEC(struct line) lines;
	bool unsorted, twice;
	const char *search; /* glob that a whole line must match; NULL: all */
};

struct listing {
	struct awl *awl;
	awl_list_fn fn;
	void *arg;
	struct strmap *seen; /* of several patterns: what was listed; NULL: one pattern */
};

/* What two patterns match is listed once. */
static int list_line(const struct listing *l, const char *text, const char *detail)
{
	struct str key = str_of(text);

	if (l->seen && strmap_get(l->seen, key))
		return 0;
	if (l->seen) {
		key.p = arena_strdup(l->seen->arena, text);
		strmap_put(l->seen, key, (void *)key.p);
	}
	return l->fn(l->arg, text, detail);
}

static int gather(void *arg, const char *probe, const char *detail)
{
	struct gathered *g = arg;

	if (g->search && !str_glob(str_of(g->search), str_of(probe)))
		return 0;
	if (g->lines.n) {
		int r = strcmp(g->lines.v[g->lines.n - 1].probe, probe);

		g->unsorted |= r > 0;
		g->twice |= r == 0;
	}
	hvec_push(&g->lines, (struct line){arena_strdup(g->arena, probe),
					   detail ? arena_strdup(g->arena, detail) : NULL});
	return 0;
}

static int by_probe(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->probe, ((const struct line *)b)->probe);
}

static int hand_out(const struct listing *l, struct gathered *g)
{
	bool twice = g->twice || g->unsorted;
	int r = 0;

	if (g->unsorted)
		qsort(g->lines.v, g->lines.n, sizeof(*g->lines.v), by_probe);
	for (size_t i = 0; i < g->lines.n && r == 0; i++) {
		if (twice && i && by_probe(&g->lines.v[i - 1], &g->lines.v[i]) == 0)
			continue;
		r = list_line(l, g->lines.v[i].probe, g->lines.v[i].detail);
	}
	return r;
}

/* ---- probes ---- */

static bool provider_is(const struct provider *p, struct str name)
{
	if (str_glob(name, str_of(p->name)) || str_case_eq(name, str_of(p->name)))
		return true;
	for (const char *const *a = p->aliases; a && *a; a++) {
		if (str_is(name, *a))
			return true;
	}
	return false;
}

static bool is_a_provider(struct str name)
{
	for (const struct provider *const *p = providers; *p; p++) {
		if (provider_is(*p, name))
			return true;
	}
	return false;
}

/* Functions are there, whether or not this kernel lets anybody in. */
static void tell_lacks(const struct listing *l, const struct provider *p)
{
	const char *why = p->lacks ? p->lacks(l->awl->kernel) : NULL;
	struct buf b = BUF_INIT;

	if (!why || !l->awl->opts.message)
		return;
	buf_printf(&b, "%s: probes are listed, but %s: cannot be attached here", why, p->name);
	l->awl->opts.message(l->awl->opts.arg, AWL_WARNING, buf_cstr(&b));
	buf_release(&b);
}

static int list_provider(const struct listing *l, const struct provider *p,
			 const struct attach_point *ap, const char *search, struct err *e)
{
	struct gathered g = {.arena = arena_new(), .search = search};
	int r = p->list(l->awl->kernel, session_pid(l->awl), ap, l->awl->opts.verbose, gather, &g,
			e);

	if (r == 0 && g.lines.n)
		tell_lacks(l, p);
	if (r == 0)
		r = hand_out(l, &g);
	hvec_release(&g.lines);
	arena_free(g.arena);
	return r;
}

/* All kinds that the kernel has; what one kind lacks does not keep the others from the list. */
static int list_kernel(const struct listing *l, const char *search)
{
	const struct attach_point all = {0};
	int r = 0;

	kernel_func_prepare(l->awl->kernel);
	for (const struct provider *const *p = providers; *p && r <= 0; p++) {
		struct err e = {0};

		if ((*p)->list && (*p)->listed)
			r = list_provider(l, *p, &all, search, &e);
	}
	return r > 0 ? r : 0;
}

static int list_matching(const struct listing *l, const struct attach_point *ap, struct err *e)
{
	int found = -ENOENT;

	for (const struct provider *const *p = providers; *p; p++) {
		int r;

		if (!provider_is(*p, ap->parts[0]))
			continue;
		if ((*p)->list)
			r = list_provider(l, *p, ap, NULL, e);
		else /* nothing to look for: how it is written */
			r = list_line(l, (*p)->form, NULL);
		if (r != 0)
			return r;
		found = 0;
	}
	return found;
}

static int no_such_kind(struct err *e, const char *pattern)
{
	err_plain(e, ENOENT, "\"%s\" names no kind of probe that can be listed", pattern);
	err_hint(e, "try tracepoint:*, rawtracepoint:*, software:*, iter:*, uprobe:PATH:*, "
		    "usdt:PATH:*, 'struct NAME'");
	return -ENOENT;
}

static int list_point(const struct listing *l, struct arena *a, const char *pattern,
		      const struct attach_point *ap, struct err *e)
{
	bool everything = ap->nparts == 0 || ap->parts[0].n == 0 ||
			  (str_is(ap->parts[0], "*") && ap->nparts == 1);
	int r;

	if (everything)
		return list_kernel(l, NULL);
	if (str_is(ap->parts[0], "*"))
		return list_kernel(l, pattern);
	if (ap->nparts == 1 && !is_a_provider(ap->parts[0]))
		return list_kernel(l, arena_printf(a, "*:%s", pattern));
	r = list_matching(l, ap, e);
	return r == -ENOENT && !e->code ? no_such_kind(e, pattern) : r;
}

/* ---- types ---- */

static int type_line(void *arg, const char *text)
{
	const struct listing *l = arg;

	return list_line(l, text, NULL);
}

/* 1 when the pattern does not ask for types. */
static int list_types(struct listing *l, struct str pattern, struct err *e)
{
	static const struct {
		struct str word;
		unsigned kind;
	} kinds[] = {
		{STR("struct "), BTF_KIND_STRUCT},
		{STR("union "), BTF_KIND_UNION},
		{STR("enum "), BTF_KIND_ENUM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct str name = pattern;

		if (!str_starts(pattern, kinds[i].word))
			continue;
		name.p += kinds[i].word.n;
		name.n -= kinds[i].word.n;
		return kernel_btf_types(l->awl->kernel, kinds[i].kind, str_trim(name),
					l->awl->opts.verbose, type_line, l, e);
	}
	return 1;
}

/* ---- the two questions ---- */

static int list_pattern(struct listing *l, struct arena *a, struct str pattern, struct err *e)
{
	const char *text = arena_strndup(a, pattern.p, pattern.n);
	struct diag *d = diag_new(a);
	struct attach_point ap = {0};
	int r = list_types(l, pattern, e);

	if (r <= 0)
		return r;
	diag_add_source(d, "pattern", str_of(text));
	if (pattern.n && !lang_split_attach_point(a, d, (struct span){0, (uint32_t)pattern.n, 0},
						  str_of(text), &ap)) {
		buf_reset(&l->awl->error);
		diag_render(d, &l->awl->error, DIAG_TEXT);
		return -EINVAL;
	}
	return list_point(l, a, text, &ap, e);
}

/* Up to the next comma that is in no quotes. */
static struct str cut_pattern(struct str *rest)
{
	bool quoted = false;
	size_t i = 0;
	struct str out;

	for (; i < rest->n && (quoted || rest->p[i] != ','); i++)
		quoted ^= rest->p[i] == '"';
	out = str_trim((struct str){rest->p, i});
	i += i < rest->n;
	*rest = (struct str){rest->p + i, rest->n - i};
	return out;
}

int awl_list(struct awl *awl, const char *pattern, awl_list_fn fn, void *arg)
{
	struct listing l = {.awl = awl, .fn = fn, .arg = arg};
	struct str rest = str_of(pattern);
	struct arena *a = arena_new();
	struct err e = {0};
	struct strmap seen;
	int r;

	strmap_init(&seen, a);
	l.seen = strchr(pattern, ',') ? &seen : NULL;

	do {
		r = list_pattern(&l, a, cut_pattern(&rest), &e);
	} while (r == 0 && rest.n);
	if (e.code)
		r = session_fail(awl, &e);
	arena_free(a);
	return r;
}

/* The lines that -lv has of a place, "" when it has none. */
struct detail {
	const char *name;
	struct buf text;
};

static int keep_detail(void *arg, const char *probe, const char *detail)
{
	struct detail *d = arg;

	if (detail && strcmp(probe, d->name) == 0)
		buf_adds(&d->text, detail);
	return 0;
}

static void find_detail(struct awl *awl, const struct provider *p, struct arena *a,
			struct detail *d)
{
	struct diag *diag = diag_new(a);
	struct attach_point ap = {0};
	struct err e = {0};

	diag_add_source(diag, "probe", str_of(d->name));
	if (p->list &&
	    lang_split_attach_point(a, diag, (struct span){0, (uint32_t)strlen(d->name), 0},
				    str_of(d->name), &ap))
		p->list(awl->kernel, session_pid(awl), &ap, true, keep_detail, d, &e);
}

static int list_target(struct awl *awl, const struct provider *p, const char *name, awl_list_fn fn,
		       void *arg)
{
	struct detail d = {name, BUF_INIT};
	struct arena *a = arena_new();
	int r;

	if (awl->opts.verbose)
		find_detail(awl, p, a, &d);
	r = fn(arg, name, d.text.n ? buf_cstr(&d.text) : NULL);
	buf_release(&d.text);
	arena_free(a);
	return r;
}

int awl_list_script(struct awl *awl, awl_list_fn fn, void *arg)
{
	int r = 0;

	if (!awl->program)
		return session_no_program(awl);
	for (size_t i = 0; i < awl->program->nprogs; i++) {
		const struct program_prog *p = &awl->program->progs[i];

		for (size_t j = 0; !p->follows && j < p->ntargets && r == 0; j++)
			r = list_target(awl, p->prov, p->targets[j].name, fn, arg);
	}
	return r;
}
