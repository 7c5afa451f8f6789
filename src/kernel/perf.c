/* perf events: opening them, attaching BPF programs, and the numbers sysfs has about their kinds.
 *
 * The kinds of events ("PMU") made at boot have numbers of their own, read from
 * /sys/bus/event_source/devices/NAME/type: "kprobe" and "uprobe" among them. The bit of
 * attr.config that asks for a return probe is in .../format/retprobe as "config:0".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

#include "kernel/priv.h"

#define PMU_DIR "/sys/bus/event_source/devices"

/* Debian's and Ubuntu's kernels have levels above 2, where perf events are for CAP_SYS_ADMIN alone.
 * Who has not even the others is told of those. */
static bool hint_paranoid(struct err *e)
{
	static const int need[] = {CAP_BPF, CAP_PERFMON}, all[] = {CAP_SYS_ADMIN};
	struct buf b = BUF_INIT;
	int level = 0;

	if ((e->code != EACCES && e->code != EPERM) || !caps_check(need, 2, NULL, 0) ||
	    caps_check(all, 1, NULL, 0))
		return false;
	if (buf_read_file(&b, "/proc/sys/kernel/perf_event_paranoid", 64) == 0)
		level = atoi(buf_cstr(&b));
	buf_release(&b);
	if (level > 2)
		err_hint(e,
			 "kernel.perf_event_paranoid is %d, which keeps perf events for "
			 "CAP_SYS_ADMIN: sysctl kernel.perf_event_paranoid=2, or run as root",
			 level);
	return level > 2;
}

static void hint_open(struct err *e, const struct perf_event_attr *attr)
{
	switch (e->code) {
	case ENOENT:
	case EOPNOTSUPP:
	case ENODEV:
		if (attr->type == PERF_TYPE_HARDWARE)
			err_hint(
				e,
				"this machine has no such hardware counter (virtual machines often "
				"have none): use a software event");
		else if (attr->type == PERF_TYPE_BREAKPOINT)
			err_hint(e, "the processor or the hypervisor has no such breakpoint");
		break;
	case ENOSPC:
		if (attr->type == PERF_TYPE_BREAKPOINT)
			err_hint(e, "all hardware breakpoints are in use (x86 has four)");
		break;
	case EMFILE:
		err_hint(e, "raise the limit of open files (ulimit -n)");
		break;
	default:
		if (!hint_paranoid(e))
			kernel_hint_bpf(e);
	}
}

int perf_open(struct perf_event_attr *attr, int pid, int cpu, struct err *e)
{
	long fd;
	int code;

	attr->size = sizeof(*attr);
	fd = syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		return fd;
	code = errno;
	err_set(e, code, "open a perf event (type %u, config %llu, pid %d, cpu %d)", attr->type,
		(unsigned long long)attr->config, pid, cpu);
	if (e)
		hint_open(e, attr);
	return -code;
}

static int enable(int event_fd, struct err *e)
{
	if (ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return err_set(e, errno, "enable a perf event");
	return 0;
}

/* Kernels before 5.15 have no links for perf events: the program is set by ioctl and leaves when
 * the event is closed. There is no place for a cookie then. */
static int attach_by_ioctl(int event_fd, int prog_fd, uint64_t cookie, struct err *e)
{
	if (cookie)
		return err_plain(e, EOPNOTSUPP,
				 "this kernel has no perf event links, which carry cookies");
	if (ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, prog_fd) < 0) {
		err_set(e, errno, "set the BPF program of a perf event");
		kernel_hint_bpf(e);
		return e ? -e->code : -EINVAL;
	}
	return enable(event_fd, e);
}

int perf_attach(int event_fd, int prog_fd, uint64_t cookie, struct err *e)
{
	int link = bpf_link_make(prog_fd, event_fd, BPF_PERF_EVENT, cookie, e);

	if (link == -EINVAL || link == -E2BIG) {
		err_clear(e);
		return attach_by_ioctl(event_fd, prog_fd, cookie, e);
	}
	if (link < 0)
		return link;
	if (enable(event_fd, e) < 0) {
		close(link);
		return e ? -e->code : -EINVAL;
	}
	return link;
}

int perf_pmu_type(const char *pmu, struct err *e)
{
	struct buf b = BUF_INIT;
	char path[256];
	int r;

	snprintf(path, sizeof(path), PMU_DIR "/%s/type", pmu);
	r = buf_read_file(&b, path, 64);
	if (r < 0) {
		r = err_set(e, -r, "read %s", path);
		err_hint(e, "this kernel has no perf events of the kind \"%s\"", pmu);
	} else {
		r = atoi(buf_cstr(&b));
	}
	buf_release(&b);
	return r;
}

/* "config:0" names the bit; 0 has been its number ever since. */
static int retprobe_bit(const char *path)
{
	struct buf b = BUF_INIT;
	int bit = 0;

	if (buf_read_file(&b, path, 64) == 0)
		sscanf(buf_cstr(&b), "config:%d", &bit);
	buf_release(&b);
	return bit >= 0 && bit < 64 ? bit : 0;
}

int perf_uprobe_retprobe_bit(void)
{
	return retprobe_bit(PMU_DIR "/uprobe/format/retprobe");
}

int perf_kprobe_retprobe_bit(void)
{
	return retprobe_bit(PMU_DIR "/kprobe/format/retprobe");
}
