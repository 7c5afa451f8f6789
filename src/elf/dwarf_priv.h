/* Private to the files that read debug information: dwarf.c, dwarf_line.c. */
#ifndef AWL_ELF_DWARF_PRIV_H
#define AWL_ELF_DWARF_PRIV_H

#include "elf/dwarf.h"

#include <elfutils/libdw.h>

struct dwarf {
	struct arena *arena;
	char *path;
	int fd, main_fd;
	bool trusted;          /* nobody else can write the files */
	struct reader *reader; /* answers for us when they can; NULL */
	Elf *elf, *main_elf;   /* main_elf: the program, for the frame information it alone has */
	Dwarf *dw;
	struct strmap refs;
	VEC(Dwarf_Die) dies;
};

/* The function that an instruction belongs to: the innermost inlined copy, or the function itself.
 * `outer` is the function whose frame it runs in. False: none is known. */
bool dwarf_instance_at(struct dwarf *d, uint64_t addr, Dwarf_Die *instance, Dwarf_Die *outer);

#endif
