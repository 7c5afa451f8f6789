/* tplist: the tracepoints of the kernel and the USDT probes of files and processes.
 *
 *   sched:sched_switch                      path provider:name
 *       pid_t prev_pid;        -v           provider:name [sema 0x3d8e10]      -v
 *                                             1 location(s)
 *                                             3 argument(s)
 *                                             location #1 /bin/wl 0x1189         -vv
 *                                               argument #1 8 unsigned bytes @ bx
 *
 * What awl's own lists know is written in bcc's form here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/diag.h"
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "List USDT probes in the specified process"),
	O('l', "--lib", "LIB", OPT_TEXT, lib,
	  "List USDT probes in the specified library or executable"),
	O('v', "--verbosity", NULL, OPT_COUNT, verbose,
	  "increase verbosity level (print variables, arguments, etc.)"),
	OPT_COMMON};

struct listing {
	struct bcc *b;
	struct buf out;
	size_t n;
	struct nearest near;
};

/* ---- tracepoints ---- */

/* "char[16] comm" as C and the kernel's format files have it: char comm[16]; a string of any length
 * is
 * __data_loc char[] there. */
static void add_field(struct buf *out, struct str line)
{
	const char *open = memchr(line.p, '[', line.n), *close = memchr(line.p, ']', line.n);

	if (!open || !close || close + 2 > line.p + line.n) {
		buf_printf(out, "    %.*s;\n", STR_ARG(line));
	} else if (close == open + 1) {
		buf_printf(out, "    __data_loc %.*s;\n", STR_ARG(line));
	} else {
		size_t behind = (size_t)(line.p + line.n - close) - 1;

		buf_printf(out, "    %.*s%.*s%.*s;\n", (int)(open - line.p), line.p, (int)behind,
			   close + 1, (int)(close - open) + 1, open);
	}
}

static void add_fields(struct buf *out, const char *detail)
{
	struct str rest = str_of(detail);

	while (rest.n) {
		struct str line = str_trim(str_cut(&rest, '\n'));

		if (line.n)
			add_field(out, line);
	}
}

static bool is_wanted(struct listing *l, struct str name)
{
	if (!l->b->o.rest.n || str_glob(str_of(l->b->o.rest.v[0]), name))
		return true;
	nearest_try(&l->near, name);
	if (l->near.best.p == name.p)
		l->near.best.p = arena_strndup(l->b->a, name.p, name.n);
	return false;
}

static int one_tracepoint(void *arg, const char *probe, const char *detail)
{
	struct listing *l = arg;
	struct str name = str_of(probe);

	str_cut(&name, ':');
	if (!is_wanted(l, name))
		return 0;
	l->n++;
	buf_printf(&l->out, "%.*s\n", STR_ARG(name));
	if (detail)
		add_fields(&l->out, detail);
	return 0;
}

/* ---- USDT ---- */

/* "%rbx" "%eax" → bx ax, "8(%rbp)" → *(bp + 8), "$5" → 5 */
static void add_register(struct buf *out, struct str r)
{
	r = str_trim(r);
	if (r.n && r.p[0] == '%')
		r = (struct str){r.p + 1, r.n - 1};
	if (r.n == 3 && (r.p[0] == 'r' || r.p[0] == 'e') && (r.p[1] > '9'))
		r = (struct str){r.p + 1, r.n - 1};
	buf_addstr(out, r);
}

static void add_operand(struct buf *out, struct str op)
{
	const char *open = memchr(op.p, '(', op.n);
	struct str inside, base, index;

	if (op.n && op.p[0] == '$') {
		buf_add(out, op.p + 1, op.n - 1);
		return;
	}
	if (!open) {
		add_register(out, op);
		return;
	}
	inside = (struct str){open + 1, op.n - (size_t)(open - op.p) - 1};
	inside = str_cut(&inside, ')');
	base = str_cut(&inside, ',');
	index = inside.p ? str_cut(&inside, ',') : (struct str){0};
	buf_adds(out, "*(");
	add_register(out, base);
	buf_printf(out, " + %.*s", open == op.p ? 1 : (int)(open - op.p),
		   open == op.p ? "0" : op.p);
	if (index.n) {
		buf_adds(out, " + ");
		add_register(out, index);
		buf_printf(out, " * %.*s", inside.n ? (int)inside.n : 1, inside.n ? inside.p : "1");
	}
	buf_addc(out, ')');
}

/* "-4@%eax" */
static void add_argument(struct buf *out, unsigned number, struct str text)
{
	struct str size = str_cut(&text, '@');
	bool is_signed = size.n && size.p[0] == '-';

	if (is_signed)
		size = (struct str){size.p + 1, size.n - 1};
	buf_printf(out, "    argument #%u %.*s %s bytes @ ", number, STR_ARG(size),
		   is_signed ? "signed  " : "unsigned");
	add_operand(out, text);
	buf_addc(out, '\n');
}

struct sites {
	struct buf text; /* location and argument lines */
	unsigned locations, arguments;
	struct str semaphore;
};

/* The lines of the list: "site 0x1189, semaphore 0x4010", "arg0 8@%rbx" */
static void read_site(struct sites *s, const char *path, struct str line)
{
	struct str rest = line, word = str_cut(&rest, ' ');

	if (str_is(word, "site")) {
		struct str where = str_cut(&rest, ',');

		s->arguments = 0;
		s->locations++;
		buf_printf(&s->text, "  location #%u %s %.*s\n", s->locations, path,
			   STR_ARG(where));
		rest = str_trim(rest);
		if (str_cut(&rest, ' ').n)
			s->semaphore = str_trim(rest);
	} else if (str_starts(word, STR("arg"))) {
		s->arguments++;
		add_argument(&s->text, s->arguments, str_trim(rest));
	}
}

static void add_usdt_detail(struct listing *l, const char *path, struct str name,
			    const char *detail)
{
	struct sites s = {.text = BUF_INIT};
	struct str rest = str_of(detail);

	while (rest.n)
		read_site(&s, path, str_trim(str_cut(&rest, '\n')));
	buf_printf(&l->out, "%.*s [sema %.*s]\n  %u location(s)\n  %u argument(s)\n", STR_ARG(name),
		   s.semaphore.n ? (int)s.semaphore.n : 3, s.semaphore.n ? s.semaphore.p : "0x0",
		   s.locations, s.arguments);
	if (l->b->o.verbose > 1)
		buf_addstr(&l->out, (struct str){s.text.p, s.text.n});
	buf_release(&s.text);
}

static int one_usdt(void *arg, const char *probe, const char *detail)
{
	struct listing *l = arg;
	struct str name = str_of(probe);
	size_t i = name.n, colons = 0;
	const char *path;

	str_cut(&name, ':');
	for (i = name.n; i > 0; i--)
		if (name.p[i - 1] == ':' && ++colons == 2)
			break;
	path = arena_strndup(l->b->a, name.p, i ? i - 1 : 0);
	name = (struct str){name.p + i, name.n - i};
	if (!is_wanted(l, name))
		return 0;
	l->n++;
	if (detail)
		add_usdt_detail(l, path, name, detail);
	else
		buf_printf(&l->out, "%s %.*s\n", path, STR_ARG(name));
	return 0;
}

/* ---- */

static int list(struct bcc *b, struct listing *l)
{
	struct awl *awl = bcc_session(b, b->o.verbose > 0);
	bool usdt = b->o.lib || b->o.pid > 0;
	const char *pattern = "tracepoint:*:*";
	int r;

	if (b->o.lib)
		pattern = arena_printf(b->a, "usdt:\"%s\":*", bcc_file_of(b, b->o.lib));
	else if (b->o.pid > 0)
		pattern = "usdt:*";
	r = awl_list(awl, pattern, usdt ? one_usdt : one_tracepoint, l);
	if (r < 0)
		bcc_fail(b, "%s", bcc_error_line(b->a, awl_error(awl)));
	awl_free(awl);
	return r;
}

static int nothing(struct bcc *b, const struct listing *l)
{
	const char *where = b->o.lib ? arena_printf(b->a, " in %s", b->o.lib)
			    : b->o.pid > 0
				    ? arena_printf(b->a, " in process %lld", (long long)b->o.pid)
				    : "";

	if (b->o.rest.n && nearest_found(&l->near))
		return bcc_fail(b, "nothing matches \"%s\"%s; did you mean %.*s?", b->o.rest.v[0],
				where, STR_ARG(l->near.best));
	if (b->o.rest.n)
		return bcc_fail(b, "nothing matches \"%s\"%s; without a filter all are listed",
				b->o.rest.v[0], where);
	return bcc_fail(b,
			b->o.lib || b->o.pid > 0 ? "there are no USDT probes%s"
						 : "there are no tracepoints%s",
			where);
}

static int run(struct bcc *b)
{
	struct listing l = {.b = b, .out = BUF_INIT};
	int r;

	if (b->o.rest.n > 1)
		return bcc_fail(b, "one filter is possible, got \"%s\" as well", b->o.rest.v[1]);
	if (b->o.show)
		return bcc_fail(b, "tplist runs no script: awl -l and awl -lv list the same");
	nearest_init(&l.near, str_of(b->o.rest.n ? b->o.rest.v[0] : ""));
	r = list(b, &l);
	if (r >= 0 && l.n == 0)
		r = nothing(b, &l);
	else if (r >= 0)
		r = fwrite(l.out.p, 1, l.out.n, stdout) == l.out.n && fflush(stdout) == 0
			    ? EXIT_OK
			    : EXIT_WRONG;
	buf_release(&l.out);
	return r < 0 ? EXIT_WRONG : r;
}

const struct command cmd_tplist = {
	.name = "tplist",
	.about = "Display kernel tracepoints or USDT probes and their formats.",
	.positional = "[filter]",
	.positional_help = "A filter that specifies which probes/tracepoints to print",
	.examples =
		"    tplist                        # all tracepoints\n"
		"    tplist -v 'sched:*'           # those of the scheduler, with their fields\n"
		"    tplist -l c                   # USDT probes of libc\n"
		"    tplist -p 185 '*gc*'          # of process 185\n"
		"    tplist -vv -l ./wl            # with places and arguments\n",
	.opts = options,
	.run = run,
};
