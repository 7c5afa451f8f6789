/* SPDX-License-Identifier: BSD-2-Clause */
/* udst: USDT probes declared at run time. See udst.h for what it is.
 *
 * A provider's image is one ELF file, written once, in a sealed memfd or an unlinked file:
 *
 *   0        64        288             sems_end                                       size
 *   ┌────────┬─────────┬───────────────┬──────┬────────────┬──────────┬───────┬───────┐
 *   │ Elf64  │ 4 phdrs │ n semaphores  │ stubs│ build id   │ stapsdt  │ names │ shdrs │
 *   │ header │         │ u16 each      │ 16 B │ note       │ notes    │       │       │
 *   └────────┴─────────┴───────────────┴──────┴────────────┴──────────┴───────┴───────┘
 *
 * It is mapped twice, in address space that the provider has from create to destroy:
 *
 *   base                                base + DATA_VADDR
 *   ┌───────────────────────────┬─ … ─┬────────────────────┐
 *   │ the file, r-x, private    │ --- │ its first page,    │
 *   │ (tracers' breakpoints)    │     │ rw-, private       │
 *   └───────────────────────────┴─ … ─┴────────────────────┘
 *
 * The kernel counts tracers in the semaphores of the writable mapping. Semaphores begin at a fixed
 * offset, so a probe's counter never moves: unloaded, the page is one of zeros. Nobody can read
 * an address that is not mapped, whatever other threads do.
 *
 * Invariants
 * - A stub is called only between enter and leave of a counter of the provider, with the pointer
 *   loaded in between. Unloading first points all stubs to one inside this file, then takes the
 *   counters of tracers away, so that no thread enters any more, then waits for those inside.
 * - A stub gets the address of the arguments in the first argument register. Notes describe each
 *   as a memory operand relative to it, which all tracers can read, for any number of them.
 * - The file is kept while the probes are the same: probes loaded again are the same for a tracer.
 *
 * The stub of x86-64 is `nop; nop5; ret` with the probe at the nop, which every kernel computes
 * without a single step. Kernels that turn nop5 into a call use the stack below; before `ret` there
 * is nothing of value, so a tracer that knows takes the nop5 instead. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "udst.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1U
#endif
#ifndef MFD_ALLOW_SEALING
#define MFD_ALLOW_SEALING 2U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS   1033
#define F_SEAL_SEAL   1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW   4
#define F_SEAL_WRITE  8
#endif

enum {
	SEMS_OFFSET = 288, /* Elf64_Ehdr + 4 Elf64_Phdr */
	STUB_SIZE = 16,
	/* All of the notes of UDST_MAX_PROBES probes fit below; a multiple of any page size. */
	DATA_VADDR = 1 << 20,
	DATA_SIZE = 1 << 16,
	STRIPES = 8,
};

#if defined(__x86_64__)
#define MACHINE    EM_X86_64
#define STUB_PROBE 0
static const unsigned char stub_code[STUB_SIZE] = {0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xc3};
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MACHINE    EM_AARCH64
#define STUB_PROBE 4
/* bti c; nop; ret */
static const unsigned char stub_code[STUB_SIZE] = {0x5f, 0x24, 0x03, 0xd5, 0x1f, 0x20,
						   0x03, 0xd5, 0xc0, 0x03, 0x5f, 0xd6};
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE    EM_RISCV
#define STUB_PROBE 0
/* nop; ret, four bytes each */
static const unsigned char stub_code[STUB_SIZE] = {0x13, 0, 0, 0, 0x67, 0x80, 0, 0};
#else
#define MACHINE    EM_NONE
#define STUB_PROBE 0
static const unsigned char stub_code[STUB_SIZE];
#endif

typedef void (*stub_fn)(const uint64_t *args);

struct probe {
	udst_probe pub; /* first: what users have a pointer to */
	stub_fn stub;
	struct udst_provider *prov;
	signed char types[UDST_MAX_ARGS];
	unsigned char argc;
	char name[UDST_MAX_NAME + 1];
};

struct stripe {
	int inside;   /* threads in udst_fire */
	char pad[60]; /* a cache line of its own */
};

struct udst_provider {
	struct stripe stripes[STRIPES];
	struct probe *probes[UDST_MAX_PROBES];
	unsigned n, nimage; /* probes, and how many of them the image has */
	unsigned flags;
	int lock, loaded, fd;
	struct udst_provider *next; /* in the registry */
	char *base;
	size_t page, nmapped;
	char name[UDST_MAX_NAME + 1];
	char path[400]; /* UDST_NAMED: of the image; "" when there is none */
	pid_t path_owner;
};

static void stub_none(const uint64_t *args)
{
	(void)args;
}

/* ---- names, locks ---- */

static int name_check(const char *s)
{
	static const char ok[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t n = s ? strnlen(s, UDST_MAX_NAME + 1) : 0;

	if (n > UDST_MAX_NAME)
		return -ENAMETOOLONG;
	return n && strspn(s, ok) == n ? 0 : -EINVAL;
}

static void lock_take(int *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void lock_drop(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* ---- all providers, for fork ---- */

/* fork takes all locks, so that the child finds no provider half loaded; the threads that the child
 * does not have are in no stub there. */
static struct {
	int lock, hooked;
	udst_provider *head;
} registry;

static void fork_prepare(void)
{
	lock_take(&registry.lock);
	for (udst_provider *p = registry.head; p; p = p->next)
		lock_take(&p->lock);
}

static void fork_parent(void)
{
	for (udst_provider *p = registry.head; p; p = p->next)
		lock_drop(&p->lock);
	lock_drop(&registry.lock);
}

static void fork_child(void)
{
	for (udst_provider *p = registry.head; p; p = p->next)
		for (int i = 0; i < STRIPES; i++)
			p->stripes[i].inside = 0;
	fork_parent();
}

int udst_after_fork_child(void)
{
	fork_child();
	return 0;
}

static int registry_add(udst_provider *p)
{
	int r = 0;

	lock_take(&registry.lock);
	if (!registry.hooked)
		r = -pthread_atfork(fork_prepare, fork_parent, fork_child);
	if (r == 0) {
		registry.hooked = 1;
		p->next = registry.head;
		registry.head = p;
	}
	lock_drop(&registry.lock);
	return r;
}

static void registry_remove(udst_provider *p)
{
	udst_provider **at = &registry.head;

	lock_take(&registry.lock);
	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	lock_drop(&registry.lock);
}

/* ---- the image ---- */

/* bcc looks for .probes behind .text, and for notes behind that. */
enum { SEC_NULL, SEC_TEXT, SEC_SEMS, SEC_BUILD_ID, SEC_NOTES, SEC_BASE, SEC_NAMES, NSECTIONS };

static const char sec_names[] = "\0.text\0.probes\0.note.gnu.build-id\0.note.stapsdt\0"
				".stapsdt.base\0.shstrtab";

/* Writes at `at` while there is room, and always counts: a first turn without memory gives the
 * size.
 */
struct writer {
	char *p;
	size_t at, cap;
};

struct image {
	struct writer w;
	size_t start[NSECTIONS], end[NSECTIONS];
};

static void put(struct writer *w, const void *p, size_t n)
{
	if (n && w->at <= w->cap && n <= w->cap - w->at)
		memcpy(w->p + w->at, p, n);
	w->at += n;
}

static void put_align(struct writer *w, size_t to)
{
	static const char zero[64];

	put(w, zero, (to - w->at % to) % to);
}

static void put_string(struct writer *w, const char *s)
{
	put(w, s, strlen(s) + 1);
}

static int arg_text(const struct probe *pr, unsigned i, char *out, size_t size)
{
	const char *space = i ? " " : "";
	int type = pr->types[i], off = (int)i * 8;

#if defined(__aarch64__)
	return off ? snprintf(out, size, "%s%d@[x0, %d]", space, type, off)
		   : snprintf(out, size, "%s%d@[x0]", space, type);
#elif defined(__riscv)
	return snprintf(out, size, "%s%d@%d(a0)", space, type, off);
#else
	return snprintf(out, size, "%s%d@%d(%%rdi)", space, type, off);
#endif
}

static void put_note_head(struct writer *w, const char *name, size_t ndesc, unsigned type)
{
	Elf64_Nhdr h = {(Elf64_Word)strlen(name) + 1, (Elf64_Word)ndesc, type};

	put(w, &h, sizeof(h));
	put_string(w, name);
	put_align(w, 4);
}

static void put_note(struct image *m, const udst_provider *p, unsigned i)
{
	const struct probe *pr = p->probes[i];
	char args[UDST_MAX_ARGS * 20];
	uint64_t words[3] = {m->start[SEC_TEXT] + i * STUB_SIZE + STUB_PROBE, m->start[SEC_BASE],
			     DATA_VADDR + SEMS_OFFSET + 2 * i};
	size_t n = 0;

	args[0] = 0;
	for (unsigned a = 0; a < pr->argc; a++)
		n += (size_t)arg_text(pr, a, args + n, sizeof(args) - n);
	put_note_head(&m->w, "stapsdt", sizeof(words) + strlen(p->name) + strlen(pr->name) + n + 3,
		      3);
	put(&m->w, words, sizeof(words));
	put_string(&m->w, p->name);
	put_string(&m->w, pr->name);
	put_string(&m->w, args);
	put_align(&m->w, 4);
}

static void sec_begin(struct image *m, int sec, size_t align)
{
	put_align(&m->w, align);
	m->start[sec] = m->w.at;
}

static void put_sections(struct image *m, const udst_provider *p)
{
	static const uint16_t none;
	static const char id[20];

	m->w.at = m->start[SEC_SEMS] = SEMS_OFFSET;
	for (unsigned i = 0; i < p->n; i++)
		put(&m->w, &none, 2);
	m->end[SEC_SEMS] = m->w.at;
	sec_begin(m, SEC_TEXT, STUB_SIZE);
	for (unsigned i = 0; i < p->n; i++)
		put(&m->w, stub_code, STUB_SIZE);
	m->end[SEC_TEXT] = m->w.at;
	sec_begin(m, SEC_BUILD_ID, 4);
	put_note_head(&m->w, "GNU", sizeof(id), NT_GNU_BUILD_ID);
	put(&m->w, id, sizeof(id));
	m->end[SEC_BUILD_ID] = m->w.at;
	sec_begin(m, SEC_NOTES, 4);
	for (unsigned i = 0; i < p->n; i++)
		put_note(m, p, i);
	m->end[SEC_NOTES] = m->w.at;
	sec_begin(m, SEC_BASE, 1);
	put(&m->w, "", 1);
	m->end[SEC_BASE] = m->w.at;
	sec_begin(m, SEC_NAMES, 1);
	put(&m->w, sec_names, sizeof(sec_names));
	m->end[SEC_NAMES] = m->w.at;
}

static const char *put_section_header(struct image *m, int sec, const char *name, uint32_t type,
				      uint64_t flags)
{
	uint64_t addr = sec == SEC_SEMS ? DATA_VADDR + m->start[sec] : m->start[sec];
	Elf64_Shdr h = {
		.sh_name = (Elf64_Word)(name - sec_names),
		.sh_type = type,
		.sh_flags = flags,
		.sh_addr = flags & SHF_ALLOC ? addr : 0,
		.sh_offset = m->start[sec],
		.sh_size = m->end[sec] - m->start[sec],
		.sh_addralign = type == SHT_NOTE ? 4 : 1,
	};

	put(&m->w, &h, sizeof(h));
	return name + strlen(name) + 1;
}

static void put_section_headers(struct image *m)
{
	const char *name = sec_names;

	name = put_section_header(m, SEC_NULL, name, SHT_NULL, 0);
	name = put_section_header(m, SEC_TEXT, name, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR);
	name = put_section_header(m, SEC_SEMS, name, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE);
	name = put_section_header(m, SEC_BUILD_ID, name, SHT_NOTE, SHF_ALLOC);
	name = put_section_header(m, SEC_NOTES, name, SHT_NOTE, 0); /* perf: not SHF_ALLOC */
	name = put_section_header(m, SEC_BASE, name, SHT_PROGBITS, SHF_ALLOC);
	put_section_header(m, SEC_NAMES, name, SHT_STRTAB, 0);
}

static void put_segment(struct image *m, uint32_t type, uint32_t flags, uint64_t offset,
			uint64_t end, uint64_t vaddr, uint64_t align)
{
	Elf64_Phdr h = {.p_type = type,
			.p_flags = flags,
			.p_offset = offset,
			.p_vaddr = vaddr,
			.p_paddr = vaddr,
			.p_filesz = end - offset,
			.p_memsz = end - offset,
			.p_align = align};

	put(&m->w, &h, sizeof(h));
}

static void put_headers(struct image *m, size_t page, size_t shoff)
{
	Elf64_Ehdr h = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = MACHINE,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_shoff = shoff,
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = NSECTIONS,
		.e_shstrndx = SEC_NAMES,
	};

	m->w.at = 0;
	put(&m->w, &h, sizeof(h));
	put_segment(m, PT_LOAD, PF_R | PF_X, 0, m->end[SEC_BASE], 0, page);
	put_segment(m, PT_LOAD, PF_R | PF_W, SEMS_OFFSET, m->end[SEC_SEMS],
		    DATA_VADDR + SEMS_OFFSET, page);
	put_segment(m, PT_NOTE, PF_R, m->start[SEC_BUILD_ID], m->end[SEC_BUILD_ID],
		    m->start[SEC_BUILD_ID], 4);
	put_segment(m, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 16);
}

/* Caches of tracers go by it: images with other probes get another one. FNV-1a, three times. */
static void put_build_id(struct image *m, size_t size)
{
	uint64_t h[3] = {0xcbf29ce484222325u, 0x9ae16a3b2f90404fu, 0xc949d7c7509e6557u};

	for (size_t i = 0; i < size; i++)
		for (int k = 0; k < 3; k++)
			h[k] = (h[k] ^ (unsigned char)m->w.p[i]) * 0x100000001b3u;
	m->w.at = m->end[SEC_BUILD_ID] - 20;
	put(&m->w, h, 20);
}

/* Builds all into w.p (NULL: only counts) and returns the size. Offsets of sections come from the
 * turn before. */
static size_t image_build(struct image *m, const udst_provider *p)
{
	size_t shoff, size;

	put_sections(m, p);
	put_align(&m->w, 8);
	shoff = m->w.at;
	put_section_headers(m);
	size = m->w.at;
	put_headers(m, p->page, shoff);
	if (m->w.p)
		put_build_id(m, size);
	return size;
}

/* ---- the file ---- */

static int fill_fd(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int open_memfd(const udst_provider *p)
{
#ifdef SYS_memfd_create
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	char name[UDST_MAX_NAME + 8];
	long fd;

	snprintf(name, sizeof(name), "udst:%s", p->name);
	fd = syscall(SYS_memfd_create, name, flags | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* a kernel before 6.3 */
		fd = syscall(SYS_memfd_create, name, flags);
	return fd < 0 ? -errno : (int)fd;
#else
	(void)p;
	return -ENOSYS;
#endif
}

/* In a directory that is ours alone; `keep` leaves the name, which is removed with the image. */
static int open_in_own_dir(udst_provider *p, const char *dir, int keep)
{
	char sub[256], file[sizeof(p->path)];
	int fd, saved;

	if (snprintf(sub, sizeof(sub), "%s/udst-XXXXXX", dir) >= (int)sizeof(sub))
		return -ENAMETOOLONG;
	if (!mkdtemp(sub))
		return -errno;
	snprintf(file, sizeof(file), "%s/%s.so", sub, p->name);
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	saved = errno;
	if (fd >= 0 && keep) {
		memcpy(p->path, file, sizeof(file));
		p->path_owner = getpid();
		return fd;
	}
	unlink(file);
	rmdir(sub);
	return fd < 0 ? -saved : fd;
}

static void path_remove(udst_provider *p)
{
	char *slash = strrchr(p->path, '/');

	if (!slash || p->path_owner != getpid()) /* a child leaves its parent's file alone */
		return;
	unlink(p->path);
	*slash = 0;
	rmdir(p->path);
	p->path[0] = 0;
}

static int open_file(udst_provider *p, const char *dir)
{
	int fd = -1;

	if (p->flags & UDST_NAMED)
		return open_in_own_dir(p, dir, 1);
#ifdef O_TMPFILE
	fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
#endif
	return fd < 0 ? open_in_own_dir(p, dir, 0) : fd;
}

static void fd_seal(int fd)
{
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* ---- mapping ---- */

static int map_at(char *at, size_t n, int prot, int fd)
{
	int flags = MAP_FIXED | MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0);

	return mmap(at, n, prot, flags, fd, 0) == MAP_FAILED ? -errno : 0;
}

/* Fails where the file system is mounted noexec. */
static int map_code(udst_provider *p, int fd, size_t size)
{
	size_t n = (size + p->page - 1) & ~(p->page - 1);
	int r = map_at(p->base, n, PROT_READ | PROT_EXEC, fd);

	if (r == 0)
		p->nmapped = n;
	return r;
}

static void unmap_code(udst_provider *p)
{
	/* Cannot fail but for want of memory; then the old mapping stays and does no harm. */
	if (p->nmapped && map_at(p->base, p->nmapped, PROT_NONE, -1) == 0)
		p->nmapped = 0;
}

/* Writes and maps the image; the descriptor is kept in p->fd. */
static int map_new(udst_provider *p, int fd, const char *image, size_t size)
{
	int r;

	if (fd < 0)
		return fd;
	r = fill_fd(fd, image, size);
	if (r == 0)
		fd_seal(fd); /* files other than memfds have no name and need none */
	if (r == 0)
		r = map_code(p, fd, size);
	if (r < 0) {
		close(fd);
		path_remove(p);
	} else {
		p->fd = fd;
	}
	return r;
}

/* The first place that lets us: a memfd, then unnamed files. */
static int map_somewhere(udst_provider *p, const char *image, size_t size)
{
	const char *dirs[] = {secure_getenv("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/dev/shm"};
	int r = -ENOENT;

	if (!(p->flags & (UDST_TMPFILE | UDST_NAMED)))
		r = map_new(p, open_memfd(p), image, size);
	for (size_t i = 0; r < 0 && i < sizeof(dirs) / sizeof(*dirs); i++)
		if (dirs[i] && dirs[i][0] == '/')
			r = map_new(p, open_file(p, dirs[i]), image, size);
	return r;
}

static int image_make(udst_provider *p)
{
	struct image m = {.w = {0}};
	size_t size;
	int r;

	image_build(&m, p); /* offsets, then the size with the right ones */
	size = image_build(&m, p);
	if (size > DATA_VADDR)
		return -ENOSPC;
	m.w = (struct writer){.p = calloc(1, size), .cap = size};
	if (!m.w.p)
		return -ENOMEM;
	image_build(&m, p);
	r = map_somewhere(p, m.w.p, size);
	free(m.w.p);
	if (r == 0)
		p->nimage = p->n;
	return r;
}

static size_t text_offset(unsigned n)
{
	return (SEMS_OFFSET + 2 * (size_t)n + STUB_SIZE - 1) & ~(size_t)(STUB_SIZE - 1);
}

/* ---- loading and unloading ---- */

static int is_traced(const udst_provider *p)
{
	for (unsigned i = 0; p->loaded && i < p->nimage; i++)
		if (udst_enabled(&p->probes[i]->pub))
			return 1;
	return 0;
}

static void stubs_set(udst_provider *p, int on)
{
	char *text = p->base + text_offset(p->nimage);

	for (unsigned i = 0; i < p->nimage; i++) {
		stub_fn f = on ? (stub_fn)(uintptr_t)(text + i * STUB_SIZE) : stub_none;

		__atomic_store_n(&p->probes[i]->stub, f, __ATOMIC_SEQ_CST);
	}
}

/* Returns when no thread is in a stub. There is no way in any more: see the head of the file. */
static void wait_for_firers(udst_provider *p)
{
	for (int i = 0; i < STRIPES; i++)
		while (__atomic_load_n(&p->stripes[i].inside, __ATOMIC_SEQ_CST) > 0)
			sched_yield();
}

static void image_drop(udst_provider *p)
{
	if (p->fd >= 0)
		close(p->fd);
	path_remove(p);
	p->fd = -1;
	p->nimage = 0;
}

static int unload(udst_provider *p)
{
	int r;

	if (!p->loaded)
		return 0;
	if (!(p->flags & UDST_FORCE) && is_traced(p))
		return -EBUSY;
	stubs_set(p, 0);
	r = map_at(p->base + DATA_VADDR, p->page, PROT_READ, -1);
	if (r < 0) {
		stubs_set(p, 1);
		return r;
	}
	wait_for_firers(p);
	unmap_code(p);
	p->loaded = 0;
	return 0;
}

/* Maps the image that is there, or a new one. The writable page comes last: with it tracers count,
 * and stubs are called. */
static int load(udst_provider *p)
{
	int r = p->fd >= 0 ? map_code(p, p->fd, (size_t)lseek(p->fd, 0, SEEK_END)) : image_make(p);

	if (r < 0)
		return r;
	stubs_set(p, 1);
	r = map_at(p->base + DATA_VADDR, p->page, PROT_READ | PROT_WRITE, p->fd);
	if (r < 0) {
		stubs_set(p, 0);
		unmap_code(p);
		return r;
	}
	p->loaded = 1;
	return 0;
}

int udst_provider_load(udst_provider *p)
{
	int r = 0;

	if (!p)
		return -EINVAL;
	lock_take(&p->lock);
	if (!p->loaded || p->nimage != p->n) {
		r = unload(p);
		if (r == 0 && p->nimage != p->n)
			image_drop(p);
		if (r == 0)
			r = load(p);
	}
	lock_drop(&p->lock);
	return r;
}

int udst_provider_unload(udst_provider *p)
{
	int r;

	if (!p)
		return -EINVAL;
	lock_take(&p->lock);
	r = unload(p);
	lock_drop(&p->lock);
	return r;
}

/* ---- providers and probes ---- */

/* Address space for ever, and the page of zeros that counters are in until the first load. */
static int provider_reserve(udst_provider *p)
{
	void *base = mmap(NULL, DATA_VADDR + DATA_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	p->base = base;
	return map_at(p->base + DATA_VADDR, p->page, PROT_READ, -1);
}

int udst_provider_create(const char *name, unsigned flags, udst_provider **out)
{
	udst_provider *p;
	int r = name_check(name);

	if (r < 0 || !out || flags & ~(unsigned)(UDST_FORCE | UDST_TMPFILE | UDST_NAMED))
		return r < 0 ? r : -EINVAL;
	if (MACHINE == EM_NONE)
		return -ENOSYS;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	strcpy(p->name, name);
	p->flags = flags;
	p->fd = -1;
	p->page = (size_t)sysconf(_SC_PAGESIZE);
	r = p->page > DATA_SIZE ? -ENOSYS : provider_reserve(p);
	if (r == 0)
		r = registry_add(p);
	if (r < 0) {
		udst_provider_destroy(p);
		return r;
	}
	*out = p;
	return 0;
}

static int types_check(unsigned argc, const signed char *types)
{
	if (argc > UDST_MAX_ARGS || (argc && !types))
		return -EINVAL;
	for (unsigned i = 0; i < argc; i++) {
		int n = types[i] < 0 ? -types[i] : types[i];

		if (n != 1 && n != 2 && n != 4 && n != 8)
			return -EINVAL;
	}
	return 0;
}

/* With the lock held: the checks that need it. */
static int probe_insert(udst_provider *p, struct probe *pr)
{
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->probes[i]->name, pr->name) == 0)
			return -EEXIST;
	if (p->n == UDST_MAX_PROBES)
		return -ENOSPC;
	pr->pub.semaphore = (void *)(p->base + DATA_VADDR + SEMS_OFFSET + 2 * (size_t)p->n);
	p->probes[p->n++] = pr;
	return 0;
}

int udst_probe_add(udst_provider *p, const char *name, unsigned argc, const signed char *types,
		   udst_probe **out)
{
	struct probe *pr;
	int r = name_check(name);

	if (r == 0)
		r = p && out ? types_check(argc, types) : -EINVAL;
	if (r < 0)
		return r;
	pr = calloc(1, sizeof(*pr));
	if (!pr)
		return -ENOMEM;
	strcpy(pr->name, name);
	pr->argc = (unsigned char)argc;
	if (argc)
		memcpy(pr->types, types, argc);
	pr->stub = stub_none;
	pr->prov = p;
	lock_take(&p->lock);
	r = probe_insert(p, pr);
	lock_drop(&p->lock);
	if (r < 0)
		free(pr);
	else
		*out = &pr->pub;
	return r;
}

void udst_provider_destroy(udst_provider *p)
{
	if (!p)
		return;
	registry_remove(p);
	lock_take(&p->lock);
	p->flags |= UDST_FORCE;
	if (p->base)
		unload(p);
	image_drop(p);
	if (p->base)
		munmap(p->base, DATA_VADDR + DATA_SIZE);
	for (unsigned i = 0; i < p->n; i++)
		free(p->probes[i]);
	free(p);
}

int udst_provider_path(udst_provider *p, char *out, size_t size)
{
	int n = -1;

	if (!p || !out)
		return -EINVAL;
	lock_take(&p->lock);
	if (p->fd >= 0)
		n = p->path[0] ? snprintf(out, size, "%s", p->path)
			       : snprintf(out, size, "/proc/%d/fd/%d", (int)getpid(), p->fd);
	lock_drop(&p->lock);
	if (n < 0)
		return -ENOENT;
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* ---- firing ---- */

void udst_fire(const udst_probe *pub, const uint64_t *args)
{
	const struct probe *pr = (const struct probe *)(const void *)pub;
	int *inside;

	if (!udst_enabled(pub))
		return;
	/* Threads have stacks of their own: they mostly count in different lines. */
	inside = &pr->prov->stripes[((uintptr_t)&inside >> 16) % STRIPES].inside;
	__atomic_add_fetch(inside, 1, __ATOMIC_SEQ_CST);
	__atomic_load_n(&pr->stub, __ATOMIC_SEQ_CST)(args);
	__atomic_sub_fetch(inside, 1, __ATOMIC_RELEASE);
}

const char *udst_strerror(int error)
{
	static const struct {
		int code;
		const char *text;
	} known[] = {
		{0, "success"},
		{EINVAL, "a name, a type or the number of arguments is not valid"},
		{ENAMETOOLONG, "the name is longer than 127 characters"},
		{EEXIST, "the provider has a probe of this name"},
		{ENOSPC, "the provider has as many probes as it can have, or the disk is full"},
		{EBUSY, "a probe is being traced"},
		{ENOMEM, "there is no memory"},
		{ENOENT, "there is no image yet"},
		{ENOSYS, "this machine is not supported"},
		{EACCES, "the system lets this program map no code of its own"},
		{EPERM, "the system lets this program map no code of its own"},
	};

	error = error < 0 ? -error : error;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].code == error)
			return known[i].text;
	return "the image cannot be made";
}
