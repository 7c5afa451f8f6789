/* Files that take the place of probed ones: `config = { new_files = true }`.
 *
 * A probe of a function sits in a file, not in a name. What a package manager puts there instead,
 * and the copy in a container that starts later, are other files. While the script runs, the
 * kernel's records of executable mappings (remember_perf.c) are compared with the paths that are
 * probed:
 *
 *   mapping of /usr/lib/libssl.so.3, inode 4711, by 812
 *      path is probed, file is new  ──► opened at once, below the root of 812
 *      in the loop's next turn      ──► same build id: the same places
 *                                       another build: functions by their names
 *      attached                         by /proc/self/fd/N, so that it is the very file
 *
 * Programs that know more of a build than where a function begins (arguments by debug information,
 * USDT, places inside of functions) go into files of the same build only; of others it is said that
 * they are not probed. Each file is looked at once, at most MAX_FILES of them: a process may map
 * what it likes under a name. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/priv.h"

enum { MAX_PATHS = 256, MAX_FILES = 256, MAX_ID = 64 };

struct probed {
	const char *module; /* as targets have it */
	const char *path;   /* as the kernel tells it */
	uint8_t id[MAX_ID];
	size_t nid;
};

struct told { /* of a mapping; the device may be another one than stat() says */
	uint32_t maj, min;
	uint64_t ino, generation;
};

struct file_id {
	dev_t dev;
	ino_t ino;
};

struct arrived {
	int fd, pid;
	const char *path;
};

struct newfile {
	VEC(struct probed) probed;
	VEC(struct told) told;
	VEC(struct file_id) seen;
	VEC(struct arrived) arrived;
	bool full; /* was said */
};

/* ---- the beginning -------------------------------------------------------------------------- */

static bool is_known(const struct newfile *nf, const char *module)
{
	VEC_EACH (struct probed, p, &nf->probed)
		if (strcmp(p->module, module) == 0)
			return true;
	return false;
}

/* False: it was there already. */
static bool see_file(struct newfile *nf, const struct stat *st)
{
	VEC_EACH (struct file_id, s, &nf->seen)
		if (s->dev == st->st_dev && s->ino == st->st_ino)
			return false;
	hvec_push(&nf->seen, (struct file_id){st->st_dev, st->st_ino});
	return true;
}

static void add_probed(struct run *r, const char *module)
{
	struct newfile *nf = r->newfile;
	struct probed p = {.module = module};
	char path[PATH_MAX];
	struct stat st;
	struct elf *f;

	if (nf->probed.n >= MAX_PATHS || is_known(nf, module) || !realpath(module, path) ||
	    stat(path, &st) < 0)
		return;
	f = elf_open(module, NULL);
	p.nid = f ? elf_build_id(f, p.id, sizeof(p.id)) : 0;
	elf_close(f);
	p.path = arena_strdup(r->arena, path);
	hvec_push(&nf->probed, p);
	see_file(nf, &st);
}

static bool can_move(const struct program_prog *p)
{
	return p->prov->move && p->code.n;
}

void newfile_start(struct run *r)
{
	const struct program *p = r->p;

	if (!p->config.new_files || r->newfile)
		return;
	r->newfile = arena_new_of(r->arena, struct newfile);
	for (size_t i = 0; i < p->nprogs; i++)
		for (size_t k = 0; can_move(&p->progs[i]) && k < p->progs[i].ntargets; k++)
			add_probed(r, p->progs[i].targets[k].module);
}

bool newfile_wanted(const struct run *r)
{
	return r->newfile && r->newfile->probed.n;
}

/* ---- a mapping is told ----------------------------------------------------------------------- */

static const char *probed_path(const struct newfile *nf, const char *path)
{
	VEC_EACH (struct probed, p, &nf->probed)
		if (strcmp(p->path, path) == 0)
			return p->path;
	return NULL;
}

static bool was_told(struct newfile *nf, const struct sym_mapping *m)
{
	VEC_EACH (struct told, t, &nf->told)
		if (t->ino == m->ino && t->maj == m->maj && t->min == m->min &&
		    t->generation == m->generation)
			return true;
	hvec_push(&nf->told, (struct told){m->maj, m->min, m->ino, m->generation});
	return false;
}

static void say_full(struct run *r)
{
	if (!r->newfile->full)
		run_message(
			r, RUN_WARN,
			"more than %d files were mapped under paths that are probed: those that "
			"come now are not looked at",
			MAX_FILES);
	r->newfile->full = true;
}

/* With -p the kernel keeps to processes that are known. */
static bool is_traced(const struct run *r, int pid)
{
	for (size_t i = 0; i < r->env.npids; i++)
		if (r->env.pids[i] == pid)
			return true;
	return r->env.npids == 0;
}

void newfile_mapped(void *arg, int pid, const struct sym_mapping *m)
{
	struct run *r = arg;
	struct newfile *nf = r->newfile;
	const char *path = m->path[0] == '/' ? probed_path(nf, m->path) : NULL;
	struct stat st;
	int fd;

	if (!path || !is_traced(r, pid) || was_told(nf, m))
		return;
	if (nf->told.n > MAX_FILES) {
		nf->told.n--;
		say_full(r);
		return;
	}
	fd = symbolizer_open_mapped(r->host.render.syms, pid, m);
	if (fd >= 0 && fstat(fd, &st) == 0 && see_file(nf, &st)) {
		hvec_push(&nf->arrived, (struct arrived){fd, pid, path});
		return;
	}
	if (fd >= 0)
		close(fd);
	else
		run_message(r, RUN_WARN,
			    "%s, as process %d has mapped it, is another file than the one that is "
			    "probed, and cannot be opened: its probes do not fire there",
			    path, pid);
}

/* ---- attaching ------------------------------------------------------------------------------- */

struct moving {
	struct run *r;
	struct elf *elf;
	const char *fd_path;
	const struct arrived *file;
	size_t moved, lost;
};

static bool same_build(const struct probed *p, struct elf *f)
{
	uint8_t id[MAX_ID];
	size_t n = elf_build_id(f, id, sizeof(id));

	return n && n == p->nid && memcmp(id, p->id, n) == 0;
}

/* The program's targets in the file `p`, where they are in the one that arrived. */
static size_t move_targets(struct moving *m, const struct program_prog *prog,
			   const struct probed *p, struct attach_target *out)
{
	bool same = same_build(p, m->elf);
	size_t n = 0;

	for (size_t i = 0; i < prog->ntargets; i++) {
		const struct attach_target *t = &prog->targets[i];

		if (!t->module || strcmp(t->module, p->module) != 0)
			continue;
		if (!prog->prov->move(m->r->o.kernel, t, m->elf, same, &out[n])) {
			m->lost++;
			continue;
		}
		out[n++].module = m->fd_path;
	}
	return n;
}

static void attach_moved(struct moving *m, uint32_t i, const struct attach_target *targets,
			 size_t n)
{
	const struct program_prog *p = &m->r->p->progs[i];
	struct attach_prog ap = attach_prog_of(m->r, i);
	struct err e = {0};

	ap.targets = targets;
	ap.ntargets = n;
	m->r->cur_prog = i;
	if (p->prov->attach(&m->r->env, &ap, &e) >= 0) {
		m->moved += n;
		return;
	}
	run_message(m->r, RUN_WARN, "%s is not attached to the new %s: %s", p->title, m->file->path,
		    e.what);
}

static void move_program(struct moving *m, uint32_t i, const struct probed *p)
{
	const struct program_prog *prog = &m->r->p->progs[i];
	struct attach_target *targets = calloc(prog->ntargets + 1, sizeof(*targets));
	size_t n;

	if (!targets)
		BUG("out of memory");
	n = move_targets(m, prog, p, targets);
	if (n)
		attach_moved(m, i, targets, n);
	free(targets);
}

static void move_all(struct moving *m)
{
	struct run *r = m->r;

	VEC_EACH (struct probed, p, &r->newfile->probed)
		for (uint32_t i = 0; strcmp(p->path, m->file->path) == 0 && i < r->p->nprogs; i++)
			if (can_move(&r->p->progs[i]) && r->prog_fds[i] >= 0 &&
			    !guard_detached(r, i))
				move_program(m, i, p);
}

static void say_moved(const struct moving *m)
{
	if (m->r->o.verbose && m->moved)
		run_message(m->r, RUN_INFO,
			    "process %d has mapped another file as %s: %zu probe%s attached to it",
			    m->file->pid, m->file->path, m->moved, m->moved == 1 ? "" : "s");
	if (m->lost)
		run_message(
			m->r, RUN_WARN,
			"process %d has mapped another build of %s: %zu of its probes are only "
			"known in the build that was there at the start. Run the script again to "
			"have them in this one",
			m->file->pid, m->file->path, m->lost);
}

/* Takes the descriptor. */
static void take_arrived(struct run *r, const struct arrived *a)
{
	struct moving m = {.r = r, .file = a};
	char path[64];
	struct err e = {0};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", a->fd);
	m.fd_path = path;
	m.elf = elf_open_fd(dup(a->fd), a->path, &e);
	if (m.elf) {
		move_all(&m);
		say_moved(&m);
	} else {
		run_message(r, RUN_WARN, "the new %s is not probed: %s", a->path, e.what);
	}
	elf_close(m.elf);
	close(a->fd);
}

void newfile_work(struct run *r)
{
	if (!r->newfile || r->links_closed)
		return;
	for (size_t i = 0; i < r->newfile->arrived.n; i++)
		take_arrived(r, &r->newfile->arrived.v[i]);
	r->newfile->arrived.n = 0;
}

void newfile_end(struct run *r)
{
	struct newfile *nf = r->newfile;

	if (!nf)
		return;
	for (size_t i = 0; i < nf->arrived.n; i++)
		close(nf->arrived.v[i].fd);
	hvec_release(&nf->probed);
	hvec_release(&nf->told);
	hvec_release(&nf->seen);
	hvec_release(&nf->arrived);
	r->newfile = NULL;
}
