/* Names of user addresses.
 *
 *   pid, addr ─ process ─→ mapping ─ file offset ─→ module ─ link-time address ─→ function
 *               (maps)     start,end,offset          struct elf, one for each (device, inode,
 * mtime)
 *
 * A process is known by pid and start time, so that a pid used again is another process. Its
 * mappings are kept, and their files held open, after it has exited. An address in none of them
 * makes the mappings be read again, at most every REREAD_MS, because programs load libraries and
 * exec.
 *
 * Modules live as long as the symbolizer: names of symbols point into them. */
#include "elf/elf_priv.h"
#include "elf/maps.h"
#include "elf/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	REREAD_MS = 10,       /* at first; doubled while reading again finds nothing … */
	REREAD_MAX_MS = 1000, /* … up to this */
	IDENTITY_MS = 1000,   /* how long a pid is taken for the same process unchecked */
};

struct module {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	struct elf *elf; /* NULL: not readable, no names */
};

struct mapping {
	struct proc_map map;
	struct module *module; /* NULL: none, or not looked for yet */
};

struct process {
	int pid;
	uint64_t start_time;
	uint64_t read_at, checked_at; /* ms */
	uint64_t reread_ms;           /* how long to wait before the next reading */
	VEC(struct mapping) maps;
	struct perfmap *perfmap;
	bool perfmap_tried;
};

struct symbolizer {
	struct arena *arena;
	bool demangle;
	struct strmap names;             /* mangled → demangled */
	VEC(struct process *) processes; /* sorted by pid */
	VEC(struct module *) modules;
	VEC(struct perfmap *) old_perfmaps; /* replaced, but their names are in use */
	struct strmap paths;                /* of mapped files, each once */
	struct elf *vdso;
	bool vdso_tried;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		BUG("out of memory");
	s->arena = arena_new();
	strmap_init(&s->names, s->arena);
	strmap_init(&s->paths, s->arena);
	return s;
}

static void process_free(struct process *p)
{
	hvec_release(&p->maps);
	perfmap_free(p->perfmap);
	free(p);
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->processes.n; i++)
		process_free(s->processes.v[i]);
	for (size_t i = 0; i < s->modules.n; i++) {
		elf_close(s->modules.v[i]->elf);
		free(s->modules.v[i]);
	}
	for (size_t i = 0; i < s->old_perfmaps.n; i++)
		perfmap_free(s->old_perfmaps.v[i]);
	hvec_release(&s->processes);
	hvec_release(&s->modules);
	hvec_release(&s->old_perfmaps);
	elf_close(s->vdso);
	arena_free(s->arena);
	free(s);
}

void symbolizer_demangle(struct symbolizer *s, bool on)
{
	s->demangle = on;
}

/* ---- modules ---- */

/* The very file that is mapped: through map_files when we may, else by path and inode number. */
static int mapping_open(int pid, const struct proc_map *m)
{
	char path[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, m->start,
		 m->end);
	/* Opening a device or a FIFO can have effects: look first. */
	if (stat(path, &st) == 0)
		return S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	fd = proc_open_in_root(pid, m->path, O_RDONLY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == m->ino)
		return fd;
	close(fd);
	return -1;
}

static struct module *module_of(struct symbolizer *s, int fd, const char *path)
{
	struct module *m;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		close(fd);
		return NULL;
	}
	for (size_t i = 0; i < s->modules.n; i++) {
		m = s->modules.v[i];
		if (m->dev == st.st_dev && m->ino == st.st_ino &&
		    m->mtime.tv_sec == st.st_mtim.tv_sec &&
		    m->mtime.tv_nsec == st.st_mtim.tv_nsec) {
			close(fd);
			return m;
		}
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		BUG("out of memory");
	*m = (struct module){.dev = st.st_dev, .ino = st.st_ino, .mtime = st.st_mtim};
	m->elf = elf_open_fd(fd, path, NULL);
	hvec_push(&s->modules, m);
	return m;
}

/* A library has several mappings one after the other: the same file is opened once. */
static void process_open_modules(struct symbolizer *s, struct process *p)
{
	for (size_t i = 0; i < p->maps.n; i++) {
		struct mapping *m = &p->maps.v[i];
		int fd;

		if (!m->map.exec || m->map.path[0] != '/')
			continue;
		if (i && m[-1].module && m[-1].map.ino == m->map.ino &&
		    strcmp(m[-1].map.path, m->map.path) == 0) {
			m->module = m[-1].module;
			continue;
		}
		fd = mapping_open(p->pid, &m->map);
		if (fd >= 0)
			m->module = module_of(s, fd, m->map.path);
	}
}

/* ---- processes ---- */

static size_t process_slot(struct symbolizer *s, int pid)
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

static struct process *process_get(struct symbolizer *s, int pid)
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

static bool may_reread(const struct process *p)
{
	return !p->read_at || now_ms() - p->read_at >= p->reread_ms;
}

static void forget_perfmap(struct symbolizer *s, struct process *p)
{
	if (p->perfmap)
		hvec_push(&s->old_perfmaps, p->perfmap);
	p->perfmap = NULL;
	p->perfmap_tried = false;
}

static const char *keep_path(struct symbolizer *s, const char *path)
{
	char *kept = strmap_get(&s->paths, str_of(path));

	if (!kept) {
		kept = arena_strdup(s->arena, path);
		strmap_put(&s->paths, str_of(kept), kept);
	}
	return kept;
}

static void process_set_maps(struct symbolizer *s, struct process *p, const map_vec *maps)
{
	p->maps.n = 0;
	for (size_t i = 0; i < maps->n; i++) {
		struct mapping m = {.map = maps->v[i]};

		m.map.path = keep_path(s, m.map.path);
		hvec_push(&p->maps, m);
	}
	process_open_modules(s, p);
}

/* Reads the mappings again. Of a process that is gone the old ones stay. */
static void process_read(struct symbolizer *s, struct process *p)
{
	uint64_t start = proc_start_time(p->pid);
	struct arena *scratch = arena_new();
	map_vec maps = {0};

	p->read_at = p->checked_at = now_ms();
	/* A zombie has an empty list: it is gone too. */
	if (start && maps_read(scratch, p->pid, &maps) == 0 && maps.n) {
		if (p->start_time != start)
			forget_perfmap(s, p);
		p->start_time = start;
		process_set_maps(s, p, &maps);
	}
	hvec_release(&maps);
	arena_free(scratch);
}

/* A pid that was used again is another process. */
static void process_check(struct symbolizer *s, struct process *p)
{
	uint64_t start, now = now_ms();

	if (!p->read_at || now - p->checked_at < IDENTITY_MS)
		return;
	p->checked_at = now;
	start = proc_start_time(p->pid);
	if (start && start != p->start_time)
		process_read(s, p);
}

void symbolizer_remember(struct symbolizer *s, int pid)
{
	process_read(s, process_get(s, pid));
}

static struct mapping *process_mapping(struct process *p, uint64_t addr)
{
	size_t lo = 0, hi = p->maps.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct mapping *m = &p->maps.v[mid];

		if (addr < m->map.start)
			hi = mid;
		else if (addr >= m->map.end)
			lo = mid + 1;
		else
			return m;
	}
	return NULL;
}

/* ---- names ---- */

static const char *display_name(struct symbolizer *s, const char *name)
{
	const char *text;

	if (!s->demangle || name[0] != '_')
		return name;
	text = strmap_get(&s->names, str_of(name));
	if (!text) {
		text = elf_demangle(s->arena, name);
		strmap_put(&s->names, str_of(name), (void *)text);
	}
	return text;
}

/* The kernel maps one vDSO into all processes of a class; ours is the one of 64-bit programs. */
static struct elf *vdso_elf(struct symbolizer *s)
{
	const uint8_t *p = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	struct arena *scratch;
	map_vec maps = {0};

	if (s->vdso_tried || !p)
		return s->vdso;
	s->vdso_tried = true;
	scratch = arena_new();
	maps_read(scratch, getpid(), &maps);
	for (size_t i = 0; i < maps.n; i++)
		if (maps.v[i].start == (uintptr_t)p)
			s->vdso = elf_open_memory(p, maps.v[i].end - maps.v[i].start, "[vdso]",
						  NULL);
	hvec_release(&maps);
	arena_free(scratch);
	return s->vdso;
}

static bool name_in_elf(struct symbolizer *s, struct elf *f, uint64_t offset, struct symbol *out)
{
	struct elf_func fn;
	uint64_t addr;

	if (!f || !elf_func_at(f, offset, &fn) || !elf_offset_to_addr(f, offset, &addr))
		return false;
	out->name = display_name(s, fn.name);
	out->offset = addr - fn.addr;
	return true;
}

/* The map grows as code is generated: an unknown address makes it be read again when it changed. */
static bool name_in_perfmap(struct symbolizer *s, struct process *p, uint64_t addr,
			    struct symbol *out)
{
	struct perfmap *newer;

	if (p->perfmap && (out->name = perfmap_find(p->perfmap, addr, &out->offset)))
		return true;
	if (p->perfmap_tried && !may_reread(p))
		return false;
	p->perfmap_tried = true;
	p->read_at = now_ms();
	p->reread_ms = MIN(p->reread_ms * 2, REREAD_MAX_MS);
	if (p->start_time != proc_start_time(p->pid))
		return false;
	newer = perfmap_read(p->pid, p->perfmap);
	if (!newer)
		return false;
	forget_perfmap(s, p);
	p->perfmap = newer;
	p->perfmap_tried = true;
	out->name = perfmap_find(newer, addr, &out->offset);
	return out->name != NULL;
}

bool symbolizer_user(struct symbolizer *s, int pid, uint64_t addr, struct symbol *out)
{
	struct process *p = process_get(s, pid);
	struct mapping *m;
	uint64_t offset;

	*out = (struct symbol){.module = ""};
	process_check(s, p);
	m = process_mapping(p, addr);
	if (!m && may_reread(p)) {
		process_read(s, p);
		m = process_mapping(p, addr);
		p->reread_ms = m ? REREAD_MS : MIN(p->reread_ms * 2, REREAD_MAX_MS);
	}
	if (!m)
		return false;
	out->module = m->map.path;
	offset = addr - m->map.start + m->map.offset;
	if (m->module)
		return name_in_elf(s, m->module->elf, offset, out);
	if (strcmp(m->map.path, "[vdso]") == 0)
		return m->map.start >> 32 && name_in_elf(s, vdso_elf(s), addr - m->map.start, out);
	return m->map.exec && name_in_perfmap(s, p, addr, out);
}
