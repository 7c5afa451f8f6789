/* The event loop: when to read the ring buffer, when to sleep, when to stop.
 *
 * Reading in large pieces is what makes events cheap: a producer that finds the reader behind sends
 * no wake-up, and one write(2) carries thousands of lines. So after a turn that brought events, and
 * after a wake-up, the loop sleeps a millisecond without listening to the ring; when nothing comes
 * it listens again, with a timeout that doubles up to 100 ms.
 *
 *   busy   drain → flush → sleep 1 ms (signals and the target's end still wake) → …
 *          no sleep at all while an eighth of the ring waits
 *   idle   poll(ring, signals, target) for 1, 2, 4 … 100 ms; woken by the ring: sleep 1 ms, drain
 *
 * Each turn takes at most one ring buffer's worth, so that a flood cannot keep signals from being
 * seen.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/priv.h"

#define MS       1000000ull
#define IDLE_MAX (100 * MS)

/* Iterators are read to their end beside the loop, which empties the ring meanwhile. What they
 * print comes through the ring; the text that read() gives is empty. */
static void *read_iterators(void *arg)
{
	struct run *r = arg;
	char text[4096];

	for (size_t i = 0; i < r->iters.n; i++) {
		int fd = bpf_iter_open(r->iters.v[i], NULL);
		ssize_t n;

		if (fd < 0)
			continue;
		do {
			n = read(fd, text, sizeof(text));
		} while ((n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) &&
			 !run_exited(r) && !r->stop);
		close(fd);
	}
	r->iters_done = true;
	return NULL;
}

static void start_iterators(struct run *r)
{
	if (r->iter_running || r->iters_done)
		return;
	if (r->iters.n == 0) {
		r->iters_done = true;
		return;
	}
	r->iter_running = pthread_create(&r->iter_thread, NULL, read_iterators, r) == 0;
	if (!r->iter_running)
		read_iterators(r);
}

static void flush(struct run *r)
{
	struct out *o = r->o.out;

	if (!o)
		return;
	if (o->buffering != OUT_FULL)
		out_flush(o);
	if (o->error)
		r->done = true;
}

static void empty_wake(struct run *r)
{
	uint64_t n;

	if (read(r->wake_fd, &n, sizeof(n)) < 0)
		return; /* nothing there */
}

static void ppoll_ns(struct pollfd *fds, nfds_t n, uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
			     .tv_nsec = (long)(ns % 1000000000u)};

	if (ppoll(fds, n, &t, NULL) <= 0)
		for (nfds_t i = 0; i < n; i++)
			fds[i].revents = 0;
}

static struct pollfd *poll_array(struct run *r, size_t n)
{
	if (!r->poll)
		r->poll = calloc(n, sizeof(*r->poll));
	if (!r->poll)
		abort();
	return r->poll;
}

/* Sleeps up to `ns`; `listen`: an event wakes too. */
static void sleep_turn(struct run *r, uint64_t ns, bool listen)
{
	enum { WAKE, RING, REMEMBER, PIDS };
	struct pollfd *fds = poll_array(r, PIDS + r->o.npids);

	fds[WAKE] = (struct pollfd){.fd = r->wake_fd, .events = POLLIN};
	fds[RING] = (struct pollfd){.fd = listen && r->ring.size ? r->map_fds[r->p->ring] : -1,
				    .events = POLLIN};
	fds[REMEMBER] = (struct pollfd){.fd = remember_fd(r), .events = POLLIN};
	for (size_t i = 0; i < r->npid_fds; i++)
		fds[PIDS + i] = (struct pollfd){.fd = r->pid_fds[i], .events = POLLIN};
	ppoll_ns(fds, PIDS + r->npid_fds, ns);
	if (fds[WAKE].revents) {
		empty_wake(r);
		signal_dispatch(r);
	}
	for (size_t i = r->npid_fds; i-- > 0;)
		if (fds[PIDS + i].revents)
			follow_ended(r, i);
	if (r->stop || follow_over(r))
		r->done = true;
}

static size_t take_events(struct run *r)
{
	size_t n = event_drain(r, r->ring.size ? r->ring.size : 1);

	flush(r);
	remember_processes(r);
	guard_turn(r);
	if (run_exited(r))
		r->done = true;
	if (r->p->only_once && r->iters_done && !r->o.child) /* with -c: when the command ends */
		r->done = true;
	r->idle_ns = n || unwind_waits(r) ? 0 : MIN(r->idle_ns ? r->idle_ns * 2 : MS, IDLE_MAX);
	return n;
}

/* One sleep and what came; idle_ns is 0 after a turn with events. */
static size_t turn(struct run *r, uint64_t most)
{
	bool busy = r->idle_ns == 0, behind = ring_used(&r->ring) > r->ring.size / 8;

	most = MIN(most, guard_wait(r));
	sleep_turn(r, behind ? 0 : MIN(busy ? MS : r->idle_ns, most), !busy);
	return take_events(r);
}

int run_poll(struct run *r, int timeout_ms)
{
	uint64_t left = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * MS;
	size_t n;

	if (r->state != RUN_ATTACHED || r->done)
		return -1;
	start_iterators(r);
	do {
		uint64_t step = MIN(r->idle_ns ? r->idle_ns : MS, left);

		n = turn(r, step);
		left -= left == UINT64_MAX ? 0 : step;
	} while (n == 0 && !r->done && left > 0);
	return n == 0 && r->done ? -1 : (int)MIN(n, (size_t)INT32_MAX);
}

int run_loop(struct run *r, struct err *e)
{
	if (r->o.dry_run)
		r->done = true;
	else
		start_iterators(r);
	if (r->p->nprogs == 0)
		r->done = true;
	/* Once a turn: a second look at once finds nothing, and that would end the busy state. */
	take_events(r);
	while (!r->done)
		turn(r, UINT64_MAX);
	if (r->o.out && r->o.out->error && r->o.out->error != EPIPE)
		return err_set(e, r->o.out->error, "write the output");
	return r->exit_code;
}
