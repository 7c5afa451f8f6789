/* profile and interval: what fires by the clock.
 *
 *   profile:hz:99          99 times a second on each CPU     attr.freq, sample_freq
 *   interval:us:100        every 100 us on one CPU           sample_period in ns
 *   interval:ms:100        every 100 ms                      a timer of awl's own
 *   profile:1s, profile:N  a duration, or nanoseconds
 *
 * The first two are cpu-clock perf events. With -p, profile samples the process's own time: the
 * event follows the task instead of the CPUs. The kernel leaves an event's program out when it
 * interrupts another one; a sample may be missing, but nobody wants to miss a line that is printed
 * each second. So an interval of a millisecond or more whose program does not look at what it
 * interrupts is a raw tracepoint program that a thread of the runtime runs.
 */
#include <errno.h>
#include "probe/probe.h"

enum { MIN_PERIOD_NS = 1000, MIN_TICK_NS = 1000000, MAX_HZ = 1000000 };

struct unit {
	const char *name;
	uint64_t ns; /* 0: times a second */
};

static const struct unit units[] = {
	{"hz", 0}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

static const struct unit *unit_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (str_is(name, units[i].name))
			return &units[i];
	}
	return NULL;
}

/* a: 1 when addr is a frequency. */
static bool timer_target(struct sema *s, const struct provider *prov, const struct attach_point *ap,
			 struct attach_target *t)
{
	const struct unit *u;
	uint64_t n;

	if (ap->nparts == 2) {
		if (!probe_duration(ap->parts[1], 1, &t->addr))
			return probe_malformed(s, prov, ap, "the period is no duration");
	} else {
		u = unit_find(ap->parts[1]);
		if (!u)
			return probe_malformed(s, prov, ap,
					       "the unit is not one of hz, s, ms, us, ns");
		if (!probe_number(s, ap, 2, "the period", &n))
			return false;
		t->a = u->ns == 0;
		if (__builtin_mul_overflow(n, u->ns ? u->ns : 1, &t->addr))
			return probe_malformed(s, prov, ap, "the period is too long");
	}
	if (t->a && (t->addr < 1 || t->addr > MAX_HZ))
		return probe_malformed(s, prov, ap,
				       "the frequency must lie between 1 and 1000000 Hz");
	if (!t->a && (t->addr < MIN_PERIOD_NS || t->addr > INT64_MAX))
		return probe_malformed(s, prov, ap, "the period must be at least one microsecond");
	return true;
}

static bool timer_resolve(struct sema *s, const struct provider *prov,
			  const struct attach_point *ap, struct attach_targets *out)
{
	struct attach_target t = {.pid = sema_input(s)->pid};

	if (!probe_parts(s, prov, ap, 2, 3) || !timer_target(s, prov, ap, &t))
		return false;
	t.name = probe_own_name(s, prov, ap);
	probe_push(s, out, t);
	return true;
}

static bool profile_resolve(struct sema *s, const struct attach_point *ap,
			    struct attach_targets *out)
{
	return timer_resolve(s, &provider_profile, ap, out);
}

static bool interval_resolve(struct sema *s, const struct attach_point *ap,
			     struct attach_targets *out)
{
	return timer_resolve(s, &provider_interval, ap, out);
}

static void profile_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_PERF_EVENT;
	p->pid_filter = sema_only_pid(s);
}

/* Nanoseconds. */
static uint64_t period_of(const struct attach_target *t)
{
	return t->a ? 1000000000u / t->addr : t->addr;
}

static bool ticks(struct kernel *k, const struct probe *p)
{
	const unsigned context = USES_CTX | USES_REGS | USES_KSTACK | USES_USTACK | USES_KFUNC;

	for (size_t i = 0; i < p->ntargets; i++)
		if (period_of(&p->targets[i]) < MIN_TICK_NS)
			return false;
	return !(p->uses & context) && kernel_has(k, FEATURE_TEST_RUN_RAW_TP);
}

static void interval_plan(struct sema *s, struct probe *p)
{
	p->prog_type = ticks(sema_kernel(s), p) ? BPF_PROG_TYPE_RAW_TRACEPOINT
						: BPF_PROG_TYPE_PERF_EVENT;
}

/* The program of several targets does not know which of them it runs for. */
static bool interval_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			   const struct attach_target *b)
{
	return !(uses & (USES_PROBE | USES_FUNC)) &&
	       (period_of(a) < MIN_TICK_NS) == (period_of(b) < MIN_TICK_NS);
}

static struct perf_event_attr timer_attr(const struct attach_target *t)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = t->a,
	};

	if (t->a)
		attr.sample_freq = t->addr;
	else
		attr.sample_period = t->addr;
	return attr;
}

static int timer_attach(struct attach_env *env, const struct attach_prog *p, bool all_cpus,
			struct err *e)
{
	for (size_t i = 0; i < p->ntargets; i++) {
		struct perf_event_attr attr = timer_attr(&p->targets[i]);
		int r = probe_attach_perf(env, p, &attr, 0, all_cpus, p->targets[i].id, false, e);

		if (r < 0)
			return err_wrap(e, "cannot attach %s", p->targets[i].name);
	}
	return 0;
}

static int profile_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return timer_attach(env, p, true, e);
}

static int interval_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	if (p->prog_type == BPF_PROG_TYPE_PERF_EVENT)
		return timer_attach(env, p, false, e);
	for (size_t i = 0; i < p->ntargets; i++)
		env->on_timer(env, period_of(&p->targets[i]), p->fd);
	return 0;
}

static int timer_list(const char *name, const struct attach_point *pattern, list_fn fn, void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		char line[32];
		int r;

		if (!str_glob(probe_pattern(pattern, 1), str_of(units[i].name)))
			continue;
		snprintf(line, sizeof(line), "%s:%s:", name, units[i].name);
		r = fn(arg, line, NULL);
		if (r)
			return r;
	}
	return 0;
}

static int profile_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
			list_fn fn, void *arg, struct err *e)
{
	return timer_list("profile", pattern, fn, arg);
}

static int interval_list(struct kernel *k, int pid, const struct attach_point *pattern,
			 bool verbose, list_fn fn, void *arg, struct err *e)
{
	return timer_list("interval", pattern, fn, arg);
}

static uint32_t profile_cost(struct kernel *k, const struct attach_target *t)
{
	return 1000; /* an interrupt */
}

static void profile_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_printf(out, "a timer on each CPU, %s %" PRIu64 "\n", t->a ? "Hz" : "period in ns",
		   t->addr);
}

static void interval_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_printf(out, "a timer%s, %s %" PRIu64 "\n",
		   period_of(t) < MIN_TICK_NS ? " on one CPU" : "", t->a ? "Hz" : "period in ns",
		   t->addr);
}

static const char *const profile_aliases[] = {"p", NULL};
static const char *const interval_aliases[] = {"i", NULL};

const struct provider provider_profile = {
	.name = "profile",
	.aliases = profile_aliases,
	.form = "profile:hz:99 or profile:{s,ms,us}:N",
	.doc = "Fires on every CPU at a steady rate: what runs there is sampled.\n\n"
	       "    profile:hz:99 { @[kstack] = count(); }",
	.timer = true,
	.resolve = profile_resolve,
	.share = probe_share_perf,
	.plan = profile_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = profile_attach,
	.list = profile_list,
	.cost = profile_cost,
	.explain = profile_explain,
};

const struct provider provider_interval = {
	.name = "interval",
	.aliases = interval_aliases,
	.form = "interval:s:1 or interval:{hz,ms,us}:N",
	.doc = "Fires once in each period: for printing and clearing. None is left out, however "
	       "busy the machine is, when the period is a millisecond or more.\n\n"
	       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n"
	       "    interval:s:1 { print(@); clear(@); }",
	.timer = true,
	.anywhere = true,
	.resolve = interval_resolve,
	.share = interval_share,
	.plan = interval_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = interval_attach,
	.list = interval_list,
	.explain = interval_explain,
};
