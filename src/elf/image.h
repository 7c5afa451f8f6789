/* One ELF image: checked headers over the bytes of a file. Private to src/elf.
 *
 * The bytes come in three kinds. A file that only its trusted owner can change (owned by root or by
 * us, writable by nobody else, visible under its own name in our file system) is mapped. Any other
 * file is read in pieces into private memory: a mapping of a file that its owner truncates under us
 * would end in SIGBUS, and a copy does not change between its check and its use. The third kind is
 * memory: the vDSO, a decompressed .gnu_debugdata, a fuzzer's input.
 *
 * Invariant: image_range() is the only way to the bytes; it never hands out a byte behind the end.
 */
#ifndef AWL_ELF_IMAGE_H
#define AWL_ELF_IMAGE_H

#include <elf.h>
#include "elf/elf.h"

struct image_sect {
	const char *name;
	uint32_t type, link, info;
	uint64_t flags, addr, offset, size, entsize;
};

struct image_seg {
	uint32_t type, flags;
	uint64_t offset, vaddr, filesz, memsz;
};

struct image_copy;

struct image {
	char *path;
	int fd;             /* -1: everything is in `map` */
	const uint8_t *map; /* the whole file, or NULL when pieces are copied */
	uint64_t size;
	bool unmap, owned; /* munmap(map) or free(map) at the end */
	struct image_copy *copies;
	uint64_t copied; /* bytes in `copies`, limited */
	bool is64;
	uint16_t machine, type;
	uint64_t entry;
	struct image_sect *sects;
	size_t nsects;
	struct image_seg *segs;
	size_t nsegs;
};

struct image *image_open(const char *path, struct err *e);
/* Takes `fd` over, also on failure. `path` is what messages and elf_path() say. */
struct image *image_open_fd(int fd, const char *path, struct err *e);
/* `owned`: memory of malloc() that becomes the image's. */
struct image *image_of_memory(const void *p, size_t n, bool owned, const char *path, struct err *e);
void image_free(struct image *m);

/* `n` bytes at a file offset, valid as long as the image; NULL when they are not all there. */
const uint8_t *image_range(struct image *m, uint64_t offset, uint64_t n);
/* Copies up to `n` bytes; returns how many there were. */
size_t image_read(struct image *m, uint64_t offset, void *buf, size_t n);
/* The pages of some bytes that came from the file and will not be needed soon are given back. They
 * stay valid. Bytes of other images, and copies, are let be. */
void image_forget(struct image *m, const void *p, size_t n);
const struct image_sect *image_section(const struct image *m, const char *name);
const struct image_sect *image_section_type(const struct image *m, uint32_t type);
/* The bytes of a section that has some in the file; NULL otherwise. */
const uint8_t *image_section_data(struct image *m, const struct image_sect *s);

bool image_addr_to_offset(const struct image *m, uint64_t addr, uint64_t *offset);
bool image_offset_to_addr(const struct image *m, uint64_t offset, uint64_t *addr);
bool image_offset_is_text(const struct image *m, uint64_t offset);

/* Build id from the notes of a segment or section; its length, 0 when there is none. */
size_t image_build_id(struct image *m, uint8_t *id, size_t cap);

/* One note of a run of notes; *pos moves behind it. False at the end or when malformed. */
struct image_note {
	uint32_t type;
	struct str name; /* without the NUL */
	const uint8_t *desc;
	size_t ndesc;
};
bool image_note_next(const uint8_t *p, size_t n, size_t *pos, struct image_note *out);

static inline uint64_t image_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline uint32_t image_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint16_t image_u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

#endif
