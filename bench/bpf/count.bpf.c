/* @[comm] = count(), on sys_enter and on a uprobe. One entry for each CPU: no CPU waits for the
 * cache line of another. */
#include "bench.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct comm);
	__type(value, __u64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} counts SEC(".maps");

static __always_inline void count_comm(void)
{
	struct comm key;
	__u64 *count, one = 1, zero = 0;

	bpf_get_current_comm(&key, sizeof(key));
	count = bpf_map_lookup_elem(&counts, &key);
	if (count) {
		ADD(count, 1);
		return;
	}
#ifdef COUNT_LOSS
	bpf_map_update_elem(&counts, &key, &zero, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&counts, &key);
	if (count)
		ADD(count, 1);
	else
		LOST();
#else
	bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
#endif
}

SEC("raw_tp/sys_enter")
int count_syscall(void *ctx)
{
	count_comm();
	return 0;
}

SEC("uprobe")
int count_function(struct regs *ctx)
{
	count_comm();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
