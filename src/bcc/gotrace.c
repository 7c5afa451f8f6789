/* gotrace: calls of Go functions as a tree for each goroutine, with arguments, results and times.
 *
 *   awl gotrace ./server 'main.*' -t 1ms
 *
 * For each function that matches there are two probes, which print one tuple each. The lines of the
 * script are numbered by function, so that an error tells whose arguments or results cannot be had
 * (floating point in registers, no debug information); it is made again without them.
 *
 *   go:…:"main.f"      (1, goid, time, 0, depth, function, (name=args.name, …))   line 2 × function
 * + 1 goret:…:"main.f"   (2, goid, time, elapsed, depth, function, retval)          line 2 ×
 * function + 2
 *
 * More than MOST functions share one program without values, which prints their names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "bcc/gotree.h"
#include "bcc/priv.h"

enum { MOST = 150, MOST_TRIES = 8, EXIT_KERNEL = 255 };

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('t', "--longer", "TIME", OPT_TEXT, least,
	  "calls that take at least this long: 10us, 1ms, 0.5s (a number alone: ms)"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "trace this process only, leave when it ends"),
	O('c', "--cmd", "COMMAND", OPT_TEXT, command, "start this and trace it"),
	O('d', "--duration", "SECONDS", OPT_SECONDS, duration, "leave after this time"),
	O('D', "--depth", "N", OPT_NUMBER, level, "show calls down to this depth"),
	O('n', "--no-values", NULL, OPT_FLAG, aggregate, "without arguments and results"),
	OPT_COMMON};

struct func {
	const char *name;
	struct gosig sig;
	enum { WITH_VALUES, WITHOUT_VALUES, LEFT_OUT } entry, ret;
};

struct tracing {
	struct bcc *b;
	const char *program; /* path, name or number */
	VEC(struct func) funcs;
	struct strmap by_name;
	struct gotree *tree;
	bool joined; /* one program for all functions: names instead of numbers */
	size_t strange;
	const char *why; /* the last error of a function that was left out */
};

/* ---- functions and their signatures ---------------------------------------------------------- */

/* go:/path/to/server:"main.f" */
static int add_func(void *arg, const char *probe, const char *detail)
{
	struct tracing *t = arg;
	struct arena *a = t->b->a;
	const char *open = strchr(probe, '"');
	struct func f = {0};

	if (!open)
		return 0;
	f.name = arena_strndup(a, open + 1, strlen(open + 1) - 1);
	if (strmap_get(&t->by_name, str_of(f.name)))
		return 0;
	if (detail)
		gosig_read(a, detail, &f.sig);
	vec_push(a, &t->funcs, f);
	strmap_put(&t->by_name, str_of(f.name), (void *)(uintptr_t)t->funcs.n);
	return 0;
}

static bool find_funcs(struct tracing *t, const char *pattern)
{
	struct bcc *b = t->b;
	struct awl *awl = bcc_session(b, true);
	size_t before = t->funcs.n;
	int r = awl_list(awl, arena_printf(b->a, "go:%s:\"%s\"", t->program, pattern), add_func, t);

	if (r < 0)
		bcc_fail(b, "%s", bcc_error_line(b->a, awl_error(awl)));
	else if (t->funcs.n == before)
		bcc_fail(b, "no function of %s is called '%s'; awl golist %s '*' lists all",
			 t->program, pattern, t->program);
	awl_free(awl);
	return r >= 0 && t->funcs.n > before;
}

/* ---- the script ------------------------------------------------------------------------------ */

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] == '_' || (s.p[i] | 32) - 'a' < 26u || (i && s.p[i] - '0' < 10u)))
			return false;
	return s.n && !str_is(s, "_");
}

/* Floating point is in registers that probes do not see. */
static bool can_read(const struct param *v)
{
	return is_name(v->name) && !str_starts(v->type, STR("float")) &&
	       !str_starts(v->type, STR("complex"));
}

static bool has_values(const struct func *f)
{
	for (size_t i = 0; i < f->sig.args.n; i++)
		if (can_read(&f->sig.args.v[i]))
			return true;
	return false;
}

/* Shown well as it is: numbers, texts, addresses. The others are as Go shows them. */
static bool is_plain(struct str type)
{
	static const char *const plain[] = {"string", "bool", "int", "uint", "byte", "rune"};
	struct str base = type;

	if (type.n && type.p[0] == '*')
		return !memchr(type.p, '<',
			       type.n); /* map and chan are pointers to hash<…> and so on */
	while (base.n && base.p[base.n - 1] >= '0' && base.p[base.n - 1] <= '9')
		base.n--;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (str_is(base, plain[i]))
			return true;
	return str_is(type, "uintptr");
}

static void add_value(struct buf *out, const struct param *v, const char *from)
{
	bool plain = is_plain(v->type);

	buf_printf(out, "%s%s%s", plain ? "" : "govalue(", from, plain ? "" : ")");
}

static void add_args(struct tracing *t, const struct func *f)
{
	struct buf *out = &t->b->script;
	const char *sep = ", (";

	for (size_t i = 0; i < f->sig.args.n; i++) {
		const struct param *v = &f->sig.args.v[i];

		if (!can_read(v))
			continue;
		buf_printf(out, "%s%.*s=", sep, STR_ARG(v->name));
		add_value(out, v, arena_printf(t->b->a, "args.%.*s", STR_ARG(v->name)));
		sep = ", ";
	}
	buf_addc(out, ')');
}

static bool has_results(const struct func *f)
{
	for (size_t i = 0; i < f->sig.results.n; i++)
		if (can_read(&f->sig.results.v[i]))
			return true;
	return false;
}

static void add_results(struct tracing *t, const struct func *f)
{
	struct buf *out = &t->b->script;
	const char *sep = ", (";

	if (f->sig.results.n == 1) {
		buf_adds(out, ", ");
		add_value(out, f->sig.results.v, "retval");
		return;
	}
	for (size_t i = 0; i < f->sig.results.n; i++) {
		const struct param *v = &f->sig.results.v[i];

		if (!can_read(v))
			continue;
		buf_printf(out, "%s%.*s=", sep, STR_ARG(v->name));
		add_value(out, v, arena_printf(t->b->a, "retval.%zu", i));
		sep = ", ";
	}
	buf_addc(out, ')');
}

/* Two lines, also when there is nothing on them: an error's line tells the function. */
static void add_probes(struct tracing *t, size_t i)
{
	const struct func *f = &t->funcs.v[i];
	struct buf *out = &t->b->script;

	if (f->entry != LEFT_OUT) {
		buf_printf(out, "go:%s:\"%s\" { print((1, goid, nsecs, 0, godepth, %zu", t->program,
			   f->name, i);
		if (f->entry == WITH_VALUES && has_values(f))
			add_args(t, f);
		buf_adds(out, ")); }");
	}
	buf_addc(out, '\n');
	if (f->entry != LEFT_OUT && f->ret != LEFT_OUT) {
		buf_printf(out, "goret:%s:\"%s\" { print((2, goid, nsecs, elapsed, godepth, %zu",
			   t->program, f->name, i);
		if (f->ret == WITH_VALUES && has_results(f))
			add_results(t, f);
		buf_adds(out, ")); }");
	}
	buf_addc(out, '\n');
}

static void add_joined(struct tracing *t)
{
	for (size_t i = 0; i < t->b->o.rest.n - 1; i++) {
		const char *pattern = t->b->o.rest.v[i + 1];

		buf_printf(
			&t->b->script,
			"go:%s:\"%s\" { print((1, goid, nsecs, 0, godepth, probe)); }\n"
			"goret:%s:\"%s\" { print((2, goid, nsecs, elapsed, godepth, probe)); }\n",
			t->program, pattern, t->program, pattern);
	}
}

static void add_script(struct tracing *t)
{
	struct bcc *b = t->b;

	buf_reset(&b->script);
	if (t->joined)
		add_joined(t);
	for (size_t i = 0; !t->joined && i < t->funcs.n; i++)
		add_probes(t, i);
	if (b->o.duration > 0)
		buf_printf(&b->script, "interval:ms:%" PRId64 " { exit(); }\n",
			   MAX(b->o.duration / 1000000, INT64_C(1)));
}

/* ---- what cannot be had ---------------------------------------------------------------------- */

static bool take_number(struct str *s, const char *before, uint64_t *n)
{
	const char *at = memmem(s->p, s->n, before, strlen(before));
	size_t skip = at ? (size_t)(at - s->p) + strlen(before) : 0;

	if (!at)
		return false;
	*s = (struct str){s->p + skip, s->n - skip};
	*n = strtoull(s->p, NULL, 10);
	return true;
}

static bool is_error(struct str line)
{
	return str_starts(line, STR("{\"severity\": \"error\""));
}

/* The next less ambitious way for the function of a line; false: the error is of no function. */
static bool lower(struct tracing *t, uint64_t line)
{
	struct func *f = line && line <= 2 * t->funcs.n ? &t->funcs.v[(line - 1) / 2] : NULL;

	if (!f)
		return false;
	if (line % 2)
		f->entry += f->entry != LEFT_OUT;
	else
		f->ret += f->ret != LEFT_OUT;
	return true;
}

/* One object a line; several errors of one line lower it once. */
static bool lower_all(struct tracing *t, const char *diagnostics)
{
	struct str rest = str_of(diagnostics);
	uint64_t last = 0, line;
	bool any = false;

	while (rest.n) {
		struct str one = str_cut(&rest, '\n');

		if (!is_error(one) || !take_number(&one, "\"line\": ", &line))
			continue;
		if (line != last && !lower(t, line))
			return false;
		last = line;
		any = true;
	}
	return any;
}

static struct awl *session(struct tracing *t, bool checking);

/* Until what is left compiles, or nothing can be done about it: the run will say what it is. */
static void settle(struct tracing *t)
{
	bool again = true;

	for (int i = 0; again && i < MOST_TRIES; i++) {
		struct awl *awl = session(t, true);

		add_script(t);
		again = awl_compile(awl, "gotrace", buf_cstr(&t->b->script), NULL) < 0;
		if (again && (t->joined || !lower_all(t, awl_error(awl)))) {
			t->why = arena_strdup(t->b->a, awl_error(awl));
			again = false;
		}
		awl_free(awl);
	}
}

static bool any_left(struct tracing *t)
{
	size_t out = 0;

	for (size_t i = 0; i < t->funcs.n; i++)
		out += t->funcs.v[i].entry == LEFT_OUT;
	if (out && out == t->funcs.n)
		bcc_fail(t->b, "none of the functions can be probed: awl golist tells why");
	else if (out)
		fprintf(stderr,
			"gotrace: %zu of %zu functions cannot be probed, and are left out (awl "
			"golist "
			"tells why)\n",
			out, t->funcs.n);
	return out < t->funcs.n;
}

/* ---- records --------------------------------------------------------------------------------- */

static const char *name_of(void *arg, uint32_t fn)
{
	const struct tracing *t = arg;

	return t->funcs.v[fn].name;
}

/* Where the value behind this one begins: ", .NAME = " outside of brackets. */
static const char *value_end(struct str text, struct str next)
{
	int depth = 0;

	for (size_t i = 0; i + 3 < text.n; i++) {
		struct str rest = {text.p + i + 3, text.n - i - 3};

		depth += (text.p[i] == '{') - (text.p[i] == '}');
		if (depth || memcmp(text.p + i, ", .", 3) || !str_starts(rest, next))
			continue;
		rest = (struct str){rest.p + next.n, rest.n - next.n};
		if (str_starts(rest, STR(" = ")))
			return text.p + i;
	}
	return text.p + text.n;
}

static void put_value(struct str v, struct str type, struct buf *out)
{
	bool quoted = str_is(type, "string");

	buf_printf(out, quoted ? "\"%.*s\"" : "%.*s", STR_ARG(v));
}

/* The value of `v` at the beginning of *text, which goes behind it; `next` is the name of the value
 * that follows, or empty. */
static struct str take_value(const struct param *v, struct str next, struct str *text)
{
	size_t skip = v->name.n + strlen(" = ") + 1;
	const char *end;
	struct str value;

	if (text->n < skip)
		return (struct str){NULL, 0};
	value = (struct str){text->p + skip, text->n - skip};
	end = next.n ? value_end(value, next) : value.p + value.n;
	skip = MIN((size_t)(value.p + value.n - end), strlen(", "));
	*text = (struct str){end + skip, (size_t)(value.p + value.n - end) - skip};
	value.n = (size_t)(end - value.p);
	return value;
}

static struct str next_name(const struct param *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (can_read(&v[i]))
			return v[i].name;
	return (struct str){"", 0};
}

/* { .a = 1, .b = x } with the names a and b: a=1, b=x */
static void put_fields(const struct param *v, size_t n, bool names, struct str text,
		       struct buf *out)
{
	if (text.n >= 4)
		text = (struct str){text.p + 2, text.n - 4};
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? ", " : "");
		if (names)
			buf_printf(out, "%.*s=", STR_ARG(v[i].name));
		if (can_read(&v[i]))
			put_value(take_value(&v[i], next_name(v + i + 1, n - i - 1), &text),
				  v[i].type, out);
		else
			buf_adds(out, "?");
	}
}

static void put_args(const struct func *f, struct str text, struct buf *out)
{
	if (f->entry != WITH_VALUES || !f->sig.told ||
	    (f->sig.args.n && !text.n && has_values(f))) {
		buf_adds(out, "(...)");
		return;
	}
	buf_addc(out, '(');
	put_fields(f->sig.args.v, f->sig.args.n, true, text, out);
	buf_addc(out, ')');
}

static void put_values(void *arg, uint32_t fn, bool results, struct str text, struct buf *out)
{
	const struct tracing *t = arg;
	const struct func *f = &t->funcs.v[fn];

	if (!results) {
		put_args(f, text, out);
	} else if (text.n && f->sig.results.n > 1) {
		buf_adds(out, " = (");
		put_fields(f->sig.results.v, f->sig.results.n, false, text, out);
		buf_addc(out, ')');
	} else if (text.n) {
		buf_adds(out, " = ");
		put_value(text, f->sig.results.n ? f->sig.results.v[0].type : STR(""), out);
	}
}

static void write_out(void *arg, struct str text)
{
	(void)arg;
	fwrite(text.p, 1, text.n, stdout);
	fflush(stdout);
}

static bool cut_number(struct str *s, uint64_t *n)
{
	struct str word = str_cut(s, ',');
	unsigned long long v;

	*s = s->n && s->p[0] == ' ' ? (struct str){s->p + 1, s->n - 1} : *s;
	if (!str_to_u64(word, &v))
		return false;
	*n = v;
	return true;
}

/* go:/path:main.f, goret:/path:main.f: behind the second colon, in paths without any. */
static uint32_t by_probe(struct tracing *t, struct str probe)
{
	uintptr_t n = 0;

	while (probe.n && !n) {
		str_cut(&probe, ':');
		n = (uintptr_t)strmap_get(&t->by_name, probe);
	}
	return n ? (uint32_t)n - 1 : UINT32_MAX;
}

static uint32_t function_of(struct tracing *t, struct str *s)
{
	uint64_t n;

	if (t->joined)
		return by_probe(t, *s);
	return cut_number(s, &n) && n < t->funcs.n ? (uint32_t)n : UINT32_MAX;
}

static bool read_event(struct tracing *t, struct str s, uint64_t *kind, struct gotree_event *e)
{
	if (!cut_number(&s, kind) || !cut_number(&s, &e->goid) || !cut_number(&s, &e->at) ||
	    !cut_number(&s, &e->elapsed) || !cut_number(&s, &e->depth))
		return false;
	e->fn = function_of(t, &s);
	e->text = t->joined ? (struct str){NULL, 0} : s;
	return e->fn != UINT32_MAX;
}

static void on_record(void *arg, const char *type, const char *text, size_t n)
{
	struct tracing *t = arg;
	struct str s = str_trim((struct str){text, n});
	struct gotree_event e;
	uint64_t kind;

	if (strcmp(type, "value") || s.n < 2 || s.p[0] != '(')
		return;
	if (!read_event(t, (struct str){s.p + 1, s.n - 2}, &kind, &e))
		t->strange++;
	else if (kind == 1)
		gotree_enter(t->tree, &e);
	else
		gotree_return(t->tree, &e);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void on_message(void *arg, enum awl_level level, const char *text)
{
	(void)arg;
	fprintf(stderr, "gotrace: %s%s\n", level == AWL_WARNING ? "warning: " : "", text);
}

static struct awl *session(struct tracing *t, bool checking)
{
	const struct opts *o = &t->b->o;
	unsigned long long pid;
	AWL_OPTS(awl_opts, opts, .quiet = 1, .handle_signals = 1, .message = on_message,
		 .record = on_record, .arg = t, .json_diagnostics = checking,
		 .pid = o->pid > 0 ? (int)o->pid : 0, .command = checking ? NULL : o->command);

	if (!opts.pid && str_to_u64(str_of(t->program), &pid) && pid <= INT32_MAX)
		opts.pid = (int)pid;
	return awl_new(&opts);
}

static int trace(struct tracing *t)
{
	struct bcc *b = t->b;
	struct awl *awl = session(t, false);
	int r = EXIT_OK;

	add_script(t);
	if (awl_compile(awl, "gotrace", buf_cstr(&b->script), NULL) < 0)
		r = EXIT_WRONG;
	else if (awl_attach(awl) < 0)
		r = EXIT_KERNEL;
	if (r == EXIT_OK) {
		fprintf(stderr, "gotrace: tracing %zu function%s, Ctrl-C ends it\n", t->funcs.n,
			t->funcs.n == 1 ? "" : "s");
		r = awl_run(awl) < 0 ? EXIT_KERNEL : EXIT_OK;
	}
	if (r != EXIT_OK)
		bcc_fail(b, "%s", bcc_error_line(b->a, awl_error(awl)));
	awl_free(awl);
	return r;
}

static bool prepare(struct tracing *t)
{
	struct bcc *b = t->b;

	strmap_init(&t->by_name, b->a);
	if (b->o.rest.n < 2)
		return bcc_fail(b, "the following arguments are required: PROGRAM|PID and the "
				   "functions to trace, as 'main.*'"),
		       false;
	if (b->o.command && b->o.pid > 0)
		return bcc_fail(b, "-c and -p exclude one another"), false;
	t->program = b->o.rest.v[0];
	for (size_t i = 1; i < b->o.rest.n; i++)
		if (!find_funcs(t, b->o.rest.v[i]))
			return false;
	t->joined = b->o.aggregate || t->funcs.n > MOST;
	if (t->joined && !b->o.aggregate)
		fprintf(stderr,
			"gotrace: %zu functions match: without arguments and results (for those at "
			"most %d)\n",
			t->funcs.n, (int)MOST);
	settle(t);
	return any_left(t);
}

static int run(struct bcc *b)
{
	struct tracing t = {.b = b};
	struct gotree_opts o = {.name = name_of,
				.values = put_values,
				.write = write_out,
				.arg = &t,
				.least_text = b->o.least,
				.depth = b->o.level > 0 ? (unsigned)b->o.level : 0};
	int r;

	if (!opts_read_least(b, &o.least) || !prepare(&t))
		return EXIT_WRONG;
	if (b->o.show) {
		add_script(&t);
		fwrite(b->script.p, 1, b->script.n, stdout);
		return EXIT_OK;
	}
	t.tree = gotree_new(&o);
	r = trace(&t);
	gotree_finish(t.tree);
	if (t.strange)
		fprintf(stderr,
			"gotrace: %zu records were not understood: a bug, please report it\n",
			t.strange);
	return r;
}

const struct command cmd_gotrace = {
	.name = "gotrace",
	.about = "Trace calls of Go functions as a tree for each goroutine.",
	.positional = "program|pid function [function ...]",
	.positional_help = "a Go program or process, and functions ('*' and '?' are wildcards)",
	.examples =
		"    gotrace ./server 'main.*'           # all calls of these functions\n"
		"    gotrace ./server 'main.*' -t 1ms    # those that take a millisecond or more\n"
		"    gotrace 1234 'main.*' 'net/http.(*conn).serve'\n"
		"    gotrace ./tool 'main.*' -c './tool --all'\n"
		"    gotrace -n ./server '*' -d 5        # everything, without values, 5 seconds\n",
	.opts = options,
	.run = run,
};
