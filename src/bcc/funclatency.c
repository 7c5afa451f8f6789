/* funclatency: how long functions take, as a histogram of powers of two.
 *
 *   Function = work [15405]
 *        nsecs               : count     distribution
 *          256 -> 511        : 5        |***************                         |
 *
 *   avg = 310 nsecs, total: 1550 nsecs, count: 5
 *
 * Of user functions the entry is kept by thread and stack pointer, of kernel functions by thread,
 * function and depth: each call of a recursive function counts, with its own time. */
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "trace this PID only"),
	O('i', "--interval", "INTERVAL", OPT_SECONDS, interval, "summary interval, in seconds"),
	O('d', "--duration", "DURATION", OPT_SECONDS, duration,
	  "total duration of trace, in seconds"),
	O('T', "--timestamp", NULL, OPT_FLAG, timestamp, "include timestamp on output"),
	O('u', "--microseconds", NULL, OPT_FLAG, usecs, "microsecond histogram"),
	O('m', "--milliseconds", NULL, OPT_FLAG, msecs, "millisecond histogram"),
	O('F', "--function", NULL, OPT_FLAG, per_function,
	  "show a separate histogram per function"),
	O('r', "--regexp", NULL, OPT_FLAG, regexp,
	  "use regular expressions. Default is \"*\" wildcards only."),
	O('l', "--level", "LEVEL", OPT_NUMBER, level,
	  "accepted; nested and recursive calls are told apart at any depth"),
	O('v', "--verbose", NULL, OPT_FLAG, print_first,
	  "print the awl script (for debugging purposes)"),
	OPT_COMMON};

static const char *unit(const struct bcc *b)
{
	return b->o.msecs ? "msecs" : b->o.usecs ? "usecs" : "nsecs";
}

static long divisor(const struct bcc *b)
{
	return b->o.msecs ? 1000000 : b->o.usecs ? 1000 : 1;
}

/* Two user processes' functions of one name are never one histogram, unless one was chosen. */
static bool is_per_process(const struct bcc *b, const struct probe *p)
{
	return p->kind == PROBE_USER && (b->o.pid < 0 || b->o.per_function);
}

static void add_user(struct bcc *b, const struct probe *p, const char *entry)
{
	struct buf *out = &b->script;

	buf_adds(out, entry);
	script_filter(b, false);
	buf_printf(out, " { @start[tid, %s] = nsecs; }\n", SP_AT_ENTRY);
	buf_adds(out, p->place);
	script_filter(b, false);
	buf_adds(out, "\n{\n\t$k = (tid, reg(\"sp\"));\n\tif (find(@start, $k, $t)) {\n"
		      "\t\t$ns = nsecs - $t;\n\t\tdelete(@start, $k);\n");
}

static void add_kernel(struct bcc *b, const struct probe *p, const char *entry)
{
	struct buf *out = &b->script;

	buf_adds(out, entry);
	script_filter(b, false);
	buf_adds(out, " { $d = @depth[tid]; @start[tid, $d] = nsecs; @depth[tid] = $d + 1; }\n");
	buf_adds(out, p->place);
	script_filter(b, false);
	buf_adds(out, "\n{\n\t$d = @depth[tid];\n\t$k = (tid, $d - 1);\n"
		      "\tif ($d > 0 && find(@start, $k, $t)) {\n"
		      "\t\t$ns = nsecs - $t;\n\t\tdelete(@start, $k);\n"
		      "\t\tif ($d == 1) { delete(@depth, tid); } else { @depth[tid] = $d - 1; }\n");
}

/* Of Go functions, goret knows the call. */
static void add_go(struct bcc *b, const struct probe *p)
{
	buf_adds(&b->script, p->place);
	script_filter(b, false);
	buf_adds(&b->script, "\n{\n\t$ns = elapsed;\n");
}

static void add_record(struct bcc *b, const struct probe *p)
{
	bool process = is_per_process(b, p), function = b->o.per_function || process;
	const char *key = process ? "[probename, pid]" : function ? "[probename]" : "";

	const char *tab = p->go ? "\t" : "\t\t";

	buf_printf(&b->script, "%s@hist%s = hist($ns / %ld);\n%s@all = stats($ns);\n%s}\n", tab,
		   key, divisor(b), tab, p->go ? "" : "\t}\n");
}

static void report(struct bcc *b)
{
	struct buf *out = &b->script;

	script_report_head(b);
	buf_adds(out, "\tprint(@hist, unit=\"");
	buf_adds(out, unit(b));
	if (b->by_process)
		buf_adds(out, "\", format=\"\\nFunction = %s [%d]\\n%s\");\n");
	else if (b->o.per_function)
		buf_adds(out, "\", format=\"\\nFunction = %s\\n%s\");\n");
	else
		buf_adds(out, "\");\n");
	buf_printf(out,
		   "\tprint(@all, div=%ld, format=\"\\navg = %%ld %s, total: %%ld %s, count: "
		   "%%ld\\n\\n\");\n\tclear(@hist);\n\tclear(@all);\n",
		   divisor(b), unit(b), unit(b));
}

/* Histograms are allocated beforehand, for each processor: 10,240 of them take longer than all else
 * that is done before the first event. Of functions it is known how many there are. Of processes it
 * is not: bcc's table of 10,240 buckets has room for those of a thousand. */
enum { PROCESSES = 256, LEAST = 2048, MOST = 10240 };

static void add_size(struct bcc *b, const struct probe *p, long n)
{
	uint64_t keys = MAX((uint64_t)n, UINT64_C(1));

	if (is_per_process(b, p) && b->o.pid < 0)
		keys = MAX(keys, MIN(MAX(keys * PROCESSES, (uint64_t)LEAST), (uint64_t)MOST));
	else if (!is_per_process(b, p) && !b->o.per_function)
		return;
	buf_printf(&b->script, "let @hist = percpuhash(%llu);\n", (unsigned long long)keys);
}

static void generate(struct bcc *b, const struct probe *p, const char *pattern, long n)
{
	b->by_process = is_per_process(b, p);
	script_config(b, "");
	add_size(b, p, n);
	script_begin(b, pattern, n);
	if (p->go)
		add_go(b, p);
	else if (p->kind == PROBE_USER)
		add_user(b, p, p->entry);
	else
		add_kernel(b, p, p->entry);
	add_record(b, p);
	script_reports(b, report, "\tprintf(\"Detaching...\\n\");\n");
}

static int run(struct bcc *b)
{
	const char *pattern = opts_pattern(b);
	struct probe p;
	long n;

	if (!pattern)
		return EXIT_WRONG;
	if (b->o.usecs && b->o.msecs)
		return bcc_fail(b, "-u/--microseconds and -m/--milliseconds exclude each other");
	if (!probe_read(b, bcc_return_of(b, pattern), ALLOW_RETURN | ALLOW_REGEX, &p))
		return EXIT_WRONG;
	n = bcc_count_functions(b, pattern, &p);
	if (n < 0 || bcc_count_places(b, pattern, p.entry) < 0)
		return EXIT_WRONG;
	generate(b, &p, pattern, n);
	return bcc_run(b, pattern);
}

const struct command cmd_funclatency = {
	.name = "funclatency",
	.about = "Time functions and print latency as a histogram",
	.positional = "pattern",
	.positional_help = "search expression for functions",
	.examples = "    funclatency do_sys_open       # time the do_sys_open() kernel function\n"
		    "    funclatency c:read            # time the read() C library function\n"
		    "    funclatency -u vfs_read       # time vfs_read(), in microseconds\n"
		    "    funclatency -m do_nanosleep   # time do_nanosleep(), in milliseconds\n"
		    "    funclatency -i 2 -d 10 c:open # output every 2 seconds, for duration 10s\n"
		    "    funclatency -mTi 5 vfs_read   # output every 5 seconds, with timestamps\n"
		    "    funclatency -p 181 vfs_read   # time process 181 only\n"
		    "    funclatency 'vfs_fstat*'      # time both vfs_fstat() and vfs_fstatat()\n"
		    "    funclatency 'c:*printf'       # time the *printf family of functions\n"
		    "    funclatency -F 'vfs_r*'       # show one histogram per matched function\n",
	.opts = options,
	.table = true,
	.run = run,
};
