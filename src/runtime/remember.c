/* Names for the frames of processes that will have ended when their stacks are printed.
 *
 * A key `ustack` is printed at the end of the run, often long after its process; then nobody knows
 * what was mapped where. So a program that has user stacks, usym or func anywhere makes the
 * symbolizer follow all processes by the kernel's records (remember_perf.c).
 *
 * Processes that run already when the script begins are not in those records, nor is any where the
 * kernel does not let us have them. Their mappings are read when a look-up asks, and, so that it is
 * in time, the keys and values of maps are looked through while the run goes on:
 *
 *   @[ustack, comm]   →   place { map 2, key, offset 0 }   →   tgid 4711   →
 * symbolizer_remember(4711)
 *
 * It is done when the loop has a moment, at most five times a second, and never takes more than a
 * fiftieth of the time. Without the records, a process that lives shorter may go unnamed.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/mapread.h"
#include "runtime/remember.h"

#define EVERY_NS    200000000ull
#define MAX_OFFERED 64
#define SHARE       50 /* one part of so many of the time */
#define TGID_OFF    8  /* in a stack value (see stack.c), a usym, a func */

struct place {
	uint32_t map, off;
	bool in_value;
};

struct remember {
	VEC(struct place) places;
	uint32_t *seen; /* an open hash of process ids, 0 is free; a power of two of them */
	size_t nseen, cap;
	uint64_t next_ns;
	bool wanted;           /* the script has user addresses to name */
	struct follow *follow; /* NULL: not possible */
};

/* ---- where stacks are
 * ------------------------------------------------------------------------------ */

static bool has_names(const struct type *t)
{
	return (t->kind == TYPE_STACK && t->stack.kind == STACK_USER &&
		t->stack.mode != STACK_RAW) ||
	       (t->kind == TYPE_VIEW && t->view.view->user_addr);
}

static bool contains_names(const struct type *t)
{
	if (!t)
		return false;
	if (t->kind == TYPE_ARRAY)
		return contains_names(t->array.of);
	if (t->kind != TYPE_TUPLE && t->kind != TYPE_RECORD)
		return has_names(t);
	for (uint32_t i = 0; i < t->tuple.n; i++)
		if (contains_names(t->tuple.members[i].type))
			return true;
	return false;
}

static bool events_have_names(const struct program *p)
{
	for (size_t i = 0; i < p->nevents; i++)
		for (uint32_t k = 0; k < p->events[i]->nfields; k++)
			if (contains_names(p->events[i]->fields[k].type))
				return true;
	return false;
}

static void find_places(struct remember *m, uint32_t map, bool in_value, const struct type *t,
			uint32_t off)
{
	if (!t)
		return;
	if (has_names(t))
		hvec_push(&m->places, (struct place){.map = map, .off = off, .in_value = in_value});
	if (t->kind != TYPE_TUPLE && t->kind != TYPE_RECORD)
		return;
	for (uint32_t i = 0; i < t->tuple.n; i++)
		find_places(m, map, in_value, t->tuple.members[i].type,
			    off + t->tuple.members[i].offset);
}

struct remember *remember_new(const struct program *p)
{
	struct remember *m = calloc(1, sizeof(*m));

	for (uint32_t i = 0; m && i < p->nmaps; i++) {
		if (!p->maps[i].user)
			continue;
		if (!p->maps[i].scalar)
			find_places(m, i, false, p->maps[i].key, 0);
		find_places(m, i, true, p->maps[i].value, 0);
	}
	if (m)
		m->wanted = m->places.n || events_have_names(p) || p->unwind_procs != NO_MAP;
	return m;
}

/* The files that are probed, a few of them. */
static void offer_files(struct run *r)
{
	const char *last = "";
	size_t n = 0;

	for (size_t i = 0; i < r->p->nprogs; i++)
		for (size_t k = 0; k < r->p->progs[i].ntargets && n < MAX_OFFERED; k++) {
			const char *path = r->p->progs[i].targets[k].module;

			if (!path || path[0] != '/' || strcmp(path, last) == 0)
				continue;
			symbolizer_offer(r->host.render.syms, path);
			last = path;
			n++;
		}
}

static void tell_newfile(struct run *r, struct follow *f)
{
	if (!newfile_wanted(r))
		return;
	if (f)
		follow_mappings(f, newfile_mapped, r);
	else
		run_message(r, RUN_WARN,
			    "new_files does nothing here: the kernel does not let awl see what is "
			    "mapped (perf_event_open)");
}

void remember_start(struct run *r)
{
	struct remember *m = r->remember;

	if (!m || m->follow || r->o.dry_run || !r->host.render.syms)
		return;
	newfile_start(r);
	if (!m->wanted && !newfile_wanted(r))
		return;
	if (m->wanted)
		offer_files(r);
	m->follow = follow_new(m->wanted ? r->host.render.syms : NULL,
			       r->p->unwind_procs != NO_MAP || newfile_wanted(r));
	if (m->follow && m->wanted)
		symbolizer_follow(r->host.render.syms, follow_take, m->follow);
	tell_newfile(r, m->follow);
	unwind_start(r);
}

int remember_fd(const struct run *r)
{
	return r->remember ? follow_fd(r->remember->follow) : -1;
}

uint64_t remember_lost(const struct run *r)
{
	return r->remember ? follow_lost(r->remember->follow) : 0;
}

void remember_free(struct remember *m)
{
	if (!m)
		return;
	follow_free(m->follow);
	hvec_release(&m->places);
	free(m->seen);
	free(m);
}

/* ---- which processes are new
 * ------------------------------------------------------------------------ */

static bool insert(uint32_t *seen, size_t cap, uint32_t pid)
{
	size_t i = pid * 2654435761u & (cap - 1);

	while (seen[i] && seen[i] != pid)
		i = (i + 1) & (cap - 1);
	if (seen[i] == pid)
		return false;
	seen[i] = pid;
	return true;
}

static bool grow(struct remember *m)
{
	size_t cap = m->cap ? m->cap * 2 : 64;
	uint32_t *seen = calloc(cap, sizeof(*seen));

	if (!seen)
		return false;
	for (size_t i = 0; i < m->cap; i++)
		if (m->seen[i])
			insert(seen, cap, m->seen[i]);
	free(m->seen);
	m->seen = seen;
	m->cap = cap;
	return true;
}

static bool is_new(struct remember *m, uint32_t pid)
{
	if (pid == 0 || (m->nseen * 2 >= m->cap && !grow(m)))
		return false;
	if (!insert(m->seen, m->cap, pid))
		return false;
	m->nseen++;
	return true;
}

static void look_through(struct run *r, struct remember *m, const struct place *p)
{
	struct map_rows rows;

	map_rows_fetch(&r->p->maps[p->map], r->map_fds[p->map], &rows);
	for (size_t i = 0; i < rows.n; i++) {
		const uint8_t *at = p->in_value ? map_row_value(&rows, i) : map_row_key(&rows, i);
		uint32_t pid;

		memcpy(&pid, at + p->off + TGID_OFF, 4);
		if (is_new(m, pid))
			symbolizer_remember(r->host.render.syms, (int)pid);
	}
	map_rows_release(&rows);
}

void remember_processes(struct run *r)
{
	struct remember *m = r->remember;
	uint64_t start, took;

	if (!m)
		return;
	if (m->follow)
		follow_take(m->follow);
	newfile_work(r);
	if (!m->wanted)
		return;
	unwind_work(r);
	start = clock_ns(CLOCK_MONOTONIC);
	if (start < m->next_ns)
		return;
	for (size_t i = 0; i < m->places.n; i++)
		look_through(r, m, &m->places.v[i]);
	took = clock_ns(CLOCK_MONOTONIC) - start;
	m->next_ns = start + took + MAX(EVERY_NS, took * SHARE);
}
