/* Capabilities of this process, and the causes behind EPERM.
 *
 * bpf(2) and perf_event_open(2) answer EPERM for many reasons that look alike. kernel_hint_refused
 * tries them in the order of their likelihood, so that the message names the one that applies:
 *
 *     load program: Operation not permitted
 *     hint: this needs CAP_PERFMON: run as root, or `setcap cap_perfmon+ep` the binary
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

#include "kernel/priv.h"

static const char *const cap_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	return d[0].effective | (uint64_t)d[1].effective << 32;
}

static bool has_cap(uint64_t caps, int cap)
{
	if (caps >> cap & 1)
		return true;
	return (cap == CAP_BPF || cap == CAP_PERFMON) && (caps >> CAP_SYS_ADMIN & 1);
}

static void append_cap(char *text, size_t size, int cap)
{
	size_t n = strlen(text);
	const char *name = (size_t)cap < ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
	const char *sep = n ? ", " : "";

	if (n + 1 >= size)
		return;
	if (name)
		snprintf(text + n, size - n, "%s%s", sep, name);
	else
		snprintf(text + n, size - n, "%scapability %d", sep, cap);
}

bool caps_check(const int *need, size_t n, char *missing, size_t size)
{
	uint64_t caps = effective_caps();
	bool ok = true;

	if (size)
		missing[0] = 0;
	for (size_t i = 0; i < n; i++) {
		if (has_cap(caps, need[i]))
			continue;
		ok = false;
		append_cap(missing, size, need[i]);
	}
	return ok;
}

/* The mode in brackets: "none [integrity] confidentiality". */
static bool lockdown_mode(char *mode, size_t size)
{
	struct buf b = BUF_INIT;
	bool found = false;

	if (buf_read_file(&b, "/sys/kernel/security/lockdown", 4096) == 0) {
		const char *from = strchr(buf_cstr(&b), '[');
		const char *to = from ? strchr(from, ']') : NULL;

		if (to) {
			snprintf(mode, size, "%.*s", (int)(to - from - 1), from + 1);
			found = strcmp(mode, "none") != 0;
		}
	}
	buf_release(&b);
	return found;
}

static bool under_seccomp(void)
{
	struct buf b = BUF_INIT;
	const char *at = NULL;
	bool on = false;

	if (buf_read_file(&b, "/proc/self/status", 1 << 16) == 0)
		at = strstr(buf_cstr(&b), "\nSeccomp:");
	if (at)
		on = atoi(at + strlen("\nSeccomp:")) == 2;
	buf_release(&b);
	return on;
}

void kernel_hint_refused(struct err *e, const int *need, size_t n)
{
	char text[128];

	if (!e || (e->code != EPERM && e->code != EACCES))
		return;
	if (!caps_check(need, n, text, sizeof(text)))
		err_hint(e, "this needs %s: run as root, or give the program the capability", text);
	else if (lockdown_mode(text, sizeof(text)))
		err_hint(e, "the kernel is locked down (%s), which may forbid this", text);
	else if (under_seccomp())
		err_hint(e,
			 "a seccomp filter is active: the container's profile must allow bpf and "
			 "perf_event_open");
}

void kernel_hint_bpf(struct err *e)
{
	static const int need[] = {CAP_BPF, CAP_PERFMON};

	kernel_hint_refused(e, need, ARRAY_SIZE(need));
}
