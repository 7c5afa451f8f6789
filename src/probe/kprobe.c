/* kprobe:[MODULE:]FUNCTION[+OFFSET] and kretprobe:[MODULE:]FUNCTION: functions of the kernel.
 *
 * Several functions of one probe are attached by one kprobe_multi link where the kernel has it,
 * otherwise by a perf event each. A kernel without kprobes gets trampolines (trampoline.c) on
 * functions that have types. A function that the kernel refuses spoils a whole multi link: the
 * functions are halved until it is alone, and left out.
 *
 *   kprobe:vfs_read        kprobe:nf_tables:nft_do_chain      kprobe:vfs_read+4
 *   kprobe:vfs_*           kprobe:0xffffffff8123…             an address, with --unsafe
 *
 * A target's `addr` is the offset, or the address when it has no symbol. The context is struct
 * pt_regs. */
#include <errno.h>
#include <stdlib.h>
#include "probe/probe.h"

/* BPF_TRACE_KPROBE_MULTI and _SESSION */
enum { TRACE_KPROBE_MULTI = 42, TRACE_KPROBE_SESSION = 56 };

struct scan {
	struct sema *s;
	const struct provider *prov;
	struct str module, func;
	uint64_t offset;
	struct attach_targets *out;
	struct nearest near;
};

/* Without kprobes, trampolines stand in. */
static bool by_trampoline(struct kernel *k)
{
	return !kernel_has(k, FEATURE_KPROBE) && !kernel_has(k, FEATURE_KPROBE_MULTI) &&
	       kernel_has(k, FEATURE_FENTRY);
}

static void push_func(struct scan *m, const char *module, const char *name)
{
	struct arena *a = sema_arena(m->s);
	const char *colon = module ? ":" : "";

	probe_push(m->s, m->out,
		   (struct attach_target){
			   .name = m->offset ? arena_printf(a, "%s:%s%s%s+%" PRIu64, m->prov->name,
							    module ? module : "", colon, name,
							    m->offset)
					     : arena_printf(a, "%s:%s%s%s", m->prov->name,
							    module ? module : "", colon, name),
			   .module = module ? arena_strdup(a, module) : NULL,
			   .symbol = arena_strdup(a, name),
			   .addr = m->offset,
		   });
}

static int match_one(void *arg, const char *module, const char *name)
{
	struct scan *m = arg;

	probe_near(m->s, &m->near, name);
	if (m->module.n && !str_glob(m->module, str_of(module ? module : "vmlinux")))
		return 0;
	if (!str_glob(m->func, str_of(name)))
		return 0;
	if (by_trampoline(sema_kernel(m->s)) &&
	    (module || !kernel_btf_func(sema_kernel(m->s), NULL, name)))
		return 0;
	push_func(m, module, name);
	return 0;
}

static bool split_offset(struct scan *m, const struct attach_point *ap, struct str text)
{
	struct str rest = text;
	unsigned long long v;

	m->func = str_cut(&rest, '+');
	if (!rest.p)
		return true;
	if (m->prov == &provider_kretprobe)
		return probe_malformed(m->s, m->prov, ap, "a return probe takes no offset");
	if (!str_to_u64(rest, &v) || probe_is_glob(m->func))
		return probe_malformed(m->s, m->prov, ap,
				       "the offset is no number, or the function a wildcard");
	m->offset = v;
	return true;
}

static const char *kprobe_lacks(struct kernel *k)
{
	if (kernel_has(k, FEATURE_KPROBE) || kernel_has(k, FEATURE_KPROBE_MULTI) ||
	    by_trampoline(k))
		return NULL;
	return "this kernel has no kprobes";
}

static bool need_kprobes(struct sema *s, const struct attach_point *ap)
{
	const char *lacks = kprobe_lacks(sema_kernel(s));
	struct diag_msg *m;

	if (!lacks)
		return true;
	m = sema_report(s, E_FEATURE, ap->span, "%s", lacks);
	diag_note(m, "it was built without CONFIG_KPROBES, or they are switched off");
	diag_help(m, "tracepoint:, rawtracepoint: and profile: probes work here: awl -l");
	return false;
}

/* An address can be in the midst of an instruction, which the kernel finds out only on some
 * architectures. */
static bool push_addr(struct scan *m, const struct attach_point *ap, uint64_t addr)
{
	if (!sema_input(m->s)->unsafe) {
		diag_help(sema_report(m->s, E_UNSAFE, ap->span,
				      "a kprobe at an address can crash the system"),
			  "give the function's name, or run awl with --unsafe");
		return false;
	}
	if (m->prov == &provider_kretprobe)
		return probe_malformed(m->s, m->prov, ap, "a return probe needs a function's name");
	probe_push(m->s, m->out,
		   (struct attach_target){
			   .name = arena_printf(sema_arena(m->s), "%s:0x%" PRIx64, m->prov->name,
						addr),
			   .addr = addr,
		   });
	return true;
}

/* Trampolines are at entries and returns only. */
static bool needs_kprobe(struct scan *m, const struct attach_point *ap)
{
	if (!by_trampoline(sema_kernel(m->s)))
		return true;
	probe_no_feature(m->s, ap,
			 "this kernel has no kprobes; trampolines, which stand in for them, are at "
			 "entries and returns only");
	return false;
}

static bool kprobe_resolve_as(struct sema *s, const struct provider *prov,
			      const struct attach_point *ap, struct attach_targets *out)
{
	struct scan m = {.s = s, .prov = prov, .out = out};
	size_t before = out->n;
	unsigned long long addr;
	struct err e = {0};

	if (!probe_parts(s, prov, ap, 2, 3) || !need_kprobes(s, ap))
		return false;
	if (ap->nparts == 2 && str_to_u64(ap->parts[1], &addr))
		return needs_kprobe(&m, ap) && push_addr(&m, ap, addr);
	if (!split_offset(&m, ap, ap->parts[ap->nparts - 1]) || (m.offset && !needs_kprobe(&m, ap)))
		return false;
	if (ap->nparts == 3)
		m.module = ap->parts[1];
	nearest_init(&m.near, m.func);
	if (kernel_func_each(sema_kernel(s), match_one, &m, &e) < 0) {
		if (probe_is_glob(m.func)) {
			sema_report(s, E_PROBE_TARGET, ap->span,
				    "the kernel's functions cannot be listed: %s", e.what);
			return false;
		}
		/* An exact name is taken at its word: attaching tells. */
		push_func(&m, NULL, probe_cstr(s, m.func));
	}
	return out->n > before || probe_none(s, ap, &m.near, probe_why_none(s, prov->name, m.func));
}

static bool kprobe_resolve(struct sema *s, const struct attach_point *ap,
			   struct attach_targets *out)
{
	return kprobe_resolve_as(s, &provider_kprobe, ap, out);
}

static bool kretprobe_resolve(struct sema *s, const struct attach_point *ap,
			      struct attach_targets *out)
{
	return kprobe_resolve_as(s, &provider_kretprobe, ap, out);
}

/* Offsets and addresses are not for multi links. */
static bool kprobe_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			 const struct attach_target *b)
{
	if (by_trampoline(k))
		return probe_trampoline_share(k, uses, a, b);
	return !a->addr == !b->addr && probe_share_perf(k, uses, a, b);
}

static void kprobe_plan(struct sema *s, struct probe *p)
{
	struct kernel *k = sema_kernel(s);

	if (by_trampoline(k)) {
		probe_trampoline_plan(s, p, p->prov == &provider_kretprobe);
		return;
	}
	p->prog_type = BPF_PROG_TYPE_KPROBE;
	p->pid_filter = sema_only_pid(s);
	if (kernel_has(k, FEATURE_KPROBE_MULTI) && !p->targets[0].addr &&
	    (p->ntargets > 1 || !kernel_has(k, FEATURE_KPROBE)))
		p->attach_type = TRACE_KPROBE_MULTI;
}

static const struct type *kprobe_name_type(struct sema *s, struct probe *p, enum probe_name name,
					   unsigned index)
{
	if (by_trampoline(sema_kernel(s)))
		return probe_trampoline_type(s, p, name, index, false);
	if (name == NAME_ARG)
		return regs_arg(index) >= 0 ? type_int(sema_types(s), 8, false) : NULL;
	return probe_func_name(s, name);
}

static const struct type *kretprobe_name_type(struct sema *s, struct probe *p, enum probe_name name,
					      unsigned index)
{
	if (by_trampoline(sema_kernel(s)))
		return name == NAME_ARG ? NULL : probe_trampoline_type(s, p, name, index, true);
	/* Without the helper nothing tells which function it was that returned. */
	if (name == NAME_FUNC && !kernel_has(sema_kernel(s), FEATURE_KPROBE_FUNC_IP))
		return NULL;
	return name == NAME_RETVAL ? type_int(sema_types(s), 8, false) : probe_func_name(s, name);
}

static struct val kprobe_name_load(struct gen *g, struct probe *p, enum probe_name name,
				   unsigned index)
{
	if (by_trampoline(gen_kernel(g)))
		return probe_trampoline_load(g, p, name, index);
	if (name == NAME_ARG)
		return probe_ctx_reg(g, type_int(gen_types(g), 8, false), regs_arg(index));
	return probe_func_load(g, name, FEATURE_KPROBE_FUNC_IP);
}

#if defined(__aarch64__)
/* Walks go by frame pointers there, and the function has not made its frame yet. */
static bool kprobe_caller(struct gen *g, struct probe *p, ir_val *out)
{
	if (by_trampoline(gen_kernel(g)))
		return false;
	for (size_t i = 0; i < p->ntargets; i++)
		if (p->targets[i].addr) /* anywhere in a function */
			return false;
	*out = ir_load(gen_ir(g), 8, gen_ctx(g), regs_named(STR("r30")), IR_MEM_INVARIANT);
	return true;
}
#else
#define kprobe_caller NULL /* walks go by tables (ORC) */
#endif

/* ---- attaching ---- */

struct multi {
	struct attach_env *env;
	const struct attach_prog *p;
	const char **names;
	uint64_t *cookies;
	bool is_return, session;
	size_t attached;
};

/* The error is about one of the functions, not about all. */
static bool is_refusal(int r)
{
	return r == -ESRCH || r == -ENOENT || r == -EINVAL || r == -EADDRNOTAVAIL || r == -EBUSY ||
	       r == -EILSEQ;
}

/* A session stands for the probe at the return as well. */
static void leave_out(struct multi *m, const struct attach_target *t)
{
	struct attach_target other = *t;
	char name[512];

	m->env->skipped(m->env, t, "the kernel refuses it");
	if (!m->session)
		return;
	snprintf(name, sizeof(name), "%s%s", provider_kretprobe.name, strchr(t->name, ':'));
	other.name = name;
	m->env->skipped(m->env, &other, "the kernel refuses it");
}

static int attach_range(struct multi *m, size_t from, size_t n, struct err *e)
{
	struct kprobe_multi u = {
		.names = m->names + from,
		.cookies = m->cookies + from,
		.count = (uint32_t)n,
		.is_return = m->is_return,
		.session = m->session,
	};
	int fd = bpf_kprobe_multi_open(m->p->fd, &u, e), r;

	if (fd >= 0) {
		m->env->own_fd(m->env, fd, true);
		m->attached += n;
		return 0;
	}
	if (!is_refusal(fd) || m->p->ntargets == 1)
		return fd;
	if (n == 1) {
		leave_out(m, &m->p->targets[from]);
		return 0;
	}
	err_clear(e);
	r = attach_range(m, from, n / 2, e);
	return r < 0 ? r : attach_range(m, from + n / 2, n - n / 2, e);
}

static int attach_multi(struct attach_env *env, const struct attach_prog *p, bool is_return,
			struct err *e)
{
	const char **names = calloc(p->ntargets, sizeof(*names));
	uint64_t *cookies = calloc(p->ntargets, sizeof(*cookies));
	struct multi m = {env,     p,         names,
			  cookies, is_return, p->attach_type == TRACE_KPROBE_SESSION};
	int r;

	for (size_t i = 0; i < p->ntargets; i++) {
		names[i] = p->targets[i].symbol;
		cookies[i] = p->targets[i].id;
	}
	r = attach_range(&m, 0, p->ntargets, e);
	free(names);
	free(cookies);
	if (r >= 0 && m.attached) {
		err_clear(e);
		return 0;
	}
	return err_wrap(e, "cannot attach %s and %zu more", p->targets[0].name, p->ntargets - 1);
}

static int attach_perf(struct attach_env *env, const struct attach_prog *p,
		       const struct attach_target *t, int pmu, bool is_return, struct err *e)
{
	struct perf_event_attr attr = {
		.type = (uint32_t)pmu,
		.config = is_return ? 1ull << perf_kprobe_retprobe_bit() : 0,
		.probe_offset = t->addr, /* or kprobe_addr, its other name */
		.sample_period = 1,
	};
	char func[256];

	/* A function of a module by both names: another one may have one of the same name. */
	if (t->symbol) {
		snprintf(func, sizeof(func), "%s%s%s", t->module ? t->module : "",
			 t->module ? ":" : "", t->symbol);
		attr.kprobe_func = (uint64_t)(uintptr_t)func;
	}
	return probe_attach_perf(env, p, &attr, 0, false, t->id, true, e);
}

/* Why the kernel refuses a function that it lists. */
static void explain_refusal(struct attach_env *env, const struct attach_target *t, struct err *e)
{
	struct func_fate f;

	if (!t->symbol || e->code == EPERM || e->code == EACCES)
		return;
	kernel_func_fate(env->kernel, str_of(t->symbol), &f);
	if (f.blacklisted)
		err_hint(e, "the kernel has it on its list of functions that probes would crash "
			    "(/sys/kernel/debug/kprobes/blacklist): probe one that calls it");
	else if (f.symbols > 1)
		err_hint(e,
			 "the kernel has %u functions of that name: give the address of one with "
			 "--unsafe, from /proc/kallsyms",
			 f.symbols);
}

/* Functions that the kernel refuses are left out when there are others. */
static int attach_each(struct attach_env *env, const struct attach_prog *p, bool is_return,
		       struct err *e)
{
	int pmu = perf_pmu_type("kprobe", e), r = pmu;
	size_t attached = 0;

	for (size_t i = 0; r >= 0 && i < p->ntargets && !env->stopped(env); i++) {
		r = attach_perf(env, p, &p->targets[i], pmu, is_return, e);
		attached += r == 0;
		if (r < 0)
			explain_refusal(env, &p->targets[i], e);
		if (r < 0 && p->ntargets > 1) {
			env->skipped(env, &p->targets[i], e->what);
			r = 0;
		}
	}
	if (r >= 0 && (attached || env->stopped(env))) {
		err_clear(e);
		return 0;
	}
	return err_wrap(e, "cannot attach %s", p->targets[0].name);
}

int probe_attach_kprobe(struct attach_env *env, const struct attach_prog *p, bool is_return,
			struct err *e)
{
	return attach_each(env, p, is_return, e);
}

static int attach_as(struct attach_env *env, const struct attach_prog *p, bool is_return,
		     struct err *e)
{
	if (p->prog_type == BPF_PROG_TYPE_TRACING) {
		if (env->verbose)
			env->warn(env, "%s goes by a trampoline, as this kernel has no kprobes",
				  p->targets[0].name);
		return probe_trampoline_attach(env, p, e);
	}
	if (p->attach_type == TRACE_KPROBE_SESSION && env->verbose)
		env->warn(env, "%s and the return of its %zu functions are one link", p->name,
			  p->ntargets);
	if (p->attach_type == TRACE_KPROBE_MULTI || p->attach_type == TRACE_KPROBE_SESSION)
		return attach_multi(env, p, is_return, e);
	return attach_each(env, p, is_return, e);
}

static int kprobe_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return attach_as(env, p, false, e);
}

static int kretprobe_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return attach_as(env, p, true, e);
}

/* ---- listing ---- */

struct listing {
	const char *prov;
	struct str module, func;
	struct buf line;
	list_fn fn;
	void *arg;
};

static int list_one(void *arg, const char *module, const char *name)
{
	struct listing *l = arg;
	if (!probe_is_any(l->module) && !str_glob(l->module, str_of(module ? module : "vmlinux")))
		return 0;
	if (!probe_is_any(l->func) && !str_glob(l->func, str_of(name)))
		return 0;
	probe_list_function(&l->line, l->prov, module, name);
	return l->fn(l->arg, l->line.p, NULL);
}

static int list_as(const char *prov, struct kernel *k, const struct attach_point *pattern,
		   list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.prov = prov,
			    .module = STR("*"),
			    .func = probe_pattern(pattern, pattern->nparts > 2 ? 2 : 1),
			    .fn = fn,
			    .arg = arg};
	int r;

	if (pattern->nparts > 2)
		l.module = pattern->parts[1];
	r = kernel_func_each(k, list_one, &l, e);
	buf_release(&l.line);
	return r;
}

static int kprobe_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		       list_fn fn, void *arg, struct err *e)
{
	return list_as("kprobe", k, pattern, fn, arg, e);
}

static int kretprobe_list(struct kernel *k, int pid, const struct attach_point *pattern,
			  bool verbose, list_fn fn, void *arg, struct err *e)
{
	return list_as("kretprobe", k, pattern, fn, arg, e);
}

static uint32_t kprobe_cost(struct kernel *k, const struct attach_target *t)
{
	return 150; /* through ftrace or a breakpoint */
}

static void kprobe_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	if (t->symbol)
		buf_printf(out, "kernel function %s, by kprobe\n", t->symbol);
	else
		buf_printf(out, "kernel address 0x%" PRIx64 ", by kprobe\n", t->addr);
}

static const char *const kprobe_aliases[] = {"k", NULL};
static const char *const kretprobe_aliases[] = {"kr", NULL};

static const struct session kprobe_session = {
	.at_return = &provider_kretprobe,
	.multi = TRACE_KPROBE_MULTI,
	.both = TRACE_KPROBE_SESSION,
	.feature = FEATURE_KPROBE_SESSION,
};

const struct provider provider_kprobe = {
	.name = "kprobe",
	.aliases = kprobe_aliases,
	.form = "kprobe:[MODULE:]FUNCTION[+OFFSET]",
	.doc = "The entry of a kernel function; arg0 … are its arguments.\n\n"
	       "    kprobe:vfs_read { @[comm] = count(); }",
	.space = SPACE_KERNEL,
	.listed = true,
	.session = &kprobe_session,
	.resolve = kprobe_resolve,
	.share = kprobe_share,
	.plan = kprobe_plan,
	.name_type = kprobe_name_type,
	.name_load = kprobe_name_load,
	.caller = kprobe_caller,
	.attach = kprobe_attach,
	.list = kprobe_list,
	.lacks = kprobe_lacks,
	.cost = kprobe_cost,
	.explain = kprobe_explain,
};

const struct provider provider_kretprobe = {
	.name = "kretprobe",
	.aliases = kretprobe_aliases,
	.form = "kretprobe:[MODULE:]FUNCTION",
	.doc = "The return of a kernel function; retval is its result.\n\n"
	       "    kretprobe:vfs_read { @ = hist(retval); }",
	.space = SPACE_KERNEL,
	.resolve = kretprobe_resolve,
	.share = kprobe_share,
	.plan = kprobe_plan,
	.name_type = kretprobe_name_type,
	.name_load = kprobe_name_load,
	.attach = kretprobe_attach,
	.list = kretprobe_list,
	.lacks = kprobe_lacks,
	.cost = kprobe_cost,
	.explain = kprobe_explain,
};
