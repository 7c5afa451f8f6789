/* Parts of finding files that tests and elf_glob use. Private to src/elf. */
#ifndef AWL_ELF_FIND_H
#define AWL_ELF_FIND_H

#include "elf/maps.h"

/* Calls `fn` for each entry of a cache of the dynamic linker until it returns non-zero. */
int ldcache_each(const char *p, size_t n,
		 int (*fn)(void *arg, uint32_t flags, const char *name, const char *path),
		 void *arg);
/* A path under which we reach the file of a mapping: of a deleted file, or one without a name, the
 * link of the mapping itself. */
bool find_mapping(int pid, const struct proc_map *m, char *out, size_t size);
bool lib_name_matches(struct str want, const char *file);
/* `name` of find_mapping's file as a target names it: a path, the name of a program or library, or
 * "" for any. */
bool mapping_matches(struct str name, const struct proc_map *m);

#endif
