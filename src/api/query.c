/* What can be asked without running a script: formatted text, documentation, features. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "api/session.h"
#include "lang/lang.h"

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

/* A code of a diagnostic: not in the list of all, which is of what scripts are made of. */
static int doc_code(const char *code, awl_doc_fn fn, void *arg)
{
	enum diag_severity severity;
	const char *summary, *text;
	char headline[128];

	if (!code || !diag_about(code, &severity, &summary, &text))
		return -ENOENT;
	snprintf(headline, sizeof(headline), "%s[%s]: %s",
		 severity == DIAG_ERROR ? "error" : "warning", code, summary);
	fn(arg, "diagnostic", code, headline, text);
	return 0;
}

int awl_doc(const char *name, awl_doc_fn fn, void *arg)
{
	int found = doc_code(name, fn, arg);

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

const char *awl_feature_name(unsigned index)
{
	return index < FEATURE_COUNT - 1 ? feature_name((enum feature)(index + 1)) : NULL;
}

int awl_info(struct awl *awl, void (*fn)(void *arg, const char *name, const char *text, int has),
	     void *arg)
{
	for (int f = 1; f < FEATURE_COUNT; f++) {
		bool has = kernel_has(awl->kernel, (enum feature)f);
		const char *text = feature_text((enum feature)f);

		if (f == FEATURE_BTF && kernel_btf_is_given(awl->kernel))
			text = "the kernel's types, of the file that was given";
		fn(arg, feature_name((enum feature)f), text, has);
	}
	return 0;
}
