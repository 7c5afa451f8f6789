/* Intervals: a thread that runs their programs when the time has come.
 *
 *   timerfd of interval:s:1 ──┐
 *   timerfd of interval:ms:50 ┼─ poll ─→ read: n periods have passed ─→ n test runs of the program
 *   stop_fd ──────────────────┘
 *
 * A perf event would do it without a thread, but the kernel leaves the program of an event out when
 * it interrupts another program or a system call on a map (bpf_prog_active), and nobody counts
 * that: with two busy processors one tick in eighty was missing. Of a timer that is read none is
 * missing: periods that passed while the thread could not run are made up for.
 *
 * The thread leaves at exit() and when the gate is closed; it ends before the links are closed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/priv.h"

enum { NICE = -10 }; /* the thread's: a tick should be punctual on a busy machine as well */

struct tick {
	uint64_t period_ns;
	int prog_fd; /* of the run */
	int timer_fd;
};

struct ticker {
	VEC(struct tick) v;
	struct pollfd *poll; /* the timers, then stop_fd */
	struct run *run;
	_Atomic uint64_t failed;
	int stop_fd;
	bool running;
	pthread_t thread;
};

void ticker_add(struct run *r, uint64_t period_ns, int prog_fd)
{
	if (!r->ticker) {
		r->ticker = arena_new_of(r->arena, struct ticker);
		r->ticker->run = r;
		r->ticker->stop_fd = -1;
	}
	vec_push(r->arena, &r->ticker->v,
		 (struct tick){.period_ns = period_ns, .prog_fd = prog_fd, .timer_fd = -1});
}

static bool over(const struct ticker *t)
{
	return t->poll[t->v.n].revents || run_exited(t->run);
}

static void tick(struct ticker *t, size_t i)
{
	uint64_t passed = 0;

	if (read(t->v.v[i].timer_fd, &passed, sizeof(passed)) != sizeof(passed))
		return;
	for (; passed > 0 && !over(t); passed--)
		if (attach_test_run(t->v.v[i].prog_fd, NULL, NULL) < 0)
			t->failed++;
}

static void *run_ticks(void *arg)
{
	struct ticker *t = arg;

	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	while (!over(t)) {
		if (poll(t->poll, t->v.n + 1, -1) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < t->v.n && !over(t); i++)
			if (t->poll[i].revents)
				tick(t, i);
	}
	return NULL;
}

/* The kernel's own period, so that the ticks do not drift. */
static int start_timer(struct tick *k)
{
	const struct timespec period = {.tv_sec = (time_t)(k->period_ns / 1000000000u),
					.tv_nsec = (long)(k->period_ns % 1000000000u)};
	const struct itimerspec t = {.it_interval = period, .it_value = period};

	k->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return k->timer_fd < 0 || timerfd_settime(k->timer_fd, 0, &t, NULL) < 0 ? -errno : 0;
}

static int start_thread(struct ticker *t)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&t->thread, NULL, run_ticks, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->running = ret == 0;
	return -ret;
}

int ticker_start(struct run *r, struct err *e)
{
	struct ticker *t = r->ticker;
	int ret = 0;

	if (!t)
		return 0;
	t->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (t->stop_fd < 0)
		return err_set(e, errno, "start the timers of intervals");
	t->poll = arena_array_of(r->arena, struct pollfd, t->v.n + 1);
	for (size_t i = 0; i < t->v.n && ret == 0; i++) {
		ret = start_timer(&t->v.v[i]);
		t->poll[i] = (struct pollfd){.fd = t->v.v[i].timer_fd, .events = POLLIN};
	}
	t->poll[t->v.n] = (struct pollfd){.fd = t->stop_fd, .events = POLLIN};
	if (ret == 0)
		ret = start_thread(t);
	return ret < 0 ? err_set(e, -ret, "start the timers of intervals") : 0;
}

uint64_t ticker_missed(const struct run *r)
{
	return r->ticker ? r->ticker->failed : 0;
}

void ticker_stop(struct run *r)
{
	struct ticker *t = r->ticker;
	const uint64_t one = 1;

	if (!t)
		return;
	if (t->running && write(t->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(t->thread, NULL);
	t->running = false;
	for (size_t i = 0; i < t->v.n; i++) {
		if (t->v.v[i].timer_fd >= 0)
			close(t->v.v[i].timer_fd);
		t->v.v[i].timer_fd = -1;
	}
	if (t->stop_fd >= 0)
		close(t->stop_fd);
	t->stop_fd = -1;
	t->v.n = 0;
}
