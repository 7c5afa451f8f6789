/* @ = hist(x): of the number of the system call, of a function's first argument, and the filtered
 * form /pid == 1234/ { @ = hist(arg2) }. An array slot a bucket, for each CPU: it cannot fail. */
#include "bench.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 66);
	__type(key, __u32);
	__type(value, __u64);
} hist SEC(".maps");

static __always_inline void count_value(__u64 value)
{
	__u32 bucket = log2_bucket(value);
	__u64 *count = bpf_map_lookup_elem(&hist, &bucket);

	if (count)
		ADD(count, 1);
	else
		LOST();
}

SEC("raw_tp/sys_enter")
int hist_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	count_value(ctx->args[1]);
	return 0;
}

SEC("uprobe")
int hist_function(struct regs *ctx)
{
	count_value(ARG0(ctx));
	return 0;
}

SEC("uprobe")
int hist_filtered(struct regs *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == 1234)
		count_value(ARG2(ctx));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
