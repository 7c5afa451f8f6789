/* What reaches beyond the event's own data: path, socket_cookie, percpu_kaddr, write_user, and
 * comm(pid) of another process.
 *
 * The kernel gives path() and socket_cookie() only to programs with typed arguments, and only for
 * pointers whose origin its verifier knows: args.sk as it came, not a copy in a variable.
 *
 * A per-CPU variable has one address for each CPU:
 *
 *      percpu_kaddr("runqueues", 3)  =  &runqueues + __per_cpu_offset[3]
 *
 * Example: `rawtracepoint:tcp_probe { @[socket_cookie(args.sk)] = count(); }` */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- pointers that the verifier knows ---------------------------------------------------- */

static void report_untyped(struct sema *s, struct expr *e, const char *what)
{
	struct diag_msg *m = sema_report(s, E_ARG_TYPE, builtin_arg(e, 0)->span,
					 "%.*s() needs a pointer to %s as the "
					 "kernel gave it",
					 STR_ARG(call_name(e)), what);

	diag_primary(m, "this is %s", type_text(sema_arena(s), builtin_argtype(e, 0)));
	diag_help(m, "take it from args (or ctx) at the place of the call, without variable or "
		     "cast");
}

static bool is_struct(const struct type *t, const char *name)
{
	return t->kind == TYPE_STRUCT && t->agr.name && strcmp(t->agr.name, name) == 0;
}

/* Runs what is built after it only when p is no NULL; p is known to be none from there on. */
static ir_val require_ptr(struct gen *g, ir_val p, struct ir_block *none)
{
	struct ir *b = gen_ir(g);
	struct ir_block *some = ir_block_new(b, NULL);

	ir_br(b, p, some, none, IR_LIKELY_YES);
	ir_at(b, some);
	return ir_nonnull(b, p);
}

/* ---- path -------------------------------------------------------------------------------- */

static bool path_possible(struct sema *s, struct expr *e)
{
	const struct probe *p = sema_probe(s);
	struct diag_msg *m;

	if (p && p->attach_type == BPF_TRACE_ITER &&
	    !kernel_has(sema_kernel(s), FEATURE_ITER_PATH)) {
		m = sema_report(s, E_FEATURE, e->span,
				"path() in iter probes needs %s, which this kernel lacks",
				feature_text(FEATURE_ITER_PATH));
		diag_help(m, "the last part of it: str(ctx.file.f_path.dentry.d_name.name)");
		return false;
	}
	if (!p || p->prog_type == BPF_PROG_TYPE_TRACING)
		return true;
	m = sema_report(s, E_CALL_CONTEXT, e->span, "path() is not possible in a %s probe",
			p->prov->name);
	diag_help(m, "the kernel allows it in iter probes, and in fentry and fexit of functions "
		     "such as vfs_getattr, vfs_truncate, dentry_open, filp_close and "
		     "security_file_open");
	return false;
}

static void check_path(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);
	int64_t size = (int64_t)MIN(MAX(sema_config(s)->max_strlen, 1), 4096);
	bool ptr = t->kind == TYPE_PTR;

	if (builtin_nargs(e) > 1 && sema_literal_int(s, e, 1, &size) && (size < 1 || size > 4096)) {
		sema_report(s, E_RANGE, builtin_arg(e, 1)->span,
			    "path() takes a size from 1 to 4096, got %" PRId64, size);
		size = 64;
	}
	e->type = type_string(sema_types(s), (uint32_t)size);
	if (!builtin_known(e, 0) || !path_possible(s, e))
		return;
	if (!is_struct(ptr ? t->ptr.to : t, "path"))
		builtin_bad_arg(s, e, 0, "a struct path, such as file.f_path");
	else if (ptr && t->ptr.space != SPACE_BTF)
		report_untyped(s, e, "struct path");
}

static struct val lower_path(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct ir_block *done = ir_block_new(b, NULL);
	struct val dst = builtin_place(g, e, want), p = gen_expr(g, builtin_arg(e, 0));

	ir_store(b, 1, dst.v, dst.off, ir_const(b, 0));
	if (p.nullable || p.kind == VAL_SCALAR)
		p.v = require_ptr(g, p.v, done);
	IR_CALL(b, BPF_FUNC_d_path, builtin_addr(g, p, 0), builtin_addr(g, dst, 0),
		ir_const(b, e->type->size));
	ir_jmp(b, done);
	ir_at(b, done);
	return dst;
}

/* ---- socket_cookie ----------------------------------------------------------------------- */

static bool is_socket(const struct type *t)
{
	static const char *const names[] = {"sock",     "sock_common", "inet_sock",
					    "tcp_sock", "udp_sock",    "unix_sock"};

	for (size_t i = 0; t->kind == TYPE_PTR && i < ARRAY_SIZE(names); i++)
		if (is_struct(t->ptr.to, names[i]))
			return true;
	return false;
}

static void check_socket_cookie(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);
	const struct probe *p = sema_probe(s);

	builtin_set_int(s, e, 8, false);
	if (!builtin_known(e, 0))
		return;
	if (!is_socket(t))
		builtin_bad_arg(s, e, 0, "a struct sock *");
	else if (p && p->prog_type != BPF_PROG_TYPE_TRACING)
		diag_help(sema_report(s, E_CALL_CONTEXT, e->span,
				      "socket_cookie() is not possible in a %s probe",
				      p->prov->name),
			  "the kernel allows it in fentry, fexit and in rawtracepoint with args");
	else if (t->ptr.space != SPACE_BTF)
		report_untyped(s, e, "struct sock");
}

static struct val lower_socket_cookie(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct ir_block *done = ir_block_new(b, NULL);
	ir_cell cookie = ir_cell_new(b, "cookie", false);
	struct val sk = gen_expr(g, builtin_arg(e, 0));

	ir_set(b, cookie, ir_const(b, 0));
	if (sk.kind == VAL_MEM)
		sk.v = ir_load_ptr(b, sk.v, sk.off);
	sk.v = require_ptr(g, sk.v, done);
	ir_set(b, cookie, IR_CALL(b, BPF_FUNC_get_socket_cookie, sk.v));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(e->type, ir_get(b, cookie));
}

/* ---- percpu_kaddr ------------------------------------------------------------------------ */

struct percpu {
	uint64_t addr, offsets; /* of the variable; of __per_cpu_offset, 0 when there is one CPU */
};

static void check_percpu_kaddr(struct sema *s, struct expr *e)
{
	struct call_sem *c = sema_call(s, e);
	struct percpu *p = c->data;
	struct str name;

	builtin_set_int(s, e, 8, false);
	if (builtin_nargs(e) > 1 && builtin_known(e, 1))
		sema_arg_int(s, e, 1);
	if (p || !sema_literal_str(s, e, 0, &name) || !sema_final(s))
		return;
	p = c->data = arena_new_of(sema_arena(s), struct percpu);
	if (!kernel_kaddr(sema_kernel(s), "__per_cpu_offset", &p->offsets) &&
	    kernel_host(sema_kernel(s), FACT_CPUS, "") > 1)
		diag_help(sema_report(s, E_FEATURE, e->span,
				      "percpu_kaddr() needs the names of kernel variables, which "
				      "are not to be had"),
			  "they are in /proc/kallsyms of kernels with CONFIG_KALLSYMS_ALL, and for "
			  "root");
	else if (!kernel_kaddr(sema_kernel(s), arena_strndup(sema_arena(s), name.p, name.n),
			       &p->addr))
		diag_help(sema_report(s, E_NAME, builtin_arg(e, 0)->span,
				      "the kernel has no symbol %.*s", STR_ARG(name)),
			  "per-CPU variables are those of `grep %.*s /proc/kallsyms`",
			  STR_ARG(name));
}

static struct val lower_percpu_kaddr(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct percpu *p = ((struct call_sem *)e->sem)->data;
	const struct type *word = type_int(gen_types(g), 8, false);
	struct ir_block *is = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell addr = ir_cell_new(b, "addr", false);
	ir_val cpu = builtin_nargs(e) > 1 ? gen_scalar(g, builtin_arg(e, 1))
					  : IR_CALL0(b, BPF_FUNC_get_smp_processor_id);
	ir_val at, base = ir_const(b, 0);

	ir_set(b, addr, ir_const(b, 0));
	ir_br(b, ir_bini(b, IR_ULT, cpu, (int64_t)kernel_host(gen_kernel(g), FACT_CPUS, "")), is,
	      done, IR_LIKELY_YES);
	ir_at(b, is);
	at = ir_bin(b, IR_ADD, ir_const(b, (int64_t)p->offsets), ir_bini(b, IR_MUL, cpu, 8));
	if (p->offsets)
		base = gen_load(g, val_mem(word, at, 0, SPACE_KERNEL));
	ir_set(b, addr, ir_bin(b, IR_ADD, base, ir_const(b, (int64_t)p->addr)));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(e->type, ir_get(b, addr));
}

/* ---- write_user -------------------------------------------------------------------------- */

#define WRITE_MAX 4096

static void check_write_user(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 1);
	int64_t n;

	e->type = &type_void;
	if (builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
	if (t->kind == TYPE_VOID || t->kind == TYPE_AGG || t->kind == TYPE_STACK)
		builtin_bad_arg(s, e, 1, "the value to write or a pointer to it");
	if (builtin_nargs(e) < 3) {
		if (t->kind == TYPE_PTR)
			diag_help(sema_report(s, E_ARG_COUNT, e->span,
					      "write_user() of what a pointer leads to needs a "
					      "length"),
				  "write_user(dst, src, length)");
		return;
	}
	if (!sema_literal_int(s, e, 2, &n))
		return;
	if (n < 1 || n > WRITE_MAX || (t->kind != TYPE_PTR && (uint64_t)n > t->size))
		sema_report(s, E_RANGE, builtin_arg(e, 2)->span,
			    "write_user() writes 1 to %u bytes here, got %" PRId64,
			    t->kind == TYPE_PTR ? WRITE_MAX : t->size, n);
}

static uint32_t write_length(const struct expr *e)
{
	const struct type *t = builtin_argtype(e, 1);

	if (builtin_nargs(e) > 2)
		return (uint32_t)builtin_arg(e, 2)->value;
	return t->size;
}

static struct val lower_write_user(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct expr *src = builtin_arg(e, 1);
	uint32_t n = write_length(e);
	enum space to, from;
	ir_val dst = builtin_pointer(g, builtin_arg(e, 0), &to), p;
	struct val m;

	if (src->type->kind == TYPE_PTR) {
		m = gen_temp_bytes(g, n, 8, false);
		p = builtin_pointer(g, src, &from);
		gen_read(g, builtin_addr(g, m, 0), n, p, from);
	} else if (type_is_scalar(src->type)) {
		m = gen_temp_bytes(g, 8, 8, false);
		builtin_put(g, m, 8, 0, gen_scalar(g, src));
	} else {
		m = gen_temp(g, src->type, false);
		gen_expr_to(g, src, m);
		if (src->type->kind == TYPE_BUF) /* its bytes come after its length */
			m.off += 4, n = MIN(n, src->type->str.cap);
	}
	IR_CALL(b, BPF_FUNC_probe_write_user, dst, builtin_addr(g, m, 0), ir_const(b, n));
	return VAL_VOID;
}

/* ---- comm of another process ------------------------------------------------------------- */

void builtin_check_comm_of(struct sema *s, struct expr *e)
{
	const struct probe *p = sema_probe(s);
	struct diag_msg *m;

	if (builtin_known(e, 0))
		sema_arg_int(s, e, 0);
	if (!kernel_btf_find(sema_kernel(s), "bpf_task_from_pid", BTF_KIND_FUNC)) {
		sema_report(s, E_FEATURE, e->span,
			    "comm(pid) needs the kernel's bpf_task_from_pid, which is not there");
		return;
	}
	if (!p || p->prog_type == BPF_PROG_TYPE_TRACING ||
	    p->prog_type == BPF_PROG_TYPE_TRACEPOINT || p->prog_type == BPF_PROG_TYPE_PERF_EVENT)
		return;
	m = sema_report(s, E_CALL_CONTEXT, e->span, "comm(pid) is not possible in a %s probe",
			p->prov->name);
	diag_help(m, "the kernel allows it in tracepoint, profile, interval, fentry and fexit; "
		     "the current process's name is comm");
}

struct val builtin_lower_comm_of(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct kernel *k = gen_kernel(g);
	struct ir_block *done = ir_block_new(b, NULL);
	struct val dst = builtin_place(g, e, want);
	struct member m = {0};
	ir_val task = gen_scalar(g, builtin_arg(e, 0));

	type_member(gen_types(g), type_lookup(gen_types(g), LOOKUP_STRUCT, STR("task_struct")),
		    STR("comm"), &m);
	ir_zero(b, dst.v, dst.off, 16, 8);
	task = ir_kfunc(b, kernel_btf_find(k, "bpf_task_from_pid", BTF_KIND_FUNC), 1,
			(ir_val[]){task}, true);
	task = require_ptr(g, task, done);
	gen_read_str(g, builtin_addr(g, dst, 0), ir_const(b, 16),
		     ir_bini(b, IR_ADD, task, m.offset), SPACE_KERNEL);
	ir_kfunc(b, kernel_btf_find(k, "bpf_task_release", BTF_KIND_FUNC), 1, (ir_val[]){task},
		 false);
	ir_jmp(b, done);
	ir_at(b, done);
	return dst;
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_reach[] = {
	{
		.name = "path",
		.proto = "string path(struct path p [, const int size])",
		.doc = "The name of a file in the file system, by its struct path.\n\n"
		       "Possible in iter probes and in fentry and fexit of the functions that the "
		       "kernel allows\n"
		       "it for (vfs_getattr, vfs_truncate, dentry_open, filp_close, "
		       "security_file_open …).\n\n"
		       "    iter:task_file { printf(\"%d %s\\n\", ctx.task.pid, "
		       "path(ctx.file.f_path)); }\n",
		.examples = EXAMPLES("iter:task_file { printf(\"%s\\n\", path(ctx.file.f_path)); }",
				     "iter:task_file { printf(\"%s\\n\", path(ctx.file.f_path, "
				     "64)); }"),
		.flags = BI_EFFECT,
		.min_args = 1,
		.max_args = 2,
		.needs = FEATURE_BTF,
		.check = check_path,
		.lower = lower_path,
	},
	{
		.name = "socket_cookie",
		.proto = "uint64 socket_cookie(struct sock *sk)",
		.doc = "A number that identifies a socket as long as the system runs.\n\n"
		       "Unlike the socket's address it is never used again. Possible in fentry, "
		       "fexit and\n"
		       "rawtracepoint.\n\n"
		       "    rawtracepoint:tcp_probe { @[socket_cookie(args.sk)] = count(); }\n",
		.examples = EXAMPLES(
			"rawtracepoint:tcp_probe { @[socket_cookie(args.sk)] = count(); }"),
		.flags = BI_EFFECT,
		.min_args = 1,
		.max_args = 1,
		.needs = FEATURE_SOCKET_COOKIE,
		.check = check_socket_cookie,
		.lower = lower_socket_cookie,
	},
	{
		.name = "percpu_kaddr",
		.proto = "uint64 percpu_kaddr(const string symbol [, uint32 cpu])",
		.doc = "The address of a kernel variable that each CPU has its own of.\n\n"
		       "Without a CPU, that of the current one. 0 when there is no such CPU. The "
		       "kernel must know the\n"
		       "names of variables (CONFIG_KALLSYMS_ALL).\n\n"
		       "    begin { printf(\"%x\\n\", percpu_kaddr(\"runqueues\", 0)); exit(); "
		       "}\n",
		.examples = NULL, /* kernels without CONFIG_KALLSYMS_ALL have no such symbol */
		.min_args = 1,
		.max_args = 2,
		.needs = FEATURE_KALLSYMS,
		.check = check_percpu_kaddr,
		.lower = lower_percpu_kaddr,
	},
	{
		.name = "write_user",
		.proto = "void write_user(void *dst, any src [, const int length])",
		.doc = "Writes into the memory of the current process.\n\n"
		       "src is a value, or a pointer to it, and then length is how many bytes.\n\n"
		       "    uprobe:libc:puts { write_user(arg0, (uint8)62); }\n",
		.examples = NULL, /* kernels may refuse it */
		.flags = BI_STMT | BI_EFFECT | BI_UNSAFE,
		.min_args = 2,
		.max_args = 3,
		.needs = FEATURE_WRITE_USER,
		.check = check_write_user,
		.lower = lower_write_user,
	},
	BUILTIN_END,
};
