/* Signals: the end of a run, and probes on awl's own signals.
 *
 *   SIGINT, SIGTERM   the first ends the run in good order, the second ends the process at once
 *                     (the kernel then detaches everything: links are descriptors). timeout(1)
 *                     sends its signal to the command and again to the group: that is one
 *   SIGPIPE           ignored: a closed pipe is an error of the output, which ends the run
 *   SIGUSR1           prints all maps, unless the script has a probe on it
 *   others            only when the script has a probe on them: its program is run by the loop
 *
 * Handlers set flags and write to the run's eventfd, nothing else. There is one run with handlers
 * in a process at a time.
 */
#include <errno.h>
#include <unistd.h>

#include "runtime/priv.h"

static struct run *volatile handled;
static volatile sig_atomic_t ends, caught[65];

static void wake(struct run *r)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		errno = 0; /* full: awake already */
	errno = saved;
}

void run_stop(struct run *r)
{
	r->stop = 1;
	wake(r);
}

/* The signal that ended the run. Written before `ends` is, by the handler alone. */
static struct {
	pid_t sender;
	uint64_t ns;
} first;

enum { SAME_NS = 250000000 };

/* A process that sent the signal twice at once; what a terminal sends is from no process. */
static bool is_echo(const siginfo_t *info)
{
	return info->si_code == SI_USER && info->si_pid == first.sender &&
	       clock_ns(CLOCK_MONOTONIC) - first.ns < SAME_NS;
}

static void on_end(int signo, siginfo_t *info, void *context)
{
	if (ends) {
		if (!is_echo(info))
			_exit(128 + signo);
		return;
	}
	first.sender = info->si_code == SI_USER ? info->si_pid : 0;
	first.ns = clock_ns(CLOCK_MONOTONIC);
	ends = 1;
	if (handled)
		run_stop(handled);
}

static void on_probe(int signo)
{
	caught[signo] = 1;
	if (handled)
		wake(handled);
}

/* One run in a process may have handlers. */
static int take_handlers(struct run *r, struct err *e)
{
	if (handled && handled != r)
		return err_plain(e, EBUSY,
				 "handle signals: another run in this process does already");
	handled = r;
	r->handlers = true;
	return 0;
}

int signal_install(struct run *r, struct err *e)
{
	struct sigaction end = {.sa_sigaction = on_end, .sa_flags = SA_RESTART | SA_SIGINFO};
	struct sigaction pipe = {.sa_handler = SIG_IGN};
	struct sigaction print = {.sa_handler = on_probe, .sa_flags = SA_RESTART};
	int ret;

	if (!r->o.handle_signals)
		return 0;
	ret = take_handlers(r, e);
	if (ret < 0)
		return ret;
	ends = 0;
	sigaction(SIGINT, &end, &r->old_int);
	sigaction(SIGTERM, &end, &r->old_term);
	sigaction(SIGPIPE, &pipe, &r->old_pipe);
	caught[SIGUSR1] = 0;
	sigaction(SIGUSR1, &print, &r->old_usr1);
	return 0;
}

int signal_install_probes(struct run *r, struct err *e)
{
	int ret = r->signals.n ? take_handlers(r, e) : 0;

	for (; ret == 0 && r->nsignals < r->signals.n; r->nsignals++) {
		struct sigaction sa = {.sa_handler = on_probe, .sa_flags = SA_RESTART};
		struct signal_prog *s = &r->signals.v[r->nsignals];

		if (s->signo <= 0 || s->signo >= (int)ARRAY_SIZE(caught))
			return err_plain(e, EINVAL, "catch signal %d: there is no such signal",
					 s->signo);
		if (sigaction(s->signo, &sa, &s->old) < 0)
			return err_set(e, errno, "catch signal %d", s->signo);
	}
	return ret;
}

void signal_restore(struct run *r)
{
	if (!r->handlers)
		return;
	/* In reverse: two probes may be on one signal. */
	for (size_t i = r->nsignals; i > 0; i--)
		sigaction(r->signals.v[i - 1].signo, &r->signals.v[i - 1].old, NULL);
	if (r->o.handle_signals) {
		sigaction(SIGINT, &r->old_int, NULL);
		sigaction(SIGTERM, &r->old_term, NULL);
		sigaction(SIGPIPE, &r->old_pipe, NULL);
		sigaction(SIGUSR1, &r->old_usr1, NULL);
	}
	r->nsignals = 0;
	r->handlers = false;
	handled = NULL;
}

/* Runs the programs of signals that came. Several of one signal between two turns are one. */
void signal_dispatch(struct run *r)
{
	bool seen[65] = {false};

	for (size_t i = 0; i < r->signals.n; i++) {
		int signo = r->signals.v[i].signo;

		if (caught[signo]) {
			caught[signo] = 0;
			seen[signo] = true;
		}
		if (seen[signo])
			attach_test_run(r->signals.v[i].fd, NULL, NULL);
	}
	if (caught[SIGUSR1]) { /* no probe took it */
		caught[SIGUSR1] = 0;
		map_print_all(r);
		if (r->o.out)
			out_flush(r->o.out);
	}
}
