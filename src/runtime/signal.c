/* Signals: the end of a run, and probes on awl's own signals.
 *
 *   SIGINT, SIGTERM   the first ends the run in good order, the second ends the process at once
 *                     (the kernel then detaches everything: links are descriptors)
 *   SIGPIPE           ignored: a closed pipe is an error of the output, which ends the run
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

static void on_end(int signo)
{
	if (ends++)
		_exit(128 + signo);
	if (handled)
		run_stop(handled);
}

static void on_probe(int signo)
{
	caught[signo] = 1;
	if (handled)
		wake(handled);
}

static int install_probes(struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->signals.n; i++) {
		struct sigaction sa = {.sa_handler = on_probe, .sa_flags = SA_RESTART};
		struct signal_prog *s = &r->signals.v[i];

		if (s->signo <= 0 || s->signo > 64 || sigaction(s->signo, &sa, &s->old) < 0)
			return err_set(e, s->signo > 64 ? EINVAL : errno, "catch signal %d",
				       s->signo);
	}
	return 0;
}

int signal_install(struct run *r, struct err *e)
{
	struct sigaction end = {.sa_handler = on_end, .sa_flags = SA_RESTART},
			 pipe = {.sa_handler = SIG_IGN};

	if (r->handlers)
		return 0;
	if (!r->o.handle_signals && r->signals.n == 0)
		return 0;
	if (handled)
		return err_plain(e, EBUSY,
				 "handle signals: another run in this process does already");
	ends = 0;
	handled = r;
	r->handlers = true;
	if (r->o.handle_signals) {
		sigaction(SIGINT, &end, &r->old_int);
		sigaction(SIGTERM, &end, &r->old_term);
		sigaction(SIGPIPE, &pipe, &r->old_pipe);
	}
	return install_probes(r, e);
}

void signal_restore(struct run *r)
{
	if (!r->handlers)
		return;
	if (r->o.handle_signals) {
		sigaction(SIGINT, &r->old_int, NULL);
		sigaction(SIGTERM, &r->old_term, NULL);
		sigaction(SIGPIPE, &r->old_pipe, NULL);
	}
	for (size_t i = 0; i < r->signals.n; i++)
		sigaction(r->signals.v[i].signo, &r->signals.v[i].old, NULL);
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
			attach_test_run(r, r->signals.v[i].fd, NULL);
	}
}
