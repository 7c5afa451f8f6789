/* tracepoint:CATEGORY:EVENT: the kernel's static events.
 *
 * Where the result is the same, the event is attached by a raw tracepoint: always for system calls
 * (see syscall.c), for others when the body does not look at args. Otherwise by a perf event, whose
 * context is the record that the format file describes. */
#include <errno.h>
#include "probe/tracepoint.h"

struct scan {
	struct sema *s;
	struct str category, event;
	struct attach_targets *out;
	struct nearest near;
	bool failed;
};

static void push_event(struct sema *s, struct attach_targets *out, const char *category,
		       const char *event)
{
	struct arena *a = sema_arena(s);

	probe_push(s, out,
		   (struct attach_target){
			   .name = arena_printf(a, "tracepoint:%s:%s", category, event),
			   .module = arena_strdup(a, category),
			   .symbol = arena_strdup(a, event),
		   });
}

static int match_one(void *arg, const char *category, const char *event)
{
	struct scan *m = arg;
	const char *full = arena_printf(sema_arena(m->s), "tracepoint:%s:%s", category, event);

	nearest_try(&m->near, str_of(full));
	/* ftrace:* are records of other tracers, no events that can be attached to. */
	if (strcmp(category, "ftrace") == 0)
		return 0;
	if (str_glob(m->category, str_of(category)) && str_glob(m->event, str_of(event)))
		push_event(m->s, m->out, category, event);
	return 0;
}

static bool report_tracefs(struct sema *s, const struct attach_point *ap, const struct err *e)
{
	struct diag_msg *m = sema_report(s, E_PROBE_TARGET, ap->span,
					 "tracepoints cannot be looked up: %s", e->what);

	diag_help(m, "%s",
		  e->hint[0] ? e->hint
			     : "mount tracefs: mount -t tracefs tracefs /sys/kernel/tracing");
	return false;
}

/* Events that a `*` at the end would find, or the categories that have an event. */
struct hint {
	struct str category, event;
	struct buf text;
	unsigned n;
	bool whole;
};

static int hint_one(void *arg, const char *category, const char *name)
{
	struct hint *h = arg;

	if (h->category.n && !str_is(h->category, category))
		return 0;
	if (h->whole ? !str_is(h->event, name) : !str_starts(str_of(name), h->event))
		return 0;
	if (h->n++ < 4)
		buf_printf(&h->text, "%s%s", h->n > 1 ? ", " : "", h->whole ? category : name);
	return 0;
}

static bool hint_find(struct sema *s, struct hint *h)
{
	struct err e = {0};

	return kernel_tracefs(sema_kernel(s), &e) >= 0 &&
	       kernel_tp_each(sema_kernel(s), hint_one, h, &e) >= 0 && h->n;
}

static bool report_category(struct sema *s, const struct attach_point *ap)
{
	struct hint h = {.event = ap->parts[1], .text = BUF_INIT, .whole = true};
	struct diag_msg *m;

	if (hint_find(s, &h)) {
		m = sema_report(s, E_PROBE_FORM, ap->span,
				"malformed tracepoint probe: the category is missing");
		diag_help(m, "write tracepoint:%.*s:%.*s", (int)strcspn(buf_cstr(&h.text), ","),
			  buf_cstr(&h.text), STR_ARG(ap->parts[1]));
	}
	buf_release(&h.text);
	return !h.n && probe_malformed(s, &provider_tracepoint, ap, "the event is missing");
}

/* NULL: no event's name goes on behind what was written. */
static const char *longer_names(struct sema *s, const struct scan *m)
{
	struct hint h = {.category = m->category, .event = m->event, .text = BUF_INIT};
	const char *text = NULL;

	if (!probe_is_glob(m->category) && !probe_is_glob(m->event) && hint_find(s, &h))
		text = arena_printf(sema_arena(s), "with a `*` behind it, it matches %u: %s%s", h.n,
				    buf_cstr(&h.text), h.n > 4 ? " …" : "");
	buf_release(&h.text);
	return text;
}

static bool tracepoint_resolve(struct sema *s, const struct attach_point *ap,
			       struct attach_targets *out)
{
	struct scan m = {.s = s, .out = out};
	size_t before = out->n;
	struct err e = {0};

	if (!probe_parts(s, &provider_tracepoint, ap, 2, 3))
		return false;
	m.category = ap->nparts == 3 ? ap->parts[1] : STR("*");
	m.event = ap->parts[ap->nparts - 1];
	if (ap->nparts == 2 && !probe_is_glob(m.event))
		return report_category(s, ap);
	if (kernel_tracefs(sema_kernel(s), &e) < 0)
		return report_tracefs(s, ap, &e);
	if (!probe_is_glob(m.category) && !probe_is_glob(m.event)) {
		const char *category = probe_cstr(s, m.category), *event = probe_cstr(s, m.event);

		if (kernel_tp_exists(sema_kernel(s), category, event)) {
			push_event(s, out, category, event);
			return true;
		}
	}
	nearest_init(&m.near, ap->nparts == 3
				      ? str_of(arena_printf(sema_arena(s), "tracepoint:%.*s:%.*s",
							    STR_ARG(m.category), STR_ARG(m.event)))
				      : m.event);
	if (kernel_tp_each(sema_kernel(s), match_one, &m, &e) < 0)
		return report_tracefs(s, ap, &e);
	return out->n > before || probe_none(s, ap, &m.near, longer_names(s, &m));
}

static bool is_syscall(const struct attach_target *t)
{
	return strcmp(t->module, "syscalls") == 0;
}

static bool is_raw_sys(const struct attach_target *t)
{
	return strcmp(t->module, "raw_syscalls") == 0 &&
	       (strcmp(t->symbol, "sys_enter") == 0 || strcmp(t->symbol, "sys_exit") == 0);
}

/* Programs of the raw kinds differ in their context, so their targets stay apart. */
static int group_of(const struct attach_target *t)
{
	struct attach_target copy = *t;

	if (is_syscall(t) && syscall_target(&copy))
		return (int)copy.a;
	return is_raw_sys(t) ? TP_RAW_SYS : TP_RAW;
}

static bool tracepoint_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			     const struct attach_target *b)
{
	if (uses & USES_ARGS)
		return strcmp(a->name, b->name) == 0;
	/* System calls are told apart by their numbers. */
	if (group_of(a) == group_of(b) &&
	    (group_of(a) == TP_SYS_ENTER || group_of(a) == TP_SYS_EXIT))
		return true;
	return group_of(a) == group_of(b) && !probe_needs_cookie(k, uses, FEATURE_RAW_TP_COOKIE);
}

static void plan_target(struct sema *s, struct probe *p, struct attach_target *t)
{
	t->a = TP_PERF;
	if (!kernel_has(sema_kernel(s), FEATURE_RAW_TP) || (p->uses & USES_KFUNC))
		return; /* raw tracepoints may call no kernel functions */
	if (is_syscall(t))
		syscall_target(t);
	else if (is_raw_sys(t))
		t->a = TP_RAW_SYS;
	else if (!(p->uses & USES_ARGS) && kernel_tp_is_raw(sema_kernel(s), t->module, t->symbol))
		t->a = TP_RAW;
}

/* A program has one context: when one target needs a perf event, all do. */
static void plan_perf(struct sema *s, struct probe *p)
{
	for (size_t i = 0; i < p->ntargets; i++)
		p->targets[i].a = TP_PERF;
	p->prog_type = BPF_PROG_TYPE_TRACEPOINT;
}

static void tracepoint_plan(struct sema *s, struct probe *p)
{
	bool perf = false;

	p->pid_filter = sema_only_pid(s);
	for (size_t i = 0; i < p->ntargets; i++) {
		plan_target(s, p, &p->targets[i]);
		perf |= p->targets[i].a == TP_PERF;
	}
	p->prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	if (perf)
		plan_perf(s, p);
}

static const struct type *args_type(struct arena *a, struct types *ts,
				    const struct attach_target *t, struct err *e)
{
	struct tp_format f;

	if (kernel_tp_format(types_kernel(ts), a, t->module, t->symbol, &f, e) < 0)
		return NULL;
	return type_from_tracepoint(ts, &f);
}

static const struct type *report_format(struct sema *s, struct probe *p, const struct err *e)
{
	struct diag_msg *m = sema_report(s, E_PROBE_TARGET, p->ap->span,
					 "the arguments of %s cannot be known: %s",
					 p->targets[0].name, e->what);

	if (e->code == EACCES || e->code == EPERM)
		diag_help(m, "reading tracefs needs CAP_DAC_READ_SEARCH: run as root, or give the "
			     "program the capability");
	else
		diag_help(m, "is tracefs mounted? mount -t tracefs tracefs /sys/kernel/tracing");
	return &type_poison;
}

static const struct type *tracepoint_name_type(struct sema *s, struct probe *p,
					       enum probe_name name, unsigned index)
{
	struct err e = {0};

	if (name != NAME_ARGS)
		return NULL;
	if (!p->data)
		p->data = (void *)args_type(sema_arena(s), sema_types(s), &p->targets[0], &e);
	return p->data ? p->data : report_format(s, p, &e);
}

static struct val tracepoint_name_load(struct gen *g, struct probe *p, enum probe_name name,
				       unsigned index)
{
	struct err e = {0};

	return val_mem(args_type(gen_arena(g), gen_types(g), &p->targets[0], &e), gen_ctx(g), 0,
		       SPACE_CTX);
}

static struct val tracepoint_field(struct gen *g, struct probe *p, const struct member *m)
{
	switch ((enum tp_how)p->targets[0].a) {
	case TP_SYS_ENTER:
	case TP_SYS_EXIT:
		return syscall_field(g, p, m);
	case TP_RAW_SYS:
		return raw_sys_field(g, p, m);
	default:
		return VAL_VOID;
	}
}

static bool by_number(const struct probe *p)
{
	return p->targets[0].a == TP_SYS_ENTER || p->targets[0].a == TP_SYS_EXIT;
}

static void tracepoint_enter(struct gen *g, struct probe *p)
{
	if (by_number(p))
		syscall_enter(g, p);
}

static ir_val_t tracepoint_target_id(struct gen *g, struct probe *p)
{
	return by_number(p) ? syscall_target_id(g, p)
			    : IR_CALL(gen_ir(g), BPF_FUNC_get_attach_cookie, gen_ctx(g));
}

/* ---- attaching ---- */

static int attach_raw(struct attach_env *env, const char *name, const struct attach_prog *p,
		      uint64_t cookie, struct err *e)
{
	int fd = bpf_raw_tp_open(name, p->fd, cookie, e);

	if (fd < 0)
		return fd;
	env->own_fd(env, fd, false);
	return 0;
}

static int attach_perf(struct attach_env *env, const struct attach_target *t,
		       const struct attach_prog *p, struct err *e)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .sample_period = 1};
	struct arena *a = arena_new();
	struct tp_format f;
	int r = kernel_tp_format(env->kernel, a, t->module, t->symbol, &f, e);

	if (r == 0) {
		attr.config = f.id;
		/* One event is enough: it fires on all CPUs. */
		r = probe_attach_perf(env, p, &attr, 0, false, t->id, true, e);
	}
	arena_free(a);
	return r;
}

static int attach_target(struct attach_env *env, const struct attach_target *t,
			 const struct attach_prog *p, struct err *e)
{
	switch ((enum tp_how)t->a) {
	case TP_PERF:
		return attach_perf(env, t, p, e);
	case TP_RAW:
		return attach_raw(env, t->symbol, p, probe_cookie(env, t, FEATURE_RAW_TP_COOKIE),
				  e);
	default:
		return attach_raw(env, syscall_raw_name(t), p,
				  probe_cookie(env, t, FEATURE_RAW_TP_COOKIE), e);
	}
}

static int tracepoint_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	/* All system calls of a program share one raw tracepoint. */
	bool once = p->targets[0].a == TP_SYS_ENTER || p->targets[0].a == TP_SYS_EXIT;

	for (size_t i = 0; i < (once ? 1 : p->ntargets); i++) {
		int r = attach_target(env, &p->targets[i], p, e);

		if (r < 0)
			return err_wrap(e, "cannot attach %s", p->targets[i].name);
	}
	return 0;
}

/* ---- listing ---- */

struct listing {
	struct kernel *kernel;
	struct str category, event;
	bool either; /* the category may be the event's name */
	bool verbose;
	list_fn fn;
	void *arg;
};

static int list_verbose(struct listing *l, const char *line, const char *category,
			const char *event)
{
	struct arena *a = arena_new();
	struct buf detail = BUF_INIT;
	struct tp_format f;
	struct err e = {0};
	int r;

	if (kernel_tp_format(l->kernel, a, category, event, &f, &e) == 0) {
		for (size_t i = 0; i < f.nfields; i++) {
			if (!f.fields[i].is_common)
				buf_printf(&detail, "    %s %s\n", f.fields[i].ctype,
					   f.fields[i].name);
		}
	}
	r = l->fn(l->arg, line, buf_cstr(&detail));
	buf_release(&detail);
	arena_free(a);
	return r;
}

/* tracepoint:TEXT, with one part only, names a category or an event of any category. */
static bool is_listed(const struct listing *l, struct str category, struct str event)
{
	if (str_glob(l->category, category))
		return str_glob(l->event, event);
	return l->either && str_glob(l->category, event);
}

static int list_one(void *arg, const char *category, const char *event)
{
	struct listing *l = arg;
	char line[512];

	if (strcmp(category, "ftrace") == 0 || !is_listed(l, str_of(category), str_of(event)))
		return 0;
	snprintf(line, sizeof(line), "tracepoint:%s:%s", category, event);
	return l->verbose ? list_verbose(l, line, category, event) : l->fn(l->arg, line, NULL);
}

static int tracepoint_list(struct kernel *k, int pid, const struct attach_point *pattern,
			   bool verbose, list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.kernel = k,
			    .category = probe_pattern(pattern, 1),
			    .event = probe_pattern(pattern, 2),
			    .either = pattern->nparts == 2,
			    .verbose = verbose,
			    .fn = fn,
			    .arg = arg};

	return kernel_tp_each(k, list_one, &l, e);
}

static uint32_t tracepoint_cost(struct kernel *k, const struct attach_target *t)
{
	return t->a == TP_PERF ? 35 : t->a == TP_RAW || t->a == TP_RAW_SYS ? 20 : 25;
}

static void tracepoint_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	switch ((enum tp_how)t->a) {
	case TP_PERF:
		buf_adds(out, "a perf event: about 35 ns per hit, 70 ms to detach\n");
		break;
	case TP_RAW:
	case TP_RAW_SYS:
		buf_adds(out, "by the raw tracepoint of the same name: about 20 ns per hit\n");
		break;
	case TP_SYS_ENTER:
	case TP_SYS_EXIT:
		buf_printf(out,
			   "by raw tracepoint %s and system call number %u: about 25 ns per hit, "
			   "20 ns for other calls\n",
			   syscall_raw_name(t), t->b);
		break;
	}
}

static const char *const tracepoint_aliases[] = {"t", NULL};

const struct provider provider_tracepoint = {
	.name = "tracepoint",
	.aliases = tracepoint_aliases,
	.form = "tracepoint:CATEGORY:EVENT",
	.doc = "Events that the kernel's authors placed and named; args has their fields (awl -lv "
	       "shows them).\n\n"
	       "    tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, "
	       "str(args.filename)); }",
	.space = SPACE_KERNEL,
	.listed = true,
	.resolve = tracepoint_resolve,
	.share = tracepoint_share,
	.plan = tracepoint_plan,
	.name_type = tracepoint_name_type,
	.name_load = tracepoint_name_load,
	.enter = tracepoint_enter,
	.target_id = tracepoint_target_id,
	.arg_field = tracepoint_field,
	.arg_elem = raw_sys_elem,
	.attach = tracepoint_attach,
	.list = tracepoint_list,
	.cost = tracepoint_cost,
	.explain = tracepoint_explain,
};
