/* Functions of the kernel that programs may call by name ("kfuncs").
 *
 * Which ones depends on the type of the program, for some on what it is attached to, and nothing
 * lists them. The answer is noted as a fact; its key names the caller in a way that finds it on
 * another kernel:
 *
 *   26 24 vfs_read bpf_task_from_pid       tracing, fentry, of vfs_read
 *   17 0 - bpf_task_from_pid               raw tracepoint */
#include <bpf/btf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/priv.h"

/* What verifiers say of the call itself. Those before 5.13 know no such calls at all. */
static bool refuses_call(const char *log)
{
	static const char *const says[] = {" is not allowed", "cannot call kernel function",
					   "is not a kernel function", "uses reserved fields",
					   "for calling kernel function"};

	for (size_t i = 0; i < ARRAY_SIZE(says); i++)
		if (strstr(log, says[i]))
			return true;
	return false;
}

/* Asks the kernel by loading a program of that type that calls it. What is wrong with the
 * arguments does not matter: the call itself is looked at first. */
static bool ask_kfunc(enum bpf_prog_type type, uint32_t attach_type, uint32_t attach_btf_id,
		      uint32_t id)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_KFUNC_CALL, .imm = (int)id},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	char log[4096] = "";
	struct prog_load l = {.name = "awl_probe",
			      .type = type,
			      .expected_attach_type = attach_type,
			      .attach_btf_id = attach_btf_id,
			      .insns = insns,
			      .ninsns = ARRAY_SIZE(insns),
			      .license = "GPL",
			      .log = log,
			      .log_size = sizeof(log),
			      .log_level = 1};
	int fd = bpf_prog_load_raw(&l);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (log[0] && !refuses_call(log));
}

static uint32_t caller_id(struct kernel *k, const struct kfunc_caller *c)
{
	if (!c->to)
		return 0;
	return btf_find(k, c->to,
			c->attach_type == BPF_TRACE_RAW_TP ? BTF_KIND_TYPEDEF : BTF_KIND_FUNC);
}

bool kernel_kfunc_allowed(struct kernel *k, const struct kfunc_caller *c, const char *name)
{
	char key[600];
	uint32_t id;
	bool yes = false;

	snprintf(key, sizeof(key), "%d %u %s %s", (int)c->type, c->attach_type, c->to ? c->to : "-",
		 name);
	if (!kernel_fact_known(k, FACT_KFUNC, key)) {
		id = kernel_btf_is_given(k) ? 0 : btf_find(k, name, BTF_KIND_FUNC);
		yes = id && ask_kfunc(c->type, c->attach_type, caller_id(k, c), id);
	}
	return kernel_fact(k, FACT_KFUNC, key, "", yes) != 0;
}

bool kernel_kfunc_is_plain(const char *name)
{
	static const char *const plain[] = {
		"bpf_cast_to_kern_ctx",
		"bpf_cgroup_*",
		"bpf_copy_from_user*",
		"bpf_cpumask_*",
		"bpf_dynptr_*",
		"bpf_get_*",
		"bpf_iter_*",
		"bpf_list_*",
		"bpf_map_sum_elem_count",
		"bpf_obj_*",
		"bpf_path_d_path",
		"bpf_percpu_obj_*",
		"bpf_preempt_*",
		"bpf_probe_read*",
		"bpf_put_*",
		"bpf_rbtree_*",
		"bpf_rcu_read_*",
		"bpf_rdonly_cast",
		"bpf_refcount_*",
		"bpf_str*",
		"bpf_task_*",
	};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (str_glob(str_of(plain[i]), str_of(name)))
			return true;
	return false;
}

const char *kernel_kfunc_name(struct kernel *k, uint32_t id)
{
	const struct btf *btf = kernel_btf(k, NULL);
	const struct btf_type *t = btf ? btf__type_by_id(btf, id) : NULL;
	const char *name = t ? btf__name_by_offset(btf, t->name_off) : NULL;

	return name ? name : "";
}
