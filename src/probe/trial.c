/* test:NAME and bench:NAME: probes that `awl --test` and `awl --bench` run, and nothing else does.
 *
 * Like begin they are raw tracepoint programs that are attached to nothing; what running them means
 * is in runtime/trial.c. Without these options the rest of the script runs as if they were not
 * there, and with them only they do. */
#include "probe/probe.h"

static bool is_taken(struct sema *s, const struct attach_targets *out, struct str name)
{
	for (size_t i = 0; i < out->n; i++)
		if (str_is(name, out->v[i].name))
			return true;
	return sema_has_target(s, name);
}

static bool resolve(struct sema *s, const struct provider *prov, const struct attach_point *ap,
		    struct attach_targets *out)
{
	struct diag_msg *m;

	if (!probe_parts(s, prov, ap, 2, 2))
		return false;
	if (is_taken(s, out, ap->text)) {
		m = sema_report(s, E_PROBE_FORM, ap->span, "there are two probes %.*s",
				STR_ARG(ap->text));
		diag_help(m, "give each %s a name of its own", prov->name);
		return false;
	}
	probe_push(s, out, (struct attach_target){.name = probe_cstr(s, ap->text)});
	return true;
}

static bool test_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	return resolve(s, &provider_test, ap, out);
}

static bool bench_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	return resolve(s, &provider_bench, ap, out);
}

static void trial_plan(struct sema *s, struct probe *p)
{
	p->prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
}

static bool never_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			const struct attach_target *b)
{
	return false;
}

static int trial_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	for (size_t i = 0; i < p->ntargets; i++)
		env->on_trial(env, p->targets[i].name, p->fd);
	return 0;
}

const struct provider provider_test = {
	.name = "test",
	.form = "test:NAME",
	.doc = "Runs once under `awl --test`, and nothing else of the script does.\n\n"
	       "A test passes when it returns 0 or nothing, and calls neither errorf() nor exit() "
	       "with another code;\n"
	       "assert() does both. What it prints is shown when it fails.\n\n"
	       "    awl --test -e 'test:sum { assert(2 + 2 == 4, \"sum\"); } test:len { return "
	       "strlen(\"abc\") - 3; }'",
	.once = true,
	.mode = MODE_TEST,
	.resolve = test_resolve,
	.share = never_share,
	.plan = trial_plan,
	.attach = trial_attach,
};

const struct provider provider_bench = {
	.name = "bench",
	.form = "bench:NAME",
	.doc = "Runs many times under `awl --bench`, which tells how many nanoseconds it takes.\n\n"
	       "The time is the program's alone, as the kernel measures it, without that of an "
	       "empty one. What it\n"
	       "prints is not shown.\n\n"
	       "    awl --bench -e 'bench:count { @ = count(); } bench:hist { @h = hist(nsecs); }'",
	.once = true,
	.mode = MODE_BENCH,
	.resolve = bench_resolve,
	.share = never_share,
	.plan = trial_plan,
	.attach = trial_attach,
};
