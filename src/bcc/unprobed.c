/* Functions that a pattern matches and that cannot be probed: counted always, named with -v.
 *
 * What matches is asked of the lists, what is probed of the compiled script. The reason comes from
 * compiling a probe on the one name: no error means that another name of the same place stands for
 * it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bcc/priv.h"

struct names {
	struct arena *a;
	words v;
};

static int keep(void *arg, const char *probe, const char *detail)
{
	struct names *n = arg;

	vec_push(n->a, &n->v, arena_strdup(n->a, probe));
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool list(struct bcc *b, const char *place, struct names *out)
{
	struct awl *awl = bcc_session(b, false);
	bool ok = awl_list(awl, place, keep, out) >= 0;

	awl_free(awl);
	return ok;
}

static bool list_probed(struct bcc *b, const char *place, struct names *out)
{
	struct awl *awl = bcc_session(b, false);
	bool ok = awl_compile(awl, "probe", arena_printf(b->a, "%s { }", place), NULL) == 0 &&
		  awl_list_script(awl, keep, out) >= 0;

	awl_free(awl);
	if (out->v.n)
		qsort(out->v.v, out->v.n, sizeof(*out->v.v), compare);
	return ok;
}

/* NULL: it can be probed, under another name. */
static const char *why_not(struct bcc *b, const char *name)
{
	struct awl *awl = bcc_session(b, false);
	struct str rest = str_of(name), kind = str_cut(&rest, ':');
	const char *colon = strrchr(rest.p ? rest.p : name, ':'), *why = NULL;

	if (colon && awl_compile(awl, "probe",
				 arena_printf(b->a, "%.*s:\"%.*s\":\"%s\" { }", STR_ARG(kind),
					      (int)(colon - rest.p), rest.p, colon + 1),
				 NULL) < 0)
		why = bcc_error_line(b->a, awl_error(awl));
	awl_free(awl);
	return why;
}

void bcc_report_unprobed(struct bcc *b, const struct probe *p, long n)
{
	struct names all = {.a = b->a}, probed = {.a = b->a};
	size_t refused = 0;

	if (p->kind != PROBE_USER || !p->many || !list(b, p->place, &all) || all.v.n <= (size_t)n ||
	    !list_probed(b, p->place, &probed))
		return;
	for (size_t i = 0; i < all.v.n; i++) {
		const char *why;

		if (probed.v.n &&
		    bsearch(&all.v.v[i], probed.v.v, probed.v.n, sizeof(*probed.v.v), compare))
			continue;
		if (!b->o.verbose) {
			refused++;
			continue;
		}
		why = why_not(b, all.v.v[i]);
		fprintf(stderr, "%s: %s: %s\n", b->cmd->name, all.v.v[i],
			why ? why : "probed under another name of the same function");
		refused++;
	}
	if (refused)
		fprintf(stderr,
			"%s: %zu of %zu names are not probed on their own: other names of the same "
			"functions, and functions that cannot be probed%s\n",
			b->cmd->name, refused, all.v.n, b->o.verbose ? "" : "; -v lists them");
}
