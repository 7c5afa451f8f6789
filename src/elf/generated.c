/* Names of code that a program generated: in no file, or in one that is no program (shared memory).
 *
 *   jit-PID.dump         mapped by the process, which tells where it is (jitdump.c)
 *   /tmp/perf-PID.map    below the root of the process (perfmap.c)
 *
 * Both grow as code is generated: an address that has no name makes them be looked at again, the
 * less often the more often that was in vain. */
#include "elf/process.h"

#include <fcntl.h>
#include <unistd.h>

enum { LOOK_MS = 10, LOOK_MAX_MS = 1000 };

static bool is_due(struct process *p)
{
	uint64_t now = now_ms();

	if (p->generated_at && now - p->generated_at < p->generated_ms)
		return false;
	p->generated_at = now;
	p->generated_ms = MIN(MAX(p->generated_ms, LOOK_MS) * 2, LOOK_MAX_MS);
	return true;
}

static bool is_alive(const struct process *p)
{
	return p->followed ? !p->exited : p->start_time == proc_start_time(p->pid);
}

/* Of a process that was too quick to tell its user, only what root wrote is taken. */
static uint32_t left_by(const struct process *p)
{
	return p->jit_known ? p->jit_uid : 0;
}

static void read_perfmap(struct symbolizer *s, struct process *p)
{
	struct perfmap *m = NULL;

	if (is_alive(p))
		m = perfmap_read(p->pid, p->perfmap);
	if (!m && !p->perfmap && p->exited)
		m = perfmap_read_left(p->pid, left_by(p));
	if (!m)
		return;
	if (p->perfmap)
		hvec_push(&s->old_perfmaps, p->perfmap);
	p->perfmap = m;
}

/* ---- jitdumps ---- */

/* In the newest program of the process. */
static const struct mapped_file *jitdump_mapped(const struct process *p)
{
	const struct space *space = p->nspaces ? p->spaces[p->nspaces - 1] : NULL;

	for (size_t i = 0; space && i < space->maps.n; i++)
		if (space->maps.v[i].file->ino && jitdump_is_name(space->maps.v[i].file->path))
			return space->maps.v[i].file;
	return NULL;
}

/* A process may map a file that it cannot have written. */
static bool owner_ok(const struct process *p, const struct stat *st)
{
	uint64_t uid = left_by(p);

	if (is_alive(p) && !proc_status(p->pid, "Uid:", false, &uid))
		return false;
	return st->st_uid == 0 || st->st_uid == uid;
}

static struct jitdump *jitdump_of(struct symbolizer *s, struct process *p, const struct stat *st)
{
	if (p->jitdump && jitdump_is_of(p->jitdump, st))
		return p->jitdump;
	if (p->jitdump)
		hvec_push(&s->old_jitdumps, p->jitdump);
	p->jitdump = jitdump_new();
	return p->jitdump;
}

static void read_jitdump(struct symbolizer *s, struct process *p)
{
	const struct mapped_file *file = jitdump_mapped(p);
	int fd = file ? mapped_file_open(s, p->pid, file) : -1;
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && owner_ok(p, &st))
		jitdump_read(jitdump_of(s, p, &st), fd, file->path);
	close(fd);
}

/* ---- both ---- */

static bool is_known(const struct process *p, uint64_t addr, struct symbol *out)
{
	out->name = p->jitdump ? jitdump_find(p->jitdump, addr, &out->offset) : NULL;
	if (!out->name && p->perfmap)
		out->name = perfmap_find(p->perfmap, addr, &out->offset);
	return out->name != NULL;
}

bool name_of_generated(struct symbolizer *s, struct process *p, uint64_t addr, struct symbol *out)
{
	if (is_known(p, addr, out))
		return true;
	if (!is_due(p))
		return false;
	read_jitdump(s, p);
	read_perfmap(s, p);
	return is_known(p, addr, out);
}

void process_forget_generated(struct symbolizer *s, struct process *p)
{
	if (p->perfmap)
		hvec_push(&s->old_perfmaps, p->perfmap);
	if (p->jitdump)
		hvec_push(&s->old_jitdumps, p->jitdump);
	p->perfmap = NULL;
	p->jitdump = NULL;
	p->generated_at = 0;
}
