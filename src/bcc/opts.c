/* Command lines of bcc's tools, as Python's argparse reads them.
 *
 *   -p 12  -p12  --pid 12  --pid=12  -TC       options may stand before, between and behind
 * patterns;
 *                                              `--` ends them
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/diag.h"
#include "bcc/priv.h"

static const struct opt *by_letter(const struct command *c, char letter)
{
	for (const struct opt *o = c->opts; o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* A long name, or the beginning of one. */
static const struct opt *by_name(const struct command *c, struct str name)
{
	const struct opt *begun = NULL;

	for (const struct opt *o = c->opts; o->name; o++) {
		if (str_is(name, o->name))
			return o;
		if (name.n < 3 || !str_starts(str_of(o->name), name))
			continue;
		if (begun)
			return NULL;
		begun = o;
	}
	return begun;
}

/* "--duration, --debug", "" unless it is the beginning of several. */
static const char *begun_names(const struct bcc *b, struct str name)
{
	const char *out = "";

	for (const struct opt *o = b->cmd->opts; o->name && name.n > 2; o++)
		if (str_starts(str_of(o->name), name))
			out = arena_printf(b->a, "%s%s%s", out, *out ? ", " : "", o->name);
	return out;
}

static bool unknown(const struct bcc *b, struct str name)
{
	const char *begun = begun_names(b, name);
	struct nearest near;

	nearest_init(&near, name);
	for (const struct opt *o = b->cmd->opts; o->name; o++)
		nearest_try(&near, str_of(o->name));
	if (*begun)
		bcc_fail(b, "option %.*s is ambiguous: it could be %s", STR_ARG(name), begun);
	else if (name.n > 2 && nearest_found(&near))
		bcc_fail(b, "there is no option %.*s: did you mean %.*s?", STR_ARG(name),
			 STR_ARG(near.best));
	else
		bcc_fail(b, "there is no option %.*s: %s --help lists them", STR_ARG(name),
			 b->cmd->name);
	return false;
}

static const char *spelled(const struct bcc *b, const struct opt *o)
{
	return o->letter ? arena_printf(b->a, "-%c/%s", o->letter, o->name) : o->name;
}

/* Seconds with a fraction as nanoseconds of `unit`. */
static bool read_time(const char *text, double unit, int64_t *out)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(v) || v < 0 || v * unit > 9e18)
		return false;
	*out = (int64_t)llround(v * unit);
	return true;
}

static bool set_number(struct bcc *b, const struct opt *o, const char *v, int64_t *out)
{
	unsigned long long n;

	if (o->kind != OPT_NUMBER) {
		double unit = o->kind == OPT_SECONDS ? 1e9 : o->kind == OPT_MSECS ? 1e6 : 1e3;

		if (read_time(v, unit, out) && (*out > 0 || o->kind != OPT_SECONDS))
			return true;
		bcc_fail(b, "argument %s: \"%s\" is not a length of time%s", spelled(b, o), v,
			 o->kind == OPT_SECONDS ? " above 0" : "");
		return false;
	}
	if (str_to_u64(str_of(v), &n) && n <= INT64_MAX) {
		*out = (int64_t)n;
		return true;
	}
	bcc_fail(b, "argument %s: \"%s\" is not a number", spelled(b, o), v);
	return false;
}

static bool set(struct bcc *b, const struct opt *o, const char *v)
{
	void *member = (char *)&b->o + o->member;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)member = true;
		return true;
	case OPT_COUNT:
		++*(unsigned *)member;
		return true;
	case OPT_TEXT:
		*(const char **)member = v;
		return true;
	case OPT_LIST:
		vec_push(b->a, (words *)member, v);
		return true;
	case OPT_SPECS:
		vec_push(b->a, &b->o.specs, arena_printf(b->a, "%c%s", o->letter, v));
		return true;
	default:
		return set_number(b, o, v, member);
	}
}

struct cursor {
	int argc, at;
	char **argv;
};

/* `joined`: what stands in the same word behind the option, or NULL. */
static bool set_from(struct bcc *b, const struct opt *o, const char *joined, struct cursor *c)
{
	if (!o->arg) {
		if (!joined)
			return set(b, o, NULL);
		bcc_fail(b, "argument %s: takes no value, got \"%s\"", spelled(b, o), joined);
		return false;
	}
	if (!joined && c->at < c->argc)
		joined = c->argv[c->at++];
	if (joined)
		return set(b, o, joined);
	bcc_fail(b, "argument %s: expected %s", spelled(b, o), o->arg);
	return false;
}

static bool read_long(struct bcc *b, const char *word, struct cursor *c)
{
	struct str rest = str_of(word), name = str_cut(&rest, '=');
	const struct opt *o = by_name(b->cmd, name);

	return o ? set_from(b, o, rest.p, c) : unknown(b, name);
}

static bool read_letters(struct bcc *b, const char *word, struct cursor *c)
{
	for (const char *p = word + 1; *p; p++) {
		const struct opt *o = by_letter(b->cmd, *p);
		const char two[] = {'-', *p, 0};

		if (!o)
			return unknown(b, str_of(two));
		if (o->arg)
			return set_from(b, o, p[1] ? p + 1 : NULL, c);
		set(b, o, NULL);
	}
	return true;
}

static void set_defaults(struct opts *o)
{
	o->pid = o->tid = o->uid = o->cpu = o->strsize = o->max = o->top = o->count = -1;
	o->pages = o->level = o->nargs = o->interval = o->duration = o->msec = o->usec = -1;
}

bool opts_read(struct bcc *b, int argc, char **argv)
{
	struct cursor c = {argc, 1, argv};
	bool ended = false;

	set_defaults(&b->o);
	while (c.at < argc) {
		const char *word = argv[c.at++];

		if (ended || word[0] != '-' || !word[1])
			vec_push(b->a, &b->o.rest, word);
		else if (strcmp(word, "--") == 0)
			ended = true;
		else if (word[1] == '-' ? !read_long(b, word, &c) : !read_letters(b, word, &c))
			return false;
	}
	return true;
}

bool opts_read_least(struct bcc *b, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"", 1e6}, {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	char *end;
	double v;

	*ns = 0;
	if (!b->o.least)
		return true;
	v = strtod(b->o.least, &end);
	for (size_t i = 0; i < ARRAY_SIZE(units) && end != b->o.least; i++)
		if (!strcmp(end, units[i].unit) && v >= 0 && v * units[i].ns < 1e18) {
			*ns = (uint64_t)(v * units[i].ns);
			return true;
		}
	bcc_fail(b, "argument -t/--longer: \"%s\" is not a length of time such as 10us, 1ms or 2s",
		 b->o.least);
	return false;
}

/* ---- --help, in argparse's form ---- */

#define WIDTH       80
#define HELP_COLUMN 24

static void add_word(struct buf *out, size_t *column, size_t indent, const char *word)
{
	if (*column + 1 + strlen(word) > WIDTH) {
		buf_addc(out, '\n');
		buf_fill(out, ' ', indent);
		*column = indent;
	} else {
		buf_addc(out, ' ');
		*column += 1;
	}
	buf_adds(out, word);
	*column += strlen(word);
}

static void usage_line(const struct command *c, struct buf *out)
{
	size_t indent = strlen("usage: ") + strlen(c->name), column = indent;

	buf_printf(out, "usage: %s", c->name);
	for (const struct opt *o = c->opts; o->name; o++) {
		struct buf word = BUF_INIT;
		char letter[3] = {'-', o->letter, 0};

		buf_printf(&word, "[%s", o->letter ? letter : o->name);
		if (o->arg)
			buf_printf(&word, " %s", o->arg);
		buf_addc(&word, ']');
		add_word(out, &column, indent + 1, buf_cstr(&word));
		buf_release(&word);
	}
	add_word(out, &column, indent + 1, c->positional);
	buf_addc(out, '\n');
}

static void help_row(struct buf *out, const char *left, const char *help)
{
	size_t n = strlen(left) + 2;

	buf_printf(out, "  %s", left);
	if (n + 2 > HELP_COLUMN) {
		buf_addc(out, '\n');
		n = 0;
	}
	buf_fill(out, ' ', HELP_COLUMN - n);
	buf_printf(out, "%s\n", help);
}

static void option_row(const struct opt *o, struct buf *out)
{
	struct buf left = BUF_INIT;

	if (o->letter && o->arg)
		buf_printf(&left, "-%c %s, ", o->letter, o->arg);
	else if (o->letter)
		buf_printf(&left, "-%c, ", o->letter);
	buf_adds(&left, o->name);
	if (o->arg)
		buf_printf(&left, " %s", o->arg);
	help_row(out, buf_cstr(&left), o->help);
	buf_release(&left);
}

void opts_usage(const struct command *c, struct buf *out)
{
	struct str first = str_of(c->positional), word = str_cut(&first, ' ');

	if (word.n && word.p[0] == '[')
		word = (struct str){word.p + 1, word.n - 2};
	usage_line(c, out);
	buf_printf(out, "\n%s\n", c->about);
	if (c->positional_help) {
		char left[32];

		snprintf(left, sizeof(left), "%.*s", STR_ARG(word));
		buf_adds(out, "\npositional arguments:\n");
		help_row(out, left, c->positional_help);
	}
	buf_adds(out, "\noptions:\n");
	for (const struct opt *o = c->opts; o->name; o++)
		option_row(o, out);
	buf_printf(out, "\nexamples:\n%s", c->examples);
}

const char *opts_pattern(struct bcc *b)
{
	if (b->o.rest.n == 1)
		return b->o.rest.v[0];
	bcc_fail(b, b->o.rest.n ? "one pattern is possible; a list is written c:{malloc,free}"
				: "the following arguments are required: pattern");
	return NULL;
}
