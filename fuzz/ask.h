/* Questions that several of the programs here ask of a damaged file. */
#ifndef AWL_FUZZ_ASK_H
#define AWL_FUZZ_ASK_H

#include "elf/dwarf.h"

/* Inlined copies, and the arguments of the first of them. */
static inline void ask_copies(struct dwarf *d)
{
	static const struct elf_pattern any = {{"*", 1}, false};
	struct arena *a = arena_new();
	struct dwarf_copies copies;
	struct dwarf_func f;

	if (dwarf_copies_find(d, &any, a, &copies, NULL) == 0)
		for (size_t i = 0; i < copies.n && i < 8; i++)
			dwarf_func_at(d, copies.v[i].addr, copies.v[i].func, a, &f, NULL);
	arena_free(a);
}

#endif
