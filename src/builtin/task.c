/* The current task and its relatives: curtask, ppid, pcomm, leader_tid, leader_comm, usermode.
 *
 * With bpf_get_current_task_btf the verifier knows the pointer: members are plain loads and
 * following a pointer costs nothing. Older kernels give a number, which is followed by
 * bpf_probe_read_kernel.
 *
 * Example: ppid is task->real_parent->tgid, two loads. */
#include <linux/bpf.h>
#include "builtin/builtin_priv.h"

static bool task_is_btf(struct kernel *k)
{
	return kernel_has(k, FEATURE_TASK_BTF);
}

static const struct type *task_type(struct types *ts, struct kernel *k)
{
	const struct type *task = type_lookup(ts, LOOKUP_STRUCT, STR("task_struct"));

	return task ? type_ptr(ts, task, task_is_btf(k) ? SPACE_BTF : SPACE_KERNEL) : NULL;
}

static void check_curtask(struct sema *s, struct expr *e)
{
	e->type = task_type(sema_types(s), sema_kernel(s));
	if (!e->type)
		builtin_set_int(s, e, 8, false);
}

static ir_val current_task(struct gen *g)
{
	bool btf = task_is_btf(gen_kernel(g));

	return IR_CALL0(gen_ir(g), btf ? BPF_FUNC_get_current_task_btf : BPF_FUNC_get_current_task);
}

static struct val lower_curtask(struct gen *g, struct expr *e, struct val want)
{
	struct val v = val_scalar(e->type, current_task(g));

	if (e->type->kind == TYPE_PTR)
		v.space = e->type->ptr.space;
	return v;
}

/* ---- relatives --------------------------------------------------------------------------- */

static void check_task_arg(struct sema *s, struct expr *e)
{
	struct member m;
	const struct type *task = type_lookup(sema_types(s), LOOKUP_STRUCT, STR("task_struct"));

	if (builtin_nargs(e) && builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
	if (!task || !type_member(sema_types(s), task, STR("tgid"), &m))
		diag_help(sema_report(s, E_BTF, e->span, "%.*s needs the layout of task_struct",
				      STR_ARG(call_name(e))),
			  "the kernel must be built with CONFIG_DEBUG_INFO_BTF");
}

static void check_task_id(struct sema *s, struct expr *e)
{
	builtin_set_int(s, e, 4, false);
	check_task_arg(s, e);
}

static void check_task_comm(struct sema *s, struct expr *e)
{
	e->type = type_string(sema_types(s), 16);
	check_task_arg(s, e);
}

static struct member task_member(struct gen *g, const char *name)
{
	const struct type *task = type_lookup(gen_types(g), LOOKUP_STRUCT, STR("task_struct"));
	struct member m = {0};

	type_member(gen_types(g), task, str_of(name), &m);
	return m;
}

/* The task that `link` ("real_parent") of the argument or the current task leads to. */
static ir_val relative(struct gen *g, struct expr *e, const char *link, enum space *space)
{
	struct member m = task_member(g, link);
	const struct type *word = type_int(gen_types(g), 8, false);
	ir_val task;

	*space = task_is_btf(gen_kernel(g)) ? SPACE_BTF : SPACE_KERNEL;
	if (builtin_nargs(e)) {
		task = builtin_pointer(g, builtin_arg(e, 0), space);
		if (*space != SPACE_BTF)
			*space = SPACE_KERNEL;
	} else {
		task = current_task(g);
	}
	if (*space == SPACE_BTF)
		return ir_load_ptr(gen_ir(g), task, (int32_t)m.offset);
	return gen_load(g, val_mem(word, task, (int32_t)m.offset, *space));
}

static struct val relative_id(struct gen *g, struct expr *e, const char *link, const char *field)
{
	enum space space;
	ir_val task = relative(g, e, link, &space);
	struct member m = task_member(g, field);

	return val_scalar(e->type, gen_load(g, val_mem(e->type, task, (int32_t)m.offset, space)));
}

static struct val relative_comm(struct gen *g, struct expr *e, struct val want, const char *link)
{
	struct ir *b = gen_ir(g);
	enum space space;
	struct val dst = builtin_place(g, e, want);
	ir_val task = relative(g, e, link, &space);
	struct member m = task_member(g, "comm");

	gen_read_str(g, builtin_addr(g, dst, 0), ir_const(b, 16),
		     ir_bini(b, IR_ADD, task, m.offset), SPACE_KERNEL);
	return dst;
}

static struct val lower_ppid(struct gen *g, struct expr *e, struct val want)
{
	return relative_id(g, e, "real_parent", "tgid");
}

static struct val lower_pcomm(struct gen *g, struct expr *e, struct val want)
{
	return relative_comm(g, e, want, "real_parent");
}

static struct val lower_leader_tid(struct gen *g, struct expr *e, struct val want)
{
	return relative_id(g, e, "group_leader", "pid");
}

static struct val lower_leader_comm(struct gen *g, struct expr *e, struct val want)
{
	return relative_comm(g, e, want, "group_leader");
}

/* ---- rows -------------------------------------------------------------------------------- */

#define RELATIVE(name_, proto_, doc_, example_, check_, lower_)                              \
	{                                                                                    \
		.name = name_, .proto = proto_, .doc = doc_, .examples = EXAMPLES(example_), \
		.flags = BI_NAME, .max_args = 1, .needs = FEATURE_BTF, .check = check_,      \
		.lower = lower_                                                              \
	}

const struct builtin builtins_task[] = {
	{
		.name = "curtask",
		.proto = "struct task_struct *curtask",
		.doc = "The kernel's structure of the current thread.\n\n"
		       "    profile:hz:99 { @[curtask.prio] = count(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", curtask.pid); exit(); }",
				     "begin { printf(\"%s\\n\", curtask.comm); exit(); }"),
		.flags = BI_NAME,
		.check = check_curtask,
		.lower = lower_curtask,
	},
	RELATIVE(
		"ppid", "uint32 ppid [(struct task_struct *task)]",
		"The process id of the parent process, in the host's pid namespace.\n\n"
		"    tracepoint:sched:sched_process_exec { printf(\"%d by %d\\n\", pid, ppid); }\n",
		"begin { printf(\"%d\\n\", ppid); exit(); }", check_task_id, lower_ppid),
	RELATIVE("pcomm", "string[16] pcomm [(struct task_struct *task)]",
		 "The name of the parent process.\n\n"
		 "    tracepoint:sched:sched_process_exec { printf(\"%s by %s\\n\", comm, pcomm); "
		 "}\n",
		 "begin { printf(\"%s\\n\", pcomm); exit(); }", check_task_comm, lower_pcomm),
	RELATIVE("leader_tid", "uint32 leader_tid [(struct task_struct *task)]",
		 "The thread id of the process's first thread, in the host's pid namespace.\n\n"
		 "    tracepoint:raw_syscalls:sys_enter { @[leader_tid] = count(); }\n",
		 "begin { printf(\"%d\\n\", leader_tid); exit(); }", check_task_id,
		 lower_leader_tid),
	RELATIVE("leader_comm", "string[16] leader_comm [(struct task_struct *task)]",
		 "The name of the process's first thread.\n\n"
		 "    tracepoint:raw_syscalls:sys_enter { @[leader_comm] = count(); }\n",
		 "begin { printf(\"%s\\n\", leader_comm); exit(); }", check_task_comm,
		 lower_leader_comm),
	BUILTIN_END,
};
