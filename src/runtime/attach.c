/* Attaching: the services that providers are given, and the order of things.
 *
 *   0  programs that follow processes; the processes that are there are marked
 *   1  programs that run once (begin, end, iterators) register themselves
 *   2  the begin programs run; when they call exit(), nothing else is attached
 *   3  the gate is closed, everything is attached, the gate opens
 *   4  "Attached N probes"; the child of -c may go
 *
 * With the setting begin_attached 2 comes in 3, behind the closed gate: what `begin` prints is
 * there when everything is attached, and before anything else. Every program looks at the gate
 * then.
 *
 * The gate is the flag that exit() sets, which the programs of a script that calls exit() look at
 * first: such a script does not run half attached. Others do without the look, and may see the
 * return of a call whose entry came before its probe, as any tracer's users know. While a long list
 * is being attached the ring buffer is drained when it fills; while a begin or end program runs, by
 * a thread of its own, because the program has to run in this one (its pid, tid and comm are those
 * of awl).
 */
#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/priv.h"

/* ---- services -----------------------------------------------------------------------------------
 */

static size_t count_places(const struct program *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nprogs; i++)
		n += p->progs[i].ntargets;
	return n;
}

static void env_own_fd(struct attach_env *env, int fd, bool slow)
{
	struct run *r = env->run;

	if (fd < 0)
		return;
	links_own(r, fd, slow);
	progress_say(r, "Attaching", r->links.n, r->nplaces);
}

static bool env_stopped(struct attach_env *env)
{
	return ((struct run *)env->run)->stop;
}

static void env_at_begin(struct attach_env *env, int fd)
{
	struct run *r = env->run;

	hvec_push(&r->begins, fd);
}

static void env_at_end(struct attach_env *env, int fd)
{
	struct run *r = env->run;

	hvec_push(&r->ends, fd);
}

static void env_on_signal(struct attach_env *env, int signo, int fd)
{
	struct run *r = env->run;

	hvec_push(&r->signals, (struct signal_prog){.signo = signo, .fd = fd});
}

static void env_on_timer(struct attach_env *env, uint64_t period_ns, int fd)
{
	ticker_add(env->run, period_ns, fd);
}

static void env_on_trial(struct attach_env *env, const char *name, int fd)
{
	struct run *r = env->run;
	bool bench = r->p->progs[r->cur_prog].prov->mode == MODE_BENCH;

	hvec_push(&r->trials,
		  (struct trial){.name = strchr(name, ':') + 1, .fd = fd, .bench = bench});
}

static void env_iterate(struct attach_env *env, int fd)
{
	struct run *r = env->run;

	links_own(r, fd, false);
	hvec_push(&r->iters, fd);
}

static void env_pin_link(struct attach_env *env, int fd, const char *path)
{
	struct run *r = env->run;
	union bpf_attr a = {.pathname = (uintptr_t)path, .bpf_fd = (uint32_t)fd};
	int ret = sys_bpf(BPF_OBJ_PIN, &a, sizeof(a));

	links_own(r, fd, false);
	if (ret < 0)
		run_message(r, RUN_ERROR,
			    "cannot pin a link at %s: %s: the path must be new and on a BPF file "
			    "system",
			    path, strerror(-ret));
}

static void env_warn(struct attach_env *env, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	run_message(env->run, RUN_WARN, "%s", buf_cstr(&b));
	buf_release(&b);
}

static void env_skipped(struct attach_env *env, const struct attach_target *t, const char *why)
{
	struct run *r = env->run;

	r->nskipped++;
	if (r->p->config.missing_probes != MISSING_IGNORE)
		run_message(r, RUN_WARN, "%s is not attached: %s", t->name, why);
}

void attach_env_init(struct run *r)
{
	r->env = (struct attach_env){
		.kernel = r->o.kernel,
		.pids = r->o.pids,
		.npids = r->o.follow || r->o.name ? 0 : r->o.npids,
		.verbose = r->o.verbose,
		.run = r,
		.own_fd = env_own_fd,
		.at_begin = env_at_begin,
		.at_end = env_at_end,
		.on_signal = env_on_signal,
		.on_timer = env_on_timer,
		.on_trial = env_on_trial,
		.iterate = env_iterate,
		.pin_link = env_pin_link,
		.warn = env_warn,
		.skipped = env_skipped,
		.stopped = env_stopped,
	};
}

/* ---- order
 * ---------------------------------------------------------------------------------------- */

/* The context has room for any arguments that the program might look at; they are zero. */
int attach_test_run(int prog_fd, int32_t *retval, struct err *e)
{
	static const uint64_t ctx[12];

	return bpf_test_run(prog_fd, ctx, sizeof(ctx), retval, e);
}

static void drain_when_filling(struct run *r)
{
	if (ring_used(&r->ring) > r->ring.size / 4)
		event_drain(r, UINT64_MAX);
}

struct attach_prog attach_prog_of(const struct run *r, uint32_t i)
{
	const struct program_prog *p = &r->p->progs[i];

	return (struct attach_prog){
		.name = p->title,
		.targets = p->targets,
		.ntargets = p->ntargets,
		.prog_type = p->type,
		.attach_type = p->attach_type,
		.fd = r->prog_fds[i],
	};
}

static int attach_program(struct run *r, uint32_t i, struct err *e)
{
	const struct program_prog *p = &r->p->progs[i];
	const struct attach_prog ap = attach_prog_of(r, i);
	int ret;

	r->cur_prog = i;
	r->nprobes += p->follows ? 0 : p->ntargets;
	if (!p->code.n)
		return 0; /* attached with the program that it is part of */
	ret = p->prov->attach(&r->env, &ap, e);
	if (ret >= 0)
		return 0;
	err_wrap(e, "attach %s", p->title);
	if (r->p->config.missing_probes == MISSING_ERROR ||
	    r->p->config.missing_probes == MISSING_ANY || p->follows)
		return ret;
	r->nskipped += p->ntargets;
	if (r->p->config.missing_probes == MISSING_WARN)
		run_message(r, RUN_WARN, "%s", e ? e->what : p->title);
	err_clear(e);
	return 0;
}

enum group { FOLLOWERS, ONCE, OTHERS };

static enum group group_of(const struct program_prog *p)
{
	return p->follows ? FOLLOWERS : p->prov->once ? ONCE : OTHERS;
}

static int attach_programs(struct run *r, enum group which, struct err *e)
{
	for (uint32_t i = 0; i < r->p->nprogs && !r->stop; i++) {
		int ret;

		if (group_of(&r->p->progs[i]) != which)
			continue;
		ret = attach_program(r, i, e);
		if (ret < 0)
			return ret;
		drain_when_filling(r);
	}
	return 0;
}

/* What is printed while a program runs once: this thread is inside of the system call then. */
struct drainer {
	struct run *r;
	sem_t done;
};

static bool drainer_wait(struct drainer *d, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return sem_timedwait(&d->done, &until) == 0;
}

static void *drain_meanwhile(void *arg)
{
	struct drainer *d = arg;
	size_t took = 0;

	while (!drainer_wait(d, took ? 0 : 500000))
		took = ring_used(&d->r->ring) ? event_drain(d->r, d->r->ring.size) : 0;
	return NULL;
}

/* Everything that drains is the other thread's until it is joined. */
int attach_run_once(struct run *r, int prog_fd, struct err *e)
{
	struct drainer d = {.r = r};
	pthread_t thread;
	bool draining;
	int ret;

	if (!r->ring.size)
		return attach_test_run(prog_fd, &r->retval, e);
	sem_init(&d.done, 0, 0);
	draining = pthread_create(&thread, NULL, drain_meanwhile, &d) == 0;
	ret = attach_test_run(prog_fd, &r->retval, e);
	if (draining) {
		sem_post(&d.done);
		pthread_join(thread, NULL);
	}
	sem_destroy(&d.done);
	return ret;
}

/* Behind the closed gate what exit() has set cannot be told from the gate: all of them run. */
static int run_begins(struct run *r, bool gated, struct err *e)
{
	for (size_t i = 0; i < r->begins.n && !(gated ? (bool)r->stop : run_exited(r)); i++) {
		int ret = attach_run_once(r, r->begins.v[i], e);

		if (ret < 0)
			return ret;
		drain_when_filling(r);
	}
	return 0;
}

static int attach_gated(struct run *r, struct err *e)
{
	bool begins = r->p->config.begin_attached && !r->o.dry_run;
	int ret;

	run_gate(r, true);
	ret = attach_programs(r, OTHERS, e);
	if (ret == 0)
		ret = signal_install_probes(r, e);
	if (ret == 0 && begins)
		ret = run_begins(r, true, e);
	run_gate_unless_exited(r);
	return ret;
}

static void say_attached(struct run *r)
{
	size_t n = r->nprobes - MIN(r->nskipped, r->nprobes);
	struct out *o = r->o.out;

	if (r->o.quiet || r->trials.n)
		return;
	if (run_ndjson(r)) {
		ndjson_attached(r, n);
	} else if (run_json(r) && o) {
		out_printf(o,
			   "{\"type\": \"attached_probes\", \"count\": %zu, \"data\": {\"probes\": "
			   "%zu}}\n",
			   n, n);
		out_commit(o);
	} else {
		run_message(r, RUN_INFO, "Attached %zu probe%s", n, n == 1 ? "" : "s");
	}
}

static int release_child(struct run *r, struct err *e)
{
	static const char go = 1;

	if (r->o.child_go < 0 || r->o.child == 0 || r->o.dry_run || run_exited(r) || r->stop)
		return 0;
	if (write(r->o.child_go, &go, 1) != 1)
		return err_set(e, errno, "start the command of -c");
	return 0;
}

static int attach_all(struct run *r, struct err *e)
{
	uint64_t *start = run_global(r, r->p->start_off);
	int ret;

	remember_start(r);
	r->nplaces = count_places(r->p);
	ret = follow_watch(r, e);
	r->state = RUN_ATTACHED;
	if (start && r->p->start_off != r->p->lost_off)
		*start = clock_ns(CLOCK_BOOTTIME);
	if (ret == 0)
		ret = signal_install(r, e);
	if (ret == 0)
		ret = attach_programs(r, FOLLOWERS, e);
	if (ret == 0)
		ret = follow_start(r, e);
	if (ret == 0)
		ret = attach_programs(r, ONCE, e);
	if (ret == 0 && !r->o.dry_run && !r->p->config.begin_attached)
		ret = run_begins(r, false, e);
	if (ret == 0 && !r->o.dry_run)
		ret = trials_run(r, e);
	if (ret == 0)
		guard_start(r);
	if (ret == 0 && !run_exited(r))
		ret = attach_gated(r, e);
	if (ret < 0)
		return ret;
	if (r->nprobes > 0 && r->nskipped >= r->nprobes && !r->stop)
		return err_plain(e, ENOENT, "none of the %zu probes could be attached", r->nprobes);
	if (!r->stop)
		say_attached(r);
	if (!r->o.dry_run && !run_exited(r))
		ret = ticker_start(r, e);
	return ret < 0 ? ret : release_child(r, e);
}

int run_attach(struct run *r, struct err *e)
{
	int ret;

	if (run_ndjson(r))
		ndjson_header(r);
	ret = attach_all(r, e);
	if (ret < 0 && run_ndjson(r))
		ndjson_message(r, RUN_ERROR, e->what);
	return ret;
}
