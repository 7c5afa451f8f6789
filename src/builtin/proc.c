/* Who and where: pid, tid, uid, gid, username, comm, cpu, numaid, ncpus, cgroup and the like. One
 * helper call each, which the optimiser does once for each activation of a program.
 *
 * username and cgroup_path are views: the number is stored, and named when it is printed.
 *
 * Example: `@[pid, comm] = count()` has the key { u32 pid; char comm[16] }. */
#include <linux/bpf.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- pid, tid ---------------------------------------------------------------------------- */

static void check_pid(struct sema *s, struct expr *e)
{
	struct str word;

	builtin_set_int(s, e, 4, false);
	if (builtin_nargs(e) == 0)
		return;
	if (!builtin_word(e, 0, &word) || (!str_is(word, "init") && !str_is(word, "curr_ns")))
		diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, 0)->span,
				      "%.*s() takes the name of a pid namespace",
				      STR_ARG(call_name(e))),
			  "curr_ns: awl's own (as without argument); init: that of the host");
}

static ir_val pid_tgid(struct gen *g, struct expr *e)
{
	struct str word;

	if (builtin_nargs(e) && builtin_word(e, 0, &word) && str_is(word, "init"))
		return IR_CALL0(gen_ir(g), BPF_FUNC_get_current_pid_tgid);
	return builtin_pid_tgid(g);
}

static struct val lower_pid(struct gen *g, struct expr *e, struct val want)
{
	return val_scalar(e->type, ir_bini(gen_ir(g), IR_LSHR, pid_tgid(g, e), 32));
}

static struct val lower_tid(struct gen *g, struct expr *e, struct val want)
{
	return val_scalar(e->type, ir_zext(gen_ir(g), pid_tgid(g, e), 4));
}

static void check_cpid(struct sema *s, struct expr *e)
{
	int child = sema_input(s)->child;

	builtin_set_const(s, e, type_int(sema_types(s), 4, false), (uint32_t)child);
	if (!child)
		diag_help(sema_report(s, W_PARAM, e->span, "cpid is 0: no command was started"),
			  "start one with -c COMMAND, or test has_cpid first");
}

static void check_has_cpid(struct sema *s, struct expr *e)
{
	builtin_set_const(s, e, &type_bool, sema_input(s)->child != 0);
}

/* ---- scalars of one helper --------------------------------------------------------------- */

static void check_u32(struct sema *s, struct expr *e)
{
	builtin_set_int(s, e, 4, false);
}

static void check_u64(struct sema *s, struct expr *e)
{
	builtin_set_int(s, e, 8, false);
}

static struct val lower_uid(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);

	return val_scalar(e->type, ir_zext(b, IR_CALL0(b, BPF_FUNC_get_current_uid_gid), 4));
}

static struct val lower_gid(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);

	return val_scalar(e->type,
			  ir_bini(b, IR_LSHR, IR_CALL0(b, BPF_FUNC_get_current_uid_gid), 32));
}

#define ONE_HELPER(fn, helper)                                               \
	static struct val fn(struct gen *g, struct expr *e, struct val want) \
	{                                                                    \
		return val_scalar(e->type, IR_CALL0(gen_ir(g), helper));     \
	}

ONE_HELPER(lower_cpu, BPF_FUNC_get_smp_processor_id)
ONE_HELPER(lower_numaid, BPF_FUNC_get_numa_node_id)
ONE_HELPER(lower_rand, BPF_FUNC_get_prandom_u32)
ONE_HELPER(lower_cgroup, BPF_FUNC_get_current_cgroup_id)
ONE_HELPER(lower_jiffies, BPF_FUNC_jiffies64)

static void check_ncpus(struct sema *s, struct expr *e)
{
	builtin_set_const(s, e, type_int(sema_types(s), 4, false),
			  kernel_host(sema_kernel(s), FACT_CPUS, ""));
}

/* ---- comm -------------------------------------------------------------------------------- */

static void check_comm(struct sema *s, struct expr *e)
{
	e->type = type_string(sema_types(s), 16);
	if (builtin_nargs(e))
		builtin_check_comm_of(s, e);
}

static struct val lower_comm(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct val dst;

	if (builtin_nargs(e))
		return builtin_lower_comm_of(g, e, want);
	dst = builtin_place(g, e, want);
	if (!kernel_has(gen_kernel(g), FEATURE_COMM_PADS))
		ir_zero(b, dst.v, dst.off, 16, dst.off % 8 == 0 ? 8 : dst.off % 4 == 0 ? 4 : 1);
	IR_CALL(b, BPF_FUNC_get_current_comm, builtin_addr(g, dst, 0), ir_const(b, 16));
	return dst;
}

/* ---- username ---------------------------------------------------------------------------- */

static void text_username(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint32_t uid = (uint32_t)builtin_u64(v);
	char name[256];

	if (user_name(uid, name, sizeof(name)))
		buf_adds(out, name);
	else
		buf_addu64(out, uid);
}

static bool number_of_view(const void *value, uint64_t *out)
{
	*out = builtin_u64(value);
	return true;
}

static bool find_username(struct sema *s, struct str text, uint64_t *out)
{
	const struct passwd *p = getpwnam(arena_strndup(sema_arena(s), text.p, text.n));

	if (p)
		*out = p->pw_uid;
	return p != NULL;
}

const struct view view_username = {.name = "username_t",
				   .size = 8,
				   .align = 8,
				   .text = text_username,
				   .to_int = number_of_view,
				   .from_text = find_username,
				   .maker = "username"};

static void check_username(struct sema *s, struct expr *e)
{
	e->type = type_view(sema_types(s), &view_username, 0);
}

static struct val lower_username(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	uint64_t known;
	ir_val uid;

	if (builtin_from_text(e, &known))
		uid = ir_const(b, (int64_t)known);
	else
		uid = ir_zext(b, IR_CALL0(b, BPF_FUNC_get_current_uid_gid), 4);
	return builtin_view_u64(g, e, want, uid);
}

/* ---- cgroups ----------------------------------------------------------------------------- */

static void text_cgroup_path(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t id = builtin_u64(v);
	char path[4096];

	if (cgroup_path(r->kernel, id, path, sizeof(path)))
		buf_printf(out, "unified:%s", path[0] ? path : "/");
	else
		buf_printf(out, "unknown cgroup %" PRIu64, id);
}

const struct view view_cgroup_path = {.name = "cgroup_path_t",
				      .size = 8,
				      .align = 8,
				      .text = text_cgroup_path,
				      .to_int = number_of_view};

static void check_cgroup_path(struct sema *s, struct expr *e)
{
	struct str filter;

	e->type = type_view(sema_types(s), &view_cgroup_path, 0);
	if (builtin_known(e, 0))
		sema_arg_int(s, e, 0);
	if (builtin_nargs(e) > 1)
		sema_literal_str(s, e, 1, &filter);
}

static struct val lower_cgroup_path(struct gen *g, struct expr *e, struct val want)
{
	return builtin_view_u64(g, e, want, gen_scalar(g, builtin_arg(e, 0)));
}

static int find_cgroup(struct sema *s, struct str path, uint64_t *id, struct err *e)
{
	const char *text = arena_strndup(sema_arena(s), path.p, path.n);
	int r = cgroup_id(text, id, e);

	if (r == 0)
		*id = kernel_fact(sema_kernel(s), FACT_CGROUP, text, "", *id);
	return r;
}

static void check_cgroupid(struct sema *s, struct expr *e)
{
	struct call_sem *c = sema_call(s, e);
	struct err err = {0};
	struct str path;
	uint64_t id = c->num[0];

	builtin_set_int(s, e, 8, false);
	if (!sema_literal_str(s, e, 0, &path))
		return;
	if (!id && find_cgroup(s, path, &id, &err) < 0)
		diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, 0)->span, "%s", err.what),
			  "cgroupid() takes the path of a cgroup v2 directory");
	c->num[0] = id;
	builtin_set_const(s, e, e->type, id);
}

/* ---- rows -------------------------------------------------------------------------------- */

#define SIMPLE(name_, proto_, doc_, example_, check_, lower_)                                \
	{                                                                                    \
		.name = name_, .proto = proto_, .doc = doc_, .examples = EXAMPLES(example_), \
		.flags = BI_NAME, .check = check_, .lower = lower_                           \
	}

const struct builtin builtins_proc[] = {
	{
		.name = "pid",
		.proto = "uint32 pid [(curr_ns | init)]",
		.doc = "The process id, as seen in awl's pid namespace.\n\n"
		       "pid(init) is that of the host.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[pid] = count(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", pid); exit(); }",
				     "begin { printf(\"%d\\n\", pid(init)); exit(); }"),
		.flags = BI_NAME | BI_LAZY_ARGS,
		.max_args = 1,
		.check = check_pid,
		.lower = lower_pid,
	},
	{
		.name = "tid",
		.proto = "uint32 tid [(curr_ns | init)]",
		.doc = "The thread id, as seen in awl's pid namespace.\n\n"
		       "tid(init) is that of the host.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", tid); exit(); }"),
		.flags = BI_NAME | BI_LAZY_ARGS,
		.max_args = 1,
		.check = check_pid,
		.lower = lower_tid,
	},
	{
		.name = "cpid",
		.proto = "uint32 cpid",
		.doc = "The process id of the command started by -c.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter /has_cpid && pid == cpid/ { @ = "
		       "count(); }\n",
		.examples = NULL,
		.flags = BI_NAME | BI_CONST,
		.check = check_cpid,
	},
	{
		.name = "has_cpid",
		.proto = "bool has_cpid",
		.doc = "True when a command was started by -c.\n\n"
		       "    begin { if (has_cpid) { printf(\"child\\n\"); } exit(); }\n",
		.examples = EXAMPLES("begin { if (has_cpid) { printf(\"child\\n\"); } exit(); }"),
		.flags = BI_NAME | BI_CONST,
		.check = check_has_cpid,
	},
	SIMPLE("uid", "uint64 uid",
	       "The user id of the current process, in the host's user namespace.\n\n"
	       "    tracepoint:raw_syscalls:sys_enter { @[uid] = count(); }\n",
	       "begin { printf(\"%d\\n\", uid); exit(); }", check_u64, lower_uid),
	SIMPLE("gid", "uint64 gid",
	       "The group id of the current process, in the host's user namespace.\n\n"
	       "    tracepoint:raw_syscalls:sys_enter { @[gid] = count(); }\n",
	       "begin { printf(\"%d\\n\", gid); exit(); }", check_u64, lower_gid),
	SIMPLE("username", "username_t username",
	       "The user's name; the number when it has none in /etc/passwd.\n\n"
	       "    tracepoint:raw_syscalls:sys_enter { @[username] = count(); }\n",
	       "begin { printf(\"%s\\n\", username); @[username] = count(); exit(); }",
	       check_username, lower_username),
	{
		.name = "comm",
		.proto = "string[16] comm [(uint32 pid)]",
		.doc = "The name of the current thread, or of another one by its number.\n\n"
		       "The number is that of the host's pid namespace; the name is empty when "
		       "there is no such\n"
		       "thread. Another's name can be had in tracepoint, profile, interval, fentry "
		       "and fexit.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", comm); exit(); }",
				     "tracepoint:raw_syscalls:sys_enter /comm == \"cat\"/ { "
				     "@[comm] = count(); }",
				     "interval:s:1 { printf(\"%s\\n\", comm(1)); exit(); }"),
		.flags = BI_NAME | BI_FILLS,
		.max_args = 1,
		.arg_uses = USES_KFUNC,
		.check = check_comm,
		.lower = lower_comm,
	},
	SIMPLE("cpu", "uint32 cpu",
	       "The number of the CPU that the event happened on.\n\n"
	       "    profile:hz:99 { @[cpu] = count(); }\n",
	       "begin { printf(\"%d\\n\", cpu); exit(); }", check_u32, lower_cpu),
	SIMPLE("numaid", "uint32 numaid",
	       "The NUMA node of the current CPU.\n\n"
	       "    profile:hz:99 { @[numaid] = count(); }\n",
	       "begin { printf(\"%d\\n\", numaid); exit(); }", check_u32, lower_numaid),
	{
		.name = "ncpus",
		.proto = "uint32 ncpus",
		.doc = "The number of CPUs that the system can have.\n\n"
		       "    begin { printf(\"%d CPUs\\n\", ncpus); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d CPUs\\n\", ncpus); exit(); }"),
		.flags = BI_NAME | BI_CONST,
		.check = check_ncpus,
	},
	{
		.name = "rand",
		.proto = "uint32 rand",
		.doc = "A random number.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter /rand % 100 == 0/ { @[comm] = "
		       "count(); }\n",
		.examples = EXAMPLES("begin { printf(\"%u\\n\", rand); exit(); }"),
		.flags = BI_NAME | BI_EFFECT,
		.check = check_u32,
		.lower = lower_rand,
	},
	{
		.name = "jiffies",
		.proto = "uint64 jiffies",
		.doc = "The kernel's tick counter.\n\n"
		       "    begin { printf(\"%d\\n\", jiffies); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", jiffies); exit(); }"),
		.flags = BI_NAME | BI_EFFECT,
		.check = check_u64,
		.lower = lower_jiffies,
	},
	SIMPLE("cgroup", "uint64 cgroup",
	       "The id of the current process's cgroup (v2).\n\n"
	       "    tracepoint:raw_syscalls:sys_enter { @[cgroup_path(cgroup)] = count(); }\n",
	       "begin { printf(\"%d\\n\", cgroup); exit(); }", check_u64, lower_cgroup),
	{
		.name = "cgroupid",
		.proto = "uint64 cgroupid(const string path)",
		.doc = "The id of a cgroup (v2), found while compiling.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter /cgroup == "
		       "cgroupid(\"/sys/fs/cgroup\")/ {\n"
		       "            @[comm] = count();\n"
		       "    }\n",
		.examples = EXAMPLES("tracepoint:raw_syscalls:sys_enter /cgroup == "
				     "cgroupid(\"/sys/fs/cgroup\")/ "
				     "{ @ = count(); }"),
		.flags = BI_CONST,
		.min_args = 1,
		.max_args = 1,
		.check = check_cgroupid,
	},
	{
		.name = "cgroup_path",
		.proto = "cgroup_path_t cgroup_path(uint64 id [, const string filter])",
		.doc = "The path of a cgroup (v2) by its id, found when it is printed.\n\n"
		       "The filter of hierarchies is accepted and has no effect: there is one.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[cgroup_path(cgroup)] = count(); "
		       "}\n",
		.examples = EXAMPLES("begin { print(cgroup_path(cgroup)); exit(); }"),
		.min_args = 1,
		.max_args = 2,
		.check = check_cgroup_path,
		.lower = lower_cgroup_path,
	},
	BUILTIN_END,
};
