/* Separate and mini debug files: where distributions put the symbols they strip.
 *
 *   build id ab12cd…      /usr/lib/debug/.build-id/ab/12cd….debug
 *   .gnu_debuglink NAME   DIR/NAME, DIR/.debug/NAME, /usr/lib/debug/DIR/NAME   (checked by id or
 * CRC) .gnu_debugdata        a small ELF with .symtab, compressed by xz, in the binary itself
 *
 * A debug file is taken only when it is of the same build: the same build id, or the checksum that
 * the link gives. Nothing is ever fetched from the network. */
#include "elf/elf_priv.h"

#include <libgen.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define DEBUG_ROOT "/usr/lib/debug"
#define MAX_MINI   (64ull << 20) /* unpacked */
#define MAX_RATIO  200
#define XZ_MEMORY  (64ull << 20)

struct build_id {
	uint8_t id[64];
	size_t n;
};

static struct image *open_same_build(const char *path, const struct image *of,
				     const struct build_id *want, const uint32_t *crc)
{
	struct image *m = image_open(path, NULL);
	struct build_id got;
	const uint8_t *p;
	bool same = false;

	if (!m)
		return NULL;
	got.n = image_build_id(m, got.id, sizeof(got.id));
	if (want->n && got.n) {
		same = got.n == want->n && memcmp(got.id, want->id, got.n) == 0;
	} else if (crc) {
		p = image_range(m, 0, m->size);
		same = p && crc32_z(0, p, m->size) == *crc;
	}
	if (same && m->machine == of->machine && m->is64 == of->is64)
		return m;
	image_free(m);
	return NULL;
}

static struct image *by_build_id(struct image *m, const struct build_id *id)
{
	char path[PATH_MAX], hex[2 * sizeof(id->id) + 1];

	if (id->n < 3)
		return NULL;
	for (size_t i = 0; i < id->n; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->id[i]);
	snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%.2s/%s.debug", hex, hex + 2);
	return open_same_build(path, m, id, NULL);
}

/* The section holds a file name, padding to four bytes, and the CRC of that file. */
static const char *debuglink(struct image *m, uint32_t *crc)
{
	const struct image_sect *s = image_section(m, ".gnu_debuglink");
	const uint8_t *p = image_section_data(m, s);
	size_t n;

	if (!p || s->size < 8 || !memchr(p, 0, s->size))
		return NULL;
	n = strlen((const char *)p);
	if (!n || n > NAME_MAX || strchr((const char *)p, '/') || p[0] == '.')
		return NULL;
	if (ALIGN_UP(n + 1, 4) + 4 > s->size)
		return NULL;
	*crc = image_u32(p + ALIGN_UP(n + 1, 4));
	return (const char *)p;
}

static struct image *by_link(struct image *m, const struct build_id *id)
{
	static const char *const forms[] = {"%s/%s", "%s/.debug/%s", DEBUG_ROOT "%s/%s"};
	char path[2 * PATH_MAX], own[PATH_MAX];
	struct image *d = NULL;
	uint32_t crc;
	const char *name = debuglink(m, &crc), *dir;

	if (!name || m->path[0] != '/' || strlen(m->path) >= sizeof(own))
		return NULL;
	strcpy(own, m->path);
	dir = dirname(own);
	for (size_t i = 0; i < ARRAY_SIZE(forms) && !d; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(path, sizeof(path), forms[i], dir, name);
#pragma GCC diagnostic pop
		if (strcmp(path, m->path) != 0)
			d = open_same_build(path, m, id, &crc);
	}
	return d;
}

struct image *debug_find(struct image *m)
{
	struct build_id id;
	struct image *d;

	id.n = image_build_id(m, id.id, sizeof(id.id));
	d = by_build_id(m, &id);
	return d ? d : by_link(m, &id);
}

bool elf_debug_file(const char *path, char *out, size_t size)
{
	struct image *m = image_open(path, NULL), *d = m ? debug_find(m) : NULL;
	bool found = d && strlen(d->path) < size;

	if (found)
		strcpy(out, d->path);
	image_free(d);
	image_free(m);
	return found;
}

/* ---- MiniDebugInfo ---- */

/* Unpacks by doubling, so that a small file with a big claim costs little. */
static uint8_t *xz_unpack(const uint8_t *p, size_t n, size_t limit, size_t *out)
{
	lzma_stream z = LZMA_STREAM_INIT;
	size_t cap = MIN(limit, MAX(4 * n, 4096));
	uint8_t *buf = NULL;
	lzma_ret r = LZMA_OK;

	if (lzma_stream_decoder(&z, XZ_MEMORY, 0) != LZMA_OK)
		return NULL;
	z.next_in = p;
	z.avail_in = n;
	for (;; cap = MIN(limit, cap * 2)) {
		uint8_t *bigger = realloc(buf, cap);

		if (!bigger)
			break;
		buf = bigger;
		z.next_out = buf + z.total_out;
		z.avail_out = cap - z.total_out;
		r = lzma_code(&z, LZMA_FINISH);
		if (r != LZMA_OK || cap == limit || z.avail_out)
			break;
	}
	*out = z.total_out;
	lzma_end(&z);
	if (r == LZMA_STREAM_END)
		return buf;
	free(buf);
	return NULL;
}

struct image *debug_mini(struct image *m)
{
	const struct image_sect *s = image_section(m, ".gnu_debugdata");
	const uint8_t *p = image_section_data(m, s);
	struct image *d;
	uint8_t *raw;
	size_t n = 0;

	if (!p || !s->size)
		return NULL;
	raw = xz_unpack(p, s->size, MIN(MAX_MINI, s->size * MAX_RATIO), &n);
	if (!raw)
		return NULL;
	d = image_of_memory(raw, n, true, m->path, NULL);
	if (d && (d->machine != m->machine || d->is64 != m->is64)) {
		image_free(d);
		d = NULL;
	}
	return d;
}
