/* Compiles, loads and runs random programs, and compares what they print with what they must.
 *
 *   random_programs [--load | --emulate] [--from SEED] [--count N] [--print] [--rejects]
 *                   [--costly INSNS] [--thrifty] [FILE…]
 *
 * A program is named by its seed. Without --load, it runs on the kernel at hand and its output must
 * be that of the walked tree (random.h); with --load, it is only loaded: what the compiler accepts,
 * the verifier has to accept; with --emulate, the emitted code runs in an interpreter, which needs
 * no kernel's consent and is quicker. FILE takes a script from a file. The last line counts; the
 * exit status is 0 when all went well. With --print the programs are shown, with --rejects what the
 * compiler says about those that it refuses, with --costly those of which the verifier walks
 * through so many instructions or more. With --thrifty all programs are compiled as those are that
 * the verifier found too large at first (gen/unlearn.c). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "compile/compile.h"
#include "emulate.h"
#include "random.h"
#include "runtime/priv.h"
#include "runtime/runtime.h"

struct options {
	enum program_kind kind;
	uint64_t from, count, costly;
	bool print, rejects, emulate, thrifty;
};

static struct kernel *kernel;
static uint64_t current; /* seed, for the message of a crash */
static struct options opt = {.count = 100, .costly = UINT64_MAX};
static unsigned ran, refused, again, large, failed;
static uint64_t programs, verified,
	most; /* loaded: instructions that the verifier walked through */

/* Said about programs whose ways the verifier cannot walk in its limit of a million instructions,
 * also when they were made for that. */
#define TOO_LARGE "too large or too branched for the verifier"

static void on_crash(int sig)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "crash: seed %lu, signal %d\n", (unsigned long)current,
			 sig);

	if (write(2, text, (size_t)n) < 0)
		_exit(1);
	_exit(2);
}

/* ---- what it must print
 * ----------------------------------------------------------------------------- */

static void expect(const char *text, struct buf *out)
{
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct config config;
	struct plan *plan;
	struct sema_in in = {.arena = a, .diag = d, .kernel = kernel, .config = &config};

	config_init(&config, a);
	in.types = types_new(a, kernel);
	in.families = builtin_families;
	in.providers = providers;
	in.views = value_views;
	in.script = lang_parse(a, d, diag_add_source(d, "random", str_of(text)));
	if (sema_run(&in, &plan))
		expect_output(a, plan, out);
	arena_free(a);
}

/* ---- what it prints
 * ------------------------------------------------------------------------------------ */

static void on_record(void *arg, const char *type, const char *text, size_t n)
{
	buf_add(arg, text, n);
}

static void on_message(void *arg, enum run_level level, const char *text)
{
	buf_printf(arg, "message: %s\n", text);
}

/* What the verifier walked through. */
static void count_verified(const struct run *r)
{
	for (size_t i = 0; i < r->p->nprogs; i++) {
		struct bpf_prog_info info;
		uint32_t n = sizeof(info);

		memset(&info, 0, sizeof(info));
		if (r->prog_fds[i] < 0 || bpf_obj_get_info_by_fd(r->prog_fds[i], &info, &n) < 0)
			continue;
		programs++;
		verified += info.verified_insns;
		if (info.verified_insns >= opt.costly)
			printf("seed %" PRIu64 ": %u instructions walked of %s\n", current,
			       info.verified_insns, r->p->progs[i].title);
		most = MAX(most, info.verified_insns);
	}
}

static int run_all(struct run *r, struct err *e)
{
	const char *fault;
	int ret;

	if (opt.emulate) {
		fault = emulate(r, e);
		return fault ? err_set(e, EINVAL, "%s", fault) : 0;
	}
	ret = run_load(r, e);
	if (ret >= 0)
		count_verified(r);
	if (ret < 0 || opt.kind == PROGRAM_LOAD)
		return ret;
	ret = run_attach(r, e);
	if (ret >= 0)
		ret = run_loop(r, e);
	if (ret >= 0)
		ret = run_finish(r, e);
	return ret;
}

/* False: the verifier finds a program too large. `once_more`: it can be made again. */
static bool execute(struct program *p, bool once_more, struct buf *got)
{
	static struct err e;
	struct out out;
	struct run_opts o = {
		.kernel = kernel, .out = &out, .child_go = -1, .quiet = true, .again = once_more};
	struct run *r;
	bool fits;

	o.message = on_message;
	o.record = on_record;
	o.arg = got;
	err_clear(&e);
	out_init(&out, 2, OUT_TEXT, OUT_LINE);
	r = run_new(p, &o);
	if (run_all(r, &e) < 0)
		buf_printf(got, "failed: %s\n", e.what);
	fits = !run_too_large(r);
	run_free(r);
	out_release(&out);
	return fits;
}

static struct program *compile(const char *text, bool thrifty)
{
	struct compile_in in = {
		.kernel = kernel, .name = "random", .text = str_of(text), .thrifty = thrifty};
	struct buf b = BUF_INIT;
	struct arena *a;
	struct diag *d;
	struct program *p = compile_script(&in, &d, &a);

	if (p)
		return p;
	refused++;
	if (opt.rejects) {
		diag_render(d, &b, DIAG_TEXT);
		printf("seed %lu is refused:\n%s", (unsigned long)current, buf_cstr(&b));
		buf_release(&b);
	}
	arena_free(a);
	return NULL;
}

/* As awl does: once more, and thriftily, when it was too large. */
static void execute_again(const char *text, struct buf *got)
{
	struct program *p = compile(text, true);

	again++;
	if (!p)
		return;
	buf_reset(got);
	execute(p, false, got);
	program_free(p);
}

/* ---- comparing
 * ----------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int r = memcmp(x->p, y->p, MIN(x->n, y->n));

	return r ? r : (x->n > y->n) - (x->n < y->n);
}

/* The time of day at the beginning of lines of charts is not what is compared. */
static void hide_times(struct buf *b)
{
	static const char form[] = "dd:dd:dd |";
	char *line = b->p;

	while (line && *line) {
		size_t i = 0;

		while (form[i] &&
		       (form[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]))
			i++;
		if (!form[i])
			memcpy(line, "hh:mm:ss", 8);
		line = strchr(line, '\n');
		line += line != NULL;
	}
}

/* An entry of a map that begins in `line`: of charts, all lines up to the empty one. */
static struct str whole_entry(struct str line, struct str *rest)
{
	struct str more;

	if (line.p[line.n - 1] != ':' || !rest->n || rest->p[0] == '@')
		return line;
	do {
		more = str_cut(rest, '\n');
		line.n = (size_t)(more.p + more.n - line.p);
	} while (more.n && rest->n);
	return line;
}

/* Entries of maps come last and in any order: from the first line of one on, they are sorted. */
static void sort_entries(const struct buf *in, struct buf *out)
{
	struct str rest = {buf_cstr(in), in->n}, line;
	VEC(struct str) lines = {0};

	while (rest.n) {
		line = str_cut(&rest, '\n');
		if (line.n && line.p[0] == '@')
			hvec_push(&lines, whole_entry(line, &rest));
		else
			buf_printf(out, "%.*s\n", STR_ARG(line));
	}
	if (lines.n)
		qsort(lines.v, lines.n, sizeof(lines.v[0]), by_text);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(out, "%.*s\n", STR_ARG(lines.v[i]));
	hvec_release(&lines);
}

/* The lines that differ. */
static void show_difference(const struct buf *want, const struct buf *got)
{
	struct str a = {buf_cstr(want), want->n}, b = {buf_cstr(got), got->n};

	while (a.n || b.n) {
		struct str x = str_cut(&a, '\n'), y = str_cut(&b, '\n');

		if (!str_eq(x, y))
			printf("  want %.*s\n  got  %.*s\n", STR_ARG(x), STR_ARG(y));
	}
}

static void check(const char *text, struct program *p)
{
	struct buf want = BUF_INIT, got = BUF_INIT, a = BUF_INIT, b = BUF_INIT;

	if (!execute(p, !opt.thrifty, &got) && !opt.thrifty)
		execute_again(text, &got);
	if (opt.kind == PROGRAM_RUN)
		expect(text, &want);
	hide_times(&got);
	sort_entries(&want, &a);
	sort_entries(&got, &b);
	ran++;
	if (strstr(buf_cstr(&got), TOO_LARGE)) {
		large++;
		if (opt.rejects)
			printf("seed %lu is too large\n", (unsigned long)current);
	} else if (!str_eq((struct str){a.p, a.n}, (struct str){b.p, b.n})) {
		failed++;
		printf("seed %lu differs:\n", (unsigned long)current);
		show_difference(&a, &b);
	} else if (opt.print) {
		printf("%s", buf_cstr(&b));
	}
	fflush(stdout);
	buf_release(&want);
	buf_release(&got);
	buf_release(&a);
	buf_release(&b);
}

static void one(const char *text)
{
	struct program *p;

	if (opt.print)
		printf("%s\n", text);
	fflush(stdout);
	p = compile(text, opt.thrifty);
	if (p)
		check(text, p);
	program_free(p);
}

/* Of the processor, for one program: what never ends is a crash, a busy machine is not. */
static void limit_time(void)
{
	const struct itimerval limit = {.it_value.tv_sec = 300};

	setitimer(ITIMER_PROF, &limit, NULL);
}

static int parse_options(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--load") == 0)
			opt.kind = PROGRAM_LOAD;
		else if (strcmp(argv[i], "--emulate") == 0)
			opt.emulate = true;
		else if (strcmp(argv[i], "--print") == 0)
			opt.print = true;
		else if (strcmp(argv[i], "--rejects") == 0)
			opt.rejects = true;
		else if (strcmp(argv[i], "--thrifty") == 0)
			opt.thrifty = true;
		else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc)
			opt.from = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
			opt.count = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--costly") == 0 && i + 1 < argc)
			opt.costly = strtoull(argv[++i], NULL, 0);
		else
			return -1;
	}
	return i;
}

int main(int argc, char **argv)
{
	int first = parse_options(argc, argv);
	struct buf text = BUF_INIT;

	if (first < 0) {
		fprintf(stderr, "usage: random_programs [--load | --emulate] [--from SEED] "
				"[--count N] [--print] "
				"[--rejects] [--costly INSNS] [--thrifty] [FILE…]\n");
		return 2;
	}
	signal(SIGSEGV, on_crash);
	signal(SIGABRT, on_crash);
	signal(SIGPROF, on_crash);
	kernel = kernel_new(NULL);
	if (first < argc)
		opt.count = (uint64_t)(argc - first);
	for (current = opt.from; current < opt.from + opt.count; current++) {
		buf_reset(&text);
		if (first < argc)
			buf_read_file(&text, argv[first + (int)(current - opt.from)], 1 << 20);
		else
			program_random(&text, current, opt.kind);
		limit_time();
		one(buf_cstr(&text));
	}
	buf_release(&text);
	if (programs)
		printf("%" PRIu64 " programs loaded, %" PRIu64
		       " instructions walked by the verifier in the mean, %" PRIu64 " at most\n",
		       programs, verified / programs, most);
	if (again)
		printf("%u were compiled again for the verifier\n", again);
	printf("%u ran, %u were refused, %u too large, %u failed\n", ran, refused, large, failed);
	return failed != 0;
}
