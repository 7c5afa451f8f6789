/* Questions that several of the programs here ask of a damaged file. */
#ifndef AWL_FUZZ_ASK_H
#define AWL_FUZZ_ASK_H

#include "elf/dwarf.h"

static inline void ask_copies_of(struct dwarf *d, const char *name)
{
	const struct elf_pattern wanted = {str_of(name), false};
	struct arena *a = arena_new();
	struct dwarf_copies copies;
	struct dwarf_func f;

	if (dwarf_copies_find(d, &wanted, a, &copies, NULL) == 0)
		for (size_t i = 0; i < copies.n && i < 8; i++)
			dwarf_func_at(d, copies.v[i].addr, copies.v[i].func, a, &f, NULL);
	arena_free(a);
}

/* Inlined copies, of one function and of any, and the arguments of the first of them. */
static inline void ask_copies(struct dwarf *d)
{
	ask_copies_of(d, "count");
	ask_copies_of(d, "*");
}

#endif
