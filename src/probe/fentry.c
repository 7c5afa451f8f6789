/* fentry:[MODULE:]FUNCTION and fexit:[MODULE:]FUNCTION: kernel functions with typed arguments.
 *
 * BTF-typed trampolines: args has the function's parameters by name, fexit has retval as well. The
 * context is an array of 8-byte slots, the result behind the arguments. */
#include <errno.h>
#include <linux/btf.h>
#include "probe/probe.h"

struct scan {
	struct sema *s;
	const struct provider *prov;
	struct str func;
	struct attach_targets *out;
	struct nearest near;
};

static int match_one(void *arg, const char *module, const char *name)
{
	struct scan *m = arg;
	struct arena *a = sema_arena(m->s);

	probe_near(m->s, &m->near, name);
	/* Types of modules' functions live in the modules' own BTF. */
	if (module || !str_glob(m->func, str_of(name)))
		return 0;
	if (!kernel_btf_find(sema_kernel(m->s), name, BTF_KIND_FUNC))
		return 0;
	probe_push(m->s, m->out,
		   (struct attach_target){
			   .name = arena_printf(a, "%s:vmlinux:%s", m->prov->name, name),
			   .symbol = arena_strdup(a, name),
		   });
	return 0;
}

static bool need_fentry(struct sema *s, const struct attach_point *ap)
{
	struct diag_msg *m;

	if (kernel_has(sema_kernel(s), FEATURE_FENTRY))
		return true;
	m = sema_report(s, E_FEATURE, ap->span, "this kernel has no fentry and fexit probes");
	diag_help(m, "kprobe:, tracepoint: or rawtracepoint: probes may do: awl -l");
	return false;
}

static bool fentry_resolve_as(struct sema *s, const struct provider *prov,
			      const struct attach_point *ap, struct attach_targets *out)
{
	struct scan m = {.s = s, .prov = prov, .out = out};
	size_t before = out->n;
	struct err e = {0};
	struct diag_msg *msg;

	if (!probe_parts(s, prov, ap, 2, 3) || !need_fentry(s, ap))
		return false;
	m.func = ap->parts[ap->nparts - 1];
	nearest_init(&m.near, m.func);
	if (kernel_func_each(sema_kernel(s), match_one, &m, &e) < 0) {
		msg = sema_report(s, E_PROBE_TARGET, ap->span,
				  "the kernel's functions cannot be listed: %s", e.what);
		diag_help(msg, "fentry needs the kernel's symbols and BTF");
		return false;
	}
	return out->n > before ||
	       probe_none(s, ap, &m.near,
			  "the function is not there, inlined, or has no type in BTF");
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

/* The program is verified against one function: one program for each. */
static bool fentry_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			 const struct attach_target *b)
{
	return strcmp(a->symbol, b->symbol) == 0;
}

static void fentry_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_TRACING;
	p->attach_type = p->prov == &provider_fexit ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY;
	p->attach_btf_id = kernel_btf_find(sema_kernel(s), p->targets[0].symbol, BTF_KIND_FUNC);
	p->pid_filter = sema_input(s)->pid;
}

static const struct type *fentry_name_type(struct sema *s, struct probe *p, enum probe_name name,
					   unsigned index)
{
	const struct type *ret = NULL;
	const struct type *args = type_from_func(sema_types(s), p->targets[0].symbol, &ret, NULL);

	if (name == NAME_ARGS)
		return args;
	if (name == NAME_RETVAL && p->prov == &provider_fexit)
		return ret && ret->kind != TYPE_VOID ? ret : NULL;
	return name == NAME_FUNC ? type_int(sema_types(s), 8, false) : NULL;
}

static struct val fentry_name_load(struct gen *g, struct probe *p, enum probe_name name,
				   unsigned index)
{
	const struct type *ret = NULL;
	const struct type *args = type_from_func(gen_types(g), p->targets[0].symbol, &ret, NULL);

	if (name == NAME_ARGS)
		return val_mem(args, gen_ctx(g), 0, SPACE_CTX);
	if (name == NAME_RETVAL)
		return val_mem(ret, gen_ctx(g), args ? (int32_t)args->size : 0, SPACE_CTX);
	return val_scalar(type_int(gen_types(g), 8, false),
			  IR_CALL(gen_ir(g), BPF_FUNC_get_func_ip, gen_ctx(g)));
}

static int fentry_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	int fd = bpf_raw_tp_open(NULL, p->fd, 0, e);

	if (fd < 0)
		return err_wrap(e, "cannot attach %s", p->targets[0].name);
	env->own_fd(env, fd, false);
	return 0;
}

/* ---- listing ---- */

struct listing {
	struct kernel *kernel;
	const char *prov;
	struct str func;
	struct types *types; /* NULL: names only */
	struct arena *arena;
	bool is_return;
	list_fn fn;
	void *arg;
};

static void add_prototype(struct listing *l, const char *func, struct buf *out)
{
	const struct type *ret = NULL;
	uint32_t id;
	const struct type *args = type_from_func(l->types, func, &ret, &id);

	probe_list_members(l->types, l->arena, args, out);
	if (l->is_return && ret && ret->kind != TYPE_VOID)
		buf_printf(out, "    %s retval\n", type_text(l->arena, ret));
}

static int list_one(void *arg, const char *module, const char *name)
{
	struct listing *l = arg;
	struct buf detail = BUF_INIT;
	char line[512];
	int r;

	if (module || !str_glob(l->func, str_of(name)) ||
	    !kernel_btf_find(l->kernel, name, BTF_KIND_FUNC))
		return 0;
	snprintf(line, sizeof(line), "%s:vmlinux:%s", l->prov, name);
	if (l->types)
		add_prototype(l, name, &detail);
	r = l->fn(l->arg, line, detail.n ? buf_cstr(&detail) : NULL);
	buf_release(&detail);
	return r;
}

static int list_as(const char *prov, struct kernel *k, const struct attach_point *pattern,
		   bool verbose, list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.kernel = k,
			    .prov = prov,
			    .func = probe_pattern(pattern, pattern->nparts > 2 ? 2 : 1),
			    .arena = arena_new(),
			    .is_return = strcmp(prov, "fexit") == 0,
			    .fn = fn,
			    .arg = arg};
	int r = 0;

	if (verbose)
		l.types = types_new(l.arena, k);
	if (kernel_has(k, FEATURE_FENTRY))
		r = kernel_func_each(k, list_one, &l, e);
	arena_free(l.arena);
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

static void fentry_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_printf(out, "kernel function %s, by a BPF trampoline\n", t->symbol);
}

static const char *const fentry_aliases[] = {"f", "kfunc", NULL};
static const char *const fexit_aliases[] = {"fr", "kretfunc", NULL};

const struct provider provider_fentry = {
	.name = "fentry",
	.aliases = fentry_aliases,
	.form = "fentry:[MODULE:]FUNCTION",
	.doc = "The entry of a kernel function, with typed arguments in args.\n\n"
	       "    fentry:vfs_read { @[args.count] = count(); }",
	.space = SPACE_KERNEL,
	.args_btf = true,
	.listed = true,
	.resolve = fentry_resolve,
	.share = fentry_share,
	.plan = fentry_plan,
	.name_type = fentry_name_type,
	.name_load = fentry_name_load,
	.attach = fentry_attach,
	.list = fentry_list,
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
	.share = fentry_share,
	.plan = fentry_plan,
	.name_type = fentry_name_type,
	.name_load = fentry_name_load,
	.attach = fentry_attach,
	.list = fexit_list,
	.explain = fentry_explain,
};
