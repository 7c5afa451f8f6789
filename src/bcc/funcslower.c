/* funcslower: calls that take longer than a threshold, one line each.
 *
 *   COMM           PID    LAT(ms)             RVAL FUNC ARGS
 *   wl             15405     2.28                6 ./wl:work 0x7ffd9e7158f0 0x55c915fd6004
 *
 * The entry is kept by thread and stack pointer, so that functions which call one another do not
 * overwrite each other's. */
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "trace this PID only"),
	O('m', "--min-ms", "MIN_MS", OPT_MSECS, msec, "minimum duration to trace (ms)"),
	O('u', "--min-us", "MIN_US", OPT_USECS, usec, "minimum duration to trace (us)"),
	O('a', "--arguments", "ARGUMENTS", OPT_NUMBER, nargs,
	  "print this many entry arguments, as hex"),
	O('T', "--time", NULL, OPT_FLAG, time, "show HH:MM:SS timestamp"),
	O('t', "--timestamp", NULL, OPT_FLAG, timestamp,
	  "show timestamp in seconds at us resolution"),
	O('v', "--verbose", NULL, OPT_FLAG, print_first,
	  "print the awl script for debugging purposes"),
	O('f', "--folded", NULL, OPT_FLAG, folded,
	  "output folded format, one line per stack (for flame graphs)"),
	O('U', "--user-stack", NULL, OPT_FLAG, user, "output user stack trace"),
	O('K', "--kernel-stack", NULL, OPT_FLAG, kernel, "output kernel stack trace"),
	OPT_COMMON};

#define ARGS_MAX 6

static int64_t threshold(const struct bcc *b)
{
	return b->o.msec >= 0 ? b->o.msec : b->o.usec >= 0 ? b->o.usec : 1000000;
}

static void add_header(struct bcc *b)
{
	struct buf *out = &b->script;
	bool us = b->o.usec >= 0;
	double t = (double)threshold(b) / (us ? 1e3 : 1e6);

	buf_printf(out,
		   "begin\n{\n\tprintf(\"Tracing function calls slower than %g %s... Ctrl+C to "
		   "quit.\\n\");\n",
		   t, us ? "us" : "ms");
	if (b->o.timestamp) /* in goret probes, `elapsed` is the call's */
		buf_adds(out, "\t@began = nsecs;\n");
	if (!b->o.folded) {
		buf_adds(out, "\tprintf(\"");
		if (b->o.time || b->o.timestamp)
			buf_printf(out, "%-10s ", "TIME");
		buf_printf(out, "%-14s %-6s %7s %16s %s%s\\n\");\n", "COMM", "PID",
			   us ? "LAT(us)" : "LAT(ms)", "RVAL", "FUNC",
			   b->o.nargs > 0 ? " ARGS" : "");
	}
	buf_adds(out, "}\n");
}

/* Of Go functions goret knows when the call was; the words of its arguments are kept here. */
static bool is_kept(const struct bcc *b, const struct probe *p)
{
	return !p->go || b->o.nargs > 0;
}

/* Kernel functions by thread and depth of traced calls, see funclatency.c. */
static void add_entry(struct bcc *b, const struct probe *p, size_t i)
{
	struct buf *out = &b->script;
	const char *key = p->go                   ? GO_KEY
			  : p->kind == PROBE_USER ? "tid, " SP_AT_ENTRY
						  : "tid, (uint64)$d";

	if (!is_kept(b, p))
		return;
	buf_adds(out, p->entry);
	script_filter(b, false);
	buf_adds(out, "\n{\n");
	if (p->kind == PROBE_KERNEL)
		buf_adds(out, "\t$d = @depth[tid];\n\t@depth[tid] = $d + 1;\n");
	buf_printf(out, "\t@start[%s] = (nsecs", key);
	for (int64_t k = 0; k < ARGS_MAX; k++)
		buf_printf(out, k < b->o.nargs ? ", (uint64)arg%lld" : ", (uint64)0", (long long)k);
	buf_adds(out, ");\n}\n");
}

/* Columns of a line in front of the stacks. */
static void add_columns(struct bcc *b, const struct probe *p, const char *func, struct buf *fmt,
			struct buf *values)
{
	bool us = b->o.usec >= 0;
	const char *rval = p->go && gosig_on_stack(b, p->lib, NULL) ? "0" : RETVAL_REG;

	if (b->o.time) {
		buf_adds(fmt, "%-10s ");
		buf_adds(values, ", strftime(\"%H:%M:%S\", nsecs)");
	} else if (b->o.timestamp) {
		buf_adds(fmt, "%-10s ");
		buf_adds(values, ", seconds(nsecs - @began)");
	}
	buf_adds(fmt, "%-14.14s %-6d %4d.%02d %16x ");
	buf_printf(values, ", comm, pid, $r / %d, $r / %d %% 100, %s", us ? 1000 : 1000000,
		   us ? 10 : 10000, rval);
	script_text(fmt, func, true);
	for (int64_t k = 0; k < b->o.nargs; k++) {
		buf_adds(fmt, " 0x%x");
		buf_printf(values, ", $e.%lld", (long long)k + 1);
	}
	buf_adds(fmt, "\\n");
	buf_adds(fmt, b->o.user ? "%s" : "");
	buf_adds(values, b->o.user ? ", ustack" : "");
	buf_adds(fmt, b->o.kernel ? "%s" : "");
	buf_adds(values, b->o.kernel ? ", kstack" : "");
}

static void add_folded(struct bcc *b, struct buf *fmt, struct buf *values)
{
	buf_adds(fmt, "%s");
	buf_adds(values, ", comm");
	buf_adds(fmt, b->o.user ? "%s" : "");
	buf_adds(values, b->o.user ? ", ustack" : "");
	buf_adds(fmt, b->o.kernel ? "%s" : "");
	buf_adds(values, b->o.kernel ? ", kstack" : "");
	buf_adds(fmt, " 1\\n");
}

static void add_return(struct bcc *b, const struct probe *p, const char *func)
{
	struct buf *out = &b->script, fmt = BUF_INIT, values = BUF_INIT;

	buf_adds(out, p->place);
	script_filter(b, false);
	buf_adds(out, "\n{\n");
	if (p->kind == PROBE_KERNEL)
		buf_adds(out,
			 "\t$d = @depth[tid];\n\tif ($d == 0) { return; }\n"
			 "\tif ($d == 1) { delete(@depth, tid); } else { @depth[tid] = $d - 1; }\n"
			 "\t$k = (tid, (uint64)($d - 1));\n");
	else if (!p->go)
		buf_adds(out, "\t$k = (tid, reg(\"sp\"));\n");
	else if (is_kept(b, p))
		buf_adds(out, "\t$k = " GO_KEY ";\n");
	if (b->o.folded)
		add_folded(b, &fmt, &values);
	else
		add_columns(b, p, func, &fmt, &values);
	if (is_kept(b, p))
		buf_adds(out, "\tif (!find(@start, $k, $e)) { return; }\n\tdelete(@start, $k);\n");
	buf_printf(out, "\t$ns = %s;\n\tif ($ns >= %lld) {\n%s\t\tprintf(\"%s\"%s);\n\t}\n}\n",
		   p->go ? "(int64)elapsed" : "nsecs - $e.0", (long long)threshold(b),
		   b->o.folded      ? ""
		   : b->o.usec >= 0 ? "\t\t$r = $ns + 5; // rounded to hundredths\n"
				    : "\t\t$r = $ns + 5000; // rounded to hundredths\n",
		   buf_cstr(&fmt), buf_cstr(&values));
	buf_release(&fmt);
	buf_release(&values);
}

static bool add_function(struct bcc *b, const char *func, size_t i)
{
	struct probe p;

	if (!probe_read(b, bcc_return_of(b, func), ALLOW_RETURN, &p) ||
	    bcc_count_functions(b, func, &p) < 0)
		return false;
	add_entry(b, &p, i);
	add_return(b, &p, func);
	return true;
}

static int check_options(struct bcc *b)
{
	if (!b->o.rest.n)
		return bcc_fail(b, "the following arguments are required: function");
	if (b->o.msec >= 0 && b->o.usec >= 0)
		return bcc_fail(b, "argument -u/--min-us: not allowed with argument -m/--min-ms");
	if (b->o.time && b->o.timestamp)
		return bcc_fail(b, "argument -t/--timestamp: not allowed with argument -T/--time");
	if (b->o.nargs > ARGS_MAX)
		return bcc_fail(b, "argument -a/--arguments: at most %d arguments are in registers",
				ARGS_MAX);
	if (b->o.folded && !b->o.user && !b->o.kernel)
		return bcc_fail(b, "-f/--folded needs stacks: -U, -K or both");
	return EXIT_OK;
}

static int run(struct bcc *b)
{
	int r = check_options(b);

	if (r)
		return r;
	script_config(b, b->o.folded ? "stack_frame = \";%n\"; stack_root_first = true; "
				     : "stack_frame = \"    %n\\n\"; ");
	add_header(b);
	for (size_t i = 0; i < b->o.rest.n; i++)
		if (!add_function(b, b->o.rest.v[i], i))
			return EXIT_WRONG;
	return bcc_run(b, b->o.rest.v[0]);
}

const struct command cmd_funcslower = {
	.name = "funcslower",
	.about = "Trace slow kernel or user function calls.",
	.positional = "function [function ...]",
	.positional_help = "function(s) to trace",
	.examples = "    funcslower vfs_write        # trace vfs_write calls slower than 1ms\n"
		    "    funcslower -m 10 vfs_write  # same, but slower than 10ms\n"
		    "    funcslower -u 10 c:open     # trace open calls slower than 10us\n"
		    "    funcslower -p 135 c:open    # trace pid 135 only\n"
		    "    funcslower c:malloc c:free  # trace both malloc and free slower than 1ms\n"
		    "    funcslower -a 2 c:open      # show first two arguments to open\n"
		    "    funcslower -UK -m 10 c:open # Show user and kernel stack frame of open "
		    "calls slower "
		    "than 10ms\n"
		    "    funcslower -f -UK c:open    # Output in folded format for flame graphs\n",
	.opts = options,
	.run = run,
};
