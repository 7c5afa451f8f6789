/* stackcount: how often a function, tracepoint or USDT probe is reached, by stack.
 *
 *     __schedule                              kernel frames, innermost first
 *       --                                    with -d
 *     main                                    user frames
 *       wl [15405]                            with -P
 *       46
 *
 * or with -f:  wl;main;work;-;entry_SYSCALL_64;__schedule 46 */
#include "bcc/priv.h"

static const struct opt options[] = {
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),
	O('p', "--pid", "PID", OPT_NUMBER, pid, "trace this PID only"),
	O('c', "--cpu", "CPU", OPT_NUMBER, cpu, "trace this CPU only"),
	O('i', "--interval", "INTERVAL", OPT_SECONDS, interval, "summary interval, seconds"),
	O('D', "--duration", "DURATION", OPT_SECONDS, duration, "total duration of trace, seconds"),
	O('T', "--timestamp", NULL, OPT_FLAG, timestamp, "include timestamp on output"),
	O('r', "--regexp", NULL, OPT_FLAG, regexp,
	  "use regular expressions. Default is \"*\" wildcards only."),
	O('s', "--offset", NULL, OPT_FLAG, offsets, "show address offsets"),
	O('P', "--perpid", NULL, OPT_FLAG, per_pid, "display stacks separately for each process"),
	O('K', "--kernel-stacks-only", NULL, OPT_FLAG, kernel, "kernel stack only"),
	O('U', "--user-stacks-only", NULL, OPT_FLAG, user, "user stack only"),
	O('v', "--verbose", NULL, OPT_FLAG, addresses, "show raw addresses"),
	O('d', "--delimited", NULL, OPT_FLAG, delimiter,
	  "insert delimiter between kernel/user stacks"),
	O('f', "--folded", NULL, OPT_FLAG, folded, "output folded format"),
	O(0, "--debug", NULL, OPT_FLAG, print_first,
	  "print the awl script before starting (for debugging purposes)"),
	OPT_COMMON};

/* What a line or block shows besides its count; the pid only where it is not the same for all. */
static bool shows_process(const struct bcc *b)
{
	return b->o.folded || (b->o.per_pid && b->o.pid < 0);
}

static bool has_delimiter(const struct bcc *b)
{
	return b->o.delimiter && !b->o.kernel && !b->o.user;
}

static void folded_key(struct bcc *b, struct buf *out)
{
	buf_adds(out, "comm");
	buf_adds(out, b->o.kernel ? "" : ", ustack");
	buf_adds(out, b->o.user ? "" : ", kstack");
	buf_adds(out, b->o.per_pid ? ", pid" : "");
}

static void block_key(struct bcc *b, struct buf *out)
{
	buf_adds(out, b->o.user ? "" : "kstack");
	buf_adds(out, b->o.user || b->o.kernel ? "" : ", ");
	buf_adds(out, b->o.kernel ? "" : "ustack");
	buf_adds(out, b->o.per_pid ? ", comm, pid" : "");
}

static void folded_format(struct bcc *b, struct buf *out)
{
	unsigned n = 1;

	buf_adds(out, "%s");
	buf_adds(out, b->o.kernel ? "" : "%s");
	buf_adds(out, has_delimiter(b) ? ";-" : "");
	buf_adds(out, b->o.user ? "" : "%s");
	buf_adds(out, " %d\\n\", columns=(key[0]");
	n = 1 + !b->o.kernel + !b->o.user;
	for (unsigned i = 1; i < n; i++)
		buf_printf(out, ", key[%u]", i);
	buf_adds(out, ", value)");
}

static void block_format(struct bcc *b, struct buf *out)
{
	unsigned n = !b->o.kernel + !b->o.user;

	buf_adds(out, b->o.user ? "" : "%s");
	buf_adds(out, has_delimiter(b) ? "    --\\n" : "");
	buf_adds(out, b->o.kernel ? "" : "%s");
	buf_adds(out, shows_process(b) ? "    %s [%d]\\n" : "");
	buf_adds(out, "    %d\\n\\n\", columns=(");
	if (n == 1 && !b->o.per_pid)
		buf_adds(out, "key, ");
	else
		for (unsigned i = 0; i < n + (shows_process(b) ? 2 : 0); i++)
			buf_printf(out, "key[%u], ", i);
	buf_adds(out, "value)");
}

static void report(struct bcc *b)
{
	if (!b->o.folded)
		script_report_head(b);
	else if (b->o.timestamp)
		buf_adds(&b->script, "\ttime(\"%H:%M:%S\\n\");\n");
	buf_adds(&b->script, "\tprint(@count, format=\"");
	if (b->o.folded)
		folded_format(b, &b->script);
	else
		block_format(b, &b->script);
	buf_adds(&b->script, ");\n\tclear(@count);\n");
}

static const char *frame_setting(const struct bcc *b)
{
	if (b->o.folded)
		return "stack_frame = \";%n\"; stack_root_first = true; ";
	if (b->o.addresses)
		return b->o.offsets ? "stack_frame = \"  %-16a %n%o\\n\"; "
				    : "stack_frame = \"  %-16a %n\\n\"; ";
	return b->o.offsets ? "stack_frame = \"  %n%o\\n\"; " : "stack_frame = \"  %n\\n\"; ";
}

static void generate(struct bcc *b, const struct probe *p, const char *pattern, long n)
{
	struct buf *out = &b->script;

	script_config(b, frame_setting(b));
	if (!b->o.folded)
		script_begin(b, pattern, n);
	buf_adds(out, p->place);
	script_filter(b, false);
	buf_adds(out, " { @count[");
	if (b->o.folded)
		folded_key(b, out);
	else
		block_key(b, out);
	buf_adds(out, "] = count(); }\n");
	script_reports(b, report, b->o.folded ? "" : "\tprintf(\"Detaching...\\n\");\n");
}

static int run(struct bcc *b)
{
	const char *pattern = opts_pattern(b);
	struct probe p;
	long n;

	if (!pattern)
		return EXIT_WRONG;
	if (b->o.kernel && b->o.user)
		return bcc_fail(
			b, "-K and -U are mutually exclusive. If you want both stacks, that is "
			   "the default.");
	if (!probe_read(b, pattern, ALLOW_RETURN | ALLOW_OFFSET | ALLOW_REGEX | ALLOW_EVENTS, &p))
		return EXIT_WRONG;
	n = bcc_count_functions(b, pattern, &p);
	if (n < 0)
		return EXIT_WRONG;
	generate(b, &p, pattern, n);
	return bcc_run(b, pattern);
}

const struct command cmd_stackcount = {
	.name = "stackcount",
	.about = "Count events and their stack traces",
	.positional = "pattern",
	.positional_help = "search expression for events",
	.examples =
		"    stackcount submit_bio         # count kernel stack traces for submit_bio\n"
		"    stackcount -d ip_output       # include a user/kernel stack delimiter\n"
		"    stackcount -s ip_output       # show symbol offsets\n"
		"    stackcount -sv ip_output      # show offsets and raw addresses (verbose)\n"
		"    stackcount 'tcp_send*'        # count stacks for funcs matching tcp_send*\n"
		"    stackcount -r '^tcp_send.*'   # same as above, using regular expressions\n"
		"    stackcount -Ti 5 ip_output    # output every 5 seconds, with timestamps\n"
		"    stackcount -p 185 ip_output   # count ip_output stacks for PID 185 only\n"
		"    stackcount -c 1 put_prev_entity   # count put_prev_entity stacks for CPU 1 "
		"only\n"
		"    stackcount -p 185 c:malloc    # count stacks for malloc in PID 185\n"
		"    stackcount t:sched:sched_fork # count stacks for sched_fork tracepoint\n"
		"    stackcount -p 185 u:node:*    # count stacks for all USDT probes in node\n"
		"    stackcount -K t:sched:sched_switch   # kernel stacks only\n"
		"    stackcount -U t:sched:sched_switch   # user stacks only\n",
	.opts = options,
	.table = true,
	.run = run,
};
