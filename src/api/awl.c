/* The public interface, made of compile and runtime. See include/awl/awl.h for the contracts. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "api/session.h"

static void disable_features(struct kernel *k, const char *const *names)
{
	for (; names && *names; names++) {
		for (int f = 1; f < FEATURE_COUNT; f++) {
			if (str_case_eq(str_of(*names), str_of(feature_name((enum feature)f))))
				kernel_force(k, (enum feature)f, false);
		}
	}
}

static enum out_buffering buffering_of(enum awl_buffering b)
{
	return b == AWL_BUF_NONE ? OUT_NONE : b == AWL_BUF_FULL ? OUT_FULL : OUT_LINE;
}

static enum out_format format_of(int json)
{
	return json == AWL_NDJSON ? OUT_NDJSON : json ? OUT_JSON : OUT_TEXT;
}

/* The variables may stay set on machines that have types of their own, where nothing reads them. */
static const char *given_btf(const struct awl_opts *o)
{
	const char *own = getenv("AWL_BTF");

	return o->kernel_btf ? o->kernel_btf : own ? own : getenv("BPFTRACE_BTF");
}

struct awl *awl_new(const struct awl_opts *opts)
{
	struct awl *awl = calloc(1, sizeof(*awl));

	if (!awl)
		abort();
	session_opts_copy(&awl->opts, sizeof(awl->opts), opts, opts ? opts->size : 0);
	awl->kernel = kernel_new(&(struct kernel_paths){.functions = awl->opts.traceable_functions,
							.given_btf = given_btf(&awl->opts)});
	awl->child_go = -1;
	disable_features(awl->kernel, awl->opts.disabled_features);
	out_init(&awl->out, awl->opts.out_fd > 0 ? awl->opts.out_fd : STDOUT_FILENO,
		 format_of(awl->opts.json), buffering_of(awl->opts.buffering));
	return awl;
}

void awl_free(struct awl *awl)
{
	if (!awl)
		return;
	run_free(awl->run);
	child_release(awl);
	session_release_targets(awl);
	out_release(&awl->out);
	program_free(awl->program);
	arena_free(awl->failed);
	arena_free(awl->kept.arena);
	kernel_free(awl->kernel);
	buf_release(&awl->error);
	buf_release(&awl->dump);
	free(awl);
}

const char *awl_error(const struct awl *awl)
{
	return buf_cstr(&awl->error);
}

int session_fail(struct awl *awl, const struct err *e)
{
	buf_reset(&awl->error);
	buf_printf(&awl->error, "error: %s\n", e->what);
	if (e->hint[0])
		buf_printf(&awl->error, "  = help: %s\n", e->hint);
	return e->code ? -e->code : -EIO;
}

int session_check_caps(struct awl *awl, struct err *e)
{
	static const int need[] = {CAP_BPF, CAP_PERFMON};
	char missing[128];

	if (caps_check(need, ARRAY_SIZE(need), missing, sizeof(missing)))
		return 0;
	err_plain(e, EPERM, "tracing needs %s, which this process does not have", missing);
	err_hint(e, "run as root, or: setcap "
		    "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep on the awl binary");
	return -EPERM;
}

/* ---- compiling ---- */

static void render_diag(struct awl *awl, const struct diag *d)
{
	enum diag_format f = awl->opts.json_diagnostics ? DIAG_JSON
			     : awl->opts.color          ? DIAG_COLOR
							: DIAG_TEXT;

	buf_reset(&awl->error);
	diag_render(d, &awl->error, f);
}

/* Why stacks that no one asked to be are unwound by tables; false: none is. */
static bool stacks_text(const struct program *p, struct buf *out)
{
	if (!p->frameless)
		return false;
	buf_printf(out,
		   "ustack: by call frame information, as dw_ustack, because %s has no frame "
		   "pointers\n    config = { ustack_unwind = fp } walks by frame pointers, which "
		   "is quicker and misses callers",
		   p->frameless);
	return true;
}

static void report_stacks(struct awl *awl)
{
	struct buf b = BUF_INIT;

	if (awl->opts.verbose && awl->opts.message && stacks_text(awl->program, &b))
		awl->opts.message(awl->opts.arg, AWL_INFO, buf_cstr(&b));
	buf_release(&b);
}

/* What was compiled before is dropped; the kernel's features that were tried stay known. */
static int drop_program(struct awl *awl)
{
	struct err e = {0};

	if (awl->run) {
		err_plain(&e, EBUSY,
			  "the script of this session is attached; a session can compile "
			  "another one before, not afterwards");
		return session_fail(awl, &e);
	}
	program_free(awl->program);
	arena_free(awl->failed);
	awl->program = NULL;
	awl->failed = NULL;
	buf_reset(&awl->dump);
	return 0;
}

int awl_compile(struct awl *awl, const char *name, const char *text,
		const struct awl_compile_opts *opts)
{
	struct preparation p;
	struct diag *d;
	struct arena *a;
	int r = drop_program(awl);

	if (r == 0)
		r = session_prepare(awl, &p, opts);
	if (r < 0)
		return r;
	p.in.name = name;
	p.in.text = str_of(text);
	awl->program = compile_script(&p.in, &d, &a);
	session_prepared(&p);
	render_diag(awl, d);
	session_keep(awl, name, p.in.text, false, &p.o);
	if (awl->program)
		report_stacks(awl);
	else
		awl->failed = a;
	return awl->program ? 0 : -EINVAL;
}

char *awl_compile_bench(struct awl *awl, const char *name, const char *text,
			const struct awl_compile_opts *opts)
{
	struct buf out = BUF_INIT;
	struct preparation p;
	struct diag *d;
	struct arena *a;

	if (session_prepare(awl, &p, opts) < 0)
		return NULL;
	p.in.name = name;
	p.in.text = str_of(text);
	p.in.dump = 0;
	p.in.dump_to = NULL;
	compile_bench(&p.in, &out, &d, &a);
	session_prepared(&p);
	render_diag(awl, d);
	arena_free(a);
	return out.p;
}

/* ---- ahead of time ---- */

int awl_build(struct awl *awl, const char *name, const char *text,
	      const struct awl_compile_opts *opts, void **bytes, size_t *n)
{
	struct awl_compile_opts o;
	struct buf out = BUF_INIT;
	struct diag *d;
	struct arena *a;
	bool ok;

	session_opts_copy(&o, sizeof(o), opts, opts ? opts->size : 0);
	const struct compile_in in = {
		.kernel = awl->kernel,
		.name = name,
		.text = str_of(text),
		.params = {o.params, session_count(o.params)},
		.unsafe = awl->opts.unsafe,
		.include_dirs = o.include_dirs,
		.includes = o.includes,
	};
	ok = aot_build(&in, &out, &d, &a);
	render_diag(awl, d);
	arena_free(a);
	*bytes = out.p;
	*n = out.n;
	return ok ? 0 : -EINVAL;
}

static void report_load(struct awl *awl, const struct aot_report *r)
{
	struct buf b = BUF_INIT;

	if (!awl->opts.verbose || !awl->opts.message)
		return;
	if (r->recompiled)
		buf_printf(&b, "Compiled again: %s", r->why);
	else
		buf_printf(&b, "Loaded as compiled: %zu facts, %zu moved, %zu relocations",
			   r->facts, r->moved, r->relocs);
	awl->opts.message(awl->opts.arg, AWL_INFO, buf_cstr(&b));
	buf_release(&b);
}

int awl_load(struct awl *awl, const void *bytes, size_t n, const struct awl_compile_opts *opts)
{
	struct preparation p;
	struct aot_report report;
	struct err e = {0};
	struct diag *d;
	struct arena *a;
	int r = drop_program(awl);

	if (r == 0)
		r = session_prepare(awl, &p, opts);
	if (r < 0)
		return r;
	session_keep(awl, NULL, (struct str){bytes, n}, true, &p.o);
	awl->program = aot_load((struct str){bytes, n}, &p.in, &report, &d, &a, &e);
	session_prepared(&p);
	if (!awl->program && e.code)
		return session_fail(awl, &e);
	render_diag(awl, d);
	report_load(awl, &report);
	if (!awl->program)
		awl->failed = a;
	return awl->program ? 0 : -EINVAL;
}

int awl_is_built(const void *bytes, size_t n)
{
	return aot_is_compiled((struct str){bytes, n});
}

char *awl_describe(struct awl *awl, const void *bytes, size_t n)
{
	struct buf out = BUF_INIT;
	struct err e = {0};

	if (aot_describe((struct str){bytes, n}, &out, &e) == 0)
		return out.p;
	session_fail(awl, &e);
	buf_release(&out);
	return NULL;
}

const char *awl_dump_text(const struct awl *awl)
{
	return buf_cstr(&awl->dump);
}

const char *awl_script_help(const struct awl *awl)
{
	return awl->program ? awl->program->help : NULL;
}

size_t awl_probe_count(const struct awl *awl)
{
	return awl->program ? awl->program->ntargets : 0;
}

int awl_ends_by_itself(const struct awl *awl)
{
	return awl->program && awl->program->only_once;
}

int session_no_program(struct awl *awl)
{
	struct err e = {0};

	err_plain(&e, EINVAL, "there is no compiled script");
	return session_fail(awl, &e);
}

/* The program's part of a hit, behind the way to it. */
static void explain_cost(struct awl *awl, const struct program_prog *p,
			 const struct attach_target *t, struct buf *out)
{
	uint32_t way = p->prov->cost ? p->prov->cost(awl->kernel, t) : 0;
	uint32_t program = run_prog_ns(p);

	if (way)
		buf_printf(out, "; expected cost of a hit: %.2f us (%u ns of it the program)",
			   (way + program) / 1000.0, program);
}

static void explain_target(struct awl *awl, const struct program_prog *p,
			   const struct attach_target *t, void (*line)(void *arg, const char *text),
			   void *arg)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s (%zu instructions): ", t->name, p->code.n);
	if (p->prov->explain)
		p->prov->explain(awl->kernel, t, &b);
	else
		buf_adds(&b, "run by awl itself\n");
	if (b.n && b.p[b.n - 1] == '\n')
		b.p[--b.n] = '\0';
	explain_cost(awl, p, t, &b);
	line(arg, buf_cstr(&b));
	buf_release(&b);
}

static void explain_stacks(const struct program *p, void (*line)(void *arg, const char *text),
			   void *arg)
{
	struct buf b = BUF_INIT;

	if (stacks_text(p, &b))
		line(arg, buf_cstr(&b));
	buf_release(&b);
}

int awl_explain(struct awl *awl, void (*line)(void *arg, const char *text), void *arg)
{
	if (!awl->program)
		return session_no_program(awl);
	for (size_t i = 0; i < awl->program->nprogs; i++) {
		const struct program_prog *p = &awl->program->progs[i];

		for (size_t j = 0; !p->follows && j < p->ntargets; j++)
			explain_target(awl, p, &p->targets[j], line, arg);
	}
	explain_stacks(awl->program, line, arg);
	return 0;
}

/* ---- running ---- */

static void on_message(void *arg, enum run_level level, const char *text)
{
	struct awl *awl = arg;

	if (awl->opts.message)
		awl->opts.message(awl->opts.arg, (enum awl_level)level, text);
}

static void on_record(void *arg, const char *type, const char *text, size_t n)
{
	struct awl *awl = arg;

	awl->opts.record(awl->opts.arg, type, text, n);
}

static struct run_opts run_opts_of(struct awl *awl)
{
	return (struct run_opts){
		.kernel = awl->kernel,
		.out = &awl->out,
		.version = AWL_VERSION,
		.pids = awl->pids,
		.npids = awl->npids,
		.follow = awl->opts.follow,
		.name = awl->opts.process_name,
		.cgroups = awl->cgroups.v,
		.ncgroups = awl->cgroups.n,
		.child = awl->child,
		.child_go = awl->child_go,
		.command = awl->opts.command,
		.profile = (enum run_profile)awl->opts.profile,
		.quiet = awl->opts.quiet,
		.verbose = awl->opts.verbose,
		.handle_signals = awl->opts.handle_signals,
		.message = on_message,
		.record = awl->opts.record ? on_record : NULL,
		.arg = awl,
	};
}

/* `again`: a program that is too large can be compiled once more. */
static int start(struct awl *awl, bool again, bool *too_large, struct err *e)
{
	struct run_opts o = run_opts_of(awl);
	int r;

	o.again = again;
	err_clear(e);
	awl->run = run_new(awl->program, &o);
	r = run_load(awl->run, e);
	*too_large = r < 0 && run_too_large(awl->run);
	if (r >= 0)
		r = run_attach(awl->run, e);
	if (r < 0) {
		run_free(awl->run);
		awl->run = NULL;
	}
	return r;
}

int awl_attach(struct awl *awl)
{
	struct err e = {0};
	bool too_large;
	int r;

	if (!awl->program)
		return session_no_program(awl);
	if (session_check_caps(awl, &e) < 0)
		return session_fail(awl, &e);
	r = start(awl, true, &too_large, &e);
	if (too_large) {
		session_compile_again(awl, &e);
		r = start(awl, false, &too_large, &e);
	}
	return r < 0 ? session_fail(awl, &e) : 0;
}

int awl_poll(struct awl *awl, int timeout_ms)
{
	return awl->run ? run_poll(awl->run, timeout_ms) : -1;
}

void awl_stop(struct awl *awl)
{
	if (awl->run)
		run_stop(awl->run);
}

int awl_finish(struct awl *awl)
{
	struct err e = {0};
	int r;

	if (!awl->run)
		return session_no_program(awl);
	r = run_finish(awl->run, &e);
	return e.code ? session_fail(awl, &e) : r;
}

int awl_run(struct awl *awl)
{
	struct err e = {0};

	if (!awl->run)
		return session_no_program(awl);
	run_loop(awl->run, &e);
	if (e.code)
		return session_fail(awl, &e);
	return awl_finish(awl);
}

int awl_map_each(struct awl *awl, const char *name, awl_map_fn visit, void *arg)
{
	struct err e = {0};
	int r;

	if (!awl->run)
		return session_no_program(awl);
	r = run_map_each(awl->run, name, visit, arg, &e);
	return e.code ? session_fail(awl, &e) : r;
}

uint64_t awl_lost(const struct awl *awl, enum awl_loss cause)
{
	return awl->run ? run_lost(awl->run, (enum lost)cause) : 0;
}
