/* funccount: how often functions, tracepoints and USDT probes are reached.
 *
 *   FUNC                                    COUNT      ascending, what was never reached is left
 * out malloc                                    907 */
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "trace this PID only"),
	O('i', "--interval", "INTERVAL", OPT_SECONDS, interval, "summary interval, seconds"),
	O('d', "--duration", "DURATION", OPT_SECONDS, duration, "total duration of trace, seconds"),
	O('T', "--timestamp", NULL, OPT_FLAG, timestamp, "include timestamp on output"),
	O('r', "--regexp", NULL, OPT_FLAG, regexp,
	  "use regular expressions. Default is \"*\" wildcards only."),
	O('D', "--debug", NULL, OPT_FLAG, print_first,
	  "print the awl script before starting (for debugging purposes)"),
	O('c', "--cpu", "CPU", OPT_NUMBER, cpu, "trace this CPU only"),
	O('v', "--verbose", NULL, OPT_COUNT, verbose,
	  "name the functions that cannot be probed, and why; names as they are linked"),
	OPT_COMMON};

static void report(struct bcc *b)
{
	script_report_head(b);
	buf_adds(&b->script, "\tprintf(\"%-36s %8s\\n\", \"FUNC\", \"COUNT\");\n"
			     "\tprint(@count, format=\"%-36s %8d\\n\");\n"
			     "\tclear(@count);\n");
}

static void generate(struct bcc *b, const struct probe *p, const char *pattern, long n)
{
	struct buf *out = &b->script;

	script_config(b, b->o.verbose ? "cpp_demangle = false; " : "");
	script_begin(b, pattern, n);
	buf_adds(out, p->place);
	script_filter(b, false);
	buf_adds(out, " { @count[probename] = count(); }\n");
	script_reports(b, report, "\tprintf(\"Detaching...\\n\");\n");
}

static int run(struct bcc *b)
{
	const char *pattern = opts_pattern(b);
	struct probe p;
	long n;

	if (!pattern)
		return EXIT_WRONG;
	if (!probe_read(b, pattern, ALLOW_RETURN | ALLOW_OFFSET | ALLOW_REGEX | ALLOW_EVENTS, &p))
		return EXIT_WRONG;
	n = bcc_count_functions(b, pattern, &p);
	if (n < 0)
		return EXIT_WRONG;
	b->max_keys = MAX((uint64_t)n, UINT64_C(1024));
	bcc_report_unprobed(b, &p, n);
	generate(b, &p, pattern, n);
	return bcc_run(b, pattern);
}

const struct command cmd_funccount = {
	.name = "funccount",
	.about = "Count functions, tracepoints, and USDT probes",
	.positional = "pattern",
	.positional_help = "search expression for events",
	.examples =
		"    funccount 'vfs_*'             # count kernel fns starting with \"vfs\"\n"
		"    funccount -r '^vfs.*'         # same as above, using regular expressions\n"
		"    funccount -Ti 5 'vfs_*'       # output every 5 seconds, with timestamps\n"
		"    funccount -d 10 'vfs_*'       # trace for 10 seconds only\n"
		"    funccount -p 185 'vfs_*'      # count vfs calls for PID 181 only\n"
		"    funccount t:sched:sched_fork  # count calls to the sched_fork tracepoint\n"
		"    funccount -p 185 u:node:gc*   # count all GC USDT probes in node, PID 185\n"
		"    funccount c:malloc            # count all malloc() calls in libc\n"
		"    funccount go:os.*             # count all \"os.*\" calls in libgo\n"
		"    funccount -p 185 go:os.*      # count all \"os.*\" calls in libgo, PID 185\n"
		"    funccount ./test:read*        # count \"read*\" calls in the ./test binary\n"
		"    funccount -c 1 'vfs_*'        # count vfs calls on CPU 1 only\n"
		"    funccount r:c:malloc          # count returns\n"
		"    funccount 'c:{malloc,free}'   # a list\n",
	.opts = options,
	.table = true,
	.run = run,
};
