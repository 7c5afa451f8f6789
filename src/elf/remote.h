/* Symbols and notes of a file that others can write, by way of a reader. Private to src/elf. */
#ifndef AWL_ELF_REMOTE_H
#define AWL_ELF_REMOTE_H

#include "elf/elf_priv.h"

/* Is the file one that is not to be parsed in this process? */
bool remote_wanted(const struct elf *f);
/* Fills funcs and nfuncs, sorted by name; -errno with f->bad set. */
int remote_funcs(struct elf *f);
/* As scan_for() in symtab.c: `func` functions, otherwise any symbol. */
bool remote_find(struct elf *f, struct str name, bool func, struct symtab_entry *out);
int remote_sites(struct elf *f, struct err *e);
/* As elf_inlined_at: names of the arena in out[ELF_MAX_INLINED]. */
size_t remote_inlined(struct elf *f, uint64_t offset, const char **out);

#endif
