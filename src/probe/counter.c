/* software:EVENT:PERIOD and hardware:EVENT:PERIOD: perf counters that fire at every PERIOD-th
 * event, on every CPU, or following one process with -p. Names and default periods are those of
 * bpftrace. */
#include <errno.h>
#include "probe/probe.h"

struct counter {
	const char *name, *alias;
	uint64_t config, period;
};

static const struct counter software[] = {
	{"alignment-faults", NULL, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1},
	{"bpf-output", NULL, PERF_COUNT_SW_BPF_OUTPUT, 1},
	{"context-switches", "cs", PERF_COUNT_SW_CONTEXT_SWITCHES, 1000},
	{"cpu-clock", "cpu", PERF_COUNT_SW_CPU_CLOCK, 1000000},
	{"cpu-migrations", NULL, PERF_COUNT_SW_CPU_MIGRATIONS, 1},
	{"dummy", NULL, PERF_COUNT_SW_DUMMY, 1},
	{"emulation-faults", NULL, PERF_COUNT_SW_EMULATION_FAULTS, 1},
	{"major-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1},
	{"minor-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100},
	{"page-faults", "faults", PERF_COUNT_SW_PAGE_FAULTS, 100},
	{"task-clock", NULL, PERF_COUNT_SW_TASK_CLOCK, 1},
	{NULL},
};

static const struct counter hardware[] = {
	{"backend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, 1000000},
	{"branch-instructions", "branches", PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100000},
	{"branch-misses", NULL, PERF_COUNT_HW_BRANCH_MISSES, 100000},
	{"bus-cycles", NULL, PERF_COUNT_HW_BUS_CYCLES, 100000},
	{"cache-misses", NULL, PERF_COUNT_HW_CACHE_MISSES, 1000000},
	{"cache-references", NULL, PERF_COUNT_HW_CACHE_REFERENCES, 1000000},
	{"cpu-cycles", "cycles", PERF_COUNT_HW_CPU_CYCLES, 1000000},
	{"frontend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, 1000000},
	{"instructions", NULL, PERF_COUNT_HW_INSTRUCTIONS, 1000000},
	{"ref-cycles", NULL, PERF_COUNT_HW_REF_CPU_CYCLES, 1000000},
	{NULL},
};

static const struct counter *counter_find(const struct counter *rows, struct str name,
					  struct nearest *near)
{
	nearest_init(near, name);
	for (const struct counter *c = rows; c->name; c++) {
		if (str_is(name, c->name) || (c->alias && str_is(name, c->alias)))
			return c;
		nearest_try(near, str_of(c->name));
	}
	return NULL;
}

static bool counter_resolve(struct sema *s, const struct provider *prov, const struct counter *rows,
			    uint32_t perf_type, const struct attach_point *ap,
			    struct attach_targets *out)
{
	struct attach_target t = {.a = perf_type, .pid = sema_input(s)->pid};
	struct nearest near;
	const struct counter *c;

	if (!probe_parts(s, prov, ap, 2, 3))
		return false;
	c = counter_find(rows, ap->parts[1], &near);
	if (!c)
		return probe_none(s, ap, &near, NULL);
	t.b = (uint32_t)c->config;
	t.addr = c->period;
	if (ap->nparts == 3 && ap->parts[2].n && !probe_number(s, ap, 2, "the period", &t.addr))
		return false;
	if (t.addr < 1)
		return probe_malformed(s, prov, ap, "the period must be at least 1");
	t.name = probe_own_name(s, prov, ap);
	t.symbol = c->name;
	probe_push(s, out, t);
	return true;
}

static bool software_resolve(struct sema *s, const struct attach_point *ap,
			     struct attach_targets *out)
{
	return counter_resolve(s, &provider_software, software, PERF_TYPE_SOFTWARE, ap, out);
}

static bool hardware_resolve(struct sema *s, const struct attach_point *ap,
			     struct attach_targets *out)
{
	return counter_resolve(s, &provider_hardware, hardware, PERF_TYPE_HARDWARE, ap, out);
}

static void counter_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_PERF_EVENT;
	p->pid_filter = sema_only_pid(s);
}

static int counter_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	for (size_t i = 0; i < p->ntargets; i++) {
		const struct attach_target *t = &p->targets[i];
		struct perf_event_attr attr = {
			.type = t->a, .config = t->b, .sample_period = t->addr};
		int r = probe_attach_perf(env, p, &attr, 0, true, t->id, false, e);

		if (r == -ENOENT || r == -EOPNOTSUPP)
			err_hint(e,
				 "this machine (often: a virtual machine) does not offer the "
				 "counter \"%s\"",
				 t->symbol);
		if (r < 0)
			return err_wrap(e, "cannot attach %s", t->name);
	}
	return 0;
}

static int counter_list(const char *name, const struct counter *rows,
			const struct attach_point *pattern, list_fn fn, void *arg)
{
	char line[64];
	int r;

	for (const struct counter *c = rows; c->name; c++) {
		const char *both[] = {c->name, c->alias};

		for (size_t i = 0; i < 2 && both[i]; i++) {
			if (!str_glob(probe_pattern(pattern, 1), str_of(both[i])))
				continue;
			snprintf(line, sizeof(line), "%s:%s:", name, both[i]);
			r = fn(arg, line, NULL);
			if (r)
				return r;
		}
	}
	return 0;
}

static int software_list(struct kernel *k, int pid, const struct attach_point *pattern,
			 bool verbose, list_fn fn, void *arg, struct err *e)
{
	return counter_list("software", software, pattern, fn, arg);
}

static int hardware_list(struct kernel *k, int pid, const struct attach_point *pattern,
			 bool verbose, list_fn fn, void *arg, struct err *e)
{
	return counter_list("hardware", hardware, pattern, fn, arg);
}

static uint32_t counter_cost(struct kernel *k, const struct attach_target *t)
{
	return 1000; /* an interrupt */
}

static void counter_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	buf_printf(out, "a counter on each CPU, fires at every %" PRIu64 ". event\n", t->addr);
}

static const char *const software_aliases[] = {"s", NULL};
static const char *const hardware_aliases[] = {"h", NULL};

const struct provider provider_software = {
	.name = "software",
	.aliases = software_aliases,
	.form = "software:EVENT[:PERIOD]",
	.doc = "Fires at every PERIOD-th event that the kernel counts itself.\n\n"
	       "    software:page-faults:1 { @[comm, pid] = count(); }",
	.listed = true,
	.resolve = software_resolve,
	.share = probe_share_perf,
	.plan = counter_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = counter_attach,
	.list = software_list,
	.cost = counter_cost,
	.explain = counter_explain,
};

const struct provider provider_hardware = {
	.name = "hardware",
	.aliases = hardware_aliases,
	.form = "hardware:EVENT[:PERIOD]",
	.doc = "Fires at every PERIOD-th event that the processor counts.\n\n"
	       "    hardware:cache-misses:1000000 { @[comm] = count(); }",
	.listed = true,
	.resolve = hardware_resolve,
	.share = probe_share_perf,
	.plan = counter_plan,
	.name_type = probe_perf_name_type,
	.name_load = probe_perf_name_load,
	.attach = counter_attach,
	.list = hardware_list,
	.cost = counter_cost,
	.explain = counter_explain,
};
