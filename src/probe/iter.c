/* iter:NAME[:PIN]: the kernel's BPF iterators; the body runs once for each object (task, file, map
 * …).
 *
 * The last call of an iteration has no object: its pointers are NULL. The program leaves then, and
 * the pointers that it found set are the checked ones from there on, so `ctx.task.comm` is a plain
 * load. */
#include <errno.h>
#include <linux/btf.h>
#include "probe/probe.h"

enum { MAX_OBJECTS = 8 };

/* The checked object pointers of a program: by offset in the context. */
struct objects {
	uint32_t off[MAX_OBJECTS];
	ir_val v[MAX_OBJECTS];
	unsigned n;
};

struct scan {
	struct sema *s;
	const struct attach_point *ap;
	struct attach_targets *out;
	struct nearest near;
};

static int match_one(void *arg, const char *name)
{
	struct scan *m = arg;

	probe_near(m->s, &m->near, name);
	if (str_glob(m->ap->parts[1], str_of(name)))
		probe_push(m->s, m->out,
			   (struct attach_target){
				   .name = arena_printf(sema_arena(m->s), "iter:%s", name),
				   .symbol = arena_strdup(sema_arena(m->s), name),
				   .module = m->ap->nparts > 2 ? probe_cstr(m->s, m->ap->parts[2])
							       : NULL,
			   });
	return 0;
}

static bool iter_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct scan m = {.s = s, .ap = ap, .out = out};
	struct err e = {0};
	size_t before = out->n;
	struct diag_msg *msg;

	if (!probe_parts(s, &provider_iter, ap, 2, 3))
		return false;
	nearest_init(&m.near, ap->parts[1]);
	if (kernel_iter_each(sema_kernel(s), match_one, &m, &e) < 0) {
		msg = sema_report(s, E_BTF, ap->span, "iterators cannot be looked up: %s", e.what);
		diag_help(msg, "iterators need a kernel with BTF");
		return false;
	}
	return out->n > before || probe_none(s, ap, &m.near, NULL);
}

static bool iter_share(struct kernel *k, unsigned uses, const struct attach_target *a,
		       const struct attach_target *b)
{
	return false;
}

static void iter_plan(struct sema *s, struct probe *p)
{
	p->attach_name = arena_printf(sema_arena(s), "bpf_iter_%s", p->targets[0].symbol);
	p->attach_btf_id = kernel_btf_find(sema_kernel(s), p->attach_name, BTF_KIND_FUNC);
	p->prog_type = BPF_PROG_TYPE_TRACING;
	p->attach_type = BPF_TRACE_ITER;
	p->data = arena_new_of(sema_arena(s), struct objects);
}

static const struct type *iter_name_type(struct sema *s, struct probe *p, enum probe_name name,
					 unsigned index)
{
	return name == NAME_CTX ? type_from_iter(sema_types(s), p->targets[0].symbol) : NULL;
}

static struct val iter_name_load(struct gen *g, struct probe *p, enum probe_name name,
				 unsigned index)
{
	return val_mem(type_from_iter(gen_types(g), p->targets[0].symbol), gen_ctx(g), 0,
		       SPACE_CTX);
}

static bool is_object(const struct member *m)
{
	return m->type->kind == TYPE_PTR && !str_is(m->name, "meta");
}

static void iter_enter(struct gen *g, struct probe *p)
{
	struct ir *b = gen_ir(g);
	struct objects *o = p->data;
	const struct type *t = type_from_iter(gen_types(g), p->targets[0].symbol);
	uint32_t n = 0;
	const struct member *m = t ? type_members(gen_types(g), t, &n) : NULL;

	for (uint32_t i = 0; i < n && o->n < MAX_OBJECTS; i++) {
		struct ir_block *go, *end;
		ir_val v;

		if (!is_object(&m[i]))
			continue;
		v = ir_load_ptr(b, gen_ctx(g), (int32_t)m[i].offset);
		go = ir_block_new(b, "object");
		end = ir_block_new(b, "last");
		ir_br(b, v, go, end, IR_LIKELY_YES);
		ir_at(b, end);
		gen_return(g, ir_const(b, 0));
		ir_at(b, go);
		o->off[o->n] = m[i].offset;
		o->v[o->n++] = ir_nonnull(b, v);
	}
}

static struct val iter_field(struct gen *g, struct probe *p, const struct member *m)
{
	const struct objects *o = p->data;

	for (unsigned i = 0; i < o->n; i++) {
		struct val v = val_scalar(m->type, o->v[i]);

		v.tracked = true;
		if (o->off[i] == m->offset)
			return v;
	}
	return VAL_VOID;
}

static int iter_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	const struct attach_target *t = &p->targets[0];
	int fd = bpf_link_make(p->fd, 0, BPF_TRACE_ITER, 0, e);

	if (fd < 0)
		return err_wrap(e, "cannot attach %s", t->name);
	if (t->module)
		env->pin_link(env, fd, t->module);
	else
		env->iterate(env, fd);
	return 0;
}

struct listing {
	struct str pattern;
	struct types *types; /* NULL: names only */
	struct arena *arena;
	list_fn fn;
	void *arg;
};

static int list_one(void *arg, const char *name)
{
	struct listing *l = arg;
	struct buf detail = BUF_INIT;
	char line[256];
	int r;

	if (!str_glob(l->pattern, str_of(name)))
		return 0;
	snprintf(line, sizeof(line), "iter:%s", name);
	if (l->types)
		probe_list_members(l->types, l->arena, type_from_iter(l->types, name), &detail);
	r = l->fn(l->arg, line, detail.n ? buf_cstr(&detail) : NULL);
	buf_release(&detail);
	return r;
}

static int iter_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		     list_fn fn, void *arg, struct err *e)
{
	struct arena *a = arena_new();
	struct listing l = {probe_pattern(pattern, 1), verbose ? types_new(a, k) : NULL, a, fn,
			    arg};
	int r = kernel_iter_each(k, list_one, &l, e);

	arena_free(a);
	return r;
}

static void iter_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_adds(out, "read once from beginning to end: costs nothing while nobody reads it\n");
}

static const char *const iter_aliases[] = {"it", NULL};

const struct provider provider_iter = {
	.name = "iter",
	.aliases = iter_aliases,
	.form = "iter:OBJECT[:PIN]",
	.doc = "Runs once for each object of a kind that the kernel has now.\n\n"
	       "    iter:task { printf(\"%s %d\\n\", ctx.task.comm, ctx.task.pid); }",
	.space = SPACE_KERNEL,
	.listed = true,
	.once = true,
	.gated = true,
	.resolve = iter_resolve,
	.share = iter_share,
	.plan = iter_plan,
	.name_type = iter_name_type,
	.name_load = iter_name_load,
	.enter = iter_enter,
	.arg_field = iter_field,
	.attach = iter_attach,
	.list = iter_list,
	.explain = iter_explain,
};
