/* Address spaces: which file is mapped where, of one program in one process. Private to src/elf.
 *
 *   struct space, newest knowledge, sorted, without overlap; only executable mappings
 *      ┌ start, end, offset ─ file ┐┌ start, end, offset ─ file ┐ …
 *
 * A forked child shares its parent's space until one of them maps something (then it copies it).
 */
#ifndef AWL_ELF_SPACE_H
#define AWL_ELF_SPACE_H

#include "elf/maps.h"

struct module;

/* One file under one path, interned: it lives as long as the symbolizer. */
struct mapped_file {
	const char *path; /* "" for anonymous memory; "[vdso]" and the like */
	uint64_t ino;
	struct module *module; /* NULL: none, or not looked for yet */
	bool tried;            /* module has been looked for */
};

struct mapping {
	uint64_t start, end, offset;
	struct mapped_file *file;
};

struct space {
	unsigned refs;
	VEC(struct mapping) maps;
};

struct space *space_new(void);
struct space *space_ref(struct space *s);
void space_unref(struct space *s); /* NULL is fine */
/* Takes the caller's reference; the result is a space that nobody else refers to. */
struct space *space_own(struct space *s);
/* What is below the new mapping is cut away. */
void space_map(struct space *s, const struct mapping *m);
const struct mapping *space_find(const struct space *s, uint64_t addr);

#endif
