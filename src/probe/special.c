/* begin, end and self:signal:NAME: probes that awl itself fires.
 *
 * Each is a raw tracepoint program that is attached to nothing: the runtime runs it with
 * BPF_PROG_TEST_RUN before the others are attached, after they are detached, or when awl receives
 * the signal. They run on the CPU where awl is, once. */
#include <errno.h>
#include <signal.h>
#include "probe/probe.h"

static bool resolve_plain(struct sema *s, const struct provider *prov,
			  const struct attach_point *ap, struct attach_targets *out)
{
	if (!probe_parts(s, prov, ap, 1, 1))
		return false;
	probe_push(s, out, (struct attach_target){.name = prov->name});
	return true;
}

static bool begin_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	return resolve_plain(s, &provider_begin, ap, out);
}

static bool end_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	return resolve_plain(s, &provider_end, ap, out);
}

static void special_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
}

static int begin_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	env->at_begin(env, p->fd);
	return 0;
}

static int end_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	env->at_end(env, p->fd);
	return 0;
}

const struct provider provider_begin = {
	.name = "begin",
	.form = "begin",
	.doc = "Runs once, before the other probes are attached.\n\n    begin { "
	       "printf(\"tracing\\n\"); }",
	.once = true,
	.resolve = begin_resolve,
	.plan = special_plan,
	.attach = begin_attach,
};

const struct provider provider_end = {
	.name = "end",
	.form = "end",
	.doc = "Runs once, after the other probes are detached and before maps are printed.\n\n"
	       "    end { printf(\"done\\n\"); }",
	.once = true,
	.resolve = end_resolve,
	.plan = special_plan,
	.attach = end_attach,
};

/* ---- self:signal:NAME ---- */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"SIGHUP", SIGHUP},   {"SIGUSR1", SIGUSR1},   {"SIGUSR2", SIGUSR2}, {"SIGALRM", SIGALRM},
	{"SIGCONT", SIGCONT}, {"SIGWINCH", SIGWINCH}, {"SIGURG", SIGURG},   {"SIGQUIT", SIGQUIT},
};

static int signal_number(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (str_is(name, signals[i].name) || str_is(name, signals[i].name + 3))
			return signals[i].number;
	}
	return -1;
}

static bool self_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct diag_msg *m;
	int number;

	if (!probe_parts(s, &provider_self, ap, 3, 3))
		return false;
	if (!str_is(ap->parts[1], "signal"))
		return probe_malformed(s, &provider_self, ap, "only signals are known");
	number = signal_number(ap->parts[2]);
	if (number < 0) {
		m = sema_report(s, E_PROBE_NONE, ap->part_spans[2],
				"no signal \"%.*s\" that a probe can wait for",
				STR_ARG(ap->parts[2]));
		diag_help(m, "SIGUSR1, SIGUSR2, SIGHUP, SIGALRM, SIGCONT, SIGWINCH, SIGURG and "
			     "SIGQUIT are possible");
		return false;
	}
	probe_push(s, out,
		   (struct attach_target){
			   .name = arena_printf(sema_arena(s), "self:signal:%.*s",
						STR_ARG(ap->parts[2])),
			   .a = (uint32_t)number,
		   });
	return true;
}

static int self_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	for (size_t i = 0; i < p->ntargets; i++)
		env->on_signal(env, (int)p->targets[i].a, p->fd);
	return 0;
}

static int self_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		     list_fn fn, void *arg, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		char line[64];
		int r;

		if (!str_glob(probe_pattern(pattern, 2), str_of(signals[i].name)))
			continue;
		snprintf(line, sizeof(line), "self:signal:%s", signals[i].name);
		r = fn(arg, line, NULL);
		if (r)
			return r;
	}
	return 0;
}

const struct provider provider_self = {
	.name = "self",
	.form = "self:signal:NAME",
	.doc = "Runs when awl itself gets the signal.\n\n"
	       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n"
	       "    self:signal:SIGUSR1 { print(@); }",
	.timer = true,
	.anywhere = true,
	.resolve = self_resolve,
	.plan = special_plan,
	.attach = self_attach,
	.list = self_list,
};
