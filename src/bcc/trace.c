/* trace: a line for each event, with values of its arguments.
 *
 *   trace './wl:work (STRCMP("odd", arg2)) "n=%ld s=%s", arg1, arg2'
 *          └ probe   └ predicate            └ format      └ values
 *
 *   PID     TID     COMM            FUNC             -
 *   10300   10300   wl              work             n=2700 s=odd
 *
 * A probe may carry the function's signature, behind which its parameters have names and types:
 *
 *   trace './wl:work(struct point *p, char *s) "x=%d", p->x' -I ./pt.h
 *
 * Each probe of the command line is a probe of the script, each line one printf: events of other
 * CPUs do not come between its parts. */
#include <ctype.h>
#include <string.h>
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('b', "--buffer-pages", "BUFFER_PAGES", OPT_NUMBER, pages,
	  "number of pages of the ring buffer for each CPU, a power of two "
	  "(default: 64)"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "id of the process to trace (optional)"),
	O('L', "--tid", "TID", OPT_NUMBER, tid, "id of the thread to trace (optional)"),
	O(0, "--uid", "UID", OPT_NUMBER, uid, "id of the user to trace (optional)"),
	O('v', "--verbose", NULL, OPT_FLAG, print_first, "print the awl script before executing"),
	O('Z', "--string-size", "STRING_SIZE", OPT_NUMBER, strsize,
	  "maximum size to read from strings"),
	O('S', "--include-self", NULL, OPT_FLAG, self,
	  "do not filter trace's own pid from the trace"),
	O('M', "--max-events", "MAX_EVENTS", OPT_NUMBER, max,
	  "number of events to print before quitting"),
	O('t', "--timestamp", NULL, OPT_FLAG, timestamp,
	  "print timestamp column (offset from trace start)"),
	O('u', "--unix-timestamp", NULL, OPT_FLAG, unix_time,
	  "print UNIX timestamp instead of offset from trace start; requires -t"),
	O('T', "--time", NULL, OPT_FLAG, time, "print time column"),
	O('C', "--print_cpu", NULL, OPT_FLAG, print_cpu, "print CPU id"),
	O('c', "--cgroup-path", "CGROUP_PATH", OPT_TEXT, cgroup,
	  "cgroup path (v2): processes of that group"),
	O('n', "--name", "NAME", OPT_TEXT, comm, "only print process names containing this name"),
	O('f', "--msg-filter", "MSG_FILTER", OPT_TEXT, filter,
	  "only print the msg of event containing this string"),
	O('B', "--bin_cmp", NULL, OPT_FLAG, binary, "allow to use STRCMP with binary values"),
	O('s', "--sym_file_list", "SYM_FILE_LIST", OPT_TEXT, symbols,
	  "accepted; symbols are found without"),
	O('K', "--kernel-stack", NULL, OPT_FLAG, kernel, "output kernel stack trace"),
	O('U', "--user-stack", NULL, OPT_FLAG, user, "output user stack trace"),
	O('a', "--address", NULL, OPT_FLAG, addresses, "print virtual address in stacks"),
	O('I', "--include", "header", OPT_LIST, headers, "additional header files to include"),
	O('A', "--aggregate", NULL, OPT_FLAG, aggregate,
	  "aggregate amount of each trace; requires -M"),
	O(0, "--ebpf", NULL, OPT_FLAG, show, "print the awl script and exit"),
	OPT_COMMON};

enum { PAGES_MOST = 1 << 18 }; /* 1 GiB for each CPU */

/* ---- one probe of the command line ---- */

struct spec {
	const char *text;
	struct probe probe;
	struct cexpr expr;
	struct str predicate, format;
	const char *condition; /* the predicate in awl's language */
	bool has_format;
	struct str args;
	struct buf fmt;    /* as awl has it */
	struct buf values; /* ", value" for each conversion */
};

static bool wrong(struct bcc *b, const struct spec *s, const char *why)
{
	bcc_fail(b, "error in probe '%s': %s", s->text, why);
	return false;
}

static bool cut_bracket(struct str *rest, struct str *out)
{
	size_t end = cexpr_close(*rest, 0);

	if (end == rest->n)
		return false;
	*out = (struct str){rest->p + 1, end - 1};
	*rest = str_trim((struct str){rest->p + end + 1, rest->n - end - 1});
	return true;
}

/* With the bracket behind it where that is of the name. */
static const char *cut_probe(struct bcc *b, struct str *rest)
{
	struct str probe = names_cut(rest);
	size_t end = rest->n && rest->p[0] == '(' ? cexpr_close(*rest, 0) : rest->n;
	const char *whole = NULL;

	if (end < rest->n)
		whole = names_with_bracket(b, probe, (struct str){rest->p + 1, end - 1});
	if (whole)
		*rest = (struct str){rest->p + end + 1, rest->n - end - 1};
	return whole ? whole : arena_strndup(b->a, probe.p, probe.n);
}

static bool read_signature(struct bcc *b, struct spec *s, struct str *rest)
{
	struct str text;

	if (!rest->n || rest->p[0] != '(')
		return true;
	if ((s->probe.kind == PROBE_TRACEPOINT && !s->probe.syscall) || s->probe.kind == PROBE_USDT)
		return wrong(b, s,
			     "USDT and tracepoint probes can't have a function signature; use "
			     "arg1, arg2, ... instead");
	if (!cut_bracket(rest, &text))
		return wrong(b, s, "unmatched end of the signature");
	return cexpr_signature(&s->expr, text) || wrong(b, s, s->expr.error);
}

static bool read_format(struct bcc *b, struct spec *s, struct str rest)
{
	size_t end = 1;

	if (!rest.n)
		return true;
	if (rest.p[0] != '"')
		return wrong(
			b, s,
			arena_printf(b->a, "expected format string in \"%.*s\"", STR_ARG(rest)));
	while (end < rest.n && rest.p[end] != '"')
		end += rest.p[end] == '\\' ? 2 : 1;
	if (end >= rest.n)
		return wrong(b, s,
			     arena_printf(b->a, "expected format string in %.*s", STR_ARG(rest)));
	s->has_format = true;
	s->format = (struct str){rest.p + 1, end - 1};
	rest = str_trim((struct str){rest.p + end + 1, rest.n - end - 1});
	if (rest.n && rest.p[0] != ',')
		return wrong(b, s,
			     arena_printf(b->a,
					  "behind the format a comma and the values are expected, "
					  "not \"%.*s\"",
					  STR_ARG(rest)));
	if (rest.n)
		s->args = (struct str){rest.p + 1, rest.n - 1};
	if (rest.n && !str_trim(s->args).n)
		return wrong(b, s, "a value is missing behind the comma");
	return true;
}

/* ---- formats ---- */

struct conversion {
	struct str flags; /* with width and precision */
	char spec;
	unsigned longs;
	bool half;
};

/* The kernel's spellings behind %p, whose values are addresses there. */
static char pointer_spec(struct str rest, size_t *n)
{
	static const struct {
		const char *text;
		char spec;
	} known[] = {{"I4", 'I'}, {"I6", 'I'}, {"M", 'M'}, {"e", 'E'}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_starts(rest, str_of(known[i].text))) {
			*n = strlen(known[i].text);
			return known[i].spec;
		}
	return 0;
}

/* &x->addr and x->addr are the same address for %pI4. */
static const char *without_address(const char *value)
{
	while (*value == ' ')
		value++;
	return value[0] == '&' && value[1] != '&' ? value + 1 : value;
}

/* What a conversion makes of its value: bcc's fields have the C type of the conversion. */
static const char *convert(struct spec *s, struct bcc *b, const struct conversion *c,
			   const char *value)
{
	bool is_signed = c->spec == 'd' || c->spec == 'i';

	switch (c->spec) {
	case 's':
		return cexpr_text(&s->expr, value);
	case 'K':
		return arena_printf(b->a, "ksym(%s)", value);
	case 'U':
		return arena_printf(b->a, "usym(%s)", value);
	case 'I':
		return arena_printf(b->a, "ntop(%s)", without_address(value));
	case 'M':
		return arena_printf(b->a, "macaddr(%s)", without_address(value));
	case 'E':
		return arena_printf(b->a, "strerror((%s) < 0 ? -(%s) : (%s))", value, value, value);
	case 'v':
		return value;
	case 'c':
		return arena_printf(b->a, "(uint8)(%s)", value);
	case 'p':
		return arena_printf(b->a, "(uint64)(%s)", value);
	default:
		return arena_printf(b->a, "(%sint%d)(%s)", is_signed ? "" : "u",
				    c->longs  ? 64
				    : c->half ? 16
					      : 32,
				    value);
	}
}

/* From behind the % on; the end of the conversion, or 0 when it is none. */
static size_t read_conversion(struct str f, size_t i, struct conversion *c)
{
	size_t from = i, n;

	*c = (struct conversion){0};
	while (i < f.n && strchr("-+ #0123456789.", f.p[i]))
		i++;
	c->flags = (struct str){f.p + from, i - from};
	for (; i < f.n && strchr("lhzjt", f.p[i]); i++) {
		c->longs += f.p[i] != 'h';
		c->half |= f.p[i] == 'h';
	}
	if (i == f.n || !strchr("sdiuxXocpvKUIME", f.p[i]))
		return 0;
	c->spec = f.p[i++];
	if (c->spec == 'p') {
		char kernel = pointer_spec((struct str){f.p + i, f.n - i}, &n);

		c->spec = kernel ? kernel : 'p';
		i += kernel ? n : 0;
	}
	return i;
}

static bool next_value(struct bcc *b, struct spec *s, struct str *args, const char **out)
{
	struct str one;

	if (!args->n)
		return wrong(b, s,
			     arena_printf(b->a,
					  "the format \"%.*s\" has more conversions than values",
					  STR_ARG(s->format)));
	one = str_trim(cexpr_cut(args, ','));
	if (!one.n)
		return wrong(b, s, "a value between two commas is empty");
	*out = cexpr_translate(&s->expr, one);
	return *out || wrong(b, s, s->expr.error);
}

/* From behind the % on; the end of the conversion, or 0 (and that was said). */
static size_t add_conversion(struct bcc *b, struct spec *s, size_t i, struct str *args)
{
	struct str f = s->format;
	struct conversion c;
	size_t end = read_conversion(f, i, &c);
	const char *value;

	if (!end) {
		i += c.flags.n;
		wrong(b, s,
		      arena_printf(b->a,
				   "the format has an unknown conversion %%%.*s%.*s; there are %%s "
				   "%%d %%u %%x %%o %%c %%p %%v %%K %%U %%I %%M %%E with flags, "
				   "width and l, h",
				   STR_ARG(c.flags), (int)MIN((size_t)1, f.n - i), f.p + i));
		return 0;
	}
	s->expr.all_results = c.spec == 'v';
	if (!next_value(b, s, args, &value))
		return 0;
	buf_addc(&s->fmt, '%');
	buf_addstr(&s->fmt, c.flags);
	buf_addc(&s->fmt, strchr("KUIME", c.spec) ? 's' : c.spec);
	buf_printf(&s->values, ", %s", convert(s, b, &c, value));
	return end;
}

static bool read_message(struct bcc *b, struct spec *s)
{
	struct str f = s->format, args = s->args;

	for (size_t i = 0; i < f.n;) {
		if (f.p[i] != '%') {
			buf_addc(&s->fmt, f.p[i++]);
		} else if (i + 1 < f.n && f.p[i + 1] == '%') {
			buf_adds(&s->fmt, "%%");
			i += 2;
		} else {
			i = add_conversion(b, s, i + 1, &args);
			if (!i)
				return false;
		}
	}
	if (args.n && str_trim(args).n)
		return wrong(b, s,
			     arena_printf(b->a, "the format has no conversion for \"%.*s\"",
					  STR_ARG(str_trim(args))));
	return true;
}

static bool read_predicate(struct bcc *b, struct spec *s)
{
	if (!s->predicate.p)
		return true;
	if (!str_trim(s->predicate).n)
		return wrong(b, s, "the predicate is empty");
	s->condition = cexpr_translate(&s->expr, s->predicate);
	return s->condition || wrong(b, s, s->expr.error);
}

static bool read_spec(struct bcc *b, const char *text, size_t index, struct spec *s)
{
	struct str rest = str_trim(str_of(text));

	*s = (struct spec){.text = text, .fmt = BUF_INIT, .values = BUF_INIT};
	s->expr = (struct cexpr){
		.b = b, .probe = &s->probe, .map = arena_printf(b->a, "@entry%zu", index)};
	if (!probe_read(b, cut_probe(b, &rest), ALLOW_RETURN | ALLOW_OFFSET | ALLOW_EVENTS,
			&s->probe) ||
	    bcc_count_functions(b, text, &s->probe) < 0)
		return false;
	if (!read_signature(b, s, &rest))
		return false;
	rest = str_trim(rest);
	if (rest.n && rest.p[0] == '(' && !cut_bracket(&rest, &s->predicate))
		return wrong(b, s, "unmatched end of predicate");
	return read_predicate(b, s) && read_format(b, s, rest) && read_message(b, s);
}

/* ---- the script ---- */

static void add_header(struct bcc *b, bool any_format, bool go)
{
	struct buf *out = &b->script;

	buf_adds(out, "begin\n{\n");
	if (!b->o.self && b->o.pid < 0 && b->o.tid < 0)
		buf_adds(out, "\t@self = pid;\n");
	if (go && b->o.timestamp) /* in goret probes, `elapsed` is the call's */
		buf_adds(out, "\t@began = nsecs;\n");
	buf_adds(out, b->o.filter ? "\tprint(\"" : "\tprintf(\"");
	if (b->o.timestamp || b->o.time)
		buf_printf(out, b->o.unix_time ? "%-17s " : "%-8s ", "TIME");
	if (b->o.print_cpu)
		buf_adds(out, "CPU ");
	buf_printf(out, "%-7s %-7s %-15s %-16s %s%s\");\n}\n", "PID", "TID", "COMM", "FUNC",
		   any_format ? "-" : "", b->o.filter ? "" : "\\n");
}

/* The columns in front: their format and values. */
static void add_columns(struct bcc *b, const struct spec *s, struct buf *fmt, struct buf *values)
{
	if (b->o.time) {
		buf_adds(fmt, "%-8s ");
		buf_adds(values, ", strftime(\"%H:%M:%S\", nsecs)");
	} else if (b->o.timestamp && b->o.unix_time) {
		buf_adds(fmt, "%-17s ");
		buf_adds(values, ", strftime(\"%s.%f\", nsecs)");
	} else if (b->o.timestamp) {
		buf_adds(fmt, "%-8.8s ");
		buf_adds(values, s->probe.go ? ", seconds(nsecs - @began)" : ", seconds(elapsed)");
	}
	if (b->o.print_cpu) {
		buf_adds(fmt, "%-3d ");
		buf_adds(values, ", cpu");
	}
	buf_adds(fmt, "%-7d %-7d %-15s %-16s ");
	buf_adds(values, ", pid, tid, comm");
	if (s->probe.many || s->probe.kind == PROBE_OTHER) {
		buf_adds(values, ", probename");
		return;
	}
	buf_adds(values, ", \"");
	script_text(values, s->probe.func, false);
	buf_adds(values, "\"");
}

static void add_stacks(struct bcc *b, struct buf *fmt, struct buf *values)
{
	buf_adds(fmt, "\\n");
	buf_adds(fmt, b->o.kernel ? "%s" : "");
	buf_adds(values, b->o.kernel ? ", kstack" : "");
	buf_adds(fmt, b->o.user ? "%s" : "");
	buf_adds(values, b->o.user ? ", ustack" : "");
	buf_adds(fmt, (b->o.kernel || b->o.user) && !b->o.aggregate ? "\\n" : "");
}

/* With -A the values are a key, and the lines are written at the end. */
static void add_event(struct bcc *b, const struct spec *s, size_t index, const char *fmt,
		      const char *values)
{
	struct buf *out = &b->script;

	if (b->o.aggregate)
		buf_printf(out, "\t@lines%zu[%s] = count();\n", index, values + 2);
	else
		buf_printf(out, "\tprintf(\"%s\"%s);\n", fmt, values);
}

/* With -f only those count that are printed, and what is printed is known when it is text. */
static bool counts_in_kernel(const struct bcc *b)
{
	return b->o.max >= 0 && !b->o.filter;
}

static void add_limit_front(struct bcc *b)
{
	if (counts_in_kernel(b))
		buf_printf(&b->script, "\t$n = @events++;\n\tif ($n >= %lld) { return; }\n",
			   (long long)b->o.max);
}

static void add_limit_end(struct bcc *b)
{
	if (counts_in_kernel(b))
		buf_printf(&b->script, "\tif ($n == %lld) { exit(); }\n", (long long)b->o.max - 1);
}

static void add_probe(struct bcc *b, struct spec *s, size_t index)
{
	struct buf fmt = BUF_INIT, values = BUF_INIT;

	script_entry(b, &s->expr);
	buf_adds(&b->script, s->probe.place);
	script_filter(b, !b->o.self);
	buf_adds(&b->script, "\n{\n");
	script_entry_found(b, &s->expr);
	if (s->condition)
		buf_printf(&b->script, "\tif (!(%s)) { return; }\n", s->condition);
	add_limit_front(b);
	add_columns(b, s, &fmt, &values);
	buf_adds(&fmt, b->o.filter ? "\\x1f" : "");
	buf_addstr(&fmt, (struct str){s->fmt.p, s->fmt.n});
	buf_addstr(&values, (struct str){s->values.p, s->values.n});
	add_stacks(b, &fmt, &values);
	add_event(b, s, index, buf_cstr(&fmt), buf_cstr(&values));
	add_limit_end(b);
	buf_adds(&b->script, "}\n");
	if (b->o.aggregate) { /* kept for the end */
		buf_reset(&s->fmt);
		buf_addstr(&s->fmt, (struct str){fmt.p, fmt.n});
	}
	buf_release(&fmt);
	buf_release(&values);
}

static void add_aggregates(struct bcc *b, struct spec *specs, size_t n)
{
	buf_adds(&b->script, "end\n{\n");
	for (size_t i = 0; i < n; i++)
		buf_printf(&b->script, "\tprint(@lines%zu, format=\"%s-->COUNT %%d\\n\\n\");\n", i,
			   buf_cstr(&specs[i].fmt));
	buf_adds(&b->script, "}\n");
}

static void add_config(struct bcc *b)
{
	struct buf more = BUF_INIT;

	buf_adds(&more, b->o.addresses ? "stack_frame = \"        %16a %n%o%m\\n\"; "
				       : "stack_frame = \"        %n%o%m\\n\"; ");
	if (b->o.filter) {
		buf_adds(&more, "printf_filter = \"");
		script_text(&more, b->o.filter, false);
		buf_printf(&more, "\"; printf_limit = %lld; ", (long long)MAX(b->o.max, 0));
	}
	script_config(b, buf_cstr(&more));
	buf_release(&more);
}

static void generate(struct bcc *b, struct spec *specs, size_t n)
{
	bool any_format = false, any_go = false;

	for (size_t i = 0; i < n; i++) {
		any_format |= specs[i].has_format;
		any_go |= specs[i].probe.go;
	}
	script_includes(b);
	add_config(b);
	add_header(b, any_format, any_go);
	for (size_t i = 0; i < n; i++)
		add_probe(b, &specs[i], i);
	if (b->o.aggregate)
		add_aggregates(b, specs, n);
}

/* ---- */

static int check_options(struct bcc *b)
{
	int64_t pages = b->o.pages;

	if (!b->o.rest.n)
		return bcc_fail(b, "the following arguments are required: probe");
	if (b->o.pid >= 0 && b->o.tid >= 0)
		return bcc_fail(b, "only one of -p and -L may be specified");
	if (b->o.aggregate && b->o.max < 0)
		return bcc_fail(b, "-M/--max-events should be specified with -A/--aggregate");
	if (pages == 0 || (pages > 0 && (pages & (pages - 1))))
		return bcc_fail(b, "argument -b/--buffer-pages: %lld is not a power of two",
				(long long)pages);
	if (pages > PAGES_MOST)
		return bcc_fail(b, "argument -b/--buffer-pages: at most %d pages", PAGES_MOST);
	if (b->o.unix_time && !b->o.timestamp)
		return bcc_fail(b, "-u/--unix-timestamp requires -t/--timestamp");
	if (b->o.aggregate && b->o.filter)
		return bcc_fail(b,
				"-f/--msg-filter is for lines, -A/--aggregate prints none: use a "
				"predicate");
	if (b->o.max == 0)
		return bcc_fail(b, "argument -M/--max-events: at least one event");
	if (!script_headers_exist(b))
		return EXIT_WRONG;
	if (b->o.strsize == 0)
		return bcc_fail(b, "argument -Z/--string-size: at least one byte");
	return EXIT_OK;
}

static int run(struct bcc *b)
{
	struct spec *specs;
	bool ok = true;
	int r = check_options(b);

	if (r)
		return r;
	specs = arena_array_of(b->a, struct spec, b->o.rest.n);
	for (size_t i = 0; i < b->o.rest.n && ok; i++)
		ok = read_spec(b, b->o.rest.v[i], i, &specs[i]);
	if (ok)
		generate(b, specs, b->o.rest.n);
	for (size_t i = 0; i < b->o.rest.n; i++) {
		buf_release(&specs[i].fmt);
		buf_release(&specs[i].values);
	}
	return ok ? bcc_run(b, b->o.rest.v[0]) : EXIT_WRONG;
}

const struct command cmd_trace = {
	.name = "trace",
	.about = "Attach to functions and print trace messages.",
	.positional = "probe [probe ...]",
	.positional_help = "probe specifier (see examples)",
	.examples =
		"    trace do_sys_open\n"
		"        Trace the open syscall and print a default trace message when entered\n"
		"    trace 'do_sys_open \"%s\", arg2@user'\n"
		"        Trace the open syscall and print the filename being opened\n"
		"    trace 'sys_read (arg3 > 20000) \"read %d bytes\", arg3'\n"
		"        Trace the read syscall and print a message for reads >20000 bytes\n"
		"    trace 'r::do_sys_open \"%llx\", retval'\n"
		"        Trace the return from the open syscall and print the return value\n"
		"    trace 'c:open (arg2 == 42) \"%s %d\", arg1, arg2'\n"
		"        Trace the open() call from libc only if the flags (arg2) argument is 42\n"
		"    trace 'c:malloc \"size = %d\", arg1'\n"
		"        Trace malloc calls and print the size being allocated\n"
		"    trace 'p:c:write (arg1 == 1) \"writing %d bytes to STDOUT\", arg3'\n"
		"        Trace the write() call from libc to monitor writes to STDOUT\n"
		"    trace 'r:c:malloc (retval) \"allocated = %x\", retval'\n"
		"        Trace returns from malloc and print non-NULL allocated buffers\n"
		"    trace 't:block:block_rq_complete \"sectors=%d\", args->nr_sector'\n"
		"        Trace the block_rq_complete tracepoint and print # of tx sectors\n"
		"    trace 'u:pthread:pthread_create (arg4 != 0)'\n"
		"        Trace the USDT probe pthread_create when its 4th argument is non-zero\n"
		"    trace -I 'linux/fs.h' 'p::uprobe_register(struct inode *inode) \"%d\", "
		"inode->i_ino'\n"
		"        Parameters by name and type\n"
		"    trace 'r:./server:main.load \"%s of %s\", retval, $entry(name)'\n"
		"        Returns of a Go function, with an argument\n"
		"    trace 'syscall:openat \"%s\", args->filename'\n"
		"        A system call by its name\n",
	.opts = options,
	.run = run,
};
