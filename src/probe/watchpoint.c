/* watchpoint:ADDRESS:LENGTH:MODE: hardware breakpoints on data or code, through perf.
 *
 *   watchpoint:0x7ffd1000:8:w       an address
 *   watchpoint:watched:8:w          those that watch() is called with
 *   watchpoint:FUNCTION+argN:8:w    the one that an argument of the function points at: a
 *                                   uprobe:FUNCTION { watch(argN, …) } is added to the script,
 *                                   which also stops the process until the address is watched:
 *                                   behind the function's first instruction
 *   asyncwatchpoint:FUNCTION+argN   the same without stopping it: the first accesses are missed
 *
 * The two forms without an address need a process (-p, -c). Their programs are loaded with the
 * others and attached by attach_at(). They are numbered in the order of the script.
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

/* FUNCTION+argN: a probe that calls watch() is added. False: it is no such text. */
static bool watch_argument(struct sema *s, const struct attach_point *ap, unsigned which,
			   bool stops)
{
	struct str arg = ap->parts[1], func = str_cut(&arg, '+');

	if (!func.n || !str_starts(arg, STR("arg")))
		return false;
	sema_add_probe(s, ap,
		       arena_printf(sema_arena(s), "uprobe:\"%.*s\" { watch(%.*s, %u, %u); }",
				    STR_ARG(func), STR_ARG(arg), which, stops));
	return true;
}

/* Those whose addresses come while the script runs. */
static bool resolve_later(struct sema *s, const struct provider *prov,
			  const struct attach_point *ap, struct attach_target *t)
{
	if (sema_input(s)->pid <= 0)
		return probe_malformed(s, prov, ap, "addresses of a process need -p or -c");
	t->c = sema_number_watched(s);
	t->symbol = probe_cstr(s, ap->parts[1]);
	return str_is(ap->parts[1], "watched") ||
	       watch_argument(s, ap, t->c, prov == &provider_watchpoint) ||
	       probe_malformed(
		       s, prov, ap,
		       "between the first colons stands an address, FUNCTION+argN or watched");
}

static bool resolve_as(struct sema *s, const struct provider *prov, const struct attach_point *ap,
		       struct attach_targets *out)
{
	struct attach_target t = {.pid = sema_input(s)->pid};
	uint64_t len;
	const char *why;
	bool number;

	if (!probe_parts(s, prov, ap, 4, 4) || !probe_number(s, ap, 2, "the length", &len))
		return false;
	if (!mode_parse(ap->parts[3], &t.b))
		return probe_malformed(s, prov, ap, "the mode is made of the letters r, w and x");
	number = ap->parts[1].n && ap->parts[1].p[0] >= '0' && ap->parts[1].p[0] <= '9';
	if (number ? !probe_number(s, ap, 1, "the address", &t.addr)
		   : !resolve_later(s, prov, ap, &t))
		return false;
	why = mode_why_not(t.addr, len, t.b);
	if (why)
		return probe_malformed(s, prov, ap, why);
	t.a = (uint32_t)len;
	t.name = probe_own_name(s, prov, ap);
	probe_push(s, out, t);
	return true;
}

static bool watchpoint_resolve(struct sema *s, const struct attach_point *ap,
			       struct attach_targets *out)
{
	return resolve_as(s, &provider_watchpoint, ap, out);
}

static bool async_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	return resolve_as(s, &provider_asyncwatchpoint, ap, out);
}

static bool watchpoint_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			     const struct attach_target *b)
{
	return !a->symbol && !b->symbol && probe_share_perf(k, uses, a, b);
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

static struct perf_event_attr event_of(const struct attach_target *t, uint64_t addr)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_BREAKPOINT,
		.bp_type = t->b,
		.bp_addr = addr,
		.bp_len = t->b == HW_BREAKPOINT_X ? sizeof(long) : t->a,
		.sample_period = 1,
	};
}

static int explain_failure(struct err *e, int r, const char *name)
{
	if (r == -ENOSPC)
		err_hint(e, "the processor has only four watchpoints, and other tools may hold "
			    "some");
	return r < 0 ? err_wrap(e, "cannot attach %s", name) : 0;
}

static int watchpoint_attach_at(struct attach_env *env, const struct attach_prog *p, uint64_t addr,
				int pid, struct err *e)
{
	const struct attach_target *t = &p->targets[0];
	struct perf_event_attr attr = event_of(t, addr);
	const char *why = mode_why_not(addr, t->a, t->b);
	int r = why ? err_plain(e, EINVAL, "watch 0x%" PRIx64 ": %s", addr, why)
		    : attach_threads(env, p, &attr, pid, t->id, e);

	return explain_failure(e, r, t->name);
}

static int watchpoint_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	for (size_t i = 0; i < p->ntargets; i++) {
		const struct attach_target *t = &p->targets[i];
		struct perf_event_attr attr = event_of(t, t->addr);
		int r;

		if (t->symbol) /* attached when its address is known */
			continue;
		r = env->npids ? 0 : probe_attach_perf(env, p, &attr, 0, true, t->id, false, e);

		for (size_t k = 0; k < env->npids && r >= 0; k++)
			r = attach_threads(env, p, &attr, env->pids[k], t->id, e);
		r = explain_failure(e, r, t->name);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint32_t watchpoint_cost(struct kernel *k, const struct attach_target *t)
{
	return 1500; /* a debug exception */
}

static void watchpoint_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	if (t->symbol)
		buf_printf(out, "a debug register on %u bytes, as soon as an address is known; ",
			   t->a);
	else
		buf_printf(out, "a debug register on %u bytes at 0x%" PRIx64 "; ", t->a, t->addr);
	buf_adds(out, "each hit costs a debug exception\n");
}

static const char *const watchpoint_aliases[] = {"w", NULL};
static const char *const async_aliases[] = {"aw", NULL};

const struct provider provider_watchpoint = {
	.name = "watchpoint",
	.aliases = watchpoint_aliases,
	.form = "watchpoint:ADDRESS:LENGTH:MODE or watchpoint:FUNCTION+argN:LENGTH:MODE",
	.doc = "Fires when memory is written (w), accessed (rw) or executed (x).\n\n"
	       "With FUNCTION+argN, what the argument points at is watched from the call on: the "
	       "process is stopped\n"
	       "for the moment that takes. With `watched` in place of an address, those that "
	       "watch() is called with\n"
	       "are. Both need -p or -c.\n\n"
	       "    watchpoint:0x7ffd1000:8:w { @[ustack] = count(); }",
	.resolve = watchpoint_resolve,
	.share = watchpoint_share,
	.plan = watchpoint_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = watchpoint_attach,
	.attach_at = watchpoint_attach_at,
	.cost = watchpoint_cost,
	.explain = watchpoint_explain,
};

const struct provider provider_asyncwatchpoint = {
	.name = "asyncwatchpoint",
	.aliases = async_aliases,
	.form = "asyncwatchpoint:FUNCTION+argN:LENGTH:MODE",
	.doc = "watchpoint:FUNCTION+argN without stopping the process: accesses are missed until "
	       "the address is watched.\n\n"
	       "    awl -p 1 -e 'asyncwatchpoint:watched:8:w { print(ustack); }'",
	.resolve = async_resolve,
	.share = watchpoint_share,
	.plan = watchpoint_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = watchpoint_attach,
	.attach_at = watchpoint_attach_at,
	.cost = watchpoint_cost,
	.explain = watchpoint_explain,
};
