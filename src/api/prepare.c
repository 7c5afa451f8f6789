/* What a compilation begins with: the options of the call, the processes, the filter of probes.
 *
 * It is also kept, as a copy: a program that the verifier finds too large is compiled once more
 * from the same text (session_compile_again), in a way that spares it (gen/unlearn.c). */
#include <errno.h>
#include <stdio.h>
#include "api/session.h"

/* Copies as much of the caller's struct as it knows of; the rest stays at the defaults. */
void session_opts_copy(void *to, size_t to_size, const void *from, size_t from_size)
{
	memset(to, 0, to_size);
	if (from)
		memcpy(to, from, MIN(to_size, from_size));
}

size_t session_count(const char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

/* NULL without a filter; *bad with one that is no regular expression. */
static regex_t *make_filter(struct awl *awl, const char *text, regex_t *re, int *bad)
{
	struct err e = {0};
	char why[128];
	int r = text ? regcomp(re, text, REG_EXTENDED | REG_NOSUB) : 0;

	if (!text || r == 0)
		return text ? re : NULL;
	regerror(r, re, why, sizeof(why));
	err_plain(&e, EINVAL, "the filter of probes \"%s\" is no regular expression: %s", text,
		  why);
	*bad = session_fail(awl, &e);
	return NULL;
}

static void add_limits(struct preparation *p)
{
	if (p->o.max_rate) {
		snprintf(p->rate, sizeof(p->rate), "%" PRIu64, p->o.max_rate);
		p->limits[p->nlimits++] = (struct setting){"max_rate", p->rate};
	}
	if (p->o.max_overhead)
		p->limits[p->nlimits++] = (struct setting){"max_overhead", p->o.max_overhead};
}

int session_prepare(struct awl *awl, struct preparation *p, const struct awl_compile_opts *opts)
{
	int r = session_targets(awl);

	session_opts_copy(&p->o, sizeof(p->o), opts, opts ? opts->size : 0);
	p->nlimits = 0;
	add_limits(p);
	p->filter = r == 0 ? make_filter(awl, p->o.probe_filter, &p->re, &r) : NULL;
	p->in = (struct compile_in){
		.kernel = awl->kernel,
		.params = {p->o.params, session_count(p->o.params)},
		.whom = session_whom(awl),
		.child = awl->child,
		.command = awl->opts.command,
		.unsafe = awl->opts.unsafe,
		.helper_warnings = awl->opts.helper_warnings,
		.mode = (enum run_mode)awl->opts.mode,
		.filter = p->filter,
		.include_dirs = p->o.include_dirs,
		.includes = p->o.includes,
		.dump = p->o.dump,
		.dump_to = p->o.dump ? &awl->dump : NULL,
		.limits = p->limits,
		.nlimits = p->nlimits,
	};
	return r;
}

void session_prepared(struct preparation *p)
{
	if (p->filter)
		regfree(p->filter);
}

/* ---- once more ---- */

static const char *keep_text(struct arena *a, const char *s)
{
	return s ? arena_strdup(a, s) : NULL;
}

static const char *const *keep_list(struct arena *a, const char *const *v)
{
	size_t n = session_count(v);
	const char **copy = arena_array_of(a, const char *, n + 1);

	for (size_t i = 0; i < n; i++)
		copy[i] = arena_strdup(a, v[i]);
	return v ? copy : NULL;
}

void session_keep(struct awl *awl, const char *name, struct str text, bool built,
		  const struct awl_compile_opts *opts)
{
	struct arena *a = arena_new();

	arena_free(awl->kept.arena);
	awl->kept = (struct kept){
		.arena = a,
		.name = keep_text(a, name),
		.text = {arena_strndup(a, text.p, text.n), text.n},
		.built = built,
		.opts = {.size = sizeof(awl->kept.opts),
			 .params = keep_list(a, opts->params),
			 .probe_filter = keep_text(a, opts->probe_filter),
			 .include_dirs = keep_list(a, opts->include_dirs),
			 .includes = keep_list(a, opts->includes),
			 .max_rate = opts->max_rate,
			 .max_overhead = keep_text(a, opts->max_overhead)},
	};
}

static void tell(struct awl *awl, const struct err *why)
{
	struct buf b = BUF_INIT;

	if (!awl->opts.verbose || !awl->opts.message)
		return;
	buf_printf(&b, "Compiled again, in a way that spares the verifier: %s", why->what);
	awl->opts.message(awl->opts.arg, AWL_INFO, buf_cstr(&b));
	buf_release(&b);
}

static struct program *compile_kept(const struct kept *k, struct compile_in *in, struct arena **a)
{
	struct aot_report report;
	struct err e = {0};
	struct diag *d;

	in->thrifty = true;
	if (k->built)
		return aot_load(k->text, in, &report, &d, a, &e);
	in->name = k->name;
	in->text = k->text;
	return compile_script(in, &d, a);
}

void session_compile_again(struct awl *awl, const struct err *why)
{
	struct arena *failed = NULL;
	struct program *p = NULL;
	struct preparation prep;

	if (session_prepare(awl, &prep, &awl->kept.opts) == 0)
		p = compile_kept(&awl->kept, &prep.in, &failed);
	session_prepared(&prep);
	if (!p) {
		arena_free(failed);
		return;
	}
	program_free(awl->program);
	awl->program = p;
	tell(awl, why);
}
