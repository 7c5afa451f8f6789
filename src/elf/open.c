/* A binary and what goes with it: opening and closing, the translation of addresses, Go's marks.
 *
 * The image itself is in image.c; symbols, probes and placements are worked out by other files when
 * first asked for and kept in struct elf until elf_close(). A struct elf is used by one thread. */
#include "elf/elf_priv.h"
#include "elf/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct elf *elf_of_image(struct image *m)
{
	struct elf *f;

	if (!m)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f)
		BUG("out of memory");
	f->img = m;
	f->arena = arena_new();
	return f;
}

struct elf *elf_open(const char *path, struct err *e)
{
	return elf_of_image(image_open(path, e));
}

struct elf *elf_open_fd(int fd, const char *path, struct err *e)
{
	return elf_of_image(image_open_fd(fd, path, e));
}

struct elf *elf_open_memory(const void *p, size_t n, const char *path, struct err *e)
{
	return elf_of_image(image_of_memory(p, n, false, path, e));
}

void elf_close(struct elf *f)
{
	if (!f)
		return;
	reader_stop(f->reader);
	inlined_free(f);
	image_free(f->mini);
	image_free(f->debug);
	image_free(f->img);
	symaddr_free(f);
	arena_free(f->arena);
	free(f->funcs);
	free(f);
}

const char *elf_path(const struct elf *f)
{
	return f->img->path;
}

uint16_t elf_machine(const struct elf *f)
{
	return f->img->machine;
}

bool elf_is_64(const struct elf *f)
{
	return f->img->is64;
}

bool elf_addr_to_offset(struct elf *f, uint64_t addr, uint64_t *offset)
{
	return image_addr_to_offset(f->img, addr, offset);
}

bool elf_offset_to_addr(struct elf *f, uint64_t offset, uint64_t *addr)
{
	return image_offset_to_addr(f->img, offset, addr);
}

bool elf_offset_is_text(struct elf *f, uint64_t offset)
{
	return image_offset_is_text(f->img, offset);
}

size_t elf_read(struct elf *f, uint64_t offset, void *buf, size_t n)
{
	return image_read(f->img, offset, buf, n);
}

bool elf_section_find(struct elf *f, const char *name, struct elf_section *out)
{
	const struct image_sect *s = image_section(f->img, name);

	if (!s)
		return false;
	*out = (struct elf_section){.addr = s->addr,
				    .offset = s->offset,
				    .size = s->size,
				    .data = image_section_data(f->img, s)};
	return true;
}

size_t elf_build_id(struct elf *f, uint8_t *id, size_t cap)
{
	return image_build_id(f->img, id, cap);
}

void elf_identity(struct elf *f, struct buf *out)
{
	uint8_t id[64];
	size_t n = elf_build_id(f, id, sizeof(id));
	struct stat st;

	for (size_t i = 0; i < MIN(n, sizeof(id)); i++)
		buf_printf(out, "%02x", id[i]);
	if (!n && stat(elf_path(f), &st) == 0)
		buf_printf(out, "%lld bytes of %lld.%09ld", (long long)st.st_size,
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* ---- Go ---- */

/* Without section headers: the linker puts the build information at the start of the data segment,
 * aligned to 16 bytes, with this mark in front. */
static bool has_go_buildinfo(struct image *m)
{
	static const char mark[] = "\xff Go buildinf:";
	const uint64_t limit = 1 << 20;

	for (size_t i = 0; i < m->nsegs; i++) {
		const struct image_seg *s = &m->segs[i];
		uint64_t n = MIN(s->filesz, limit);
		const uint8_t *p;

		if (s->type != PT_LOAD || !(s->flags & PF_W))
			continue;
		p = image_range(m, s->offset, n);
		for (uint64_t at = 0; p && n >= 32 && at <= n - 32; at += 16)
			if (memcmp(p + at, mark, sizeof(mark) - 1) == 0)
				return true;
	}
	return false;
}

bool elf_is_go(struct elf *f)
{
	struct image *m = f->img;

	if (!f->go) {
		bool go = image_section(m, ".go.buildinfo") || image_section(m, ".gopclntab") ||
			  image_section(m, ".data.rel.ro.gopclntab") ||
			  (!m->nsects && has_go_buildinfo(m));

		f->go = go ? 1 : -1;
	}
	return f->go > 0;
}

/* ---- what it is linked with ---- */

enum { MAX_NEEDED = 256, MAX_NAME = 4096 };

static void needed_name(struct elf *f, const struct image_sect *strs, uint64_t at,
			void (*fn)(void *arg, const char *name), void *arg)
{
	char name[MAX_NAME];
	size_t n = at < strs->size ? MIN(strs->size - at, sizeof(name)) : 0;

	n = n ? image_read(f->img, strs->offset + at, name, n) : 0;
	if (memchr(name, 0, n) && name[0])
		fn(arg, name);
}

void elf_needed(struct elf *f, void (*fn)(void *arg, const char *name), void *arg)
{
	const struct image_sect *dyn = image_section_type(f->img, SHT_DYNAMIC), *strs;
	const struct image_sect *interp = image_section(f->img, ".interp");
	const uint8_t *p = dyn ? image_section_data(f->img, dyn) : NULL;
	unsigned found = 0;

	if (!f->img->is64 || !p || dyn->link >= f->img->nsects)
		return;
	if (interp)
		needed_name(f, interp, 0, fn, arg);
	strs = &f->img->sects[dyn->link];
	for (uint64_t i = 0; i + 16 <= dyn->size && found < MAX_NEEDED; i += 16) {
		if (image_u64(p + i) != DT_NEEDED)
			continue;
		needed_name(f, strs, image_u64(p + i + 8), fn, arg);
		found++;
	}
}
