/* Signatures of Go functions, as lists have them:
 *
 *   func (name string, year int) (n int, err error)
 *
 * Results without names are r0, r1 … in their order. And how the program passes them. */
#include <string.h>
#include "bcc/priv.h"

/* Up to the `)` that belongs to the `(` in front of `s`. */
static struct str inside(struct str *s)
{
	size_t depth = 1, i = 0;

	for (; i < s->n && depth; i++)
		depth += (s->p[i] == '(') - (s->p[i] == ')');
	struct str in = {s->p, depth ? i : i - 1};

	*s = (struct str){s->p + i, s->n - i};
	return in;
}

/* "a int, m map[string]int, f func(int, int)" at the commas outside of brackets. */
static struct str cut_value(struct str *s)
{
	size_t depth = 0, i = 0;

	for (; i < s->n && (depth || s->p[i] != ','); i++)
		depth += (strchr("([{<", s->p[i]) != NULL) - (strchr(")]}>", s->p[i]) != NULL);
	struct str one = str_trim((struct str){s->p, i});

	i += i < s->n;
	*s = (struct str){s->p + i, s->n - i};
	return one;
}

static void read_values(struct arena *a, struct gosig *f, struct str list, bool results)
{
	while (list.n) {
		struct str one = cut_value(&list), rest = one;
		struct str name = str_cut(&rest, ' ');
		struct param v = {.name = name, .type = rest};

		if (results && !rest.n)
			v = (struct param){.name = str_of(arena_printf(a, "r%zu", f->results.n)),
					   .type = one};
		if (results)
			vec_push(a, &f->results, v);
		else
			vec_push(a, &f->args, v);
	}
}

void gosig_read(struct arena *a, const char *detail, struct gosig *out)
{
	struct str rest = str_of(arena_strdup(a, detail)), line = str_trim(str_cut(&rest, '\n'));

	if (!str_starts(line, STR("func (")) || str_is(line, "func (its arguments are not told)"))
		return;
	out->told = true;
	line = (struct str){line.p + 6, line.n - 6};
	read_values(a, out, inside(&line), false);
	line = str_trim(line);
	if (line.n && line.p[0] == '(')
		line = (struct str){line.p + 1, line.n - 2};
	read_values(a, out, line, true);
}

/* Arguments are looked for in registers, of which there are nine or sixteen; arg16 is there only
 * where all are on the stack, as in Go 1.16 and before. */
bool gosig_on_stack(struct bcc *b, const char *program, const char **error)
{
	const char *script = arena_printf(b->a, "go:%s:\"runtime.main\" { print(arg16); }",
					  program);
	struct awl *awl = bcc_session(b, false);
	bool on_stack = awl_compile(awl, b->cmd->name, script, NULL) == 0;

	if (!on_stack && error && !strstr(awl_error(awl), "arg16 of "))
		*error = bcc_error_line(b->a, awl_error(awl));
	awl_free(awl);
	return on_stack;
}
