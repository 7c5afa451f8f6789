/* Which release of Go built a program, and what follows from it.
 *
 * .go.buildinfo:   \xff " Go buildinf:"  ptrsize  flags
 *   flags & 2      from 1.18 on: at +32 a varint length and the text "go1.22.5"
 *   otherwise      at +16 the address of a Go string { data, length }
 *
 * Some programs are shipped without that section. The linker writes the release into the variable
 * runtime.buildVersion all the same: a Go string like any other, "go1.22.5". When all texts of that
 * form which the data lead to are of one release, it is that one; otherwise it is not told.
 *
 * Layouts of the runtime's structures are kept by release, as they were measured. A release that is
 * not in the table is not known, and nothing that depends on one is guessed. */
#include "elf/go_priv.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

enum { HEAD = 32, FIRST_KNOWN = 13, LAST_KNOWN = 27 };

static const char magic[] = "\xff Go buildinf:";

const uint8_t *go_bytes(struct go *go, uint64_t addr, uint64_t n)
{
	uint64_t offset;

	if (!image_addr_to_offset(go->f->img, addr, &offset))
		return NULL;
	return image_range(go->f->img, offset, n);
}

/* Of R_X86_64_RELATIVE and R_AARCH64_RELATIVE at `addr`. */
static bool relocated(struct go *go, uint64_t addr, uint64_t *out)
{
	const struct image_sect *s = image_section_type(go->f->img, SHT_RELA);
	const uint8_t *p = s ? image_section_data(go->f->img, s) : NULL;

	for (uint64_t at = 0; p && s->size - at >= 24 && at < s->size; at += 24) {
		uint32_t kind = image_u32(p + at + 8);

		if (image_u64(p + at) != addr || (kind != 8 && kind != 1027))
			continue;
		*out = image_u64(p + at + 16);
		return true;
	}
	return false;
}

bool go_pointer(struct go *go, uint64_t addr, uint64_t *out)
{
	const uint8_t *p = go_bytes(go, addr, 8);

	*out = p ? image_u64(p) : 0;
	return *out || relocated(go, addr, out);
}

static void take_version(struct go *go, const uint8_t *p, uint64_t n)
{
	int major = 0, minor = -1;

	n = MIN(n, sizeof(go->version) - 1);
	memcpy(go->version, p, n);
	go->version[n] = 0;
	if (sscanf(go->version, "go%d.%d", &major, &minor) == 2 && major == 1)
		go->minor = minor;
}

static void inline_version(struct go *go, const uint8_t *p, uint64_t n)
{
	uint64_t len = 0;
	unsigned shift = 0;

	for (uint64_t i = 0; i < n && shift < 28; i++, shift += 7) {
		len |= (uint64_t)(p[i] & 0x7f) << shift;
		if (p[i] & 0x80)
			continue;
		if (len <= n - i - 1)
			take_version(go, p + i + 1, len);
		return;
	}
}

static void pointed_version(struct go *go, uint64_t addr)
{
	uint64_t string, data;
	const uint8_t *len, *p;

	if (!go_pointer(go, addr, &string) || !go_pointer(go, string, &data))
		return;
	len = go_bytes(go, string + 8, 8);
	p = len && image_u64(len) < sizeof(go->version) ? go_bytes(go, data, image_u64(len)) : NULL;
	if (p)
		take_version(go, p, image_u64(len));
}

static void told_version(struct go *go)
{
	const struct image_sect *s = image_section(go->f->img, ".go.buildinfo");
	const uint8_t *p = s ? image_section_data(go->f->img, s) : NULL;

	if (!p || s->size < HEAD || memcmp(p, magic, sizeof(magic) - 1))
		return;
	if (p[15] & 2)
		inline_version(go, p + HEAD, s->size - HEAD);
	else if (p[14] == 8)
		pointed_version(go, s->addr + 16);
}

/* "go1.22.5", "go1.22", "go1.22rc1", "go1.22.5 X:…": all of `text`. */
static bool is_release(const char *text)
{
	int major, minor, end = 0;

	if (sscanf(text, "go%d.%d%n", &major, &minor, &end) != 2 || major != 1)
		return false;
	return !text[end] || (text[end] && strchr(".rb -", text[end]));
}

/* False: the strings in the section tell of several releases. */
static bool search_version(struct go *go, const struct image_sect *s)
{
	const uint8_t *p = s ? image_section_data(go->f->img, s) : NULL;
	struct go other = {.minor = -1};

	for (uint64_t at = 0; p && at + 16 <= s->size; at += 8) {
		uint64_t n = image_u64(p + at + 8);
		const uint8_t *text;

		if (n < 5 || n >= sizeof(go->version))
			continue;
		text = go_bytes(go, image_u64(p + at), n);
		if (!text || memcmp(text, "go1.", 4))
			continue;
		take_version(&other, text, n);
		if (!is_release(other.version))
			continue;
		if (go->minor >= 0 && other.minor != go->minor)
			return false;
		take_version(go, text, n);
	}
	return true;
}

void go_read_version(struct go *go)
{
	go->minor = -1;
	told_version(go);
	go->searched = go->minor < 0 && !go->version[0];
	if (go->searched && !search_version(go, image_section(go->f->img, ".data"))) {
		go->minor = -1;
		go->version[0] = 0;
	}
}

/* What was found by searching has to be of the age of the table. */
void go_check_version(struct go *go)
{
	static const struct {
		int from, to;
	} releases[] = {[PCLN_1_2] = {2, 15},
			[PCLN_1_16] = {16, 17},
			[PCLN_1_18] = {18, 19},
			[PCLN_1_20] = {20, 1000}};

	if (!go->searched ||
	    (go->minor >= releases[go->format].from && go->minor <= releases[go->format].to))
		return;
	go->minor = -1;
	go->version[0] = 0;
}

/* ---- what follows -------------------------------------------------------------------------- */

const char *go_version(const struct go *go)
{
	return go->version;
}

int go_minor(const struct go *go)
{
	return go->minor;
}

bool go_is_known(const struct go *go)
{
	return go->minor >= FIRST_KNOWN && go->minor <= LAST_KNOWN;
}

const char *go_known_text(void)
{
	return "1.13 to 1.27";
}

bool go_has_registers(const struct go *go)
{
	return go->minor >= (elf_machine(go->f) == EM_AARCH64 ? 18 : 17);
}

bool go_layout(const struct go *go, struct go_layout *out)
{
	static const struct {
		int from, to;
		struct go_layout l; /* goid m curg gopc startpc parent labels */
	} known[] = {
		{13, 16, {152, 48, 192, 280, 296, 0, 344}},
		{17, 20, {152, 48, 192, 296, 312, 0, 360}},
		{21, 22, {152, 48, 192, 280, 296, 272, 344}},
		{23, 24, {160, 48, 192, 288, 304, 280, 352}},
		{25, 25, {152, 48, 184, 280, 296, 272, 344}},
		{26, 27, {152, 48, 184, 288, 304, 280, 352}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (go->minor >= known[i].from && go->minor <= known[i].to) {
			*out = known[i].l;
			return true;
		}
	return false;
}

bool go_types_address(struct go *go, uint64_t *out)
{
	static const char *const names[] = {".go.type", ".data.rel.ro.go.type"};
	uint64_t size;

	if (elf_sym_find(go->f, STR("runtime.types"), out, &size))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct image_sect *s = image_section(go->f->img, names[i]);

		if (s) {
			*out = s->addr;
			return true;
		}
	}
	*out = 0;
	return go_module_types(go, out);
}

bool go_is_movable(const struct go *go)
{
	return go->f->img->type == ET_DYN;
}

/* On arm64 g is in a register of its own, in assembly as well.
 *
 * Go's own linker puts g into the last word below the segment base. Others lay out all thread-local
 * variables: g is where the symbol says, in a block that ends at the base. */
bool go_tls_offset(struct go *go, int64_t *out)
{
	const struct image *m = go->f->img;
	uint64_t addr, size;

	*out = -8;
	if (elf_machine(go->f) == EM_AARCH64 ||
	    (!image_section(m, ".interp") && !image_section(m, ".dynsym")))
		return true;
	for (size_t i = 0; i < m->nsegs; i++) {
		if (m->segs[i].type != PT_TLS || m->segs[i].memsz > 1 << 20)
			continue;
		if (!elf_sym_find(go->f, STR("runtime.tlsg"), &addr, &size))
			return m->segs[i].memsz == 8;
		*out = (int64_t)addr - (int64_t)ALIGN_UP(m->segs[i].memsz, 8u);
		return *out < 0;
	}
	return true;
}
