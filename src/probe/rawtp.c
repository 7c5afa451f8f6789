/* rawtracepoint:EVENT: the kernel's tracepoints without the formatting of events.
 *
 * A body that uses `args` becomes a BTF-typed program (BPF_PROG_TYPE_TRACING), whose context is an
 * array of typed arguments: pointers to kernel structs are followed with plain loads. One that uses
 * only argN, or nothing, is a plain raw tracepoint program and needs no BTF. */
#include <errno.h>
#include <linux/btf.h>
#include "probe/probe.h"

struct scan {
	struct sema *s;
	const struct attach_point *ap;
	struct str pattern;
	struct attach_targets *out;
	struct nearest near;
};

static int match_one(void *arg, const char *name)
{
	struct scan *m = arg;

	probe_near(m->s, &m->near, name);
	if (str_glob(m->pattern, str_of(name)))
		probe_push(m->s, m->out,
			   (struct attach_target){
				   .name = arena_printf(sema_arena(m->s),
							"rawtracepoint:vmlinux:%s", name),
				   .symbol = arena_strdup(sema_arena(m->s), name),
			   });
	return 0;
}

/* An exact name that cannot be looked up is taken at its word: attaching tells. */
static bool take_name(struct sema *s, const struct attach_point *ap, struct str name,
		      struct attach_targets *out)
{
	probe_push(s, out,
		   (struct attach_target){.name = probe_own_name(s, &provider_rawtracepoint, ap),
					  .symbol = probe_cstr(s, name)});
	return true;
}

/* rawtracepoint:MODULE:EVENT of another module than the kernel itself. */
static bool resolve_in_module(struct sema *s, const struct attach_point *ap, struct str name,
			      struct attach_targets *out)
{
	const char *module = probe_cstr(s, ap->parts[1]);
	struct err e = {0};

	if (probe_is_glob(ap->parts[1]) || probe_is_glob(name))
		return probe_none(s, ap, NULL, "in modules only exact names are found");
	if (kernel_btf_module(sema_kernel(s), module, &e) < 0)
		return probe_none(s, ap, NULL, e.what);
	return take_name(s, ap, name, out);
}

static bool rawtp_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct scan m = {.s = s, .ap = ap, .out = out};
	struct err e = {0};
	size_t before = out->n;

	if (!probe_parts(s, &provider_rawtracepoint, ap, 2, 3))
		return false;
	m.pattern = ap->parts[ap->nparts - 1];
	if (ap->nparts > 2 && !str_glob(ap->parts[1], STR("vmlinux")))
		return resolve_in_module(s, ap, m.pattern, out);
	nearest_init(&m.near, m.pattern);
	if (kernel_rawtp_each(sema_kernel(s), match_one, &m, &e) < 0) {
		if (probe_is_glob(m.pattern)) {
			struct diag_msg *msg = sema_report(
				s, E_BTF, ap->span, "raw tracepoints cannot be listed: %s", e.what);

			diag_help(msg, "write the name without a wildcard");
			return false;
		}
		take_name(s, ap, m.pattern, out);
	}
	return out->n > before || probe_none(s, ap, &m.near, NULL);
}

static bool rawtp_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			const struct attach_target *b)
{
	if (probe_needs_cookie(k, uses, FEATURE_RAW_TP_COOKIE))
		return false;
	return !(uses & USES_ARGS) || strcmp(a->symbol, b->symbol) == 0;
}

static void rawtp_plan(struct sema *s, struct probe *p)
{
	p->pid_filter = sema_only_pid(s);
	p->prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	if (!(p->uses & USES_ARGS))
		return;
	p->attach_name = arena_printf(sema_arena(s), "btf_trace_%s", p->targets[0].symbol);
	p->attach_btf_id = kernel_btf_find(sema_kernel(s), p->attach_name, BTF_KIND_TYPEDEF);
	p->prog_type = BPF_PROG_TYPE_TRACING;
	p->attach_type = BPF_TRACE_RAW_TP;
}

static const struct type *rawtp_name_type(struct sema *s, struct probe *p, enum probe_name name,
					  unsigned index)
{
	switch (name) {
	case NAME_ARGS:
		return type_from_rawtp(sema_types(s), p->targets[0].symbol);
	case NAME_ARG:
		return index < 12 ? type_int(sema_types(s), 8, false) : NULL;
	case NAME_CTX:
		return type_ptr(sema_types(s), &type_void, SPACE_CTX);
	default:
		return NULL;
	}
}

static struct val rawtp_name_load(struct gen *g, struct probe *p, enum probe_name name,
				  unsigned index)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);

	if (name == NAME_ARGS)
		return val_mem(type_from_rawtp(gen_types(g), p->targets[0].symbol), gen_ctx(g), 0,
			       SPACE_CTX);
	if (name == NAME_ARG)
		return val_scalar(u64, ir_load(gen_ir(g), 8, gen_ctx(g), (int32_t)index * 8,
					       IR_MEM_INVARIANT));
	return val_scalar(u64, gen_ctx(g));
}

static int rawtp_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	bool typed = p->prog_type == BPF_PROG_TYPE_TRACING;

	for (size_t i = 0; i < p->ntargets; i++) {
		const struct attach_target *t = &p->targets[i];
		int fd = bpf_raw_tp_open(typed ? NULL : t->symbol, p->fd,
					 probe_cookie(env, t, FEATURE_RAW_TP_COOKIE), e);

		if (fd == -ENOENT)
			err_hint(e, "this kernel has no raw tracepoint of that name: awl -l "
				    "'rawtracepoint:*'");
		if (fd < 0)
			return err_wrap(e, "cannot attach %s", t->name);
		env->own_fd(env, fd, false);
	}
	return 0;
}

struct listing {
	struct str pattern;
	struct types *types;
	struct arena *arena;
	bool verbose;
	list_fn fn;
	void *arg;
};

static const char *args_text(struct listing *l, const char *name)
{
	const struct type *t = l->verbose ? type_from_rawtp(l->types, name) : NULL;
	struct buf b = BUF_INIT;
	const char *text;

	probe_list_members(l->types, l->arena, t, &b);
	text = b.n ? arena_strdup(l->arena, buf_cstr(&b)) : NULL;
	buf_release(&b);
	return text;
}

static int list_one(void *arg, const char *name)
{
	struct listing *l = arg;
	char line[256];

	if (!str_glob(l->pattern, str_of(name)))
		return 0;
	snprintf(line, sizeof(line), "rawtracepoint:vmlinux:%s", name);
	return l->fn(l->arg, line, args_text(l, name));
}

static int rawtp_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		      list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.verbose = verbose, .fn = fn, .arg = arg};
	int r;

	l.pattern = probe_pattern(pattern, pattern->nparts > 2 ? 2 : 1);
	l.arena = arena_new();
	l.types = types_new(l.arena, k);
	r = kernel_rawtp_each(k, list_one, &l, e);
	arena_free(l.arena);
	return r;
}

static uint32_t rawtp_cost(struct kernel *k, const struct attach_target *t)
{
	return 20;
}

static void rawtp_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_adds(out, "a raw tracepoint: about 20 ns per hit\n");
}

static const char *const rawtp_aliases[] = {"rt", NULL};

const struct provider provider_rawtracepoint = {
	.name = "rawtracepoint",
	.aliases = rawtp_aliases,
	.form = "rawtracepoint:EVENT",
	.doc = "A tracepoint with the kernel's own arguments: cheaper than tracepoint, and "
	       "typed.\n\n"
	       "    rawtracepoint:sched_switch { @[args.next.comm] = count(); }",
	.space = SPACE_KERNEL,
	.args_btf = true,
	.listed = true,
	.resolve = rawtp_resolve,
	.share = rawtp_share,
	.plan = rawtp_plan,
	.name_type = rawtp_name_type,
	.name_load = rawtp_name_load,
	.attach = rawtp_attach,
	.list = rawtp_list,
	.cost = rawtp_cost,
	.explain = rawtp_explain,
};
