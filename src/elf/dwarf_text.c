/* Texts of debug information that end where their section ends.
 *
 * libdw (0.188) returns a text that stands in the entry itself (DW_FORM_string) as it is, and one
 * that begins behind the last zero byte of .debug_str as well: in a damaged file both go on behind
 * the section. So every text is looked up in the sections that it may be in, of the file its unit
 * is from or of the one that dwz put common parts into, and must have its end there. */
#include "elf/dwarf_priv.h"

#include <dwarf.h>
#include <gelf.h>
#include <string.h>

static bool is_debug(Elf *elf, size_t names, const GElf_Shdr *s)
{
	const char *name = elf_strptr(elf, names, s->sh_name);

	return name && (strncmp(name, ".debug_", 7) == 0 || strncmp(name, ".zdebug_", 8) == 0);
}

/* The section that `text` is in becomes the one that is looked at first. */
static bool section_of(struct dwarf *d, Elf *elf, const char *text)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (!elf || elf_getshdrstrndx(elf, &names) != 0)
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr s;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &s) || s.sh_type == SHT_NOBITS || !is_debug(elf, names, &s))
			continue;
		data = elf_getdata(scn, NULL);
		if (!data || !data->d_buf ||
		    (uintptr_t)text - (uintptr_t)data->d_buf >= data->d_size)
			continue;
		d->texts = data->d_buf;
		d->texts_size = data->d_size;
		return true;
	}
	return false;
}

static bool has_end(struct dwarf *d, Dwarf *dw, const char *text)
{
	uintptr_t at = (uintptr_t)text - (uintptr_t)d->texts;

	if (at >= d->texts_size && !section_of(d, dwarf_getelf(dw), text) &&
	    !section_of(d, dwarf_getelf(dwarf_getalt(dw)), text))
		return false;
	at = (uintptr_t)text - (uintptr_t)d->texts;
	return memchr(text, 0, d->texts_size - at) != NULL;
}

const char *dwarf_text(struct dwarf *d, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	const char *text;

	if (!dwarf_attr_integrate(die, name, &a))
		return NULL;
	text = dwarf_formstring(&a);
	return text && has_end(d, dwarf_cu_getdwarf(a.cu), text) ? text : NULL;
}

const char *dwarf_symbol(struct dwarf *d, Dwarf_Die *die)
{
	static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name};
	const char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !text; i++)
		text = dwarf_text(d, die, names[i]);
	return text;
}
