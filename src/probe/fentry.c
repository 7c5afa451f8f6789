/* fentry:[MODULE:]FUNCTION and fexit:[MODULE:]FUNCTION: kernel functions with typed arguments.
 *
 *   fentry:vfs_read              a function of the kernel, or of the one module that has it
 *   fentry:nf_tables:nft_*       of a module, whose types come from the module's BTF
 *   fentry:bpf:FUNCTION          a function of a loaded BPF program; fentry:bpf:ID:FUNCTION of the
 * one with that id
 *
 * args has the function's parameters by name, fexit has retval as well. The programs are attached
 * by trampolines (trampoline.c); a kernel without them gets kprobes instead, where the arguments
 * are those in registers and a return has none.
 *
 * A target's `module` is NULL for the kernel; for a BPF program `a` is its id, `b` the function's
 * id in its BTF, and `c` how many parameters it has. */
#include <errno.h>
#include <linux/btf.h>
#include "probe/probe.h"

struct candidate {
	const char *module, *name;
};

struct scan {
	struct sema *s;
	const struct provider *prov;
	const struct attach_point *ap;
	struct str module, func; /* `module` empty: any */
	uint32_t prog;           /* id of a BPF program, 0: any */
	VEC(struct candidate) found;
	struct attach_targets *out;
	struct nearest near;
	struct err e; /* why the types of a module are not there */
};

/* Without fentry, kprobes stand in. */
static bool by_kprobe(struct kernel *k)
{
	return !kernel_has(k, FEATURE_FENTRY) && kernel_has(k, FEATURE_KPROBE) &&
	       kernel_has(k, FEATURE_BTF);
}

/* Modules are looked at when they are named, or when one function is: to read the types of all of
 * them for a wildcard would take long. */
static int match_one(void *arg, const char *module, const char *name)
{
	struct scan *m = arg;
	struct arena *a = sema_arena(m->s);

	probe_near(m->s, &m->near, name);
	if (!str_glob(m->func, str_of(name)))
		return 0;
	if (m->module.n ? !str_glob(m->module, str_of(module ? module : "vmlinux"))
			: module && probe_is_glob(m->func))
		return 0;
	vec_push(
		a, &m->found,
		(struct candidate){module ? arena_strdup(a, module) : NULL, arena_strdup(a, name)});
	return 0;
}

static void push_func(struct scan *m, const struct candidate *c)
{
	struct kernel *k = sema_kernel(m->s);

	if (c->module && kernel_btf_module(k, c->module, &m->e) < 0)
		return;
	if (!kernel_btf_func(k, c->module, c->name))
		return;
	probe_push(m->s, m->out,
		   (struct attach_target){
			   .name = arena_printf(sema_arena(m->s), "%s:%s:%s", m->prov->name,
						c->module ? c->module : "vmlinux", c->name),
			   .module = c->module,
			   .symbol = c->name,
		   });
}

/* Candidates of the kernel itself come first. */
static bool is_ambiguous(struct scan *m)
{
	struct diag_msg *msg;

	if (m->module.n || probe_is_glob(m->func) || m->found.n < 2)
		return false;
	if (!m->found.v[0].module) {
		m->found.n = 1;
		return false;
	}
	msg = sema_report(m->s, E_PROBE_TARGET, m->ap->span, "%zu modules have a function %s",
			  m->found.n, m->found.v[0].name);
	diag_help(msg, "name the module: %s:%s:%s or %s:%s:%s", m->prov->name, m->found.v[0].module,
		  m->found.v[0].name, m->prov->name, m->found.v[1].module, m->found.v[1].name);
	return true;
}

static bool push_found(struct scan *m)
{
	size_t before = m->out->n;
	const char *why = NULL;

	if (is_ambiguous(m))
		return false;
	for (size_t i = 0; i < m->found.n; i++)
		push_func(m, &m->found.v[i]);
	if (m->out->n > before)
		return true;
	if (m->e.code)
		why = arena_strdup(sema_arena(m->s), m->e.what);
	else if (m->found.n)
		why = "the function can be traced, but BTF has no type for it: kprobe works";
	else
		why = probe_why_none(m->s, m->prov->name, m->func);
	return probe_none(m->s, m->ap, &m->near, why);
}

/* ---- functions of BPF programs ---- */

static int match_prog(void *arg, const struct bpf_prog_func *f)
{
	struct scan *m = arg;
	struct arena *a = sema_arena(m->s);

	probe_near(m->s, &m->near, f->name);
	if ((m->prog && f->prog != m->prog) || !str_glob(m->func, str_of(f->name)))
		return 0;
	probe_push(m->s, m->out,
		   (struct attach_target){
			   .name = arena_printf(a, "%s:bpf:%u:%s", m->prov->name, f->prog, f->name),
			   .module = "bpf",
			   .symbol = arena_strdup(a, f->name),
			   .a = f->prog,
			   .b = f->btf_id,
			   .c = f->nparams,
		   });
	return 0;
}

static bool resolve_progs(struct scan *m)
{
	size_t before = m->out->n;
	unsigned long long id;

	if (m->ap->nparts == 4) {
		if (!str_to_u64(m->ap->parts[2], &id) || id == 0 || id > UINT32_MAX)
			return probe_malformed(m->s, m->prov, m->ap,
					       "between bpf and the function only the number of a "
					       "program may stand");
		m->prog = (uint32_t)id;
	}
	if (!kernel_has(sema_kernel(m->s), FEATURE_FENTRY))
		return probe_no_feature(m->s, m->ap, "this kernel has no fentry and fexit probes");
	if (kernel_prog_each(match_prog, m, &m->e) < 0) {
		sema_report(m->s, E_PROBE_TARGET, m->ap->span,
			    "the BPF programs cannot be listed: %s", m->e.what);
		return false;
	}
	return m->out->n > before ||
	       probe_none(
		       m->s, m->ap, &m->near,
		       "no BPF program that was loaded with type information has such a function");
}

static const char *fentry_lacks(struct kernel *k)
{
	return kernel_has(k, FEATURE_FENTRY) || by_kprobe(k)
		       ? NULL
		       : "this kernel has no fentry and fexit probes";
}

static bool fentry_resolve_as(struct sema *s, const struct provider *prov,
			      const struct attach_point *ap, struct attach_targets *out)
{
	struct scan m = {.s = s, .prov = prov, .ap = ap, .out = out};
	bool bpf = ap->nparts > 2 && str_is(ap->parts[1], "bpf");
	struct diag_msg *msg;
	struct err e = {0};

	if (!probe_parts(s, prov, ap, 2, bpf ? 4 : 3))
		return false;
	m.func = ap->parts[ap->nparts - 1];
	nearest_init(&m.near, m.func);
	if (bpf)
		return resolve_progs(&m);
	if (fentry_lacks(sema_kernel(s)))
		return probe_no_feature(s, ap, fentry_lacks(sema_kernel(s)));
	if (ap->nparts == 3)
		m.module = ap->parts[1];
	if (kernel_func_each(sema_kernel(s), match_one, &m, &e) < 0) {
		msg = sema_report(s, E_PROBE_TARGET, ap->span,
				  "the kernel's functions cannot be listed: %s", e.what);
		diag_help(msg, "fentry needs the kernel's symbols and BTF");
		return false;
	}
	return push_found(&m);
}

static bool fentry_resolve(struct sema *s, const struct attach_point *ap,
			   struct attach_targets *out)
{
	return fentry_resolve_as(s, &provider_fentry, ap, out);
}

static bool fexit_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	return fentry_resolve_as(s, &provider_fexit, ap, out);
}

static bool is_return(const struct probe *p)
{
	return p->prov == &provider_fexit;
}

static void fentry_plan(struct sema *s, struct probe *p)
{
	if (!by_kprobe(sema_kernel(s))) {
		probe_trampoline_plan(s, p, is_return(p));
		return;
	}
	p->prog_type = BPF_PROG_TYPE_KPROBE;
	p->pid_filter = sema_only_pid(s);
}

/* ---- names ---- */

/* Of a function's arguments, those that are in registers. */
static const struct type *register_args(struct types *ts, struct arena *a, const struct type *args)
{
	uint32_t all = 0, n = 0;
	const struct member *m = args ? type_members(ts, args, &all) : NULL;
	struct member *in = arena_array_of(a, struct member, all);

	for (uint32_t i = 0; i < all; i++)
		if (m[i].type->size <= 8 && m[i].type->kind != TYPE_FLOAT &&
		    regs_arg(m[i].offset / 8) >= 0)
			in[n++] = m[i];
	return args ? type_struct_new(ts, args->agr.name, args->size, in, n) : NULL;
}

static const struct type *prototype(struct types *ts, struct kernel *k, const struct probe *p,
				    const struct type **ret)
{
	const struct attach_target *t = &p->targets[0];

	return type_from_func(ts, kernel_btf_func(k, t->module, t->symbol),
			      by_kprobe(k) ? SPACE_KERNEL : SPACE_BTF, ret);
}

static const struct type *fentry_name_type(struct sema *s, struct probe *p, enum probe_name name,
					   unsigned index)
{
	struct kernel *k = sema_kernel(s);
	const struct type *ret = NULL, *args;

	if (p->targets[0].a)
		return probe_trampoline_type(s, p, name, index, is_return(p));
	args = prototype(sema_types(s), k, p, &ret);
	if (name == NAME_RETVAL && is_return(p))
		return ret && ret->kind != TYPE_VOID ? ret : NULL;
	if (name == NAME_ARGS && !by_kprobe(k))
		return args;
	if (name == NAME_ARGS)
		return is_return(p) ? NULL : register_args(sema_types(s), sema_arena(s), args);
	return name == NAME_FUNC ? type_int(sema_types(s), 8, false) : NULL;
}

static struct val load_by_kprobe(struct gen *g, enum probe_name name, const struct type *ret)
{
	if (name == NAME_RETVAL)
		return val_mem(ret, gen_ctx(g), regs_retval(), SPACE_CTX);
	return probe_func_load(g, name, FEATURE_KPROBE_FUNC_IP);
}

static struct val fentry_name_load(struct gen *g, struct probe *p, enum probe_name name,
				   unsigned index)
{
	const struct type *ret = NULL, *args;

	if (p->targets[0].a)
		return probe_trampoline_load(g, p, name, index);
	args = prototype(gen_types(g), gen_kernel(g), p, &ret);
	if (name != NAME_ARGS && by_kprobe(gen_kernel(g)))
		return load_by_kprobe(g, name, ret);
	if (name == NAME_ARGS)
		return val_mem(args, gen_ctx(g), 0, SPACE_CTX);
	if (name == NAME_RETVAL)
		return val_mem(ret, gen_ctx(g), args ? (int32_t)args->size : 0, SPACE_CTX);
	return probe_trampoline_load(g, p, name, index);
}

/* A kprobe finds arguments in registers, not in slots. */
static struct val fentry_arg_field(struct gen *g, struct probe *p, const struct member *m)
{
	if (!by_kprobe(gen_kernel(g)))
		return (struct val){.kind = VAL_NONE};
	return val_mem(m->type, gen_ctx(g), regs_arg(m->offset / 8), SPACE_CTX);
}

static int fentry_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	if (p->prog_type == BPF_PROG_TYPE_TRACING)
		return probe_trampoline_attach(env, p, e);
	if (env->verbose)
		env->warn(env, "%s goes by a kprobe, as this kernel has no fentry and fexit",
			  p->targets[0].name);
	return probe_attach_kprobe(env, p, strncmp(p->targets[0].name, "fexit", 5) == 0, e);
}

/* ---- listing ---- */

struct listing {
	struct kernel *kernel;
	const char *prov;
	struct str module, func;
	struct types *types; /* NULL: names only */
	struct arena *arena;
	bool is_return;
	struct buf line;
	list_fn fn;
	void *arg;
};

static void add_prototype(struct listing *l, uint32_t id, struct buf *out)
{
	const struct type *ret = NULL;
	const struct type *args = type_from_func(l->types, id, SPACE_BTF, &ret);

	probe_list_members(l->types, l->arena, args, out);
	if (l->is_return && ret && ret->kind != TYPE_VOID)
		buf_printf(out, "    %s retval\n", type_text(l->arena, ret));
}

/* Modules are listed when they are asked for. */
static int list_one(void *arg, const char *module, const char *name)
{
	struct listing *l = arg;
	struct buf detail = BUF_INIT;
	uint32_t id;
	int r;

	if ((!probe_is_any(l->module) &&
	     !str_glob(l->module, str_of(module ? module : "vmlinux"))) ||
	    (!probe_is_any(l->func) && !str_glob(l->func, str_of(name))) ||
	    (module && kernel_btf_module(l->kernel, module, NULL) < 0))
		return 0;
	id = kernel_btf_func(l->kernel, module, name);
	if (!id)
		return 0;
	probe_list_function(&l->line, l->prov, module ? module : "vmlinux", name);
	if (l->types)
		add_prototype(l, id, &detail);
	r = l->fn(l->arg, l->line.p, detail.n ? buf_cstr(&detail) : NULL);
	buf_release(&detail);
	return r;
}

static int list_prog(void *arg, const struct bpf_prog_func *f)
{
	struct listing *l = arg;
	char line[512];

	if (!str_glob(l->func, str_of(f->name)))
		return 0;
	snprintf(line, sizeof(line), "%s:bpf:%u:%s", l->prov, f->prog, f->name);
	return l->fn(l->arg, line, NULL);
}

static int list_as(const char *prov, struct kernel *k, const struct attach_point *pattern,
		   bool verbose, list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.kernel = k,
			    .prov = prov,
			    .module = STR("vmlinux"),
			    .func = probe_pattern(pattern, pattern->nparts > 2 ? 2 : 1),
			    .arena = arena_new(),
			    .is_return = strcmp(prov, "fexit") == 0,
			    .fn = fn,
			    .arg = arg};
	int r;

	if (verbose)
		l.types = types_new(l.arena, k);
	if (pattern->nparts > 2)
		l.module = pattern->parts[1];
	kernel_func_prepare(k);
	if (str_is(l.module, "bpf"))
		r = kernel_prog_each(list_prog, &l, e);
	else
		r = kernel_func_each(k, list_one, &l, e);
	arena_free(l.arena);
	buf_release(&l.line);
	return r;
}

static int fentry_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		       list_fn fn, void *arg, struct err *e)
{
	return list_as("fentry", k, pattern, verbose, fn, arg, e);
}

static int fexit_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		      list_fn fn, void *arg, struct err *e)
{
	return list_as("fexit", k, pattern, verbose, fn, arg, e);
}

static uint32_t fentry_cost(struct kernel *k, const struct attach_target *t)
{
	return 40; /* a trampoline calls the program */
}

static void fentry_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	const char *of = t->a ? "BPF program's" : t->module ? t->module : "kernel";

	buf_printf(out, "%s function %s, by a %s\n", of, t->symbol,
		   by_kprobe(k) ? "kprobe" : "BPF trampoline");
}

static const char *const fentry_aliases[] = {"f", "kfunc", NULL};
static const char *const fexit_aliases[] = {"fr", "kretfunc", NULL};

const struct provider provider_fentry = {
	.name = "fentry",
	.aliases = fentry_aliases,
	.form = "fentry:[MODULE:]FUNCTION",
	.doc = "The entry of a kernel function, with typed arguments in args.\n\n"
	       "Functions of modules (fentry:MODULE:FUNCTION) and of loaded BPF programs\n"
	       "(fentry:bpf:FUNCTION, without args) can be traced as well.\n\n"
	       "    fentry:vfs_read { @[args.count] = count(); }",
	.space = SPACE_KERNEL,
	.args_btf = true,
	.listed = true,
	.resolve = fentry_resolve,
	.share = probe_trampoline_share,
	.plan = fentry_plan,
	.name_type = fentry_name_type,
	.name_load = fentry_name_load,
	.arg_field = fentry_arg_field,
	.attach = fentry_attach,
	.list = fentry_list,
	.lacks = fentry_lacks,
	.cost = fentry_cost,
	.explain = fentry_explain,
};

const struct provider provider_fexit = {
	.name = "fexit",
	.aliases = fexit_aliases,
	.form = "fexit:[MODULE:]FUNCTION",
	.doc = "The return of a kernel function, with typed arguments and retval.\n\n"
	       "    fexit:vfs_read { @ = hist(retval); }",
	.space = SPACE_KERNEL,
	.args_btf = true,
	.resolve = fexit_resolve,
	.share = probe_trampoline_share,
	.plan = fentry_plan,
	.name_type = fentry_name_type,
	.name_load = fentry_name_load,
	.arg_field = fentry_arg_field,
	.attach = fentry_attach,
	.list = fexit_list,
	.lacks = fentry_lacks,
	.cost = fentry_cost,
	.explain = fentry_explain,
};
