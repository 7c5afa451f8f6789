/* Debug information of a file that others can write, by way of a reader. Private to src/elf. */
#ifndef AWL_ELF_DWARF_REMOTE_H
#define AWL_ELF_DWARF_REMOTE_H

#include "elf/dwarf.h"
#include "elf/reader.h"

/* Starts the reader and lets it open the debug information; `d` is as far as its files are open. In
 * the reader, `begin` does the rest. NULL with `e` set. */
struct reader *dwarf_remote_open(struct dwarf *d, const char *path, const int *fds, size_t nfds,
				 struct err *e);
/* In the reader: dwarf.c's own. */
int dwarf_begin_local(struct dwarf *d, struct err *e);

/* As the functions of dwarf.h; names of types live in `names`. */
bool dwarf_remote_type(struct reader *r, struct arena *names, dwarf_ref ref,
		       struct dwarf_type *out);
size_t dwarf_remote_members(struct reader *r, dwarf_ref ref, struct arena *a,
			    const struct dwarf_member **out);
size_t dwarf_remote_values(struct reader *r, dwarf_ref ref, struct arena *a,
			   const struct dwarf_value **out);
size_t dwarf_remote_go_types(struct reader *r, struct arena *a, const struct dwarf_go_type **out);
int dwarf_remote_func(struct reader *r, uint64_t addr, const char *copy_of, struct arena *a,
		      struct dwarf_func *out, struct err *e);
int dwarf_remote_copies(struct reader *r, const struct elf_pattern *wanted, struct arena *a,
			struct dwarf_copies *out, struct err *e);
int dwarf_remote_lines(struct reader *r, struct str file, unsigned line, unsigned column,
		       struct arena *a, struct dwarf_lines *out, struct err *e);
int dwarf_remote_files(struct reader *r, int (*fn)(void *arg, const char *file), void *arg);

#endif
