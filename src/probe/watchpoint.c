/* watchpoint:ADDRESS:LENGTH:MODE: hardware breakpoints on data or code, through perf.
 *
 * The processor has four of them. With -p every thread of the process gets an event (threads that
 * are made later are not watched: said in a warning when the process has several); without, every
 * CPU does and the address means whatever it means in the task that runs there. */
#include <dirent.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <stdlib.h>
#include "probe/probe.h"

static bool mode_parse(struct str text, uint32_t *mode)
{
	*mode = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint32_t bit = text.p[i] == 'r'   ? HW_BREAKPOINT_R
			       : text.p[i] == 'w' ? HW_BREAKPOINT_W
			       : text.p[i] == 'x' ? HW_BREAKPOINT_X
						  : 0;

		if (!bit || (*mode & bit))
			return false;
		*mode |= bit;
	}
	return *mode != 0;
}

/* What the processor can watch: on x86, writes, accesses, or execution, at aligned addresses. */
static const char *mode_why_not(uint64_t addr, uint64_t len, uint32_t mode)
{
	if (len != 1 && len != 2 && len != 4 && len != 8)
		return "the length must be 1, 2, 4 or 8 bytes";
	if (mode & HW_BREAKPOINT_X)
		return mode != HW_BREAKPOINT_X ? "x cannot be combined with r or w" : NULL;
	if (addr % len)
		return "the address must be a multiple of the length";
#if defined(__x86_64__)
	if (mode == HW_BREAKPOINT_R)
		return "x86 cannot watch reads alone: use rw";
#endif
	return NULL;
}

static bool watchpoint_resolve(struct sema *s, const struct attach_point *ap,
			       struct attach_targets *out)
{
	struct attach_target t = {.pid = sema_input(s)->pid};
	uint64_t len;
	const char *why;

	if (!probe_parts(s, &provider_watchpoint, ap, 4, 4) ||
	    !probe_number(s, ap, 1, "the address", &t.addr) ||
	    !probe_number(s, ap, 2, "the length", &len))
		return false;
	if (!mode_parse(ap->parts[3], &t.b))
		return probe_malformed(s, &provider_watchpoint, ap,
				       "the mode is made of the letters r, w and x");
	why = mode_why_not(t.addr, len, t.b);
	if (why)
		return probe_malformed(s, &provider_watchpoint, ap, why);
	t.a = (uint32_t)len;
	t.name = probe_own_name(s, &provider_watchpoint, ap);
	probe_push(s, out, t);
	return true;
}

static void watchpoint_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_PERF_EVENT;
}

static int attach_threads(struct attach_env *env, const struct attach_prog *p,
			  struct perf_event_attr *attr, int pid, uint64_t cookie, struct err *e)
{
	char path[64];
	struct dirent *d;
	int r = 0, threads = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return err_set(e, errno, "cannot list the threads of process %d", pid);
	while (r >= 0 && (d = readdir(dir))) {
		int tid = atoi(d->d_name);

		if (tid <= 0)
			continue;
		r = probe_attach_perf(env, p, attr, tid, false, cookie, false, e);
		if (r == -ESRCH) { /* the thread has just ended */
			err_clear(e);
			r = 0;
		}
		threads++;
	}
	closedir(dir);
	if (r >= 0 && threads > 1)
		env->warn(env, "threads that process %d makes from now on are not watched", pid);
	return r;
}

static int watchpoint_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	for (size_t i = 0; i < p->ntargets; i++) {
		const struct attach_target *t = &p->targets[i];
		struct perf_event_attr attr = {
			.type = PERF_TYPE_BREAKPOINT,
			.bp_type = t->b,
			.bp_addr = t->addr,
			.bp_len = t->b == HW_BREAKPOINT_X ? sizeof(long) : t->a,
			.sample_period = 1,
		};
		int r = env->npids ? 0 : probe_attach_perf(env, p, &attr, 0, true, t->id, false, e);

		for (size_t k = 0; k < env->npids && r >= 0; k++)
			r = attach_threads(env, p, &attr, env->pids[k], t->id, e);

		if (r == -ENOSPC)
			err_hint(e, "the processor has only four watchpoints, and other tools may "
				    "hold some");
		if (r < 0)
			return err_wrap(e, "cannot attach %s", t->name);
	}
	return 0;
}

static uint32_t watchpoint_cost(struct kernel *k, const struct attach_target *t)
{
	return 1500; /* a debug exception */
}

static void watchpoint_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_printf(out,
		   "a debug register on %u bytes at 0x%" PRIx64
		   "; each hit costs a debug exception\n",
		   t->a, t->addr);
}

static const char *const watchpoint_aliases[] = {"w", NULL};

const struct provider provider_watchpoint = {
	.name = "watchpoint",
	.aliases = watchpoint_aliases,
	.form = "watchpoint:ADDRESS:LENGTH:MODE",
	.doc = "Fires when memory is written (w), accessed (rw) or executed (x).\n\n"
	       "    watchpoint:0x7ffd1000:8:w { @[ustack] = count(); }",
	.resolve = watchpoint_resolve,
	.share = probe_share_perf,
	.plan = watchpoint_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = watchpoint_attach,
	.cost = watchpoint_cost,
	.explain = watchpoint_explain,
};
