/* The BTF of the recorded kernel in tests/kernels/mini, made with libbpf. */
#ifndef AWL_TESTS_MINI_BTF_H
#define AWL_TESTS_MINI_BTF_H

#include <stdint.h>
#include <bpf/btf.h>

struct mini_ids {
	int task, bits, old_bits, packed, sock, proto_user, second_thing, flags;
};

/* struct task_struct { int pid; char comm[16]; bool on; struct { u64 inner; }; enum state state;
 *                      struct task_struct *parent; char __user *arg; flags_t flags; u8 tail[]; } */
static inline void mini_add_task(struct btf *b, struct mini_ids *ids, int i32, int chr, int u64,
				 int boolean, int u8)
{
	int anon, comm, tail, state, tag, uptr, cst, td, self;

	comm = btf__add_array(b, i32, chr, 16);
	tail = btf__add_array(b, i32, u8, 0);
	anon = btf__add_struct(b, NULL, 8);
	btf__add_field(b, "inner", u64, 0, 0);
	state = btf__add_enum(b, "state", 4);
	btf__add_enum_value(b, "RUNNING", 0);
	btf__add_enum_value(b, "DEAD", -1); /* makes the enum signed */
	cst = btf__add_const(b, chr);
	tag = btf__add_type_tag(b, "user", cst);
	uptr = btf__add_ptr(b, tag);
	td = btf__add_typedef(b, "flags_t", u64);
	self = btf__type_cnt(b) + 1; /* the struct comes behind the pointer to it */
	btf__add_ptr(b, self);
	ids->task = btf__add_struct(b, "task_struct", 72);
	btf__add_field(b, "pid", i32, 0, 0);
	btf__add_field(b, "comm", comm, 32, 0);
	btf__add_field(b, "on", boolean, 160, 0);
	btf__add_field(b, NULL, anon, 192, 0);
	btf__add_field(b, "state", state, 256, 0);
	btf__add_field(b, "parent", self - 1, 320, 0);
	btf__add_field(b, "arg", uptr, 384, 0);
	btf__add_field(b, "flags", td, 448, 0);
	btf__add_field(b, "tail", tail, 512, 0);
}

static inline struct btf *mini_btf(struct mini_ids *ids)
{
	struct btf *b = btf__new_empty();
	int i32 = btf__add_int(b, "int", 4, BTF_INT_SIGNED), chr = btf__add_int(b, "char", 1, 0);
	int u64 = btf__add_int(b, "long unsigned int", 8, 0),
	    boolean = btf__add_int(b, "_Bool", 1, BTF_INT_BOOL);
	int u8 = btf__add_int(b, "unsigned char", 1, 0),
	    u32 = btf__add_int(b, "unsigned int", 4, 0);
	int task_ptr, vptr, pp, proto, meta, u;

	mini_add_task(b, ids, i32, chr, u64, boolean, u8);
	task_ptr = btf__add_ptr(b, ids->task);
	vptr = btf__add_ptr(b, 0);
	ids->bits = btf__add_struct(b, "bits", 8);
	btf__add_field(b, "a", u32, 0, 3);
	btf__add_field(b, "b", u32, 3, 10); /* crosses a byte */
	btf__add_field(b, "c", i32, 32, 32);
	btf__add_field(b, "z", u32, 13, 1);
	ids->packed = btf__add_struct(b, "packed", 3);
	btf__add_field(b, "x", u32, 7, 17);
	ids->sock = btf__add_struct(b, "sockaddr", 16);
	btf__add_field(b, "sa_family", u8, 0, 0);
	ids->second_thing = btf__add_struct(b, "sockaddr", 8); /* another one of the same name */
	btf__add_field(b, "other", u64, 0, 0);
	btf__add_fwd(b, "task_struct", BTF_FWD_STRUCT);
	btf__add_typedef(b, "stack_t", ids->sock);
	/* btf_trace_sched_switch has no names, __traceiter_sched_switch has */
	proto = btf__add_func_proto(b, 0);
	btf__add_func_param(b, NULL, vptr);
	btf__add_func_param(b, NULL, boolean);
	btf__add_func_param(b, NULL, task_ptr);
	btf__add_func_param(b, NULL, ids->sock); /* by value: two slots */
	btf__add_func_param(b, NULL, u32);
	pp = btf__add_ptr(b, proto);
	btf__add_typedef(b, "btf_trace_sched_switch", pp);
	btf__add_typedef(b, "btf_trace_unnamed", pp);
	proto = btf__add_func_proto(b, i32);
	btf__add_func_param(b, "__data", vptr);
	btf__add_func_param(b, "preempt", boolean);
	btf__add_func_param(b, "prev", task_ptr);
	btf__add_func_param(b, "addr", ids->sock);
	btf__add_func_param(b, "prev_state", u32);
	btf__add_func(b, "__traceiter_sched_switch", BTF_FUNC_STATIC, proto);
	proto = btf__add_func_proto(b, task_ptr);
	btf__add_func_param(b, "task", task_ptr);
	btf__add_func_param(b, NULL, u64);
	btf__add_func_param(b, NULL, 0); /* ... */
	btf__add_func(b, "find_task", BTF_FUNC_GLOBAL, proto);
	btf__add_func(b, "bpf_iter_task", BTF_FUNC_STATIC, proto);
	u = btf__add_union(b, NULL, 8);
	btf__add_field(b, "task", task_ptr, 0, 0);
	meta = u;
	btf__add_struct(b, "bpf_iter__task", 16);
	btf__add_field(b, NULL, meta, 0, 0);
	btf__add_field(b, "fd", u32, 64, 0);
	btf__add_enum64(b, "wide", 8, false);
	btf__add_enum64_value(b, "HUGE_ONE", 1ull << 40);
	return b;
}

#endif
