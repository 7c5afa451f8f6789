/* printf("%d %s %s\n", pid, comm, str(x)): a record in the ring, filled in place. */
#include "bench.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

const volatile __u32 target_pid;

/* Wakes the reader when a quarter of the ring is full; it looks by itself every few milliseconds
 * anyway. */
static __always_inline __u64 wakeup(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > (1 << 20) ? BPF_RB_FORCE_WAKEUP
									 : BPF_RB_NO_WAKEUP;
}

static __always_inline void send_line(const void *text)
{
	struct line *line = bpf_ringbuf_reserve(&events, sizeof(*line), 0);

	if (!line) {
		LOST();
		return;
	}
	line->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(line->comm, sizeof(line->comm));
	if (bpf_probe_read_user_str(line->text, sizeof(line->text), text) < 0)
		line->text[0] = 0;
	bpf_ringbuf_submit(line, wakeup());
}

SEC("raw_tp/sys_enter")
int line_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct regs *regs = (struct regs *)ctx->args[0];
	__u64 text;

	if (bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	if (bpf_probe_read_kernel(&text, sizeof(text), &ARG1(regs)) == 0)
		send_line((const void *)text);
	else
		LOST();
	return 0;
}

SEC("uprobe")
int line_function(struct regs *ctx)
{
	send_line((const void *)ARG1(ctx));
	return 0;
}

/* tracepoint:syscalls:sys_enter_openat { printf("%d %s %s\n", pid, comm, str(args.filename)); } */
SEC("tp/syscalls/sys_enter_openat")
int line_openat(struct sys_enter_args *ctx)
{
	struct line *line = bpf_ringbuf_reserve(&events, sizeof(*line), 0);

	if (!line) {
		LOST();
		return 0;
	}
	line->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(line->comm, sizeof(line->comm));
	bpf_probe_read_user_str(line->text, sizeof(line->text), (const void *)ctx->args[1]);
	bpf_ringbuf_submit(line, 0);
	return 0;
}

/* The same from sys_enter, which costs less to attach and to leave: the number of the call and the
 * mode of the processor are looked at here. 257 is openat on x86-64, 56 on arm64. */
SEC("raw_tp/sys_enter")
int line_openat_raw(struct bpf_raw_tracepoint_args *ctx)
{
	struct regs *regs = (struct regs *)ctx->args[0];
	__u64 text;

#if defined(__TARGET_ARCH_arm64)
	if (ctx->args[1] != 56)
		return 0;
#else
	__u64 cs = 0;

	if (ctx->args[1] != 257)
		return 0;
	if (bpf_probe_read_kernel(&cs, sizeof(cs), &regs->cs))
		LOST();
	if (cs != 0x33)
		return 0;
#endif
	if (bpf_probe_read_kernel(&text, sizeof(text), &ARG1(regs)) == 0)
		send_line((const void *)text);
	else
		LOST();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
