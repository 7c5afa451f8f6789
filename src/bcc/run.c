/* Running what a command made, and saying in one line what is wrong.
 *
 * awl's diagnostics point into a script; whoever typed `funccount c:mallok` wrote none. So of a
 * diagnostic the message, its note and its help are kept, on one line:
 *
 *   error[E0103]: no probe matches uprobe:libc:mallok            funccount: no probe matches
 *     --> -e:1:1                                            →    uprobe:libc:mallok: no function of
 * the = note: no function of the file has that name             file has that name; did you mean
 * malloc? = help: did you mean malloc?
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/diag.h"
#include "bcc/priv.h"

enum { EXIT_KERNEL = 255 };

int bcc_fail(const struct bcc *b, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", b->cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_WRONG;
}

static void on_message(void *arg, enum awl_level level, const char *text)
{
	const struct bcc *b = arg;

	fprintf(stderr, "%s: %s%s\n", b->cmd->name, level == AWL_WARNING ? "warning: " : "", text);
}

struct awl *bcc_session(const struct bcc *b, bool verbose)
{
	AWL_OPTS(awl_opts, o, .quiet = 1, .handle_signals = 1, .verbose = verbose,
		 .pid = b->o.pid > 0 ? (int)b->o.pid : 0, .message = on_message, .arg = (void *)b);

	return awl_new(&o);
}

/* One session for all that is asked before the script runs, and for the script. */
struct awl *bcc_ask(struct bcc *b)
{
	if (!b->awl)
		b->awl = bcc_session(b, false);
	return b->awl;
}

/* ---- errors ---- */

static bool after(struct str line, const char *mark, struct str *out)
{
	struct str t = str_trim(line);

	if (!str_starts(t, str_of(mark)))
		return false;
	*out = str_trim((struct str){t.p + strlen(mark), t.n - strlen(mark)});
	return true;
}

/* "error[E0103]: text", "error: text" */
static bool is_error(struct str line, struct str *out)
{
	if (!str_starts(line, STR("error")))
		return false;
	str_cut(&line, ':');
	*out = str_trim(line);
	return line.p != NULL;
}

const char *bcc_error_line(struct arena *a, const char *text)
{
	struct str rest = str_of(text), part;
	struct buf b = BUF_INIT;
	char *out;

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		if (is_error(line, &part)) {
			if (b.n)
				break;
			buf_addstr(&b, part);
		} else if (b.n && after(line, "= note:", &part)) {
			buf_printf(&b, ": %.*s", STR_ARG(part));
		} else if (b.n && after(line, "= help:", &part)) {
			buf_printf(&b, "; %.*s", STR_ARG(part));
		}
	}
	out = arena_strdup(a, b.n ? buf_cstr(&b) : text);
	buf_release(&b);
	return out;
}

#define IN_NO_REGISTER " is in no register: there are "

/* awl's help for a name that it does not know is about scripts; here there are parameters. */
static const char *for_a_person(struct bcc *b, const char *line)
{
	struct str rest = str_of(line), word;
	const char *told = strstr(line, IN_NO_REGISTER);
	struct nearest near;
	int count;

	if (told) {
		count = atoi(told + strlen(IN_NO_REGISTER));
		return arena_printf(b->a,
				    "%d words of arguments are in registers, arg1 to arg%d; the "
				    "others have names: args->NAME",
				    count, count);
	}
	if (!str_starts(rest, STR("the name ")))
		return line;
	rest = (struct str){rest.p + 9, rest.n - 9};
	word = str_cut(&rest, ' ');
	nearest_init(&near, word);
	for (size_t i = 0; i < b->names.n; i++)
		nearest_try(&near, str_of(b->names.v[i]));
	if (nearest_found(&near))
		return arena_printf(b->a, "the name %.*s is not known; did you mean %.*s?",
				    STR_ARG(word), STR_ARG(near.best));
	return arena_printf(b->a,
			    "the name %.*s is not known; arguments are arg1, arg2 …, or have "
			    "the names of a signature: func(int a, char *b)",
			    STR_ARG(word));
}

/* ---- running ---- */

/* -1 with the reason in `error`. */
static long count_places(struct bcc *b, const char *what, const char *place, const char **error)
{
	struct awl *awl = bcc_ask(b);

	*error = "";
	if (awl_compile(awl, what, arena_printf(b->a, NO_INLINED "%s { }", place), NULL) == 0)
		return (long)awl_probe_count(awl);
	*error = bcc_error_line(b->a, awl_error(awl));
	return -1;
}

long bcc_count_places(struct bcc *b, const char *what, const char *place)
{
	const char *error;
	long n = count_places(b, what, place, &error);

	if (n < 0)
		bcc_fail(b, "error in probe '%s': %s", what, error);
	return n;
}

/* What the name could have been besides what it was taken for: one of the source, a system call. */
static long count_otherwise(struct bcc *b, const char *what, struct probe *p, const char **error)
{
	if (p->kind == PROBE_KERNEL && strncmp(p->func, "sys_", 4) == 0 && p->func[4] && !p->many &&
	    !p->offset[0])
		count_places(b, what,
			     arena_printf(b->a, "tracepoint:syscalls:sys_enter_%s", p->func + 4),
			     error);
	return probe_take_source_name(b, p) ? count_places(b, what, p->place, error) : -1;
}

long bcc_count_functions(struct bcc *b, const char *what, struct probe *p)
{
	const char *error, *other = "";
	long n = count_places(b, what, p->place, &error);

	if (n < 0)
		n = count_otherwise(b, what, p, &other);
	if (n < 0 && strstr(other, "did you mean"))
		error = other;
	if (n < 0)
		bcc_fail(b, "error in probe '%s': %s", what, error);
	return n > 0 && p->go && p->is_return ? bcc_count_places(b, what, p->entry) : n;
}

static int print_script(struct bcc *b)
{
	if (fwrite(b->script.p, 1, b->script.n, stdout) != b->script.n || fflush(stdout)) {
		bcc_fail(b, "cannot write the script to standard output");
		return EXIT_WRONG;
	}
	return EXIT_OK;
}

static const char *const *include_dirs(struct bcc *b)
{
	words dirs = {0};

	if (!b->o.headers.n)
		return NULL;
	vec_push(b->a, &dirs, ".");
	vec_push(b->a, &dirs, NULL);
	return dirs.v;
}

int bcc_run(struct bcc *b, const char *what)
{
	AWL_OPTS(awl_compile_opts, o, .include_dirs = include_dirs(b));
	struct awl *awl;
	int r = EXIT_OK;

	if (b->o.show || b->o.print_first)
		r = print_script(b);
	if (b->o.show)
		return r;
	awl = bcc_ask(b);
	if (awl_compile(awl, b->cmd->name, buf_cstr(&b->script), &o) < 0) {
		r = EXIT_WRONG;
	} else if (awl_attach(awl) < 0) {
		r = EXIT_KERNEL;
	} else {
		r = awl_run(awl);
		r = r < 0 ? EXIT_KERNEL : r;
	}
	if (r == EXIT_WRONG || r == EXIT_KERNEL)
		bcc_fail(b, "error in '%s': %s", what,
			 for_a_person(b, bcc_error_line(b->a, awl_error(awl))));
	return r;
}

/* ---- the commands ---- */

static const struct command *const commands[] = {
	&cmd_funccount,   &cmd_stackcount, &cmd_trace,   &cmd_argdist, &cmd_tplist,
	&cmd_funclatency, &cmd_funcslower, &cmd_gotrace, &cmd_gohttp,  &cmd_gosql,
	&cmd_gogc,        &cmd_gosched,    &cmd_goheap};

const char *bcc_command(unsigned i, const char **about)
{
	if (i >= ARRAY_SIZE(commands))
		return NULL;
	*about = commands[i]->about;
	return commands[i]->name;
}

static const struct command *find(const char *path)
{
	static const struct str suffix = {"-bpfcc", 6};
	const char *slash = strrchr(path, '/');
	struct str name = str_of(slash ? slash + 1 : path);

	if (str_ends(name, suffix))
		name.n -= suffix.n;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (str_is(name, commands[i]->name))
			return commands[i];
	return NULL;
}

bool bcc_is_command(const char *name)
{
	return find(name) != NULL;
}

static int help(const struct command *c)
{
	struct buf out = BUF_INIT;
	bool ok;

	opts_usage(c, &out);
	ok = fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0;
	buf_release(&out);
	return ok ? EXIT_OK : EXIT_WRONG;
}

/* Two views of one pid: the filter of the script and the place of the probes. */
static bool check_pid(const struct bcc *b)
{
	char path[32];

	if (b->o.pid < 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%lld", (long long)b->o.pid);
	if (b->o.pid > 0 && b->o.pid <= INT32_MAX && access(path, F_OK) == 0)
		return true;
	bcc_fail(b, "argument -p/--pid: there is no process %lld", (long long)b->o.pid);
	return false;
}

int bcc_main(int argc, char **argv)
{
	struct bcc b = {.cmd = find(argv[0]), .a = arena_new(), .max_keys = 10240};
	int r;

	if (!opts_read(&b, argc, argv))
		r = EXIT_WRONG;
	else if (b.o.help)
		r = help(b.cmd);
	else
		r = check_pid(&b) ? b.cmd->run(&b) : EXIT_WRONG;
	awl_free(b.awl);
	buf_release(&b.script);
	arena_free(b.a);
	return r;
}
