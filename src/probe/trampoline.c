/* Programs that are attached to functions by BPF trampolines (BPF_PROG_TYPE_TRACING).
 *
 * The context is an array of 8-byte slots: the arguments, and at a return the result behind them.
 * The program is verified against one function of the kernel, of a module or of another BPF
 * program; that function is named by its type's id in the BTF of where it is, so there is one
 * program for each. */
#include <linux/btf.h>
#include "probe/probe.h"

static bool same_module(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool probe_trampoline_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			    const struct attach_target *b)
{
	return a->a == b->a && a->b == b->b && same_module(a->module, b->module) &&
	       strcmp(a->symbol, b->symbol) == 0;
}

void probe_trampoline_plan(struct sema *s, struct probe *p, bool is_return)
{
	const struct attach_target *t = &p->targets[0];
	struct kernel *k = sema_kernel(s);

	p->prog_type = BPF_PROG_TYPE_TRACING;
	p->attach_type = is_return ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY;
	p->pid_filter = sema_only_pid(s);
	if (t->a) {
		p->attach_prog = t->a;
		p->attach_btf_id = t->b;
		return;
	}
	p->attach_module = t->module;
	p->attach_name = t->module ? NULL : t->symbol;
	p->attach_btf_id = kernel_btf_own_id(k, kernel_btf_func(k, t->module, t->symbol));
}

/* How many slots the arguments take. */
static uint32_t slots_of(struct types *ts, struct kernel *k, const struct attach_target *t)
{
	const struct type *args;

	if (t->a)
		return t->c;
	args = type_from_func(ts, kernel_btf_func(k, t->module, t->symbol), SPACE_BTF, NULL);
	return args ? args->size / 8 : 0;
}

const struct type *probe_trampoline_type(struct sema *s, struct probe *p, enum probe_name name,
					 unsigned index, bool is_return)
{
	const struct type *u64 = type_int(sema_types(s), 8, false), *helpers;
	uint64_t helper;

	switch (name) {
	case NAME_ARG:
		return index < slots_of(sema_types(s), sema_kernel(s), &p->targets[0]) ? u64 : NULL;
	case NAME_RETVAL:
		if (p->targets[0].a && !type_enumerator(sema_types(s), STR("BPF_FUNC_get_func_ret"),
							&helper, &helpers))
			return NULL;
		return is_return ? u64 : NULL;
	case NAME_FUNC:
		return u64;
	default:
		return NULL;
	}
}

/* The result of a BPF program's function is behind as many slots as the verifier thinks that it has
 * arguments, which its types do not always say: the helper knows. */
static struct val prog_retval(struct gen *g, const struct type *u64)
{
	struct ir *b = gen_ir(g);
	ir_val at = ir_object(b, 8, 8);

	ir_store(b, 8, at, 0, ir_const(b, 0));
	IR_CALL(b, BPF_FUNC_get_func_ret, gen_ctx(g), at);
	return val_scalar(u64, ir_load(b, 8, at, 0, IR_MEM_NONE));
}

struct val probe_trampoline_load(struct gen *g, struct probe *p, enum probe_name name,
				 unsigned index)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);

	if (name == NAME_FUNC)
		return val_scalar(u64, IR_CALL(gen_ir(g), BPF_FUNC_get_func_ip, gen_ctx(g)));
	if (name == NAME_RETVAL && p->targets[0].a)
		return prog_retval(g, u64);
	if (name == NAME_RETVAL)
		index = slots_of(gen_types(g), gen_kernel(g), &p->targets[0]);
	return probe_ctx_reg(g, u64, (int)index * 8);
}

int probe_trampoline_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	int fd = bpf_raw_tp_open(NULL, p->fd, 0, e);

	if (fd < 0)
		return err_wrap(e, "cannot attach %s", p->targets[0].name);
	env->own_fd(env, fd, false);
	return 0;
}
