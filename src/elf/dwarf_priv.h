/* Private to the files that read debug information: dwarf.c, dwarf_line.c, dwarf_inline.c,
 * dwarf_scan.c, dwarf_text.c. */
#ifndef AWL_ELF_DWARF_PRIV_H
#define AWL_ELF_DWARF_PRIV_H

#include "elf/dwarf.h"

#include <elfutils/libdw.h>

struct dwarf {
	struct arena *arena;
	char *path;
	char *info_path; /* of the file that has the entries: the same, or a separate debug file */
	int fd, main_fd;
	uint64_t size;           /* of the section with the entries */
	bool trusted;            /* nobody else can write the files */
	struct dwarf_made *made; /* told by the user: there is no file; NULL */
	struct reader *reader;   /* answers for us when they can; NULL */
	Elf *elf, *main_elf;     /* main_elf: the program, for the frame information it alone has */
	Dwarf *dw;               /* NULL: not begun */
	bool begun;              /* or tried */
	struct strmap refs;
	VEC(Dwarf_Die) dies;
	const char *texts; /* the section that the last text was in */
	size_t texts_size;
};

/* The function that an instruction belongs to: the innermost inlined copy, or the function itself;
 * with `copy_of` the copy of that function. `outer` is the function whose frame it runs in. False:
 * none is known. */
bool dwarf_instance_at(struct dwarf *d, uint64_t addr, const char *copy_of, Dwarf_Die *instance,
		       Dwarf_Die *outer);
/* The copy of the function of this name that begins at `addr` in the function `outer`. */
bool dwarf_copy_in(struct dwarf *d, Dwarf_Die *outer, uint64_t addr, const char *copy_of,
		   Dwarf_Die *out);
/* The library's side of the file, at the first question that needs it. -errno with `e` set. */
int dwarf_ready(struct dwarf *d, struct err *e);

/* Units by their place in .debug_info, in order. */
struct dwarf_units {
	uint64_t *v;
	size_t n;
	bool all; /* every unit, as far as is known */
};
/* Those in which there may be copies of a function; the library is not asked (dwarf_scan.c). */
void dwarf_units_with_copies(const char *path, const struct elf_pattern *wanted, struct arena *a,
			     struct dwarf_units *out);

/* Every unit that has functions, with its tree; of a skeleton the one in its .dwo file. Stops when
 * fn returns true, which is the result. */
bool dwarf_each_tree(struct dwarf *d, bool (*fn)(void *arg, Dwarf_Die *cu, Dwarf_Die *tree),
		     void *arg);

/* In a damaged file an entry below another can be its sibling as well, and what is below that is
 * met again at each level. Who goes through a tree in the order of the file asks at every entry
 * whether it is behind the last one; false: the rest is no tree. */
static inline bool dwarf_goes_on(const void **last, const Dwarf_Die *die)
{
	if ((uintptr_t)die->addr <= (uintptr_t)*last)
		return false;
	*last = die->addr;
	return true;
}

/* The text of an attribute (DW_AT_name…), of the entry or of what it completes or is a copy of. It
 * lives as long as the file is open. NULL: there is none, or it runs out of its section. */
const char *dwarf_text(struct dwarf *d, Dwarf_Die *die, unsigned name);

/* What a function is called in a symbol table, or in its source when that is not told. */
const char *dwarf_symbol(struct dwarf *d, Dwarf_Die *die);

/* dwarf_made.c */
bool dwarf_made_type(const struct dwarf *d, dwarf_ref ref, struct dwarf_type *out);
size_t dwarf_made_members(const struct dwarf *d, dwarf_ref ref, const struct dwarf_member **out);

#endif
