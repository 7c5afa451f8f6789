/* BPF links: how programs are attached. A link is a file descriptor; closing it detaches.
 *
 * The attribute of BPF_LINK_CREATE is written here by hand, since headers of the distribution may
 * be older than the kernel. The layout after the common head depends on the attach type:
 *
 *      0      4         8           12      16
 *      ┌──────┬─────────┬───────────┬───────┬─────────────────────────────────────────────┐
 *      │ prog │ target  │ attach    │ flags │ perf_event:   cookie                        │
 *      │ fd   │ fd      │ type      │       │ tracing:      btf_id, 0, cookie             │
 *      │      │         │           │       │ kprobe_multi: flags, n, syms, addrs, cookies│
 *      │      │         │           │       │ uprobe_multi: path, offsets, ref_ctrs,      │
 *      │      │         │           │       │               cookies, n, flags, pid        │
 *      └──────┴─────────┴───────────┴───────┴─────────────────────────────────────────────┘
 *
 * An older kernel accepts a longer attribute as long as what it does not know is zero.
 */
#include <errno.h>
#include <string.h>

#include "kernel/priv.h"

enum {
	ATTACH_UPROBE_MULTI = 48,
	ATTACH_KPROBE_SESSION = 56,
	ATTACH_UPROBE_SESSION = 57,
	MULTI_RETURN = 1,
};

struct link_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	union {
		struct {
			uint64_t cookie;
		} perf;
		struct {
			uint32_t btf_id, pad;
			uint64_t cookie;
		} tracing;
		struct {
			uint32_t flags, count;
			uint64_t syms, addrs, cookies;
		} kprobe;
		struct {
			uint64_t path, offsets, ref_ctrs, cookies;
			uint32_t count, flags, pid, pad;
		} uprobe;
	};
};

struct raw_tp_attr {
	uint64_t name;
	uint32_t prog_fd, pad;
	uint64_t cookie;
};

static uint64_t addr(const void *p)
{
	return (uintptr_t)p;
}

static int create(const struct link_attr *a)
{
	struct link_attr copy = *a;

	return sys_bpf(BPF_LINK_CREATE, (union bpf_attr *)&copy, sizeof(copy));
}

static bool is_tracing(uint32_t attach_type)
{
	return attach_type == BPF_TRACE_FENTRY || attach_type == BPF_TRACE_FEXIT ||
	       attach_type == BPF_TRACE_RAW_TP;
}

int bpf_link_make(int prog_fd, int target_fd, uint32_t attach_type, uint64_t cookie, struct err *e)
{
	struct link_attr a = {
		.prog_fd = prog_fd, .target_fd = target_fd, .attach_type = attach_type};
	int fd;

	if (is_tracing(attach_type))
		a.tracing.cookie = cookie;
	else if (attach_type == BPF_PERF_EVENT)
		a.perf.cookie = cookie;
	fd = create(&a);
	if (fd < 0) {
		err_set(e, -fd, "create a BPF link");
		kernel_hint_bpf(e);
	}
	return fd;
}

int bpf_raw_tp_open(const char *name, int prog_fd, uint64_t cookie, struct err *e)
{
	struct raw_tp_attr a = {.name = addr(name), .prog_fd = prog_fd, .cookie = cookie};
	int fd = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, (union bpf_attr *)&a, sizeof(a));

	if (fd >= 0)
		return fd;
	err_set(e, -fd, name ? "attach to raw tracepoint %s" : "attach to a BTF-typed %s",
		name ? name : "tracepoint or function");
	if (fd == -ENOENT)
		err_hint(e, "list the tracepoints there are with -l 'rawtracepoint:*'");
	else if (cookie && (fd == -EINVAL || fd == -E2BIG))
		err_hint(e,
			 "this kernel has no cookies of raw tracepoints (Linux 6.10 and later do)");
	else
		kernel_hint_bpf(e);
	return fd;
}

int bpf_uprobe_multi_open(int prog_fd, const struct uprobe_multi *u, struct err *e)
{
	struct link_attr a = {.prog_fd = prog_fd};
	int fd;

	a.attach_type = u->session ? ATTACH_UPROBE_SESSION : ATTACH_UPROBE_MULTI;
	a.uprobe.path = addr(u->path);
	a.uprobe.offsets = addr(u->offsets);
	a.uprobe.ref_ctrs = addr(u->ref_ctr_offsets);
	a.uprobe.cookies = addr(u->cookies);
	a.uprobe.count = u->count;
	a.uprobe.flags = u->is_return ? MULTI_RETURN : 0;
	a.uprobe.pid = u->pid;
	fd = create(&a);
	if (fd >= 0)
		return fd;
	err_set(e, -fd, "attach uprobes to %s (%u places)", u->path, u->count);
	if (fd == -ESRCH)
		err_hint(e, "there is no process %d", u->pid);
	else
		kernel_hint_bpf(e);
	return fd;
}

int bpf_kprobe_multi_open(int prog_fd, const struct kprobe_multi *u, struct err *e)
{
	struct link_attr a = {.prog_fd = prog_fd};
	int fd;

	a.attach_type = u->session ? ATTACH_KPROBE_SESSION : BPF_TRACE_KPROBE_MULTI;
	a.kprobe.flags = u->is_return ? MULTI_RETURN : 0;
	a.kprobe.count = u->count;
	a.kprobe.syms = addr(u->names);
	a.kprobe.addrs = addr(u->addrs);
	a.kprobe.cookies = addr(u->cookies);
	fd = create(&a);
	if (fd >= 0)
		return fd;
	err_set(e, -fd, "attach to %u kernel functions", u->count);
	if (fd == -EOPNOTSUPP)
		err_hint(e, "this kernel was built without CONFIG_FPROBE");
	else if (fd == -ESRCH || fd == -ENOENT)
		err_hint(e, "at least one of the functions cannot be traced");
	else
		kernel_hint_bpf(e);
	return fd;
}

int bpf_iter_open(int link_fd, struct err *e)
{
	union bpf_attr a = {0};
	int fd;

	a.iter_create.link_fd = link_fd;
	fd = sys_bpf(BPF_ITER_CREATE, &a, sizeof(a));
	if (fd < 0) {
		err_set(e, -fd, "open a BPF iterator");
		kernel_hint_bpf(e);
	}
	return fd;
}

/* ---- missed hits --------------------------------------------------------------------------------
 *
 * struct bpf_link_info as far as it matters here; `missed` of kprobes is there since Linux 6.7.
 */
struct link_info {
	uint32_t type, id, prog_id, pad;
	union {
		struct {
			uint64_t addrs;
			uint32_t count, flags;
			uint64_t missed, cookies;
		} kprobe_multi;
		struct {
			uint32_t type, pad;
			uint64_t name;
			uint32_t name_len, offset;
			uint64_t addr, missed, cookie;
		} perf;
	};
};

enum { LINK_PERF_EVENT = 7, LINK_KPROBE_MULTI = 8, PERF_KPROBE = 3, PERF_KRETPROBE = 4 };

static bool get_info(int fd, void *info, uint32_t size)
{
	union bpf_attr a = {0};

	a.info.bpf_fd = (uint32_t)fd;
	a.info.info_len = size;
	a.info.info = addr(info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &a, sizeof(a)) == 0;
}

uint64_t bpf_link_missed(int fd)
{
	struct link_info i = {0};

	if (!get_info(fd, &i, sizeof(i)))
		return 0;
	if (i.type == LINK_KPROBE_MULTI)
		return i.kprobe_multi.missed;
	if (i.type == LINK_PERF_EVENT &&
	    (i.perf.type == PERF_KPROBE || i.perf.type == PERF_KRETPROBE))
		return i.perf.missed;
	return 0;
}

int bpf_stats_enable(void)
{
	union bpf_attr a = {0};

	a.enable_stats.type = BPF_STATS_RUN_TIME;
	return sys_bpf(BPF_ENABLE_STATS, &a, sizeof(a));
}

bool bpf_prog_stats(int fd, struct bpf_prog_stats *out)
{
	struct bpf_prog_info i = {0};

	if (!get_info(fd, &i, sizeof(i)))
		return false;
	*out = (struct bpf_prog_stats){.ns = i.run_time_ns, .runs = i.run_cnt};
	return true;
}

uint64_t bpf_prog_missed(int fd)
{
	struct bpf_prog_info i = {0};

	return get_info(fd, &i, sizeof(i)) ? i.recursion_misses : 0;
}
