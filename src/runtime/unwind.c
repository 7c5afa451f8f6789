/* What programs need for unwinding: tables of files, mappings of processes. See sema/unwind.h.
 *
 *   symbolizer ─ changed(pid) ─→ dirty pids ─→ procs[pid] = mappings, each with its image's number
 *                                                   │ new file: gets a number, waits
 *                                                   ▼
 *                                    .eh_frame → rows → chunks → images[number]
 *
 * Processes are told by the symbolizer, which follows the kernel's records of fork, exec, mmap and
 * exit, and is woken for each while tables are in use. Files that are probed, and the libraries
 * that they need, have their tables before anything is attached; those of other files are made as
 * they are mapped, a slice of time in each turn of the loop. Code whose table is not there yet is
 * walked by frame pointers.
 *
 * Addresses in rows count from where the file's first byte is mapped: a mapping has its bias before
 * the file was read. Example: libc.so.6 mapped from offset 0x26000 (linked at 0x26000) on at
 * 0x7f0000026000 has bias 0x7f0000000000, and the row of malloc has pc 0x99e60. */
#include <dirent.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/priv.h"
#include "sema/unwind.h"

#define SLICE_NS 20000000ull

struct image {
	struct elf *elf;
	uint64_t base; /* link-time address of the file's first byte */
	bool made;
};

struct unwind {
	struct run *run;
	VEC(struct image) images; /* number minus 1 */
	size_t nmade;             /* of them */
	VEC(int) dirty;
	struct unwind_proc *proc; /* being put together */
	size_t nmaps;
};

/* ---- images --------------------------------------------------------------------------------- */

/* 0: none, or too many. */
static uint64_t image_number(struct unwind *u, struct elf *f)
{
	struct image im = {.elf = f};

	if (!f)
		return 0;
	for (size_t i = 0; i < u->images.n; i++)
		if (u->images.v[i].elf == f)
			return i + 1;
	if (u->images.n + 1 >= UNWIND_IMAGES)
		return 0;
	elf_offset_to_addr(f, 0, &im.base);
	hvec_push(&u->images, im);
	return u->images.n;
}

struct chunks {
	int fd;
	const struct elf_unwind_row *rows;
	size_t n, nchunks;
};

static uint32_t row_pc(const struct chunks *c, size_t chunk)
{
	return chunk < c->nchunks ? c->rows[chunk * UNWIND_ROWS].pc : UINT32_MAX;
}

/* Where `fan` things begin, `step` chunks of rows apart. */
static int put_addresses(const struct chunks *c, uint32_t key, size_t first, size_t step)
{
	uint32_t pc[UNWIND_FAN];

	for (size_t i = 0; i < UNWIND_FAN; i++)
		pc[i] = row_pc(c, first + i * step);
	return bpf_map_set(c->fd, &key, pc, 0);
}

static int put_rows(const struct chunks *c, uint32_t key, size_t chunk)
{
	struct elf_unwind_row rows[UNWIND_ROWS];
	size_t first = chunk * UNWIND_ROWS, n = MIN(c->n - first, (size_t)UNWIND_ROWS);

	memcpy(rows, c->rows + first, n * sizeof(*rows));
	for (; n < UNWIND_ROWS; n++)
		rows[n] = (struct elf_unwind_row){.pc = UINT32_MAX};
	return bpf_map_set(c->fd, &key, rows, 0);
}

static int put_chunks(const struct chunks *c)
{
	int r = put_addresses(c, 0, 0, UNWIND_FAN);

	for (size_t i = 0; i < c->nchunks && r == 0; i++) {
		uint32_t index = (uint32_t)(i / UNWIND_FAN), j = (uint32_t)(i % UNWIND_FAN);
		uint32_t key = 1 + index * (UNWIND_FAN + 1);

		if (j == 0)
			r = put_addresses(c, key, i, 1);
		if (r == 0)
			r = put_rows(c, key + 1 + j, i);
	}
	return r;
}

/* Rows from the file's first byte on; false when they do not fit. */
static bool rebase(struct elf_unwind *t, uint64_t base)
{
	uint64_t by = t->base - base;

	if (t->base < base || t->n == 0 || by + t->rows[t->n - 1].pc >= UINT32_MAX)
		return false;
	for (size_t i = 0; i < t->n; i++)
		t->rows[i].pc += (uint32_t)by;
	return t->n <= (size_t)UNWIND_ROWS * UNWIND_FAN * UNWIND_FAN;
}

static void make_image(struct unwind *u, uint32_t number)
{
	struct run *r = u->run;
	const struct image *im = &u->images.v[number - 1];
	int images = r->map_fds[r->p->unwind_images];
	struct map_spec spec = *r->p->maps[r->p->unwind_images].spec.inner;
	struct chunks c = {.fd = -1};
	struct elf_unwind t;

	if (elf_unwind_read(im->elf, &t, NULL) == 0 && rebase(&t, im->base)) {
		c.rows = t.rows;
		c.n = t.n;
		c.nchunks = (t.n + UNWIND_ROWS - 1) / UNWIND_ROWS;
		spec.max_entries = (uint32_t)(1 + c.nchunks +
					      (c.nchunks + UNWIND_FAN - 1) / UNWIND_FAN);
		c.fd = bpf_map_make(&spec, NULL);
		if (c.fd >= 0 && put_chunks(&c) == 0)
			bpf_map_set(images, &number, &c.fd, 0);
	}
	if (c.fd >= 0)
		close(c.fd);
	elf_unwind_free(&t);
}

/* The newest first: what a program maps now is wanted sooner than what others have mapped for long.
 */
static void make_images(struct unwind *u, uint64_t until)
{
	for (size_t i = u->images.n;
	     i-- > 0 && u->nmade < u->images.n && clock_ns(CLOCK_MONOTONIC) < until;) {
		if (u->images.v[i].made)
			continue;
		u->images.v[i].made = true;
		u->nmade++;
		make_image(u, (uint32_t)i + 1);
	}
}

/* ---- processes ------------------------------------------------------------------------------ */

static void on_change(void *arg, int pid, bool gone)
{
	struct unwind *u = arg;
	struct run *r = u->run;

	if (gone)
		bpf_map_del(r->map_fds[r->p->unwind_procs], &pid);
	for (size_t i = u->dirty.n; i-- > 0;) {
		if (u->dirty.v[i] != pid)
			continue;
		if (gone)
			u->dirty.v[i] = u->dirty.v[--u->dirty.n];
		return;
	}
	if (!gone)
		hvec_push(&u->dirty, pid);
}

static void add_mapping(void *arg, const struct sym_code *c)
{
	struct unwind *u = arg;
	struct unwind_mapping *m = &u->proc->maps[u->nmaps];
	uint64_t addr = 0;

	/* [vsyscall] is no user address, and numbers must have no sign. */
	if (u->nmaps == UNWIND_MAPPINGS || c->end > UNWIND_NEVER)
		return;
	*m = (struct unwind_mapping){.start = c->start, .len = c->end - c->start};
	if (c->elf && elf_offset_to_addr(c->elf, c->offset, &addr))
		m->image = image_number(u, c->elf);
	if (m->image)
		m->bias = c->start - (addr - u->images.v[m->image - 1].base);
	u->nmaps++;
}

static void put_process(struct unwind *u, int pid)
{
	struct run *r = u->run;

	u->nmaps = 0;
	symbolizer_code(r->host.render.syms, pid, add_mapping, u);
	for (size_t i = u->nmaps; i < UNWIND_MAPPINGS; i++)
		u->proc->maps[i] = (struct unwind_mapping){.start = UNWIND_NEVER};
	if (u->nmaps)
		bpf_map_set(r->map_fds[r->p->unwind_procs], &pid, u->proc, 0);
	else
		bpf_map_del(r->map_fds[r->p->unwind_procs], &pid);
}

static void put_dirty(struct unwind *u)
{
	for (size_t i = 0; i < u->dirty.n; i++)
		put_process(u, u->dirty.v[i]);
	u->dirty.n = 0;
}

/* ---- the beginning -------------------------------------------------------------------------- */

static void add_file(struct unwind *u, const char *path);

static void add_needed(void *arg, const char *name)
{
	char path[4096];

	if (elf_resolve(str_of(name), 0, path, sizeof(path), NULL) == 0)
		add_file(arg, path);
}

/* The file and all that it needs. */
static void add_file(struct unwind *u, const char *path)
{
	struct elf *f = symbolizer_offer(u->run->host.render.syms, path);
	size_t before = u->images.n;

	if (f && image_number(u, f) && u->images.n > before)
		elf_needed(f, add_needed, u);
}

static void add_probed(struct unwind *u)
{
	const struct program *p = u->run->p;
	const char *last = "";

	for (size_t i = 0; i < p->nprogs; i++)
		for (size_t k = 0; k < p->progs[i].ntargets; k++) {
			const char *path = p->progs[i].targets[k].module;

			if (path && path[0] == '/' && strcmp(path, last) != 0)
				add_file(u, path);
			last = path ? path : last;
		}
}

/* The child of -c has not begun to run it. */
static void add_command(struct unwind *u)
{
	struct str rest = str_trim(str_of(u->run->o.command ? u->run->o.command : ""));
	struct str program = str_cut(&rest, ' ');
	char path[4096];

	if (program.n && elf_resolve(program, 0, path, sizeof(path), NULL) == 0)
		add_file(u, path);
}

static void add_running(struct unwind *u)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	unsigned long long pid;

	while (d && (entry = readdir(d)))
		if (str_to_u64(str_of(entry->d_name), &pid) && pid <= INT32_MAX)
			symbolizer_remember(u->run->host.render.syms, (int)pid);
	if (d)
		closedir(d);
}

void unwind_start(struct run *r)
{
	struct unwind *u;

	if (r->p->unwind_procs == NO_MAP || r->unwind)
		return;
	u = calloc(1, sizeof(*u));
	if (!u || !(u->proc = calloc(1, sizeof(*u->proc)))) {
		free(u);
		return;
	}
	r->unwind = u;
	u->run = r;
	symbolizer_watch(r->host.render.syms, on_change, u);
	add_probed(u);
	add_command(u);
	for (size_t i = 0; i < r->o.npids; i++)
		if (r->o.pids[i] != r->o.child)
			symbolizer_remember(r->host.render.syms, r->o.pids[i]);
	put_dirty(u);
	make_images(u, UINT64_MAX);
	if (!r->o.npids && !r->o.child)
		add_running(u);
	put_dirty(u);
}

void unwind_work(struct run *r)
{
	if (!r->unwind)
		return;
	put_dirty(r->unwind);
	make_images(r->unwind, clock_ns(CLOCK_MONOTONIC) + SLICE_NS);
}

bool unwind_waits(const struct run *r)
{
	return r->unwind && r->unwind->nmade < r->unwind->images.n;
}

void unwind_end(struct run *r)
{
	struct unwind *u = r->unwind;

	if (!u)
		return;
	symbolizer_watch(r->host.render.syms, NULL, NULL);
	hvec_release(&u->images);
	hvec_release(&u->dirty);
	free(u->proc);
	free(u);
	r->unwind = NULL;
}
