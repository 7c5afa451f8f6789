/* What the Go runtime knows of a program as a whole: its moduledata, found without symbols, so that
 * stripped programs have it, too.
 *
 *   word 0   address of the pclntab      both together are at no other place: that is how
 *   word 1   … of its names              it is found
 *   …
 *   35, 37   types, and behind it their end
 *   38, 40   gofunc, which data of functions is told from
 *
 * In position-independent programs its pointers are in the relocations alone (up to 1.25).
 *
 * A type's descriptor has the place of the type's name, told from `types`:
 *
 *   20 u8 flags    40 i32 name    name: u8, length (a varint from 1.17 on, else two bytes), text
 *
 * Flag 2: the text has a star in front that does not belong to it. */
#include "elf/go_priv.h"

#include <elf.h>
#include <string.h>

enum {
	RELA_SIZE = 24,
	DESC_FLAGS = 20,
	DESC_NAME = 40,
	DESC_SIZE = 48,
	FLAG_STAR = 2,
	NAME_MAX_BYTES = 1024,
};

/* ---- finding it ---------------------------------------------------------------------------- */

static bool is_module(struct go *go, uint64_t addr)
{
	uint64_t tab, names;

	return go_pointer(go, addr, &tab) && tab == go->tab_addr &&
	       go_pointer(go, addr + 8, &names) && names == go->tab_addr + go->names;
}

static uint64_t scan_data(struct go *go, const char *name)
{
	const struct image_sect *s = image_section(go->f->img, name);
	const uint8_t *p = s ? image_section_data(go->f->img, s) : NULL;

	for (uint64_t at = 0; p && s->size >= 16 && at <= s->size - 16; at += 8)
		if (image_u64(p + at) == go->tab_addr && is_module(go, s->addr + at))
			return s->addr + at;
	return 0;
}

/* A relocation that puts the pclntab's address somewhere. */
static uint64_t scan_relocations(struct go *go)
{
	const struct image_sect *s = image_section_type(go->f->img, SHT_RELA);
	const uint8_t *p = s ? image_section_data(go->f->img, s) : NULL;

	for (uint64_t at = 0; p && at + RELA_SIZE <= s->size; at += RELA_SIZE)
		if (image_u64(p + at + 16) == go->tab_addr && is_module(go, image_u64(p + at)))
			return image_u64(p + at);
	return 0;
}

static uint64_t module_address(struct go *go)
{
	static const char *const names[] = {".go.module", ".noptrdata", ".data"};

	if (go->module_known)
		return go->module;
	go->module_known = true;
	for (size_t i = 0; i < ARRAY_SIZE(names) && !go->module; i++)
		go->module = scan_data(go, names[i]);
	if (!go->module)
		go->module = scan_relocations(go);
	return go->module;
}

/* Word `n` of it, which must be an address in the file. */
static bool module_word(struct go *go, unsigned n, uint64_t *out)
{
	return go->format >= PCLN_1_16 && module_address(go) &&
	       go_pointer(go, go->module + 8ull * n, out) && go_bytes(go, *out, 1);
}

bool go_module_types(struct go *go, uint64_t *out)
{
	return go->minor <= 27 && module_word(go, go->minor < 20 ? 35 : 37, out);
}

bool go_module_funcdata(struct go *go, uint64_t *out)
{
	return module_word(go, go->minor < 20 ? 38 : go->minor < 27 ? 40 : 43, out);
}

/* ---- names of types ------------------------------------------------------------------------ */

/* The text behind a length of one of the two kinds; false: it goes on beyond the file. */
static bool read_name(struct go *go, uint64_t addr, struct str *out)
{
	const uint8_t *head = go_bytes(go, addr, 3), *text;
	unsigned skip = 3;
	uint64_t n;

	if (!head)
		return false;
	n = go->minor < 17 ? head[1] << 8 | head[2] : head[1];
	if (go->minor >= 17 && !(head[1] & 0x80))
		skip = 2;
	else if (go->minor >= 17)
		n = (head[1] & 0x7f) | head[2] << 7;
	text = n && n <= NAME_MAX_BYTES ? go_bytes(go, addr + skip, n) : NULL;
	*out = (struct str){(const char *)text, n};
	return text != NULL;
}

bool go_type_name(struct go *go, uint64_t addr, struct str *out)
{
	const uint8_t *desc = go_bytes(go, addr, DESC_SIZE);

	if (!go->types_known && !go_types_address(go, &go->types))
		go->types = 0;
	go->types_known = true;
	if (!desc || !go->types || addr < go->types)
		return false;
	if (!read_name(go, go->types + image_u32(desc + DESC_NAME), out))
		return false;
	for (size_t i = 0; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ')
			return false;
	if (desc[DESC_FLAGS] & FLAG_STAR && out->n > 1 && out->p[0] == '*')
		*out = (struct str){out->p + 1, out->n - 1};
	return true;
}
