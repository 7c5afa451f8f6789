/* Named parameters of the command line: what stands behind `--` and begins with two dashes.
 *
 *   awl count.bt 10 -- --all --limit=5        $1 is 10; getopt("all") true; getopt("limit", 1) 5
 *
 * Each getopt() asks for its own by name, and makes it known; what nobody asked for is an error
 * that lists those that there are. `--help` asks for that list as a page of help, unless the script
 * has a parameter of that name. */
#include <string.h>
#include "sema/sema_priv.h"

struct option {
	struct str name, text;
	const char *form;
	struct option *next;
};

/* The value of a word `--name=value`; false when it is not that name. */
static bool is_named(struct str word, struct str name, struct str *value)
{
	size_t n = 2 + name.n;

	if (word.n < n || memcmp(word.p + 2, name.p, name.n) != 0)
		return false;
	if (word.n > n && word.p[n] != '=')
		return false;
	*value = word.n > n ? (struct str){word.p + n + 1, word.n - n - 1} : STR("");
	return true;
}

/* A copy of the input whose parameters are the positional ones; the named ones go to s->named. */
const struct sema_in *sema_named_split(struct sema *s, const struct sema_in *in)
{
	struct sema_in *mine = arena_memdup(s->a, in, sizeof(*in));
	const char **rest = arena_array_of(s->a, const char *, in->params.n + 1);
	bool behind = false;

	mine->params = (struct params){rest, 0};
	for (size_t i = 0; i < in->params.n; i++) {
		const char *word = in->params.v[i];

		if (!behind && strcmp(word, "--") == 0)
			behind = true;
		else if (behind && str_starts(str_of(word), STR("--")))
			vec_push(s->a, &s->named, word);
		else
			rest[mine->params.n++] = word;
	}
	return mine;
}

bool sema_option(struct sema *s, struct str name, const char *form, struct str *value,
		 bool *has_value)
{
	struct option *o = s->options;
	bool given = false;

	while (o && !str_eq(o->name, name))
		o = o->next;
	if (!o) {
		o = arena_new_of(s->a, struct option);
		*o = (struct option){.name = name, .next = s->options};
		s->options = o;
	}
	o->form = form;
	for (size_t i = 0; i < s->named.n; i++)
		if (is_named(str_of(s->named.v[i]), name, value)) {
			given = true; /* the last one counts */
			*has_value = strchr(s->named.v[i], '=') != NULL;
		}
	return given;
}

static bool is_known(const struct sema *s, struct str word)
{
	struct str value;

	for (const struct option *o = s->options; o; o = o->next)
		if (is_named(word, o->name, &value))
			return true;
	return false;
}

/* Those that were asked for first come last. */
static void list_options(const struct option *o, struct buf *out)
{
	if (!o)
		return;
	list_options(o->next, out);
	buf_printf(out, "  %s\n", o->form);
}

static const char *help_page(struct sema *s)
{
	const char *name = diag_source_name(s->in->diag, s->in->script->file), *text;
	struct buf b = BUF_INIT;

	buf_printf(&b, "Usage: awl %s%s\n", name, s->options ? " [parameters] [-- NAMED …]" : "");
	if (s->options)
		buf_adds(&b, "\nNamed parameters:\n");
	list_options(s->options, &b);
	text = arena_strndup(s->a, buf_cstr(&b), b.n);
	buf_release(&b);
	return text;
}

void sema_named_check(struct sema *s)
{
	for (size_t i = 0; i < s->named.n; i++) {
		struct diag_msg *m;

		if (is_known(s, str_of(s->named.v[i])))
			continue;
		if (strcmp(s->named.v[i], "--help") == 0) {
			s->plan->help = help_page(s);
			continue;
		}
		m = diag_report(s->in->diag, E_PARAM, NO_SPAN, "the script has no parameter %s",
				s->named.v[i]);
		for (const struct option *o = s->options; o; o = o->next)
			diag_note(m, "%s", o->form);
		if (!s->options)
			diag_help(m, "a script gets named parameters by getopt(\"name\")");
	}
}
