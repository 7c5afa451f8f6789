/* Processes: what is mapped where, now and before.
 *
 * Knowledge comes in two ways, and either suffices:
 *
 *   read    /proc/PID/maps, at the first question about a process, and again, at most every
 *           REREAD_MS, when an address is in no mapping: programs load libraries and exec
 *   told    fork, exec, exit and every executable mapping (symbolizer_fork …), by somebody who
 *           follows the kernel's records; nothing needs to be read then, and processes that live a
 *           millisecond keep their names
 *
 * A process that was never read and did not begin under our eyes is not followed: its mappings are
 * read when they are asked for, or when it forks. From then on they are told.
 *
 * A pid stands for several programs one after the other (exec, or the pid used again); stacks that
 * are kept from an earlier one are still asked for. So the spaces of all are kept, and the newest
 * that has something at an address wins. */
#include "elf/process.h"

#include <stdlib.h>
#include <string.h>

enum {
	REREAD_MS = 10,       /* at first; doubled while reading again finds nothing … */
	IDENTITY_MS = 1000,   /* how long a pid is taken for the same process unchecked */
	MAX_EXITED = 1 << 15, /* processes that ended; then the older half is forgotten */
};

uint64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* ---- the table ---- */

static size_t process_slot(const struct symbolizer *s, int pid)
{
	size_t lo = 0, hi = s->processes.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->processes.v[mid]->pid < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct process *process_find(const struct symbolizer *s, int pid)
{
	size_t at = process_slot(s, pid);

	return at < s->processes.n && s->processes.v[at]->pid == pid ? s->processes.v[at] : NULL;
}

struct process *process_get(struct symbolizer *s, int pid)
{
	size_t at = process_slot(s, pid);
	struct process *p;

	if (at < s->processes.n && s->processes.v[at]->pid == pid)
		return s->processes.v[at];
	p = calloc(1, sizeof(*p));
	if (!p)
		BUG("out of memory");
	p->pid = pid;
	p->reread_ms = REREAD_MS;
	hvec_push(&s->processes, p);
	memmove(&s->processes.v[at + 1], &s->processes.v[at],
		(s->processes.n - 1 - at) * sizeof(*s->processes.v));
	s->processes.v[at] = p;
	return p;
}

void process_free(struct process *p)
{
	for (unsigned i = 0; i < p->nspaces; i++)
		space_unref(p->spaces[i]);
	perfmap_free(p->perfmap);
	jitdump_free(p->jitdump);
	free(p);
}

/* Names that were handed out are the modules', not the process's: forgetting one is safe. */
static void forget_exited(struct symbolizer *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->processes.n; i++) {
		struct process *p = s->processes.v[i];

		if (p->exited && s->nexited - p->exited >= MAX_EXITED / 2) {
			process_forget_generated(s, p);
			process_free(p);
			s->nkept--;
		} else {
			s->processes.v[n++] = p;
		}
	}
	s->processes.n = n;
}

/* ---- spaces ---- */

/* Takes the reference. */
static void push_space(struct process *p, struct space *space)
{
	if (p->nspaces == MAX_SPACES) {
		space_unref(p->spaces[0]);
		memmove(p->spaces, p->spaces + 1, (MAX_SPACES - 1) * sizeof(p->spaces[0]));
		p->nspaces--;
	}
	p->spaces[p->nspaces++] = space;
}

static struct space *own_space(struct process *p)
{
	if (p->nspaces == 0)
		push_space(p, space_new());
	p->spaces[p->nspaces - 1] = space_own(p->spaces[p->nspaces - 1]);
	return p->spaces[p->nspaces - 1];
}

const struct mapping *process_mapping(const struct process *p, uint64_t addr)
{
	const struct mapping *m = NULL;

	for (unsigned i = p->nspaces; i > 0 && !m; i--)
		m = space_find(p->spaces[i - 1], addr);
	return m;
}

/* ---- telling others ---- */

void symbolizer_watch(struct symbolizer *s, void (*changed)(void *arg, int pid, bool gone),
		      void *arg)
{
	s->changed = changed;
	s->changed_arg = arg;
}

static void changed(struct symbolizer *s, int pid, bool gone)
{
	if (s->changed)
		s->changed(s->changed_arg, pid, gone);
}

void symbolizer_code(struct symbolizer *s, int pid, void (*fn)(void *arg, const struct sym_code *c),
		     void *arg)
{
	struct process *p = process_find(s, pid);
	const struct space *space = p && p->nspaces ? p->spaces[p->nspaces - 1] : NULL;

	for (size_t i = 0; space && i < space->maps.n; i++) {
		const struct mapping *m = &space->maps.v[i];
		struct module *module = file_module(s, pid, m->file);
		struct sym_code c = {m->start, m->end, m->offset, module ? module->elf : NULL};

		if (strcmp(m->file->path, "[vdso]") == 0 && m->start >> 32)
			c.elf = symbolizer_vdso(s);
		fn(arg, &c);
	}
}

/* ---- read ---- */

bool process_may_reread(const struct process *p)
{
	return !p->read_at || (!p->followed && now_ms() - p->read_at >= p->reread_ms);
}

/* Of a process that generates code, what is needed to find its names when it is gone. */
static void know_jit(struct process *p)
{
	uint64_t uid, inner;

	if (p->jit_known || !proc_shares_root(p->pid) ||
	    !proc_status(p->pid, "NSpid:", true, &inner) || inner != (uint64_t)p->pid ||
	    !proc_status(p->pid, "Uid:", false, &uid))
		return;
	p->jit_known = true;
	p->jit_uid = (uint32_t)uid;
}

/* A library may have several mappings one after the other: the same file is opened once. */
static void add_read(struct symbolizer *s, struct process *p, const map_vec *maps)
{
	struct space *space = own_space(p);
	struct mapped_file *file = NULL;
	const struct proc_map *last = NULL;

	for (size_t i = 0; i < maps->n; i++) {
		const struct proc_map *m = &maps->v[i];

		if (!m->exec)
			continue;
		if (!last || last->ino != m->ino || strcmp(last->path, m->path) != 0)
			file = file_of_proc_map(s, p->pid, m);
		last = m;
		if (m->path[0] == 0)
			know_jit(p);
		space_map(space, &(struct mapping){m->start, m->end, m->offset, file});
	}
}

void process_read(struct symbolizer *s, struct process *p)
{
	uint64_t start = proc_start_time(p->pid);
	struct arena *scratch = arena_new();
	map_vec maps = {0};

	p->read_at = p->checked_at = now_ms();
	/* A zombie has an empty list: it is gone too. */
	if (start && maps_read(scratch, p->pid, &maps) == 0 && maps.n) {
		if (p->start_time && p->start_time != start) {
			process_forget_generated(s, p);
			push_space(p, space_new());
		}
		p->start_time = start;
		p->followed = s->following;
		add_read(s, p, &maps);
		changed(s, p->pid, false);
	}
	hvec_release(&maps);
	arena_free(scratch);
}

void process_check(struct symbolizer *s, struct process *p)
{
	uint64_t start, now = now_ms();

	if (!p->read_at || p->followed || now - p->checked_at < IDENTITY_MS)
		return;
	p->checked_at = now;
	start = proc_start_time(p->pid);
	if (start && start != p->start_time)
		process_read(s, p);
}

void symbolizer_remember(struct symbolizer *s, int pid)
{
	struct process *p = process_get(s, pid);

	if (!p->followed)
		process_read(s, p);
}

/* ---- told ---- */

void symbolizer_follow(struct symbolizer *s, void (*update)(void *arg), void *arg)
{
	s->following = update != NULL;
	s->update = update;
	s->update_arg = arg;
	for (size_t i = 0; !update && i < s->processes.n; i++)
		s->processes.v[i]->followed = false;
}

void symbolizer_missed(struct symbolizer *s)
{
	for (size_t i = 0; i < s->processes.n; i++)
		s->processes.v[i]->followed = false;
}

void symbolizer_mapping(struct symbolizer *s, int pid, const struct sym_mapping *m)
{
	struct process *p = process_find(s, pid);
	struct mapping at = {m->start, m->start + m->len, m->pgoff, NULL};

	if (!p || !p->followed || at.end <= at.start)
		return;
	at.file = file_of_told(s, pid, m);
	if (m->path[0] == 0)
		know_jit(p);
	space_map(own_space(p), &at);
	changed(s, pid, false);
}

void symbolizer_exec(struct symbolizer *s, int pid)
{
	struct process *p = process_get(s, pid);

	process_forget_generated(s, p);
	push_space(p, space_new());
	p->jit_known = false;
	p->start_time = 0;
	p->read_at = now_ms();
	p->followed = true;
	changed(s, pid, false);
}

void symbolizer_fork(struct symbolizer *s, int parent, int child)
{
	struct process *from = process_get(s, parent), *p;

	if (!from->followed)
		process_read(s, from);
	p = process_get(s, child);
	process_forget_generated(s, p);
	if (p->exited)
		s->nkept--;
	p->exited = 0;
	p->parent = parent;
	p->jit_known = false;
	p->start_time = 0;
	p->followed = from->followed;
	p->read_at = from->followed ? from->read_at : 0;
	if (from->nspaces)
		push_space(p, space_ref(from->spaces[from->nspaces - 1]));
	changed(s, child, false);
}

void symbolizer_exit(struct symbolizer *s, int pid)
{
	struct process *p = process_find(s, pid);

	if (!p || p->exited)
		return;
	changed(s, pid, true);
	p->exited = ++s->nexited;
	if (++s->nkept > MAX_EXITED)
		forget_exited(s);
}
