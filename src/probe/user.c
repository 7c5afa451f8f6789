/* Attaching to places in user-space files. See user.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "probe/user.h"

enum {
	TRACE_UPROBE_MULTI = 48
}; /* BPF_TRACE_UPROBE_MULTI: newer than the oldest headers we build with */

static unsigned place_flags(struct kernel *k)
{
	return kernel_has(k, FEATURE_UPROBE_CALL) ? PLACE_CALLS : 0;
}

unsigned user_place_flags(struct sema *s)
{
	return place_flags(sema_kernel(s));
}

void user_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_KPROBE;
	if (kernel_has(sema_kernel(s), FEATURE_UPROBE_MULTI))
		p->attach_type = TRACE_UPROBE_MULTI;
}

/* x86 calls leave it on top of the stack, arm64 calls in a register. */
bool user_caller(struct gen *g, struct probe *p, ir_val *out)
{
	struct ir *b = gen_ir(g);

	for (size_t i = 0; i < p->ntargets; i++)
		if (p->targets[i].b & USER_INSIDE)
			return false;
#if defined(__x86_64__)
	*out = gen_load(g, val_mem(type_int(gen_types(g), 8, false),
				   ir_load(b, 8, gen_ctx(g), regs_sp(), IR_MEM_INVARIANT), 0,
				   SPACE_USER));
	return true;
#elif defined(__aarch64__)
	*out = ir_load(b, 8, gen_ctx(g), regs_named(STR("r30")), IR_MEM_INVARIANT);
	return true;
#else
	return false;
#endif
}

struct val user_arg(struct gen *g, unsigned index)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);
	struct ir *b = gen_ir(g);
	int reg = regs_arg(index);
	unsigned nregs = 0;
	ir_val sp;

	if (reg >= 0)
		return val_scalar(u64, ir_load(b, 8, gen_ctx(g), reg, IR_MEM_INVARIANT));
	while (regs_arg(nregs) >= 0)
		nregs++;
	sp = ir_load(b, 8, gen_ctx(g), regs_sp(), IR_MEM_INVARIANT);
#if defined(__x86_64__)
	index++; /* the return address is on top */
#endif
	return val_scalar(u64,
			  gen_load(g, val_mem(u64, sp, (int32_t)(index - nregs) * 8, SPACE_USER)));
}

/* ---- files ---- */

struct file_walk {
	struct sema *s;
	const struct attach_point *ap;
	bool (*fn)(void *arg, struct elf *f);
	void *arg;
	bool ok, many;
	size_t n;
};

static void report_file(struct file_walk *w, const char *path, const struct err *e)
{
	struct diag_msg *m = sema_report(w->s, E_PROBE_TARGET, w->ap->span, "%s", e->what);

	diag_help(m, "%s",
		  e->hint[0] ? e->hint
			     : "give the path of a program or a shared library, or its name as in "
			       "$PATH or ld.so.cache");
	w->ok = false;
}

static void close_kept(void *kept)
{
	elf_close(kept);
}

/* A list may name thousands of functions of one file: it stays open, with its symbols sorted. */
static struct elf *open_kept(struct sema *s, const char *path, struct err *e)
{
	struct elf *f = sema_kept(s);

	if (f && strcmp(elf_path(f), path) == 0)
		return f;
	f = elf_open(path, e);
	sema_keep(s, f, close_kept);
	return f;
}

static int open_one(void *arg, const char *path)
{
	struct file_walk *w = arg;
	struct err e = {0};
	struct elf *f = open_kept(w->s, path, &e);

	if (!f) {
		if (!w->many)
			report_file(w, path, &e);
		return 0;
	}
	w->n++;
	w->ok &= w->fn(w->arg, f);
	return 0;
}

struct file_id {
	dev_t dev;
	ino_t ino;
};

typedef VEC(struct file_id) file_ids;

/* What several processes name alike, each file once. */
struct shared_walk {
	struct file_walk *w;
	file_ids seen;
	size_t named; /* by the process at hand */
};

static bool is_new_file(struct shared_walk *sw, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return true; /* opening it says why */
	for (size_t i = 0; i < sw->seen.n; i++)
		if (sw->seen.v[i].dev == st.st_dev && sw->seen.v[i].ino == st.st_ino)
			return false;
	vec_push(sema_arena(sw->w->s), &sw->seen, (struct file_id){st.st_dev, st.st_ino});
	return true;
}

static int open_new(void *arg, const char *path)
{
	struct shared_walk *sw = arg;

	sw->named++;
	return is_new_file(sw, path) ? open_one(sw->w, path) : 0;
}

static void files_of(struct shared_walk *sw, struct str file, int pid)
{
	struct err e = {0};
	char path[4096];

	sw->named = 0;
	if (file.n)
		elf_mapped(pid, file, open_new, sw);
	if (sw->named)
		return;
	if (elf_resolve(file, pid, path, sizeof(path), &e) < 0)
		report_file(sw->w, NULL, &e);
	else
		open_new(sw, path);
}

/* Each process may mean another file by the name, as in containers. */
static bool files_of_processes(struct file_walk *w, struct str file)
{
	const struct whom *whom = &sema_input(w->s)->whom;
	struct shared_walk sw = {.w = w};

	for (size_t i = 0; i < whom->npids && w->ok; i++)
		files_of(&sw, file, whom->pids[i]);
	return w->ok;
}

bool user_files(struct sema *s, const struct attach_point *ap, struct str file,
		bool (*fn)(void *arg, struct elf *f), void *arg)
{
	struct file_walk w = {s, ap, fn, arg, true, probe_is_glob(file), 0};
	char path[4096];
	struct err e = {0};

	if (!file.n && sema_input(s)->child) /* it has not begun: what it is about to run */
		file = sema_command_program(s);
	if (w.many) {
		elf_glob(file, open_one, &w);
		return w.n ? w.ok : probe_none(s, ap, NULL, "no file matches the pattern");
	}
	if (sema_input(s)->whom.npids > 1)
		return files_of_processes(&w, file);
	if (file.n && sema_input(s)->pid > 0) {
		elf_mapped(sema_input(s)->pid, file, open_one, &w);
		if (w.n || !w.ok)
			return w.ok;
	}
	if (elf_resolve(file, sema_input(s)->pid, path, sizeof(path), &e) < 0) {
		report_file(&w, NULL, &e);
		return false;
	}
	open_one(&w, path);
	return w.ok;
}

/* ---- attaching ---- */

static uint64_t user_cookie(const struct attach_target *t)
{
	return t->said | (uint64_t)t->c << 32;
}

/* Targets of one file, as the arrays that the kernel wants. */
struct places {
	const char *path;
	const struct attach_target **targets;
	uint64_t *offsets, *ref_ctrs, *cookies;
	bool has_ref_ctr, is_return;
	size_t n, attached;
};

static void places_release(struct places *p)
{
	free(p->targets);
	free(p->offsets);
	free(p->ref_ctrs);
	free(p->cookies);
}

/* All targets from `first` on that are in its file and not yet taken. */
static struct places places_of(const struct attach_prog *p, size_t first, bool *taken)
{
	size_t left = p->ntargets - first;
	struct places out = {
		.path = p->targets[first].module,
		.targets = calloc(left, sizeof(*out.targets)),
		.offsets = calloc(left, sizeof(*out.offsets)),
		.ref_ctrs = calloc(left, sizeof(*out.ref_ctrs)),
		.cookies = calloc(left, sizeof(*out.cookies)),
	};

	for (size_t i = first; i < p->ntargets; i++) {
		const struct attach_target *t = &p->targets[i];

		if (taken[i] || strcmp(t->module, out.path))
			continue;
		taken[i] = true;
		out.targets[out.n] = t;
		out.offsets[out.n] = t->addr;
		out.ref_ctrs[out.n] = t->ref_ctr;
		out.cookies[out.n] = user_cookie(t);
		out.has_ref_ctr |= t->ref_ctr != 0;
		out.n++;
	}
	return out;
}

/* The kernel's own number for an instruction that it cannot step over in a copy. */
#define KERNEL_ENOTSUPP 524

/* Is the refusal about one of the places rather than about all of them? */
static bool is_about_a_place(int r)
{
	return r == -KERNEL_ENOTSUPP || r == -EINVAL || r == -EIO || r == -EILSEQ ||
	       r == -EOPNOTSUPP || r == -ERANGE || r == -EBUSY;
}

static int attach_multi(struct attach_env *env, const struct attach_prog *p, struct places *pl,
			size_t from, size_t n, int pid, struct err *e)
{
	struct uprobe_multi u = {
		.path = pl->path,
		.offsets = pl->offsets + from,
		.ref_ctr_offsets = pl->has_ref_ctr ? pl->ref_ctrs + from : NULL,
		.cookies = pl->cookies + from,
		.count = (uint32_t)n,
		.is_return = pl->is_return,
		.pid = pid,
	};
	int fd = bpf_uprobe_multi_open(p->fd, &u, e);

	if (fd >= 0) {
		env->own_fd(env, fd, true);
		pl->attached += n;
		return 0;
	}
	if (!is_about_a_place(fd))
		return fd;
	if (n == 1) {
		env->skipped(env, pl->targets[from],
			     "the kernel refuses a probe on this instruction");
		return 0;
	}
	err_clear(e);
	fd = attach_multi(env, p, pl, from, n / 2, pid, e);
	return fd < 0 ? fd : attach_multi(env, p, pl, from + n / 2, n - n / 2, pid, e);
}

static int attach_perf_one(struct attach_env *env, const struct attach_prog *p,
			   const struct attach_target *t, int pmu, bool is_return, int pid,
			   struct err *e)
{
	struct perf_event_attr attr = {
		.type = (uint32_t)pmu,
		.config = (is_return ? 1ull << perf_uprobe_retprobe_bit() : 0) | t->ref_ctr << 32,
		.uprobe_path = (uint64_t)(uintptr_t)t->module,
		.probe_offset = t->addr,
		.sample_period = 1,
	};

	/* One event on one CPU fires on all of them. */
	return probe_attach_perf(env, p, &attr, pid, false, user_cookie(t), true, e);
}

static int attach_perf(struct attach_env *env, const struct attach_prog *p, struct places *pl,
		       int pid, struct err *e)
{
	int pmu = perf_pmu_type("uprobe", e);
	int r = 0;

	if (pmu < 0)
		return pmu;
	for (size_t i = 0; i < pl->n && r >= 0; i++) {
		r = attach_perf_one(env, p, pl->targets[i], pmu, pl->is_return, pid, e);
		if (is_about_a_place(r)) {
			env->skipped(env, pl->targets[i], e->what);
			err_clear(e);
			r = 0;
		} else if (r == 0) {
			pl->attached++;
		}
	}
	return r;
}

/* One of many files is gone since the pattern found it. */
static bool is_gone(const struct places *pl, int r)
{
	return (r == -ENOENT || r == -ESRCH) && pl->targets[0]->b & USER_OF_MANY;
}

/* For one process, or all (0). */
static int attach_for(struct attach_env *env, const struct attach_prog *p, struct places *pl,
		      int pid, struct err *e)
{
	return p->attach_type == TRACE_UPROBE_MULTI ? attach_multi(env, p, pl, 0, pl->n, pid, e)
						    : attach_perf(env, p, pl, pid, e);
}

/* Processes that are known are named to the kernel, so that no other one pays. One that has ended
 * meanwhile does not keep the others from being traced. */
static int attach_processes(struct attach_env *env, const struct attach_prog *p, struct places *pl,
			    struct err *e)
{
	int r = env->npids ? 0 : attach_for(env, p, pl, 0, e);
	size_t gone = 0;

	for (size_t i = 0; i < env->npids && r >= 0; i++) {
		r = attach_for(env, p, pl, env->pids[i], e);
		if (r != -ESRCH || ++gone == env->npids)
			continue;
		err_clear(e);
		r = 0;
	}
	return r;
}

static int attach_file(struct attach_env *env, const struct attach_prog *p, struct places *pl,
		       struct err *e)
{
	int r = attach_processes(env, p, pl, e);

	if (is_gone(pl, r)) {
		for (size_t i = pl->attached; i < pl->n; i++)
			env->skipped(env, pl->targets[i], "the file is gone");
		err_clear(e);
		return 0;
	}
	if (r < 0)
		return err_wrap(e, "cannot attach %s",
				pl->n == 1 ? pl->targets[0]->name : pl->path);
	if (pl->attached)
		return 0;
	err_plain(e, EINVAL, "cannot attach %s: the kernel refuses a probe there",
		  pl->targets[0]->name);
	err_hint(e, "awl --explain shows the instruction; another function or offset may do");
	return -EINVAL;
}

int user_attach(struct attach_env *env, const struct attach_prog *p, bool is_return, struct err *e)
{
	bool *taken = calloc(p->ntargets, sizeof(*taken));
	int r = 0;

	for (size_t i = 0; i < p->ntargets && r >= 0; i++) {
		struct places pl;

		if (taken[i])
			continue;
		pl = places_of(p, i, taken);
		pl.is_return = is_return;
		r = attach_file(env, p, &pl, e);
		places_release(&pl);
	}
	free(taken);
	return r;
}

/* ---- other files ---- */

bool user_move_same(struct kernel *k, const struct attach_target *t, struct elf *f, bool same_build,
		    struct attach_target *out)
{
	*out = *t;
	return same_build;
}

/* Programs joined for entry and return need the function's first instruction, as the target was. */
static bool find_entry(struct kernel *k, const struct attach_target *t, struct elf *f, bool first,
		       uint64_t *offset)
{
	struct placement pl;
	struct elf_func fn;

	if (t->b & (USER_INSIDE | USER_BUILD) || !elf_func_find(f, str_of(t->symbol), &fn) ||
	    fn.ifunc)
		return false;
	first = first || !(t->b & USER_MOVED);
	elf_place(f, fn.offset, fn.size, place_flags(k) | (first ? PLACE_EXACT : 0), &pl);
	*offset = first ? fn.offset : pl.offset;
	return pl.cost != COST_REFUSED;
}

bool user_move_entry(struct kernel *k, const struct attach_target *t, struct elf *f,
		     bool same_build, struct attach_target *out)
{
	return user_move_same(k, t, f, same_build, out) || find_entry(k, t, f, false, &out->addr);
}

bool user_move_return(struct kernel *k, const struct attach_target *t, struct elf *f,
		      bool same_build, struct attach_target *out)
{
	return user_move_same(k, t, f, same_build, out) || find_entry(k, t, f, true, &out->addr);
}

/* "push %rbp": what is under the probe, "" when the file cannot be read any more. */
static void insn_at(const struct attach_target *t, char *out, size_t size)
{
	struct elf *f = elf_open(t->module, NULL);
	struct placement pl;

	out[0] = 0;
	if (!f)
		return;
	elf_place(f, t->addr, 0, PLACE_EXACT, &pl);
	snprintf(out, size, "%s", pl.insn);
	elf_close(f);
}

/* The function that a copy is part of. */
static void explain_copy(const struct attach_target *t, struct buf *out)
{
	struct elf *f = elf_open(t->module, NULL);
	struct elf_func fn;

	if (f && elf_func_at(f, t->addr, &fn))
		buf_printf(out, "    an inlined copy of %s, in %s\n", t->symbol, fn.name);
	if (f)
		elf_close(f);
}

uint32_t user_cost(struct kernel *k, const struct attach_target *t)
{
	static const enum trap traps[] = {
		[COST_CHEAP] = TRAP_CALL,
		[COST_EMULATED] = TRAP_COMPUTED,
		[COST_STEPPED] = TRAP_STEPPED,
		[COST_REFUSED] = TRAP_STEPPED,
	};

	return kernel_trap_ns(k, traps[t->b & 3]);
}

void user_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	static const char *const how[] = {
		[COST_CHEAP] = "which the kernel turns into a call",
		[COST_EMULATED] = "which the kernel computes itself",
		[COST_STEPPED] = "which must be single-stepped",
	};
	char insn[64];

	insn_at(t, insn, sizeof(insn));
	buf_printf(out, "%s at 0x%" PRIx64 ", ", t->module, t->addr);
	if (t->b & USER_MOVED)
		buf_adds(out, "behind endbr64, ");
	buf_printf(out, "on `%s`, ", insn[0] ? insn : "?");
	if ((t->b & 3) == COST_REFUSED)
		buf_adds(out, "refused\n");
	else
		buf_printf(out, "%s: %s%.2f us per hit\n", how[t->b & 3],
			   kernel_trap_measured(k) ? "measured here, " : "typically ",
			   user_cost(k, t) / 1000.0);
	if (t->b & USER_COPY)
		explain_copy(t, out);
}
