/* What processes do, from the kernel's own records: mappings, fork, exec, exit.
 *
 * A software event that never counts is opened on every processor; the kernel writes a record into
 * its ring for each executable mapping made there, by any process:
 *
 *   page 0: head, tail   ring of 2^n bytes: | type misc size | pid tid … | time | type misc size |
 * … struct perf_event_header             monotonic, ns
 *
 * The symbolizer asks for what is new before each look-up. Rings of different processors are
 * merged by time, up to the moment of asking, so that a child's exec never comes before its fork.
 * Records that found a ring full are counted; processes are read from /proc again then.
 *
 * Example: `ls` is FORK 812 → 813, COMM(exec) 813, MMAP2 /usr/bin/ls, MMAP2 ld.so, …, EXIT 813.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/perfring.h"
#include "runtime/remember.h"

#define RING_SIZE ((size_t)64 << 10) /* of each processor; 200 programs started */

struct follow_ring {
	struct perf_ring ring;
	uint64_t time; /* of the record at tail; UINT64_MAX: none */
};

struct follow {
	struct symbolizer *syms; /* NULL: no names are wanted */
	struct follow_ring *rings;
	size_t nrings;
	int epoll;
	uint64_t lost;
	uint8_t *rec; /* a record that wraps is put together here */
	void (*mapped)(void *arg, int pid, const struct sym_mapping *m);
	void *mapped_arg;
};

struct mmap2_record {
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, generation;
	uint32_t prot, flags;
	char path[];
};

struct task_record {
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

/* ---- opening -------------------------------------------------------------------------------- */

static int open_ring(struct perf_ring *r, int cpu, bool prompt)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.exclude_kernel = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = !prompt,
		.wakeup_watermark = prompt ? 1 : RING_SIZE / 4, /* or wakeup_events */
	};

	return perf_ring_open(r, &attr, cpu, RING_SIZE, NULL);
}

/* 0, also for a processor that is not there; -errno: no following at all. */
static int add_ring(struct follow *f, int cpu, bool prompt)
{
	struct follow_ring *r = &f->rings[f->nrings];
	struct epoll_event ev = {.events = EPOLLIN};
	int ret = open_ring(&r->ring, cpu, prompt);

	if (ret < 0)
		return ret == -ENODEV ? 0 : ret;
	f->nrings++;
	return epoll_ctl(f->epoll, EPOLL_CTL_ADD, r->ring.fd, &ev) < 0 ? -errno : 0;
}

struct follow *follow_new(struct symbolizer *syms, bool prompt)
{
	struct follow *f = calloc(1, sizeof(*f));
	int cpus = cpu_possible(), r = 0;

	if (!f)
		return NULL;
	f->syms = syms;
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	f->rings = calloc((size_t)cpus, sizeof(*f->rings));
	f->rec = malloc(PERF_RECORD_MAX);
	if (!f->rings || !f->rec || f->epoll < 0)
		r = -ENOMEM;
	for (int i = 0; i < cpus && r == 0; i++)
		r = add_ring(f, i, prompt);
	if (r < 0 || f->nrings == 0) {
		follow_free(f);
		return NULL;
	}
	return f;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->nrings; i++)
		perf_ring_close(&f->rings[i].ring);
	if (f->epoll >= 0)
		close(f->epoll);
	free(f->rings);
	free(f->rec);
	free(f);
}

void follow_mappings(struct follow *f, void (*fn)(void *arg, int pid, const struct sym_mapping *m),
		     void *arg)
{
	f->mapped = fn;
	f->mapped_arg = arg;
}

int follow_fd(const struct follow *f)
{
	return f ? f->epoll : -1;
}

uint64_t follow_lost(const struct follow *f)
{
	return f ? f->lost : 0;
}

/* ---- records -------------------------------------------------------------------------------- */

/* The time of a record is its last word. */
static void look_at_next(struct follow_ring *r)
{
	struct perf_event_header h;

	r->time = UINT64_MAX;
	if (perf_ring_next(&r->ring, &h))
		perf_ring_copy(&r->ring, r->ring.tail + h.size - 8, &r->time, 8);
}

static void take_mapping(struct follow *f, const uint8_t *p, size_t n)
{
	const struct mmap2_record *m = (const void *)p;
	struct sym_mapping s;

	if (n <= sizeof(*m) || !memchr(m->path, 0, n - sizeof(*m)))
		return;
	s = (struct sym_mapping){m->addr, m->len, m->pgoff,      m->maj,
				 m->min,  m->ino, m->generation, m->path};
	if (strcmp(s.path, "//anon") == 0 || strcmp(s.path, "[heap]") == 0)
		s.path = "";
	if (f->mapped)
		f->mapped(f->mapped_arg, (int)m->pid, &s);
	if (f->syms)
		symbolizer_mapping(f->syms, (int)m->pid, &s);
}

/* Threads share their process's mappings: only processes count. */
static void take_task(struct follow *f, bool exits, const uint8_t *p, size_t n)
{
	const struct task_record *t = (const void *)p;

	if (n < sizeof(*t) || t->pid != t->tid || !f->syms)
		return;
	if (exits)
		symbolizer_exit(f->syms, (int)t->pid);
	else if (t->pid != t->ppid)
		symbolizer_fork(f->syms, (int)t->ppid, (int)t->pid);
}

static void take_exec(struct follow *f, const uint8_t *p, size_t n)
{
	uint32_t pid;

	if (n < 8 || !f->syms)
		return;
	memcpy(&pid, p, 4);
	symbolizer_exec(f->syms, (int)pid);
}

static void take_lost(struct follow *f, const uint8_t *p, size_t n)
{
	uint64_t lost;

	if (n < 16)
		return;
	memcpy(&lost, p + 8, 8);
	f->lost += lost;
	if (f->syms)
		symbolizer_missed(f->syms);
}

static void take_record(struct follow *f, struct perf_ring *r)
{
	struct perf_event_header h;
	const uint8_t *p = f->rec + sizeof(h);
	size_t n;

	perf_ring_copy(r, r->tail, &h, sizeof(h));
	perf_ring_copy(r, r->tail, f->rec, h.size);
	n = h.size - sizeof(h) - 8;
	r->tail += h.size;
	if (h.type == PERF_RECORD_MMAP2)
		take_mapping(f, p, n);
	else if (h.type == PERF_RECORD_FORK || h.type == PERF_RECORD_EXIT)
		take_task(f, h.type == PERF_RECORD_EXIT, p, n);
	else if (h.type == PERF_RECORD_COMM && h.misc & PERF_RECORD_MISC_COMM_EXEC)
		take_exec(f, p, n);
	else if (h.type == PERF_RECORD_LOST)
		take_lost(f, p, n);
}

/* ---- taking --------------------------------------------------------------------------------- */

static struct follow_ring *earliest(struct follow *f)
{
	struct follow_ring *first = &f->rings[0];

	for (size_t i = 1; i < f->nrings; i++)
		if (f->rings[i].time < first->time)
			first = &f->rings[i];
	return first;
}

static bool anything_new(struct follow *f)
{
	for (size_t i = 0; i < f->nrings; i++)
		if (perf_ring_new(&f->rings[i].ring))
			return true;
	return false;
}

/* Rings are looked at one after the other. What is written to one that was looked at already may
 * precede what is seen in another: records of after the beginning wait for the next time. */
void follow_take(void *arg)
{
	struct follow *f = arg;
	struct follow_ring *r;
	uint64_t now;

	if (!anything_new(f))
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < f->nrings; i++) {
		r = &f->rings[i];
		perf_ring_look(&r->ring);
		look_at_next(r);
	}
	while (r = earliest(f), r->time <= now) {
		take_record(f, &r->ring);
		look_at_next(r);
	}
	for (size_t i = 0; i < f->nrings; i++)
		perf_ring_release(&f->rings[i].ring);
}
