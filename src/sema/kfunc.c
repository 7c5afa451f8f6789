/* Calls of kernel functions by name: those that the kernel offers to programs ("kfuncs").
 *
 *   $t = bpf_task_from_pid(1); if ($t) { print($t.comm); bpf_task_release($t); }
 *
 * Arguments and result are as in the kernel's BTF. Which functions a program may call depends on
 * its type: the kernel is asked by loading a program of that type that calls it. What the kernel
 * wants beyond the types (a check for NULL, that what was taken is given back) its verifier says.
 */
#include <linux/btf.h>
#include "sema/sema_priv.h"

#define KFUNC_ARGS 5

struct kfunc {
	const struct type *args, *result;
	bool allowed;
};

/* What programs for functions of modules and of BPF programs may call is what those for this one
 * may. */
#define ANY_FUNCTION "bpf_fentry_test1"

bool sema_kfunc_allowed(struct sema *s, const char *name)
{
	const struct probe *p = s->probe;
	struct kfunc_caller c = {
		.type = p->prog_type, .attach_type = p->attach_type, .to = p->attach_name};

	if (!c.to && p->attach_btf_id)
		c.to = ANY_FUNCTION;
	return kernel_kfunc_allowed(s->in->kernel, &c, name);
}

/* Asked once for each call. */
static struct kfunc *kfunc_of(struct sema *s, struct expr *e, uint32_t id)
{
	struct call_sem *c = sema_call(s, e);
	const struct probe *p = s->probe;
	struct kfunc *f = c->kind == CALL_KFUNC ? c->data : NULL;

	if (f)
		return f;
	f = arena_new_of(s->a, struct kfunc);
	f->args = type_from_func(s->types, id, SPACE_BTF, &f->result);
	f->allowed = f->args && p &&
		     sema_kfunc_allowed(s, arena_strndup(s->a, e->call.name.p, e->call.name.n));
	c->kind = CALL_KFUNC;
	c->num[0] = kernel_btf_own_id(s->in->kernel, id);
	c->data = f;
	return f;
}

static void check_arg(struct sema *s, struct expr *e, const struct member *m, size_t i)
{
	struct expr *a = e->call.args[i];
	struct diag_msg *msg;

	sema_value(s, a);
	sema_adapt(s, a, type_is_integer(m->type) ? m->type : NULL);
	if (a->type->kind == TYPE_POISON || (type_is_scalar(m->type) && type_is_integer(a->type)) ||
	    (m->type->kind == TYPE_PTR && a->type->kind == TYPE_PTR))
		return;
	msg = sema_report(s, E_ARG_TYPE, a->span, "argument %zu of %.*s() is %s, this is %s", i + 1,
			  STR_ARG(e->call.name), sema_type_text(s, m->type),
			  sema_type_text(s, a->type));
	diag_primary(msg, "%s", sema_type_text(s, a->type));
}

static void check_args(struct sema *s, struct expr *e, const struct type *args)
{
	uint32_t n;
	const struct member *m = type_members(s->types, args, &n);

	if (n != e->call.nargs || n > KFUNC_ARGS) {
		sema_report(s, E_ARG_COUNT, e->span, "%.*s() takes %u argument%s, %zu given",
			    STR_ARG(e->call.name), n, n == 1 ? "" : "s", e->call.nargs);
		return;
	}
	for (size_t i = 0; i < n; i++)
		check_arg(s, e, &m[i], i);
}

/* What the result may be followed by: loads that bear a pointer that is none. */
static const struct type *result_type(struct sema *s, const struct type *t)
{
	return t->kind == TYPE_PTR ? type_ptr(s->types, t->ptr.to, SPACE_KERNEL) : t;
}

bool sema_call_kfunc(struct sema *s, struct expr *e)
{
	const char *name = arena_strndup(s->a, e->call.name.p, e->call.name.n);
	uint32_t id = s->in->kernel ? kernel_btf_func(s->in->kernel, NULL, name) : 0;
	struct diag_msg *m;
	struct kfunc *f;

	if (!id)
		return false;
	f = kfunc_of(s, e, id);
	e->type = &type_poison;
	if (!f->allowed || (!type_is_scalar(f->result) && f->result->kind != TYPE_VOID)) {
		m = sema_report(s, E_CALL_CONTEXT, e->call.name_span,
				"the kernel lets no %s probe call its function %s()",
				s->probe ? s->probe->prov->name : "such", name);
		diag_help(m,
			  "kfunc_allowed(\"%s\") tells where it may be called; tracepoint, "
			  "interval and fentry have the most",
			  name);
		return true;
	}
	if (!s->in->unsafe && !kernel_kfunc_is_plain(name)) {
		m = sema_report(s, E_UNSAFE, e->span, "%s() may change the system", name);
		diag_help(m, "run awl with --unsafe to allow it");
		return true;
	}
	check_args(s, e, f->args);
	e->type = result_type(s, f->result);
	return true;
}
