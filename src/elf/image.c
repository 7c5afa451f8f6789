/* Opening an ELF image: the headers, checked once, and checked access to everything behind them.
 *
 *      file                                    struct image
 *   ┌──────────────┐
 *   │ ELF header   │ class, machine, entry ──→ is64, machine, entry
 *   ├──────────────┤
 *   │ segments     │ PT_LOAD, PT_NOTE … ─────→ segs[]   at most MAX_SEGS
 *   ├──────────────┤
 *   │   …bytes…    │ image_range(offset, n)
 *   ├──────────────┤
 *   │ sections     │ names resolved ─────────→ sects[]  at most MAX_SECTS
 *   └──────────────┘
 *
 * 32-bit and 64-bit little-endian files become the same structs here, so that nothing above has to
 * know the difference. A file without section headers is fine; a section whose bytes lie outside of
 * the file is kept, but has no data. */
#include "elf/fetch.h"
#include "elf/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SECTS  65536
#define MAX_SEGS   256
#define MAX_COPIED (512ull << 20) /* private memory for one untrusted file */

struct image_copy {
	struct image_copy *next;
	uint64_t offset, n;
	uint8_t data[];
};

/* ---- bytes ---- */

static const uint8_t *copy_range(struct image *m, uint64_t offset, uint64_t n)
{
	struct image_copy *c;

	for (c = m->copies; c; c = c->next)
		if (offset >= c->offset && offset - c->offset <= c->n &&
		    n <= c->n - (offset - c->offset))
			return c->data + (offset - c->offset);
	if (n > MAX_COPIED - m->copied)
		return NULL;
	c = malloc(sizeof(*c) + n + 1);
	if (!c)
		return NULL;
	if (image_read(m, offset, c->data, n) != n) {
		free(c);
		return NULL;
	}
	*c = (struct image_copy){.next = m->copies, .offset = offset, .n = n};
	m->copies = c;
	m->copied += n;
	return c->data;
}

const uint8_t *image_range(struct image *m, uint64_t offset, uint64_t n)
{
	if (offset > m->size || n > m->size - offset)
		return NULL;
	return m->map ? m->map + offset : copy_range(m, offset, n);
}

size_t image_read(struct image *m, uint64_t offset, void *buf, size_t n)
{
	size_t done = 0;

	if (offset >= m->size)
		return 0;
	n = MIN(n, m->size - offset);
	if (m->map) {
		memcpy(buf, m->map + offset, n);
		return n;
	}
	while (done < n) {
		ssize_t r = pread(m->fd, (char *)buf + done, n - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

void image_forget(struct image *m, const void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, to;

	if (!m->unmap || (const uint8_t *)p < m->map || n > m->size ||
	    (uint64_t)((const uint8_t *)p - m->map) > m->size - n)
		return;
	from = ALIGN_UP((uintptr_t)p, page);
	to = ((uintptr_t)p + n) & ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

/* ---- headers ---- */

static struct image_sect sect_parse(const struct image *m, const uint8_t *p)
{
	Elf64_Shdr s;
	Elf32_Shdr s32;

	if (m->is64) {
		memcpy(&s, p, sizeof(s));
	} else {
		memcpy(&s32, p, sizeof(s32));
		s = (Elf64_Shdr){s32.sh_name,      s32.sh_type,   s32.sh_flags, s32.sh_addr,
				 s32.sh_offset,    s32.sh_size,   s32.sh_link,  s32.sh_info,
				 s32.sh_addralign, s32.sh_entsize};
	}
	/* The name is an offset until the table of names is known. */
	return (struct image_sect){.name = (const char *)(uintptr_t)s.sh_name,
				   .type = s.sh_type,
				   .link = s.sh_link,
				   .info = s.sh_info,
				   .flags = s.sh_flags,
				   .addr = s.sh_addr,
				   .offset = s.sh_offset,
				   .size = s.sh_size,
				   .entsize = s.sh_entsize};
}

static void sects_name(struct image *m, uint32_t names)
{
	const struct image_sect *t = names < m->nsects ? &m->sects[names] : NULL;
	const uint8_t *tab = t ? image_section_data(m, t) : NULL;

	for (size_t i = 0; i < m->nsects; i++) {
		size_t off = (uintptr_t)m->sects[i].name;
		bool ok = tab && off < t->size && memchr(tab + off, 0, t->size - off);

		m->sects[i].name = ok ? (const char *)tab + off : "";
	}
}

static int sects_load(struct image *m, uint64_t offset, size_t n, size_t size, uint32_t names,
		      struct err *e)
{
	size_t want = m->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	const uint8_t *p;

	if (!offset)
		return 0;
	if (size < want)
		return err_plain(e, EINVAL, "read %s: section headers of %zu bytes", m->path, size);
	p = image_range(m, offset, size);
	if (!n && p) { /* more than 65279 sections: the count is in the first header */
		uint64_t count = sect_parse(m, p).size;

		n = count > MAX_SECTS ? MAX_SECTS + 1 : count;
	}
	if (p && names == SHN_XINDEX)
		names = sect_parse(m, p).link;
	if (n > MAX_SECTS)
		return err_plain(e, EINVAL, "read %s: more than %d sections", m->path, MAX_SECTS);
	p = image_range(m, offset, (uint64_t)n * size);
	if (!p) /* a file cut short: the segments may still be of use */
		return 0;
	m->sects = calloc(n ? n : 1, sizeof(*m->sects));
	m->nsects = m->sects ? n : 0;
	for (size_t i = 0; i < m->nsects; i++)
		m->sects[i] = sect_parse(m, p + i * size);
	sects_name(m, names);
	return 0;
}

static struct image_seg seg_parse(const struct image *m, const uint8_t *p)
{
	Elf64_Phdr s;
	Elf32_Phdr s32;

	if (m->is64) {
		memcpy(&s, p, sizeof(s));
		return (struct image_seg){s.p_type,  s.p_flags,  s.p_offset,
					  s.p_vaddr, s.p_filesz, s.p_memsz};
	}
	memcpy(&s32, p, sizeof(s32));
	return (struct image_seg){s32.p_type,  s32.p_flags,  s32.p_offset,
				  s32.p_vaddr, s32.p_filesz, s32.p_memsz};
}

static int segs_load(struct image *m, uint64_t offset, size_t n, size_t size, struct err *e)
{
	size_t want = m->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	const uint8_t *p;

	if (!offset || !n)
		return 0;
	if (size < want)
		return err_plain(e, EINVAL, "read %s: program headers of %zu bytes", m->path, size);
	n = MIN(n, MAX_SEGS);
	p = image_range(m, offset, (uint64_t)n * size);
	if (!p)
		return err_plain(e, EINVAL, "read %s: the program headers are behind its end",
				 m->path);
	m->segs = calloc(n, sizeof(*m->segs));
	m->nsegs = m->segs ? n : 0;
	for (size_t i = 0; i < m->nsegs; i++)
		m->segs[i] = seg_parse(m, p + i * size);
	return 0;
}

static int not_elf(const struct image *m, const char *why, struct err *e)
{
	int r = err_plain(e, ENOEXEC, "read %s: %s", m->path, why);

	err_hint(e, "name a program or a shared library built for this machine");
	return r;
}

static int image_load(struct image *m, struct err *e)
{
	uint8_t raw[sizeof(Elf64_Ehdr)] = {0};
	size_t n = image_read(m, 0, raw, sizeof(raw));
	Elf64_Ehdr h;
	int r;

	if (n < sizeof(Elf32_Ehdr) || memcmp(raw, ELFMAG, SELFMAG) != 0)
		return not_elf(m, "not an ELF file", e);
	if (raw[EI_DATA] != ELFDATA2LSB)
		return not_elf(m, "a big-endian ELF file", e);
	if (raw[EI_CLASS] != ELFCLASS64 && raw[EI_CLASS] != ELFCLASS32)
		return not_elf(m, "neither a 32-bit nor a 64-bit ELF file", e);
	m->is64 = raw[EI_CLASS] == ELFCLASS64;
	if (m->is64) {
		memcpy(&h, raw, sizeof(h));
	} else {
		Elf32_Ehdr h32;

		memcpy(&h32, raw, sizeof(h32));
		h = (Elf64_Ehdr){.e_type = h32.e_type,
				 .e_machine = h32.e_machine,
				 .e_entry = h32.e_entry,
				 .e_phoff = h32.e_phoff,
				 .e_shoff = h32.e_shoff,
				 .e_phentsize = h32.e_phentsize,
				 .e_phnum = h32.e_phnum,
				 .e_shentsize = h32.e_shentsize,
				 .e_shnum = h32.e_shnum,
				 .e_shstrndx = h32.e_shstrndx};
	}
	m->machine = h.e_machine;
	m->type = h.e_type;
	m->entry = h.e_entry;
	r = segs_load(m, h.e_phoff, h.e_phnum, h.e_phentsize, e);
	if (!r)
		r = sects_load(m, h.e_shoff, h.e_shnum, h.e_shentsize, h.e_shstrndx, e);
	return r;
}

/* ---- opening ---- */

/* Only a file that others cannot change is mapped. Paths below /proc lead into the mount namespace
 * of another process, where "owned by root" may mean the root of a container. */
static bool file_is_trusted(const char *path, const struct stat *st)
{
	struct stat own;

	if ((st->st_uid != 0 && st->st_uid != geteuid()) || (st->st_mode & 022))
		return false;
	return strncmp(path, "/proc/", 6) != 0 && stat(path, &own) == 0 &&
	       own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

static struct image *image_finish(struct image *m, struct err *e)
{
	if (image_load(m, e) < 0) {
		image_free(m);
		return NULL;
	}
	if (m->map && m->fd >= 0) {
		close(m->fd);
		m->fd = -1;
	}
	return m;
}

static struct image *image_new(const char *path, int fd)
{
	struct image *m = calloc(1, sizeof(*m));

	if (!m || !(m->path = strdup(path)))
		BUG("out of memory");
	m->fd = fd;
	return m;
}

/* Goes on with a copy in memory. */
static bool take_copy(struct image *m, struct err *e)
{
	int fd = fetch_file(m->fd, m->size, m->path, e);
	struct stat st;

	if (fd < 0)
		return false;
	close(m->fd);
	m->fd = fd;
	m->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return true;
}

struct image *image_open_fd(int fd, const char *path, struct err *e)
{
	struct image *m = image_new(path, fd);
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0) {
		err_set(e, errno, "stat %s", path);
		image_free(m);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		not_elf(m, "not a regular file", e);
		image_free(m);
		return NULL;
	}
	m->size = (uint64_t)st.st_size;
	if (fetch_wanted(fd) && !take_copy(m, e)) {
		image_free(m);
		return NULL;
	}
	if (m->fd == fd && m->size && file_is_trusted(path, &st)) {
		/* Shared: into private mappings the kernel puts the breakpoints of uprobes, also
		 * those of other tracers. */
		p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			m->map = p;
			m->unmap = true;
		}
	}
	return image_finish(m, e);
}

struct image *image_open(const char *path, struct err *e)
{
	/* Not blocking on a FIFO that somebody left under the name. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		err_set(e, errno, "open %s", path);
		return NULL;
	}
	return image_open_fd(fd, path, e);
}

struct image *image_of_memory(const void *p, size_t n, bool owned, const char *path, struct err *e)
{
	struct image *m = image_new(path, -1);

	m->map = p;
	m->size = n;
	m->owned = owned;
	return image_finish(m, e);
}

void image_free(struct image *m)
{
	if (!m)
		return;
	while (m->copies) {
		struct image_copy *c = m->copies;

		m->copies = c->next;
		free(c);
	}
	if (m->unmap)
		munmap((void *)m->map, m->size);
	else if (m->owned)
		free((void *)m->map);
	if (m->fd >= 0)
		close(m->fd);
	free(m->sects);
	free(m->segs);
	free(m->path);
	free(m);
}

/* ---- sections and segments ---- */

const struct image_sect *image_section(const struct image *m, const char *name)
{
	for (size_t i = 0; i < m->nsects; i++)
		if (strcmp(m->sects[i].name, name) == 0)
			return &m->sects[i];
	return NULL;
}

const struct image_sect *image_section_type(const struct image *m, uint32_t type)
{
	for (size_t i = 0; i < m->nsects; i++)
		if (m->sects[i].type == type)
			return &m->sects[i];
	return NULL;
}

const uint8_t *image_section_data(struct image *m, const struct image_sect *s)
{
	if (!s || s->type == SHT_NOBITS || s->type == SHT_NULL || (s->flags & SHF_COMPRESSED))
		return NULL;
	return image_range(m, s->offset, s->size);
}

bool image_addr_to_offset(const struct image *m, uint64_t addr, uint64_t *offset)
{
	for (size_t i = 0; i < m->nsegs; i++) {
		const struct image_seg *s = &m->segs[i];

		if (s->type == PT_LOAD && addr >= s->vaddr && addr - s->vaddr < s->filesz) {
			*offset = addr - s->vaddr + s->offset;
			return true;
		}
	}
	return false;
}

/* Segments are mapped in whole pages, so two of them may contain one offset: text wins. */
bool image_offset_to_addr(const struct image *m, uint64_t offset, uint64_t *addr)
{
	bool found = false;

	for (size_t i = 0; i < m->nsegs; i++) {
		const struct image_seg *s = &m->segs[i];

		if (s->type != PT_LOAD || offset < s->offset || offset - s->offset >= s->filesz)
			continue;
		if (found && !(s->flags & PF_X))
			continue;
		*addr = offset - s->offset + s->vaddr;
		found = true;
	}
	return found;
}

bool image_offset_is_text(const struct image *m, uint64_t offset)
{
	for (size_t i = 0; i < m->nsegs; i++) {
		const struct image_seg *s = &m->segs[i];

		if (s->type == PT_LOAD && (s->flags & PF_X) && offset >= s->offset &&
		    offset - s->offset < s->filesz)
			return true;
	}
	return false;
}

/* ---- notes ---- */

bool image_note_next(const uint8_t *p, size_t n, size_t *pos, struct image_note *out)
{
	size_t at = *pos, nname, ndesc, left;

	if (at > n || n - at < 12)
		return false;
	nname = image_u32(p + at);
	ndesc = image_u32(p + at + 4);
	left = n - at - 12;
	if (nname > left || ALIGN_UP(nname, 4) > left || ndesc > left - ALIGN_UP(nname, 4))
		return false;
	out->type = image_u32(p + at + 8);
	out->name = (struct str){(const char *)p + at + 12, nname ? nname - 1 : 0};
	out->desc = p + at + 12 + ALIGN_UP(nname, 4);
	out->ndesc = ndesc;
	*pos = MIN(n, at + 12 + ALIGN_UP(nname, 4) + ALIGN_UP(ndesc, 4));
	return true;
}

static size_t build_id_in(const uint8_t *p, size_t n, uint8_t *id, size_t cap)
{
	struct image_note note;
	size_t pos = 0;

	while (p && image_note_next(p, n, &pos, &note))
		if (note.type == NT_GNU_BUILD_ID && str_is(note.name, "GNU") && note.ndesc &&
		    note.ndesc <= cap) {
			memcpy(id, note.desc, note.ndesc);
			return note.ndesc;
		}
	return 0;
}

size_t image_build_id(struct image *m, uint8_t *id, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nsects && !n; i++)
		if (m->sects[i].type == SHT_NOTE)
			n = build_id_in(image_section_data(m, &m->sects[i]), m->sects[i].size, id,
					cap);
	for (size_t i = 0; i < m->nsegs && !n; i++)
		if (m->segs[i].type == PT_NOTE)
			n = build_id_in(image_range(m, m->segs[i].offset, m->segs[i].filesz),
					m->segs[i].filesz, id, cap);
	return n;
}
