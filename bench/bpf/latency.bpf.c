/* The two halves of a latency histogram:
 *   @start[tid] = nsecs
 *   /@start[tid]/ { @ = hist(nsecs - @start[tid]); delete(@start, tid); } */
#include "bench.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 66);
	__type(key, __u32);
	__type(value, __u64);
} hist SEC(".maps");

SEC("raw_tp/sys_enter")
int latency_start(void *ctx)
{
	__u64 tid = (__u32)bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();

	if (bpf_map_update_elem(&start, &tid, &now, BPF_ANY))
		LOST();
	return 0;
}

SEC("raw_tp/sys_exit")
int latency_end(void *ctx)
{
	__u64 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 *began = bpf_map_lookup_elem(&start, &tid), *count;
	__u32 bucket;

	if (!began || !*began)
		return 0;
	bucket = log2_bucket(bpf_ktime_get_ns() - *began);
	count = bpf_map_lookup_elem(&hist, &bucket);
	if (count)
		ADD(count, 1);
	else
		LOST();
	bpf_map_delete_elem(&start, &tid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
