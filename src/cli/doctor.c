/* awl doctor: what this system has for tracing, what it lacks, what awl does instead, and the one
 * command, setting or kernel option that would change it.
 *
 * Three parts, each a list of findings:
 *
 *   rights      user, capabilities, lockdown     without CAP_BPF nothing can be tried: the rest is
 * left out settings    mounts and sysctls               looked up in /proc and /sys features    the
 * table `remedies`             found out by awl_info(), that is by trying
 *
 * Example of a finding:
 *
 *   lacking   KPROBE: kprobes (perf)
 *             instead: fentry: where the kernel has it; tracepoint: and rawtracepoint: always
 *             to have it: a kernel with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y
 *
 * The exit status is 0 when scripts can run at all, otherwise 1. Features without a row in the
 * table are details that awl replaces on its own without any loss that a user could see: they are
 * counted only. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/opts.h"

enum {
	CAP_DAC_READ_SEARCH = 2,
	CAP_SYS_PTRACE = 19,
	CAP_SYS_ADMIN = 21,
	CAP_SYSLOG = 34,
	CAP_PERFMON = 38,
	CAP_BPF = 39
};

struct remedy {
	const char *feature, *instead, *fix;
};

static const struct remedy remedies[] = {
	{"BTF",
	 "arguments come from tracefs; args of rawtracepoint, curtask and struct types of the "
	 "kernel are refused",
	 "a kernel with CONFIG_DEBUG_INFO_BTF=y, or --kernel-btf FILE with the types of its build"},
	{"RINGBUF", "nothing: events cannot be read", "Linux 5.8 or later"},
	{"UPROBE", "nothing for programs' functions", "a kernel with CONFIG_UPROBE_EVENTS=y"},
	{"UPROBE_MULTI", "a perf event for each function: many of them attach and detach slowly",
	 "Linux 6.6 or later"},
	{"KPROBE",
	 "trampolines (fentry), without offsets, addresses and reg(), where the kernel has them; "
	 "tracepoint: and rawtracepoint: always",
	 "a kernel with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y"},
	{"KPROBE_MULTI", "a perf event for each function: thousands of them take long",
	 "a kernel with CONFIG_FPROBE=y (Linux 5.18 or later)"},
	{"FENTRY", "kprobes, with the arguments that are in registers; no args at a return",
	 "a kernel with CONFIG_FUNCTION_TRACER=y and BTF"},
	{"TP_BTF", "rawtracepoint: with arg0, arg1 …, without names",
	 "a kernel with CONFIG_DEBUG_INFO_BTF=y"},
	{"PERF_LINK", "a program for each place where the script asks which probe fired",
	 "Linux 5.15 or later"},
	{"HARDWARE", "software: events and profile:",
	 "a machine, or a hypervisor setting, with performance counters"},
	{"ITER", "nothing: iter: is refused", "Linux 5.8 or later with BTF"},
	{"ITER_PATH", "nothing: path() in iter: is refused", "Linux 5.15 or later with BTF"},
	{"MAY_GOTO", "loops end at the number of rounds that the kernel can check",
	 "Linux 6.9 or later"},
	{"KPROBE_FUNC_IP", "func from the registers at entries; at returns it is refused",
	 "Linux 5.15 or later"},
	{"SOCKET_COOKIE", "nothing: socket_cookie() is refused", "Linux 5.12 or later with BTF"},
	{"SEND_SIGNAL", "nothing: signal() is refused", "Linux 5.3 or later"},
	{"KALLSYMS", "kernel stacks show addresses", "sudo sysctl kernel.kptr_restrict=1"},
	{"FOR_EACH_MAP", "`for` over a map and len() are refused; print() and ranges work",
	 "Linux 5.13 or later"},
	{"PERCPU_LOOKUP",
	 "count() and its like cannot be read in the script; they are printed as ever",
	 "Linux 5.19 or later"},
	{"ATOMIC_FETCH", "loads and stores: @x |= 1 on several CPUs at once can lose one",
	 "Linux 5.12 or later"},
	{"LONG_KEYS", "strings have 160 bytes, so that they fit into keys", "Linux 5.11 or later"},
	{"WRITE_USER", "nothing: write_user() is refused", "boot without lockdown=integrity"},
	{"OVERRIDE", "nothing: override() is refused",
	 "a kernel with CONFIG_BPF_KPROBE_OVERRIDE=y"},
	{"LOCKDOWN_OPEN", "nothing: the kernel's memory cannot be read",
	 "boot without lockdown=confidentiality"},
	{"COPY_FROM_USER", "user memory that is paged out reads as empty, and is counted",
	 "Linux 6.0 or later"},
};

struct findings {
	struct buf out;
	unsigned present, lacking, minor;
};

static void found(struct findings *f, const char *mark, const char *text, const char *instead,
		  const char *fix)
{
	buf_printf(&f->out, "  %-9s %s\n", mark, text);
	if (instead)
		buf_printf(&f->out, "            instead: %s\n", instead);
	if (fix)
		buf_printf(&f->out, "            to have it: %s\n", fix);
}

static bool file_has(const char *path, const char *text)
{
	struct buf b = BUF_INIT;
	bool has = buf_read_file(&b, path, 1 << 20) == 0 && strstr(buf_cstr(&b), text);

	buf_release(&b);
	return has;
}

/* ---- rights ---- */

static uint64_t capabilities(void)
{
	struct buf b = BUF_INIT;
	const char *line;
	uint64_t caps = 0;

	if (buf_read_file(&b, "/proc/self/status", 1 << 16) == 0) {
		line = strstr(buf_cstr(&b), "CapEff:");
		caps = line ? strtoull(line + strlen("CapEff:"), NULL, 16) : 0;
	}
	buf_release(&b);
	return caps;
}

static const struct {
	int cap;
	bool vital;
	const char *name, *instead;
} rights[] = {
	{CAP_BPF, true, "CAP_BPF: to load programs", "nothing"},
	{CAP_PERFMON, true, "CAP_PERFMON: to attach them and read memory", "nothing"},
	{CAP_SYS_PTRACE, false, "CAP_SYS_PTRACE: to look into processes of others",
	 "stacks of others' processes show addresses"},
	{CAP_DAC_READ_SEARCH, false, "CAP_DAC_READ_SEARCH: to read tracefs and files of others",
	 "tracepoint: needs tracefs to be readable; rawtracepoint: does not"},
	{CAP_SYSLOG, false, "CAP_SYSLOG: to see the kernel's addresses",
	 "kernel stacks show addresses"},
};

/* CAP_SYS_ADMIN has CAP_BPF and CAP_PERFMON in it. False: nothing can be traced. */
static bool check_rights(struct findings *f)
{
	uint64_t caps = capabilities();
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		bool has = caps >> rights[i].cap & 1 ||
			   (rights[i].vital && caps >> CAP_SYS_ADMIN & 1);

		found(f, has ? "ok" : "lacking", rights[i].name, has ? NULL : rights[i].instead,
		      has ? NULL
			  : "sudo awl …, or once: sudo setcap "
			    "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_syslog+ep "
			    "$(command -v awl)");
		ok &= has || !rights[i].vital;
	}
	return ok;
}

/* ---- settings ---- */

/* From 3 on, which Debian and Ubuntu have, perf events are for CAP_SYS_ADMIN alone. */
static void check_paranoid(struct findings *f)
{
	struct buf b = BUF_INIT;

	buf_read_file(&b, "/proc/sys/kernel/perf_event_paranoid", 64);
	if (atoi(buf_cstr(&b)) > 2 && !(capabilities() >> CAP_SYS_ADMIN & 1))
		found(f, "lacking", "perf events are for CAP_SYS_ADMIN alone (perf_event_paranoid)",
		      "links that need none, where the kernel has them",
		      "sudo sysctl kernel.perf_event_paranoid=2");
	buf_release(&b);
}

static void check_settings(struct findings *f)
{
	if (file_has("/proc/self/mounts", " tracefs "))
		found(f, "ok", "tracefs is mounted", NULL, NULL);
	else
		found(f, "lacking", "tracefs is not mounted",
		      "awl mounts it for itself, seen by nobody else",
		      "sudo mount -t tracefs tracefs /sys/kernel/tracing");
	if (file_has("/proc/self/mounts", " cgroup2 "))
		found(f, "ok", "cgroup v2 is mounted", NULL, NULL);
	else
		found(f, "lacking", "cgroup v2 is not mounted", "cgroups are shown as numbers",
		      "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	if (file_has("/proc/sys/kernel/kptr_restrict", "2"))
		found(f, "lacking", "the kernel hides its addresses from root (kptr_restrict)",
		      "kernel stacks show addresses", "sudo sysctl kernel.kptr_restrict=1");
	if (file_has("/proc/sys/net/core/bpf_jit_enable", "0"))
		found(f, "lacking", "BPF programs are interpreted, which is slow", NULL,
		      "sudo sysctl net.core.bpf_jit_enable=1");
	if (file_has("/proc/sys/kernel/ftrace_enabled", "0"))
		found(f, "lacking", "function tracing is switched off (ftrace_enabled)",
		      "kprobes by breakpoints; fentry, fexit and wildcards of kprobes may fail",
		      "sudo sysctl kernel.ftrace_enabled=1");
	check_paranoid(f);
	if (file_has("/sys/kernel/debug/kprobes/enabled", "0"))
		found(f, "lacking", "kprobes are switched off", NULL,
		      "echo 1 | sudo tee /sys/kernel/debug/kprobes/enabled");
	if (file_has("/sys/kernel/security/lockdown", "[integrity]") ||
	    file_has("/sys/kernel/security/lockdown", "[confidentiality]"))
		found(f, "lacking",
		      "the kernel is locked down: it refuses what would change it or its processes",
		      "everything that only looks works", "boot without Secure Boot or lockdown=");
}

/* ---- features ---- */

static void one_feature(void *arg, const char *name, const char *text, int has)
{
	struct findings *f = arg;
	char line[160];

	if (has) {
		f->present++;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
		if (strcmp(remedies[i].feature, name) == 0) {
			snprintf(line, sizeof(line), "%s: %s", name, text);
			found(f, "lacking", line, remedies[i].instead, remedies[i].fix);
			f->lacking++;
			return;
		}
	f->minor++;
}

bool doctor(struct awl *awl, struct buf *out)
{
	struct findings f = {.out = BUF_INIT};
	bool ok;

	buf_adds(&f.out, "Rights:\n");
	ok = check_rights(&f);
	buf_adds(&f.out, "\nSettings:\n");
	check_settings(&f);
	if (ok) {
		buf_adds(&f.out, "\nKernel features:\n");
		awl_info(awl, one_feature, &f);
		buf_printf(&f.out,
			   "  %-9s %u features; %u more are lacking and replaced without a loss "
			   "(awl --info)\n",
			   "ok", f.present, f.minor);
	}
	buf_printf(&f.out, "\n%s\n",
		   !ok ? "awl cannot trace with these rights; kernel features cannot be tried "
			 "without them"
		   : f.lacking
			   ? "awl can trace; what is lacking is replaced or refused as said above"
			   : "awl can trace; nothing is lacking");
	buf_adds(out, buf_cstr(&f.out));
	buf_release(&f.out);
	return ok;
}
