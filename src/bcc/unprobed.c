/* Functions that a pattern matches and that cannot be probed: counted always, named with -v.
 *
 * What matches is asked of the lists, what is probed of the compiled script. The reason comes from
 * compiling a script with the other names: no error means that another name of the same place
 * stands for it. */
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
	struct awl *awl = bcc_ask(b);
	bool ok = awl_list(awl, place, keep, out) >= 0;

	sort(out);
	return ok;
}

static bool list_probed(struct bcc *b, const char *place, struct names *out)
{
	struct awl *awl = bcc_ask(b);
	bool ok = awl_compile(awl, "probe", arena_printf(b->a, NO_INLINED "%s { }", place), NULL) ==
			  0 &&
		  awl_list_script(awl, keep, out) >= 0;

	sort(out);
	return ok;
}

/* ---- why ---- */

/* A name of a list as an attach point: its last part is quoted, it may have any characters. */
static void add_place(struct buf *out, const char *name)
{
	struct str rest = str_of(name), kind = str_cut(&rest, ':');
	const char *colon = strrchr(rest.p ? rest.p : name, ':');

	if (colon && rest.p)
		buf_printf(out, "%.*s:\"%.*s\":\"%s\"", STR_ARG(kind), (int)(colon - rest.p),
			   rest.p, colon + 1);
	else
		buf_adds(out, name);
}

/* The number of the line in "  --> probe:12:1", from 0; -1 for other lines. */
static long line_number(struct str line)
{
	struct str rest = str_trim(line), number;
	unsigned long long n;

	if (!str_starts(rest, STR("--> probe:")))
		return -1;
	rest = (struct str){rest.p + 10, rest.n - 10};
	number = str_cut(&rest, ':');
	return str_to_u64(number, &n) && n > 0 ? (long)n - 1 : -1;
}

/* The message of each error, at the place of the name whose line it points to. */
static void read_errors(struct bcc *b, const char *text, size_t n, const char **why)
{
	struct str rest = str_of(text), message = {0};

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');
		long at = line_number(line);

		if (str_starts(line, STR("error"))) {
			str_cut(&line, ':');
			message = str_trim(line);
		} else if (at >= 0 && (size_t)at < n && message.p && !why[at]) {
			why[at] = arena_strndup(b->a, message.p, message.n);
		}
	}
}

/* One script has all names, each on a line of its own. NULL: it can be probed, under another name.
 */
const char **bcc_find_reasons(struct bcc *b, const words *names)
{
	const char **why = arena_array_of(b->a, const char *, names->n + 1);
	struct awl *awl = bcc_ask(b);
	struct buf script = BUF_INIT;

	buf_adds(&script, NO_INLINED);
	for (size_t i = 0; i < names->n; i++) {
		why[i] = NULL;
		add_place(&script, names->v[i]);
		buf_adds(&script, i + 1 < names->n ? ",\n" : "\n{ }\n");
	}
	if (awl_compile(awl, "probe", buf_cstr(&script), NULL) < 0)
		read_errors(b, awl_error(awl), names->n, why);
	buf_release(&script);
	return why;
}

/* ---- the report ---- */

/* Both lists are in order, and a name may be in each of them several times: the file's functions
 * that have it. */
static words not_probed(struct bcc *b, const struct names *all, const struct names *probed)
{
	words out = {0};
	size_t k = 0;

	for (size_t i = 0; i < all->v.n; i++) {
		while (k < probed->v.n && strcmp(probed->v.v[k], all->v.v[i]) < 0)
			k++;
		if (k < probed->v.n && strcmp(probed->v.v[k], all->v.v[i]) == 0)
			k++;
		else
			vec_push(b->a, &out, all->v.v[i]);
	}
	return out;
}

static void report(struct bcc *b, const words *names, size_t all)
{
	const char **why = bcc_find_reasons(b, names);
	size_t refused = 0;

	for (size_t i = 0; i < names->n; i++) {
		refused += why[i] != NULL;
		if (b->o.verbose)
			fprintf(stderr, "%s: %s: %s\n", b->cmd->name, names->v[i],
				why[i] ? why[i] : "probed under another name of the same function");
	}
	fprintf(stderr,
		"%s: %zu of %zu names are not probed on their own: %zu are other names of "
		"functions that are probed, %zu are functions that cannot be probed%s\n",
		b->cmd->name, names->n, all, names->n - refused, refused,
		b->o.verbose ? "" : "; -v lists them");
}

void bcc_report_unprobed(struct bcc *b, const struct probe *p, long n)
{
	struct names all = {.a = b->a}, probed = {.a = b->a};
	words names;

	if (p->kind != PROBE_USER || !p->many)
		return;
	all.v = p->matched;
	sort(&all);
	if ((!all.v.n && !list(b, p->place, &all)) || all.v.n <= (size_t)n ||
	    !list_probed(b, p->place, &probed))
		return;
	names = not_probed(b, &all, &probed);
	if (names.n)
		report(b, &names, all.v.n);
}
