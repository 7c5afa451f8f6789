/* What can be asked without running a script: lists of probes, formatted text, documentation,
 * features. */
#include <errno.h>
#include <stdlib.h>
#include "api/session.h"
#include "lang/lang.h"

/* ---- listing ---- */

static bool provider_is(const struct provider *p, struct str name)
{
	if (str_glob(name, str_of(p->name)))
		return true;
	for (const char *const *a = p->aliases; a && *a; a++) {
		if (str_is(name, *a))
			return true;
	}
	return false;
}

static int list_matching(struct awl *awl, const struct attach_point *ap, awl_list_fn fn, void *arg,
			 struct err *e)
{
	bool everything = ap->nparts == 0 || ap->parts[0].n == 0 || str_is(ap->parts[0], "*");
	int found = -ENOENT;

	for (const struct provider *const *p = providers; *p; p++) {
		int r;

		if (!(*p)->list || (everything ? !(*p)->listed : !provider_is(*p, ap->parts[0])))
			continue;
		r = (*p)->list(awl->kernel, awl->opts.pid, ap, awl->opts.verbose, fn, arg, e);
		if (r != 0 && !everything)
			return r;
		err_clear(e);
		found = 0;
	}
	return found;
}

int awl_list(struct awl *awl, const char *pattern, awl_list_fn fn, void *arg)
{
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct attach_point ap = {0};
	struct err e = {0};
	int r = 0;

	diag_add_source(d, "pattern", str_of(pattern));
	if (*pattern &&
	    !lang_split_attach_point(a, d, (struct span){0, (uint32_t)strlen(pattern), 0},
				     str_of(pattern), &ap)) {
		buf_reset(&awl->error);
		diag_render(d, &awl->error, DIAG_TEXT);
		r = -EINVAL;
	} else {
		r = list_matching(awl, &ap, fn, arg, &e);
		if (r == -ENOENT && !e.code) {
			err_plain(&e, ENOENT, "\"%s\" names no kind of probe that can be listed",
				  pattern);
			err_hint(&e, "try tracepoint:*, rawtracepoint:*, software:*, iter:*, "
				     "uprobe:PATH:*, usdt:PATH:*");
		}
		if (e.code)
			r = session_fail(awl, &e);
	}
	arena_free(a);
	return r;
}

/* ---- formatting ---- */

char *awl_format(struct awl *awl, const char *name, const char *text)
{
	struct buf b = BUF_INIT;
	struct compile_in in = {
		.kernel = awl->kernel,
		.name = name,
		.text = str_of(text),
		.format_only = true,
		.dump_to = &b,
	};
	struct diag *d;
	struct arena *a;
	bool bad;

	compile_script(&in, &d, &a);
	bad = diag_errors(d) > 0;
	buf_reset(&awl->error);
	diag_render(d, &awl->error, awl->opts.color ? DIAG_COLOR : DIAG_TEXT);
	arena_free(a);
	if (!bad)
		buf_adds(&b, ""); /* never NULL */
	else
		buf_release(&b);
	return bad ? NULL : b.p;
}

/* ---- documentation ---- */

static bool doc_wanted(const char *name, const char *const *aliases, const char *wanted)
{
	if (!wanted || strcmp(name, wanted) == 0)
		return true;
	for (; aliases && *aliases; aliases++) {
		if (strcmp(*aliases, wanted) == 0)
			return true;
	}
	return false;
}

int awl_doc(const char *name, awl_doc_fn fn, void *arg)
{
	int found = -ENOENT;

	for (const struct builtin *const *family = builtin_families; *family; family++) {
		for (const struct builtin *b = *family; b->name; b++) {
			if (!doc_wanted(b->name, b->aliases, name))
				continue;
			fn(arg, "builtin", b->name, b->proto, b->doc);
			found = 0;
		}
	}
	for (const struct provider *const *p = providers; *p; p++) {
		if (!doc_wanted((*p)->name, (*p)->aliases, name))
			continue;
		fn(arg, "probe", (*p)->name, (*p)->form, (*p)->doc);
		found = 0;
	}
	return found;
}

int awl_info(struct awl *awl, void (*fn)(void *arg, const char *name, const char *text, int has),
	     void *arg)
{
	for (int f = 1; f < FEATURE_COUNT; f++)
		fn(arg, feature_name((enum feature)f), feature_text((enum feature)f),
		   kernel_has(awl->kernel, (enum feature)f));
	return 0;
}
