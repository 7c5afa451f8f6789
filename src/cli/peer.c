/* What awl says when it is called through a link named bpftrace: its version and --info in the
 * forms that scripts around bpftrace read.
 *
 *     Kernel helpers                    a heading, then "  NAME: yes|no" a line,
 *       probe_read: yes                 as `bpftrace --info | grep 'probe_read: yes'` expects
 *
 * Each row asks one of awl's own features; what every supported kernel has asks none.
 */
#include <sys/utsname.h>
#include "cli/opts.h"

/* The release whose language and options are taken. */
#define PEER_VERSION "v0.26.1"

struct peer_row {
	const char *name, *feature; /* NULL: always there */
};

static const struct peer_row helpers[] = {
	{"probe_read", NULL},
	{"probe_read_str", NULL},
	{"probe_read_user", "PROBE_READ_KERNEL"},
	{"probe_read_user_str", "PROBE_READ_KERNEL"},
	{"probe_read_kernel", "PROBE_READ_KERNEL"},
	{"probe_read_kernel_str", "PROBE_READ_KERNEL"},
	{"get_current_cgroup_id", NULL},
	{"send_signal", "SEND_SIGNAL"},
	{"get_boot_ns", "KTIME_BOOT"},
	{"get_tai_ns", "KTIME_TAI"},
	{"get_func_ip", "GET_FUNC_IP"},
	{"for_each_map_elem", "FOR_EACH_MAP"},
	{"loop", "LOOP"},
	{NULL},
};

static const struct peer_row features[] = {
	{"Loop support", "LOOP"},      {"btf", "BTF"}, {"map batch", "BATCH"},
	{"uprobe refcount", "UPROBE"}, {NULL},
};

static const struct peer_row map_types[] = {
	{"hash", NULL},        {"percpu hash", NULL},  {"array", NULL}, {"percpu array", NULL},
	{"stack_trace", NULL}, {"ringbuf", "RINGBUF"}, {NULL},
};

static const struct peer_row probe_types[] = {
	{"kprobe", "KPROBE"},
	{"tracepoint", "TRACEFS"},
	{"perf_event", NULL},
	{"fentry", "FENTRY"},
	{"kprobe_multi", "KPROBE_MULTI"},
	{"kprobe_session", "KPROBE_SESSION"},
	{"uprobe_multi", "UPROBE_MULTI"},
	{"iter", "ITER"},
	{NULL},
};

struct question {
	const char *feature;
	bool has;
};

static void answer(void *arg, const char *name, const char *text, int has)
{
	struct question *q = arg;

	if (strcmp(name, q->feature) == 0)
		q->has = has;
}

static bool has(struct awl *awl, const struct peer_row *r)
{
	struct question q = {r->feature, !r->feature};

	if (r->feature)
		awl_info(awl, answer, &q);
	return q.has;
}

static void add_section(struct awl *awl, struct buf *out, const char *title,
			const struct peer_row *rows)
{
	buf_printf(out, "\n%s\n", title);
	for (; rows->name; rows++)
		buf_printf(out, "  %s: %s\n", rows->name, has(awl, rows) ? "yes" : "no");
}

void peer_info(struct awl *awl, struct buf *out)
{
	struct utsname u;

	uname(&u);
	buf_printf(out, "System\n  OS: %s %s %s\n  Arch: %s\n\n", u.sysname, u.release, u.version,
		   u.machine);
	buf_printf(out,
		   "Build\n  version: " PEER_VERSION "\n  awl: %s\n  LLVM: none\n"
		   "  libdw (DWARF support): no\n",
		   AWL_VERSION);
	add_section(awl, out, "Kernel helpers", helpers);
	buf_adds(out, "\nKernel features\n  Instruction limit: 1000000\n");
	for (const struct peer_row *r = features; r->name; r++)
		buf_printf(out, "  %s: %s\n", r->name, has(awl, r) ? "yes" : "no");
	add_section(awl, out, "Map types", map_types);
	add_section(awl, out, "Probe types", probe_types);
}

void peer_version(struct buf *out)
{
	buf_printf(out, "bpftrace " PEER_VERSION " (awl %s)\n", AWL_VERSION);
}
