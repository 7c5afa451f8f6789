/* The awl command: the public library's first customer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "bcc/bcc.h"
#include "cli/opts.h"

static void on_message(void *arg, enum awl_level level, const char *text)
{
	const char *prefix = level == AWL_ERROR     ? "error: "
			     : level == AWL_WARNING ? "warning: "
						    : "";

	fprintf(stderr, "%s%s\n", prefix, text);
}

static int show(struct buf *b)
{
	bool ok = !b->n || fwrite(b->p, 1, b->n, stdout) == b->n;

	ok = fflush(stdout) == 0 && ok;
	buf_release(b);
	return ok ? EXIT_DONE : EXIT_USAGE;
}

static int fail(struct awl *awl, int code)
{
	fputs(awl_error(awl), stderr);
	return code;
}

/* ---- the ways of running without a script ---- */

static int list_one(void *arg, const char *probe, const char *detail)
{
	struct buf *b = arg;

	buf_adds(b, probe);
	buf_addc(b, '\n');
	if (detail)
		buf_adds(b, detail);
	return 0;
}

static int cmd_list(struct awl *awl, const struct cli *c)
{
	struct buf b = BUF_INIT;
	int r = awl_list(awl, c->pattern, list_one, &b);
	bool none = b.n == 0;
	int shown = show(&b);

	if (r < 0)
		return fail(awl, EXIT_USAGE);
	if (none)
		fprintf(stderr,
			"awl: no probe matches %s; `*` stands for any text, `awl -l` lists all\n",
			c->pattern);
	return none ? EXIT_USAGE : shown;
}

static void info_one(void *arg, const char *name, const char *text, int has)
{
	buf_printf(arg, "  %-18s %-3s  %s\n", name, has ? "yes" : "no", text);
}

static int cmd_info(struct awl *awl, const struct cli *c)
{
	struct buf b = BUF_INIT;

	if (c->peer) {
		peer_info(awl, &b);
		return show(&b);
	}
	buf_printf(&b, "awl %s\n\nKernel features:\n", AWL_VERSION);
	awl_info(awl, info_one, &b);
	return show(&b);
}

static int cmd_doctor(void)
{
	AWL_OPTS(awl_opts, o, .quiet = 1);
	struct awl *awl = awl_new(&o);
	struct buf b = BUF_INIT;
	bool ok = doctor(awl, &b);
	int shown = show(&b);

	awl_free(awl);
	return ok ? shown : EXIT_USAGE;
}

static void doc_one(void *arg, const char *kind, const char *name, const char *proto,
		    const char *doc)
{
	buf_printf(arg, "%s\n", proto);
	for (struct str rest = str_of(doc); rest.n;) {
		struct str line = str_cut(&rest, '\n');

		buf_printf(arg, "    %.*s\n", STR_ARG(line));
	}
	buf_addc(arg, '\n');
}

static int cmd_doc(const struct cli *c)
{
	struct buf b = BUF_INIT;
	int r = awl_doc(c->doc, doc_one, &b);

	if (r < 0)
		fprintf(stderr,
			"awl: there is no builtin, probe or code \"%s\"; `awl doc` lists all\n",
			c->doc);
	return r < 0 ? (buf_release(&b), EXIT_USAGE) : show(&b);
}

/* ---- scripts ---- */

static int read_script(const struct cli *c, struct buf *text, const char **name)
{
	const char *path = c->file && strcmp(c->file, "-") == 0 ? "/dev/stdin" : c->file;
	int r;

	if (c->expr) {
		*name = "-e";
		buf_adds(text, c->expr);
		return 0;
	}
	*name = path && strcmp(path, "/dev/stdin") == 0 ? "stdin" : path;
	r = buf_read_file(text, path, 16 << 20);
	if (r < 0)
		fprintf(stderr, "awl: cannot read the script %s: %s\n", *name, strerror(-r));
	else if (!awl_is_built(buf_cstr(text), text->n) && memchr(buf_cstr(text), '\0', text->n)) {
		fprintf(stderr, "awl: %s is not a script: it has NUL bytes\n", *name);
		r = -EINVAL;
	}
	return r;
}

static int cmd_fmt(struct awl *awl, const struct cli *c, const char *name, const struct buf *text)
{
	char *formatted = awl_format(awl, name, buf_cstr(text));
	int r = 0;

	if (!formatted)
		return fail(awl, EXIT_USAGE);
	if (c->output)
		r = replace_file(c->output, formatted, strlen(formatted));
	else
		fputs(formatted, stdout);
	if (r < 0)
		fprintf(stderr, "awl: cannot write the formatted script to %s: %s\n", c->output,
			strerror(-r));
	free(formatted);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

static void explain_one(void *arg, const char *text)
{
	buf_printf(arg, "%s\n", text);
}

static int cmd_explain(struct awl *awl)
{
	struct buf b = BUF_INIT;

	awl_explain(awl, explain_one, &b);
	return show(&b);
}

/* Test suites and wrappers of bpftrace wait for this line. */
static void notify_attached(void)
{
	if (getenv("__BPFTRACE_NOTIFY_PROBES_ATTACHED")) {
		puts("__BPFTRACE_NOTIFY_PROBES_ATTACHED");
		fflush(stdout);
	}
}

static int list_script(struct awl *awl)
{
	struct buf b = BUF_INIT;
	int r = awl_list_script(awl, list_one, &b);
	int shown = show(&b);

	return r < 0 ? fail(awl, EXIT_USAGE) : shown;
}

static int run(struct awl *awl, const struct cli *c)
{
	int r;

	if (awl_script_help(awl)) {
		fputs(awl_script_help(awl), stdout);
		return EXIT_DONE;
	}
	if (c->list)
		return list_script(awl);
	if (c->explain)
		return cmd_explain(awl);
	if ((c->dump && !c->dry_run) || c->codegen)
		return EXIT_DONE;
	if (awl_attach(awl) < 0)
		return fail(awl, EXIT_ATTACH);
	notify_attached();
	if (c->dry_run)
		return EXIT_DONE;
	r = awl_run(awl);
	return r < 0 ? fail(awl, EXIT_ATTACH) : r;
}

static int write_compiled(const struct cli *c, const void *bytes, size_t n)
{
	int r = replace_file(c->output, bytes, n);

	if (r < 0)
		fprintf(stderr, "awl: cannot write the compiled program to %s: %s\n", c->output,
			strerror(-r));
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

static int cmd_aot(struct awl *awl, const struct cli *c, const char *name, const struct buf *text,
		   const struct awl_compile_opts *o)
{
	void *bytes;
	size_t n;
	int r;

	if (awl_is_built(buf_cstr(text), text->n)) {
		fprintf(stderr, "awl: %s is compiled already\n", name);
		return EXIT_USAGE;
	}
	r = awl_build(awl, name, buf_cstr(text), o, &bytes, &n);
	if (r < 0 || !c->no_warnings)
		fputs(awl_error(awl), stderr);
	r = r < 0 ? EXIT_USAGE : write_compiled(c, bytes, n);
	free(bytes);
	return r;
}

static int cmd_describe(struct awl *awl, const char *name, const struct buf *text)
{
	char *lines;

	if (!awl_is_built(buf_cstr(text), text->n)) {
		fprintf(stderr,
			"awl: %s is not a compiled program: --info alone shows what this "
			"kernel has\n",
			name);
		return EXIT_USAGE;
	}
	lines = awl_describe(awl, text->p, text->n);
	if (!lines)
		return fail(awl, EXIT_USAGE);
	fputs(lines, stdout);
	free(lines);
	return EXIT_DONE;
}

static int cmd_compiler_bench(struct awl *awl, const struct cli *c, const char *name,
			      const struct buf *text, const struct awl_compile_opts *o)
{
	char *table;

	if (awl_is_built(buf_cstr(text), text->n)) {
		fprintf(stderr, "awl: %s is compiled already: the passes are timed of a script\n",
			name);
		return EXIT_USAGE;
	}
	table = awl_compile_bench(awl, name, buf_cstr(text), o);
	if (!table || !c->no_warnings)
		fputs(awl_error(awl), stderr);
	if (table)
		fputs(table, stdout);
	free(table);
	return table ? EXIT_DONE : EXIT_USAGE;
}

static int cmd_compile(struct awl *awl, const struct cli *c, const char *name,
		       const struct buf *text, const struct awl_compile_opts *o)
{
	bool built = awl_is_built(buf_cstr(text), text->n);
	int r;

	if (built && (c->max_rate || c->max_overhead)) {
		fprintf(stderr,
			"awl: %s is compiled without limits: --max-rate and --max-overhead are "
			"for scripts, which are compiled with them\n",
			name);
		return EXIT_USAGE;
	}
	if (built && (c->include_dirs || c->includes)) {
		fprintf(stderr,
			"awl: %s has its headers in it: -I and --include are given when it "
			"is made\n",
			name);
		return EXIT_USAGE;
	}
	r = built ? awl_load(awl, text->p, text->n, o) : awl_compile(awl, name, buf_cstr(text), o);
	fputs(awl_dump_text(awl), stdout);
	if (r < 0 || !c->no_warnings)
		fputs(awl_error(awl), stderr);
	return r < 0 ? EXIT_USAGE : run(awl, c);
}

static int cmd_script(struct awl *awl, const struct cli *c)
{
	AWL_OPTS(awl_compile_opts, o, .params = c->params, .dump = c->dump,
		 .probe_filter = c->probe_filter, .include_dirs = c->include_dirs,
		 .includes = c->includes, .max_rate = c->max_rate, .max_overhead = c->max_overhead);
	struct buf text = BUF_INIT;
	const char *name;
	int r;

	if (read_script(c, &text, &name) < 0) {
		buf_release(&text);
		return EXIT_USAGE;
	}
	if (c->fmt && awl_is_built(buf_cstr(&text), text.n)) {
		fprintf(stderr, "awl: %s is compiled: its script can be formatted\n", name);
		r = EXIT_USAGE;
	} else if (c->fmt) {
		r = cmd_fmt(awl, c, name, &text);
	} else if (c->info) {
		r = cmd_describe(awl, name, &text);
	} else if (c->compiler_bench) {
		r = cmd_compiler_bench(awl, c, name, &text, &o);
	} else {
		r = c->aot ? cmd_aot(awl, c, name, &text, &o)
			   : cmd_compile(awl, c, name, &text, &o);
	}
	buf_release(&text);
	return r;
}

/* ---- main ---- */

static int open_output(const struct cli *c)
{
	int fd = c->output && !c->fmt && !c->aot
			 ? open(c->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
			 : 0;

	if (fd < 0)
		fprintf(stderr, "awl: cannot write to %s: %s\n", c->output, strerror(errno));
	return fd;
}

static int usage(const struct cli *c)
{
	struct buf b = BUF_INIT;

	opts_help(&b, c->peer);
	if (c->help)
		return show(&b);
	fputs("awl: no script: give a FILE or -e 'PROGRAM'\nTry: awl --help\n", stderr);
	buf_release(&b);
	return EXIT_USAGE;
}

static bool is_feature(const char *name)
{
	const char *known;

	for (unsigned i = 0; (known = awl_feature_name(i)); i++)
		if (strcasecmp(known, name) == 0)
			return true;
	return false;
}

/* A feature that does not exist cannot be done without: a misspelt name must not go unnoticed. */
static bool check_features(const char *const *names)
{
	const char *known;

	while (names && *names && is_feature(*names))
		names++;
	if (!names || !*names)
		return true;
	fprintf(stderr, "awl: there is no feature called \"%s\"; there are:", *names);
	for (unsigned i = 0; (known = awl_feature_name(i)); i++)
		fprintf(stderr, " %s", known);
	fputc('\n', stderr);
	return false;
}

static bool wants_color(void)
{
	const char *mode = getenv("BPFTRACE_COLOR");

	if (mode && strcmp(mode, "always") == 0)
		return true;
	return isatty(STDERR_FILENO) && !(mode && strcmp(mode, "never") == 0);
}

static int version(const struct cli *c)
{
	struct buf b = BUF_INIT;

	if (c->peer)
		peer_version(&b);
	else
		buf_printf(&b, "awl %s\n", AWL_VERSION);
	return show(&b);
}

static int completion(const struct cli *c)
{
	struct buf b = BUF_INIT;

	if (complete_script(c->completion, &b))
		return show(&b);
	fprintf(stderr, "awl: there is no completion for \"%s\": bash, zsh and fish have one\n",
		c->completion);
	return EXIT_USAGE;
}

static int candidates(const struct cli *c)
{
	struct buf b = BUF_INIT;

	complete_program(c->complete, &b);
	return show(&b);
}

static bool can_read(const char *what, const char *path)
{
	if (!path || access(path, R_OK) == 0)
		return true;
	fprintf(stderr, "awl: cannot read %s %s: %s\n", what, path, strerror(errno));
	return false;
}

static int dispatch(const struct cli *c, int out_fd)
{
	AWL_OPTS(awl_opts, o, .json = c->json, .out_fd = out_fd, .buffering = c->buffering,
		 .unsafe = c->unsafe, .quiet = c->quiet, .verbose = c->verbose, .handle_signals = 1,
		 .pids = c->pids, .npids = c->npids, .follow = c->follow,
		 .process_name = c->process_name, .cgroups = c->cgroups,
		 .containers = c->containers, .pods = c->pods, .command = c->command,
		 .message = on_message, .disabled_features = c->features, .color = wants_color(),
		 .traceable_functions = c->traceable, .json_diagnostics = c->json_diag,
		 .mode = c->mode, .profile = c->profile, .helper_warnings = c->warnings,
		 .kernel_btf = c->kernel_btf);
	struct awl *awl = awl_new(&o);
	int r = EXIT_USAGE;

	if (check_features(c->features))
		r = c->info && !c->file      ? cmd_info(awl, c)
		    : c->pattern && !c->file ? cmd_list(awl, c)
					     : cmd_script(awl, c);

	awl_free(awl);
	return r;
}

/* By its own name (a link), or as the first word behind "awl". */
static bool is_bcc(int *argc, char ***argv)
{
	if (*argc > 0 && bcc_is_command((*argv)[0]))
		return true;
	if (*argc < 2 || strchr((*argv)[1], '/') || !bcc_is_command((*argv)[1]))
		return false;
	--*argc;
	++*argv;
	return true;
}

static int awl_main(int argc, char **argv)
{
	struct arena *a = arena_new();
	struct cli c = {0};
	int r, fd;

	if (!opts_parse(&c, a, argc, argv))
		r = EXIT_USAGE;
	else if (c.version)
		r = version(&c);
	else if (c.completion)
		r = completion(&c);
	else if (c.complete)
		r = candidates(&c);
	else if (c.is_doc)
		r = cmd_doc(&c);
	else if (c.is_doctor)
		r = cmd_doctor();
	else if (c.help || (!c.expr && !c.file && !c.list && !c.info))
		r = usage(&c);
	else if (!can_read("the list of functions", c.traceable) ||
		 !can_read("the kernel's types of", c.kernel_btf))
		r = EXIT_USAGE;
	else
		r = (fd = open_output(&c)) < 0 ? EXIT_USAGE : dispatch(&c, fd);
	arena_free(a);
	return r;
}

int main(int argc, char **argv)
{
	return is_bcc(&argc, &argv) ? bcc_main(argc, argv) : awl_main(argc, argv);
}
