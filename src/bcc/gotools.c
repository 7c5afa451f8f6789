/* gohttp, gosql, gogc, gosched, goheap: what goes on in a Go program. Each is a script of tools/,
 * with the program as its first parameter and options as named ones.
 *
 *   awl gohttp -t 5ms 1234      awl tools/gohttp.bt 1234 -- --least=5000
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bcc/priv.h"
#include "goscripts.h"

enum { EXIT_KERNEL = 255 };

#define OPT_GO                                                                            \
	O('h', "--help", NULL, OPT_FLAG, help, "show this help message and exit"),        \
		O('c', "--cmd", "COMMAND", OPT_TEXT, command, "start this and trace it"), \
		O('d', "--duration", "SECONDS", OPT_SECONDS, duration, "leave after this time")

static const struct opt timed_options[] = {
	OPT_GO,
	O('t', "--longer", "TIME", OPT_TEXT, least,
	  "those that took at least this long: 10us, 1ms, 0.5s (a number alone: ms)"),
	OPT_COMMON};
static const struct opt plain_options[] = {OPT_GO, OPT_COMMON};
static const struct opt heap_options[] = {
	OPT_GO, O('e', "--every", "N", OPT_NUMBER, count, "take one stack of N allocations (100)"),
	OPT_COMMON};

struct tool {
	const struct command *cmd;
	const char *script;
	const char *needs[3]; /* functions of which one must be there; none: it is the runtime's */
	const char *what;     /* what the program lacks without them */
};

static const struct tool tools[] = {
	{&cmd_gohttp,
	 script_gohttp,
	 {"net/http.(*conn).readRequest", "net/http.(*Transport).roundTrip"},
	 "it neither serves nor makes requests with net/http"},
	{&cmd_gosql,
	 script_gosql,
	 {"database/sql.ctxDriverExec", "database/sql.ctxDriverQuery"},
	 "it runs no statements by database/sql"},
	{&cmd_gogc, script_gogc, {NULL}, NULL},
	{&cmd_gosched, script_gosched, {NULL}, NULL},
	{&cmd_goheap, script_goheap, {NULL}, NULL},
};

static const struct tool *tool_of(const struct bcc *b)
{
	size_t i = 0;

	while (tools[i].cmd != b->cmd)
		i++;
	return &tools[i];
}

/* ---- is it a program for this? --------------------------------------------------------------- */

static int found_one(void *arg, const char *probe, const char *detail)
{
	*(bool *)arg = true;
	return 0;
}

/* -1 after a message. */
static int has_func(struct bcc *b, const char *program, const char *func)
{
	struct awl *awl = bcc_session(b, false);
	bool found = false;
	int r = awl_list(awl, arena_printf(b->a, "go:%s:\"%s\"", program, func), found_one, &found);

	if (r < 0)
		bcc_fail(b, "%s", bcc_error_line(b->a, awl_error(awl)));
	awl_free(awl);
	return r < 0 ? -1 : found;
}

static bool check_functions(struct bcc *b, const struct tool *t, const char *program)
{
	for (size_t i = 0; t->needs[i]; i++) {
		int r = has_func(b, program, t->needs[i]);

		if (r)
			return r > 0;
	}
	if (t->needs[0])
		bcc_fail(b, "there is nothing to see in %s: %s", program, t->what);
	return !t->needs[0];
}

static bool check_convention(struct bcc *b, const char *program)
{
	const char *error = NULL;
	bool on_stack = gosig_on_stack(b, program, &error);

	if (on_stack)
		bcc_fail(b,
			 "%s was built by a Go before 1.17 (arm64: 1.18), which passes arguments "
			 "in another way; "
			 "awl gotrace and go probes work",
			 program);
	else if (error)
		bcc_fail(b, "%s", error);
	return !error && !on_stack;
}

/* ---- the script ------------------------------------------------------------------------------ */

/* Without a symbol table nothing tells where the names of types are: 0. */
static void add_script(struct bcc *b, const struct tool *t, bool symbols)
{
	static const char types[] = "uaddr(\"runtime.types\")";
	struct str rest = str_of(t->script);
	const char *at = strstr(t->script, types);

	if (at && !symbols) {
		buf_addstr(&b->script, (struct str){rest.p, (size_t)(at - rest.p)});
		buf_addc(&b->script, '0');
		rest = str_of(at + strlen(types));
	}
	buf_addstr(&b->script, rest);
	if (b->o.duration > 0)
		buf_printf(&b->script, "interval:ms:%" PRId64 " { exit(); }\n",
			   MAX(b->o.duration / 1000000, INT64_C(1)));
}

static void add_params(struct bcc *b, const char *program, uint64_t least, words *params)
{
	vec_push(b->a, params, program);
	vec_push(b->a, params, "--");
	if (least)
		vec_push(b->a, params, arena_printf(b->a, "--least=%" PRIu64, least / 1000));
	if (b->o.count > 0)
		vec_push(b->a, params, arena_printf(b->a, "--every=%" PRId64, b->o.count));
	vec_push(b->a, params, NULL);
}

static void on_message(void *arg, enum awl_level level, const char *text)
{
	const struct bcc *b = arg;

	fprintf(stderr, "%s: %s%s\n", b->cmd->name, level == AWL_WARNING ? "warning: " : "", text);
}

static struct awl *session(struct bcc *b, const char *program)
{
	AWL_OPTS(awl_opts, o, .quiet = 1, .handle_signals = 1, .command = b->o.command,
		 .message = on_message, .arg = b);
	unsigned long long pid;

	if (str_to_u64(str_of(program), &pid) && pid <= INT32_MAX)
		o.pid = (int)pid;
	return awl_new(&o);
}

/* Whether there are symbols is found out by trying: a child of -c is started for the last try. */
static bool has_symbols(struct bcc *b, const char *program)
{
	const char *script = arena_printf(
		b->a, "go:%s:\"runtime.main\" { print(uaddr(\"runtime.types\")); }", program);
	struct awl *awl = bcc_session(b, false);
	bool ok = awl_compile(awl, b->cmd->name, script, NULL) == 0;

	awl_free(awl);
	return ok;
}

static int trace(struct bcc *b, const char *program, uint64_t least)
{
	struct awl *awl = session(b, program);
	words params = {0};
	int r = EXIT_OK;

	add_params(b, program, least, &params);
	AWL_OPTS(awl_compile_opts, o, .params = params.v);

	if (awl_compile(awl, b->cmd->name, buf_cstr(&b->script), &o) < 0)
		r = EXIT_WRONG;
	else if (awl_attach(awl) < 0 || awl_run(awl) < 0)
		r = EXIT_KERNEL;
	if (r != EXIT_OK)
		bcc_fail(b, "%s", bcc_error_line(b->a, awl_error(awl)));
	awl_free(awl);
	return r;
}

static int run(struct bcc *b)
{
	const struct tool *t = tool_of(b);
	const char *program = b->o.rest.n ? b->o.rest.v[0] : NULL;
	uint64_t least;
	bool symbols;

	if (b->o.rest.n != 1)
		return bcc_fail(b, b->o.rest.n ? "one program is possible"
					       : "the following arguments are required: "
						 "program|pid");
	if (b->o.count == 0)
		return bcc_fail(b, "argument -e/--every: it takes a number from 1 on");
	if (!opts_read_least(b, &least) || !check_convention(b, program) ||
	    !check_functions(b, t, program))
		return EXIT_WRONG;
	symbols = has_symbols(b, program);
	if (t->cmd == &cmd_goheap && !symbols)
		fprintf(stderr, "goheap: %s is stripped: there are no names of types\n", program);
	add_script(b, t, symbols);
	if (!b->o.show)
		return trace(b, program, least);
	return fwrite(b->script.p, 1, b->script.n, stdout) == b->script.n ? EXIT_OK : EXIT_WRONG;
}

#define GO_COMMAND(name_, about_, opts_, example_)                                       \
	{                                                                                \
		.name = name_, .about = about_, .positional = "program|pid",             \
		.positional_help = "a Go program or process",                            \
		.examples = "    " name_ " ./server       # each process that runs it\n" \
			    "    " name_ " 1234           # this one\n"                  \
			    "    " name_ " ./tool -c './tool --all'\n" example_,         \
		.opts = opts_, .run = run,                                               \
	}

const struct command cmd_gohttp = GO_COMMAND(
	"gohttp", "Trace requests that a Go program serves and makes with net/http.", timed_options,
	"    gohttp -t 5ms 1234    # that took 5 ms or more\n");
const struct command cmd_gosql = GO_COMMAND(
	"gosql", "Trace statements that a Go program runs by database/sql.", timed_options,
	"    gosql -t 5ms 1234     # that took 5 ms or more\n");
const struct command cmd_gogc = GO_COMMAND("gogc", "Trace garbage collections of a Go program.",
					   plain_options, "    gogc -d 10 1234\n");
const struct command cmd_gosched = GO_COMMAND(
	"gosched", "Show what goroutines wait for: a processor, or something else.", plain_options,
	"    gosched -d 10 1234\n");
const struct command cmd_goheap = GO_COMMAND(
	"goheap", "Show what a Go program allocates, by type and by stack.", heap_options,
	"    goheap -d 5 -e 1000 1234\n");
