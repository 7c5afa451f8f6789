/* A run from its making to its end; the stages in between have files of their own (see priv.h).
 *
 * The end, in this order, so that nothing that happened is missing from the output:
 *
 *   gate closed → links closed → ring drained → end programs → ring drained → maps → losses
 *
 * With the setting detach_last the links are closed last: the output does not wait for them.
 *
 * Programs that were in the middle when their link went may still submit a record: the ring is
 * drained until no record is unfinished.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/mapread.h"

/* ---- small things that all files use
 * ----------------------------------------------------------------- */

void run_tell(struct run *r, enum run_level level, const char *text)
{
	if (r->o.message)
		r->o.message(r->o.arg, level, text);
}

void run_message(struct run *r, enum run_level level, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	if (run_ndjson(r) && level != RUN_INFO)
		ndjson_message(r, level, buf_cstr(&b));
	run_tell(r, level, buf_cstr(&b));
	buf_release(&b);
}

uint64_t *run_global(struct run *r, uint32_t off)
{
	if (!r->globals || (size_t)off + 8 > r->globals_size)
		return NULL;
	return (uint64_t *)(r->globals + off);
}

/* A program without exit() may have no flag of its own; then its offset is the losses'. */
static uint64_t *exit_flag(struct run *r)
{
	return r->p->exit_off == r->p->lost_off ? NULL : run_global(r, r->p->exit_off);
}

enum { GATE_CLOSED = 2 }; /* exit() stores 1 */

void run_gate(struct run *r, bool closed)
{
	uint64_t *flag = exit_flag(r);

	if (flag)
		__atomic_store_n(flag, closed ? GATE_CLOSED : 0, __ATOMIC_SEQ_CST);
}

void run_gate_unless_exited(struct run *r)
{
	uint64_t *flag = exit_flag(r), closed = GATE_CLOSED;

	if (flag)
		__atomic_compare_exchange_n(flag, &closed, 0, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
}

bool run_exited(struct run *r)
{
	uint64_t *flag = exit_flag(r);

	return flag && __atomic_load_n(flag, __ATOMIC_ACQUIRE) != 0;
}

bool run_json(const struct run *r)
{
	return r->o.out && r->o.out->format != OUT_TEXT;
}

bool run_ndjson(const struct run *r)
{
	return r->o.out && r->o.out->format == OUT_NDJSON;
}

/* ---- making
 * ------------------------------------------------------------------------------------------ */

static int *no_fds(struct arena *a, size_t n)
{
	int *fds = arena_array_of(a, int, n + 1);

	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	return fds;
}

struct run *run_new(struct program *p, const struct run_opts *o)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->p = p;
	r->o = *o;
	r->arena = arena_new();
	r->map_fds = no_fds(r->arena, p->nmaps);
	r->prog_fds = no_fds(r->arena, p->nprogs);
	r->formats = arena_array_of(r->arena, struct fmt *, p->nevents + 1);
	r->baselines = arena_array_of(r->arena, struct baseline, p->nmaps + 1);
	r->cleared = arena_array_of(r->arena, bool, p->nmaps + 1);
	r->zeroed = arena_array_of(r->arena, bool, p->nmaps + 1);
	for (size_t i = 0; i < p->nevents; i++)
		if (p->events[i]->kind->clears && p->events[i]->map < p->nmaps)
			r->cleared[p->events[i]->map] = true;
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->idle_ns = 1000000;
	r->remember = remember_new(p);
	profile_start(r);
	event_host_init(r);
	attach_env_init(r);
	return r;
}

int run_load(struct run *r, struct err *e)
{
	int ret = load_maps(r, e);

	if (ret == 0)
		ret = packets_open(r, e);
	if (ret == 0)
		ret = pcap_open_all(r, e);
	if (ret == 0)
		ret = load_programs(r, e);
	if (ret == 0)
		r->state = RUN_LOADED;
	return ret;
}

/* ---- ending
 * -------------------------------------------------------------------------------------------- */

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* Takes everything, waiting a little for records that are being written. */
static void drain_all(struct run *r)
{
	event_drain(r, UINT64_MAX);
	for (int i = 0; i < 100 && ring_used(&r->ring); i++) {
		sleep_ms(1);
		event_drain(r, UINT64_MAX);
	}
}

static void end_child(struct run *r)
{
	if (r->o.child == 0)
		return;
	if (r->npid_fds)
		syscall(SYS_pidfd_send_signal, r->pid_fds[0], SIGTERM, NULL, 0);
	else if (!r->roots_ended)
		kill(r->o.child, SIGTERM);
}

static int run_ends(struct run *r, struct err *e)
{
	int ret = 0;

	run_gate(r, false);
	for (size_t i = 0; i < r->ends.n && ret >= 0; i++) {
		ret = attach_run_once(r, r->ends.v[i], e);
		run_gate(r,
			 false); /* exit() in one of them does not keep the others from running */
	}
	return ret;
}

static void print_end(struct run *r)
{
	if (r->p->config.print_maps_on_exit) {
		if (r->o.out && !run_json(r) && !r->o.record && !r->profile)
			out_str(r->o.out, STR("\n\n"));
		map_print_all(r);
	}
	if (r->o.out)
		out_flush(r->o.out); /* messages come after what was printed */
	lost_report(r);
	if (r->o.out)
		out_flush(r->o.out);
}

static void stop_iterators(struct run *r)
{
	if (r->iter_running)
		pthread_join(r->iter_thread, NULL);
	r->iter_running = false;
}

int run_finish(struct run *r, struct err *e)
{
	int ret = 0;

	if (r->state != RUN_ATTACHED)
		return r->exit_code;
	r->state = RUN_FINISHED;
	r->done = true;
	run_gate(r, true);
	end_child(r);
	ticker_stop(r);
	stop_iterators(r);
	if (!r->p->config.detach_last)
		links_close(r);
	drain_all(r);
	if (!r->o.dry_run) {
		ret = run_ends(r, e);
		drain_all(r);
		if (!r->trials.n)
			print_end(r);
		if (profile_finish(r, e) < 0)
			ret = -EIO;
	}
	links_close(r);
	pcap_close_all(r);
	if (run_ndjson(r))
		ndjson_exit(r, ret < 0 ? 255 : r->exit_code);
	signal_restore(r);
	return ret < 0 ? ret : r->exit_code;
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void run_free(struct run *r)
{
	if (!r)
		return;
	run_gate(r, true);
	if (r->state != RUN_FINISHED)
		end_child(r);
	ticker_stop(r);
	stop_iterators(r);
	links_close(r);
	guard_end(r);
	signal_restore(r);
	ring_close(&r->ring);
	packets_close(r);
	pcap_close_all(r);
	if (r->globals)
		munmap(r->globals, ALIGN_UP(r->globals_size, (size_t)sysconf(_SC_PAGESIZE)));
	close_all(r->prog_fds, r->p->nprogs);
	close_all(r->map_fds, r->p->nmaps);
	follow_release(r);
	free(r->poll);
	close_all(&r->wake_fd, 1);
	hvec_release(&r->begins);
	hvec_release(&r->ends);
	hvec_release(&r->iters);
	hvec_release(&r->signals);
	hvec_release(&r->trials);
	for (size_t i = 0; i < r->p->nmaps; i++) {
		map_rows_release(&r->baselines[i].printed);
		baseline_release(&r->baselines[i]);
	}
	remember_free(r->remember);
	profile_end(r);
	unwind_end(r);
	newfile_end(r);
	symbolizer_free(r->host.render.syms);
	arena_free(r->arena);
	free(r);
}
