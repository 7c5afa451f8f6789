/* argdist: how values of functions and events are distributed, as counts (-C) or histograms (-H).
 *
 *   argdist -C 'p:./wl:work(void *p, char *s, long n):char*,long:s,n:n>600#work by arg'
 *              └ probe └ signature                   └ types    └ values └ filter └ label
 *
 *   [15:10:05]
 *   work by arg
 *           COUNT      EVENT
 *           4          s = odd, n = 900
 *
 * A specifier is a map of the script. $entry(x) and $latency of return probes are what the entry
 * probe kept for the thread. */
#include <string.h>
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "id of the process to trace (optional)"),
	O('t', "--tid", "TID", OPT_NUMBER, tid, "id of the thread to trace (optional)"),
	O('z', "--string-size", "STRING_SIZE", OPT_NUMBER, strsize,
	  "maximum string size to read from char* arguments"),
	O('i', "--interval", "INTERVAL", OPT_SECONDS, interval,
	  "output interval, in seconds (default 1 second)"),
	O('d', "--duration", "DURATION", OPT_SECONDS, duration,
	  "total duration of trace, in seconds"),
	O('n', "--number", "COUNT", OPT_NUMBER, count, "number of outputs"),
	O('v', "--verbose", NULL, OPT_FLAG, print_first, "print resulting awl script"),
	O('c', "--cumulative", NULL, OPT_FLAG, cumulative,
	  "do not clear histograms and freq counts at each interval"),
	O('T', "--top", "TOP", OPT_NUMBER, top,
	  "number of top results to show (not applicable to histograms)"),
	O('H', "--histogram", "SPECIFIER", OPT_SPECS, specs,
	  "probe specifier to capture histogram of (see examples below)"),
	O('C', "--count", "SPECIFIER", OPT_SPECS, specs,
	  "probe specifier to capture count of (see examples below)"),
	O('I', "--include", "HEADER", OPT_LIST, headers, "additional header files to include"),
	OPT_COMMON};

#define VALUES_MAX 8

struct dist {
	const char *text;
	bool is_hist, is_default;
	struct probe probe;
	struct cexpr expr;
	const char *label; /* NULL: the specifier */
	struct str types[VALUES_MAX], exprs[VALUES_MAX], filter;
	size_t ntypes, nexprs;
};

static bool wrong(struct bcc *b, const struct dist *d, const char *why)
{
	bcc_fail(b, "error parsing probe '%s': %s", d->text, why);
	return false;
}

/* ---- parsing ---- */

/* Behind '#', or as in older tutorials behind ';', which no expression has. */
static struct str cut_label(struct bcc *b, struct dist *d)
{
	struct str s = str_of(d->text), head = cexpr_cut(&s, '#');

	if (!s.p) {
		s = head;
		head = cexpr_cut(&s, ';');
	}
	if (s.p)
		d->label = arena_strndup(b->a, s.p, s.n);
	return head;
}

static size_t cut_list(struct str s, struct str *out)
{
	size_t n = 0;

	s = str_trim(s);
	while (s.n && n < VALUES_MAX)
		out[n++] = str_trim(cexpr_cut(&s, ','));
	return s.n ? VALUES_MAX + 1 : n;
}

/* "f(int a)", "ns::f(int)()", "main.(*T).f(s string)": the name, with what is of it, and the
 * signature. */
static bool cut_function(struct bcc *b, const char *front, struct str func, const char **probe,
			 struct str *sig)
{
	struct str rest = func, name = names_cut(&rest), text;
	bool ended = false;
	size_t end;

	*probe = arena_printf(b->a, "%s%.*s", front, STR_ARG(name));
	*sig = name.n && name.p[name.n - 1] == '"' ? STR("") : (struct str){0};
	rest = str_trim(rest);
	while (rest.n && !ended) {
		end = rest.p[0] == '(' ? cexpr_close(rest, 0) : rest.n;
		if (end == rest.n)
			return false;
		text = (struct str){rest.p + 1, end - 1};
		rest = str_trim((struct str){rest.p + end + 1, rest.n - end - 1});
		const char *whole = names_with_bracket(b, str_of(*probe), text);

		if (whole)
			*probe = whole;
		*sig = whole ? STR("") : text;
		ended = !whole;
	}
	return !rest.n;
}

static bool read_function(struct bcc *b, struct dist *d, const char *type, struct str lib,
			  struct str func)
{
	const char *front = arena_printf(b->a, "%s:%.*s:", type, STR_ARG(lib)), *probe;
	struct str sig;

	if (!cut_function(b, front, func, &probe, &sig))
		return wrong(b, d,
			     arena_printf(b->a, "function signature '%.*s' has an invalid format",
					  STR_ARG(func)));
	if (!sig.p && type[0] != 't' && type[0] != 'u')
		return wrong(b, d,
			     arena_printf(b->a,
					  "function signature '%.*s' has an invalid format: "
					  "write %.*s(), or %.*s(int a, char *b)",
					  STR_ARG(func), STR_ARG(func), STR_ARG(func)));
	if (!probe_read(b, probe, ALLOW_RETURN | ALLOW_EVENTS, &d->probe) ||
	    bcc_count_functions(b, d->text, &d->probe) < 0)
		return false;
	if (sig.n && !cexpr_signature(&d->expr, sig))
		return wrong(b, d, d->expr.error);
	return true;
}

static bool read_values(struct bcc *b, struct dist *d, struct str *rest)
{
	if (!rest->p) {
		d->is_default = true;
		if (d->is_hist && !d->probe.is_return)
			return wrong(b, d, "histograms must have expr");
		return true;
	}
	d->ntypes = cut_list(cexpr_cut(rest, ':'), d->types);
	if (!rest->p)
		return wrong(b, d, "behind the types the values are missing");
	d->nexprs = cut_list(cexpr_cut(rest, ':'), d->exprs);
	if (d->ntypes > VALUES_MAX || d->nexprs > VALUES_MAX)
		return wrong(b, d,
			     arena_printf(b->a, "at most %d values are possible", VALUES_MAX));
	if (d->ntypes != d->nexprs)
		return wrong(b, d,
			     arena_printf(b->a, "mismatched # of exprs (%zu) and types (%zu)",
					  d->nexprs, d->ntypes));
	if (d->nexprs == 0)
		return wrong(b, d, "behind the types the values are missing");
	if (d->is_hist && d->nexprs > 1)
		return wrong(b, d, "histograms can only have 1 expr");
	if (rest->p)
		d->filter = cexpr_cut(rest, ':');
	return !rest->p || wrong(b, d, "extraneous ':'-separated parts detected");
}

static bool read_dist(struct bcc *b, const char *text, struct dist *d)
{
	struct str rest, type, lib, func;

	*d = (struct dist){.text = text + 1, .is_hist = text[0] == 'H'};
	d->expr = (struct cexpr){.b = b, .probe = &d->probe};
	d->expr.map = arena_printf(b->a, "@entry%zu", b->ndists);
	rest = cut_label(b, d);
	type = str_trim(cexpr_cut(&rest, ':'));
	if (type.n != 1 || !strchr("prtu", type.p[0]))
		return wrong(b, d,
			     arena_printf(b->a,
					  "probe type must be 'p', 'r', 't', or 'u' but got "
					  "'%.*s'",
					  STR_ARG(type)));
	lib = rest.p ? cexpr_cut(&rest, ':') : (struct str){0};
	if (!rest.p)
		return wrong(b, d,
			     "at least the probe type, library, and function signature must be "
			     "specified");
	func = str_trim(cexpr_cut(&rest, ':'));
	if (!func.n)
		return wrong(b, d, "the name of the function is missing");
	return read_function(b, d, arena_strndup(b->a, type.p, type.n), lib, func) &&
	       read_values(b, d, &rest);
}

/* ---- the script ---- */

/* char*, and Go's string. */
static bool is_text(struct str type)
{
	if (str_is(type, "string"))
		return true;
	return type.n && type.p[type.n - 1] == '*' && memmem(type.p, type.n, "char", 4);
}

static bool is_unsigned(const char *type)
{
	return strchr(type, '*') || type[0] == 'u' || strcmp(type, "size_t") == 0 ||
	       strncmp(type, "__u", 3) == 0;
}

/* One value as it is kept: its declared type decides. */
static const char *value_of(struct bcc *b, struct dist *d, size_t i)
{
	const char *text, *type;

	if (d->is_default)
		return d->probe.syscall ? "(int32)args.ret"
		       : d->probe.go    ? "retval" /* whatever its type is */
					: "(int32)retval";
	text = cexpr_translate(&d->expr, d->exprs[i]);
	if (!text || is_text(d->types[i]))
		return text ? cexpr_text(&d->expr, text) : NULL;
	type = cexpr_type(b->a, d->types[i]);
	return arena_printf(b->a, "(%s)(%s)", strchr(type, '*') ? "uint64" : type, text);
}

static bool add_key(struct bcc *b, struct dist *d, struct buf *out)
{
	size_t n = d->is_default ? d->probe.is_return : d->nexprs;

	for (size_t i = 0; i < n; i++) {
		const char *v = value_of(b, d, i);

		if (!v)
			return wrong(b, d, d->expr.error);
		buf_printf(out, "%s%s", i ? ", " : "", v);
	}
	return true;
}

static bool add_condition(struct bcc *b, struct dist *d, struct buf *out)
{
	const char *text = d->filter.n ? cexpr_translate(&d->expr, d->filter) : NULL;

	if (d->filter.n && !text)
		return wrong(b, d, d->expr.error);
	if (text)
		buf_printf(out, "\tif (!(%s)) { return; }\n", text);
	return true;
}

static bool add_dist(struct bcc *b, struct dist *d, size_t i)
{
	struct buf key = BUF_INIT, when = BUF_INIT;
	bool ok = add_key(b, d, &key) && add_condition(b, d, &when);

	script_entry(b, &d->expr);
	buf_adds(&b->script, d->probe.place);
	script_filter(b, false);
	buf_adds(&b->script, "\n{\n");
	script_entry_found(b, &d->expr);
	buf_addstr(&b->script, (struct str){when.p, when.n});
	if (d->is_hist)
		buf_printf(&b->script, "\t@dist%zu = hist(%s);\n", i, buf_cstr(&key));
	else if (key.n)
		buf_printf(&b->script, "\t@dist%zu[%s] = count();\n", i, buf_cstr(&key));
	else
		buf_printf(&b->script, "\t@dist%zu = count();\n", i);
	buf_adds(&b->script, "}\n");
	buf_release(&key);
	buf_release(&when);
	return ok;
}

/* ---- reports ---- */

static void add_text(struct buf *out, const char *text)
{
	script_text(out, text, true);
}

static void add_event_format(struct bcc *b, const struct dist *d, struct buf *out)
{
	if (d->is_default) {
		buf_adds(out, !d->probe.is_return ? "total calls"
			      : d->probe.go       ? "retval = %s"
						  : "retval = %d");
		return;
	}
	for (size_t i = 0; i < d->nexprs; i++) {
		const char *type = cexpr_type(b->a, d->types[i]);

		buf_adds(out, i ? ", " : "");
		add_text(out, arena_strndup(b->a, d->exprs[i].p, d->exprs[i].n));
		buf_printf(out, " = %%%s",
			   is_text(d->types[i]) ? "s"
			   : is_unsigned(type)  ? "u"
						: "d");
	}
}

static void report_counts(struct bcc *b, const struct dist *d, size_t i)
{
	struct buf *out = &b->script;
	size_t keys = d->is_default ? d->probe.is_return : d->nexprs;

	buf_adds(out, "\tprintf(\"");
	add_text(out, d->label ? d->label : d->text);
	buf_printf(out, "\\n\\t%%-10s %%s\\n\", \"COUNT\", \"EVENT\");\n\tprint(@dist%zu, ", i);
	if (b->o.top >= 0)
		buf_printf(out, "top=%lld, ", (long long)b->o.top);
	buf_adds(out, "format=\"\\t%-10d ");
	add_event_format(b, d, out);
	buf_adds(out, "\\n\", columns=(value,");
	for (size_t k = 0; k < keys; k++)
		buf_printf(out, keys == 1 ? " key" : " key[%zu],", k);
	if (keys > 1 && out->p[out->n - 1] == ',')
		out->n--;
	buf_adds(out, "));\n");
}

static void report_hist(struct bcc *b, const struct dist *d, size_t i)
{
	struct buf *out = &b->script;

	buf_printf(out, "\tprint(@dist%zu, unit=\"", i);
	if (d->label)
		script_text(out, d->label, false);
	else if (d->is_default)
		buf_adds(out, "retval");
	else
		script_text(out, arena_strndup(b->a, d->exprs[0].p, d->exprs[0].n), false);
	buf_adds(out, "\");\n");
}

static void report(struct bcc *b)
{
	buf_adds(&b->script, "\ttime(\"[%H:%M:%S]\\n\");\n");
	for (size_t i = 0; i < b->ndists; i++) {
		if (b->dists[i].is_hist)
			report_hist(b, &b->dists[i], i);
		else
			report_counts(b, &b->dists[i], i);
		if (!b->o.cumulative)
			buf_printf(&b->script, "\tclear(@dist%zu);\n", i);
	}
}

static bool generate(struct bcc *b)
{
	bool ok = true;

	script_includes(b);
	script_config(b, "");
	for (size_t i = 0; i < b->ndists && ok; i++)
		ok = add_dist(b, &b->dists[i], i);
	script_reports(b, report, "");
	return ok;
}

static int check_options(struct bcc *b)
{
	if (!b->o.specs.n)
		return bcc_fail(b, "at least one specifier is required: -C or -H");
	if (b->o.rest.n)
		return bcc_fail(b, "unrecognized argument \"%s\": specifiers stand behind -C or -H",
				b->o.rest.v[0]);
	if (b->o.pid >= 0 && b->o.tid >= 0)
		return bcc_fail(b, "only one of -p and -t may be specified");
	if (!script_headers_exist(b))
		return EXIT_WRONG;
	if (b->o.strsize == 0)
		return bcc_fail(b, "argument -z/--string-size: at least one byte");
	if (b->o.count == 0 || b->o.top == 0)
		return bcc_fail(b, "argument %s: at least 1",
				b->o.count == 0 ? "-n/--number" : "-T/--top");
	return EXIT_OK;
}

static int run(struct bcc *b)
{
	int r = check_options(b);

	if (r)
		return r;
	if (b->o.interval < 0)
		b->o.interval = (int64_t)NS_PER_SEC;
	if (b->o.count > 0 && (b->o.duration < 0 || b->o.duration / b->o.interval >= b->o.count))
		b->o.duration = b->o.count * b->o.interval;
	b->dists = arena_array_of(b->a, struct dist, b->o.specs.n);
	for (b->ndists = 0; b->ndists < b->o.specs.n; b->ndists++)
		if (!read_dist(b, b->o.specs.v[b->ndists], &b->dists[b->ndists]))
			return EXIT_WRONG;
	return generate(b) ? bcc_run(b, b->dists[0].text) : EXIT_WRONG;
}

const struct command cmd_argdist = {
	.name = "argdist",
	.about = "Trace a function and display a summary of its parameter values.",
	.positional = "",
	.examples =
		"Probe specifier syntax:\n"
		"        "
		"{p,r,t,u}:{[library],category}:function(signature)[:type[,type...]:expr[,expr...]"
		"[:filter]][#label]\n\n"
		"    argdist -H 'p::__kmalloc(u64 size):u64:size'\n"
		"        Print a histogram of allocation sizes passed to kmalloc\n"
		"    argdist -p 1005 -C 'p:c:malloc(size_t size):size_t:size:size==16'\n"
		"        Print a frequency count of how many times process 1005 called malloc\n"
		"        with an allocation size of 16 bytes\n"
		"    argdist -C 'r:c:gets():char*:(char*)$retval#snooped strings'\n"
		"        Snoop on all strings returned by gets()\n"
		"    argdist -H 'r::__kmalloc(size_t size):u64:$latency/$entry(size)#ns per byte'\n"
		"        Print a histogram of nanoseconds per byte from kmalloc allocations\n"
		"    argdist -C 'p:c:write(int fd):int:fd' -T 5\n"
		"        Print frequency counts of how many times writes were issued to a\n"
		"        particular file descriptor number, the top 5 busiest fds\n"
		"    argdist -C 't:irq:irq_handler_entry():int:args->irq'\n"
		"        Aggregate interrupts by interrupt request (IRQ)\n"
		"    argdist -C 'u:pthread:pthread_start():u64:arg2' -p 1337\n"
		"        Print frequency of function addresses used as a pthread start function\n"
		"    argdist -H 'p:c:sleep(u32 seconds):u32:seconds' -H 'p:c:nanosleep(struct "
		"timespec "
		"*req):long:req->tv_nsec'\n"
		"        Print histograms of sleep() and nanosleep() parameter values\n",
	.opts = options,
	.table = true,
	.run = run,
};
