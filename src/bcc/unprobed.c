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

static void sort(struct names *n)
{
	if (n->v.n)
		qsort(n->v.v, n->v.n, sizeof(*n->v.v), compare);
}

static bool list(struct bcc *b, const char *place, struct names *out)
{
	struct awl *awl = bcc_session(b, false);
	bool ok = awl_list(awl, place, keep, out) >= 0;

	awl_free(awl);
	sort(out);
	return ok;
}

static bool list_probed(struct bcc *b, const char *place, struct names *out)
{
	struct awl *awl = bcc_session(b, false);
	bool ok = awl_compile(awl, "probe", arena_printf(b->a, "%s { }", place), NULL) == 0 &&
		  awl_list_script(awl, keep, out) >= 0;

	awl_free(awl);
	sort(out);
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

struct unprobed {
	size_t aliases, refused;
};

static void report_one(struct bcc *b, const char *name, struct unprobed *u)
{
	const char *why = why_not(b, name);

	u->aliases += !why;
	u->refused += why != NULL;
	if (b->o.verbose)
		fprintf(stderr, "%s: %s: %s\n", b->cmd->name, name,
			why ? why : "probed under another name of the same function");
}

/* Both lists are in order, and a name may be in each of them several times: the file's functions
 * that have it. */
static struct unprobed report_each(struct bcc *b, const struct names *all,
				   const struct names *probed)
{
	struct unprobed u = {0};
	size_t k = 0;

	for (size_t i = 0; i < all->v.n; i++) {
		while (k < probed->v.n && strcmp(probed->v.v[k], all->v.v[i]) < 0)
			k++;
		if (k < probed->v.n && strcmp(probed->v.v[k], all->v.v[i]) == 0)
			k++;
		else
			report_one(b, all->v.v[i], &u);
	}
	return u;
}

void bcc_report_unprobed(struct bcc *b, const struct probe *p, long n)
{
	struct names all = {.a = b->a}, probed = {.a = b->a};
	struct unprobed u;

	if (p->kind != PROBE_USER || !p->many || !list(b, p->place, &all) || all.v.n <= (size_t)n ||
	    !list_probed(b, p->place, &probed))
		return;
	u = report_each(b, &all, &probed);
	if (u.aliases + u.refused)
		fprintf(stderr,
			"%s: %zu of %zu names are not probed on their own: %zu are other names of "
			"functions that are probed, %zu are functions that cannot be probed%s\n",
			b->cmd->name, u.aliases + u.refused, all.v.n, u.aliases, u.refused,
			b->o.verbose ? "" : "; -v lists them");
}
